/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lookups in the generated class tables. */

#include "schema.h"

#include "err.h"
#include "schema-table.h"
#include "text.h"

/* Namespaces are written with either slash. */
static bool is_ns(const char *a, const char *b)
{
    for (;; a++, b++) {
        int x = *a == '\\' ? '/' : *a >= 'A' && *a <= 'Z' ? *a + 32 : *a;
        int y = *b == '\\' ? '/' : *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;

        if (x != y)
            return false;
        if (x == '\0')
            return true;
    }
}

/* FNV-1a without case, as tools/schema-to-c.py computes it. */
static uint32_t name_hash(const char *name)
{
    uint32_t h = 0x811c9dc5u;

    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;

        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x01000193u;
    }
    return h;
}

const struct cim_class *cim_schema_class(const char *ns, const char *name)
{
    size_t mask = cim_schema_place_count - 1;

    if (!ns || !name)
        return NULL;
    for (size_t at = name_hash(name) & mask; cim_schema_places[at]; at = (at + 1) & mask) {
        const struct cim_class *c = &cim_schema_classes[cim_schema_places[at] - 1];

        if (text_ieq(name, c->name) && is_ns(ns, c->ns))
            return c;
    }
    return NULL;
}

const struct cim_class_property *cim_schema_property(const struct cim_class *c,
                                                     const char *name)
{
    size_t low = 0, high = c->property_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = text_casecmp(name, c->properties[mid].name);

        if (order == 0)
            return &c->properties[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct cim_class_method *cim_schema_method(const struct cim_class *c,
                                                 const char *name)
{
    for (size_t i = 0; i < c->method_count; i++)
        if (text_ieq(c->methods[i].name, name))
            return &c->methods[i];
    return NULL;
}

bool cim_schema_is_a(const struct cim_class *c, const char *ancestor)
{
    for (; c; c = c->parent)
        if (text_ieq(c->name, ancestor) || text_ieq(c->superclass, ancestor))
            return true;
    return false;
}

const struct cim_class *cim_schema_all(size_t *ret_count)
{
    *ret_count = cim_schema_class_count;
    return cim_schema_classes;
}

struct cim_path *cim_schema_path(const struct cim_instance *instance, struct err *err)
{
    const struct cim_class *c = cim_schema_class(instance->ns, instance->class_name);
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;

    if (!c) {
        err_fail(err, ERR_INVALID, 0, "the keys of class '%s' in '%s' are not known",
                 instance->class_name, instance->ns ? instance->ns : "no namespace");
        return NULL;
    }
    path = cim_path_new(instance->ns, instance->class_name);
    if (!path) {
        err_no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < c->property_count; i++) {
        const char *key = c->properties[i].name;
        const struct cim_value *value;

        if (!c->properties[i].is_key)
            continue;
        value = cim_get(instance, key);
        if (!value || value->is_null || value->count != 1) {
            err_fail(err, ERR_INVALID, 0, "an instance of '%s' lacks its key '%s'",
                     instance->class_name, key);
            return NULL;
        }
        if (!cim_path_set_value(path, key, value, err))
            return NULL;
    }
    return TAKE(path);
}
