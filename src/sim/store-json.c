/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host's objects as JSON text and back, for the lab's state.
 *
 *     { "objects": [ { "ns": ..., "class": ..., "properties": { NAME: VALUE, ... } } ] }
 *
 * Every value is a string in CIM's own notation (embedded instances: CIM-XML), arrays are
 * arrays of such strings; types come from the schema.  So 64-bit numbers survive.
 */
#include "store.h"

#include <string.h>

#include <jansson.h>

#include "err.h"
#include "strbuf.h"
#include "text.h"

static void put_json_text(struct strbuf *to, const char *text)
{
    strbuf_putc(to, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            strbuf_putc(to, '\\');
            strbuf_putc(to, *c);
        } else if ((unsigned char)*c < 0x20) {
            strbuf_printf(to, "\\u%04x", (unsigned char)*c);
        } else {
            strbuf_putc(to, *c);
        }
    }
    strbuf_putc(to, '"');
}

static bool put_element(struct strbuf *to, const struct cim_value *value, size_t i,
                        struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (value->type == CIM_STRING && !value->data[i].text) {
        strbuf_puts(to, "null");
        return true;
    }
    if (value->type == CIM_OBJECT) {
        CLEANUP(free_cleanup) char *xml = cim_xml_write(value->data[i].object, err);

        if (!xml)
            return false;
        put_json_text(to, xml);
        return true;
    }
    cim_value_put_text(value, i, &text);
    if (text.failed)
        return err_no_memory(err);
    put_json_text(to, text.text ? text.text : "");
    return true;
}

static bool put_value(struct strbuf *to, const struct cim_value *value, struct err *err)
{
    if (!value->is_array)
        return put_element(to, value, 0, err);
    strbuf_putc(to, '[');
    for (size_t i = 0; i < value->count; i++) {
        if (i > 0)
            strbuf_putc(to, ',');
        if (!put_element(to, value, i, err))
            return false;
    }
    strbuf_putc(to, ']');
    return true;
}

/* Objects may have been edited since they were added. */
static bool check_property(const struct cim_class *class, const struct cim_property *p,
                           struct err *err)
{
    const struct cim_class_property *known = cim_schema_property(class, p->name);

    if (known && known->type == p->value.type && known->is_array == p->value.is_array)
        return true;
    return err_fail(err, ERR_INVALID, 0, "%s.%s does not fit the schema", class->name,
                    p->name);
}

static bool put_object(struct strbuf *to, struct sim_object *object, struct err *err)
{
    const struct cim_instance *instance = sim_object_instance(object);
    bool first = true;

    strbuf_puts(to, "{\"ns\":");
    put_json_text(to, sim_object_class(object)->ns);
    strbuf_puts(to, ",\"class\":");
    put_json_text(to, sim_object_class(object)->name);
    strbuf_puts(to, ",\"properties\":{");
    for (size_t i = 0; i < instance->count; i++) {
        if (instance->properties[i].value.is_null)
            continue;
        if (!check_property(sim_object_class(object), &instance->properties[i], err))
            return false;
        strbuf_puts(to, first ? "" : ",");
        put_json_text(to, instance->properties[i].name);
        strbuf_putc(to, ':');
        if (!put_value(to, &instance->properties[i].value, err))
            return false;
        first = false;
    }
    strbuf_puts(to, "}}");
    return true;
}

char *sim_store_save(struct sim_store *store, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;
    const char *between = "\n";
    char *text;

    strbuf_puts(&to, "{\"objects\":[");
    for (struct sim_object *o = sim_store_next(store, NULL, NULL, NULL); o;
         o = sim_store_next(store, o, NULL, NULL)) {
        strbuf_puts(&to, between);
        if (!put_object(&to, o, err))
            return NULL;
        between = ",\n";
    }
    strbuf_puts(&to, "\n]}\n");
    text = strbuf_take(&to);
    if (!text)
        err_no_memory(err);
    return text;
}

/* ---- reading ---- */

static bool add_element(struct cim_value *value, const json_t *json, struct err *err)
{
    const char *text = json_string_value(json);
    union cim_datum *grown;

    if (!text && !(json_is_null(json) && value->type == CIM_STRING && value->is_array))
        return err_fail(err, ERR_PROTOCOL, 0, "a value is not a string");
    if (text && value->type != CIM_OBJECT)
        return cim_value_add_text(value, text, err);
    grown = realloc(value->data, (value->count + 1) * sizeof(*grown));
    if (!grown)
        return err_no_memory(err);
    value->data = grown;
    if (text) {
        grown[value->count].object = cim_xml_read(text, strlen(text), err);
        if (!grown[value->count].object)
            return false;
    } else {
        grown[value->count].text = NULL;
    }
    value->count++;
    value->is_null = false;
    return true;
}

static bool read_value(const struct cim_class_property *known, const json_t *json,
                       struct cim_value *ret, struct err *err)
{
    struct cim_value value = { .type = known->type,
                               .is_array = known->is_array,
                               .is_null = true };
    bool ok = true;

    if (!known->is_array) {
        ok = add_element(&value, json, err);
    } else if (!json_is_array(json)) {
        ok = err_fail(err, ERR_PROTOCOL, 0, "'%s' is not an array", known->name);
    } else {
        value.is_null = false;
        for (size_t i = 0; ok && i < json_array_size(json); i++)
            ok = add_element(&value, json_array_get(json, i), err);
    }
    if (!ok) {
        cim_value_clear(&value);
        return err_wrap(err, "property '%s'", known->name);
    }
    *ret = value;
    return true;
}

static bool read_properties(struct cim_instance *instance, const struct cim_class *class,
                            json_t *properties, struct err *err)
{
    const char *name;
    json_t *json;

    json_object_foreach(properties, name, json)
    {
        const struct cim_class_property *known = cim_schema_property(class, name);
        struct cim_value value;

        if (!known)
            return err_fail(err, ERR_PROTOCOL, 0, "class %s has no property '%s'",
                            class->name, name);
        if (!read_value(known, json, &value, err))
            return false;
        if (!cim_set(instance, known->name, &value, err)) {
            cim_value_clear(&value);
            return false;
        }
    }
    return true;
}

static bool read_object(struct sim_store *store, json_t *json, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *instance = NULL;
    const char *ns = json_string_value(json_object_get(json, "ns"));
    const char *name = json_string_value(json_object_get(json, "class"));
    json_t *properties = json_object_get(json, "properties");
    const struct cim_class *class = ns && name ? cim_schema_class(ns, name) : NULL;

    if (!class || !json_is_object(properties))
        return err_fail(err, ERR_PROTOCOL, 0, "no such class: '%s' in '%s'",
                        name ? name : "", ns ? ns : "");
    instance = cim_instance_new(class->ns, class->name);
    if (!instance)
        return err_no_memory(err);
    return read_properties(instance, class, properties, err) &&
           sim_store_add(store, &instance, err);
}

bool sim_store_load(struct sim_store *store, const char *text, struct err *err)
{
    json_error_t where;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    json_t *objects = json_object_get(root, "objects");
    bool ok = true;

    if (!root)
        ok = err_fail(err, ERR_PROTOCOL, 0, "line %d: %s", where.line, where.text);
    else if (!json_is_array(objects))
        ok = err_fail(err, ERR_PROTOCOL, 0, "no \"objects\"");
    for (size_t i = 0; ok && i < json_array_size(objects); i++) {
        ok = read_object(store, json_array_get(objects, i), err);
        if (!ok)
            err_wrap(err, "object %zu", i + 1);
    }
    json_decref(root);
    return ok || err_wrap(err, "reading the saved objects");
}
