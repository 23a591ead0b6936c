/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DLL in wbem/ as a client of COM meets it: runs in the tests' prefix against a simulated
 * laptop (test-wbem.py starts it).  With HVGPU_TEST_COM unset it only looks whether Wine's own
 * WMI answers.
 */
#define COBJMACROS
#define CINTERFACE
#include <winsock2.h>
#include <windows.h>

#include <ole2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wbemcli.h>

static const GUID clsid_locator = {
    0x4590f811, 0x1d3a, 0x11d0, { 0x89, 0x1f, 0x00, 0xaa, 0x00, 0x4b, 0x2e, 0x24 }
};
static const GUID iid_locator = {
    0xdc12a687, 0x737f, 0x11cf, { 0x88, 0x4d, 0x00, 0xaa, 0x00, 0x4b, 0x2e, 0x24 }
};
static const GUID iid_object = {
    0xdc12a681, 0x737f, 0x11cf, { 0x88, 0x4d, 0x00, 0xaa, 0x00, 0x4b, 0x2e, 0x24 }
};

static int number, failures;
static bool good;

#define CHECK(x)                                     \
    do {                                             \
        if (!(x)) {                                  \
            printf("# line %d: %s\n", __LINE__, #x); \
            good = false;                            \
        }                                            \
    } while (0)
#define CHECK_HR(x, wanted)                                        \
    do {                                                           \
        HRESULT is_ = (x);                                         \
        if (is_ != (HRESULT)(wanted)) {                            \
            printf("# line %d: %s: 0x%08lx\n", __LINE__, #x, is_); \
            good = false;                                          \
        }                                                          \
    } while (0)

static void test(const char *name, void (*run)(void))
{
    good = true;
    run();
    number++;
    failures += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", number, name);
    fflush(stdout);
}

static BSTR text(const WCHAR *from)
{
    return SysAllocString(from);
}

static IWbemServices *connect_to(const WCHAR *ns, HRESULT wanted)
{
    IWbemLocator *locator = NULL;
    IWbemServices *services = NULL;
    BSTR resource = text(ns);

    CHECK_HR(CoCreateInstance(&clsid_locator, NULL, CLSCTX_INPROC_SERVER, &iid_locator,
                              (void **)&locator),
             S_OK);
    if (!locator)
        exit(1);
    CHECK_HR(IWbemLocator_ConnectServer(locator, resource, NULL, NULL, NULL,
                                        WBEM_FLAG_CONNECT_USE_MAX_WAIT, NULL, NULL,
                                        &services),
             wanted);
    IWbemLocator_Release(locator);
    SysFreeString(resource);
    return services;
}

static HRESULT allow(void *proxy)
{
    return CoSetProxyBlanket(proxy, RPC_C_AUTHN_WINNT, RPC_C_AUTHZ_NONE, NULL,
                             RPC_C_AUTHN_LEVEL_CALL, RPC_C_IMP_LEVEL_IMPERSONATE, NULL,
                             EOAC_NONE);
}

static IWbemServices *open_ns(const WCHAR *ns)
{
    IWbemServices *services = connect_to(ns, S_OK);

    if (!services)
        exit(1);
    CHECK_HR(allow(services), S_OK);
    return services;
}

static IEnumWbemClassObject *query_flags(IWbemServices *s, const WCHAR *wql, LONG flags,
                                         HRESULT wanted)
{
    IEnumWbemClassObject *rows = NULL;
    BSTR language = text(L"WQL"), query = text(wql);

    CHECK_HR(IWbemServices_ExecQuery(s, language, query, flags, NULL, &rows), wanted);
    SysFreeString(language);
    SysFreeString(query);
    return rows;
}

static IEnumWbemClassObject *query(IWbemServices *s, const WCHAR *wql)
{
    return query_flags(s, wql, WBEM_FLAG_FORWARD_ONLY | WBEM_FLAG_RETURN_IMMEDIATELY, S_OK);
}

static HRESULT next(IEnumWbemClassObject *rows, LONG timeout, IWbemClassObject **ret)
{
    ULONG count = 0;

    *ret = NULL;
    return IEnumWbemClassObject_Next(rows, timeout, 1, ret, &count);
}

static IWbemClassObject *get(IWbemServices *s, const WCHAR *path, HRESULT wanted)
{
    IWbemClassObject *object = NULL;
    BSTR name = text(path);

    CHECK_HR(IWbemServices_GetObject(s, name, 0, NULL, &object, NULL), wanted);
    SysFreeString(name);
    return object;
}

static bool has(IWbemClassObject *object, const WCHAR *name, VARTYPE form, CIMTYPE type,
                const WCHAR *wanted)
{
    VARIANT v;
    CIMTYPE is = 0;
    bool same;

    VariantInit(&v);
    if (IWbemClassObject_Get(object, name, 0, &v, &is, NULL) != S_OK)
        return false;
    if (V_VT(&v) != form || is != type) {
        printf("# %ls is VT %u, CIM type %ld\n", name, V_VT(&v), (long)is);
        VariantClear(&v);
        return false;
    }
    same = !wanted || (SUCCEEDED(VariantChangeType(&v, &v, 0, VT_BSTR)) &&
                       wcscmp(V_BSTR(&v), wanted) == 0);
    VariantClear(&v);
    return same;
}

/* ---- what there is ---- */

static void test_namespaces(void)
{
    IWbemServices *s = open_ns(L"ROOT\\virtualization\\v2");

    IWbemServices_Release(s);
    s = open_ns(L"\\\\.\\root\\cimv2");
    IWbemServices_Release(s);
    CHECK(!connect_to(L"root\\nothing", WBEM_E_INVALID_NAMESPACE));
    CHECK(!connect_to(L"\\\\elsewhere\\root\\cimv2", 0x800706BA));
}

static void test_rows(void)
{
    IWbemServices *s = open_ns(L"root\\virtualization\\v2");
    IEnumWbemClassObject *rows =
        query(s, L"SELECT * FROM Msvm_ComputerSystem WHERE ElementName='games'");
    IWbemClassObject *vm, *none;

    CHECK_HR(allow(rows), S_OK);
    CHECK_HR(next(rows, 5000, &vm), S_OK);
    if (vm) {
        CHECK(has(vm, L"ElementName", VT_BSTR, CIM_STRING, L"games"));
        CHECK(has(vm, L"EnabledState", VT_I4, CIM_UINT16, L"3"));
        CHECK(has(vm, L"OnTimeInMilliseconds", VT_BSTR, CIM_UINT64, NULL));
        CHECK(has(vm, L"TimeOfLastStateChange", VT_BSTR, CIM_DATETIME, NULL));
        CHECK(has(vm, L"OperationalStatus", VT_ARRAY | VT_I4, CIM_UINT16 | CIM_FLAG_ARRAY,
                  NULL) ||
              has(vm, L"OperationalStatus", VT_NULL, CIM_UINT16 | CIM_FLAG_ARRAY, NULL));
        CHECK(has(vm, L"__CLASS", VT_BSTR, CIM_STRING, L"Msvm_ComputerSystem"));
        CHECK(has(vm, L"__GENUS", VT_I4, CIM_SINT32, L"2"));
        CHECK(has(vm, L"__NAMESPACE", VT_BSTR, CIM_STRING, L"root\\virtualization\\v2"));
        CHECK_HR(IWbemClassObject_InheritsFrom(vm, L"CIM_System"), S_OK);
        CHECK_HR(IWbemClassObject_InheritsFrom(vm, L"CIM_Service"), WBEM_S_FALSE);
        CHECK_HR(IWbemClassObject_Get(vm, L"Nothing", 0, NULL, NULL, NULL),
                 WBEM_E_NOT_FOUND);
        IWbemClassObject_Release(vm);
    }
    CHECK_HR(next(rows, 5000, &none), WBEM_S_FALSE);
    CHECK_HR(next(rows, 5000, &none), WBEM_S_FALSE);
    IEnumWbemClassObject_Release(rows);
    IWbemServices_Release(s);
}

static void test_names(void)
{
    IWbemServices *s = open_ns(L"root\\virtualization\\v2");
    IWbemClassObject *class = get(s, L"Msvm_ComputerSystem", S_OK);
    SAFEARRAY *names = NULL;
    LONG high = -1, seen = 0;
    BSTR name;
    HRESULT hr;

    CHECK_HR(IWbemClassObject_GetNames(class, NULL, WBEM_FLAG_NONSYSTEM_ONLY, NULL, &names),
             S_OK);
    SafeArrayGetUBound(names, 1, &high);
    CHECK(high > 20);
    SafeArrayDestroy(names);
    CHECK_HR(IWbemClassObject_Next(class, 0, &name, NULL, NULL, NULL), WBEM_E_UNEXPECTED);
    CHECK_HR(IWbemClassObject_BeginEnumeration(class, WBEM_FLAG_NONSYSTEM_ONLY), S_OK);
    while ((hr = IWbemClassObject_Next(class, 0, &name, NULL, NULL, NULL)) == S_OK) {
        CHECK(wcsncmp(name, L"__", 2) != 0);
        SysFreeString(name);
        seen++;
    }
    CHECK_HR(hr, WBEM_S_NO_MORE_DATA);
    CHECK(seen == high + 1);
    IWbemClassObject_EndEnumeration(class);
    IWbemClassObject_Release(class);
    IWbemServices_Release(s);
}

/* ---- errors ---- */

static void test_errors(void)
{
    IWbemServices *s = open_ns(L"root\\virtualization\\v2");
    IEnumWbemClassObject *rows = query(s, L"SELECT * FROM Nothing");
    IWbemClassObject *object, *status = NULL;
    IErrorInfo *info = NULL;

    CHECK_HR(next(rows, 5000, &object), WBEM_E_INVALID_CLASS);
    CHECK_HR(GetErrorInfo(0, &info), S_OK);
    if (info) {
        BSTR description = NULL;

        CHECK_HR(IErrorInfo_GetDescription(info, &description), S_OK);
        CHECK(description && wcscmp(description, L"Invalid class ") == 0);
        SysFreeString(description);
        CHECK_HR(IErrorInfo_QueryInterface(info, &iid_object, (void **)&status), S_OK);
        if (status) {
            CHECK(has(status, L"Description", VT_BSTR, CIM_STRING, L"Invalid class "));
            IWbemClassObject_Release(status);
        }
        IErrorInfo_Release(info);
    }
    IEnumWbemClassObject_Release(rows);
    rows = query_flags(s, L"SELECT * FROM Nothing", WBEM_FLAG_FORWARD_ONLY,
                       WBEM_E_INVALID_CLASS);
    CHECK(!rows);
    rows = query(s, L"SELECT nonsense");
    CHECK_HR(next(rows, 5000, &object), WBEM_E_INVALID_QUERY);
    IEnumWbemClassObject_Release(rows);
    CHECK(!get(s, L"Nothing", WBEM_E_NOT_FOUND));
    CHECK(!get(s,
               L"Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"x\"",
               WBEM_E_NOT_FOUND));
    IWbemServices_Release(s);
}

static void test_denied(void)
{
    IWbemServices *s = connect_to(L"root\\cimv2", S_OK);

    CHECK(!get(s, L"Win32_OperatingSystem", WBEM_E_ACCESS_DENIED));
    CHECK_HR(CoSetProxyBlanket((IUnknown *)s, RPC_C_AUTHN_WINNT, RPC_C_AUTHZ_NONE, NULL,
                               RPC_C_AUTHN_LEVEL_CALL, RPC_C_IMP_LEVEL_IDENTIFY, NULL,
                               EOAC_NONE),
             S_OK);
    CHECK(!get(s, L"Win32_OperatingSystem", WBEM_E_ACCESS_DENIED));
    IWbemServices_Release(s);
}

/* ---- methods ---- */

static void put(IWbemClassObject *object, const WCHAR *name, VARTYPE form,
                LONG number_value, const WCHAR *text_value, HRESULT wanted)
{
    VARIANT v;

    VariantInit(&v);
    V_VT(&v) = form;
    if (form == VT_BSTR)
        V_BSTR(&v) = text(text_value);
    else
        V_I4(&v) = number_value;
    CHECK_HR(IWbemClassObject_Put(object, name, 0, &v, 0), wanted);
    VariantClear(&v);
}

static IWbemClassObject *parameters(IWbemServices *s, const WCHAR *class_name,
                                    const WCHAR *method)
{
    IWbemClassObject *class = get(s, class_name, S_OK), *in = NULL, *out = NULL,
                     *made = NULL;

    CHECK_HR(IWbemClassObject_GetMethod(class, method, 0, &in, &out), S_OK);
    if (in) {
        CHECK_HR(IWbemClassObject_SpawnInstance(in, 0, &made), S_OK);
        IWbemClassObject_Release(in);
    }
    if (out)
        IWbemClassObject_Release(out);
    CHECK_HR(IWbemClassObject_GetMethod(class, L"Nothing", 0, &in, NULL), WBEM_E_NOT_FOUND);
    IWbemClassObject_Release(class);
    return made;
}

static HRESULT call(IWbemServices *s, const WCHAR *path, const WCHAR *method,
                    IWbemClassObject *in, LONG flags, IWbemClassObject **out,
                    IWbemCallResult **result)
{
    BSTR path_text = text(path), method_text = text(method);
    HRESULT hr =
        IWbemServices_ExecMethod(s, path_text, method_text, flags, NULL, in, out, result);

    SysFreeString(path_text);
    SysFreeString(method_text);
    return hr;
}

static void test_method(void)
{
    IWbemServices *s = open_ns(L"root\\default");
    IWbemClassObject *in = parameters(s, L"StdRegProv", L"GetStringValue"), *out = NULL;
    IWbemCallResult *result = NULL;
    LONG status = 1;

    put(in, L"hDefKey", VT_BSTR, 0, L"HKLM", WBEM_E_TYPE_MISMATCH);
    put(in, L"nothing", VT_I4, 0, NULL, WBEM_E_NOT_FOUND);
    put(in, L"hDefKey", VT_I4, (LONG)0x80000002, NULL, S_OK);
    put(in, L"sSubKeyName", VT_BSTR, 0, L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
        S_OK);
    put(in, L"sValueName", VT_BSTR, 0, L"EditionID", S_OK);
    CHECK_HR(call(s, L"StdRegProv", L"GetStringValue", in, 0, &out, NULL), S_OK);
    if (out) {
        CHECK(has(out, L"sValue", VT_BSTR, CIM_STRING, L"Professional"));
        CHECK(has(out, L"ReturnValue", VT_I4, CIM_UINT32, L"0"));
        IWbemClassObject_Release(out);
    }
    CHECK_HR(call(s, L"StdRegProv", L"Nothing", in, 0, &out, NULL), WBEM_E_INVALID_METHOD);
    CHECK_HR(call(s, L"StdRegProv", L"GetStringValue", in, WBEM_FLAG_RETURN_IMMEDIATELY,
                  NULL, NULL),
             WBEM_E_INVALID_PARAMETER);
    CHECK_HR(call(s, L"StdRegProv", L"GetStringValue", in, WBEM_FLAG_RETURN_IMMEDIATELY,
                  NULL, &result),
             S_OK);
    if (result) {
        CHECK_HR(IWbemCallResult_GetCallStatus(result, WBEM_INFINITE, &status), S_OK);
        CHECK(status == S_OK);
        CHECK_HR(IWbemCallResult_GetResultObject(result, 0, &out), S_OK);
        CHECK(has(out, L"sValue", VT_BSTR, CIM_STRING, L"Professional"));
        IWbemClassObject_Release(out);
        IWbemCallResult_Release(result);
    }
    IWbemClassObject_Release(in);
    IWbemServices_Release(s);
}

/* Special characters, lines, other scripts come through. */
static void test_texts(void)
{
    static const WCHAR odd[] = L"a\tb\nc\r\\d \"e\" \x30d3\x30eb\x30c9 \xd83d\xde00";
    IWbemServices *s = open_ns(L"root\\default");
    IWbemClassObject *in = parameters(s, L"StdRegProv", L"SetStringValue"), *out = NULL;

    put(in, L"hDefKey", VT_I4, (LONG)0x80000002, NULL, S_OK);
    put(in, L"sSubKeyName", VT_BSTR, 0, L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
        S_OK);
    put(in, L"sValueName", VT_BSTR, 0, L"Odd", S_OK);
    put(in, L"sValue", VT_BSTR, 0, odd, S_OK);
    CHECK_HR(call(s, L"StdRegProv", L"SetStringValue", in, 0, &out, NULL), S_OK);
    CHECK(out && has(out, L"ReturnValue", VT_I4, CIM_UINT32, L"0"));
    if (out)
        IWbemClassObject_Release(out);
    IWbemClassObject_Release(in);
    in = parameters(s, L"StdRegProv", L"GetStringValue");
    put(in, L"hDefKey", VT_I4, (LONG)0x80000002, NULL, S_OK);
    put(in, L"sSubKeyName", VT_BSTR, 0, L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
        S_OK);
    put(in, L"sValueName", VT_BSTR, 0, L"Odd", S_OK);
    out = NULL;
    CHECK_HR(call(s, L"StdRegProv", L"GetStringValue", in, 0, &out, NULL), S_OK);
    CHECK(out && has(out, L"sValue", VT_BSTR, CIM_STRING, odd));
    if (out)
        IWbemClassObject_Release(out);
    IWbemClassObject_Release(in);
    IWbemServices_Release(s);
}

/* Arrays of embedded objects. */
static void test_embedded(void)
{
    IWbemServices *s = open_ns(L"root\\cimv2");
    IEnumWbemClassObject *rows =
        query(s, L"SELECT * FROM Win32_PnPEntity WHERE PNPClass='Display'");
    IWbemClassObject *device, *out = NULL, *property = NULL;
    IUnknown *element = NULL;
    LONG i = 0, high = -1;
    VARIANT v;

    CHECK_HR(next(rows, 5000, &device), S_OK);
    IEnumWbemClassObject_Release(rows);
    if (!device)
        return;
    VariantInit(&v);
    CHECK_HR(IWbemClassObject_Get(device, L"__RELPATH", 0, &v, NULL, NULL), S_OK);
    CHECK_HR(call(s, V_BSTR(&v), L"GetDeviceProperties", NULL, 0, &out, NULL), S_OK);
    VariantClear(&v);
    IWbemClassObject_Release(device);
    if (!out)
        return;
    CHECK_HR(IWbemClassObject_Get(out, L"deviceProperties", 0, &v, NULL, NULL), S_OK);
    CHECK(V_VT(&v) == (VT_ARRAY | VT_UNKNOWN));
    SafeArrayGetUBound(V_ARRAY(&v), 1, &high);
    CHECK(high > 3);
    CHECK_HR(SafeArrayGetElement(V_ARRAY(&v), &i, &element), S_OK);
    CHECK_HR(IUnknown_QueryInterface(element, &iid_object, (void **)&property), S_OK);
    if (property) {
        CHECK(has(property, L"KeyName", VT_BSTR, CIM_STRING, NULL));
        IWbemClassObject_Release(property);
    }
    IUnknown_Release(element);
    VariantClear(&v);
    IWbemClassObject_Release(out);
    IWbemServices_Release(s);
}

/* ---- time, threads ---- */

/* The simulator delays each query of Win32_Process by 400 ms. */
static void test_time(void)
{
    IWbemServices *s = open_ns(L"root\\cimv2");
    ULONGLONG began = GetTickCount64();
    IEnumWbemClassObject *rows = query(s, L"SELECT * FROM Win32_Process");
    IWbemClassObject *object;

    CHECK(GetTickCount64() - began < 300);
    CHECK_HR(next(rows, 0, &object), WBEM_S_TIMEDOUT);
    CHECK_HR(next(rows, 50, &object), WBEM_S_TIMEDOUT);
    CHECK(GetTickCount64() - began >= 50);
    CHECK_HR(next(rows, WBEM_INFINITE, &object), S_OK);
    CHECK(GetTickCount64() - began >= 380);
    if (object)
        IWbemClassObject_Release(object);
    IEnumWbemClassObject_Release(rows); /* with rows unread */
    rows = query(s, L"SELECT * FROM Win32_OperatingSystem");
    CHECK_HR(next(rows, 5000, &object), S_OK);
    if (object)
        IWbemClassObject_Release(object);
    IEnumWbemClassObject_Release(rows);
    IWbemServices_Release(s);
}

/* The simulator breaks the list of Win32_VideoController behind its rows. */
static void test_late_error(void)
{
    IWbemServices *s = open_ns(L"root\\cimv2");
    IWbemClassObject *object;
    HRESULT hr = S_OK;
    int seen = 0;
    IEnumWbemClassObject *rows = query(s, L"SELECT * FROM Win32_VideoController");

    while (hr == S_OK) {
        hr = next(rows, 5000, &object);
        if (object) {
            IWbemClassObject_Release(object);
            seen++;
        }
    }
    CHECK_HR(hr, WBEM_E_ACCESS_DENIED);
    CHECK(seen > 0);
    IEnumWbemClassObject_Release(rows);
    IWbemServices_Release(s);
}

/* The connection is lost on the second Get of Win32_OperatingSystem, the third answer is none. */
static void test_lost(void)
{
    IWbemServices *s = open_ns(L"root\\cimv2");
    IWbemClassObject *object = get(s, L"Win32_OperatingSystem=@", S_OK);

    if (object)
        IWbemClassObject_Release(object);
    object = get(s, L"Win32_OperatingSystem=@", 0x800706BE);
    CHECK(!object);
    object = get(s, L"Win32_OperatingSystem=@", WBEM_E_TRANSPORT_FAILURE);
    CHECK(!object);
    object = get(s, L"Win32_OperatingSystem=@", S_OK);
    if (object)
        IWbemClassObject_Release(object);
    IWbemServices_Release(s);
}

static IWbemServices *shared;
static volatile LONG bad;

static DWORD WINAPI ask_often(void *user)
{
    CoInitializeEx(NULL, COINIT_MULTITHREADED);
    for (int i = 0; i < 50; i++) {
        IEnumWbemClassObject *rows =
            query(shared, L"SELECT * FROM Msvm_ComputerSystem WHERE ElementName='games'");
        IWbemClassObject *object;

        if (next(rows, 5000, &object) != S_OK ||
            !has(object, L"ElementName", VT_BSTR, CIM_STRING, L"games"))
            InterlockedIncrement(&bad);
        if (object)
            IWbemClassObject_Release(object);
        IEnumWbemClassObject_Release(rows);
    }
    CoUninitialize();
    return 0;
}

static void test_threads(void)
{
    HANDLE threads[4];

    shared = open_ns(L"root\\virtualization\\v2");
    for (int i = 0; i < 4; i++)
        threads[i] = CreateThread(NULL, 0, ask_often, NULL, 0, NULL);
    WaitForMultipleObjects(4, threads, TRUE, INFINITE);
    for (int i = 0; i < 4; i++)
        CloseHandle(threads[i]);
    CHECK(bad == 0);
    IWbemServices_Release(shared);
}

/* ---- without a simulator ---- */

static void test_original(void)
{
    IWbemServices *s = connect_to(L"root\\cimv2", S_OK);
    IEnumWbemClassObject *rows = query(s, L"SELECT * FROM Win32_OperatingSystem");
    IWbemClassObject *object;

    CHECK_HR(next(rows, WBEM_INFINITE, &object), S_OK);
    if (object) {
        CHECK(has(object, L"CSName", VT_BSTR, CIM_STRING, NULL));
        IWbemClassObject_Release(object);
    }
    IEnumWbemClassObject_Release(rows);
    IWbemServices_Release(s);
}

int main(void)
{
    CoInitializeEx(NULL, COINIT_MULTITHREADED);
    if (!getenv("HVGPU_TEST_COM")) {
        test("without a simulator, Wine's own provider answers", test_original);
    } else {
        test("namespaces are there or not", test_namespaces);
        test("rows have the automation types that Windows gives them", test_rows);
        test("names come as a list and one by one", test_names);
        test("errors come with their text, from Next() where the query returned",
             test_errors);
        test("without impersonation nothing is answered", test_denied);
        test("methods take what their signature says", test_method);
        test("texts come through whole", test_texts);
        test("embedded objects are objects", test_embedded);
        test("Next() waits as long as it may", test_time);
        test("an error behind rows comes behind them", test_late_error);
        test("a lost connection is an error, once", test_lost);
        test("several threads share a connection to a namespace", test_threads);
    }
    printf("1..%d\n", number);
    CoUninitialize();
    return failures != 0;
}
