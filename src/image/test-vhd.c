/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is particular to VHD: sector bitmaps, two footers, numbers of the other order. */

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "image.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

enum { MIB = 1 << 20, SMALL_DISK = 24 << 20 };

static bool is_like(struct disk *disk, const uint8_t *model, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(SMALL_DISK);
    if (!disk_read(disk, 0, bytes, SMALL_DISK, err))
        return false;
    if (memcmp(bytes, model, SMALL_DISK) != 0)
        return err_fail(err, ERR_PROTOCOL, 0, "content differs");
    return true;
}

/* What QEMU reads from it equals @model.  QEMU replays nothing when it only reads, so this
 * also shows that nothing needs replaying. */
static bool is_like_to_qemu(const char *path, const char *format, const uint8_t *model)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    if (shell("qemu-img convert -f %s -O raw %s %s", format, path, scratch("qemu.raw")) !=
        0)
        return false;
    bytes = read_whole(scratch("qemu.raw"), &len);
    return bytes && len >= SMALL_DISK && memcmp(bytes, model, SMALL_DISK) == 0;
}

/* A dynamic VHD with content from 5 to 8 MiB, also in @model. */
static bool make_vhd(const char *path, uint8_t *model)
{
    struct dice dice = { 3 };

    memset(model, 0, SMALL_DISK);
    dice_fill(&dice, model + 5 * MIB, 3 * MIB);
    return write_whole(scratch("m.raw"), model, SMALL_DISK) &&
           shell("qemu-img convert -f raw -O vpc -o subformat=dynamic,force_size=on %s %s",
                 scratch("m.raw"), path) == 0;
}

/* Sector numbers in the block table, which QEMU puts at 1536. */
static uint32_t vhd_entry(const char *path, unsigned block)
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = read_whole(path, &len);
    const uint8_t *at = bytes + 1536 + block * 4;

    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

TEST(sectors_a_vhd_never_wrote_are_zeros_until_they_are_written)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) uint8_t *model = malloc(SMALL_DISK);
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    const char *path = scratch("d.vhd");
    struct dice dice = { 31 };

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_vhd(path, model));
    /* Block 3 (6 to 8 MiB): sectors 8 to 15 and 17 were never written, says its bitmap; the
     * first sector is the highest bit. */
    patch_file(path, (uint64_t)vhd_entry(path, 3) * 512 + 1, "\x00\xBF", 2);
    memset(model + 6 * MIB + 8 * 512, 0, 8 * 512);
    memset(model + 6 * MIB + 17 * 512, 0, 512);
    disk = disk_open(path, DISK_READ, &err);
    CHECK_OK(disk && is_like(disk, model, &err));
    disk_close(disk);
    disk = disk_open(path, DISK_WRITE, &err);
    dice_fill(&dice, model + 6 * MIB + 10 * 512, 512);
    CHECK_OK(disk &&
             disk_write(disk, 6 * MIB + 10 * 512, model + 6 * MIB + 10 * 512, 512, &err));
    CHECK_OK(is_like(disk, model, &err));
    CHECK_OK(disk_commit(disk, &err));
    CHECK_OK(is_like(disk, model, &err));
    disk_close(disk);
    disk = disk_open(path, DISK_READ, &err);
    CHECK_OK(disk && is_like(disk, model, &err));
    CHECK(is_like_to_qemu(path, "vpc", model)); /* which does not look at bitmaps */
}

