/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partition tables that make no sense. */

#include <stdio.h>

#include "crc32c.h"
#include "err.h"
#include "image.h"
#include "little-endian.h"
#include "test-tools.h"
#include "test.h"

enum { MIB = 1 << 20, DISK = 16 * MIB };
#define BASIC "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"

/* Whether the tables of the raw image @path are taken; @err says why not. */
static bool read_tables(const char *path, unsigned *ret_count, struct err *err)
{
    CLEANUP(disk_cleanup) struct disk *disk = disk_open(path, DISK_READ, err);
    CLEANUP(free_cleanup) struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    const char *table;

    return disk && parts && disk_partitions(disk, parts, ret_count, &table, err);
}

static void put_entry(uint8_t *sector, unsigned i, uint8_t type, uint32_t start,
                      uint32_t sectors)
{
    uint8_t *entry = sector + 446 + i * 16;

    entry[4] = type;
    store_u32(entry + 8, start);
    store_u32(entry + 12, sectors);
    store_u16(sector + 510, 0xAA55);
}

TEST(an_mbr_that_makes_no_sense_is_refused)
{
    static const char *const cases[] = { "fine", "outside", "logical: no table",
                                         "logical: no end", "logical: outside" };
    const char *path = scratch("mbr.raw");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) uint8_t *disk = calloc(1, DISK);
        uint8_t *logical = disk + 2 * MIB;
        struct err err = ERR_INIT;
        unsigned count = 0;

        test_case(cases[i]);
        put_entry(disk, 0, 0x07, 2048, i == 1 ? 1 << 30 : 2048);
        put_entry(disk, 1, 0x0F, 4096, 8192);
        put_entry(logical, 0, 0x07, i == 4 ? 1 << 30 : 2048, 2048);
        if (i == 2)
            store_u16(logical + 510, 0);
        if (i == 3) { /* the second table names the second as the next */
            put_entry(logical, 1, 0x05, 4096, 2048);
            put_entry(logical + 2 * MIB, 0, 0x07, 2048, 1024);
            put_entry(logical + 2 * MIB, 1, 0x05, 4096, 2048);
        }
        CHECK(write_whole(path, disk, DISK));
        CHECK_EQ(read_tables(path, &count, &err), i == 0);
        CHECK_EQ(err.kind, i == 0 ? ERR_NONE : ERR_PROTOCOL);
        CHECK(i != 0 || count == 2);
    }
}

/* Each logical partition has a table of its own, and three of the four may hold some. */
TEST(more_logical_partitions_than_hvgpu_counts_are_refused)
{
    for (unsigned each = 40; each <= 50; each += 10) {
        CLEANUP(free_cleanup) uint8_t *disk = calloc(1, DISK);
        const char *path = scratch("mbr.raw");
        struct err err = ERR_INIT;
        unsigned count = 0;

        for (uint32_t p = 0; p < 3; p++) {
            uint32_t start = 1024 + p * 8192;

            put_entry(disk, p, 0x05, start, 8192);
            for (uint32_t i = 0; i < each; i++) {
                uint8_t *table = disk + (size_t)(start + i * 8) * 512;

                put_entry(table, 0, 0x07, 4, 4);
                if (i + 1 < each)
                    put_entry(table, 1, 0x05, (i + 1) * 8, 8);
            }
        }
        CHECK(write_whole(path, disk, DISK));
        CHECK_EQ(read_tables(path, &count, &err), each == 40);
        CHECK(each == 40 ? count == 120 : err.kind == ERR_UNSUPPORTED);
        CHECK(each == 40 || strstr(err.text[0], "more than 128 partitions"));
    }
}

TEST(more_partitions_than_windows_makes_are_refused)
{
    const char *path = scratch("many.raw");

    if (!has_program("sgdisk"))
        SKIP("sgdisk is not installed");
    for (unsigned count = PARTITION_MAX; count <= PARTITION_MAX + 1; count++) {
        bool is_fine = count == PARTITION_MAX;
        struct err err = ERR_INIT;
        unsigned found = 0;

        CHECK_EQ(
            shell(
                "rm -f %s && truncate -s 16M %s && sgdisk -S 256 -a 1 $(for i in $(seq %u); do "
                "echo \"-n $i:$((i + 2047)):$((i + 2047))\"; done) %s",
                path, path, count, path),
            0);
        CHECK_EQ(read_tables(path, &found, &err), is_fine);
        CHECK_EQ(err.kind, is_fine ? ERR_NONE : ERR_UNSUPPORTED);
        CHECK(is_fine ? found == count : strstr(err.text[0], "more than 128") != NULL);
    }
}

