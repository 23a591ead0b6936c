/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHD, the format before VHDX: fixed ones are read and written, dynamic ones read.
 *
 * Source: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0.  All numbers are
 * big-endian.
 */

#include <string.h>

#include "err.h"
#include "format.h"
#include "image-file.h"

enum {
    FOOTER = 512,
    DYNAMIC_HEADER = 1024,
    TYPE_FIXED = 2,
    TYPE_DYNAMIC = 3,
    TYPE_DIFFERENCING = 4,
    BLOCKS_MAX = 1 << 22, /* 2 TiB, the format's end, in blocks of 512 KiB */
};
#define NOT_PRESENT UINT32_MAX

struct vhd {
    struct format format;
    uint32_t block_bytes, block_count, bitmap_bytes;
    uint32_t *table; /* NULL for fixed ones; sector numbers */
};

static struct vhd *vhd_of(struct format *format)
{
    return (struct vhd *)format;
}

static uint32_t load_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t load_be64(const uint8_t *at)
{
    return (uint64_t)load_be32(at) << 32 | load_be32(at + 4);
}

static bool is_sum_right(const uint8_t *bytes, size_t len, size_t sum_at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        if (i < sum_at || i >= sum_at + 4)
            sum += bytes[i];
    return ~sum == load_be32(bytes + sum_at);
}

static bool read_footer(const struct image_file *file, uint8_t bytes[FOOTER])
{
    struct err unused = ERR_INIT;

    return file->size >= FOOTER &&
           image_file_read(file, file->size - FOOTER, bytes, FOOTER, &unused) &&
           memcmp(bytes, "conectix", 8) == 0 && is_sum_right(bytes, FOOTER, 64);
}

bool vhd_is(const struct image_file *file)
{
    uint8_t bytes[FOOTER];
    struct err unused = ERR_INIT;

    return read_footer(file, bytes) ||
           (file->size >= FOOTER && image_file_read(file, 0, bytes, FOOTER, &unused) &&
            memcmp(bytes, "conectix", 8) == 0);
}

static void vhd_close(struct format *format)
{
    free(vhd_of(format)->table);
    free(format);
}

static bool vhd_map(struct format *format, uint64_t offset, uint64_t len,
                    struct extent *ret, struct err *err)
{
    struct vhd *v = vhd_of(format);
    uint64_t block, within;

    if (!v->table) {
        *ret = (struct extent){
            .file = format->file, .file_offset = offset, .len = len, .is_own = true
        };
        return true;
    }
    block = offset / v->block_bytes;
    within = offset % v->block_bytes;
    if (len > v->block_bytes - within)
        len = v->block_bytes - within;
    *ret = (struct extent){ .len = len };
    if (v->table[block] != NOT_PRESENT) {
        ret->file = format->file;
        ret->file_offset = (uint64_t)v->table[block] * 512 + v->bitmap_bytes + within;
        ret->is_own = true;
    }
    return true;
}

static const struct format_ops vhd_ops = { .close = vhd_close, .map = vhd_map };

static bool fail_damaged(const struct vhd *v, struct err *err, const char *what)
{
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' is a damaged VHD: %s", v->format.file->path,
                    what);
}

static bool read_table(struct vhd *v, uint64_t header_at, struct err *err)
{
    uint8_t header[DYNAMIC_HEADER];
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    uint64_t table_at, needed;
    uint32_t sectors;

    if (!image_file_read(v->format.file, header_at, header, sizeof(header), err))
        return false;
    if (memcmp(header, "cxsparse", 8) != 0 || !is_sum_right(header, sizeof(header), 36))
        return fail_damaged(v, err, "its header");
    table_at = load_be64(header + 16);
    v->block_count = load_be32(header + 28);
    v->block_bytes = load_be32(header + 32);
    if (v->block_bytes < 4096 || v->block_bytes > 256 << 20 ||
        (v->block_bytes & (v->block_bytes - 1)))
        return fail_damaged(v, err, "its block size");
    needed = (v->format.size + v->block_bytes - 1) / v->block_bytes;
    if (v->block_count < needed || v->block_count > BLOCKS_MAX)
        return fail_damaged(v, err, "the length of its block table");
    sectors = v->block_bytes / 512;
    v->bitmap_bytes = (sectors / 8 + 511) / 512 * 512;
    bytes = malloc((size_t)v->block_count * 4);
    v->table = calloc(v->block_count, sizeof(*v->table));
    if (!bytes || !v->table)
        return err_no_memory(err);
    if (!image_file_read(v->format.file, table_at, bytes, (size_t)v->block_count * 4, err))
        return false;
    for (uint32_t i = 0; i < v->block_count; i++) {
        v->table[i] = load_be32(bytes + i * 4);
        if (v->table[i] != NOT_PRESENT &&
            (uint64_t)v->table[i] * 512 + v->bitmap_bytes + v->block_bytes >
                v->format.file->size)
            return fail_damaged(v, err, "a block lies outside the file");
    }
    return true;
}

static bool decode(struct vhd *v, struct err *err)
{
    uint8_t footer[FOOTER];
    uint32_t type;

    if (!read_footer(v->format.file, footer))
        return fail_damaged(v, err, "its footer");
    v->format.size = load_be64(footer + 48);
    v->format.sector_bytes = 512;
    type = load_be32(footer + 60);
    if (v->format.size == 0 || v->format.size % 512 || v->format.size > (uint64_t)2 << 40)
        return fail_damaged(v, err, "its size");
    if (type == TYPE_DIFFERENCING)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' is a differencing VHD",
                        v->format.file->path) ||
               err_hint(err, "merge its checkpoint with Hyper-V, or convert it to VHDX");
    if (type == TYPE_FIXED) {
        snprintf(v->format.name, sizeof(v->format.name), "vhd-fixed");
        if (v->format.size > v->format.file->size - FOOTER)
            return fail_damaged(v, err, "it is cut off");
        return true;
    }
    if (type != TYPE_DYNAMIC)
        return fail_damaged(v, err, "its type");
    snprintf(v->format.name, sizeof(v->format.name), "vhd-dynamic");
    v->format.write_refusal = "a dynamic VHD is only read";
    return read_table(v, load_be64(footer + 16), err);
}

struct format *vhd_open(struct image_file *file, struct err *err)
{
    struct vhd *v = calloc(1, sizeof(*v));

    if (!v) {
        err_no_memory(err);
        return NULL;
    }
    v->format.ops = &vhd_ops;
    v->format.file = file;
    if (!decode(v, err)) {
        vhd_close(&v->format);
        return NULL;
    }
    return &v->format;
}
