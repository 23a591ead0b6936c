/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partition tables: GPT, its backup when the primary is damaged, and MBR with logical
 * partitions; and what the first sectors of a partition say about its file system.
 *
 * Source: UEFI specification 2.10, chapter 5.
 */

#include <string.h>

#include "crc32c.h"
#include "err.h"
#include "guid-text.h"
#include "image.h"
#include "little-endian.h"
#include "os.h"
#include "partition-type.h"
#include "text.h"

enum {
    GPT_ENTRY_BYTES = 128,
    GPT_ENTRY_BYTES_MAX = 4096,
    GPT_COUNT_MAX = 1024,
    GPT_HEADER_BYTES = 92,
    GPT_FIRST_USABLE_BYTES = 1 << 20,
    LOGICAL_MAX = 60,
    MIB = 1 << 20,
};

/* ---- file systems ---- */

/* To Go: the GUID 4967D63B-2E29-4AD8-8399-F6A339E3D001 at 424. */
static const uint8_t bitlocker_to_go[16] = {
    0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A,
    0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01
};

bool partition_detect(struct disk *disk, struct partition *p, struct err *err)
{
    static const struct {
        unsigned at;
        const char *magic, *name;
    } known[] = {
        { 3, "NTFS    ", "ntfs" },   { 3, "-FVE-FS-", "bitlocker" },
        { 3, "ReFS\0\0\0", "refs" }, { 3, "EXFAT   ", "exfat" },
        { 82, "FAT32   ", "fat32" }, { 54, "FAT16   ", "fat16" },
        { 54, "FAT12   ", "fat12" },
    };
    uint8_t bytes[2048] = { 0 };
    bool any = false;

    if (p->size_bytes < sizeof(bytes))
        return true;
    if (!disk_read(disk, p->offset_bytes, bytes, sizeof(bytes), err))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        any = any || bytes[i];
    if (!any)
        return true;
    snprintf(p->file_system, sizeof(p->file_system), "unknown");
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (memcmp(bytes + known[i].at, known[i].magic, 8) == 0) {
            snprintf(p->file_system, sizeof(p->file_system), "%s", known[i].name);
            break;
        }
    if (memcmp(bytes + 3, "MSWIN4.1", 8) == 0 &&
        memcmp(bytes + 424, bitlocker_to_go, 16) == 0)
        snprintf(p->file_system, sizeof(p->file_system), "bitlocker");
    if (load_u16(bytes + 1024 + 56) == 0xEF53 && strcmp(p->file_system, "unknown") == 0)
        snprintf(p->file_system, sizeof(p->file_system), "ext");
    return true;
}

/* ---- GPT ---- */

struct gpt {
    uint64_t first_usable, last_usable, entries_at;
    uint32_t count, entry_bytes, entries_crc;
};

/* @at: in sectors.  False with ERR_NONE: no valid header there. */
static bool read_gpt_header(struct disk *disk, uint64_t at, struct gpt *ret,
                            struct err *err)
{
    uint32_t sector = disk_sector_bytes(disk), len, stored;
    uint64_t sectors = disk_size(disk) / sector;
    uint8_t bytes[4096];

    if (at >= sectors)
        return false;
    if (!disk_read(disk, at * sector, bytes, sector, err))
        return false;
    len = load_u32(bytes + 12);
    if (memcmp(bytes, "EFI PART", 8) != 0 || len < GPT_HEADER_BYTES || len > sector)
        return false;
    stored = load_u32(bytes + 16);
    store_u32(bytes + 16, 0);
    if (crc32_ieee(0, bytes, len) != stored || load_u64(bytes + 24) != at)
        return false;
    ret->first_usable = load_u64(bytes + 40);
    ret->last_usable = load_u64(bytes + 48);
    ret->entries_at = load_u64(bytes + 72);
    ret->count = load_u32(bytes + 80);
    ret->entry_bytes = load_u32(bytes + 84);
    ret->entries_crc = load_u32(bytes + 88);
    return ret->last_usable < sectors && ret->first_usable <= ret->last_usable &&
           ret->entries_at < sectors && ret->count <= GPT_COUNT_MAX &&
           ret->entry_bytes >= GPT_ENTRY_BYTES && ret->entry_bytes <= GPT_ENTRY_BYTES_MAX &&
           ret->entry_bytes % 8 == 0;
}

