/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session: opening, get, put and invoke. */

#include "wmi.h"

#include <stdlib.h>
#include <string.h>

#include "bstr.h"
#include "err.h"
#include "object.h"
#include "wmi-error.h"
#include "wmi-session.h"

enum { DEFAULT_TIMEOUT_MS = 60000 };

bool wmi_is_here(void)
{
    return true;
}

/* The path within its namespace, as IWbemServices takes it.  Owned. */
static char *path_text(const struct cim_path *path, struct err *err)
{
    struct cim_path within = *path;
    char *text;

    if (!path->ns) {
        err_fail(err, ERR_INVALID, 0, "the path of a '%s' lacks its namespace",
                 path->class_name);
        return NULL;
    }
    within.host = within.ns = NULL;
    text = cim_path_format(&within);
    if (!text)
        err_no_memory(err);
    return text;
}

static bool wmi_get(struct cim_session *self, const struct cim_path *path,
                    struct cim_instance **ret, struct err *err)
{
    struct wmi_session *ws = (struct wmi_session *)self;
    CLEANUP(free_cleanup) char *text = path_text(path, err);
    IWbemClassObject *object = NULL;
    struct cim_instance *instance = NULL;
    bool entered;

    if (!text || !wmi_enter(&entered, err))
        return false;
    if (wmi_go_on(ws, err) && wmi_get_object(ws, path->ns, text, &object, err))
        instance = wmi_object_read(object, path->ns, NULL, err);
    COM_RELEASE(object);
    wmi_leave(entered);
    if (!instance)
        return false;
    *ret = instance;
    return true;
}

/* What a call that changes something came to: @hr is of the call that began it. */
static bool finish_call(struct wmi_session *ws, const char *ns, HRESULT hr,
                        IWbemCallResult *call, struct err *err)
{
    if (SUCCEEDED(hr) && call) {
        hr = wmi_wait(ws, call, err);
        if (hr == WBEM_S_TIMEDOUT)
            return false;
    }
    if (SUCCEEDED(hr))
        return true;
    wmi_fail(hr, err);
    if (wmi_is_lost(hr)) /* not repeated: it may have been done */
        wmi_disconnect(ws, ns);
    return false;
}

/* Read, changed, written back: what every tool of Windows does, and what all providers take.
 * Only what @changes names differs from what was read.  WBEM_FLAG_UPDATE_ONLY: the object is
 * never made anew. */
static bool put_object(struct wmi_session *ws, const struct cim_path *path,
                       const char *path_in_ns, const struct cim_instance *changes,
                       struct err *err)
{
    CLEANUP(object_cleanup) IWbemClassObject *object = NULL;
    CLEANUP(result_cleanup) IWbemCallResult *call = NULL;
    IWbemServices *services;
    HRESULT hr;

    if (!wmi_get_object(ws, path->ns, path_in_ns, &object, err) ||
        !wmi_object_write(ws, changes, path->ns, true, (HRESULT)WBEM_E_INVALID_PROPERTY,
                          object, err))
        return false;
    services = wmi_services(ws, path->ns, err);
    if (!services)
        return false;
    hr = IWbemServices_PutInstance(services, object,
                                   WBEM_FLAG_UPDATE_ONLY | WBEM_FLAG_RETURN_IMMEDIATELY,
                                   NULL, &call);
    return finish_call(ws, path->ns, hr, call, err);
}

static bool wmi_put(struct cim_session *self, const struct cim_path *path,
                    const struct cim_instance *changes, struct err *err)
{
    struct wmi_session *ws = (struct wmi_session *)self;
    CLEANUP(free_cleanup) char *text = path_text(path, err);
    bool entered, ok;

    if (!text || (ws->may_change && !ws->may_change(path->ns, err)) ||
        !wmi_enter(&entered, err))
        return false;
    ok = wmi_go_on(ws, err) && put_object(ws, path, text, changes, err);
    wmi_leave(entered);
    return ok;
}

/* How this machine is called in paths: references among parameters name it. */
static void learn_server(struct wmi_session *ws, IWbemClassObject *class)
{
    VARIANT v;

    if (ws->server)
        return;
    VariantInit(&v);
    if (SUCCEEDED(IWbemClassObject_Get(class, L"__SERVER", 0, &v, NULL, NULL)) &&
        V_VT(&v) == VT_BSTR && V_BSTR(&v) && *V_BSTR(&v))
        ws->server = SysAllocString(V_BSTR(&v));
    VariantClear(&v);
}

