/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IWbemLocator and what COM asks of a DLL.  Without HVGPU_TEST_COM everything goes to the DLL
 * that was registered before: wbem\wbemprox.dll.
 */
#include "wbem.h"

#include <stdlib.h>
#include <string.h>

/* ---- the locator ---- */

struct locator {
    IWbemLocator iface;
    volatile LONG refs;
};

static HRESULT WINAPI locator_query(IWbemLocator *iface, REFIID iid, void **ret)
{
    if (!IsEqualGUID(iid, &wbem_iid_unknown) && !IsEqualGUID(iid, &wbem_iid_locator)) {
        *ret = NULL;
        return E_NOINTERFACE;
    }
    InterlockedIncrement(&((struct locator *)iface)->refs);
    *ret = iface;
    return S_OK;
}

static ULONG WINAPI locator_add(IWbemLocator *iface)
{
    return (ULONG)InterlockedIncrement(&((struct locator *)iface)->refs);
}

static ULONG WINAPI locator_release(IWbemLocator *iface)
{
    LONG refs = InterlockedDecrement(&((struct locator *)iface)->refs);

    if (refs == 0) {
        free(iface);
        InterlockedDecrement(&module_objects);
    }
    return (ULONG)refs;
}

/* `root\cimv2`, `\\.\root\cimv2`, `\\HOST\root\cimv2`; this machine's own name is "". */
static struct place *read_place(const WCHAR *resource)
{
    WCHAR own[MAX_COMPUTERNAME_LENGTH + 1];
    DWORD size = ARRAYSIZE(own);
    char *text = utf8_of(resource), *host = NULL, *ns = text, *mine = NULL;
    struct place *place;

    for (char *c = text; *c; c++)
        if (*c == '/')
            *c = '\\';
    if (GetComputerNameW(own, &size))
        mine = utf8_of(own);
    if (strncmp(text, "\\\\", 2) == 0) {
        host = text + 2;
        ns = strchr(host, '\\');
        if (ns)
            *ns++ = '\0';
        if (strcmp(host, ".") == 0 || (mine && _stricmp(host, mine) == 0))
            host = NULL;
    }
    place = place_new(host ? host : "", ns ? ns : "root\\cimv2");
    free(text);
    free(mine);
    return place;
}

static HRESULT WINAPI locator_connect(IWbemLocator *iface, const BSTR resource,
                                      const BSTR user, const BSTR password,
                                      const BSTR locale, LONG flags, const BSTR authority,
                                      IWbemContext *context, IWbemServices **ret)
{
    struct place *place;
    HRESULT hr;

    if (!ret || !resource || flags & ~WBEM_FLAG_CONNECT_USE_MAX_WAIT)
        return WBEM_E_INVALID_PARAMETER;
    *ret = NULL;
    place = read_place(resource);
    if (!*place->host && (user || password)) {
        place_drop(place);
        return WBEM_E_LOCAL_CREDENTIALS;
    }
    hr = wire_check(place);
    if (FAILED(hr)) {
        place_drop(place);
        return hr;
    }
    return services_make(place, ret);
}

static IWbemLocatorVtbl locator_table = {
    .QueryInterface = locator_query,
    .AddRef = locator_add,
    .Release = locator_release,
    .ConnectServer = locator_connect,
};

HRESULT locator_make(REFIID iid, void **ret)
{
    struct locator *l = grab(sizeof(*l));
    HRESULT hr;

    l->iface.lpVtbl = &locator_table;
    l->refs = 1;
    InterlockedIncrement(&module_objects);
    hr = locator_query(&l->iface, iid, ret);
    locator_release(&l->iface);
    return hr;
}

/* ---- the class factory ---- */

static HRESULT WINAPI factory_query(IClassFactory *iface, REFIID iid, void **ret)
{
    bool known =
        IsEqualGUID(iid, &wbem_iid_unknown) || IsEqualGUID(iid, &wbem_iid_class_factory);

    *ret = known ? iface : NULL;
    return known ? S_OK : E_NOINTERFACE;
}

static ULONG WINAPI factory_refs(IClassFactory *iface)
{
    return 2; /* it is a constant */
}

static HRESULT WINAPI factory_make(IClassFactory *iface, IUnknown *outer, REFIID iid,
                                   void **ret)
{
    *ret = NULL;
    return outer ? CLASS_E_NOAGGREGATION : locator_make(iid, ret);
}

static HRESULT WINAPI factory_lock(IClassFactory *iface, BOOL lock)
{
    lock ? InterlockedIncrement(&module_objects) : InterlockedDecrement(&module_objects);
    return S_OK;
}

static IClassFactoryVtbl factory_table = {
    .QueryInterface = factory_query,
    .AddRef = factory_refs,
    .Release = factory_refs,
    .CreateInstance = factory_make,
    .LockServer = factory_lock,
};

static IClassFactory factory = { &factory_table };

/* ---- the DLL ---- */

static HRESULT pass_on(REFCLSID class_id, REFIID iid, void **ret)
{
    WCHAR path[MAX_PATH + 32];
    UINT len = GetSystemDirectoryW(path, MAX_PATH);
    HMODULE original;
    union {
        FARPROC plain;
        HRESULT(WINAPI *get)(REFCLSID, REFIID, void **);
    } entry;

    if (len == 0 || len > MAX_PATH)
        return CLASS_E_CLASSNOTAVAILABLE;
    wcscpy(path + len, L"\\wbem\\wbemprox.dll");
    original = LoadLibraryW(path);
    entry.plain = original ? GetProcAddress(original, "DllGetClassObject") : NULL;
    return entry.plain ? entry.get(class_id, iid, ret) : CLASS_E_CLASSNOTAVAILABLE;
}

__declspec(dllexport) HRESULT WINAPI
    DllGetClassObject(REFCLSID class_id, REFIID iid, void **ret)
{
    *ret = NULL;
    if (GetEnvironmentVariableW(PORT_VARIABLE, NULL, 0) == 0)
        return pass_on(class_id, iid, ret);
    if (!IsEqualGUID(class_id, &wbem_clsid_locator))
        return CLASS_E_CLASSNOTAVAILABLE;
    return factory_query(&factory, iid, ret);
}

__declspec(dllexport) HRESULT WINAPI DllCanUnloadNow(void)
{
    return S_FALSE; /* idle connections stay */
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved);

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    if (reason != DLL_PROCESS_ATTACH)
        return TRUE;
    DisableThreadLibraryCalls(module);
    base_tables_init();
    object_tables_init();
    result_tables_init();
    services_tables_init();
    fill_table(&locator_table, sizeof(locator_table));
    fill_table(&factory_table, sizeof(factory_table));
    return TRUE;
}
