/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHD, the format before VHDX: fixed and dynamic.
 *
 * A dynamic one ends in its footer, where the next block is to be.  A block made in this
 * session leaves the old footer alone: a new one is written behind the block at once, so
 * that the file always ends in a footer, and what replaces the old one, the block's sector
 * bitmap, waits for the commit as the block table does.  Then nothing of the block is seen
 * before the commit, and every place that is overwritten passes the journal.
 *
 * Source: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0.  All numbers are
 * big-endian.
 */

#include <string.h>

#include "err.h"
#include "format.h"
#include "image-file.h"

enum {
    SECTOR = 512,
    FOOTER = 512,
    DYNAMIC_HEADER = 1024,
    TYPE_FIXED = 2,
    TYPE_DYNAMIC = 3,
    TYPE_DIFFERENCING = 4,
    BLOCKS_MAX = 1 << 22, /* 2 TiB, the format's end, in blocks of 512 KiB */

    /* What is known of a block. */
    IS_NEW = 1,       /* made in this session */
    IS_WHOLE = 2,     /* its bitmap says that every sector is there */
    BITMAP_DIRTY = 4, /* and that is still to be written */
};
#define NOT_PRESENT UINT32_MAX

struct vhd {
    struct format format;
    uint8_t footer[FOOTER];

    /* The rest is for dynamic ones. */
    uint64_t header_at, table_at;
    uint32_t block_bytes, block_count, bitmap_bytes;
    uint32_t *table;      /* NULL for fixed ones; sector numbers */
    uint8_t *table_dirty; /* one per page of the table */
    uint8_t *known;       /* one per block */
    uint64_t end;         /* behind everything in use: the footer's place */
    uint64_t committed_end;
    bool began;
    uint8_t *bitmap; /* of block bitmap_block */
    uint64_t bitmap_block;
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

static void store_be32(uint8_t *at, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (24 - 8 * i));
}

static bool is_sum_right(const uint8_t *bytes, size_t len, size_t sum_at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        if (i < sum_at || i >= sum_at + 4)
            sum += bytes[i];
    return ~sum == load_be32(bytes + sum_at);
}

static bool read_footer(const struct image_file *file, uint64_t at, uint8_t bytes[FOOTER])
{
    struct err unused = ERR_INIT;

    return image_file_read(file, at, bytes, FOOTER, &unused) &&
           memcmp(bytes, "conectix", 8) == 0 && is_sum_right(bytes, FOOTER, 64);
}

bool vhd_is(const struct image_file *file)
{
    uint8_t bytes[FOOTER];
    struct err unused = ERR_INIT;

    return file->size >= FOOTER && (read_footer(file, file->size - FOOTER, bytes) ||
                                    (image_file_read(file, 0, bytes, FOOTER, &unused) &&
                                     memcmp(bytes, "conectix", 8) == 0));
}

static void vhd_close(struct format *format)
{
    struct vhd *v = vhd_of(format);

    free(v->table);
    free(v->table_dirty);
    free(v->known);
    free(v->bitmap);
    free(v);
}

static bool fail_damaged(const struct vhd *v, struct err *err, const char *what)
{
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' is a damaged VHD: %s", v->format.file->path,
                    what);
}

/* ---- mapping ---- */

static uint64_t block_at(const struct vhd *v, uint64_t block)
{
    return (uint64_t)v->table[block] * SECTOR;
}

/* Bit set: the sector was written; the first one is the highest bit. */
static bool bit_of(const struct vhd *v, uint64_t sector)
{
    return v->bitmap[sector / 8] >> (7 - sector % 8) & 1;
}

static bool load_bitmap(struct vhd *v, uint64_t block, struct err *err)
{
    uint32_t sectors = v->block_bytes / SECTOR, here = 0;

    if (v->bitmap_block == block)
        return true;
    v->bitmap_block = UINT64_MAX;
    if (!image_file_read(v->format.file, block_at(v, block), v->bitmap, v->bitmap_bytes,
                         err))
        return false;
    v->bitmap_block = block;
    while (here < sectors && bit_of(v, here))
        here++;
    if (here == sectors)
        v->known[block] |= IS_WHOLE;
    return true;
}

static bool vhd_map(struct format *format, uint64_t offset, uint64_t len,
                    struct extent *ret, struct err *err)
{
    struct vhd *v = vhd_of(format);
    uint64_t block, within, sector, end;
    bool is_here = true;

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
    if (v->table[block] == NOT_PRESENT)
        return true;
    if (!(v->known[block] & IS_WHOLE) && !load_bitmap(v, block, err))
        return false;
    if (!(v->known[block] & IS_WHOLE)) {
        sector = within / SECTOR;
        is_here = bit_of(v, sector);
        for (end = sector + 1; end * SECTOR < within + len; end++)
            if (bit_of(v, end) != is_here)
                break;
        if (end * SECTOR - within < len)
            ret->len = end * SECTOR - within;
    }
    if (is_here) {
        ret->file = format->file;
        ret->file_offset = block_at(v, block) + v->bitmap_bytes + within;
        ret->is_own = true;
        ret->is_new = v->known[block] & IS_NEW;
    }
    return true;
}

