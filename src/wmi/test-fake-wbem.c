/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A WMI in the test itself. */

#include "test-fake-wbem.h"

#include <string.h>
#include <wchar.h>

#include "bstr.h"
#include "err.h"
#include "test.h"

struct fake_wbem fake_wbem;

static void note(const char *what, const WCHAR *text)
{
    struct err err = ERR_INIT;
    char *utf8 = bstr_text(text, &err);

    strbuf_printf(&fake_wbem.log, "%s %s\n", what, utf8 ? utf8 : "");
    free(utf8);
}

/* Whatever is not set below. */
static HRESULT WINAPI not_there(void)
{
    return E_NOTIMPL;
}

static void fill(void *table, size_t size)
{
    void **slots = (void **)table;

    for (size_t i = 0; i < size / sizeof(*slots); i++)
        slots[i] = (void *)not_there;
}

/* ---- what WMI says about an error ---- */

static HRESULT fail(HRESULT hr)
{
    ICreateErrorInfo *made = NULL;
    IErrorInfo *info = NULL;

    if (FAILED(hr) && fake_wbem.said && SUCCEEDED(CreateErrorInfo(&made))) {
        ICreateErrorInfo_SetDescription(made, (WCHAR *)(uintptr_t)fake_wbem.said);
        if (SUCCEEDED(ICreateErrorInfo_QueryInterface(made, &IID_IErrorInfo,
                                                      (void **)(void *)&info))) {
            SetErrorInfo(0, info);
            IErrorInfo_Release(info);
        }
        ICreateErrorInfo_Release(made);
    }
    return hr;
}

/* ---- objects ---- */

static IWbemClassObjectVtbl object_table;

struct fake_object *fake_of(IWbemClassObject *object)
{
    return (struct fake_object *)object;
}

static struct fake_property *find(struct fake_object *o, const WCHAR *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (_wcsicmp(o->properties[i].name, name) == 0)
            return &o->properties[i];
    return NULL;
}

const VARIANT *fake_get(const struct fake_object *object, const WCHAR *name)
{
    struct fake_property *p = find((struct fake_object *)(uintptr_t)object, name);

    return p ? &p->value : NULL;
}

void fake_set(struct fake_object *object, const WCHAR *name, CIMTYPE type, VARIANT value)
{
    struct fake_property *p = find(object, name);

    if (!p) {
        CHECK(object->count < FAKE_PROPERTIES);
        p = &object->properties[object->count++];
        wcscpy(p->name, name);
    }
    p->type = type;
    p->value = value;
}

void fake_set_text(struct fake_object *object, const WCHAR *name, CIMTYPE type,
                   const WCHAR *text)
{
    VARIANT v;

    VariantInit(&v);
    V_VT(&v) = text ? VT_BSTR : VT_NULL;
    V_BSTR(&v) = text ? SysAllocString(text) : NULL;
    fake_set(object, name, type, v);
}

void fake_set_i4(struct fake_object *object, const WCHAR *name, CIMTYPE type, LONG value)
{
    VARIANT v;

    VariantInit(&v);
    V_VT(&v) = VT_I4;
    V_I4(&v) = value;
    fake_set(object, name, type, v);
}

struct fake_object *fake_object(const WCHAR *class_name)
{
    struct fake_object *o = calloc(1, sizeof(*o));

    o->iface.lpVtbl = &object_table;
    o->refs = 1;
    wcscpy(o->class_name, class_name);
    fake_wbem.live++;
    return o;
}

static HRESULT WINAPI object_query(IWbemClassObject *iface, REFIID iid, void **ret)
{
    if (!IsEqualGUID(iid, &wmi_iid_object) && !IsEqualGUID(iid, &IID_IUnknown))
        return E_NOINTERFACE;
    fake_of(iface)->refs++;
    *ret = iface;
    return S_OK;
}

static ULONG WINAPI object_add(IWbemClassObject *iface)
{
    return (ULONG)++fake_of(iface)->refs;
}

static ULONG WINAPI object_release(IWbemClassObject *iface)
{
    struct fake_object *o = fake_of(iface);
    LONG left = --o->refs;

    CHECK(left >= 0);
    if (left == 0) {
        for (size_t i = 0; i < o->count; i++)
            VariantClear(&o->properties[i].value);
        COM_RELEASE(o->in);
        fake_wbem.live--;
        free(o);
    }
    return (ULONG)left;
}

