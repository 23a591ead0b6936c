/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Discrete Device Assignment: a device's way from the host to a VM and back, and what
 * stands in the way.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "test-hv-fixture.h"
#include "test.h"
#include "text.h"
#include "windows-os.h"

#define HOST(edition, more)                                                                    \
    "hosts:\n"                                                                                 \
    "  - name: TEST\n"                                                                         \
    "    product: Microsoft Windows Server 2022 Datacenter\n"                                  \
    "    edition: " edition "\n"                                                               \
    "    build: 20348\n"                                                                       \
    "    job_ms: 1000\n"                                                                       \
    "    gpus:\n"                                                                              \
    "      - { name: A100, instance_id: 'PCI\\VEN_10DE&DEV_20F1&SUBSYS_145F10DE&REV_A1\\"      \
    "6&2b3c4d5e&0&00000010', location_path: PCIROOT(40)#PCI(0200)#PCI(0000),\n"                \
    "          mode: none, mitigations: true,\n"                                               \
    "          bars: [ { size: 16 MiB }, { size: 64 GiB, width: 64 } ],\n"                     \
    "          pci: { sub_class: 2 } }\n"                                                      \
    "      - { name: GeForce, instance_id: 'PCI\\VEN_10DE&DEV_2684&SUBSYS_16F410DE&"           \
    "REV_A1\\4&1c3d25bb&0&0019', location_path: PCIROOT(0)#PCI(0300)#PCI(0000), bus: 3,\n"     \
    "          mode: gpu-pv, bars: [ { size: 16 MiB }, { size: 128, io: true } ],\n"           \
    "          console: true, pci: { device_type: 3 } }\n"                                     \
    "      - { name: Sticky, instance_id: 'PCI\\VEN_8086&DEV_4905\\4&1&0&2',\n"                \
    "          location_path: PCIROOT(0)#PCI(0800)#PCI(0000), mode: gpu-pv,\n"                 \
    "          problem_after_return: 43 }\n"                                                   \
    "    devices:\n"                                                                           \
    "      - { name: NoAcs, class: net, instance_id: 'PCI\\VEN_8086&DEV_10C9\\6&2&0&1',\n"     \
    "          location_path: PCIROOT(0)#PCI(0500)#PCI(0000), mitigations: true,\n"            \
    "          bars: [ { size: 128 KiB } ],\n"                                                 \
    "          pci: { base_class: 2, acs_up_hierarchy: 0 } }\n"                                \
    "      - { name: Kept, class: storage, instance_id: 'PCI\\VEN_8086&DEV_0A54\\4&1&0&9',\n"  \
    "          location_path: PCIROOT(0)#PCI(0600)#PCI(0000), mitigations: true,\n"            \
    "          pci: { base_class: 1, device_type: 5 } }\n"                                     \
    "      - { name: Firmware, class: usb, instance_id: 'PCI\\VEN_8086&DEV_1D2D\\3&1&0&D0',\n" \
    "          location_path: PCIROOT(0)#PCI(1A00), pci: { base_class: 12,\n"                  \
    "          reserved_memory: 1 } }\n"                                                       \
    "      - { name: Old, class: audio, instance_id: 'PCI\\VEN_1102&DEV_0009\\4&1&0&E0',\n"    \
    "          location_path: PCIROOT(0)#PCI(1C00)#PCI(0000), interrupts: line,\n"             \
    "          pci: { base_class: 4, device_type: 0, interrupt_support: 1 } }\n"               \
    "      - { name: Busy, class: net, instance_id: 'PCI\\VEN_15B3&DEV_1007\\4&1&0&18',\n"     \
    "          location_path: PCIROOT(0)#PCI(0700)#PCI(0000), disable_reboots: true,\n"        \
    "          pci: { base_class: 2 } }\n"                                                     \
    "    vms:\n"                                                                               \
    "      - { name: fit, stop_action: turn-off }\n"                                           \
    "      - { name: other, stop_action: turn-off, generation: 1 }\n"                          \
    "      - { name: saves }\n"                                                                \
    "      - { name: dynamic, stop_action: turn-off, dynamic_memory: true }\n"                 \
    "      - { name: level, stop_action: turn-off, dynamic_memory: true,\n"                    \
    "          memory_min: 4 GiB }\n"                                                          \
    "      - { name: snapped, stop_action: turn-off, snapshots: [one] }\n"                     \
    "      - { name: on, stop_action: turn-off, state: running }\n"                            \
    "      - { name: stale, stop_action: turn-off, devices: [gone] }\n" more

