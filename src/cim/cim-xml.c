/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instances as CIM-XML text (DSP0201): INSTANCE, PROPERTY, PROPERTY.ARRAY,
 * PROPERTY.REFERENCE, and of Windows's own dialect ("WMI DTD 2.0") PROPERTY.OBJECT.
 */

#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "err.h"
#include "strbuf.h"
#include "text.h"
#include "xml.h"

enum {
    CIM_XML_MAX = 16 << 20,
    CIM_XML_DEPTH = 24,
    CIM_XML_NEST = 4,          /* instances within an instance */
    CIM_XML_PROPERTIES = 4096, /* per instance */
    CIM_XML_ELEMENTS = 1 << 20 /* values in one array */
};

/* Writing ---------------------------------------------------------------- */

/* Real hosts refuse named entities inside embedded instances (&amp; gives 32768, &lt;
 * 32773) and take numeric ones (measured: r4sd/go-wsman embedded_escape_test.go), which
 * is what xml_put_text() writes. */
static void put_value(struct strbuf *to, const struct cim_value *value, size_t i)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (value->type == CIM_STRING && !value->data[i].text) {
        strbuf_puts(to, "<VALUE.NULL/>");
        return;
    }
    cim_value_put_text(value, i, &text);
    to->failed |= text.failed;
    strbuf_puts(to, "<VALUE>");
    xml_put_text(to, text.text ? text.text : "");
    strbuf_puts(to, "</VALUE>");
}

/* A property that names another object, or carries one, has no type of its own in
 * CIM-XML: as text both are strings. */
static const char *type_word(enum cim_type type)
{
    return type == CIM_REFERENCE || type == CIM_OBJECT ? "string" : cim_type_name(type);
}

static void put_property(struct strbuf *to, const struct cim_property *p)
{
    const char *element = p->value.is_array ? "PROPERTY.ARRAY" : "PROPERTY";

    strbuf_printf(to, "<%s NAME=\"", element);
    xml_put_text(to, p->name);
    strbuf_printf(to, "\" TYPE=\"%s\">", type_word(p->value.type));
    if (!p->value.is_null) {
        if (p->value.is_array)
            strbuf_puts(to, "<VALUE.ARRAY>");
        for (size_t i = 0; i < p->value.count; i++)
            put_value(to, &p->value, i);
        if (p->value.is_array)
            strbuf_puts(to, "</VALUE.ARRAY>");
    }
    strbuf_printf(to, "</%s>", element);
}

char *cim_xml_write(const struct cim_instance *instance, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT;
    char *text;

    strbuf_puts(&buf, "<INSTANCE CLASSNAME=\"");
    xml_put_text(&buf, instance->class_name);
    strbuf_puts(&buf, "\">");
    for (size_t i = 0; i < instance->count; i++) {
        put_property(&buf, &instance->properties[i]);
        if (buf.failed) {
            err_fail(err, ERR_INVALID, 0,
                     "property '%s' of a '%s' cannot be written as XML",
                     instance->properties[i].name, instance->class_name);
            return NULL;
        }
    }
    strbuf_puts(&buf, "</INSTANCE>");
    text = strbuf_take(&buf);
    if (!text)
        err_fail(err, ERR_INVALID, 0, "a '%.60s' cannot be written as XML",
                 instance->class_name);
    return text;
}

/* Reading ---------------------------------------------------------------- */

struct reading {
    struct {
        struct cim_instance *instance;
        char *name; /* of the property being read; NULL between properties */
        struct cim_value value;
    } at[CIM_XML_NEST];
    size_t open; /* instances being read; 0 before the first */
    size_t skip; /* depth of the element whose inside is ignored; 0: none */
    struct cim_path *reference;
    char *key_name;
    enum cim_type key_type;
    char *namespace;
    struct cim_instance *done;
};

static bool begin_instance(struct reading *r, const struct xml_element *e, struct err *err)
{
    const char *name = xml_attr(e, "", "CLASSNAME");

    if (!name || !*name)
        return err_fail(err, ERR_PROTOCOL, 0, "an INSTANCE has no CLASSNAME");
    if (r->open == CIM_XML_NEST)
        return err_fail(err, ERR_PROTOCOL, 0, "instances are nested too deeply");
    if (r->done || (r->open && !r->at[r->open - 1].name))
        return err_fail(err, ERR_PROTOCOL, 0, "an INSTANCE stands where none belongs");
    r->at[r->open].instance = cim_instance_new(NULL, name);
    r->at[r->open].name = NULL;
    r->at[r->open].value = (struct cim_value){ .is_null = true };
    if (!r->at[r->open].instance)
        return err_no_memory(err);
    r->open++;
    return true;
}

