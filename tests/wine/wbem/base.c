/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory, texts, errors and security: what all objects of the DLL share. */
#include "wbem.h"

#include <stdlib.h>
#include <string.h>

const GUID wbem_iid_unknown = { 0x00000000, 0, 0, { 0xc0, 0, 0, 0, 0, 0, 0, 0x46 } };
const GUID wbem_iid_class_factory = { 0x00000001, 0, 0, { 0xc0, 0, 0, 0, 0, 0, 0, 0x46 } };
const GUID wbem_iid_client_security = {
    0x0000013d, 0, 0, { 0xc0, 0, 0, 0, 0, 0, 0, 0x46 }
};
const GUID wbem_iid_error_info = {
    0x1cf2b120, 0x547d, 0x101b, { 0x8e, 0x65, 0x08, 0x00, 0x2b, 0x2b, 0xd1, 0x19 }
};
const GUID wbem_iid_support_error_info = {
    0xdf0b3d60, 0x548f, 0x101b, { 0x8e, 0x65, 0x08, 0x00, 0x2b, 0x2b, 0xd1, 0x19 }
};
const GUID wbem_iid_locator = {
    0xdc12a687, 0x737f, 0x11cf, { 0x88, 0x4d, 0x00, 0xaa, 0x00, 0x4b, 0x2e, 0x24 }
};
const GUID wbem_iid_services = {
    0x9556dc99, 0x828c, 0x11cf, { 0xa3, 0x7e, 0x00, 0xaa, 0x00, 0x32, 0x40, 0xc7 }
};
const GUID wbem_iid_object = {
    0xdc12a681, 0x737f, 0x11cf, { 0x88, 0x4d, 0x00, 0xaa, 0x00, 0x4b, 0x2e, 0x24 }
};
const GUID wbem_iid_enum = {
    0x027947e1, 0xd731, 0x11ce, { 0xa3, 0x57, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01 }
};
const GUID wbem_iid_result = {
    0x44aca675, 0xe8fc, 0x11d0, { 0xa0, 0x7c, 0x00, 0xc0, 0x4f, 0xb6, 0x88, 0x20 }
};
const GUID wbem_clsid_locator = {
    0x4590f811, 0x1d3a, 0x11d0, { 0x89, 0x1f, 0x00, 0xaa, 0x00, 0x4b, 0x2e, 0x24 }
};

LONG module_objects;

void *grab(size_t size)
{
    void *block = calloc(1, size ? size : 1);

    if (!block)
        abort();
    return block;
}

char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(grab(size), text, size);
}

char *utf8_of(const WCHAR *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *copy = grab((size_t)size);

    WideCharToMultiByte(CP_UTF8, 0, text, -1, copy, size, NULL, NULL);
    return copy;
}

WCHAR *wide_of(const char *text)
{
    int count = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    WCHAR *copy = grab((size_t)count * sizeof(*copy));

    MultiByteToWideChar(CP_UTF8, 0, text, -1, copy, count);
    return copy;
}

BSTR bstr_of(const char *text)
{
    WCHAR *wide = wide_of(text);
    BSTR bstr = SysAllocString(wide);

    free(wide);
    if (!bstr)
        abort();
    return bstr;
}

static HRESULT WINAPI not_implemented(void)
{
    return E_NOTIMPL; /* on x64 the caller cleans the stack, whatever the arguments */
}

void fill_table(void *table, size_t size)
{
    void (**slots)(void) = table;

    for (size_t i = 0; i < size / sizeof(*slots); i++)
        if (!slots[i])
            slots[i] = (void (*)(void))not_implemented;
}

/* ---- IErrorInfo, which is also an __ExtendedStatus ---- */

struct error {
    IErrorInfo iface;
    volatile LONG refs;
    struct object *status;
};

static HRESULT WINAPI error_query(IErrorInfo *iface, REFIID iid, void **ret)
{
    struct error *e = (struct error *)iface;

    *ret = NULL;
    if (IsEqualGUID(iid, &wbem_iid_unknown) || IsEqualGUID(iid, &wbem_iid_error_info))
        *ret = iface;
    else if (IsEqualGUID(iid, &wbem_iid_object))
        *ret = &e->status->iface;
    if (!*ret)
        return E_NOINTERFACE;
    IUnknown_AddRef((IUnknown *)*ret);
    return S_OK;
}

static ULONG WINAPI error_add(IErrorInfo *iface)
{
    return (ULONG)InterlockedIncrement(&((struct error *)iface)->refs);
}

