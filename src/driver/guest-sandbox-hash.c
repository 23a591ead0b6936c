/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every byte of a folder of a sandboxed disk, read and hashed.
 *
 * That is the processor's work, and the library that reads NTFS knows one thread.  So a disk
 * that holds what its reader sees (nothing is changed that is not committed) is opened by
 * further readers, confined like the first one; each hashes its part of the files.  The first
 * one is what a plan goes on with, or is taken back with: it is not stopped for another's
 * failure.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "guest-sandbox.h"
#include "os.h"
#include "progress.h"

enum { READERS_MAX = 4, WORTH_BYTES = 64 << 20 };

unsigned sandboxed_reader_count;

struct hashing {
    struct progress *progress; /* of who asked; only the first reader's thread reports */
    uint64_t total;
    atomic_uint_fast64_t done[READERS_MAX];
    atomic_bool stop; /* the first one failed: the others need not go on */
};

struct reader {
    struct progress base; /* first, so that the pointers convert */
    struct hashing *hashing;
    unsigned part, parts;
    const char *path;
    struct guest_disk *disk;
    json_t *out;
    struct err err;
    bool ok;
};

static bool read_so_far(struct progress *self, const char *what, enum progress_unit unit,
                        uint64_t done, uint64_t total)
{
    struct reader *reader = (struct reader *)self;
    struct hashing *hashing = reader->hashing;
    uint64_t all = 0;
    struct err ignored = ERR_INIT;

    atomic_store(&hashing->done[reader->part], done);
    if (reader->part > 0)
        return !atomic_load(&hashing->stop);
    for (unsigned i = 0; i < reader->parts; i++)
        all += atomic_load(&hashing->done[i]);
    return progress_report(hashing->progress, what, unit, all, hashing->total, &ignored);
}

static void *read_part(void *user)
{
    struct reader *reader = user;

    reader->ok = sandboxed_ask(reader->disk, "list_part",
                               json_pack("{s:s, s:i, s:i}", "path", reader->path, "part",
                                         (int)reader->part, "parts", (int)reader->parts),
                               &reader->base, &reader->out, &reader->err);
    if (!reader->ok && reader->part == 0)
        atomic_store(&reader->hashing->stop, true);
    return NULL;
}

static bool add_size(const struct guest_entry *file, void *user, struct err *err)
{
    *(uint64_t *)user += file->size;
    return true;
}

/* Starts what readers there can be besides the first; returns how many there are with it. */
static unsigned start_readers(struct sandboxed *disk, uint64_t bytes,
                              struct reader readers[READERS_MAX])
{
    unsigned wanted = bytes < WORTH_BYTES ? 1 : (unsigned)os_cpu_count(), count = 1;

    if (sandboxed_reader_count)
        wanted = sandboxed_reader_count;
    readers[0].disk = &disk->base;
    if (disk->is_changed)
        return 1;
    for (; count < READERS_MAX && count < wanted; count++) {
        struct err ignored = ERR_INIT;

        readers[count].disk =
            guest_disk_open_sandboxed(disk->image, disk->parents, NULL, NULL, &ignored);
        if (!readers[count].disk)
            break;
    }
    return count;
}

static void read_parts(struct reader readers[READERS_MAX], unsigned count)
{
    pthread_t threads[READERS_MAX];
    bool started[READERS_MAX] = { false };

    for (unsigned i = 1; i < count; i++)
        started[i] = pthread_create(&threads[i], NULL, read_part, &readers[i]) == 0;
    read_part(&readers[0]);
    for (unsigned i = 1; i < count; i++)
        if (started[i])
            pthread_join(threads[i], NULL);
        else
            read_part(&readers[i]);
}

/* One that was stopped because the first one failed has nothing to say. */
static bool first_failure(const struct reader readers[READERS_MAX], unsigned count,
                          struct err *err)
{
    const struct reader *found = NULL;

    for (unsigned i = 0; i < count; i++)
        if (!readers[i].ok && !found)
            found = &readers[i];
    if (found)
        *err = found->err;
    return found != NULL;
}

bool sandboxed_hash_tree(struct sandboxed *disk, const char *path,
                         struct progress *progress, guest_file_fn *on_file, void *user,
                         struct err *err)
{
    struct hashing hashing = { .progress = progress };
    struct reader readers[READERS_MAX] = { 0 };
    unsigned count;
    bool ok;

    if (!disk->base.ops->list_tree(&disk->base, path, false, NULL, add_size, &hashing.total,
                                   err))
        return false;
    count = start_readers(disk, hashing.total, readers);
    for (unsigned i = 0; i < count; i++) {
        readers[i].base.report = read_so_far;
        readers[i].hashing = &hashing;
        readers[i].part = i;
        readers[i].parts = count;
        readers[i].path = path;
    }
    read_parts(readers, count);
    ok = !first_failure(readers, count, err);
    for (unsigned i = 0; i < count; i++) {
        ok = ok &&
             sandboxed_take_files(&disk->base, json_object_get(readers[i].out, "files"),
                                  on_file, user, err);
        json_decref(readers[i].out);
        if (i > 0)
            guest_disk_close(readers[i].disk);
    }
    return ok;
}
