/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HRESULTs to errors.  Callers cannot tell from kind and code whether WS-Management or COM
 * carried the request.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/WmiSdk/wmi-error-constants.md, .../--extendedstatus.md;
 * sdk-api winerror.
 */

#include "wmi-error.h"

#include <stdio.h>
#include <string.h>

#include "bstr.h"
#include "text.h"

#define ACCESS_HINT                                                                   \
    "run hvgpu from a command prompt that was opened as administrator (Windows key, " \
    "type cmd, press Ctrl+Shift+Enter)"
#define SERVICE_HINT \
    "see whether the service Windows Management Instrumentation (winmgmt) runs"
#define BUSY_HINT "the machine is busy: try again, or raise the time limit with --timeout"

/* Windows' own text is in the language of the machine, and only where it knows the number. */
static const struct {
    uint32_t code;
    enum err_kind kind;
    const char *text, *hint;
} codes[] = {
    { WBEM_E_FAILED, ERR_REFUSED, "the provider failed", NULL },
    { WBEM_E_NOT_FOUND, ERR_NOT_FOUND, "there is no such object", NULL },
    { WBEM_E_ACCESS_DENIED, ERR_DENIED, "access denied", ACCESS_HINT },
    { WBEM_E_PROVIDER_FAILURE, ERR_REFUSED, "the provider failed", NULL },
    { WBEM_E_TYPE_MISMATCH, ERR_INVALID, "a value has the wrong type", NULL },
    { WBEM_E_OUT_OF_MEMORY, ERR_NO_MEMORY, "WMI is out of memory", NULL },
    { WBEM_E_INVALID_PARAMETER, ERR_INVALID, "a parameter is not valid", NULL },
    { WBEM_E_NOT_AVAILABLE, ERR_REFUSED, "the resource is not available", NULL },
    { WBEM_E_CRITICAL_ERROR, ERR_REFUSED, "WMI met a critical error", SERVICE_HINT },
    { WBEM_E_NOT_SUPPORTED, ERR_UNSUPPORTED, "the provider does not support this", NULL },
    { WBEM_E_INVALID_NAMESPACE, ERR_NOT_FOUND, "there is no such namespace",
      "the role or feature this namespace belongs to is not installed" },
    { WBEM_E_INVALID_OBJECT, ERR_INVALID, "the object is not valid", NULL },
    { WBEM_E_INVALID_CLASS, ERR_NOT_FOUND, "there is no such class",
      "this class does not exist in this version of Windows" },
    { WBEM_E_PROVIDER_NOT_FOUND, ERR_REFUSED, "the provider is not registered", NULL },
    { WBEM_E_INVALID_PROVIDER_REGISTRATION, ERR_REFUSED,
      "the provider's registration is broken", NULL },
    { WBEM_E_PROVIDER_LOAD_FAILURE, ERR_REFUSED, "the provider cannot be loaded", NULL },
    { WBEM_E_INITIALIZATION_FAILURE, ERR_REFUSED, "a part of WMI cannot be started",
      SERVICE_HINT },
    { WBEM_E_TRANSPORT_FAILURE, ERR_UNREACHABLE, "WMI cannot be reached", SERVICE_HINT },
    { WBEM_E_INVALID_OPERATION, ERR_INVALID, "the operation is not valid", NULL },
    { WBEM_E_INVALID_QUERY, ERR_INVALID, "the query is not valid", NULL },
    { WBEM_E_INVALID_QUERY_TYPE, ERR_INVALID, "the query language is not known", NULL },
    { WBEM_E_ALREADY_EXISTS, ERR_CONFLICT, "the object exists already", NULL },
    { WBEM_E_READ_ONLY, ERR_INVALID, "the property is read-only", NULL },
    { WBEM_E_PROVIDER_NOT_CAPABLE, ERR_UNSUPPORTED, "the provider cannot do this", NULL },
    { WBEM_E_QUERY_NOT_IMPLEMENTED, ERR_UNSUPPORTED, "the provider takes no such query",
      NULL },
    { WBEM_E_ILLEGAL_NULL, ERR_INVALID, "a value is missing", NULL },
    { WBEM_E_VALUE_OUT_OF_RANGE, ERR_INVALID, "a value is out of range", NULL },
    { WBEM_E_INVALID_CIM_TYPE, ERR_INVALID, "a value has the wrong CIM type", NULL },
    { WBEM_E_INVALID_METHOD, ERR_INVALID, "there is no such method", NULL },
    { WBEM_E_INVALID_METHOD_PARAMETERS, ERR_INVALID,
      "the parameters of the method are not valid", NULL },
    { WBEM_E_INVALID_PROPERTY, ERR_INVALID, "there is no such property", NULL },
    { WBEM_E_CALL_CANCELLED, ERR_UNREACHABLE, "WMI gave the call up", NULL },
    { WBEM_E_SHUTTING_DOWN, ERR_UNREACHABLE, "WMI is shutting down", SERVICE_HINT },
    { WBEM_E_INVALID_OBJECT_PATH, ERR_INVALID, "the object path is not valid", NULL },
    { WBEM_E_OUT_OF_DISK_SPACE, ERR_REFUSED, "the disk is full", NULL },
    { WBEM_E_TOO_MUCH_DATA, ERR_REFUSED, "too much data at once", NULL },
    { WBEM_E_SERVER_TOO_BUSY, ERR_CONFLICT, "WMI is too busy", BUSY_HINT },
    { WBEM_E_METHOD_NOT_IMPLEMENTED, ERR_UNSUPPORTED, "the host does not have the method",
      NULL },
    { WBEM_E_METHOD_DISABLED, ERR_UNSUPPORTED, "the method is switched off", NULL },
    { WBEM_E_UNPARSABLE_QUERY, ERR_INVALID, "the query cannot be read", NULL },
    { WBEM_E_PRIVILEGE_NOT_HELD, ERR_DENIED, "a privilege is not held", ACCESS_HINT },
    { WBEM_E_TIMED_OUT, ERR_UNREACHABLE, "the time WMI gives a call is up", BUSY_HINT },
    { WBEM_E_QUOTA_VIOLATION, ERR_CONFLICT, "a quota of WMI is used up", BUSY_HINT },
    { WBEM_S_OPERATION_CANCELLED, ERR_UNREACHABLE, "WMI gave the call up", NULL },
    { WBEM_S_ACCESS_DENIED, ERR_DENIED, "the list is not whole: access denied",
      ACCESS_HINT },
    { WBEM_S_PARTIAL_RESULTS, ERR_REFUSED, "the list is not whole", NULL },
    { WBEM_S_SOURCE_NOT_AVAILABLE, ERR_REFUSED, "the list is not whole", NULL },
    { (uint32_t)E_NOINTERFACE, ERR_UNSUPPORTED, "WMI lacks an interface", NULL },
    { (uint32_t)E_FAIL, ERR_REFUSED, "the call failed", NULL },
    { (uint32_t)E_OUTOFMEMORY, ERR_NO_MEMORY, "not enough memory", NULL },
    { (uint32_t)E_ACCESSDENIED, ERR_DENIED, "access denied", ACCESS_HINT },
    { (uint32_t)E_INVALIDARG, ERR_INVALID, "a parameter is not valid", NULL },
    { 0x80070002, ERR_NOT_FOUND, "the file was not found", NULL },
    { (uint32_t)REGDB_E_CLASSNOTREG, ERR_UNSUPPORTED, "WMI is not installed", NULL },
    { (uint32_t)RPC_E_DISCONNECTED, ERR_UNREACHABLE, "the connection to WMI was lost",
      SERVICE_HINT },
    { 0x800706BA, ERR_UNREACHABLE, "WMI does not answer", SERVICE_HINT },
    { 0x800706BE, ERR_UNREACHABLE, "the call to WMI broke off", SERVICE_HINT },
    { 0x800706BF, ERR_UNREACHABLE, "the call to WMI was not carried out", SERVICE_HINT },
};