static const char SERVER[] = HOST("ServerDatacenter", "");
static const char CLIENT[] = HOST("Professional", "");

#define A100 "PCIROOT(40)#PCI(0200)#PCI(0000)"
#define GEFORCE "PCIROOT(0)#PCI(0300)#PCI(0000)"
#define NO_ACS "PCIROOT(0)#PCI(0500)#PCI(0000)"
#define KEPT "PCIROOT(0)#PCI(0600)#PCI(0000)"
#define FIRMWARE "PCIROOT(0)#PCI(1A00)"
#define OLD "PCIROOT(0)#PCI(1C00)#PCI(0000)"
#define STICKY "PCIROOT(0)#PCI(0800)#PCI(0000)"
#define BUSY "PCIROOT(0)#PCI(0700)#PCI(0000)"

static const struct sim_device *device_at(struct fixture *f, const char *location)
{
    for (size_t i = 0; i < f->host.machine->device_count; i++)
        if (strcmp(f->host.machine->devices[i].location_path, location) == 0)
            return &f->host.machine->devices[i];
    return NULL;
}

static struct sim_object *entity(struct fixture *f, const char *location)
{
    return sim_pnp_entity(&f->host, device_at(f, location)->instance_id);
}

static long problem(struct sim_object *pnp)
{
    return pnp ? (long)hv_number(pnp, "ConfigManagerErrorCode") : -1;
}

/* Enable or Disable; *ret_reboot (may be NULL) gets rebootNeeded. */
static long switch_device(struct fixture *f, const char *location, const char *method,
                          bool *ret_reboot)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(CIMV2, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    long value = call(f, entity(f, location), method, in, &out);

    if (ret_reboot)
        CHECK(out && cim_get_bool(out, "rebootNeeded", ret_reboot));
    return value;
}

static struct sim_object *assigner(struct fixture *f)
{
    return sim_store_next(f->host.store, NULL, HV_NS, "Msvm_AssignableDeviceService");
}

static long dismount(struct fixture *f, const char *instance_id, const char *location,
                     bool acs, bool mitigations)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *settings =
        cim_instance_new(HV_NS, "Msvm_AssignableDeviceDismountSettingData");
    struct err err = ERR_INIT;
    char *text;
    long value;

    if (instance_id)
        CHECK_OK(cim_set_text(settings, "DeviceInstancePath", instance_id, &err));
    if (location)
        CHECK_OK(cim_set_text(settings, "DeviceLocationPath", location, &err));
    CHECK_OK(cim_set_bool(settings, "RequireAcsSupport", acs, &err) &&
             cim_set_bool(settings, "RequireDeviceMitigations", mitigations, &err));
    text = cim_xml_write(settings, &err);
    CHECK_OK(text && cim_set_text(in, "DismountSettingData", text, &err));
    free(text);
    value = call(f, assigner(f), "DismountAssignableDevice", in, NULL);
    return value == FAULT ? FAULT : outcome(f, value);
}

static long mount(struct fixture *f, const char *location)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct err err = ERR_INIT;
    long value;

    CHECK_OK(cim_set_text(in, "DeviceLocationPath", location, &err));
    value = call(f, assigner(f), "MountAssignableDevice", in, NULL);
    return value == FAULT ? FAULT : outcome(f, value);
}

/* Lets the pool see it, too. */
static void take_from_host(struct fixture *f, const char *location)
{
    CHECK_EQ(switch_device(f, location, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, NULL, location, false, false), 0);
    pass_time(f, 4000);
    CHECK(hv_express_of(&f->host, device_at(f, location)) != NULL);
}

static long assign_path(struct fixture *f, const char *name, const char *path)
{
    char *pin =
        text_printf(PROPERTY("ResourceType", "uint16", "32769")
                        PROPERTY("ResourceSubType", "string", HV_PCIE_SUBTYPE) PIN("%s"),
                    path);
    long value = add_resource(f, name, "Msvm_PciExpressSettingData", pin, NULL);

    free(pin);
    return value == FAULT ? FAULT : outcome(f, value);
}

static char *escaped(const char *text)
{
    char *ret = calloc(strlen(text) * 5 + 1, 1), *to = ret;

    for (; *text; text++)
        to = *text == '&'   ? stpcpy(to, "&#38;")
             : *text == '"' ? stpcpy(to, "&#34;")
                            : (*to = *text, to + 1);
    return ret;
}

