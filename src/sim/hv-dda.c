/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Discrete Device Assignment: Msvm_AssignableDeviceService takes a device from the host and
 * gives it back.  What comes of it: hv-express.c.
 *
 * Sources: HyperV_v2 msvm-assignabledeviceservice; os-win os_win/utils/compute/vmutils.py
 * (the pool sees a device late);
 * MicrosoftDocs/windowsserverdocs virtualization/hyper-v plan/Plan-for-Deploying-Devices-
 * using-Discrete-Device-Assignment.md and deploy/Deploying-graphics-devices-using-dda.md;
 * MicrosoftDocs/Virtualization-Documentation, team blog of November 2015 (force, texts);
 * Justsenger/ExHyperV (states).  A device that SurveyDDA.ps1 calls not assignable is
 * refused as unknown: where a host refuses it, and with which code, is written nowhere.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv-settings.h"
#include "hv.h"
#include "jobs.h"
#include "os.h"
#include "text.h"

static void tick(struct sim_host *host, int64_t now_usec)
{
    struct err err = ERR_INIT;

    if (host->devices_due_usec && now_usec >= host->devices_due_usec &&
        !hv_follow_devices(host, &err))
        host->devices_due_usec = now_usec; /* no memory: the next request tries again */
}

/* ---- taking from the host and giving back ---- */

struct move {
    const struct sim_device *device; /* of the lab: outlives the job */
    bool acs, mitigations;
};

/* One of the two paths is enough (os-win, ExHyperV); both must mean the same device. */
static const struct sim_device *find_device(struct sim_host *host, const char *instance_id,
                                            const char *location)
{
    const struct sim_device *found = instance_id && *instance_id && host->machine
                                         ? sim_machine_device(host->machine, instance_id)
                                         : NULL;

    if (!location || !*location || !host->machine ||
        (instance_id && *instance_id && !found))
        return found;
    for (size_t i = 0; i < host->machine->device_count; i++)
        if (text_ieq(host->machine->devices[i].location_path, location))
            return !found || found == &host->machine->devices[i]
                       ? &host->machine->devices[i]
                       : NULL;
    return NULL;
}

/* What SurveyDDA.ps1 calls not assignable; NULL: nothing. */
static const char *not_assignable(const struct sim_device *device)
{
    const struct sim_pci *pci = &device->pci;

    if (pci->reserved_memory > 0)
        return "dismounting a device whose memory belongs to the firmware";
    if (pci->device_type == 3 && pci->base_class != 3)
        return "dismounting a legacy endpoint that is no display device";
    if (pci->device_type != 2 && pci->device_type != 3 && pci->device_type != 4 &&
        pci->device_type != 5)
        return "dismounting what is no PCI Express endpoint";
    if (device->interrupts == SIM_INTERRUPTS_LINE || pci->interrupt_support == 1)
        return "dismounting a device with line interrupts only";
    return NULL;
}

static uint32_t check_dismount(struct sim_host *host, const struct move *move,
                               const char **why)
{
    const struct sim_device *device = move->device;
    struct sim_object *entity = sim_pnp_entity(host, device->instance_id);

    *why = not_assignable(device);
    if (*why)
        return HV_UNKNOWN;
    if (!sim_pnp_is_present(entity) ||
        sim_pnp_is_present(sim_pnp_dismounted(host, device))) {
        *why = "dismounting a device that the host does not have";
        return HV_UNKNOWN;
    }
    if (hv_number(entity, "ConfigManagerErrorCode") != SIM_PROBLEM_DISABLED) {
        *why = "dismounting a device that is not disabled";
        return HV_UNKNOWN;
    }
    /* Cannot be forced; the text is in public copies of the guide's commands. */
    if (device->pci.device_type == 5) {
        sim_job_say(host,
                    "The operation failed. The current configuration does not allow "
                    "for OS control of the PCI Express bus. Please check your BIOS or "
                    "UEFI settings.");
        return HV_FAILED;
    }
    if (move->mitigations && !device->has_mitigations) {
        sim_job_say(
            host, "The operation failed. The manufacturer of this device has not supplied "
                  "any directives for securing this device while exposing it to a virtual "
                  "machine. The device should only be exposed to trusted virtual "
                  "machines. This device is not supported when passed through to a "
                  "virtual machine.");
        return HV_FAILED;
    }
    if (move->acs && device->pci.acs_up_hierarchy == 0) {
        sim_job_say(host,
                    "The operation failed. Traffic of this device may be redirected to "
                    "other devices: Access Control Services are missing.");
        return HV_FAILED;
    }
    return 0;
}

/* The pool sees it some hundred milliseconds later (a tool retries five times half a
 * second: ExHyperV). */
static void pool_follows(struct sim_host *host, struct err *err)
{
    host->devices_due_usec = os_now_usec() + (int64_t)host->lab->device_ms * 1000;
    if (!host->lab->device_ms && !hv_follow_devices(host, err))
        host->devices_due_usec = 1;
}

static uint32_t dismount(struct sim_host *host, const struct move *move)
{
    struct err err = ERR_INIT;

    if (!sim_device_dismount(host, move->device, &err))
        return HV_FAILED;
    pool_follows(host, &err);
    return 0;
}

static uint32_t finish_dismount(struct sim_host *host, void *user,
                                struct sim_object **affected)
{
    const struct move *move = user;
    const char *why = NULL;
    uint32_t error = check_dismount(host, move, &why);

