/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes, registry values and plain members as JSON, and back. */

#include "guest-wire.h"

#include <string.h>

char *wire_hex(const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = malloc(len * 2 + 1);

    for (size_t i = 0; hex && i < len; i++) {
        hex[i * 2] = digits[bytes[i] >> 4];
        hex[i * 2 + 1] = digits[bytes[i] & 15];
    }
    if (hex)
        hex[len * 2] = '\0';
    return hex;
}

static int nibble(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

uint8_t *wire_bytes(const char *hex, size_t *ret_len)
{
    size_t len = hex ? strlen(hex) / 2 : 0;
    uint8_t *bytes = hex && strlen(hex) % 2 == 0 ? malloc(len + 1) : NULL;

    for (size_t i = 0; bytes && i < len; i++) {
        int high = nibble(hex[i * 2]), low = nibble(hex[i * 2 + 1]);

        if (high < 0 || low < 0) {
            free(bytes);
            return NULL;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_len = len;
    return bytes;
}

json_t *wire_value(const struct hive_value *value)
{
    CLEANUP(free_cleanup) char *hex = wire_hex(value->bytes, value->len);

    return hex ? json_pack("{s:I, s:s}", "type", (json_int_t)value->type, "bytes", hex)
               : NULL;
}

bool wire_read_value(const json_t *json, struct hive_value *ret)
{
    struct hive_value value = { 0 };

    value.type = (uint32_t)json_integer_value(json_object_get(json, "type"));
    value.bytes = wire_bytes(json_string_value(json_object_get(json, "bytes")), &value.len);
    if (!value.bytes)
        return false;
    *ret = value;
    return true;
}

const char *wire_text(const json_t *in, const char *key)
{
    const char *text = json_string_value(json_object_get(in, key));

    return text ? text : "";
}

bool wire_flag(const json_t *in, const char *key)
{
    return json_is_true(json_object_get(in, key));
}

uint64_t wire_number(const json_t *in, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(in, key));
}

bool wire_put(json_t *out, const char *key, json_t *value, struct err *err)
{
    return json_object_set_new(out, key, value) == 0 || err_no_memory(err);
}
