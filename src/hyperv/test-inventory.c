/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host as plain data: what is joined, what is left out, what stays unknown. */

#include "inventory.h"

#include <stdio.h>

#include "err.h"
#include "job.h"
#include "os.h"
#include "test-fake-host.h"
#include "test.h"
#include "text.h"

#define CIMV2 "root/cimv2"
#define DISPLAY "{4d36e968-e325-11ce-bfc1-08002be10318}"
#define RTX_ID "PCI\\VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1\\4&296b7397&0&0008"
#define RTX_PATH                                                             \
    "\\\\?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#" \
    "{064092b3-625e-43bf-9eb5-dc845897dd59}\\GPUPARAV"
#define VM1 "6C0D8F5B-1B2E-4E0E-9C5C-0A1B2C3D4E5F"
#define VM2 "7D0D8F5B-1B2E-4E0E-9C5C-0A1B2C3D4E5F"
#define SNAPSHOT "8E0D8F5B-1B2E-4E0E-9C5C-0A1B2C3D4E5F"

/* Every class an inventory may ask for, empty, and a Japanese Windows 11. */
static struct fake_host *bare_host(void)
{
    static const struct {
        const char *ns, *name;
    } classes[] = {
        { CIMV2, "Win32_PnPEntity" },
        { CIMV2, "Win32_VideoController" },
        { HV_NS, "Msvm_PartitionableGpu" },
        { HV_NS, "Msvm_VirtualSystemSettingData" },
        { HV_NS, "Msvm_GpuPartitionSettingData" },
        { HV_NS, "Msvm_GpuPartition" },
        { HV_NS, "Msvm_MemorySettingData" },
        { HV_NS, "Msvm_StorageAllocationSettingData" },
        { HV_NS, "Msvm_KvpExchangeComponent" },
        { HV_NS, "Msvm_PciExpress" },
        { HV_NS, "Msvm_PciExpressSettingData" },
    };
    struct fake_host *fake = fake_host_new();

    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        fake_class(fake, classes[i].ns, classes[i].name);
    fake_row(fake, CIMV2, "Win32_OperatingSystem", "Caption", "Microsoft Windows 11 Pro ",
             "BuildNumber", "22631", "OperatingSystemSKU", "48", "ProductType", "1",
             "CSName", "LAPTOP", NULL);
    fake_row(fake, HV_NS, "Msvm_ComputerSystem", "Name", "LAPTOP", "ElementName", "LAPTOP",
             "Caption", "ホスティング コンピューター システム", "EnabledState", "2", NULL);
    return fake;
}

static void add_rtx(struct fake_host *fake)
{
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", RTX_ID, "Name",
             "NVIDIA GeForce RTX 4070 Laptop GPU", "ClassGuid", DISPLAY, "Service",
             "nvlddmkm", "ConfigManagerErrorCode", "0", "Present", "true", NULL);
    fake_row(fake, HV_NS, "Msvm_PartitionableGpu", "Name", RTX_PATH, "PartitionCount", "32",
             "ValidPartitionCounts", "32", NULL);
}

static void add_vm(struct fake_host *fake, const char *id, const char *name,
                   const char *state)
{
    CLEANUP(free_cleanup) char *settings = text_printf("Microsoft:%s", id);

    fake_row(fake, HV_NS, "Msvm_ComputerSystem", "Name", id, "ElementName", name,
             "EnabledState", state, NULL);
    fake_row(fake, HV_NS, "Msvm_VirtualSystemSettingData", "InstanceID", settings,
             "VirtualSystemIdentifier", id, "VirtualSystemType",
             "Microsoft:Hyper-V:System:Realized", "VirtualSystemSubType",
             "Microsoft:Hyper-V:SubType:2", "LowMmioGapSize", "128", "HighMmioGapSize",
             "512", "GuestControlledCacheTypes", "false", "AutomaticShutdownAction", "3",
             "UserSnapshotType", "3", "Version", "11.0", NULL);
}

/* A GPU partition of @id; @path NULL: not pinned. */
static void add_adapter(struct fake_host *fake, const char *id, const char *path)
{
    CLEANUP(free_cleanup) char *instance = text_printf("Microsoft:%s\\AD1", id);
    CLEANUP(cim_path_cleanup)
    struct cim_path *object = cim_path_new(HV_NS, "Msvm_PartitionableGpu");
    CLEANUP(free_cleanup) char *text = NULL;
    struct err err = ERR_INIT;

    if (path) {
        CHECK_OK(cim_path_set(object, "CreationClassName", "Msvm_PartitionableGpu", &err));
        CHECK_OK(cim_path_set(object, "Name", path, &err));
        text = cim_path_format(object);
    }
    fake_row(fake, HV_NS, "Msvm_GpuPartitionSettingData", "InstanceID", instance,
             "HostResource", text, "OptimalPartitionVRAM", path ? "1000" : NULL,
             "MaxPartitionEncode", "18446744073709551615", NULL);
}

