/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounts an NTFS volume through libntfs-3g, or says why not.
 *
 * Windows leaves several kinds of volumes behind that must not be written: encrypted,
 * hibernated (fast start too), with an unplayed journal, waiting for chkdsk.  Each has its
 * message and what the user can do.
 */

#include <errno.h>
#include <string.h>

#include "err.h"
#include "ntfs-internal.h"
#include "partition-type.h"
#include "text.h"

struct refusal {
    const char *id, *message, *hint;
    enum err_kind kind;
};

enum refused {
    REFUSED_BITLOCKER,
    REFUSED_REFS,
    REFUSED_HIBERNATED,
    REFUSED_UNCLEAN,
    REFUSED_CHKDSK,
    REFUSED_DAMAGED,
    REFUSED_NOT_NTFS,
    REFUSED_OLD_NTFS,
    REFUSED_NOT_BASIC,
};

/* clang-format off */
static const struct refusal refusals[] = {
    [REFUSED_BITLOCKER] = { "bitlocker", "the volume is encrypted by BitLocker",
        "decrypt it in the guest ('manage-bde -off C:') and shut the guest down", ERR_CONFLICT },
    [REFUSED_REFS] = { "refs", "the volume is ReFS, not NTFS",
        "hvgpu writes to NTFS volumes only: copy the driver inside the guest", ERR_UNSUPPORTED },
    [REFUSED_HIBERNATED] = { "hibernated", "Windows on the volume is hibernated, or was shut down by fast startup",
        "start the guest and shut it down with 'shutdown /s /t 0' ('powercfg /h off' ends fast startup)", ERR_CONFLICT },
    [REFUSED_UNCLEAN] = { "unclean", "the volume was not cleanly unmounted",
        "start the guest and shut it down from within", ERR_CONFLICT },
    [REFUSED_CHKDSK] = { "chkdsk-pending", "Windows marked the volume for checking",
        "start the guest, let 'chkdsk /f' run, and shut it down", ERR_CONFLICT },
    [REFUSED_DAMAGED] = { "damaged", "the NTFS volume is damaged",
        "run 'chkdsk /f' on it in Windows", ERR_PROTOCOL },
    [REFUSED_NOT_NTFS] = { "not-ntfs", "the partition holds no NTFS volume",
        "choose the partition Windows is on", ERR_UNSUPPORTED },
    [REFUSED_OLD_NTFS] = { "old-ntfs", "the volume's NTFS is older than that of Windows XP",
        "choose the partition Windows is on", ERR_UNSUPPORTED },
    [REFUSED_NOT_BASIC] = { "not-basic", "the partition belongs to a dynamic disk or to Storage Spaces",
        "hvgpu writes to basic disks only: copy the driver inside the guest", ERR_UNSUPPORTED },
};
/* clang-format on */

static struct volume *refuse(enum refused why, int64_t code, const char **ret_blocker,
                             struct err *err)
{
    const struct refusal *refusal = &refusals[why];

    err_fail(err, refusal->kind, code, "%s", refusal->message);
    err_hint(err, "%s", refusal->hint);
    *ret_blocker = refusal->id;
    return NULL;
}

bool volume_fail(struct volume *volume, struct err *err, const char *what, const char *path)
{
    int code = errno;

    if (volume->part.err.kind != ERR_NONE) {
        *err = volume->part.err;
        volume->part.err = ERR_INIT;
    } else if (code == ENOMEM) {
        err_no_memory(err);
    } else if (code == ENOSPC) {
        err_fail(err, ERR_CONFLICT, code, "the volume is full");
        err_hint(err, "make room in the guest, or make its disk larger");
    } else if (code == ENOENT) {
        err_fail(err, ERR_NOT_FOUND, code, "it is not there");
    } else if (code == EEXIST) {
        err_fail(err, ERR_CONFLICT, code, "it exists already");
    } else if (code == ENOTEMPTY) {
        err_fail(err, ERR_CONFLICT, code, "the folder is not empty");
    } else if (code == EOPNOTSUPP || code == EACCES || code == EPERM) {
        err_fail(err, ERR_UNSUPPORTED, code, "the file is of a kind hvgpu does not handle");
    } else {
        err_fail(err, ERR_PROTOCOL, code, "the NTFS volume is damaged (%s)",
                 strerror(code));
        err_hint(err, "%s", refusals[REFUSED_DAMAGED].hint);
    }
    return err_wrap(err, "%s '%.200s' in the image", what, path);
}

