/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMs of a host, with their settings, GPU partitions, memory, disks and guests.
 *
 * The host is a row among its VMs; it is told from them by its name, which is no GUID.
 * Setting classes list templates, checkpoints and VMs together; what belongs to a VM
 * begins with "Microsoft:<GUID of the VM>".
 *
 * Sources: hyperv_v2 Msvm_ComputerSystem, Msvm_VirtualSystemSettingData,
 * Msvm_GpuPartitionSettingData, Msvm_MemorySettingData, Msvm_StorageAllocationSettingData,
 * Msvm_KvpExchangeComponent; measured: r4sd/go-wsman hyperv/host_filter.go,
 * Justsenger/HyperV-WMI-Documentation recipe gpu_partition.
 */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "inventory-parts.h"
#include "text.h"

#define ID_PREFIX "Microsoft:"
#define TYPE_REALIZED "Microsoft:Hyper-V:System:Realized"
#define TYPE_SNAPSHOT "Microsoft:Hyper-V:Snapshot:"
#define SUBTYPE_GENERATION "Microsoft:Hyper-V:SubType:"

enum { GUID_LEN = 36, KVP_ITEM_MAX = 64 * 1024 };

static int by_id(const void *a, const void *b)
{
    return text_casecmp(((const struct hv_vm *)a)->id, ((const struct hv_vm *)b)->id);
}

struct hv_vm *find_vm(struct hv_host *host, const char *id)
{
    char guid[GUID_LEN + 1];
    size_t low = 0, high = host->vm_count;

    if (!id)
        return NULL;
    if (text_istarts(id, ID_PREFIX))
        id += strlen(ID_PREFIX);
    snprintf(guid, sizeof(guid), "%s", id);
    if (!text_is_guid(guid) || (id[GUID_LEN] != '\0' && id[GUID_LEN] != '\\'))
        return NULL;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = text_casecmp(guid, host->vms[mid].id);

        if (order == 0)
            return &host->vms[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* EnabledState.  The vendor values (from 32768) are older spellings, transitions and
 * "critical" forms, whose disk or host ran into trouble: no plain state, so unknown. */
static enum vm_state vm_state_of(uint64_t enabled)
{
    switch (enabled) {
    case 2:
        return VM_RUNNING;
    case 3:
        return VM_OFF;
    case 6:
    case 32769:
    case 32779: /* fast saved */
        return VM_SAVED;
    case 9:
    case 32768:
        return VM_PAUSED;
    case 4:
    case 10:
    case 32770: /* starting */
    case 32771: /* snapshotting */
    case 32773: /* saving */
    case 32774: /* stopping */
    case 32776: /* pausing */
    case 32777: /* resuming */
    case 32780: /* fast saving */
        return VM_CHANGING;
    default:
        return VM_UNKNOWN;
    }
}

struct systems {
    struct hv_host *host;
    size_t rows;
};

static bool on_system_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct systems *read = (struct systems *)user;
    struct hv_host *host = read->host;
    const char *name = cim_get_text(row, "Name");
    struct hv_vm *vms, *vm;

    read->rows++;
    if (!name || strlen(name) != GUID_LEN || !text_is_guid(name))
        return true; /* the host itself */
    vms = list_grow(host->vms, host->vm_count, sizeof(*vms), err);
    if (!vms)
        return false;
    host->vms = vms;
    vm = &vms[host->vm_count];
    vm->id = text_dup(name);
    if (!vm->id)
        return err_no_memory(err);
    host->vm_count++;

    take_u64(&vm->enabled_state, row, "EnabledState");
    if (vm->enabled_state.known)
        vm->state = vm_state_of(vm->enabled_state.value);
    return take_text(&vm->name, row, "ElementName", err);
}

/* Devices of a checkpoint look like those of a VM; its settings' id tells. */
static bool note_checkpoint(struct hv_host *host, const struct cim_instance *row,
                            struct err *err)
{
    const char *id = cim_get_text(row, "InstanceID");
    char **ids;

