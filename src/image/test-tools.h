/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of this folder share: a folder for scratch files, programs others wrote,
 * random numbers that repeat. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

/* Made on first use, removed at exit. */
const char *scratch_dir(void);
/* "DIR/name"; one of a few static buffers. */
const char *scratch(const char *name);

bool has_program(const char *name);
/* Runs a shell line; its exit status, output dropped. */
int shell(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* What it prints, stderr included; owned. */
char *shell_output(const char *fmt, ...) PRINTF_LIKE(1, 2);

uint8_t *read_whole(const char *path, size_t *ret_len); /* owned; NULL: cannot */
bool write_whole(const char *path, const void *bytes, size_t len);
bool patch_file(const char *path, uint64_t offset, const void *bytes, size_t len);
bool copy_file(const char *from, const char *to);

/* Not for secrets: the same numbers every run, so that a failure repeats. */
struct dice {
    uint64_t state;
};
uint64_t dice_roll(struct dice *dice, uint64_t below);
void dice_fill(struct dice *dice, void *to, size_t len);
