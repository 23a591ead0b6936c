/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partition tables, GPT and MBR: every partition found lies inside the disk. */

#include "crc32c.h"
#include "err.h"
#include "fuzz-image.h"
#include "image.h"
#include "little-endian.h"

enum { IMAGE_BYTES = 4 << 20 };

static void seal(uint8_t *image, size_t at)
{
    uint8_t *header = image + at;
    uint64_t entries = load_u64(header + 72);
    uint64_t len = (uint64_t)load_u32(header + 80) * load_u32(header + 84);
    uint32_t header_len = load_u32(header + 12);

    if (memcmp(header, "EFI PART", 8) != 0 || header_len > 512 ||
        entries > IMAGE_BYTES / 512)
        return;
    if (len <= IMAGE_BYTES - entries * 512)
        store_u32(header + 88, crc32_ieee(0, image + entries * 512, len));
    store_u32(header + 16, 0);
    store_u32(header + 16, crc32_ieee(0, header, header_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *image = fuzz_unpack(data, size, IMAGE_BYTES);
    struct partition *parts = calloc(PARTITION_MAX, sizeof(*parts));
    CLEANUP(disk_cleanup) struct disk *disk = NULL;
    struct err err = ERR_INIT;
    const char *table = NULL;
    unsigned count = 0;
    char path[40];
    int fd;

    MUST(parts);
    seal(image, 512);
    seal(image, IMAGE_BYTES - 512);
    fd = fuzz_file(image, IMAGE_BYTES, path);
    disk = disk_open(path, DISK_READ, &err);
    if (disk && disk_partitions(disk, parts, &count, &table, &err)) {
        MUST(count <= PARTITION_MAX && table);
        for (unsigned i = 0; i < count; i++)
            MUST(parts[i].offset_bytes <= disk_size(disk) &&
                 parts[i].size_bytes <= disk_size(disk) - parts[i].offset_bytes);
    } else {
        MUST(err.kind != ERR_NONE);
    }
    free(parts);
    close(fd);
    return 0;
}
