/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reflected CRCs, eight bits at a time from tables made on first use. */

#include "crc32c.h"

#include <stdatomic.h>
#include <stdbool.h>

struct table {
    uint32_t entry[256];
    atomic_bool made;
};

static uint32_t crc(struct table *table, uint32_t polynomial, uint32_t sum,
                    const uint8_t *bytes, size_t len)
{
    /* Two threads may both make it: they write the same numbers. */
    if (!atomic_load(&table->made)) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;

            for (int bit = 0; bit < 8; bit++)
                c = c & 1 ? c >> 1 ^ polynomial : c >> 1;
            table->entry[i] = c;
        }
        atomic_store(&table->made, true);
    }
    sum = ~sum;
    for (size_t i = 0; i < len; i++)
        sum = table->entry[(sum ^ bytes[i]) & 0xFF] ^ sum >> 8;
    return ~sum;
}

uint32_t crc32c(uint32_t sum, const void *bytes, size_t len)
{
    static struct table table;

    return crc(&table, 0x82F63B78, sum, bytes, len);
}

uint32_t crc32_ieee(uint32_t sum, const void *bytes, size_t len)
{
    static struct table table;

    return crc(&table, 0xEDB88320, sum, bytes, len);
}
