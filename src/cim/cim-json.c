/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CIM data as JSON, for recordings. */

#include "cim-json.h"
#include <string.h>

#include "err.h"
#include "secret.h"
#include "strbuf.h"
#include "text.h"

enum { JSON_NEST = 8 };

static json_t *to_json(const struct cim_instance *instance, unsigned depth,
                       struct err *err);

static json_t *element_to_json(const struct cim_value *value, size_t i, unsigned depth,
                               struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    json_t *json;

    if (value->type == CIM_OBJECT)
        return to_json(value->data[i].object, depth + 1, err);
    if (value->type == CIM_STRING && !value->data[i].text)
        return json_null();
    cim_value_put_text(value, i, &text);
    json = text.failed ? NULL : json_string(text.text ? text.text : "");
    if (!json)
        err_fail(err, ERR_INVALID, 0, "a value cannot be written as JSON");
    return json;
}

static json_t *value_to_json(const struct cim_value *value, unsigned depth, struct err *err)
{
    json_t *array;

    if (value->is_null)
        return json_null();
    if (!value->is_array)
        return element_to_json(value, 0, depth, err);
    array = json_array();
    for (size_t i = 0; array && i < value->count; i++) {
        json_t *element = element_to_json(value, i, depth, err);

        if (!element || json_array_append_new(array, element)) {
            json_decref(array);
            return NULL;
        }
    }
    if (!array)
        err_no_memory(err);
    return array;
}

static json_t *property_to_json(const struct cim_instance *instance,
                                const struct cim_property *p, unsigned depth,
                                struct err *err)
{
    bool secret = cim_is_secret(instance, p);
    json_t *value = secret ? json_null() : value_to_json(&p->value, depth, err);
    json_t *json;

    if (!value)
        return NULL;
    json =
        json_pack("{s:s, s:s, s:b, s:o}", "name", p->name, "type",
                  cim_type_name(p->value.type), "array", p->value.is_array, "value", value);
    if (!json)
        err_fail(err, ERR_INVALID, 0, "property '%.60s' cannot be written as JSON",
                 p->name);
    else if (secret)
        json_object_set_new(json, "secret", json_true());
    return json;
}

static json_t *to_json(const struct cim_instance *instance, unsigned depth, struct err *err)
{
    json_t *properties, *json;

    if (!instance)
        return json_null();
    if (depth > JSON_NEST) {
        err_fail(err, ERR_INVALID, 0, "instances are nested too deeply for a recording");
        return NULL;
    }
    properties = json_array();
    for (size_t i = 0; properties && i < instance->count; i++) {
        json_t *p = property_to_json(instance, &instance->properties[i], depth, err);

        if (!p || json_array_append_new(properties, p)) {
            json_decref(properties);
            return NULL;
        }
    }
    json = json_pack("{s:s?, s:s, s:o}", "namespace", instance->ns, "class",
                     instance->class_name, "properties", properties);
    if (!json)
        err_fail(err, ERR_INVALID, 0, "an instance cannot be written as JSON");
    return json;
}

json_t *cim_instance_to_json(const struct cim_instance *instance, struct err *err)
{
    return to_json(instance, 0, err);
}

static bool bad_record(const char *what, struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0, "the recording is damaged: %s", what);
}

static struct cim_instance *from_json(const json_t *json, unsigned depth, struct err *err);

static bool element_from_json(struct cim_value *value, const json_t *json, unsigned depth,
                              struct err *err)
{
    if (value->type == CIM_OBJECT) {
        struct cim_instance *object = from_json(json, depth + 1, err);

        return object && cim_value_take(value, (union cim_datum){ .object = object }, err);
    }
    if (!json_is_string(json) && !json_is_null(json))
        return bad_record("a value is no text", err);
    return cim_value_add_text(value, json_string_value(json), err);
}

static bool property_from_json(struct cim_instance *instance, const json_t *json,
                               unsigned depth, struct err *err)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *type = json_string_value(json_object_get(json, "type"));
    const json_t *from = json_object_get(json, "value");
    struct cim_value value = { .is_null = true };
    bool ok = true;

    if (!name || !type || !cim_type_from_name(type, &value.type) || !from)
        return bad_record("a property lacks its name, type or value", err);
    value.is_array = json_is_true(json_object_get(json, "array"));
    if (json_is_array(from)) {
        value.is_null = false;
        for (size_t i = 0; ok && i < json_array_size(from); i++)
            ok = element_from_json(&value, json_array_get(from, i), depth, err);
    } else if (!json_is_null(from)) {
        ok = element_from_json(&value, from, depth, err);
    }
    ok = ok && cim_set(instance, name, &value, err);
    cim_value_clear(&value);
    return ok;
}

static struct cim_instance *from_json(const json_t *json, unsigned depth, struct err *err)
{
    const char *class_name = json_string_value(json_object_get(json, "class"));
    const json_t *properties = json_object_get(json, "properties");
    CLEANUP(cim_instance_cleanup) struct cim_instance *instance = NULL;

    if (!class_name || !json_is_array(properties) || depth > JSON_NEST) {
        bad_record("an instance lacks its class or properties", err);
        return NULL;
    }
    instance =
        cim_instance_new(json_string_value(json_object_get(json, "namespace")), class_name);
    if (!instance) {
        err_no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(properties); i++)
        if (!property_from_json(instance, json_array_get(properties, i), depth, err))
            return NULL;
    return TAKE(instance);
}

struct cim_instance *cim_instance_from_json(const json_t *json, struct err *err)
{
    return from_json(json, 0, err);
}

json_t *cim_error_to_json(const struct err *error)
{
    json_t *texts = json_array();

    for (unsigned i = 0; i < error->depth; i++)
        json_array_append_new(texts, json_string(error->text[i]));
    return json_pack("{s:s, s:I, s:o, s:s}", "kind", err_kind_name(error->kind), "code",
                     (json_int_t)error->code, "texts", texts, "hint", error->hint);
}

void cim_error_from_json(const json_t *json, struct err *ret)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    const char *hint = json_string_value(json_object_get(json, "hint"));
    const json_t *texts = json_object_get(json, "texts");
    enum err_kind found = ERR_PROTOCOL;
    size_t count = json_array_size(texts);

    for (int k = ERR_NONE + 1; k < ERR_KIND_COUNT; k++)
        if (kind && strcmp(kind, err_kind_name((enum err_kind)k)) == 0)
            found = (enum err_kind)k;
    for (size_t i = 0; i < count || i == 0; i++) {
        const char *text = json_string_value(json_array_get(texts, i));

        if (i == 0)
            err_fail(ret, found, json_integer_value(json_object_get(json, "code")), "%s",
                     text ? text : "");
        else
            err_wrap(ret, "%s", text ? text : "");
    }
    if (hint && *hint)
        err_hint(ret, "%s", hint);
}
