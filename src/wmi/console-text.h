/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs print, as UTF-8, whatever code page they print in: tools that go by their
 * console print UTF-8 there, others that of the system.  A line that is UTF-8 is taken for
 * it, and any other for text of the system's OEM code page.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "strbuf.h"

struct err;

struct console_text {
    bool is_stderr;
    bool (*give)(const char *text, size_t len, bool is_stderr, void *user, struct err *err);
    void *user;
    unsigned code_page;
    struct strbuf line; /* without its end as yet */
};

void console_text_init(struct console_text *t, bool is_stderr,
                       bool (*give)(const char *text, size_t len, bool is_stderr,
                                    void *user, struct err *err),
                       void *user);
/* Gives whole lines on; what is behind the last waits. */
bool console_text_add(struct console_text *t, const char *bytes, size_t len,
                      struct err *err) MUST_CHECK;
bool console_text_end(struct console_text *t, struct err *err) MUST_CHECK;
void console_text_free(struct console_text *t);
