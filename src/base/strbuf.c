/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing buffer that remembers its failure. */

#include "strbuf.h"

#include <stdarg.h>
#include <string.h>

static bool reserve(struct strbuf *buf, size_t more)
{
    size_t size = buf->size ? buf->size : 64;
    char *text;

    if (buf->failed)
        return false;
    if (more > STRBUF_MAX || buf->len > STRBUF_MAX - more) {
        buf->failed = true;
        return false;
    }
    while (size < buf->len + more + 1)
        size *= 2;
    if (size == buf->size)
        return true;

    text = realloc(buf->text, size);
    if (!text) {
        buf->failed = true;
        return false;
    }
    buf->text = text;
    buf->size = size;
    return true;
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len))
        return;
    if (len)
        memcpy(buf->text + buf->len, bytes, len);
    buf->len += len;
    buf->text[buf->len] = '\0';
}

void strbuf_puts(struct strbuf *buf, const char *text)
{
    strbuf_add(buf, text, strlen(text));
}

void strbuf_putc(struct strbuf *buf, char c)
{
    if (!reserve(buf, 1))
        return;
    buf->text[buf->len++] = c;
    buf->text[buf->len] = '\0';
}

void strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
    va_list args;
    size_t room;
    int len;

    if (!reserve(buf, 0))
        return;
    /* Mostly it fits as it is; else once more with room. */
    room = buf->size - buf->len;
    va_start(args, fmt);
    len = vsnprintf(buf->text + buf->len, room, fmt, args);
    va_end(args);
    if (len < 0 || !reserve(buf, (size_t)len)) {
        buf->text[buf->len] = '\0';
        buf->failed = true;
        return;
    }
    if ((size_t)len >= room) {
        va_start(args, fmt);
        vsnprintf(buf->text + buf->len, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    buf->len += (size_t)len;
}

void strbuf_clear(struct strbuf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->text)
        buf->text[0] = '\0';
}

void strbuf_free(struct strbuf *buf)
{
    free(buf->text);
    *buf = STRBUF_INIT;
}

char *strbuf_take(struct strbuf *buf)
{
    char *text;

    if (!reserve(buf, 0)) {
        strbuf_free(buf);
        return NULL;
    }
    buf->text[buf->len] = '\0';
    text = TAKE(buf->text);
    strbuf_free(buf);
    return text;
}
