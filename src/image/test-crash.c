/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power is cut between any two changes of the files.
 *
 * One session is recorded: every write, resize and flush of the image and its journal.
 * Then the files are rebuilt as they could be found after a cut: all that was flushed, and
 * of the rest any part, torn at any sector.  Whoever opens the image then must find the old
 * or the new state, whole; tools others wrote judge the volume.
 */

#include <stdio.h>
#include <unistd.h>

#include "crc32c.h"
#include "err.h"
#include "hive.h"
#include "image.h"
#include "test-power.h"
#include "test-tools.h"
#include "test-vhd-image.h"
#include "test.h"
#include "text.h"

enum { VOLUME_MIB = 20 };
#define JOURNAL ".hvgpu-commit"

/* ---- the session ---- */

static bool write_random(struct volume *volume, const char *path, uint64_t seed, size_t len,
                         struct err *err)
{
    struct dice dice = { seed };
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(len);

    dice_fill(&dice, bytes, len);
    return volume_write_all(volume, path, bytes, len, 0, 0, err);
}

#define SYSTEM "Windows/System32/config/SYSTEM"

/* A hive of many pages, like the one an inject edits. */
static bool put_hive(struct volume *volume, struct err *err)
{
    CLEANUP(hive_cleanup) struct hive *hive = hive_new(err);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct hive_value value = { 0 };
    size_t len = 0;
    bool ok = hive && hive_value_set_u64(&value, HIVE_DWORD, 1);

    for (unsigned i = 0; ok && i < 300; i++) {
        char key[64];

        snprintf(key, sizeof(key), "ControlSet001\\Group-%u\\service-%u", i % 12, i);
        ok = hive_set(hive, key, "Start", &value, err);
    }
    ok = ok && hive_bytes(hive, &bytes, &len, err) &&
         volume_write_all(volume, SYSTEM, bytes, len, 0, 0, err);
    hive_value_clear(&value);
    return ok;
}

static bool edit_hive(struct volume *volume, struct err *err)
{
    CLEANUP(hive_cleanup) struct hive *hive = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL, *edited = NULL;
    struct hive_value value = { 0 };
    size_t len = 0;
    bool ok;

    if (!volume_read_all(volume, SYSTEM, 1 << 20, &bytes, &len, err))
        return false;
    hive = hive_open(bytes, len, true, err);
    ok = hive && hive_value_set_text(&value, HIVE_SZ, "nvidia") &&
         hive_set(hive, "ControlSet001\\Group-0\\service-120", "Group", &value, err) &&
         hive_set(hive, "ControlSet001\\Control\\New", "Value", &value, err) &&
         hive_bytes(hive, &edited, &len, err) &&
         volume_write_all(volume, SYSTEM, edited, len, 0, 0, err);
    hive_value_clear(&value);
    return ok;
}

static bool put_old(struct volume *volume, struct err *err)
{
    return volume_make_dirs(volume, "Windows/System32/config", err) &&
           volume_make_dirs(volume, "store/old", err) && put_hive(volume, err) &&
           volume_write_all(volume, "store/manifest.json", "{\"package\": \"old\"}", 18, 0,
                            0, err) &&
           write_random(volume, "store/old/a.sys", 2, 500000, err) &&
           write_random(volume, "store/old/b.dll", 3, 30000, err);
}

/* As an inject: new files beside the old ones, then the old ones go and the new ones take
 * their place, then the hive, the manifest last. */
static bool put_new(struct volume *volume, struct err *err)
{
    bool ok = volume_make_dirs(volume, "store/new", err);

    for (unsigned i = 0; ok && i < 12; i++) {
        char name[64];

        snprintf(name, sizeof(name), "store/new/file-%u.dll", i);
        ok = write_random(volume, name, 10 + i, 1 + i * 33333, err);
    }
    return ok && volume_remove(volume, "store/old", true, err) &&
           volume_rename(volume, "store/new", "store/current", err) &&
           edit_hive(volume, err) &&
           volume_write_all(volume, "store/manifest.json", "{\"package\": \"current\"}", 22,
                            0, 0, err);
}

