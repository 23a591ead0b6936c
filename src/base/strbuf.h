/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing text or byte buffer.
 *
 * Appending never fails visibly: running out of memory, or growing past
 * STRBUF_MAX, sets `failed`, further appends do nothing, and strbuf_take()
 * returns NULL.  So a text is built without a check per line and checked once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attr.h"

enum { STRBUF_MAX = 1 << 30 };

struct strbuf {
    char *text; /* NUL-terminated once anything was appended; NULL when empty */
    size_t len; /* without the NUL */
    size_t size;
    bool failed;
};

#define STRBUF_INIT ((struct strbuf){ 0 })

void strbuf_add(struct strbuf *buf, const void *bytes, size_t len);
void strbuf_puts(struct strbuf *buf, const char *text);
void strbuf_putc(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_clear(struct strbuf *buf); /* empty, memory kept */
void strbuf_free(struct strbuf *buf);

/* What was built, owned by the caller (an empty buffer gives ""), or NULL if
 * building failed.  The buffer is empty afterwards. */
char *strbuf_take(struct strbuf *buf) MUST_CHECK;

/* CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT; */
static inline void strbuf_cleanup(struct strbuf *buf)
{
    strbuf_free(buf);
}