static struct hv_host *read_host(struct fake_host *fake, unsigned what)
{
    struct hv_host *host = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(hv_inventory_read(&fake->base, "test", what, &host, &err));
    return host;
}

static const char *query_of(struct fake_host *fake, const char *class_name)
{
    for (size_t i = 0; i < fake->class_count; i++)
        if (text_ieq(fake->classes[i].class_name, class_name))
            return fake->classes[i].query;
    return "";
}

TEST(of_what_every_vm_has_only_the_columns_that_are_read_are_asked_for)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    add_vm(fake, VM1, "one", "3");
    host = read_host(fake, HV_VMS | HV_VM_MEMORY | HV_VM_DISKS);
    CHECK_STR_EQ(query_of(fake, "Msvm_ComputerSystem"),
                 "SELECT Name, ElementName, EnabledState FROM Msvm_ComputerSystem");
    CHECK(strstr(query_of(fake, "Msvm_VirtualSystemSettingData"), "HighMmioGapBase"));
    CHECK(!strchr(query_of(fake, "Msvm_MemorySettingData"), '*'));
    CHECK(!strchr(query_of(fake, "Msvm_StorageAllocationSettingData"), '*'));
    CHECK(host && host->vm_count == 1);
}

TEST(columns_that_the_hosts_build_does_not_have_are_not_asked_for)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const char *query;

    fake_row(fake, CIMV2, "Win32_OperatingSystem", "BuildNumber", "9600", NULL);
    fake_row(fake, HV_NS, "Msvm_ComputerSystem", "Name", "OLD", NULL);
    fake_class(fake, HV_NS, "Msvm_VirtualSystemSettingData");
    fake_class(fake, HV_NS, "Msvm_GpuPartitionSettingData");
    host = read_host(fake, HV_VMS);
    query = query_of(fake, "Msvm_VirtualSystemSettingData");
    CHECK(strstr(query, "InstanceID") && !strstr(query, "GuestControlledCacheTypes"));
}

TEST(another_failure_is_not_tried_again_with_all_columns)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    struct hv_host *host = NULL;
    struct err err = ERR_INIT;

    err_fail(&fake_class(fake, HV_NS, "Msvm_MemorySettingData")->error, ERR_REFUSED,
             0x80041001, "broken");
    CHECK(!hv_inventory_read(&fake->base, "test", HV_VMS | HV_VM_MEMORY, &host, &err));
    CHECK(!strchr(query_of(fake, "Msvm_MemorySettingData"), '*'));
}

TEST(a_host_that_refuses_our_columns_is_asked_for_all)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    add_vm(fake, VM1, "one", "3");
    fake->refuses_columns = true;
    host = read_host(fake, HV_VMS | HV_VM_MEMORY);
    CHECK(host && host->vm_count == 1 && host->vms[0].low_mmio_bytes.known);
    CHECK_STR_EQ(query_of(fake, "Msvm_ComputerSystem"),
                 "SELECT * FROM Msvm_ComputerSystem");
}

TEST(the_system_is_read_and_the_host_is_no_vm)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = read_host(fake, HV_STATUS);

    if (!host)
        return;
    CHECK_STR_EQ(host->product, "Microsoft Windows 11 Pro");
    CHECK_STR_EQ(host->edition, "Professional");
    CHECK_STR_EQ(host->computer_name, "LAPTOP");
    CHECK(host->build.known && host->build.value == 22631);
    CHECK(!host->is_server);
    CHECK_EQ(host->vm_count, 0);
    CHECK_EQ(host->gpu_count, 0);
}

TEST(status_costs_eight_queries_and_everything_thirteen)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL, *all = NULL;

    add_rtx(fake);
    add_vm(fake, VM1, "dev-box", "2");
    host = read_host(fake, HV_STATUS);
    CHECK_EQ(fake->queries, 8);
    CHECK_EQ(fake->invokes, 0);
    fake->queries = 0;
    all = read_host(fake, HV_ALL & ~(unsigned)HV_GPU_DETAILS);
    CHECK_EQ(fake->queries, 13);
}

