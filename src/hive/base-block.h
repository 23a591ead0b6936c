/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first 4096 bytes of a hive: what it is, how large, and whether Windows
 * finished writing it.
 *
 * Source: msuhanov/regf, "Windows registry file format specification".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;

enum {
    HIVE_BASE_BYTES = 4096,
    HIVE_SEQUENCE_1 = 4,
    HIVE_SEQUENCE_2 = 8,
    HIVE_TIMESTAMP = 12,
    HIVE_MAJOR = 20,
    HIVE_MINOR = 24,
    HIVE_FILE_TYPE = 28,
    HIVE_FILE_FORMAT = 32,
    HIVE_ROOT_CELL = 36,
    HIVE_BINS_BYTES = 40,
    HIVE_CLUSTERING = 44,
    HIVE_CHECKSUM = 508,
    HIVE_FILE_MAX = 512 << 20, /* the largest real ones, COMPONENTS, stay below 200 MiB */
};

struct hive_base_block {
    uint32_t sequence_1, sequence_2;
    uint32_t minor;
    uint32_t bins_bytes;
    bool is_dirty;
};

uint32_t hive_load_u32(const uint8_t *at);
void hive_store_u32(uint8_t *at, uint32_t number);

/* XOR of the first 127 words. */
uint32_t hive_base_sum(const uint8_t base[HIVE_CHECKSUM]);

/* What Windows stores of it: never 0 or -1. */
uint32_t hive_base_checksum(const uint8_t base[HIVE_CHECKSUM]);

/* ERR_PROTOCOL: no hive, or sizes that cannot be.  ERR_CONFLICT: the block itself was
 * written half.  A hive whose sequence numbers differ passes, as dirty. */
bool hive_base_check(const uint8_t *bytes, size_t len, struct hive_base_block *ret,
                     struct err *err) MUST_CHECK;

/* ERR_CONFLICT with a hint what to do about it. */
bool hive_fail_dirty(struct err *err, const char *why);
