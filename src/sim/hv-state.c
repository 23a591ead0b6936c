/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM states: starting and stopping, what forbids a start, and the objects that exist
 * only while a VM runs.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "hv.h"
#include "jobs.h"
#include "os.h"
#include "text.h"
#include "world.h"

unsigned hv_state(struct sim_object *system)
{
    return (unsigned)hv_number(system, "EnabledState");
}

const struct lab_vm *hv_lab_vm(struct sim_host *host, struct sim_object *system)
{
    if (host->cluster)
        return cluster_lab_vm(host->cluster, hv_text(system, "Name"));
    for (size_t i = 0; i < host->lab->vm_count; i++)
        if (text_ieq(host->lab->vms[i].id, hv_text(system, "Name")))
            return &host->lab->vms[i];
    return NULL;
}

bool hv_has_device(struct sim_host *host, const char *vm_id)
{
    return hv_next_resource(host, NULL, "Msvm_GpuPartitionSettingData", vm_id) ||
           hv_next_resource(host, NULL, "Msvm_PciExpressSettingData", vm_id);
}

static bool uses_disk(struct sim_host *host, const char *path)
{
    struct sim_object *o = NULL;

    while (
        (o = sim_store_next(host->store, o, HV_NS, "Msvm_StorageAllocationSettingData"))) {
        const char *resource = cim_get_text_at(sim_object_instance(o), "HostResource", 0);
        struct sim_object *system;
        char id[37];

        if (!resource || !text_ieq(resource, path) ||
            !hv_vm_id_of(hv_text(o, "InstanceID"), id))
            continue;
        system = hv_vm_by_id(host, id);
        if (system && hv_state(system) != HV_OFF)
            return true;
    }
    return false;
}

/* On the shared storage of a cluster it may be a VM of another node. */
bool sim_vm_uses_disk(struct sim_host *host, const char *path)
{
    struct sim_cluster *cluster = lab_is_shared_path(path) ? host->cluster : NULL;

    if (uses_disk(host, path))
        return true;
    for (size_t i = 0; cluster && i < cluster->node_count; i++) {
        struct err err = ERR_INIT;

        /* Of a node whose state cannot be read nothing is known: better in use. */
        if (cluster->nodes[i] != host &&
            (!sim_host_open(cluster->lab, cluster->nodes[i], &err) ||
             uses_disk(cluster->nodes[i], path)))
            return true;
    }
    return false;
}

/* By this host, or by another node if it lies on shared storage. */
static bool is_attached_to_host(struct sim_host *host, const char *path)
{
    struct sim_cluster *cluster = lab_is_shared_path(path) ? host->cluster : NULL;
    bool found = hv_find_by_text(host, "Msvm_MountedStorageImage", "Name", path);

    for (size_t i = 0; cluster && !found && i < cluster->node_count; i++) {
        struct err err = ERR_INIT;

        found =
            !sim_host_open(cluster->lab, cluster->nodes[i], &err) ||
            hv_find_by_text(cluster->nodes[i], "Msvm_MountedStorageImage", "Name", path);
    }
    return found;
}

/* ---- what forbids a start ---- */

/* Server editions refuse paravirtual GPUs whose driver does not declare itself secure,
 * unless both values are 0 (MicrosoftDocs/windowsserverdocs DDA pages;
 * b1on1cdog/FastGPUP issue 3; Easy-GPU-PV issue 417). */
static bool policy_forbids(struct sim_host *host)
{
    static const char *const names[] = { "RequireSecureDeviceAssignment",
                                         "RequireSupportedDeviceAssignment" };
    struct err err = ERR_INIT;
    struct sim_world *world;

    if (!text_istarts(host->edition, "Server"))
        return false;
    world = sim_host_world(host, &err);
    for (size_t i = 0; world && i < ARRAY_LEN(names); i++) {
        struct hive_value value = { 0 };
        uint64_t number = 1;

        if (world_reg_get(world, "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV",
                          names[i], &value) == 0 &&
            !hive_value_u64(&value, &number))
            number = 1;
        hive_value_clear(&value);
        if (number)
            return true;
    }
    return !world;
}

static uint32_t refuse_partition(struct sim_host *host, const char *name, const char *why)
{
    /* The text's layers as reported (Easy-GPU-PV issues 361, 417; ExHyperV issue 43). */
    sim_job_say(host,
                "'%s' failed to start. GPU Partition: failed to power on with error "
                "'%s'",
                name, why);
    return HV_FAILED;
}

