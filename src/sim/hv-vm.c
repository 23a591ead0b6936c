/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects of one VM: its system, its settings, its resources, its checkpoints.
 */
#include "hv.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "text.h"

/* When lab VMs were made and last started: 2026-01-15 09:00 UTC. */
static const int64_t LAB_BIRTH = INT64_C(13412941200) * 1000000;

static bool link_part(struct sim_host *host, struct sim_object *settings,
                      struct sim_object *part, struct err *err)
{
    return part &&
           sim_store_link(host->store, HV_NS, "Msvm_VirtualSystemSettingDataComponent",
                          "GroupComponent", settings, "PartComponent", part, err);
}

/* Values recorded from running and stopped VMs (go-wsman
 * testdata/recorded_computersystem_pull_vm_*.xml).  For saved and paused ones EnabledState
 * is documented; their other values follow the stopped and the running VM. */
static struct sim_object *make_system(struct sim_host *host, const struct lab_vm *vm,
                                      struct err *err)
{
    bool alive = vm->state == LAB_VM_RUNNING || vm->state == LAB_VM_PAUSED;
    bool japanese = text_istarts(host->locale, "ja");
    struct maker m;

    make_begin(&m, host, HV_NS, "Msvm_ComputerSystem", err);
    make_text(&m, "CreationClassName", "Msvm_ComputerSystem");
    make_text(&m, "Name", vm->id);
    make_text(&m, "ElementName", vm->name);
    make_text(&m, "Caption", japanese ? "仮想マシン" : "Virtual Machine");
    make_text(&m, "Description", "Microsoft Virtual Machine");
    make_number(&m, "EnabledDefault", alive ? 2 : 3);
    make_number(&m, "EnabledState", vm->state);
    make_number(&m, "RequestedState", 5);
    make_number(&m, "EnhancedSessionModeState", alive ? 6 : 3);
    make_number(&m, "FailedOverReplicationType", 0);
    make_number(&m, "HealthState", 5);
    if (alive)
        make_number(&m, "HwThreadsPerCoreRealized", 2);
    make_time(&m, "InstallDate", LAB_BIRTH);
    make_time(&m, "LastApplicationConsistentReplicationTime", 0);
    make_time(&m, "LastReplicationTime", 0);
    make_number(&m, "LastReplicationType", 0);
    make_number(&m, "NumberOfNumaNodes", 1);
    make_number(&m, "OnTimeInMilliseconds", 0);
    make_number(&m, "OperationalStatus", 2);
    if (alive)
        make_number(&m, "ProcessID",
                    4000 + 4 * (unsigned)(vm - host->lab->vms)); /* its vmwp.exe */
    make_number(&m, "ReplicationHealth", 0);
    make_number(&m, "ReplicationMode", 0);
    make_number(&m, "ReplicationState", 0);
    make_number(&m, "ResetCapability", 1);
    make_text(&m, "Status", "OK");
    make_text(&m, "StatusDescriptions", japanese ? "正常稼働中" : "Operating normally");
    make_time(&m, "TimeOfLastConfigurationChange", LAB_BIRTH);
    make_time(&m, "TimeOfLastStateChange", vm->state == LAB_VM_OFF ? 0 : LAB_BIRTH);
    return make_end(&m);
}

