/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checkpoints, as far as devices are concerned: a VM that runs with a GPU partition or an
 * assigned device gets none.  Making and applying others is not simulated; those that a lab
 * begins with are listed (hv-vm.c).
 *
 * Source: HyperV_v2 createsnapshot-msvm-virtualsystemsnapshotservice; Easy-GPU-PV issue 469;
 * MicrosoftDocs/windowsserverdocs virtualization/hyper-v plan/Plan-for-Deploying-Devices-
 * using-Discrete-Device-Assignment.md.
 */
#include <stdlib.h>
#include "hv.h"
#include "jobs.h"

static uint32_t refuse(struct sim_host *host, void *user, struct sim_object **affected)
{
    sim_job_say(host, "The operation cannot be performed because the virtual machine is "
                      "assigned one or more GPUP partitions or devices.");
    return HV_FAILED;
}

static bool not_made(struct sim_fault *fault)
{
    return sim_refuse(
        fault, "w:UnsupportedFeature", 0x80338042u,
        "hvgpu-sim: making, applying and deleting checkpoints is not simulated");
}

static bool create(struct sim_call *call, struct sim_fault *fault)
{
    const struct cim_path *path = cim_get_path(call->in, "AffectedSystem");
    const char *id = path ? cim_path_get(path, "Name") : NULL;
    struct sim_object *system = id ? hv_vm_by_id(call->host, id) : NULL;

    if (!system)
        return sim_unknown(fault, "a checkpoint of what is no VM");
    if (!hv_number(system, "ProcessID") || !hv_has_device(call->host, id))
        return not_made(fault);
    return sim_job_start(call, "Msvm_ConcreteJob", 70, refuse, NULL, fault);
}

static bool other(struct sim_call *call, struct sim_fault *fault)
{
    return not_made(fault);
}

#define SERVICE "Msvm_VirtualSystemSnapshotService"

static const struct sim_method methods[] = {
    { HV_NS, SERVICE, "CreateSnapshot", create,
      "HyperV_v2 createsnapshot-msvm-virtualsystemsnapshotservice; Easy-GPU-PV issue 469" },
    { HV_NS, SERVICE, "ApplySnapshot", other, "not simulated" },
    { HV_NS, SERVICE, "DestroySnapshot", other, "not simulated" },
    { 0 },
};

const struct sim_behaviour sim_snapshot_behaviour = { .name = "snapshots",
                                                      .methods = methods };