static HRESULT WINAPI object_get(IWbemClassObject *iface, LPCWSTR name, LONG flags,
                                 VARIANT *v, CIMTYPE *type, LONG *flavor)
{
    struct fake_object *o = fake_of(iface);
    struct fake_property *p = find(o, name);

    if (wcscmp(name, L"__CLASS") == 0 && *o->class_name) {
        V_VT(v) = VT_BSTR;
        V_BSTR(v) = SysAllocString(o->class_name);
        return S_OK;
    }
    if (!p)
        return WBEM_E_NOT_FOUND;
    if (type)
        *type = p->type;
    return v ? VariantCopy(v, &p->value) : S_OK;
}

static HRESULT WINAPI object_put(IWbemClassObject *iface, LPCWSTR name, LONG flags,
                                 VARIANT *v, CIMTYPE type)
{
    struct fake_object *o = fake_of(iface);
    struct fake_property *p = find(o, name);

    if (!p)
        return WBEM_E_NOT_FOUND;
    if (FAILED(o->put_result))
        return o->put_result;
    return VariantCopy(&p->value, v);
}

static HRESULT WINAPI object_begin(IWbemClassObject *iface, LONG flags)
{
    CHECK_EQ(flags, WBEM_FLAG_NONSYSTEM_ONLY);
    fake_of(iface)->next = 0;
    return S_OK;
}

static HRESULT WINAPI object_next(IWbemClassObject *iface, LONG flags, BSTR *name,
                                  VARIANT *v, CIMTYPE *type, LONG *flavor)
{
    struct fake_object *o = fake_of(iface);
    struct fake_property *p;

    while (o->next < o->count && wcsncmp(o->properties[o->next].name, L"__", 2) == 0)
        o->next++;
    if (o->next == o->count)
        return WBEM_S_NO_MORE_DATA;
    p = &o->properties[o->next++];
    *name = SysAllocString(p->name);
    *type = p->type;
    return VariantCopy(v, &p->value);
}

static HRESULT WINAPI object_end(IWbemClassObject *iface)
{
    return S_OK;
}

static HRESULT WINAPI object_method(IWbemClassObject *iface, LPCWSTR name, LONG flags,
                                    IWbemClassObject **in, IWbemClassObject **out)
{
    struct fake_object *o = fake_of(iface);

    if (wcscmp(name, o->method) != 0)
        return WBEM_E_NOT_FOUND;
    if (o->in)
        IWbemClassObject_AddRef(o->in);
    *in = o->in;
    return S_OK;
}

static HRESULT WINAPI object_spawn(IWbemClassObject *iface, LONG flags,
                                   IWbemClassObject **ret)
{
    struct fake_object *o = fake_of(iface), *made = fake_object(o->class_name);

    for (size_t i = 0; i < o->count; i++) {
        VARIANT v;

        VariantInit(&v);
        VariantCopy(&v, &o->properties[i].value);
        fake_set(made, o->properties[i].name, o->properties[i].type, v);
    }
    made->put_result = o->put_result;
    *ret = &made->iface;
    return S_OK;
}

/* ---- a plain interface with one reference count ---- */

struct plain {
    void *table;
    LONG refs;
    IWbemClassObject *result; /* of a call result */
    unsigned waits;
    HRESULT status;
};

static HRESULT WINAPI plain_query(IUnknown *iface, REFIID iid, void **ret)
{
    return E_NOINTERFACE;
}

static ULONG WINAPI plain_add(IUnknown *iface)
{
    return (ULONG)++((struct plain *)iface)->refs;
}

static ULONG WINAPI plain_release(IUnknown *iface)
{
    struct plain *p = (struct plain *)iface;
    LONG left = --p->refs;

    CHECK(left >= 0);
    if (left == 0) {
        COM_RELEASE(p->result);
        fake_wbem.live--;
        free(p);
    }
    return (ULONG)left;
}

static struct plain *plain(void *table)
{
    struct plain *p = calloc(1, sizeof(*p));
    IUnknownVtbl *unknown = (IUnknownVtbl *)table;

