/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Differencing VHD files built by hand: no program here makes them.  Written from
 * Microsoft's "Virtual Hard Disk Image Format Specification" 1.0 and from nothing in this
 * folder, so that the code under test does not judge itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TEST_VHD_BLOCK = 2 << 20,
    TEST_VHD_SECTORS = TEST_VHD_BLOCK / 512,
    TEST_VHD_HEADER = 512, /* where the dynamic header lies */
    TEST_VHD_TABLE = 1536,
};

/* A disk of @size bytes without any block whose parent is @parent, a VHD, as it is now, and
 * which calls it @relative (W2ru) and @absolute (W2ku); NULL: has no such name. */
bool test_vhd_make_child(const char *path, const char *parent, uint64_t size,
                         const char *relative, const char *absolute);
/* Appends block @block: @bitmap (TEST_VHD_SECTORS / 8 bytes, highest bit first) says which
 * sectors of @bytes count. */
bool test_vhd_put_block(const char *path, unsigned block, const uint8_t *bitmap,
                        const uint8_t *bytes);
/* The bitmap of @block; false: the disk has no such block. */
bool test_vhd_bitmap(const char *path, unsigned block, uint8_t ret[TEST_VHD_SECTORS / 8]);

/* Writes big-endian @number of @len bytes at @at of the footer (of both copies) or of the
 * dynamic header, and makes its sum right again. */
bool test_vhd_set_footer(const char *path, size_t at, uint64_t number, size_t len);
bool test_vhd_set_header(const char *path, size_t at, uint64_t number, size_t len);
/* Makes @child remember @parent as it is now. */
bool test_vhd_link(const char *child, const char *parent);