/* How many of the VM's adapters are pinned to the GPU that @adapter is pinned to. */
static unsigned pins_to(struct sim_host *host, const char *vm_id,
                        struct sim_object *adapter)
{
    const char *pin = cim_get_text_at(sim_object_instance(adapter), "HostResource", 0);
    struct sim_object *o = NULL;
    unsigned count = 0;

    if (!pin || !*pin)
        return 1;
    while ((o = hv_next_resource(host, o, "Msvm_GpuPartitionSettingData", vm_id))) {
        const char *other = cim_get_text_at(sim_object_instance(o), "HostResource", 0);

        count += other && hv_gpu_by_path(host, other) == hv_gpu_by_path(host, pin);
    }
    return count;
}

static uint32_t check_adapters(struct sim_host *host, struct sim_object *system)
{
    static const char no_resources[] =
        "Insufficient system resources exist to complete the requested service. (0x800705AA)";
    const char *id = hv_text(system, "Name"), *name = hv_text(system, "ElementName");
    const struct lab_vm *lab = hv_lab_vm(host, system);
    struct sim_object *adapter = NULL;

    for (size_t i = 0; lab && i < lab->adapter_count; i++)
        if (lab->adapters[i].stale)
            return refuse_partition(host, name, no_resources);
    while (
        (adapter = hv_next_resource(host, adapter, "Msvm_GpuPartitionSettingData", id))) {
        struct sim_object *gpu = hv_gpu_for(host, adapter);

        if (!gpu)
            return refuse_partition(host, name, no_resources);
        if (hv_is_paravirtual(gpu) && policy_forbids(host))
            return refuse_partition(host, name, no_resources);
        if (hv_partitions_in_use(host, gpu) + pins_to(host, id, adapter) >
            hv_number(gpu, "PartitionCount"))
            return refuse_partition(host, name, no_resources);
    }
    return 0;
}

static uint32_t check_start(struct sim_host *host, struct sim_object *system)
{
    const char *id = hv_text(system, "Name"), *name = hv_text(system, "ElementName");
    struct sim_object *settings = hv_settings_of(host, id), *disk = NULL;
    struct sim_object *memory = hv_next_resource(host, NULL, "Msvm_MemorySettingData", id);
    uint64_t top_mb;
    uint32_t error;

    if (!settings || !memory)
        return HV_NOT_AVAILABLE;
    top_mb =
        hv_number(settings, "HighMmioGapBase") + hv_number(settings, "HighMmioGapSize");
    /* MicrosoftDocs/Virtualization-Documentation, DDA blog: the gap must end within the
     * processor's physical addresses. */
    if (top_mb > UINT64_C(1) << (host->lab->address_bits - 20)) {
        sim_job_say(host,
                    "'%s' could not initialize. The upper MMIO region lies above the "
                    "supported physical address range.",
                    name);
        return HV_FAILED;
    }
    if (hv_has_device(host, id)) {
        /* HyperV-WMI recipe mem_dynamic (measured). */
        if (hv_number(memory, "DynamicMemoryEnabled") &&
            hv_number(memory, "VirtualQuantity") != hv_number(memory, "Reservation")) {
            sim_job_say(host,
                        "'%s' cannot start: dynamic memory whose startup and minimum "
                        "differ does not go with an assigned device.",
                        name);
            return HV_FAILED;
        }
        /* Easy-GPU-PV issue 469 */
        if (hv_state(system) == HV_STARTING && hv_number(settings, "IsSaved")) {
            sim_job_say(host,
                        "The operation cannot be performed for '%s' because it is assigned "
                        "one or more GPUP partitions.",
                        name);
            return HV_FAILED;
        }
    }
    while ((disk = hv_next_resource(host, disk, "Msvm_StorageAllocationSettingData", id))) {
        const char *path = cim_get_text_at(sim_object_instance(disk), "HostResource", 0);

        if (path && is_attached_to_host(host, path)) {
            sim_job_say(
                host,
                "'%s' failed to start. Attachment '%s': the process cannot access "
                "the file because it is being used by another process. (0x80070020)",
                name, path);
            return HV_FAILED;
        }
    }
    error = hv_check_devices(host, system);
    return error ? error : check_adapters(host, system);
}

/* ---- transitions ---- */

bool hv_new_process(struct sim_host *host, struct sim_object *system, struct err *err)
{
    uint32_t pid = 0;

    os_random(&pid, sizeof(pid));
    return object_set_number(host, system, "ProcessID", 4096 + pid % 60000 / 4 * 4, err);
}