/* ---- changing ---- */

/* The footer is where it belongs, and nothing behind it: what a killed session left there
 * would show through in new blocks. */
static bool vhd_begin(struct format *format, struct err *err)
{
    struct vhd *v = vhd_of(format);
    uint8_t footer[FOOTER];

    if (!v->table)
        return true;
    if (format->file->size != v->end + FOOTER || !read_footer(format->file, v->end, footer))
        if (!image_file_write(format->file, v->end, v->footer, FOOTER, err) ||
            !image_file_sync(format->file, err) ||
            !image_file_resize(format->file, v->end + FOOTER, err))
            return false;
    v->began = true;
    v->committed_end = v->end;
    return true;
}

/* Nobody reads the sectors the block lacks before its bitmap says that it is whole. */
static bool complete_block(struct vhd *v, uint64_t block, struct err *err)
{
    static const uint8_t zeros[SECTOR];

    if (!load_bitmap(v, block, err))
        return false;
    for (uint64_t i = 0; i < v->block_bytes / SECTOR; i++)
        if (!bit_of(v, i) &&
            !image_file_write(v->format.file,
                              block_at(v, block) + v->bitmap_bytes + i * SECTOR, zeros,
                              SECTOR, err))
            return false;
    v->known[block] |= IS_WHOLE | BITMAP_DIRTY;
    return true;
}

static bool vhd_make_room(struct format *format, uint64_t offset, struct err *err)
{
    struct vhd *v = vhd_of(format);
    uint64_t block = offset / v->block_bytes, at = v->end;
    uint64_t end = at + v->bitmap_bytes + v->block_bytes;

    if (!v->table)
        return true;
    if (v->table[block] != NOT_PRESENT)
        return (v->known[block] & IS_WHOLE) || complete_block(v, block, err);
    if (end / SECTOR >= NOT_PRESENT)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' cannot grow beyond 2 TiB",
                        format->file->path);
    /* Behind the old end of the file, so the block itself is empty. */
    if (!image_file_write(format->file, end, v->footer, FOOTER, err))
        return false;
    v->end = end;
    v->table[block] = (uint32_t)(at / SECTOR);
    v->table_dirty[block * 4 / IMAGE_PAGE] = 1;
    v->known[block] = IS_NEW | IS_WHOLE | BITMAP_DIRTY;
    return true;
}

static bool give_bitmap(struct vhd *v, uint64_t block, format_page_fn *on_page, void *user,
                        struct err *err)
{
    uint8_t all[IMAGE_PAGE];

    memset(all, 0xFF, sizeof(all));
    for (uint32_t at = 0; at < v->bitmap_bytes; at += IMAGE_PAGE) {
        uint32_t left = v->bitmap_bytes - at;

        if (!on_page(user, block_at(v, block) + at, all,
                     left < IMAGE_PAGE ? left : IMAGE_PAGE, err))
            return false;
    }
    return true;
}

static uint64_t table_bytes(const struct vhd *v)
{
    return ((uint64_t)v->block_count * 4 + SECTOR - 1) / SECTOR * SECTOR;
}

static bool give_table_page(struct vhd *v, uint64_t page, format_page_fn *on_page,
                            void *user, struct err *err)
{
    uint64_t first = page * IMAGE_PAGE / 4, left = table_bytes(v) - page * IMAGE_PAGE;
    uint8_t bytes[IMAGE_PAGE];

    memset(bytes, 0xFF, sizeof(bytes));
    for (uint64_t i = 0; i < IMAGE_PAGE / 4 && first + i < v->block_count; i++)
        store_be32(bytes + i * 4, v->table[first + i]);
    return on_page(user, v->table_at + page * IMAGE_PAGE, bytes,
                   left < IMAGE_PAGE ? left : IMAGE_PAGE, err);
}

static bool vhd_each_page(struct format *format, format_page_fn *on_page, void *user,
                          struct err *err)
{
    struct vhd *v = vhd_of(format);

    if (!v->table)
        return true;
    for (uint64_t page = 0; page * IMAGE_PAGE < table_bytes(v); page++)
        if (v->table_dirty[page] && !give_table_page(v, page, on_page, user, err))
            return false;
    for (uint64_t block = 0; block < v->block_count; block++)
        if ((v->known[block] & BITMAP_DIRTY) && !give_bitmap(v, block, on_page, user, err))
            return false;
    return true;
}

static void vhd_committed(struct format *format)
{
    struct vhd *v = vhd_of(format);

    if (!v->table)
        return;
    memset(v->table_dirty, 0, table_bytes(v) / IMAGE_PAGE + 1);
    for (uint64_t block = 0; block < v->block_count; block++)
        v->known[block] &= (uint8_t) ~(IS_NEW | BITMAP_DIRTY);
    v->committed_end = v->end;
}

static void vhd_forget(struct format *format)
{
    struct vhd *v = vhd_of(format);
    struct err unused = ERR_INIT;

    /* Not needed for safety: when it fails, the next session cuts it off. */
    if (v->began && format->file->size > v->committed_end + FOOTER &&
        image_file_resize(format->file, v->committed_end + FOOTER, &unused))
        v->end = v->committed_end;
}

