/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHDX files: whatever the tables say, reading and writing stay inside.  A child that calls
 * its parent "100" (the image is /proc/self/fd/N) finds a disk there, whose DataWriteGuid is
 * all ones.
 */

#include <fcntl.h>

#include "crc32c.h"
#include "err.h"
#include "fuzz-image.h"
#include "image.h"
#include "little-endian.h"

enum { IMAGE_BYTES = 8 << 20, PARENT_FD = 100 };

/* Right checksums, so that the fuzzer gets behind them. */
static void seal(uint8_t *image, size_t at, size_t len)
{
    store_u32(image + at + 4, 0);
    store_u32(image + at + 4, crc32c(0, image + at, len));
}

static void seal_log(uint8_t *image)
{
    uint64_t log = load_u64(image + 0x10000 + 72), len = load_u32(image + 0x10000 + 68);

    if (log > IMAGE_BYTES || len > IMAGE_BYTES - log)
        return;
    for (uint64_t at = log; at + 4096 <= log + len; at += 4096) {
        uint32_t entry = load_u32(image + at + 8);

        if (memcmp(image + at, "loge", 4) == 0 && entry <= log + len - at && entry >= 64)
            seal(image, at, entry);
    }
}

static void use(const char *path, enum disk_mode mode)
{
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;
    uint8_t bytes[70000];

    disk = disk_open(path, mode, &err);
    if (!disk) {
        MUST(err.kind != ERR_NONE && err.depth > 0);
        return;
    }
    MUST(disk_size(disk) > 0 && disk_sector_bytes(disk) >= 512);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = disk_size(disk) / 8 * i;
        size_t len =
            disk_size(disk) - at < sizeof(bytes) ? disk_size(disk) - at : sizeof(bytes);

        if (!disk_read(disk, at, bytes, len, &err))
            return;
        memset(bytes, (int)i + 1, len);
        if (mode == DISK_WRITE && i % 3 == 0 && !disk_write(disk, at, bytes, len, &err))
            return;
    }
}

/* A disk with something in it, at descriptor 100. */
static void make_parent(void)
{
    char path[] = "/tmp/hvgpu-fuzz-XXXXXX", bytes[] = "the parent's";
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;
    uint8_t header[4096];
    int fd = mkstemp(path);

    MUST(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
    MUST(disk_create_vhdx(path, IMAGE_BYTES, 1 << 20, &err));
    disk = disk_open(path, DISK_WRITE, &err);
    MUST(disk && disk_write(disk, 70000, bytes, sizeof(bytes), &err) &&
         disk_commit(disk, &err));
    disk_close(disk);
    disk = NULL;
    fd = open(path, O_RDWR);
    MUST(fd >= 0 && dup2(fd, PARENT_FD) == PARENT_FD && close(fd) == 0 &&
         unlink(path) == 0);
    for (off_t at = 0x10000; at <= 0x20000; at += 0x10000) {
        MUST(pread(PARENT_FD, header, sizeof(header), at) == sizeof(header));
        memset(header + 32, 0xFF, 16);
        seal(header, 0, sizeof(header));
        MUST(pwrite(PARENT_FD, header, sizeof(header), at) == sizeof(header));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *image = fuzz_unpack(data, size, IMAGE_BYTES);
    static bool has_parent;
    char path[40];
    int fd;

    if (!has_parent)
        make_parent();
    has_parent = true;
    memcpy(image, "vhdxfile", 8);
    seal(image, 0x10000, 4096);
    seal(image, 0x20000, 4096);
    seal(image, 0x30000, 65536);
    seal(image, 0x40000, 65536);
    seal_log(image);
    fd = fuzz_file(image, IMAGE_BYTES, path);
    use(path, DISK_READ);
    use(path, DISK_WRITE);
    close(fd);
    return 0;
}
