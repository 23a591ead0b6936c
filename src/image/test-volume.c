/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NTFS volumes, judged by ntfsprogs, 7-Zip and The Sleuth Kit. */

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "image-file.h"
#include "image.h"
#include "little-endian.h"
#include "ntfs-internal.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

#include <ntfs-3g/reparse.h>

enum { VOLUME_MIB = 96 };
#define WHEN 13300000000000000ll /* usec since 1601: a day in 2022 */

static bool has_tools(void)
{
    return has_program("mkntfs") && has_program("qemu-img");
}

/* Writes @path into the volume and the same file into the local folder "model". */
static bool put_file(struct volume *volume, const char *path, struct dice *dice, size_t len,
                     struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(len + 1);
    CLEANUP(free_cleanup) char *local = text_printf("%s/%s", scratch("model"), path);

    dice_fill(dice, bytes, len);
    if (!volume_write_all(volume, path, bytes, len, WHEN, FILE_IS_ARCHIVE, err))
        return false;
    return write_whole(local, bytes, len) ||
           err_fail(err, ERR_SYSTEM, 0, "cannot write '%s'", local);
}

static bool put_folder(struct volume *volume, const char *path, struct err *err)
{
    shell("mkdir -p '%s/%s'", scratch("model"), path);
    return volume_make_dirs(volume, path, err);
}

static bool put_random_tree(struct volume *volume, struct dice *dice, unsigned files,
                            struct err *err)
{
    static const char *const folders[] = {
        "Windows",
        "Windows/System32",
        "Windows/System32/config",
        "Windows/System32/HostDriverStore/FileRepository/nv_dispi.inf_amd64_0123456789abcdef",
        "Windows/Käfer und 日本",
        "with blanks and (brackets)",
    };
    static const size_t sizes[] = { 1, 700, 5000, 70000, 1500000, 3000000 };

    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (!put_folder(volume, folders[i], err))
            return false;
    for (unsigned i = 0; i < files; i++) {
        CLEANUP(free_cleanup)
        char *path = text_printf("%s/file-%llu ä.%u", folders[i % ARRAY_LEN(folders)],
                                 (unsigned long long)dice_roll(dice, 1000), i);

        if (!put_file(volume, path, dice, dice_roll(dice, sizes[i % ARRAY_LEN(sizes)]),
                      err))
            return false;
    }
    return true;
}

/* The independent readers.  @image was closed. */
static void judge(const char *image, const char *format)
{
    const char *raw = scratch("judge.raw");

    CHECK(extract_partition(image, format, VOLUME_MIB, raw));
    CHECK_EQ(shell("ntfsfix -n %s", raw), 0);
    CHECK_EQ(shell("ntfsinfo -m %s", raw), 0);
    CHECK_EQ(shell("ntfsresize -f -i %s", raw), 0); /* checks every cluster's use */
    if (has_program("7z")) {
        shell("rm -rf %s", scratch("seen"));
        CHECK_EQ(shell("7z x -y -o%s %s", scratch("seen"), raw), 0);
        shell("cd %s && rm -rf '[SYSTEM]'", scratch("seen"));
        {
            CLEANUP(free_cleanup)
            char *diff = shell_output("LC_ALL=C.UTF-8 diff -r %s %s", scratch("model"),
                                      scratch("seen"));

            CHECK_STR_EQ(diff, "");
        }
    }
    if (strcmp(format, "vhdx") == 0)
        CHECK_EQ(shell("qemu-img check -f vhdx %s", image), 0);
}

