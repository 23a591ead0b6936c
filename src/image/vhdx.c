/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHDX: dynamic, fixed and differencing.
 *
 * The block allocation table (BAT) is held in memory.  A block made in this session lies
 * behind everything the table on disk names, so writing into it touches nothing anyone
 * sees; the changed pages of the table become durable with the disk's commit.  In a chain
 * only the leaf is written; what it lacks of a block is copied from the parents first.
 *
 * Source: [MS-VHDX]; GUIDs and order of updates 2.2.2, table 2.5, metadata 2.6.
 */

#include <string.h>

#include "chain.h"
#include "err.h"
#include "format.h"
#include "image-file.h"
#include "little-endian.h"
#include "os.h"
#include "text.h"
#include "vhdx-layout.h"
#include "vhdx-metadata.h"
#include "vhdx-parent.h"

enum {
    BAT_BYTES_MAX = 64 << 20, /* 8 TiB in blocks of 1 MiB, 256 TiB in those of 32 */
};

struct vhdx {
    struct format format;
    struct vhdx_header header;
    struct vhdx_regions regions;
    uint32_t block_bytes, chunk_ratio;
    uint64_t block_count, bat_count;
    uint64_t *bat;
    uint8_t *bat_dirty; /* one per page of the table */
    uint8_t *is_new;    /* one per block */
    uint64_t end;       /* behind everything in use */
    uint64_t committed_end;
    bool began;

    struct format *parent; /* NULL: none */
    struct image_file *parent_file;
    uint8_t *bitmap; /* of block bitmap_block, for partly present ones */
    uint64_t bitmap_block;
};

static struct vhdx *vhdx_of(struct format *format)
{
    return (struct vhdx *)format;
}

static bool fail_damaged(const struct vhdx *v, struct err *err, const char *what)
{
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' is a damaged VHDX: %s",
                    v->format.file->path, what);
}

static unsigned state_of(uint64_t entry)
{
    return entry & 7;
}

static uint64_t offset_of(uint64_t entry)
{
    return entry & ~(uint64_t)(VHDX_MIB - 1);
}

static uint64_t bat_index(const struct vhdx *v, uint64_t block)
{
    return block + block / v->chunk_ratio;
}

/* ---- opening ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* No two things may lie in the same place: writing one would destroy the other. */
static bool check_overlap(struct vhdx *v, const uint64_t *blocks, size_t count,
                          const uint64_t *bitmaps, size_t bitmap_count, struct err *err)
{
    const struct {
        uint64_t offset, len;
    } fixed[] = {
        { 0, VHDX_MIB },
        { v->header.log_offset, v->header.log_bytes },
        { v->regions.bat_offset, v->regions.bat_bytes },
        { v->regions.metadata_offset, v->regions.metadata_bytes },
    };
    size_t b = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t end = blocks[i] + v->block_bytes;

        if (i + 1 < count && blocks[i + 1] < end)
            return fail_damaged(v, err, "two blocks lie in the same place");
        for (size_t f = 0; f < ARRAY_LEN(fixed); f++)
            if (blocks[i] < fixed[f].offset + fixed[f].len && fixed[f].offset < end)
                return fail_damaged(v, err, "a block lies on its tables");
        while (b < bitmap_count && bitmaps[b] + VHDX_MIB <= blocks[i])
            b++;
        if (b < bitmap_count && bitmaps[b] < end)
            return fail_damaged(v, err, "a block lies on a sector bitmap");
    }
    return true;
}

static bool check_bat(struct vhdx *v, struct err *err)
{
    CLEANUP(free_cleanup) uint64_t *blocks = calloc(v->bat_count + 1, sizeof(*blocks));
    CLEANUP(free_cleanup) uint64_t *bitmaps = calloc(v->bat_count + 1, sizeof(*bitmaps));
    bool has_parent = v->bitmap != NULL;
    size_t count = 0, bitmap_count = 0;

    if (!blocks || !bitmaps)
        return err_no_memory(err);
    for (uint64_t i = 0; i < v->bat_count; i++) {
        bool is_bitmap = i % (v->chunk_ratio + 1) == v->chunk_ratio;
        uint64_t offset = offset_of(v->bat[i]);
        unsigned state = state_of(v->bat[i]);
        uint64_t len = is_bitmap ? VHDX_MIB : v->block_bytes;

        if (is_bitmap
                ? state != 0 && state != VHDX_PRESENT
                : state == 4 || state == 5 || (state == VHDX_PARTLY_PRESENT && !has_parent))
            return fail_damaged(v, err, "a block has an unknown state");
        if (state != VHDX_PRESENT && state != VHDX_PARTLY_PRESENT)
            continue;
        if (offset < VHDX_MIB || offset > v->format.file->size ||
            len > v->format.file->size - offset)
            return fail_damaged(v, err, "a block lies outside the file");
        if (v->end < offset + len)
            v->end = offset + len;
        if (is_bitmap)
            bitmaps[bitmap_count++] = offset;
        else
            blocks[count++] = offset;
        if (state == VHDX_PARTLY_PRESENT) {
            uint64_t at = i - i % (v->chunk_ratio + 1) + v->chunk_ratio;

            if (at >= v->bat_count || state_of(v->bat[at]) != VHDX_PRESENT)
                return fail_damaged(v, err, "a sector bitmap is missing");
        }
    }
    qsort(blocks, count, sizeof(*blocks), by_number);
    qsort(bitmaps, bitmap_count, sizeof(*bitmaps), by_number);
    return check_overlap(v, blocks, count, bitmaps, bitmap_count, err);
}

