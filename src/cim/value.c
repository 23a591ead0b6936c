/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed values: text to value and back, copy, compare. */

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "err.h"
#include "strbuf.h"
#include "text.h"

/* clang-format off */
static const struct {
    const char *name;
    uint64_t max;  /* largest unsigned, or signed positive */
    char kind;     /* 'u', 's', 'r' */
} types[] = {
    [CIM_BOOLEAN] = { "boolean", 0, 0 },
    [CIM_UINT8] = { "uint8", UINT8_MAX, 'u' },
    [CIM_UINT16] = { "uint16", UINT16_MAX, 'u' },
    [CIM_UINT32] = { "uint32", UINT32_MAX, 'u' },
    [CIM_UINT64] = { "uint64", UINT64_MAX, 'u' },
    [CIM_SINT8] = { "sint8", INT8_MAX, 's' },
    [CIM_SINT16] = { "sint16", INT16_MAX, 's' },
    [CIM_SINT32] = { "sint32", INT32_MAX, 's' },
    [CIM_SINT64] = { "sint64", INT64_MAX, 's' },
    [CIM_REAL32] = { "real32", 0, 'r' },
    [CIM_REAL64] = { "real64", 0, 'r' },
    [CIM_CHAR16] = { "char16", UINT16_MAX, 'u' },
    [CIM_STRING] = { "string", 0, 0 },
    [CIM_DATETIME] = { "datetime", 0, 0 },
    [CIM_REFERENCE] = { "reference", 0, 0 },
    [CIM_OBJECT] = { "object", 0, 0 },
};
/* clang-format on */
_Static_assert(ARRAY_LEN(types) == CIM_TYPE_COUNT, "every type has a row");

const char *cim_type_name(enum cim_type type)
{
    return types[type].name;
}

bool cim_type_from_name(const char *name, enum cim_type *ret)
{
    for (size_t i = 0; i < CIM_TYPE_COUNT; i++) {
        if (text_ieq(types[i].name, name)) {
            *ret = (enum cim_type)i;
            return true;
        }
    }
    return false;
}

static void datum_clear(enum cim_type type, union cim_datum *d)
{
    if (type == CIM_STRING)
        free(d->text);
    else if (type == CIM_REFERENCE)
        cim_path_free(d->path);
    else if (type == CIM_OBJECT)
        cim_instance_free(d->object);
}

void cim_value_clear(struct cim_value *value)
{
    for (size_t i = 0; i < value->count; i++)
        datum_clear(value->type, &value->data[i]);
    free(value->data);
    value->data = NULL;
    value->count = 0;
    value->is_null = true;
}

static bool datum_copy(enum cim_type type, const union cim_datum *from,
                       union cim_datum *ret)
{
    *ret = *from;
    if (type == CIM_STRING) {
        ret->text = text_dup(from->text);
        return ret->text || !from->text;
    }
    if (type == CIM_REFERENCE) {
        ret->path = from->path ? cim_path_copy(from->path) : NULL;
        return ret->path || !from->path;
    }
    if (type == CIM_OBJECT) {
        ret->object = from->object ? cim_instance_copy(from->object) : NULL;
        return ret->object || !from->object;
    }
    return true;
}

bool cim_value_copy(const struct cim_value *from, struct cim_value *ret, struct err *err)
{
    struct cim_value copy = { .type = from->type,
                              .is_array = from->is_array,
                              .is_null = from->is_null };

    if (from->count) {
        copy.data = calloc(from->count, sizeof(*copy.data));
        if (!copy.data)
            return err_no_memory(err);
    }
    while (copy.count < from->count) {
        if (!datum_copy(from->type, &from->data[copy.count], &copy.data[copy.count])) {
            cim_value_clear(&copy);
            return err_no_memory(err);
        }
        copy.count++;
    }
    *ret = copy;
    return true;
}

static bool instance_equal(const struct cim_instance *a, const struct cim_instance *b)
{
    if (!a || !b)
        return a == b;
    if (!text_ieq(a->class_name, b->class_name) || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct cim_value *other = cim_get(b, a->properties[i].name);

        if (!other || !cim_value_equal(&a->properties[i].value, other))
            return false;
    }
    return true;
}

static bool datum_equal(enum cim_type type, const union cim_datum *a,
                        const union cim_datum *b)
{
    switch (type) {
    case CIM_BOOLEAN:
        return a->boolean == b->boolean;
    case CIM_REAL32:
    case CIM_REAL64:
        return a->real == b->real || (isnan(a->real) && isnan(b->real));
    case CIM_STRING:
        return a->text && b->text ? strcmp(a->text, b->text) == 0 : a->text == b->text;
    case CIM_DATETIME:
        return a->datetime.interval == b->datetime.interval &&
               a->datetime.usec == b->datetime.usec;
    case CIM_REFERENCE:
        return a->path && b->path ? cim_path_equal(a->path, b->path) : a->path == b->path;
    case CIM_OBJECT:
        return instance_equal(a->object, b->object);
    default:
        return a->u == b->u;
    }
}

bool cim_value_equal(const struct cim_value *a, const struct cim_value *b)
{
    if (a->type != b->type || a->is_array != b->is_array || a->is_null != b->is_null ||
        a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!datum_equal(a->type, &a->data[i], &b->data[i]))
            return false;
    return true;
}

