/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the COM session share. */
#pragma once

#include "session.h"
#include "wbem.h"
#include "wmi.h"

/* The services of one namespace. */
struct wmi_namespace {
    char *name; /* with '/' */
    IWbemServices *services;
};

struct wmi_session {
    struct cim_session base;
    unsigned timeout_ms;
    bool (*is_cancelled)(void *user);
    void *cancel_user;
    bool (*may_change)(const char *ns, struct err *err);
    struct wmi_namespace *namespaces;
    size_t namespace_count;
    BSTR server; /* what the machine calls itself in paths; NULL: not known yet */
};

/* ---- namespace.c ---- */

/* Every operation begins and ends with these: COM must be there on the thread that calls it.
 * @ret_entered goes to wmi_leave(). */
bool wmi_enter(bool *ret_entered, struct err *err) MUST_CHECK;
void wmi_leave(bool entered);

/* The services of @ns, connected to at the first time.  Lent. */
IWbemServices *wmi_services(struct wmi_session *ws, const char *ns, struct err *err);
/* Forgets the connection, after wmi_is_lost(). */
void wmi_disconnect(struct wmi_session *ws, const char *ns);
/* The security that this process asks for, on one object of WMI. */
HRESULT wmi_secure(IUnknown *proxy);

/* False with ERR_CANCELLED when somebody wants to stop. */
bool wmi_go_on(const struct wmi_session *ws, struct err *err) MUST_CHECK;

/* ---- wait.c: calls that return at once, and their results ---- */

/* Waits until @call is done.  The HRESULT of the call; WBEM_S_TIMEDOUT: not done in time, or
 * stopped, as *err then says. */
HRESULT wmi_wait(const struct wmi_session *ws, IWbemCallResult *call, struct err *err);

/* The object at @path in @ns: a class or an instance.  Owned. */
bool wmi_get_object(struct wmi_session *ws, const char *ns, const char *path,
                    IWbemClassObject **ret, struct err *err) MUST_CHECK;

/* ---- query.c, command.c ---- */

bool wmi_query(struct cim_session *self, const char *ns, const char *wql,
               cim_row_fn *on_row, void *user, struct err *err);
bool wmi_run(struct cim_session *self, const struct shell_command *command,
             uint32_t *ret_exit_code, struct err *err);
