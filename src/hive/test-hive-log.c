/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "hive-log.h"
#include "hive.h"
#include "test.h"
#include "text.h"

enum { FILE_MAX = 32 << 20 };

struct file {
    uint8_t *bytes;
    size_t len;
};

static void file_cleanup(struct file *file)
{
    free(file->bytes);
}

/* Real hives, and what unpacks them; Windows has no xz. */
static bool has_data(void)
{
    char answer[8] = "";
    FILE *pipe = test_data_dir() ? popen("xz --version", "r") : NULL;

    if (pipe) {
        (void)!fread(answer, 1, sizeof(answer) - 1, pipe);
        pclose(pipe);
    }
    return strncmp(answer, "xz ", 3) == 0;
}

/* The data are xz-compressed. */
static struct file load(const char *name)
{
    CLEANUP(free_cleanup)
    char *command = text_printf("xz -dc '%s/hives/%s.xz'", test_data_dir(), name);
    struct file file = { .bytes = malloc(FILE_MAX) };
    FILE *pipe = popen(command, "r");

    file.len = pipe ? fread(file.bytes, 1, FILE_MAX, pipe) : 0;
    if (pipe)
        pclose(pipe);
    CHECK(file.len > 0);
    return file;
}

TEST(a_dirty_hive_becomes_clean_through_its_logs)
{
    CLEANUP(file_cleanup) struct file clean = { 0 };
    struct err err = ERR_INIT;
    unsigned applied = 0;

    if (!has_data())
        SKIP("no HVGPU_TEST_DATA, or no xz");
    {
        CLEANUP(file_cleanup) struct file dirty = load("transactions_NTUSER.DAT");
        CLEANUP(file_cleanup) struct file log1 = load("transactions_ntuser.dat.log1");
        CLEANUP(file_cleanup) struct file log2 = load("transactions_ntuser.dat.log2");
        const struct hive_log logs[] = { { log2.bytes, log2.len },
                                         { log1.bytes, log1.len } };
        CLEANUP(free_cleanup) uint8_t *before = malloc(dirty.len);
        CLEANUP(hive_cleanup) struct hive *hive = NULL;
        CLEANUP(hive_cleanup) struct hive *stale = NULL;

        memcpy(before, dirty.bytes, dirty.len);
        CHECK(!hive_open(dirty.bytes, dirty.len, true, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        CHECK_OK(hive_replay(dirty.bytes, dirty.len, logs, 2, &clean.bytes, &clean.len,
                             &applied, &err));
        CHECK(applied > 0);
        CHECK(memcmp(before, dirty.bytes, dirty.len) == 0);
        hive = hive_open(clean.bytes, clean.len, true, &err);
        CHECK(hive);
        /* A key that only the log has. */
        stale = hive_open(dirty.bytes, dirty.len, false, &err);
        CHECK(stale && !hive_has_key(stale, "Software\\Microsoft\\Payment\\PaymentApps"));
        CHECK(hive && hive_has_key(hive, "Software\\Microsoft\\Payment\\PaymentApps"));
    }
}

TEST(a_broken_log_is_not_applied)
{
    struct err err = ERR_INIT;

    if (!has_data())
        SKIP("no HVGPU_TEST_DATA, or no xz");
    {
        CLEANUP(file_cleanup) struct file dirty = load("transactions_NTUSER.DAT");
        CLEANUP(file_cleanup) struct file log1 = load("transactions_ntuser.dat.log1");
        struct hive_log logs[] = { { log1.bytes, log1.len } };
        uint8_t *out = NULL;
        size_t len = 0;

        log1.bytes[512 + 4096] ^= 1; /* inside the pages of the first entry */
        CHECK(!hive_replay(dirty.bytes, dirty.len, logs, 1, &out, &len, NULL, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        CHECK(!out);
        logs[0].len = 700; /* cut inside the header of the first entry */
        CHECK(!hive_replay(dirty.bytes, dirty.len, logs, 1, &out, &len, NULL, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        CHECK(!hive_replay(dirty.bytes, dirty.len, NULL, 0, &out, &len, NULL, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
    }
}

TEST(a_log_of_another_hive_is_not_applied)
{
    struct err err = ERR_INIT;

    if (!has_data())
        SKIP("no HVGPU_TEST_DATA, or no xz");
    {
        CLEANUP(file_cleanup) struct file dirty = load("SYSTEM_WIN_10_1709");
        CLEANUP(file_cleanup) struct file log1 = load("transactions_ntuser.dat.log1");
        const struct hive_log logs[] = { { log1.bytes, log1.len } };
        uint8_t *out = NULL;
        size_t len = 0;

        CHECK(!hive_replay(dirty.bytes, dirty.len, logs, 1, &out, &len, NULL, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
    }
}

TEST(what_is_no_hive_is_refused)
{
    static const uint8_t nothing[8192];
    struct err err = ERR_INIT;
    uint8_t *out = NULL;
    size_t len = 0;

    CHECK(!hive_replay(nothing, sizeof(nothing), NULL, 0, &out, &len, NULL, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK(!hive_replay(nothing, 100, NULL, 0, &out, &len, NULL, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
}
