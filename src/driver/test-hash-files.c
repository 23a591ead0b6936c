/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hash-files.h"

#include <stdio.h>
#include <string.h>

#include "os.h"
#include "progress.h"
#include "test-tools.h"
#include "test.h"

enum { FILES = 12, BIG = 9 << 20 }; /* more than one processor is asked for */

static struct hashed_file files[FILES];
static char paths[FILES][64];
static uint8_t bytes[BIG];

static size_t size_of(size_t i)
{
    return i == 5 ? BIG : i * 1000;
}

static void make_files(void)
{
    struct dice dice = { 3 };

    dice_fill(&dice, bytes, sizeof(bytes));
    for (size_t i = 0; i < FILES; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s", scratch("file"));
        snprintf(paths[i] + strlen(paths[i]), 4, "%zu", i);
        CHECK(write_whole(paths[i], bytes + i, size_of(i) - (i == 5 ? i : 0)));
        files[i] = (struct hashed_file){ .path = paths[i], .size = size_of(i) };
    }
}

TEST(every_file_has_the_hash_of_its_bytes_and_its_real_size)
{
    struct err err = ERR_INIT;
    char expected[SHA256_HEX];

    make_files();
    files[3].size = 7; /* what was expected is corrected */
    CHECK_OK(hash_local_files(files, FILES, NULL, &err));
    for (size_t i = 0; i < FILES; i++) {
        size_t len = size_of(i) - (i == 5 ? i : 0);

        hash_bytes(bytes + i, len, expected);
        CHECK_STR_EQ(files[i].sha256, expected);
        CHECK_EQ(files[i].size, len);
    }
    CHECK_OK(hash_local_files(files, 0, NULL, &err));
}

static bool never(struct progress *self, const char *what, enum progress_unit unit,
                  uint64_t done, uint64_t total)
{
    return false;
}

static bool only_at_the_end(struct progress *self, const char *what,
                            enum progress_unit unit, uint64_t done, uint64_t total)
{
    return done < total;
}

/* By whichever thread, and also while this one only waits for another. */
TEST(a_user_who_stops_is_heard_however_few_files_are_left)
{
    struct progress late = { only_at_the_end };
    struct err err = ERR_INIT;

    make_files();
    files[5].size -= 5; /* what it has */
    CHECK(!hash_local_files(&files[5], 1, &late, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
}

TEST(a_file_that_is_gone_is_named_and_a_user_who_stops_is_heard)
{
    struct progress impatient = { never };
    struct err err = ERR_INIT;
    char text[1024];

    make_files();
    CHECK_EQ(remove(paths[7]), 0);
    CHECK(!hash_local_files(files, FILES, NULL, &err));
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, paths[7]));
    make_files();
    err = ERR_INIT;
    CHECK(!hash_local_files(files, FILES, &impatient, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
}
