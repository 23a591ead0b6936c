/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the parent of a differencing VHDX may be.  Source: [MS-VHDX] 2.6.2.6.
 *
 * The names a child gives are foreign: they are looked up below two folders only, the
 * child's own and the one a person named (struct image_file, parents), and only downwards:
 * of "..\\base\\win.vhdx" and "D:\\vms\\base\\win.vhdx" there are base/win.vhdx and win.vhdx.
 * What is found there is the parent only when it has the DataWriteGuid the child remembers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct image_file;

enum { VHDX_PARENT_PATHS_MAX = 48 };

struct vhdx_locator {
    char *names[3]; /* relative_path, absolute_win32_path, volume_path; NULL: not there */
    char *linkage;  /* the parent's DataWriteGuid in braces */
};

bool vhdx_locator_read(const struct image_file *child, uint64_t at, uint32_t len,
                       struct vhdx_locator *ret, struct err *err) MUST_CHECK;
void vhdx_locator_clear(struct vhdx_locator *locator);

struct vhdx_parent_paths {
    char *paths[VHDX_PARENT_PATHS_MAX];
    unsigned count;
};
/* The files that are there, the likeliest first; the child itself is none of them. */
bool vhdx_parent_paths(const struct image_file *child, const struct vhdx_locator *locator,
                       struct vhdx_parent_paths *ret, struct err *err) MUST_CHECK;
void vhdx_parent_paths_clear(struct vhdx_parent_paths *paths);

bool vhdx_locator_fits(const struct vhdx_locator *locator,
                       const uint8_t data_write_guid[16]);
/* ERR_NOT_FOUND, with the folder to name; false. */
bool vhdx_fail_no_parent(const struct image_file *child, const struct vhdx_locator *locator,
                         struct err *err);