static bool add_gpt_entry(struct disk *disk, const struct gpt *gpt, const uint8_t *entry,
                          unsigned index, struct partition *p, struct err *err)
{
    uint32_t sector = disk_sector_bytes(disk);
    uint64_t first = load_u64(entry + 32), last = load_u64(entry + 40);

    if (first < gpt->first_usable || last > gpt->last_usable || first > last)
        return err_fail(err, ERR_PROTOCOL, 0, "partition %u lies outside the disk", index);
    *p = (struct partition){ .index = index,
                             .offset_bytes = first * sector,
                             .size_bytes = (last - first + 1) * sector };
    guid_to_text(entry, p->type);
    guid_to_text(entry + 16, p->id);
    return true;
}

/* False with ERR_NONE: not valid, try the other one. */
static bool read_gpt(struct disk *disk, uint64_t at, struct partition ret[PARTITION_MAX],
                     unsigned *ret_count, struct err *err)
{
    static const uint8_t unused[16];
    CLEANUP(free_cleanup) uint8_t *entries = NULL;
    struct gpt gpt = { 0 };
    unsigned count = 0;
    size_t len;

    if (!read_gpt_header(disk, at, &gpt, err))
        return false;
    len = (size_t)gpt.count * gpt.entry_bytes;
    if (len > disk_size(disk) - gpt.entries_at * disk_sector_bytes(disk))
        return false;
    entries = malloc(len + 1);
    if (!entries)
        return err_no_memory(err);
    if (!disk_read(disk, gpt.entries_at * disk_sector_bytes(disk), entries, len, err))
        return false;
    if (crc32_ieee(0, entries, len) != gpt.entries_crc)
        return false;
    for (uint32_t i = 0; i < gpt.count; i++) {
        const uint8_t *entry = entries + (size_t)i * gpt.entry_bytes;

        if (memcmp(entry, unused, 16) == 0)
            continue;
        if (count == PARTITION_MAX)
            return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d partitions",
                            PARTITION_MAX);
        if (!add_gpt_entry(disk, &gpt, entry, i + 1, &ret[count], err))
            return false;
        count++;
    }
    *ret_count = count;
    return true;
}

/* ---- MBR ---- */

struct mbr_entry {
    uint8_t type;
    uint32_t start, sectors;
};

static struct mbr_entry decode_mbr_entry(const uint8_t *mbr, unsigned i)
{
    const uint8_t *at = mbr + 446 + i * 16;

    return (struct mbr_entry){ .type = at[4],
                               .start = load_u32(at + 8),
                               .sectors = load_u32(at + 12) };
}

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0F || type == 0x85;
}

static bool add_mbr_entry(struct disk *disk, struct mbr_entry e, uint64_t base,
                          uint32_t signature, unsigned index,
                          struct partition ret[PARTITION_MAX], unsigned *count,
                          struct err *err)
{
    uint32_t sector = disk_sector_bytes(disk);
    uint64_t start = (base + e.start) * sector, len = (uint64_t)e.sectors * sector;
    struct partition *p = &ret[*count];

    if (*count == PARTITION_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d partitions", PARTITION_MAX);
    if (start == 0 || start > disk_size(disk) || len > disk_size(disk) - start)
        return err_fail(err, ERR_PROTOCOL, 0, "partition %u lies outside the disk", index);
    *p = (struct partition){ .index = index, .offset_bytes = start, .size_bytes = len };
    snprintf(p->type, sizeof(p->type), "0x%02x", e.type);
    snprintf(p->id, sizeof(p->id), "%08x-%02u", signature, index);
    ++*count;
    return true;
}

/* Logical partitions: a chain of tables, each with one partition and the next table. */
static bool read_logical(struct disk *disk, uint32_t extended, uint32_t signature,
                         struct partition ret[PARTITION_MAX], unsigned *count,
                         struct err *err)
{
    uint32_t sector = disk_sector_bytes(disk);
    uint64_t at = extended;