bool wmi_is_lost(HRESULT hr)
{
    switch ((uint32_t)hr) {
    case (uint32_t)RPC_E_DISCONNECTED:
    case 0x800706BA: /* RPC_S_SERVER_UNAVAILABLE */
    case 0x800706BE: /* RPC_S_CALL_FAILED */
    case 0x800706BF: /* RPC_S_CALL_FAILED_DNE */
    case WBEM_E_SHUTTING_DOWN:
        return true;
    default:
        return false;
    }
}

static bool keep_bstr(char *to, size_t size, BSTR bstr)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) char *text = bstr ? bstr_text(bstr, &ignored) : NULL;

    to[0] = '\0';
    if (text)
        text_put_line(to, size, text);
    return to[0];
}

/* The description within the error object, which is an instance of __ExtendedStatus too. */
static bool description_of(IErrorInfo *info, char *to, size_t size)
{
    CLEANUP(object_cleanup) IWbemClassObject *status = NULL;
    BSTR text = NULL;
    VARIANT v;
    bool ok = false;

    VariantInit(&v);
    if (SUCCEEDED(
            IErrorInfo_QueryInterface(info, &wmi_iid_object, (void **)(void *)&status)) &&
        SUCCEEDED(IWbemClassObject_Get(status, L"Description", 0, &v, NULL, NULL)) &&
        V_VT(&v) == VT_BSTR)
        ok = keep_bstr(to, size, V_BSTR(&v));
    VariantClear(&v);
    if (!ok && SUCCEEDED(IErrorInfo_GetDescription(info, &text)))
        ok = keep_bstr(to, size, text);
    SysFreeString(text);
    return ok;
}

static bool said_by_wmi(char *to, size_t size)
{
    IErrorInfo *info = NULL;
    bool ok;

    if (GetErrorInfo(0, &info) != S_OK || !info)
        return false;
    ok = description_of(info, to, size);
    COM_RELEASE(info);
    return ok;
}

static bool said_by_windows(HRESULT hr, char *to, size_t size)
{
    WCHAR wide[256] = L"";
    BSTR bstr;
    bool ok;

    if (!FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                        (DWORD)hr, 0, wide, ARRAY_LEN(wide) - 1, NULL))
        return false;
    bstr = SysAllocString(wide);
    ok = keep_bstr(to, size, bstr);
    SysFreeString(bstr);
    return ok;
}

bool wmi_fail(HRESULT hr, struct err *err)
{
    char said[256], text[400];
    bool is_said = said_by_wmi(said, sizeof(said));
    size_t i = 0;

    while (i < ARRAY_LEN(codes) && codes[i].code != (uint32_t)hr)
        i++;
    if (i < ARRAY_LEN(codes) && is_said)
        snprintf(text, sizeof(text), "%s: %s", codes[i].text, said);
    else if (i < ARRAY_LEN(codes))
        snprintf(text, sizeof(text), "%s", codes[i].text);
    else if (is_said || said_by_windows(hr, said, sizeof(said)))
        snprintf(text, sizeof(text), "%s", said);
    else
        snprintf(text, sizeof(text), "WMI refused");
    err_fail(err, i < ARRAY_LEN(codes) ? codes[i].kind : ERR_REFUSED, (int64_t)(uint32_t)hr,
             "%.280s (0x%X)", text, (unsigned)hr);
    if (i < ARRAY_LEN(codes) && codes[i].hint)
        err_hint(err, "%s", codes[i].hint);
    return false;
}
