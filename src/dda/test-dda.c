/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans from every state a device can be in; hosts and devices are initialisers. */

#include "dda-plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

#define GPU_ID "PCI\\VEN_10DE&DEV_20F1&SUBSYS_145F10DE&REV_A1\\6&2b3c4d5e&0&00000010"
#define AUDIO_ID "PCI\\VEN_10DE&DEV_1AEF&SUBSYS_145F10DE&REV_A1\\6&2b3c4d5e&0&00000110"
#define OTHER_ID "PCI\\VEN_10DE&DEV_2684&SUBSYS_16F410DE&REV_A1\\4&1c3d25bb&0&0019"

enum { COMPUTE, DESKTOP, VMS };
enum { GPU, AUDIO, OTHER, DEVICES };

/* A server with a card of two functions and another one; all on the host, both VMs off. */
struct bench {
    struct hv_vm vms[VMS];
    struct hv_gpu gpus[2];
    struct hv_host host;
    struct dda_device devices[DEVICES];
    struct dda_entry entries[DEVICES];
    struct dda_view view;
    struct plan_context context;
    char state_dir[TEST_FOLDER];
};

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static struct known_u64 is(uint64_t value)
{
    return (struct known_u64){ true, value };
}

static const struct step_kind *const no_kinds[] = { NULL };

static void start(struct bench *b)
{
    static const char *const ids[] = { GPU_ID, AUDIO_ID, OTHER_ID };
    static const char *const places[] = { "PCIROOT(40)#PCI(0200)#PCI(0000)",
                                          "PCIROOT(40)#PCI(0200)#PCI(0001)",
                                          "PCIROOT(0)#PCI(0300)#PCI(0000)" };
    static const char *const names[] = { "NVIDIA A100", "Audio Controller", "RTX 4090" };
    struct err err = ERR_INIT;

    memset(b, 0, sizeof(*b));
    for (int i = 0; i < VMS; i++)
        b->vms[i] = (struct hv_vm){ .name = text(i ? "desktop" : "compute"),
                                    .id = text(i ? "GUID-2" : "GUID-1"),
                                    .state = VM_OFF,
                                    .generation = is(2),
                                    .low_mmio_bytes = is(UINT64_C(128) << 20),
                                    .high_mmio_bytes = is(UINT64_C(512) << 20),
                                    .stop_action = is(3),
                                    .checkpoint_type = is(3),
                                    .checkpoint_count = is(0),
                                    .dynamic_memory = TRI_NO };
    for (int i = 0; i < DEVICES; i++)
        b->devices[i] = (struct dda_device){ .name = text(names[i]),
                                             .instance_id = text(ids[i]),
                                             .location_path = text(places[i]),
                                             .on_host = true,
                                             .entries = &b->entries[i] };
    for (int i = 0; i < 2; i++)
        b->gpus[i] = (struct hv_gpu){ .name = text(names[i ? OTHER : GPU]),
                                      .pci_id = text(i ? "10de:2684" : "10de:20f1"),
                                      .instance_id = text(ids[i ? OTHER : GPU]),
                                      .place = GPU_ON_HOST };
    b->host = (struct hv_host){ .name = text("test"),
                                .computer_name = text("SERVER"),
                                .build = is(20348),
                                .is_server = true,
                                .vms = b->vms,
                                .vm_count = VMS,
                                .gpus = b->gpus,
                                .gpu_count = 2 };
    b->view = (struct dda_view){ &b->host, { b->devices, DEVICES } };
    test_make_folder("dda", b->state_dir);
    b->context.journal = journal_open(b->state_dir, &err);
    b->context.kinds = no_kinds;
    CHECK(b->context.journal != NULL);
}

static void stop(struct bench *b)
{
    struct err ignored = ERR_INIT;

    journal_close(b->context.journal);
    CHECK(os_remove_tree(b->state_dir, &ignored));
}

