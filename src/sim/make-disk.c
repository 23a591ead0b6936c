/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM disks: real VHDX files with a partition table, file systems made by mkntfs and
 * mkfs.vfat, and a guest's Windows in them.  The file systems are made in sparse files
 * beside the image, and what is not zero in them is copied into it.
 *
 * Problems on request are what another Windows would leave: see each function.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"
#include "make-file.h"
#include "make-guest.h"
#include "os.h"
#include "text.h"
#include "world-inside.h"

#define MIB ((uint64_t)1 << 20)
#define EFI_TYPE "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define MSR_TYPE "e3c9e316-0b5c-4db8-817d-f92df00215ae"
#define DATA_TYPE "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
#define RECOVERY_TYPE "de94bba4-06d1-4d40-a16a-bfd50179d6ac"

enum {
    TOOL_MS = 60000,
    OUTPUT_MAX = 4096,
    PIECE = 1 << 20,
    SECTOR = 512,
    FULL_MIB = 96, /* size of the Windows volume of a disk that is to be full */
};

static void fd_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* A file that is removed when done with. */
static void unlink_cleanup(char **path)
{
    if (*path)
        unlink(*path);
    free(*path);
}

/* ---- making file systems ---- */

/* Runs a tool that may stand in sbin, outside an ordinary user's search path. */
static bool run_tool(const char *const *argv, const char *package, struct err *err)
{
    static const char *const folders[] = { "", "/usr/sbin/", "/sbin/" };
    const char *args[24] = { 0 };
    CLEANUP(free_cleanup) char *output = NULL;
    int status = 0;
    bool ok = false;

    for (size_t i = 0; argv[i] && i + 1 < ARRAY_LEN(args); i++)
        args[i] = argv[i];
    for (size_t i = 0; !ok && i < ARRAY_LEN(folders); i++) {
        CLEANUP(free_cleanup) char *program = text_printf("%s%s", folders[i], argv[0]);

        if (!program)
            return err_no_memory(err);
        args[0] = program;
        free(TAKE(output));
        ok = os_run(args, TOOL_MS, OUTPUT_MAX, &output, &status, err);
        if (!ok && err->kind != ERR_NOT_FOUND)
            return false;
    }
    if (!ok) {
        err_fail(err, ERR_NOT_FOUND, 0, "the simulator needs '%s' to make VM disks",
                 argv[0]);
        return err_hint(err, "install the package %s", package);
    }
    if (status == 0)
        return true;
    if (output)
        output[strcspn(output, "\r\n")] = '\0';
    return err_fail(err, ERR_SYSTEM, status, "%s: %.150s", argv[0], output ? output : "");
}

static bool make_sparse(const char *path, uint64_t size, struct err *err)
{
    CLEANUP(fd_cleanup)
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
        return err_errno(err, errno, "cannot make '%s'", path);
    return true;
}

static bool copy_range(int fd, off_t from, off_t to, struct disk *disk, uint64_t at,
                       uint8_t *piece, struct err *err)
{
    while (from < to) {
        size_t want = to - from < PIECE ? (size_t)(to - from) : PIECE;
        ssize_t got = pread(fd, piece, want, from);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_errno(err, errno, "cannot read a file system that was made");
        if (!disk_write(disk, at + (uint64_t)from, piece, (size_t)got, err))
            return false;
        from += got;
    }
    return true;
}

/* What is not a hole in @path, to @at. */
static bool copy_file_system(const char *path, struct disk *disk, uint64_t at,
                             struct err *err)
{
    CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(free_cleanup) uint8_t *piece = malloc(PIECE);
    off_t from = 0, to;

    if (fd < 0)
        return err_errno(err, errno, "cannot open '%s'", path);
    if (!piece)
        return err_no_memory(err);
    while ((from = lseek(fd, from, SEEK_DATA)) >= 0) {
        to = lseek(fd, from, SEEK_HOLE);
        if (to < 0)
            return err_errno(err, errno, "cannot read '%s'", path);
        if (!copy_range(fd, from, to, disk, at, piece, err))
            return false;
        from = to;
    }
    return errno == ENXIO || err_errno(err, errno, "cannot read '%s'", path);
}