/* @snapshot NULL: the realized settings. */
static struct sim_object *make_settings(struct sim_host *host, const struct lab_vm *vm,
                                        const struct lab_snapshot *snapshot,
                                        const char *parent, struct err *err)
{
    bool server = text_istarts(host->edition, "Server");
    char id[64], subtype[40], folder[64];
    struct maker m;

    snprintf(id, sizeof(id), "Microsoft:%s", snapshot ? snapshot->id : vm->id);
    snprintf(subtype, sizeof(subtype), "Microsoft:Hyper-V:SubType:%u", vm->generation);
    snprintf(folder, sizeof(folder), "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V");
    make_begin(&m, host, HV_NS, "Msvm_VirtualSystemSettingData", err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "ElementName", snapshot ? snapshot->name : vm->name);
    make_text(&m, "VirtualSystemIdentifier", vm->id);
    make_text(&m, "VirtualSystemType",
              snapshot ? "Microsoft:Hyper-V:Snapshot:Realized" : HV_REALIZED);
    make_text(&m, "VirtualSystemSubType", subtype);
    make_text(&m, "ConfigurationID", snapshot ? snapshot->id : vm->id);
    make_text(&m, "ConfigurationDataRoot", folder);
    make_text(&m, "SnapshotDataRoot", folder);
    make_text(&m, "SwapFileDataRoot", folder);
    make_text(&m, "Parent", parent);
    make_time(&m, "CreationTime", LAB_BIRTH);
    make_text(&m, "Version", vm->version);
    make_number(&m, "IsSaved", vm->state == LAB_VM_SAVED && !snapshot);
    make_number(&m, "GuestControlledCacheTypes", vm->guest_controlled_cache);
    make_number(&m, "LowMmioGapSize", vm->low_mmio_mb);
    make_number(&m, "HighMmioGapSize", vm->high_mmio_mb);
    make_number(&m, "HighMmioGapBase", vm->high_mmio_base_mb);
    make_number(&m, "AutomaticShutdownAction", vm->stop_action);
    make_number(&m, "AutomaticStartupAction", 3);
    make_interval(&m, "AutomaticStartupActionDelay", 0);
    make_number(&m, "AutomaticRecoveryAction", 3);
    make_number(&m, "AutomaticCriticalErrorAction", 1);
    make_interval(&m, "AutomaticCriticalErrorActionTimeout", INT64_C(30) * 60 * 1000000);
    make_number(&m, "UserSnapshotType", vm->checkpoint_type);
    make_number(&m, "AutomaticSnapshotsEnabled", !server);
    make_number(&m, "IsAutomaticSnapshot", 0);
    make_number(&m, "VirtualNumaEnabled", !vm->dynamic_memory);
    if (vm->generation == 2)
        make_number(&m, "SecureBootEnabled", 1);
    make_number(&m, "IncrementalBackupEnabled", 0);
    make_number(&m, "LockOnDisconnect", 0);
    make_number(&m, "TurnOffOnGuestRestart", 0);
    make_number(&m, "EnableHibernation", 0);
    make_text(&m, "Notes", "");
    return make_end(&m);
}

static bool make_memory_and_processor(struct sim_host *host, const struct lab_vm *vm,
                                      struct sim_object *settings, struct err *err)
{
    struct maker m;
    char id[128];

    /* Fixed device GUIDs: os-win and go-wsman read them on every host. */
    snprintf(id, sizeof(id), "Microsoft:%s\\4764334D-E001-4176-82EE-5594EC9B530E", vm->id);
    make_begin(&m, host, HV_NS, "Msvm_MemorySettingData", err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "ElementName", text_istarts(host->locale, "ja") ? "メモリ" : "Memory");
    make_number(&m, "ResourceType", 4);
    make_text(&m, "ResourceSubType", "Microsoft:Hyper-V:Memory");
    make_text(&m, "PoolID", "");
    make_text(&m, "AllocationUnits", "byte * 2^20");
    make_number(&m, "VirtualQuantity", vm->memory_mb);
    make_number(&m, "Reservation", vm->memory_min_mb);
    make_number(&m, "Limit", vm->memory_max_mb);
    make_number(&m, "Weight", 5000);
    make_number(&m, "DynamicMemoryEnabled", vm->dynamic_memory);
    make_number(&m, "TargetMemoryBuffer", 20);
    if (!link_part(host, settings, make_end(&m), err))
        return false;

