/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IWbemClassObject: classes and instances as the simulator sent them. */
#include "wbem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static IWbemClassObjectVtbl object_table;

static struct object *of(IWbemClassObject *iface)
{
    return (struct object *)iface;
}

struct object *object_from(IWbemClassObject *iface)
{
    return iface && iface->lpVtbl == &object_table ? of(iface) : NULL;
}

/* ---- making ---- */

struct object *object_new(struct place *place, const char *class_name, int genus,
                          const char *path, const char *derivation)
{
    struct object *o = grab(sizeof(*o));

    o->iface.lpVtbl = &object_table;
    o->refs = 1;
    o->place = place_keep(place);
    o->class_name = copy_text(class_name);
    o->path = copy_text(path);
    o->derivation = copy_text(derivation);
    o->genus = genus;
    InterlockedIncrement(&module_objects);
    return o;
}

static void clear_values(struct property *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->values[i]);
    free(p->values);
    p->values = NULL;
    p->count = 0;
    p->is_null = true;
}

void object_add(struct object *o, const char *name, CIMTYPE type, bool is_null,
                char **values, size_t count)
{
    o->properties = realloc(o->properties, (o->count + 1) * sizeof(*o->properties));
    if (!o->properties)
        abort();
    o->properties[o->count++] = (struct property){ .name = copy_text(name),
                                                   .type = type,
                                                   .is_null = is_null,
                                                   .values = values,
                                                   .count = count };
}

struct property *object_find(struct object *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (_stricmp(o->properties[i].name, name) == 0)
            return &o->properties[i];
    return NULL;
}

void object_release(struct object *o)
{
    if (!o || InterlockedDecrement(&o->refs) > 0)
        return;
    for (size_t i = 0; i < o->count; i++) {
        clear_values(&o->properties[i]);
        free(o->properties[i].name);
    }
    free(o->properties);
    free(o->class_name);
    free(o->path);
    free(o->derivation);
    place_drop(o->place);
    free(o);
    InterlockedDecrement(&module_objects);
}

/* ---- the wire's form ---- */

/* The next field of a line, in place and without escapes; NULL: no further one. */
static char *next_field(char **at)
{
    char *field = *at, *out = field, *c;

    if (!field)
        return NULL;
    for (c = field; *c && *c != '\t'; c++) {
        if (*c == '\\' && c[1]) {
            c++;
            *out++ = *c == 't' ? '\t' : *c == 'n' ? '\n' : *c == 'r' ? '\r' : *c;
        } else {
            *out++ = *c;
        }
    }
    *at = *c ? c + 1 : NULL;
    *out = '\0';
    return field;
}

bool parse_head(struct place *place, char *line, struct object **ret, char **ret_role)
{
    char *fields[6], *at = line;

    for (size_t i = 0; i < ARRAYSIZE(fields); i++) {
        fields[i] = next_field(&at);
        if (!fields[i])
            return false;
    }
    *ret = object_new(place, fields[1], atoi(fields[2]), fields[3], fields[4]);
    *ret_role = copy_text(fields[5]);
    return true;
}

bool parse_property(char *line, struct object *to)
{
    char *at = line, *name, *type, *form, *value, **values = NULL;
    size_t count = 0;

    next_field(&at);
    name = next_field(&at);
    type = name ? next_field(&at) : NULL;
    form = type ? next_field(&at) : NULL;
    if (!form)
        return false;
    while ((value = next_field(&at))) {
        values = realloc(values, (count + 1) * sizeof(*values));
        if (!values)
            abort();
        values[count++] = copy_text(value);
    }
    object_add(to, name, atoi(type), *form == 'N', values, count);
    return true;
}

struct object *object_parse(struct place *place, char *lines)
{
    struct object *object = NULL;
    char *role = NULL;

    while (lines && *lines) {
        char *end = strchr(lines, '\n');

        if (end)
            *end++ = '\0';
        if (*lines == 'O' && !object)
            parse_head(place, lines, &object, &role);
        else if (*lines != 'P' || !object || !parse_property(lines, object))
            break;
        lines = end;
    }
    free(role);
    return object;
}

