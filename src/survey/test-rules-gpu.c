/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found about a GPU, and which ways to use one that leaves. */

#include "test-rules.h"

CHANGE(not_partitionable)
{
    b->gpu.interface_path = NULL;
}
CHANGE(hardware_partitions)
{
    b->gpu.interface_path = (char *)PATH_P;
    b->gpu.modes = GPU_MODE_P;
}
CHANGE(paravirtual)
{
    b->gpu.interface_path = (char *)PATH_PV;
    b->gpu.modes = GPU_MODE_PV;
}
CHANGE(dismounted)
{
    b->gpu.place = GPU_DISMOUNTED;
}
CHANGE(assigned)
{
    b->gpu.place = GPU_ASSIGNED;
}
CHANGE(shared)
{
    b->facts.partitions_taken = 1;
}
CHANGE(problem_43)
{
    b->gpu.problem_code = num(43);
}
CHANGE(problem_12)
{
    b->device.problem_code = num(12);
}
CHANGE(old_driver)
{
    b->gpu.driver_version = (char *)"23.21.13.8813";
}
CHANGE(older_driver)
{
    b->gpu.driver_version = (char *)"31.0.15.5222";
}
CHANGE(compute_class)
{
    b->device.is_compute_class = TRI_YES;
}
CHANGE(all_taken)
{
    b->gpu.partition_count = num(4);
    b->facts.partitions_taken = 4;
}
CHANGE(share)
{
    b->request.share_percent = num(50);
}
CHANGE(sriov_without_acs)
{
    b->device.sriov_support = num(1);
}
CHANGE(model_that_fails)
{
    b->gpu.pci_id = (char *)"1002:67df"; /* Radeon RX 580 */
    b->device.flr = TRI_YES;
}
CHANGE(model_that_crashes_hosts)
{
    b->gpu.pci_id = (char *)"1002:150e"; /* Radeon 890M */
}
CHANGE(model_in_part)
{
    b->gpu.pci_id = (char *)"8086:56a5"; /* Arc A380 */
}
CHANGE(model_without_picture)
{
    b->gpu.pci_id = (char *)"10de:15f8"; /* Tesla P100 */
}
CHANGE(no_flr)
{
    b->device.flr = TRI_NO;
}
CHANGE(no_flr_but_fine)
{
    b->device.flr = TRI_NO;
    b->gpu.pci_id = (char *)"10de:2684"; /* RTX 4090 */
}
CHANGE(console)
{
    b->gpu.shows_display = TRI_YES;
}
CHANGE(console_of_firmware)
{
    b->facts.display_gpus = 0;
    b->device.on_post_path = TRI_YES;
    b->request.take_console = true;
}
CHANGE(console_only_asked)
{
    b->gpu.shows_display = TRI_YES;
    b->facts.request = NULL;
}
CHANGE(more_functions)
{
    b->facts.device_count = 2;
}
CHANGE(impossible_gaps)
{
    b->facts.gaps = NULL;
    b->facts.gaps_error = "too large";
}
CHANGE(rebar)
{
    b->device.bars[0] = (struct device_bar){ .index = num(1),
                                             .is_64bit = TRI_YES,
                                             .size_bytes = num(256 * MIB) };
    b->device.bar_count = 1;
    b->device.rebar_index = 1;
    b->device.rebar_count = 2;
    b->device.rebar_sizes[0] = 256 * MIB;
    b->device.rebar_sizes[1] = 8192 * MIB;
}
CHANGE(tcc)
{
    b->gpu.interface_path = NULL;
    b->device.sub_class = num(2);
}
CHANGE(impossible_gaps_but_given)
{
    b->facts.gaps = NULL;
    b->facts.gaps_error = "too large";
    b->request.low_mmio_bytes = num(1024 * MIB);
    b->request.high_mmio_bytes = num(32768 * MIB);
}