TEST(ten_thousand_vms_cost_no_more_queries_and_little_time)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    uint64_t start;

    add_rtx(fake);
    for (unsigned i = 0; i < 10000; i++) {
        char id[40], name[16];

        snprintf(id, sizeof(id), "%08X-0000-4000-8000-%012X", i * 2654435761u, i);
        snprintf(name, sizeof(name), "vm-%u", i);
        add_vm(fake, id, name, "3");
        add_adapter(fake, id, RTX_PATH);
    }
    start = os_monotonic_ms();
    host = read_host(fake, HV_STATUS);
    CHECK(os_monotonic_ms() - start < 5000);
    CHECK_EQ(fake->queries, 8);
    CHECK_EQ(host ? host->vm_count : 0, 10000);
    for (size_t i = 0; host && i < host->vm_count; i++)
        if (host->vms[i].adapter_count != 1)
            CHECK_EQ(host->vms[i].adapter_count, 1);
}

TEST(a_gpu_is_joined_from_windows_and_hyper_v)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_gpu *gpu;

    add_rtx(fake);
    /* Another spelling of the case, as real hosts mix it. */
    fake_row(fake, CIMV2, "Win32_VideoController", "PNPDeviceID",
             "PCI\\VEN_10de&DEV_2860&SUBSYS_252D1043&REV_A1\\4&296B7397&0&0008",
             "DriverVersion", "32.0.15.6094", "DriverDate", "20240814000000.000000+000",
             "InfFilename", "oem12.inf", NULL);
    host = read_host(fake, HV_STATUS | HV_GPU_DRIVERS);
    if (!host || host->gpu_count != 1) {
        CHECK_EQ(host ? host->gpu_count : 0, 1);
        return;
    }
    gpu = &host->gpus[0];
    CHECK_STR_EQ(gpu->name, "NVIDIA GeForce RTX 4070 Laptop GPU");
    CHECK_STR_EQ(gpu->pci_id, "10de:2860");
    CHECK_STR_EQ(gpu->vendor, "NVIDIA");
    CHECK_STR_EQ(gpu->interface_path, RTX_PATH);
    CHECK_STR_EQ(gpu->driver_version, "32.0.15.6094");
    CHECK_STR_EQ(gpu->driver_date, "2024-08-14");
    CHECK_STR_EQ(gpu->driver_inf, "oem12.inf");
    CHECK_STR_EQ(gpu->service, "nvlddmkm");
    CHECK_EQ(gpu->modes, GPU_MODE_PV);
    CHECK_STR_EQ(gpu_status_name(gpu->status), "paravirtualization");
    CHECK_STR_EQ(gpu_place_name(gpu->place), "host");
    CHECK(gpu->partition_count.known && gpu->partition_count.value == 32);
    CHECK_EQ(gpu->valid_partition_count_count, 1);
    CHECK(gpu->problem_code.known && gpu->problem_code.value == 0);
    CHECK(!gpu->vram_bytes.known);
    CHECK(gpu->location_path == NULL && gpu->driver_package == NULL);
}

TEST(only_physical_gpus_are_listed_and_in_a_fixed_order)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "ROOT\\BasicDisplay\\0000",
             "ClassGuid", DISPLAY, NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "VMBUS\\{DA0A7802-0}\\5&1",
             "ClassGuid", DISPLAY, "Name", "Microsoft Hyper-V ビデオ", NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\VEN_1414&DEV_008E\\1",
             "ClassGuid", DISPLAY, NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\VEN_8086&DEV_A7A0\\3",
             "ClassGuid", "{4D36E968-E325-11CE-BFC1-08002BE10318}", NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\VEN_10DE&DEV_1EB8\\4",
             "CompatibleID", "PCI\\CC_0302", "ConfigManagerErrorCode", "28", NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\VEN_8086&DEV_15F3\\5",
             "CompatibleID", "PCI\\CC_0200", "ConfigManagerErrorCode", "28", NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\VEN_10DE&DEV_9999\\6",
             "ClassGuid", DISPLAY, "Present", "false", NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "Name", "no id", "ClassGuid", DISPLAY, NULL);
    host = read_host(fake, HV_STATUS);
    if (!host || host->gpu_count != 2) {
        CHECK_EQ(host ? host->gpu_count : 0, 2);
        return;
    }
    CHECK_STR_EQ(host->gpus[0].pci_id, "10de:1eb8");
    CHECK_EQ(host->gpus[0].problem_code.value, 28);
    CHECK_STR_EQ(host->gpus[1].vendor, "Intel");
    CHECK_STR_EQ(gpu_status_name(host->gpus[0].status), "not-assignable");
    CHECK(!host->gpus[0].valid_partition_counts && !host->gpus[0].interface_path);
}