static void put(struct bench *b, int device, enum dda_state state, int vm)
{
    struct dda_device *d = &b->devices[device];

    d->state = state;
    d->on_host = state == DDA_ON_HOST || state == DDA_DISABLED;
    d->is_dismounted = d->is_listed =
        state == DDA_DISMOUNTED || state == DDA_ASSIGNED || state == DDA_ORPHANED;
    d->entry_count = vm < VMS;
    if (vm == VMS)
        return;
    b->entries[device] =
        (struct dda_entry){ .id = text("Microsoft:x"),
                            .vm_id = vm < 0 ? text("GUID-9") : b->vms[vm].id,
                            .vm = vm < 0 ? NULL : &b->vms[vm],
                            .resource = text("Msvm_PciExpress.x=1") };
}

/* "device-disable device-dismount ..."; the errors and warnings, if there are any: "!id". */
static char *steps_of(const struct plan *plan, const struct err *err)
{
    struct strbuf all = STRBUF_INIT;
    const json_t *finding;
    size_t i;

    if (!plan) {
        strbuf_printf(&all, "error: %s", err->text[0]);
        return strbuf_take(&all);
    }
    for (i = 0; i < plan->step_count; i++)
        strbuf_printf(&all, "%s%s", all.len ? " " : "", plan->steps[i].kind->name);
    json_array_foreach(plan->findings, i, finding)
    {
        const char *severity = json_string_value(json_object_get(finding, "severity"));
        const char *id = json_string_value(json_object_get(finding, "id"));

        if (strcmp(severity, "error") == 0)
            strbuf_printf(&all, "%s!%s", all.len ? " " : "", id);
    }
    return strbuf_take(&all);
}

static bool has(const struct plan *plan, const char *id)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(
        plan ? plan->findings : NULL, i,
        finding) if (strcmp(json_string_value(json_object_get(finding, "id")), id) ==
                     0) return true;
    return false;
}

/* NULL: it has no such finding. */
static const char *severity_of(const struct plan *plan, const char *id)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(
        plan ? plan->findings : NULL, i,
        finding) if (strcmp(json_string_value(json_object_get(finding, "id")), id) ==
                     0) return json_string_value(json_object_get(finding, "severity"));
    return NULL;
}

static struct plan *assign(struct bench *b, const struct dda_assign_options *options,
                           struct err *err)
{
    return dda_assign_from(&b->context, &b->view, "test", "compute", options, err);
}

static void check_assign(struct bench *b, const struct dda_assign_options *options,
                         const char *wanted)
{
    struct err err = ERR_INIT;
    CLEANUP(plan_cleanup) struct plan *plan = assign(b, options, &err);
    CLEANUP(free_cleanup) char *found = steps_of(plan, &err);

    CHECK_STR_EQ(found, wanted);
}

static void check_return(struct bench *b, const struct dda_return_options *options,
                         const char *wanted)
{
    struct err err = ERR_INIT;
    CLEANUP(plan_cleanup)
    struct plan *plan = dda_return_from(&b->context, &b->view, "test", options, &err);
    CLEANUP(free_cleanup) char *found = steps_of(plan, &err);

    CHECK_STR_EQ(found, wanted);
}

static void check_recover(struct bench *b, const struct dda_recover_options *options,
                          const char *wanted)
{
    struct err err = ERR_INIT;
    CLEANUP(plan_cleanup)
    struct plan *plan = dda_recover_from(&b->context, &b->view, "test", options, &err);
    CLEANUP(free_cleanup) char *found = steps_of(plan, &err);

    CHECK_STR_EQ(found, wanted);
}

#define FIT                                          \
    .low_mmio_bytes = { true, UINT64_C(256) << 20 }, \
    .high_mmio_bytes = { true, UINT64_C(66) << 30 }

TEST(all_functions_of_the_card_leave_before_the_first_goes_to_the_vm)
{
    struct bench b;

    start(&b);
    check_assign(&b, &(struct dda_assign_options){ .gpu = "A100", FIT },
                 "vm-settings device-disable device-disable device-dismount "
                 "device-dismount device-add device-add device-verify");
    check_assign(&b, &(struct dda_assign_options){ .gpu = "A100", .only = true, FIT },
                 "vm-settings device-disable device-dismount device-add device-verify");
    check_assign(
        &b, &(struct dda_assign_options){ .gpu = "A100", .start = true, FIT },
        "vm-settings device-disable device-disable device-dismount "
        "device-dismount device-add device-add device-verify vm-start device-used");
    b.vms[COMPUTE].state = VM_RUNNING;
    check_assign(
        &b, &(struct dda_assign_options){ .gpu = "A100", .stop = true, FIT },
        "vm-stop vm-settings device-disable device-disable device-dismount "
        "device-dismount device-add device-add device-verify vm-start device-used");
    stop(&b);
}

