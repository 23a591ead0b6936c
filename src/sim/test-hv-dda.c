/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Discrete Device Assignment, the host's side: a device is stopped, taken and brought back. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "test-dda-fixture.h"
#include "test.h"
#include "text.h"
#include "windows-os.h"

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
    FIXTURE_OF(DDA_HOST("Professional",
                        "      - { name: shares, state: running, adapters: [2] }\n"));

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
    CHECK_EQ(mount_back(f, A100), 0);
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
    CHECK_EQ(mount_back(f, A100), 0);
    CHECK(sim_pnp_is_present(entity(f, A100)));
    CHECK_EQ(problem(entity(f, A100)), 22);
    CHECK_EQ(problem(sim_pnp_dismounted(&f->host, device_at(f, A100))), 45);
    CHECK(!sim_pnp_is_present(sim_pnp_dismounted(&f->host, device_at(f, A100))));
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 0);
    CHECK_EQ(mount_back(f, A100), FAULT);
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
        CHECK_EQ(mount_back(f, A100), 0);
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
