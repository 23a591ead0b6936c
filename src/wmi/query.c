/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queries: rows as they come, never the whole list.
 *
 * ExecQuery returns before the query was even looked at, so that its errors come with the
 * rows: every HRESULT of Next counts.  Source: MicrosoftDocs/win32 desktop-src/WmiSdk/
 * improving-enumeration-performance.md; sdk-api wbemcli IEnumWbemClassObject::Next.
 */

#include "bstr.h"
#include "err.h"
#include "object.h"
#include "os.h"
#include "wmi-error.h"
#include "wmi-session.h"

enum {
    BATCH = 32, /* rows per call into the service */
    SLICE_MS = 200,
    MAX_LIST_TIMES = 10, /* how many times the limit of one batch a whole list may take */
};

struct query {
    struct wmi_session *ws;
    const char *ns;
    cim_row_fn *on_row;
    void *user;
    size_t rows;
    bool is_lost;
};

static bool hand_on(struct query *q, IWbemClassObject **objects, ULONG count,
                    struct err *err)
{
    bool ok = true;

    for (ULONG i = 0; i < count; i++) {
        CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

        if (ok) {
            row = wmi_object_read(objects[i], q->ns, NULL, err);
            q->rows++;
            ok = row && q->on_row(row, q->user, err);
        }
        COM_RELEASE(objects[i]);
    }
    return ok;
}

static bool read_rows(struct query *q, IEnumWbemClassObject *list, struct err *err)
{
    uint64_t start = os_monotonic_ms(), newest = start;

    for (;;) {
        IWbemClassObject *objects[BATCH] = { NULL };
        ULONG count = 0;
        HRESULT hr = IEnumWbemClassObject_Next(list, SLICE_MS, BATCH, objects, &count);
        uint64_t now = os_monotonic_ms();
        struct err why = ERR_INIT;

        bool is_good = hr == WBEM_S_NO_ERROR || hr == WBEM_S_FALSE || hr == WBEM_S_TIMEDOUT;

        /* Before anything else is called: it would overwrite what WMI says about it. */
        if (!is_good) {
            q->is_lost = wmi_is_lost(hr);
            wmi_fail(hr, &why);
        }
        if (!hand_on(q, objects, count <= BATCH ? count : 0, err))
            return false;
        if (!is_good) {
            *err = why;
            return false;
        }
        if (hr == WBEM_S_FALSE)
            return true;
        if (!wmi_go_on(q->ws, err))
            return false;
        if (count > 0)
            newest = now;
        if (now - newest >= q->ws->timeout_ms ||
            now - start >= (uint64_t)q->ws->timeout_ms * MAX_LIST_TIMES) {
            err_fail(err, ERR_UNREACHABLE, 0, "WMI did not answer within %u s",
                     q->ws->timeout_ms / 1000);
            return err_hint(err,
                            "the machine is busy: raise the time limit with --timeout");
        }
    }
}

static bool query_once(struct query *q, BSTR wql, struct err *err)
{
    IWbemServices *services = wmi_services(q->ws, q->ns, err);
    CLEANUP(enum_cleanup) IEnumWbemClassObject *list = NULL;
    CLEANUP(bstr_cleanup) BSTR language = bstr_from("WQL", err);
    HRESULT hr;

    q->is_lost = false;
    if (!services || !language)
        return false;
    hr = IWbemServices_ExecQuery(services, language, wql,
                                 WBEM_FLAG_FORWARD_ONLY | WBEM_FLAG_RETURN_IMMEDIATELY,
                                 NULL, &list);
    if (FAILED(hr)) {
        q->is_lost = wmi_is_lost(hr);
        return wmi_fail(hr, err);
    }
    hr = wmi_secure((IUnknown *)list);
    if (FAILED(hr))
        return wmi_fail(hr, err);
    return read_rows(q, list, err);
}

bool wmi_query(struct cim_session *self, const char *ns, const char *wql,
               cim_row_fn *on_row, void *user, struct err *err)
{
    struct query q = {
        .ws = (struct wmi_session *)self, .ns = ns, .on_row = on_row, .user = user
    };
    CLEANUP(bstr_cleanup) BSTR text = bstr_from(wql, err);
    bool entered, ok;

    if (!text || !wmi_enter(&entered, err))
        return false;
    ok = wmi_go_on(q.ws, err) && query_once(&q, text, err);
    /* The service was restarted since the last operation. */
    if (!ok && q.is_lost) {
        wmi_disconnect(q.ws, ns);
        if (q.rows == 0) {
            *err = ERR_INIT;
            ok = query_once(&q, text, err);
        }
    }
    wmi_leave(entered);
    return ok;
}