const struct rule_case gpu_cases[] = {
    { GPU_MODE_PV, not_partitionable, "gpu-partitionable", SEVERITY_ERROR },
    { GPU_MODE_PV, hardware_partitions, "gpu-not-paravirtual", SEVERITY_ERROR },
    { GPU_MODE_P, paravirtual, "gpu-not-partitioned", SEVERITY_ERROR },
    { GPU_MODE_PV, dismounted, "gpu-place", SEVERITY_ERROR },
    { GPU_MODE_DDA, assigned, "gpu-assigned", SEVERITY_ERROR },
    { GPU_MODE_DDA, shared, "gpu-shared", SEVERITY_ERROR },
    { GPU_MODE_PV, problem_43, "gpu-driver", SEVERITY_ERROR },
    { GPU_MODE_DDA, problem_12, "gpu-resources", SEVERITY_WARNING },
    { GPU_MODE_PV, old_driver, "gpu-driver-wddm", SEVERITY_ERROR },
    { GPU_MODE_PV, older_driver, "gpu-driver-older", SEVERITY_INFO },
    { GPU_MODE_PV, compute_class, "gpu-compute-class", SEVERITY_ERROR },
    { GPU_MODE_P, all_taken, "gpu-partitions", SEVERITY_ERROR },
    { GPU_MODE_PV, share, "gpu-share", SEVERITY_INFO },
    { GPU_MODE_P, sriov_without_acs, "gpu-sriov", SEVERITY_WARNING },
    { GPU_MODE_DDA, model_that_fails, "gpu-model-dda", SEVERITY_WARNING },
    { GPU_MODE_PV, model_that_crashes_hosts, "gpu-model-pv", SEVERITY_WARNING },
    { GPU_MODE_PV, model_in_part, "gpu-model-pv", SEVERITY_INFO },
    { GPU_MODE_DDA, model_without_picture, "gpu-display-output", SEVERITY_INFO },
    { GPU_MODE_DDA, no_flr, "gpu-flr", SEVERITY_WARNING },
    { GPU_MODE_DDA, no_flr_but_fine, "gpu-flr", SEVERITY_INFO },
    { GPU_MODE_DDA, console, "gpu-console", SEVERITY_ERROR },
    { GPU_MODE_DDA, console_of_firmware, "gpu-console", SEVERITY_WARNING },
    { GPU_MODE_DDA, console_only_asked, "gpu-console", SEVERITY_WARNING },
    { GPU_MODE_DDA, more_functions, "gpu-functions", SEVERITY_INFO },
    { GPU_MODE_DDA, impossible_gaps, "gpu-mmio", SEVERITY_ERROR },
    { GPU_MODE_DDA, impossible_gaps_but_given, "gpu-mmio", SEVERITY_WARNING },
    { GPU_MODE_DDA, rebar, "gpu-rebar", SEVERITY_INFO },
    { GPU_MODE_PV, tcc, "gpu-tcc", SEVERITY_INFO },
    { 0 },
};

static size_t reasons(struct bench *b, const char *id)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;
    struct err err = ERR_INIT;

    CHECK_OK(survey_why_not_partitioned(&b->host, &b->gpu, &found, &err));
    CHECK(!id || findings_find(&found, id));
    return found.count;
}