static bool run(const char *path, bool (*put_it)(struct volume *volume, struct err *err),
                struct err *err)
{
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(path, DISK_WRITE, &disk, err);
    bool ok = volume && put_it(volume, err);

    if (volume)
        ok = volume_close(volume, err) && ok;
    ok = ok && disk_commit(disk, err);
    disk_close(disk);
    return ok;
}

/* ---- judging ---- */

struct sum {
    struct volume *volume;
    const char *folder;
    uint32_t crc;
};

static bool add_bytes(const void *bytes, size_t len, void *user, struct err *err)
{
    struct sum *sum = user;

    sum->crc = crc32c(sum->crc, bytes, len);
    return true;
}

static bool add_file(const struct file_info *info, void *user, struct err *err)
{
    struct sum *sum = user;
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", sum->folder, info->name);
    struct sum below = { sum->volume, path, sum->crc };
    bool ok;

    below.crc = crc32c(below.crc, path, strlen(path));
    below.crc = crc32c(below.crc, &info->size, sizeof(info->size));
    ok = info->attributes & FILE_IS_DIR
             ? volume_list(sum->volume, path, add_file, &below, err)
             : volume_read(sum->volume, path, add_bytes, &below, err);
    sum->crc = below.crc;
    return ok;
}

/* A number for all names and contents. */
static bool sum_of(const char *path, uint32_t *ret, struct err *err)
{
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(path, DISK_READ, &disk, err);
    struct sum sum = { volume, "", 0 };
    bool ok = volume && volume_list(volume, "", add_file, &sum, err);

    volume_drop(volume);
    disk_close(disk);
    *ret = sum.crc;
    return ok;
}

static unsigned found_old, found_new;

/* QEMU reads no chains, so the disk as we read it, for the others to judge. */
static bool take_out(const char *path, const char *to)
{
    struct err err = ERR_INIT;
    CLEANUP(disk_cleanup) struct disk *disk = disk_open(path, DISK_READ, &err);
    size_t len = VOLUME_MIB << 20;
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(len);

    return disk && disk_read(disk, 1 << 20, bytes, len, &err) &&
           write_whole(to, bytes, len);
}

/* 7-Zip, which reads the volume, and chntpw's reged, which reads the hive, find what
 * belongs to the state, all of it. */
static void judge_content(const char *path, bool is_new)
{
    const char *raw = scratch("crash.raw"), *hive = scratch("crash.hive");
    CLEANUP(free_cleanup)
    char *manifest =
        shell_output("7z e -so %s store/manifest.json 2>%s", raw, scratch("7z.log"));
    CLEANUP(free_cleanup) char *list = shell_output("7z l %s", raw);

    if (!has_program("7z"))
        return;
    CHECK(manifest && strstr(manifest, is_new ? "current" : "old"));
    CHECK(list && !strstr(list, "store/new"));
    CHECK(list && (strstr(list, "store/current/file-11.dll") != NULL) == is_new);
    CHECK(list && (strstr(list, "store/old/a.sys") != NULL) == !is_new);
    if (!has_program("reged"))
        return;
    CHECK_EQ(shell("7z e -so %s " SYSTEM " >%s", raw, hive), 0);
    CHECK_EQ(shell("reged -x %s P '\\ControlSet001' %s.reg", hive, hive), 0);
    CHECK_EQ(shell("grep -q nvidia %s.reg", hive), is_new ? 0 : 1);
    CHECK_EQ(shell("grep -c service- %s.reg | grep -qx 300", hive), 0);
}

