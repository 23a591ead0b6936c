/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replays transaction logs into a copy of a hive. */

#include "hive-log.h"

#include <string.h>

#include "base-block.h"
#include "err.h"

enum {
    LOG_HEADER = 512, /* entries and the old bitmap begin behind the first sector */
    LOG_TYPE_OLD = 1,
    LOG_TYPE_OLD_TOO = 2,
    LOG_TYPE_NEW = 6,
    ENTRY_SIZE = 4,
    ENTRY_FLAGS = 8,
    ENTRY_SEQUENCE = 12,
    ENTRY_BINS = 16,
    ENTRY_PAGES = 20,
    ENTRY_HASH_1 = 24,
    ENTRY_HASH_2 = 32,
    ENTRY_REFS = 40,
    HIVE_FLAGS = 144,
    OLD_PAGE = 512,
};

/* ---- Marvin32, as Windows hashes log entries ---- */

static uint32_t rotate(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

static void marvin_mix(uint32_t *low, uint32_t *high, uint32_t word)
{
    *low += word;
    *high ^= *low;
    *low = rotate(*low, 20) + *high;
    *high = rotate(*high, 9) ^ *low;
    *low = rotate(*low, 27) + *high;
    *high = rotate(*high, 19);
}

static uint64_t marvin32(const uint8_t *bytes, size_t len)
{
    uint32_t low = 0x7A4E55C5, high = 0x82EF4D88; /* seed number 0x82EF4D887A4E55C5 */
    uint32_t tail = 0x80;
    size_t rest = len % 4;

    for (size_t i = 0; i + 4 <= len; i += 4)
        marvin_mix(&low, &high, hive_load_u32(bytes + i));
    for (size_t i = rest; i-- > 0;)
        tail = tail << 8 | bytes[len - rest + i];
    marvin_mix(&low, &high, tail);
    marvin_mix(&low, &high, 0);
    return (uint64_t)high << 32 | low;
}

static uint64_t load_u64(const uint8_t *at)
{
    return (uint64_t)hive_load_u32(at + 4) << 32 | hive_load_u32(at);
}

/* ---- the copy ---- */

struct replay {
    uint8_t *bytes;
    size_t len;
    uint32_t next; /* sequence number of the next entry to apply */
    unsigned applied;
};

/* The hive grows when an entry says so; it never shrinks the file. */
static bool set_bins_bytes(struct replay *copy, uint32_t bins, struct err *err)
{
    size_t len = (size_t)bins + HIVE_BASE_BYTES;
    uint8_t *grown;

    if (bins == 0 || bins % 4096 || len > HIVE_FILE_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "a registry log names a size of %u bytes",
                        bins);
    if (len > copy->len) {
        grown = realloc(copy->bytes, len);
        if (!grown)
            return err_no_memory(err);
        memset(grown + copy->len, 0, len - copy->len);
        copy->bytes = grown;
        copy->len = len;
    }
    hive_store_u32(copy->bytes + HIVE_BINS_BYTES, bins);
    return true;
}

static bool put_page(struct replay *copy, uint32_t offset, const uint8_t *page,
                     uint32_t size)
{
    if (offset > copy->len - HIVE_BASE_BYTES || size > copy->len - HIVE_BASE_BYTES - offset)
        return false;
    memcpy(copy->bytes + HIVE_BASE_BYTES + offset, page, size);
    return true;
}

/* ---- logs since Windows 8.1 ---- */

/* The entry at @at: its size, or 0 when there is no valid one. */
static size_t entry_size(const struct hive_log *log, size_t at)
{
    const uint8_t *entry = log->bytes + at;
    size_t left = log->len - at;
    uint64_t need;
    uint32_t size, pages;

    if (left < ENTRY_REFS || memcmp(entry, "HvLE", 4) != 0)
        return 0;
    size = hive_load_u32(entry + ENTRY_SIZE);
    pages = hive_load_u32(entry + ENTRY_PAGES);
    if (size < LOG_HEADER || size % LOG_HEADER || size > left)
        return 0;
    need = ENTRY_REFS + (uint64_t)pages * 8;
    if (need > size)
        return 0;
    for (uint32_t i = 0; i < pages; i++)
        need += hive_load_u32(entry + ENTRY_REFS + i * 8 + 4);
    if (need > size || marvin32(entry, 32) != load_u64(entry + ENTRY_HASH_2) ||
        marvin32(entry + ENTRY_REFS, size - ENTRY_REFS) != load_u64(entry + ENTRY_HASH_1))
        return 0;
    return size;
}

static bool apply_entry(struct replay *copy, const uint8_t *entry, struct err *err)
{
    uint32_t pages = hive_load_u32(entry + ENTRY_PAGES);
    const uint8_t *page = entry + ENTRY_REFS + (size_t)pages * 8;

    if (!set_bins_bytes(copy, hive_load_u32(entry + ENTRY_BINS), err))
        return false;
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t offset = hive_load_u32(entry + ENTRY_REFS + i * 8);
        uint32_t size = hive_load_u32(entry + ENTRY_REFS + i * 8 + 4);

        if (!put_page(copy, offset, page, size))
            return err_fail(err, ERR_PROTOCOL, 0,
                            "a registry log writes outside of its hive");
        page += size;
    }
    /* Bit 0: the hive has pending transactions (KTM); a log entry carries it along. */
    hive_store_u32(copy->bytes + HIVE_FLAGS,
                   (hive_load_u32(copy->bytes + HIVE_FLAGS) & ~1u) |
                       (hive_load_u32(entry + ENTRY_FLAGS) & 1));
    copy->next++;
    copy->applied++;
    return true;
}

