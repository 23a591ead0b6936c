/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IWbemServices: one namespace of a simulated host. */
#include "wbem.h"

#include <stdio.h>
#include <stdlib.h>

struct services {
    IWbemServices iface;
    struct security security;
    struct support support;
    volatile LONG refs;
    struct place *place;
};

static struct services *of(IWbemServices *iface)
{
    return (struct services *)iface;
}

static HRESULT WINAPI services_query(IWbemServices *iface, REFIID iid, void **ret)
{
    struct services *s = of(iface);

    *ret = NULL;
    if (IsEqualGUID(iid, &wbem_iid_unknown) || IsEqualGUID(iid, &wbem_iid_services))
        *ret = iface;
    else if (IsEqualGUID(iid, &wbem_iid_client_security))
        *ret = &s->security.iface;
    else if (IsEqualGUID(iid, &wbem_iid_support_error_info))
        *ret = &s->support.iface;
    if (!*ret)
        return E_NOINTERFACE;
    InterlockedIncrement(&s->refs);
    return S_OK;
}

static ULONG WINAPI services_add(IWbemServices *iface)
{
    return (ULONG)InterlockedIncrement(&of(iface)->refs);
}

static ULONG WINAPI services_release(IWbemServices *iface)
{
    struct services *s = of(iface);
    LONG refs = InterlockedDecrement(&s->refs);

    if (refs == 0) {
        place_drop(s->place);
        free(s);
        InterlockedDecrement(&module_objects);
    }
    return (ULONG)refs;
}

/* NULL: it may be called.  WMI's proxies belong to the apartment they were made in, which for
 * hvgpu is the multithreaded one (MicrosoftDocs/win32 desktop-src/com/in-process-server-threading-
 * issues.md, processes--threads--and-apartments.md); and WMI has to be allowed to impersonate
 * (WmiSdk/setting-the-security-levels-on-a-wmi-connection.md). */
static HRESULT may_call(struct services *s)
{
    APTTYPE type;
    APTTYPEQUALIFIER how;
    HRESULT hr = CoGetApartmentType(&type, &how);

    if (FAILED(hr))
        return hr;
    if (type != APTTYPE_MTA)
        return RPC_E_WRONG_THREAD;
    if (s->security.level < RPC_C_IMP_LEVEL_IMPERSONATE)
        return tell_error(WBEM_E_ACCESS_DENIED, "Access denied ");
    return S_OK;
}

static void add_wide(struct text *to, const WCHAR *field)
{
    char *text = utf8_of(field);

    text_field(to, text);
    free(text);
}

/* Waits for the one object (@ret may be NULL), or hands out a call result. */
static HRESULT conclude(struct answer *answer, LONG flags, const char *path,
                        IWbemClassObject **ret, IWbemCallResult **ret_call)
{
    struct object *found, *kept = NULL;
    HRESULT hr;

    if (ret)
        *ret = NULL;
    if (flags & WBEM_FLAG_RETURN_IMMEDIATELY)
        return result_make(answer, path, ret_call);
    while ((hr = answer_next(answer, WBEM_INFINITE, &found, NULL)) == S_OK) {
        object_release(kept);
        kept = found;
    }
    if (FAILED(hr)) {
        object_release(kept);
        tell_error(hr, answer_text(answer));
    } else if (ret && kept) {
        *ret = &kept->iface;
        hr = S_OK;
    } else {
        object_release(kept);
        hr = S_OK;
    }
    answer_free(answer);
    return hr;
}

static bool bad_flags(LONG flags, LONG allowed, IWbemCallResult **ret_call)
{
    return flags & ~(allowed | WBEM_FLAG_RETURN_IMMEDIATELY) ||
           (flags & WBEM_FLAG_RETURN_IMMEDIATELY && !ret_call);
}

static HRESULT WINAPI services_get(IWbemServices *iface, const BSTR path, LONG flags,
                                   IWbemContext *context, IWbemClassObject **ret,
                                   IWbemCallResult **ret_call)
{
    struct services *s = of(iface);
    struct text request = { 0 };
    HRESULT hr;

    if (bad_flags(flags, WBEM_FLAG_USE_AMENDED_QUALIFIERS | WBEM_FLAG_DIRECT_READ,
                  ret_call) ||
        (!ret && !ret_call))
        return WBEM_E_INVALID_PARAMETER;
    if (!path || !*path)
        return E_NOTIMPL; /* an empty class, to make one of */
    hr = may_call(s);
    if (FAILED(hr))
        return hr;
    text_add(&request, "GET", 3);
    text_field(&request, s->place->ns);
    add_wide(&request, path);
    text_add(&request, "\n", 1);
    return conclude(answer_start(s->place, &request), flags, NULL, ret, ret_call);
}

