/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent of a differencing VHDX.  Source: [MS-VHDX] 2.6.2.6. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct image_file;

/* Opens, for reading, the file the locator names.  It is looked for beside the child under
 * the last part of its name only: a name in an image must not lead anywhere else. */
struct image_file *vhdx_parent_file(const struct image_file *child, uint64_t locator,
                                    uint32_t locator_bytes, struct err *err);
/* ERR_CONFLICT when the parent was written since the child was made. */
bool vhdx_parent_check(const struct image_file *child, uint64_t locator,
                       uint32_t locator_bytes, const uint8_t data_write_guid[16],
                       const char *parent_path, struct err *err) MUST_CHECK;
