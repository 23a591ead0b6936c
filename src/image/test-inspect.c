/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What image_inspect() says of images with a Windows, and of images that hide one. */

#include <stdio.h>
#include <sys/stat.h>

#include "err.h"
#include "hive.h"
#include "image.h"
#include "test-tools.h"
#include "test.h"

enum { VOLUME_MIB = 64 };
#define CONFIG "Windows/System32/config"

static bool set_text(struct hive *hive, const char *key, const char *name, const char *text,
                     struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_value_set_text(&value, HIVE_SZ, text) &&
              hive_set(hive, key, name, &value, err);

    hive_value_clear(&value);
    return ok;
}

static bool set_number(struct hive *hive, const char *key, const char *name,
                       uint64_t number, struct err *err)
{
    struct hive_value value = { 0 };
    bool ok = hive_value_set_u64(&value, HIVE_DWORD, number) &&
              hive_set(hive, key, name, &value, err);

    hive_value_clear(&value);
    return ok;
}

static bool put_hive(struct volume *volume, const char *path, struct hive *hive, bool dirty,
                     struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    if (!hive_bytes(hive, &bytes, &len, err))
        return false;
    if (dirty) { /* one bit in the sequence number and in the checksum */
        bytes[4] ^= 1;
        bytes[508] ^= 1;
    }
    return volume_write_all(volume, path, bytes, len, 0, 0, err);
}

static bool put_windows(struct volume *volume, bool dirty, struct err *err)
{
    static const char version[] = "Microsoft\\Windows NT\\CurrentVersion";
    CLEANUP(hive_cleanup) struct hive *system = hive_new(err), *software = hive_new(err);

    return system && software && set_number(system, "Select", "Current", 2, err) &&
           set_text(system, "ControlSet002\\Control\\Session Manager\\Environment",
                    "PROCESSOR_ARCHITECTURE", "AMD64", err) &&
           set_text(software, version, "CurrentBuildNumber", "22631", err) &&
           set_number(software, version, "UBR", 4317, err) &&
           set_text(software, version, "EditionID", "Professional", err) &&
           set_text(software, version, "SystemRoot", "C:\\Windows", err) &&
           volume_make_dirs(volume, CONFIG, err) &&
           put_hive(volume, CONFIG "/SYSTEM", system, dirty, err) &&
           put_hive(volume, CONFIG "/SOFTWARE", software, false, err);
}

static bool make_windows(const char *path, bool dirty, const char *format, struct err *err)
{
    struct disk *disk = NULL;
    struct volume *volume;
    bool ok;

    if (!make_ntfs_image(path, VOLUME_MIB, format, err))
        return false;
    volume = open_ntfs_image(path, DISK_WRITE, &disk, err);
    ok = volume && put_windows(volume, dirty, err);
    if (volume)
        ok = volume_close(volume, err) && ok;
    ok = ok && disk_commit(disk, err);
    disk_close(disk);
    return ok;
}

static bool has_blocker(const struct image_facts *facts, const char *id)
{
    for (unsigned i = 0; i < facts->blocker_count; i++)
        if (strcmp(facts->blockers[i].id, id) == 0)
            return true;
    return false;
}

static bool has_tools(void)
{
    return has_program("mkntfs") && has_program("qemu-img");
}

TEST(a_good_image_shows_its_windows_and_no_blocker)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    struct err err = ERR_INIT;
    const char *path = scratch("win.vhdx");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows(path, false, NULL, &err));
    CHECK_OK(image_inspect(path, facts, &err));
    CHECK_STR_EQ(facts->format, "vhdx-dynamic");
    CHECK_STR_EQ(facts->table, "gpt");
    CHECK_EQ(facts->partition_count, 1);
    CHECK_STR_EQ(facts->partitions[0].file_system, "ntfs");
    CHECK(facts->has_windows);
    CHECK_EQ(facts->windows.partition, 1);
    CHECK_EQ(facts->windows.build, 22631);
    CHECK_EQ(facts->windows.ubr, 4317);
    CHECK_STR_EQ(facts->windows.edition, "Professional");
    CHECK_STR_EQ(facts->windows.architecture, "amd64");
    CHECK_STR_EQ(facts->windows.system_root, "C:\\Windows");
    CHECK(facts->free_bytes > 30 << 20);
    CHECK_EQ(facts->blocker_count, 0);
}

TEST(every_blocker_is_named_and_looking_changes_nothing)
{
    static const struct {
        const char *id;
        bool has_windows;
    } cases[] = {
        { "bitlocker", false }, { "refs", false },      { "no-windows", false },
        { "damaged", false },   { "hibernated", true }, { "chkdsk-pending", true },
        { "dirty-hive", true }, { "in-use", true },
    };
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));

    if (!has_tools() || !has_program("ntfsfix"))
        SKIP("mkntfs, ntfsfix or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = scratch("block.img");
        struct err err = ERR_INIT;
        CLEANUP(disk_cleanup) struct disk *disk = NULL;
        struct volume *volume;
        static uint8_t hibr[8192] = "hibr";

        test_case(cases[i].id);
        CHECK_OK(make_windows(path, i == 6, "raw", &err));
        if (i == 0)
            patch_file(path, (1 << 20) + 3, "-FVE-FS-", 8);
        if (i == 1)
            patch_file(path, (1 << 20) + 3, "ReFS\0\0\0\0", 8);
        if (i == 3)
            shell("dd if=/dev/zero of=%s bs=4096 seek=260 count=1 conv=notrunc", path);
        if (i == 2 || i == 4) {
            volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
            CHECK_OK(volume &&
                     (i == 2 ? volume_rename(volume, "Windows", "Winword", &err)
                             : volume_write_all(volume, "hiberfil.sys", hibr, sizeof(hibr),
                                                0, 0, &err)) &&
                     volume_close(volume, &err) && disk_commit(disk, &err));
            disk_close(disk);
            disk = NULL;
        }
        if (i == 5) {
            CHECK(extract_partition(path, "raw", VOLUME_MIB, scratch("block.part")));
            CHECK_EQ(shell("ntfsfix %s && dd if=%s of=%s bs=1M seek=1 conv=notrunc",
                           scratch("block.part"), scratch("block.part"), path),
                     0);
        }
        copy_file(path, scratch("block.before"));
        if (i == 7)
            disk = disk_open(path, DISK_READ, &err);
        CHECK_OK(image_inspect(path, facts, &err));
        CHECK(has_blocker(facts, cases[i].id));
        CHECK_EQ(facts->has_windows, cases[i].has_windows);
        CHECK_EQ(facts->blocker_count, 1);
        for (unsigned k = 0; k < facts->blocker_count; k++)
            if (facts->blocker_count > 1)
                printf("# %s: %s\n", facts->blockers[k].id, facts->blockers[k].message);
        CHECK_EQ(shell("cmp %s %s", path, scratch("block.before")), 0);
    }
}

TEST(an_image_that_is_none_is_an_error)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    struct err err = ERR_INIT;

    CHECK(!image_inspect(scratch("nothing.vhdx"), facts, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    write_whole(scratch("text.vhdx"), "hello\n", 6);
    CHECK(!image_inspect(scratch("text.vhdx"), facts, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
}
