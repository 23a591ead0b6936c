/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats and the transaction, against QEMU's drivers and a model in memory. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "err.h"
#include "image.h"
#include "little-endian.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

enum { MIB = 1 << 20, SMALL_DISK = 24 << 20 };

/* Random writes into a disk and into @model, of all sizes and alignments. */
static bool scribble(struct disk *disk, uint8_t *model, struct dice *dice, unsigned writes,
                     struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(MIB);

    for (unsigned i = 0; i < writes; i++) {
        static const uint32_t sizes[] = {
            1, 17, 512, 4096, 4097, 20000, 40000, 300000, MIB
        };
        uint32_t len =
            1 + (uint32_t)dice_roll(dice, sizes[dice_roll(dice, ARRAY_LEN(sizes))]);
        uint64_t offset = dice_roll(dice, SMALL_DISK - len + 1);

        if (dice_roll(dice, 2))
            offset = offset / 4096 * 4096;
        if (dice_roll(dice, 5) == 0)
            memset(bytes, 0, len);
        else
            dice_fill(dice, bytes, len);
        if (!disk_write(disk, offset, bytes, len, err))
            return false;
        memcpy(model + offset, bytes, len);
    }
    return true;
}

static bool is_like(struct disk *disk, const uint8_t *model, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(SMALL_DISK);
    struct dice dice = { 9 };

    if (!disk_read(disk, 0, bytes, SMALL_DISK, err))
        return false;
    if (memcmp(bytes, model, SMALL_DISK) != 0)
        return err_fail(err, ERR_PROTOCOL, 0, "content differs");
    for (unsigned i = 0; i < 50; i++) {
        size_t len = 1 + dice_roll(&dice, 9000);
        uint64_t offset = dice_roll(&dice, SMALL_DISK - len + 1);

        if (!disk_read(disk, offset, bytes, len, err))
            return false;
        if (memcmp(bytes, model + offset, len) != 0)
            return err_fail(err, ERR_PROTOCOL, 0, "content differs in a short read");
    }
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

static const struct {
    const char *name;
    const char *make; /* shell line; "%s" is the path; NULL: disk_create_vhdx() */
    uint32_t block;
    const char *format, *qemu;
} kinds[] = {
    { "own, 1 MiB blocks", NULL, MIB, "vhdx-dynamic", "vhdx" },
    { "own, default blocks", NULL, 0, "vhdx-dynamic", "vhdx" },
    { "own, 256 MiB blocks", NULL, 256 * MIB, "vhdx-dynamic", "vhdx" },
    { "QEMU dynamic", "qemu-img create -f vhdx -o block_size=2M %s 24M", 0, "vhdx-dynamic",
      "vhdx" },
    { "QEMU fixed",
      "qemu-img create -f vhdx -o subformat=fixed,block_state_zero=off,block_size=1M %s 24M",
      0, "vhdx-fixed", "vhdx" },
    { "raw", "truncate -s 24M %s", 0, "raw", "raw" },
    { "VHD fixed", "qemu-img create -f vpc -o subformat=fixed,force_size=on %s 24M", 0,
      "vhd-fixed", "vpc" },
    { "VHD dynamic", "qemu-img create -f vpc -o subformat=dynamic,force_size=on %s 24M", 0,
      "vhd-dynamic", "vpc" },
};

static bool make_kind(size_t i, const char *path, struct err *err)
{
    unlink(path);
    if (!kinds[i].make)
        return disk_create_vhdx(path, SMALL_DISK, kinds[i].block, err);
    {
        CLEANUP(free_cleanup) char *line = NULL;
        const char *hole = strstr(kinds[i].make, "%s");

        line = text_printf("%.*s%s%s", (int)(hole - kinds[i].make), kinds[i].make, path,
                           hole + 2);
        if (shell("%s", line) != 0)
            return err_fail(err, ERR_SYSTEM, 0, "%s failed", line);
    }
    return true;
}

TEST(what_was_committed_is_there_for_us_and_for_qemu)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(SMALL_DISK);

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct dice dice = { i + 1 };
        struct err err = ERR_INIT;
        const char *path = scratch("kind.img");

        test_case(kinds[i].name);
        memset(model, 0, SMALL_DISK);
        CHECK_OK(make_kind(i, path, &err));
        for (unsigned session = 0; session < 3; session++) {
            CLEANUP(disk_cleanup) struct disk *disk = disk_open(path, DISK_WRITE, &err);

            CHECK_OK(disk != NULL);
            if (!disk)
                break;
            CHECK_STR_EQ(disk_format(disk), kinds[i].format);
            CHECK(disk_size(disk) >= SMALL_DISK);
            CHECK_OK(scribble(disk, model, &dice, 40, &err));
            CHECK_OK(is_like(disk, model, &err));
            CHECK_OK(disk_commit(disk, &err));
            CHECK_OK(
                scribble(disk, model, &dice, 10, &err)); /* a second one, same session */
            CHECK_OK(disk_commit(disk, &err));
            CHECK_OK(is_like(disk, model, &err));
        }
        CHECK(is_like_to_qemu(path, kinds[i].qemu, model));
        if (strcmp(kinds[i].qemu, "vhdx") == 0)
            CHECK_EQ(shell("qemu-img check -f vhdx %s", path), 0);
        {
            CLEANUP(disk_cleanup) struct disk *disk = disk_open(path, DISK_READ, &err);

            CHECK_OK(disk && is_like(disk, model, &err));
        }
    }
}