static bool end_instance(struct reading *r, struct err *err)
{
    struct cim_instance *instance = TAKE(r->at[r->open - 1].instance);
    struct cim_value *outer;

    r->open--;
    if (r->open == 0) {
        r->done = instance;
        return true;
    }
    outer = &r->at[r->open - 1].value;
    if (outer->type != CIM_OBJECT) {
        cim_instance_free(instance);
        return err_fail(err, ERR_PROTOCOL, 0, "an INSTANCE stands where none belongs");
    }
    return cim_value_take(outer, (union cim_datum){ .object = instance }, err);
}

static const struct {
    const char *element;
    bool is_array;
    int type; /* -1: the TYPE attribute says */
} property_elements[] = {
    { "PROPERTY", false, -1 },
    { "PROPERTY.ARRAY", true, -1 },
    { "PROPERTY.REFERENCE", false, CIM_REFERENCE },
    { "PROPERTY.OBJECT", false, CIM_OBJECT },
    { "PROPERTY.OBJECTARRAY", true, CIM_OBJECT },
};

static int property_element(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(property_elements); i++)
        if (strcmp(property_elements[i].element, name) == 0)
            return (int)i;
    return -1;
}

static bool begin_property(struct reading *r, const struct xml_element *e, int kind,
                           struct err *err)
{
    const char *name = xml_attr(e, "", "NAME"), *type = xml_attr(e, "", "TYPE");
    struct cim_value *value = &r->at[r->open - 1].value;

    if (!name || !*name)
        return err_fail(err, ERR_PROTOCOL, 0, "a %s has no NAME", e->name);
    if (r->at[r->open - 1].instance->count == CIM_XML_PROPERTIES)
        return err_fail(err, ERR_PROTOCOL, 0, "an INSTANCE has too many properties");
    *value = (struct cim_value){ .is_null = true };
    value->is_array = property_elements[kind].is_array;
    if (property_elements[kind].type >= 0)
        value->type = (enum cim_type)property_elements[kind].type;
    else if (!type || !cim_type_from_name(type, &value->type))
        return err_fail(err, ERR_PROTOCOL, 0, "property '%.60s' has no known TYPE", name);
    r->at[r->open - 1].name = text_dup(name);
    return r->at[r->open - 1].name || err_no_memory(err);
}

static bool end_property(struct reading *r, struct err *err)
{
    bool ok = cim_set(r->at[r->open - 1].instance, r->at[r->open - 1].name,
                      &r->at[r->open - 1].value, err);

    free(TAKE(r->at[r->open - 1].name));
    cim_value_clear(&r->at[r->open - 1].value);
    return ok;
}

static bool on_start(void *user, const struct xml_element *e, struct err *err)
{
    struct reading *r = user;
    bool in_property = r->open && r->at[r->open - 1].name;
    int kind;

    if (r->skip)
        return true;
    if (strcmp(e->name, "INSTANCE") == 0)
        return begin_instance(r, e, err);
    if (!r->open)
        return true; /* wrappers such as VALUE.NAMEDINSTANCE, and INSTANCENAME */
    kind = property_element(e->name);
    if (kind >= 0 && !in_property)
        return begin_property(r, e, kind, err);
    if (strcmp(e->name, "VALUE.ARRAY") == 0 && in_property) {
        r->at[r->open - 1].value.is_null = false;
        return true;
    }
    if (strcmp(e->name, "QUALIFIER") == 0) {
        r->skip = e->depth;
        return true;
    }
    if (strcmp(e->name, "INSTANCENAME") == 0 && in_property) {
        cim_path_free(r->reference);
        r->reference = cim_path_new(
            NULL, xml_attr(e, "", "CLASSNAME") ? xml_attr(e, "", "CLASSNAME") : "");
        return r->reference || err_no_memory(err);
    }
    if (strcmp(e->name, "KEYBINDING") == 0 && r->reference) {
        free(r->key_name);
        r->key_name = text_dup(xml_attr(e, "", "NAME"));
        return r->key_name || err_fail(err, ERR_PROTOCOL, 0, "a KEYBINDING has no NAME");
    }
    if (strcmp(e->name, "KEYVALUE") == 0) {
        const char *type = xml_attr(e, "", "VALUETYPE");

        r->key_type = text_ieq(type, "boolean")   ? CIM_BOOLEAN
                      : text_ieq(type, "numeric") ? CIM_SINT64
                                                  : CIM_STRING;
    }
    if (strcmp(e->name, "NAMESPACE") == 0 && in_property) {
        const char *part = xml_attr(e, "", "NAME");
        char *longer = r->namespace ? text_printf("%s/%s", r->namespace, part ? part : "")
                                    : text_dup(part ? part : "");

        free(r->namespace);
        r->namespace = longer;
        return longer || err_no_memory(err);
    }
    return true;
}

