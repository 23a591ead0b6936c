/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error type: a kind for programs, a chain of texts for people. */

#include "err.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

/* clang-format off */
static const char *const kind_names[] = {
    [ERR_NONE] = "none",
    [ERR_INVALID] = "invalid",
    [ERR_NOT_FOUND] = "not-found",
    [ERR_CONFLICT] = "conflict",
    [ERR_DENIED] = "denied",
    [ERR_UNREACHABLE] = "unreachable",
    [ERR_PROTOCOL] = "protocol",
    [ERR_UNSUPPORTED] = "unsupported",
    [ERR_REFUSED] = "refused",
    [ERR_SYSTEM] = "system",
    [ERR_NO_MEMORY] = "no-memory",
    [ERR_CANCELLED] = "cancelled",
};
/* clang-format on */
_Static_assert(ARRAY_LEN(kind_names) == ERR_KIND_COUNT, "every kind has a name");

/* vsnprintf() may cut a UTF-8 sequence in two; half a letter would make the
 * text unprintable as JSON. */
static void drop_cut_letter(char *text, size_t size)
{
    size_t len = strlen(text);
    size_t tail = 0;

    if (len + 1 < size)
        return;
    while (tail < len && tail < 4 && ((unsigned char)text[len - 1 - tail] & 0xC0) == 0x80)
        tail++;
    if (tail < len && ((unsigned char)text[len - 1 - tail] & 0x80))
        text[len - 1 - tail] = '\0';
}

static void put_text(char *text, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static void put_text(char *text, const char *fmt, va_list args)
{
    vsnprintf(text, ERR_TEXT, fmt, args);
    drop_cut_letter(text, ERR_TEXT);
}

bool err_fail(struct err *err, enum err_kind kind, int64_t code, const char *fmt, ...)
{
    va_list args;

    assert(kind != ERR_NONE);
    err->kind = kind;
    err->code = code;
    err->depth = 1;
    err->hint[0] = '\0';

    va_start(args, fmt);
    put_text(err->text[0], fmt, args);
    va_end(args);
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    va_list args;

    assert(err->kind != ERR_NONE);

    /* When the chain is full the root cause and the outermost context stay:
     * those two are what a person needs. */
    if (err->depth < ERR_DEPTH)
        err->depth++;

    va_start(args, fmt);
    put_text(err->text[err->depth - 1], fmt, args);
    va_end(args);
    return false;
}

bool err_hint(struct err *err, const char *fmt, ...)
{
    va_list args;

    if (err->hint[0])
        return false;
    va_start(args, fmt);
    put_text(err->hint, fmt, args);
    va_end(args);
    return false;
}

bool err_no_memory(struct err *err)
{
    return err_fail(err, ERR_NO_MEMORY, 0, "out of memory");
}

bool err_errno(struct err *err, int code, const char *fmt, ...)
{
    size_t len;
    va_list args;

    err->kind = ERR_SYSTEM;
    err->code = code;
    err->depth = 1;
    err->hint[0] = '\0';

    va_start(args, fmt);
    put_text(err->text[0], fmt, args);
    va_end(args);
    len = strlen(err->text[0]);
    snprintf(err->text[0] + len, ERR_TEXT - len, ": %s", strerror(code));
    drop_cut_letter(err->text[0], ERR_TEXT);
    return false;
}

void err_format(const struct err *err, char *buf, size_t size)
{
    size_t used = 0;

    if (size == 0)
        return;
    buf[0] = '\0';
    for (unsigned i = err->depth; i-- > 0 && used < size;) {
        int n = snprintf(buf + used, size - used, "%s%s", err->text[i], i ? ": " : "");

        if (n < 0)
            return;
        used += (size_t)n;
    }
    drop_cut_letter(buf, size);
}

const char *err_kind_name(enum err_kind kind)
{
    return (size_t)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}
