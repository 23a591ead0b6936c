/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHD files: whatever the tables say, reading, writing and committing stay inside.  The
 * images lie in /proc/self/fd, so a differencing one finds a parent by a number.
 */

#include <fcntl.h>

#include "err.h"
#include "fuzz-image.h"
#include "image.h"

enum {
    IMAGE_BYTES = 3 << 20,
    FOOTER = 512,
    HEADER = 1024,
    PARENT = 900, /* its descriptor, and so its name */
    PARENT_BYTES = 2 << 20,
};

/* Right checksums, so that the fuzzer gets behind them. */
static void seal(uint8_t *bytes, size_t len, size_t sum_at)
{
    uint32_t sum = 0;

    memset(bytes + sum_at, 0, 4);
    for (size_t i = 0; i < len; i++)
        sum += bytes[i];
    for (unsigned i = 0; i < 4; i++)
        bytes[sum_at + i] = (uint8_t)(~sum >> (24 - 8 * i));
}

static void seal_all(uint8_t *image)
{
    uint8_t *footer = image + IMAGE_BYTES - FOOTER;
    uint64_t header = 0;

    memcpy(footer, "conectix", 8);
    seal(footer, FOOTER, 64);
    if (memcmp(image, "conectix", 8) == 0)
        seal(image, FOOTER, 64);
    for (unsigned i = 0; i < 8; i++)
        header = header << 8 | footer[16 + i];
    if (header <= IMAGE_BYTES - HEADER)
        seal(image + header, HEADER, 36);
}

/* A fixed disk, smaller than its child may be.  Its unique id is zeros, its time is 0. */
static void make_parent(void)
{
    uint8_t *image = calloc(1, PARENT_BYTES + FOOTER), *footer = image + PARENT_BYTES;
    char path[40];
    int fd;

    MUST(image);
    memset(image, 0x5A, PARENT_BYTES);
    memcpy(footer, "conectix", 8);
    footer[48 + 5] = PARENT_BYTES >> 16;
    footer[63] = 2;
    seal(footer, FOOTER, 64);
    fd = fuzz_file(image, PARENT_BYTES + FOOTER, path);
    MUST(dup2(fd, PARENT) == PARENT);
    close(fd);
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
    MUST(disk_size(disk) > 0 && disk_sector_bytes(disk) == 512);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = disk_size(disk) / 8 * i, left = disk_size(disk) - at;
        size_t len = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

        if (!disk_read(disk, at, bytes, len, &err))
            return;
        memset(bytes, (int)i + 1, len);
        if (mode == DISK_WRITE && i % 3 == 0 && !disk_write(disk, at, bytes, len, &err))
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *image = fuzz_unpack(data, size, IMAGE_BYTES);
    char path[40];
    int fd;

    if (fcntl(PARENT, F_GETFD) < 0)
        make_parent();
    seal_all(image);
    fd = fuzz_file(image, IMAGE_BYTES, path);
    use(path, DISK_READ);
    use(path, DISK_WRITE);
    close(fd);
    return 0;
}
