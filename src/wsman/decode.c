/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements of an answer to instances. */

#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "names.h"
#include "schema.h"
#include "text.h"

/* How the value of a property is to be read. */
struct known {
    bool found;
    enum cim_type type;
    bool is_array;
};

static struct known look_up(const struct instance_decoder *d,
                            const struct instance_level *at)
{
    const struct cim_class_property *p =
        at->class ? cim_schema_property(at->class, at->name) : NULL;

    if (p)
        return (struct known){ true, p->type, p->is_array };
    for (size_t i = 0; d->level == 1 && d->method && i < d->method->parameter_count; i++) {
        const struct cim_class_parameter *a = &d->method->parameters[i];

        if (text_ieq(a->name, at->name))
            return (struct known){ true, a->type, a->is_array };
    }
    return (struct known){ .type = CIM_STRING };
}

/* Opens an instance of the class that @uri (`.../wmi/<namespace>/<class>`) and @name give. */
static bool push(struct instance_decoder *d, const char *uri, const char *name,
                 bool has_element, struct err *err)
{
    struct instance_level *at = &d->at[d->level];
    const char *slash = strrchr(uri, '/');
    char *ns = NULL;

    if (d->level == INSTANCE_MAX_DEPTH)
        return err_fail(err, ERR_PROTOCOL, 0, "objects are nested too deeply");
    if (text_istarts(uri, WMI_PREFIX) && slash > uri + strlen(WMI_PREFIX)) {
        ns =
            text_ndup(uri + strlen(WMI_PREFIX), (size_t)(slash - uri) - strlen(WMI_PREFIX));
        if (!ns)
            return err_no_memory(err);
    }
    *at = (struct instance_level){ .has_element = has_element };
    at->instance = cim_instance_new(ns, name);
    at->class = cim_schema_class(ns, name);
    free(ns);
    d->level++;
    return at->instance || err_no_memory(err);
}

bool instance_begin(struct instance_decoder *d, const struct xml_element *e,
                    struct err *err)
{
    CLEANUP(free_cleanup) char *uri = NULL;

    instance_clear(d);
    if (d->is_output)
        return push(d, "", "__PARAMETERS", true, err);
    if (!xml_is(e, NS_WSMAN, "XmlFragment"))
        return push(d, e->ns, e->name, true, err);
    uri = text_printf(WMI_PREFIX "%s/", d->fragment_ns ? d->fragment_ns : "");
    if (!uri)
        return err_no_memory(err);
    return push(d, uri, d->fragment_class ? d->fragment_class : e->name, true, err);
}

static bool begin_property(struct instance_level *at, const struct xml_element *e,
                           struct err *err)
{
    const char *nil = xml_attr(e, NS_XSI, "nil"), *type = xml_attr(e, NS_XSI, "type");

    if (at->instance->count >= INSTANCE_MAX_PROPERTIES)
        return err_fail(err, ERR_PROTOCOL, 0, "an instance has too many properties");
    at->is_nil = nil && (strcmp(nil, "true") == 0 || strcmp(nil, "1") == 0);
    at->has_reference = false;
    at->name = text_dup(e->name);
    at->type = text_dup(type);
    return (at->name && (at->type || !type)) || err_no_memory(err);
}

static const char *last_segment(const char *uri)
{
    const char *slash = strrchr(uri, '/');

    return slash ? slash + 1 : uri;
}

/* An element within a property that is neither datetime nor reference belongs to an
 * embedded object: it is the object's own element, named like its class, or already the
 * first of its properties, the class being told by xsi:type or by the namespace. */
static bool begin_object(struct instance_decoder *d, const struct xml_element *e,
                         struct err *err)
{
    struct instance_level *at = &d->at[d->level - 1];
    const char *type = at->type ? strrchr(at->type, ':') : NULL;
    CLEANUP(free_cleanup) char *class_name = NULL;

    type = type ? type + 1 : at->type;
    if (text_ieq(last_segment(e->ns), e->name) ||
        (!type && xml_attr(e, NS_XSI, "type") && text_istarts(e->ns, WMI_PREFIX)))
        return push(d, e->ns, e->name, true, err);
    if (type && text_iends(type, "_Type"))
        class_name = text_ndup(type, strlen(type) - strlen("_Type"));
    else if (text_istarts(e->ns, WMI_PREFIX))
        class_name = text_dup(last_segment(e->ns));
    else
        class_name = text_dup(at->name);
    if (!class_name)
        return err_no_memory(err);
    return push(d, e->ns, class_name, false, err) &&
           begin_property(&d->at[d->level - 1], e, err);
}

static bool is_reference_part(const struct xml_element *e)
{
    return strcmp(e->ns, NS_ADDRESSING) == 0 ||
           (strcmp(e->ns, NS_WSMAN) == 0 &&
            (strcmp(e->name, "ResourceURI") == 0 || strcmp(e->name, "SelectorSet") == 0));
}

/* With a projection the Datetime element has lost its namespace (measured: txwinrm's
 * recordings of 2003 R2 to 2012). */
static bool is_time(const struct xml_element *e)
{
    return strcmp(e->ns, NS_CIM) == 0 || (!*e->ns && (strcmp(e->name, "Datetime") == 0 ||
                                                      strcmp(e->name, "Interval") == 0));
}

bool instance_start(struct instance_decoder *d, const struct xml_element *e,
                    struct err *err)
{
    struct instance_level *at = &d->at[d->level - 1];

