/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster-owner: a VM that is off is moved by its failover cluster to another node, and back.
 *
 * Any node can be asked for it.  A VM that runs is not moved: how it would move, alive, saved or
 * restarted, is for the cluster and whoever runs it to decide.  Source: cluswmi
 * mscluster-resourcegroup-movetonewnode.
 */

#include "failover.h"
#include "os.h"
#include "step-params.h"
#include "text.h"
#include "vm-access.h"
#include "vm-steps.h"

enum { MOVE_MS = 60 * 1000, SEEN_MS = 30 * 1000, POLL_MS = 250 };

static bool probe(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err)
{
    CLEANUP(free_cleanup) char *owner = NULL;
    const char *group, *name;

    if (!param_text(step, "group", &group, err) ||
        !hv_read_group_owner(context->session, group, &owner, err))
        return false;
    /* Names of nodes are compared without case, and kept as they were planned. */
    name = json_string_value(json_object_get(step->before, "owner_node"));
    if (!hv_same_node(owner, name))
        name = json_string_value(json_object_get(step->after, "owner_node"));
    *ret_now = json_pack("{s:s}", "owner_node", hv_same_node(owner, name) ? name : owner);
    return *ret_now || err_no_memory(err);
}

/* The node at hand lists it once it has it. */
static bool wait_for_vm(struct plan_context *context, const struct step *step,
                        struct err *err)
{
    uint64_t until = os_monotonic_ms() + SEEN_MS, ignored;
    const char *vm_id;

    if (!param_text(step, "vm", &vm_id, err))
        return false;
    for (;;) {
        struct err why = ERR_INIT;

        if (read_enabled_state(context->session, vm_id, &ignored, &why))
            return true;
        if (why.kind != ERR_NOT_FOUND || os_was_interrupted() ||
            os_monotonic_ms() >= until) {
            *err = why;
            return err_wrap(err, "%s was moved", step->target);
        }
        os_sleep_ms(POLL_MS);
    }
}

static bool make(struct plan_context *context, const struct step *step,
                 const json_t *wanted, struct err *err)
{
    const char *node = json_string_value(json_object_get(wanted, "owner_node"));
    CLEANUP(free_cleanup) char *owner = NULL;
    const char *group, *resource;
    bool is_down;

    if (!node)
        return err_fail(err, ERR_PROTOCOL, 0, "no owner node in the journal");
    if (!param_text(step, "group", &group, err) ||
        !param_text(step, "resource", &resource, err) ||
        !hv_read_group_owner(context->session, group, &owner, err))
        return false;
    if (hv_same_node(owner, node))
        return true;
    if (!hv_read_role_is_down(context->session, resource, &is_down, err))
        return false;
    if (!is_down) {
        err_fail(err, ERR_CONFLICT, 0, "%s runs, and is moved only while it is off",
                 step->target);
        return err_hint(err,
                        "shut it down, or move it with Move-ClusterVirtualMachineRole");
    }
    if (hv_move_group(context->session, group, node, MOVE_MS, err))
        return true;
    if (err->kind == ERR_DENIED)
        err_hint(err, "the account needs full control of the cluster "
                      "(Grant-ClusterAccess)");
    return false;
}

static bool apply(struct plan_context *context, struct step *step, struct err *err)
{
    return make(context, step, step->after, err) && wait_for_vm(context, step, err);
}

static bool revert(struct plan_context *context, struct step *step, struct err *err)
{
    return make(context, step, step->before, err);
}

const struct step_kind step_cluster_owner = {
    .name = "cluster-owner",
    .probe = probe,
    .apply = apply,
    .revert = revert,
    .flags = STEP_HOLDS_LATER,
};

bool add_cluster_move(struct plan *plan, const struct hv_vm *vm, const struct hv_role *role,
                      const char *node, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("VM '%s' in its cluster", vm->name);
    CLEANUP(free_cleanup) char *group = ps_quote(role->group);
    CLEANUP(free_cleanup) char *to = ps_quote(node);
    CLEANUP(free_cleanup) char *command = NULL;

    if (group && to)
        command = text_printf("Move-ClusterGroup -Name %s -Node %s", group, to);
    if (!target || !command)
        return err_no_memory(err);
    return plan_add(plan, &step_cluster_owner, target,
                    json_pack("{s:s, s:s, s:s, s:s}", "vm", vm->id, "name", vm->name,
                              "group", role->group, "resource", role->resource),
                    json_pack("{s:s}", "owner_node", role->owner_node),
                    json_pack("{s:s}", "owner_node", node), command, err) != NULL;
}