static long assign(struct fixture *f, const char *name, const char *location)
{
    struct sim_object *express = hv_express_of(&f->host, device_at(f, location));
    char *path, *text;
    long value;

    CHECK(express != NULL);
    if (!express)
        return FAULT;
    path = sim_path_text(&f->host, sim_object_path(express));
    text = escaped(path);
    value = assign_path(f, name, text);
    free(path);
    free(text);
    return value;
}

static struct sim_object *assigned(struct fixture *f, const char *name)
{
    return hv_next_resource(&f->host, NULL, "Msvm_PciExpressSettingData",
                            hv_text(vm(f, name), "Name"));
}

static size_t resources_of(struct fixture *f, const char *location)
{
    const char *id = device_at(f, location)->instance_id;
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, CIMV2, "Win32_PnPAllocatedResource"))) {
        const struct cim_path *path = cim_get_path(sim_object_instance(o), "Dependent");

        count += path && text_ieq(cim_path_get(path, "DeviceID"), id);
    }
    return count;
}

static size_t count_cimv2(struct fixture *f, const char *class_name)
{
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, CIMV2, class_name)))
        count++;
    return count;
}

/* ---- the host's side ---- */

TEST(disabled_device_has_code_22_and_neither_resources_nor_display_nor_partitions)
{
    FIXTURE_OF(SERVER);
    size_t memories = count_cimv2(f, "Win32_DeviceMemoryAddress");
    bool reboot = true;

    CHECK_EQ(problem(entity(f, GEFORCE)), 0);
    CHECK_EQ(resources_of(f, GEFORCE), 3); /* memory, ports, interrupt */
    CHECK_EQ(count_of(f, "Msvm_PartitionableGpu"), 2);
    CHECK_EQ(switch_device(f, GEFORCE, "Disable", &reboot), 0);
    CHECK(!reboot);
    CHECK_EQ(problem(entity(f, GEFORCE)), 22);
    CHECK_STR_EQ(hv_text(entity(f, GEFORCE), "Status"), "Error");
    CHECK(sim_pnp_is_present(entity(f, GEFORCE)));
    CHECK_EQ(resources_of(f, GEFORCE), 0);
    CHECK_EQ(count_cimv2(f, "Win32_DeviceMemoryAddress"), memories - 1);
    CHECK_EQ(count_cimv2(f, "Win32_VideoController"), 2);
    CHECK_EQ(count_of(f, "Msvm_PartitionableGpu"), 1);

    CHECK_EQ(switch_device(f, GEFORCE, "Enable", &reboot), 0);
    CHECK(!reboot);
    CHECK_EQ(problem(entity(f, GEFORCE)), 0);
    CHECK_EQ(resources_of(f, GEFORCE), 3);
    CHECK_EQ(count_cimv2(f, "Win32_DeviceMemoryAddress"), memories);
    CHECK_EQ(count_cimv2(f, "Win32_VideoController"), 3);
    CHECK_EQ(count_of(f, "Msvm_PartitionableGpu"), 2);
}

TEST(device_in_use_is_disabled_only_after_the_next_start)
{
    FIXTURE_OF(SERVER);
    bool reboot = false;

    CHECK_EQ(switch_device(f, BUSY, "Disable", &reboot), 0);
    CHECK(reboot);
    CHECK_EQ(problem(entity(f, BUSY)), 14);
    CHECK_EQ(resources_of(f, BUSY), 1);
    CHECK_EQ(dismount(f, NULL, BUSY, false, false), FAULT);
}

TEST(switching_a_device_to_the_state_it_has_is_not_known_and_refused)
{
    FIXTURE_OF(SERVER);

    CHECK_EQ(switch_device(f, A100, "Enable", NULL), FAULT);
    CHECK_EQ(switch_device(f, A100, "Disable", NULL), 0);
    CHECK_EQ(switch_device(f, A100, "Disable", NULL), FAULT);
}

TEST(gpu_with_partitions_in_use_cannot_be_disabled)
{
    FIXTURE_OF(
        HOST("Professional", "      - { name: shares, state: running, adapters: [2] }\n"));

    CHECK_EQ(switch_device(f, GEFORCE, "Disable", NULL), FAULT);
    CHECK_EQ(problem(entity(f, GEFORCE)), 0);
    CHECK_EQ(outcome(f, request_state(f, "shares", 3)), 0);
    CHECK_EQ(switch_device(f, GEFORCE, "Disable", NULL), 0);
}

