/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that return at once, so that there is a time limit and a way to stop.
 *
 * A provider may be done before the call returns and then hands the result over directly:
 * both are taken.  Source: MicrosoftDocs/win32 desktop-src/WmiSdk/making-a-semisynchronous-
 * call-with-c--.md; sdk-api wbemcli IWbemServices::GetObject, IWbemCallResult::GetCallStatus.
 */

#include "bstr.h"
#include "err.h"
#include "os.h"
#include "wmi-error.h"
#include "wmi-session.h"

enum { SLICE_MS = 200 }; /* how long a cancellation may go unnoticed */

HRESULT wmi_wait(const struct wmi_session *ws, IWbemCallResult *call, struct err *err)
{
    uint64_t deadline = os_monotonic_ms() + ws->timeout_ms;

    wmi_secure((IUnknown *)call);
    for (;;) {
        LONG status = WBEM_S_NO_ERROR;
        HRESULT hr = IWbemCallResult_GetCallStatus(call, SLICE_MS, &status);

        if (hr != WBEM_S_TIMEDOUT)
            return FAILED(hr) ? hr : (HRESULT)status;
        if (!wmi_go_on(ws, err))
            return WBEM_S_TIMEDOUT;
        if (os_monotonic_ms() >= deadline) {
            err_fail(err, ERR_UNREACHABLE, 0, "WMI did not answer within %u s",
                     ws->timeout_ms / 1000);
            err_hint(err, "the machine is busy: raise the time limit with --timeout");
            return WBEM_S_TIMEDOUT;
        }
    }
}

static bool get_once(struct wmi_session *ws, const char *ns, BSTR path,
                     IWbemClassObject **ret, bool *ret_lost, struct err *err)
{
    IWbemServices *services = wmi_services(ws, ns, err);
    CLEANUP(result_cleanup) IWbemCallResult *call = NULL;
    CLEANUP(object_cleanup) IWbemClassObject *object = NULL;
    HRESULT hr;

    if (!services)
        return false;
    hr = IWbemServices_GetObject(services, path, WBEM_FLAG_RETURN_IMMEDIATELY, NULL,
                                 &object, &call);
    if (SUCCEEDED(hr) && !object && call) {
        hr = wmi_wait(ws, call, err);
        if (hr == WBEM_S_TIMEDOUT)
            return false;
        if (SUCCEEDED(hr))
            hr = IWbemCallResult_GetResultObject(call, WBEM_INFINITE, &object);
    }
    if (SUCCEEDED(hr) && !object)
        return err_fail(err, ERR_PROTOCOL, 0, "WMI gave no object");
    if (FAILED(hr)) {
        *ret_lost = wmi_is_lost(hr);
        return wmi_fail(hr, err);
    }
    *ret = TAKE(object);
    return true;
}

bool wmi_get_object(struct wmi_session *ws, const char *ns, const char *path,
                    IWbemClassObject **ret, struct err *err)
{
    CLEANUP(bstr_cleanup) BSTR text = bstr_from(path, err);
    bool is_lost = false;

    if (!text)
        return false;
    if (get_once(ws, ns, text, ret, &is_lost, err))
        return true;
    if (!is_lost)
        return false;
    /* Its service was restarted since: reading may be done twice. */
    wmi_disconnect(ws, ns);
    *err = ERR_INIT;
    return get_once(ws, ns, text, ret, &is_lost, err);
}