TEST(a_gpu_with_hardware_partitions_and_one_windows_hides_are_both_listed)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    fake_row(fake, HV_NS, "Msvm_PartitionableGpu", "Name",
             "\\\\?\\PCI#VEN_10DE&DEV_25B6#6&1#{064092b3-625e-43bf-9eb5-dc845897dd59}",
             "PartitionCount", "4", "ValidPartitionCounts", "16,8,4,2,1", NULL);
    fake_row(fake, HV_NS, "Msvm_PartitionableGpu", "Name", "garbage", NULL);
    fake_row(fake, HV_NS, "Msvm_PartitionableGpu", "Name", NULL, NULL);
    host = read_host(fake, HV_STATUS);
    CHECK_EQ(host ? host->gpu_count : 0, 1);
    if (!host || host->gpu_count != 1)
        return;
    CHECK_STR_EQ(gpu_status_name(host->gpus[0].status), "partitioned");
    CHECK_EQ(host->gpus[0].modes, GPU_MODE_P);
    CHECK_EQ(host->gpus[0].valid_partition_count_count, 5);
    CHECK_EQ(host->gpus[0].valid_partition_counts[4], 1);
    CHECK(host->gpus[0].name == NULL);
    CHECK_EQ(host->gpus[0].place, GPU_PLACE_UNKNOWN);
}

TEST(vm_settings_are_those_of_the_vm_and_not_of_its_checkpoints)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_vm *vm;

    add_vm(fake, VM1, "dev-box", "2");
    fake_row(fake, HV_NS, "Msvm_VirtualSystemSettingData", "InstanceID",
             "Microsoft:" SNAPSHOT, "VirtualSystemIdentifier", VM1, "VirtualSystemType",
             "Microsoft:Hyper-V:Snapshot:Realized", "LowMmioGapSize", "3072", NULL);
    fake_row(fake, HV_NS, "Msvm_MemorySettingData", "InstanceID", "Microsoft:" VM1 "\\4764",
             "VirtualQuantity", "8192", "Reservation", "512", "Limit", "16384",
             "DynamicMemoryEnabled", "true", NULL);
    fake_row(fake, HV_NS, "Msvm_MemorySettingData", "InstanceID",
             "Microsoft:" SNAPSHOT "\\4764", "VirtualQuantity", "1", NULL);
    fake_row(fake, HV_NS, "Msvm_MemorySettingData", "InstanceID",
             "Microsoft:Definition\\4764334D-0\\Default", "VirtualQuantity", "1024", NULL);
    fake_row(fake, HV_NS, "Msvm_StorageAllocationSettingData", "InstanceID",
             "Microsoft:" VM1 "\\83F8\\0\\0\\D", "ResourceSubType",
             "Microsoft:Hyper-V:Virtual Hard Disk", "HostResource", "C:\\VMs\\dev.vhdx",
             NULL);
    fake_row(fake, HV_NS, "Msvm_StorageAllocationSettingData", "InstanceID",
             "Microsoft:" VM1 "\\83F8\\0\\1\\D", "ResourceSubType",
             "Microsoft:Hyper-V:Virtual CD/DVD Disk", "HostResource", "C:\\a.iso", NULL);
    host = read_host(fake, HV_STATUS | HV_VM_MEMORY | HV_VM_DISKS);
    if (!host || host->vm_count != 1) {
        CHECK_EQ(host ? host->vm_count : 0, 1);
        return;
    }
    vm = &host->vms[0];
    CHECK_STR_EQ(vm_state_name(vm->state), "running");
    CHECK_STR_EQ(vm->settings_id, "Microsoft:" VM1);
    CHECK_EQ(vm->generation.value, 2);
    CHECK_EQ(vm->low_mmio_bytes.value, 128ll << 20);
    CHECK_EQ(vm->high_mmio_bytes.value, 512ll << 20);
    CHECK_EQ(vm->guest_controlled_cache, TRI_NO);
    CHECK_STR_EQ(stop_action_name(vm->stop_action.value), "save");
    CHECK_STR_EQ(checkpoint_type_name(vm->checkpoint_type.value), "production");
    CHECK_EQ(vm->checkpoint_count.value, 1);
    CHECK_EQ(vm->memory_startup_bytes.value, 8ll << 30);
    CHECK_EQ(vm->memory_maximum_bytes.value, UINT64_C(16384) << 20);
    CHECK_EQ(vm->dynamic_memory, TRI_YES);
    CHECK_EQ(vm->disk_count, 1);
    CHECK_STR_EQ(vm->disks[0].path, "C:\\VMs\\dev.vhdx");
}

