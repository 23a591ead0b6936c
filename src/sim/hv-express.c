/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that VMs have whole: Msvm_PciExpress lists what was taken from the host, and once
 * more what a running VM uses; Msvm_PciExpressSettingData is what a VM has of it.
 *
 * Sources: os-win os_win/utils/compute/vmutils.py; Justsenger/ExHyperV;
 * MicrosoftDocs/windowsserverdocs virtualization/hyper-v plan/Plan-for-Deploying-Devices-
 * using-Discrete-Device-Assignment.md and deploy/Deploying-graphics-devices-using-dda.md.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv-settings.h"
#include "hv.h"
#include "jobs.h"
#include "os.h"
#include "text.h"

/* ---- the pool of assignable devices ---- */

struct sim_object *hv_express_of(struct sim_host *host, const struct sim_device *device)
{
    CLEANUP(free_cleanup) char *id = sim_device_dismounted_id(device);
    struct sim_object *o = NULL;

    while (id && (o = sim_store_next(host->store, o, HV_NS, "Msvm_PciExpress")))
        if (text_ieq(hv_text(o, "DeviceInstancePath"), id) &&
            text_ieq(hv_text(o, "SystemName"), host->name))
            return o;
    return NULL;
}

struct sim_object *hv_express_by_path(struct sim_host *host, const char *text)
{
    struct err err = ERR_INIT;
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_parse(text, &err);

    if (!path || !text_ieq(path->class_name, "Msvm_PciExpress") ||
        !text_ieq(cim_path_get(path, "SystemName"), host->name))
        return NULL;
    if (path->host && !text_ieq(path->host, host->name) && !text_ieq(path->host, ".") &&
        !text_ieq(path->host, "localhost"))
        return NULL;
    return sim_store_find(host->store, path);
}

/* The id's form is public ("Microsoft:ED28B-7BDD0\PCIP\VEN_..."), what the first two
 * numbers mean is not: they are made up. */
static bool make_express(struct sim_host *host, const struct sim_device *device,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *path = sim_device_dismounted_id(device);
    CLEANUP(free_cleanup) char *id = NULL;
    char guid[37];
    struct maker m;

    if (!path)
        return err_no_memory(err);
    lab_guid(guid, path);
    id = text_printf("Microsoft:%.5s-%.5s\\%s", guid, guid + 24, path);
    if (!id)
        return err_no_memory(err);
    make_begin(&m, host, HV_NS, "Msvm_PciExpress", err);
    make_text(&m, "SystemCreationClassName", "Msvm_ComputerSystem");
    make_text(&m, "SystemName", host->name);
    make_text(&m, "CreationClassName", "Msvm_PciExpress");
    make_text(&m, "DeviceID", id);
    make_text(&m, "DeviceInstancePath", path);
    make_text(&m, "LocationPath", device->location_path);
    make_number(&m, "EnabledState", 2);
    make_number(&m, "HealthState", 5);
    make_number(&m, "OperationalStatus", 2);
    return make_end(&m) != NULL;
}

bool hv_follow_devices(struct sim_host *host, struct err *err)
{
    const struct sim_machine *machine = host->machine;

    host->devices_due_usec = 0;
    if (!host->lab || !host->lab->hyperv)
        return true;
    for (size_t i = 0; machine && i < machine->device_count; i++) {
        const struct sim_device *device = &machine->devices[i];
        struct sim_object *express = hv_express_of(host, device);
        bool dismounted = sim_pnp_is_present(sim_pnp_dismounted(host, device));

        if (dismounted == (express != NULL))
            continue;
        host->dirty = true;
        if (express)
            sim_store_remove_with_links(host->store, express);
        else if (!make_express(host, device, err))
            return false;
    }
    return true;
}

/* ---- a device of the host starts and stops ---- */

static struct sim_object *partitionable(struct sim_host *host,
                                        const struct sim_device *device, size_t *ret_number)
{
    size_t n = (size_t)(device - host->machine->devices);

    if (!host->lab || n >= host->lab->gpu_count)
        return NULL;
    *ret_number = n;
    return hv_find_by_text(host, "Msvm_PartitionableGpu", "Name",
                           host->lab->gpus[n].interface_path);
}

bool hv_may_stop_device(struct sim_host *host, const struct sim_device *device,
                        const char **why)
{
    size_t n = 0;
    struct sim_object *gpu = partitionable(host, device, &n);

    if (gpu && hv_partitions_in_use(host, gpu)) {
        *why = "stopping a GPU of which VMs have partitions";
        return false;
    }
    if (gpu && hv_number(gpu, "PartitionCount") != host->lab->gpus[n].partition_count) {
        *why = "stopping a GPU whose partition count was changed: whether it keeps it";
        return false;
    }
    return true;
}