    if (!id || !text_istarts(id, "Microsoft:"))
        return true;
    ids = list_grow(host->checkpoint_ids, host->checkpoint_id_count, sizeof(*ids), err);
    if (!ids)
        return false;
    host->checkpoint_ids = ids;
    ids[host->checkpoint_id_count] = text_dup(id + strlen("Microsoft:"));
    return ids[host->checkpoint_id_count++] || err_no_memory(err);
}

/* What on_settings() reads. */
static const char *const settings_columns[] = {
    "InstanceID",
    "ElementName",
    "VirtualSystemIdentifier",
    "VirtualSystemType",
    "VirtualSystemSubType",
    "Version",
    "GuestControlledCacheTypes",
    "LowMmioGapSize",
    "HighMmioGapSize",
    "HighMmioGapBase",
    "AutomaticShutdownAction",
    "UserSnapshotType",
    NULL,
};

static bool on_settings(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_vm *vm =
        find_vm((struct hv_host *)user, cim_get_text(row, "VirtualSystemIdentifier"));
    const char *type = cim_get_text(row, "VirtualSystemType");
    const char *subtype = cim_get_text(row, "VirtualSystemSubType");
    bool flag;

    if (type && text_istarts(type, TYPE_SNAPSHOT) &&
        !note_checkpoint((struct hv_host *)user, row, err))
        return false;
    if (!vm || !type)
        return true;
    if (text_istarts(type, TYPE_SNAPSHOT))
        vm->checkpoint_count.value++;
    if (!text_ieq(type, TYPE_REALIZED))
        return true;

    if (subtype && text_istarts(subtype, SUBTYPE_GENERATION))
        vm->generation.known =
            text_to_u64(subtype + strlen(SUBTYPE_GENERATION), 10, &vm->generation.value);
    if (cim_get_bool(row, "GuestControlledCacheTypes", &flag))
        vm->guest_controlled_cache = flag ? TRI_YES : TRI_NO;
    take_mb(&vm->low_mmio_bytes, row, "LowMmioGapSize");
    take_mb(&vm->high_mmio_bytes, row, "HighMmioGapSize");
    take_mb(&vm->high_mmio_base_bytes, row, "HighMmioGapBase");
    take_u64(&vm->stop_action, row, "AutomaticShutdownAction");
    take_u64(&vm->checkpoint_type, row, "UserSnapshotType");
    return take_text(&vm->settings_id, row, "InstanceID", err) &&
           take_text(&vm->version, row, "Version", err) &&
           (vm->name || take_text(&vm->name, row, "ElementName", err));
}

static void take_quota(struct hv_quota *quota, const struct cim_instance *row,
                       const char *resource)
{
    char name[48];

    snprintf(name, sizeof(name), "MinPartition%s", resource);
    take_u64(&quota->min, row, name);
    snprintf(name, sizeof(name), "MaxPartition%s", resource);
    take_u64(&quota->max, row, name);
    snprintf(name, sizeof(name), "OptimalPartition%s", resource);
    take_u64(&quota->optimal, row, name);
}

static bool on_adapter(const struct cim_instance *row, void *user, struct err *err)
{
    static const char *const resources[QUOTA_COUNT] = {
        [QUOTA_VRAM] = "VRAM",
        [QUOTA_ENCODE] = "Encode",
        [QUOTA_DECODE] = "Decode",
        [QUOTA_COMPUTE] = "Compute",
    };
    const char *id = cim_get_text(row, "InstanceID");
    struct hv_vm *vm = find_vm((struct hv_host *)user, id);
    struct hv_adapter *adapters, *adapter;

    if (!vm)
        return true; /* a template, or part of a checkpoint */
    adapters = list_grow(vm->adapters, vm->adapter_count, sizeof(*adapters), err);
    if (!adapters)
        return false;
    vm->adapters = adapters;
    adapter = &adapters[vm->adapter_count++];
    adapter->interface_path = host_resource_key(row, "Msvm_PartitionableGpu", "Name");
    for (int i = 0; i < QUOTA_COUNT; i++)
        take_quota(&adapter->quota[i], row, resources[i]);
    return take_text(&adapter->id, row, "InstanceID", err);
}

static bool on_partition(const struct cim_instance *row, void *user, struct err *err)
{
    const char *id = cim_get_text(row, "DeviceID");
    struct hv_vm *vm = find_vm((struct hv_host *)user, cim_get_text(row, "SystemName"));
    struct hv_adapter *adapter = NULL;

    if (!vm || !id)
        return true;
    for (size_t i = 0; i < vm->adapter_count && !adapter; i++)
        if (text_ieq(vm->adapters[i].id, id))
            adapter = &vm->adapters[i];
    if (!adapter && vm->adapter_count == 1)
        adapter = &vm->adapters[0];
    if (!adapter)
        return true;
    take_u64(&adapter->partition_id, row, "PartitionId");
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        char property[24];

        snprintf(property, sizeof(property), "Current%s", hv_quota_names[i]);
        take_u64(&adapter->current[i], row, property);
    }
    return take_text(&adapter->running_on, row, "DeviceInstancePath", err);
}

static bool on_processor(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_vm *vm = find_vm((struct hv_host *)user, cim_get_text(row, "InstanceID"));
    bool flag;

    (void)err;
    if (vm && cim_get_bool(row, "ExposeVirtualizationExtensions", &flag))
        vm->nested = flag ? TRI_YES : TRI_NO;
    return true;
}

static bool on_memory(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_vm *vm = find_vm((struct hv_host *)user, cim_get_text(row, "InstanceID"));
    bool flag;

    (void)err;
    if (!vm)
        return true;
    take_mb(&vm->memory_startup_bytes, row, "VirtualQuantity");
    take_mb(&vm->memory_minimum_bytes, row, "Reservation");
    take_mb(&vm->memory_maximum_bytes, row, "Limit");
    if (cim_get_bool(row, "DynamicMemoryEnabled", &flag))
        vm->dynamic_memory = flag ? TRI_YES : TRI_NO;
    return true;
}