static void judge(const char *path, const char *format, uint32_t old_sum, uint32_t new_sum)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *journal = text_printf("%s" JOURNAL, path);
    uint32_t sum = 0;

    CHECK_OK(sum_of(path, &sum, &err));
    CHECK(sum == old_sum || sum == new_sum);
    CHECK(access(journal, F_OK) != 0);
    found_old += sum == old_sum;
    found_new += sum == new_sum;
    CHECK(text_iends(format, "child")
              ? take_out(path, scratch("crash.raw"))
              : extract_partition(path, format, VOLUME_MIB, scratch("crash.raw")));
    CHECK_EQ(shell("ntfsresize -f -i %s", scratch("crash.raw")), 0);
    CHECK_EQ(shell("ntfsfix -n %s", scratch("crash.raw")), 0);
    if (strcmp(format, "vhdx") == 0)
        CHECK_EQ(shell("qemu-img check -f vhdx %s", path), 0);
    if ((found_old + found_new) % 5 == 0)
        judge_content(path, sum == new_sum);
}

/* Opening after the cut finishes or drops the commit; it is cut too, and opened again. */
static void judge_cut_recovery(const char *path, const char *format, uint32_t old_sum,
                               uint32_t new_sum, struct dice *dice)
{
    CLEANUP(free_cleanup) char *journal = text_printf("%s" JOURNAL, path);
    CLEANUP(free_cleanup) uint8_t *image = NULL, *pages = NULL;
    struct power_recording *session;
    unsigned cut;
    struct err err = ERR_INIT;
    size_t len = 0, pages_len = 0;
    struct disk *disk;

    image = read_whole(path, &len);
    pages = read_whole(journal, &pages_len);
    session = power_set_aside();
    power_record_start();
    disk = disk_open(path, DISK_WRITE, &err);
    cut = (unsigned)dice_roll(dice, power_record_stop() + 1);
    CHECK_OK(disk != NULL);
    disk_close(disk);
    CHECK(power_rebuild(image, len, pages, pages_len, cut, POWER_LOSS, dice, path));
    power_take_back(session);
    judge(path, format, old_sum, new_sum);
}

/* "child", "vhd-child": a checkpoint's disk; its parent holds the volume. */
static bool make_image(const char *path, const char *format, struct err *err)
{
    bool is_vhd = strcmp(format, "vhd-child") == 0;
    const char *parent = scratch(is_vhd ? "crash-parent.vhd" : "crash-parent.vhdx");

    if (!text_iends(format, "child"))
        return make_ntfs_image(path, VOLUME_MIB,
                               strcmp(format, "vhdx") == 0 ? NULL : format, err);
    unlink(parent);
    if (is_vhd)
        return make_ntfs_image(parent, VOLUME_MIB, "vpc", err) &&
               copy_file(parent, scratch("parent.before")) &&
               test_vhd_make_child(path, parent, (VOLUME_MIB + 2) << 20,
                                   ".\\crash-parent.vhd", NULL);
    if (!make_ntfs_image(parent, VOLUME_MIB, NULL, err) ||
        !disk_create_vhdx(path, (VOLUME_MIB + 2) << 20, 2 << 20, err))
        return false;
    copy_file(parent, scratch("parent.before"));
    give_parent(path, parent, ".\\crash-parent.vhdx", "C:\\crash-parent.vhdx");
    return true;
}

static void cut_many(const char *format, unsigned power_cuts)
{
    const char *path = scratch("crash.img");
    CLEANUP(free_cleanup) uint8_t *start = NULL;
    struct err err = ERR_INIT;
    struct dice dice = { 77 };
    uint32_t old_sum = 0, new_sum = 0;
    unsigned first_journal, total;
    size_t len = 0;

    found_old = found_new = 0;
    unlink(path);
    CHECK_OK(make_image(path, format, &err));
    CHECK_OK(run(path, put_old, &err));
    CHECK_OK(sum_of(path, &old_sum, &err));
    start = read_whole(path, &len);
    power_record_start();
    CHECK_OK(run(path, put_new, &err));
    total = power_record_stop();
    first_journal = power_first_journal();
    CHECK_OK(sum_of(path, &new_sum, &err));
    CHECK(old_sum != new_sum);
    CHECK(first_journal < total);

    /* Killed before each of the last changes: what was written stays written. */
    for (unsigned cut = first_journal > 3 ? first_journal - 3 : 0; cut <= total; cut++) {
        if (cut > first_journal + 3 && cut + 3 < total && cut % 9) /* the journal's pages */
            continue;
        test_case("kill");
        CHECK(power_rebuild(start, len, NULL, 0, cut, POWER_KILL, &dice, path));
        judge(path, format, old_sum, new_sum);
    }
    test_case("power");
    for (unsigned i = 0; i < power_cuts; i++) {
        /* Half of them where it matters most: in the commit. */
        unsigned from = i % 2 ? first_journal - 1 : 0;
        unsigned cut = from + (unsigned)dice_roll(&dice, total - from + 1);

        CHECK(power_rebuild(start, len, NULL, 0, cut, POWER_LOSS, &dice, path));
        if (i % 3)
            judge(path, format, old_sum, new_sum);
        else
            judge_cut_recovery(path, format, old_sum, new_sum, &dice);
    }
    test_case(NULL);
    CHECK(found_old > 5);
    CHECK(found_new > 5);
    printf("# %s: %u changes recorded, %u cuts found the old state, %u the new one\n",
           format, total, found_old, found_new);
    power_forget();
}

