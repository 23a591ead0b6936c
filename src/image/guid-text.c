/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GUIDs to text and back. */

#include "guid-text.h"

#include <string.h>

#include "text.h"

/* Order of the bytes in the text. */
static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

void guid_to_text(const uint8_t guid[16], char ret[37])
{
    static const char digits[] = "0123456789abcdef";
    char *at = ret;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[guid[order[i]] >> 4];
        *at++ = digits[guid[order[i]] & 15];
    }
    *at = '\0';
}

static uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

bool guid_from_text(const char *text, uint8_t ret[16])
{
    if (!text_is_guid(text))
        return false;
    if (*text == '{')
        text++;
    for (unsigned i = 0; i < 16; i++, text += 2) {
        if (*text == '-')
            text++;
        ret[order[i]] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
    }
    return true;
}