TEST(a_random_tree_is_the_same_to_every_reader)
{
    static const char *const formats[] = { NULL, "raw" };

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct err err = ERR_INIT;
        struct dice dice = { 11 + i };
        struct disk *disk = NULL;
        struct volume *volume;
        const char *path = scratch("tree.img");

        test_case(formats[i] ? formats[i] : "vhdx");
        shell("rm -rf %s", scratch("model"));
        CHECK_OK(make_ntfs_image(path, VOLUME_MIB, formats[i], &err));
        volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
        CHECK_OK(volume != NULL);
        if (!volume)
            return;
        CHECK_OK(put_random_tree(volume, &dice, 60, &err));
        CHECK_OK(volume_close(volume, &err));
        CHECK_OK(disk_commit(disk, &err));
        disk_close(disk);
        judge(path, formats[i] ? formats[i] : "vhdx");

        /* A second session: replaces, removes, renames. */
        volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
        CHECK_OK(volume != NULL);
        if (!volume)
            return;
        CHECK_OK(put_file(volume, "Windows/new.sys", &dice, 2000000, &err));
        CHECK_OK(put_file(volume, "Windows/new.sys", &dice, 10, &err));
        CHECK_OK(put_file(volume, "Windows/new.sys", &dice, 900000, &err));
        CHECK_OK(
            volume_rename(volume, "Windows/New.sys", "Windows/System32/moved.sys", &err));
        shell("cd %s/Windows && mv new.sys System32/moved.sys", scratch("model"));
        CHECK_OK(
            volume_rename(volume, "with blanks and (brackets)", "Windows/renamed", &err));
        shell("cd %s && mv 'with blanks and (brackets)' Windows/renamed", scratch("model"));
        CHECK_OK(volume_remove(volume, "windows/SYSTEM32/HostDriverStore", true, &err));
        shell("cd %s && rm -r Windows/System32/HostDriverStore", scratch("model"));
        CHECK_OK(volume_close(volume, &err));
        CHECK_OK(disk_commit(disk, &err));
        disk_close(disk);
        judge(path, formats[i] ? formats[i] : "vhdx");
    }
}

static bool collect(const struct file_info *info, void *user, struct err *err)
{
    char *text = user;

    strcat(text, info->name);
    strcat(text, info->attributes & FILE_IS_DIR ? "/ " : " ");
    return true;
}