TEST(a_cut_vhdx_holds_the_old_or_the_new_state)
{
    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    cut_many("vhdx", 60);
}

TEST(a_cut_raw_image_holds_the_old_or_the_new_state)
{
    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    cut_many("raw", 40);
}

TEST(a_cut_dynamic_vhd_holds_the_old_or_the_new_state)
{
    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    cut_many("vpc", 60);
}

TEST(a_cut_checkpoint_disk_holds_the_old_or_the_new_state_and_its_parent_what_it_held)
{
    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    cut_many("child", 45);
    CHECK_EQ(shell("cmp %s %s", scratch("crash-parent.vhdx"), scratch("parent.before")), 0);
}

TEST(a_cut_checkpoint_disk_of_a_vhd_does_as_well)
{
    if (!has_program("mkntfs") || !has_program("qemu-img"))
        SKIP("mkntfs or qemu-img is not installed");
    cut_many("vhd-child", 20);
    CHECK_EQ(shell("cmp %s %s", scratch("crash-parent.vhd"), scratch("parent.before")), 0);
}

/* A raw image, killed when its journal was whole, and written by another since. */
TEST(a_journal_is_not_followed_into_an_image_that_was_written_since)
{
    const char *path = scratch("since.img");
    CLEANUP(free_cleanup) char *journal = text_printf("%s" JOURNAL, path);
    CLEANUP(free_cleanup) uint8_t *start = NULL, *found = NULL;
    struct err err = ERR_INIT;
    struct dice dice = { 5 };
    size_t len = 0, found_len = 0;
    struct disk *disk;

    CHECK_EQ(shell("rm -f %s && truncate -s 1M %s", path, path), 0);
    start = read_whole(path, &len);
    for (unsigned other = 0; other < 2; other++) {
        unsigned total, cut;

        test_case(other ? "written since" : "as it was");
        CHECK(write_whole(path, start, len));
        power_record_start();
        disk = disk_open(path, DISK_WRITE, &err);
        CHECK_OK(disk && disk_write(disk, 8192, "new", 3, &err) &&
                 disk_write(disk, 70000, "new", 3, &err) && disk_commit(disk, &err));
        disk_close(disk);
        total = power_record_stop();
        for (cut = power_first_journal(); cut < total; cut++) {
            CHECK(power_rebuild(start, len, NULL, 0, cut, POWER_KILL, &dice, path));
            if (other)
                patch_file(path, 8192 + 100, "foreign", 7);
            disk = disk_open(path, DISK_READ, &err);
            CHECK_OK(disk != NULL);
            disk_close(disk);
            CHECK(access(journal, F_OK) != 0);
            free(found);
            found = read_whole(path, &found_len);
            CHECK_EQ(found_len, len);
            /* Both changes or none; what another wrote stays, whatever it wrote into. */
            CHECK(other || (memcmp(found + 8192, "new", 3) == 0) ==
                               (memcmp(found + 70000, "new", 3) == 0));
            CHECK(!other || memcmp(found + 8192 + 100, "foreign", 7) == 0);
        }
    }
    power_forget();
}
