/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turning the elements of an answer into instances and references (DSP0230 as Windows
 * practises it), typed through the schema; what the schema does not know is a string.
 */
#pragma once

#include "cim.h"
#include "xml.h"

/* An endpoint reference while it is read: a:Address, a:ReferenceParameters with
 * w:ResourceURI and w:SelectorSet, whose selectors may hold further references. */
enum { EPR_MAX_DEPTH = 4 };

struct epr_decoder {
    struct epr_level {
        char *uri;
        char *selector; /* the name of the one being read */
        struct cim_path *keys;
        struct cim_path *inner;
    } at[EPR_MAX_DEPTH];
    size_t level;
};

bool epr_start(struct epr_decoder *d, const struct xml_element *e, struct err *err)
    MUST_CHECK;
bool epr_end(struct epr_decoder *d, const struct xml_element *e, struct err *err)
    MUST_CHECK;
/* What was read, owned by the caller, and @d ready for the next; NULL with @err. */
struct cim_path *epr_take(struct epr_decoder *d, struct err *err);
void epr_clear(struct epr_decoder *d);

/* One instance while it is read. */
enum {
    INSTANCE_MAX_DEPTH = 8,
    INSTANCE_MAX_PROPERTIES = 4096,
    INSTANCE_MAX_ELEMENTS = 1 << 20
};

struct cim_class;
struct cim_class_method;

struct instance_decoder {
    /* The class of an element that names none: a query for some properties only is
     * answered with w:XmlFragment.  Lent. */
    const char *fragment_ns, *fragment_class;
    /* Set when the "instance" is the answer of a method, typed by its parameters. */
    bool is_output;
    const struct cim_class_method *method; /* NULL: not in the schema */

    struct instance_level {
        struct cim_instance *instance;
        const struct cim_class *class;
        bool has_element; /* it has an element of its own, not just that of its property */
        /* Of the property being read: */
        char *name; /* NULL between two */
        char *type; /* its xsi:type, or NULL */
        char *time; /* the datetime found in it, or NULL */
        struct cim_value objects;
        bool is_nil, has_reference;
    } at[INSTANCE_MAX_DEPTH];
    size_t level;   /* instances open; 0 = done or not begun */
    size_t in_epr;  /* depth within a reference; 0: in none */
    size_t in_time; /* depth within a datetime; 0: in none */
    struct epr_decoder epr;
    struct cim_instance *done;
};

/* The start of the instance's own element. */
bool instance_begin(struct instance_decoder *d, const struct xml_element *e,
                    struct err *err) MUST_CHECK;
/* Everything within it, and its end; after that d->level is 0. */
bool instance_start(struct instance_decoder *d, const struct xml_element *e,
                    struct err *err) MUST_CHECK;
bool instance_end(struct instance_decoder *d, const struct xml_element *e, struct err *err)
    MUST_CHECK;
/* What was read, owned by the caller. */
struct cim_instance *instance_take(struct instance_decoder *d);
void instance_clear(struct instance_decoder *d);
