/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and checks what a VHD says of itself. */

#include "vhd-header.h"

#include <string.h>

#include "big-endian.h"
#include "err.h"
#include "format.h"
#include "image-file.h"

enum { BLOCKS_MAX = 1 << 22 /* 2 TiB, the format's end, in blocks of 512 KiB */ };

bool vhd_fail_damaged(const struct image_file *file, const char *what, struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' is a damaged VHD: %s", file->path, what);
}

static bool is_sum_right(const uint8_t *bytes, size_t len, size_t sum_at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        if (i < sum_at || i >= sum_at + 4)
            sum += bytes[i];
    return ~sum == load_be32(bytes + sum_at);
}

bool vhd_footer_read(const struct image_file *file, uint64_t at, uint8_t bytes[VHD_FOOTER])
{
    struct err unused = ERR_INIT;

    return image_file_read(file, at, bytes, VHD_FOOTER, &unused) &&
           memcmp(bytes, "conectix", 8) == 0 && is_sum_right(bytes, VHD_FOOTER, 64);
}

bool vhd_is(const struct image_file *file)
{
    uint8_t bytes[VHD_FOOTER];
    struct err unused = ERR_INIT;

    return file->size >= VHD_FOOTER &&
           (vhd_footer_read(file, file->size - VHD_FOOTER, bytes) ||
            (image_file_read(file, 0, bytes, VHD_FOOTER, &unused) &&
             memcmp(bytes, "conectix", 8) == 0));
}

/* A dynamic disk has a copy of the footer at its start, for the one at the end is in the
 * way of every new block. */
static bool find_footer(const struct image_file *file, uint8_t footer[VHD_FOOTER])
{
    return file->size >= VHD_FOOTER &&
           (vhd_footer_read(file, file->size - VHD_FOOTER, footer) ||
            (vhd_footer_read(file, 0, footer) && load_be32(footer + 60) != VHD_TYPE_FIXED));
}

/* The space is counted in sectors, says the document; some writers count bytes (Xen's
 * vhd-util knows of them). */
static uint64_t space_of(uint32_t number)
{
    return number < VHD_SECTOR || number % VHD_SECTOR ? (uint64_t)number * VHD_SECTOR
                                                      : number;
}

static void take_parent(const uint8_t header[VHD_DYNAMIC_HEADER], struct vhd_header *h)
{
    memcpy(h->parent_id, header + 40, sizeof(h->parent_id));
    h->parent_time = load_be32(header + 56);
    memcpy(h->parent_name, header + 64, sizeof(h->parent_name));
    for (unsigned i = 0; i < VHD_LOCATORS; i++) {
        const uint8_t *entry = header + 576 + 24 * (size_t)i;
        struct vhd_locator *locator = &h->locators[i];

        memcpy(locator->code, entry, sizeof(locator->code));
        locator->space = space_of(load_be32(entry + 4));
        locator->len = load_be32(entry + 8);
        locator->offset = load_be64(entry + 16);
    }
}

static bool read_dynamic(const struct image_file *file, struct vhd_header *h,
                         struct err *err)
{
    uint8_t header[VHD_DYNAMIC_HEADER];
    uint64_t needed;

    h->header_at = load_be64(h->footer + 16);
    if (!image_file_read(file, h->header_at, header, sizeof(header), err))
        return false;
    if (memcmp(header, "cxsparse", 8) != 0 || !is_sum_right(header, sizeof(header), 36))
        return vhd_fail_damaged(file, "its header", err);
    h->table_at = load_be64(header + 16);
    h->block_count = load_be32(header + 28);
    h->block_bytes = load_be32(header + 32);
    if (h->block_bytes < 4096 || h->block_bytes > 256 << 20 ||
        (h->block_bytes & (h->block_bytes - 1)))
        return vhd_fail_damaged(file, "its block size", err);
    needed = (h->size + h->block_bytes - 1) / h->block_bytes;
    if (h->block_count < needed || h->block_count > BLOCKS_MAX)
        return vhd_fail_damaged(file, "the length of its block table", err);
    if (h->header_at % VHD_SECTOR || h->table_at % VHD_SECTOR || h->table_at > file->size)
        return vhd_fail_damaged(file, "the place of its tables", err);
    h->bitmap_bytes =
        (h->block_bytes / VHD_SECTOR / 8 + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
    if (h->type == VHD_TYPE_DIFFERENCING)
        take_parent(header, h);
    return true;
}

bool vhd_header_read(const struct image_file *file, struct vhd_header *ret, struct err *err)
{
    struct vhd_header h = { 0 };

    if (!find_footer(file, h.footer))
        return vhd_fail_damaged(file, "its footer", err);
    h.size = load_be64(h.footer + 48);
    h.type = load_be32(h.footer + 60);
    h.created = load_be32(h.footer + 24);
    memcpy(h.unique_id, h.footer + 68, sizeof(h.unique_id));
    if (h.size == 0 || h.size % VHD_SECTOR || h.size > (uint64_t)2 << 40)
        return vhd_fail_damaged(file, "its size", err);
    if (h.type < VHD_TYPE_FIXED || h.type > VHD_TYPE_DIFFERENCING)
        return vhd_fail_damaged(file, "its type", err);
    if (h.type == VHD_TYPE_FIXED && h.size > file->size - VHD_FOOTER)
        return vhd_fail_damaged(file, "it is cut off", err);
    if (h.type != VHD_TYPE_FIXED && !read_dynamic(file, &h, err))
        return false;
    *ret = h;
    return true;
}