void object_write(const struct object *o, struct text *to)
{
    char number[16];

    text_add(to, "O", 1);
    text_field(to, o->class_name);
    text_field(to, o->genus == 1 ? "1" : "2");
    text_field(to, o->path);
    text_field(to, o->derivation);
    text_field(to, "");
    text_add(to, "\n", 1);
    for (size_t i = 0; i < o->count; i++) {
        const struct property *p = &o->properties[i];

        text_add(to, "P", 1);
        text_field(to, p->name);
        snprintf(number, sizeof(number), "%ld", (long)p->type);
        text_field(to, number);
        text_field(to, p->is_null ? "N" : p->type & CIM_FLAG_ARRAY ? "A" : "V");
        for (size_t j = 0; j < p->count; j++)
            text_field(to, p->values[j]);
        text_add(to, "\n", 1);
    }
}

/* ---- IUnknown ---- */

static HRESULT WINAPI object_query(IWbemClassObject *iface, REFIID iid, void **ret)
{
    if (!IsEqualGUID(iid, &wbem_iid_unknown) && !IsEqualGUID(iid, &wbem_iid_object)) {
        *ret = NULL;
        return E_NOINTERFACE;
    }
    InterlockedIncrement(&of(iface)->refs);
    *ret = iface;
    return S_OK;
}

static ULONG WINAPI object_add_ref(IWbemClassObject *iface)
{
    return (ULONG)InterlockedIncrement(&of(iface)->refs);
}

static ULONG WINAPI object_release_ref(IWbemClassObject *iface)
{
    LONG refs = of(iface)->refs;

    object_release(of(iface));
    return (ULONG)refs - 1;
}

/* ---- system properties: MicrosoftDocs/win32 WmiSdk/wmi-system-properties.md ---- */

enum { SYSTEM_FLAVOR = 0x40 }; /* WBEM_FLAVOR_ORIGIN_SYSTEM */

static const WCHAR *const system_names[] = {
    L"__GENUS",          L"__CLASS",  L"__SUPERCLASS", L"__RELPATH",
    L"__PROPERTY_COUNT", L"__SERVER", L"__NAMESPACE",  L"__PATH",
};

/* \\SERVER\NAMESPACE:RELPATH */
static void split_path(const char *path, char **server, char **ns, char **relative)
{
    const char *second = strncmp(path, "\\\\", 2) == 0 ? strchr(path + 2, '\\') : NULL;
    const char *colon = second ? strchr(second, ':') : NULL;

    *server = *ns = *relative = NULL;
    if (!colon)
        return;
    *server = copy_text(path + 2);
    (*server)[second - path - 2] = '\0';
    *ns = copy_text(second + 1);
    (*ns)[colon - second - 1] = '\0';
    *relative = copy_text(colon + 1);
}

static void put_text(VARIANT *ret, const char *text)
{
    V_VT(ret) = text && *text ? VT_BSTR : VT_NULL;
    if (text && *text)
        V_BSTR(ret) = bstr_of(text);
}

static bool get_system(const struct object *o, const WCHAR *name, VARIANT *ret,
                       CIMTYPE *type)
{
    char *server, *ns, *relative;
    bool known = true;

    split_path(o->path, &server, &ns, &relative);
    *type = CIM_STRING;
    if (_wcsicmp(name, L"__GENUS") == 0 || _wcsicmp(name, L"__PROPERTY_COUNT") == 0) {
        *type = CIM_SINT32;
        V_VT(ret) = VT_I4;
        V_I4(ret) = _wcsicmp(name, L"__GENUS") == 0 ? o->genus : (LONG)o->count;
    } else if (_wcsicmp(name, L"__CLASS") == 0) {
        put_text(ret, o->class_name);
    } else if (_wcsicmp(name, L"__SUPERCLASS") == 0) {
        char *first = copy_text(o->derivation);

        first[strcspn(first, ",")] = '\0';
        put_text(ret, first);
        free(first);
    } else if (_wcsicmp(name, L"__RELPATH") == 0) {
        put_text(ret, relative);
    } else if (_wcsicmp(name, L"__SERVER") == 0) {
        put_text(ret, server);
    } else if (_wcsicmp(name, L"__NAMESPACE") == 0) {
        put_text(ret, ns);
    } else if (_wcsicmp(name, L"__PATH") == 0) {
        put_text(ret, o->path);
    } else {
        known = false;
    }
    free(server);
    free(ns);
    free(relative);
    return known;
}

/* ---- values ---- */