static bool add_value(struct reading *r, const char *text, struct err *err)
{
    struct cim_value *value = &r->at[r->open - 1].value;
    bool ok;

    if (value->count == CIM_XML_ELEMENTS)
        return err_fail(err, ERR_PROTOCOL, 0, "an array in an INSTANCE is too long");
    /* Text of an embedded object may itself hold instances: it stays text, so that
     * reading never recurses. */
    if (value->type == CIM_OBJECT || value->type == CIM_REFERENCE) {
        if (value->count)
            return err_fail(err, ERR_PROTOCOL, 0, "a VALUE stands where none belongs");
        value->type = CIM_STRING;
    }
    ok = cim_value_add_text(value, text, err);
    return ok || err_wrap(err, "property '%.60s'", r->at[r->open - 1].name);
}

static bool end_keyvalue(struct reading *r, const struct xml_element *e, struct err *err)
{
    struct cim_value value = { .type = r->key_type, .is_null = true };
    bool ok;

    if (!r->reference || !r->key_name)
        return true;
    if (!cim_value_add_text(&value, e->text, err))
        return false;
    ok = cim_path_set_value(r->reference, r->key_name, &value, err);
    cim_value_clear(&value);
    return ok;
}

static bool end_reference(struct reading *r, struct err *err)
{
    struct cim_value *value = &r->at[r->open - 1].value;

    if (!r->reference)
        return true;
    if (value->type != CIM_REFERENCE || value->count)
        return err_fail(err, ERR_PROTOCOL, 0,
                        "a VALUE.REFERENCE stands where none belongs");
    r->reference->ns = TAKE(r->namespace);
    return cim_value_take(value, (union cim_datum){ .path = TAKE(r->reference) }, err);
}

static bool on_end(void *user, const struct xml_element *e, struct err *err)
{
    struct reading *r = user;
    bool in_property = r->open && r->at[r->open - 1].name;

    if (r->skip) {
        r->skip = r->skip == e->depth ? 0 : r->skip;
        return true;
    }
    if (!r->open)
        return true;
    if (strcmp(e->name, "INSTANCE") == 0)
        return end_instance(r, err);
    if (in_property && strcmp(e->name, "VALUE") == 0)
        return add_value(r, e->text, err);
    if (in_property && strcmp(e->name, "VALUE.NULL") == 0)
        return add_value(r, NULL, err);
    if (in_property && strcmp(e->name, "KEYVALUE") == 0)
        return end_keyvalue(r, e, err);
    if (in_property && strcmp(e->name, "VALUE.REFERENCE") == 0)
        return end_reference(r, err);
    if (in_property && property_element(e->name) >= 0)
        return end_property(r, err);
    return true;
}

static void reading_clear(struct reading *r)
{
    for (size_t i = 0; i < CIM_XML_NEST; i++) {
        cim_instance_free(r->at[i].instance);
        free(r->at[i].name);
        cim_value_clear(&r->at[i].value);
    }
    cim_path_free(r->reference);
    free(r->key_name);
    free(r->namespace);
    cim_instance_free(r->done);
}

struct cim_instance *cim_xml_read(const char *text, size_t len, struct err *err)
{
    struct reading r = { 0 };
    struct xml_handler handler = { .on_start = on_start,
                                   .on_end = on_end,
                                   .user = &r,
                                   .max_text = CIM_XML_MAX,
                                   .max_depth = CIM_XML_DEPTH };
    CLEANUP(xml_reader_cleanup) struct xml_reader *reader = NULL;
    struct cim_instance *instance = NULL;

    if (len > CIM_XML_MAX) {
        err_fail(err, ERR_PROTOCOL, 0, "an embedded instance is longer than 16 MiB");
        return NULL;
    }
    reader = xml_reader_new(&handler, err);
    if (!reader)
        return NULL;
    if (xml_reader_feed(reader, text, len, err) && xml_reader_finish(reader, err)) {
        if (r.done)
            instance = TAKE(r.done);
        else
            err_fail(err, ERR_PROTOCOL, 0, "the text holds no INSTANCE");
    }
    reading_clear(&r);
    if (!instance && err->kind == ERR_INVALID)
        err->kind = ERR_PROTOCOL; /* it is what somebody else wrote */
    if (!instance)
        err_wrap(err, "reading an embedded instance");
    return instance;
}
