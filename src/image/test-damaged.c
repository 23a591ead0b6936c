/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX files that were damaged, or made by an enemy: each is refused for its reason. */

#include <stdio.h>

#include "crc32c.h"
#include "err.h"
#include "image.h"
#include "little-endian.h"
#include "test-tools.h"
#include "test.h"

enum { MIB = 1 << 20, SMALL_DISK = 24 << 20 };

static void seal(uint8_t *bytes, size_t len)
{
    store_u32(bytes + 4, 0);
    store_u32(bytes + 4, crc32c(0, bytes, len));
}

struct damage {
    const char *name;
    void (*harm)(uint8_t *file, size_t *len);
    enum err_kind kind;
};

static void cut_tables(uint8_t *f, size_t *len)
{
    *len = 2 << 20;
}
static void cut_block(uint8_t *f, size_t *len)
{
    *len -= 4096;
}
static void both_headers(uint8_t *f, size_t *len)
{
    f[0x10100] ^= 1;
    f[0x20100] ^= 1;
}
static void both_regions(uint8_t *f, size_t *len)
{
    f[0x30010] ^= 1;
    f[0x40010] ^= 1;
}
static void metadata_sign(uint8_t *f, size_t *len)
{
    f[0x200000] ^= 1;
}
static void block_size(uint8_t *f, size_t *len)
{
    store_u32(f + 0x210000, 3 << 20);
}
static void sector_size(uint8_t *f, size_t *len)
{
    store_u32(f + 0x210020, 520);
}
static void huge(uint8_t *f, size_t *len)
{
    store_u64(f + 0x210008, (uint64_t)1 << 60);
}
static void too_large(uint8_t *f, size_t *len)
{
    store_u64(f + 0x210008, (uint64_t)1 << 45);
}
static void bat_outside(uint8_t *f, size_t *len)
{
    store_u64(f + 0x300000, (uint64_t)1 << 40 | 6);
}
static void bat_on_header(uint8_t *f, size_t *len)
{
    store_u64(f + 0x300000, 6);
}
static void bat_on_bat(uint8_t *f, size_t *len)
{
    store_u64(f + 0x300000, 0x300000 | 6);
}
static void bat_state(uint8_t *f, size_t *len)
{
    store_u64(f + 0x300000, 0x400000 | 5);
}
static void bat_part(uint8_t *f, size_t *len)
{
    store_u64(f + 0x300000, 0x400000 | 7);
}
static void bat_twice(uint8_t *f, size_t *len)
{
    store_u64(f + 0x300000, 0x400000 | 6);
    store_u64(f + 0x300008, 0x400000 | 6);
}
static void log_guid(uint8_t *f, size_t *len)
{
    for (unsigned at = 0x10000; at <= 0x20000; at += 0x10000) {
        f[at + 48] = 1;
        seal(f + at, 4096);
    }
}
static void required_item(uint8_t *f, size_t *len)
{
    f[0x200020 + 4 * 32] ^= 1;
}
static void region_outside(uint8_t *f, size_t *len)
{
    for (unsigned at = 0x30000; at <= 0x40000; at += 0x10000) {
        store_u64(f + at + 32, (uint64_t)1 << 40);
        seal(f + at, 65536);
    }
}
static void unknown_region(uint8_t *f, size_t *len)
{
    for (unsigned at = 0x30000; at <= 0x40000; at += 0x10000) {
        f[at + 16] ^= 1;
        seal(f + at, 65536);
    }
}
static void region_missing(uint8_t *f, size_t *len)
{
    for (unsigned at = 0x30000; at <= 0x40000; at += 0x10000) {
        f[at + 48] ^= 1;
        f[at + 48 + 28] = 0; /* not required, so passed over */
        seal(f + at, 65536);
    }
}
static void item_outside(uint8_t *f, size_t *len)
{
    store_u32(f + 0x200020 + 16, 0x8000); /* in the table itself */
}
static void item_missing(uint8_t *f, size_t *len)
{
    store_u16(f + 0x20000A, 2);
}
static void log_nowhere(uint8_t *f, size_t *len)
{
    for (unsigned at = 0x10000; at <= 0x20000; at += 0x10000) {
        store_u64(f + at + 72, (uint64_t)1 << 51);
        seal(f + at, 4096);
    }
}
static void no_parent(uint8_t *f, size_t *len)
{
    store_u32(f + 0x210004, 2);
}

