/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VHD's footer and the header of a dynamic or differencing one.
 *
 * Source: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0.  All numbers are
 * big-endian; times are seconds since the year 2000, UTC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct image_file;

enum {
    VHD_SECTOR = 512,
    VHD_FOOTER = 512,
    VHD_DYNAMIC_HEADER = 1024,
    VHD_TYPE_FIXED = 2,
    VHD_TYPE_DYNAMIC = 3,
    VHD_TYPE_DIFFERENCING = 4,
    VHD_LOCATORS = 8,
    VHD_PARENT_NAME = 512,
};

/* Where a differencing disk keeps one of its parent's names. */
struct vhd_locator {
    char code[4];    /* "W2ru": relative to the child, "W2ku": absolute; both UTF-16LE */
    uint32_t len;    /* bytes of the name */
    uint64_t offset; /* in the file */
    uint64_t space;  /* bytes kept for it, and for a longer one */
};

struct vhd_header {
    uint8_t footer[VHD_FOOTER]; /* as it is in the file */
    uint64_t size;              /* of the virtual disk */
    uint32_t type;
    uint8_t unique_id[16];
    uint32_t created;

    /* The rest: not of fixed ones. */
    uint64_t header_at, table_at;
    uint32_t block_bytes, block_count;
    uint32_t bitmap_bytes; /* before each block, whole sectors */

    /* Of differencing ones. */
    uint8_t parent_id[16];
    uint32_t parent_time;                 /* when it was last written; 0: not told */
    uint8_t parent_name[VHD_PARENT_NAME]; /* UTF-16BE */
    struct vhd_locator locators[VHD_LOCATORS];
};

/* Everything is checked that can be without the block table. */
bool vhd_header_read(const struct image_file *file, struct vhd_header *ret, struct err *err)
    MUST_CHECK;
/* The footer at @at, when there is one. */
bool vhd_footer_read(const struct image_file *file, uint64_t at, uint8_t bytes[VHD_FOOTER]);

bool vhd_fail_damaged(const struct image_file *file, const char *what, struct err *err);
