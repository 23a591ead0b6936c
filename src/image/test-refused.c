/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes that must not be written, each refused by what is the matter with it. */

#include "err.h"
#include "image.h"
#include "little-endian.h"
#include "ntfs-internal.h"
#include "test-tools.h"
#include "test.h"

enum { VOLUME_MIB = 40 };
#define WHEN 13300000000000000ll /* usec since 1601: a day in 2022 */

static bool has_tools(void)
{
    return has_program("mkntfs") && has_program("qemu-img");
}

static const char *refused_image(unsigned which)
{
    const char *raw = scratch("refuse.raw");

    shell("qemu-img dd -f vhdx -O raw if=%s of=%s bs=1M", scratch("refuse.vhdx"), raw);
    switch (which) {
    case 0: /* BitLocker */
        patch_file(raw, (1 << 20) + 3, "-FVE-FS-", 8);
        break;
    case 1: /* ReFS */
        patch_file(raw, (1 << 20) + 3, "ReFS\0\0\0\0", 8);
        break;
    case 2: /* no NTFS at all */
        patch_file(raw, (1 << 20) + 3, "whatever", 8);
        break;
    default: /* $MFT's first record is no record */
        shell("dd if=/dev/zero of=%s bs=4096 seek=%u count=1 conv=notrunc", raw, 256 + 4);
        break;
    }
    return raw;
}

TEST(volumes_that_must_not_be_written_are_refused_each_by_its_name)
{
    static const struct {
        const char *text;
        enum err_kind kind;
    } cases[] = { { "BitLocker", ERR_CONFLICT },
                  { "ReFS", ERR_UNSUPPORTED },
                  { "no NTFS", ERR_UNSUPPORTED },
                  { "damaged", ERR_PROTOCOL } };
    struct err err = ERR_INIT;
    struct disk *disk = NULL;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(scratch("refuse.vhdx"), VOLUME_MIB, NULL, &err));
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        test_case(cases[i].text);
        err = ERR_INIT;
        CHECK(!open_ntfs_image(refused_image(i), DISK_WRITE, &disk, &err));
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK(strstr(err.text[0], cases[i].text));
        CHECK(err.hint[0]);
    }
}

TEST(a_hibernated_windows_is_read_and_not_written)
{
    static uint8_t hiberfil[8192] = "hibr";
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    const char *path = scratch("hiber.vhdx");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, NULL, &err));
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK_OK(volume &&
             volume_write_all(volume, "hiberfil.sys", hiberfil, sizeof(hiberfil), WHEN, 0,
                              &err) &&
             volume_close(volume, &err) && disk_commit(disk, &err));
    disk_close(disk);
    CHECK(!open_ntfs_image(path, DISK_WRITE, &disk, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(strstr(err.text[0], "hibernated"));
    CHECK(strstr(err.hint, "shutdown"));
    volume = open_ntfs_image(path, DISK_READ, &disk, &err);
    CHECK_OK(volume != NULL);
    volume_drop(volume);
    disk_close(disk);
}

TEST(a_volume_waiting_for_chkdsk_is_refused)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    const char *path = scratch("dirty.img");

    if (!has_tools() || !has_program("ntfsfix"))
        SKIP("mkntfs, ntfsfix or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, "raw", &err));
    CHECK(extract_partition(path, "raw", VOLUME_MIB, scratch("dirty.raw")));
    /* ntfsfix marks a volume for checking unless told to clear the mark. */
    CHECK_EQ(shell("ntfsfix %s", scratch("dirty.raw")), 0);
    CHECK_EQ(shell("dd if=%s of=%s bs=1M seek=1 conv=notrunc", scratch("dirty.raw"), path),
             0);
    CHECK(!open_ntfs_image(path, DISK_WRITE, &disk, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(strstr(err.text[0], "checking"));
    CHECK(strstr(err.hint, "chkdsk"));
}

TEST(a_log_windows_did_not_finish_is_refused)
{
    static const struct {
        const char *text;
        uint16_t major;
    } cases[] = { { "not cleanly unmounted", 1 }, { "fast startup", 2 } };

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = scratch("log.img");
        struct err err = ERR_INIT;
        struct disk *disk = NULL;
        struct volume *volume;

        test_case(cases[i].text);
        shell("rm -f %s", path);
        CHECK_OK(make_ntfs_image(path, VOLUME_MIB, "raw", &err));
        CHECK(leave_log_open(path, cases[i].major));
        CHECK(!open_ntfs_image(path, DISK_WRITE, &disk, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        CHECK(strstr(err.text[0], cases[i].text));
        CHECK(err.hint[0]);
        volume = open_ntfs_image(path, DISK_READ, &disk, &err);
        CHECK_OK(volume != NULL);
        volume_drop(volume);
        disk_close(disk);
    }
}

/* The version stands in $Volume, the fourth record of the table of files and of its copy
 * (ntfs-3g's layout.h: VOLUME_INFORMATION, after eight reserved bytes). */
static bool set_ntfs_version(const char *path, uint8_t major)
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *image = read_whole(path, &len);
    uint64_t boot = 1 << 20;
    bool ok = image != NULL;

    for (unsigned copy = 0; ok && copy < 2; copy++) {
        uint32_t cluster = load_u16(image + boot + 11) * image[boot + 13];
        uint64_t table = boot + load_u64(image + boot + 48 + copy * 8) * cluster;
        uint64_t record = table + UINT64_C(3) * 1024;
        uint64_t at = record + load_u16(image + record + 20);

        while (load_u32(image + at) != 0x70 && at < record + 1024)
            at += load_u32(image + at + 4); /* to $VOLUME_INFORMATION */
        ok = at < record + 1024 &&
             patch_file(path, at + load_u16(image + at + 20) + 8, &major, 1);
    }
    return ok;
}

TEST(an_ntfs_older_than_windows_xp_is_refused)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    const char *path = scratch("old.img");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, "raw", &err));
    CHECK(set_ntfs_version(path, 1));
    CHECK(!open_ntfs_image(path, DISK_READ, &disk, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(strstr(err.text[0], "older than"));
    CHECK(err.hint[0]);
}
