/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHD, the format before VHDX: fixed, dynamic and differencing.
 *
 * A dynamic one ends in its footer, where the next block is to be.  A block made in this
 * session leaves the old footer alone: a new one is written behind the block at once, so
 * that the file always ends in a footer, and what replaces the old one, the block's sector
 * bitmap, waits for the commit as the block table does.  Then nothing of the block is seen
 * before the commit, and every place that is overwritten passes the journal.
 *
 * What a block's sector bitmap calls unwritten reads as zeros, or in a differencing disk
 * as the parent has it.  The first change of such a block fills these sectors, which nobody
 * sees before its bitmap, whole then, is committed.
 *
 * Source: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0.
 */

#include <string.h>

#include "big-endian.h"
#include "chain.h"
#include "err.h"
#include "format.h"
#include "image-file.h"
#include "vhd-header.h"
#include "vhd-parent.h"

enum {                   /* what is known of a block */
       IS_NEW = 1,       /* made in this session */
       IS_WHOLE = 2,     /* its bitmap says that every sector is there */
       BITMAP_DIRTY = 4, /* and that is still to be written */
};
#define NOT_PRESENT UINT32_MAX

struct vhd {
    struct format format;
    struct vhd_header header;

    /* The rest: not of fixed ones. */
    uint32_t *table;      /* NULL for fixed ones; sector numbers */
    uint8_t *table_dirty; /* one per page of the table */
    uint8_t *known;       /* one per block */
    uint64_t end;         /* behind everything in use: the footer's place */
    uint64_t committed_end;
    bool began;
    bool is_copy_wrong; /* the footer's copy at the start: to be written */
    uint8_t *bitmap;    /* of block bitmap_block */
    uint64_t bitmap_block;

    struct format *parent; /* NULL: none */
    struct image_file *parent_file;
};

static struct vhd *vhd_of(struct format *format)
{
    return (struct vhd *)format;
}

static void vhd_close(struct format *format)
{
    struct vhd *v = vhd_of(format);

    format_close(v->parent);
    image_file_close(v->parent_file);
    free(v->table);
    free(v->table_dirty);
    free(v->known);
    free(v->bitmap);
    free(v);
}

/* ---- mapping ---- */

static uint64_t block_at(const struct vhd *v, uint64_t block)
{
    return (uint64_t)v->table[block] * VHD_SECTOR;
}

/* Bit set: the sector was written; the first one is the highest bit. */
static bool bit_of(const struct vhd *v, uint64_t sector)
{
    return v->bitmap[sector / 8] >> (7 - sector % 8) & 1;
}

static bool load_bitmap(struct vhd *v, uint64_t block, struct err *err)
{
    uint32_t sectors = v->header.block_bytes / VHD_SECTOR, here = 0;

    if (v->bitmap_block == block)
        return true;
    v->bitmap_block = UINT64_MAX;
    if (!image_file_read(v->format.file, block_at(v, block), v->bitmap,
                         v->header.bitmap_bytes, err))
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
    block = offset / v->header.block_bytes;
    within = offset % v->header.block_bytes;
    if (len > v->header.block_bytes - within)
        len = v->header.block_bytes - within;
    *ret = (struct extent){ .len = len };
    if (v->table[block] == NOT_PRESENT)
        return !v->parent || chain_map(v->parent, offset, len, ret, err);
    if (!(v->known[block] & IS_WHOLE) && !load_bitmap(v, block, err))
        return false;
    if (!(v->known[block] & IS_WHOLE)) {
        sector = within / VHD_SECTOR;
        is_here = bit_of(v, sector);
        for (end = sector + 1; end * VHD_SECTOR < within + len; end++)
            if (bit_of(v, end) != is_here)
                break;
        if (end * VHD_SECTOR - within < len)
            ret->len = end * VHD_SECTOR - within;
        if (!is_here && v->parent)
            return chain_map(v->parent, offset, ret->len, ret, err);
    }
    if (is_here) {
        ret->file = format->file;
        ret->file_offset = block_at(v, block) + v->header.bitmap_bytes + within;
        ret->is_own = true;
        ret->is_new = v->known[block] & IS_NEW;
    }
    return true;
}

/* ---- changing ---- */

/* The footer is where it belongs, and nothing behind it: what a killed session left there
 * would show through in new blocks.  Its copy at the start is mended with the commit. */