static bool make_ntfs(const char *beside, struct disk *disk, const struct partition *p,
                      const char *label, struct err *err)
{
    CLEANUP(unlink_cleanup) char *path = text_printf("%s.ntfs", beside);
    char start[24];
    const char *argv[] = { "mkntfs", "-F", "-Q", "-q", "-s",  "512", "-c",  "4096", "-H",
                           "255",    "-S", "63", "-p", start, "-L",  label, path,   NULL };

    if (!path)
        return err_no_memory(err);
    snprintf(start, sizeof(start), "%" PRIu64, p->offset_bytes / SECTOR);
    return make_sparse(path, p->size_bytes, err) && run_tool(argv, "ntfs-3g", err) &&
           copy_file_system(path, disk, p->offset_bytes, err);
}

/* The EFI system partition with the boot manager where firmware looks for it. */
static bool make_efi(const char *beside, struct disk *disk, const struct partition *p,
                     bool arm, struct err *err)
{
    CLEANUP(unlink_cleanup) char *path = text_printf("%s.efi", beside);
    CLEANUP(unlink_cleanup) char *program = text_printf("%s.bootmgfw", beside);
    const char *format[] = {
        "mkfs.vfat", "-F", "32", "-s", "1", "-n", "SYSTEM", path, NULL
    };
    const char *folders[] = { "mmd",
                              "-i",
                              path,
                              "::/EFI",
                              "::/EFI/Boot",
                              "::/EFI/Microsoft",
                              "::/EFI/Microsoft/Boot",
                              NULL };
    const char *first[] = {
        "mcopy", "-i", path, program, "::/EFI/Microsoft/Boot/bootmgfw.efi", NULL
    };
    const char *second[] = { "mcopy",
                             "-i",
                             path,
                             program,
                             arm ? "::/EFI/Boot/bootaa64.efi" : "::/EFI/Boot/bootx64.efi",
                             NULL };
    struct make_file file = { .name = "bootmgfw.efi",
                              .kind = arm ? MAKE_PE_ARM64 : MAKE_PE64,
                              .size = 16384,
                              .version = "10.0.22621.1",
                              .company = "Microsoft Corporation" };

    if (!path || !program)
        return err_no_memory(err);
    return make_sparse(path, p->size_bytes, err) && run_tool(format, "dosfstools", err) &&
           make_file_at(program, &file, 13349808000000000, err) &&
           run_tool(folders, "mtools", err) && run_tool(first, "mtools", err) &&
           run_tool(second, "mtools", err) &&
           copy_file_system(path, disk, p->offset_bytes, err);
}

/* ---- partition tables ---- */

static void add_partition(struct partition *parts, unsigned *count, const char *disk,
                          const char *type, uint64_t *at, uint64_t size)
{
    struct partition *p = &parts[*count];
    CLEANUP(free_cleanup) char *seed = text_printf("%s/%u", disk, *count);

    *p = (struct partition){ .offset_bytes = *at, .size_bytes = size };
    p->index = ++*count;
    snprintf(p->type, sizeof(p->type), "%s", type);
    lab_guid(p->id, seed ? seed : disk);
    text_lower(p->id);
    *at += size;
}

/* Windows Setup's order: EFI, MSR, Windows, recovery. */
static bool write_gpt(struct disk *disk, const struct sim_disk *what,
                      struct partition *parts, unsigned *count, unsigned *ret_windows,
                      struct err *err)
{
    uint64_t at = MIB, end = what->size_bytes - 2 * MIB, recovery = 512 * MIB;
    bool windows = what->content == SIM_DISK_WINDOWS;

