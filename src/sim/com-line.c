/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the line protocol: bytes to fields and back. */
#include <stdlib.h>
#include <string.h>

#include "com.h"
#include "strbuf.h"
#include "text.h"

void com_message_clear(struct com_message *message)
{
    free(message->bytes);
    free(message->fields);
    free(message->lines);
    *message = (struct com_message){ 0 };
}

/* In place; false on an escape that is none. */
static bool unescape(char *field)
{
    static const char from[] = "tnr\\", to[] = "\t\n\r\\";
    char *out = field;

    for (const char *c = field; *c; c++) {
        const char *known;

        if (*c != '\\') {
            *out++ = *c;
            continue;
        }
        c++;
        known = *c ? strchr(from, *c) : NULL;
        if (!known)
            return false;
        *out++ = to[known - from];
    }
    *out = '\0';
    return true;
}

static size_t count_of(const char *bytes, size_t len, char wanted)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += bytes[i] == wanted;
    return count;
}

/* Cuts one line, which ends with NUL, into fields. */
static bool split_line(char *line, char **fields, struct com_line *ret)
{
    ret->fields = fields;
    for (char *at = line; at;) {
        char *tab = strchr(at, '\t');

        if (tab)
            *tab++ = '\0';
        if (!unescape(at))
            return false;
        fields[ret->count++] = at;
        at = tab;
    }
    return true;
}

bool com_message_read(const char *bytes, size_t len, struct com_message *ret)
{
    struct com_message m = { 0 };
    size_t lines = count_of(bytes, len, '\n');
    size_t used = 0;
    bool ok = len > 0 && len <= COM_MESSAGE_MAX && bytes[len - 1] == '\n' &&
              !memchr(bytes, '\0', len) && text_is_utf8(bytes, len);
    char *at;

    if (!ok)
        return false;
    m.bytes = text_ndup(bytes, len);
    m.fields = calloc(count_of(bytes, len, '\t') + lines, sizeof(*m.fields));
    m.lines = calloc(lines, sizeof(*m.lines));
    ok = m.bytes && m.fields && m.lines;
    at = m.bytes;
    while (ok && m.count < lines) {
        char *end = strchr(at, '\n');

        *end = '\0';
        ok = *at && split_line(at, m.fields + used, &m.lines[m.count]);
        used += m.lines[m.count++].count;
        at = end + 1;
    }
    if (ok)
        *ret = m;
    else
        com_message_clear(&m);
    return ok;
}

void com_put_field(struct strbuf *to, const char *text, size_t len)
{
    strbuf_putc(to, '\t');
    for (size_t i = 0; i < len; i++)
        switch (text[i]) {
        case '\t':
            strbuf_puts(to, "\\t");
            break;
        case '\n':
            strbuf_puts(to, "\\n");
            break;
        case '\r':
            strbuf_puts(to, "\\r");
            break;
        case '\\':
            strbuf_puts(to, "\\\\");
            break;
        default:
            strbuf_putc(to, text[i]);
        }
}

void com_put_text(struct strbuf *to, const char *text)
{
    com_put_field(to, text, strlen(text));
}