TEST(adapters_belong_to_vms_and_never_to_templates)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_vm *vm;

    add_rtx(fake);
    add_vm(fake, VM1, "b", "2");
    add_vm(fake, VM2, "a", "3");
    add_adapter(fake, VM1, RTX_PATH);
    add_adapter(fake, VM2, NULL);
    add_adapter(fake, SNAPSHOT, RTX_PATH);
    fake_row(fake, HV_NS, "Msvm_GpuPartitionSettingData", "InstanceID",
             "Microsoft:Definition\\0DCC3FD1-21BD-423E-AB0B-A3A7451CE985\\Default", NULL);
    fake_row(fake, HV_NS, "Msvm_GpuPartition", "SystemName", VM1, "DeviceID",
             "Microsoft:" VM1 "\\AD1", "PartitionId", "3", "DeviceInstancePath", RTX_PATH,
             "CurrentVRAM", "1986422374", "CurrentEncode", "16", NULL);
    host = read_host(fake, HV_STATUS | HV_PARTITIONS);
    if (!host || host->vm_count != 2) {
        CHECK_EQ(host ? host->vm_count : 0, 2);
        return;
    }
    CHECK_STR_EQ(host->vms[0].name, "a"); /* by name */
    CHECK_EQ(host->vms[0].adapter_count, 1);
    CHECK(host->vms[0].adapters[0].interface_path == NULL);
    CHECK(!host->vms[0].adapters[0].partition_id.known);
    vm = &host->vms[1];
    CHECK_EQ(vm->adapter_count, 1);
    CHECK_STR_EQ(vm->adapters[0].interface_path, RTX_PATH);
    CHECK_STR_EQ(vm->adapters[0].running_on, RTX_PATH);
    CHECK(vm->adapters[0].partition_id.known && vm->adapters[0].partition_id.value == 3);
    CHECK_EQ(vm->adapters[0].quota[QUOTA_VRAM].optimal.value, 1000);
    CHECK(!vm->adapters[0].quota[QUOTA_VRAM].min.known);
    CHECK(vm->adapters[0].quota[QUOTA_ENCODE].max.value == UINT64_MAX);
    CHECK_EQ(vm->adapters[0].current[QUOTA_VRAM].value, 1986422374);
    CHECK_EQ(vm->adapters[0].current[QUOTA_ENCODE].value, 16);
    CHECK(!vm->adapters[0].current[QUOTA_COMPUTE].known);
}

TEST(amounts_are_those_of_the_entry_that_counts_and_unknown_stays_unknown)
{
    static const char hardware[] =
        "\\\\?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#"
        "{064092b3-625e-43bf-9eb5-dc845897dd59}";

    for (int order = 0; order < 2; order++) {
        CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
        CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

        fake_row(fake, "root/cimv2", "Win32_PnPEntity", "DeviceID", RTX_ID, "Name", "RTX",
                 "ClassGuid", "{4d36e968-e325-11ce-bfc1-08002be10318}", "Present", "true",
                 NULL);
        for (int i = 0; i < 2; i++)
            if (i == order)
                fake_row(fake, HV_NS, "Msvm_PartitionableGpu", "Name", RTX_PATH,
                         "PartitionCount", "32", "TotalVRAM", "1000000000",
                         "MinPartitionVRAM", "0", "OptimalPartitionCompute", "7", NULL);
            else
                fake_row(fake, HV_NS, "Msvm_PartitionableGpu", "Name", hardware,
                         "PartitionCount", "8", "TotalVRAM", "17179869184", "AvailableVRAM",
                         "15193446810", "MaxPartitionVRAM", "1986422374",
                         "OptimalPartitionVRAM", "1986422374", "TotalEncode", "128", NULL);
        host = read_host(fake, HV_GPUS);
        CHECK_EQ(host ? host->gpu_count : 0, 1);
        if (!host || host->gpu_count != 1)
            return;
        CHECK_EQ(host->gpus[0].partition_count.value, 8);
        CHECK_EQ(host->gpus[0].amounts[QUOTA_VRAM].total.value, 17179869184);
        CHECK_EQ(host->gpus[0].amounts[QUOTA_VRAM].available.value, 15193446810);
        CHECK_EQ(host->gpus[0].amounts[QUOTA_VRAM].max.value, 1986422374);
        CHECK_EQ(host->gpus[0].amounts[QUOTA_ENCODE].total.value, 128);
        CHECK(!host->gpus[0].amounts[QUOTA_VRAM].min.known);
        CHECK(!host->gpus[0].amounts[QUOTA_COMPUTE].optimal.known);
        CHECK(!host->gpus[0].amounts[QUOTA_DECODE].total.known);
    }
}

