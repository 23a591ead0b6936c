/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of a card, their resources, and what the machine below can do. */

#include "inventory.h"

#include <string.h>

#include "err.h"
#include "job.h"
#include "test-fake-host.h"
#include "test.h"

#define CIMV2 "root/cimv2"
#define DISPLAY "{4d36e968-e325-11ce-bfc1-08002be10318}"
#define GPU_ID "PCI\\VEN_10DE&DEV_2684&SUBSYS_16F410DE&REV_A1\\4&1c3d25bb&0&0019"
#define AUDIO_ID "PCI\\VEN_10DE&DEV_22BA&SUBSYS_16F410DE&REV_A1\\4&1c3d25bb&0&0119"
#define OTHER_ID "PCI\\VEN_8086&DEV_15F3&SUBSYS_00008086&REV_03\\4&1c3d25bb&0&0219"
#define NIC_ID "PCI\\VEN_8086&DEV_10C9&SUBSYS_A03C8086&REV_01\\6&aa&0&00080018"

enum { QUERIES_OF_GPUS = 3 /* the system, GPUs, partitionable GPUs */ };

static struct fake_host *server(void)
{
    static const struct {
        const char *ns, *name;
    } classes[] = {
        { CIMV2, "Win32_PnPEntity" },
        { CIMV2, "Win32_PnPAllocatedResource" },
        { CIMV2, "Win32_DeviceMemoryAddress" },
        { CIMV2, "Win32_ComputerSystem" },
        { CIMV2, "Win32_Processor" },
        { HV_NS, "Msvm_PartitionableGpu" },
        { HV_NS, "Msvm_VirtualEthernetSwitchManagementCapabilities" },
        { "root/MSCluster", "MSCluster_Cluster" },
    };
    struct fake_host *fake = fake_host_new();

    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        fake_class(fake, classes[i].ns, classes[i].name);
    fake_row(fake, CIMV2, "Win32_OperatingSystem", "Caption",
             "Microsoft Windows Server 2022", "BuildNumber", "20348", "OperatingSystemSKU",
             "8", "ProductType", "3", NULL);
    return fake;
}

static void add_device(struct fake_host *fake, const char *id, const char *class_guid,
                       const char *present)
{
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", id, "Name", id, "ClassGuid",
             class_guid, "ConfigManagerErrorCode", "0", "Present", present, NULL);
}

static void add_number(struct cim_value *to, const char *key, uint64_t number)
{
    struct cim_instance *p = cim_instance_new(CIMV2, "Win32_PnPDevicePropertyUint32");
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_text(p, "key", key, &err));
    CHECK_OK(cim_set_uint(p, "Data", CIM_UINT32, number, &err));
    to->data[to->count++].object = p;
}

/* The next answer of GetDeviceProperties.  Hosts give two forms of a location; the one that
 * counts need not be the first. */
static void answer_properties(struct fake_host *fake, const char *location, uint64_t type)
{
    const char *paths[] = { "ACPI(_SB_)#ACPI(PC00)#ACPI(RP03)", location };
    struct cim_value value = { .type = CIM_OBJECT, .is_array = true };
    struct cim_instance *out, *p;
    struct err err = ERR_INIT;

    value.data = calloc(8, sizeof(*value.data));
    p = cim_instance_new(CIMV2, "Win32_PnPDevicePropertyStringArray");
    CHECK_OK(cim_set_text(p, "KeyName", "DEVPKEY_Device_LocationPaths", &err));
    CHECK_OK(cim_set_texts(p, "Data", paths, 2, &err));
    value.data[value.count++].object = p;
    add_number(&value, "{3ab22e31-8264-4b4e-9af5-a8d2d8e33e62} 1", type);
    add_number(&value, "{3ab22e31-8264-4b4e-9af5-a8d2d8e33e62} 31", 3);
    out = fake_answer(fake, "GetDeviceProperties", "u:ReturnValue", "0", NULL);
    CHECK_OK(cim_set(out, "deviceProperties", &value, &err));
    cim_value_clear(&value);
}

static void add_link(struct fake_host *fake, const char *resource, const char *device)
{
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new(CIMV2, "Win32_PnPEntity");
    struct err err = ERR_INIT;
    char *text;

    CHECK_OK(cim_path_set(path, "DeviceID", device, &err));
    text = cim_path_format(path);
    fake_row(fake, CIMV2, "Win32_PnPAllocatedResource", "Antecedent", resource, "Dependent",
             text, NULL);
    free(text);
}

static void add_memory(struct fake_host *fake, const char *start, const char *end)
{
    fake_row(fake, CIMV2, "Win32_DeviceMemoryAddress", "StartingAddress", start,
             "EndingAddress", end, NULL);
}

