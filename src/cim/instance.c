/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instances: a class name and named values in order. */

#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "err.h"
#include "text.h"

struct cim_instance *cim_instance_new(const char *ns, const char *class_name)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *instance = calloc(1, sizeof(*instance));

    if (!instance)
        return NULL;
    instance->ns = text_dup(ns);
    instance->class_name = text_dup(class_name);
    if ((ns && !instance->ns) || !instance->class_name)
        return NULL;
    return TAKE(instance);
}

void cim_instance_free(struct cim_instance *instance)
{
    if (!instance)
        return;
    for (size_t i = 0; i < instance->count; i++) {
        free(instance->properties[i].name);
        cim_value_clear(&instance->properties[i].value);
    }
    free(instance->properties);
    free(instance->ns);
    free(instance->class_name);
    free(instance);
}

/* Equal for equal names: length, first, middle and last letter, whatever their case.  An
 * answer of a host looks up every property's name among all those before it, so comparing
 * texts has to be rare. */
static uint32_t shape_of(const char *name)
{
    size_t len = strlen(name);

    if (len == 0)
        return 0;
    return (uint32_t)(len & 0xFF) << 24 | (uint32_t)(name[0] & 0xDF) << 16 |
           (uint32_t)(name[len / 2] & 0xDF) << 8 | (uint32_t)(name[len - 1] & 0xDF);
}

static struct cim_property *find(const struct cim_instance *instance, const char *name)
{
    uint32_t shape = shape_of(name);

    for (size_t i = 0; i < instance->count; i++)
        if (instance->properties[i].shape == shape &&
            text_ieq(instance->properties[i].name, name))
            return &instance->properties[i];
    return NULL;
}

const struct cim_value *cim_get(const struct cim_instance *instance, const char *name)
{
    const struct cim_property *p = find(instance, name);

    return p ? &p->value : NULL;
}

/* In steps: most instances have some dozens of properties. */
static bool make_room(struct cim_instance *instance)
{
    enum { STEP = 16 };
    struct cim_property *grown;

    if (instance->count % STEP != 0)
        return true;
    grown = realloc(instance->properties, (instance->count + STEP) * sizeof(*grown));
    if (!grown)
        return false;
    instance->properties = grown;
    return true;
}

bool cim_set(struct cim_instance *instance, const char *name, struct cim_value *value,
             struct err *err)
{
    struct cim_property *p = find(instance, name);

    if (p) {
        cim_value_clear(&p->value);
    } else {
        char *copy = text_dup(name);

        if (!copy || !make_room(instance)) {
            free(copy);
            return err_no_memory(err);
        }
        p = &instance->properties[instance->count++];
        p->name = copy;
        p->shape = shape_of(copy);
    }
    p->value = *value;
    value->data = NULL;
    value->count = 0;
    value->is_null = true;
    return true;
}

void cim_unset(struct cim_instance *instance, const char *name)
{
    struct cim_property *p = find(instance, name);

    if (!p)
        return;
    free(p->name);
    cim_value_clear(&p->value);
    instance->count--;
    memmove(p, p + 1, (size_t)(instance->properties + instance->count - p) * sizeof(*p));
}

struct cim_instance *cim_instance_copy(const struct cim_instance *from)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *copy = cim_instance_new(from->ns, from->class_name);
    struct err err;

    if (!copy)
        return NULL;
    for (size_t i = 0; i < from->count; i++) {
        struct cim_value value;

        if (!cim_value_copy(&from->properties[i].value, &value, &err))
            return NULL;
        if (!cim_set(copy, from->properties[i].name, &value, &err)) {
            cim_value_clear(&value);
            return NULL;
        }
    }
    return TAKE(copy);
}

/* @data is taken over whatever happens. */
static bool set_data(struct cim_instance *i, const char *name, enum cim_type type,
                     bool is_array, union cim_datum *data, size_t count, struct err *err)
{
    struct cim_value value = {
        .type = type, .is_array = is_array, .count = count, .data = data
    };

    if (!cim_set(i, name, &value, err)) {
        cim_value_clear(&value);
        return false;
    }
    return true;
}

static bool set_one(struct cim_instance *i, const char *name, enum cim_type type,
                    union cim_datum datum, struct err *err)
{
    union cim_datum *data = malloc(sizeof(*data));

    if (!data) {
        struct cim_value value = { .type = type, .count = 1, .data = &datum };

        /* Only what the datum points to is ours to free. */
        if (type == CIM_STRING)
            free(value.data->text);
        else if (type == CIM_REFERENCE)
            cim_path_free(value.data->path);
        return err_no_memory(err);
    }
    *data = datum;
    return set_data(i, name, type, false, data, 1, err);
}

bool cim_set_bool(struct cim_instance *i, const char *name, bool v, struct err *err)
{
    return set_one(i, name, CIM_BOOLEAN, (union cim_datum){ .boolean = v }, err);
}

/* Signed types keep their sign: callers pass (uint64_t)-1 for -1. */
bool cim_set_uint(struct cim_instance *i, const char *name, enum cim_type type, uint64_t v,
                  struct err *err)
{
    return set_one(i, name, type, (union cim_datum){ .u = v }, err);
}

