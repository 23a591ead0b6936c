/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM states: starting and stopping, what forbids a start, and the objects that exist
 * only while a VM runs.
 */
#include <stdlib.h>
#include <string.h>

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

bool sim_vm_uses_disk(struct sim_host *host, const char *path)
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

/* ---- GPU partitions ---- */

unsigned hv_partitions_in_use(struct sim_host *host, struct sim_object *gpu)
{
    struct sim_object *o = NULL;
    unsigned count = 0;

    while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_GpuPartition")))
        count += text_ieq(hv_text(o, "DeviceInstancePath"), hv_text(gpu, "Name"));
    return count;
}

static bool is_paravirtual(struct sim_object *gpu)
{
    return text_iends(hv_text(gpu, "Name"), "\\GPUPARAV");
}

/* "The available values move as virtual GPUs start and stop" (windows-driver-docs-ddi
 * dispmprt); for GPU-PV the placeholders were seen unchanged. */
static bool count_available(struct sim_host *host, struct sim_object *gpu, struct err *err)
{
    static const char *const what[] = { "VRAM", "Encode", "Decode", "Compute" };
    uint64_t parts = hv_number(gpu, "PartitionCount");
    uint64_t used = hv_partitions_in_use(host, gpu);

    if (is_paravirtual(gpu) || !parts)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(what); i++) {
        char total[24], available[24];
        uint64_t all;

        snprintf(total, sizeof(total), "Total%s", what[i]);
        snprintf(available, sizeof(available), "Available%s", what[i]);
        all = hv_number(gpu, total);
        if (!object_set_number(host, gpu, available, all - all / parts * used, err))
            return false;
    }
    return true;
}

/* The GPU an adapter gets: its pin, else the first with a free partition; NULL: none. */
static struct sim_object *gpu_for(struct sim_host *host, struct sim_object *adapter)
{
    const char *pin = cim_get_text_at(sim_object_instance(adapter), "HostResource", 0);
    struct sim_object *gpu = NULL;

    if (pin && *pin) {
        gpu = hv_gpu_by_path(host, pin);
        return gpu && hv_partitions_in_use(host, gpu) < hv_number(gpu, "PartitionCount")
                   ? gpu
                   : NULL;
    }
    while ((gpu = sim_store_next(host->store, gpu, HV_NS, "Msvm_PartitionableGpu")))
        if (hv_partitions_in_use(host, gpu) < hv_number(gpu, "PartitionCount"))
            return gpu;
    return NULL;
}

static unsigned free_partition_id(struct sim_host *host, struct sim_object *gpu)
{
    for (unsigned id = 0;; id++) {
        struct sim_object *o = NULL;

        while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_GpuPartition")))
            if (text_ieq(hv_text(o, "DeviceInstancePath"), hv_text(gpu, "Name")) &&
                hv_number(o, "PartitionId") == id)
                break;
        if (!o)
            return id;
    }
}

static bool link_device(struct sim_host *host, struct sim_object *system,
                        struct sim_object *device, struct sim_object *setting,
                        struct err *err)
{
    return device &&
           sim_store_link(host->store, HV_NS, "Msvm_SystemDevice", "GroupComponent", system,
                          "PartComponent", device, err) &&
           sim_store_link(host->store, HV_NS, "Msvm_ElementSettingData", "ManagedElement",
                          device, "SettingData", setting, err);
}

static void begin_device(struct maker *m, struct sim_host *host, const char *class_name,
                         struct sim_object *system, struct sim_object *setting,
                         struct err *err)
{
    make_begin(m, host, HV_NS, class_name, err);
    make_text(m, "SystemCreationClassName", "Msvm_ComputerSystem");
    make_text(m, "SystemName", hv_text(system, "Name"));
    make_text(m, "CreationClassName", class_name);
    make_text(m, "DeviceID", hv_text(setting, "InstanceID"));
    make_text(m, "ElementName", hv_text(setting, "ElementName"));
    make_number(m, "EnabledState", 2);
    make_number(m, "HealthState", 5);
    make_number(m, "OperationalStatus", 2);
}

