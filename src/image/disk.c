/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual disk and its transaction.
 *
 * A change goes straight to the file when nobody can miss what was there: into blocks the
 * format made in this session and into clusters the file system had free at its start.
 * Everything else stays in memory, by pages, until disk_commit() puts it with the changed
 * pages of the format's tables into a journal and then in place.
 */

#include <string.h>

#include "chain.h"
#include "commit-journal.h"
#include "disk-internal.h"
#include "err.h"
#include "format.h"
#include "image-file.h"
#include "pages.h"

enum {
    DIRECT_BYTES = 32 << 10, /* shorter writes are gathered in pages */
    BATCH_BYTES = 1 << 20,
    FLUSH_DIRTY_PAGES = 4096,
};

struct disk {
    struct image_file *file;
    struct format *format;
    enum disk_mode mode;
    struct pages pages;
    size_t stuck_pages; /* dirty pages the last flush had to keep */
    const struct disk_free_map *free_map;
    uint8_t *batch; /* BATCH_BYTES, for flushing */
    bool began;
    bool is_spoiled;
    bool is_committing; /* the tail of the file may be in use already */
    bool cannot_share;  /* blocks with other files: the file system said so */
    bool has_scratch;   /* open for reading; changes stay in memory and are lost */
};

/* ---- opening ---- */

static bool open_format(struct disk *disk, const char *path, const char *parents,
                        enum image_file_lock lock, struct err *err)
{
    disk->file = image_file_open(path, lock, err);
    if (!disk->file)
        return false;
    disk->file->parents = parents;
    disk->format = format_open(disk->file, err);
    return disk->format != NULL;
}

static void close_format(struct disk *disk)
{
    format_close(disk->format);
    image_file_close(disk->file);
    disk->format = NULL;
    disk->file = NULL;
}

/* An interrupted commit is finished before anyone looks, and whoever only reads needs the
 * right to write for that. */
static bool finish_commit(const char *path, const char *parents, struct err *err)
{
    struct disk disk = { 0 };
    bool ok;

    if (!commit_journal_exists(path))
        return true;
    ok = open_format(&disk, path, parents, IMAGE_LOCK_WRITE, err) &&
         commit_journal_recover(disk.file, disk.format->identity, err);
    close_format(&disk);
    if (!ok)
        err_wrap(err, "finishing an interrupted change of '%s'", path);
    return ok;
}

struct disk *disk_open(const char *path, enum disk_mode mode, struct err *err)
{
    return disk_open_chain(path, NULL, mode, err);
}

struct disk *disk_open_chain(const char *path, const char *parents, enum disk_mode mode,
                             struct err *err)
{
    CLEANUP(disk_cleanup) struct disk *disk = NULL;

    if (!finish_commit(path, parents, err))
        return NULL;
    disk = calloc(1, sizeof(*disk));
    if (!disk) {
        err_no_memory(err);
        return NULL;
    }
    disk->mode = mode;
    disk->batch = malloc(BATCH_BYTES);
    if (!disk->batch) {
        err_no_memory(err);
        return NULL;
    }
    if (!open_format(disk, path, parents,
                     mode == DISK_WRITE ? IMAGE_LOCK_WRITE : IMAGE_LOCK_READ, err))
        return NULL;
    return TAKE(disk);
}

bool disk_can_write(const char *path, struct err *err)
{
    struct image_file *file = image_file_open(path, IMAGE_LOCK_WRITE, err);

    image_file_close(file);
    return file != NULL;
}

void disk_close(struct disk *disk)
{
    if (!disk)
        return;
    if (disk->began && !disk->is_committing && disk->format && disk->format->ops->forget)
        disk->format->ops->forget(disk->format);
    close_format(disk);
    pages_clear(&disk->pages);
    free(disk->batch);
    free(disk);
}

const char *disk_format(const struct disk *disk)
{
    return disk->format->name;
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->format->size;
}

uint32_t disk_sector_bytes(const struct disk *disk)
{
    return disk->format->sector_bytes;
}

const char *disk_path(const struct disk *disk)
{
    return disk->file->path;
}

