/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base64 (RFC 4648): credentials go out in it, shell output comes in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attr.h"

/* Bytes base64_encode() writes for @len, the NUL included. */
size_t base64_size(size_t len);
void base64_encode(const void *bytes, size_t len, char *ret);

/* Decodes in place; blanks are skipped.  False: not base64. */
bool base64_decode(char *text, size_t len, size_t *ret_len) MUST_CHECK;