    for (unsigned i = 0; i < LOGICAL_MAX; i++) {
        uint8_t bytes[512];
        struct mbr_entry part, next;

        if (!disk_read(disk, at * sector, bytes, sizeof(bytes), err))
            return false;
        if (load_u16(bytes + 510) != 0xAA55)
            return err_fail(err, ERR_PROTOCOL, 0,
                            "a table of logical partitions is damaged");
        part = decode_mbr_entry(bytes, 0);
        next = decode_mbr_entry(bytes, 1);
        if (part.type && part.sectors &&
            !add_mbr_entry(disk, part, at, signature, 5 + i, ret, count, err))
            return false;
        if (!next.type || !next.start)
            return true;
        at = (uint64_t)extended + next.start;
    }
    return err_fail(err, ERR_PROTOCOL, 0, "the tables of logical partitions have no end");
}

static bool read_mbr(struct disk *disk, const uint8_t mbr[512],
                     struct partition ret[PARTITION_MAX], unsigned *ret_count,
                     struct err *err)
{
    uint32_t signature = load_u32(mbr + 440);
    unsigned count = 0;

    for (unsigned i = 0; i < 4; i++) {
        struct mbr_entry e = decode_mbr_entry(mbr, i);

        if (!e.type || !e.sectors)
            continue;
        if (is_extended(e.type)
                ? !read_logical(disk, e.start, signature, ret, &count, err)
                : !add_mbr_entry(disk, e, 0, signature, i + 1, ret, &count, err))
            return false;
    }
    *ret_count = count;
    return true;
}

/* The first sector of a file system without partitions also ends in 55 AA. */
static bool is_mbr(const uint8_t mbr[512])
{
    bool any = false;

    if (load_u16(mbr + 510) != 0xAA55)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t active = mbr[446 + i * 16];

        if (active != 0 && active != 0x80)
            return false;
        any = any || mbr[446 + i * 16 + 4];
    }
    return any;
}

/* ---- both ---- */

bool disk_partitions(struct disk *disk, struct partition ret[PARTITION_MAX],
                     unsigned *ret_count, const char **ret_table, struct err *err)
{
    CLEANUP(free_cleanup) struct partition *found = calloc(PARTITION_MAX, sizeof(*found));
    struct err why = ERR_INIT;
    uint8_t mbr[512];
    unsigned count = 0;
    const char *table = "gpt";

    if (!found)
        return err_no_memory(err);
    if (disk_size(disk) < sizeof(mbr) || !disk_read(disk, 0, mbr, sizeof(mbr), err))
        return false;
    if (!read_gpt(disk, 1, found, &count, &why) &&
        (why.kind != ERR_NONE ||
         !read_gpt(disk, disk_size(disk) / disk_sector_bytes(disk) - 1, found, &count,
                   &why))) {
        if (why.kind != ERR_NONE) {
            *err = why;
            return err_wrap(err, "reading the partition table");
        }
        if (!is_mbr(mbr))
            return err_fail(err, ERR_PROTOCOL, 0, "the disk has no partition table");
        for (unsigned i = 0; i < 4; i++)
            if (decode_mbr_entry(mbr, i).type == 0xEE)
                return err_fail(err, ERR_PROTOCOL, 0,
                                "both copies of the disk's GPT are damaged");
        table = "mbr";
        if (!read_mbr(disk, mbr, found, &count, err))
            return err_wrap(err, "reading the partition table");
    }
    for (unsigned i = 0; i < count; i++)
        if (!partition_detect(disk, &found[i], err))
            return false;
    memcpy(ret, found, count * sizeof(*found));
    *ret_count = count;
    *ret_table = table;
    return true;
}

/* ---- writing ---- */

static bool encode_entries(const struct partition *partitions, unsigned count,
                           uint64_t disk_bytes, uint32_t sector, uint8_t *entries,
                           struct err *err)
{
    for (unsigned i = 0; i < count; i++) {
        const struct partition *p = &partitions[i];
        unsigned index = p->index ? p->index : i + 1;
        uint8_t *entry;

        if (index > PARTITION_MAX || p->offset_bytes < GPT_FIRST_USABLE_BYTES ||
            p->offset_bytes % MIB || p->size_bytes == 0 || p->size_bytes % sector ||
            p->offset_bytes > disk_bytes - MIB ||
            p->size_bytes > disk_bytes - MIB - p->offset_bytes)
            return err_fail(err, ERR_INVALID, 0, "partition %u does not fit the disk",
                            index);
        for (unsigned k = 0; k < i; k++)
            if (partitions[k].offset_bytes < p->offset_bytes + p->size_bytes &&
                p->offset_bytes < partitions[k].offset_bytes + partitions[k].size_bytes)
                return err_fail(err, ERR_INVALID, 0, "partitions %u and %u overlap", k + 1,
                                i + 1);
        entry = entries + (index - 1) * GPT_ENTRY_BYTES;
        if (!guid_from_text(p->type, entry))
            return err_fail(err, ERR_INVALID, 0, "'%s' is no partition type", p->type);
        if (!p->id[0] ? !os_random(entry + 16, 16) : !guid_from_text(p->id, entry + 16))
            return err_fail(err, ERR_INVALID, 0, "'%s' is no partition GUID", p->id);
        store_u64(entry + 32, p->offset_bytes / sector);
        store_u64(entry + 40, (p->offset_bytes + p->size_bytes) / sector - 1);
    }
    return true;
}

