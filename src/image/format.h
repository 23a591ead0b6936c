/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk format does for the disk above it: say where in which file a part of the
 * virtual disk lies, make room for parts that lie nowhere yet, and give the pages of its
 * own tables that changed.  Tables change in memory only, until disk_commit() writes them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct image_file;
struct format;

struct extent {
    struct image_file *file; /* lent; NULL: reads as zeros, nothing stored */
    uint64_t file_offset;
    uint64_t len;
    bool is_own; /* in the file that is written; false: in a parent */
    bool is_new; /* room made in this session: nobody sees it before the commit */
};

typedef bool format_page_fn(void *user, uint64_t file_offset, const uint8_t *bytes,
                            size_t len, struct err *err);

struct format_ops {
    void (*close)(struct format *format);
    /* Where @offset lies; ret->len is how far that holds, at most @len. */
    bool (*map)(struct format *format, uint64_t offset, uint64_t len, struct extent *ret,
                struct err *err);
    /* Called before the first change of a session; NULL: nothing to do. */
    bool (*begin)(struct format *format, struct err *err);
    /* After it map() of @offset gives an extent of the own file.  NULL: always so. */
    bool (*make_room)(struct format *format, uint64_t offset, struct err *err);
    /* Gives every changed page of the format's tables.  NULL: it has none. */
    bool (*each_page)(struct format *format, format_page_fn *on_page, void *user,
                      struct err *err);
    /* The pages given are on the disk: what was new is now old.  May be NULL. */
    void (*committed)(struct format *format);
    /* Forgets what was not committed and cuts it off the file.  May be NULL. */
    void (*forget)(struct format *format);
};

struct format {
    const struct format_ops *ops;
    struct image_file *file; /* owned by the disk */
    char name[24];
    uint64_t size;
    uint32_t sector_bytes;
    bool had_log; /* changes that were in its log only; replayed, perhaps in memory */
    uint8_t identity[32]; /* changes whenever anyone writes the file; zeros: unknown */
};

/* Tries each format in turn.  The file is borrowed and must outlive the format. */
struct format *format_open(struct image_file *file, struct err *err);
void format_close(struct format *format);
DEFINE_CLEANUP(format_cleanup, struct format *, format_close)

/* NULL with @err, as format_open().  @depth: of how many disks it is the parent. */
struct format *vhdx_open(struct image_file *file, unsigned depth, struct err *err);
struct format *vhd_open(struct image_file *file, unsigned depth, struct err *err);
struct format *raw_open(struct image_file *file, struct err *err);

bool vhdx_is(const struct image_file *file);
bool vhd_is(const struct image_file *file);