TEST(a_file_has_the_facts_it_was_given)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    struct file_info info = { 0 };
    char names[1000] = "";
    const char *path = scratch("facts.vhdx");
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(free_cleanup) char *label = NULL;
    size_t len = 0;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, NULL, &err));
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK_OK(volume != NULL);
    if (!volume)
        return;
    label = volume_label(volume);
    CHECK_STR_EQ(label, "Gast");
    CHECK_EQ(volume_cluster_bytes(volume), 4096);
    CHECK(volume_free_bytes(volume) < volume_size_bytes(volume));
    CHECK_OK(volume_make_dirs(volume, "\\b\\a", &err));
    CHECK_OK(volume_make_dirs(volume, "/b/a", &err)); /* there already */
    CHECK_OK(volume_write_all(volume, "b/File.TXT", "hello", 5, WHEN,
                              FILE_IS_READONLY | FILE_IS_HIDDEN, &err));
    CHECK_OK(volume_write_all(volume, "b/a/x", "", 0, WHEN, 0, &err));
    CHECK_OK(volume_close(volume, &err));
    CHECK_OK(disk_commit(disk, &err));
    disk_close(disk);

    volume = open_ntfs_image(path, DISK_READ, &disk, &err);
    CHECK_OK(volume && volume_stat(volume, "B\\fILE.txt", &info, &err));
    CHECK_EQ(info.attributes, FILE_IS_READONLY | FILE_IS_HIDDEN);
    CHECK_EQ(info.size, 5);
    CHECK_EQ(info.mtime_usec, WHEN);
    free(info.name);
    CHECK_OK(volume_read_all(volume, "b/file.txt", 100, &bytes, &len, &err));
    CHECK(len == 5 && memcmp(bytes, "hello", 5) == 0);
    CHECK(!volume_read_all(volume, "b/file.txt", 4, &bytes, &len, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK_OK(volume_list(volume, "b", collect, names, &err));
    CHECK_STR_EQ(names, "a/ File.TXT ");
    names[0] = '\0';
    CHECK_OK(volume_list(volume, "", collect, names, &err));
    CHECK_STR_EQ(names, "b/ "); /* not NTFS' own files */
    CHECK(!volume_write_all(volume, "b/no", "", 0, WHEN, 0, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(!volume_stat(volume, "b/none", &info, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK_OK(volume_close(volume, &err));
    disk_close(disk);

    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK_OK(volume_set_attributes(volume, "b/file.txt", FILE_IS_ARCHIVE, &err));
    CHECK_OK(volume_stat(volume, "b/file.txt", &info, &err));
    CHECK_EQ(info.attributes, FILE_IS_ARCHIVE);
    CHECK_EQ(info.mtime_usec, WHEN);
    free(info.name);
    CHECK(!volume_remove(volume, "b", false, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK_OK(volume_remove(volume, "b", true, &err));
    CHECK(!volume_stat(volume, "b", &info, &err));
    CHECK_OK(volume_close(volume, &err));
    disk_close(disk);
}

TEST(names_windows_cannot_have_are_refused)
{
    static const char *const bad[] = {
        "..",        "a/../b", "./x",       "x//y",     "x/",   "file:stream", "con",
        "NUL.txt",   "a/LPT1", "com9.sys",  "aux ",     "end.", "end ",        "a<b",
        "question?", "a|b",    "tab\there", "\xFF\xFE", "a*",   "CONIN$",
    };
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    CLEANUP(free_cleanup) char *longer = malloc(300);
    struct file_info info;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(scratch("names.vhdx"), VOLUME_MIB, NULL, &err));
    volume = open_ntfs_image(scratch("names.vhdx"), DISK_WRITE, &disk, &err);
    CHECK_OK(volume != NULL);
    if (!volume)
        return;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        test_case(bad[i]);
        CHECK(!volume_write_all(volume, bad[i], "x", 1, WHEN, 0, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        CHECK(!volume_make_dirs(volume, bad[i], &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        CHECK(!volume_stat(volume, bad[i], &info, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
    }
    test_case("length");
    memset(longer, 'n', 299);
    longer[256] = '\0';
    CHECK(!volume_write_all(volume, longer, "x", 1, WHEN, 0, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    longer[255] = '\0';
    CHECK_OK(volume_write_all(volume, longer, "x", 1, WHEN, 0, &err));
    test_case("no folder");
    CHECK(!volume_write_all(volume, "nowhere/x", "x", 1, WHEN, 0, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!volume_write_all(volume, "", "x", 1, WHEN, 0, &err));
    CHECK_OK(volume_make_dirs(volume, "d/e", &err));
    CHECK(!volume_rename(volume, "d", "D/e/f", &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(!volume_rename(volume, "d", longer, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(!volume_write_all(volume, "d", "x", 1, WHEN, 0, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(!volume_write_all(volume, "$MFT", "x", 1, WHEN, 0, &err));
    CHECK(!volume_remove(volume, "$Bitmap", false, &err));
    CHECK(!volume_remove(volume, "", true, &err));
    test_case("still whole");
    CHECK_OK(volume_close(volume, &err));
    CHECK_OK(disk_commit(disk, &err));
    disk_close(disk);
}

TEST(what_is_inherited_equals_what_a_neighbour_has)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;

    if (!has_tools() || !has_program("ntfssecaudit"))
        SKIP("mkntfs, qemu-img or ntfssecaudit is not installed");
    CHECK_OK(make_ntfs_image(scratch("acl.vhdx"), VOLUME_MIB, NULL, &err));
    volume = open_ntfs_image(scratch("acl.vhdx"), DISK_WRITE, &disk, &err);
    CHECK_OK(volume && volume_make_dirs(volume, "a/b", &err) &&
             volume_write_all(volume, "a/b/f", "x", 1, WHEN, 0, &err) &&
             volume_close(volume, &err) && disk_commit(disk, &err));
    disk_close(disk);
    CHECK(extract_partition(scratch("acl.vhdx"), "vhdx", VOLUME_MIB, scratch("acl.raw")));
    {
        CLEANUP(free_cleanup)
        char *text = shell_output("ntfssecaudit -v %s a/b/f", scratch("acl.raw"));

        CHECK(strstr(text, "Security key : 0x") && !strstr(text, "Security key : 0x0 "));
    }
}

TEST(a_full_volume_is_refused_before_anything_changes)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    CLEANUP(free_cleanup) uint8_t *bytes = calloc(1, 100 << 20);
    struct file_info info;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(scratch("full.vhdx"), VOLUME_MIB, NULL, &err));
    volume = open_ntfs_image(scratch("full.vhdx"), DISK_WRITE, &disk, &err);
    CHECK_OK(volume != NULL);
    if (!volume)
        return;
    CHECK(!volume_write_all(volume, "big", bytes, 100 << 20, WHEN, 0, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(err.hint[0]);
    CHECK(!volume_stat(volume, "big", &info, &err));
    CHECK_OK(volume_write_all(volume, "small", bytes, 1 << 20, WHEN, 0, &err));
    CHECK_OK(volume_close(volume, &err));
    CHECK_OK(disk_commit(disk, &err));
    disk_close(disk);
}

static bool fail_halfway(void *to, size_t len, size_t *ret_len, void *user, struct err *err)
{
    unsigned *calls = user;

    if (++*calls > 3)
        return err_fail(err, ERR_SYSTEM, 5, "the source broke");
    memset(to, 7, len);
    *ret_len = len;
    return true;
}

TEST(a_copy_that_breaks_leaves_the_old_state)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    unsigned calls = 0;
    const char *path = scratch("broken.vhdx");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, NULL, &err));
    copy_file(path, scratch("before.vhdx"));
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK(volume &&
          !volume_write(volume, "x", 10 << 20, fail_halfway, &calls, WHEN, 0, &err));
    CHECK_STR_EQ(err.text[0], "the source broke");
    CHECK(!volume_close(volume, &err));
    CHECK(!disk_commit(disk, &err));
    disk_close(disk);
    CHECK_EQ(shell("qemu-img compare -f vhdx -F vhdx %s %s", path, scratch("before.vhdx")),
             0);
}

TEST(the_image_grows_by_what_was_written)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(3000000);
    struct stat before, after;
    const char *path = scratch("grow.vhdx");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    memset(bytes, 'g', 3000000);
    CHECK_OK(make_ntfs_image(path, 600, NULL, &err));
    stat(path, &before);
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK_OK(volume && volume_make_dirs(volume, "d", &err));
    for (unsigned i = 0; volume && i < 20; i++) {
        char name[32];

        snprintf(name, sizeof(name), "d/%u", i);
        CHECK_OK(volume_write_all(volume, name, bytes, 3000000, WHEN, 0, &err));
    }
    CHECK_OK(volume && volume_close(volume, &err) && disk_commit(disk, &err));
    disk_close(disk);
    stat(path, &after);
    /* 60 MB of content; without leading the allocator 20 x 16 MiB more. */
    CHECK(after.st_size - before.st_size < 66 << 20);
    CHECK(after.st_size - before.st_size > 55 << 20);
}

/* ---- sharing blocks instead of copying ---- */

static uint64_t shared_bytes;

static void count_shared(const struct image_file_event *event)
{
    if (event->kind == IMAGE_FILE_WRITE && !event->bytes)
        shared_bytes += event->len;
}

/* A file of @len random bytes into an image beside it, and back; by us and by 7-Zip. */
static bool import_and_compare(const char *folder, size_t len, struct err *err)
{
    CLEANUP(free_cleanup) char *from = text_printf("%s/source", folder);
    CLEANUP(free_cleanup) char *image = text_printf("%s/image.vhdx", folder);
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(len), *read = NULL;
    struct dice dice = { len };
    struct disk *disk = NULL;
    struct volume *volume;
    size_t read_len = 0;
    int fd;
    bool ok;

    dice_fill(&dice, bytes, len);
    ok = write_whole(from, bytes, len) && make_ntfs_image(image, 40, NULL, err);
    fd = open(from, O_RDONLY | O_CLOEXEC);
    volume = ok ? open_ntfs_image(image, DISK_WRITE, &disk, err) : NULL;
    ok = volume && volume_import(volume, "f", fd, len, NULL, NULL, WHEN, 0, err) &&
         volume_close(volume, err) && disk_commit(disk, err);
    close(fd);
    disk_close(disk);
    volume = ok ? open_ntfs_image(image, DISK_READ, &disk, err) : NULL;
    ok = volume && volume_read_all(volume, "f", len, &read, &read_len, err) &&
         read_len == len && memcmp(read, bytes, len) == 0;
    volume_drop(volume);
    disk_close(disk);
    return ok && shell("7z e -so %s f | cmp - %s", image, from) == 0;
}

/* In a process of its own, which alone sees the file system it mounts: 0 when it is as it
 * should be, 77 when this machine cannot do that. */
static int share_on_xfs(void)
{
    static const size_t sizes[] = { 70000, 5 << 20, (5 << 20) + 4097 };
    struct err err = ERR_INIT;
    char text[1024];

    if (unshare(CLONE_NEWNS) != 0 || shell("mount --make-rprivate /") != 0 ||
        shell("truncate -s 400M %s && mkfs.xfs -q %s && mkdir -p %s && mount -o loop %s %s",
              scratch("fs.img"), scratch("fs.img"), scratch("fs"), scratch("fs.img"),
              scratch("fs")) != 0)
        return 77;
    image_file_watch = count_shared;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        shell("rm -f %s/*", scratch("fs"));
        shared_bytes = 0;
        if (!import_and_compare(scratch("fs"), sizes[i], &err) ||
            shared_bytes != sizes[i] / 4096 * 4096) {
            err_format(&err, text, sizeof(text));
            printf("# %zu bytes, %llu shared: %s\n", sizes[i],
                   (unsigned long long)shared_bytes, text);
            fflush(stdout);
            return 1;
        }
    }
    return 0;
}

TEST(blocks_are_shared_with_the_source_where_the_file_system_can)
{
    int status = 0;
    pid_t child;

    if (!has_tools() || !has_program("mkfs.xfs") || !has_program("7z"))
        SKIP("mkntfs, qemu-img, mkfs.xfs or 7z is not installed");
    scratch_dir();
    fflush(NULL);
    child = fork();
    if (child == 0)
        _exit(share_on_xfs());
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        SKIP("this machine lets nobody mount an XFS");
    CHECK_EQ(WEXITSTATUS(status), 0);
}

TEST(a_local_file_is_copied_where_the_file_system_cannot_share)
{
    struct err err = ERR_INIT;

    if (!has_tools() || !has_program("7z"))
        SKIP("mkntfs, qemu-img or 7z is not installed");
    CHECK_EQ(shell("mkdir -p %s", scratch("copied")), 0);
    CHECK_OK(import_and_compare(scratch("copied"), (3 << 20) + 77, &err));
}

/* ---- files that must not be replaced ---- */

TEST(compressed_encrypted_and_linked_files_are_left_alone)
{
    static const struct {
        const char *text;
        uint32_t flags, tag;
        bool is_readable;
    } cases[] = {
        { "compressed", FILE_IS_COMPRESSED, 0, true },
        { "encrypted", FILE_IS_ENCRYPTED, 0, false },
        { "WOF", 0, 0x80000017, false },
        { "deduplicated", 0, 0x80000013, false },
        { "symbolic link", 0, 0xA000000C, false },
    };

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = scratch("special.vhdx");
        struct err err = ERR_INIT;
        struct disk *disk = NULL;
        struct volume *volume;
        CLEANUP(free_cleanup) uint8_t *bytes = NULL;
        ntfs_inode *inode;
        size_t len = 0;

        test_case(cases[i].text);
        shell("rm -f %s", path);
        CHECK_OK(make_ntfs_image(path, VOLUME_MIB, NULL, &err));
        volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
        CHECK_OK(volume && volume_write_all(volume, "f", "old", 3, WHEN, 0, &err));
        if (!volume)
            return;
        inode = volume_open_path(volume, "f", &err);
        inode->flags |= cpu_to_le32(cases[i].flags);
        NInoSetDirty(inode);
        if (cases[i].tag) {
            uint8_t reparse[8 + 16] = { 0 };

            store_u32(reparse, cases[i].tag);
            store_u16(reparse + 4, 16);
            CHECK_EQ(ntfs_set_ntfs_reparse_data(inode, (const char *)reparse,
                                                sizeof(reparse), 0),
                     0);
        }
        CHECK_EQ(ntfs_inode_close(inode), 0);
        CHECK(!volume_write_all(volume, "f", "new", 3, WHEN, 0, &err));
        CHECK_EQ(err.kind, ERR_UNSUPPORTED);
        CHECK(strstr(err.text[0], cases[i].text));
        CHECK_EQ(volume_read_all(volume, "F", 10, &bytes, &len, &err),
                 cases[i].is_readable);
        CHECK_OK(volume_remove(volume, "f", true, &err)); /* itself, not where it leads */
        CHECK_OK(volume_close(volume, &err));
        CHECK_OK(disk_commit(disk, &err));
        disk_close(disk);
    }
}

/* ---- partitions ---- */

TEST(a_gpt_is_read_by_others_and_its_backup_by_us)
{
    struct err err = ERR_INIT;
    const char *path = scratch("gpt.img");
    struct partition layout[] = {
        { .index = 1,
          .type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
          .offset_bytes = 1 << 20,
          .size_bytes = 20 << 20 },
        { .index = 3,
          .type = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
          .id = "01234567-89ab-cdef-0123-456789abcdef",
          .offset_bytes = 21 << 20,
          .size_bytes = 30 << 20 },
    };
    CLEANUP(free_cleanup) struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    const char *table = NULL;
    unsigned count = 0;

    shell("truncate -s 64M %s", path);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk && disk_write_gpt(disk, layout, 2, &err) && disk_commit(disk, &err));
    disk_close(disk);
    if (has_program("mmls")) {
        CLEANUP(free_cleanup) char *seen = shell_output("mmls %s", path);

        CHECK(strstr(seen, "GUID Partition Table"));
        CHECK(strstr(seen, "0000043008   0000104447   0000061440"));
    }
    if (has_program("sgdisk"))
        CHECK(shell("sgdisk -v %s | grep -q 'No problems found'", path) == 0);
    for (unsigned damaged = 0; damaged < 3; damaged++) {
        test_case(damaged == 0 ? "whole" : damaged == 1 ? "header" : "entries");
        copy_file(path, scratch("gpt2.img"));
        if (damaged)
            patch_file(scratch("gpt2.img"), damaged == 1 ? 512 + 60 : 1024 + 8, "?", 1);
        disk = disk_open(scratch("gpt2.img"), DISK_READ, &err);
        CHECK_OK(disk && disk_partitions(disk, parts, &count, &table, &err));
        CHECK_STR_EQ(table, "gpt");
        CHECK_EQ(count, 2);
        CHECK_EQ(parts[1].index, 3);
        CHECK_STR_EQ(parts[1].id, "01234567-89ab-cdef-0123-456789abcdef");
        CHECK_EQ(parts[1].offset_bytes, 21 << 20);
        CHECK_EQ(parts[1].size_bytes, 30 << 20);
        disk_close(disk);
        disk = NULL;
    }
    test_case("both damaged");
    patch_file(scratch("gpt2.img"), (64 << 20) - 512 + 60, "?", 1);
    disk = disk_open(scratch("gpt2.img"), DISK_READ, &err);
    CHECK(disk && !disk_partitions(disk, parts, &count, &table, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    disk_close(disk);
    disk = disk_open(path, DISK_WRITE, &err);
    test_case("bad layouts");
    layout[1].offset_bytes = 20 << 20;
    CHECK(!disk_write_gpt(disk, layout, 2, &err));
    layout[1].offset_bytes = 60 << 20;
    CHECK(!disk_write_gpt(disk, layout, 2, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
}

TEST(an_mbr_with_logical_partitions_is_read)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    const char *table = NULL, *path = scratch("mbr.img");
    unsigned count = 0;

    if (!has_program("sfdisk"))
        SKIP("sfdisk is not installed");
    CHECK_EQ(shell("truncate -s 64M %s && printf '%s' | sfdisk %s", path,
                   "label: dos\\nstart=2048,size=20480,type=7,bootable\\n"
                   "start=22528,type=5\\nstart=24576,size=8192,type=7\\n"
                   "start=34816,size=8192,type=c\\n",
                   path),
             0);
    disk = disk_open(path, DISK_READ, &err);
    CHECK_OK(disk && disk_partitions(disk, parts, &count, &table, &err));
    CHECK_STR_EQ(table, "mbr");
    CHECK_EQ(count, 3);
    CHECK_STR_EQ(parts[0].type, "0x07");
    CHECK_EQ(parts[0].offset_bytes, 1 << 20);
    CHECK_EQ(parts[1].index, 5);
    CHECK_EQ(parts[1].offset_bytes, 24576 * 512);
    CHECK_EQ(parts[2].index, 6);
    CHECK_STR_EQ(parts[2].type, "0x0c");
}

/* ---- what is refused, each by its words ---- */

static struct volume *refusing;

static bool into_a_file(struct err *err)
{
    return volume_write_all(refusing, "file/below", "x", 1, WHEN, 0, err);
}

static bool into_a_link(struct err *err)
{
    return volume_write_all(refusing, "link/below", "x", 1, WHEN, 0, err);
}

static bool list_a_link(struct err *err)
{
    struct file_info info;

    return volume_stat(refusing, "link/below", &info, err);
}

static bool many_folders(struct err *err)
{
    struct file_info info;
    char path[2 * 2000] = "a";

    for (size_t i = 0; i < 1900; i++)
        strcat(path, "/a");
    return volume_stat(refusing, path, &info, err);
}

static bool read_a_folder(struct err *err)
{
    return volume_read(refusing, "deep", NULL, NULL, err);
}

static bool rename_to_what_is_there(struct err *err)
{
    return volume_rename(refusing, "file", "other", err);
}

static bool rename_what_is_not_there(struct err *err)
{
    return volume_rename(refusing, "nothing", "something", err);
}

static bool rename_ntfs_own(struct err *err)
{
    return volume_rename(refusing, "$LogFile", "log", err);
}

static bool change_ntfs_own(struct err *err)
{
    return volume_set_attributes(refusing, "$LogFile", FILE_IS_HIDDEN, err);
}

static bool remove_what_is_not_there(struct err *err)
{
    return volume_remove(refusing, "nothing", false, err);
}

static bool remove_a_full_folder(struct err *err)
{
    return volume_remove(refusing, "deep", false, err);
}

static bool remove_what_nests_too_deep(struct err *err)
{
    return volume_remove(refusing, "deep", true, err);
}

static bool make_link(struct volume *volume, const char *path, struct err *err)
{
    uint8_t reparse[8 + 16] = { 0 };
    ntfs_inode *inode;
    bool ok;

    if (!volume_make_dirs(volume, path, err))
        return false;
    inode = volume_open_path(volume, path, err);
    store_u32(reparse, 0xA0000003);
    store_u16(reparse + 4, 16);
    ok = inode &&
         ntfs_set_ntfs_reparse_data(inode, (const char *)reparse, sizeof(reparse), 0) == 0;
    return inode && ntfs_inode_close(inode) == 0 && ok;
}

TEST(what_a_volume_refuses_it_says)
{
    static const struct {
        const char *name;
        bool (*ask)(struct err *err);
        enum err_kind kind;
        const char *says;
    } cases[] = {
        { "a file below a file", into_a_file, ERR_INVALID, "no folder" },
        { "a file below a link", into_a_link, ERR_UNSUPPORTED, "junction" },
        { "looking below a link", list_a_link, ERR_UNSUPPORTED, "junction" },
        { "a path without end", many_folders, ERR_INVALID, "too many folders" },
        { "a folder's content", read_a_folder, ERR_INVALID, "is a folder" },
        { "a name that is taken", rename_to_what_is_there, ERR_CONFLICT,
          "exists in the image" },
        { "a name that is not there", rename_what_is_not_there, ERR_NOT_FOUND, "no file" },
        { "a file of NTFS, renamed", rename_ntfs_own, ERR_INVALID, "NTFS itself" },
        { "a file of NTFS, changed", change_ntfs_own, ERR_INVALID, "NTFS itself" },
        { "removing nothing", remove_what_is_not_there, ERR_NOT_FOUND, "no file" },
        { "removing a folder with files", remove_a_full_folder, ERR_CONFLICT, "not empty" },
        { "removing without end", remove_what_nests_too_deep, ERR_UNSUPPORTED,
          "nest too deep" },
    };
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    char deep[5 + 2 * 80] = "deep";

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < 70; i++)
        strcat(deep, "/d");
    CHECK_OK(make_ntfs_image(scratch("refuse.vhdx"), VOLUME_MIB, NULL, &err));
    refusing = open_ntfs_image(scratch("refuse.vhdx"), DISK_WRITE, &disk, &err);
    CHECK_OK(refusing && volume_write_all(refusing, "file", "x", 1, WHEN, 0, &err) &&
             volume_write_all(refusing, "other", "y", 1, WHEN, 0, &err) &&
             volume_make_dirs(refusing, deep, &err) && make_link(refusing, "link", &err));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1024] = "";

        test_case(cases[i].name);
        err = ERR_INIT;
        CHECK(!cases[i].ask(&err));
        CHECK_EQ(err.kind, cases[i].kind);
        err_format(&err, text, sizeof(text));
        if (!strstr(text, cases[i].says))
            printf("# %s\n", text);
        CHECK(strstr(text, cases[i].says));
    }
    volume_drop(refusing);
    disk_close(disk);
}