    if (error)
        return error == HV_UNKNOWN ? HV_INVALID_STATE : error; /* changed meanwhile */
    return dismount(host, move);
}

static bool start_move(struct sim_call *call, const struct move *move, sim_job_fn *finish,
                       struct sim_fault *fault)
{
    struct move *copy = malloc(sizeof(*copy));

    if (!copy)
        return sim_refuse(fault, "w:InternalError", 8, "no memory");
    *copy = *move;
    return sim_job_start(call, "Msvm_ConcreteJob", 260, finish, copy, fault);
}

/* At once or by a job, in turn, like the methods of which both were seen; the path is
 * sometimes empty even on success (ExHyperV). */
static bool is_by_job(struct sim_call *call, uint32_t error)
{
    return error || call->job_fate != SIM_JOB_NORMAL ||
           (call->host->job_ms && call->host->job_parity++ % 2);
}

static bool answer_path(struct sim_call *call, const char *parameter, const char *id,
                        struct sim_fault *fault)
{
    struct err err = ERR_INIT;

    if (!cim_set_text(call->out, parameter, call->host->job_parity % 4 < 2 ? id : "", &err))
        return sim_fault_err(fault, &err);
    return sim_return(call, 0, fault);
}

/* HyperV_v2 msvm-assignabledeviceservice-dismountassignabledevice */
static bool dismount_device(struct sim_call *call, struct sim_fault *fault)
{
    const char *text = cim_get_text(call->in, "DismountSettingData"), *why = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *wanted = NULL;
    CLEANUP(free_cleanup) char *id = NULL;
    const struct cim_class *class;
    struct move move = { 0 };
    uint32_t error;

    if (!text || hv_read_setting(text, &wanted, &class) ||
        !text_ieq(class->name, "Msvm_AssignableDeviceDismountSettingData"))
        return sim_unknown(fault, "dismounting with settings that are malformed");
    move.device = find_device(call->host, cim_get_text(wanted, "DeviceInstancePath"),
                              cim_get_text(wanted, "DeviceLocationPath"));
    if (!move.device)
        return sim_unknown(fault, "dismounting a device that is not there");
    if (!cim_get_bool(wanted, "RequireAcsSupport", &move.acs) ||
        !cim_get_bool(wanted, "RequireDeviceMitigations", &move.mitigations))
        return sim_unknown(fault, "dismounting without saying what is required");
    error = check_dismount(call->host, &move, &why);
    if (error == HV_UNKNOWN)
        return sim_unknown(fault, why);
    if (is_by_job(call, error))
        return start_move(call, &move, finish_dismount, fault);
    error = dismount(call->host, &move);
    if (error)
        return sim_return(call, error, fault);
    id = sim_device_dismounted_id(move.device);
    return answer_path(call, "DismountedDeviceInstancePath", id ? id : "", fault);
}

static uint32_t check_mount(struct sim_host *host, const struct sim_device *device,
                            const char **why)
{
    struct sim_object *express = hv_express_of(host, device);

    if (!sim_pnp_is_present(sim_pnp_dismounted(host, device))) {
        *why = "mounting a device that is not dismounted";
        return HV_UNKNOWN;
    }
    if (express && hv_next_assignment(host, NULL, express)) {
        *why = "mounting a device that a VM has";
        return HV_UNKNOWN;
    }
    return 0;
}

static uint32_t mount_device(struct sim_host *host, const struct sim_device *device)
{
    struct err err = ERR_INIT;

    return sim_device_mount(host, device, &err) && hv_follow_devices(host, &err)
               ? 0
               : HV_FAILED;
}

static uint32_t finish_mount(struct sim_host *host, void *user,
                             struct sim_object **affected)
{
    const struct move *move = user;
    const char *why = NULL;

    return check_mount(host, move->device, &why) ? HV_INVALID_STATE
                                                 : mount_device(host, move->device);
}

/* HyperV_v2 msvm-assignabledeviceservice-mountassignabledevice */
static bool mount_method(struct sim_call *call, struct sim_fault *fault)
{
    struct move move = { .device = find_device(
                             call->host, cim_get_text(call->in, "DeviceInstancePath"),
                             cim_get_text(call->in, "DeviceLocationPath")) };
    const char *why = NULL;
    uint32_t error;

    if (!move.device)
        return sim_unknown(fault, "mounting a device that is not there");
    if (check_mount(call->host, move.device, &why))
        return sim_unknown(fault, why);
    if (is_by_job(call, 0))
        return start_move(call, &move, finish_mount, fault);
    error = mount_device(call->host, move.device);
    if (error)
        return sim_return(call, error, fault);
    return answer_path(call, "MountedDeviceInstancePath", move.device->instance_id, fault);
}

#define SERVICE "Msvm_AssignableDeviceService"

static const struct sim_method methods[] = {
    { HV_NS, SERVICE, "DismountAssignableDevice", dismount_device,
      "HyperV_v2 msvm-assignabledeviceservice-dismountassignabledevice" },
    { HV_NS, SERVICE, "MountAssignableDevice", mount_method,
      "HyperV_v2 msvm-assignabledeviceservice-mountassignabledevice" },
    { 0 },
};

const struct sim_behaviour sim_dda_behaviour = {
    .name = "dda",
    .methods = methods,
    .tick = tick,
};
