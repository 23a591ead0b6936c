/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What image_inspect() says of images with a Windows, and of images that hide one. */

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "hive.h"
#include "image.h"
#include "little-endian.h"
#include "ntfs-internal.h"
#include <ntfs-3g/reparse.h>
#include "test-tools.h"
#include "test.h"
#include "text.h"

#define CONFIG "Windows/System32/config"

enum { VOLUME_MIB = 40, AT = 1 << 20 };

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
    CHECK_OK(make_windows_image(path, VOLUME_MIB, NULL, &err));
    CHECK_OK(image_inspect(path, NULL, facts, &err));
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
    CHECK(facts->free_bytes > 20 << 20);
    CHECK_EQ(facts->blocker_count, 0);
}

/* ---- what forbids writing, each provoked ---- */

static struct disk *held; /* open while the image is looked at */

static void bitlocker(const char *path)
{
    patch_file(path, AT + 3, "-FVE-FS-", 8);
}

static void bitlocker_to_go(const char *path)
{
    patch_file(path, AT + 3, "MSWIN4.1", 8);
    patch_file(path, AT + 424,
               "\x3B\xD6\x67\x49\x29\x2E\xD8\x4A\x83\x99\xF6\xA3\x39\xE3\xD0\x01", 16);
}

static void refs(const char *path)
{
    patch_file(path, AT + 3, "ReFS\0\0\0\0", 8);
}

static void no_mft(const char *path)
{
    shell("dd if=/dev/zero of=%s bs=4096 seek=260 count=1 conv=notrunc", path);
}

static void running(const char *path)
{
    CHECK(leave_log_open(path, 1));
}

static void fast_start(const char *path)
{
    CHECK(leave_log_open(path, 2));
}

static void to_be_checked(const char *path)
{
    CHECK(extract_partition(path, "raw", VOLUME_MIB, scratch("block.part")));
    CHECK_EQ(shell("ntfsfix %s && dd if=%s of=%s bs=1M seek=1 conv=notrunc",
                   scratch("block.part"), scratch("block.part"), path),
             0);
}

static void in_use(const char *path)
{
    struct err err = ERR_INIT;

    held = disk_open(path, DISK_READ, &err);
    CHECK_OK(held != NULL);
}

/* Changes the volume by @change, and commits. */
static void change_volume(const char *path,
                          bool (*change)(struct volume *volume, struct err *err))
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);

    CHECK_OK(volume && change(volume, &err));
    CHECK_OK(volume && volume_close(volume, &err) && disk_commit(disk, &err));
    disk_close(disk);
}

static bool rename_windows(struct volume *volume, struct err *err)
{
    return volume_rename(volume, "Windows", "Winword", err);
}

static void no_windows(const char *path)
{
    change_volume(path, rename_windows);
}

static bool put_hiberfil(struct volume *volume, struct err *err)
{
    static uint8_t bytes[8192] = "hibr";

    return volume_write_all(volume, "hiberfil.sys", bytes, sizeof(bytes), 0, 0, err);
}

static void hibernated(const char *path)
{
    change_volume(path, put_hiberfil);
}

static bool put_dirty(struct volume *volume, struct err *err)
{
    return put_windows(volume, true, err);
}

static void dirty_hive(const char *path)
{
    change_volume(path, put_dirty);
}

static bool put_rubbish(struct volume *volume, struct err *err)
{
    return volume_write_all(volume, CONFIG "/SYSTEM", "rubbish", 7, 0, 0, err);
}

static void damaged_hive(const char *path)
{
    change_volume(path, put_rubbish);
}

static bool remove_software(struct volume *volume, struct err *err)
{
    return volume_remove(volume, CONFIG "/SOFTWARE", false, err);
}

static void no_hive(const char *path)
{
    change_volume(path, remove_software);
}

/* A file or folder with an attribute or a reparse point, made when it is not there. */
struct marked {
    const char *path;
    bool is_folder;
    uint32_t flags, tag;
};

static struct marked mark;