    unknown->QueryInterface = plain_query;
    unknown->AddRef = plain_add;
    unknown->Release = plain_release;
    p->table = table;
    p->refs = 1;
    fake_wbem.live++;
    return p;
}

/* ---- lists ---- */

static IEnumWbemClassObjectVtbl list_table;

static HRESULT WINAPI list_next(IEnumWbemClassObject *iface, LONG timeout, ULONG count,
                                IWbemClassObject **objects, ULONG *returned)
{
    size_t at = fake_wbem.next_at;

    *returned = 0;
    if (at >= fake_wbem.next_count)
        return WBEM_S_FALSE;
    /* The last one is given again and again when it says "not yet". */
    if (fake_wbem.next[at].result != WBEM_S_TIMEDOUT || at + 1 < fake_wbem.next_count)
        fake_wbem.next_at++;
    else
        Sleep(20);
    for (size_t i = 0; i < fake_wbem.next[at].row_count && i < count; i++) {
        objects[i] = &fake_wbem.next[at].rows[i]->iface;
        ++*returned;
    }
    return fail(fake_wbem.next[at].result);
}

/* ---- results that come later ---- */

static IWbemCallResultVtbl result_table;

static HRESULT WINAPI result_status(IWbemCallResult *iface, LONG timeout, LONG *status)
{
    struct plain *p = (struct plain *)iface;

    if (fake_wbem.never_finishes || p->waits > 0) {
        p->waits -= p->waits > 0;
        Sleep(20);
        return WBEM_S_TIMEDOUT;
    }
    *status = (LONG)p->status;
    fail(p->status);
    return WBEM_S_NO_ERROR;
}

static HRESULT WINAPI result_object(IWbemCallResult *iface, LONG timeout,
                                    IWbemClassObject **ret)
{
    struct plain *p = (struct plain *)iface;

    *ret = p->result;
    p->result = NULL;
    return *ret ? S_OK : WBEM_E_INVALID_OPERATION;
}

/* Hands @object and @hr over now, or in a result that comes later. */
static HRESULT answer(HRESULT hr, IWbemClassObject *object, IWbemClassObject **ret,
                      IWbemCallResult **ret_call)
{
    if (fake_wbem.is_slow && ret_call) {
        struct plain *p = plain(&result_table);

        p->result = object;
        p->waits = fake_wbem.waits;
        p->status = hr;
        *ret_call = (IWbemCallResult *)p;
        return WBEM_S_NO_ERROR;
    }
    if (ret)
        *ret = object;
    return fail(hr);
}

/* ---- services ---- */

static IWbemServicesVtbl services_table;

static HRESULT WINAPI services_query(IWbemServices *iface, const BSTR language,
                                     const BSTR query, LONG flags, IWbemContext *context,
                                     IEnumWbemClassObject **ret)
{
    note("query", query);
    CHECK(wcscmp(language, L"WQL") == 0);
    CHECK_EQ(flags, WBEM_FLAG_FORWARD_ONLY | WBEM_FLAG_RETURN_IMMEDIATELY);
    if (SUCCEEDED(fake_wbem.query_result))
        *ret = (IEnumWbemClassObject *)plain(&list_table);
    return fail(fake_wbem.query_result);
}

static HRESULT WINAPI services_object(IWbemServices *iface, const BSTR path, LONG flags,
                                      IWbemContext *context, IWbemClassObject **ret,
                                      IWbemCallResult **ret_call)
{
    IWbemClassObject *object = NULL;
    HRESULT hr = fake_wbem.object_result;

    note("object", path);
    if (SUCCEEDED(hr) && fake_wbem.object_at == fake_wbem.object_count)
        hr = WBEM_E_NOT_FOUND;
    else if (SUCCEEDED(hr))
        object = &fake_wbem.objects[fake_wbem.object_at++]->iface;
    return answer(hr, object, ret, ret_call);
}

static HRESULT WINAPI services_put(IWbemServices *iface, IWbemClassObject *object,
                                   LONG flags, IWbemContext *context,
                                   IWbemCallResult **ret_call)
{
    note("put", NULL);
    CHECK_EQ(flags, WBEM_FLAG_UPDATE_ONLY | WBEM_FLAG_RETURN_IMMEDIATELY);
    IWbemClassObject_AddRef(object);
    fake_wbem.put_object = fake_of(object);
    return answer(fake_wbem.put_result, NULL, NULL, ret_call);
}