static bool apply_new_log(struct replay *copy, const struct hive_log *log, struct err *err)
{
    size_t at = LOG_HEADER, size;

    while (at < log->len && (size = entry_size(log, at)) > 0) {
        const uint8_t *entry = log->bytes + at;
        uint32_t sequence = hive_load_u32(entry + ENTRY_SEQUENCE);

        if (sequence > copy->next)
            return true; /* a gap: what is behind it was never promised */
        if (sequence == copy->next && !apply_entry(copy, entry, err))
            return false;
        at += size;
    }
    return true;
}

/* Sequence number of a new log's first entry; false: it has none. */
static bool first_sequence(const struct hive_log *log, uint32_t *ret)
{
    if (log->len < LOG_HEADER + ENTRY_REFS || memcmp(log->bytes, "regf", 4) != 0 ||
        hive_load_u32(log->bytes + HIVE_FILE_TYPE) != LOG_TYPE_NEW ||
        entry_size(log, LOG_HEADER) == 0)
        return false;
    *ret = hive_load_u32(log->bytes + LOG_HEADER + ENTRY_SEQUENCE);
    return true;
}

/* ---- logs of Windows 8 and before ---- */

/* One bitmap of 512-byte pages, then the pages.  It belongs to the hive whose time it
 * carries. */
static bool apply_old_log(struct replay *copy, const struct hive_log *log, struct err *err)
{
    uint32_t type, bins;
    size_t bitmap, page;

    if (log->len < LOG_HEADER + 4 || memcmp(log->bytes, "regf", 4) != 0)
        return true;
    type = hive_load_u32(log->bytes + HIVE_FILE_TYPE);
    if ((type != LOG_TYPE_OLD && type != LOG_TYPE_OLD_TOO) ||
        memcmp(log->bytes + LOG_HEADER, "DIRT", 4) != 0 ||
        hive_base_checksum(log->bytes) != hive_load_u32(log->bytes + HIVE_CHECKSUM) ||
        hive_load_u32(log->bytes + HIVE_SEQUENCE_1) !=
            hive_load_u32(log->bytes + HIVE_SEQUENCE_2) ||
        memcmp(log->bytes + HIVE_TIMESTAMP, copy->bytes + HIVE_TIMESTAMP, 8) != 0)
        return true;

    bins = hive_load_u32(log->bytes + HIVE_BINS_BYTES);
    if (!set_bins_bytes(copy, bins, err))
        return false;
    bitmap = bins / OLD_PAGE / 8;
    page = (LOG_HEADER + 4 + bitmap + OLD_PAGE - 1) / OLD_PAGE * OLD_PAGE;
    if (page > log->len)
        return err_fail(err, ERR_PROTOCOL, 0, "a registry log is cut off");
    for (size_t i = 0; i < bins / OLD_PAGE; i++) {
        if (!(log->bytes[LOG_HEADER + 4 + i / 8] >> (i % 8) & 1))
            continue;
        if (log->len - page < OLD_PAGE ||
            !put_page(copy, (uint32_t)(i * OLD_PAGE), log->bytes + page, OLD_PAGE))
            return err_fail(err, ERR_PROTOCOL, 0, "a registry log is cut off");
        page += OLD_PAGE;
    }
    copy->next = hive_load_u32(log->bytes + HIVE_SEQUENCE_1) + 1;
    copy->applied++;
    return true;
}

