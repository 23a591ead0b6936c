/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CIM of the machine itself over COM (IWbemServices): a cim_session without network, log-on
 * or WinRM.  Windows only; elsewhere wmi_open() says that there is none.  Knows nothing of
 * Hyper-V.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/WmiSdk (creating-a-wmi-application-using-c--,
 * calling-a-method, wmi-error-constants, numbers); MicrosoftDocs/sdk-api wbemcli.
 */
#pragma once

#include <stdbool.h>

#include "session.h"

struct wmi_options {
    unsigned operation_timeout_ms;    /* 0: 60 s; one operation, one batch of a list */
    bool (*is_cancelled)(void *user); /* polled while waiting; NULL: never */
    void *cancel_user;
    /* Asked before every put, and every method and command that does not only read: whether
     * this process may change @ns (NULL: anything a command can reach).  False with @err: the
     * operation fails with it and nothing is sent.  NULL: it may. */
    bool (*may_change)(const char *ns, struct err *err);
};

/* True where wmi_open() can work: on Windows. */
bool wmi_is_here(void);

/* The first operation connects to its namespace.  The session may be used from any thread,
 * one at a time. */
struct cim_session *wmi_open(const struct wmi_options *options, struct err *err);