static HRESULT WINAPI services_method(IWbemServices *iface, const BSTR path,
                                      const BSTR method, LONG flags, IWbemContext *context,
                                      IWbemClassObject *in, IWbemClassObject **ret,
                                      IWbemCallResult **ret_call)
{
    struct fake_object *out = fake_wbem.out_object;

    note("method", path);
    note("  name", method);
    if (in) {
        IWbemClassObject_AddRef(in);
        fake_wbem.in_object = fake_of(in);
    }
    fake_wbem.out_object = NULL;
    return answer(fake_wbem.method_result, out ? &out->iface : NULL, ret, ret_call);
}

static IWbemLocatorVtbl locator_table;

static HRESULT WINAPI locator_connect(IWbemLocator *iface, const BSTR ns, const BSTR user,
                                      const BSTR password, const BSTR locale, LONG flags,
                                      const BSTR authority, IWbemContext *context,
                                      IWbemServices **ret)
{
    note("connect", ns);
    CHECK(!user && !password);
    CHECK_EQ(flags, WBEM_FLAG_CONNECT_USE_MAX_WAIT);
    fake_wbem.connects++;
    if (SUCCEEDED(fake_wbem.connect_result))
        *ret = (IWbemServices *)plain(&services_table);
    return fail(fake_wbem.connect_result);
}

/* ---- the imports ---- */

static HRESULT WINAPI fake_create(REFCLSID class, IUnknown *outer, DWORD context,
                                  REFIID iid, void **ret)
{
    CHECK(IsEqualGUID(class, &wmi_clsid_locator) && IsEqualGUID(iid, &wmi_iid_locator));
    *ret = plain(&locator_table);
    return S_OK;
}

static HRESULT WINAPI fake_initialize(void *reserved, DWORD how)
{
    CHECK_EQ(how, COINIT_MULTITHREADED);
    return fake_wbem.initialized++ ? S_FALSE : S_OK;
}

static void WINAPI fake_uninitialize(void)
{
    fake_wbem.initialized--;
}

static HRESULT WINAPI fake_blanket(IUnknown *proxy, DWORD authn, DWORD authz, OLECHAR *name,
                                   DWORD level, DWORD impersonation, void *identity,
                                   DWORD how)
{
    CHECK_EQ(level, RPC_C_AUTHN_LEVEL_PKT_PRIVACY);
    CHECK_EQ(impersonation, RPC_C_IMP_LEVEL_IMPERSONATE);
    return fake_wbem.blanket_result;
}

extern void *__imp_CoCreateInstance, *__imp_CoInitializeEx, *__imp_CoUninitialize,
    *__imp_CoSetProxyBlanket;
void *__imp_CoCreateInstance = (void *)fake_create;
void *__imp_CoInitializeEx = (void *)fake_initialize;
void *__imp_CoUninitialize = (void *)fake_uninitialize;
void *__imp_CoSetProxyBlanket = (void *)fake_blanket;

void fake_wbem_reset(void)
{
    fill(&object_table, sizeof(object_table));
    fill(&list_table, sizeof(list_table));
    fill(&result_table, sizeof(result_table));
    fill(&services_table, sizeof(services_table));
    fill(&locator_table, sizeof(locator_table));
    object_table.QueryInterface = object_query;
    object_table.AddRef = object_add;
    object_table.Release = object_release;
    object_table.Get = object_get;
    object_table.Put = object_put;
    object_table.BeginEnumeration = object_begin;
    object_table.Next = object_next;
    object_table.EndEnumeration = object_end;
    object_table.GetMethod = object_method;
    object_table.SpawnInstance = object_spawn;
    list_table.Next = list_next;
    result_table.GetCallStatus = result_status;
    result_table.GetResultObject = result_object;
    services_table.ExecQuery = services_query;
    services_table.GetObject = services_object;
    services_table.PutInstance = services_put;
    services_table.ExecMethod = services_method;
    locator_table.ConnectServer = locator_connect;
    strbuf_free(&fake_wbem.log);
    fake_wbem = (struct fake_wbem){ 0 };
    SetErrorInfo(0, NULL);
}