TEST(damaged_vhdx_files_are_refused_each_for_its_reason)
{
    static const struct damage cases[] = {
        { "tables cut off", cut_tables, ERR_PROTOCOL },
        { "block cut off", cut_block, ERR_PROTOCOL },
        { "both headers", both_headers, ERR_PROTOCOL },
        { "both region tables", both_regions, ERR_PROTOCOL },
        { "metadata signature", metadata_sign, ERR_PROTOCOL },
        { "block size", block_size, ERR_PROTOCOL },
        { "sector size", sector_size, ERR_PROTOCOL },
        { "absurd size", huge, ERR_PROTOCOL },
        { "size beyond the table", too_large, ERR_PROTOCOL },
        { "block outside", bat_outside, ERR_PROTOCOL },
        { "block on the header", bat_on_header, ERR_PROTOCOL },
        { "block on the table", bat_on_bat, ERR_PROTOCOL },
        { "unknown state", bat_state, ERR_PROTOCOL },
        { "partly present without parent", bat_part, ERR_PROTOCOL },
        { "two blocks in one place", bat_twice, ERR_PROTOCOL },
        { "a log that is none", log_guid, ERR_PROTOCOL },
        { "unknown required metadata", required_item, ERR_UNSUPPORTED },
        { "region outside", region_outside, ERR_PROTOCOL },
        { "unknown required region", unknown_region, ERR_UNSUPPORTED },
        { "region missing", region_missing, ERR_PROTOCOL },
        { "metadata outside", item_outside, ERR_PROTOCOL },
        { "metadata missing", item_missing, ERR_PROTOCOL },
        { "a log that lies nowhere", log_nowhere, ERR_PROTOCOL },
        { "a parent nobody names", no_parent, ERR_PROTOCOL },
    };
    struct err err = ERR_INIT;
    const char *good_path = scratch("good.vhdx");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup) uint8_t *good = NULL;
    size_t good_len = 0;

    CHECK_OK(disk_create_vhdx(good_path, SMALL_DISK, MIB, &err));
    disk = disk_open(good_path, DISK_WRITE, &err);
    CHECK_OK(disk && disk_write(disk, 0, "x", 1, &err) &&
             disk_write(disk, MIB, "y", 1, &err) && disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    good = read_whole(good_path, &good_len);
    for (size_t i = 0; good && i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) uint8_t *bad = malloc(good_len);
        size_t len = good_len;

        test_case(cases[i].name);
        memcpy(bad, good, good_len);
        cases[i].harm(bad, &len);
        CHECK(write_whole(scratch("bad.img"), bad, len));
        err = ERR_INIT;
        disk = disk_open(scratch("bad.img"), DISK_READ, &err);
        CHECK(!disk);
        CHECK_EQ(err.kind, cases[i].kind);
        disk_close(disk);
        disk = NULL;
    }
}

TEST(one_damaged_header_or_table_of_two_is_enough)
{
    struct err err = ERR_INIT;
    const char *path = scratch("half.vhdx");
    static const uint64_t places[] = { 0x10100, 0x20100, 0x30010, 0x40010 };

    CHECK_OK(disk_create_vhdx(path, SMALL_DISK, MIB, &err));
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        CLEANUP(disk_cleanup) struct disk *disk = NULL;

        copy_file(path, scratch("half.img"));
        patch_file(scratch("half.img"), places[i], "\xAA", 1);
        disk = disk_open(scratch("half.img"), DISK_READ, &err);
        CHECK_OK(disk != NULL);
    }
}

/* ---- logs ---- */

enum { LOG_AT = 4 * MIB, ENTRY = 8192 };

/* An entry of the log at @log + @at that fills 64 KiB at @where with zeros; [MS-VHDX] 2.3.1.
 * @bytes: what it says of its own length. */
static void put_entry(uint8_t *log, uint32_t at, uint64_t sequence, uint32_t bytes,
                      uint64_t where, uint64_t file_end)
{
    uint8_t *entry = log + at;

    memcpy(entry, "loge", 4);
    store_u32(entry + 8, bytes);
    store_u32(entry + 12, at); /* its own tail */
    store_u64(entry + 16, sequence);
    store_u32(entry + 24, 1);
    entry[32] = 1; /* the log's GUID, as log_guid() writes it */
    store_u64(entry + 48, MIB);
    store_u64(entry + 56, file_end);
    memcpy(entry + 64, "zero", 4);
    store_u64(entry + 72, 64 << 10);
    store_u64(entry + 80, where);
    store_u64(entry + 88, sequence);
    seal(entry, ENTRY);
}