TEST(what_was_not_committed_never_was)
{
    CLEANUP(free_cleanup) uint8_t *model = malloc(SMALL_DISK), *lost = malloc(SMALL_DISK);

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct dice dice = { 100 + i };
        struct err err = ERR_INIT;
        const char *path = scratch("kind.img");
        CLEANUP(disk_cleanup) struct disk *first = NULL;
        struct stat before = { 0 }, after = { 0 };

        test_case(kinds[i].name);
        memset(model, 0, SMALL_DISK);
        CHECK_OK(make_kind(i, path, &err));
        first = disk_open(path, DISK_WRITE, &err);
        CHECK_OK(first && scribble(first, model, &dice, 6, &err) &&
                 disk_commit(first, &err));
        disk_close(first);
        stat(path, &before);
        first = disk_open(path, DISK_WRITE, &err);
        memcpy(lost, model, SMALL_DISK);
        CHECK_OK(first && scribble(first, lost, &dice, 40, &err));
        disk_close(first);
        stat(path, &after);
        CHECK_EQ(before.st_size, after.st_size);
        first = disk_open(path, DISK_READ, &err);
        CHECK_OK(first && is_like(first, model, &err));
        CHECK(is_like_to_qemu(path, kinds[i].qemu, model));
    }
}

TEST(zeros_written_into_nothing_take_no_room)
{
    struct err err = ERR_INIT;
    const char *path = scratch("zeros.vhdx");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup) uint8_t *zeros = calloc(1, MIB);
    struct stat st = { 0 };

    CHECK_OK(disk_create_vhdx(path, (uint64_t)40 << 30, 0, &err));
    disk = disk_open(path, DISK_WRITE, &err);
    for (uint64_t at = 0; disk && at < 64u * MIB; at += MIB)
        CHECK_OK(disk_write(disk, at, zeros, MIB, &err));
    CHECK_OK(disk && disk_write(disk, 5, "x", 1, &err));
    CHECK_OK(disk && disk_commit(disk, &err));
    stat(path, &st);
    CHECK_EQ(st.st_size, (4 + 32) * MIB); /* tables and one block */
    CHECK(st.st_blocks * 512 < 2 * MIB);
}