TEST(interrupts_are_messages_with_negative_numbers_or_lines)
{
    FIXTURE_OF(SERVER);
    struct sim_object *o = NULL;
    size_t messages = 0, lines = 0;

    while ((o = sim_store_next(f->host.store, o, CIMV2, "Win32_IRQResource"))) {
        uint64_t number = hv_number(o, "IRQNumber");

        messages += number >= 0x80000000u;
        lines += number < 256;
    }
    CHECK_EQ(messages, f->host.machine->device_count - 1);
    CHECK_EQ(lines, 1);
}

/* The Data of one property, as text; "": there is none.  "fault": the call failed. */
static void property(struct fixture *f, struct sim_object *pnp, const char *key,
                     char ret[128])
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(CIMV2, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    const struct cim_instance *one;
    struct err err = ERR_INIT;

    strcpy(ret, "fault");
    CHECK_OK(cim_set_texts(in, "devicePropertyKeys", &key, 1, &err));
    if (call(f, pnp, "GetDeviceProperties", in, &out) != 0)
        return;
    *ret = '\0';
    one = cim_get_object(out, "deviceProperties", 0);
    if (!one || !cim_get(one, "Data"))
        return;
    cim_value_put_text(cim_get(one, "Data"), 0, &text);
    snprintf(ret, 128, "%s", text.text);
}

TEST(properties_follow_the_state_of_the_device)
{
    static const char location[] = "DEVPKEY_Device_LocationPaths";
    static const char type[] = "{3ab22e31-8264-4b4e-9af5-a8d2d8e33e62} 1";
    FIXTURE_OF(SERVER);
    struct sim_object *node;
    char text[128];

    property(f, entity(f, A100), location, text);
    CHECK_STR_EQ(text, A100);
    property(f, entity(f, A100), type, text);
    CHECK_STR_EQ(text, "2");
    property(f, entity(f, A100), "DEVPKEY_Device_Address", text);
    CHECK_STR_EQ(text, "0");
    property(f, entity(f, FIRMWARE), "DEVPKEY_Device_Address", text);
    CHECK_STR_EQ(text, "1703936"); /* 1A.0 */
    property(f, entity(f, GEFORCE), "DEVPKEY_Device_BusNumber", text);
    CHECK_STR_EQ(text, "3");
    property(f, entity(f, A100), "DEVPKEY_Device_BusNumber", text);
    CHECK_STR_EQ(text, "");
    property(f, entity(f, GEFORCE), "DEVPKEY_PciDevice_BarTypes", text);
    CHECK_STR_EQ(text, "257"); /* one of ports, one of memory */

    take_from_host(f, A100);
    node = sim_pnp_dismounted(&f->host, device_at(f, A100));
    property(f, node, location, text);
    CHECK_STR_EQ(text, A100);
    property(f, node, type, text);
    CHECK_STR_EQ(text, "2");
    property(f, node, "DEVPKEY_Device_Driver", text);
    CHECK_STR_EQ(text, "");
    property(f, entity(f, A100), location, text);
    CHECK_STR_EQ(text, "");
    property(f, entity(f, A100), type, text);
    CHECK_STR_EQ(text, "");
    property(f, entity(f, A100), "DEVPKEY_Device_ProblemCode", text);
    CHECK_STR_EQ(text, "45");
    property(f, entity(f, A100), "DEVPKEY_Device_Nonsense", text);
    CHECK_STR_EQ(text, "fault");
}

TEST(job_on_demand_fails_and_the_device_stays_where_it_is)
{
    const struct sim_method *m =
        find_method("Msvm_AssignableDeviceService", "MountAssignableDevice");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *out = cim_instance_new(HV_NS, "__PARAMETERS");
    struct sim_fault fault = { 0 };
    struct err err = ERR_INIT;
    FIXTURE_OF(SERVER);
    struct sim_call c = { .host = &f->host,
                          .object = assigner(f),
                          .method = m->name,
                          .in = in,
                          .out = out,
                          .job_fate = SIM_JOB_FAILS,
                          .job_error = 32774 };

    take_from_host(f, A100);
    CHECK_OK(cim_set_text(in, "DeviceLocationPath", A100, &err));
    CHECK(m->call(&c, &fault));
    pass_time(f, 2000);
    CHECK(hv_express_of(&f->host, device_at(f, A100)) != NULL);
    CHECK(!sim_pnp_is_present(entity(f, A100)));
    CHECK_EQ(mount(f, A100), 0);
}

