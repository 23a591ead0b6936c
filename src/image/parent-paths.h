/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the parent of a differencing disk may be.
 *
 * The names a child gives are foreign: they are looked up below two folders only, the
 * child's own and the one a person named (struct image_file, parents), and only downwards:
 * of "..\\base\\win.vhdx" and "D:\\vms\\base\\win.vhdx" there are base/win.vhdx and win.vhdx.
 * Whether what is found there is the parent is for the format to say (chain.h).
 */
#pragma once

#include <stdbool.h>

#include "attr.h"

struct err;
struct image_file;

enum { PARENT_NAMES_MAX = 3, PARENT_PATHS_MAX = 48, PARENT_NAME_MAX_BYTES = 4096 };

/* What a child calls its parent, the likeliest first; owned. */
struct parent_names {
    char *names[PARENT_NAMES_MAX]; /* the first is relative to the child; NULL: not there */
};
bool parent_names_are_empty(const struct parent_names *names);
void parent_names_clear(struct parent_names *names);

struct parent_paths {
    char *paths[PARENT_PATHS_MAX];
    unsigned count;
};
/* The files that are there, the likeliest first; the child itself is none of them. */
bool parent_paths_find(const struct image_file *child, const struct parent_names *names,
                       struct parent_paths *ret, struct err *err) MUST_CHECK;
void parent_paths_clear(struct parent_paths *paths);

/* ERR_NOT_FOUND, with the folder to name; false. */
bool parent_paths_fail_none(const struct image_file *child,
                            const struct parent_names *names, struct err *err);
