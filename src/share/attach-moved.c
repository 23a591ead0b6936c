/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach on another node of the VM's cluster, which has it moved there first.
 *
 * The VM is off and its configuration lies on shared storage, so it will be on the other node
 * what it is here: the whole plan is made before the move, for that node with the VM as its own.
 */

#include <string.h>

#include "err.h"
#include "failover.h"
#include "share-plan.h"
#include "vm-steps.h"

static bool check_role(const struct hv_vm *vm, const struct hv_role *role, struct err *err)
{
    const char *name = vm->name ? vm->name : vm->id;

    if (!role || !role->group || !role->owner_node)
        return err_fail(err, ERR_CONFLICT, 0,
                        "VM '%.80s' is no role of the cluster, which could move it", name);
    if (vm->state == VM_OFF)
        return true;
    err_fail(err, ERR_CONFLICT, 0, "VM '%.80s' is moved only while it is off", name);
    return err_hint(err, "shut it down, or move it with Move-ClusterVirtualMachineRole");
}

/* As one more VM of @host, lent. */
static bool lend_vm(struct hv_host *host, const struct hv_vm *vm, struct err *err)
{
    struct hv_vm *more = realloc(host->vms, (host->vm_count + 1) * sizeof(*more));

    if (!more)
        return err_no_memory(err);
    host->vms = more;
    more[host->vm_count++] = *vm;
    return true;
}

struct plan *share_plan_attach_moved(struct plan_context *context, const char *host_name,
                                     const struct hv_host *from, const char *vm,
                                     const struct attach_options *options, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(plan_cleanup) struct plan *move = NULL;
    const struct hv_role *role;
    const struct hv_vm *its;

    if (!hv_select_vm(from, vm, &its, err) ||
        !hv_inventory_read(context->session, host_name, SHARE_ATTACHES, &host, err))
        return NULL;
    role = hv_find_role(host->cluster, its->id);
    if (!check_role(its, role, err) || !lend_vm(host, its, err))
        return NULL;
    plan = share_attach_from(context, host, host_name, its->id, options, err);
    host->vm_count--;
    if (!plan || plan_has_errors(plan) || plan->step_count == 0)
        return TAKE(plan);
    move = plan_new(host_name, plan->title, err);
    return move &&
                   add_cluster_move(move, its, role,
                                    host->computer_name ? host->computer_name : host_name,
                                    err) &&
                   plan_splice(plan, 0, move, err)
               ? TAKE(plan)
               : NULL;
}
