/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a Hyper-V host has before any VM: its own Msvm_ComputerSystem row, the services,
 * the resource pools with their templates, the partitionable GPUs.
 */
#include "hv.h"
#include <string.h>

#include "err.h"
#include "text.h"

/* The host's row; values recorded from a host (go-wsman
 * testdata/recorded_computersystem_pull_host.xml), captions in two languages. */
static bool make_system(struct sim_host *host, struct err *err)
{
    bool japanese = text_istarts(host->locale, "ja");
    struct maker m;

    make_begin(&m, host, HV_NS, "Msvm_ComputerSystem", err);
    make_text(&m, "CreationClassName", "Msvm_ComputerSystem");
    make_text(&m, "Name", host->name);
    make_text(&m, "ElementName", host->name);
    make_text(&m, "Caption",
              japanese ? "ホスト コンピューター システム" : "Hosting Computer System");
    make_text(&m, "Description",
              japanese ? "Microsoft ホスト コンピューター システム"
                       : "Microsoft Hosting Computer System");
    make_number(&m, "EnabledDefault", 2);
    make_number(&m, "EnabledState", HV_RUNNING);
    make_number(&m, "RequestedState", 12);
    make_number(&m, "HealthState", 5);
    make_number(&m, "NumberOfNumaNodes", 1);
    make_number(&m, "OperationalStatus", 2);
    make_number(&m, "ResetCapability", 1);
    make_text(&m, "Status", "OK");
    make_text(&m, "StatusDescriptions", "OK");
    return make_end(&m) != NULL;
}

/* Names: HyperV_v2 pages of the classes. */
static bool make_services(struct sim_host *host, struct err *err)
{
    static const struct {
        const char *class_name, *name, *element_name;
        unsigned first_build;
    } services[] = {
        { "Msvm_VirtualSystemManagementService", "vmms",
          "Hyper-V Virtual System Management Service" },
        { "Msvm_ImageManagementService", "vhdsvc", "Hyper-V Image Management Service" },
        { "Msvm_VirtualSystemSnapshotService", "vssnapsvc",
          "Hyper-V Virtual System Snapshot Service" },
        /* No source tells its name; clients take the only instance. */
        { "Msvm_AssignableDeviceService", "assignabledevicesvc",
          "Hyper-V Assignable Device Service", 10586 },
    };

    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        struct maker m;

        if (host->build < services[i].first_build)
            continue;
        make_begin(&m, host, HV_NS, services[i].class_name, err);
        make_text(&m, "SystemCreationClassName", "Msvm_ComputerSystem");
        make_text(&m, "SystemName", host->name);
        make_text(&m, "CreationClassName", services[i].class_name);
        make_text(&m, "Name", services[i].name);
        make_text(&m, "ElementName", services[i].element_name);
        make_number(&m, "EnabledState", 2);
        make_number(&m, "HealthState", 5);
        make_number(&m, "OperationalStatus", 2);
        make_text(&m, "Status", "OK");
        make_number(&m, "Started", 1);
        if (!make_end(&m))
            return false;
    }
    return true;
}

/* What Get-VMHost shows as IovSupport: reasons exist only where it is false (HyperV_v2
 * msvm-virtualethernetswitchmanagementcapabilities); the InstanceID as listed from a host
 * in public. */
static bool make_iov_support(struct sim_host *host, struct err *err)
{
    const struct lab_host *lab = host->lab;
    struct sim_object *object;
    struct maker m;

    make_begin(&m, host, HV_NS, "Msvm_VirtualEthernetSwitchManagementCapabilities", err);
    make_text(&m, "InstanceID", "Microsoft:VirtualEthernetSwitchManagementCapabilities");
    make_text(&m, "ElementName",
              "Hyper-V Virtual Ethernet Switch Management Service Capabilities");
    make_number(&m, "IOVSupport", lab->iov_reason_count == 0);
    object = make_end(&m);
    return object && (lab->iov_reason_count == 0 ||
                      cim_set_texts(sim_object_instance(object), "IOVSupportReasons",
                                    lab->iov_reasons, lab->iov_reason_count, err));
}

/* ---- pools and templates ---- */

struct pool {
    unsigned type;
    const char *subtype, *setting_class, *pool_class;
    const char *definition; /* GUID of the template, where one is published */
    unsigned first_build;
};

/* The primordial pools whose types and subtypes are published (HyperV-WMI
 * data/db/canonical.json and recipe host_pools: a host lists 23; the others' subtypes are
 * not).  The processor's pool is of a class of its own and so absent from an enumeration
 * of Msvm_ResourcePool. */