static bool read_bat(struct vhdx *v, const struct vhdx_metadata *m, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    bool has_parent = m->flags & 2;
    size_t len;

    v->block_bytes = m->block_bytes;
    v->chunk_ratio = vhdx_chunk_ratio(m->logical, m->block_bytes);
    v->block_count = (m->size + m->block_bytes - 1) / m->block_bytes;
    v->bat_count = has_parent ? (v->block_count + v->chunk_ratio - 1) / v->chunk_ratio *
                                    (v->chunk_ratio + 1)
                              : v->block_count + (v->block_count - 1) / v->chunk_ratio;
    if (v->bat_count > v->regions.bat_bytes / 8)
        return fail_damaged(v, err, "its block table is too short for its size");
    if (v->bat_count > BAT_BYTES_MAX / 8) {
        err_fail(err, ERR_UNSUPPORTED, 0, "'%s' has too many blocks (%llu)",
                 v->format.file->path, (unsigned long long)v->bat_count);
        return err_hint(err, "give it larger ones: Convert-VHD -BlockSizeBytes 32MB");
    }
    len = v->bat_count * 8;
    bytes = malloc(len);
    v->bat = calloc(v->bat_count, sizeof(*v->bat));
    v->bat_dirty = calloc(len / IMAGE_PAGE + 1, 1);
    v->is_new = calloc(v->block_count, 1);
    if (has_parent)
        v->bitmap = calloc(v->block_bytes / m->logical / 8 + 1, 1);
    if (!bytes || !v->bat || !v->bat_dirty || !v->is_new || (has_parent && !v->bitmap))
        return err_no_memory(err);
    v->bitmap_block = UINT64_MAX;
    if (!image_file_read(v->format.file, v->regions.bat_offset, bytes, len, err))
        return false;
    for (uint64_t i = 0; i < v->bat_count; i++)
        v->bat[i] = load_u64(bytes + i * 8);
    return check_bat(v, err);
}

static void vhdx_close(struct format *format)
{
    struct vhdx *v = vhdx_of(format);

    format_close(v->parent);
    image_file_close(v->parent_file);
    free(v->bat);
    free(v->bat_dirty);
    free(v->is_new);
    free(v->bitmap);
    free(v);
}

/* ---- mapping ---- */

/* The sector bitmap of a partly present block, 2.5.2: bit set = the sector is here. */
static bool load_bitmap(struct vhdx *v, uint64_t block, struct err *err)
{
    uint64_t index = bat_index(v, block);
    uint64_t at = index - index % (v->chunk_ratio + 1) + v->chunk_ratio;
    size_t len = v->block_bytes / v->format.sector_bytes / 8;

    if (v->bitmap_block == block)
        return true;
    v->bitmap_block = UINT64_MAX;
    if (!image_file_read(v->format.file,
                         offset_of(v->bat[at]) + block % v->chunk_ratio * len, v->bitmap,
                         len, err))
        return false;
    v->bitmap_block = block;
    return true;
}

static bool bit_of(const struct vhdx *v, uint64_t sector)
{
    return v->bitmap[sector / 8] >> (sector % 8) & 1;
}

static bool vhdx_map(struct format *format, uint64_t offset, uint64_t len,
                     struct extent *ret, struct err *err)
{
    struct vhdx *v = vhdx_of(format);
    uint64_t block = offset / v->block_bytes, within = offset % v->block_bytes;
    uint64_t entry = v->bat[bat_index(v, block)];
    uint32_t sector_bytes = format->sector_bytes;
    uint64_t sector, end;
    bool is_here;

