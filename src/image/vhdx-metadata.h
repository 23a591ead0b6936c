/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The region table and the metadata of a VHDX file.  Source: [MS-VHDX] 2.2.3, 2.6. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct image_file;
struct vhdx_header;

struct vhdx_regions {
    uint64_t bat_offset, metadata_offset;
    uint32_t bat_bytes, metadata_bytes;
    uint64_t end; /* behind these and the log */
};

struct vhdx_metadata {
    uint32_t block_bytes, flags, logical, physical;
    uint64_t size;
    uint64_t locator_offset; /* in the file; 0: there is none */
    uint32_t locator_bytes;
    unsigned seen; /* which items there are */
};

/* ERR_UNSUPPORTED: it needs what this version does not know; ERR_PROTOCOL: damaged. */
bool vhdx_regions_read(const struct image_file *file, const struct vhdx_header *header,
                       struct vhdx_regions *ret, struct err *err) MUST_CHECK;
bool vhdx_metadata_read(const struct image_file *file, const struct vhdx_regions *regions,
                        struct vhdx_metadata *ret, struct err *err) MUST_CHECK;
