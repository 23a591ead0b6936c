/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a differencing VHDX says of its parent.  Source: [MS-VHDX] 2.6.2.6.
 *
 * A disk of one of its names is the parent only when it has the DataWriteGuid the child
 * remembers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "parent-paths.h"

struct vhdx_locator {
    struct parent_names names; /* relative_path, absolute_win32_path, volume_path */
    char *linkage;             /* the parent's DataWriteGuid in braces */
};

bool vhdx_locator_read(const struct image_file *child, uint64_t at, uint32_t len,
                       struct vhdx_locator *ret, struct err *err) MUST_CHECK;
void vhdx_locator_clear(struct vhdx_locator *locator);

bool vhdx_locator_fits(const struct vhdx_locator *locator,
                       const uint8_t data_write_guid[16]);
