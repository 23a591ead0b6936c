/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of formats and of a transaction, each met by a sparse image, and calls out of turn. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "image.h"
#include "test-tools.h"
#include "test-vhd-image.h"
#include "test.h"
#include "text.h"

enum { MIB = 1 << 20, VHD_DISK = 12 << 20, VOLUME_MIB = 16 };
#define WHEN 13300000000000000ll

static void put_be32(uint8_t to[4], uint64_t number)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* Block 0 of it lies where the 32 bits of the table end. */
TEST(a_vhd_does_not_grow_beyond_what_its_table_can_say)
{
    const uint64_t at = ((uint64_t)UINT32_MAX - 1) * 512 - TEST_VHD_BLOCK - 8192;
    const char *parent = scratch("parent.vhd"), *path = scratch("end.vhd");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    uint8_t footer[512], entry[4], bitmap[512];
    struct err err = ERR_INIT;
    size_t len = 0;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK_EQ(
        shell("rm -f %s && qemu-img create -f vpc -o force_size=on %s 12M", parent, parent),
        0);
    /* A child is a dynamic disk with a parent; here without. */
    CHECK(test_vhd_make_child(path, parent, VHD_DISK, "x", NULL));
    CHECK(test_vhd_set_footer(path, 60, 3, 4));
    {
        CLEANUP(free_cleanup) uint8_t *bytes = read_whole(path, &len);

        memcpy(footer, bytes, sizeof(footer));
    }
    put_be32(entry, at / 512);
    memset(bitmap, 0xFF, sizeof(bitmap));
    if (!patch_file(path, at + 512 + TEST_VHD_BLOCK, footer, sizeof(footer)))
        SKIP("files of 2 TiB cannot be made here");
    CHECK(patch_file(path, at, bitmap, sizeof(bitmap)) &&
          patch_file(path, TEST_VHD_TABLE, entry, sizeof(entry)));
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk && disk_write(disk, 5, "old block", 9, &err));
    CHECK_OK(disk && disk_commit(disk, &err));
    CHECK_OK(disk && disk_write(disk, 4 * MIB, "new block", 9, &err));
    CHECK(disk && !disk_commit(disk, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(strstr(err.text[0], "cannot grow beyond 2 TiB"));
    disk_close(disk);
    err = ERR_INIT;
    disk = disk_open(path, DISK_READ, &err);
    CHECK_OK(disk && disk_read(disk, 5, footer, 9, &err));
    CHECK(memcmp(footer, "old block", 9) == 0);
    unlink(path);
}

/* Nothing of a raw image may be written before the commit. */
TEST(more_changes_than_memory_may_hold_are_refused_and_leave_the_image)
{
    const char *path = scratch("much.raw");
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(MIB);
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;
    uint64_t at = 0;

    CHECK_EQ(shell("rm -f %s && truncate -s 300M %s", path, path), 0);
    memset(bytes, 0x5A, MIB);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk != NULL);
    while (disk && at < 300 * (uint64_t)MIB && disk_write(disk, at, bytes, MIB, &err))
        at += MIB;
    CHECK_EQ(at, 256 * (uint64_t)MIB);
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(strstr(err.text[0], "more than 256 MiB would have to change at once"));
    disk_close(disk);
    disk = NULL;
    CHECK_EQ(
        shell("truncate -s 300M %s.zeros && cmp -n 1000000 %s %s.zeros", path, path, path),
        0);
}

static bool next_nothing(void *to, size_t len, size_t *ret_len, void *user, struct err *err)
{
    *ret_len = 0;
    return true;
}

TEST(what_is_asked_out_of_turn_is_refused)
{
    const char *path = scratch("turn.img");
    CLEANUP(free_cleanup) struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume, *second;
    const char *table;
    char longer[1100];
    unsigned count = 0;
    int fd;

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, "raw", &err));
    volume = open_ntfs_image(path, DISK_READ, &disk, &err);
    CHECK_OK(volume && disk_partitions(disk, parts, &count, &table, &err));
    CHECK(!disk_commit(disk, &err));
    CHECK(strstr(err.text[0], "open for reading only"));
    CHECK(!volume_write_all(volume, "x", "x", 1, WHEN, 0, &err));
    CHECK(strstr(err.text[0], "volume is open for reading only"));
    CHECK(!volume_open(disk, &parts[0], DISK_WRITE, &err));
    CHECK(strstr(err.text[0], "open for reading only"));
    volume_drop(volume);
    disk_close(disk);

    err = ERR_INIT;
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK_OK(volume != NULL);
    CHECK(!disk_commit(disk, &err));
    CHECK(strstr(err.text[0], "is still open for writing"));
    second = volume_open(disk, &parts[0], DISK_WRITE, &err);
    CHECK(!second);
    CHECK(strstr(err.text[0], "one volume of a disk is open for writing already"));
    memset(longer, 'n', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    CHECK(!volume_write_all(volume, longer, "x", 1, WHEN, 0, &err));
    CHECK(strstr(err.text[0], "a name of 1099 bytes is too long"));

    /* A source that is shorter than it was said to be. */
    CHECK(write_whole(scratch("short"), "short", 5));
    fd = open(scratch("short"), O_RDONLY | O_CLOEXEC);
    CHECK(!volume_import(volume, "short", fd, 100, NULL, NULL, WHEN, 0, &err));
    CHECK(strstr(err.text[0], "the file changed while it was copied"));
    close(fd);
    CHECK(!volume_write_all(volume, "after", "x", 1, WHEN, 0, &err));
    CHECK(strstr(err.text[0], "an earlier change of the volume failed half-way"));
    volume_drop(volume);
    disk_close(disk);

    err = ERR_INIT;
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK(volume && !volume_write(volume, "x", 10, next_nothing, NULL, WHEN, 0, &err));
    CHECK(strstr(err.text[0], "the file changed while it was copied"));
    volume_drop(volume);
    disk_close(disk);
}

