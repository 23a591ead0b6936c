/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reader that cannot leave its buffer. */

#include "cursor.h"

bool cursor_skip(struct cursor *c, size_t n)
{
    if (n > c->left)
        return false;
    c->at += n;
    c->left -= n;
    return true;
}

bool cursor_sub(struct cursor *c, size_t n, struct cursor *ret)
{
    struct cursor sub = { .at = c->at, .left = n };

    if (!cursor_skip(c, n))
        return false;
    *ret = sub;
    return true;
}

static bool little_endian(struct cursor *c, size_t n, uint32_t *ret)
{
    const uint8_t *b = c->at;
    uint32_t value = 0;

    if (!cursor_skip(c, n))
        return false;
    while (n-- > 0)
        value = value << 8 | b[n];
    *ret = value;
    return true;
}

bool cursor_u16le(struct cursor *c, uint16_t *ret)
{
    uint32_t value;

    if (!little_endian(c, 2, &value))
        return false;
    *ret = (uint16_t)value;
    return true;
}

bool cursor_u32le(struct cursor *c, uint32_t *ret)
{
    return little_endian(c, 4, ret);
}
