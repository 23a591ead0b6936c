/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CIM classes hvgpu and its simulator know: names, types, keys, methods.
 * Facts only, no behaviour.  Compiled from the text files in schema/cim/, one
 * class each, which name the source of what they say.
 *
 * All pointers are to constant tables.  Lookups ignore case.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cim.h"

struct cim_class_property {
    const char *name;
    enum cim_type type;
    bool is_array;
    bool is_key;
    bool is_writable;     /* as the MOF says; the host may think otherwise */
    const char *of_class; /* reference / embedded / embedded-as-text class, or NULL */
    unsigned first_build; /* 0: as old as the class */
};

struct cim_class_parameter {
    const char *name;
    enum cim_type type;
    bool is_array;
    bool is_in, is_out;
    const char *of_class; /* string with of_class = CIM-XML text of that class */
};

struct cim_class_method {
    const char *name;
    const struct cim_class_parameter *parameters;
    size_t parameter_count;
    bool is_static;
};

struct cim_class {
    const char *ns; /* "root/virtualization/v2" */
    const char *name;
    const char *superclass; /* NULL: none */
    bool is_association;
    unsigned first_build;
    const struct cim_class_property *properties; /* inherited ones included, by name */
    size_t property_count;
    const struct cim_class_method *methods; /* inherited ones included */
    size_t method_count;
    const char *source;
    const struct cim_class *parent; /* the superclass; NULL: none, or not known here */
};

const struct cim_class *cim_schema_class(const char *ns, const char *name); /* or NULL */
const struct cim_class_property *cim_schema_property(const struct cim_class *c,
                                                     const char *name);
const struct cim_class_method *cim_schema_method(const struct cim_class *c,
                                                 const char *name);
bool cim_schema_is_a(const struct cim_class *c, const char *ancestor); /* itself included */
/* All classes, for walking. */
const struct cim_class *cim_schema_all(size_t *ret_count);

/* The path of @instance from its class's keys; ERR_INVALID if a key is missing. */
struct cim_path *cim_schema_path(const struct cim_instance *instance, struct err *err);
