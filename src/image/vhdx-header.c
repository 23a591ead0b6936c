/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two headers of a VHDX file: the valid one with the higher number counts. */

#include "vhdx-layout.h"

#include <string.h>

#include "crc32c.h"
#include "err.h"
#include "image-file.h"
#include "little-endian.h"

/* clang-format off */
const uint8_t vhdx_guid_bat[16] = { 0x66, 0x77, 0xC2, 0x2D, 0x23, 0xF6, 0x00, 0x42,
                                    0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08 };
const uint8_t vhdx_guid_metadata[16] = { 0x06, 0xA2, 0x7C, 0x8B, 0x90, 0x47, 0x9A, 0x4B,
                                         0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E };
const uint8_t vhdx_guid_parameters[16] = { 0x37, 0x67, 0xA1, 0xCA, 0x36, 0xFA, 0x43, 0x4D,
                                           0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B };
const uint8_t vhdx_guid_size[16] = { 0x24, 0x42, 0xA5, 0x2F, 0x1B, 0xCD, 0x76, 0x48,
                                     0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8 };
const uint8_t vhdx_guid_disk_id[16] = { 0xAB, 0x12, 0xCA, 0xBE, 0xE6, 0xB2, 0x23, 0x45,
                                        0x93, 0xEF, 0xC3, 0x09, 0xE0, 0x00, 0xC7, 0x46 };
const uint8_t vhdx_guid_logical[16] = { 0x1D, 0xBF, 0x41, 0x81, 0x6F, 0xA9, 0x09, 0x47,
                                        0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F };
const uint8_t vhdx_guid_physical[16] = { 0xC7, 0x48, 0xA3, 0xCD, 0x5D, 0x44, 0x71, 0x44,
                                         0x9C, 0xC9, 0xE9, 0x88, 0x52, 0x51, 0xC5, 0x56 };
const uint8_t vhdx_guid_locator[16] = { 0x2D, 0x5F, 0xD3, 0xA8, 0x0B, 0xB3, 0x4D, 0x45,
                                        0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C };
const uint8_t vhdx_guid_locator_vhdx[16] = { 0xB7, 0xEF, 0x4A, 0xB0, 0x9E, 0xD1, 0x81, 0x4A,
                                             0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44, 0x59, 0x13 };
/* clang-format on */

static uint64_t slot_offset(unsigned slot)
{
    return slot ? VHDX_HEADER_2 : VHDX_HEADER_1;
}

static bool is_crc_right(uint8_t *bytes, size_t len)
{
    uint32_t stored = load_u32(bytes + 4), computed;

    store_u32(bytes + 4, 0);
    computed = crc32c(0, bytes, len);
    store_u32(bytes + 4, stored);
    return computed == stored;
}

/* 2.2.2 */
static bool decode(uint8_t bytes[VHDX_HEADER_BYTES], struct vhdx_header *ret)
{
    if (memcmp(bytes, "head", 4) != 0 || !is_crc_right(bytes, VHDX_HEADER_BYTES))
        return false;
    if (load_u16(bytes + 66) != 1) /* version of the format */
        return false;
    ret->sequence = load_u64(bytes + 8);
    memcpy(ret->file_write_guid, bytes + 16, 16);
    memcpy(ret->data_write_guid, bytes + 32, 16);
    memcpy(ret->log_guid, bytes + 48, 16);
    ret->log_bytes = load_u32(bytes + 68);
    ret->log_offset = load_u64(bytes + 72);
    return true;
}

void vhdx_header_encode(const struct vhdx_header *header, uint8_t bytes[VHDX_HEADER_BYTES])
{
    memset(bytes, 0, VHDX_HEADER_BYTES);
    memcpy(bytes, "head", 4);
    store_u64(bytes + 8, header->sequence);
    memcpy(bytes + 16, header->file_write_guid, 16);
    memcpy(bytes + 32, header->data_write_guid, 16);
    memcpy(bytes + 48, header->log_guid, 16);
    store_u16(bytes + 66, 1);
    store_u32(bytes + 68, header->log_bytes);
    store_u64(bytes + 72, header->log_offset);
    store_u32(bytes + 4, crc32c(0, bytes, VHDX_HEADER_BYTES));
}

bool vhdx_header_read(const struct image_file *file, struct vhdx_header *ret,
                      struct err *err)
{
    bool found = false;

    for (unsigned slot = 0; slot < 2; slot++) {
        uint8_t bytes[VHDX_HEADER_BYTES];
        struct vhdx_header header = { .slot = slot };

        if (!image_file_read(file, slot_offset(slot), bytes, sizeof(bytes), err))
            return false;
        if (!decode(bytes, &header))
            continue;
        if (found && header.sequence <= ret->sequence)
            continue;
        *ret = header;
        found = true;
    }
    if (!found)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s': both VHDX headers are damaged",
                        file->path);
    return true;
}

bool vhdx_header_write(struct image_file *file, struct vhdx_header *header, struct err *err)
{
    struct vhdx_header next = *header;
    uint8_t bytes[VHDX_HEADER_BYTES];

    next.slot = !header->slot;
    next.sequence++;
    vhdx_header_encode(&next, bytes);
    if (!image_file_write(file, slot_offset(next.slot), bytes, sizeof(bytes), err) ||
        !image_file_sync(file, err))
        return false;
    *header = next;
    return true;
}
