/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registry values: bytes as stored, and what they mean by type. */

#include <string.h>

#include "base-block.h"
#include "hive.h"
#include "text.h"

enum { TEXTS_MAX = 65536 };

void hive_value_clear(struct hive_value *value)
{
    free(value->bytes);
    *value = (struct hive_value){ 0 };
}

bool hive_value_equal(const struct hive_value *a, const struct hive_value *b)
{
    return a->type == b->type && a->len == b->len &&
           (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* Bytes before the first NUL at or behind @from; all of them when there is none. */
static size_t text_end(const struct hive_value *value, size_t from)
{
    size_t at = from;

    while (at + 1 < value->len && (value->bytes[at] || value->bytes[at + 1]))
        at += 2;
    return at + 1 < value->len ? at : value->len;
}

char *hive_value_text(const struct hive_value *value)
{
    if (value->type != HIVE_SZ && value->type != HIVE_EXPAND_SZ)
        return NULL;
    /* Programs store texts with no NUL, one, or rubbish behind it. */
    return text_from_utf16le(value->bytes, text_end(value, 0), NULL);
}

void hive_texts_free(char **texts, size_t count)
{
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
}

static char **one_text(const struct hive_value *value, size_t *ret_count)
{
    char *text = hive_value_text(value);
    char **texts = text ? calloc(1, sizeof(*texts)) : NULL;

    if (!texts) {
        free(text);
        return NULL;
    }
    texts[0] = text;
    *ret_count = 1;
    return texts;
}

char **hive_value_texts(const struct hive_value *value, size_t *ret_count)
{
    char **texts;
    size_t count = 0, at = 0;

    if (value->type == HIVE_SZ || value->type == HIVE_EXPAND_SZ)
        return one_text(value, ret_count);
    if (value->type != HIVE_MULTI_SZ || value->len % 2)
        return NULL;
    for (size_t i = 0; i < value->len && count < TEXTS_MAX; count++)
        i = text_end(value, i) + 2;
    texts = calloc(count + 1, sizeof(*texts));
    if (!texts)
        return NULL;

    for (count = 0; at < value->len && count < TEXTS_MAX;) {
        size_t end = text_end(value, at);

        if (end == at)
            break; /* the empty text ends the list */
        texts[count] = text_from_utf16le(value->bytes + at, end - at, NULL);
        if (!texts[count]) {
            hive_texts_free(texts, count);
            return NULL;
        }
        count++;
        at = end + 2;
    }
    *ret_count = count;
    return texts;
}

bool hive_value_u64(const struct hive_value *value, uint64_t *ret)
{
    bool is_4 =
        value->len == 4 && (value->type == HIVE_DWORD || value->type == HIVE_BINARY);
    bool is_8 =
        value->len == 8 && (value->type == HIVE_QWORD || value->type == HIVE_BINARY);

    if (!is_4 && !is_8)
        return false;
    *ret = hive_load_u32(value->bytes);
    if (is_8)
        *ret |= (uint64_t)hive_load_u32(value->bytes + 4) << 32;
    return true;
}

static bool take_bytes(struct hive_value *value, uint32_t type, uint8_t *bytes, size_t len)
{
    if (!bytes)
        return false;
    free(value->bytes);
    *value = (struct hive_value){ .type = type, .len = len, .bytes = bytes };
    return true;
}

bool hive_value_set_text(struct hive_value *value, uint32_t type, const char *text)
{
    size_t len = 0;
    uint8_t *bytes;

    if (type != HIVE_SZ && type != HIVE_EXPAND_SZ)
        return false;
    bytes = text_to_utf16le(text, &len);
    return take_bytes(value, type, bytes, len + 2);
}

bool hive_value_set_texts(struct hive_value *value, const char *const *texts, size_t count)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        size_t more = 0;
        CLEANUP(free_cleanup) uint8_t *text = text_to_utf16le(texts[i], &more);
        uint8_t *grown;

        if (!text || more == 0) /* an empty text inside would end the list */
            return false;
        grown = realloc(bytes, len + more + 4);
        if (!grown)
            return false;
        bytes = grown;
        memcpy(bytes + len, text, more + 2);
        len += more + 2;
    }
    if (!bytes)
        bytes = malloc(2);
    if (!bytes)
        return false;
    memset(bytes + len, 0, 2);
    return take_bytes(value, HIVE_MULTI_SZ, TAKE(bytes), len + 2);
}

bool hive_value_set_u64(struct hive_value *value, uint32_t type, uint64_t number)
{
    size_t len = type == HIVE_DWORD ? 4 : 8;
    uint8_t *bytes;

    if (type != HIVE_DWORD && type != HIVE_QWORD && type != HIVE_BINARY)
        return false;
    if (type == HIVE_DWORD && number > UINT32_MAX)
        return false;
    bytes = malloc(8);
    if (bytes) {
        hive_store_u32(bytes, (uint32_t)number);
        hive_store_u32(bytes + 4, (uint32_t)(number >> 32));
    }
    return take_bytes(value, type, bytes, len);
}
