/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts: copies, comparisons, numbers, UTF-16. */

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char *text_ndup(const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *text_dup(const char *text)
{
    return text ? text_ndup(text, strlen(text)) : NULL;
}

char *text_printf(const char *fmt, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        return NULL;
    text = malloc((size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

int text_casecmp(const char *a, const char *b)
{
    if (a == b)
        return 0;
    while (*a && (*a == *b || lower(*a) == lower(*b))) {
        a++;
        b++;
    }
    return lower(*a) - lower(*b);
}

bool text_ieq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return text_casecmp(a, b) == 0;
}

bool text_istarts(const char *text, const char *prefix)
{
    for (; *prefix; text++, prefix++)
        if (lower(*text) != lower(*prefix))
            return false;
    return true;
}

bool text_iends(const char *text, const char *suffix)
{
    size_t len = strlen(text), tail = strlen(suffix);

    return len >= tail && text_ieq(text + len - tail, suffix);
}

const char *text_istr(const char *text, const char *part)
{
    for (;; text++) {
        if (text_istarts(text, part))
            return text;
        if (!*text)
            return NULL;
    }
}

void text_lower(char *text)
{
    for (; *text; text++)
        *text = (char)lower(*text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (lower(c) >= 'a' && lower(c) <= 'f')
        return lower(c) - 'a' + 10;
    return -1;
}

bool text_is_guid(const char *text)
{
    size_t len = strlen(text);

    if (len == 38 && text[0] == '{' && text[37] == '}')
        text++;
    else if (len != 36)
        return false;
    for (unsigned i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : hex_digit(text[i]) < 0)
            return false;
    }
    return true;
}

/* Reads one letter; returns its length, or 0 if it is not UTF-8. */
static size_t next_letter(const uint8_t *s, size_t left, uint32_t *ret)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len;
    uint32_t c;

    if (left == 0)
        return 0;
    if (s[0] < 0x80) {
        *ret = s[0];
        return 1;
    }
    if (s[0] >= 0xC2 && s[0] < 0xE0)
        len = 2;
    else if (s[0] >= 0xE0 && s[0] < 0xF0)
        len = 3;
    else if (s[0] >= 0xF0 && s[0] < 0xF5)
        len = 4;
    else
        return 0;
    if (left < len)
        return 0;
    c = s[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return 0;
    *ret = c;
    return len;
}

/* Of a letter, but not its first byte. */
static bool is_within_letter(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t text_cut(const char *text, size_t most)
{
    size_t len = strnlen(text, most);

    if (len == most)
        while (len > 0 && is_within_letter(text[len]))
            len--;
    return len;
}

void text_put_line(char *to, size_t size, const char *text)
{
    size_t used = 0;

    for (; *text && used + 1 < size; text++) {
        bool is_blank = (unsigned char)*text <= ' ';

        if (is_blank && (used == 0 || to[used - 1] == ' '))
            continue;
        to[used++] = is_blank ? ' ' : *text;
    }
    if (is_within_letter(*text)) {
        while (used > 0 && is_within_letter(to[used - 1]))
            used--;
        used -= used > 0;
    }
    while (used > 0 && (to[used - 1] == ' ' || to[used - 1] == '.'))
        used--;
    to[used] = '\0';
}

bool text_is_utf8(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;

    while (len) {
        uint32_t letter;
        size_t n = next_letter(at, len, &letter);

        if (n == 0)
            return false;
        at += n;
        len -= n;
    }
    return true;
}

bool text_to_u64(const char *text, int base, uint64_t *ret)
{
    uint64_t value = 0;

    if (base == 0) {
        base = 10;
        if (text[0] == '0' && lower(text[1]) == 'x') {
            base = 16;
            text += 2;
        }
    }
    if (!*text)
        return false;
    for (; *text; text++) {
        int digit = hex_digit(*text);

        if (digit < 0 || digit >= base)
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    *ret = value;
    return true;
}

bool text_to_i64(const char *text, int base, int64_t *ret)
{
    bool negative = text[0] == '-';
    uint64_t value;

    if (!text_to_u64(text + negative, base, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool text_to_size(const char *text, uint64_t *ret)
{
    size_t len = strlen(text);
    unsigned shift = 0;
    uint64_t number;
    char digits[24];

    if (len > 1 && strchr("KkMmGg", text[len - 1])) {
        char letter = text[--len];

        shift = letter == 'K' || letter == 'k'   ? 10
                : letter == 'M' || letter == 'm' ? 20
                                                 : 30;
    }
    if (len >= sizeof(digits))
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (!text_to_u64(digits, 10, &number) || number > UINT64_MAX >> shift)
        return false;
    *ret = number << shift;
    return true;
}

static size_t put_letter(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

char *text_from_utf16le(const void *bytes, size_t len, size_t *ret_len)
{
    const uint8_t *at = bytes;
    size_t used = 0;
    char *text;

    if (len % 2) {
        errno = EILSEQ;
        return NULL;
    }
    /* A unit of two bytes becomes at most three; a pair of four becomes four. */
    text = len > SIZE_MAX / 2 ? NULL : malloc(len / 2 * 3 + 1);
    if (!text) {
        errno = ENOMEM;
        return NULL;
    }
    for (size_t i = 0; i < len; i += 2) {
        uint32_t c = (uint32_t)at[i] | (uint32_t)at[i + 1] << 8;

        if (c >= 0xD800 && c < 0xE000) {
            uint32_t low = i + 3 < len ? (uint32_t)at[i + 2] | (uint32_t)at[i + 3] << 8 : 0;

            if (c >= 0xDC00 || low < 0xDC00 || low >= 0xE000) {
                free(text);
                errno = EILSEQ;
                return NULL;
            }
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            i += 2;
        }
        used += put_letter(text + used, c);
    }
    text[used] = '\0';
    if (ret_len)
        *ret_len = used;
    return text;
}

uint8_t *text_to_utf16le(const char *text, size_t *ret_len)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strlen(text), used = 0;
    /* No letter takes more than twice its UTF-8 bytes. */
    uint8_t *out = left > SIZE_MAX / 4 ? NULL : malloc(left * 2 + 2);

    if (!out) {
        errno = ENOMEM;
        return NULL;
    }
    while (left) {
        uint32_t units[2], c = 0;
        size_t n = next_letter(at, left, &c), count = 1;

        if (n == 0) {
            free(out);
            errno = EILSEQ;
            return NULL;
        }
        units[0] = c;
        if (c >= 0x10000) {
            units[0] = 0xD800 + ((c - 0x10000) >> 10);
            units[1] = 0xDC00 + ((c - 0x10000) & 0x3FF);
            count = 2;
        }
        for (size_t i = 0; i < count; i++) {
            out[used++] = (uint8_t)units[i];
            out[used++] = (uint8_t)(units[i] >> 8);
        }
        at += n;
        left -= n;
    }
    out[used] = out[used + 1] = 0;
    if (ret_len)
        *ret_len = used;
    return out;
}

/* The blocks that terminals draw two columns wide (Unicode, UAX #11: W and F)
 * and the marks they draw onto the letter before. */
static const struct {
    uint32_t first, last;
    unsigned columns;
} letter_widths[] = {
    { 0x0300, 0x036F, 0 },   { 0x1100, 0x115F, 2 },   { 0x200B, 0x200F, 0 },
    { 0x20D0, 0x20FF, 0 },   { 0x2E80, 0x303E, 2 },   { 0x3041, 0x33FF, 2 },
    { 0x3400, 0x4DBF, 2 },   { 0x4E00, 0x9FFF, 2 },   { 0xA000, 0xA4CF, 2 },
    { 0xAC00, 0xD7A3, 2 },   { 0xF900, 0xFAFF, 2 },   { 0xFE00, 0xFE0F, 0 },
    { 0xFE30, 0xFE6F, 2 },   { 0xFF00, 0xFF60, 2 },   { 0xFFE0, 0xFFE6, 2 },
    { 0x1F300, 0x1F64F, 2 }, { 0x1F900, 0x1F9FF, 2 }, { 0x20000, 0x3FFFD, 2 },
};

unsigned text_columns(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strlen(text);
    unsigned columns = 0;

    while (left) {
        uint32_t c;
        size_t n = next_letter(at, left, &c);
        unsigned width = 1;

        if (n == 0) {
            n = 1; /* not UTF-8: the terminal shows one replacement sign */
            c = 0xFFFD;
        }
        for (size_t i = 0; i < ARRAY_LEN(letter_widths); i++)
            if (c >= letter_widths[i].first && c <= letter_widths[i].last)
                width = letter_widths[i].columns;
        columns += width;
        at += n;
        left -= n;
    }
    return columns;
}

char *size_text(char buf[24], uint64_t bytes)
{
    static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit < ARRAY_LEN(units) - 1) {
        value /= 1024;
        unit++;
    }
    if (unit == 0 || value >= 100 || value == (double)(uint64_t)value)
        snprintf(buf, 24, "%.0f %s", value, units[unit]);
    else
        snprintf(buf, 24, "%.1f %s", value, units[unit]);
    return buf;
}