static bool mark_it(struct volume *volume, struct err *err)
{
    struct err missing = ERR_INIT;
    ntfs_inode *inode = volume_open_path(volume, mark.path, &missing);
    uint8_t reparse[8 + 16] = { 0 };

    if (!inode) {
        CLEANUP(free_cleanup)
        char *folder = text_ndup(mark.path, (size_t)(strrchr(mark.path, '/') - mark.path));

        if (!folder || !volume_make_dirs(volume, folder, err))
            return false;
        if (!(mark.is_folder ? volume_make_dirs(volume, mark.path, err)
                             : volume_write_all(volume, mark.path, "x", 1, 0, 0, err)))
            return false;
        inode = volume_open_path(volume, mark.path, err);
    }
    if (!inode)
        return false;
    inode->flags |= cpu_to_le32(mark.flags);
    NInoSetDirty(inode);
    store_u32(reparse, mark.tag);
    store_u16(reparse + 4, 16);
    CHECK(mark.tag == 0 || ntfs_set_ntfs_reparse_data(inode, (const char *)reparse,
                                                      sizeof(reparse), 0) == 0);
    return ntfs_inode_close(inode) == 0;
}

static void marked(const char *path)
{
    change_volume(path, mark_it);
}

static bool fill(struct volume *volume, struct err *err)
{
    uint64_t size = volume_free_bytes(volume) - (9 << 20);
    CLEANUP(free_cleanup) uint8_t *bytes = calloc(1, size);

    return bytes && volume_write_all(volume, "pagefile.sys", bytes, size, 0, 0, err);
}

static void full(const char *path)
{
    change_volume(path, fill);
}

static bool put_32_bit(struct volume *volume, struct err *err)
{
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(err);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct hive_value current = { 0 }, architecture = { 0 };
    size_t len = 0;
    bool ok = hive && hive_value_set_u64(&current, HIVE_DWORD, 1) &&
              hive_value_set_text(&architecture, HIVE_SZ, "x86") &&
              hive_set(hive, "Select", "Current", &current, err) &&
              hive_set(hive, "ControlSet001\\Control\\Session Manager\\Environment",
                       "PROCESSOR_ARCHITECTURE", &architecture, err) &&
              hive_bytes(hive, &bytes, &len, err) &&
              volume_write_all(volume, CONFIG "/SYSTEM", bytes, len, 0, 0, err);

    hive_value_clear(&current);
    hive_value_clear(&architecture);
    return ok;
}

static void is_32_bit(const char *path)
{
    change_volume(path, put_32_bit);
}

static void set_type(const char *path, const char *type)
{
    struct err err = ERR_INIT;
    CLEANUP(disk_cleanup) struct disk *disk = disk_open(path, DISK_WRITE, &err);
    struct partition part = { .index = 1,
                              .offset_bytes = AT,
                              .size_bytes = (uint64_t)VOLUME_MIB << 20 };

    snprintf(part.type, sizeof(part.type), "%s", type);
    CHECK_OK(disk && disk_write_gpt(disk, &part, 1, &err) && disk_commit(disk, &err));
}

static void dynamic_disk(const char *path)
{
    set_type(path, "af9b60a0-1431-4f62-bc68-3311714a69ad");
}

static void storage_spaces(const char *path)
{
    set_type(path, "e75caf8f-f680-4cee-afa3-b001e56efc2d");
}

/* Wipes both copies of the GPT; @type: of the MBR's entry that remains; 0: none does. */
static void wipe_gpt(const char *path, uint8_t type)
{
    static const uint8_t zeros[512];
    uint8_t entry[16] = { 0, 0, 0, 0, type };

    store_u32(entry + 8, AT / 512);
    store_u32(entry + 12, VOLUME_MIB << 11);
    patch_file(path, 512, zeros, 512);
    patch_file(path, ((VOLUME_MIB + 2) << 20) - 512, zeros, 512);
    patch_file(path, 446, entry, 16);
    if (!type)
        patch_file(path, 510, zeros, 2);
}

static void dynamic_disk_on_mbr(const char *path)
{
    wipe_gpt(path, 0x42);
}

static void damaged_gpt(const char *path)
{
    wipe_gpt(path, 0xEE);
}