static const struct format_ops vhd_ops = {
    .close = vhd_close,
    .map = vhd_map,
    .begin = vhd_begin,
    .make_room = vhd_make_room,
    .each_page = vhd_each_page,
    .committed = vhd_committed,
    .forget = vhd_forget,
};

/* ---- opening ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* No two things may lie in the same place: writing one would destroy the other. */
static bool check_blocks(struct vhd *v, struct err *err)
{
    const struct {
        uint64_t offset, len;
    } fixed[] = { { 0, FOOTER },
                  { v->header_at, DYNAMIC_HEADER },
                  { v->table_at, table_bytes(v) } };
    CLEANUP(free_cleanup) uint64_t *blocks = calloc(v->block_count, sizeof(*blocks));
    uint64_t len = (uint64_t)v->bitmap_bytes + v->block_bytes;
    size_t count = 0;

    if (!blocks)
        return err_no_memory(err);
    for (size_t f = 0; f < ARRAY_LEN(fixed); f++)
        if (v->end < fixed[f].offset + fixed[f].len)
            v->end = fixed[f].offset + fixed[f].len;
    for (uint32_t i = 0; i < v->block_count; i++)
        if (v->table[i] != NOT_PRESENT)
            blocks[count++] = block_at(v, i);
    qsort(blocks, count, sizeof(*blocks), by_number);
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] + len > v->format.file->size)
            return fail_damaged(v, err, "a block lies outside the file");
        if (i + 1 < count && blocks[i + 1] < blocks[i] + len)
            return fail_damaged(v, err, "two blocks lie in the same place");
        for (size_t f = 0; f < ARRAY_LEN(fixed); f++)
            if (blocks[i] < fixed[f].offset + fixed[f].len &&
                fixed[f].offset < blocks[i] + len)
                return fail_damaged(v, err, "a block lies on its tables");
        v->end = blocks[i] + len > v->end ? blocks[i] + len : v->end;
    }
    v->end = (v->end + SECTOR - 1) / SECTOR * SECTOR;
    return true;
}

static bool read_table(struct vhd *v, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(table_bytes(v));

    v->table = calloc(v->block_count, sizeof(*v->table));
    v->table_dirty = calloc(table_bytes(v) / IMAGE_PAGE + 1, 1);
    v->known = calloc(v->block_count, 1);
    v->bitmap = malloc(v->bitmap_bytes);
    v->bitmap_block = UINT64_MAX;
    if (!bytes || !v->table || !v->table_dirty || !v->known || !v->bitmap)
        return err_no_memory(err);
    if (!image_file_read(v->format.file, v->table_at, bytes, table_bytes(v), err))
        return false;
    for (uint32_t i = 0; i < v->block_count; i++)
        v->table[i] = load_be32(bytes + (size_t)i * 4);
    return check_blocks(v, err);
}

static bool read_dynamic(struct vhd *v, struct err *err)
{
    uint8_t header[DYNAMIC_HEADER];
    uint64_t needed;

    v->header_at = load_be64(v->footer + 16);
    if (!image_file_read(v->format.file, v->header_at, header, sizeof(header), err))
        return false;
    if (memcmp(header, "cxsparse", 8) != 0 || !is_sum_right(header, sizeof(header), 36))
        return fail_damaged(v, err, "its header");
    v->table_at = load_be64(header + 16);
    v->block_count = load_be32(header + 28);
    v->block_bytes = load_be32(header + 32);
    if (v->block_bytes < 4096 || v->block_bytes > 256 << 20 ||
        (v->block_bytes & (v->block_bytes - 1)))
        return fail_damaged(v, err, "its block size");
    needed = (v->format.size + v->block_bytes - 1) / v->block_bytes;
    if (v->block_count < needed || v->block_count > BLOCKS_MAX)
        return fail_damaged(v, err, "the length of its block table");
    if (v->header_at % SECTOR || v->table_at % SECTOR || v->table_at > v->format.file->size)
        return fail_damaged(v, err, "the place of its tables");
    v->bitmap_bytes = (v->block_bytes / SECTOR / 8 + SECTOR - 1) / SECTOR * SECTOR;
    return read_table(v, err);
}

/* A dynamic disk has a copy of the footer at its start, for the one at the end is in the
 * way of every new block. */
static bool find_footer(struct vhd *v)
{
    const struct image_file *file = v->format.file;

    return file->size >= FOOTER &&
           (read_footer(file, file->size - FOOTER, v->footer) ||
            (read_footer(file, 0, v->footer) && load_be32(v->footer + 60) != TYPE_FIXED));
}

static bool decode(struct vhd *v, struct err *err)
{
    uint32_t type;

    if (!find_footer(v))
        return fail_damaged(v, err, "its footer");
    v->format.size = load_be64(v->footer + 48);
    v->format.sector_bytes = SECTOR;
    type = load_be32(v->footer + 60);
    if (v->format.size == 0 || v->format.size % SECTOR ||
        v->format.size > (uint64_t)2 << 40)
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
    return read_dynamic(v, err);
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