/* Makes the sums of the header at @at and of its entries right. */
static void seal_gpt(uint8_t *disk, uint64_t at)
{
    uint8_t *header = disk + at;

    store_u32(header + 88,
              crc32_ieee(0, disk + load_u64(header + 72) * 512,
                         (size_t)load_u32(header + 80) * load_u32(header + 84)));
    store_u32(header + 16, 0);
    store_u32(header + 16, crc32_ieee(0, header, 92));
}

TEST(a_gpt_that_makes_no_sense_is_refused)
{
    static const struct {
        const char *name;
        uint64_t at, number; /* in the entries, or with @in_header in the header */
        bool in_header, is_fine;
    } cases[] = {
        { "fine", 40, 4095, false, true },
        { "starts before the usable", 32, 1, false, false },
        { "ends behind the disk", 40, 1 << 30, false, false },
        { "ends before it starts", 40, 100, false, false },
        { "entries outside", 72, (uint64_t)1 << 40, true, false },
        { "usable beyond the disk", 48, (uint64_t)1 << 40, true, false },
    };
    const char *path = scratch("gpt.raw");
    struct partition part = { .index = 1, .offset_bytes = MIB, .size_bytes = MIB };
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup) uint8_t *good = NULL;
    struct err err = ERR_INIT;
    size_t len = 0;

    strcpy(part.type, BASIC);
    CHECK_EQ(shell("rm -f %s && truncate -s 16M %s", path, path), 0);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk && disk_write_gpt(disk, &part, 1, &err) && disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    good = read_whole(path, &len);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) uint8_t *bad = malloc(len);
        unsigned count = 0;

        test_case(cases[i].name);
        err = ERR_INIT;
        memcpy(bad, good, len);
        for (unsigned copy = 0; copy < 2; copy++) { /* both, or the other one counts */
            uint64_t header = copy ? len - 512 : 512;
            uint64_t entries = load_u64(bad + header + 72) * 512;

            store_u64(bad + (cases[i].in_header ? header : entries) + cases[i].at,
                      cases[i].number);
            if (!cases[i].in_header || cases[i].at != 72)
                seal_gpt(bad, header);
            else {
                store_u32(bad + header + 16, 0);
                store_u32(bad + header + 16, crc32_ieee(0, bad + header, 92));
            }
        }
        CHECK(write_whole(path, bad, len));
        CHECK_EQ(read_tables(path, &count, &err), cases[i].is_fine);
        CHECK_EQ(err.kind, cases[i].is_fine ? ERR_NONE : ERR_PROTOCOL);
    }
}

TEST(a_gpt_is_not_written_that_makes_no_sense)
{
    static const struct partition bad[] = {
        { .index = 1, .type = BASIC, .offset_bytes = MIB, .size_bytes = 20 * MIB },
        { .index = 1, .type = BASIC, .offset_bytes = 512, .size_bytes = MIB },
        { .index = 1, .type = BASIC, .offset_bytes = MIB, .size_bytes = 0 },
        { .index = 1, .type = "basic", .offset_bytes = MIB, .size_bytes = MIB },
        { .index = 1, .type = BASIC, .id = "x", .offset_bytes = MIB, .size_bytes = MIB },
        { .index = 129, .type = BASIC, .offset_bytes = MIB, .size_bytes = MIB },
    };
    const struct partition twice[] = {
        { .type = BASIC, .offset_bytes = MIB, .size_bytes = MIB },
        { .type = BASIC, .offset_bytes = MIB, .size_bytes = MIB }
    };
    const char *path = scratch("write.raw");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;

    CHECK_EQ(shell("rm -f %s && truncate -s 16M %s", path, path), 0);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk != NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err = ERR_INIT;
        CHECK(!disk_write_gpt(disk, &bad[i], 1, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
    }
    CHECK(!disk_write_gpt(disk, twice, 2, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    err = ERR_INIT;
    CHECK(!disk_write_gpt(disk, twice, PARTITION_MAX + 1, &err));
    CHECK(strstr(err.text[0], "more than 128 partitions"));
    disk_close(disk);
    CHECK_EQ(shell("truncate -s 3M %s", path), 0);
    err = ERR_INIT;
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk != NULL);
    CHECK(disk && !disk_write_gpt(disk, bad, 1, &err));
    CHECK(strstr(err.text[0], "too small"));
}
