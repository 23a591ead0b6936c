/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of a VHDX file: changes of its tables that may not have reached their place.
 * A ring of entries; the newest chain whose last entry says "it starts here" counts.
 *
 * Source: [MS-VHDX] 2.3.
 */

#include <string.h>

#include "crc32c.h"
#include "err.h"
#include "image-file.h"
#include "little-endian.h"
#include "vhdx-layout.h"

enum {
    SECTOR = 4096,
    ENTRY_HEADER = 64,
    DESCRIPTOR = 32,
    LOG_MAX = 64 << 20, /* Hyper-V makes 1 MiB */
};
/* Checksums a hostile log can ask us to compute, whatever it holds. */
#define CRC_BUDGET ((uint64_t)1 << 29)

struct entry { /* decoded; bytes 0: no valid entry starts here */
    uint32_t bytes, tail, descriptor_count;
    uint64_t sequence, flushed_end, last_end;
};

struct log {
    struct image_file *file;
    uint8_t *ring;
    uint32_t size;
    struct entry *entries; /* one per sector of the ring */
    uint8_t *flat;         /* one entry, unrolled */
    uint64_t budget;
};

static void log_clear(struct log *log)
{
    free(log->ring);
    free(log->entries);
    free(log->flat);
}

/* The entry at @at of the ring, in one piece. */
static void unroll(struct log *log, uint32_t at, uint32_t len)
{
    uint32_t first = log->size - at < len ? log->size - at : len;

    memcpy(log->flat, log->ring + at, first);
    memcpy(log->flat + first, log->ring, len - first);
}

/* 2.3.1.2, 2.3.1.3: every descriptor and its data belong to this entry. */
static bool are_descriptors_right(const uint8_t *flat, const struct entry *entry)
{
    uint64_t table = ENTRY_HEADER + (uint64_t)entry->descriptor_count * DESCRIPTOR;
    uint64_t data = (table + SECTOR - 1) / SECTOR * SECTOR;

    if (data > entry->bytes)
        return false;
    for (uint32_t i = 0; i < entry->descriptor_count; i++) {
        const uint8_t *d = flat + ENTRY_HEADER + i * DESCRIPTOR;

        if (load_u64(d + 24) != entry->sequence || load_u64(d + 16) % SECTOR)
            return false;
        if (memcmp(d, "zero", 4) == 0) {
            if (load_u64(d + 8) % SECTOR)
                return false;
            continue;
        }
        if (memcmp(d, "desc", 4) != 0 || data + SECTOR > entry->bytes)
            return false;
        if (memcmp(flat + data, "data", 4) != 0 ||
            load_u32(flat + data + 4) != (uint32_t)(entry->sequence >> 32) ||
            load_u32(flat + data + SECTOR - 4) != (uint32_t)entry->sequence)
            return false;
        data += SECTOR;
    }
    return true;
}

static bool decode_entry(struct log *log, const struct vhdx_header *header, uint32_t at,
                         struct entry *ret, struct err *err)
{
    const uint8_t *raw = log->ring + at;
    struct entry entry;
    uint32_t stored;

    if (memcmp(raw, "loge", 4) != 0 || memcmp(raw + 32, header->log_guid, 16) != 0)
        return true;
    entry.bytes = load_u32(raw + 8);
    entry.tail = load_u32(raw + 12);
    entry.sequence = load_u64(raw + 16);
    entry.descriptor_count = load_u32(raw + 24);
    entry.flushed_end = load_u64(raw + 48);
    entry.last_end = load_u64(raw + 56);
    if (entry.bytes == 0 || entry.bytes % SECTOR || entry.bytes > log->size ||
        entry.tail % SECTOR || entry.tail >= log->size || entry.sequence == 0)
        return true;
    if (log->budget < entry.bytes)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s': the VHDX log makes no sense",
                        log->file->path);
    log->budget -= entry.bytes;
    unroll(log, at, entry.bytes);
    stored = load_u32(log->flat + 4);
    store_u32(log->flat + 4, 0);
    if (crc32c(0, log->flat, entry.bytes) != stored ||
        !are_descriptors_right(log->flat, &entry))
        return true;
    *ret = entry;
    return true;
}

/* 2.3.3: the chain to replay, as its first entry and how many. */
static bool find_chain(const struct log *log, uint32_t *ret_first, uint32_t *ret_count)
{
    uint32_t slots = log->size / SECTOR;
    uint64_t best = 0;

    for (uint32_t first = 0; first < slots; first++) {
        uint32_t at = first, count = 0;
        uint64_t covered = 0;
        const struct entry *entry = &log->entries[at];

        while (entry->bytes && covered + entry->bytes <= log->size) {
            uint32_t next = (at + entry->bytes / SECTOR) % slots;

            covered += entry->bytes;
            count++;
            if (entry->tail == first * SECTOR && entry->sequence > best) {
                best = entry->sequence;
                *ret_first = first;
                *ret_count = count;
            }
            if (log->entries[next].sequence != entry->sequence + 1)
                break;
            at = next;
            entry = &log->entries[at];
        }
    }
    return best != 0;
}

