/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk images of guests, read and written in user space: VHDX and VHD (dynamic,
 * fixed, differencing), raw; GPT and MBR; NTFS through libntfs-3g.  All of it is foreign,
 * hostile input: bounded and checked, never asserted.
 *
 * A disk opened for writing is one transaction: nothing that was on it before is
 * overwritten until disk_commit(), which makes all changes durable together; a crash
 * before it leaves the old state, a crash in it is finished by the next opener.
 * disk_close() without disk_commit() drops what was not committed.
 *
 * One thread per disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* ---- the disk ---- */

struct disk;

enum disk_mode { DISK_READ, DISK_WRITE };

/* Takes a lock on the file (shared for DISK_READ): ERR_CONFLICT when in use.
 * Finishes or drops an interrupted commit first. */
struct disk *disk_open(const char *path, enum disk_mode mode, struct err *err);
/* The same for a disk whose parents may also lie in or below the folder @parents (NULL:
 * only in or below its own).  Names in an image lead nowhere else. */
struct disk *disk_open_chain(const char *path, const char *parents, enum disk_mode mode,
                             struct err *err);
void disk_close(struct disk *disk); /* NULL is fine */
DEFINE_CLEANUP(disk_cleanup, struct disk *, disk_close)

/* A new sparse dynamic VHDX without content.  @block_bytes 0: 32 MiB as Hyper-V does. */
bool disk_create_vhdx(const char *path, uint64_t virtual_bytes, uint32_t block_bytes,
                      struct err *err) MUST_CHECK;

const char *disk_format(const struct disk *disk); /* "vhdx-dynamic", "vhdx-fixed",
                              * "vhdx-differencing", "vhd-dynamic", "vhd-fixed",
                              * "vhd-differencing", "raw" */
uint64_t disk_size(const struct disk *disk);
uint32_t disk_sector_bytes(const struct disk *disk);
bool disk_read(struct disk *disk, uint64_t offset, void *to, size_t len, struct err *err)
    MUST_CHECK;
bool disk_write(struct disk *disk, uint64_t offset, const void *from, size_t len,
                struct err *err) MUST_CHECK;
/* Everything so far becomes durable, all or nothing. */
bool disk_commit(struct disk *disk, struct err *err) MUST_CHECK;

/* ---- partitions ---- */

enum { PARTITION_MAX = 128 };

struct partition {
    unsigned index; /* 1-based, as Windows and Linux count */
    char type[40];  /* GPT: type GUID, lower case, no braces; MBR: "0x07" */
    char id[40];    /* GPT: unique GUID; MBR: disk signature and number */
    uint64_t offset_bytes, size_bytes;
    char file_system[16]; /* "ntfs","fat32","refs","bitlocker","unknown","" (none seen) */
};
/* ERR_PROTOCOL: no valid table.  ret_table: "gpt" or "mbr", lent. */
bool disk_partitions(struct disk *disk, struct partition ret[PARTITION_MAX],
                     unsigned *ret_count, const char **ret_table, struct err *err)
    MUST_CHECK;
/* Writes a GPT (primary and backup) for what @partitions says; offsets in 1 MiB steps. */
bool disk_write_gpt(struct disk *disk, const struct partition *partitions, unsigned count,
                    struct err *err) MUST_CHECK;

/* ---- an NTFS volume on it ---- */

struct volume;

enum { /* Windows' own bits */
       FILE_IS_READONLY = 0x1,
       FILE_IS_HIDDEN = 0x2,
       FILE_IS_SYSTEM = 0x4,
       FILE_IS_DIR = 0x10,
       FILE_IS_ARCHIVE = 0x20,
       FILE_IS_SPARSE = 0x200,
       FILE_IS_REPARSE = 0x400,
       FILE_IS_COMPRESSED = 0x800,
       FILE_IS_ENCRYPTED = 0x4000,
};

struct file_info {
    char *name; /* last part; lent in callbacks, owned (free) from volume_stat() */
    uint32_t attributes;
    uint64_t size;
    int64_t mtime_usec;  /* since 1601, UTC */
    uint64_t number;     /* MFT record */
    uint32_t link_count; /* hard links to a file, as Windows counts them (a DOS name is
                          * none); 0: not known (in callbacks) */
    bool is_windows_own; /* owned by TrustedInstaller; false in callbacks */
};

/* Mounts.  Refused, each with its own message and hint: BitLocker, ReFS, hibernated or
 * fast-start, not cleanly unmounted, chkdsk pending, damaged (the list of
 * disk_blockers()). The volume borrows @disk and must be closed before it. */
struct volume *volume_open(struct disk *disk, const struct partition *partition,
                           enum disk_mode mode, struct err *err);
/* Finishes the file system's own structures into the disk; still needs disk_commit(). */
bool volume_close(struct volume *volume, struct err *err) MUST_CHECK;
void volume_drop(struct volume *volume); /* NULL is fine; for error paths */
DEFINE_CLEANUP(volume_cleanup, struct volume *, volume_drop)

