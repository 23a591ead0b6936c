/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks the first block of a hive before anyone trusts the rest. */

#include "base-block.h"

#include <string.h>

#include "err.h"

uint32_t hive_load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

void hive_store_u32(uint8_t *at, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

uint32_t hive_base_sum(const uint8_t base[HIVE_CHECKSUM])
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < HIVE_CHECKSUM; i += 4)
        sum ^= hive_load_u32(base + i);
    return sum;
}

uint32_t hive_base_checksum(const uint8_t base[HIVE_CHECKSUM])
{
    uint32_t sum = hive_base_sum(base);

    return sum == 0 ? 1 : sum == UINT32_MAX ? UINT32_MAX - 1 : sum;
}

bool hive_fail_dirty(struct err *err, const char *why)
{
    err_fail(err, ERR_CONFLICT, 0, "the registry hive was not written to its end: %s", why);
    return err_hint(err, "start that Windows and shut it down from within, then try again");
}

bool hive_base_check(const uint8_t *bytes, size_t len, struct hive_base_block *ret,
                     struct err *err)
{
    struct hive_base_block base;

    if (len < HIVE_BASE_BYTES || memcmp(bytes, "regf", 4) != 0)
        return err_fail(err, ERR_PROTOCOL, 0, "this is no registry hive");
    if (len > HIVE_FILE_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "a registry hive of %zu MiB is too large",
                        len >> 20);

    /* The checksum first: without it no other field means anything.  Windows updates
     * the block in place, so a wrong one is an interrupted write. */
    if (hive_base_checksum(bytes) != hive_load_u32(bytes + HIVE_CHECKSUM))
        return hive_fail_dirty(err, "the checksum of its first block is wrong");
    base.sequence_1 = hive_load_u32(bytes + HIVE_SEQUENCE_1);
    base.sequence_2 = hive_load_u32(bytes + HIVE_SEQUENCE_2);
    base.is_dirty = base.sequence_1 != base.sequence_2;

    base.minor = hive_load_u32(bytes + HIVE_MINOR);
    if (hive_load_u32(bytes + HIVE_MAJOR) != 1 || base.minor < 2 || base.minor > 6)
        return err_fail(err, ERR_PROTOCOL, 0, "unknown version %u.%u of a registry hive",
                        hive_load_u32(bytes + HIVE_MAJOR), base.minor);
    if (hive_load_u32(bytes + HIVE_FILE_TYPE) != 0 ||
        hive_load_u32(bytes + HIVE_FILE_FORMAT) != 1)
        return err_fail(err, ERR_PROTOCOL, 0,
                        "this is a registry transaction log, not a hive");

    base.bins_bytes = hive_load_u32(bytes + HIVE_BINS_BYTES);
    if (base.bins_bytes == 0 || base.bins_bytes % 4096)
        return err_fail(
            err, ERR_PROTOCOL, 0,
            "the registry hive is damaged: its size is no whole number of pages");
    if (base.bins_bytes > len - HIVE_BASE_BYTES)
        return err_fail(err, ERR_PROTOCOL, 0,
                        "the registry hive is cut off: it should have %u bytes, has %zu",
                        base.bins_bytes + HIVE_BASE_BYTES, len);
    if (hive_load_u32(bytes + HIVE_ROOT_CELL) >= base.bins_bytes)
        return err_fail(err, ERR_PROTOCOL, 0,
                        "the registry hive is damaged: its root key lies outside");
    *ret = base;
    return true;
}
