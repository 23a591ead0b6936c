/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster-offline-action: what a failover cluster does with a VM when its role is taken
 * offline, as when its node is drained.
 *
 * Saving, which is the default, is not possible with a GPU: then the drain fails.  Microsoft's
 * guide sets 3, a forced shutdown, so that the VM restarts on another node.  Whichever node is
 * asked keeps it for all of them.  Source: MicrosoftDocs/windowsserverdocs
 * virtualization/hyper-v/partition-assign-vm-gpu.md; MsCS virtual-machines-offlineaction.
 */

#include "failover.h"
#include "step-params.h"
#include "text.h"
#include "vm-steps.h"

enum { ACTIONS = 4 };

/* A word where the value has one, else the number; null: the resource has none. */
static json_t *action_to_json(const struct known_u64 *action)
{
    if (!action->known || action->value > INT64_MAX)
        return json_null();
    return vm_setting_word(offline_action_name, action->value);
}

static bool action_from_json(const json_t *value, uint64_t *ret)
{
    const char *text = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = (uint64_t)json_integer_value(value);
        return true;
    }
    for (uint64_t i = 0; text && i < ACTIONS; i++)
        if (text_ieq(offline_action_name(i), text)) {
            *ret = i;
            return true;
        }
    return false;
}

bool read_vm_offline_action(struct cim_session *session, const char *resource, json_t **ret,
                            struct err *err)
{
    struct known_u64 action;

    if (!hv_read_offline_action(session, resource, &action, err))
        return false;
    *ret = action_to_json(&action);
    return *ret || err_no_memory(err);
}

static bool probe(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err)
{
    const char *resource;
    json_t *action;

    if (!param_text(step, "resource", &resource, err) ||
        !read_vm_offline_action(context->session, resource, &action, err))
        return false;
    *ret_now = json_pack("{s:o}", "offline_action", action);
    return *ret_now || err_no_memory(err);
}

static bool make(struct plan_context *context, const struct step *step,
                 const json_t *wanted, struct err *err)
{
    const json_t *value = json_object_get(wanted, "offline_action");
    struct known_u64 now;
    const char *resource;
    uint64_t action;

    if (!param_text(step, "resource", &resource, err))
        return false;
    if (json_is_null(value)) /* was unknown before: nothing to write it back as */
        return true;
    if (!action_from_json(value, &action))
        return err_fail(err, ERR_PROTOCOL, 0,
                        "no offline action known here in the journal");
    if (!hv_read_offline_action(context->session, resource, &now, err))
        return false;
    if (now.known && now.value == action)
        return true;
    if (!hv_set_offline_action(context->session, resource, action, err)) {
        if (err->kind == ERR_DENIED)
            err_hint(err, "the account needs full control of the cluster "
                          "(Grant-ClusterAccess)");
        return false;
    }
    if (!hv_read_offline_action(context->session, resource, &now, err))
        return err_wrap(err, "reading the offline action back");
    if (!now.known || now.value != action)
        return err_fail(err, ERR_REFUSED, 0,
                        "the cluster took the offline action of '%.120s' and kept another",
                        resource);
    return true;
}

static bool apply(struct plan_context *context, struct step *step, struct err *err)
{
    return make(context, step, step->after, err);
}

static bool revert(struct plan_context *context, struct step *step, struct err *err)
{
    return make(context, step, step->before, err);
}

const struct step_kind step_offline_action = {
    .name = "cluster-offline-action",
    .probe = probe,
    .apply = apply,
    .revert = revert,
};

static char *command_of(const struct hv_role *role, uint64_t action)
{
    CLEANUP(free_cleanup) char *name = ps_quote(role->resource);

    return name ? text_printf("Get-ClusterResource -Name %s | Set-ClusterParameter -Name "
                              "OfflineAction -Value %u",
                              name, (unsigned)action)
                : NULL;
}

bool add_offline_action(struct plan *plan, const struct hv_vm *vm,
                        const struct hv_role *role, json_t *after, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("cluster role of VM '%s'", vm->name);
    CLEANUP(free_cleanup) char *command = NULL;
    json_t *before =
        json_pack("{s:o}", "offline_action", action_to_json(&role->offline_action));
    json_t *wanted = json_pack("{s:o}", "offline_action", after);
    uint64_t action;

    if (wanted && action_from_json(after, &action))
        command = command_of(role, action);
    if (!target || !command || !before || !wanted) {
        json_decref(before);
        json_decref(wanted);
        return err_no_memory(err);
    }
    return plan_add(plan, &step_offline_action, target,
                    json_pack("{s:s, s:s, s:s}", "vm", vm->id, "name", vm->name, "resource",
                              role->resource),
                    before, wanted, command, err) != NULL;
}

bool add_force_shutdown(struct plan *plan, const struct hv_vm *vm,
                        const struct hv_role *role, struct err *err)
{
    if (!role ||
        (role->offline_action.known && role->offline_action.value == OFFLINE_FORCE))
        return true;
    return add_offline_action(plan, vm, role,
                              vm_setting_word(offline_action_name, OFFLINE_FORCE), err);
}