    if (len > v->block_bytes - within)
        len = v->block_bytes - within;
    switch (state_of(entry)) {
    case VHDX_PRESENT:
        *ret = (struct extent){ .file = format->file,
                                .file_offset = offset_of(entry) + within,
                                .len = len,
                                .is_own = true,
                                .is_new = v->is_new[block] };
        return true;
    case VHDX_PARTLY_PRESENT:
        break;
    case VHDX_NOT_PRESENT:
    case VHDX_UNDEFINED:
        if (v->parent)
            return chain_map(v->parent, offset, len, ret, err);
        __attribute__((fallthrough));
    default:
        *ret = (struct extent){ .len = len };
        return true;
    }
    if (!load_bitmap(v, block, err))
        return false;
    sector = within / sector_bytes;
    is_here = bit_of(v, sector);
    for (end = sector + 1; end * sector_bytes < within + len; end++)
        if (bit_of(v, end) != is_here)
            break;
    if (end * sector_bytes - within < len)
        len = end * sector_bytes - within;
    if (!is_here)
        return chain_map(v->parent, offset, len, ret, err);
    *ret = (struct extent){ .file = format->file,
                            .file_offset = offset_of(entry) + within,
                            .len = len,
                            .is_own = true };
    return true;
}

/* ---- changing ---- */

static bool vhdx_begin(struct format *format, struct err *err)
{
    struct vhdx *v = vhdx_of(format);

    /* New GUIDs before the first change: whoever remembers the old ones (a journal of an
     * earlier session, a child disk) sees that the file was written. */
    if (!os_random(v->header.file_write_guid, 16) ||
        !os_random(v->header.data_write_guid, 16))
        return err_fail(err, ERR_SYSTEM, 0, "the system has no random numbers");
    if (!vhdx_header_write(format->file, &v->header, err))
        return false;
    memcpy(format->identity, v->header.file_write_guid, 16);
    memcpy(format->identity + 16, v->header.data_write_guid, 16);
    v->began = true;
    v->committed_end = v->end;
    /* What a killed session left behind everything in use would show through in new
     * blocks. */
    if (format->file->size > v->end)
        return image_file_resize(format->file, v->end, err);
    return true;
}

static void set_entry(struct vhdx *v, uint64_t block, uint64_t offset)
{
    uint64_t index = bat_index(v, block);

    v->bat[index] = offset | VHDX_PRESENT;
    v->bat_dirty[index * 8 / IMAGE_PAGE] = 1;
}

/* Fills the sectors a partly present block lacks.  Nobody sees them before the block
 * table says that the block is whole. */
static bool complete_block(struct vhdx *v, uint64_t block, struct err *err)
{
    uint64_t offset = offset_of(v->bat[bat_index(v, block)]);
    uint64_t start = block * v->block_bytes;
    uint32_t sector_bytes = v->format.sector_bytes;
    uint64_t sectors = v->block_bytes / sector_bytes;

    if (!load_bitmap(v, block, err))
        return false;
    for (uint64_t i = 0; i < sectors; i++) {
        uint64_t from = i;

        if (bit_of(v, i))
            continue;
        while (i + 1 < sectors && !bit_of(v, i + 1))
            i++;
        /* The old content of these places is rubbish, also where the parent has zeros. */
        for (uint64_t s = from; s <= i; s++) {
            static const uint8_t zeros[4096];

            if (!image_file_write(v->format.file, offset + s * sector_bytes, zeros,
                                  sector_bytes, err))
                return false;
        }
        if (!chain_copy_up(v->parent, start + from * sector_bytes,
                           (i + 1 - from) * sector_bytes, v->format.file,
                           offset + from * sector_bytes, err))
            return false;
    }
    set_entry(v, block, offset);
    return true;
}

static bool vhdx_make_room(struct format *format, uint64_t offset, struct err *err)
{
    struct vhdx *v = vhdx_of(format);
    uint64_t block = offset / v->block_bytes;
    unsigned state = state_of(v->bat[bat_index(v, block)]);
    uint64_t at = v->end;

    if (state == VHDX_PRESENT)
        return true;
    if (state == VHDX_PARTLY_PRESENT)
        return complete_block(v, block, err);
    if (!image_file_resize(format->file, at + v->block_bytes, err))
        return false;
    if (v->parent && (state == VHDX_NOT_PRESENT || state == VHDX_UNDEFINED) &&
        !chain_copy_up(v->parent, block * v->block_bytes, v->block_bytes, format->file, at,
                       err))
        return false;
    v->end = at + v->block_bytes;
    v->is_new[block] = 1;
    set_entry(v, block, at);
    return true;
}

static bool vhdx_each_page(struct format *format, format_page_fn *on_page, void *user,
                           struct err *err)
{
    struct vhdx *v = vhdx_of(format);
    uint64_t per_page = IMAGE_PAGE / 8;

