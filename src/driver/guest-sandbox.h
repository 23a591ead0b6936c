/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's disk in a process of its own, as its parent knows it: private to the two files that
 * are this parent. */
#pragma once

#include <jansson.h>

#include "guest-disk.h"

struct sandbox;

struct sandboxed {
    struct guest_disk base; /* first, so that the pointers convert */
    struct sandbox *sandbox;
    char *image, *parents, *backup_dir, *source_dir, *image_dir;
    const char *read_dirs[3], *write_dirs[3];
    bool is_changed;          /* what the process sees is not (all) in the image yet */
    struct guest_disk *local; /* in the child only */
};

/* Sends @in (taken over) as operation @op.  *ret_out: owned; NULL when not wanted. */
bool sandboxed_ask(struct guest_disk *self, const char *op, json_t *in,
                   struct progress *progress, json_t **ret_out, struct err *err) MUST_CHECK;
/* Each of @files, a list of an answer, to @on_file. */
bool sandboxed_take_files(struct guest_disk *self, const json_t *files,
                          guest_file_fn *on_file, void *user, struct err *err) MUST_CHECK;

/* For tests: how many processes hash a folder, however small it is.  0 otherwise: as many as
 * are worth it. */
extern unsigned sandboxed_reader_count;

/* All files below a folder with their hashes (guest-sandbox-hash.c). */
bool sandboxed_hash_tree(struct sandboxed *disk, const char *path,
                         struct progress *progress, guest_file_fn *on_file, void *user,
                         struct err *err) MUST_CHECK;