static const struct pool pools[] = {
    { 3, "Microsoft:Hyper-V:Processor", "Msvm_ProcessorSettingData", "Msvm_ProcessorPool",
      NULL, 0 },
    { 4, "Microsoft:Hyper-V:Memory", "Msvm_MemorySettingData", "Msvm_ResourcePool", NULL,
      0 },
    { 6, "Microsoft:Hyper-V:Synthetic SCSI Controller",
      "Msvm_ResourceAllocationSettingData", "Msvm_ResourcePool", NULL, 0 },
    { 10, "Microsoft:Hyper-V:Synthetic Ethernet Port",
      "Msvm_SyntheticEthernetPortSettingData", "Msvm_ResourcePool", NULL, 0 },
    { 16, "Microsoft:Hyper-V:Synthetic DVD Drive", "Msvm_ResourceAllocationSettingData",
      "Msvm_ResourcePool", NULL, 0 },
    { 17, "Microsoft:Hyper-V:Synthetic Disk Drive", "Msvm_ResourceAllocationSettingData",
      "Msvm_ResourcePool", NULL, 0 },
    { 17, "Microsoft:Hyper-V:Physical Disk Drive", "Msvm_ResourceAllocationSettingData",
      "Msvm_ResourcePool", NULL, 0 },
    { 31, "Microsoft:Hyper-V:Virtual Hard Disk", "Msvm_StorageAllocationSettingData",
      "Msvm_ResourcePool", NULL, 0 },
    { 31, "Microsoft:Hyper-V:Virtual CD/DVD Disk", "Msvm_StorageAllocationSettingData",
      "Msvm_ResourcePool", NULL, 0 },
    { 33, "Microsoft:Hyper-V:Ethernet Connection", "Msvm_EthernetPortAllocationSettingData",
      "Msvm_ResourcePool", NULL, 0 },
    { HV_PCIE_TYPE, HV_PCIE_SUBTYPE, "Msvm_PciExpressSettingData", "Msvm_ResourcePool",
      NULL, 10586 },
    { HV_GPU_TYPE, HV_GPU_SUBTYPE, "Msvm_GpuPartitionSettingData", "Msvm_ResourcePool",
      "0DCC3FD1-21BD-423E-AB0B-A3A7451CE985", 14393 },
};

/* Default, Minimum, Maximum, Increment (HyperV_v2 msvm-settingsdefinecapabilities). */
static const struct {
    const char *name;
    unsigned role, range;
} definitions[] = {
    { "Default", 0, 0 }, { "Minimum", 3, 1 }, { "Maximum", 3, 2 }, { "Increment", 3, 3 }
};

void hv_make_one_of(struct maker *m)
{
    make_text(m, "AllocationUnits", "count");
    make_number(m, "VirtualQuantity", 1);
    make_number(m, "Reservation", 1);
    make_number(m, "Limit", 1);
    make_number(m, "Weight", 0);
    make_number(m, "AutomaticAllocation", 1);
    make_number(m, "AutomaticDeallocation", 1);
    make_number(m, "ConsumerVisibility", 3);
}

static bool make_template(struct sim_host *host, const struct pool *pool,
                          struct sim_object *capabilities, const char *guid, size_t n,
                          struct err *err)
{
    struct sim_object *setting;
    struct maker m;
    char id[96];

    snprintf(id, sizeof(id), "Microsoft:Definition\\%s\\%s", guid, definitions[n].name);
    make_begin(&m, host, HV_NS, pool->setting_class, err);
    make_text(&m, "InstanceID", id);
    make_number(&m, "ResourceType", pool->type);
    make_text(&m, "ResourceSubType", pool->subtype);
    make_text(&m, "PoolID", "");
    if (n == 0 && (pool->type == HV_GPU_TYPE || pool->type == HV_PCIE_TYPE)) {
        hv_make_one_of(&m);
        if (pool->type == HV_GPU_TYPE)
            make_number(&m, "MappingBehavior", 3);
    }
    setting = make_end(&m);
    if (!setting)
        return false;

    make_begin(&m, host, HV_NS, "Msvm_SettingsDefineCapabilities", err);
    make_ref(&m, "GroupComponent", capabilities);
    make_ref(&m, "PartComponent", setting);
    make_number(&m, "PropertyPolicy", 0);
    make_number(&m, "ValueRole", definitions[n].role);
    make_number(&m, "ValueRange", definitions[n].range);
    return make_end(&m) != NULL;
}