    snprintf(id, sizeof(id), "Microsoft:%s\\B637F346-6A0E-4DEC-AF52-BD70CB80A21D\\0",
             vm->id);
    make_begin(&m, host, HV_NS, "Msvm_ProcessorSettingData", err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "ElementName",
              text_istarts(host->locale, "ja") ? "プロセッサ" : "Processor");
    make_number(&m, "ResourceType", 3);
    make_text(&m, "ResourceSubType", "Microsoft:Hyper-V:Processor");
    make_text(&m, "PoolID", "");
    make_text(&m, "AllocationUnits", "percent / 1000");
    make_number(&m, "VirtualQuantity", vm->processors);
    make_number(&m, "Reservation", 0);
    make_number(&m, "Limit", 100000);
    make_number(&m, "Weight", 100);
    make_number(&m, "ExposeVirtualizationExtensions", 0);
    return link_part(host, settings, make_end(&m), err);
}

/* Controller, drive, medium: three settings, each the Parent of the next.  Generation 1
 * boots from IDE, generation 2 from SCSI.  Forms of the ids: go-wsman, HyperV-WMI. */
static struct sim_object *make_controller(struct sim_host *host, const struct lab_vm *vm,
                                          struct sim_object *settings, unsigned n,
                                          char ret_id[128], struct err *err)
{
    bool ide = vm->generation == 1;
    struct sim_object *object;
    char guid[37], seed[64];
    struct maker m;

    snprintf(seed, sizeof(seed), "scsi %s", vm->id);
    lab_guid(guid, seed);
    if (ide)
        snprintf(ret_id, 128, "Microsoft:%s\\83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\%u",
                 vm->id, n);
    else
        snprintf(ret_id, 128, "Microsoft:%s\\%s\\%u", vm->id, guid, n);
    make_begin(&m, host, HV_NS, "Msvm_ResourceAllocationSettingData", err);
    make_text(&m, "InstanceID", ret_id);
    make_text(&m, "ElementName",
              ide ? (n ? "IDE Controller 1" : "IDE Controller 0") : "SCSI Controller");
    make_number(&m, "ResourceType", ide ? 5 : 6);
    make_text(&m, "ResourceSubType",
              ide ? "Microsoft:Hyper-V:Emulated IDE Controller"
                  : "Microsoft:Hyper-V:Synthetic SCSI Controller");
    make_text(&m, "PoolID", "");
    if (ide)
        make_text(&m, "Address", n ? "1" : "0");
    object = make_end(&m);
    return link_part(host, settings, object, err) ? object : NULL;
}

static bool make_disk(struct sim_host *host, const struct lab_vm *vm,
                      struct sim_object *settings, struct sim_object *controller,
                      const char *controller_id, unsigned slot, const char *path,
                      struct err *err)
{
    struct sim_object *drive;
    char id[300], number[12];
    struct maker m;

    snprintf(number, sizeof(number), "%u", slot);
    snprintf(id, sizeof(id), "%s\\%u\\D", controller_id, slot);
    make_begin(&m, host, HV_NS, "Msvm_ResourceAllocationSettingData", err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "ElementName", "Hard Drive");
    make_number(&m, "ResourceType", 17);
    make_text(&m, "ResourceSubType", "Microsoft:Hyper-V:Synthetic Disk Drive");
    make_text(&m, "PoolID", "");
    make_ref(&m, "Parent", controller);
    make_text(&m, "AddressOnParent", number);
    drive = make_end(&m);
    if (!link_part(host, settings, drive, err))
        return false;

    snprintf(id, sizeof(id), "%s\\%u\\L", controller_id, slot);
    make_begin(&m, host, HV_NS, "Msvm_StorageAllocationSettingData", err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "ElementName", "Hard Disk Image");
    make_number(&m, "ResourceType", 31);
    make_text(&m, "ResourceSubType", "Microsoft:Hyper-V:Virtual Hard Disk");
    make_text(&m, "PoolID", "");
    make_text(&m, "HostResource", path);
    make_ref(&m, "Parent", drive);
    return link_part(host, settings, make_end(&m), err);
}

static bool make_disks(struct sim_host *host, const struct lab_vm *vm,
                       struct sim_object *settings, struct err *err)
{
    bool ide = vm->generation == 1;
    unsigned controllers = ide ? 2 : 1;
    struct sim_object *controller[2];
    char ids[2][128];