    if (windows) {
        add_partition(parts, count, what->path, EFI_TYPE, &at, 100 * MIB);
        add_partition(parts, count, what->path, MSR_TYPE, &at, 16 * MIB);
        end -= recovery;
    } else {
        add_partition(parts, count, what->path, MSR_TYPE, &at, 15 * MIB);
    }
    if (end <= at + FULL_MIB * MIB)
        return err_fail(err, ERR_INVALID, 0, "disk '%s' is too small", what->path);
    end = end / MIB * MIB;
    *ret_windows = *count;
    add_partition(parts, count, what->path, DATA_TYPE, &at,
                  what->problems & SIM_DISK_FULL ? FULL_MIB * MIB : end - at);
    if (windows)
        add_partition(parts, count, what->path, RECOVERY_TYPE, &at, recovery);
    return disk_write_gpt(disk, parts, *count, err);
}

static void put32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* Generation 1: one active NTFS partition; the disk signature at 440. */
static bool write_mbr(struct disk *disk, const struct sim_disk *what,
                      struct partition *parts, unsigned *count, unsigned *ret_windows,
                      struct err *err)
{
    uint8_t mbr[SECTOR] = { 0 }, *entry = mbr + 446;
    uint64_t at = MIB, size = (what->size_bytes - 2 * MIB) / MIB * MIB;

    if (what->size_bytes / SECTOR > UINT32_MAX || size < FULL_MIB * MIB)
        return err_fail(err, ERR_INVALID, 0, "disk '%s' does not fit an MBR", what->path);
    if (what->problems & SIM_DISK_FULL)
        size = FULL_MIB * MIB;
    *ret_windows = 0;
    add_partition(parts, count, what->path, "0x07", &at, size);
    put32(mbr + 440, (uint32_t)make_hash(what->path, 0));
    entry[0] = 0x80;
    memcpy(entry + 1, "\x20\x21\x00\x07\xfe\xff\xff", 7);
    put32(entry + 8, (uint32_t)(MIB / SECTOR));
    put32(entry + 12, (uint32_t)(size / SECTOR));
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
    return disk_write(disk, 0, mbr, sizeof(mbr), err);
}

/* ---- problems below the file system ---- */

enum {
    MFT_RECORD = 1024,
    LOGFILE_RECORD = 2,
    VOLUME_RECORD = 3,
    ATTR_DATA = 0x80,
    ATTR_VOLUME_INFORMATION = 0x70
};

static uint64_t le(const uint8_t *at, unsigned len)
{
    uint64_t value = 0;

    while (len-- > 0)
        value = value << 8 | at[len];
    return value;
}

/* Offset in @record of its first attribute of @type; 0: none. */
static size_t find_attribute(const uint8_t record[MFT_RECORD], uint32_t type)
{
    size_t at = le(record + 20, 2);

    while (at + 24 <= MFT_RECORD && le(record + at, 4) != 0xffffffff) {
        uint64_t len = le(record + at + 4, 4);

        if (le(record + at, 4) == type)
            return at;
        if (len < 24 || len > MFT_RECORD - at)
            return 0;
        at += len;
    }
    return 0;
}

struct ntfs_place {
    uint64_t base, mft, mirror; /* bytes on the disk */
    uint64_t cluster_bytes;
};

static bool find_mft(struct disk *disk, const struct partition *p, struct ntfs_place *ret,
                     struct err *err)
{
    uint8_t boot[SECTOR];

    if (!disk_read(disk, p->offset_bytes, boot, sizeof(boot), err))
        return false;
    ret->base = p->offset_bytes;
    ret->cluster_bytes = le(boot + 11, 2) * boot[13];
    ret->mft = ret->base + le(boot + 48, 8) * ret->cluster_bytes;
    ret->mirror = ret->base + le(boot + 56, 8) * ret->cluster_bytes;
    return true;
}

