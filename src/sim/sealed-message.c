/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sealed-message.h"

#include <stdint.h>
#include <string.h>

#include "text.h"

char *sealed_message_type(const struct auth_scheme *scheme)
{
    return text_printf("multipart/encrypted;protocol=\"%s\";"
                       "boundary=\"Encrypted Boundary\"",
                       scheme->protocol);
}

enum { MAX_HEAD = 1024 };

bool sealed_message_is(const struct auth_scheme *scheme, const char *content_type)
{
    return content_type && scheme->protocol &&
           text_istarts(content_type, "multipart/encrypted") &&
           text_istr(content_type, scheme->protocol);
}

/* The number behind @name in @head, which ends at a NUL. */
static bool find_number(const char *head, const char *name, uint64_t *ret)
{
    const char *at = text_istr(head, name);
    CLEANUP(free_cleanup) char *digits = NULL;

    if (!at)
        return false;
    at += strlen(name);
    digits = text_ndup(at, strspn(at, "0123456789"));
    return digits && text_to_u64(digits, 10, ret);
}

bool sealed_message_open(const struct auth_scheme *scheme, void *state, struct strbuf *body)
{
    static const char second[] = "Content-Type: application/octet-stream\r\n";
    static const char end[] = "--Encrypted Boundary--";
    CLEANUP(strbuf_cleanup) struct strbuf plain = STRBUF_INIT;
    CLEANUP(free_cleanup) char *head = NULL;
    const unsigned char *at;
    const char *mark;
    uint64_t length = 0;
    size_t left, header_len;

    head = text_ndup(body->text ? body->text : "",
                     body->len < MAX_HEAD ? body->len : MAX_HEAD);
    mark = head ? text_istr(head, second) : NULL;
    if (!mark || !text_istarts(head, "--Encrypted Boundary\r\n"))
        return false;
    left = body->len - (size_t)(mark - head) - strlen(second);
    at = (unsigned char *)body->text + (body->len - left);
    head[mark - head] = '\0';
    if (!find_number(head, ";Length=", &length) || left < 4)
        return false;
    header_len = at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    at += 4;
    left -= 4;
    if (header_len > left || length > left - header_len ||
        left - header_len - length < strlen(end) ||
        memcmp(at + header_len + length, end, strlen(end)) != 0)
        return false;
    if (!scheme->unseal(state, (const char *)at, header_len, (const char *)at + header_len,
                        (size_t)length, &plain))
        return false;
    strbuf_free(body);
    *body = plain;
    plain = STRBUF_INIT;
    return true;
}

bool sealed_message_close(const struct auth_scheme *scheme, void *state,
                          struct strbuf *body)
{
    struct strbuf header = STRBUF_INIT, data = STRBUF_INIT, all = STRBUF_INIT;
    bool ok = scheme->seal(state, body, &header, &data);

    if (ok) {
        strbuf_printf(&all,
                      "--Encrypted Boundary\r\n"
                      "\tContent-Type: %s\r\n"
                      "\tOriginalContent: type=application/soap+xml;charset=UTF-8;"
                      "Length=%zu\r\n"
                      "--Encrypted Boundary\r\n"
                      "\tContent-Type: application/octet-stream\r\n",
                      scheme->protocol, data.len);
        for (unsigned i = 0; i < 4; i++)
            strbuf_putc(&all, (char)(header.len >> (8 * i) & 0xff));
        strbuf_add(&all, header.text, header.len);
        strbuf_add(&all, data.text, data.len);
        strbuf_puts(&all, "--Encrypted Boundary--\r\n");
        ok = !all.failed;
    }
    strbuf_free(&header);
    strbuf_free(&data);
    strbuf_free(body);
    *body = all;
    return ok;
}