static void add_card(struct fake_host *fake)
{
    add_device(fake, GPU_ID, DISPLAY, "true");
    add_device(fake, AUDIO_ID, "{4d36e96c-e325-11ce-bfc1-08002be10318}", "true");
    add_device(fake, OTHER_ID, "{4d36e972-e325-11ce-bfc1-08002be10318}", "true");
    add_device(fake, NIC_ID, "{4d36e972-e325-11ce-bfc1-08002be10318}", "true");
    answer_properties(fake, "PCIROOT(0)#PCI(0300)#PCI(0000)", 3);
    answer_properties(fake, "PCIROOT(0)#PCI(0300)#PCI(0001)", 2);
    answer_properties(fake, "PCIROOT(0)#PCI(0300)#PCI(0100)", 2); /* another device there */
    answer_properties(fake, "PCIROOT(0)#PCI(0500)#PCI(0000)", 2);
    add_link(fake, "root/cimv2:Win32_DeviceMemoryAddress.StartingAddress=4026531840",
             GPU_ID);
    add_link(fake, "root/cimv2:Win32_DeviceMemoryAddress.StartingAddress=\"274877906944\"",
             GPU_ID);
    add_link(fake, "root/cimv2:Win32_IRQResource.IRQNumber=4294967290", GPU_ID);
    add_link(fake, "root/cimv2:Win32_IRQResource.IRQNumber=17", AUDIO_ID);
    add_link(fake, "root/cimv2:Win32_IRQResource.IRQNumber=4294967280", NIC_ID);
    add_memory(fake, "4026531840", "4043309055");     /* 16 MB */
    add_memory(fake, "274877906944", "309237645311"); /* a bridge's window, 32 GB */
    add_memory(fake, "274877906944", "275146342399"); /* 256 MB: the device's own */
}

static struct hv_host *read_host(struct fake_host *fake, unsigned what)
{
    struct hv_host *host = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(hv_inventory_read(&fake->base, "test", what, &host, &err));
    return host;
}

TEST(the_functions_of_a_card_are_found_and_joined_with_their_resources)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_function *gpu, *audio;

    add_card(fake);
    host = read_host(fake, HV_GPUS | HV_FUNCTIONS);
    if (!host)
        return;
    CHECK_EQ(fake->queries, QUERIES_OF_GPUS + 3);
    CHECK_EQ(fake->invokes, 3); /* the network card elsewhere is not asked */
    CHECK_EQ(host->function_count, 3);
    gpu = hv_find_function(host, GPU_ID);
    audio = hv_find_function(host, AUDIO_ID);
    CHECK(gpu && audio && hv_find_function(host, NIC_ID) == NULL);
    if (!gpu || !audio)
        return;
    CHECK_STR_EQ(gpu->location_path, "PCIROOT(0)#PCI(0300)#PCI(0000)");
    CHECK(hv_same_card(gpu->location_path, audio->location_path));
    CHECK(
        !hv_same_card(gpu->location_path, hv_find_function(host, OTHER_ID)->location_path));
    CHECK(gpu->device_type.known && gpu->device_type.value == 3);
    CHECK(!gpu->reserved_memory.known); /* nobody told */
    CHECK_EQ(gpu->range_count, 2);
    CHECK_EQ(gpu->ranges[0].size_bytes >> 20, 16);
    CHECK_EQ(gpu->ranges[1].size_bytes >> 20, 256);
    CHECK_EQ(gpu->message_interrupts, 1);
    CHECK_EQ(gpu->line_interrupts, 0);
    CHECK_EQ(audio->line_interrupts, 1);
    CHECK(audio->has_resources && audio->range_count == 0);
    CHECK_EQ(host->platform.highest_address.value >> 30, 288);
}

TEST(every_device_can_be_asked_for)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    add_card(fake);
    host = read_host(fake, HV_GPUS | HV_FUNCTIONS | HV_ALL_FUNCTIONS);
    CHECK(host && host->function_count == 4 && hv_find_function(host, NIC_ID) != NULL);
}

/* Its PCI node is a phantom, its PCIP node has no resources. */
TEST(a_dismounted_function_is_found_by_either_name)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_function *function;

    add_device(fake, GPU_ID, DISPLAY, "false");
    add_device(fake, "PCIP\\VEN_10DE&DEV_2684&SUBSYS_16F410DE&REV_A1\\4&1C3D25BB&0&0019",
               "{4d36e97d-e325-11ce-bfc1-08002be10318}", "true");
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\broken", "Present", "true",
             NULL);
    answer_properties(fake, "PCIROOT(0)#PCI(0300)#PCI(0000)", 3);
    host = read_host(fake, HV_GPUS | HV_FUNCTIONS);
    function = host ? hv_find_function(host, GPU_ID) : NULL;
    CHECK(function != NULL);
    if (!function)
        return;
    CHECK(!function->has_resources);
    CHECK_EQ(function->place, GPU_DISMOUNTED);
}

TEST(resources_that_are_refused_stay_unknown)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    add_card(fake);
    err_fail(&fake_class(fake, CIMV2, "Win32_PnPAllocatedResource")->error, ERR_DENIED, 5,
             "no");
    host = read_host(fake, HV_GPUS | HV_FUNCTIONS);
    for (size_t i = 0; host && i < host->function_count; i++)
        CHECK(!host->functions[i].has_resources && host->functions[i].range_count == 0);
}