static bool vhd_begin(struct format *format, struct err *err)
{
    struct vhd *v = vhd_of(format);
    uint8_t footer[VHD_FOOTER];

    if (!v->table)
        return true;
    if (format->file->size != v->end + VHD_FOOTER ||
        !vhd_footer_read(format->file, v->end, footer))
        if (!image_file_write(format->file, v->end, v->header.footer, VHD_FOOTER, err) ||
            !image_file_sync(format->file, err) ||
            !image_file_resize(format->file, v->end + VHD_FOOTER, err))
            return false;
    v->is_copy_wrong = !vhd_footer_read(format->file, 0, footer) ||
                       memcmp(footer, v->header.footer, VHD_FOOTER) != 0;
    v->began = true;
    v->committed_end = v->end;
    return true;
}

static uint64_t data_at(const struct vhd *v, uint64_t block)
{
    return block_at(v, block) + v->header.bitmap_bytes;
}

/* Fills the sectors a block lacks.  Nobody reads them before its bitmap says that it is
 * whole. */
static bool complete_block(struct vhd *v, uint64_t block, struct err *err)
{
    static const uint8_t zeros[VHD_SECTOR];
    uint64_t sectors = v->header.block_bytes / VHD_SECTOR;
    struct image_file *file = v->format.file;

    if (!load_bitmap(v, block, err))
        return false;
    for (uint64_t i = 0; i < sectors; i++) {
        uint64_t from = i;

        if (bit_of(v, i))
            continue;
        while (i + 1 < sectors && !bit_of(v, i + 1))
            i++;
        /* The old content of these places is rubbish, also where the parent has zeros. */
        for (uint64_t s = from; s <= i; s++)
            if (!image_file_write(file, data_at(v, block) + s * VHD_SECTOR, zeros,
                                  VHD_SECTOR, err))
                return false;
        if (v->parent &&
            !chain_copy_up(v->parent, block * v->header.block_bytes + from * VHD_SECTOR,
                           (i + 1 - from) * VHD_SECTOR, file,
                           data_at(v, block) + from * VHD_SECTOR, err))
            return false;
    }
    v->known[block] |= IS_WHOLE | BITMAP_DIRTY;
    return true;
}

static bool vhd_make_room(struct format *format, uint64_t offset, struct err *err)
{
    struct vhd *v = vhd_of(format);
    uint64_t block = offset / v->header.block_bytes, at = v->end;
    uint64_t end = at + v->header.bitmap_bytes + v->header.block_bytes;

    if (!v->table)
        return true;
    if (v->table[block] != NOT_PRESENT)
        return (v->known[block] & IS_WHOLE) || complete_block(v, block, err);
    if (end / VHD_SECTOR >= NOT_PRESENT)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' cannot grow beyond 2 TiB",
                        format->file->path);
    /* Behind the old end of the file, so the block itself is empty. */
    if (!image_file_write(format->file, end, v->header.footer, VHD_FOOTER, err) ||
        (v->parent &&
         !chain_copy_up(v->parent, block * v->header.block_bytes, v->header.block_bytes,
                        format->file, at + v->header.bitmap_bytes, err)))
        return false;
    v->end = end;
    v->table[block] = (uint32_t)(at / VHD_SECTOR);
    v->table_dirty[block * 4 / IMAGE_PAGE] = 1;
    v->known[block] = IS_NEW | IS_WHOLE | BITMAP_DIRTY;
    return true;
}

static bool give_bitmap(struct vhd *v, uint64_t block, format_page_fn *on_page, void *user,
                        struct err *err)
{
    uint8_t all[IMAGE_PAGE];

    memset(all, 0xFF, sizeof(all));
    for (uint32_t at = 0; at < v->header.bitmap_bytes; at += IMAGE_PAGE) {
        uint32_t left = v->header.bitmap_bytes - at;

        if (!on_page(user, block_at(v, block) + at, all,
                     left < IMAGE_PAGE ? left : IMAGE_PAGE, err))
            return false;
    }
    return true;
}

