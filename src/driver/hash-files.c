/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 of many files of this machine: the largest first, each by the next processor that is
 * free. */

#include "hash-files.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "os.h"
#include "progress.h"

enum {
    THREADS_MAX = 4,
    PIECE = 256 << 10, /* stays in a processor's cache between reading and hashing */
    WORTH_BYTES = 8 << 20,
    LOOK_MS = 200,
};

struct hashing {
    struct hashed_file **order; /* largest first */
    size_t count;
    uint64_t total;
    struct progress *progress;
    atomic_size_t next;
    atomic_uint_fast64_t done;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t ended;
    unsigned helpers; /* threads that have not ended */
};

struct hasher {
    struct hashing *hashing;
    struct err err;
    bool reports, ok;
};

static bool report(struct hasher *hasher, struct err *err)
{
    struct hashing *hashing = hasher->hashing;

    if (atomic_load(&hashing->stop)) /* who stopped it says why */
        return err_fail(err, ERR_CANCELLED, 0, "stopped");
    return !hasher->reports ||
           progress_report(hashing->progress, "reading the host's driver", PROGRESS_BYTES,
                           atomic_load(&hashing->done), hashing->total, err);
}

static bool hash_one(struct hasher *hasher, struct hashed_file *one, char *buffer,
                     struct err *err)
{
    CLEANUP(os_file_cleanup) struct os_file *file = os_file_open(one->path, err);
    struct hash hash;
    uint64_t size = 0;
    size_t got = 1;

    if (!file)
        return false;
    hash_begin(&hash);
    while (got > 0) {
        if (!os_file_read(file, buffer, PIECE, &got, err))
            return false;
        hash_add(&hash, buffer, got);
        size += got;
        atomic_fetch_add(&hasher->hashing->done, got);
        if (!report(hasher, err))
            return false;
    }
    hash_end(&hash, one->sha256);
    one->size = size;
    return true;
}

static void hash_next(struct hasher *hasher)
{
    struct hashing *hashing = hasher->hashing;
    CLEANUP(free_cleanup) char *buffer = malloc(PIECE);
    size_t i;

    hasher->ok = buffer || err_no_memory(&hasher->err);
    while (hasher->ok && (i = atomic_fetch_add(&hashing->next, 1)) < hashing->count)
        hasher->ok = hash_one(hasher, hashing->order[i], buffer, &hasher->err);
    if (!hasher->ok)
        atomic_store(&hashing->stop, true);
}

static void *help(void *user)
{
    struct hasher *hasher = user;
    struct hashing *hashing = hasher->hashing;

    hash_next(hasher);
    pthread_mutex_lock(&hashing->lock);
    hashing->helpers--;
    pthread_cond_signal(&hashing->ended);
    pthread_mutex_unlock(&hashing->lock);
    return NULL;
}

/* Whoever watches is told of the others' work, too, and may stop it. */
static void wait_for_helpers(struct hasher *first)
{
    struct hashing *hashing = first->hashing;

    pthread_mutex_lock(&hashing->lock);
    for (;;) {
        struct timespec until;

        if (first->ok && !report(first, &first->err)) {
            first->ok = false;
            atomic_store(&hashing->stop, true);
        }
        if (hashing->helpers == 0)
            break;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&hashing->ended, &hashing->lock, &until);
    }
    pthread_mutex_unlock(&hashing->lock);
}

static int by_size(const void *a, const void *b)
{
    const struct hashed_file *x = *(struct hashed_file *const *)a,
                             *y = *(struct hashed_file *const *)b;

    return (x->size < y->size) - (x->size > y->size);
}

static bool run(struct hashing *hashing, struct err *err)
{
    struct hasher hashers[THREADS_MAX] = { 0 }, *failed = NULL;
    pthread_t threads[THREADS_MAX];
    unsigned wanted = hashing->total < WORTH_BYTES ? 1 : (unsigned)os_cpu_count();
    unsigned count = 1;

    for (unsigned i = 0; i < THREADS_MAX; i++)
        hashers[i].hashing = hashing;
    hashers[0].reports = true;
    pthread_mutex_lock(&hashing->lock);
    while (count < THREADS_MAX && count < wanted &&
           pthread_create(&threads[count], NULL, help, &hashers[count]) == 0)
        count++;
    hashing->helpers = count - 1;
    pthread_mutex_unlock(&hashing->lock);
    hash_next(&hashers[0]);
    wait_for_helpers(&hashers[0]);
    for (unsigned i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < count; i++)
        if (!hashers[i].ok && (!failed || (failed->err.kind == ERR_CANCELLED &&
                                           hashers[i].err.kind != ERR_CANCELLED)))
            failed = &hashers[i];
    if (failed)
        *err = failed->err;
    return !failed;
}

bool hash_local_files(struct hashed_file *files, size_t count, struct progress *progress,
                      struct err *err)
{
    CLEANUP(free_cleanup) struct hashed_file **order = calloc(count + 1, sizeof(*order));
    struct hashing hashing = { .order = order,
                               .count = count,
                               .progress = progress,
                               .lock = PTHREAD_MUTEX_INITIALIZER,
                               .ended = PTHREAD_COND_INITIALIZER };

    if (!order)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        order[i] = &files[i];
        hashing.total += files[i].size;
    }
    qsort(order, count, sizeof(*order), by_size);
    return run(&hashing, err);
}