bool hv_device_changed(struct sim_host *host, const struct sim_device *device, bool started,
                       struct err *err)
{
    size_t n = SIZE_MAX;
    struct sim_object *gpu;

    if (!host->lab || !host->lab->hyperv)
        return true;
    gpu = partitionable(host, device, &n);
    if (!started && gpu)
        sim_store_remove_with_links(host->store, gpu);
    return !started || n == SIZE_MAX || hv_add_gpu(host, n, err);
}

/* ---- what a VM has ---- */

struct sim_object *hv_make_express_setting(struct sim_host *host,
                                           struct sim_object *settings,
                                           struct sim_object *express, const char *guid,
                                           struct err *err)
{
    struct sim_object *object;
    char fresh[37], id[128], braced[40];
    struct maker m;

    if (!guid)
        os_guid(fresh);
    snprintf(id, sizeof(id), "Microsoft:%s\\%s",
             hv_text(settings, "VirtualSystemIdentifier"), guid ? guid : fresh);
    snprintf(braced, sizeof(braced), "{%s}", guid ? guid : fresh);
    make_begin(&m, host, HV_NS, "Msvm_PciExpressSettingData", err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "ElementName",
              text_istarts(host->locale, "ja") ? "PCI Express ポート" : "PCI Express Port");
    make_number(&m, "ResourceType", HV_PCIE_TYPE);
    make_text(&m, "ResourceSubType", HV_PCIE_SUBTYPE);
    make_text(&m, "PoolID", "");
    hv_make_one_of(&m);
    make_number(&m, "VirtualFunctions", 0);
    make_text(&m, "VirtualSystemIdentifiers", braced);
    if (express)
        make_ref(&m, "HostResource", express);
    else {
        CLEANUP(free_cleanup)
        char *gone = text_printf(
            "\\\\%s\\root\\virtualization\\v2:Msvm_PciExpress.CreationClassName=\"Msvm_"
            "PciExpress\",DeviceID=\"Microsoft:5A0C1-77D20\\\\PCIP\\\\VEN_10DE&DEV_1EB8&"
            "SUBSYS_12A210DE&REV_A1\\\\4&1F7D1A25&0&0018\",SystemCreationClassName=\"Msvm_"
            "ComputerSystem\",SystemName=\"%s\"",
            host->name, host->name);

        if (gone)
            make_text(&m, "HostResource", gone);
        else
            m.failed = true;
    }
    object = make_end(&m);
    return object && sim_store_link(
                         host->store, HV_NS, "Msvm_VirtualSystemSettingDataComponent",
                         "GroupComponent", settings, "PartComponent", object, err)
               ? object
               : NULL;
}

static struct sim_object *express_of_setting(struct sim_host *host,
                                             struct sim_object *setting)
{
    const char *path = cim_get_text_at(sim_object_instance(setting), "HostResource", 0);

    return path ? hv_express_by_path(host, path) : NULL;
}

const struct sim_device *hv_device_of_setting(struct sim_host *host,
                                              struct sim_object *setting)
{
    struct sim_object *express = express_of_setting(host, setting);

    return express && host->machine
               ? sim_machine_device(host->machine, hv_text(express, "DeviceInstancePath"))
               : NULL;
}

struct sim_object *hv_next_assignment(struct sim_host *host, struct sim_object *after,
                                      struct sim_object *express)
{
    struct sim_object *o = after;
    char id[37];

    while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_PciExpressSettingData")))
        if (hv_vm_id_of(hv_text(o, "InstanceID"), id) &&
            express_of_setting(host, o) == express)
            return o;
    return NULL;
}

/* "Count 1: free, 2: in use" (os-win). */
bool hv_make_guest_device(struct sim_host *host, struct sim_object *system,
                          struct sim_object *setting, struct err *err)
{
    struct sim_object *express = express_of_setting(host, setting);
    struct maker m;

    if (!express)
        return err_fail(err, ERR_NOT_FOUND, 0, "the assigned device is not there");
    hv_begin_device(&m, host, "Msvm_PciExpress", system, setting, err);
    make_text(&m, "DeviceInstancePath", hv_text(express, "DeviceInstancePath"));
    make_text(&m, "LocationPath", hv_text(express, "LocationPath"));
    return hv_link_device(host, system, make_end(&m), setting, err);
}

/* The planning page: no dynamic memory, no checkpoints, no saved state, stop action
 * TurnOff; both generations.  The VM is off while its devices change. */
