/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A partition as the device libntfs-3g works on. */

#include <errno.h>
#ifdef HAVE_LINUX_FS_H
#include <linux/fs.h>
#endif
#include <string.h>
#include <sys/stat.h>

#include "err.h"
#include "ntfs-internal.h"

enum {
    BITMAP_MAX = 64 << 20, /* 2 TiB of 4 KiB clusters */
    BITMAP_PIECE = 1 << 20,
};

static struct ntfs_part *part_of(struct ntfs_device *dev)
{
    return dev->d_private;
}

static int part_open(struct ntfs_device *dev, int flags)
{
    NDevSetOpen(dev);
    return 0;
}

static int part_close(struct ntfs_device *dev)
{
    NDevClearOpen(dev);
    return 0;
}

static s64 part_seek(struct ntfs_device *dev, s64 offset, int whence)
{
    struct ntfs_part *part = part_of(dev);
    s64 base = whence == SEEK_SET   ? 0
               : whence == SEEK_CUR ? (s64)part->position
                                    : (s64)part->size;
    s64 to;

    if (__builtin_add_overflow(base, offset, &to) || to < 0) {
        errno = EINVAL;
        return -1;
    }
    part->position = (uint64_t)to;
    return to;
}

static s64 part_pread(struct ntfs_device *dev, void *buf, s64 count, s64 offset)
{
    struct ntfs_part *part = part_of(dev);

    if (count < 0 || offset < 0) {
        errno = EINVAL;
        return -1;
    }
    if ((uint64_t)offset >= part->size)
        return 0;
    if ((uint64_t)count > part->size - (uint64_t)offset)
        count = (s64)(part->size - (uint64_t)offset);
    if (!disk_read(part->disk, part->offset + (uint64_t)offset, buf, (size_t)count,
                   &part->err)) {
        errno = EIO;
        return -1;
    }
    return count;
}

static bool write_part(struct ntfs_part *part, uint64_t offset, const uint8_t *from,
                       size_t len)
{
    const struct ntfs_shared *shared = &part->shared;
    size_t done = 0;

    if (shared->bytes && from >= shared->bytes && len <= shared->len &&
        (size_t)(from - shared->bytes) <= shared->len - len &&
        !disk_share(part->disk, offset, shared->fd,
                    shared->offset + (uint64_t)(from - shared->bytes), len, &done,
                    &part->err))
        return false;
    return disk_write(part->disk, offset + done, from + done, len - done, &part->err);
}

static s64 part_pwrite(struct ntfs_device *dev, const void *buf, s64 count, s64 offset)
{
    struct ntfs_part *part = part_of(dev);

    if (count < 0 || offset < 0 || (uint64_t)offset > part->size ||
        (uint64_t)count > part->size - (uint64_t)offset) {
        errno = EINVAL;
        return -1;
    }
    if (NDevReadOnly(dev)) {
        errno = EROFS;
        return -1;
    }
    if (!write_part(part, part->offset + (uint64_t)offset, buf, (size_t)count)) {
        errno = EIO;
        return -1;
    }
    return count;
}

static s64 part_read(struct ntfs_device *dev, void *buf, s64 count)
{
    s64 n = part_pread(dev, buf, count, (s64)part_of(dev)->position);

    if (n > 0)
        part_of(dev)->position += (uint64_t)n;
    return n;
}

static s64 part_write(struct ntfs_device *dev, const void *buf, s64 count)
{
    s64 n = part_pwrite(dev, buf, count, (s64)part_of(dev)->position);

    if (n > 0)
        part_of(dev)->position += (uint64_t)n;
    return n;
}

static int part_sync(struct ntfs_device *dev)
{
    return 0; /* the disk's commit does it */
}

static int part_stat(struct ntfs_device *dev, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFREG | 0600;
    st->st_size = (off_t)part_of(dev)->size;
    return 0;
}

static int part_ioctl(struct ntfs_device *dev, unsigned long request, void *to)
{
    struct ntfs_part *part = part_of(dev);

    if (request == BLKGETSIZE64) {
        memcpy(to, &part->size, sizeof(part->size));
        return 0;
    }
    if (request == BLKSSZGET) {
        int bytes = (int)disk_sector_bytes(part->disk);

        memcpy(to, &bytes, sizeof(bytes));
        return 0;
    }
    errno = EOPNOTSUPP;
    return -1;
}

struct ntfs_device_operations ntfs_part_operations = {
    .open = part_open,
    .close = part_close,
    .seek = part_seek,
    .read = part_read,
    .write = part_write,
    .pread = part_pread,
    .pwrite = part_pwrite,
    .sync = part_sync,
    .stat = part_stat,
    .ioctl = part_ioctl,
};

/* Clusters the volume does not have, such as the copy of the boot sector behind the last
 * one, are never free. */
static bool is_free(void *user, uint64_t offset, uint64_t len)
{
    const struct ntfs_part *part = user;
    uint64_t first, last;

    if (offset < part->offset || len == 0)
        return false;
    first = (offset - part->offset) / part->cluster_bytes;
    last = (offset - part->offset + len - 1) / part->cluster_bytes;
    if (last >= part->cluster_count)
        return false;
    for (uint64_t i = first; i <= last;) {
        if (i % 8 == 0 && last - i >= 8 && part->free_at_start[i / 8] == 0) {
            i += 8;
            continue;
        }
        if (part->free_at_start[i / 8] >> (i % 8) & 1)
            return false;
        i++;
    }
    return true;
}

bool ntfs_part_take_free_map(struct ntfs_part *part, ntfs_volume *ntfs, struct err *err)
{
    uint64_t clusters = (uint64_t)ntfs->nr_clusters, len = (clusters + 7) / 8;

    if (len > BITMAP_MAX)
        return err_fail(err, ERR_UNSUPPORTED, 0, "a volume of %llu clusters is too large",
                        (unsigned long long)clusters);
    part->free_at_start = malloc(len + 1);
    if (!part->free_at_start)
        return err_no_memory(err);
    for (uint64_t at = 0; at < len;) {
        s64 piece = (s64)(len - at < BITMAP_PIECE ? len - at : BITMAP_PIECE);

        if (ntfs_attr_pread(ntfs->lcnbmp_na, (s64)at, piece, part->free_at_start + at) !=
            piece)
            return err_fail(err, ERR_PROTOCOL, errno,
                            "the volume's list of free clusters cannot be read");
        at += (uint64_t)piece;
    }
    part->cluster_count = clusters;
    part->cluster_bytes = ntfs->cluster_size;
    part->map = (struct disk_free_map){ .is_free = is_free, .user = part };
    return disk_set_free_map(part->disk, &part->map, err);
}
