/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file beside an image ("IMAGE.hvgpu-commit") that makes a commit all or nothing:
 * every page that replaces something, durable before the first of them is put in place.
 * Whoever opens the image next puts them in place again, or, when the journal is not
 * whole or the image was written by someone else since, drops it.
 *
 * Layout, little-endian: one header page, then per changed page a 64-byte record and the
 * page.  For images without an identity of their own (raw, VHD) every sector must hold
 * either what it held before the commit or what the journal puts there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "image-file.h"

struct err;

struct commit_journal;

/* @target: the image.  @identity: as in struct format. */
struct commit_journal *commit_journal_new(struct image_file *target,
                                          const uint8_t identity[32], struct err *err);
/* Drops it with its file, unless it was applied. */
void commit_journal_free(struct commit_journal *journal);
DEFINE_CLEANUP(commit_journal_cleanup, struct commit_journal *, commit_journal_free)

bool commit_journal_add(struct commit_journal *journal, uint64_t file_offset,
                        const uint8_t *bytes, size_t len, struct err *err) MUST_CHECK;
/* Makes it durable, puts all pages in place, makes them durable, removes it. */
bool commit_journal_apply(struct commit_journal *journal, struct err *err) MUST_CHECK;

/* True with *ret_found when a journal lies beside @path. */
bool commit_journal_exists(const char *path);
/* Puts the pages of a whole journal that belongs to @target in place; removes any. */
bool commit_journal_recover(struct image_file *target, const uint8_t identity[32],
                            struct err *err) MUST_CHECK;