/* VOLUME_IS_DIRTY in $Volume, and in its copy in $MFTMirr: chkdsk runs at next start. */
static bool set_dirty_bit(struct disk *disk, const struct partition *p, struct err *err)
{
    uint8_t record[MFT_RECORD];
    struct ntfs_place ntfs;
    size_t at, value;

    if (!find_mft(disk, p, &ntfs, err))
        return false;
    ntfs.mft += VOLUME_RECORD * MFT_RECORD;
    ntfs.mirror += VOLUME_RECORD * MFT_RECORD;
    if (!disk_read(disk, ntfs.mft, record, sizeof(record), err))
        return false;
    at = find_attribute(record, ATTR_VOLUME_INFORMATION);
    value = at ? at + le(record + at + 20, 2) + 10 : 0;
    if (!at || value >= 510)
        return err_fail(err, ERR_PROTOCOL, 0, "mkntfs made an unexpected $Volume");
    record[value] |= 1;
    return disk_write(disk, ntfs.mft, record, sizeof(record), err) &&
           disk_write(disk, ntfs.mirror, record, sizeof(record), err);
}

/* A restart page of $LogFile with a client and without RESTART_VOLUME_IS_CLEAN: Windows
 * was switched off while it had the volume. */
static bool leave_log_open(struct disk *disk, const struct partition *p, struct err *err)
{
    enum { PAGE = 4096, USA_AT = 30, USA_COUNT = PAGE / SECTOR + 1, AREA = 64 };
    uint8_t record[MFT_RECORD], page[PAGE] = "RSTR", *area = page + AREA, *client;
    struct ntfs_place ntfs;
    unsigned size_bits = 0;
    uint64_t lcn;
    size_t at, runs;

    if (!find_mft(disk, p, &ntfs, err) ||
        !disk_read(disk, ntfs.mft + LOGFILE_RECORD * MFT_RECORD, record, sizeof(record),
                   err))
        return false;
    at = find_attribute(record, ATTR_DATA);
    runs = at ? at + le(record + at + 32, 2) : 0;
    if (!at || !record[at + 8] || runs + 9 >= 510 || (record[runs] & 15) > 4)
        return err_fail(err, ERR_PROTOCOL, 0, "mkntfs made an unexpected $LogFile");
    for (uint64_t size = le(record + at + 48, 8); size > 0; size >>= 1)
        size_bits++;
    lcn = le(record + runs + 1 + (record[runs] & 15), record[runs] >> 4);

    put32(page + 4, USA_AT | USA_COUNT << 16);
    put32(page + 16, PAGE); /* system page size */
    put32(page + 20, PAGE); /* log page size */
    put32(page + 24, AREA); /* offset of the restart area; minor version 1 below */
    page[26] = 1;           /* version 1.1 */
    page[28] = 1;
    put32(page + USA_AT, 1); /* update sequence number */
    put32(area, 1000);       /* current LSN */
    put32(area + 8, 1);      /* one client; none free */
    area[10] = 0xff;
    area[11] = 0xff;
    area[12] = 0;                     /* in use: client 0; flags 0: not clean */
    put32(area + 16, 67 - size_bits); /* sequence number bits */
    area[20] = 48 + 160;              /* length of the restart area */
    area[22] = 48;                    /* offset of the client array */
    memcpy(area + 24, record + at + 48, 8);
    area[36] = 48; /* log record header length */
    area[38] = 64; /* log page data offset */
    client = area + 48;
    memset(client + 16, 0xff, 4); /* no previous, no next client */
    put32(client + 28, 8);
    memcpy(client + 32, "N\0T\0F\0S\0", 8);
    for (unsigned i = 1; i < USA_COUNT; i++) { /* update sequence array */
        page[i * SECTOR - 2] = 1;
        page[i * SECTOR - 1] = 0;
    }
    return disk_write(disk, ntfs.base + lcn * ntfs.cluster_bytes, page, sizeof(page),
                      err) &&
           disk_write(disk, ntfs.base + lcn * ntfs.cluster_bytes + PAGE, page, sizeof(page),
                      err);
}