/* ---- dismounting and mounting ---- */

TEST(dismounted_device_is_another_node_and_the_pool_sees_it_late)
{
    FIXTURE_OF(SERVER);
    struct sim_object *node;

    CHECK_EQ(switch_device(f, A100, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, NULL, A100, true, true), 0);
    CHECK(!sim_pnp_is_present(entity(f, A100)));
    CHECK_EQ(problem(entity(f, A100)), 45);
    CHECK_STR_EQ(hv_text(entity(f, A100), "Status"), "Unknown");
    node = sim_pnp_dismounted(&f->host, device_at(f, A100));
    CHECK(sim_pnp_is_present(node));
    CHECK_STR_EQ(hv_text(node, "DeviceID"),
                 "PCIP\\VEN_10DE&DEV_20F1&SUBSYS_145F10DE&REV_A1\\6&2B3C4D5E&0&00000010");
    CHECK_EQ(problem(node), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 0);
    pass_time(f, 4000);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 1);
    CHECK_STR_EQ(hv_text(hv_express_of(&f->host, device_at(f, A100)), "LocationPath"),
                 A100);
}

TEST(killed_simulator_leaves_no_dismounted_device_out_of_the_pool)
{
    FIXTURE_OF(SERVER);
    struct err err = ERR_INIT;
    char *json;

    CHECK_EQ(switch_device(f, A100, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, NULL, A100, true, true), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 0);
    json = sim_store_save(f->host.store, &err);
    CHECK_OK(json != NULL);
    sim_store_free(f->host.store);
    f->host.store = sim_store_new();
    CHECK_OK(sim_store_load(f->host.store, json, &err) &&
             sim_jobs_after_load(&f->host, &err) && hv_after_load(&f->host, &err));
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 1);
    free(json);
}

TEST(either_path_names_the_device_and_both_must_agree)
{
    FIXTURE_OF(SERVER);
    const char *id = device_at(f, A100)->instance_id;

    CHECK_EQ(switch_device(f, A100, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, id, GEFORCE, true, true), FAULT);
    CHECK_EQ(dismount(f, NULL, NULL, true, true), FAULT);
    CHECK_EQ(dismount(f, NULL, "PCIROOT(9)#PCI(0000)", true, true), FAULT);
    CHECK_EQ(dismount(f, "PCI\\VEN_1&DEV_2\\3", A100, true, true), FAULT);
    CHECK_EQ(dismount(f, id, A100, true, true), 0);
}

TEST(dismounting_needs_a_disabled_device)
{
    FIXTURE_OF(SERVER);

    CHECK_EQ(dismount(f, NULL, A100, true, true), FAULT);
    take_from_host(f, A100);
    CHECK_EQ(dismount(f, NULL, A100, true, true), FAULT);
}

TEST(mitigations_and_acs_are_demanded_unless_forced)
{
    FIXTURE_OF(SERVER);

    CHECK_EQ(switch_device(f, GEFORCE, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, NULL, GEFORCE, true, true), HV_FAILED);
    CHECK(strstr(hv_text(last_job(f), "ErrorDescription"), "has not supplied") != NULL);
    CHECK_EQ(problem(entity(f, GEFORCE)), 22);
    CHECK_EQ(dismount(f, NULL, GEFORCE, true, false), 0);

    CHECK_EQ(switch_device(f, NO_ACS, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, NULL, NO_ACS, true, true), HV_FAILED);
    CHECK_EQ(dismount(f, NULL, NO_ACS, false, true), 0);
}

TEST(firmware_that_kept_pci_express_cannot_be_forced)
{
    FIXTURE_OF(SERVER);

    CHECK_EQ(switch_device(f, KEPT, "Disable", NULL), 0);
    CHECK_EQ(dismount(f, NULL, KEPT, false, false), HV_FAILED);
    CHECK(strstr(hv_text(last_job(f), "ErrorDescription"), "PCI Express bus") != NULL);
}

TEST(device_that_the_survey_calls_not_assignable_is_refused)
{
    static const char *const locations[] = { FIRMWARE, OLD };
    FIXTURE_OF(SERVER);

    for (size_t i = 0; i < ARRAY_LEN(locations); i++) {
        test_case(locations[i]);
        CHECK_EQ(switch_device(f, locations[i], "Disable", NULL), 0);
        CHECK_EQ(dismount(f, NULL, locations[i], false, false), FAULT);
        CHECK(sim_pnp_is_present(entity(f, locations[i])));
    }
}

