/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm-stop and vm-start: the VM's power, each the other's opposite. */

#include "vm-steps.h"

#include "step-params.h"
#include "text.h"
#include "vm-access.h"

static bool probe_power(struct plan_context *context, const struct step *step,
                        json_t **ret_now, struct err *err)
{
    const char *vm;
    uint64_t state;

    if (!param_text(step, "vm", &vm, err) ||
        !read_enabled_state(context->session, vm, &state, err))
        return false;
    *ret_now = state == VM_ENABLED ? json_pack("{s:s}", "state", "running")
               : state == VM_DISABLED
                   ? json_pack("{s:s}", "state", "off")
                   : json_pack("{s:s, s:I}", "state", "other", "code", (json_int_t)state);
    return *ret_now || err_no_memory(err);
}

static bool start(struct plan_context *context, struct step *step, struct err *err)
{
    const char *vm, *name;

    return param_text(step, "vm", &vm, err) && param_text(step, "name", &name, err) &&
           request_state(context, vm, name, VM_ENABLED, err);
}

static bool stop(struct plan_context *context, struct step *step, struct err *err)
{
    const char *vm, *name;

    if (!param_text(step, "vm", &vm, err) || !param_text(step, "name", &name, err))
        return false;
    if (param_true(step, "force") || context->may_force)
        return request_state(context, vm, name, VM_DISABLED, err);
    return shut_down(context, vm, name, err);
}

const struct step_kind step_vm_stop = {
    .name = "vm-stop",
    .probe = probe_power,
    .apply = stop,
    .revert = start,
    .flags = STEP_HOLDS_LATER, /* a VM does not start while its disk is attached */
};

const struct step_kind step_vm_start = {
    .name = "vm-start",
    .probe = probe_power,
    .apply = start,
    .revert = stop,
};

static bool add(struct plan *plan, const struct step_kind *kind, const struct hv_vm *vm,
                bool force, const char *before, const char *after, const char *cmdlet,
                struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("VM '%s'", vm->name);
    CLEANUP(free_cleanup) char *name = ps_quote(vm->name);
    CLEANUP(free_cleanup)
    char *command =
        name ? text_printf("%s -Name %s%s", cmdlet, name, force ? " -TurnOff -Force" : "")
             : NULL;

    if (!target || !command)
        return err_no_memory(err);
    return plan_add(
               plan, kind, target,
               json_pack("{s:s, s:s, s:b}", "vm", vm->id, "name", vm->name, "force", force),
               json_pack("{s:s}", "state", before), json_pack("{s:s}", "state", after),
               command, err) != NULL;
}

bool add_vm_stop(struct plan *plan, const struct hv_vm *vm, bool force, struct err *err)
{
    return add(plan, &step_vm_stop, vm, force, "running", "off", "Stop-VM", err);
}

bool add_vm_start(struct plan *plan, const struct hv_vm *vm, struct err *err)
{
    return add(plan, &step_vm_start, vm, false, "off", "running", "Start-VM", err);
}