/* 64 MiB of a list of free clusters, 2 TiB in clusters of 4 KiB; here of 512 bytes. */
TEST(a_volume_of_more_clusters_than_memory_may_list_is_read_and_not_written)
{
    const struct partition whole = { .index = 1,
                                     .type = "0x07",
                                     .size_bytes = (uint64_t)257 << 30 };
    const char *path = scratch("huge.raw");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;
    struct volume *volume;

    if (!has_program("mkntfs"))
        SKIP("mkntfs is not installed");
    if (shell(
            "rm -f %s && truncate -s 257G %s && mkntfs -q -Q -F -f -c 512 -s 512 -p 0 -H 255 "
            "-S 63 %s",
            path, path, path) != 0)
        SKIP("files of 257 GiB cannot be made here");
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk != NULL);
    volume = disk ? volume_open(disk, &whole, DISK_READ, &err) : NULL;
    CHECK_OK(volume != NULL);
    volume_drop(volume);
    volume = disk ? volume_open(disk, &whole, DISK_WRITE, &err) : NULL;
    CHECK(!volume);
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(strstr(err.text[0], "clusters is too large"));
    volume_drop(volume);
    unlink(path);
}

/* As a host's disk without room, or a quota: no file may become larger than @bytes. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

TEST(a_host_without_room_is_an_error_and_the_old_state_stays)
{
    static const struct {
        const char *format; /* as of make_ntfs_image() */
        unsigned above; /* this much more than the image has, or in all when it is raw */
        const char *text;
    } cases[] = {
        { NULL, 8192, "resizing" },
        { "vpc", 8192, "writing" },
        { "raw", 4 * MIB, "writing" },
    };
    const char *path = scratch("room.img");
    CLEANUP(free_cleanup) uint8_t *bytes = calloc(1, 6 * MIB);

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    memset(bytes, 7, 6 * MIB);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct disk *disk = NULL;
        struct volume *volume;
        struct err err = ERR_INIT, unused = ERR_INIT;
        struct file_info info = { 0 };
        struct stat st = { 0 };
        char text[1024];
        bool ok;

        test_case(cases[i].format ? cases[i].format : "vhdx");
        shell("rm -f %s", path);
        CHECK_OK(make_ntfs_image(path, VOLUME_MIB, cases[i].format, &err));
        stat(path, &st);
        limit_files(i == 2 ? cases[i].above : (rlim_t)st.st_size + cases[i].above);
        volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
        CHECK_OK(volume != NULL);
        ok = volume && volume_write_all(volume, "new", bytes, 6 * MIB, WHEN, 0, &err);
        ok = volume && volume_close(volume, ok ? &err : &unused) && ok;
        ok = disk_commit(disk, ok ? &err : &unused) && ok;
        disk_close(disk);
        limit_files(RLIM_INFINITY);
        CHECK(!ok);
        err_format(&err, text, sizeof(text));
        if (!strstr(text, cases[i].text))
            printf("# %s\n", text);
        CHECK(strstr(text, cases[i].text));
        err = ERR_INIT;
        volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
        CHECK_OK(volume != NULL);
        CHECK(volume && !volume_stat(volume, "new", &info, &err));
        CHECK_EQ(err.kind, ERR_NOT_FOUND);
        volume_drop(volume);
        disk_close(disk);
    }
}

/* Room is looked for before a file is written, but a folder may grow by longer names. */
TEST(a_volume_that_becomes_full_on_the_way_is_said_to_be_full)
{
    const char *path = scratch("full.img");
    CLEANUP(free_cleanup) uint8_t *bytes = calloc(1, VOLUME_MIB * MIB);
    struct disk *disk = NULL;
    struct volume *volume;
    struct err err = ERR_INIT;
    bool ok;

    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    shell("rm -f %s", path);
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, "raw", &err));
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    ok = volume && volume_make_dirs(volume, "f", &err);
    for (unsigned i = 0; ok && i < 60; i++) {
        char name[16];

        snprintf(name, sizeof(name), "f/%u", i);
        ok = volume_write_all(volume, name, "x", 1, WHEN, 0, &err);
    }
    CHECK_OK(ok && volume_write_all(volume, "big", bytes, volume_free_bytes(volume) - 8192,
                                    WHEN, 0, &err));
    for (unsigned i = 0; ok && i < 60; i++) {
        char from[16], to[300];

        snprintf(from, sizeof(from), "f/%u", i);
        snprintf(to, sizeof(to), "f/%0200u", i);
        ok = volume_rename(volume, from, to, &err);
    }
    CHECK(!ok);
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK_STR_EQ(err.text[0], "the volume is full");
    CHECK(strstr(err.text[1], "renaming"));
    CHECK(strstr(err.hint, "make room"));
    CHECK(volume && !volume_close(volume, &err));
    CHECK(!disk_commit(disk, &err));
    disk_close(disk);
}