TEST(why_a_gpu_has_no_hardware_partitions_is_said_where_one_would_expect_them)
{
    struct bench b;

    set_up(&b, GPU_MODE_P);
    b.gpu.pci_id = (char *)"10de:25b6";
    b.gpu.interface_path = (char *)"\\\\?\\PCI#VEN_10DE&DEV_25B6#1#{guid}";
    b.gpu.modes = GPU_MODE_P;
    CHECK_EQ(reasons(&b, NULL), 0); /* it has them */
    b.gpu.interface_path = (char *)"\\\\?\\PCI#VEN_10DE&DEV_25B6#1#{guid}\\GPUPARAV";
    b.gpu.modes = GPU_MODE_PV;
    b.gpu.pci.sriov_support = num(4);
    CHECK_EQ(reasons(&b, "gpu-sriov"), 2);
    CHECK_EQ(reasons(&b, "gpu-not-partitioned"), 2);
    b.host.is_server = b.host.platform.policy_read = false;
    CHECK_EQ(reasons(&b, "host-client"), 1);
    b.gpu.pci_id = (char *)"10de:2860"; /* a GeForce on a client is as it should be */
    CHECK_EQ(reasons(&b, NULL), 0);
    set_up(&b, GPU_MODE_P);
    b.gpu.interface_path = NULL;
    b.gpu.modes = 0;
    CHECK_EQ(reasons(&b, "gpu-partitionable"), 1);
    b.gpu.place = GPU_DISMOUNTED; /* then no driver is to blame */
    CHECK_EQ(reasons(&b, "gpu-place"), 1);
}

/* The bit and what people saw of a model are both shown, never one for the other. */
TEST(flr_s_bit_and_reports_are_both_shown)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    const struct finding *finding;
    struct bench b;

    set_up(&b, GPU_MODE_DDA);
    no_flr_but_fine(&b);
    judge(&b, &findings);
    finding = findings_find(&findings, "gpu-flr");
    CHECK(finding && finding->evidence_count == 2);
    CHECK(finding && strstr(finding->evidence[0], "bit 28"));
    CHECK(finding && strstr(finding->evidence[1], "reported"));
}

/* `gpu list` names the mode by the same rules, from the few facts it has. */
TEST(a_gpu_s_modes_are_named_by_the_same_rules)
{
    static const struct {
        const char *name;
        struct known_u64 type, base_class, acs, reserved;
        bool server;
        unsigned modes;
        enum gpu_status status;
    } gpus[] = {
        { "endpoint",
          { true, 2 },
          { true, 3 },
          { true, 3 },
          { true, 0 },
          true,
          GPU_MODE_DDA,
          GPU_STATUS_UNKNOWN },
        { "client",
          { true, 2 },
          { true, 3 },
          { true, 3 },
          { true, 0 },
          false,
          0,
          GPU_STATUS_UNKNOWN },
        { "no ACS",
          { true, 2 },
          { true, 3 },
          { true, 0 },
          { true, 0 },
          true,
          0,
          GPU_NOT_ASSIGNABLE },
        { "reserved",
          { true, 2 },
          { true, 3 },
          { true, 3 },
          { true, 1 },
          true,
          0,
          GPU_NOT_ASSIGNABLE },
        { "old",
          { true, 0 },
          { true, 3 },
          { true, 3 },
          { true, 0 },
          true,
          0,
          GPU_NOT_ASSIGNABLE },
        { "type not told",
          { false, 0 },
          { true, 3 },
          { true, 3 },
          { true, 0 },
          true,
          0,
          GPU_STATUS_UNKNOWN },
        { "reserved not told",
          { true, 3 },
          { true, 3 },
          { true, 3 },
          { false, 0 },
          true,
          GPU_MODE_DDA,
          GPU_STATUS_UNKNOWN },
    };

    for (size_t i = 0; i < ARRAY_LEN(gpus); i++) {
        struct hv_gpu gpu = { .place = GPU_ON_HOST };
        struct hv_host host = { .is_server = gpus[i].server, .gpus = &gpu, .gpu_count = 1 };
        struct err err = ERR_INIT;

        test_case(gpus[i].name);
        gpu.pci.device_type = gpus[i].type;
        gpu.pci.base_class = gpus[i].base_class;
        gpu.pci.acs_up_hierarchy = gpus[i].acs;
        gpu.pci.reserved_memory = gpus[i].reserved;
        CHECK_OK(survey_judge_gpus(&host, &err));
        CHECK_EQ(gpu.modes, gpus[i].modes);
        CHECK_EQ(gpu.status, gpus[i].status);
    }
}
