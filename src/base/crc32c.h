/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two checksums of disk structures; zip files have the second. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli): VHDX and our journal.  Start with @crc 0; may be continued. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
/* CRC-32 (IEEE 802.3): GPT, zip. */
uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t len);