TEST(assigning_begins_where_each_function_is)
{
    static const struct dda_assign_options options = { .gpu = "A100", FIT };
    struct bench b;

    start(&b);
    put(&b, GPU, DDA_DISABLED, VMS);
    put(&b, AUDIO, DDA_DISMOUNTED, VMS);
    check_assign(&b, &options,
                 "vm-settings device-dismount device-add device-add device-verify");
    put(&b, AUDIO, DDA_ASSIGNED, COMPUTE);
    check_assign(&b, &options, "vm-settings device-dismount device-add device-verify");
    put(&b, GPU, DDA_ASSIGNED, COMPUTE);
    b.vms[COMPUTE].guest_controlled_cache = TRI_YES;
    b.vms[COMPUTE].low_mmio_bytes = options.low_mmio_bytes;
    b.vms[COMPUTE].high_mmio_bytes = options.high_mmio_bytes;
    b.vms[COMPUTE].stop_action = b.vms[COMPUTE].checkpoint_type = is(2);
    check_assign(&b, &options, "");
    b.vms[COMPUTE].state = VM_RUNNING;
    check_assign(&b, &options, ""); /* a second time nothing needs it off */
    b.vms[COMPUTE].high_mmio_bytes = is(UINT64_C(65) << 30); /* computed, by a former run */
    check_assign(&b, &(struct dda_assign_options){ .gpu = "A100" }, "");
    stop(&b);
}

TEST(refusals_that_can_be_known_are_known_before_anything_is_touched)
{
    static const struct dda_assign_options options = { .gpu = "A100", FIT };
    struct bench b;

    start(&b);
    put(&b, GPU, DDA_ASSIGNED, DESKTOP);
    check_assign(&b, &options, "!device-taken");
    put(&b, GPU, DDA_ORPHANED, -1);
    check_assign(&b, &options, "!device-orphaned");
    put(&b, GPU, DDA_ON_HOST, COMPUTE);
    check_assign(&b, &options, "!device-stale-entry");
    put(&b, GPU, DDA_PHANTOM, VMS);
    check_assign(&b, &options, "!device-gone");
    put(&b, GPU, DDA_ON_HOST, VMS);
    b.devices[GPU].problem_code = is(14);
    check_assign(&b, &options, "!device-restart");
    b.devices[GPU].problem_code = is(0);
    b.devices[GPU].location_path = NULL;
    check_assign(&b, &options, "!device-location");
    stop(&b);

    start(&b);
    b.vms[COMPUTE].state = VM_RUNNING;
    check_assign(&b, &options, "!vm-power");
    b.vms[COMPUTE].state = VM_SAVED;
    check_assign(&b, &options, "!vm-saved");
    b.vms[COMPUTE].state = VM_OFF;
    b.vms[COMPUTE].checkpoint_count = is(2);
    check_assign(&b, &options, "!vm-checkpoints");
    stop(&b);
}