static void no_table(const char *path)
{
    wipe_gpt(path, 0);
}

TEST(every_blocker_is_named_and_looking_changes_nothing)
{
    static const struct {
        const char *id, *says; /* @says: of its message */
        bool has_windows;
        void (*provoke)(const char *path);
        struct marked mark;
    } cases[] = {
        { "bitlocker", "manage-bde", false, bitlocker },
        { "bitlocker", "BitLocker", false, bitlocker_to_go },
        { "refs", "ReFS", false, refs },
        { "damaged", "chkdsk", false, no_mft },
        { "unclean", "shut it down", true, running },
        { "hibernated", "fast startup", true, fast_start },
        { "hibernated", "shutdown /s", true, hibernated },
        { "chkdsk-pending", "chkdsk", true, to_be_checked },
        { "no-windows", "no partition", false, no_windows },
        { "no-windows", "both copies", false, damaged_gpt },
        { "no-windows", "no partition table", false, no_table },
        { "not-basic", "dynamic disk", false, dynamic_disk },
        { "not-basic", "dynamic disk", false, dynamic_disk_on_mbr },
        { "not-basic", "Storage Spaces", false, storage_spaces },
        { "dirty-hive", "shut it down", true, dirty_hive },
        { "damaged-hive", "SYSTEM", true, damaged_hive },
        { "damaged-hive", "SOFTWARE", true, no_hive },
        { "compressed-system",
          "SYSTEM is compressed",
          true,
          marked,
          { CONFIG "/SYSTEM", false, FILE_IS_COMPRESSED, 0 } },
        { "compressed-system",
          "WOF",
          true,
          marked,
          { CONFIG "/SYSTEM", false, 0, 0x80000017 } },
        { "compressed-system",
          "deduplicated",
          true,
          marked,
          { CONFIG "/SYSTEM", false, 0, 0x80000013 } },
        { "encrypted-system",
          "EFS",
          true,
          marked,
          { CONFIG "/SYSTEM", false, FILE_IS_ENCRYPTED, 0 } },
        { "compressed-system",
          "file " CONFIG "/SYSTEM.LOG2 is compressed",
          true,
          marked,
          { CONFIG "/SYSTEM.LOG2", false, FILE_IS_COMPRESSED, 0 } },
        { "compressed-system",
          "folder Windows is compressed",
          true,
          marked,
          { "Windows", true, FILE_IS_COMPRESSED, 0 } },
        { "encrypted-system",
          "folder Windows/System32 is encrypted",
          true,
          marked,
          { "Windows/System32", true, FILE_IS_ENCRYPTED, 0 } },
        { "encrypted-system",
          "folder " CONFIG " is encrypted",
          true,
          marked,
          { CONFIG, true, FILE_IS_ENCRYPTED, 0 } },
        { "compressed-system",
          "folder Windows/System32/drivers is compressed",
          true,
          marked,
          { "Windows/System32/drivers", true, FILE_IS_COMPRESSED, 0 } },
        { "compressed-system",
          "folder Windows/SysWOW64 is a junction",
          true,
          marked,
          { "Windows/SysWOW64", true, 0, 0xA0000003 } },
        { "compressed-system",
          "HostDriverStore is compressed",
          true,
          marked,
          { "Windows/System32/HostDriverStore", true, FILE_IS_COMPRESSED, 0 } },
        { "encrypted-system",
          "FileRepository is encrypted",
          true,
          marked,
          { "Windows/System32/HostDriverStore/FileRepository", true, FILE_IS_ENCRYPTED,
            0 } },
        { "encrypted-system",
          "hvgpu-manifest.json is encrypted",
          true,
          marked,
          { "Windows/System32/HostDriverStore/hvgpu-manifest.json", false,
            FILE_IS_ENCRYPTED, 0 } },
        { "no-space", "full", true, full },
        { "architecture", "32-bit", true, is_32_bit },
        { "in-use", "in use", true, in_use },
    };
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    struct err err = ERR_INIT;

    if (!has_tools() || !has_program("ntfsfix"))
        SKIP("mkntfs, ntfsfix or qemu-img is not installed");
    CHECK_OK(make_windows_image(scratch("base.img"), VOLUME_MIB, "raw", &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = scratch("block.img");
        char name[80];

        snprintf(name, sizeof(name), "%s: %s", cases[i].id, cases[i].says);
        test_case(name);
        err = ERR_INIT;
        CHECK(copy_file(scratch("base.img"), path));
        mark = cases[i].mark;
        cases[i].provoke(path);
        copy_file(path, scratch("block.before"));
        CHECK_OK(image_inspect(path, NULL, facts, &err));
        CHECK_EQ(facts->has_windows, cases[i].has_windows);
        CHECK_EQ(facts->blocker_count, 1);
        CHECK_STR_EQ(facts->blockers[0].id, cases[i].id);
        CHECK(strstr(facts->blockers[0].message, cases[i].says));
        for (unsigned k = 0; k < facts->blocker_count &&
                             (facts->blocker_count > 1 ||
                              !strstr(facts->blockers[0].message, cases[i].says));
             k++)
            printf("# %s: %s\n", facts->blockers[k].id, facts->blockers[k].message);
        CHECK_EQ(shell("cmp %s %s", path, scratch("block.before")), 0);
        disk_close(held);
        held = NULL;
    }
}

/* Exits with 0 when @path is shown to be read-only, as somebody who may not write it; with 77 when
 * that somebody does not come to it, because the folder for tests is ours alone. */
static void look_as_nobody(const char *path)
{
    struct image_facts *facts = calloc(1, sizeof(*facts));
    struct err err = ERR_INIT;

    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(2);
    if (access(path, R_OK) != 0)
        _exit(77);
    if (!image_inspect(path, NULL, facts, &err) || !facts->has_windows ||
        facts->blocker_count != 1 || strcmp(facts->blockers[0].id, "read-only") != 0)
        _exit(1);
    _exit(0);
}

TEST(an_image_we_may_not_write_is_read_only)
{
    const char *path = scratch("ro.img");
    struct err err = ERR_INIT;
    int status = -1;
    pid_t child;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(path, VOLUME_MIB, "raw", &err));
    CHECK(chmod(path, 0444) == 0 && chmod(scratch_dir(), 0755) == 0);
    fflush(NULL);
    child = fork();
    if (child == 0)
        look_as_nobody(path);
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        SKIP("TMPDIR can be entered by its owner only");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

TEST(one_damaged_copy_of_a_gpt_is_no_blocker)
{
    static const uint64_t places[] = { 512 + 60, ((VOLUME_MIB + 2) << 20) - 512 + 60 };
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    const char *path = scratch("half.img");
    struct err err = ERR_INIT;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        CHECK_OK(make_windows_image(path, VOLUME_MIB, "raw", &err));
        patch_file(path, places[i], "\xA5\x5A", 2);
        CHECK_OK(image_inspect(path, NULL, facts, &err));
        CHECK(facts->has_windows);
        CHECK_EQ(facts->blocker_count, 0);
        unlink(path);
    }
}