TEST(losing_the_host_is_no_unknown_fact)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    struct hv_host *host = NULL;
    struct err err = ERR_INIT;

    add_card(fake);
    err_fail(&fake_class(fake, CIMV2, "Win32_DeviceMemoryAddress")->error, ERR_UNREACHABLE,
             0, "gone");
    CHECK(!hv_inventory_read(&fake->base, "test", HV_GPUS | HV_FUNCTIONS, &host, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
}

/* ---- the machine ---- */

TEST(what_the_machine_can_do_is_read_with_four_queries)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_platform *p;

    fake_row(fake, CIMV2, "Win32_ComputerSystem", "HypervisorPresent", "false", NULL);
    fake_row(fake, CIMV2, "Win32_Processor", "SecondLevelAddressTranslationExtensions",
             "true", "VirtualizationFirmwareEnabled", "false", NULL);
    fake_row(fake, HV_NS, "Msvm_VirtualEthernetSwitchManagementCapabilities", "IOVSupport",
             "false", "IOVSupportReasons", "no interrupt remapping", NULL);
    fake_row(fake, "root/MSCluster", "MSCluster_Cluster", "Name", "CLUSTER", NULL);
    fake_answer(fake, "GetDWORDValue", "u:ReturnValue", "0", "u:uValue", "0", NULL);
    fake_answer(fake, "GetDWORDValue", "u:ReturnValue", "2", NULL);
    host = read_host(fake, HV_PLATFORM);
    if (!host)
        return;
    p = &host->platform;
    CHECK_EQ(fake->queries, 1 + 4);
    CHECK_EQ(p->hypervisor_runs, TRI_NO);
    CHECK_EQ(p->slat, TRI_YES);
    CHECK_EQ(p->firmware_virtualization, TRI_NO);
    CHECK_EQ(p->iov, TRI_NO);
    CHECK_EQ(p->iov_reason_count, 1);
    CHECK_STR_EQ(p->iov_reasons[0], "no interrupt remapping");
    CHECK_EQ(p->clustered, TRI_YES);
    CHECK_STR_EQ(p->cluster_name, "CLUSTER");
    CHECK(p->policy_read && p->require_secure.known && p->require_secure.value == 0);
    CHECK(!p->require_supported.known);
}

/* Below a hypervisor Windows sees neither, whatever the processor has. */
TEST(a_running_hypervisor_hides_what_the_processor_has)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    fake_row(fake, CIMV2, "Win32_ComputerSystem", "HypervisorPresent", "true", NULL);
    fake_row(fake, CIMV2, "Win32_Processor", "SecondLevelAddressTranslationExtensions",
             "false", "VirtualizationFirmwareEnabled", "false", NULL);
    fake_answer(fake, "GetDWORDValue", "u:ReturnValue", "2", NULL);
    host = read_host(fake, HV_PLATFORM);
    CHECK(host && host->platform.slat == TRI_UNKNOWN &&
          host->platform.firmware_virtualization == TRI_UNKNOWN);
    CHECK(host && host->platform.clustered == TRI_NO);
    CHECK(host && host->platform.iov == TRI_UNKNOWN);
}

TEST(a_namespace_that_is_missing_means_no_cluster_one_that_is_refused_nothing)
{
    static const struct {
        int64_t code;
        enum err_kind kind;
        enum tristate clustered;
    } cases[] = { { 0x8004100E, ERR_NOT_FOUND, TRI_NO }, { 5, ERR_DENIED, TRI_UNKNOWN } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
        CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

        fake_answer(fake, "GetDWORDValue", "u:ReturnValue", "2", NULL);
        err_fail(&fake_class(fake, "root/MSCluster", "MSCluster_Cluster")->error,
                 cases[i].kind, cases[i].code, "no");
        host = read_host(fake, HV_PLATFORM);
        CHECK(host && host->platform.clustered == cases[i].clustered);
    }
}

TEST(cards_are_told_apart_by_their_paths)
{
    CHECK(hv_same_card("PCIROOT(0)#PCI(0100)#PCI(0000)", "pciroot(0)#PCI(0100)#PCI(0001)"));
    CHECK(
        !hv_same_card("PCIROOT(0)#PCI(0100)#PCI(0000)", "PCIROOT(0)#PCI(0200)#PCI(0000)"));
    CHECK(
        !hv_same_card("PCIROOT(0)#PCI(0100)#PCI(0000)", "PCIROOT(0)#PCI(0100)#PCI(0100)"));
    CHECK(!hv_same_card("PCIROOT(0)#PCI(0100)", "PCIROOT(0)#PCI(0100)#PCI(0000)"));
    CHECK(!hv_same_card(NULL, NULL));
    CHECK(!hv_same_card("x", "x"));
}