/* strtod() and printf() obey the user's locale, CIM does not. */
static bool parse_real(const char *text, double *ret)
{
    const char *point = localeconv()->decimal_point;
    char copy[80], *end;
    size_t len = strlen(text), used = 0;

    if (len == 0 || len > 60)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.') {
            for (const char *p = point; *p && used < sizeof(copy) - 1; p++)
                copy[used++] = *p;
        } else if (strchr("+-0123456789eE", text[i]) && used < sizeof(copy) - 1) {
            copy[used++] = text[i];
        } else {
            return false;
        }
    }
    copy[used] = '\0';
    *ret = strtod(copy, &end);
    return *end == '\0' && end != copy && isfinite(*ret);
}

static void put_real(struct strbuf *to, double real, int digits)
{
    const char *point = localeconv()->decimal_point;
    char text[64], *at;

    snprintf(text, sizeof(text), "%.*g", digits, real);
    at = *point ? strstr(text, point) : NULL;
    if (at) {
        *at = '.';
        memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
    }
    strbuf_puts(to, text);
}

static bool parse_bool(const char *text, bool *ret)
{
    *ret = text_ieq(text, "true") || strcmp(text, "1") == 0;
    return *ret || text_ieq(text, "false") || strcmp(text, "0") == 0;
}

static bool bad_value(enum cim_type type, const char *text, struct err *err)
{
    return err_fail(err, ERR_INVALID, 0, "'%.60s' is no %s", text, types[type].name);
}

static bool parse_number(enum cim_type type, const char *text, union cim_datum *ret,
                         struct err *err)
{
    if (types[type].kind == 'u') {
        if (!text_to_u64(*text == '+' ? text + 1 : text, 10, &ret->u) ||
            ret->u > types[type].max)
            return bad_value(type, text, err);
        return true;
    }
    if (types[type].kind == 's') {
        int64_t max = (int64_t)types[type].max;

        if (!text_to_i64(*text == '+' ? text + 1 : text, 10, &ret->s) || ret->s > max ||
            ret->s < -max - 1)
            return bad_value(type, text, err);
        return true;
    }
    return parse_real(text, &ret->real) || bad_value(type, text, err);
}

static bool parse_datum(enum cim_type type, const char *text, union cim_datum *ret,
                        struct err *err)
{
    switch (type) {
    case CIM_BOOLEAN:
        return parse_bool(text, &ret->boolean) || bad_value(type, text, err);
    case CIM_DATETIME:
        return cim_datetime_parse(text, &ret->datetime, err);
    case CIM_REFERENCE:
        ret->path = cim_path_parse(text, err);
        return ret->path != NULL;
    case CIM_OBJECT:
        ret->object = cim_xml_read(text, strlen(text), err);
        return ret->object != NULL;
    default:
        return parse_number(type, text, ret, err);
    }
}

/* Anything but a string may be laid out with blanks around it. */
static const char *trim(const char *text, char *copy, size_t size)
{
    size_t len;

    text += strspn(text, " \t\r\n");
    len = strlen(text);
    if (len == 0 || !strchr(" \t\r\n", text[len - 1]))
        return text;
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    if (len >= size)
        return text;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

bool cim_value_take(struct cim_value *value, union cim_datum datum, struct err *err)
{
    union cim_datum *grown = NULL;

    if (!value->is_array && value->count == 1)
        err_fail(err, ERR_INVALID, 0, "a %s that is no array got two values",
                 types[value->type].name);
    else if (!(grown = realloc(value->data, (value->count + 1) * sizeof(*grown))))
        err_no_memory(err);
    if (!grown) {
        datum_clear(value->type, &datum);
        return false;
    }
    value->data = grown;
    value->data[value->count++] = datum;
    value->is_null = false;
    return true;
}

bool cim_value_add_text(struct cim_value *value, const char *text, struct err *err)
{
    union cim_datum datum = { 0 };
    char copy[128];

    if (value->type == CIM_STRING) {
        datum.text = text_dup(text);
        if (text && !datum.text)
            return err_no_memory(err);
    } else if (!text) {
        return err_fail(err, ERR_INVALID, 0, "a null among the elements of a %s array",
                        types[value->type].name);
    } else if (!parse_datum(value->type, trim(text, copy, sizeof(copy)), &datum, err)) {
        return false;
    }
    return cim_value_take(value, datum, err);
}

static void put_owned(struct strbuf *to, char *text)
{
    if (text)
        strbuf_puts(to, text);
    else
        to->failed = true;
    free(text);
}

void cim_value_put_text(const struct cim_value *value, size_t i, struct strbuf *to)
{
    const union cim_datum *d;
    char time[26];
    struct err err;

    if (i >= value->count)
        return;
    d = &value->data[i];
    switch (value->type) {
    case CIM_BOOLEAN:
        strbuf_puts(to, d->boolean ? "true" : "false");
        break;
    case CIM_SINT8:
    case CIM_SINT16:
    case CIM_SINT32:
    case CIM_SINT64:
        strbuf_printf(to, "%" PRId64, d->s);
        break;
    case CIM_REAL32:
        put_real(to, d->real, 9);
        break;
    case CIM_REAL64:
        put_real(to, d->real, 17);
        break;
    case CIM_STRING:
        strbuf_puts(to, d->text ? d->text : "");
        break;
    case CIM_DATETIME:
        cim_datetime_to_cim(&d->datetime, time);
        strbuf_puts(to, time);
        break;
    case CIM_REFERENCE:
        if (d->path)
            put_owned(to, cim_path_format(d->path));
        break;
    case CIM_OBJECT:
        if (d->object)
            put_owned(to, cim_xml_write(d->object, &err));
        break;
    default:
        strbuf_printf(to, "%" PRIu64, d->u);
        break;
    }
}