TEST(a_vhd_without_its_last_footer_is_whole_and_gets_a_new_one)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) uint8_t *model = malloc(SMALL_DISK);
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    const char *path = scratch("d.vhd");
    struct stat whole = { 0 }, mended = { 0 };

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK(make_vhd(path, model));
    stat(path, &whole);
    CHECK_EQ(shell("truncate -s +3000000 %s", path), 0); /* as a killed writer leaves it */
    disk = disk_open(path, DISK_READ, &err);
    CHECK_OK(disk && is_like(disk, model, &err));
    disk_close(disk);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk && disk_write(disk, 6 * MIB, "changed", 7, &err) &&
             disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    memcpy(model + 6 * MIB, "changed", 7);
    stat(path, &mended);
    CHECK_EQ(mended.st_size, whole.st_size);
    CHECK_EQ(
        shell("cmp -n 512 -i 0:%lld %s %s", (long long)mended.st_size - 512, path, path),
        0);
    CHECK(is_like_to_qemu(path, "vpc", model));
    patch_file(path, 10, "\xFF", 1);
    patch_file(path, (uint64_t)mended.st_size - 500, "\xFF", 1);
    CHECK(!disk_open(path, DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
}

/* Writes big-endian @number of @len bytes at @at, then makes the sum of the structure at
 * @start, which lies at @sum_at in it, right again. */
static void put_sealed(const char *path, uint64_t start, size_t size, size_t sum_at,
                       uint64_t at, uint64_t number, size_t len)
{
    size_t file_len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = read_whole(path, &file_len);
    uint8_t *structure = bytes + start;
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        structure[at + i] = (uint8_t)(number >> (8 * (len - 1 - i)));
    memset(structure + sum_at, 0, 4);
    for (size_t i = 0; i < size; i++)
        sum += structure[i];
    for (unsigned i = 0; i < 4; i++)
        structure[sum_at + i] = (uint8_t)(~sum >> (24 - 8 * i));
    CHECK(patch_file(path, start, structure, size));
}

TEST(damaged_vhd_files_are_refused)
{
    enum { FOOTER, HEADER, ENTRY, BYTE };
    static const struct {
        const char *name;
        int where;
        uint64_t at, number;
        size_t len;
        enum err_kind kind;
    } cases[] = {
        { "header", BYTE, 512 + 40, 0xA5, 1, ERR_PROTOCOL },
        { "header's magic", BYTE, 512, 0xA5, 1, ERR_PROTOCOL },
        { "block outside", ENTRY, 3, 1 << 30, 4, ERR_PROTOCOL },
        { "block on the footer", ENTRY, 3, 0, 4, ERR_PROTOCOL },
        { "block on the table", ENTRY, 3, 3, 4, ERR_PROTOCOL },
        { "two blocks in one place", ENTRY, 3, 0, 4, ERR_PROTOCOL },
        { "block size", HEADER, 32, 3 << 20, 4, ERR_PROTOCOL },
        { "blocks too small", HEADER, 32, 2048, 4, ERR_PROTOCOL },
        { "blocks too large", HEADER, 32, 512 << 20, 4, ERR_PROTOCOL },
        { "short table", HEADER, 28, 2, 4, ERR_PROTOCOL },
        { "endless table", HEADER, 28, (1 << 22) + 1, 4, ERR_PROTOCOL },
        { "table askew", HEADER, 16, 1537, 8, ERR_PROTOCOL },
        { "table on the header", HEADER, 16, 1024, 8, ERR_PROTOCOL },
        { "header outside", FOOTER, 16, (uint64_t)1 << 40, 8, ERR_PROTOCOL },
        { "table outside", HEADER, 16, (uint64_t)1 << 50, 8, ERR_PROTOCOL },
        { "no size", FOOTER, 48, 0, 8, ERR_PROTOCOL },
        { "absurd size", FOOTER, 48, (uint64_t)1 << 50, 8, ERR_PROTOCOL },
        { "unknown type", FOOTER, 60, 9, 4, ERR_PROTOCOL },
        { "fixed, but cut off", FOOTER, 60, 2, 4, ERR_PROTOCOL },
        { "differencing, without a parent", FOOTER, 60, 4, 4, ERR_PROTOCOL },
    };
    CLEANUP(free_cleanup) uint8_t *model = malloc(SMALL_DISK);
    const char *path = scratch("bad.vhd");

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t number = cases[i].number, start = cases[i].where == HEADER ? 512 : 0;
        struct err err = ERR_INIT;
        struct stat st = { 0 };
        uint8_t bytes[4];

        test_case(cases[i].name);
        CHECK(make_vhd(path, model));
        stat(path, &st);
        if (cases[i].where == FOOTER)
            start = (uint64_t)st.st_size - 512;
        if (strcmp(cases[i].name, "two blocks in one place") == 0)
            number = vhd_entry(path, 2);
        for (unsigned k = 0; k < 4; k++)
            bytes[k] = (uint8_t)(number >> (24 - 8 * k));
        if (cases[i].where == BYTE)
            patch_file(path, cases[i].at, bytes + 3, 1);
        else if (cases[i].where == ENTRY)
            patch_file(path, 1536 + cases[i].at * 4, bytes, 4);
        else
            put_sealed(path, start, cases[i].where == HEADER ? 1024 : 512,
                       cases[i].where == HEADER ? 36 : 64, cases[i].at, number,
                       cases[i].len);
        CHECK(!disk_open(path, DISK_READ, &err));
        CHECK_EQ(err.kind, cases[i].kind);
    }
}