/* The IN parameters as an object of the method's own signature; NULL: it takes none. */
static bool make_parameters(struct wmi_session *ws, const struct cim_path *path,
                            const char *method_name, const struct cim_instance *in,
                            IWbemClassObject **ret, struct err *err)
{
    CLEANUP(object_cleanup) IWbemClassObject *class = NULL;
    CLEANUP(object_cleanup) IWbemClassObject *signature = NULL;
    CLEANUP(object_cleanup) IWbemClassObject *made = NULL;
    CLEANUP(bstr_cleanup) BSTR method = bstr_from(method_name, err);
    HRESULT hr;

    if (!method || !wmi_get_object(ws, path->ns, path->class_name, &class, err))
        return false;
    learn_server(ws, class);
    hr = IWbemClassObject_GetMethod(class, method, 0, &signature, NULL);
    if (hr == (HRESULT)WBEM_E_NOT_FOUND)
        return err_fail(err, ERR_INVALID, (int64_t)(uint32_t)WBEM_E_INVALID_METHOD,
                        "class '%.80s' has no method '%.80s' (0x%X)", path->class_name,
                        method_name, (unsigned)WBEM_E_INVALID_METHOD);
    if (FAILED(hr))
        return wmi_fail(hr, err);
    if (!signature) {
        for (size_t i = 0; in && i < in->count; i++)
            if (!in->properties[i].value.is_null)
                return err_fail(err, ERR_INVALID,
                                (int64_t)(uint32_t)WBEM_E_INVALID_METHOD_PARAMETERS,
                                "method '%.80s' takes no parameters", method_name);
        return true;
    }
    hr = IWbemClassObject_SpawnInstance(signature, 0, &made);
    if (FAILED(hr))
        return wmi_fail(hr, err);
    if (in && !wmi_object_write(ws, in, path->ns, false,
                                (HRESULT)WBEM_E_INVALID_METHOD_PARAMETERS, made, err))
        return err_wrap(err, "parameters of '%.80s'", method_name);
    *ret = TAKE(made);
    return true;
}

static bool invoke_object(struct wmi_session *ws, const struct cim_path *path,
                          const char *path_in_ns, const char *method_name,
                          const struct cim_instance *in, struct cim_instance **ret_out,
                          struct err *err)
{
    const struct cim_class *known = cim_schema_class(path->ns, path->class_name);
    static const struct cim_class_method unknown;
    const struct cim_class_method *method =
        known ? cim_schema_method(known, method_name) : NULL;
    CLEANUP(object_cleanup) IWbemClassObject *parameters = NULL;
    CLEANUP(object_cleanup) IWbemClassObject *output = NULL;
    CLEANUP(result_cleanup) IWbemCallResult *call = NULL;
    CLEANUP(bstr_cleanup) BSTR path_bstr = bstr_from(path_in_ns, err);
    CLEANUP(bstr_cleanup) BSTR name = path_bstr ? bstr_from(method_name, err) : NULL;
    IWbemServices *services;
    HRESULT hr;

    if (!name || !make_parameters(ws, path, method_name, in, &parameters, err))
        return false;
    services = wmi_services(ws, path->ns, err);
    if (!services)
        return false;
    hr = IWbemServices_ExecMethod(services, path_bstr, name, WBEM_FLAG_RETURN_IMMEDIATELY,
                                  NULL, parameters, &output, &call);
    if (!finish_call(ws, path->ns, hr, output ? NULL : call, err))
        return false;
    if (!output && call) {
        hr = IWbemCallResult_GetResultObject(call, WBEM_INFINITE, &output);
        if (FAILED(hr))
            return wmi_fail(hr, err);
    }
    /* A method without OUT parameters and without a return value. */
    *ret_out = output ? wmi_object_read(output, path->ns, method ? method : &unknown, err)
                      : cim_instance_new(NULL, "__PARAMETERS");
    return *ret_out || (output ? false : err_no_memory(err));
}

static bool wmi_invoke(struct cim_session *self, const struct cim_path *path,
                       const char *method, const struct cim_instance *in,
                       struct cim_instance **ret_out, struct err *err)
{
    struct wmi_session *ws = (struct wmi_session *)self;
    CLEANUP(free_cleanup) char *text = path_text(path, err);
    struct cim_instance *out = NULL;
    bool entered, ok;

    if (!text ||
        (ws->may_change && !cim_method_reads_only(method) &&
         !ws->may_change(path->ns, err)) ||
        !wmi_enter(&entered, err))
        return false;
    ok = wmi_go_on(ws, err) && invoke_object(ws, path, text, method, in, &out, err);
    wmi_leave(entered);
    if (ok)
        *ret_out = out;
    return ok;
}

static void wmi_release(struct cim_session *self)
{
    struct wmi_session *ws = (struct wmi_session *)self;
    struct err ignored = ERR_INIT;
    bool entered;

    if (ws->namespace_count && wmi_enter(&entered, &ignored)) {
        while (ws->namespace_count)
            wmi_disconnect(ws, ws->namespaces[0].name);
        wmi_leave(entered);
    }
    free(ws->namespaces);
    SysFreeString(ws->server);
    free(ws);
}

static const struct cim_session_ops wmi_ops = {
    .name = "com",
    .query = wmi_query,
    .get = wmi_get,
    .put = wmi_put,
    .invoke = wmi_invoke,
    .run = wmi_run,
    .release = wmi_release,
};

struct cim_session *wmi_open(const struct wmi_options *options, struct err *err)
{
    struct wmi_session *ws = calloc(1, sizeof(*ws));

    if (!ws) {
        err_no_memory(err);
        return NULL;
    }
    ws->base.ops = &wmi_ops;
    ws->timeout_ms =
        options->operation_timeout_ms ? options->operation_timeout_ms : DEFAULT_TIMEOUT_MS;
    ws->is_cancelled = options->is_cancelled;
    ws->cancel_user = options->cancel_user;
    ws->may_change = options->may_change;
    return &ws->base;
}