TEST(dynamic_memory_is_switched_off_with_its_former_bounds_kept)
{
    static const struct dda_assign_options options = { .gpu = "A100", FIT };
    struct err err = ERR_INIT;
    struct bench b;
    struct plan *plan;

    start(&b);
    b.vms[COMPUTE].dynamic_memory = TRI_YES;
    b.vms[COMPUTE].memory_startup_bytes = is(UINT64_C(8) << 30);
    b.vms[COMPUTE].memory_minimum_bytes = is(UINT64_C(2) << 30);
    b.vms[COMPUTE].memory_maximum_bytes = is(UINT64_C(32) << 30);
    plan = assign(&b, &options, &err);
    CHECK(has(plan, "vm-memory"));
    CHECK(plan && plan->step_count > 2 && !plan_has_errors(plan));
    if (plan && plan->step_count > 2) {
        json_t *before =
            json_pack("{s:b, s:I, s:I}", "dynamic_memory", 1, "memory_minimum_bytes",
                      (json_int_t)2 << 30, "memory_maximum_bytes", (json_int_t)32 << 30);
        json_t *after =
            json_pack("{s:b, s:I, s:I}", "dynamic_memory", 0, "memory_minimum_bytes",
                      (json_int_t)8 << 30, "memory_maximum_bytes", (json_int_t)8 << 30);

        CHECK_STR_EQ(plan->steps[0].kind->name, "vm-settings");
        CHECK(!json_object_get(plan->steps[0].after, "dynamic_memory"));
        CHECK_STR_EQ(plan->steps[1].kind->name, "vm-settings");
        CHECK(json_equal(plan->steps[1].before, before));
        CHECK(json_equal(plan->steps[1].after, after));
        CHECK_STR_EQ(plan->steps[1].powershell,
                     "Set-VMMemory -VMName 'compute' -DynamicMemoryEnabled $false");
        json_decref(before);
        json_decref(after);
    }
    plan_free(plan);

    /* Of one size it goes with a device as it is. */
    b.vms[COMPUTE].memory_minimum_bytes = b.vms[COMPUTE].memory_startup_bytes;
    plan = assign(&b, &options, &err);
    CHECK(!has(plan, "vm-memory"));
    CHECK(plan && plan->step_count > 1 &&
          strcmp(plan->steps[1].kind->name, "device-disable") == 0);
    plan_free(plan);
    stop(&b);
}

/* Windows does not tell of FLR; models of which it is known do. */
TEST(a_card_that_is_known_to_lack_flr_is_warned_of_and_not_refused)
{
    struct hv_function function = { .instance_id = text(GPU_ID),
                                    .device_type = is(2),
                                    .base_class = is(3),
                                    .acs_up_hierarchy = is(1),
                                    .interrupt_support = is(2) };
    struct err err = ERR_INIT;
    struct bench b;
    struct plan *plan;

    start(&b);
    b.host.functions = &function;
    b.host.function_count = 1;
    b.gpus[GPU].pci_id = text("10de:118a"); /* a GRID K520, by its lspci */
    plan = assign(&b, &(struct dda_assign_options){ .gpu = "A100", FIT }, &err);
    CHECK_STR_EQ(severity_of(plan, "gpu-flr"), "warning");
    CHECK(plan && plan->step_count > 0 && !plan_has_errors(plan));
    plan_free(plan);
    b.gpus[GPU].pci_id = text("10de:1eb0"); /* a Quadro RTX 5000 has it */
    plan = assign(&b, &(struct dda_assign_options){ .gpu = "A100", FIT }, &err);
    CHECK(!severity_of(plan, "gpu-flr"));
    plan_free(plan);
    stop(&b);
}

TEST(windows_outside_the_limits_are_refused_and_small_ones_warned_of)
{
    struct err err = ERR_INIT;
    struct bench b;
    struct plan *plan;

    start(&b);
    check_assign(&b,
                 &(struct dda_assign_options){ .gpu = "A100",
                                               .low_mmio_bytes = is(UINT64_C(4) << 30) },
                 "!vm-mmio");
    check_assign(
        &b,
        &(struct dda_assign_options){ .gpu = "A100", .high_mmio_bytes = is(1000000001) },
        "!vm-mmio");
    plan = assign(&b, &(struct dda_assign_options){ .gpu = "A100" }, &err);
    CHECK(has(plan, "vm-mmio-unknown")); /* these devices' memory nobody told */
    CHECK(has(plan, "vm-afterwards"));
    plan_free(plan);
    stop(&b);
}

TEST(what_is_waived_is_named_and_what_is_divided_too)
{
    struct err err = ERR_INIT;
    struct bench b;
    struct plan *plan;

    start(&b);
    plan = assign(
        &b,
        &(struct dda_assign_options){ .gpu = "A100", .only = true, .waive_acs = true, FIT },
        &err);
    CHECK(has(plan, "unsafe-acs"));
    CHECK(!has(plan, "unsafe-mitigations"));
    CHECK(has(plan, "device-divided"));
    if (plan && plan->step_count > 2) {
        CHECK(strstr(plan->steps[2].powershell, " -Force") != NULL);
        CHECK(json_is_false(json_object_get(plan->steps[2].params, "acs")));
        CHECK(json_is_true(json_object_get(plan->steps[2].params, "mitigations")));
    }
    plan_free(plan);
    plan = assign(&b, &(struct dda_assign_options){ .gpu = "A100", FIT }, &err);
    CHECK(!has(plan, "unsafe-acs"));
    CHECK(!has(plan, "device-divided"));
    if (plan && plan->step_count > 3)
        CHECK_STR_EQ(plan->steps[3].powershell,
                     "Dismount-VMHostAssignableDevice -LocationPath "
                     "'PCIROOT(40)#PCI(0200)#PCI(0000)'");
    plan_free(plan);
    stop(&b);
}

