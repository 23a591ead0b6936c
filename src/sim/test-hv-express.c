/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Discrete Device Assignment, the VM's side: who gets a device, and what follows from it. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "strbuf.h"
#include "test-dda-fixture.h"
#include "test.h"
#include "text.h"

static const char CLIENT[] = DDA_HOST("Professional", "");

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
    CHECK_EQ(mount_back(f, A100), FAULT);
    CHECK_EQ(outcome(f, request_state(f, "fit", 6)), HV_FAILED); /* save */
    CHECK_EQ(hv_state(vm(f, "fit")), HV_RUNNING);
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "fit"))), FAULT);
    CHECK_EQ(outcome(f, request_state(f, "fit", 3)), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 1);
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "fit"))), 0);
    CHECK_EQ(mount_back(f, A100), 0);
}

TEST(device_goes_to_vms_of_both_generations_but_to_one_at_a_time)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    CHECK_EQ(assign(f, "other", A100), 0);
    CHECK_EQ(assign(f, "fit", A100), FAULT);
    CHECK_EQ(assign(f, "other", A100), FAULT);
}

TEST(vm_may_have_several_devices_and_starts_with_all_or_none)
{
    FIXTURE_OF(SERVER);

    take_from_host(f, A100);
    take_from_host(f, GEFORCE);
    CHECK_EQ(assign(f, "fit", A100), 0);
    CHECK_EQ(assign(f, "fit", GEFORCE), 0);
    CHECK_EQ(outcome(f, request_state(f, "fit", 2)), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 4);
    CHECK_EQ(outcome(f, request_state(f, "fit", 3)), 0);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 2);
    CHECK_EQ(assign(f, "stale", A100), FAULT); /* fit has it */
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "fit"))), 0);
    CHECK_EQ(assign(f, "stale", A100), 0);
    CHECK_EQ(outcome(f, request_state(f, "stale", 2)), HV_FAILED);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 2); /* none of the two */
    CHECK_EQ(hv_state(vm(f, "stale")), HV_OFF);
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
    CHECK_EQ(mount_back(f, A100), 0);
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
    FIXTURE_OF(DDA_HOST("ServerDatacenter",
                        "      - { name: has, stop_action: turn-off, state: running,\n"
                        "          devices: ['" A100 "'] }\n"));

    CHECK_EQ(problem(entity(f, A100)), 45);
    CHECK_EQ(count_of(f, "Msvm_PciExpress"), 2);
    CHECK_EQ(outcome(f, request_state(f, "has", 3)), 0);
    CHECK_EQ(outcome(f, remove_resource(f, assigned(f, "has"))), 0);
    CHECK_EQ(mount_back(f, A100), 0);
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
    CHECK_EQ(mount_back(f, STICKY), 0);
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
