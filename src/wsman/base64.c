/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base64 (RFC 4648). */

#include "base64.h"

#include <stdint.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_size(size_t len)
{
    return (len + 2) / 3 * 4 + 1;
}

void base64_encode(const void *bytes, size_t len, char *ret)
{
    const uint8_t *b = bytes;

    for (; len > 0; b += 3, len = len > 3 ? len - 3 : 0) {
        uint32_t group = (uint32_t)b[0] << 16;

        if (len > 1)
            group |= (uint32_t)b[1] << 8;
        if (len > 2)
            group |= b[2];
        *ret++ = alphabet[group >> 18];
        *ret++ = alphabet[group >> 12 & 63];
        *ret++ = len > 1 ? alphabet[group >> 6 & 63] : '=';
        *ret++ = len > 2 ? alphabet[group & 63] : '=';
    }
    *ret = '\0';
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(char *text, size_t len, size_t *ret_len)
{
    uint32_t group = 0;
    unsigned digits = 0, pads = 0;
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        if (c == '=') {
            pads++;
            continue;
        }
        if (digit(c) < 0 || pads)
            return false;
        group = group << 6 | (uint32_t)digit(c);
        if (++digits % 4 == 0) {
            text[used++] = (char)(group >> 16);
            text[used++] = (char)(group >> 8);
            text[used++] = (char)group;
        }
    }
    if (digits % 4 == 1 || pads > 2 || (pads && (digits + pads) % 4 != 0))
        return false;
    if (digits % 4 == 2) {
        text[used++] = (char)(group >> 4);
    } else if (digits % 4 == 3) {
        text[used++] = (char)(group >> 10);
        text[used++] = (char)(group >> 2);
    }
    *ret_len = used;
    return true;
}