TEST(a_dismounted_gpu_keeps_its_place_and_an_assigned_one_its_vm)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    add_vm(fake, VM1, "dda", "3");
    for (int i = 0; i < 2; i++) {
        const char *id = i ? "PCIP\\VEN_10DE&DEV_20B5\\2" : "PCIP\\VEN_10DE&DEV_1EB8\\1";
        const char *location =
            i ? "PCIROOT(40)#PCI(0200)#PCI(0000)" : "PCIROOT(0)#PCI(0100)";
        const char *device = i ? "Microsoft:ED28B-7BDD0\\PCIP\\VEN_10DE&DEV_20B5\\2"
                               : "Microsoft:ED28B-7BDD0\\PCIP\\VEN_10DE&DEV_1EB8\\1";

        /* The first does not say what it is; its phantom does. */
        fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", id, "CompatibleID",
                 i ? "PCI\\CC_0302" : NULL, "Name", "PCI Express ... - Dismounted", NULL);
        fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID",
                 i ? "PCI\\VEN_10DE&DEV_20B5\\2" : "PCI\\VEN_10DE&DEV_1EB8\\1", "ClassGuid",
                 DISPLAY, "Present", "false", "Name", i ? "NVIDIA A100" : "Tesla T4", NULL);
        fake_row(fake, HV_NS, "Msvm_PciExpress", "DeviceID", device, "DeviceInstancePath",
                 id, "LocationPath", location, NULL);
    }
    fake_row(fake, HV_NS, "Msvm_PciExpressSettingData", "InstanceID",
             "Microsoft:" VM1 "\\D1", "HostResource",
             "\\\\H\\root\\virtualization\\v2:Msvm_PciExpress.CreationClassName="
             "\"Msvm_PciExpress\",DeviceID=\"Microsoft:ED28B-7BDD0\\\\PCIP\\\\VEN_10DE&"
             "DEV_20B5\\\\2\",SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="
             "\"H\"",
             NULL);
    host = read_host(fake, HV_STATUS);
    if (!host || host->gpu_count != 2 || host->vm_count != 1) {
        CHECK_EQ(host ? host->gpu_count : 0, 2);
        return;
    }
    CHECK_STR_EQ(host->gpus[0].name, "Tesla T4");
    CHECK_STR_EQ(host->gpus[1].name, "NVIDIA A100");
    CHECK_STR_EQ(gpu_place_name(host->gpus[0].place), "dismounted");
    CHECK_STR_EQ(gpu_place_name(host->gpus[1].place), "assigned");
    CHECK_STR_EQ(gpu_status_name(host->gpus[1].status), "ready-for-dda");
    CHECK_STR_EQ(host->gpus[1].location_path, "PCIROOT(40)#PCI(0200)#PCI(0000)");
    CHECK_EQ(host->vms[0].device_count, 1);
    CHECK_STR_EQ(host->vms[0].devices[0].location_path, "PCIROOT(40)#PCI(0200)#PCI(0000)");
}

TEST(a_guest_is_known_by_what_it_reports)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    static const char *const items[] = {
        "<INSTANCE CLASSNAME=\"Msvm_KvpExchangeDataItem\"><PROPERTY NAME=\"Data\" "
        "TYPE=\"string\"><VALUE>Windows 11 Pro &#169;</VALUE></PROPERTY><PROPERTY "
        "NAME=\"Name\" TYPE=\"string\"><VALUE>OSName</VALUE></PROPERTY></INSTANCE>",
        "<INSTANCE broken",
        "",
        "<INSTANCE CLASSNAME=\"Msvm_KvpExchangeDataItem\"><PROPERTY NAME=\"Data\" "
        "TYPE=\"string\"><VALUE>22631</VALUE></PROPERTY><PROPERTY NAME=\"Name\" "
        "TYPE=\"string\"><VALUE>OSBuildNumber</VALUE></PROPERTY></INSTANCE>",
    };
    struct cim_instance *row;
    struct err err = ERR_INIT;

    add_vm(fake, VM1, "dev-box", "2");
    row = fake_row(fake, HV_NS, "Msvm_KvpExchangeComponent", "SystemName", VM1, NULL);
    CHECK_OK(
        cim_set_texts(row, "GuestIntrinsicExchangeItems", items, ARRAY_LEN(items), &err));
    host = read_host(fake, HV_STATUS | HV_VM_GUEST);
    CHECK_STR_EQ(host ? host->vms[0].guest_os : NULL, "Windows 11 Pro ©");
    CHECK(host && host->vms[0].guest_build.known &&
          host->vms[0].guest_build.value == 22631);
}

