/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instances, classes and signatures as lines, and values back from them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cim.h"
#include "com.h"
#include "err.h"
#include "schema.h"
#include "strbuf.h"
#include "text.h"

enum {
    CIMTYPE_ARRAY = 0x2000,
    DEPTH_MAX = 4, /* objects within objects */
};

/* CIMTYPE_ENUMERATION, wbemcli.h (MicrosoftDocs/sdk-api wbemcli). */
static const uint16_t cimtypes[CIM_TYPE_COUNT] = {
    [CIM_BOOLEAN] = 11, [CIM_UINT8] = 17,     [CIM_UINT16] = 18,     [CIM_UINT32] = 19,
    [CIM_UINT64] = 21,  [CIM_SINT8] = 16,     [CIM_SINT16] = 2,      [CIM_SINT32] = 3,
    [CIM_SINT64] = 20,  [CIM_REAL32] = 4,     [CIM_REAL64] = 5,      [CIM_CHAR16] = 103,
    [CIM_STRING] = 8,   [CIM_DATETIME] = 101, [CIM_REFERENCE] = 102, [CIM_OBJECT] = 13,
};

static unsigned cimtype(enum cim_type type, bool is_array)
{
    return cimtypes[type] | (is_array ? CIMTYPE_ARRAY : 0u);
}

/* ---- writing ---- */

static void put_head(struct strbuf *to, const char *class_name, unsigned genus,
                     const char *path, const struct cim_class *class, const char *role)
{
    CLEANUP(strbuf_cleanup) struct strbuf derivation = STRBUF_INIT;

    for (const struct cim_class *c = class; c && c->superclass; c = c->parent)
        strbuf_printf(&derivation, "%s%s", derivation.len ? "," : "", c->superclass);
    strbuf_puts(to, "O");
    com_put_text(to, class_name);
    strbuf_printf(to, "\t%u", genus);
    com_put_text(to, path);
    com_put_text(to, derivation.text ? derivation.text : "");
    com_put_text(to, role);
    strbuf_putc(to, '\n');
    to->failed |= derivation.failed;
}

static void put_embedded(struct strbuf *to, const struct cim_instance *object,
                         const char *default_ns)
{
    CLEANUP(strbuf_cleanup) struct strbuf lines = STRBUF_INIT;
    const struct cim_class *class =
        cim_schema_class(object->ns ? object->ns : default_ns, object->class_name);

    if (class)
        com_put_instance(&lines, NULL, object, class, 0, NULL, 0);
    to->failed |= lines.failed || !class;
    com_put_field(to, lines.text ? lines.text : "", lines.len);
}

/* References name the host, as in `\\LAPTOP\root\cimv2:...`. */
static void put_reference(struct strbuf *to, const char *host, const struct cim_path *path,
                          const char *default_ns)
{
    CLEANUP(cim_path_cleanup) struct cim_path *whole = path ? cim_path_copy(path) : NULL;
    CLEANUP(free_cleanup) char *text = NULL;

    if (whole && !whole->host && host)
        whole->host = text_dup(host);
    if (whole && !whole->ns)
        whole->ns = text_dup(default_ns);
    text = whole ? cim_path_format(whole) : NULL;
    to->failed |= !text;
    com_put_text(to, text ? text : "");
}

static void put_element(struct strbuf *to, const char *host, const struct cim_value *value,
                        size_t i, const char *default_ns)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (value->type == CIM_OBJECT) {
        put_embedded(to, value->data[i].object, default_ns);
        return;
    }
    if (value->type == CIM_REFERENCE) {
        put_reference(to, host, value->data[i].path, default_ns);
        return;
    }
    if (value->type != CIM_STRING || value->data[i].text)
        cim_value_put_text(value, i, &text);
    com_put_field(to, text.text ? text.text : "", text.len);
    to->failed |= text.failed;
}

static void put_property(struct strbuf *to, const char *host, const char *name,
                         enum cim_type type, bool is_array, const struct cim_value *value,
                         const char *default_ns)
{
    bool is_null = !value || value->is_null || (!value->is_array && value->count == 0);

    strbuf_puts(to, "P");
    com_put_text(to, name);
    strbuf_printf(to, "\t%u\t%s", cimtype(type, is_array),
                  is_null    ? "N"
                  : is_array ? "A"
                             : "V");
    for (size_t i = 0; !is_null && i < value->count; i++)
        put_element(to, host, value, i, default_ns);
    strbuf_putc(to, '\n');
}