static HRESULT WINAPI object_get(IWbemClassObject *iface, LPCWSTR name, LONG flags,
                                 VARIANT *value, CIMTYPE *type, LONG *flavor)
{
    struct object *o = of(iface);
    const struct property *p;
    CIMTYPE found_type;
    VARIANT found;
    char *text;
    HRESULT hr = S_OK;

    if (!name || flags != 0)
        return WBEM_E_INVALID_PARAMETER;
    VariantInit(&found);
    if (wcsncmp(name, L"__", 2) == 0) {
        if (!get_system(o, name, &found, &found_type))
            return WBEM_E_NOT_FOUND;
    } else {
        text = utf8_of(name);
        p = object_find(o, text);
        free(text);
        if (!p)
            return WBEM_E_NOT_FOUND;
        found_type = p->type;
        hr = value_to_variant(p, o->place, &found);
    }
    if (FAILED(hr))
        return hr;
    if (type)
        *type = found_type;
    if (flavor)
        *flavor = wcsncmp(name, L"__", 2) == 0 ? SYSTEM_FLAVOR : 0;
    if (value)
        *value = found;
    else
        VariantClear(&found);
    return S_OK;
}

static HRESULT WINAPI object_put(IWbemClassObject *iface, LPCWSTR name, LONG flags,
                                 VARIANT *value, CIMTYPE type)
{
    struct object *o = of(iface);
    struct property *p;
    char *text;

    if (!name || flags != 0)
        return WBEM_E_INVALID_PARAMETER;
    if (o->genus != 2)
        return E_NOTIMPL; /* making classes */
    text = utf8_of(name);
    p = object_find(o, text);
    free(text);
    if (!p)
        return WBEM_E_NOT_FOUND;
    if (type != 0 && type != p->type)
        return WBEM_E_TYPE_MISMATCH;
    if (!value)
        return WBEM_E_INVALID_PARAMETER;
    return value_from_variant(p, value);
}

/* ---- names ---- */

/* Which properties WBEM_CONDITION_FLAG_TYPE means. */
static bool wants(LONG flags, bool is_system)
{
    switch (flags & WBEM_MASK_CONDITION_ORIGIN) {
    case WBEM_FLAG_SYSTEM_ONLY:
        return is_system;
    case WBEM_FLAG_NONSYSTEM_ONLY:
    case WBEM_FLAG_LOCAL_ONLY:
    case WBEM_FLAG_PROPAGATED_ONLY:
        return !is_system;
    default:
        return true;
    }
}

static HRESULT WINAPI object_names(IWbemClassObject *iface, LPCWSTR qualifier, LONG flags,
                                   VARIANT *value, SAFEARRAY **ret)
{
    struct object *o = of(iface);
    size_t count = (wants(flags, true) ? ARRAYSIZE(system_names) : 0) +
                   (wants(flags, false) ? o->count : 0);
    LONG i = 0;

    if (!ret || qualifier || flags & 3)
        return WBEM_E_INVALID_PARAMETER;
    *ret = SafeArrayCreateVector(VT_BSTR, 0, (ULONG)count);
    for (size_t j = 0; wants(flags, true) && j < ARRAYSIZE(system_names); j++, i++) {
        BSTR name = SysAllocString(system_names[j]);

        SafeArrayPutElement(*ret, &i, name);
        SysFreeString(name);
    }
    for (size_t j = 0; wants(flags, false) && j < o->count; j++, i++) {
        BSTR name = bstr_of(o->properties[j].name);

        SafeArrayPutElement(*ret, &i, name);
        SysFreeString(name);
    }
    return S_OK;
}

static HRESULT WINAPI object_begin(IWbemClassObject *iface, LONG flags)
{
    struct object *o = of(iface);

    o->is_enumerating = true;
    o->enum_flags = flags;
    o->next = 0;
    return S_OK;
}

static HRESULT WINAPI object_next(IWbemClassObject *iface, LONG flags, BSTR *name,
                                  VARIANT *value, CIMTYPE *type, LONG *flavor)
{
    struct object *o = of(iface);
    BSTR found = NULL;
    HRESULT hr;

    if (!o->is_enumerating)
        return WBEM_E_UNEXPECTED;
    if (flags != 0)
        return WBEM_E_INVALID_PARAMETER;
    while (!found) {
        size_t i = o->next++;

        if (i >= ARRAYSIZE(system_names) + o->count) {
            o->next = i;
            return WBEM_S_NO_MORE_DATA;
        }
        if (i < ARRAYSIZE(system_names)) {
            if (wants(o->enum_flags, true))
                found = SysAllocString(system_names[i]);
        } else if (wants(o->enum_flags, false)) {
            found = bstr_of(o->properties[i - ARRAYSIZE(system_names)].name);
        }
    }
    hr = object_get(iface, found, 0, value, type, flavor);
    if (SUCCEEDED(hr) && name)
        *name = found;
    else
        SysFreeString(found);
    return hr;
}