bool partition_is_not_basic(const struct partition *p)
{
    static const char *const types[] = {
        "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", /* LDM metadata */
        "af9b60a0-1431-4f62-bc68-3311714a69ad", /* LDM data */
        "e75caf8f-f680-4cee-afa3-b001e56efc2d", /* Storage Spaces */
        "0x42",                                 /* LDM, MBR */
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (text_ieq(p->type, types[i]))
            return true;
    return false;
}

/* What the first sector and the partition's type rule out.  True: go on. */
static bool check_kind(const struct partition *p, const struct partition *seen,
                       enum refused *ret_why)
{
    if (partition_is_not_basic(p)) {
        *ret_why = REFUSED_NOT_BASIC;
        return false;
    }
    if (strcmp(seen->file_system, "ntfs") == 0)
        return true;
    *ret_why = strcmp(seen->file_system, "bitlocker") == 0 ? REFUSED_BITLOCKER
               : strcmp(seen->file_system, "refs") == 0    ? REFUSED_REFS
                                                           : REFUSED_NOT_NTFS;
    return false;
}

static enum refused refused_for(int code)
{
    switch (ntfs_volume_error(code)) {
    case NTFS_VOLUME_HIBERNATED:
        return REFUSED_HIBERNATED;
    case NTFS_VOLUME_UNCLEAN_UNMOUNT:
        return REFUSED_UNCLEAN;
    case NTFS_VOLUME_NOT_NTFS: /* EINVAL: a boot sector or record that makes no sense */
    default:
        return REFUSED_DAMAGED;
    }
}

static bool prepare(struct volume *volume, struct err *err)
{
    ntfs_volume *ntfs = volume->ntfs;

    ntfs_create_lru_caches(ntfs);
    if (ntfs_set_shown_files(ntfs, TRUE, TRUE, FALSE) < 0 || ntfs_set_ignore_case(ntfs) < 0)
        return volume_fail(volume, err, "opening", "/");
    NVolClearCompression(ntfs);
    if (ntfs_volume_get_free_space(ntfs) < 0)
        return volume_fail(volume, err, "counting the free clusters of", "/");
    volume->label = text_dup(ntfs->vol_name ? ntfs->vol_name : "");
    if (!volume->label)
        return err_no_memory(err);
    volume->next_cluster = (uint64_t)ntfs->mft_zone_end;
    return volume->mode == DISK_READ || ntfs_part_take_free_map(&volume->part, ntfs, err);
}

struct volume *volume_open_or_blocker(struct disk *disk, const struct partition *partition,
                                      enum disk_mode mode, const char **ret_blocker,
                                      struct err *err)
{
    CLEANUP(volume_cleanup) struct volume *volume = calloc(1, sizeof(*volume));
    struct partition seen = *partition;
    struct ntfs_device *device;
    enum refused why;

    *ret_blocker = "";
    if (!volume) {
        err_no_memory(err);
        return NULL;
    }
    seen.file_system[0] = '\0';
    if (!partition_detect(disk, &seen, err))
        return NULL;
    if (!check_kind(partition, &seen, &why))
        return refuse(why, 0, ret_blocker, err);

    ntfs_log_set_handler(ntfs_log_handler_null);
    if (ntfs_set_char_encoding("C.UTF-8") < 0) {
        err_errno(err, errno, "preparing the NTFS library");
        return NULL;
    }
    volume->mode = mode;
    volume->part.disk = disk;
    volume->part.offset = partition->offset_bytes;
    volume->part.size = partition->size_bytes;
    device = ntfs_device_alloc("image", 0, &ntfs_part_operations, &volume->part);
    if (!device) {
        err_no_memory(err);
        return NULL;
    }
    volume->ntfs = ntfs_device_mount(device, mode == DISK_READ ? NTFS_MNT_RDONLY : 0);
    if (!volume->ntfs) {
        int code = errno;

        ntfs_device_free(device);
        if (volume->part.err.kind != ERR_NONE || code == ENOMEM) {
            errno = code;
            volume_fail(volume, err, "opening", "/");
            return NULL;
        }
        return refuse(refused_for(code), code, ret_blocker, err);
    }
    if (mode == DISK_WRITE && (volume->ntfs->flags & VOLUME_IS_DIRTY))
        return refuse(REFUSED_CHKDSK, 0, ret_blocker, err);
    if (volume->ntfs->major_ver < 3)
        return refuse(REFUSED_OLD_NTFS, volume->ntfs->major_ver, ret_blocker, err);
    if (!prepare(volume, err))
        return NULL;
    return TAKE(volume);
}

struct volume *volume_open(struct disk *disk, const struct partition *partition,
                           enum disk_mode mode, struct err *err)
{
    const char *blocker;

    if (mode == DISK_WRITE && !disk_is_writable(disk)) {
        err_fail(err, ERR_INVALID, 0, "'%s' is open for reading only", disk_path(disk));
        return NULL;
    }
    return volume_open_or_blocker(disk, partition, mode, &blocker, err);
}

static bool unmount(struct volume *volume, struct err *err)
{
    bool ok = true;

    if (volume->ntfs) {
        struct SECURITY_CONTEXT context = { .vol = volume->ntfs,
                                            .pseccache = &volume->security_cache };

        ntfs_destroy_security_context(&context);
        if (ntfs_umount(volume->ntfs, FALSE) < 0 || volume->part.err.kind != ERR_NONE)
            ok = volume_fail(volume, err, "closing", "/");
        volume->ntfs = NULL;
    }
    return ok;
}

static void release(struct volume *volume)
{
    free(volume->part.free_at_start);
    free(volume->label);
    free(volume);
}

bool volume_close(struct volume *volume, struct err *err)
{
    bool ok = !volume->is_broken;

    if (!ok)
        err_fail(err, ERR_INVALID, 0, "an earlier change of the volume failed half-way");
    ok = ok && unmount(volume, err);
    if (!ok) {
        volume_drop(volume);
        return false;
    }
    if (volume->mode == DISK_WRITE && !disk_set_free_map(volume->part.disk, NULL, err)) {
        disk_spoil(volume->part.disk);
        ok = false;
    }
    release(volume);
    return ok;
}

void volume_drop(struct volume *volume)
{
    struct err unused = ERR_INIT;

    if (!volume)
        return;
    if (volume->mode == DISK_WRITE && volume->ntfs)
        disk_spoil(volume->part.disk);
    (void)unmount(volume, &unused);
    if (volume->mode == DISK_WRITE && volume->part.map.is_free &&
        !disk_set_free_map(volume->part.disk, NULL, &unused))
        disk_spoil(volume->part.disk);
    release(volume);
}

uint64_t volume_free_bytes(const struct volume *volume)
{
    return (uint64_t)volume->ntfs->free_clusters * volume->ntfs->cluster_size;
}

uint64_t volume_size_bytes(const struct volume *volume)
{
    return (uint64_t)volume->ntfs->nr_clusters * volume->ntfs->cluster_size;
}

uint32_t volume_cluster_bytes(const struct volume *volume)
{
    return volume->ntfs->cluster_size;
}

char *volume_label(const struct volume *volume)
{
    return text_dup(volume->label);
}