/* Values recorded from running and stopped VMs (go-wsman). */
static bool settle(struct sim_host *host, struct sim_object *system, unsigned state,
                   struct err *err)
{
    bool was_alive = hv_number(system, "ProcessID") != 0;
    bool alive = state == HV_RUNNING || state == HV_PAUSED;
    struct cim_datetime now = { .usec = os_now_usec() };
    struct sim_object *settings = hv_settings_of(host, hv_text(system, "Name"));

    if (!object_set_number(host, system, "EnabledState", state, err) ||
        !object_set_number(host, system, "RequestedState", 5, err) ||
        !object_set_number(host, system, "EnabledDefault", alive ? 2 : 3, err) ||
        !object_set_number(host, system, "EnhancedSessionModeState", alive ? 6 : 3, err) ||
        !object_set_number(host, system, "OnTimeInMilliseconds", 0, err) ||
        !cim_set_datetime(sim_object_instance(system), "TimeOfLastStateChange", &now,
                          err) ||
        (settings && !object_set_number(host, settings, "IsSaved", state == HV_SAVED, err)))
        return false;
    if (alive && !was_alive) {
        if (!hv_new_process(host, system, err) ||
            !object_set_text(host, system, "HwThreadsPerCoreRealized", "2", err) ||
            !hv_make_devices(host, system, err))
            return false;
    }
    if (!alive) {
        cim_unset(sim_object_instance(system), "ProcessID");
        cim_unset(sim_object_instance(system), "HwThreadsPerCoreRealized");
        hv_remove_devices(host, system);
    }
    return true;
}

bool hv_settle(struct sim_host *host, struct sim_object *system, unsigned state,
               struct err *err)
{
    return settle(host, system, state, err);
}

uint32_t hv_start_now(struct sim_host *host, struct sim_object *system)
{
    struct err err = ERR_INIT;
    uint32_t error = check_start(host, system);

    if (error || settle(host, system, HV_RUNNING, &err))
        return error;
    if (!settle(host, system, HV_OFF, &err)) /* one of two adapters had no partition */
        hv_remove_devices(host, system);
    return HV_FAILED;
}

struct transition {
    unsigned from, to; /* EnabledState */
    char vm_id[37];
};

static uint32_t finish_transition(struct sim_host *host, void *user,
                                  struct sim_object **affected)
{
    const struct transition *t = user;
    struct sim_object *system = hv_vm_by_id(host, t->vm_id);
    struct err err = ERR_INIT;
    uint32_t error = 0;

    if (!system)
        return HV_NOT_AVAILABLE;
    if (t->to == HV_RUNNING && t->from != HV_PAUSED && t->from != HV_RUNNING)
        error = check_start(host, system);
    if (t->to == HV_SAVED && hv_has_device(host, t->vm_id)) {
        /* Easy-GPU-PV issue 469 */
        sim_job_say(host,
                    "The operation cannot be performed for '%s' because it is assigned "
                    "one or more GPUP partitions or devices.",
                    hv_text(system, "ElementName"));
        error = HV_FAILED;
    }
    if (!settle(host, system, error ? t->from : t->to, &err)) {
        /* A partition that was free in the check is not free for two adapters "any". */
        sim_job_say(host, "'%s' failed to start.", hv_text(system, "ElementName"));
        if (!settle(host, system, HV_OFF, &err))
            hv_remove_devices(host, system);
        return HV_FAILED;
    }
    return error;
}

static const struct {
    unsigned requested, from, between, to, job_type;
} transitions[] = {
    { 2, HV_OFF, HV_STARTING, HV_RUNNING, 12 },
    { 2, HV_SAVED, HV_STARTING, HV_RUNNING, 15 },
    { 2, HV_PAUSED, HV_RESUMING, HV_RUNNING, 27 },
    { 3, HV_RUNNING, HV_STOPPING, HV_OFF, 13 },
    { 3, HV_PAUSED, HV_STOPPING, HV_OFF, 13 },
    { 6, HV_RUNNING, HV_SAVING, HV_SAVED, 14 },
    { 6, HV_PAUSED, HV_SAVING, HV_SAVED, 14 },
    { 9, HV_RUNNING, HV_PAUSING, HV_PAUSED, 26 },
    { 10, HV_RUNNING, HV_RUNNING, HV_RUNNING, 28 },
    { 11, HV_RUNNING, HV_RUNNING, HV_RUNNING, 28 },
};

/* HyperV_v2 requeststatechange-msvm-computersystem; 32768 and 32769 are the values of the
 * first version, still used by tools; the state the VM already has: 32775 (os-win). */
