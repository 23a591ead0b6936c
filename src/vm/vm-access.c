/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One VM on its host: its power state, and calls of the management service. */

#include "vm-access.h"

#include <stdio.h>

#include "job.h"
#include "os.h"
#include "plan.h"
#include "progress.h"
#include "schema.h"
#include "step-params.h"
#include "text.h"

enum {
    SHUTDOWN_MS = 5 * 60 * 1000, /* a guest may install updates first */
    CHANGE_MS = 2 * 60 * 1000,
    POLL_MS = 250
};

/* A path with the keys that every instance of these classes has (hyperv_v2). */
static struct cim_path *path_of(const char *class_name, const char *key, const char *value)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new(HV_NS, class_name);
    struct err ignored = ERR_INIT;

    return path && cim_path_set(path, key, value, &ignored) ? TAKE(path) : NULL;
}

struct cim_path *vm_path(const char *vm_id)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path =
        path_of("Msvm_ComputerSystem", "CreationClassName", "Msvm_ComputerSystem");
    struct err ignored = ERR_INIT;

    return path && cim_path_set(path, "Name", vm_id, &ignored) ? TAKE(path) : NULL;
}

struct cim_path *vm_settings_path(const char *vm_id)
{
    CLEANUP(free_cleanup) char *id = text_printf("Microsoft:%s", vm_id);

    return id ? path_of("Msvm_VirtualSystemSettingData", "InstanceID", id) : NULL;
}

bool keep_first_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct first_row *first = user;

    if (first->found ||
        (first->property && !text_ieq(cim_get_text(row, first->property), first->value)))
        return true;
    first->found = cim_instance_copy(row);
    return first->found || err_no_memory(err);
}

bool read_enabled_state(struct cim_session *session, const char *vm_id, uint64_t *ret,
                        struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = vm_path(vm_id);
    CLEANUP(cim_instance_cleanup) struct cim_instance *vm = NULL;

    if (!path)
        return err_no_memory(err);
    if (!cim_fetch(session, path, &vm, err))
        return false;
    if (!cim_get_u64(vm, "EnabledState", ret))
        return err_fail(err, ERR_PROTOCOL, 0, "the host does not tell whether the VM runs");
    return true;
}

bool vm_check_host(struct plan_context *context, const struct plan *plan,
                   const struct step *step, struct err *err)
{
    const char *vm_id, *name = param_optional(step, "name");
    struct err why = ERR_INIT;
    uint64_t ignored;

    if (context->undo_changed)
        return true;
    if (!param_text(step, "vm", &vm_id, err))
        return false;
    if (read_enabled_state(context->session, vm_id, &ignored, &why) ||
        why.kind == ERR_PROTOCOL)
        return true;
    if (why.kind != ERR_NOT_FOUND) {
        *err = why;
        return false;
    }
    err_fail(err, ERR_CONFLICT, 0, "this host has no VM '%.80s' now", name ? name : vm_id);
    return err_hint(
        err,
        "the run was on '%.80s'; if another node of its cluster has the VM now, "
        "name that one with -H, or move the VM back",
        plan->host);
}

static bool wait_for_state(struct plan_context *context, const char *vm_id,
                           const char *what, unsigned state, unsigned limit_ms,
                           struct err *err)
{
    uint64_t until = os_monotonic_ms() + limit_ms;
    uint64_t now = 0;

    for (;;) {
        if (!read_enabled_state(context->session, vm_id, &now, err))
            return false;
        if (now == state)
            return true;
        if (os_monotonic_ms() >= until)
            return err_fail(err, ERR_UNREACHABLE, (int64_t)now,
                            "%s takes longer than %u seconds", what, limit_ms / 1000);
        if (os_was_interrupted())
            return err_fail(err, ERR_CANCELLED, 0, "stopped by the user while %s", what);
        if (!progress_report(context->progress, what, PROGRESS_ITEMS, 0, 0, err))
            return false;
        os_sleep_ms(POLL_MS);
    }
}

bool request_state(struct plan_context *context, const char *vm_id, const char *name,
                   unsigned state, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = vm_path(vm_id);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "RequestStateChange");
    CLEANUP(free_cleanup)
    char *what =
        text_printf("%s '%s'", state == VM_ENABLED ? "starting" : "turning off", name);
    struct hv_call_options options = { .progress = context->progress, .what = what };
    uint64_t now;

    if (!path || !in || !what)
        return err_no_memory(err);
    if (!read_enabled_state(context->session, vm_id, &now, err))
        return false;
    if (now == state) /* asking for it again is refused with 32775 */
        return true;
    return cim_set_uint(in, "RequestedState", CIM_UINT16, state, err) &&
           (hv_call(context->session, path, "RequestStateChange", in, NULL, &options, NULL,
                    NULL, err) ||
            err_wrap(err, "%s", what)) &&
           wait_for_state(context, vm_id, what, state, CHANGE_MS, err);
}

/* Source: hyperv_v2 Msvm_ShutdownComponent.InitiateShutdown; the component exists while
 * the VM runs and its guest offers the service. */
bool shut_down(struct plan_context *context, const char *vm_id, const char *name,
               struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "InitiateShutdown");
    CLEANUP(cim_instance_cleanup) struct cim_instance *component = NULL;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    CLEANUP(free_cleanup) char *what = text_printf("shutting down '%s'", name);
    struct first_row first = { .property = "SystemName", .value = vm_id };
    struct hv_call_options options = { .progress = context->progress, .what = what };
    uint64_t now;
    bool ok;

    if (!in || !what)
        return err_no_memory(err);
    if (!read_enabled_state(context->session, vm_id, &now, err))
        return false;
    if (now == VM_DISABLED)
        return true;
    ok = cim_query(context->session, HV_NS, "SELECT * FROM Msvm_ShutdownComponent",
                   keep_first_row, &first, err);
    component = first.found;
    if (!ok)
        return err_wrap(err, "%s", what);
    if (!component) {
        err_fail(err, ERR_CONFLICT, 0, "the guest of '%s' cannot be asked to shut down",
                 name);
        return err_hint(err, "shut it down inside, or use --force-stop");
    }
    path = cim_schema_path(component, err);
    if (!path || !cim_set_bool(in, "Force", false, err) ||
        !cim_set_text(in, "Reason", "hvgpu changes its GPU", err))
        return false;
    if (!hv_call(context->session, path, "InitiateShutdown", in, NULL, &options, NULL, NULL,
                 err)) {
        /* 32782: a shutdown is in progress already; that is what was wanted. */
        if (err->code != 32782) {
            err_hint(err, "shut it down inside, or use --force-stop");
            return err_wrap(err, "%s", what);
        }
    }
    return wait_for_state(context, vm_id, what, VM_DISABLED, SHUTDOWN_MS, err) ||
           err_hint(err, "look at the VM's screen, or use --force-stop");
}

bool vm_service_call(struct plan_context *context, const char *method,
                     const struct cim_instance *in, const char *what, struct err *err)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *service = hv_service_path("Msvm_VirtualSystemManagementService");
    struct hv_call_options options = { .progress = context->progress, .what = what };

    if (!service)
        return err_no_memory(err);
    return hv_call(context->session, service, method, in, NULL, &options, NULL, NULL, err);
}
