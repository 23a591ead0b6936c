/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transaction logs of a registry hive: what Windows wrote down before it wrote the hive.
 *
 * Source: msuhanov/regf, "Windows registry file format specification"; checked on the
 * logs of a real Windows 10 (mkorman90/regipy test data).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;

struct hive_log { /* LOG1, LOG2 (or the old LOG); len 0: none */
    const uint8_t *bytes;
    size_t len;
};

/**
 * hive_replay - a clean copy of a dirty hive, as Windows would make it at the next load
 * @logs: any number of logs, in any order; foreign input
 * @ret_bytes: owned by the caller
 * @ret_applied: log entries that were applied; may be NULL
 *
 * The hive itself is not changed.  Entries are taken in sequence, from the first that the
 * hive lacks to the first that is missing or broken: those were never promised to anyone.
 *
 * ERR_CONFLICT: no log holds what the hive lacks; ERR_PROTOCOL: the hive is no hive.
 */
bool hive_replay(const uint8_t *bytes, size_t len, const struct hive_log *logs,
                 size_t log_count, uint8_t **ret_bytes, size_t *ret_len,
                 unsigned *ret_applied, struct err *err) MUST_CHECK;