void disk_find_child(const struct disk *disk, char *ret_name, size_t size)
{
    chain_find_child(disk->file, disk->format->identity + 16, ret_name, size);
}

bool disk_had_log(const struct disk *disk)
{
    return disk->format->had_log;
}

bool disk_is_writable(const struct disk *disk)
{
    return disk->mode == DISK_WRITE;
}

uint64_t disk_dirty_bytes(const struct disk *disk)
{
    return (uint64_t)disk->pages.dirty * IMAGE_PAGE;
}

void disk_keep_in_memory(struct disk *disk)
{
    disk->has_scratch = true;
}

void disk_spoil(struct disk *disk)
{
    disk->is_spoiled = true;
}

static bool check_range(const struct disk *disk, uint64_t offset, size_t len,
                        struct err *err)
{
    if (offset <= disk->format->size && len <= disk->format->size - offset)
        return true;
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' ends before byte %llu", disk->file->path,
                    (unsigned long long)(offset + len));
}

/* ---- reading ---- */

static bool read_file(struct disk *disk, uint64_t offset, uint8_t *to, size_t len,
                      struct err *err)
{
    while (len) {
        struct extent extent;

        if (!disk->format->ops->map(disk->format, offset, len, &extent, err))
            return false;
        if (!extent.file)
            memset(to, 0, extent.len);
        else if (!image_file_read(extent.file, extent.file_offset, to, extent.len, err))
            return false;
        offset += extent.len;
        to += extent.len;
        len -= extent.len;
    }
    return true;
}

/* Bytes of page @number that belong to the disk. */
static size_t page_len(const struct disk *disk, uint64_t number)
{
    uint64_t left = disk->format->size - number * IMAGE_PAGE;

    return left < IMAGE_PAGE ? (size_t)left : IMAGE_PAGE;
}

static struct page *get_page(struct disk *disk, uint64_t number, struct err *err)
{
    struct page *page = pages_find(&disk->pages, number);
    size_t len = page_len(disk, number);

    if (page)
        return page;
    page = pages_add(&disk->pages, number);
    if (!page) {
        err_no_memory(err);
        return NULL;
    }
    memset(page->bytes + len, 0, IMAGE_PAGE - len);
    if (!read_file(disk, number * IMAGE_PAGE, page->bytes, len, err)) {
        pages_remove(&disk->pages, number);
        return NULL;
    }
    return page;
}

bool disk_read(struct disk *disk, uint64_t offset, void *to, size_t len, struct err *err)
{
    uint8_t *at = to;

    if (!check_range(disk, offset, len, err))
        return false;
    if (len >= DIRECT_BYTES) {
        uint64_t first = offset / IMAGE_PAGE, last = (offset + len - 1) / IMAGE_PAGE;

        if (!read_file(disk, offset, at, len, err))
            return false;
        for (uint64_t n = first; disk->pages.dirty && n <= last; n++) {
            const struct page *page = pages_find(&disk->pages, n);
            uint64_t start = n * IMAGE_PAGE, from = start > offset ? start : offset;
            uint64_t end = start + IMAGE_PAGE;

            if (!page || !page->is_dirty)
                continue;
            if (end > offset + len)
                end = offset + len;
            memcpy(at + (from - offset), page->bytes + (from - start), end - from);
        }
        return true;
    }
    while (len) {
        size_t within = offset % IMAGE_PAGE;
        size_t piece = IMAGE_PAGE - within < len ? IMAGE_PAGE - within : len;
        const struct page *page = get_page(disk, offset / IMAGE_PAGE, err);

        if (!page)
            return false;
        memcpy(at, page->bytes + within, piece);
        offset += piece;
        at += piece;
        len -= piece;
    }
    return true;
}

/* ---- writing ---- */

