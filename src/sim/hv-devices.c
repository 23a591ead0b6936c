/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects that exist only while a VM runs: its GPU partitions and the components of
 * the integration services.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv.h"
#include "text.h"

/* ---- GPU partitions ---- */

unsigned hv_partitions_in_use(struct sim_host *host, struct sim_object *gpu)
{
    struct sim_object *o = NULL;
    unsigned count = 0;

    while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_GpuPartition")))
        count += text_ieq(hv_text(o, "DeviceInstancePath"), hv_text(gpu, "Name"));
    return count;
}

bool hv_is_paravirtual(struct sim_object *gpu)
{
    return text_iends(hv_text(gpu, "Name"), "\\GPUPARAV");
}

static const char *const quantities[] = { "VRAM", "Encode", "Decode", "Compute" };

/* What one partition of a cut card has: equal parts (as hv_add_gpu() says). */
static uint64_t part_of(struct sim_object *gpu, const char *quantity)
{
    char name[32];

    snprintf(name, sizeof(name), "OptimalPartition%s", quantity);
    return hv_number(gpu, name);
}

/* "The available values move as virtual GPUs start and stop" (windows-driver-docs-ddi
 * dispmprt); for GPU-PV the placeholders were seen unchanged. */
static bool count_available(struct sim_host *host, struct sim_object *gpu, struct err *err)
{
    uint64_t parts = hv_number(gpu, "PartitionCount");
    uint64_t used = hv_partitions_in_use(host, gpu);

    if (hv_is_paravirtual(gpu) || !parts)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(quantities); i++) {
        char total[24], available[24];
        uint64_t all;

        snprintf(total, sizeof(total), "Total%s", quantities[i]);
        snprintf(available, sizeof(available), "Available%s", quantities[i]);
        all = hv_number(gpu, total);
        if (!object_set_number(host, gpu, available, all - all / parts * used, err))
            return false;
    }
    return true;
}

/* The cards that SR-IOV cuts hold what the adapter's minima ask for, or do not (HyperV_v2
 * msvm-gpupartitionsettingdata: the least that will be in the partition; enforced there, and
 * ignored with paravirtualization: Easy-GPU-PV issue 298).  What becomes of maxima below the
 * size of the parts no source tells; they are not looked at. */
static bool is_large_enough(struct sim_object *gpu, struct sim_object *adapter)
{
    for (size_t i = 0; i < ARRAY_LEN(quantities) && !hv_is_paravirtual(gpu); i++) {
        char min[24];

        snprintf(min, sizeof(min), "MinPartition%s", quantities[i]);
        if (hv_number(adapter, min) > part_of(gpu, quantities[i]))
            return false;
    }
    return true;
}

static bool has_room(struct sim_host *host, struct sim_object *gpu,
                     struct sim_object *adapter)
{
    return hv_partitions_in_use(host, gpu) < hv_number(gpu, "PartitionCount") &&
           is_large_enough(gpu, adapter);
}

struct sim_object *hv_gpu_for(struct sim_host *host, struct sim_object *adapter)
{
    const char *pin = cim_get_text_at(sim_object_instance(adapter), "HostResource", 0);
    struct sim_object *gpu = NULL;

    if (pin && *pin) {
        gpu = hv_gpu_by_path(host, pin);
        return gpu && has_room(host, gpu, adapter) ? gpu : NULL;
    }
    while ((gpu = sim_store_next(host->store, gpu, HV_NS, "Msvm_PartitionableGpu")))
        if (has_room(host, gpu, adapter))
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

bool hv_link_device(struct sim_host *host, struct sim_object *system,
                    struct sim_object *device, struct sim_object *setting, struct err *err)
{
    return device &&
           sim_store_link(host->store, HV_NS, "Msvm_SystemDevice", "GroupComponent", system,
                          "PartComponent", device, err) &&
           sim_store_link(host->store, HV_NS, "Msvm_ElementSettingData", "ManagedElement",
                          device, "SettingData", setting, err);
}

void hv_begin_device(struct maker *m, struct sim_host *host, const char *class_name,
                     struct sim_object *system, struct sim_object *setting, struct err *err)
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

/* What the partition has: its part of a cut card; of a card shared by paravirtualization what
 * was seen whatever the quotas say (Easy-GPU-PV issues 49, 283, 312). */
static void put_current(struct maker *m, struct sim_object *gpu)
{
    for (size_t i = 0; i < ARRAY_LEN(quantities); i++) {
        char current[24];

        snprintf(current, sizeof(current), "Current%s", quantities[i]);
        if (!hv_is_paravirtual(gpu))
            make_number(m, current, part_of(gpu, quantities[i]));
        else
            make_number(m, current, strcmp(quantities[i], "Compute") ? 1000000000 : 0);
    }
}

bool hv_make_partition(struct sim_host *host, struct sim_object *system,
                       struct sim_object *adapter, struct err *err)
{
    struct sim_object *gpu = hv_gpu_for(host, adapter);
    char luid[32];
    struct maker m;
    unsigned id;

    if (!gpu)
        return err_fail(err, ERR_CONFLICT, 0, "no GPU partition is free");
    id = free_partition_id(host, gpu);
    /* Form seen on a host: two decimals joined by a dash (HyperV-WMI). */
    snprintf(luid, sizeof(luid), "10-%u", 973900000u + id);
    hv_begin_device(&m, host, "Msvm_GpuPartition", system, adapter, err);
    make_text(&m, "DeviceInstancePath", hv_text(gpu, "Name"));
    make_number(&m, "PartitionId", id);
    make_text(&m, "PartitionVfLuid", luid);
    put_current(&m, gpu);
    make_number(&m, "SupportsOutgoingLiveMigration",
                hv_number(gpu, "SupportsIncomingLiveMigration"));
    return hv_link_device(host, system, make_end(&m), adapter, err) &&
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
    hv_begin_device(&m, host, class_name, system, setting, err);
    if (vm && text_ieq(class_name, "Msvm_KvpExchangeComponent"))
        make_kvp(&m, vm);
    return hv_link_device(host, system, make_end(&m), setting, err);
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
    o = NULL;
    while ((o = hv_next_resource(host, o, "Msvm_PciExpressSettingData", id)))
        if (!hv_make_guest_device(host, system, o, err))
            return false;
    return true;
}

void hv_remove_devices(struct sim_host *host, struct sim_object *system)
{
    static const char *const classes[] = {
        "Msvm_ShutdownComponent",  "Msvm_TimeSyncComponent", "Msvm_KvpExchangeComponent",
        "Msvm_HeartbeatComponent", "Msvm_GpuPartition",      "Msvm_PciExpress"
    };
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
