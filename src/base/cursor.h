/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading bytes someone else wrote: a hive, a VHDX header, a network answer.
 *
 * A cursor never points outside its buffer and only moves forward, so a loop
 * that reads at least one byte per turn ends.  A read that does not fit fails,
 * leaves the cursor where it was and the result untouched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct cursor {
    const uint8_t *at;
    size_t left;
};

bool cursor_u16le(struct cursor *c, uint16_t *ret) MUST_CHECK;
bool cursor_u32le(struct cursor *c, uint32_t *ret) MUST_CHECK;
bool cursor_skip(struct cursor *c, size_t n) MUST_CHECK;

/* A cursor over the next @n bytes; @c moves past them. */
bool cursor_sub(struct cursor *c, size_t n, struct cursor *ret) MUST_CHECK;
