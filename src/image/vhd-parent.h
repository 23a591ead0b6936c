/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a differencing VHD says of its parent, and whether a disk is it.
 *
 * The child remembers the unique id of its parent's footer, and a time stamp: "the
 * modification time stamp of the parent hard disk", says Microsoft's "Virtual Hard Disk
 * Image Format Specification" 1.0.  VirtualBox and Xen's vhd-util put there the time the
 * parent's file was last written, others the time in the parent's footer: either will do.
 * The parent of a VHD is a VHD; other formats have no such id.
 */
#pragma once

#include <stdbool.h>

#include "attr.h"
#include "parent-paths.h"
#include "vhd-header.h"

/* Of the locators W2ru and W2ku, and the name in the header; ERR_PROTOCOL: none. */
bool vhd_parent_names(const struct image_file *child, const struct vhd_header *header,
                      struct parent_names *ret, struct err *err) MUST_CHECK;

/* @parent, the header of @file, is the disk that @child was made from... */
bool vhd_parent_is_it(const struct vhd_header *child, const struct vhd_header *parent);
/* ... and was not written since. */
bool vhd_parent_is_unchanged(const struct vhd_header *child,
                             const struct vhd_header *parent,
                             const struct image_file *file);