static uint64_t table_bytes(const struct vhd *v)
{
    return ((uint64_t)v->header.block_count * 4 + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

static bool give_table_page(struct vhd *v, uint64_t page, format_page_fn *on_page,
                            void *user, struct err *err)
{
    uint64_t first = page * IMAGE_PAGE / 4, left = table_bytes(v) - page * IMAGE_PAGE;
    uint8_t bytes[IMAGE_PAGE];

    memset(bytes, 0xFF, sizeof(bytes));
    for (uint64_t i = 0; i < IMAGE_PAGE / 4 && first + i < v->header.block_count; i++)
        store_be32(bytes + i * 4, v->table[first + i]);
    return on_page(user, v->header.table_at + page * IMAGE_PAGE, bytes,
                   left < IMAGE_PAGE ? left : IMAGE_PAGE, err);
}

static bool vhd_each_page(struct format *format, format_page_fn *on_page, void *user,
                          struct err *err)
{
    struct vhd *v = vhd_of(format);

    if (!v->table)
        return true;
    if (v->is_copy_wrong && !on_page(user, 0, v->header.footer, VHD_FOOTER, err))
        return false;
    for (uint64_t page = 0; page * IMAGE_PAGE < table_bytes(v); page++)
        if (v->table_dirty[page] && !give_table_page(v, page, on_page, user, err))
            return false;
    for (uint64_t block = 0; block < v->header.block_count; block++)
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
    for (uint64_t block = 0; block < v->header.block_count; block++)
        v->known[block] &= (uint8_t) ~(IS_NEW | BITMAP_DIRTY);
    v->is_copy_wrong = false;
    v->committed_end = v->end;
}

static void vhd_forget(struct format *format)
{
    struct vhd *v = vhd_of(format);
    struct err unused = ERR_INIT;

    /* Not needed for safety: when it fails, the next session cuts it off. */
    if (v->began && format->file->size > v->committed_end + VHD_FOOTER &&
        image_file_resize(format->file, v->committed_end + VHD_FOOTER, &unused))
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

enum { TABLES = 3, PLACES_MAX = TABLES + VHD_LOCATORS };

struct place {
    uint64_t offset, len;
};

/* Where the file holds something else than blocks; moves the end behind all of it. */
static size_t list_places(struct vhd *v, struct place places[PLACES_MAX])
{
    const struct vhd_header *h = &v->header;
    uint64_t file_end = v->format.file->size - VHD_FOOTER;
    size_t count = 0;

    places[count++] = (struct place){ 0, VHD_FOOTER };
    places[count++] = (struct place){ h->header_at, VHD_DYNAMIC_HEADER };
    places[count++] = (struct place){ h->table_at, table_bytes(v) };
    for (unsigned i = 0; i < VHD_LOCATORS; i++) {
        const struct vhd_locator *locator = &h->locators[i];
        uint64_t end;

        if (locator->len == 0 || locator->offset > file_end ||
            locator->len > file_end - locator->offset)
            continue; /* names nothing */
        places[count++] = (struct place){ locator->offset, locator->len };
        /* Hyper-V may put a longer name there. */
        end = locator->offset + locator->space;
        if (end > file_end)
            end = file_end;
        v->end = v->end < end ? end : v->end;
    }
    for (size_t i = 0; i < count; i++)
        if (v->end < places[i].offset + places[i].len)
            v->end = places[i].offset + places[i].len;
    return count;
}

/* No two things may lie in the same place: writing one would destroy the other. */
static bool check_blocks(struct vhd *v, struct err *err)
{
    CLEANUP(free_cleanup) uint64_t *blocks = calloc(v->header.block_count, sizeof(*blocks));
    uint64_t len = (uint64_t)v->header.bitmap_bytes + v->header.block_bytes;
    const struct image_file *file = v->format.file;
    struct place places[PLACES_MAX];
    size_t count = 0, place_count = list_places(v, places);

    if (!blocks)
        return err_no_memory(err);
    for (size_t p = 0; p < place_count; p++)
        for (size_t other = 0; other < p && other < TABLES; other++)
            if (places[p].offset < places[other].offset + places[other].len &&
                places[other].offset < places[p].offset + places[p].len)
                return vhd_fail_damaged(file, "its tables lie on each other", err);
    for (uint32_t i = 0; i < v->header.block_count; i++)
        if (v->table[i] != NOT_PRESENT)
            blocks[count++] = block_at(v, i);
    qsort(blocks, count, sizeof(*blocks), by_number);
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] + len > file->size)
            return vhd_fail_damaged(file, "a block lies outside the file", err);
        if (i + 1 < count && blocks[i + 1] < blocks[i] + len)
            return vhd_fail_damaged(file, "two blocks lie in the same place", err);
        for (size_t p = 0; p < place_count; p++)
            if (blocks[i] < places[p].offset + places[p].len &&
                places[p].offset < blocks[i] + len)
                return vhd_fail_damaged(file, "a block lies on its tables", err);
        v->end = blocks[i] + len > v->end ? blocks[i] + len : v->end;
    }
    v->end = (v->end + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
    return true;
}

static bool read_table(struct vhd *v, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(table_bytes(v));

    v->table = calloc(v->header.block_count, sizeof(*v->table));
    v->table_dirty = calloc(table_bytes(v) / IMAGE_PAGE + 1, 1);
    v->known = calloc(v->header.block_count, 1);
    v->bitmap = malloc(v->header.bitmap_bytes);
    v->bitmap_block = UINT64_MAX;
    if (!bytes || !v->table || !v->table_dirty || !v->known || !v->bitmap)
        return err_no_memory(err);
    if (!image_file_read(v->format.file, v->header.table_at, bytes, table_bytes(v), err))
        return false;
    for (uint32_t i = 0; i < v->header.block_count; i++)
        v->table[i] = load_be32(bytes + (size_t)i * 4);
    return check_blocks(v, err);
}

/* ---- the parent ---- */

static bool is_parent(const struct image_file *file, void *user, struct err *err)
{
    const struct vhd *v = user;
    const struct image_file *child = v->format.file;
    struct vhd_header header;

    if (!vhd_is(file)) {
        err_fail(err, ERR_PROTOCOL, 0, "'%s', the parent disk of '%s', is no VHD",
                 file->path, child->path);
        return err_hint(err, "a disk and its parent are of one format; put the VHD that it "
                             "was made from there");
    }
    if (!vhd_header_read(file, &header, err))
        return false;
    if (!vhd_parent_is_it(&v->header, &header)) {
        err_fail(err, ERR_CONFLICT, 0, "'%s' is not the disk that '%s' was made from",
                 file->path, child->path);
        return err_hint(err, "its unique id is another: put the parent disk there, or say "
                             "with --parents which folder it is in");
    }
    return vhd_parent_is_unchanged(&v->header, &header, file) ||
           chain_fail_changed(file, child,
                              "; if the parent was only copied, copy it with its time "
                              "('cp -p', 'robocopy')",
                              err);
}

static bool open_parent(struct vhd *v, unsigned depth, struct err *err)
{
    struct parent_names names = { 0 };

    if (!chain_check_depth(depth, err) ||
        !vhd_parent_names(v->format.file, &v->header, &names, err))
        return false;
    v->parent_file = chain_find_parent(v->format.file, &names, is_parent, v, err);
    parent_names_clear(&names);
    if (!v->parent_file)
        return false;
    v->parent = vhd_open(v->parent_file, depth + 1, err);
    return v->parent != NULL;
}

static bool open_vhd(struct vhd *v, unsigned depth, struct err *err)
{
    static const char *const names[] = { [VHD_TYPE_FIXED] = "vhd-fixed",
                                         [VHD_TYPE_DYNAMIC] = "vhd-dynamic",
                                         [VHD_TYPE_DIFFERENCING] = "vhd-differencing" };

    if (!vhd_header_read(v->format.file, &v->header, err))
        return false;
    v->format.size = v->header.size;
    v->format.sector_bytes = VHD_SECTOR;
    snprintf(v->format.name, sizeof(v->format.name), "%s", names[v->header.type]);
    return v->header.type == VHD_TYPE_FIXED ||
           (read_table(v, err) &&
            (v->header.type != VHD_TYPE_DIFFERENCING || open_parent(v, depth, err)));
}

struct format *vhd_open(struct image_file *file, unsigned depth, struct err *err)
{
    struct vhd *v = calloc(1, sizeof(*v));

    if (!v) {
        err_no_memory(err);
        return NULL;
    }
    v->format.ops = &vhd_ops;
    v->format.file = file;
    if (!open_vhd(v, depth, err)) {
        vhd_close(&v->format);
        return NULL;
    }
    return &v->format;
}
