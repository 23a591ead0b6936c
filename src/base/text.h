/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts: copies, comparisons that do not depend on the locale, numbers, UTF-16.
 * All text inside hvgpu is UTF-8.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

char *text_dup(const char *text);                          /* NULL gives NULL */
char *text_ndup(const char *text, size_t len);             /* NULL: no memory */
char *text_printf(const char *fmt, ...) PRINTF_LIKE(1, 2); /* NULL: no memory */

/* Windows names and CIM identifiers are compared without case.  ASCII only:
 * other letters compare as they are. */
int text_casecmp(const char *a, const char *b);
bool text_ieq(const char *a, const char *b); /* NULL equals only NULL */
bool text_istarts(const char *text, const char *prefix);
bool text_iends(const char *text, const char *suffix);
const char *text_istr(const char *text, const char *part); /* strstr() without case */
void text_lower(char *text);

bool text_is_guid(const char *text); /* 8-4-4-4-12 hex digits, with or without braces */
bool text_is_utf8(const char *text, size_t len);
/* How many of at most @most bytes of @text to show so that no letter is halved. */
size_t text_cut(const char *text, size_t most);
/* @text as errors are written: in one line, blanks single, no full stop; cut to @size bytes. */
void text_put_line(char *to, size_t size, const char *text);

/* Whole text, no sign for the unsigned one, no blanks, no overflow.  @base is
 * 10, 16 or 0 (0x prefix allowed).  False leaves *ret alone. */
bool text_to_u64(const char *text, int base, uint64_t *ret) MUST_CHECK;
bool text_to_i64(const char *text, int base, int64_t *ret) MUST_CHECK;

/* "3G", "33280M", "64K" or plain bytes, as options and files give sizes. */
bool text_to_size(const char *text, uint64_t *ret) MUST_CHECK;

/* UTF-16LE bytes to UTF-8 and back.  Unpaired surrogates and odd lengths are
 * errors (NULL, errno EILSEQ); NULL with errno ENOMEM means no memory.  The
 * result is NUL-terminated; *ret_len (may be NULL) does not count that. */
char *text_from_utf16le(const void *bytes, size_t len, size_t *ret_len);
uint8_t *text_to_utf16le(const char *text, size_t *ret_len); /* ends in two more NULs */

/* Columns a text takes on a terminal: wide East Asian letters count two,
 * combining marks none. */
unsigned text_columns(const char *text);
/* A size for people: "8.0 GB", "32 GB".  In @buf, which is returned. */
char *size_text(char buf[24], uint64_t bytes);
