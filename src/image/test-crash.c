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
#include "image-file.h"
#include "image.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

enum { VOLUME_MIB = 20, FILE_MAX = 64 << 20, EVENTS_MAX = 4000, SECTOR = 512 };
#define JOURNAL ".hvgpu-commit"

/* ---- recording ---- */

struct event {
    struct image_file_event what;
    bool is_journal;
    uint8_t *bytes;
};

static struct event events[EVENTS_MAX];
static unsigned event_count;

static void record(const struct image_file_event *event)
{
    struct event *e = &events[event_count];

    if (event_count == EVENTS_MAX)
        abort();
    event_count++;
    e->what = *event;
    e->is_journal = text_iends(event->path, JOURNAL);
    e->bytes = NULL;
    if (event->kind == IMAGE_FILE_WRITE) {
        e->bytes = malloc(event->len + 1);
        memcpy(e->bytes, event->bytes, event->len);
    }
}

static void forget_events(void)
{
    for (unsigned i = 0; i < event_count; i++)
        free(events[i].bytes);
    event_count = 0;
}

/* Sets the recorded events aside, to record others. */
static struct event *events_copy(void)
{
    struct event *copy = calloc(EVENTS_MAX, sizeof(*copy));

    memcpy(copy, events, event_count * sizeof(*copy));
    return copy;
}

static void events_restore(struct event *copy, unsigned count)
{
    memcpy(events, copy, count * sizeof(*copy));
    event_count = count;
    free(copy);
}

/* ---- rebuilding ---- */

struct content {
    uint8_t *bytes;
    size_t len;
    bool exists;
};

static void put(struct content *content, uint64_t offset, const uint8_t *bytes, size_t len)
{
    if (offset + len > FILE_MAX)
        abort();
    if (offset > content->len)
        memset(content->bytes + content->len, 0, offset - content->len);
    memcpy(content->bytes + offset, bytes, len);
    if (offset + len > content->len)
        content->len = offset + len;
}

static void resize(struct content *content, uint64_t len)
{
    if (len > content->len)
        memset(content->bytes + content->len, 0, len - content->len);
    content->len = len;
}

static void apply(struct content *content, const struct event *e)
{
    switch (e->what.kind) {
    case IMAGE_FILE_CREATE:
        content->exists = true;
        content->len = 0;
        break;
    case IMAGE_FILE_WRITE:
        put(content, e->what.offset, e->bytes, e->what.len);
        break;
    case IMAGE_FILE_RESIZE:
        resize(content, e->what.offset);
        break;
    case IMAGE_FILE_REMOVE:
        content->exists = false;
        break;
    case IMAGE_FILE_SYNC:
    case IMAGE_FILE_SYNC_FOLDER:
        break;
    }
}

/* Is event @i safe on the disk when the power goes before event @cut? */
static bool is_flushed(unsigned i, unsigned cut)
{
    bool is_name = events[i].what.kind == IMAGE_FILE_CREATE ||
                   events[i].what.kind == IMAGE_FILE_REMOVE;

    for (unsigned k = i + 1; k < cut; k++) {
        if (is_name ? events[k].what.kind == IMAGE_FILE_SYNC_FOLDER
                    : events[k].what.kind == IMAGE_FILE_SYNC &&
                          events[k].is_journal == events[i].is_journal)
            return true;
    }
    return false;
}

/* What happens to a change that was not flushed: kept, lost, or torn. */
static void apply_perhaps(struct content *content, const struct event *e, struct dice *dice)
{
    switch (dice_roll(dice, 3)) {
    case 0:
        return;
    case 1:
        apply(content, e);
        return;
    default:
        break;
    }
    if (e->what.kind != IMAGE_FILE_WRITE) {
        apply(content, e);
        return;
    }
    for (size_t at = 0; at < e->what.len; at += SECTOR) {
        size_t n = e->what.len - at < SECTOR ? e->what.len - at : SECTOR;

        if (dice_roll(dice, 2))
            put(content, e->what.offset + at, e->bytes + at, n);
    }
}

enum cut_kind { CUT_KILL, CUT_POWER };

/* Writes the files as found after the cut to @path.  @journal_start: NULL when there was
 * none at the start. */
static bool rebuild_with_journal(const uint8_t *start, size_t start_len,
                                 const uint8_t *journal_start, size_t journal_len,
                                 unsigned cut, enum cut_kind kind, struct dice *dice,
                                 const char *path)
{
    struct content files[2] = { { malloc(FILE_MAX), start_len, true },
                                { malloc(FILE_MAX), journal_len, journal_start != NULL } };
    CLEANUP(free_cleanup) char *journal = text_printf("%s" JOURNAL, path);
    bool ok;

    memcpy(files[0].bytes, start, start_len);
    if (journal_start)
        memcpy(files[1].bytes, journal_start, journal_len);
    for (unsigned i = 0; i < cut; i++) {
        struct content *content = &files[events[i].is_journal];

        if (kind == CUT_KILL || is_flushed(i, cut))
            apply(content, &events[i]);
        else
            apply_perhaps(content, &events[i], dice);
    }
    unlink(journal);
    unlink(path);
    ok = write_whole(path, files[0].bytes, files[0].len);
    if (files[1].exists)
        ok = write_whole(journal, files[1].bytes, files[1].len) && ok;
    free(files[0].bytes);
    free(files[1].bytes);
    return ok;
}

