/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds differencing VHD files from the format's own document. */

#include "test-vhd-image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attr.h"
#include "test-tools.h"
#include "text.h"

enum { FOOTER = 512, HEADER = 1024, NAME_SECTORS = 2, YEAR_2000 = 946684800 };

static void put(uint8_t *at, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(number >> (8 * (len - 1 - i)));
}

static uint64_t get(const uint8_t *at, size_t len)
{
    uint64_t number = 0;

    for (size_t i = 0; i < len; i++)
        number = number << 8 | at[i];
    return number;
}

/* "One's complement of the sum of all bytes without the checksum". */
static void seal(uint8_t *bytes, size_t len, size_t sum_at)
{
    uint32_t sum = 0;

    put(bytes + sum_at, 0, 4);
    for (size_t i = 0; i < len; i++)
        sum += bytes[i];
    put(bytes + sum_at, ~sum, 4);
}

static void put_locator(uint8_t *image, unsigned which, const char *code, const char *name,
                        size_t *end)
{
    uint8_t *entry = image + TEST_VHD_HEADER + 576 + which * 24;
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *wide = name ? text_to_utf16le(name, &len) : NULL;

    if (!wide)
        return;
    memcpy(entry, code, 4);
    put(entry + 4, NAME_SECTORS, 4);
    put(entry + 8, len, 4);
    put(entry + 16, *end, 8);
    memcpy(image + *end, wide, len);
    *end += NAME_SECTORS * 512;
}

bool test_vhd_make_child(const char *path, const char *parent, uint64_t size,
                         const char *relative, const char *absolute)
{
    uint64_t blocks = (size + TEST_VHD_BLOCK - 1) / TEST_VHD_BLOCK;
    size_t table = (blocks * 4 + 511) / 512 * 512, end = TEST_VHD_TABLE + table;
    CLEANUP(free_cleanup) uint8_t *image = calloc(1, end + 4 * 1024 + FOOTER);
    uint8_t *header = image + TEST_VHD_HEADER;
    const char *name = relative ? relative : absolute;

    memcpy(image, "conectix", 8);
    put(image + 8, 2, 4);        /* features: the reserved bit */
    put(image + 12, 0x10000, 4); /* version */
    put(image + 16, TEST_VHD_HEADER, 8);
    put(image + 24, 700000000, 4); /* made in 2022 */
    memcpy(image + 28, "test", 4);
    put(image + 32, 0x10000, 4);
    memcpy(image + 36, "Wi2k", 4);
    put(image + 40, size, 8);
    put(image + 48, size, 8);
    put(image + 56, 0x00104011, 4); /* cylinders, heads, sectors: nobody needs them */
    put(image + 60, 4, 4);
    for (size_t i = 0; path[i]; i++) /* unique, as far as tests need it */
        image[68 + i % 16] = (uint8_t)(image[68 + i % 16] * 31 + path[i]);
    seal(image, FOOTER, 64);

    memcpy(header, "cxsparse", 8);
    put(header + 8, UINT64_MAX, 8);
    put(header + 16, TEST_VHD_TABLE, 8);
    put(header + 24, 0x10000, 4);
    put(header + 28, blocks, 4);
    put(header + 32, TEST_VHD_BLOCK, 4);
    if (name) { /* the file's name alone, UTF-16BE; these names are ASCII */
        const char *last = strrchr(name, '\\');

        last = last ? last + 1 : name;
        for (size_t i = 0; last[i]; i++)
            header[64 + 2 * i + 1] = (uint8_t)last[i];
    }
    memset(image + TEST_VHD_TABLE, 0xFF, table);
    put_locator(image, 0, "W2ru", relative, &end);
    put_locator(image, 1, "W2ku", absolute, &end);
    seal(header, HEADER, 36);
    memcpy(image + end, image, FOOTER);
    return write_whole(path, image, end + FOOTER) && test_vhd_link(path, parent);
}

/* The last footer, and where it lies. */
static uint64_t footer_of(const char *path, uint8_t footer[FOOTER])
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = read_whole(path, &len);

    if (!bytes || len < FOOTER)
        return 0;
    memcpy(footer, bytes + len - FOOTER, FOOTER);
    return len - FOOTER;
}

bool test_vhd_put_block(const char *path, unsigned block, const uint8_t *bitmap,
                        const uint8_t *bytes)
{
    uint8_t footer[FOOTER], entry[4];
    uint64_t at = footer_of(path, footer), data = at + TEST_VHD_SECTORS / 8;

    put(entry, at / 512, 4);
    return at && patch_file(path, at, bitmap, TEST_VHD_SECTORS / 8) &&
           patch_file(path, data, bytes, TEST_VHD_BLOCK) &&
           patch_file(path, data + TEST_VHD_BLOCK, footer, FOOTER) &&
           patch_file(path, TEST_VHD_TABLE + block * 4, entry, 4);
}

bool test_vhd_bitmap(const char *path, unsigned block, uint8_t ret[TEST_VHD_SECTORS / 8])
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = read_whole(path, &len);
    uint64_t at = get(bytes + TEST_VHD_TABLE + (size_t)block * 4, 4) * 512;

    if (at + TEST_VHD_SECTORS / 8 > len)
        return false;
    memcpy(ret, bytes + at, TEST_VHD_SECTORS / 8);
    return true;
}

bool test_vhd_set_footer(const char *path, size_t at, uint64_t number, size_t len)
{
    uint8_t footer[FOOTER];
    uint64_t end = footer_of(path, footer);

    put(footer + at, number, len);
    seal(footer, FOOTER, 64);
    return end && patch_file(path, 0, footer, FOOTER) &&
           patch_file(path, end, footer, FOOTER);
}

bool test_vhd_set_header(const char *path, size_t at, uint64_t number, size_t len)
{
    size_t file_len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = read_whole(path, &file_len);
    uint8_t *header = bytes + TEST_VHD_HEADER;

    put(header + at, number, len);
    seal(header, HEADER, 36);
    return patch_file(path, TEST_VHD_HEADER, header, HEADER);
}

bool test_vhd_link(const char *child, const char *parent)
{
    uint8_t footer[FOOTER];
    struct stat st = { 0 };

    return footer_of(parent, footer) && stat(parent, &st) == 0 &&
           test_vhd_set_header(child, 40, get(footer + 68, 8), 8) &&
           test_vhd_set_header(child, 48, get(footer + 76, 8), 8) &&
           test_vhd_set_header(child, 56, (uint64_t)(st.st_mtime - YEAR_2000), 4);
}