static bool begin(struct disk *disk, struct err *err)
{
    if (disk->began)
        return true;
    if (disk->format->ops->begin && !disk->format->ops->begin(disk->format, err))
        return false;
    disk->began = true;
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* May [@offset, @offset + @len), within one extent, be written at once? */
static bool is_unseen(const struct disk *disk, const struct extent *extent, uint64_t offset,
                      uint64_t len)
{
    if (extent->is_new)
        return true;
    return disk->free_map && disk->free_map->is_free(disk->free_map->user, offset, len);
}

/* Makes the extent at @offset one of the own file. */
static bool make_room(struct disk *disk, uint64_t offset, uint64_t len,
                      struct extent *extent, struct err *err)
{
    struct format *format = disk->format;

    /* Making room shows nothing: the block is known to this session only.  A block that
     * had parts here before stays seen; the second map() tells. */
    if (!begin(disk, err))
        return false;
    if (format->ops->make_room && !format->ops->make_room(format, offset, err)) {
        disk->is_spoiled = true; /* what the block got may show through in the next one */
        return false;
    }
    return format->ops->map(format, offset, len, extent, err);
}

/* Writes what may be written at once.  *ret_done: how much from the start on (0: the
 * first page must wait for the commit). */
static bool write_through(struct disk *disk, uint64_t offset, const uint8_t *from,
                          size_t len, size_t *ret_done, struct err *err)
{
    struct format *format = disk->format;
    struct extent extent;
    bool was_absent;

    *ret_done = 0;
    if (disk->mode != DISK_WRITE)
        return true;
    if (!format->ops->map(format, offset, len, &extent, err))
        return false;
    was_absent = !extent.file;
    /* Zeros need no block; but less than a page of them would leave its rest without one. */
    if (was_absent && (extent.len == len || extent.len % IMAGE_PAGE == 0) &&
        is_zero(from, extent.len)) {
        *ret_done = extent.len;
        return true;
    }
    if ((!extent.is_own || (extent.len < len && extent.len % IMAGE_PAGE)) &&
        !make_room(disk, offset, len, &extent, err))
        return false;
    if (!is_unseen(disk, &extent, offset, extent.len)) {
        /* Perhaps a part of it. */
        uint64_t part = 0;

        while (part < extent.len) {
            uint64_t n = extent.len - part < IMAGE_PAGE ? extent.len - part : IMAGE_PAGE;

            if (!is_unseen(disk, &extent, offset + part, n))
                break;
            part += n;
        }
        extent.len = part;
        if (part == 0)
            return true;
    }
    if (!begin(disk, err) ||
        !image_file_write(disk->file, extent.file_offset, from, extent.len, err))
        return false;
    if (extent.len >= DIRECT_BYTES)
        image_file_start_writeback(disk->file, extent.file_offset, extent.len);
    *ret_done = extent.len;
    return true;
}

bool disk_may_share(const struct disk *disk)
{
    return disk->mode == DISK_WRITE && !disk->cannot_share;
}

bool disk_share(struct disk *disk, uint64_t offset, int fd, uint64_t from, size_t len,
                size_t *ret_done, struct err *err)
{
    struct format *format = disk->format;

    *ret_done = 0;
    if (!check_range(disk, offset, len, err))
        return false;
    while (disk_may_share(disk) && len >= IMAGE_PAGE && offset % IMAGE_PAGE == 0 &&
           from % IMAGE_PAGE == 0) {
        struct extent extent;
        bool is_shared = false;

        if (!format->ops->map(format, offset, len, &extent, err) ||
            (!extent.is_own && !make_room(disk, offset, len, &extent, err)))
            return false;
        extent.len -= extent.len % IMAGE_PAGE;
        if (extent.len == 0 || extent.file_offset % IMAGE_PAGE ||
            !is_unseen(disk, &extent, offset, extent.len))
            return true;
        if (!begin(disk, err) || !image_file_share(disk->file, extent.file_offset, fd, from,
                                                   extent.len, &is_shared, err))
            return false;
        disk->cannot_share = !is_shared;
        if (!is_shared)
            return true;
        for (uint64_t i = 0; i < extent.len; i += IMAGE_PAGE)
            pages_remove(&disk->pages, (offset + i) / IMAGE_PAGE);
        *ret_done += extent.len;
        offset += extent.len;
        from += extent.len;
        len -= extent.len;
    }
    return true;
}

/* Writes a run of neighbouring changed pages; marks clean what got through. */
static bool flush_run(struct disk *disk, struct page **run, size_t count, struct err *err)
{
    size_t at = 0, len = 0;

    /* Only the disk's last page is shorter than others: each has its place. */
    for (size_t i = 0; i < count; i++) {
        memcpy(disk->batch + len, run[i]->bytes, IMAGE_PAGE);
        len += page_len(disk, run[i]->number);
    }
    while (at < count) {
        size_t from = at * IMAGE_PAGE, done = 0;

        if (!write_through(disk, run[at]->number * IMAGE_PAGE, disk->batch + from,
                           len - from, &done, err))
            return false;
        if (done < page_len(disk, run[at]->number)) {
            disk->stuck_pages++;
            at++;
            continue;
        }
        while (at < count && done >= page_len(disk, run[at]->number)) {
            done -= page_len(disk, run[at]->number);
            pages_mark_clean(&disk->pages, run[at++]);
        }
    }
    return true;
}

static bool flush(struct disk *disk, struct err *err)
{
    size_t count = 0;
    CLEANUP(free_cleanup) struct page **sorted = pages_sorted_dirty(&disk->pages, &count);

    if (!sorted)
        return err_no_memory(err);
    disk->stuck_pages = 0;
    for (size_t at = 0; at < count;) {
        size_t n = 1;

        while (at + n < count && n < BATCH_BYTES / IMAGE_PAGE &&
               sorted[at + n]->number == sorted[at]->number + n)
            n++;
        if (!flush_run(disk, sorted + at, n, err))
            return false;
        at += n;
    }
    pages_drop_clean(&disk->pages);
    return true;
}

/* Is there nothing at page @number that anybody could miss?  Reading it to compare would
 * only make the kernel read ahead what is about to be written. */
static bool is_unseen_page(struct disk *disk, uint64_t number, bool *ret, struct err *err)
{
    uint64_t offset = number * IMAGE_PAGE;
    size_t len = page_len(disk, number);
    struct extent extent;

    if (!disk->format->ops->map(disk->format, offset, len, &extent, err))
        return false;
    *ret = extent.file && extent.is_own && extent.len == len &&
           is_unseen(disk, &extent, offset, len);
    return true;
}

/* The page to be written from @within on.  *ret_is_fresh: what it holds means nothing. */
static struct page *page_to_write(struct disk *disk, uint64_t number, size_t within,
                                  size_t len, bool *ret_is_fresh, struct err *err)
{
    bool is_whole = within == 0 && len == page_len(disk, number);
    struct page *page = pages_find(&disk->pages, number);

    *ret_is_fresh = false;
    if (!page && is_whole && !is_unseen_page(disk, number, ret_is_fresh, err))
        return NULL;
    if (!*ret_is_fresh)
        return get_page(disk, number, err);
    page = pages_add(&disk->pages, number);
    if (!page)
        err_no_memory(err);
    else
        memset(page->bytes, 0, IMAGE_PAGE);
    return page;
}

static bool write_page(struct disk *disk, uint64_t offset, const uint8_t *from, size_t len,
                       struct err *err)
{
    size_t within = offset % IMAGE_PAGE;
    bool is_fresh;
    struct page *page =
        page_to_write(disk, offset / IMAGE_PAGE, within, len, &is_fresh, err);

    if (!page)
        return false;
    if (!is_fresh && memcmp(page->bytes + within, from, len) == 0)
        return true; /* nothing changes: nothing to commit */
    memcpy(page->bytes + within, from, len);
    pages_mark_dirty(&disk->pages, page);
    if (disk->pages.dirty > PAGES_DIRTY_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "more than %d MiB would have to change at once",
                        PAGES_DIRTY_MAX / 256);
    if (disk->mode == DISK_WRITE &&
        disk->pages.dirty >= disk->stuck_pages + FLUSH_DIRTY_PAGES)
        return flush(disk, err);
    return true;
}

bool disk_write(struct disk *disk, uint64_t offset, const void *from, size_t len,
                struct err *err)
{
    const uint8_t *at = from;

    if (!check_range(disk, offset, len, err))
        return false;
    if (disk->mode != DISK_WRITE && !disk->has_scratch)
        return err_fail(err, ERR_INVALID, 0, "'%s' is open for reading only",
                        disk->file->path);
    while (len) {
        size_t within = offset % IMAGE_PAGE, done = 0;
        size_t piece = IMAGE_PAGE - within < len ? IMAGE_PAGE - within : len;

        if (within == 0 && len >= DIRECT_BYTES) {
            size_t whole = len / IMAGE_PAGE * IMAGE_PAGE;

            if (!write_through(disk, offset, at, whole, &done, err))
                return false;
            done = done / IMAGE_PAGE * IMAGE_PAGE;
            for (size_t i = 0; i < done; i += IMAGE_PAGE)
                pages_remove(&disk->pages, (offset + i) / IMAGE_PAGE);
        }
        if (done == 0) {
            if (!write_page(disk, offset, at, piece, err))
                return false;
            done = piece;
        }
        offset += done;
        at += done;
        len -= done;
    }
    return true;
}

bool disk_set_free_map(struct disk *disk, const struct disk_free_map *map, struct err *err)
{
    if (map && disk->free_map)
        return err_fail(err, ERR_INVALID, 0,
                        "one volume of a disk is open for writing already");
    /* The map that ends is the last to know which pages may be written at once. */
    if (!map && disk->free_map && disk->mode == DISK_WRITE && !disk->is_spoiled &&
        !flush(disk, err))
        return false;
    disk->free_map = map;
    return true;
}

/* ---- commit ---- */

static bool add_page(void *user, uint64_t file_offset, const uint8_t *bytes, size_t len,
                     struct err *err)
{
    return commit_journal_add(user, file_offset, bytes, len, err);
}

/* What is still changed after a flush lies in blocks of the own file; write_through()
 * made room where it had to. */
static bool add_changed(struct disk *disk, struct commit_journal *journal, struct err *err)
{
    size_t count = 0;
    CLEANUP(free_cleanup) struct page **sorted = pages_sorted_dirty(&disk->pages, &count);

    if (!sorted)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = sorted[i]->number * IMAGE_PAGE;
        size_t len = page_len(disk, sorted[i]->number), done = 0;

        while (done < len) {
            struct extent extent;

            if (!disk->format->ops->map(disk->format, offset + done, len - done, &extent,
                                        err))
                return false;
            if (!extent.file || !extent.is_own)
                return err_fail(err, ERR_PROTOCOL, 0, "'%s' lost a block",
                                disk->file->path);
            if (!commit_journal_add(journal, extent.file_offset, sorted[i]->bytes + done,
                                    extent.len, err))
                return false;
            done += extent.len;
        }
    }
    return true;
}

