/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of iconv as hivex asks for; as strict as glibc's. */

#include "iconv.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* One character: bytes used of @in, 0 when more are needed, -1 when it is no text. */
typedef int read_fn(const uint8_t *in, size_t left, uint32_t *ret_char);
/* Bytes needed; written when they fit in @left.  -1: the encoding lacks the character. */
typedef int write_fn(uint32_t c, uint8_t *out, size_t left);

struct iconv_pair {
    const char *to, *from;
    read_fn *read;
    write_fn *write;
};

static int read_utf8(const uint8_t *in, size_t left, uint32_t *ret_char)
{
    int len = in[0] < 0x80   ? 1
              : in[0] < 0xc2 ? -1
              : in[0] < 0xe0 ? 2
              : in[0] < 0xf0 ? 3
                             : 4;
    uint32_t c = in[0];

    if (len < 0 || in[0] > 0xf4)
        return -1;
    if (len > 1)
        c &= 0x7fu >> len;
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= left)
            return 0;
        if ((in[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (in[i] & 0x3f);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) ||
        (c >= 0xd800 && c < 0xe000))
        return -1;
    *ret_char = c;
    return len;
}

static int read_utf16(const uint8_t *in, size_t left, uint32_t *ret_char)
{
    uint32_t low;

    if (left < 2)
        return 0;
    *ret_char = in[0] | (uint32_t)in[1] << 8;
    if (*ret_char < 0xd800 || *ret_char >= 0xe000)
        return 2;
    if (*ret_char >= 0xdc00)
        return -1;
    if (left < 4)
        return 0;
    low = in[2] | (uint32_t)in[3] << 8;
    if (low < 0xdc00 || low >= 0xe000)
        return -1;
    *ret_char = 0x10000 + ((*ret_char - 0xd800) << 10) + (low - 0xdc00);
    return 4;
}

static int read_latin1(const uint8_t *in, size_t left, uint32_t *ret_char)
{
    *ret_char = in[0];
    return 1;
}

static int write_utf8(uint32_t c, uint8_t *out, size_t left)
{
    int len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (left < (size_t)len)
        return len;
    if (len == 1) {
        out[0] = (uint8_t)c;
        return len;
    }
    for (int i = len - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (uint8_t)((0xf00u >> len & 0xf0) | c);
    return len;
}

static int write_utf16(uint32_t c, uint8_t *out, size_t left)
{
    int len = c < 0x10000 ? 2 : 4;
    uint32_t unit = c;

    if (left < (size_t)len)
        return len;
    if (len == 4) {
        unit = 0xdc00 + ((c - 0x10000) & 0x3ff);
        out[2] = (uint8_t)unit;
        out[3] = (uint8_t)(unit >> 8);
        unit = 0xd800 + ((c - 0x10000) >> 10);
    }
    out[0] = (uint8_t)unit;
    out[1] = (uint8_t)(unit >> 8);
    return len;
}

static int write_latin1(uint32_t c, uint8_t *out, size_t left)
{
    if (c > 0xff)
        return -1;
    if (left)
        out[0] = (uint8_t)c;
    return 1;
}

static const struct iconv_pair pairs[] = {
    { "LATIN1", "UTF-8", read_utf8, write_latin1 },
    { "UTF-8", "LATIN1", read_latin1, write_utf8 },
    { "UTF-16LE", "UTF-8", read_utf8, write_utf16 },
    { "UTF-8", "UTF-16LE", read_utf16, write_utf8 },
};

iconv_t iconv_open(const char *to, const char *from)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        if (!strcmp(pairs[i].to, to) && !strcmp(pairs[i].from, from))
            return (iconv_t)&pairs[i];
    }
    errno = EINVAL;
    return (iconv_t)-1;
}

size_t iconv(iconv_t pair, char **in, size_t *in_left, char **out, size_t *out_left)
{
    while (in && *in && *in_left) {
        uint32_t c = 0;
        int used = pair->read((const uint8_t *)*in, *in_left, &c);
        int len;

        if (used <= 0) {
            errno = used ? EILSEQ : EINVAL;
            return (size_t)-1;
        }
        len = pair->write(c, (uint8_t *)*out, *out_left);
        if (len < 0 || (size_t)len > *out_left) {
            errno = len < 0 ? EILSEQ : E2BIG;
            return (size_t)-1;
        }
        *in += used;
        *in_left -= (size_t)used;
        *out += len;
        *out_left -= (size_t)len;
    }
    return 0;
}

int iconv_close(iconv_t pair)
{
    return 0;
}
