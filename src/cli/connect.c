/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a target to a session. */

#include "connect.h"

#include <stdio.h>
#include <string.h>

#include "local.h"
#include "os.h"
#include "host-report.h"
#include "session.h"
#include "text.h"
#include "wmi.h"
#include "wsman.h"

static bool is_cancelled(void *user)
{
    (void)user;
    return os_was_interrupted();
}

/* HVGPU_FAULT="fail-before:3": what breaks, and at which change; "fail-before:3@NODE2" only on
 * hosts whose name ends so. */
static bool add_fault(struct cim_session **session, const char *host, struct err *err)
{
    static const struct {
        const char *name;
        enum cim_fault_mode mode;
    } modes[] = {
        { "fail-before", CIM_FAULT_FAIL_BEFORE },
        { "fail-after", CIM_FAULT_FAIL_AFTER },
        { "kill-before", CIM_FAULT_KILL_BEFORE },
        { "kill-after", CIM_FAULT_KILL_AFTER },
    };
    const char *text = getenv("HVGPU_FAULT");
    const char *colon = text ? strchr(text, ':') : NULL;
    CLEANUP(free_cleanup) char *number = NULL;
    const char *only = colon ? strchr(colon, '@') : NULL;
    struct cim_session *wrapped;
    uint64_t at;

    if (!text || !*text || (only && !text_iends(host, only + 1)))
        return true;
    number = colon ? text_ndup(colon + 1, strcspn(colon + 1, "@")) : NULL;
    if (colon && !number)
        return err_no_memory(err);
    for (size_t i = 0; colon && i < ARRAY_LEN(modes); i++) {
        if (strlen(modes[i].name) != (size_t)(colon - text) ||
            strncmp(modes[i].name, text, (size_t)(colon - text)) != 0 ||
            !text_to_u64(number, 10, &at) || at > UINT32_MAX)
            continue;
        wrapped = cim_fault_open(session, modes[i].mode, (unsigned)at, err);
        if (!wrapped)
            return false;
        *session = wrapped;
        return true;
    }
    return err_fail(err, ERR_INVALID, 0, "HVGPU_FAULT='%.40s' is not MODE:NUMBER[@HOST]",
                    text);
}

static bool add_trace(struct cim_session **session, struct err *err)
{
    struct cim_session *wrapped = cim_trace_open(session, stderr, err);

    if (!wrapped)
        return false;
    *session = wrapped;
    return true;
}

static void say_log_on(const char *text, void *user)
{
    fprintf(stderr, "%s\n", text);
    fflush(stderr);
}

static struct cim_session *local_open(const struct connector *connector, struct err *err)
{
    struct wmi_options options = { .operation_timeout_ms = (unsigned)connector->timeout_ms,
                                   .may_change = local_may_change,
                                   .is_cancelled = is_cancelled };

    return wmi_open(&options, err);
}

static struct cim_session *open_with(const struct connector *connector,
                                     const struct host_target *target, const char *password,
                                     bool to_look, struct err *err)
{
    struct wsman_options options = {
        .url = target->url,
        .user = target->user,
        .auth = target->auth,
        .keytab = target->keytab,
        .client_cert = target->cert,
        .client_key = target->key,
        .ca_file = target->ca,
        .pin = target->pin,
        .password = password,
        .insecure = target->insecure,
        .without_credentials = to_look,
        .operation_timeout_ms = (unsigned)connector->timeout_ms,
        .is_cancelled = is_cancelled,
        .on_log_on = connector->verbose ? say_log_on : NULL,
    };

    if (target->is_local)
        return local_open(connector, err);
    if (target->replay)
        return report_replay(target->replay, err);
    /* Passwords have forbidden it already, where they were read. */
    if (target->keytab || target->cert)
        os_forbid_dumps();
    return wsman_open(&options, err);
}

struct cim_session *connector_open_plain(const struct connector *connector,
                                         const struct host_target *target,
                                         struct err *ret_no_password, struct err *err)
{
    CLEANUP(secret_cleanup) char *password = NULL;

    *ret_no_password = ERR_INIT;
    if (!host_password(target, &password, ret_no_password)) {
        if (ret_no_password->kind == ERR_NO_MEMORY ||
            ret_no_password->kind == ERR_CANCELLED) {
            *err = *ret_no_password;
            return NULL;
        }
    }
    return open_with(connector, target, password, true, err);
}

struct cim_session *connector_open(const struct connector *connector,
                                   const struct host_target *target, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    CLEANUP(secret_cleanup) char *password = NULL;

    if (target->unavailable) {
        err_fail(err, ERR_UNREACHABLE, 0, "%s", target->unavailable);
        err_hint(err, "start it, or look why with Get-ClusterNode");
        return NULL;
    }
    if (!host_password(target, &password, err))
        return NULL;
    session = open_with(connector, target, password, false, err);
    if (!session || !add_fault(&session, target->name, err) ||
        (connector->verbose && !add_trace(&session, err)))
        return NULL;
    return TAKE(session);
}