    for (unsigned n = 0; n < controllers; n++) {
        controller[n] = make_controller(host, vm, settings, n, ids[n], err);
        if (!controller[n])
            return false;
    }
    if (ide && vm->disk_count > 4)
        return err_fail(err, ERR_INVALID, 0, "generation 1 has room for 4 IDE disks");
    for (size_t i = 0; i < vm->disk_count; i++) {
        unsigned n = ide ? (unsigned)i / 2 : 0, slot = ide ? i % 2 : (unsigned)i;

        if (!make_disk(host, vm, settings, controller[n], ids[n], slot,
                       host->lab->machine.disks[vm->first_disk + i].path, err))
            return false;
    }
    return true;
}

/* Ids as Get-VMIntegrationService shows them; the guest service interface is off by
 * default (HyperV_v2 msvm-guestserviceinterfacecomponentsettingdata). */
static bool make_integration(struct sim_host *host, const struct lab_vm *vm,
                             struct sim_object *settings, struct err *err)
{
    static const struct {
        const char *class_name, *guid, *name, *japanese;
        unsigned enabled;
    } components[] = {
        { "Msvm_ShutdownComponentSettingData", "9F8233AC-BE49-4C79-8EE3-E7E1985B2077",
          "Shutdown", "シャットダウン", 2 },
        { "Msvm_TimeSyncComponentSettingData", "2497F4DE-E9FA-4204-80E4-4B75C46419C0",
          "Time Synchronization", "時刻の同期", 2 },
        { "Msvm_KvpExchangeComponentSettingData", "2A34B1C2-FD73-4043-8A5B-DD2159BC743F",
          "Key-Value Pair Exchange", "キー値ペア交換", 2 },
        { "Msvm_HeartbeatComponentSettingData", "84EAAE65-2F2E-45F5-9BB5-0E857DC8EB47",
          "Heartbeat", "ハートビート", 2 },
        { "Msvm_VssComponentSettingData", "5CED1297-4598-4915-A5FC-AD21BB4D02A4", "VSS",
          "VSS", 2 },
        { "Msvm_GuestServiceInterfaceComponentSettingData",
          "6C09BB55-D683-4DA0-8931-C9BF705F6480", "Guest Service Interface",
          "ゲスト サービス インターフェイス", 3 },
    };

    for (size_t i = 0; i < ARRAY_LEN(components); i++) {
        unsigned enabled = components[i].enabled;
        struct maker m;
        char id[128];

        if (i == 0 && !vm->shutdown_service)
            enabled = 3;
        snprintf(id, sizeof(id), "Microsoft:%s\\%s", vm->id, components[i].guid);
        make_begin(&m, host, HV_NS, components[i].class_name, err);
        make_text(&m, "InstanceID", id);
        make_text(&m, "ElementName",
                  text_istarts(host->locale, "ja") ? components[i].japanese
                                                   : components[i].name);
        make_number(&m, "EnabledState", enabled);
        if (!link_part(host, settings, make_end(&m), err))
            return false;
    }
    return true;
}

struct sim_object *hv_make_adapter(struct sim_host *host, struct sim_object *settings,
                                   struct sim_object *gpu, const char *guid,
                                   struct err *err)
{
    const char *vm_id = hv_text(settings, "VirtualSystemIdentifier");
    struct sim_object *object;
    char fresh[37], id[128];
    struct maker m;