uint64_t volume_free_bytes(const struct volume *volume);
uint64_t volume_size_bytes(const struct volume *volume);
uint32_t volume_cluster_bytes(const struct volume *volume);
char *volume_label(const struct volume *volume);

/* Paths: '/' or '\' separated, absolute within the volume, compared without case as
 * Windows does.  Components "." and "..", empty ones, streams (':'), reserved device
 * names and longer than 255 units are ERR_INVALID. */
bool volume_stat(struct volume *volume, const char *path, struct file_info *ret,
                 struct err *err) MUST_CHECK; /* ERR_NOT_FOUND */
bool volume_list(struct volume *volume, const char *path,
                 bool (*on_file)(const struct file_info *info, void *user, struct err *err),
                 void *user, struct err *err) MUST_CHECK; /* sorted by name */
/* Reads in pieces.  volume_read_all() refuses more than @max. */
bool volume_read(struct volume *volume, const char *path,
                 bool (*on_bytes)(const void *bytes, size_t len, void *user,
                                  struct err *err),
                 void *user, struct err *err) MUST_CHECK;
bool volume_read_all(struct volume *volume, const char *path, size_t max,
                     uint8_t **ret_bytes, size_t *ret_len, struct err *err) MUST_CHECK;
bool volume_make_dirs(struct volume *volume, const char *path, struct err *err) MUST_CHECK;
/* Creates or replaces @path with @size bytes taken from @next (which fills up to @len
 * bytes and says how many; 0 before @size bytes came is an error).  The folder must
 * exist; security is inherited from it as Windows does.  @mtime_usec, @attributes as given. */
bool volume_write(struct volume *volume, const char *path, uint64_t size,
                  bool (*next)(void *to, size_t len, size_t *ret_len, void *user,
                               struct err *err),
                  void *user, int64_t mtime_usec, uint32_t attributes, struct err *err)
    MUST_CHECK;
/* The same from @size bytes of a local file, open for reading as @fd.  Where the file
 * system can share blocks between files (XFS, Btrfs) and holds both, nothing is copied.
 * @on_bytes: after each piece; NULL: not told. */
bool volume_import(struct volume *volume, const char *path, int fd, uint64_t size,
                   bool (*on_bytes)(size_t len, void *user, struct err *err), void *user,
                   int64_t mtime_usec, uint32_t attributes, struct err *err) MUST_CHECK;
bool volume_write_all(struct volume *volume, const char *path, const void *bytes,
                      size_t len, int64_t mtime_usec, uint32_t attributes, struct err *err)
    MUST_CHECK;
bool volume_set_attributes(struct volume *volume, const char *path, uint32_t attributes,
                           struct err *err) MUST_CHECK;
bool volume_rename(struct volume *volume, const char *from, const char *to, struct err *err)
    MUST_CHECK; /* within the volume; @to must not exist */
bool volume_remove(struct volume *volume, const char *path, bool tree, struct err *err)
    MUST_CHECK; /* file, or empty folder, or with @tree all below; missing: ERR_NOT_FOUND */

/* ---- what is on it ---- */

struct image_windows {
    unsigned partition; /* index */
    uint32_t build, ubr;
    char edition[64];      /* EditionID */
    char architecture[16]; /* "amd64", "arm64", "x86", "" unknown */
    char
        system_root[64]; /* "C:\\Windows" as the guest sees it, from SOFTWARE; "" unknown */
};

struct image_blocker {
    /* "bitlocker", "hibernated" (fast startup too), "unclean", "chkdsk-pending", "refs",
     * "not-basic", "damaged", "no-windows", "no-space", "architecture", "read-only",
     * "in-use", "checkpoint" (another disk was made from it); of a registry hive, its logs, the
     * manifest or a folder that a driver is put into: "compressed-system" (NTFS, WOF,
     * deduplicated, a link), "encrypted-system" (EFS); of a hive: "dirty-hive", "damaged-hive" */
    char id[32];
    char message[ERR_TEXT];
};

enum { IMAGE_BLOCKER_MAX = 32 };

/* What `image show` prints.  Finds the Windows volume by content: the largest basic-data
 * NTFS partition with a Windows/System32/config.  Succeeds whenever the image itself can
 * be opened; everything that would forbid writing is a blocker. */
struct image_facts {
    char format[24];
    uint64_t virtual_bytes;
    bool has_log;  /* of a VHDX, not replayed: what is shown is what it makes of the disk;
                   * the first change writes it */
    char table[8]; /* "gpt", "mbr", "" */
    unsigned partition_count;
    struct partition partitions[PARTITION_MAX];
    bool has_windows;
    struct image_windows windows;
    uint64_t free_bytes; /* of the Windows volume; 0 when has_windows is false */
    unsigned blocker_count;
    struct image_blocker blockers[IMAGE_BLOCKER_MAX];
};
bool image_inspect(const char *path, const char *parents, struct image_facts *ret,
                   struct err *err) MUST_CHECK; /* @parents as of disk_open_chain() */
/* The same in a process that can do nothing else: for images of strangers. */
bool image_inspect_confined(const char *path, const char *parents, struct image_facts *ret,
                            struct err *err) MUST_CHECK;