static bool is_column(const char *name, char *const *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_ieq(columns[i], name))
            return true;
    return count == 0;
}

/* Without its keys an object has no path: those of a SELECT with columns may lack them
 * (MicrosoftDocs/win32 WmiSdk/wmi-system-properties: __PATH). */
static char *path_of(const char *host, const struct cim_instance *instance,
                     const struct cim_class *class, char *const *columns, size_t count)
{
    struct err ignored = ERR_INIT;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;

    for (size_t i = 0; i < class->property_count; i++)
        if (class->properties[i].is_key &&
            !is_column(class->properties[i].name, columns, count))
            return text_dup("");
    path = host ? cim_schema_path(instance, &ignored) : NULL;
    if (!path)
        return text_dup(""); /* embedded, or without keys */
    free(path->host);
    path->host = text_dup(host);
    return path->host ? cim_path_format(path) : NULL;
}

void com_put_instance(struct strbuf *to, const char *host,
                      const struct cim_instance *instance, const struct cim_class *class,
                      unsigned build, char *const *columns, size_t column_count)
{
    CLEANUP(free_cleanup)
    char *path = path_of(host, instance, class, columns, column_count);

    to->failed |= !path;
    put_head(to, class->name, 2, path ? path : "", class, "");
    for (size_t i = 0; i < class->property_count; i++) {
        const struct cim_class_property *p = &class->properties[i];

        if ((build == 0 || p->first_build <= build) &&
            is_column(p->name, columns, column_count))
            put_property(to, host, p->name, p->type, p->is_array,
                         cim_get(instance, p->name), class->ns);
    }
    /* Those that only the instance has, as MSCluster_Property's. */
    for (size_t i = 0; column_count == 0 && i < instance->count; i++) {
        const struct cim_property *p = &instance->properties[i];

        if (!cim_schema_property(class, p->name))
            put_property(to, host, p->name, p->value.type, p->value.is_array, &p->value,
                         class->ns);
    }
}

void com_put_class(struct strbuf *to, const char *host, const struct cim_class *class,
                   unsigned build)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new(class->ns, class->name);
    CLEANUP(free_cleanup) char *text = NULL;

    if (path && (path->host = text_dup(host)))
        text = cim_path_format(path);
    to->failed |= !text;
    put_head(to, class->name, 1, text ? text : "", class, "");
    for (size_t i = 0; i < class->property_count; i++)
        if (class->properties[i].first_build <= build)
            put_property(to, host, class->properties[i].name, class->properties[i].type,
                         class->properties[i].is_array, NULL, class->ns);
}

void com_put_signature(struct strbuf *to, const struct cim_class_method *method, bool out)
{
    bool any = out;

    for (size_t i = 0; i < method->parameter_count; i++)
        any |= method->parameters[i].is_in;
    if (!any)
        return;
    put_head(to, "__PARAMETERS", 1, "", NULL, out ? "out" : "in");
    for (size_t i = 0; i < method->parameter_count; i++) {
        const struct cim_class_parameter *p = &method->parameters[i];

        if (out ? p->is_out : p->is_in)
            put_property(to, NULL, p->name, p->type, p->is_array, NULL, "");
    }
    if (out)
        put_property(to, NULL, "ReturnValue", CIM_UINT32, false, NULL, "");
}

void com_put_out(struct strbuf *to, const char *host, const struct cim_class_method *method,
                 const struct cim_instance *out)
{
    put_head(to, "__PARAMETERS", 2, "", NULL, "out");
    for (size_t i = 0; i < method->parameter_count; i++) {
        const struct cim_class_parameter *p = &method->parameters[i];

        if (p->is_out)
            put_property(to, host, p->name, p->type, p->is_array, cim_get(out, p->name),
                         out->ns);
    }
    if (cim_get(out, "ReturnValue")) /* methods of root/MSCluster return nothing */
        put_property(to, host, "ReturnValue", CIM_UINT32, false,
                     cim_get(out, "ReturnValue"), out->ns);
}

/* ---- reading ---- */

static bool read_value(const struct com_line *line, unsigned depth, struct cim_value *value,
                       struct com_status *status);