/* ---- the whole ---- */

/* The first block was written half: the newest log has a copy of it. */
static bool borrow_base_block(struct replay *copy, const struct hive_log *logs,
                              size_t count)
{
    const struct hive_log *newest = NULL;
    uint32_t best = 0;

    for (size_t i = 0; i < count; i++) {
        if (logs[i].len < LOG_HEADER || memcmp(logs[i].bytes, "regf", 4) != 0 ||
            hive_base_checksum(logs[i].bytes) !=
                hive_load_u32(logs[i].bytes + HIVE_CHECKSUM))
            continue;
        if (newest && hive_load_u32(logs[i].bytes + HIVE_SEQUENCE_1) <= best)
            continue;
        newest = &logs[i];
        best = hive_load_u32(newest->bytes + HIVE_SEQUENCE_1);
    }
    if (!newest)
        return false;
    memcpy(copy->bytes, newest->bytes, LOG_HEADER);
    hive_store_u32(copy->bytes + HIVE_FILE_TYPE, 0);
    return true;
}

static bool apply_new_logs(struct replay *copy, const struct hive_log *logs, size_t count,
                           bool base_is_whole, struct err *err)
{
    size_t first = SIZE_MAX, second = SIZE_MAX;
    uint32_t number, first_number = 0;

    for (size_t i = 0; i < count; i++) {
        if (!first_sequence(&logs[i], &number))
            continue;
        if (first == SIZE_MAX || number < first_number) {
            second = first;
            first = i;
            first_number = number;
        } else if (second == SIZE_MAX) {
            second = i;
        }
    }
    if (first == SIZE_MAX)
        return true;
    if (!base_is_whole) /* then nothing says where the hive stopped: from the start */
        copy->next = first_number;
    return apply_new_log(copy, &logs[first], err) &&
           (second == SIZE_MAX || apply_new_log(copy, &logs[second], err));
}

static bool replay(struct replay *copy, const struct hive_log *logs, size_t count,
                   struct err *err)
{
    bool whole =
        hive_base_checksum(copy->bytes) == hive_load_u32(copy->bytes + HIVE_CHECKSUM);
    struct hive_base_block checked;

    if (!whole && !borrow_base_block(copy, logs, count))
        return hive_fail_dirty(err, "its first block is torn and no log has a copy");
    copy->next = hive_load_u32(copy->bytes + HIVE_SEQUENCE_2);

    if (!apply_new_logs(copy, logs, count, whole, err))
        return false;
    for (size_t i = 0; i < count && copy->applied == 0; i++)
        if (!apply_old_log(copy, &logs[i], err))
            return false;
    if (copy->applied == 0)
        return hive_fail_dirty(err, "no transaction log holds what it lacks");

    hive_store_u32(copy->bytes + HIVE_SEQUENCE_1, copy->next);
    hive_store_u32(copy->bytes + HIVE_SEQUENCE_2, copy->next);
    hive_store_u32(copy->bytes + HIVE_CHECKSUM, hive_base_checksum(copy->bytes));
    return hive_base_check(copy->bytes, copy->len, &checked, err);
}

bool hive_replay(const uint8_t *bytes, size_t len, const struct hive_log *logs,
                 size_t log_count, uint8_t **ret_bytes, size_t *ret_len,
                 unsigned *ret_applied, struct err *err)
{
    struct replay copy = { .len = len };

    if (len < HIVE_BASE_BYTES || len > HIVE_FILE_MAX || memcmp(bytes, "regf", 4) != 0)
        return err_fail(err, ERR_PROTOCOL, 0, "this is no registry hive");
    copy.bytes = malloc(len);
    if (!copy.bytes)
        return err_no_memory(err);
    memcpy(copy.bytes, bytes, len);

    if (!replay(&copy, logs, log_count, err)) {
        free(copy.bytes);
        return false;
    }
    *ret_bytes = copy.bytes;
    *ret_len = copy.len;
    if (ret_applied)
        *ret_applied = copy.applied;
    return true;
}