    if (!guid)
        os_guid(fresh);
    snprintf(id, sizeof(id), "Microsoft:%s\\%s", vm_id, guid ? guid : fresh);
    make_begin(&m, host, HV_NS, "Msvm_GpuPartitionSettingData", err);
    make_text(&m, "InstanceID", id);
    /* Values as the cmdlet serializes them (HyperV-WMI, recipe gpu_partition); quotas are
     * null until they are set. */
    make_text(&m, "ElementName",
              text_istarts(host->locale, "ja") ? "GPU パーティションの設定"
                                               : "GPU Partition Settings");
    make_number(&m, "ResourceType", HV_GPU_TYPE);
    make_text(&m, "ResourceSubType", HV_GPU_SUBTYPE);
    make_text(&m, "PoolID", "");
    hv_make_one_of(&m);
    make_number(&m, "MappingBehavior", 3);
    /* Before 20348 and 22000 there is no pinning, and HostResource is not readable
     * (MicrosoftDocs/windows-powershell-docs Add-VMGpuPartitionAdapter; HyperV-WMI). */
    if (gpu && host->build >= 20348)
        make_ref(&m, "HostResource", gpu);
    object = make_end(&m);
    return link_part(host, settings, object, err) ? object : NULL;
}

static bool make_adapters(struct sim_host *host, const struct lab_vm *vm,
                          struct sim_object *settings, struct err *err)
{
    for (size_t i = 0; i < vm->adapter_count; i++) {
        struct sim_object *gpu = NULL;
        char guid[37], seed[96];

        /* The host forgets an adapter whose GPU is gone; its configuration file does not
         * (HyperV-WMI; jamesstringerparsec/Easy-GPU-PV issue 62).  hv-state.c knows. */
        if (vm->adapters[i].stale)
            continue;
        if (vm->adapters[i].gpu >= 0)
            gpu = hv_find_by_text(host, "Msvm_PartitionableGpu", "Name",
                                  host->lab->gpus[vm->adapters[i].gpu].interface_path);
        snprintf(seed, sizeof(seed), "adapter %s %zu", vm->id, i);
        lab_guid(guid, seed);
        if (!hv_make_adapter(host, settings, gpu, guid, err))
            return false;
    }
    return true;
}

static bool make_assigned(struct sim_host *host, const struct lab_vm *vm,
                          struct sim_object *settings, struct err *err)
{
    for (size_t i = 0; i < vm->assigned_count; i++) {
        int device = vm->assigned[i].device;
        struct sim_object *express = NULL;
        char guid[37], seed[96];

        if (device >= 0) {
            express = hv_express_of(host, &host->lab->machine.devices[device]);
            if (!express)
                return err_fail(err, ERR_INVALID, 0, "the device at '%s' is not dismounted",
                                host->lab->machine.devices[device].location_path);
        }
        snprintf(seed, sizeof(seed), "device %s %zu", vm->id, i);
        lab_guid(guid, seed);
        if (!hv_make_express_setting(host, settings, express, guid, err))
            return false;
    }
    return true;
}

bool hv_make_vm(struct sim_host *host, const struct lab_vm *vm, struct err *err)
{
    struct sim_object *system = make_system(host, vm, err);
    struct sim_object *settings = make_settings(host, vm, NULL, NULL, err);
    struct sim_object *last = NULL;

    if (!system || !settings ||
        !sim_store_link(host->store, HV_NS, "Msvm_SettingsDefineState", "ManagedElement",
                        system, "SettingData", settings, err) ||
        !make_memory_and_processor(host, vm, settings, err) ||
        !make_disks(host, vm, settings, err) ||
        !make_integration(host, vm, settings, err) ||
        !make_adapters(host, vm, settings, err) || !make_assigned(host, vm, settings, err))
        return false;
    for (size_t i = 0; i < vm->snapshot_count; i++) {
        char *parent = last ? sim_path_text(host, sim_object_path(last)) : NULL;

        last = make_settings(host, vm, &vm->snapshots[i], parent, err);
        free(parent);
        if (!last || !sim_store_link(host->store, HV_NS, "Msvm_SnapshotOfVirtualSystem",
                                     "Antecedent", system, "Dependent", last, err))
            return false;
    }
    if (last && !sim_store_link(host->store, HV_NS, "Msvm_MostCurrentSnapshotInBranch",
                                "Antecedent", system, "Dependent", last, err))
        return false;
    if (vm->state == LAB_VM_RUNNING || vm->state == LAB_VM_PAUSED)
        return hv_make_devices(host, system, err);
    return true;
}