TEST(images_made_by_hyper_v_are_shown_with_what_their_log_holds)
{
    static const struct {
        const char *name;
        bool has_log;
        uint64_t bytes;
    } images[] = { { "iotest-dynamic-1G", false, (uint64_t)1 << 30 },
                   { "iotest-dirtylog-10G-4M", true, (uint64_t)10 << 30 } };
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));

    if (!test_data_dir())
        SKIP("$HVGPU_TEST_DATA is not set");
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        const char *path = scratch("real.vhdx");
        struct err err = ERR_INIT;
        struct disk *disk;

        test_case(images[i].name);
        CHECK_EQ(shell("bzip2 -dc '%s/vhdx/%s.vhdx.bz2' >%s && cp %s %s", test_data_dir(),
                       images[i].name, path, path, scratch("real.before")),
                 0);
        CHECK_OK(image_inspect_confined(path, NULL, facts, &err));
        CHECK_STR_EQ(facts->format, "vhdx-dynamic");
        CHECK_EQ(facts->virtual_bytes, images[i].bytes);
        CHECK_EQ(facts->has_log, images[i].has_log);
        CHECK(!facts->has_windows);
        CHECK_EQ(facts->blocker_count, 1);
        CHECK_STR_EQ(facts->blockers[0].id, "no-windows");
        CHECK_EQ(shell("cmp %s %s", path, scratch("real.before")), 0);
        disk = disk_open(path, DISK_WRITE, &err); /* replays for good */
        CHECK_OK(disk != NULL);
        disk_close(disk);
        CHECK_OK(image_inspect_confined(path, NULL, facts, &err));
        CHECK(!facts->has_log);
    }
}

