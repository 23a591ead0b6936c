/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the formats with parents share: a chain of disks, of which only the leaf is written.
 * What the leaf lacks of a block is copied from its parents first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct extent;
struct format;
struct image_file;
struct parent_names;

enum { CHAIN_MAX = 32 };

/* ERR_UNSUPPORTED: a disk with @depth children below it has no place in a chain. */
bool chain_check_depth(unsigned depth, struct err *err) MUST_CHECK;

/* Opens the first file of one of @names that @is_parent says is the parent, told by its
 * header alone; without one @err says why the likeliest is not.  Nothing is written, also
 * not what an interrupted change of the parent left. */
struct image_file *chain_find_parent(const struct image_file *child,
                                     const struct parent_names *names,
                                     bool (*is_parent)(const struct image_file *file,
                                                       void *user, struct err *err),
                                     void *user, struct err *err);
/* For is_parent(): @file is it, but not as it was; ERR_CONFLICT, false.  @hint: what may
 * be done besides, or "". */
bool chain_fail_changed(const struct image_file *file, const struct image_file *child,
                        const char *hint, struct err *err);

/* Where the child of @parent finds what it lacks; zeros behind the parent's end. */
bool chain_map(struct format *parent, uint64_t offset, uint64_t len, struct extent *ret,
               struct err *err) MUST_CHECK;
/* Copies what @parent has of [@offset, @offset + @len) to @at in @file; where it has
 * nothing, @file stays as it is. */
bool chain_copy_up(struct format *parent, uint64_t offset, uint64_t len,
                   struct image_file *file, uint64_t at, struct err *err) MUST_CHECK;

/* A disk beside @parent that was made from it, as it is now; false: none.
 * @data_write_guid: the parent's, when it is a VHDX. */
bool chain_find_child(const struct image_file *parent, const uint8_t data_write_guid[16],
                      char *ret_name, size_t size);
