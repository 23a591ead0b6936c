/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts inside the commands that a person would type instead of a step.  Source:
 * MicrosoftDocs/PowerShell-Docs about_Quoting_Rules. */

#include "plan.h"

#include <string.h>

#include "strbuf.h"

char *ps_quote(const char *text)
{
    struct strbuf buf = STRBUF_INIT;

    strbuf_putc(&buf, '\'');
    for (const char *at = text; *at; at++) {
        if (*at == '\'')
            strbuf_putc(&buf, '\'');
        strbuf_putc(&buf, *at);
    }
    strbuf_putc(&buf, '\'');
    return strbuf_take(&buf);
}

char *ps_guest_path(const char *path)
{
    struct strbuf buf = STRBUF_INIT;

    strbuf_puts(&buf, "\"$guest\\Windows\\");
    for (const char *at = path; *at; at++) {
        if (strchr("$`\"", *at))
            strbuf_putc(&buf, '`');
        strbuf_putc(&buf, *at);
    }
    strbuf_putc(&buf, '"');
    return strbuf_take(&buf);
}
