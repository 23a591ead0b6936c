/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FNV-1a over names and values without case. */
#include "store-hash.h"

#include <stdio.h>

enum { REF_DEPTH = 8 };

static uint64_t hash_text(uint64_t h, const char *text)
{
    for (; text && *text; text++) {
        unsigned char c = (unsigned char)*text;

        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x100000001b3u;
    }
    return h;
}

static uint64_t hash_path(const struct cim_path *path, unsigned depth);

static uint64_t hash_value(uint64_t h, const struct cim_value *value, unsigned depth)
{
    char number[24];

    if (value->count != 1)
        return h;
    switch (value->type) {
    case CIM_STRING:
        return hash_text(h, value->data->text);
    case CIM_REFERENCE:
        return h ^ (value->data->path ? hash_path(value->data->path, depth + 1) : 0);
    case CIM_BOOLEAN:
        return hash_text(h, value->data->boolean ? "true" : "false");
    case CIM_REAL32:
    case CIM_REAL64:
    case CIM_DATETIME:
    case CIM_OBJECT:
        return h; /* no keys in practice; equality decides */
    default:
        /* A client's path has text where the object has a number. */
        snprintf(number, sizeof(number), "%lld", (long long)value->data->s);
        return hash_text(h, number);
    }
}

/* The order of keys must not matter: their hashes are added up. */
static uint64_t hash_key(const char *name, const struct cim_value *value, unsigned depth)
{
    return hash_value(hash_text(0xcbf29ce484222325u, name) ^ 0x3d, value, depth);
}

static uint64_t hash_path(const struct cim_path *path, unsigned depth)
{
    uint64_t h = hash_text(0xcbf29ce484222325u, path->class_name);

    if (depth > REF_DEPTH)
        return h;
    for (size_t i = 0; i < path->count; i++)
        h += hash_key(path->keys[i].name, &path->keys[i].value, depth);
    return h;
}

uint64_t store_hash_instance(const struct cim_instance *instance,
                             const struct cim_class *class)
{
    uint64_t h = hash_text(0xcbf29ce484222325u, class->name);

    for (size_t i = 0; i < class->property_count; i++) {
        const struct cim_value *value;

        if (!class->properties[i].is_key)
            continue;
        value = cim_get(instance, class->properties[i].name);
        if (value)
            h += hash_key(class->properties[i].name, value, 0);
    }
    return h;
}

uint64_t store_hash_path(const struct cim_path *path)
{
    return hash_path(path, 0);
}