bool cim_set_text(struct cim_instance *i, const char *name, const char *v, struct err *err)
{
    union cim_datum datum = { .text = text_dup(v) };

    if (!v)
        return cim_set_null(i, name, CIM_STRING, false, err);
    if (!datum.text)
        return err_no_memory(err);
    return set_one(i, name, CIM_STRING, datum, err);
}

bool cim_set_texts(struct cim_instance *i, const char *name, const char *const *v,
                   size_t count, struct err *err)
{
    union cim_datum *data = calloc(count ? count : 1, sizeof(*data));

    if (!data)
        return err_no_memory(err);
    for (size_t n = 0; n < count; n++) {
        data[n].text = text_dup(v[n]);
        if (v[n] && !data[n].text) {
            struct cim_value partial = { .type = CIM_STRING, .count = n, .data = data };

            cim_value_clear(&partial);
            return err_no_memory(err);
        }
    }
    return set_data(i, name, CIM_STRING, true, data, count, err);
}

bool cim_set_uints(struct cim_instance *i, const char *name, enum cim_type type,
                   const uint64_t *v, size_t count, struct err *err)
{
    union cim_datum *data = calloc(count ? count : 1, sizeof(*data));

    if (!data)
        return err_no_memory(err);
    for (size_t n = 0; n < count; n++)
        data[n].u = v[n];
    return set_data(i, name, type, true, data, count, err);
}

bool cim_set_datetime(struct cim_instance *i, const char *name,
                      const struct cim_datetime *v, struct err *err)
{
    return set_one(i, name, CIM_DATETIME, (union cim_datum){ .datetime = *v }, err);
}

bool cim_set_path(struct cim_instance *i, const char *name, const struct cim_path *v,
                  struct err *err)
{
    union cim_datum datum = { .path = cim_path_copy(v) };

    if (!datum.path)
        return err_no_memory(err);
    return set_one(i, name, CIM_REFERENCE, datum, err);
}

bool cim_set_null(struct cim_instance *i, const char *name, enum cim_type type,
                  bool is_array, struct err *err)
{
    struct cim_value value = { .type = type, .is_array = is_array, .is_null = true };

    return cim_set(i, name, &value, err);
}

static const union cim_datum *get_at(const struct cim_instance *i, const char *name,
                                     size_t index, enum cim_type *ret_type)
{
    const struct cim_value *value = cim_get(i, name);

    if (!value || index >= value->count)
        return NULL;
    *ret_type = value->type;
    return &value->data[index];
}

static const union cim_datum *get_scalar(const struct cim_instance *i, const char *name,
                                         enum cim_type *ret_type)
{
    const struct cim_value *value = cim_get(i, name);

    return value && !value->is_array ? get_at(i, name, 0, ret_type) : NULL;
}

static bool is_unsigned(enum cim_type type)
{
    return (type >= CIM_UINT8 && type <= CIM_UINT64) || type == CIM_CHAR16;
}

static bool is_signed(enum cim_type type)
{
    return type >= CIM_SINT8 && type <= CIM_SINT64;
}

bool cim_get_bool(const struct cim_instance *i, const char *name, bool *ret)
{
    enum cim_type type;
    const union cim_datum *d = get_scalar(i, name, &type);

    if (!d || type != CIM_BOOLEAN)
        return false;
    *ret = d->boolean;
    return true;
}

bool cim_get_u64(const struct cim_instance *i, const char *name, uint64_t *ret)
{
    enum cim_type type;
    const union cim_datum *d = get_scalar(i, name, &type);

    if (!d || !(is_unsigned(type) || (is_signed(type) && d->s >= 0)))
        return false;
    *ret = d->u;
    return true;
}

bool cim_get_i64(const struct cim_instance *i, const char *name, int64_t *ret)
{
    enum cim_type type;
    const union cim_datum *d = get_scalar(i, name, &type);

    if (!d || !(is_signed(type) || (is_unsigned(type) && d->u <= INT64_MAX)))
        return false;
    *ret = d->s;
    return true;
}

const char *cim_get_text(const struct cim_instance *i, const char *name)
{
    enum cim_type type;
    const union cim_datum *d = get_scalar(i, name, &type);

    return d && type == CIM_STRING ? d->text : NULL;
}

const char *cim_get_text_at(const struct cim_instance *i, const char *name, size_t index)
{
    enum cim_type type;
    const union cim_datum *d = get_at(i, name, index, &type);

    return d && type == CIM_STRING ? d->text : NULL;
}

size_t cim_get_count(const struct cim_instance *i, const char *name)
{
    const struct cim_value *value = cim_get(i, name);

    return value ? value->count : 0;
}

const struct cim_path *cim_get_path(const struct cim_instance *i, const char *name)
{
    enum cim_type type;
    const union cim_datum *d = get_scalar(i, name, &type);

    return d && type == CIM_REFERENCE ? d->path : NULL;
}

const struct cim_instance *cim_get_object(const struct cim_instance *i, const char *name,
                                          size_t index)
{
    enum cim_type type;
    const union cim_datum *d = get_at(i, name, index, &type);

    return d && type == CIM_OBJECT ? d->object : NULL;
}

bool cim_get_datetime(const struct cim_instance *i, const char *name,
                      struct cim_datetime *ret)
{
    enum cim_type type;
    const union cim_datum *d = get_scalar(i, name, &type);

    if (!d || type != CIM_DATETIME)
        return false;
    *ret = d->datetime;
    return true;
}