static bool rebuild(const uint8_t *start, size_t start_len, unsigned cut,
                    enum cut_kind kind, struct dice *dice, const char *path)
{
    return rebuild_with_journal(start, start_len, NULL, 0, cut, kind, dice, path);
}

/* ---- the session ---- */

static bool write_random(struct volume *volume, const char *path, uint64_t seed, size_t len,
                         struct err *err)
{
    struct dice dice = { seed };
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(len);

    dice_fill(&dice, bytes, len);
    return volume_write_all(volume, path, bytes, len, 0, 0, err);
}

static bool put_old(struct volume *volume, struct err *err)
{
    return volume_make_dirs(volume, "Windows/System32/config", err) &&
           volume_make_dirs(volume, "store/old", err) &&
           write_random(volume, "Windows/System32/config/SYSTEM", 1, 300000, err) &&
           write_random(volume, "store/old/a.sys", 2, 500000, err) &&
           write_random(volume, "store/old/b.dll", 3, 30000, err);
}

static bool put_new(struct volume *volume, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *system = NULL;
    size_t len = 0;
    bool ok = volume_make_dirs(volume, "store/new", err);

    for (unsigned i = 0; ok && i < 12; i++) {
        char name[64];

        snprintf(name, sizeof(name), "store/new/file-%u.dll", i);
        ok = write_random(volume, name, 10 + i, 1 + i * 33333, err);
    }
    ok = ok && volume_read_all(volume, "Windows/System32/config/SYSTEM", 1 << 20, &system,
                               &len, err);
    if (!ok)
        return false;
    for (size_t at = 5000; at < len; at += 90000) /* as an edited hive: a few pages */
        system[at] ^= 0xFF;
    return volume_write_all(volume, "Windows/System32/config/SYSTEM", system, len, 0, 0,
                            err) &&
           volume_remove(volume, "store/old", true, err) &&
           volume_rename(volume, "store/new", "store/current", err);
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
    CHECK(extract_partition(path, format, VOLUME_MIB, scratch("crash.raw")));
    CHECK_EQ(shell("ntfsresize -f -i %s", scratch("crash.raw")), 0);
    CHECK_EQ(shell("ntfsfix -n %s", scratch("crash.raw")), 0);
    if (strcmp(format, "vhdx") == 0)
        CHECK_EQ(shell("qemu-img check -f vhdx %s", path), 0);
}

/* Opening after the cut finishes or drops the commit; it is cut too, and opened again. */
static void judge_cut_recovery(const char *path, const char *format, uint32_t old_sum,
                               uint32_t new_sum, struct dice *dice)
{
    CLEANUP(free_cleanup) char *journal = text_printf("%s" JOURNAL, path);
    CLEANUP(free_cleanup) uint8_t *image = NULL, *pages = NULL;
    struct event *session = events_copy();
    unsigned session_count = event_count, cut;
    struct err err = ERR_INIT;
    size_t len = 0, pages_len = 0;
    struct disk *disk;

    image = read_whole(path, &len);
    pages = read_whole(journal, &pages_len);
    event_count = 0;
    image_file_watch = record;
    disk = disk_open(path, DISK_WRITE, &err);
    image_file_watch = NULL;
    CHECK_OK(disk != NULL);
    disk_close(disk);
    cut = (unsigned)dice_roll(dice, event_count + 1);
    CHECK(rebuild_with_journal(image, len, pages, pages_len, cut, CUT_POWER, dice, path));
    forget_events();
    events_restore(session, session_count);
    judge(path, format, old_sum, new_sum);
}

static void cut_many(const char *format, unsigned power_cuts)
{
    const char *path = scratch("crash.img");
    CLEANUP(free_cleanup) uint8_t *start = NULL;
    struct err err = ERR_INIT;
    struct dice dice = { 77 };
    uint32_t old_sum = 0, new_sum = 0;
    unsigned first_journal = 0, total;
    size_t len = 0;

    found_old = found_new = 0;
    unlink(path);
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, strcmp(format, "vhdx") == 0 ? NULL : format,
                             &err));
    CHECK_OK(run(path, put_old, &err));
    CHECK_OK(sum_of(path, &old_sum, &err));
    start = read_whole(path, &len);
    forget_events();
    image_file_watch = record;
    CHECK_OK(run(path, put_new, &err));
    image_file_watch = NULL;
    CHECK_OK(sum_of(path, &new_sum, &err));
    CHECK(old_sum != new_sum);
    total = event_count;
    while (first_journal < total && !events[first_journal].is_journal)
        first_journal++;
    CHECK(first_journal < total);

    /* Killed before each of the last changes: what was written stays written. */
    for (unsigned cut = first_journal > 3 ? first_journal - 3 : 0; cut <= total; cut++) {
        if (cut > first_journal + 3 && cut + 3 < total && cut % 9) /* the journal's pages */
            continue;
        test_case("kill");
        CHECK(rebuild(start, len, cut, CUT_KILL, &dice, path));
        judge(path, format, old_sum, new_sum);
    }
    test_case("power");
    for (unsigned i = 0; i < power_cuts; i++) {
        /* Half of them where it matters most: in the commit. */
        unsigned from = i % 2 ? first_journal - 1 : 0;
        unsigned cut = from + (unsigned)dice_roll(&dice, total - from + 1);

        CHECK(rebuild(start, len, cut, CUT_POWER, &dice, path));
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
    forget_events();
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
