/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of a volume share.  libntfs-3g is not thread-safe and wants every inode
 * open once at a time: nothing here keeps one open between two calls.
 */
#pragma once

#include <ntfs-3g/types.h>
#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/dir.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/security.h>
#include <ntfs-3g/volume.h>
#include <ntfs-3g/cache.h>
#include <ntfs-3g/logging.h>
#include <ntfs-3g/ntfstime.h>
#include <ntfs-3g/unistr.h>

#include "disk-internal.h"
#include "image.h"

/* A part of a local file in memory: what is written from there is shared with the file
 * where that is possible, instead of being copied. */
struct ntfs_shared {
    const uint8_t *bytes; /* NULL: none */
    size_t len;
    int fd;
    uint64_t offset;
};

/* The volume as libntfs-3g's device, and which of its clusters were free at the start. */
struct ntfs_part {
    struct disk *disk;
    uint64_t offset, size;
    uint64_t position;      /* of read() and write() */
    struct err err;         /* why the last operation failed; ERR_NONE: it did not */
    uint8_t *free_at_start; /* one bit per cluster; set: in use; NULL: all in use */
    uint64_t cluster_count;
    uint32_t cluster_bytes;
    struct disk_free_map map;
    struct ntfs_shared shared;
};

struct volume {
    struct ntfs_part part;
    enum disk_mode mode;
    bool is_broken; /* half changed: nothing of it may be committed */
    ntfs_volume *ntfs;
    char *label;
    uint64_t next_cluster; /* behind the last allocation */
    struct PERMISSIONS_CACHE *security_cache;
    uint64_t inherited_from; /* folder of the two ids below; 0: not known */
    le32 file_security, folder_security;
};

extern struct ntfs_device_operations ntfs_part_operations;

/* Remembers which clusters are free and tells the disk. */
bool ntfs_part_take_free_map(struct ntfs_part *part, ntfs_volume *ntfs, struct err *err)
    MUST_CHECK;

/* ERR_* for errno of a failed call; the disk's own error when that was the reason. */
bool volume_fail(struct volume *volume, struct err *err, const char *what,
                 const char *path);

/* ---- content ---- */

struct volume_source {
    bool (*next)(void *to, size_t len, size_t *ret_len, void *user, struct err *err);
    void *user;
    uint64_t size;
    int fd; /* a local file instead of @next; -1: none */
    bool (*on_bytes)(size_t len, void *user,
                     struct err *err); /* after each piece; or NULL */
};
/* Makes the content of @inode what @source gives. */
bool volume_write_content(struct volume *volume, ntfs_inode *inode, const char *path,
                          const struct volume_source *source, struct err *err) MUST_CHECK;
/* Where the next allocation starts: right behind the last one. */
void volume_lead_allocator(struct volume *volume);

/* ---- paths ---- */

/* Splits @path into its folder and last name (both owned), checked.  The root has "". */
bool ntfs_split_path(const char *path, char **ret_folder, char **ret_name, struct err *err)
    MUST_CHECK;
/* Opens what is at @path; ERR_NOT_FOUND.  Links (reparse points) are not followed.
 * Close with ntfs_inode_close(). */
ntfs_inode *volume_open_path(struct volume *volume, const char *path, struct err *err);
/* As above, and it must be a folder. */
ntfs_inode *volume_open_folder(struct volume *volume, const char *path, struct err *err);
/* MFT number of @name in @folder; false: not there or an error (ERR_NONE: not there). */
bool volume_find(struct volume *volume, ntfs_inode *folder, const char *name,
                 uint64_t *ret_number, struct err *err);
/* 0: no reparse point. */
uint32_t ntfs_reparse_tag(ntfs_inode *inode);
/* A word for the tag of what cannot be read or replaced ("WOF-compressed"). */
const char *ntfs_reparse_name(uint32_t tag);

/* ---- opening with the reason ---- */

/* As volume_open(); *ret_blocker: the id of struct image_blocker when it is refused, "" when
 * it fails otherwise. */
struct volume *volume_open_or_blocker(struct disk *disk, const struct partition *partition,
                                      enum disk_mode mode, const char **ret_blocker,
                                      struct err *err);
