/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zip files, written and read, also broken ones. */

#include "zip.h"

#include <stdlib.h>

#include "err.h"
#include "test.h"

static const struct zip_entry entries[] = {
    { "README.txt", "read me", 7 },
    { "empty", "", 0 },
    { "folder/data.bin", "\0\1\2PK\5\6", 7 },
};

static char *make(size_t *ret_len)
{
    struct err err = ERR_INIT;
    char *bytes = zip_write(entries, ARRAY_LEN(entries), ret_len, &err);

    CHECK(bytes);
    return bytes;
}

TEST(every_entry_is_found_again_and_the_same_entries_give_the_same_file)
{
    size_t len, again_len, size;
    char *bytes = make(&len), *again = make(&again_len);
    const char *found;
    struct err err = ERR_INIT;

    CHECK(len == again_len && memcmp(bytes, again, len) == 0);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        test_case(entries[i].name);
        CHECK_OK(zip_find(bytes, len, entries[i].name, &found, &size, &err));
        CHECK(size == entries[i].len && memcmp(found, entries[i].bytes, size) == 0);
    }
    CHECK(!zip_find(bytes, len, "read", &found, &size, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    free(bytes);
    free(again);
}

/* However it is cut or changed: an error or the entry, whose sum was compared. */
TEST(a_damaged_file_is_an_error_or_gives_the_entry_unharmed)
{
    size_t len, size;
    char *bytes = make(&len);
    const char *found;
    struct err err = ERR_INIT;

    for (size_t cut = 0; cut < len; cut++)
        CHECK(!zip_find(bytes, cut, "README.txt", &found, &size, &err));
    for (size_t at = 0; at < len; at++) {
        static const char flips[] = { 1, 0x40, (char)0xFF };

        for (size_t f = 0; f < ARRAY_LEN(flips); f++) {
            char *copy = malloc(len);

            memcpy(copy, bytes, len);
            copy[at] ^= flips[f];
            err = ERR_INIT;
            if (zip_find(copy, len, "README.txt", &found, &size, &err))
                CHECK(size == 7 && memcmp(found, "read me", 7) == 0);
            else
                CHECK(err.kind == ERR_PROTOCOL || err.kind == ERR_UNSUPPORTED ||
                      err.kind == ERR_NOT_FOUND);
            free(copy);
        }
    }
    free(bytes);
}

TEST(what_is_compressed_or_no_zip_file_is_told_apart)
{
    size_t len, size;
    char *bytes = make(&len);
    const char *found;
    struct err err = ERR_INIT;
    char *central = bytes;

    while (memcmp(central, "PK\1\2", 4) != 0)
        central++;
    central[10] = 8; /* deflated */
    CHECK(!zip_find(bytes, len, "README.txt", &found, &size, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(!zip_find("hello", 5, "README.txt", &found, &size, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    free(bytes);
}
