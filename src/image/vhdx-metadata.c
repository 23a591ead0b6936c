/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The region table and the metadata of a VHDX file. */

#include "vhdx-metadata.h"

#include <string.h>

#include "crc32c.h"
#include "err.h"
#include "image-file.h"
#include "little-endian.h"
#include "text.h"
#include "vhdx-layout.h"

#define SIZE_MAX_BYTES ((uint64_t)64 << 40)

static bool fail_damaged(const struct image_file *file, struct err *err, const char *what)
{
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' is a damaged VHDX: %s", file->path, what);
}

static bool read_regions_at(const struct image_file *file, uint64_t at, uint8_t *bytes,
                            struct err *err)
{
    uint32_t stored;

    if (!image_file_read(file, at, bytes, VHDX_REGIONS_BYTES, err))
        return false;
    stored = load_u32(bytes + 4);
    store_u32(bytes + 4, 0);
    if (memcmp(bytes, "regi", 4) != 0 || crc32c(0, bytes, VHDX_REGIONS_BYTES) != stored ||
        load_u32(bytes + 8) > VHDX_TABLE_MAX)
        return fail_damaged(file, err, "its region table");
    return true;
}

bool vhdx_regions_read(const struct image_file *file, const struct vhdx_header *header,
                       struct vhdx_regions *ret, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(VHDX_REGIONS_BYTES);
    struct vhdx_regions regions = { 0 };

    if (!bytes)
        return err_no_memory(err);
    if (!read_regions_at(file, VHDX_REGIONS_1, bytes, err) &&
        !read_regions_at(file, VHDX_REGIONS_2, bytes, err))
        return false;
    *err = ERR_INIT;
    regions.end = header->log_offset + header->log_bytes;
    for (uint32_t i = 0; i < load_u32(bytes + 8); i++) {
        const uint8_t *entry = bytes + 16 + i * 32;
        uint64_t offset = load_u64(entry + 16);
        uint32_t len = load_u32(entry + 24);

        if (offset < VHDX_MIB || offset % VHDX_MIB || len == 0 || len % VHDX_MIB ||
            offset > file->size || len > file->size - offset)
            return fail_damaged(file, err, "a region lies outside the file");
        if (regions.end < offset + len)
            regions.end = offset + len;
        if (memcmp(entry, vhdx_guid_bat, 16) == 0) {
            regions.bat_offset = offset;
            regions.bat_bytes = len;
        } else if (memcmp(entry, vhdx_guid_metadata, 16) == 0) {
            regions.metadata_offset = offset;
            regions.metadata_bytes = len;
        } else if (load_u32(entry + 28) & 1) {
            return err_fail(err, ERR_UNSUPPORTED, 0,
                            "'%s' needs a region this version does not know", file->path);
        }
    }
    if (!regions.bat_offset || !regions.metadata_offset)
        return fail_damaged(file, err, "a region is missing");
    *ret = regions;
    return true;
}

static bool read_item(const struct image_file *file, const struct vhdx_regions *regions,
                      const uint8_t *entry, struct vhdx_metadata *m, struct err *err)
{
    static const struct {
        const uint8_t *guid;
        uint32_t len;
    } known[] = {
        { vhdx_guid_parameters, 8 }, { vhdx_guid_size, 8 },     { vhdx_guid_logical, 4 },
        { vhdx_guid_physical, 4 },   { vhdx_guid_disk_id, 16 }, { vhdx_guid_locator, 0 },
    };
    uint32_t offset = load_u32(entry + 16), len = load_u32(entry + 20);
    uint8_t value[16] = { 0 };
    size_t i = 0;

    while (i < ARRAY_LEN(known) && memcmp(entry, known[i].guid, 16) != 0)
        i++;
    if (i == ARRAY_LEN(known)) {
        if (load_u32(entry + 24) & 4)
            return err_fail(err, ERR_UNSUPPORTED, 0,
                            "'%s' needs metadata this version does not know", file->path);
        return true;
    }
    if (offset < VHDX_METADATA_TABLE_BYTES || offset > regions->metadata_bytes ||
        len > regions->metadata_bytes - offset || (known[i].len && len != known[i].len))
        return fail_damaged(file, err, "its metadata");
    m->seen |= 1u << i;
    if (i == 5) {
        m->locator_offset = regions->metadata_offset + offset;
        m->locator_bytes = len;
        return true;
    }
    if (!image_file_read(file, regions->metadata_offset + offset, value, len, err))
        return false;
    if (i == 0) {
        m->block_bytes = load_u32(value);
        m->flags = load_u32(value + 4);
    } else if (i == 1) {
        m->size = load_u64(value);
    } else if (i == 2) {
        m->logical = load_u32(value);
    } else if (i == 3) {
        m->physical = load_u32(value);
    }
    return true;
}

bool vhdx_metadata_read(const struct image_file *file, const struct vhdx_regions *regions,
                        struct vhdx_metadata *m, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *table = malloc(VHDX_METADATA_TABLE_BYTES);
    uint16_t count;

    if (!table)
        return err_no_memory(err);
    if (!image_file_read(file, regions->metadata_offset, table, VHDX_METADATA_TABLE_BYTES,
                         err))
        return false;
    count = load_u16(table + 10);
    if (memcmp(table, "metadata", 8) != 0 || count > VHDX_TABLE_MAX)
        return fail_damaged(file, err, "its metadata table");
    for (uint16_t i = 0; i < count; i++)
        if (!read_item(file, regions, table + 32 + i * 32, m, err))
            return false;
    if ((m->seen & 7) != 7)
        return fail_damaged(file, err, "its metadata lack something");
    if (m->block_bytes < VHDX_MIB || m->block_bytes > 256u * VHDX_MIB ||
        (m->block_bytes & (m->block_bytes - 1)))
        return fail_damaged(file, err, "its block size");
    if (m->logical != 512 && m->logical != 4096)
        return fail_damaged(file, err, "its sector size");
    if (m->size == 0 || m->size > SIZE_MAX_BYTES || m->size % m->logical)
        return fail_damaged(file, err, "its size");
    return true;
}
