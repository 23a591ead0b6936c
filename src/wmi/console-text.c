/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What programs print, as UTF-8. */

#include "console-text.h"

#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "err.h"
#include "text.h"

enum { LINE_MOST = 256 << 10 }; /* then a piece of a line is given as if it were one */

void console_text_init(struct console_text *t, bool is_stderr,
                       bool (*give)(const char *text, size_t len, bool is_stderr,
                                    void *user, struct err *err),
                       void *user)
{
    *t = (struct console_text){
        .is_stderr = is_stderr, .give = give, .user = user, .code_page = GetOEMCP()
    };
}

void console_text_free(struct console_text *t)
{
    strbuf_free(&t->line);
}

/* Owned; *ret_len its bytes. */
static char *from_page(UINT page, const char *bytes, size_t len, size_t *ret_len)
{
    int units = MultiByteToWideChar(page, 0, bytes, (int)len, NULL, 0);
    wchar_t *wide = units > 0 ? calloc((size_t)units, sizeof(*wide)) : NULL;
    char *text = NULL;

    if (wide && MultiByteToWideChar(page, 0, bytes, (int)len, wide, units) == units)
        text = text_from_utf16le(wide, (size_t)units * sizeof(*wide), ret_len);
    free(wide);
    return text;
}

static bool give_line(struct console_text *t, struct err *err)
{
    const char *bytes = t->line.text;
    size_t len = t->line.len;
    CLEANUP(free_cleanup) char *text = NULL;

    if (t->line.failed)
        return err_no_memory(err);
    if (len == 0)
        return true;
    if (!text_is_utf8(bytes, len)) {
        text = from_page(t->code_page, bytes, len, &len);
        if (!text)
            return err_no_memory(err);
        bytes = text;
    }
    if (!t->give(bytes, len, t->is_stderr, t->user, err))
        return false;
    strbuf_clear(&t->line);
    return true;
}

bool console_text_add(struct console_text *t, const char *bytes, size_t len,
                      struct err *err)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t part = end ? (size_t)(end - bytes) + 1 : len;

        if (t->line.len + part > LINE_MOST && !give_line(t, err))
            return false;
        strbuf_add(&t->line, bytes, part);
        if (end && !give_line(t, err))
            return false;
        bytes += part;
        len -= part;
    }
    return true;
}

bool console_text_end(struct console_text *t, struct err *err)
{
    return give_line(t, err);
}