static HRESULT WINAPI services_exec_query(IWbemServices *iface, const BSTR language,
                                          const BSTR query, LONG flags,
                                          IWbemContext *context, IEnumWbemClassObject **ret)
{
    const LONG allowed = WBEM_FLAG_RETURN_IMMEDIATELY | WBEM_FLAG_FORWARD_ONLY |
                         WBEM_FLAG_USE_AMENDED_QUALIFIERS | WBEM_FLAG_ENSURE_LOCATABLE |
                         WBEM_FLAG_DIRECT_READ;
    struct services *s = of(iface);
    struct text request = { 0 };
    HRESULT hr;

    if (!ret || !language || !query || flags & ~allowed)
        return WBEM_E_INVALID_PARAMETER;
    *ret = NULL;
    if (_wcsicmp(language, L"WQL") != 0)
        return WBEM_E_INVALID_QUERY_TYPE;
    hr = may_call(s);
    if (FAILED(hr))
        return hr;
    text_add(&request, "QUERY", 5);
    text_field(&request, s->place->ns);
    add_wide(&request, query);
    text_add(&request, "\n", 1);
    return enum_make(answer_start(s->place, &request), flags & WBEM_FLAG_RETURN_IMMEDIATELY,
                     ret);
}

static HRESULT WINAPI services_exec_method(IWbemServices *iface, const BSTR path,
                                           const BSTR method, LONG flags,
                                           IWbemContext *context, IWbemClassObject *in,
                                           IWbemClassObject **ret,
                                           IWbemCallResult **ret_call)
{
    struct services *s = of(iface);
    struct object *parameters = object_from(in);
    struct text request = { 0 };
    HRESULT hr;

    if (bad_flags(flags, 0, ret_call) || !path || !method || (in && !parameters))
        return WBEM_E_INVALID_PARAMETER;
    if (parameters && parameters->genus != 2)
        return WBEM_E_INVALID_METHOD_PARAMETERS; /* the signature itself */
    hr = may_call(s);
    if (FAILED(hr))
        return hr;
    text_add(&request, "METHOD", 6);
    text_field(&request, s->place->ns);
    add_wide(&request, path);
    add_wide(&request, method);
    text_add(&request, "\n", 1);
    if (parameters)
        object_write(parameters, &request);
    return conclude(answer_start(s->place, &request), flags, NULL, ret, ret_call);
}

static HRESULT WINAPI services_put(IWbemServices *iface, IWbemClassObject *instance,
                                   LONG flags, IWbemContext *context,
                                   IWbemCallResult **ret_call)
{
    const LONG kinds = WBEM_FLAG_UPDATE_ONLY | WBEM_FLAG_CREATE_ONLY;
    struct services *s = of(iface);
    struct object *object = object_from(instance);
    struct text request = { 0 };
    char number[16];
    HRESULT hr;

    if (bad_flags(flags, kinds | WBEM_FLAG_USE_AMENDED_QUALIFIERS, ret_call) || !object)
        return WBEM_E_INVALID_PARAMETER;
    if (object->genus != 2)
        return WBEM_E_INVALID_OBJECT;
    hr = may_call(s);
    if (FAILED(hr))
        return hr;
    snprintf(number, sizeof(number), "%ld", flags & kinds);
    text_add(&request, "PUT", 3);
    text_field(&request, s->place->ns);
    text_field(&request, number);
    text_add(&request, "\n", 1);
    object_write(object, &request);
    return conclude(answer_start(s->place, &request), flags, object->path, NULL, ret_call);
}

static HRESULT WINAPI services_delete(IWbemServices *iface, const BSTR path, LONG flags,
                                      IWbemContext *context, IWbemCallResult **ret_call)
{
    struct services *s = of(iface);
    struct text request = { 0 };
    HRESULT hr;

    if (bad_flags(flags, 0, ret_call) || !path)
        return WBEM_E_INVALID_PARAMETER;
    hr = may_call(s);
    if (FAILED(hr))
        return hr;
    text_add(&request, "DEL", 3);
    text_field(&request, s->place->ns);
    add_wide(&request, path);
    text_add(&request, "\n", 1);
    return conclude(answer_start(s->place, &request), flags, "", NULL, ret_call);
}

static IWbemServicesVtbl services_table = {
    .QueryInterface = services_query,
    .AddRef = services_add,
    .Release = services_release,
    .GetObject = services_get,
    .PutInstance = services_put,
    .DeleteInstance = services_delete,
    .ExecQuery = services_exec_query,
    .ExecMethod = services_exec_method,
};

HRESULT services_make(struct place *place, IWbemServices **ret)
{
    struct services *s = grab(sizeof(*s));

    s->iface.lpVtbl = &services_table;
    security_init(&s->security, (IUnknown *)&s->iface);
    support_init(&s->support, (IUnknown *)&s->iface);
    s->refs = 1;
    s->place = place;
    InterlockedIncrement(&module_objects);
    *ret = &s->iface;
    return S_OK;
}

void services_tables_init(void)
{
    fill_table(&services_table, sizeof(services_table));
}
