/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instances between WMI's objects and ours. */

#include "object.h"

#include <stdlib.h>
#include <string.h>

#include "bstr.h"
#include "err.h"
#include "text.h"
#include "variant.h"
#include "wmi-error.h"

enum { NEST_MOST = 8, PROPERTIES_MOST = 4096 };

/* ---- reading ---- */

struct reading {
    const char *ns;
    unsigned depth;
};

static struct cim_instance *read_object(IWbemClassObject *object, const struct reading *r,
                                        const struct cim_class_method *method,
                                        struct err *err);

static struct cim_instance *read_embedded(IUnknown *unknown, void *user, struct err *err)
{
    struct reading inner = *(const struct reading *)user;
    CLEANUP(object_cleanup) IWbemClassObject *object = NULL;

    if (++inner.depth > NEST_MOST) {
        err_fail(err, ERR_PROTOCOL, 0, "objects are nested too deeply");
        return NULL;
    }
    if (FAILED(
            IUnknown_QueryInterface(unknown, &wmi_iid_object, (void **)(void *)&object))) {
        err_fail(err, ERR_PROTOCOL, 0, "an embedded object is none of WMI");
        return NULL;
    }
    return read_object(object, &inner, NULL, err);
}

/* A text of the system property @name, owned; NULL: it has none. */
static char *system_text(IWbemClassObject *object, const WCHAR *name)
{
    struct err ignored = ERR_INIT;
    char *text = NULL;
    VARIANT v;

    VariantInit(&v);
    if (SUCCEEDED(IWbemClassObject_Get(object, name, 0, &v, NULL, NULL)) &&
        V_VT(&v) == VT_BSTR)
        text = bstr_text(V_BSTR(&v), &ignored);
    VariantClear(&v);
    return text;
}

/* As the schema has it, where it knows better; what it calls a reference or an object may be
 * a text as well. */
static void follow_schema(struct cim_value *value, const char *name,
                          const struct cim_class *class,
                          const struct cim_class_method *method)
{
    const struct cim_class_property *p = class ? cim_schema_property(class, name) : NULL;
    enum cim_type type = p ? p->type : CIM_STRING;
    bool is_array = p && p->is_array, is_known = p;

    for (size_t i = 0; method && !is_known && i < method->parameter_count; i++) {
        if (!text_ieq(method->parameters[i].name, name))
            continue;
        is_known = true;
        type = method->parameters[i].type;
        is_array = method->parameters[i].is_array;
    }
    if (!is_known || (value->type == type && value->is_array == is_array) ||
        type == CIM_REFERENCE || type == CIM_OBJECT || value->type == CIM_OBJECT)
        return;
    (void)!wmi_value_retype(value, type, is_array || value->is_array);
}

/* References name the machine itself; over WS-Management they name none. */
static void drop_hosts(struct cim_value *value)
{
    for (size_t i = 0; value->type == CIM_REFERENCE && i < value->count; i++)
        free(TAKE(value->data[i].path->host));
}

static bool read_property(struct cim_instance *to, BSTR bstr, const VARIANT *v,
                          CIMTYPE type, struct reading *r, const struct cim_class *class,
                          const struct cim_class_method *method, struct err *err)
{
    const struct variant_objects objects = { .read = read_embedded, .user = r };
    CLEANUP(free_cleanup) char *name = bstr_text(bstr, err);
    struct cim_value value = { .is_null = true };
    bool ok;

    if (!name)
        return false;
    if (to->count >= PROPERTIES_MOST)
        return err_fail(err, ERR_PROTOCOL, 0, "an instance has too many properties");
    ok = wmi_value_read(v, type, &objects, &value, err);
    if (ok) {
        follow_schema(&value, name, class, method);
        drop_hosts(&value);
        ok = cim_set(to, name, &value, err);
    }
    cim_value_clear(&value);
    return ok || err_wrap(err, "property '%.80s' of '%.80s'", name, to->class_name);
}

static bool read_properties(struct cim_instance *to, IWbemClassObject *object,
                            struct reading *r, const struct cim_class_method *method,
                            struct err *err)
{
    const struct cim_class *class = cim_schema_class(r->ns, to->class_name);

    for (;;) {
        BSTR name = NULL;
        CIMTYPE type = 0;
        VARIANT v;
        HRESULT hr;
        bool ok;

        VariantInit(&v);
        hr = IWbemClassObject_Next(object, 0, &name, &v, &type, NULL);
        if (hr == WBEM_S_NO_MORE_DATA)
            return true;
        ok = FAILED(hr) ? wmi_fail(hr, err)
                        : read_property(to, name, &v, type, r, class, method, err);
        VariantClear(&v);
        SysFreeString(name);
        if (!ok)
            return false;
    }
}