static bool make_pool(struct sim_host *host, const struct pool *pool, struct err *err)
{
    struct sim_object *object, *capabilities;
    char guid[37], definition[37], seed[128], id[96];
    struct maker m;

    /* No source lists the GUIDs of pools; HyperV_v2 msvm-memorysettingdata gives the form
     * Microsoft:<GUID>\Root.  Clients have to look for type and subtype. */
    snprintf(seed, sizeof(seed), "pool %u %s", pool->type, pool->subtype);
    lab_guid(guid, seed);
    snprintf(id, sizeof(id), "Microsoft:%s\\Root", guid);
    make_begin(&m, host, HV_NS, pool->pool_class, err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "PoolID", "");
    make_number(&m, "Primordial", 1);
    make_number(&m, "ResourceType", pool->type);
    make_text(&m, "ResourceSubType", pool->subtype);
    make_number(&m, "HealthState", 5);
    make_number(&m, "OperationalStatus", 2);
    object = make_end(&m);
    if (!object)
        return false;

    snprintf(seed, sizeof(seed), "definition %u %s", pool->type, pool->subtype);
    lab_guid(definition, seed);
    if (pool->definition)
        strcpy(definition, pool->definition);
    snprintf(id, sizeof(id), "Microsoft:%s\\Capabilities", guid);
    make_begin(&m, host, HV_NS, "Msvm_AllocationCapabilities", err);
    make_text(&m, "InstanceID", id);
    make_number(&m, "ResourceType", pool->type);
    make_text(&m, "ResourceSubType", pool->subtype);
    capabilities = make_end(&m);
    if (!capabilities ||
        !sim_store_link(host->store, HV_NS, "Msvm_ElementCapabilities", "ManagedElement",
                        object, "Capabilities", capabilities, err))
        return false;
    for (size_t n = 0; n < ARRAY_LEN(definitions); n++)
        if (!make_template(host, pool, capabilities, definition, n, err))
            return false;
    return true;
}

/* ---- GPUs ---- */

static void make_quantity(struct maker *m, const char *what, uint64_t total, uint64_t part,
                          bool has_min)
{
    const struct {
        const char *prefix;
        uint64_t number;
        bool known;
    } values[] = {
        { "Total", total, true },           { "Available", total, true },
        { "MinPartition", 0, has_min },     { "MaxPartition", part, true },
        { "OptimalPartition", part, true },
    };

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char name[40];

        snprintf(name, sizeof(name), "%s%s", values[i].prefix, what);
        if (values[i].known)
            make_number(m, name, values[i].number);
    }
}

bool hv_add_gpu(struct sim_host *host, size_t n, struct err *err)
{
    const struct lab_gpu *gpu = &host->lab->gpus[n];
    uint64_t counts[LAB_COUNT_MAX];
    struct maker m;

    if (gpu->mode == LAB_GPU_NONE ||
        hv_find_by_text(host, "Msvm_PartitionableGpu", "Name", gpu->interface_path))
        return true;
    make_begin(&m, host, HV_NS, "Msvm_PartitionableGpu", err);
    make_text(&m, "CreationClassName", "Msvm_PartitionableGpu");
    make_text(&m, "Name", gpu->interface_path);
    for (size_t i = 0; i < gpu->valid_count_count; i++)
        counts[i] = gpu->valid_counts[i];
    make_numbers(&m, "ValidPartitionCounts", counts, gpu->valid_count_count);
    make_number(&m, "PartitionCount", gpu->partition_count);
    /* windows-driver-docs display/live-migration-on-gpup-devices.md: the driver says it. */
    make_number(&m, "SupportsIncomingLiveMigration", gpu->live_migration);
    if (gpu->mode == LAB_GPU_PV) {
        /* Placeholders, the same for every card (HyperV-WMI, recipe gpu_partition_vram). */
        make_quantity(&m, "VRAM", 1000000000, 1000000000, true);
        make_quantity(&m, "Encode", UINT64_MAX, UINT64_MAX, true);
        make_quantity(&m, "Decode", 1000000000, 1000000000, true);
        make_quantity(&m, "Compute", 1000000000, 1000000000, true);
    } else {
        /* Equal parts (MicrosoftDocs/windowsserverdocs gpu-partitioning.md: 8 partitions
         * of a 16 GB card give 1.85 GB each).  Minima: no source, so null. */
        uint64_t vram = host->lab->machine.devices[n].vram_bytes;
        unsigned parts = gpu->partition_count;

        make_quantity(&m, "VRAM", vram, vram / parts, false);
        make_quantity(&m, "Encode", gpu->encode, gpu->encode / parts, false);
        make_quantity(&m, "Decode", gpu->decode, gpu->decode / parts, false);
        make_quantity(&m, "Compute", gpu->compute, gpu->compute / parts, false);
    }
    return make_end(&m) != NULL;
}

bool hv_make_host(struct sim_host *host, struct err *err)
{
    if (!make_system(host, err) || !make_services(host, err) ||
        !make_iov_support(host, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(pools); i++)
        if (host->build >= pools[i].first_build && !make_pool(host, &pools[i], err))
            return false;
    for (size_t i = 0; i < host->lab->gpu_count; i++) {
        const struct sim_device *device = &host->lab->machine.devices[i];

        /* A device that is not started has no interface (PnP: an interface is enabled when
         * its device starts), so nothing lists it. */
        if (!device->problem && !device->is_dismounted && !hv_add_gpu(host, i, err))
            return false;
    }
    if (!hv_follow_devices(host, err))
        return false;
    for (size_t i = 0; i < host->lab->vm_count; i++)
        if (!hv_make_vm(host, &host->lab->vms[i], err))
            return err_wrap(err, "making VM '%s'", host->lab->vms[i].name);
    return true;
}