static bool request_state_change(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_object *system = call->object;
    unsigned state = hv_state(system);
    uint64_t requested = 0;
    struct err err = ERR_INIT;

    if (hv_is_host(call->host, system))
        return sim_unknown(fault, "changing the state of the host's own computer system");
    if (!cim_get_u64(call->in, "RequestedState", &requested))
        return sim_return(call, HV_INVALID_PARAMETER, fault);
    requested = requested == 32768 ? 9 : requested == 32769 ? 6 : requested;
    if (requested == 9 && hv_next_resource(call->host, NULL, "Msvm_PciExpressSettingData",
                                           hv_text(system, "Name")))
        return sim_unknown(fault, "pausing a VM that has an assigned device");
    for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
        struct transition *t;

        if (transitions[i].requested != requested || transitions[i].from != state)
            continue;
        t = calloc(1, sizeof(*t));
        if (!t ||
            !object_set_number(call->host, system, "EnabledState", transitions[i].between,
                               &err) ||
            !object_set_number(call->host, system, "RequestedState", requested, &err)) {
            free(t);
            return sim_fault_err(fault, &err);
        }
        t->from = state;
        t->to = transitions[i].to;
        snprintf(t->vm_id, sizeof(t->vm_id), "%s", hv_text(system, "Name"));
        return sim_job_start(call, "Msvm_ConcreteJob", (uint16_t)transitions[i].job_type,
                             finish_transition, t, fault);
    }
    if (requested == 3 && state == HV_SAVED)
        return sim_unknown(fault, "turning off a saved VM through RequestStateChange");
    for (size_t i = 0; i < ARRAY_LEN(transitions); i++)
        if (transitions[i].requested == requested)
            return sim_return(call, HV_INVALID_STATE, fault);
    return sim_unknown(fault, "RequestStateChange with this RequestedState");
}

/* ---- the guest's shutdown service ---- */

/* HyperV_v2 msvm-shutdowncomponent-initiateshutdown: no job; the code is immediate, the
 * guest takes its time. */
static bool initiate_shutdown(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_object *system =
        hv_vm_by_id(call->host, hv_text(call->object, "SystemName"));
    bool reboot = text_ieq(call->method, "InitiateReboot"), force = false;
    struct cim_datetime now = { .usec = os_now_usec() };
    const struct lab_vm *lab;
    struct err err = ERR_INIT;

    if (!system)
        return sim_return(call, HV_NOT_AVAILABLE, fault);
    lab = hv_lab_vm(call->host, system);
    cim_get_bool(call->in, "Force", &force);
    if (hv_state(system) == HV_SHUTTING_DOWN)
        return sim_return(call, 32782, fault);
    if (hv_state(system) != HV_RUNNING)
        return sim_return(call, 32780, fault);
    if (lab && lab->guest_locked && !force)
        return sim_return(call, 32781, fault);
    if (!reboot &&
        (!object_set_number(call->host, system, "EnabledState", HV_SHUTTING_DOWN, &err) ||
         !cim_set_datetime(sim_object_instance(system), "TimeOfLastStateChange", &now,
                           &err)))
        return sim_fault_err(fault, &err);
    return sim_return(call, 0, fault);
}

static void tick(struct sim_host *host, int64_t now_usec)
{
    struct sim_object *o = NULL;
    struct err err = ERR_INIT;

    while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_ComputerSystem"))) {
        struct cim_datetime since = { 0 };

        if (!hv_number(o, "ProcessID") ||
            !cim_get_datetime(sim_object_instance(o), "TimeOfLastStateChange", &since))
            continue;
        if (hv_state(o) == HV_SHUTTING_DOWN &&
            now_usec >= since.usec + (int64_t)host->job_ms * 1000) {
            if (!settle(host, o, HV_OFF, &err))
                return; /* no memory; the next request tries again */
            continue;
        }
        /* Read, not kept: the host need not be saved for it. */
        if (!cim_set_uint(sim_object_instance(o), "OnTimeInMilliseconds", CIM_UINT64,
                          (uint64_t)(now_usec - since.usec) / 1000, &err))
            return;
    }
}

/* What the host's end does to a VM (HyperV_v2 cim-virtualsystemsettingdata
 * AutomaticShutdownAction); one with a device cannot be saved. */
static unsigned state_after_end(struct sim_host *host, struct sim_object *system)
{
    const char *id = hv_text(system, "Name");
    struct sim_object *vssd = hv_settings_of(host, id);

    if (!hv_number(system, "ProcessID"))
        return hv_state(system);
    return vssd && hv_number(vssd, "AutomaticShutdownAction") == 3 &&
                   !hv_has_device(host, id)
               ? HV_SAVED
               : HV_OFF;
}

