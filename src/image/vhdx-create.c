/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes an empty dynamic VHDX.  Source: [MS-VHDX]; the layout is Hyper-V's own. */

#include <string.h>

#include "crc32c.h"
#include "err.h"
#include "image-file.h"
#include "image.h"
#include "little-endian.h"
#include "os.h"
#include "vhdx-layout.h"

enum {
    DEFAULT_BLOCK = 32 << 20,
    LOG_AT = 1 << 20,
    METADATA_AT = 2 << 20,
    BAT_AT = 3 << 20,
};

static void put_region(uint8_t *entry, const uint8_t guid[16], uint64_t offset,
                       uint32_t len)
{
    memcpy(entry, guid, 16);
    store_u64(entry + 16, offset);
    store_u32(entry + 24, len);
    store_u32(entry + 28, 1); /* required */
}

/* Adds one item; @used: bytes of items so far. */
static void put_item(uint8_t *metadata, const uint8_t guid[16], const void *value,
                     uint32_t len, uint32_t flags, uint32_t *used)
{
    uint16_t count = load_u16(metadata + 10);
    uint8_t *entry = metadata + 32 + count * 32;

    memcpy(entry, guid, 16);
    store_u32(entry + 16, VHDX_METADATA_TABLE_BYTES + *used);
    store_u32(entry + 20, len);
    store_u32(entry + 24, flags);
    memcpy(metadata + VHDX_METADATA_TABLE_BYTES + *used, value, len);
    store_u16(metadata + 10, count + 1);
    *used += (len + 7) / 8 * 8;
}

static bool put_metadata(uint8_t *metadata, uint64_t size, uint32_t block_bytes,
                         struct err *err)
{
    enum { IS_DISK = 2, IS_REQUIRED = 4 };
    uint8_t parameters[8] = { 0 }, bytes[8], id[16];
    uint32_t used = 0;

    if (!os_random(id, sizeof(id)))
        return err_fail(err, ERR_SYSTEM, 0, "the system has no random numbers");
    memcpy(metadata, "metadata", 8);
    store_u32(parameters, block_bytes);
    put_item(metadata, vhdx_guid_parameters, parameters, 8, IS_REQUIRED, &used);
    store_u64(bytes, size);
    put_item(metadata, vhdx_guid_size, bytes, 8, IS_DISK | IS_REQUIRED, &used);
    put_item(metadata, vhdx_guid_disk_id, id, 16, IS_DISK | IS_REQUIRED, &used);
    store_u32(bytes, 512);
    put_item(metadata, vhdx_guid_logical, bytes, 4, IS_DISK | IS_REQUIRED, &used);
    store_u32(bytes, 4096);
    put_item(metadata, vhdx_guid_physical, bytes, 4, IS_DISK | IS_REQUIRED, &used);
    return true;
}

static bool fill(struct image_file *file, uint64_t size, uint32_t block_bytes,
                 struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = calloc(1, VHDX_MIB);
    struct vhdx_header header = { .sequence = 1,
                                  .log_bytes = VHDX_MIB,
                                  .log_offset = LOG_AT };
    static const char creator[] = "h\0v\0g\0p\0u\0";
    uint64_t blocks = (size + block_bytes - 1) / block_bytes;
    uint64_t entries = blocks + (blocks - 1) / vhdx_chunk_ratio(512, block_bytes);
    uint64_t bat_bytes = (entries * 8 + VHDX_MIB - 1) / VHDX_MIB * VHDX_MIB;

    if (!bytes)
        return err_no_memory(err);
    if (!os_random(header.file_write_guid, 16) || !os_random(header.data_write_guid, 16))
        return err_fail(err, ERR_SYSTEM, 0, "the system has no random numbers");

    memcpy(bytes, "vhdxfile", 8);
    memcpy(bytes + 8, creator, sizeof(creator) - 1);
    vhdx_header_encode(&header, bytes + VHDX_HEADER_1);
    header.sequence++;
    vhdx_header_encode(&header, bytes + VHDX_HEADER_2);
    memcpy(bytes + VHDX_REGIONS_1, "regi", 4);
    store_u32(bytes + VHDX_REGIONS_1 + 8, 2);
    put_region(bytes + VHDX_REGIONS_1 + 16, vhdx_guid_bat, BAT_AT, (uint32_t)bat_bytes);
    put_region(bytes + VHDX_REGIONS_1 + 48, vhdx_guid_metadata, METADATA_AT, VHDX_MIB);
    store_u32(bytes + VHDX_REGIONS_1 + 4,
              crc32c(0, bytes + VHDX_REGIONS_1, VHDX_REGIONS_BYTES));
    memcpy(bytes + VHDX_REGIONS_2, bytes + VHDX_REGIONS_1, VHDX_REGIONS_BYTES);
    if (!image_file_write(file, 0, bytes, VHDX_MIB, err))
        return false;

    memset(bytes, 0, VHDX_MIB);
    if (!put_metadata(bytes, size, block_bytes, err) ||
        !image_file_write(file, METADATA_AT, bytes, VHDX_METADATA_TABLE_BYTES + IMAGE_PAGE,
                          err))
        return false;
    return image_file_resize(file, BAT_AT + bat_bytes, err) && image_file_sync(file, err) &&
           image_file_sync_folder(file->path, err);
}

bool disk_create_vhdx(const char *path, uint64_t virtual_bytes, uint32_t block_bytes,
                      struct err *err)
{
    CLEANUP(image_file_cleanup) struct image_file *file = NULL;

    if (block_bytes == 0)
        block_bytes = DEFAULT_BLOCK;
    if (block_bytes < VHDX_MIB || block_bytes > 256 << 20 ||
        (block_bytes & (block_bytes - 1)))
        return err_fail(err, ERR_INVALID, 0, "a VHDX has no blocks of %u bytes",
                        block_bytes);
    if (virtual_bytes == 0 || virtual_bytes % 4096 || virtual_bytes > (uint64_t)64 << 40)
        return err_fail(err, ERR_INVALID, 0, "a VHDX cannot have %llu bytes",
                        (unsigned long long)virtual_bytes);
    file = image_file_create(path, err);
    if (!file)
        return false;
    if (!fill(file, virtual_bytes, block_bytes, err)) {
        struct err unused = ERR_INIT;

        image_file_remove(path, &unused);
        return false;
    }
    return true;
}