static HRESULT WINAPI object_end(IWbemClassObject *iface)
{
    of(iface)->is_enumerating = false;
    return S_OK;
}

/* ---- copies, methods ---- */

static struct object *copy_of(const struct object *o, int genus, bool values)
{
    struct object *copy =
        object_new(o->place, o->class_name, genus, values ? o->path : "", o->derivation);

    for (size_t i = 0; i < o->count; i++) {
        const struct property *p = &o->properties[i];
        char **own = NULL;

        if (values && p->count) {
            own = grab(p->count * sizeof(*own));
            for (size_t j = 0; j < p->count; j++)
                own[j] = copy_text(p->values[j]);
        }
        object_add(copy, p->name, p->type, !values || p->is_null, own, own ? p->count : 0);
    }
    return copy;
}

static HRESULT WINAPI object_clone(IWbemClassObject *iface, IWbemClassObject **ret)
{
    if (!ret)
        return WBEM_E_INVALID_PARAMETER;
    *ret = &copy_of(of(iface), of(iface)->genus, true)->iface;
    return S_OK;
}

static HRESULT WINAPI object_spawn(IWbemClassObject *iface, LONG flags,
                                   IWbemClassObject **ret)
{
    if (!ret || flags != 0)
        return WBEM_E_INVALID_PARAMETER;
    if (of(iface)->genus != 1)
        return WBEM_E_INVALID_OPERATION;
    *ret = &copy_of(of(iface), 2, false)->iface;
    return S_OK;
}

static HRESULT WINAPI object_inherits(IWbemClassObject *iface, LPCWSTR ancestor)
{
    char *name = utf8_of(ancestor);
    const char *at = of(iface)->derivation;
    HRESULT hr = _stricmp(of(iface)->class_name, name) == 0 ? S_OK : WBEM_S_FALSE;

    while (hr != S_OK && *at) {
        size_t len = strcspn(at, ",");

        if (len == strlen(name) && _strnicmp(at, name, len) == 0)
            hr = S_OK;
        at += len + (at[len] == ',');
    }
    free(name);
    return hr;
}

static HRESULT WINAPI object_method(IWbemClassObject *iface, LPCWSTR name, LONG flags,
                                    IWbemClassObject **ret_in, IWbemClassObject **ret_out)
{
    struct object *o = of(iface), *found;
    struct text request = { 0 };
    struct answer *answer;
    char *text, *role;
    HRESULT hr;

    if (ret_in)
        *ret_in = NULL;
    if (ret_out)
        *ret_out = NULL;
    if (!name || flags != 0 || !o->place)
        return WBEM_E_INVALID_PARAMETER;
    if (o->genus != 1)
        return WBEM_E_ILLEGAL_OPERATION; /* only classes have methods to look at */
    text = utf8_of(name);
    text_add(&request, "SIG", 3);
    text_field(&request, o->place->ns);
    text_field(&request, o->class_name);
    text_field(&request, text);
    text_add(&request, "\n", 1);
    free(text);
    answer = answer_start(o->place, &request);
    while ((hr = answer_next(answer, WBEM_INFINITE, &found, &role)) == S_OK) {
        IWbemClassObject **to = strcmp(role, "in") == 0 ? ret_in : ret_out;

        if (to && !*to)
            *to = &found->iface;
        else
            object_release(found);
        free(role);
    }
    if (FAILED(hr))
        tell_error(hr, answer_text(answer));
    answer_free(answer);
    return FAILED(hr) ? hr : S_OK;
}

static IWbemClassObjectVtbl object_table = {
    .QueryInterface = object_query,
    .AddRef = object_add_ref,
    .Release = object_release_ref,
    .Get = object_get,
    .Put = object_put,
    .GetNames = object_names,
    .BeginEnumeration = object_begin,
    .Next = object_next,
    .EndEnumeration = object_end,
    .Clone = object_clone,
    .SpawnInstance = object_spawn,
    .InheritsFrom = object_inherits,
    .GetMethod = object_method,
};

void object_tables_init(void)
{
    fill_table(&object_table, sizeof(object_table));
}