static struct cim_instance *read_object(IWbemClassObject *object, const struct reading *r,
                                        const struct cim_class_method *method,
                                        struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *instance = NULL;
    CLEANUP(free_cleanup) char *class_name = system_text(object, L"__CLASS");
    struct reading here = *r;
    HRESULT hr;
    bool ok;

    /* What came of a choice of columns still knows its class. */
    if (!class_name && !method) {
        err_fail(err, ERR_PROTOCOL, 0, "an object has no class");
        return NULL;
    }
    instance =
        cim_instance_new(method ? NULL : r->ns, class_name ? class_name : "__PARAMETERS");
    if (!instance) {
        err_no_memory(err);
        return NULL;
    }
    hr = IWbemClassObject_BeginEnumeration(object, WBEM_FLAG_NONSYSTEM_ONLY);
    if (FAILED(hr)) {
        wmi_fail(hr, err);
        return NULL;
    }
    ok = read_properties(instance, object, &here, method, err);
    IWbemClassObject_EndEnumeration(object);
    return ok ? TAKE(instance) : NULL;
}

struct cim_instance *wmi_object_read(IWbemClassObject *object, const char *ns,
                                     const struct cim_class_method *method, struct err *err)
{
    const struct reading r = { .ns = ns };

    return read_object(object, &r, method, err);
}

/* ---- writing ---- */

struct writing {
    struct wmi_session *ws;
    const char *ns;
    unsigned depth;
};

static bool write_properties(const struct writing *w, const struct cim_instance *from,
                             bool nulls, HRESULT missing, IWbemClassObject *to,
                             struct err *err);

static IUnknown *write_embedded(const struct cim_instance *instance, void *user,
                                struct err *err)
{
    struct writing inner = *(const struct writing *)user;
    CLEANUP(object_cleanup) IWbemClassObject *class = NULL;
    CLEANUP(object_cleanup) IWbemClassObject *made = NULL;
    HRESULT hr;

    if (++inner.depth > NEST_MOST) {
        err_fail(err, ERR_INVALID, 0, "objects are nested too deeply");
        return NULL;
    }
    if (instance->ns)
        inner.ns = instance->ns;
    if (!wmi_get_object(inner.ws, inner.ns, instance->class_name, &class, err))
        return NULL;
    hr = IWbemClassObject_SpawnInstance(class, 0, &made);
    if (FAILED(hr)) {
        wmi_fail(hr, err);
        return NULL;
    }
    if (!write_properties(&inner, instance, false, (HRESULT)WBEM_E_INVALID_PROPERTY, made,
                          err))
        return NULL;
    return (IUnknown *)TAKE(made);
}

/* The whole path, as Windows' own tools write it: `\\MACHINE\namespace:Class.Key="..."`. */
static bool name_hosts(const struct wmi_session *ws, struct cim_value *value,
                       struct err *err)
{
    for (size_t i = 0; value->type == CIM_REFERENCE && i < value->count; i++) {
        struct cim_path *path = value->data[i].path;

        if (path->host || !path->ns)
            continue;
        path->host = ws->server ? bstr_text(ws->server, err) : text_dup(".");
        if (!path->host)
            return err_no_memory(err);
    }
    return true;
}

static bool write_property(const struct writing *w, const struct cim_property *from,
                           HRESULT missing, IWbemClassObject *to, struct err *err)
{
    struct writing here = *w;
    const struct variant_objects objects = { .write = write_embedded, .user = &here };
    CLEANUP(bstr_cleanup) BSTR name = bstr_from(from->name, err);
    CLEANUP(variant_cleanup) VARIANT v = { 0 };
    struct cim_value value;
    CIMTYPE type = 0;
    HRESULT hr;
    bool ok;

    if (!name)
        return false;
    hr = IWbemClassObject_Get(to, name, 0, NULL, &type, NULL);
    if (hr == (HRESULT)WBEM_E_NOT_FOUND)
        return err_fail(err, ERR_INVALID, (int64_t)(uint32_t)missing,
                        "there is no '%.80s' here (0x%X)", from->name, (unsigned)missing);
    if (FAILED(hr))
        return wmi_fail(hr, err);
    if (!cim_value_copy(&from->value, &value, err))
        return false;
    ok = ((type & ~WBEM_CIM_FLAG_ARRAY) != WBEM_CIM_REFERENCE ||
          name_hosts(w->ws, &value, err)) &&
         wmi_value_write(&value, type, &objects, &v, err);
    cim_value_clear(&value);
    if (!ok)
        return err_wrap(err, "'%.80s'", from->name);
    hr = IWbemClassObject_Put(to, name, 0, &v, 0);
    return SUCCEEDED(hr) || (wmi_fail(hr, err), err_wrap(err, "'%.80s'", from->name));
}

static bool write_properties(const struct writing *w, const struct cim_instance *from,
                             bool nulls, HRESULT missing, IWbemClassObject *to,
                             struct err *err)
{
    for (size_t i = 0; i < from->count; i++)
        if ((nulls || !from->properties[i].value.is_null) &&
            !write_property(w, &from->properties[i], missing, to, err))
            return false;
    return true;
}

bool wmi_object_write(struct wmi_session *ws, const struct cim_instance *from,
                      const char *ns, bool nulls, HRESULT missing, IWbemClassObject *to,
                      struct err *err)
{
    const struct writing w = { .ws = ws, .ns = ns };

    return write_properties(&w, from, nulls, missing, to, err);
}