TEST(mounted_device_comes_back_disabled_and_its_other_node_stays_a_phantom)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(switch_device(f, A100, "Enable", NULL), FAULT);
    CHECK_EQ(mount(f, A100), 0);
    CHECK(sim_pnp_is_present(entity(f, A100)));
    CHECK_EQ(problem(entity(f, A100)), 22);
    CHECK_EQ(problem(sim_pnp_dismounted(&f->host, device_at(f, A100))), 45);
    CHECK(!sim_pnp_is_present(sim_pnp_dismounted(&f->host, device_at(f, A100))));
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 0);
    CHECK_EQ(mount(f, A100), FAULT);
    CHECK_EQ(switch_device(f, A100, "Enable", NULL), 0);
    CHECK_EQ(problem(entity(f, A100)), 0);
    CHECK_EQ(resources_of(f, A100), 3);
}

TEST(device_goes_to_a_vm_and_back_a_hundred_times)
{
    FIXTURE_OF(SERVER);
    struct err err = ERR_INIT;
    char *before = NULL;

    for (int i = 0; i < 100; i++) {
        char *after;

        take_from_host(f, A100);
        CHECK_EQ(assign(f, "fit", A100), 0);
        CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "fit"))), 0);
        CHECK_EQ(mount(f, A100), 0);
        CHECK_EQ(switch_device(f, A100, "Enable", NULL), 0);
        pass_time(f, 400 * 1000); /* jobs are forgotten */
        after = sim_store_save(f->host.store, &err);
        CHECK_OK(after != NULL);
        if (before)
            CHECK_EQ(strlen(after), strlen(before)); /* nothing heaps up */
        free(before);
        before = after;
    }
    free(before);
}

/* ---- assigning ---- */

TEST(running_vm_shows_its_device_a_second_time)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 1);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 2);
    CHECK(hv_find_by_text(&f->host, "Msvm_PciExpress", "SystemName",
                          hv_text(vm(f, "fit"), "Name")) != NULL);
    CHECK_EQ(mount(f, A100), FAULT);
    CHECK_EQ(outcome(f, request_state(f, "fit", 6)), HV_FAILED); /* save */
    CHECK_EQ(hv_state(vm(f, "fit")), HV_RUNNING);
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "fit"))), FAULT);
    CHECK_EQ(outcome(f, request_state(f, "fit", 3)), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 1);
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "fit"))), 0);
    CHECK_EQ(mount(f, A100), 0);
}

TEST(device_goes_to_vms_of_both_generations_but_to_one_at_a_time)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "other", A100), 0);
    CHECK_EQ(assign(f, "fit", A100), FAULT);
    CHECK_EQ(assign(f, "other", A100), FAULT);
}

TEST(settings_of_the_vm_decide_whether_it_gets_a_device)
{
    static const struct {
        const char *vm;
        long result;
    } cases[] = {
        { "saves", HV_FAILED }, { "dynamic", HV_FAILED }, { "snapped", FAULT },
        { "on", FAULT },        { "level", 0 },
    };
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_case(cases[i].vm);
        CHECK_EQ(assign(f, cases[i].vm, A100), cases[i].result);
        CHECK((assigned(f, cases[i].vm) != NULL) == (cases[i].result == 0));
    }
}

TEST(only_a_dismounted_device_can_be_named)
{
    FIXTURE_OF(SERVER);
    struct sim_object *express;
    char *path, *text;

    take_from_host(f, A100);
    express = hv_express_of(&f->host, device_at(f, A100));
    path = sim_path_text(&f->host, sim_object_path(express));
    text = escaped(path);
    CHECK_EQ(mount(f, A100), 0);
    CHECK_EQ(assign_path(f, "fit", text), HV_INVALID_PARAMETER);
    CHECK_EQ(assign_path(f, "fit", "PCIROOT(40)#PCI(0200)#PCI(0000)"),
             HV_INVALID_PARAMETER);
    free(path);
    free(text);
}