static bool mismatch(struct com_status *status, const char *name, const char *why)
{
    status->hresult = COM_TYPE_MISMATCH;
    snprintf(status->text, sizeof(status->text), "%.100s: %.300s", name, why);
    return false;
}

static bool read_type(const char *text, enum cim_type *ret, bool *ret_is_array)
{
    uint64_t number;

    if (!text_to_u64(text, 10, &number))
        return false;
    for (unsigned i = 0; i < CIM_TYPE_COUNT; i++)
        if (cimtypes[i] == (number & ~(uint64_t)CIMTYPE_ARRAY)) {
            *ret = (enum cim_type)i;
            *ret_is_array = number & CIMTYPE_ARRAY;
            return true;
        }
    return false;
}

/* Of an embedded object, whose properties are of the types that it says: it may have some
 * that its class does not declare. */
static bool read_own_property(const struct com_line *line, unsigned depth,
                              struct cim_instance *to, struct com_status *status)
{
    struct cim_value value = { .is_null = true };
    struct err err = ERR_INIT;

    if (line->count < 4 || strcmp(line->fields[0], "P") != 0 ||
        !read_type(line->fields[2], &value.type, &value.is_array))
        return mismatch(status, "an embedded object", "no such line");
    if (!read_value(line, depth, &value, status))
        return false;
    if (cim_set(to, line->fields[1], &value, &err))
        return true;
    cim_value_clear(&value);
    return mismatch(status, line->fields[1], "not enough memory");
}

static struct cim_instance *read_object(const char *text, unsigned depth,
                                        struct com_status *status)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *object = NULL;
    struct com_message lines = { 0 };
    bool ok = depth < DEPTH_MAX && com_message_read(text, strlen(text), &lines) &&
              lines.lines[0].count >= 3 && strcmp(lines.lines[0].fields[0], "O") == 0;

    if (ok)
        object = cim_instance_new(NULL, lines.lines[0].fields[1]);
    ok = object || mismatch(status, "an embedded object", "no object");
    for (size_t i = 1; ok && i < lines.count; i++)
        ok = read_own_property(&lines.lines[i], depth + 1, object, status);
    com_message_clear(&lines);
    return ok ? TAKE(object) : NULL;
}

static bool add_element(const struct com_line *line, const char *text, unsigned depth,
                        struct cim_value *value, struct com_status *status)
{
    struct err err = ERR_INIT;
    char why[ERR_TEXT];
    bool ok;

    if (value->type == CIM_OBJECT) {
        union cim_datum datum = { .object = read_object(text, depth, status) };

        if (!datum.object)
            return false;
        ok = cim_value_take(value, datum, &err);
    } else if (value->type == CIM_REFERENCE) {
        union cim_datum datum = { .path = cim_path_parse(text, &err) };

        ok = datum.path && cim_value_take(value, datum, &err);
    } else {
        ok = cim_value_add_text(value, text, &err);
    }
    if (ok)
        return true;
    err_format(&err, why, sizeof(why));
    return mismatch(status, line->fields[1], why);
}

static bool read_value(const struct com_line *line, unsigned depth, struct cim_value *value,
                       struct com_status *status)
{
    const char *form = line->count >= 4 ? line->fields[3] : "";
    size_t given = line->count >= 4 ? line->count - 4 : 0;
    uint64_t type;

    value->is_null = true;
    if (line->count < 4 || !text_to_u64(line->fields[2], 10, &type))
        return mismatch(status, line->count > 1 ? line->fields[1] : "?", "no such line");
    if (type != cimtype(value->type, value->is_array))
        return mismatch(status, line->fields[1], "not the type that the class says");
    if (strcmp(form, "N") == 0 && given == 0)
        return true;
    if (strcmp(form, value->is_array ? "A" : "V") != 0 || (!value->is_array && given != 1))
        return mismatch(status, line->fields[1],
                        "an array for a value, or a value for one");
    value->is_null = false;
    for (size_t i = 0; i < given; i++)
        if (!add_element(line, line->fields[4 + i], depth, value, status)) {
            cim_value_clear(value);
            return false;
        }
    return true;
}

bool com_read_value(const struct com_line *line, struct cim_value *value,
                    struct com_status *status)
{
    return read_value(line, 0, value, status);
}