TEST(windows_is_found_by_what_a_partition_holds_not_by_its_place)
{
    enum { DATA_MIB = 60, DATA_AT = (VOLUME_MIB + 2) << 20 };
    static const struct partition layout[] = {
        { .index = 1, .offset_bytes = DATA_AT, .size_bytes = DATA_MIB << 20 },
        { .index = 2, .offset_bytes = AT, .size_bytes = VOLUME_MIB << 20 },
    };
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    struct partition parts[ARRAY_LEN(layout)];
    const char *path = scratch("two.img");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(path, VOLUME_MIB, "raw", &err));
    /* The larger one comes first, and is empty. */
    CHECK_EQ(shell("truncate -s %uM %s && truncate -s %uM %s && mkntfs -q -F -f %s && "
                   "dd if=%s of=%s bs=1M seek=%u conv=notrunc",
                   VOLUME_MIB + DATA_MIB + 4, path, DATA_MIB, scratch("data.raw"),
                   scratch("data.raw"), scratch("data.raw"), path, DATA_AT >> 20),
             0);
    memcpy(parts, layout, sizeof(parts));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        strcpy(parts[i].type, "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7");
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk && disk_write_gpt(disk, parts, ARRAY_LEN(parts), &err) &&
             disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    CHECK_OK(image_inspect(path, NULL, facts, &err));
    CHECK_EQ(facts->partition_count, 2);
    CHECK_STR_EQ(facts->partitions[0].file_system, "ntfs");
    CHECK(facts->has_windows);
    CHECK_EQ(facts->windows.partition, 2);
    CHECK_EQ(facts->windows.build, 22631);
    CHECK_EQ(facts->blocker_count, 0);
}

TEST(a_windows_on_an_mbr_disk_is_found)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    const char *path = scratch("mbr.img");
    struct err err = ERR_INIT;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_windows_image(path, VOLUME_MIB, "raw", &err));
    wipe_gpt(path, 0x07);
    CHECK_OK(image_inspect(path, NULL, facts, &err));
    CHECK_STR_EQ(facts->table, "mbr");
    CHECK(facts->has_windows);
    CHECK_EQ(facts->blocker_count, 0);
}

TEST(a_name_that_is_no_text_is_shown_as_one)
{
    static const char *const names[] = { "b\xFF\xFE", "\xE7\xA3\x81\xE7\x9B\x98" };
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (unsigned pad = 1; pad < 4; pad++) { /* cuts within a letter, too */
            char name[200] = "";
            struct err err = ERR_INIT;
            CLEANUP(disk_cleanup) struct disk *disk = NULL;
            const char *path;

            memset(name, 'x', pad);
            while (strlen(name) + strlen(names[i]) < 100)
                strcat(name, names[i]);
            path = scratch(name);
            CHECK(copy_file(scratch("base.img"), path));
            disk = disk_open(path, DISK_READ, &err); /* in use, and said with the path */
            CHECK_OK(image_inspect_confined(path, NULL, facts, &err));
            CHECK_EQ(facts->blocker_count, 1);
            CHECK_STR_EQ(facts->blockers[0].id, "in-use");
            unlink(path);
        }
}

TEST(an_image_that_is_none_is_an_error)
{
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    struct err err = ERR_INIT;

    CHECK(!image_inspect(scratch("nothing.vhdx"), NULL, facts, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    write_whole(scratch("text.vhdx"), "hello\n", 6);
    CHECK(!image_inspect(scratch("text.vhdx"), NULL, facts, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
}