TEST(stale_entry_is_listed_forbids_the_start_and_can_be_removed)
{
    FIXTURE_OF(SERVER);

    CHECK(assigned(f, "stale") != NULL);
    CHECK_EQ(outcome(f, request_state(f, "stale", 2)), HV_FAILED);
    CHECK(strstr(hv_text(last_job(f), "ErrorDescription"), "0x80070490") != NULL);
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "stale"))), 0);
    CHECK_EQ(outcome(f, request_state(f, "stale", 2)), 0);
}

TEST(client_edition_assigns_but_does_not_start)
{
    FIXTURE_OF(CLIENT);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), HV_FAILED);
    CHECK(strstr(hv_text(last_job(f), "ErrorDescription"), "0xC035001E") != NULL);
    CHECK_EQ(hv_state(vm(f, "fit")), HV_OFF);
}

TEST(lab_can_begin_with_assigned_and_dismounted_devices)
{
    FIXTURE_OF(HOST("ServerDatacenter",
                    "      - { name: has, stop_action: turn-off, state: running,\n"
                    "          devices: ['" A100 "'] }\n"));

    CHECK_EQ(problem(entity(f, A100)), 45);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 2);
    CHECK_EQ(outcome(f, request_state(f, "has", 3)), 0);
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "has"))), 0);
    CHECK_EQ(mount(f, A100), 0);
}

/* ---- what happens besides ---- */

TEST(stop_action_cannot_be_save_and_memory_cannot_be_dynamic_while_a_device_is_assigned)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(modify_system(f, "fit", PROPERTY("AutomaticShutdownAction", "uint16", "3")),
             FAULT);
    CHECK_EQ(outcome(f, modify_system(f, "fit",
                                      PROPERTY("AutomaticShutdownAction", "uint16", "4"))),
             0);
    CHECK_EQ(outcome(f, modify_system(f, "fit",
                                      PROPERTY("VirtualNumaEnabled", "boolean", "false"))),
             0);
    CHECK_EQ(outcome(f, modify_resource(f, memory(f, "fit"),
                                        PROPERTY("DynamicMemoryEnabled", "boolean", "true")
                                            PROPERTY("Reservation", "uint64", "1024"))),
             HV_FAILED);
    CHECK_EQ(hv_number(memory(f, "fit"), "DynamicMemoryEnabled"), 0);
}

TEST(vm_with_a_device_is_not_paused)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    CHECK_EQ(request_state(f, "fit", 9), FAULT);
    CHECK_EQ(outcome(f, request_state(f, "on", 9)), 0);
}

static long destroy(struct fixture *f, const char *name)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_path(in, "AffectedSystem", sim_object_path(vm(f, name)), &err));
    return outcome(f, call(f, service(f), "DestroySystem", in, NULL));
}

TEST(deleted_vm_leaves_its_device_dismounted_and_free)
{
    FIXTURE_OF(SERVER);
    char id[37];

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    CHECK_EQ(destroy(f, "fit"), HV_INVALID_STATE);
    CHECK_EQ(outcome(f, request_state(f, "fit", 3)), 0);
    strcpy(id, hv_text(vm(f, "fit"), "Name"));
    CHECK_EQ(destroy(f, "fit"), 0);
    CHECK(vm(f, "fit") == NULL);
    CHECK(hv_settings_of(&f->host, id) == NULL);
    CHECK(hv_next_resource(&f->host, NULL, "CIM_SettingData", id) == NULL);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 1);
    CHECK_EQ(assign(f, "other", A100), 0);
    CHECK_EQ(destroy(f, "snapped"), 0); /* its checkpoint goes with it */
    CHECK(hv_find_by_text(&f->host, "Msvm_VirtualSystemSettingData", "ElementName",
                          "one") == NULL);
}

TEST(restart_of_the_host_finishes_disabling_and_keeps_what_was_dismounted)
{
    FIXTURE_OF(SERVER);
    struct err err = ERR_INIT;

    f->host.dir = text_dup("/nonexistent/hvgpu-test");
    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    CHECK_EQ(switch_device(f, BUSY, "Disable", NULL), 0);
    CHECK_OK(hv_reboot(&f->host, NULL, NULL, &err));
    CHECK_EQ(problem(entity(f, BUSY)), 22);
    CHECK_EQ(resources_of(f, BUSY), 0);
    CHECK_EQ(hv_state(vm(f, "fit")), HV_RUNNING); /* "if it was running before" */
    CHECK_EQ(hv_state(vm(f, "on")), HV_RUNNING);
    CHECK_EQ(hv_state(vm(f, "other")), HV_OFF);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 2);
    free(TAKE(f->host.dir));
}