bool hv_make_partition(struct sim_host *host, struct sim_object *system,
                       struct sim_object *adapter, struct err *err)
{
    struct sim_object *gpu = gpu_for(host, adapter);
    char luid[32];
    struct maker m;
    unsigned id;

    if (!gpu)
        return err_fail(err, ERR_CONFLICT, 0, "no GPU partition is free");
    id = free_partition_id(host, gpu);
    /* Form seen on a host: two decimals joined by a dash (HyperV-WMI). */
    snprintf(luid, sizeof(luid), "10-%u", 973900000u + id);
    begin_device(&m, host, "Msvm_GpuPartition", system, adapter, err);
    make_text(&m, "DeviceInstancePath", hv_text(gpu, "Name"));
    make_number(&m, "PartitionId", id);
    make_text(&m, "PartitionVfLuid", luid);
    return link_device(host, system, make_end(&m), adapter, err) &&
           count_available(host, gpu, err);
}

void hv_remove_partition(struct sim_host *host, struct sim_object *adapter)
{
    struct sim_object *o = hv_find_by_text(host, "Msvm_GpuPartition", "DeviceID",
                                           hv_text(adapter, "InstanceID"));
    struct sim_object *gpu = o ? hv_find_by_text(host, "Msvm_PartitionableGpu", "Name",
                                                 hv_text(o, "DeviceInstancePath"))
                               : NULL;
    struct err err = ERR_INIT;

    if (o)
        sim_store_remove_with_links(host->store, o);
    /* Without memory the available numbers stay as they were. */
    if (gpu && !count_available(host, gpu, &err))
        err = ERR_INIT;
}

/* ---- integration components ---- */

static char *kvp_item(const char *name, const char *data, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *item = cim_instance_new(NULL, "Msvm_KvpExchangeDataItem");

    if (!item) {
        err_no_memory(err);
        return NULL;
    }
    if (!cim_set_text(item, "Name", name, err) || !cim_set_text(item, "Data", data, err) ||
        !cim_set_uint(item, "Source", CIM_UINT16, 2, err))
        return NULL;
    return cim_xml_write(item, err);
}

/* What the guest's service reported; names: HyperV_v2 msvm-kvpexchangecomponent. */
static void make_kvp(struct maker *m, const struct lab_vm *vm)
{
    char version[32], build[16];
    const struct {
        const char *name, *data;
        bool windows_only;
    } items[] = {
        { "OSName", vm->guest_os, false },
        { "OSVersion", version, true },
        { "OSBuildNumber", build, true },
        { "OSMajorVersion", "10", true },
        { "OSMinorVersion", "0", true },
        { "OSPlatformId", "2", true },
        { "ServicePackMajor", "0", true },
        { "ServicePackMinor", "0", true },
        { "ProcessorArchitecture", "9", true },
        { "FullyQualifiedDomainName", vm->name, false },
    };

    if (!*vm->guest_os)
        return;
    snprintf(build, sizeof(build), "%u", vm->guest_build);
    snprintf(version, sizeof(version), "10.0.%u", vm->guest_build);
    for (size_t i = 0; i < ARRAY_LEN(items) && !m->failed; i++) {
        char *text;

        if (items[i].windows_only && !vm->guest_build)
            continue;
        text = kvp_item(items[i].name, items[i].data, m->err);
        if (text) {
            struct cim_value value = { .type = CIM_STRING,
                                       .is_array = true,
                                       .is_null = true };
            const struct cim_value *now =
                cim_get(m->instance, "GuestIntrinsicExchangeItems");

            m->failed =
                (now && !cim_value_copy(now, &value, m->err)) ||
                !cim_value_add_text(&value, text, m->err) ||
                !cim_set(m->instance, "GuestIntrinsicExchangeItems", &value, m->err);
            cim_value_clear(&value);
        } else {
            m->failed = true;
        }
        free(text);
    }
}

/* The setting's class without "SettingData" is the device's. */
static const struct {
    const char *setting_class, *device_class;
} components[] = {
    { "Msvm_ShutdownComponentSettingData", "Msvm_ShutdownComponent" },
    { "Msvm_TimeSyncComponentSettingData", "Msvm_TimeSyncComponent" },
    { "Msvm_KvpExchangeComponentSettingData", "Msvm_KvpExchangeComponent" },
    { "Msvm_HeartbeatComponentSettingData", "Msvm_HeartbeatComponent" },
};