static ULONG WINAPI error_release(IErrorInfo *iface)
{
    struct error *e = (struct error *)iface;
    LONG refs = InterlockedDecrement(&e->refs);

    if (refs == 0) {
        object_release(e->status);
        free(e);
    }
    return (ULONG)refs;
}

static HRESULT WINAPI error_description(IErrorInfo *iface, BSTR *ret)
{
    const struct property *p = object_find(((struct error *)iface)->status, "Description");

    *ret = p && !p->is_null ? bstr_of(p->values[0]) : NULL;
    return S_OK;
}

static HRESULT WINAPI error_source(IErrorInfo *iface, BSTR *ret)
{
    *ret = SysAllocString(L"WinMgmt");
    return S_OK;
}

static IErrorInfoVtbl error_table = {
    .QueryInterface = error_query,
    .AddRef = error_add,
    .Release = error_release,
    .GetDescription = error_description,
    .GetSource = error_source,
};

static char **one_value(const char *text)
{
    char **values = grab(sizeof(*values));

    values[0] = copy_text(text);
    return values;
}

HRESULT tell_error(HRESULT hr, const char *text)
{
    struct error *e;

    if (!*text) {
        SetErrorInfo(0, NULL);
        return hr;
    }
    e = grab(sizeof(*e));
    e->iface.lpVtbl = &error_table;
    e->refs = 1;
    e->status = object_new(NULL, "__ExtendedStatus", 2, "", "__NotifyStatus");
    object_add(e->status, "Description", CIM_STRING, false, one_value(text), 1);
    object_add(e->status, "ParameterInfo", CIM_STRING, true, NULL, 0);
    object_add(e->status, "ProviderName", CIM_STRING, false, one_value("WinMgmt"), 1);
    SetErrorInfo(0, &e->iface);
    error_release(&e->iface);
    return hr;
}

/* ---- IClientSecurity ---- */

static struct security *security_of(IClientSecurity *iface)
{
    return (struct security *)iface;
}

static HRESULT WINAPI security_query(IClientSecurity *iface, REFIID iid, void **ret)
{
    return IUnknown_QueryInterface(security_of(iface)->outer, iid, ret);
}

static ULONG WINAPI security_add(IClientSecurity *iface)
{
    return IUnknown_AddRef(security_of(iface)->outer);
}

static ULONG WINAPI security_release(IClientSecurity *iface)
{
    return IUnknown_Release(security_of(iface)->outer);
}

static HRESULT WINAPI security_set(IClientSecurity *iface, IUnknown *proxy, DWORD service,
                                   DWORD authorization, OLECHAR *principal, DWORD level,
                                   DWORD imp_level, void *auth_info, DWORD capabilities)
{
    if (level < RPC_C_AUTHN_LEVEL_CALL && level != RPC_C_AUTHN_LEVEL_DEFAULT)
        return E_INVALIDARG;
    InterlockedExchange(&security_of(iface)->level, (LONG)imp_level);
    return S_OK;
}

static IClientSecurityVtbl security_table = {
    .QueryInterface = security_query,
    .AddRef = security_add,
    .Release = security_release,
    .SetBlanket = security_set,
};

void security_init(struct security *security, IUnknown *outer)
{
    security->iface.lpVtbl = &security_table;
    security->outer = outer;
}

/* ---- ISupportErrorInfo ---- */

static struct support *support_of(ISupportErrorInfo *iface)
{
    return (struct support *)iface;
}

static HRESULT WINAPI support_query(ISupportErrorInfo *iface, REFIID iid, void **ret)
{
    return IUnknown_QueryInterface(support_of(iface)->outer, iid, ret);
}

static ULONG WINAPI support_add(ISupportErrorInfo *iface)
{
    return IUnknown_AddRef(support_of(iface)->outer);
}

static ULONG WINAPI support_release(ISupportErrorInfo *iface)
{
    return IUnknown_Release(support_of(iface)->outer);
}

static HRESULT WINAPI support_yes(ISupportErrorInfo *iface, REFIID iid)
{
    return S_OK;
}

static ISupportErrorInfoVtbl support_table = {
    .QueryInterface = support_query,
    .AddRef = support_add,
    .Release = support_release,
    .InterfaceSupportsErrorInfo = support_yes,
};

void support_init(struct support *support, IUnknown *outer)
{
    support->iface.lpVtbl = &support_table;
    support->outer = outer;
}

void base_tables_init(void)
{
    fill_table(&error_table, sizeof(error_table));
    fill_table(&security_table, sizeof(security_table));
    fill_table(&support_table, sizeof(support_table));
}