/* AutomaticStartupAction: 2 nothing, 3 if it ran before, 4 always. */
static bool start_after_boot(struct sim_host *host, struct sim_object *system, bool ran,
                             struct err *err)
{
    struct sim_object *vssd = hv_settings_of(host, hv_text(system, "Name"));
    uint64_t action = vssd ? hv_number(vssd, "AutomaticStartupAction") : 2;
    unsigned before = hv_state(system);

    if (action != 4 && !(action == 3 && ran))
        return true;
    if (check_start(host, system) != 0)
        return true;
    if (settle(host, system, HV_RUNNING, err))
        return true;
    *err = (struct err)ERR_INIT; /* no partition is free: it stays as it was */
    return settle(host, system, before, err);
}

/* What waited for a restart: being disabled, and working again. */
static bool boot_devices(struct sim_host *host, struct err *err)
{
    for (size_t i = 0; host->machine && i < host->machine->device_count; i++) {
        const struct sim_device *device = &host->machine->devices[i];
        struct sim_object *entity = sim_pnp_entity(host, device->instance_id);
        uint64_t problem = entity ? hv_number(entity, "ConfigManagerErrorCode") : 0;
        bool ok = true;

        if (problem == SIM_PROBLEM_NEED_RESTART)
            ok = sim_device_stop(host, device, SIM_PROBLEM_DISABLED, err) &&
                 hv_device_changed(host, device, false, err);
        else if (problem && problem == device->problem_after_return)
            ok = sim_device_start(host, device, err) &&
                 hv_device_changed(host, device, true, err);
        if (!ok)
            return false;
    }
    return true;
}

/* Attached without a wish to stay, images are gone after a restart (HyperV_v2
 * attachvirtualharddisk-msvm-imagemanagementservice). */
static bool detach_images(struct sim_host *host, struct err *err)
{
    CLEANUP(free_cleanup) char *made = text_printf("%s/files-made", host->dir);
    struct sim_world *world;

    if (!made)
        return err_no_memory(err);
    if (!os_file_exists(made))
        return true; /* nobody has looked at its files yet */
    world = sim_host_world(host, err);
    for (size_t i = 0; world && i < host->machine->disk_count; i++)
        if (world_is_attached(world, host->machine->disks[i].path) &&
            !world_detach(world, host->machine->disks[i].path, err))
            return false;
    return world != NULL;
}

bool hv_reboot(struct sim_host *host,
               bool (*while_off)(struct sim_host *host, void *user, struct err *err),
               void *user, struct err *err)
{
    struct sim_object *o = NULL;
    bool ran[LAB_VM_MAX] = { false };
    size_t n = 0;

    host->dirty = true;
    while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_ComputerSystem"))) {
        if (hv_is_host(host, o))
            continue;
        if (n < ARRAY_LEN(ran))
            ran[n++] = hv_state(o) == HV_RUNNING;
        if (!settle(host, o, state_after_end(host, o), err))
            return false;
    }
    if (!boot_devices(host, err) || !detach_images(host, err) ||
        (while_off && !while_off(host, user, err)) || !hv_follow_devices(host, err))
        return false;
    for (n = 0; (o = sim_store_next(host->store, o, HV_NS, "Msvm_ComputerSystem"));) {
        if (hv_is_host(host, o))
            continue;
        if (!start_after_boot(host, o, n < ARRAY_LEN(ran) && ran[n], err))
            return false;
        n++;
    }
    return true;
}

bool hv_after_load(struct sim_host *host, struct err *err)
{
    struct sim_object *o = NULL;

    while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_ComputerSystem")))
        switch (hv_state(o)) {
        case HV_STARTING:
        case HV_STOPPING:
        case HV_SAVING:
            if (!settle(host, o, HV_OFF, err))
                return false;
            break;
        case HV_PAUSING:
        case HV_RESUMING:
            if (!settle(host, o, HV_RUNNING, err))
                return false;
            break;
        }
    return hv_follow_devices(host, err);
}

static const struct sim_method methods[] = {
    { HV_NS, "Msvm_ComputerSystem", "RequestStateChange", request_state_change,
      "HyperV_v2 requeststatechange-msvm-computersystem" },
    { HV_NS, "Msvm_ShutdownComponent", "InitiateShutdown", initiate_shutdown,
      "HyperV_v2 msvm-shutdowncomponent-initiateshutdown" },
    { HV_NS, "Msvm_ShutdownComponent", "InitiateReboot", initiate_shutdown,
      "HyperV_v2 msvm-shutdowncomponent-initiatereboot" },
    { 0 },
};

const struct sim_behaviour sim_state_behaviour = {
    .name = "vm-state",
    .methods = methods,
    .tick = tick,
};