static bool commit_pages(struct disk *disk, struct err *err)
{
    CLEANUP(commit_journal_cleanup) struct commit_journal *journal = NULL;
    const struct format_ops *ops = disk->format->ops;

    /* First what nobody sees yet, so that the journal never leads to rubbish. */
    if (!image_file_sync(disk->file, err))
        return false;
    disk->is_committing = true;
    journal = commit_journal_new(disk->file, disk->format->identity, err);
    if (!journal || !add_changed(disk, journal, err) ||
        (ops->each_page && !ops->each_page(disk->format, add_page, journal, err)))
        return false;
    return commit_journal_apply(journal, err);
}

bool disk_commit(struct disk *disk, struct err *err)
{
    if (disk->mode != DISK_WRITE)
        return err_fail(err, ERR_INVALID, 0, "'%s' is open for reading only",
                        disk->file->path);
    if (disk->is_spoiled)
        return err_fail(err, ERR_INVALID, 0,
                        "a change of '%s' failed half-way: nothing is committed",
                        disk->file->path);
    if (disk->free_map)
        return err_fail(err, ERR_INVALID, 0, "a volume of '%s' is still open for writing",
                        disk->file->path);
    if (!disk->began && disk->pages.dirty == 0)
        return true; /* nothing changed */
    if (!begin(disk, err) || !flush(disk, err) || !commit_pages(disk, err)) {
        /* Half of it may be in place: this session cannot go on. */
        disk->is_spoiled = true;
        return err_wrap(err, "writing the changes of '%s'", disk->file->path);
    }
    if (disk->format->ops->committed)
        disk->format->ops->committed(disk->format);
    disk->is_committing = false;
    pages_clear(&disk->pages);
    return true;
}