static void encode_header(uint8_t *bytes, uint64_t self, uint64_t other,
                          uint64_t entries_at, uint64_t sectors, uint32_t sector,
                          const uint8_t guid[16], uint32_t entries_crc)
{
    uint32_t entry_sectors = PARTITION_MAX * GPT_ENTRY_BYTES / sector;

    memset(bytes, 0, sector);
    memcpy(bytes, "EFI PART", 8);
    store_u32(bytes + 8, 0x00010000);
    store_u32(bytes + 12, GPT_HEADER_BYTES);
    store_u64(bytes + 24, self);
    store_u64(bytes + 32, other);
    store_u64(bytes + 40, 2 + entry_sectors);
    store_u64(bytes + 48, sectors - 2 - entry_sectors);
    memcpy(bytes + 56, guid, 16);
    store_u64(bytes + 72, entries_at);
    store_u32(bytes + 80, PARTITION_MAX);
    store_u32(bytes + 84, GPT_ENTRY_BYTES);
    store_u32(bytes + 88, entries_crc);
    store_u32(bytes + 16, crc32_ieee(0, bytes, GPT_HEADER_BYTES));
}

static void encode_protective_mbr(uint8_t mbr[512], uint64_t sectors)
{
    uint8_t *entry = mbr + 446;

    memset(mbr, 0, 512);
    entry[2] = 2; /* cylinder 0, head 0, sector 2 */
    entry[4] = 0xEE;
    memset(entry + 5, 0xFF, 3);
    store_u32(entry + 8, 1);
    store_u32(entry + 12, sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(sectors - 1));
    store_u16(mbr + 510, 0xAA55);
}

bool disk_write_gpt(struct disk *disk, const struct partition *partitions, unsigned count,
                    struct err *err)
{
    enum { ENTRIES_BYTES = PARTITION_MAX * GPT_ENTRY_BYTES };
    uint32_t sector = disk_sector_bytes(disk);
    uint64_t sectors = disk_size(disk) / sector;
    CLEANUP(free_cleanup) uint8_t *entries = calloc(1, ENTRIES_BYTES);
    uint8_t bytes[4096] = { 0 }, guid[16];
    uint64_t backup_entries = sectors - 1 - ENTRIES_BYTES / sector;
    uint32_t crc;

    if (!entries)
        return err_no_memory(err);
    if (disk_size(disk) < 4 * MIB)
        return err_fail(err, ERR_INVALID, 0, "the disk is too small for partitions");
    if (count > PARTITION_MAX)
        return err_fail(err, ERR_INVALID, 0, "more than %d partitions", PARTITION_MAX);
    if (!os_random(guid, sizeof(guid)))
        return err_fail(err, ERR_SYSTEM, 0, "the system has no random numbers");
    if (!encode_entries(partitions, count, disk_size(disk), sector, entries, err))
        return false;
    crc = crc32_ieee(0, entries, ENTRIES_BYTES);
    encode_protective_mbr(bytes, sectors);
    if (!disk_write(disk, 0, bytes, sector, err) ||
        !disk_write(disk, 2 * (uint64_t)sector, entries, ENTRIES_BYTES, err) ||
        !disk_write(disk, backup_entries * sector, entries, ENTRIES_BYTES, err))
        return false;
    encode_header(bytes, 1, sectors - 1, 2, sectors, sector, guid, crc);
    if (!disk_write(disk, sector, bytes, sector, err))
        return false;
    encode_header(bytes, sectors - 1, 1, backup_entries, sectors, sector, guid, crc);
    return disk_write(disk, (sectors - 1) * sector, bytes, sector, err);
}
