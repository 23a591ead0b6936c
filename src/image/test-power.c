/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recorded changes of an image and its journal, and what of them a power cut leaves. */

#include "test-power.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image-file.h"
#include "text.h"

enum { FILE_MAX = 64 << 20, EVENTS_MAX = 4000, SECTOR = 512 };
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

void power_record_start(void)
{
    power_forget();
    image_file_watch = record;
}

unsigned power_record_stop(void)
{
    image_file_watch = NULL;
    return event_count;
}

unsigned power_first_journal(void)
{
    unsigned i = 0;

    while (i < event_count && !events[i].is_journal)
        i++;
    return i;
}

void power_forget(void)
{
    for (unsigned i = 0; i < event_count; i++)
        free(events[i].bytes);
    event_count = 0;
}

struct power_recording {
    unsigned count;
    struct event events[EVENTS_MAX];
};

struct power_recording *power_set_aside(void)
{
    struct power_recording *aside = calloc(1, sizeof(*aside));

    memcpy(aside->events, events, sizeof(events));
    aside->count = event_count;
    event_count = 0;
    return aside;
}

void power_take_back(struct power_recording *aside)
{
    power_forget();
    memcpy(events, aside->events, sizeof(events));
    event_count = aside->count;
    free(aside);
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

bool power_rebuild(const uint8_t *start, size_t start_len, const uint8_t *journal_start,
                   size_t journal_len, unsigned cut, enum power_cut kind, struct dice *dice,
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

        if (kind == POWER_KILL || is_flushed(i, cut))
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