    for (uint64_t page = 0; page * per_page < v->bat_count; page++) {
        uint8_t bytes[IMAGE_PAGE] = { 0 };

        if (!v->bat_dirty[page])
            continue;
        for (uint64_t i = 0; i < per_page && page * per_page + i < v->bat_count; i++)
            store_u64(bytes + i * 8, v->bat[page * per_page + i]);
        if (!on_page(user, v->regions.bat_offset + page * IMAGE_PAGE, bytes, IMAGE_PAGE,
                     err))
            return false;
    }
    return true;
}

static void vhdx_committed(struct format *format)
{
    struct vhdx *v = vhdx_of(format);

    memset(v->bat_dirty, 0, v->bat_count * 8 / IMAGE_PAGE + 1);
    memset(v->is_new, 0, v->block_count);
    v->committed_end = v->end;
}

static void vhdx_forget(struct format *format)
{
    struct vhdx *v = vhdx_of(format);
    struct err unused = ERR_INIT;

    /* Not needed for safety: when it fails, the next session cuts it off. */
    if (v->began && format->file->size > v->committed_end &&
        image_file_resize(format->file, v->committed_end, &unused))
        v->end = v->committed_end;
}

static const struct format_ops vhdx_ops = {
    .close = vhdx_close,
    .map = vhdx_map,
    .begin = vhdx_begin,
    .make_room = vhdx_make_room,
    .each_page = vhdx_each_page,
    .committed = vhdx_committed,
    .forget = vhdx_forget,
};

bool vhdx_is(const struct image_file *file)
{
    struct err unused = ERR_INIT;
    char signature[8];

    return file->size >= sizeof(signature) &&
           image_file_read(file, 0, signature, sizeof(signature), &unused) &&
           memcmp(signature, "vhdxfile", 8) == 0;
}

struct link {
    const struct vhdx *child;
    const struct vhdx_locator *locator;
};

static bool is_parent(const struct image_file *file, void *user, struct err *err)
{
    const struct link *link = user;
    const struct image_file *child = link->child->format.file;
    struct vhdx_header header;

    if (!vhdx_is(file))
        return err_fail(err, ERR_PROTOCOL, 0, "'%s', the parent disk of '%s', is no VHDX",
                        file->path, child->path);
    return vhdx_header_read(file, &header, err) &&
           (vhdx_locator_fits(link->locator, header.data_write_guid) ||
            chain_fail_changed(file, child, "", err));
}

static bool open_parent(struct vhdx *v, const struct vhdx_metadata *m, unsigned depth,
                        struct err *err)
{
    struct vhdx_locator locator = { 0 };
    struct link link = { v, &locator };

    if (!chain_check_depth(depth, err) ||
        !vhdx_locator_read(v->format.file, m->locator_offset, m->locator_bytes, &locator,
                           err))
        return false;
    v->parent_file =
        chain_find_parent(v->format.file, &locator.names, is_parent, &link, err);
    vhdx_locator_clear(&locator);
    if (!v->parent_file)
        return false;
    v->parent = vhdx_open(v->parent_file, depth + 1, err);
    if (!v->parent)
        return false;
    if (v->parent->sector_bytes != v->format.sector_bytes)
        return fail_damaged(v, err, "its sector size is not its parent's");
    return true;
}

struct format *vhdx_open(struct image_file *file, unsigned depth, struct err *err)
{
    static const uint8_t no_guid[16];
    struct vhdx *v = calloc(1, sizeof(*v));
    struct vhdx_metadata m = { 0 };

    if (!v) {
        err_no_memory(err);
        return NULL;
    }
    v->format.ops = &vhdx_ops;
    v->format.file = file;
    if (!vhdx_header_read(file, &v->header, err))
        goto failed;
    if (v->header.log_offset > (uint64_t)1 << 50) {
        fail_damaged(v, err, "its log lies nowhere");
        goto failed;
    }
    v->format.had_log = memcmp(v->header.log_guid, no_guid, 16) != 0;
    if (v->format.had_log && !vhdx_log_replay(file, &v->header, err))
        goto failed;
    if (!vhdx_regions_read(file, &v->header, &v->regions, err) ||
        !vhdx_metadata_read(file, &v->regions, &m, err))
        goto failed;
    v->end = v->regions.end;
    v->format.size = m.size;
    v->format.sector_bytes = m.logical;
    memcpy(v->format.identity, v->header.file_write_guid, 16);
    memcpy(v->format.identity + 16, v->header.data_write_guid, 16);
    snprintf(v->format.name, sizeof(v->format.name), "vhdx-%s",
             m.flags & 2   ? "differencing"
             : m.flags & 1 ? "fixed"
                           : "dynamic");
    if (!read_bat(v, &m, err))
        goto failed;
    if ((m.flags & 2) && !open_parent(v, &m, depth, err))
        goto failed;
    return &v->format;
failed:
    vhdx_close(&v->format);
    return NULL;
}
