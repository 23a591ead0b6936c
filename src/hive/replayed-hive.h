/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a hive of a Windows that is off, with what its transaction logs add. */
#pragma once

#include "hive.h"

enum { HIVE_FILE_MAX = 512 << 20, HIVE_LOG_MAX = 128 << 20 };

/*
 * Opens the hive in @bytes.  A dirty one is made clean from its logs first (either may be
 * NULL), in a copy; ERR_CONFLICT when they do not hold what it lacks.
 * @ret_replayed: true when that was needed; may be NULL.
 */
struct hive *hive_open_replayed(const uint8_t *bytes, size_t len, const uint8_t *log1,
                                size_t log1_len, const uint8_t *log2, size_t log2_len,
                                bool writable, bool *ret_replayed, struct err *err);