    if (d->in_epr) {
        d->in_epr++;
        return epr_start(&d->epr, e, err);
    }
    if (d->in_time) {
        d->in_time++;
        return true;
    }
    if (!at->name)
        return begin_property(at, e, err);
    if (is_time(e)) {
        d->in_time = 1;
        return true;
    }
    if (is_reference_part(e)) {
        at->has_reference = true;
        d->in_epr = 1;
        return epr_start(&d->epr, e, err);
    }
    return begin_object(d, e, err);
}

/* Moves the elements of @from (one, or several objects) behind those of the property. */
static bool append(struct instance_decoder *d, struct cim_value *from, struct err *err)
{
    struct instance_level *at = &d->at[d->level - 1];
    struct cim_value *there = (struct cim_value *)cim_get(at->instance, at->name);

    if (!there || (there->is_null && !there->count))
        return cim_set(at->instance, at->name, from, err);
    if (there->type != from->type || there->count >= INSTANCE_MAX_ELEMENTS)
        return err_fail(err, ERR_PROTOCOL, 0,
                        "property '%.60s' comes in different types, or too often",
                        at->name);
    /* What comes twice is an array, whatever the schema thinks. */
    there->is_array = true;
    for (size_t i = 0; i < from->count; i++) {
        union cim_datum datum = from->data[i];

        from->data[i] = (union cim_datum){ 0 };
        if (!cim_value_take(there, datum, err))
            return false;
    }
    return true;
}

static bool add_nil(struct instance_decoder *d, struct known known, struct err *err)
{
    struct instance_level *at = &d->at[d->level - 1];
    struct cim_value *there = (struct cim_value *)cim_get(at->instance, at->name);

    if (!there)
        return cim_set_null(at->instance, at->name, known.type, known.is_array, err);
    if (there->is_null)
        return true;
    there->is_array = true;
    return cim_value_add_text(there, NULL, err);
}

static bool read_text(struct instance_level *at, struct known known, const char *text,
                      struct cim_value *ret, struct err *err)
{
    bool blank = text[strspn(text, " \t\r\n")] == '\0';

    if (!known.found && at->time)
        ret->type = CIM_DATETIME;
    else if (text_ieq(at->name, "ReturnValue") && !known.found)
        ret->type =
            text_ieq(text, "true") || text_ieq(text, "false") ? CIM_BOOLEAN : CIM_UINT32;
    else if ((known.type == CIM_REFERENCE || known.type == CIM_OBJECT) && !blank)
        ret->type = CIM_STRING; /* a path, or CIM-XML */
    else
        ret->type = known.type;
    if (blank && ret->type != CIM_STRING)
        return true;
    return cim_value_add_text(ret, text, err);
}

static bool end_property(struct instance_decoder *d, const char *text, struct err *err)
{
    struct instance_level *at = &d->at[d->level - 1];
    struct known known = look_up(d, at);
    struct cim_value value = { .is_array = known.is_array, .is_null = true };
    struct cim_path *path;
    bool ok;

    if (at->is_nil && !at->objects.count && !at->has_reference) {
        ok = add_nil(d, known, err);
    } else if (at->objects.count) {
        value = at->objects;
        value.is_array = known.is_array || value.count > 1;
        at->objects = (struct cim_value){ 0 };
        ok = append(d, &value, err);
    } else if (at->has_reference) {
        value.type = CIM_REFERENCE;
        path = epr_take(&d->epr, err);
        ok = path && cim_value_take(&value, (union cim_datum){ .path = path }, err) &&
             append(d, &value, err);
    } else {
        ok = read_text(at, known, at->time ? at->time : text, &value, err) &&
             append(d, &value, err);
    }
    cim_value_clear(&value);
    if (!ok && err->kind == ERR_INVALID)
        err->kind = ERR_PROTOCOL; /* the host wrote it */
    if (!ok)
        err_wrap(err, "property '%.80s' of '%.80s'", at->name, at->instance->class_name);
    free(TAKE(at->name));
    free(TAKE(at->type));
    free(TAKE(at->time));
    return ok;
}

/* The innermost instance is complete: it belongs to the property of the one around it. */
static bool pop(struct instance_decoder *d, struct err *err)
{
    struct cim_instance *instance = TAKE(d->at[d->level - 1].instance);
    struct instance_level *outer;

    d->level--;
    if (d->level == 0) {
        d->done = instance;
        return true;
    }
    outer = &d->at[d->level - 1];
    outer->objects.type = CIM_OBJECT;
    outer->objects.is_array = true;
    return cim_value_take(&outer->objects, (union cim_datum){ .object = instance }, err);
}

bool instance_end(struct instance_decoder *d, const struct xml_element *e, struct err *err)
{
    struct instance_level *at = &d->at[d->level - 1];

    if (d->in_epr) {
        d->in_epr--;
        return epr_end(&d->epr, e, err);
    }
    if (d->in_time) {
        if (--d->in_time == 0) {
            free(at->time);
            at->time = text_dup(e->text);
            return at->time || err_no_memory(err);
        }
        return true;
    }
    if (at->name)
        return end_property(d, e->text, err);
    if (at->has_element)
        return pop(d, err);
    /* The end of the property that such an object fills. */
    return pop(d, err) && end_property(d, "", err);
}

struct cim_instance *instance_take(struct instance_decoder *d)
{
    return TAKE(d->done);
}

void instance_clear(struct instance_decoder *d)
{
    for (size_t i = 0; i < INSTANCE_MAX_DEPTH; i++) {
        struct instance_level *at = &d->at[i];

        cim_instance_free(at->instance);
        free(at->name);
        free(at->type);
        free(at->time);
        cim_value_clear(&at->objects);
        *at = (struct instance_level){ 0 };
    }
    epr_clear(&d->epr);
    cim_instance_free(TAKE(d->done));
    d->level = d->in_epr = d->in_time = 0;
}
