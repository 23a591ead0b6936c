/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that exists only in memory and still has a path: hivex wants one.
 * This and hive_prepare() are the only platform code of this folder.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;

enum { MEMORY_FILE_PATH = 40 };

/* A descriptor (close() it) and in @path a name that opens it again. */
int memory_file_new(const void *bytes, size_t len, char path[MEMORY_FILE_PATH],
                    struct err *err);
/* Overwrites bytes that are there. */
bool memory_file_patch(int fd, uint32_t offset, const void *bytes, size_t len,
                       struct err *err) MUST_CHECK;
bool memory_file_read(int fd, uint8_t **ret_bytes, size_t *ret_len, struct err *err)
    MUST_CHECK;