static uint32_t check_vm(struct sim_host *host, const char *vm_id, const char **why)
{
    struct sim_object *system = hv_vm_by_id(host, vm_id);
    struct sim_object *vssd = hv_settings_of(host, vm_id), *snapshot = NULL;
    struct sim_object *memory =
        hv_next_resource(host, NULL, "Msvm_MemorySettingData", vm_id);

    if (!system || !vssd || !memory)
        return HV_NOT_AVAILABLE;
    if (hv_state(system) != HV_OFF) {
        *why = "assigning a device to a VM that is not off: one tool reports that it works "
               "while it runs, Microsoft's guide stops it first";
        return HV_UNKNOWN;
    }
    while ((snapshot = sim_store_next(host->store, snapshot, HV_NS,
                                      "Msvm_VirtualSystemSettingData")))
        if (snapshot != vssd &&
            text_ieq(hv_text(snapshot, "VirtualSystemIdentifier"), vm_id)) {
            *why = "assigning a device to a VM that has checkpoints";
            return HV_UNKNOWN;
        }
    if (hv_number(vssd, "AutomaticShutdownAction") == 3) {
        sim_job_say(host,
                    "'%s': a device cannot be assigned while the automatic stop action is "
                    "to save the virtual machine.",
                    hv_text(system, "ElementName"));
        return HV_FAILED;
    }
    /* chanket/DDA sets startup to minimum first; the planning page excludes it. */
    if (hv_number(memory, "DynamicMemoryEnabled") &&
        hv_number(memory, "VirtualQuantity") != hv_number(memory, "Reservation")) {
        sim_job_say(host, "'%s': dynamic memory does not go with an assigned device.",
                    hv_text(system, "ElementName"));
        return HV_FAILED;
    }
    return 0;
}

uint32_t hv_check_assign(struct sim_host *host, const char *vm_id,
                         const struct cim_instance *wanted, struct sim_object **ret_express,
                         const char **why)
{
    const char *resource = cim_get_text_at(wanted, "HostResource", 0);
    const char *pool = cim_get_text(wanted, "PoolID");
    const char *subtype = cim_get_text(wanted, "ResourceSubType");
    uint64_t type = 0;

    if (!cim_get_u64(wanted, "ResourceType", &type) || type != HV_PCIE_TYPE ||
        !text_ieq(subtype, HV_PCIE_SUBTYPE))
        return HV_INVALID_PARAMETER;
    if (pool && *pool) {
        *why = "assigning a device from a pool of its own";
        return HV_UNKNOWN;
    }
    if (!resource || !*resource) {
        *why = "assigning a device that HostResource does not name";
        return HV_UNKNOWN;
    }
    /* As with GPU partitions: a full object path with doubled backslashes (HyperV-WMI). */
    *ret_express = hv_express_by_path(host, resource);
    if (!*ret_express)
        return HV_INVALID_PARAMETER;
    if (hv_next_assignment(host, NULL, *ret_express)) {
        *why = "assigning a device that a VM has already";
        return HV_UNKNOWN;
    }
    return check_vm(host, vm_id, why);
}

uint32_t hv_check_unassign(struct sim_host *host, const char *vm_id, const char **why)
{
    struct sim_object *system = hv_vm_by_id(host, vm_id);

    if (!system)
        return HV_NOT_AVAILABLE;
    if (hv_state(system) != HV_OFF) {
        *why = "taking an assigned device from a VM that is not off";
        return HV_UNKNOWN;
    }
    return 0;
}

static uint32_t refuse_start(struct sim_host *host, struct sim_object *system,
                             const char *why)
{
    sim_job_say(host,
                "'%s' failed to start. Virtual Pci Express Port: Failed to Power on with "
                "Error '%s'",
                hv_text(system, "ElementName"), why);
    return HV_FAILED;
}

uint32_t hv_check_devices(struct sim_host *host, struct sim_object *system)
{
    struct sim_object *setting = NULL;

    while ((setting = hv_next_resource(host, setting, "Msvm_PciExpressSettingData",
                                       hv_text(system, "Name")))) {
        /* windowsserverdocs issue 3083, ExHyperV issue 98 */
        if (!express_of_setting(host, setting))
            return refuse_start(host, system, "Element not found. (0x80070490)");
        /* tfslabs/HyperV-DDA issue 2: client editions assign, but do not start. */
        if (!text_istarts(host->edition, "Server"))
            return refuse_start(
                host, system,
                "A hypervisor feature is not available to the user. (0xC035001E)");
    }
    return 0;
}