TEST(a_vhdx_log_that_leads_nowhere_is_refused)
{
    static const struct {
        const char *name;
        uint64_t where, file_end;
        uint32_t log_bytes;
        const char *text; /* NULL: it is replayed */
    } cases[] = {
        { "fine", 5 * MIB, 8 * MIB, MIB, NULL },
        { "fine, in a file that it makes longer", 8 * MIB, 9 * MIB, MIB, NULL },
        { "behind the end", 8 * MIB - 4096, 8 * MIB, MIB, "writes beyond the end" },
        { "an end beyond all files", 5 * MIB, (uint64_t)1 << 51, MIB, "makes no sense" },
        { "an end within a MiB", 5 * MIB, 8 * MIB + 4096, MIB, "makes no sense" },
        { "no room", 5 * MIB, 8 * MIB, 0, "lies nowhere it can lie" },
        { "more than any log", 5 * MIB, 8 * MIB, 65 * MIB, "lies nowhere it can lie" },
        { "entries within entries", 5 * MIB, 8 * MIB, 2 * MIB, "makes no sense" },
    };
    const char *path = scratch("log.vhdx");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) uint8_t *file = NULL;
        CLEANUP(disk_cleanup) struct disk *disk = NULL;
        struct err err = ERR_INIT;
        size_t len = 0;

        test_case(cases[i].name);
        shell("rm -f %s", path);
        CHECK_OK(disk_create_vhdx(path, SMALL_DISK, MIB, &err));
        CHECK_EQ(shell("truncate -s 8M %s", path), 0);
        file = read_whole(path, &len);
        log_guid(file, &len);
        for (unsigned at = 0x10000; at <= 0x20000; at += 0x10000) {
            store_u32(file + at + 68, cases[i].log_bytes);
            store_u64(file + at + 72, LOG_AT);
            seal(file + at, 4096);
        }
        put_entry(file + LOG_AT, 0, 1, ENTRY, cases[i].where, cases[i].file_end);
        /* As many as there are sectors, each as long as the log: checking their sums would
         * take forever. */
        for (uint32_t at = 0; cases[i].log_bytes == 2 * MIB && at < 2 * MIB; at += 4096)
            put_entry(file + LOG_AT, at, 1 + at, 2 * MIB, cases[i].where,
                      cases[i].file_end);
        CHECK(write_whole(path, file, len));
        disk = disk_open(path, DISK_READ, &err);
        CHECK_EQ(disk != NULL, cases[i].text == NULL);
        if (cases[i].text) {
            CHECK_EQ(err.kind, ERR_PROTOCOL);
            CHECK(strstr(err.text[0], cases[i].text));
        }
    }
}

TEST(a_vhdx_log_that_does_not_fit_its_file_is_refused)
{
    static const struct {
        const char *name;
        uint64_t cut; /* the file's new size; 0: as it is */
        uint64_t at, number;
    } cases[] = {
        { "cut off", 6 * MIB, 0, 0 },
        { "damaged", 0, 0, 0x4141414141414141 },
    };

    if (!test_data_dir())
        SKIP("$HVGPU_TEST_DATA is not set");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = scratch("log.vhdx");
        CLEANUP(free_cleanup) uint8_t *bytes = NULL;
        struct err err = ERR_INIT;
        size_t len = 0;

        test_case(cases[i].name);
        CHECK_EQ(shell("bzip2 -dc '%s/vhdx/iotest-dirtylog-10G-4M.vhdx.bz2' >%s",
                       test_data_dir(), path),
                 0);
        bytes = read_whole(path, &len);
        if (cases[i].cut)
            CHECK_EQ(shell("truncate -s %llu %s", (unsigned long long)cases[i].cut, path),
                     0);
        for (uint64_t at = MIB; cases[i].number && at < 2 * MIB; at += 4096)
            if (memcmp(bytes + at, "loge", 4) == 0)
                patch_number(path, at + 100, cases[i].number, 8);
        CHECK(!disk_open(path, DISK_READ, &err));
        CHECK_EQ(err.kind, ERR_PROTOCOL);
        CHECK(!disk_open(path, DISK_WRITE, &err));
    }
}
