/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a hive of a Windows that is off, with what its transaction logs add. */

#include "replayed-hive.h"

#include "err.h"
#include "hive-log.h"

static struct hive *open_clean(const uint8_t *bytes, size_t len,
                               const struct hive_log *logs, size_t count, bool writable,
                               struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *clean = NULL;
    size_t clean_len;

    if (!hive_replay(bytes, len, logs, count, &clean, &clean_len, NULL, err)) {
        err_wrap(err, "Windows did not finish writing it");
        err_hint(err, "start that Windows once and shut it down with 'shutdown /s /t 0'");
        return NULL;
    }
    return hive_open(clean, clean_len, writable, err);
}

struct hive *hive_open_replayed(const uint8_t *bytes, size_t len, const uint8_t *log1,
                                size_t log1_len, const uint8_t *log2, size_t log2_len,
                                bool writable, bool *ret_replayed, struct err *err)
{
    const struct hive_log logs[] = { { log1, log1_len }, { log2, log2_len } };
    struct err first = ERR_INIT;
    struct hive *hive = hive_open(bytes, len, writable, &first);
    bool dirty = hive ? hive_is_dirty(hive) : first.kind == ERR_CONFLICT;

    if (ret_replayed)
        *ret_replayed = dirty;
    if (hive && !dirty)
        return hive;
    hive_close(hive);
    if (dirty)
        return open_clean(bytes, len, logs, 2, writable, err);
    *err = first;
    return NULL;
}