TEST(a_plan_holds_its_vm_and_its_card_and_no_other)
{
    struct err err = ERR_INIT;
    struct bench b;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;

    start(&b);
    plan = assign(&b, &(struct dda_assign_options){ .gpu = "A100", FIT }, &err);
    CHECK_STR_EQ(plan ? plan->lock : NULL,
                 "vm-GUID-1\ndevice-server-pciroot(40)#pci(0200)#pci(00");
    stop(&b);
}

TEST(returning_goes_from_wherever_the_device_is_to_the_host)
{
    static const struct dda_return_options options = { .gpu = "A100", .only = true };
    static const struct {
        enum dda_state state;
        int vm;
        const char *steps;
    } rows[] = {
        { DDA_ON_HOST, VMS, "" },
        { DDA_DISABLED, VMS, "device-enable device-works" },
        { DDA_DISMOUNTED, VMS, "device-mount device-enable device-works" },
        { DDA_ASSIGNED, COMPUTE, "device-remove device-mount device-enable device-works" },
        { DDA_ORPHANED, -1, "device-remove device-mount device-enable device-works" },
        { DDA_GONE, COMPUTE, "device-remove" },
        { DDA_ON_HOST, COMPUTE, "device-remove" },
        { DDA_DISABLED, COMPUTE, "device-remove device-enable device-works" },
        { DDA_PHANTOM, VMS, "" },
    };
    struct bench b;

    start(&b);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put(&b, GPU, rows[i].state, rows[i].vm);
        check_return(&b, &options, rows[i].steps);
    }
    stop(&b);
}

TEST(a_vm_that_runs_is_stopped_for_a_return_only_when_that_was_said)
{
    struct bench b;

    start(&b);
    put(&b, GPU, DDA_ASSIGNED, COMPUTE);
    put(&b, AUDIO, DDA_ASSIGNED, COMPUTE);
    b.vms[COMPUTE].state = VM_RUNNING;
    check_return(&b, &(struct dda_return_options){ .vm = "compute" },
                 "!vm-power !vm-power");
    check_return(&b, &(struct dda_return_options){ .vm = "compute", .stop = true },
                 "vm-stop device-remove device-remove device-mount device-mount "
                 "device-enable device-enable vm-start device-works device-works");
    stop(&b);
}

TEST(a_return_without_names_takes_the_only_vm_that_has_devices)
{
    struct bench b;

    start(&b);
    check_return(&b, &(struct dda_return_options){ .gpu = NULL },
                 "error: no VM of this host has an assigned device");
    put(&b, GPU, DDA_ASSIGNED, COMPUTE);
    check_return(&b, &(struct dda_return_options){ .gpu = NULL },
                 "device-remove device-mount device-enable device-works");
    put(&b, OTHER, DDA_ASSIGNED, DESKTOP);
    check_return(&b, &(struct dda_return_options){ .gpu = NULL },
                 "error: more than one VM has assigned devices: 'compute', 'desktop'");
    check_return(&b, &(struct dda_return_options){ .vm = "desktop", .gpu = "A100" },
                 "!device-not-of-vm");
    stop(&b);
}

TEST(recover_brings_home_what_is_between_and_leaves_the_rest)
{
    static const struct dda_recover_options options = { .gpu = NULL };
    struct bench b;

    start(&b);
    check_recover(&b, &options, "");
    put(&b, GPU, DDA_ASSIGNED, COMPUTE); /* as it should be */
    check_recover(&b, &options, "");
    put(&b, AUDIO, DDA_DISMOUNTED, VMS);
    put(&b, OTHER, DDA_DISABLED, VMS);
    check_recover(&b, &options,
                  "device-mount device-enable device-enable device-works device-works");
    check_recover(&b, &(struct dda_recover_options){ .gpu = "4090" },
                  "device-enable device-works");
    stop(&b);
}