/* A volume encrypted by BitLocker: its signature, and noise. */
static bool encrypt(struct disk *disk, const struct partition *p, struct err *err)
{
    struct make_file noise = { .name = "bitlocker", .kind = MAKE_NOISE, .size = 64 * 1024 };
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len;

    bytes = make_file_bytes(&noise, &len);
    if (!bytes)
        return err_no_memory(err);
    memcpy(bytes, "\xeb\x58\x90-FVE-FS-\0\x02\x08\0\0", 16);
    bytes[510] = 0x55;
    bytes[511] = 0xaa;
    return disk_write(disk, p->offset_bytes, bytes, len, err);
}

/* ---- the whole disk ---- */

static bool fill_volume(struct disk *disk, const struct sim_disk *what,
                        const struct partition *p, struct err *err)
{
    CLEANUP(volume_cleanup) struct volume *volume = volume_open(disk, p, DISK_WRITE, err);

    if (!volume)
        return false;
    if (what->content == SIM_DISK_WINDOWS
            ? !guest_fill(volume, what, err)
            : !volume_write_all(volume, "\\readme.txt", "data\r\n", 6, 13349808000000000,
                                FILE_IS_ARCHIVE, err))
        return false;
    return volume_close(TAKE(volume), err);
}

static bool fill_disk(struct disk *disk, const struct sim_disk *what, const char *beside,
                      struct err *err)
{
    CLEANUP(free_cleanup) struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    unsigned count = 0, windows = 0;
    bool arm = what->architecture && strcmp(what->architecture, "arm64") == 0;

    if (!parts)
        return err_no_memory(err);
    if (what->generation == 1 ? !write_mbr(disk, what, parts, &count, &windows, err)
                              : !write_gpt(disk, what, parts, &count, &windows, err))
        return false;
    for (unsigned i = 0; i < count; i++) {
        bool ok = true;

        if (strcmp(parts[i].type, EFI_TYPE) == 0)
            ok = make_efi(beside, disk, &parts[i], arm, err);
        else if (strcmp(parts[i].type, RECOVERY_TYPE) == 0)
            ok = make_ntfs(beside, disk, &parts[i], "", err);
        else if (i == windows && (what->problems & SIM_DISK_BITLOCKER))
            ok = encrypt(disk, &parts[i], err);
        else if (i == windows)
            ok = make_ntfs(beside, disk, &parts[i],
                           what->content == SIM_DISK_WINDOWS ? "Windows" : "Data", err);
        if (!ok)
            return err_wrap(err, "partition %u", i + 1);
    }
    if (what->problems & SIM_DISK_BITLOCKER)
        return true;
    return fill_volume(disk, what, &parts[windows], err) &&
           (!(what->problems & SIM_DISK_UNCLEAN) ||
            leave_log_open(disk, &parts[windows], err)) &&
           (!(what->problems & SIM_DISK_CHKDSK) ||
            set_dirty_bit(disk, &parts[windows], err));
}

bool disk_make(const struct sim_disk *disk, const char *local, struct err *err)
{
    CLEANUP(free_cleanup) char *making = text_printf("%s.making", local);
    struct sim_disk what = *disk;
    struct disk *image;
    bool ok;

    if (!making)
        return err_no_memory(err);
    if (what.size_bytes == 0)
        what.size_bytes = 64ull << 30;
    if (what.build == 0) {
        what.build = 22631;
        what.ubr = 3880;
    }
    unlink(making); /* left by a run that was cut off */
    if (!disk_create_vhdx(making, what.size_bytes, 0, err))
        return err_wrap(err, "making disk '%s'", disk->path);
    image = disk_open(making, DISK_WRITE, err);
    ok = image &&
         (what.content == SIM_DISK_EMPTY || fill_disk(image, &what, making, err)) &&
         disk_commit(image, err);
    disk_close(image);
    if (ok && rename(making, local) != 0)
        ok = err_errno(err, errno, "cannot name '%s'", local);
    if (!ok)
        unlink(making);
    return ok || err_wrap(err, "making disk '%s'", disk->path);
}