static bool put(struct image_file *file, uint64_t offset, uint64_t len,
                const uint8_t *bytes, struct err *err)
{
    struct image_overlay *grown;
    uint8_t *copy = NULL;

    if (file->writable) {
        static const uint8_t zeros[SECTOR];

        if (bytes)
            return image_file_write(file, offset, bytes, len, err);
        for (uint64_t at = 0; at < len; at += SECTOR)
            if (!image_file_write(file, offset + at, zeros, SECTOR, err))
                return false;
        return true;
    }
    grown = realloc(file->overlays, (file->overlay_count + 1) * sizeof(*grown));
    if (!grown)
        return err_no_memory(err);
    file->overlays = grown;
    if (bytes) {
        copy = malloc(len);
        if (!copy)
            return err_no_memory(err);
        memcpy(copy, bytes, len);
    }
    file->overlays[file->overlay_count++] =
        (struct image_overlay){ .offset = offset, .len = len, .bytes = copy };
    return true;
}

static bool replay_entry(struct log *log, const struct entry *entry, uint64_t end,
                         struct err *err)
{
    const uint8_t *flat = log->flat;
    uint64_t data =
        (ENTRY_HEADER + (uint64_t)entry->descriptor_count * DESCRIPTOR + SECTOR - 1) /
        SECTOR * SECTOR;

    for (uint32_t i = 0; i < entry->descriptor_count; i++) {
        const uint8_t *d = flat + ENTRY_HEADER + i * DESCRIPTOR;
        bool is_zero = d[0] == 'z';
        uint64_t offset = load_u64(d + 16), len = is_zero ? load_u64(d + 8) : SECTOR;
        uint8_t page[SECTOR];

        if (offset > end || len > end - offset)
            return err_fail(err, ERR_PROTOCOL, 0,
                            "'%s': the VHDX log writes beyond the end of the file",
                            log->file->path);
        if (!is_zero) {
            memcpy(page, d + 8, 8);
            memcpy(page + 8, flat + data + 8, SECTOR - 12);
            memcpy(page + SECTOR - 4, d + 4, 4);
            data += SECTOR;
        }
        if (!put(log->file, offset, len, is_zero ? NULL : page, err))
            return false;
    }
    return true;
}

static bool replay_chain(struct log *log, uint32_t first, uint32_t count, struct err *err)
{
    struct image_file *file = log->file;
    uint32_t slots = log->size / SECTOR, at = first, last = first;
    uint64_t end;

    for (uint32_t i = 1; i < count; i++)
        last = (last + log->entries[last].bytes / SECTOR) % slots;
    if (file->size < log->entries[last].flushed_end)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' is cut off: its log counts on more",
                        file->path);
    end = log->entries[last].last_end;
    if (end > (uint64_t)1 << 50 || end % VHDX_MIB)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s': the VHDX log makes no sense",
                        file->path);
    if (end < file->size)
        end = file->size;
    if (end > file->size &&
        !(file->writable ? image_file_resize(file, end, err)
                         : put(file, file->size, end - file->size, NULL, err)))
        return false;
    file->size = end;
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *entry = &log->entries[at];

        unroll(log, at * SECTOR, entry->bytes);
        if (!replay_entry(log, entry, end, err))
            return false;
        at = (at + entry->bytes / SECTOR) % slots;
    }
    return true;
}

bool vhdx_log_replay(struct image_file *file, struct vhdx_header *header, struct err *err)
{
    struct log log = { .file = file, .size = header->log_bytes, .budget = CRC_BUDGET };
    uint32_t first = 0, count = 0;
    bool ok = true;

    if (log.size == 0 || log.size % VHDX_MIB || log.size > LOG_MAX ||
        header->log_offset % VHDX_MIB || header->log_offset < VHDX_MIB)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s': the VHDX log lies nowhere it can lie",
                        file->path);
    log.ring = malloc(log.size);
    log.flat = malloc(log.size);
    log.entries = calloc(log.size / SECTOR, sizeof(*log.entries));
    if (!log.ring || !log.flat || !log.entries)
        ok = err_no_memory(err);
    ok = ok && image_file_read(file, header->log_offset, log.ring, log.size, err);
    for (uint32_t at = 0; ok && at < log.size; at += SECTOR)
        ok = decode_entry(&log, header, at, &log.entries[at / SECTOR], err);
    if (ok && !find_chain(&log, &first, &count))
        ok = err_fail(err, ERR_PROTOCOL, 0, "'%s': the VHDX log is damaged", file->path);
    ok = ok && replay_chain(&log, first, count, err);
    if (ok && file->writable) {
        ok = image_file_sync(file, err);
        memset(header->log_guid, 0, 16);
        ok = ok && vhdx_header_write(file, header, err);
    }
    log_clear(&log);
    return ok;
}