TEST(what_a_host_does_not_say_stays_unknown)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_vm *vm;

    fake_row(fake, HV_NS, "Msvm_ComputerSystem", "Name", VM1, "ElementName", NULL,
             "EnabledState", NULL, NULL);
    fake_row(fake, HV_NS, "Msvm_ComputerSystem", "Name", NULL, NULL);
    host = read_host(fake, HV_STATUS | HV_VM_MEMORY);
    if (!host || host->vm_count != 1) {
        CHECK_EQ(host ? host->vm_count : 0, 1);
        return;
    }
    vm = &host->vms[0];
    CHECK(vm->name == NULL && vm->version == NULL && vm->settings_id == NULL);
    CHECK(vm_state_name(vm->state) == NULL);
    CHECK(!vm->generation.known && !vm->low_mmio_bytes.known && !vm->stop_action.known);
    CHECK(!vm->memory_startup_bytes.known);
    CHECK_EQ(vm->guest_controlled_cache, TRI_UNKNOWN);
    CHECK(stop_action_name(99) == NULL && checkpoint_type_name(UINT64_MAX) == NULL);
}

TEST(hostile_values_are_left_out)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    static char name[10001];

    memset(name, 'x', 10000);
    add_vm(fake, VM1, name, "65535");
    fake_row(fake, HV_NS, "Msvm_VirtualSystemSettingData", "VirtualSystemIdentifier", VM1,
             "VirtualSystemType", "Microsoft:Hyper-V:System:Realized", "HighMmioGapSize",
             "18446744073709551615", "VirtualSystemSubType",
             "Microsoft:Hyper-V:SubType:zwei", NULL);
    for (int i = 0; i < 6; i++) {
        static const char *const ids[] = {
            "",          "Microsoft:", "Microsoft:6C0D8F5B", "Microsoft:" VM1 "x",
            "{" VM1 "}", "\\\\\\"
        };

        fake_row(fake, HV_NS, "Msvm_GpuPartitionSettingData", "InstanceID", ids[i], NULL);
    }
    fake_row(fake, HV_NS, "Msvm_GpuPartitionSettingData", "InstanceID",
             "Microsoft:" VM1 "\\1", "HostResource", "((((not a path\"", NULL);
    host = read_host(fake, HV_STATUS);
    if (!host || host->vm_count != 1) {
        CHECK_EQ(host ? host->vm_count : 0, 1);
        return;
    }
    CHECK_EQ(strlen(host->vms[0].name), 10000);
    CHECK_EQ(host->vms[0].state, VM_UNKNOWN);
    CHECK_EQ(host->vms[0].high_mmio_bytes.value, 512ll << 20); /* not 2^64 MB */
    CHECK_EQ(host->vms[0].adapter_count, 1);
    CHECK(host->vms[0].adapters[0].interface_path == NULL);
}

TEST(a_machine_without_hyper_v_is_told_from_one_that_hides_it)
{
    static const int64_t codes[] = { 0x8004100E, 0x80041010, (int32_t)0x8004100E };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
        struct hv_host *host = NULL;
        struct err err = ERR_INIT;

        err_fail(&fake_class(fake, HV_NS, "Msvm_ComputerSystem")->error, ERR_REFUSED,
                 codes[i], "ungültiger Namespace");
        CHECK(!hv_inventory_read(&fake->base, "plain", HV_STATUS, &host, &err));
        CHECK_EQ(err.kind, ERR_UNSUPPORTED);
        CHECK(err.hint[0] != '\0');
    }
    {
        CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
        struct hv_host *host = NULL;
        struct err err = ERR_INIT;

        fake_row(fake, CIMV2, "Win32_OperatingSystem", "Caption", "x", NULL);
        fake_class(fake, HV_NS, "Msvm_ComputerSystem");
        CHECK(!hv_inventory_read(&fake->base, "hidden", HV_STATUS, &host, &err));
        CHECK_EQ(err.kind, ERR_DENIED);
        CHECK(strstr(err.hint, "Hyper-V Administrators") != NULL);
    }
}

TEST(an_old_host_without_the_gpu_classes_still_has_vms)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    static const char *const missing[] = { "Msvm_PartitionableGpu",
                                           "Msvm_GpuPartitionSettingData",
                                           "Msvm_PciExpress" };

    add_vm(fake, VM1, "old", "3");
    for (size_t i = 0; i < ARRAY_LEN(missing); i++)
        err_fail(&fake_class(fake, HV_NS, missing[i])->error, ERR_REFUSED, 0x80041010,
                 "no");
    host = read_host(fake, HV_STATUS);
    CHECK_EQ(host ? host->vm_count : 0, 1);
}

