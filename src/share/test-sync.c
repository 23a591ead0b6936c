/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sync says of a VM from what was read of its host, before any disk is looked at.  No
 * simulated host lists a partition of a GPU that is gone: what a real one shows then is the
 * adapter with its pin (MicrosoftDocs/windows-driver-docs gpu-paravirtualization). */

#include "share.h"

#include <string.h>

#include "share-plan.h"
#include "test.h"
#include "text.h"

#define PATH(n)                                                                      \
    "\\\\?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&" #n "&0&0008#{064092b3-" \
    "625e-43bf-9eb5-dc845897dd59}\\GPUPARAV"

static struct hv_gpu gpu = { .name = (char *)"NVIDIA GeForce RTX 4070 Laptop GPU",
                             .pci_id = (char *)"10de:2860",
                             .interface_path = (char *)PATH(296b7397) };

static struct plan *plan_for(const char *pin, enum vm_state state, bool stop)
{
    struct hv_adapter adapter = { .interface_path = (char *)(uintptr_t)pin };
    struct hv_disk disk = { .path = (char *)"C:\\VMs\\games.vhdx" };
    struct hv_vm vm = { .name = (char *)"games",
                        .id = (char *)"5C1C7EB6-4F47-4E9D-9A6B-4E2E1B4A0D11",
                        .state = state,
                        .adapters = &adapter,
                        .adapter_count = 1,
                        .disks = &disk,
                        .disk_count = 1 };
    struct hv_host host = {
        .name = (char *)"laptop", .gpus = &gpu, .gpu_count = 1, .vms = &vm, .vm_count = 1
    };
    struct plan_context context = { 0 }; /* nothing of it is asked */
    const struct sync_options options = { .stop = stop };
    struct err err = ERR_INIT;
    struct plan *plan = share_sync_from(&context, &host, "laptop", "games", &options, &err);

    CHECK_OK(plan != NULL);
    return plan;
}

static const json_t *finding_of(const struct plan *plan, const char *id)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(plan ? plan->findings : NULL, i, finding)
    {
        if (text_ieq(json_string_value(json_object_get(finding, "id")), id))
            return finding;
    }
    return NULL;
}

TEST(a_partition_of_a_gpu_that_is_gone_stops_everything_and_says_which)
{
    static const enum vm_state states[] = { VM_OFF, VM_RUNNING };

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        CLEANUP(plan_cleanup) struct plan *plan = plan_for(PATH(deadbeef), states[i], true);
        const json_t *finding = finding_of(plan, "drift-adapter");
        CLEANUP(free_cleanup) char *text = json_dumps(finding, 0);

        CHECK(text && strstr(text, "4&deadbeef&0&0008") && strstr(text, "--replace"));
        CHECK_STR_EQ(json_string_value(json_object_get(finding, "severity")), "error");
        CHECK(plan && plan_has_errors(plan) && plan->step_count == 0);
    }
}

TEST(one_of_a_gpu_that_is_there_is_no_drift_whatever_its_case)
{
    CLEANUP(free_cleanup) char *pin = text_dup(PATH(296b7397));
    struct plan *plan;

    CHECK(pin != NULL);
    if (pin)
        text_lower(pin);
    plan = plan_for(pin, VM_RUNNING, false);
    CHECK(!finding_of(plan, "drift-adapter"));
    CHECK(finding_of(plan, "vm-power") && plan && plan->step_count == 0);
    plan_free(plan);
}

TEST(a_vm_that_runs_and_may_be_stopped_is_looked_at_by_the_plan)
{
    CLEANUP(plan_cleanup)
    struct plan *plan = plan_for(PATH(296b7397), VM_RUNNING, true);
    const json_t *finding = finding_of(plan, "drift-unknown");
    bool looks = false;

    CHECK(finding && !finding_of(plan, "drift-adapter"));
    CHECK(plan && !plan_has_errors(plan) && plan->step_count > 2);
    for (size_t i = 0; plan && i < plan->step_count; i++)
        looks |= text_ieq(plan->steps[i].kind->name, "drivers-look");
    CHECK(looks);
}
