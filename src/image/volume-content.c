/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The content of a file of a volume.
 *
 * libntfs-3g starts each allocation 16 MiB behind the last one, which makes a dynamic
 * image seven times as large as what was written: volume_lead_allocator() leads it back.
 *
 * What comes from a local file is written from the file's own pages in memory, which saves
 * copying it once.  Where the file system can share blocks between files the device under
 * the library, seeing whose pages they are, shares the blocks instead (ntfs-device.c).
 */

#include <errno.h>

#include "err.h"
#include "image-file.h"
#include "ntfs-internal.h"

enum {
    PIECE = 1 << 20,
    MAPPED_MIN = 64 << 10, /* below, reading it is as quick */
    MAPPED_MAX = 1 << 20,  /* of the file in memory at once... */
    SHARED_MAX = 64 << 20, /* ...or when nobody will read it there */
};

void volume_lead_allocator(struct volume *volume)
{
    ntfs_volume *ntfs = volume->ntfs;

    if (volume->next_cluster + 1 >= (uint64_t)ntfs->nr_clusters)
        volume->next_cluster = (uint64_t)ntfs->mft_zone_end;
    ntfs->data1_zone_pos = (LCN)volume->next_cluster;
}

static void note_allocation(struct volume *volume, ntfs_attr *data)
{
    if (!NAttrNonResident(data) || ntfs_attr_map_whole_runlist(data) < 0)
        return;
    for (const runlist_element *run = data->rl; run && run->length; run++)
        if (run->lcn >= 0)
            volume->next_cluster = (uint64_t)(run->lcn + run->length);
}

static bool fill_piece(const struct volume_source *source, uint64_t at, uint8_t *to,
                       size_t len, struct err *err)
{
    size_t done = 0;

    if (source->fd >= 0)
        return image_source_read(source->fd, at, to, len, err);
    while (done < len) {
        size_t n = 0;

        if (!source->next(to + done, len - done, &n, source->user, err))
            return false;
        if (n == 0 || n > len - done)
            return err_fail(err, ERR_SYSTEM, 0, "the file changed while it was copied");
        done += n;
    }
    return true;
}

static bool copy_piece(struct volume *volume, ntfs_attr *data, const char *path,
                       const struct volume_source *source, uint64_t at, size_t len,
                       uint8_t *buffer, struct err *err)
{
    return fill_piece(source, at, buffer, len, err) &&
           (ntfs_attr_pwrite(data, (s64)at, (s64)len, buffer) == (s64)len ||
            volume_fail(volume, err, "writing", path));
}

/* How much from @at on is worth mapping: whole clusters and pages; 0: nothing. */
static size_t mappable(const struct volume *volume, const ntfs_attr *data,
                       const struct volume_source *source, uint64_t at)
{
    uint64_t unit =
        volume->ntfs->cluster_size > IMAGE_PAGE ? volume->ntfs->cluster_size : IMAGE_PAGE;
    uint64_t len = source->size - at;
    uint64_t max = disk_may_share(volume->part.disk) ? SHARED_MAX : MAPPED_MAX;

    if (source->fd < 0 || !NAttrNonResident(data) || at % unit || len < MAPPED_MIN)
        return 0;
    if (len > max)
        len = max;
    return (size_t)(len - len % unit);
}

/* *ret_done false: the file cannot be had in memory. */
static bool map_piece(struct volume *volume, ntfs_attr *data, const char *path,
                      const struct volume_source *source, uint64_t at, size_t len,
                      bool *ret_done, struct err *err)
{
    const void *bytes =
        image_source_map(source->fd, at, len, !disk_may_share(volume->part.disk));
    bool ok;

    *ret_done = bytes != NULL;
    if (!bytes)
        return true;
    volume->part.shared =
        (struct ntfs_shared){ .bytes = bytes, .len = len, .fd = source->fd, .offset = at };
    ok = ntfs_attr_pwrite(data, (s64)at, (s64)len, bytes) == (s64)len ||
         volume_fail(volume, err, "writing", path);
    volume->part.shared = (struct ntfs_shared){ 0 };
    image_source_unmap(bytes, len);
    return ok;
}

static bool write_pieces(struct volume *volume, ntfs_attr *data, const char *path,
                         const struct volume_source *source, uint8_t *buffer,
                         struct err *err)
{
    for (uint64_t at = 0; at < source->size;) {
        size_t len = mappable(volume, data, source, at);
        bool done = false;

        if (len && !map_piece(volume, data, path, source, at, len, &done, err))
            return false;
        if (!done) {
            len = source->size - at < PIECE ? (size_t)(source->size - at) : PIECE;
            if (!copy_piece(volume, data, path, source, at, len, buffer, err))
                return false;
        }
        at += len;
        if (source->on_bytes && !source->on_bytes(len, source->user, err))
            return false;
    }
    return true;
}

bool volume_write_content(struct volume *volume, ntfs_inode *inode, const char *path,
                          const struct volume_source *source, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *buffer = malloc(PIECE);
    ntfs_attr *data;
    bool ok;

    if (!buffer)
        return err_no_memory(err);
    data = ntfs_attr_open(inode, AT_DATA, AT_UNNAMED, 0);
    if (!data)
        return volume_fail(volume, err, "writing", path);
    volume_lead_allocator(volume);
    ok = ntfs_attr_truncate_solid(data, (s64)source->size) == 0 ||
         volume_fail(volume, err, "writing", path);
    if (ok)
        note_allocation(volume, data);
    ok = ok && write_pieces(volume, data, path, source, buffer, err);
    ntfs_attr_close(data);
    return ok;
}