TEST(a_disk_never_grows_nor_shrinks_by_reading_and_idle_sessions)
{
    struct err err = ERR_INIT;
    const char *path = scratch("idle.vhdx");
    CLEANUP(free_cleanup) uint8_t *before = NULL, *after = NULL;
    size_t before_len = 0, after_len = 1;
    CLEANUP(disk_cleanup) struct disk *disk = NULL;

    CHECK_OK(disk_create_vhdx(path, SMALL_DISK, MIB, &err));
    before = read_whole(path, &before_len);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk && disk_commit(disk, &err));
    disk_close(disk);
    disk = disk_open(path, DISK_READ, &err);
    CHECK(disk && !disk_write(disk, 0, "x", 1, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    after = read_whole(path, &after_len);
    CHECK(before_len == after_len && memcmp(before, after, after_len) == 0);
}

TEST(locks_keep_writers_out_qemu_included)
{
    struct err err = ERR_INIT;
    char path[256];
    CLEANUP(disk_cleanup) struct disk *disk = NULL;

    snprintf(path, sizeof(path), "%s", scratch("lock.vhdx"));
    CHECK_OK(disk_create_vhdx(path, SMALL_DISK, MIB, &err));
    disk = disk_open(path, DISK_READ, &err);
    CHECK(disk != NULL);
    {
        CLEANUP(disk_cleanup) struct disk *other = disk_open(path, DISK_READ, &err);

        CHECK_OK(other != NULL);
    }
    CHECK(!disk_open(path, DISK_WRITE, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(err.hint[0]);
    disk_close(disk);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK(disk && !disk_open(path, DISK_READ, &err));
    CHECK(!disk_open(path, DISK_WRITE, &err));
    if (!has_program("qemu-io"))
        SKIP("qemu-io is not installed");
    CHECK(shell("qemu-io -f vhdx -c 'write 0 4096' %s", path) != 0);
    disk_close(disk);
    disk = disk_open(path, DISK_READ, &err);
    CHECK(shell("qemu-io -f vhdx -c 'write 0 4096' %s", path) != 0);
    disk_close(disk);
    disk = NULL;
    CHECK_EQ(shell("qemu-io -f vhdx -c 'write 0 4096' %s", path), 0);
    /* QEMU writing: we stay out, for reading too. */
    {
        CLEANUP(free_cleanup)
        char *line = text_printf("qemu-io -f vhdx %s >%s", path, scratch("io.log"));
        FILE *qemu = popen(line, "we");

        fputs("read 0 4096\n", qemu);
        fflush(qemu);
        for (int i = 0; i < 100 && shell("grep -q 4096/4096 %s", scratch("io.log")) != 0;
             i++)
            usleep(20000);
        CHECK(!disk_open(path, DISK_READ, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        CHECK(!disk_open(path, DISK_WRITE, &err));
        fputs("quit\n", qemu);
        pclose(qemu);
    }
}

TEST(bad_requests_are_refused)
{
    struct err err = ERR_INIT;
    const char *path = scratch("bad.vhdx");
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    uint8_t byte = 0;

    CHECK(!disk_create_vhdx(path, 12345, 0, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(!disk_create_vhdx(path, SMALL_DISK, 3 * MIB, &err));
    CHECK(!disk_create_vhdx(path, (uint64_t)65 << 40, 0, &err));
    CHECK_OK(disk_create_vhdx(path, SMALL_DISK, 0, &err));
    CHECK(!disk_create_vhdx(path, SMALL_DISK, 0, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    disk = disk_open(path, DISK_WRITE, &err);
    CHECK(disk && !disk_read(disk, SMALL_DISK, &byte, 1, &err));
    CHECK(disk && !disk_write(disk, UINT64_MAX, &byte, 1, &err));
    CHECK(disk && disk_read(disk, SMALL_DISK, &byte, 0, &err));
    CHECK(!disk_open(scratch("nothing"), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!disk_open(scratch_dir(), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
}

TEST(images_of_other_formats_are_named)
{
    struct err err = ERR_INIT;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    shell("qemu-img create -f qcow2 %s 10M", scratch("x.qcow2"));
    CHECK(!disk_open(scratch("x.qcow2"), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(strstr(err.text[0], "QCOW"));
    CHECK(err.hint[0]);
    shell("qemu-img create -f vmdk %s 10M", scratch("x.vmdk"));
    CHECK(!disk_open(scratch("x.vmdk"), DISK_READ, &err));
    CHECK(strstr(err.text[0], "VMDK"));
}

TEST(a_disk_of_too_many_blocks_is_refused)
{
    struct err err = ERR_INIT;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK_EQ(shell("qemu-img create -f vhdx -o block_size=1M %s 9T", scratch("many.vhdx")),
             0);
    CHECK(!disk_open(scratch("many.vhdx"), DISK_READ, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(strstr(err.text[0], "too many blocks"));
    CHECK(strstr(err.hint, "Convert-VHD"));
    shell("rm -f %s", scratch("many.vhdx"));
}

/* ---- real images, made by Hyper-V ---- */

static const char *unpack(const char *name)
{
    const char *path = scratch(name);

    return shell("bzip2 -dc '%s/vhdx/%s.bz2' > %s", test_data_dir(), name, path) == 0
               ? path
               : NULL;
}

TEST(an_image_made_by_hyper_v_reads_as_qemu_reads_it)
{
    struct err err = ERR_INIT;
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup) uint8_t *model = NULL, *mine = NULL;
    const char *path;
    size_t len = 0;

    if (!test_data_dir())
        SKIP("$HVGPU_TEST_DATA is not set");
    path = unpack("iotest-dynamic-1G.vhdx");
    disk = path ? disk_open(path, DISK_READ, &err) : NULL;
    CHECK_OK(disk != NULL);
    if (!disk)
        return;
    CHECK_STR_EQ(disk_format(disk), "vhdx-dynamic");
    CHECK_EQ(disk_size(disk), (uint64_t)1 << 30);
    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    CHECK_EQ(shell("qemu-img dd -f vhdx -O raw if=%s of=%s bs=1M count=64", path,
                   scratch("real.raw")),
             0);
    model = read_whole(scratch("real.raw"), &len);
    mine = malloc(64 * MIB);
    CHECK_OK(disk_read(disk, 0, mine, 64 * MIB, &err));
    CHECK(len >= 64 * MIB && memcmp(mine, model, 64 * MIB) == 0);
}

TEST(a_log_left_by_hyper_v_is_replayed_in_memory_and_for_good)
{
    struct err err = ERR_INIT;
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    CLEANUP(free_cleanup)
    uint8_t *before = NULL, *after = NULL, *ours = malloc(64 * MIB), *qemus = NULL;
    char path[256];
    size_t before_len = 0, after_len = 1, len = 0;

    if (!test_data_dir())
        SKIP("$HVGPU_TEST_DATA is not set");
    if (!unpack("iotest-dirtylog-10G-4M.vhdx"))
        SKIP("bzip2 is not installed");
    snprintf(path, sizeof(path), "%s", scratch("iotest-dirtylog-10G-4M.vhdx"));
    before = read_whole(path, &before_len);

    /* Reading leaves the file as it is. */
    disk = disk_open(path, DISK_READ, &err);
    CHECK_OK(disk && disk_read(disk, 0, ours, 64 * MIB, &err));
    after = read_whole(path, &after_len);
    CHECK(before_len == after_len && memcmp(before, after, after_len) == 0);
    disk_close(disk);
    disk = NULL;

    if (!has_program("qemu-img"))
        SKIP("qemu-img is not installed");
    /* QEMU, which replays when it may write, finds the same content. */
    copy_file(path, scratch("qemu-replayed.vhdx"));
    CHECK_EQ(shell("qemu-img check -r all -f vhdx %s", scratch("qemu-replayed.vhdx")), 0);
    CHECK_EQ(shell("qemu-img dd -f vhdx -O raw if=%s of=%s bs=1M count=64",
                   scratch("qemu-replayed.vhdx"), scratch("replayed.raw")),
             0);
    qemus = read_whole(scratch("replayed.raw"), &len);
    CHECK(len == 64 * MIB && memcmp(ours, qemus, len) == 0);

    disk = disk_open(path, DISK_WRITE, &err);
    CHECK_OK(disk != NULL);
    disk_close(disk);
    disk = NULL;
    CHECK_EQ(shell("qemu-img check -f vhdx %s", path), 0);
    CHECK_EQ(shell("qemu-img compare -f vhdx -F vhdx %s %s", path,
                   scratch("qemu-replayed.vhdx")),
             0);
}