static bool on_disk(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_vm *vm = find_vm((struct hv_host *)user, cim_get_text(row, "InstanceID"));
    const char *subtype = cim_get_text(row, "ResourceSubType");
    const char *path = cim_get_text_at(row, "HostResource", 0);
    struct hv_disk *disks;

    if (!vm || !path || !*path || !text_ieq(subtype, "Microsoft:Hyper-V:Virtual Hard Disk"))
        return true;
    disks = list_grow(vm->disks, vm->disk_count, sizeof(*disks), err);
    if (!disks)
        return false;
    vm->disks = disks;
    disks[vm->disk_count].path = text_dup(path);
    if (!disks[vm->disk_count].path)
        return err_no_memory(err);
    vm->disk_count++;
    return true;
}

/* The items are texts of CIM-XML, written by the host from what the guest says: a broken
 * one is skipped. */
static bool on_guest(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_vm *vm = find_vm((struct hv_host *)user, cim_get_text(row, "SystemName"));
    size_t count = cim_get_count(row, "GuestIntrinsicExchangeItems");

    if (!vm)
        return true;
    for (size_t i = 0; i < count; i++) {
        const char *text = cim_get_text_at(row, "GuestIntrinsicExchangeItems", i);
        size_t len = text ? strlen(text) : 0;
        CLEANUP(cim_instance_cleanup) struct cim_instance *item = NULL;
        struct err ignored = ERR_INIT;
        const char *name;

        if (len == 0 || len > KVP_ITEM_MAX)
            continue;
        item = cim_xml_read(text, len, &ignored);
        name = item ? cim_get_text(item, "Name") : NULL;
        if (text_ieq(name, "OSName")) {
            if (!take_text(&vm->guest_os, item, "Data", err))
                return false;
        } else if (text_ieq(name, "OSBuildNumber") && cim_get_text(item, "Data")) {
            vm->guest_build.known =
                text_to_u64(cim_get_text(item, "Data"), 10, &vm->guest_build.value);
        }
    }
    return true;
}

static bool read_systems(struct cim_session *session, struct hv_host *host, struct err *err)
{
    /* What on_system_row() reads. */
    static const char *const columns[] = { "Name", "ElementName", "EnabledState", NULL };
    struct systems read = { .host = host };
    struct err why = ERR_INIT;

    if (!query_columns(session, host, "Msvm_ComputerSystem", columns, on_system_row, &read,
                       &why)) {
        if (!is_missing_class(&why)) {
            *err = why;
            return err_wrap(err, "listing VMs");
        }
        /* What told so has another code over COM than over WS-Management. */
        err_fail(err, ERR_UNSUPPORTED, 0, "the machine has no Hyper-V");
        return err_hint(err,
                        "install the role or feature Hyper-V there, with its management "
                        "tools, and restart");
    }
    if (read.rows == 0) {
        err_fail(err, ERR_DENIED, 0,
                 "Hyper-V shows this account nothing, not even the host");
        return err_hint(
            err, "put the account into the host's group Hyper-V Administrators; on the "
                 "machine itself, open a prompt as administrator");
    }
    if (host->vm_count > 1)
        qsort(host->vms, host->vm_count, sizeof(*host->vms), by_id);
    return true;
}

bool read_vms(struct cim_session *session, struct hv_host *host, unsigned what,
              struct err *err)
{
    /* What on_memory() and on_disk() read. */
    static const char *const memory[] = { "InstanceID",           "VirtualQuantity",
                                          "Reservation",          "Limit",
                                          "DynamicMemoryEnabled", NULL };
    static const char *const disks[] = { "InstanceID", "ResourceSubType", "HostResource",
                                         NULL };
    static const struct {
        unsigned what;
        const char *class_name;
        const char *const *columns; /* NULL: all */
        cim_row_fn *on_row;
        bool may_lack; /* the class came with a later build */
    } parts[] = {
        { HV_VMS, "Msvm_VirtualSystemSettingData", settings_columns, on_settings, false },
        { HV_VMS, "Msvm_GpuPartitionSettingData", NULL, on_adapter, true },
        { HV_PARTITIONS, "Msvm_GpuPartition", NULL, on_partition, true },
        { HV_VM_MEMORY, "Msvm_MemorySettingData", memory, on_memory, false },
        { HV_VM_PROCESSOR, "Msvm_ProcessorSettingData", NULL, on_processor, false },
        { HV_VM_DISKS, "Msvm_StorageAllocationSettingData", disks, on_disk, false },
        { HV_VM_GUEST, "Msvm_KvpExchangeComponent", NULL, on_guest, false },
    };

    if (!read_systems(session, host, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct err why = ERR_INIT;

        if (!(what & parts[i].what))
            continue;
        if (!query_columns(session, host, parts[i].class_name, parts[i].columns,
                           parts[i].on_row, host, &why) &&
            !(parts[i].may_lack && is_missing_class(&why))) {
            *err = why;
            return err_wrap(err, "reading the settings of VMs");
        }
    }
    for (size_t i = 0; i < host->vm_count; i++)
        host->vms[i].checkpoint_count.known = true;
    return true;
}
