/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local file an image lies in: positioned reads and writes, locks, durability.
 * All platform code of this folder is behind this header.
 *
 * Every change of a file passes image_file_watch, so that a test can record the changes
 * and cut the power between any two of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;

enum { IMAGE_PAGE = 4096 };

/* Bytes that differ from the file's own: a VHDX log replayed into memory. */
struct image_overlay {
    uint64_t offset, len;
    uint8_t *bytes; /* owned; NULL: zeros */
};

struct image_file {
    int fd;
    char *path;
    bool writable;
    uint64_t size;
    int64_t mtime_sec; /* when it was opened: its last change, since 1970, UTC */
    struct image_overlay *overlays; /* later ones win; read-only files only */
    size_t overlay_count;
    const char *parents; /* lent: a further folder that a child's parents may lie in or
                          * below; NULL: none */
};

enum image_file_lock {
    IMAGE_LOCK_READ,
    IMAGE_LOCK_WRITE, /* excludes everybody, QEMU too */
};

/* ERR_NOT_FOUND, ERR_DENIED; ERR_CONFLICT: in use; ERR_INVALID: no regular file. */
struct image_file *image_file_open(const char *path, enum image_file_lock lock,
                                   struct err *err);
/* A new file; ERR_CONFLICT when there is one. */
struct image_file *image_file_create(const char *path, struct err *err);
void image_file_close(struct image_file *file);
DEFINE_CLEANUP(image_file_cleanup, struct image_file *, image_file_close)

/* Reading beyond the end is an error (ERR_PROTOCOL): the file was cut off. */
bool image_file_read(const struct image_file *file, uint64_t offset, void *to, size_t len,
                     struct err *err) MUST_CHECK;
bool image_file_write(struct image_file *file, uint64_t offset, const void *from,
                      size_t len, struct err *err) MUST_CHECK;
/* Makes [@offset, @offset + @len) share its blocks with @len bytes of another file from
 * @from on, where the file system can (XFS, Btrfs); all numbers in whole pages.
 * *ret_shared false: it cannot, and nothing changed. */
bool image_file_share(struct image_file *file, uint64_t offset, int other, uint64_t from,
                      size_t len, bool *ret_shared, struct err *err) MUST_CHECK;
bool image_file_resize(struct image_file *file, uint64_t size, struct err *err) MUST_CHECK;
/* What was written is on the disk. */
bool image_file_sync(struct image_file *file, struct err *err) MUST_CHECK;
/* Says that [@offset, @offset + @len) will not change soon: the system may start writing. */
void image_file_start_writeback(struct image_file *file, uint64_t offset, size_t len);

/* Removes @path; with the folder synced, so that it stays removed. */
bool image_file_remove(const char *path, struct err *err);
bool image_file_sync_folder(const char *path, struct err *err) MUST_CHECK;
bool image_file_exists(const char *path);
/* @path leads to this very file. */
bool image_file_is(const struct image_file *file, const char *path);

struct image_file_event {
    enum {
        IMAGE_FILE_WRITE,
        IMAGE_FILE_RESIZE,
        IMAGE_FILE_SYNC,
        IMAGE_FILE_REMOVE,
        IMAGE_FILE_CREATE,
        IMAGE_FILE_SYNC_FOLDER
    } kind;
    const char *path;
    uint64_t offset;   /* the new size for IMAGE_FILE_RESIZE */
    const void *bytes; /* NULL for IMAGE_FILE_WRITE: shared with another file */
    size_t len;
};
/* A part of a local file, readable in memory; @offset in whole pages.  NULL: not to be had.
 * Who reads behind the end of a file that was cut meanwhile is ended by SIGBUS. */
const void *image_source_map(int fd, uint64_t offset, size_t len, bool will_be_read);
void image_source_unmap(const void *bytes, size_t len);
/* Fills all of @to; a file that ends before is an error. */
bool image_source_read(int fd, uint64_t offset, void *to, size_t len, struct err *err)
    MUST_CHECK;

/* Called before each change.  NULL outside tests. */
extern void (*image_file_watch)(const struct image_file_event *event);