static bool make_component(struct sim_host *host, struct sim_object *system,
                           struct sim_object *setting, const char *class_name,
                           struct err *err)
{
    const struct lab_vm *vm = hv_lab_vm(host, system);
    struct maker m;

    if (hv_number(setting, "EnabledState") != 2)
        return true;
    begin_device(&m, host, class_name, system, setting, err);
    if (vm && text_ieq(class_name, "Msvm_KvpExchangeComponent"))
        make_kvp(&m, vm);
    return link_device(host, system, make_end(&m), setting, err);
}

bool hv_switch_component(struct sim_host *host, struct sim_object *setting, struct err *err)
{
    char id[37] = "";
    struct sim_object *system;

    hv_vm_id_of(hv_text(setting, "InstanceID"), id);
    system = hv_vm_by_id(host, id);
    for (size_t i = 0; system && i < ARRAY_LEN(components); i++) {
        struct sim_object *device;

        if (!text_ieq(sim_object_class(setting)->name, components[i].setting_class) ||
            !hv_number(system, "ProcessID"))
            continue;
        device = hv_find_by_text(host, components[i].device_class, "DeviceID",
                                 hv_text(setting, "InstanceID"));
        if (device)
            sim_store_remove_with_links(host->store, device);
        return make_component(host, system, setting, components[i].device_class, err);
    }
    return true;
}

bool hv_make_devices(struct sim_host *host, struct sim_object *system, struct err *err)
{
    const char *id = hv_text(system, "Name");
    struct sim_object *o = NULL;

    host->dirty = true;
    for (size_t i = 0; i < ARRAY_LEN(components); i++) {
        o = hv_next_resource(host, NULL, components[i].setting_class, id);
        if (o && !make_component(host, system, o, components[i].device_class, err))
            return false;
    }
    o = NULL;
    while ((o = hv_next_resource(host, o, "Msvm_GpuPartitionSettingData", id)))
        if (!hv_make_partition(host, system, o, err))
            return false;
    return true;
}

void hv_remove_devices(struct sim_host *host, struct sim_object *system)
{
    static const char *const classes[] = { "Msvm_ShutdownComponent",
                                           "Msvm_TimeSyncComponent",
                                           "Msvm_KvpExchangeComponent",
                                           "Msvm_HeartbeatComponent", "Msvm_GpuPartition" };
    struct sim_object *gpu = NULL;
    struct err err = ERR_INIT;

    host->dirty = true;
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        struct sim_object *o = sim_store_next(host->store, NULL, HV_NS, classes[i]), *next;

        for (; o; o = next) {
            next = sim_store_next(host->store, o, HV_NS, classes[i]);
            if (text_ieq(hv_text(o, "SystemName"), hv_text(system, "Name")))
                sim_store_remove_with_links(host->store, o);
        }
    }
    while ((gpu = sim_store_next(host->store, gpu, HV_NS, "Msvm_PartitionableGpu")))
        if (!count_available(host, gpu, &err))
            return; /* no memory: the numbers stay as they were */
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
        struct sim_object *gpu = gpu_for(host, adapter);

        if (!gpu)
            return refuse_partition(host, name, no_resources);
        if (is_paravirtual(gpu) && policy_forbids(host))
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

        if (path && hv_find_by_text(host, "Msvm_MountedStorageImage", "Name", path)) {
            sim_job_say(
                host,
                "'%s' failed to start. Attachment '%s': the process cannot access "
                "the file because it is being used by another process. (0x80070020)",
                name, path);
            return HV_FAILED;
        }
    }
    return check_adapters(host, system);
}

/* ---- transitions ---- */

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
        uint32_t pid = 0;

        os_random(&pid, sizeof(pid));
        if (!object_set_number(host, system, "ProcessID", 4096 + pid % 60000 / 4 * 4,
                               err) ||
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
                    "one or more GPUP partitions.",
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
    return true;
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
