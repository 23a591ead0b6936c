/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of iconv as hivex asks for: between UTF-8 and UTF-16LE or Latin-1. */
#pragma once

#include <stddef.h>

typedef struct iconv_pair *iconv_t; /* hivex names the type */

/* "UTF-8", "UTF-16LE", "LATIN1"; one of the two must be UTF-8, else EINVAL. */
iconv_t iconv_open(const char *to, const char *from);
/* As POSIX: EILSEQ for what is no text or does not fit the target (Latin-1), EINVAL for an
 * incomplete character at the end, E2BIG when *@out_left is too small.  There is no state
 * to reset: a NULL @in does nothing. */
size_t iconv(iconv_t pair, char **in, size_t *in_left, char **out, size_t *out_left);
int iconv_close(iconv_t pair);
