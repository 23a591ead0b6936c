/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Framing of encrypted messages.  The data may hold anything, a boundary too: only the
 * lengths say where it ends. */

#include "encrypted.h"

#include <stdint.h>
#include <string.h>

#include "err.h"
#include "text.h"

enum { MAX_LINE = 256, MAX_LINES = 8, MAX_HEADER = 4096 };

static const char boundary[] = "Encrypted Boundary";

#define TYPE(protocol) \
    "multipart/encrypted;protocol=\"" protocol "\";boundary=\"Encrypted Boundary\""
#define SPNEGO "application/HTTP-SPNEGO-session-encrypted"
#define KERBEROS "application/HTTP-Kerberos-session-encrypted"

const char *encrypted_type(bool is_bare_kerberos)
{
    return is_bare_kerberos ? TYPE(KERBEROS) : TYPE(SPNEGO);
}

void encrypted_put(struct strbuf *to, bool is_bare_kerberos, const struct strbuf *header,
                   const struct strbuf *data)
{
    unsigned char size[4];

    for (unsigned i = 0; i < sizeof(size); i++)
        size[i] = (unsigned char)(header->len >> (8 * i));
    /* The tabs are part of it; OMI alone does without (MS-WSMV 2.2.9.1). */
    strbuf_printf(
        to,
        "--%s\r\n"
        "\tContent-Type: %s\r\n"
        "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%zu\r\n"
        "--%s\r\n"
        "\tContent-Type: application/octet-stream\r\n",
        boundary, is_bare_kerberos ? KERBEROS : SPNEGO, data->len, boundary);
    strbuf_add(to, size, sizeof(size));
    strbuf_add(to, header->text, header->len);
    strbuf_add(to, data->text, data->len);
    strbuf_printf(to, "--%s--\r\n", boundary);
}

bool encrypted_is_type(const char *content_type)
{
    return content_type && text_istarts(content_type, "multipart/encrypted") &&
           text_istr(content_type, "session-encrypted");
}

struct scan {
    const char *at, *end;
};

/* The next line without its CRLF, leading blanks dropped.  False: none, or too long. */
static bool next_line(struct scan *s, char line[MAX_LINE])
{
    size_t left = (size_t)(s->end - s->at);
    const char *lf = memchr(s->at, '\n', left < MAX_LINE ? left : MAX_LINE);
    size_t len;

    if (!lf)
        return false;
    len = (size_t)(lf - s->at);
    if (len > 0 && s->at[len - 1] == '\r')
        len--;
    while (len > 0 && (*s->at == '\t' || *s->at == ' ')) {
        s->at++;
        len--;
    }
    memcpy(line, s->at, len);
    line[len] = '\0';
    s->at = lf + 1;
    return strlen(line) == len;
}

/* "--Encrypted Boundary"; some servers put a blank behind the dashes (pypsrp). */
static bool is_boundary(const char *line)
{
    if (strncmp(line, "--", 2) != 0)
        return false;
    line += 2;
    line += *line == ' ';
    return strcmp(line, boundary) == 0;
}

/* "OriginalContent: type=...;charset=UTF-8;Length=123" */
static bool read_length(const char *line, size_t *ret)
{
    const char *at = text_istr(line, ";length=");
    char digits[12] = "";
    uint64_t length;
    size_t len;

    if (!at)
        return false;
    at += strlen(";length=");
    len = strcspn(at, "; \t");
    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, at, len);
    if (!text_to_u64(digits, 10, &length) || length > STRBUF_MAX)
        return false;
    *ret = (size_t)length;
    return true;
}

/* The headers of the first part, with the length; then the second boundary. */
static bool read_first_part(struct scan *s, size_t *ret_length)
{
    char line[MAX_LINE];
    bool found = false;

    if (!next_line(s, line) || !is_boundary(line))
        return false;
    for (unsigned i = 0; i < MAX_LINES && next_line(s, line); i++) {
        if (is_boundary(line))
            return found;
        if (text_istarts(line, "OriginalContent:") && !found)
            found = read_length(line, ret_length);
    }
    return false;
}

static bool has_end(const struct scan *s)
{
    const char *at = s->at;
    size_t left = (size_t)(s->end - at), len = strlen(boundary);

    if (left < 2 || memcmp(at, "--", 2) != 0)
        return false;
    at += 2;
    if (at < s->end && *at == ' ')
        at++;
    return (size_t)(s->end - at) >= len + 2 && memcmp(at, boundary, len) == 0 &&
           memcmp(at + len, "--", 2) == 0;
}

static bool wrong(struct err *err, const char *what)
{
    return err_fail(err, ERR_PROTOCOL, 0, "the encrypted message is malformed: %s", what);
}

bool encrypted_find(const char *bytes, size_t len, struct encrypted_part *ret,
                    struct err *err)
{
    struct scan s = { bytes, bytes + len };
    char line[MAX_LINE];
    size_t length = 0, header_len = 0;

    if (len == 0)
        return wrong(err, "it is empty");
    if (!read_first_part(&s, &length))
        return wrong(err, "no length of the content");
    if (!next_line(&s, line) || !text_istarts(line, "Content-Type:") ||
        !text_istr(line, "application/octet-stream"))
        return wrong(err, "no second part");
    if (s.end - s.at < 4)
        return wrong(err, "it ends early");
    for (unsigned i = 0; i < 4; i++)
        header_len |= (size_t)(unsigned char)s.at[i] << (8 * i);
    s.at += 4;
    if (header_len > MAX_HEADER || header_len > (size_t)(s.end - s.at) ||
        length > (size_t)(s.end - s.at) - header_len)
        return wrong(err, "a length reaches behind its end");
    *ret = (struct encrypted_part){ s.at, header_len, length };
    s.at += header_len + length;
    if (!has_end(&s))
        return wrong(err, "no boundary behind the data");
    return true;
}
