/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deleting a VM: its objects go, the files of its disks stay, and a device that it had is
 * dismounted and nobody's.
 *
 * Source: HyperV_v2 destroysystem-msvm-virtualsystemmanagementservice (only powered off or
 * saved VMs; files of disks are not deleted); a job, and a reference with the name alone is
 * enough (measured: go-wsman).
 */
#include <stdlib.h>
#include <string.h>
#include "hv.h"
#include "text.h"

struct destroyed {
    char vm_id[37];
};

static bool belongs_to(struct sim_object *object, const char *vm_id)
{
    char id[37];

    if (text_ieq(hv_text(object, "VirtualSystemIdentifier"), vm_id))
        return true;
    return hv_vm_id_of(hv_text(object, "InstanceID"), id) && text_ieq(id, vm_id);
}

static bool may_be_destroyed(struct sim_object *system)
{
    return hv_state(system) == HV_OFF || hv_state(system) == HV_SAVED;
}

void hv_forget_vm(struct sim_host *host, struct sim_object *system)
{
    struct sim_object *o, *next;
    char id[37];

    snprintf(id, sizeof(id), "%s", hv_text(system, "Name"));
    host->dirty = true;
    for (o = sim_store_next(host->store, NULL, HV_NS, "CIM_SettingData"); o; o = next) {
        next = sim_store_next(host->store, o, HV_NS, "CIM_SettingData");
        if (belongs_to(o, id))
            sim_store_remove_with_links(host->store, o);
    }
    sim_store_remove_with_links(host->store, system);
}

static uint32_t finish(struct sim_host *host, void *user, struct sim_object **affected)
{
    const struct destroyed *d = user;
    struct sim_object *system = hv_vm_by_id(host, d->vm_id);

    if (!system)
        return HV_NOT_AVAILABLE;
    if (!may_be_destroyed(system))
        return HV_INVALID_STATE;
    hv_forget_vm(host, system);
    return 0;
}

static bool destroy_system(struct sim_call *call, struct sim_fault *fault)
{
    const struct cim_path *path = cim_get_path(call->in, "AffectedSystem");
    const char *id = path ? cim_path_get(path, "Name") : NULL;
    struct sim_object *system = id ? hv_vm_by_id(call->host, id) : NULL;
    struct destroyed *d;

    if (!system)
        return sim_unknown(fault, "deleting what is no VM");
    if (!may_be_destroyed(system))
        return sim_return(call, HV_INVALID_STATE, fault);
    d = calloc(1, sizeof(*d));
    if (!d)
        return sim_refuse(fault, "w:InternalError", 8, "no memory");
    strcpy(d->vm_id, hv_text(system, "Name"));
    return sim_job_start(call, "Msvm_ConcreteJob", 3, finish, d, fault);
}

static const struct sim_method methods[] = {
    { HV_NS, "Msvm_VirtualSystemManagementService", "DestroySystem", destroy_system,
      "HyperV_v2 destroysystem-msvm-virtualsystemmanagementservice" },
    { 0 },
};

const struct sim_behaviour sim_destroy_behaviour = { .name = "destroy",
                                                     .methods = methods };