static bool fits(const uint64_t *wide_mb, size_t count, uint64_t base_mb, uint64_t high_mb)
{
    struct sim_device device = { .range_count = count };
    const struct sim_device *list[] = { &device };

    for (size_t i = 0; i < count; i++)
        device.ranges[i] =
            (struct sim_range){ .size_bytes = wide_mb[i] << 20, .wide = true };
    return hv_fits_gaps(list, 1, 128, base_mb, high_mb);
}

/* Microsoft's own value for two 16 GB cards is 33280 MB. */
TEST(gaps_are_too_small_only_if_no_order_fits)
{
    static const struct {
        uint64_t wide_mb[4];
        size_t count;
        uint64_t base_mb, needed_mb;
    } cases[] = {
        { { 16384, 32 }, 2, 65024, 16896 },
        { { 16384, 32, 16384, 32 }, 4, 65024, 33280 },
        { { 256, 32 }, 2, 65024, 288 },
        { { 65536, 32, 65536, 32 }, 4, 65024, 131584 },
        { { 131072, 32 }, 2, 65024, 197120 },
        { { 131072, 32 }, 2, 131072, 131104 },
    };
    struct sim_device low = { .range_count = 2,
                              .ranges = { { .size_bytes = 128 << 20 },
                                          { .size_bytes = 128, .io = true } } };
    const struct sim_device *list[] = { &low };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CHECK(fits(cases[i].wide_mb, cases[i].count, cases[i].base_mb, cases[i].needed_mb));
        CHECK(!fits(cases[i].wide_mb, cases[i].count, cases[i].base_mb,
                    cases[i].needed_mb - 1));
    }
    CHECK(hv_fits_gaps(list, 1, 128, 65024, 0));
    CHECK(!hv_fits_gaps(list, 1, 127, 65024, 512));
}

TEST(dump_tells_what_the_host_does_not_that_a_guest_has_no_room)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    hv_dump_guests(&f->host, &text);
    CHECK(text.text && strstr(text.text, "code 12"));
    strbuf_clear(&text);
    CHECK_EQ(outcome(f, request_state(f, "fit", 3)), 0);
    CHECK_EQ(
        outcome(f, modify_system(f, "fit", PROPERTY("HighMmioGapSize", "uint64", "66048"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    hv_dump_guests(&f->host, &text);
    CHECK_EQ(text.len, 0);
}

TEST(card_that_was_not_reset_comes_back_with_a_problem_until_the_host_restarts)
{
    FIXTURE_OF(SERVER);
    struct err err = ERR_INIT;

    f->host.dir = text_dup("/nonexistent/hvgpu-test");
    CHECK_EQ(switch_device(f, STICKY, "Disable", NULL), 0);
    CHECK_EQ(switch_device(f, STICKY, "Enable", NULL), 0);
    CHECK_EQ(problem(entity(f, STICKY)), 0); /* no VM had it */
    take_from_host(f, STICKY);
    CHECK_EQ(mount(f, STICKY), 0);
    CHECK_EQ(switch_device(f, STICKY, "Enable", NULL), 0);
    CHECK_EQ(problem(entity(f, STICKY)), 43);
    CHECK_EQ(resources_of(f, STICKY), 0);
    CHECK_EQ(count_of(f, "Msvm_PartitionableGpu"), 1);
    CHECK_OK(hv_reboot(&f->host, NULL, NULL, &err));
    CHECK_EQ(problem(entity(f, STICKY)), 0);
    CHECK_EQ(count_of(f, "Msvm_PartitionableGpu"), 2);
    free(TAKE(f->host.dir));
}

static long checkpoint(struct fixture *f, const char *name)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct err err = ERR_INIT;
    long value;

    CHECK_OK(cim_set_path(in, "AffectedSystem", sim_object_path(vm(f, name)), &err));
    value = call(
        f, sim_store_next(f->host.store, NULL, HV_NS, "Msvm_VirtualSystemSnapshotService"),
        "CreateSnapshot", in, NULL);
    return value == FAULT ? FAULT : outcome(f, value);
}

TEST(vm_that_runs_with_a_device_gets_no_checkpoint)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(checkpoint(f, "fit"), FAULT); /* off: not simulated */
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    CHECK_EQ(checkpoint(f, "fit"), HV_FAILED);
    CHECK_EQ(checkpoint(f, "on"), FAULT);
}