TEST(a_device_of_a_vm_that_is_gone_comes_home)
{
    static const struct dda_recover_options options = { .gpu = NULL };
    struct bench b;

    start(&b);
    put(&b, GPU, DDA_ORPHANED, -1); /* the entry was left behind */
    check_recover(&b, &options, "device-remove device-mount device-enable device-works");
    put(&b, GPU, DDA_DISMOUNTED, VMS); /* it went with the VM */
    check_recover(&b, &options, "device-mount device-enable device-works");
    stop(&b);
}

TEST(what_stands_in_the_way_of_one_device_does_not_keep_the_others)
{
    static const struct dda_recover_options options = { .gpu = NULL };
    struct bench b;

    start(&b);
    put(&b, GPU, DDA_GONE, COMPUTE);
    b.vms[COMPUTE].state = VM_RUNNING;
    put(&b, OTHER, DDA_DISABLED, VMS);
    check_recover(&b, &options, "device-enable device-works");
    put(&b, OTHER, DDA_ON_HOST, VMS); /* nothing else: then it is a failure */
    check_recover(&b, &options, "!vm-power");
    check_recover(&b, &(struct dda_recover_options){ .force_stop = true },
                  "vm-stop device-remove vm-start");
    stop(&b);
}

TEST(what_may_wait_in_a_pool_is_left_there_unless_it_is_named)
{
    struct bench b;

    start(&b);
    put(&b, GPU, DDA_DISMOUNTED, VMS);
    b.view.list.pool_entries = 1;
    check_recover(&b, &(struct dda_recover_options){ .gpu = NULL }, "!device-pooled");
    check_recover(&b, &(struct dda_recover_options){ .gpu = "A100" },
                  "device-mount device-enable device-works");
    stop(&b);
}

TEST(a_device_of_the_same_make_elsewhere_is_named_and_not_taken_for_it)
{
    struct err err = ERR_INIT;
    struct bench b;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;

    start(&b);
    put(&b, GPU, DDA_GONE, COMPUTE);
    b.devices[GPU].moved_to = is(OTHER);
    plan = dda_recover_from(&b.context, &b.view, "test",
                            &(struct dda_recover_options){ .gpu = NULL }, &err);
    CHECK(has(plan, "device-moved"));
    CHECK_EQ(plan ? plan->step_count : 0, 1);
    stop(&b);
}

TEST(an_interrupted_run_on_a_card_is_to_be_ended_by_undo_or_resume)
{
    struct err err = ERR_INIT;
    struct bench b;
    struct plan *plan;

    start(&b);
    put(&b, GPU, DDA_DISABLED, VMS);
    plan = plan_new("test", "assign 'NVIDIA A100' to 'compute'", &err);
    CHECK_OK(dda_lock_device(plan, &b.view, &b.devices[AUDIO], &err));
    CHECK_OK(journal_begin(b.context.journal, plan, &err));
    plan_free(plan);
    check_recover(&b, &(struct dda_recover_options){ .gpu = NULL }, "!run-unfinished");
    put(&b, OTHER, DDA_DISABLED, VMS); /* another card's business */
    check_recover(&b, &(struct dda_recover_options){ .gpu = NULL },
                  "device-enable device-works");
    stop(&b);
}

TEST(a_device_is_chosen_by_gpu_or_by_its_own_names)
{
    struct err err = ERR_INIT;
    struct bench b;
    const struct dda_device *device = NULL;

    start(&b);
    CHECK(dda_select(&b.view, "10de:20f1", &device, &err) && device == &b.devices[GPU]);
    CHECK(dda_select(&b.view, "PCIROOT(40)#PCI(0200)#PCI(0001)", &device, &err) &&
          device == &b.devices[AUDIO]);
    CHECK(dda_select(&b.view, "PCIP" OTHER_ID, &device, &err) == false);
    CHECK(!dda_select(&b.view, "no such", &device, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    stop(&b);
}
