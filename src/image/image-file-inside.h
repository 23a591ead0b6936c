/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the implementations of image-file.h for Linux and for Windows share. */
#pragma once

#include "image-file.h"

/* NULL with @err; no file is open yet (fd -1). */
struct image_file *image_file_new(const char *path, struct err *err);
void image_file_tell(const struct image_file_event *event);
bool image_file_fail_in_use(struct err *err, const char *path);
/* Puts what @file->overlays hold of [@offset, @offset + @len) into @to. */
void image_file_lay_over(const struct image_file *file, uint64_t offset, uint8_t *to,
                         size_t len);
/* Frees all but the descriptor, which the caller has closed. */
void image_file_free(struct image_file *file);
