/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * COM on the calling thread, the security of the process, and the connections to namespaces.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/WmiSdk/initializing-com-for-a-wmi-application.md,
 * .../setting-client-application-process-security.md, .../executing-privileged-operations-using-c-.md;
 * sdk-api wbemcli IWbemLocator::ConnectServer.
 */

#include <stdlib.h>
#include <string.h>

#include "bstr.h"
#include "err.h"
#include "text.h"
#include "wmi-error.h"
#include "wmi-session.h"

static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static HRESULT security;

/* Over WinRM an administrator's token comes with these switched on, and providers act as
 * their caller: so that the same methods work.  Who does not hold them has lost nothing. */
static void enable_privileges(void)
{
    static const WCHAR *const names[] = { L"SeBackupPrivilege", L"SeRestorePrivilege",
                                          L"SeLoadDriverPrivilege",
                                          L"SeManageVolumePrivilege" };
    HANDLE token;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY,
                          &token))
        return;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        TOKEN_PRIVILEGES one = { .PrivilegeCount = 1 };

        one.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
        if (LookupPrivilegeValueW(NULL, names[i], &one.Privileges[0].Luid))
            AdjustTokenPrivileges(token, FALSE, &one, 0, NULL, NULL);
    }
    CloseHandle(token);
}

/* Once per process, whatever the number of sessions. */
static BOOL CALLBACK secure_process(INIT_ONCE *unused, void *user, void **context)
{
    CO_MTA_USAGE_COOKIE forever;

    enable_privileges();
    /* The connections outlive the threads that made them, and the calls: COM must not go
     * when the last of these leaves it. */
    security = CoIncrementMTAUsage(&forever);
    if (FAILED(security))
        return TRUE;
    security = CoInitializeSecurity(NULL, -1, NULL, NULL, RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
                                    RPC_C_IMP_LEVEL_IMPERSONATE, NULL, EOAC_NONE, NULL);
    /* Somebody in this process was first: wmi_secure() says it per object. */
    if (security == RPC_E_TOO_LATE)
        security = S_OK;
    return TRUE;
}

bool wmi_enter(bool *ret_entered, struct err *err)
{
    HRESULT hr = CoInitializeEx(NULL, COINIT_MULTITHREADED);

    *ret_entered = SUCCEEDED(hr);
    /* A thread that is in an apartment of its own can call WMI as well. */
    if (FAILED(hr) && hr != RPC_E_CHANGED_MODE)
        return wmi_fail(hr, err) || err_wrap(err, "starting COM");
    InitOnceExecuteOnce(&once, secure_process, NULL, NULL);
    if (FAILED(security)) {
        wmi_fail(security, err);
        wmi_leave(*ret_entered);
        return err_wrap(err, "setting up the security of COM");
    }
    SetErrorInfo(0, NULL); /* what was left by a call whose failure did not matter */
    return true;
}

void wmi_leave(bool entered)
{
    if (entered)
        CoUninitialize();
}

HRESULT wmi_secure(IUnknown *proxy)
{
    HRESULT hr = CoSetProxyBlanket(proxy, RPC_C_AUTHN_WINNT, RPC_C_AUTHZ_NONE, NULL,
                                   RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
                                   RPC_C_IMP_LEVEL_IMPERSONATE, NULL, EOAC_NONE);

    /* What lives in this process is no proxy. */
    return hr == E_NOINTERFACE ? S_OK : hr;
}

bool wmi_go_on(const struct wmi_session *ws, struct err *err)
{
    return !ws->is_cancelled || !ws->is_cancelled(ws->cancel_user) ||
           err_fail(err, ERR_CANCELLED, 0, "stopped");
}

static bool is_same(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x[2] = { *a == '\\' ? '/' : *a, 0 }, y[2] = { *b == '\\' ? '/' : *b, 0 };

        if (text_casecmp(x, y) != 0)
            return false;
    }
    return *a == *b;
}

static bool connect(const char *ns, IWbemServices **ret, struct err *err)
{
    CLEANUP(bstr_cleanup) BSTR name = NULL;
    IWbemLocator *locator = NULL;
    HRESULT hr;

    name = bstr_from(ns, err);
    if (!name)
        return false;
    for (WCHAR *c = name; *c; c++)
        if (*c == L'/')
            *c = L'\\';
    hr = CoCreateInstance(&wmi_clsid_locator, NULL, CLSCTX_INPROC_SERVER, &wmi_iid_locator,
                          (void **)(void *)&locator);
    if (FAILED(hr))
        return wmi_fail(hr, err);
    hr = IWbemLocator_ConnectServer(locator, name, NULL, NULL, NULL,
                                    WBEM_FLAG_CONNECT_USE_MAX_WAIT, NULL, NULL, ret);
    COM_RELEASE(locator);
    if (FAILED(hr))
        return wmi_fail(hr, err);
    hr = wmi_secure((IUnknown *)*ret);
    if (FAILED(hr)) {
        wmi_fail(hr, err);
        COM_RELEASE(*ret);
        return false;
    }
    return true;
}

IWbemServices *wmi_services(struct wmi_session *ws, const char *ns, struct err *err)
{
    struct wmi_namespace *grown, made = { 0 };

    for (size_t i = 0; i < ws->namespace_count; i++)
        if (is_same(ws->namespaces[i].name, ns))
            return ws->namespaces[i].services;
    if (!connect(ns, &made.services, err))
        return NULL;
    made.name = text_dup(ns);
    grown = made.name ? realloc(ws->namespaces, (ws->namespace_count + 1) * sizeof(*grown))
                      : NULL;
    if (!grown) {
        free(made.name);
        COM_RELEASE(made.services);
        err_no_memory(err);
        return NULL;
    }
    ws->namespaces = grown;
    grown[ws->namespace_count++] = made;
    return made.services;
}

void wmi_disconnect(struct wmi_session *ws, const char *ns)
{
    for (size_t i = 0; i < ws->namespace_count; i++) {
        if (!is_same(ws->namespaces[i].name, ns))
            continue;
        COM_RELEASE(ws->namespaces[i].services);
        free(ws->namespaces[i].name);
        ws->namespaces[i] = ws->namespaces[--ws->namespace_count];
        return;
    }
}
