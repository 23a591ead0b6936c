/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things lie in a VHDX file.
 *
 * Source: [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format"; section numbers below.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct image_file;

enum {
    VHDX_MIB = 1 << 20,
    VHDX_HEADER_1 = 64 << 10, /* 2.2.2 */
    VHDX_HEADER_2 = 128 << 10,
    VHDX_HEADER_BYTES = 4096,
    VHDX_REGIONS_1 = 192 << 10, /* 2.2.3 */
    VHDX_REGIONS_2 = 256 << 10,
    VHDX_REGIONS_BYTES = 64 << 10,
    VHDX_METADATA_TABLE_BYTES = 64 << 10, /* 2.6.1 */
    VHDX_TABLE_MAX = 2047,                /* entries of a region or metadata table */

    /* 2.5.1.1: states of a payload block. */
    VHDX_NOT_PRESENT = 0,
    VHDX_UNDEFINED = 1,
    VHDX_ZERO = 2,
    VHDX_UNMAPPED = 3,
    VHDX_PRESENT = 6,
    VHDX_PARTLY_PRESENT = 7,
};

/* GUIDs as they lie in the file. */
extern const uint8_t vhdx_guid_bat[16], vhdx_guid_metadata[16], vhdx_guid_parameters[16],
    vhdx_guid_size[16], vhdx_guid_disk_id[16], vhdx_guid_logical[16],
    vhdx_guid_physical[16], vhdx_guid_locator[16], vhdx_guid_locator_vhdx[16];

struct vhdx_header {
    unsigned slot; /* 0 or 1: which of the two is the current one */
    uint64_t sequence;
    uint8_t file_write_guid[16], data_write_guid[16], log_guid[16];
    uint32_t log_bytes;
    uint64_t log_offset;
};

/* Blocks of the BAT per sector-bitmap entry, 2.5. */
static inline uint32_t vhdx_chunk_ratio(uint32_t sector_bytes, uint32_t block_bytes)
{
    return (uint32_t)(((uint64_t)1 << 23) * sector_bytes / block_bytes);
}

bool vhdx_header_read(const struct image_file *file, struct vhdx_header *ret,
                      struct err *err) MUST_CHECK;
/* Writes @header into the other slot, with the next sequence number, and flushes. */
bool vhdx_header_write(struct image_file *file, struct vhdx_header *header, struct err *err)
    MUST_CHECK;
void vhdx_header_encode(const struct vhdx_header *header, uint8_t bytes[VHDX_HEADER_BYTES]);

/* Replays the log: into the file, or for a file open for reading into its overlay. */
bool vhdx_log_replay(struct image_file *file, struct vhdx_header *header, struct err *err)
    MUST_CHECK;