TEST(a_query_that_fails_otherwise_fails_the_inventory)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    struct hv_host *host = NULL;
    struct err err = ERR_INIT;

    err_fail(&fake_class(fake, HV_NS, "Msvm_PartitionableGpu")->error, ERR_UNREACHABLE, 0,
             "connection reset");
    CHECK(!hv_inventory_read(&fake->base, "h", HV_STATUS, &host, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
    CHECK(host == NULL);
}

static void add_property(struct cim_instance **list, size_t *count, const char *class_name,
                         const char *key, const char *text, uint64_t number)
{
    struct cim_instance *p = cim_instance_new(CIMV2, class_name);
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_text(p, "KeyName", key, &err));
    if (strstr(class_name, "Array"))
        CHECK_OK(cim_set_texts(p, "Data", &text, 1, &err));
    else if (text)
        CHECK_OK(cim_set_text(p, "Data", text, &err));
    else
        CHECK_OK(cim_set_uint(p, "Data", CIM_UINT32, number, &err));
    list[(*count)++] = p;
}

TEST(the_details_of_a_gpu_come_from_its_properties_and_the_registry)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct cim_instance *properties[8], *out;
    struct cim_value value = { .type = CIM_OBJECT, .is_array = true };
    struct err err = ERR_INIT;
    size_t count = 0;

    add_rtx(fake);
    add_property(properties, &count, "Win32_PnPDevicePropertyStringArray",
                 "DEVPKEY_Device_LocationPaths", "PCIROOT(0)#PCI(0100)#PCI(0000)", 0);
    add_property(properties, &count, "Win32_PnPDevicePropertyString",
                 "DEVPKEY_Device_Driver", DISPLAY "\\0001", 0);
    value.data = calloc(count, sizeof(*value.data));
    for (size_t i = 0; i < count; i++)
        value.data[i].object = properties[i];
    value.count = count;
    out = fake_answer(fake, "GetDeviceProperties", "u:ReturnValue", "0", NULL);
    CHECK_OK(cim_set(out, "deviceProperties", &value, &err));
    fake_answer(fake, "GetQWORDValue", "u:ReturnValue", "0", "u:uValue", "8585740288",
                NULL);
    fake_answer(fake, "GetExpandedStringValue", "u:ReturnValue", "0", "s:sValue",
                "\\SystemRoot\\System32\\DriverStore\\FileRepository\\"
                "nvaci.inf_amd64_0123456789abcdef\\nvlddmkm.sys",
                NULL);
    host = read_host(fake, HV_GPUS | HV_VMS | HV_GPU_DETAILS);
    if (!host || host->gpu_count != 1) {
        CHECK_EQ(host ? host->gpu_count : 0, 1);
        return;
    }
    CHECK_STR_EQ(host->gpus[0].location_path, "PCIROOT(0)#PCI(0100)#PCI(0000)");
    CHECK(host->gpus[0].vram_bytes.known && host->gpus[0].vram_bytes.value == 8585740288);
    CHECK_STR_EQ(host->gpus[0].driver_package, "nvaci.inf_amd64_0123456789abcdef");
    CHECK_EQ(fake->invokes, 3);
}

TEST(details_that_are_refused_stay_unknown)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    add_rtx(fake);
    fake_error(fake, "GetDeviceProperties", ERR_DENIED, 5);
    fake_answer(fake, "GetStringValue", "u:ReturnValue", "2", NULL);
    fake_answer(fake, "GetExpandedStringValue", "u:ReturnValue", "0", "s:sValue",
                "system32\\drivers\\nv.sys", NULL);
    host = read_host(fake, HV_GPUS | HV_VMS | HV_GPU_DETAILS);
    CHECK(host && !host->gpus[0].vram_bytes.known && !host->gpus[0].driver_package &&
          !host->gpus[0].location_path);
}

TEST(the_parent_of_a_differencing_disk_is_asked_for)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = bare_host();
    CLEANUP(fake_host_cleanup) struct fake_host *mute = bare_host();
    static char path[] = "C:\\VMs\\child.avhdx";
    struct hv_disk disk = { .path = path };
    struct hv_vm vm = { .disks = &disk, .disk_count = 1 };
    struct err err = ERR_INIT;

    fake_answer(fake, "GetVirtualHardDiskSettingData", "u:ReturnValue", "0",
                "s:SettingData",
                "<INSTANCE CLASSNAME=\"Msvm_VirtualHardDiskSettingData\"><PROPERTY "
                "NAME=\"ParentPath\" TYPE=\"string\"><VALUE>C:\\VMs\\base.vhdx</VALUE>"
                "</PROPERTY></INSTANCE>",
                NULL);
    CHECK_OK(hv_read_disk_parents(&fake->base, &vm, &err));
    CHECK_STR_EQ(disk.parent, "C:\\VMs\\base.vhdx");
    free(disk.parent);
    disk.parent = NULL;

    fake_answer(mute, "GetVirtualHardDiskSettingData", "u:ReturnValue", "32779", NULL);
    CHECK_OK(hv_read_disk_parents(&mute->base, &vm, &err));
    CHECK(disk.parent == NULL);
}
