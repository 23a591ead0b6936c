/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules about host, GPU, VM and disk: one set of facts that passes all of them for each
 * use, and one change per case.  (Those of SurveyDDA.ps1 are in test-dda.c.)
 */

#include <string.h>

#include "failover.h"
#include "os.h"
#include "strbuf.h"
#include "survey.h"
#include "test.h"
#include "text.h"

#define PV                                                                                  \
    "\\\\?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#{064092b3-625e-" \
    "43bf-9eb5-dc845897dd59}\\GPUPARAV"
#define P                                                                                 \
    "\\\\?\\PCI#VEN_10DE&DEV_25B6&SUBSYS_14A910DE&REV_A1#4&1&0&0008#{064092b3-625e-43bf-" \
    "9eb5-dc845897dd59}"

/* Everything as it should be; each case changes what it is about. */
struct bench {
    struct hv_host host;
    struct hv_vm vm;
    struct hv_gpu gpu;
    struct device_facts device, audio;
    const struct device_facts *devices[2];
    struct survey_request request;
    struct survey_disk disk;
    struct gaps gaps;
    struct hv_role role;
    struct survey_facts facts;
    char *reason;
};

static struct known_u64 num(uint64_t value)
{
    return (struct known_u64){ true, value };
}

static void set_up(struct bench *b, unsigned use)
{
    *b = (struct bench){
        .host = { .name = (char *)"host",
                  .product = (char *)"Microsoft Windows 11 Pro",
                  .edition = (char *)"Professional",
                  .build = num(26100),
                  .platform = { .is_read = true,
                                .hypervisor_runs = TRI_YES,
                                .iov = TRI_YES,
                                .clustered = TRI_NO,
                                .address_bits = num(46) } },
        .vm = { .name = (char *)"vm",
                .id = (char *)"0A1B2C3D-0000-0000-0000-000000000001",
                .state = VM_OFF,
                .generation = num(2),
                .version = (char *)"11.0",
                .guest_os = (char *)"Windows 11 Pro",
                .guest_build = num(22631),
                .checkpoint_count = num(0),
                .checkpoint_type = num(2),
                .stop_action = num(2),
                .low_mmio_bytes = num(1024 * MIB),
                .high_mmio_bytes = num(32768 * MIB),
                .memory_startup_bytes = num(4096 * MIB),
                .memory_minimum_bytes = num(512 * MIB),
                .dynamic_memory = TRI_NO },
        .gpu = { .name = (char *)"gpu",
                 .pci_id = (char *)"10de:ffff",
                 .interface_path = (char *)(use == GPU_MODE_P ? P : PV),
                 .driver_version = (char *)"32.0.15.6094",
                 .service = (char *)"nvlddmkm",
                 .place = GPU_ON_HOST,
                 .modes = use == GPU_MODE_P ? GPU_MODE_P : GPU_MODE_PV,
                 .partition_count = num(32),
                 .problem_code = num(0) },
        .device = { .name = "gpu",
                    .pci_id = "10de:ffff",
                    .on_windows = true,
                    .place = GPU_ON_HOST,
                    .device_type = { true, DEVICE_EXPRESS_ENDPOINT },
                    .is_display = TRI_YES,
                    .reserved_memory = TRI_NO,
                    .acs = TRI_YES,
                    .disabled = TRI_NO,
                    .problem_code = { true, 0 },
                    .any_interrupts = TRI_YES,
                    .message_interrupts = TRI_YES,
                    .flr = TRI_YES,
                    .sub_class = { true, 0 },
                    .has_bars = true },
        .audio = { .name = "audio", .pci_id = "10de:fffe" },
        .request = { .changes_vm = true },
        .disk = { .path = "D:\\vm.vhdx", .seen = true, .windows_found = true },
        .gaps = { .low_bytes = 1024 * MIB,
                  .high_bytes = 32768 * MIB,
                  .base_bytes = 65024 * MIB },
    };
    b->devices[0] = &b->device;
    b->devices[1] = &b->audio;
    if (use != GPU_MODE_PV) { /* both are of Windows Server */
        b->host.is_server = true;
        b->host.product = (char *)"Microsoft Windows Server 2025 Datacenter";
        b->host.edition = (char *)"ServerDatacenter";
    }
    b->host.platform.policy_read = b->host.is_server;
    b->host.platform.require_secure = b->host.platform.require_supported = num(0);
    b->facts = (struct survey_facts){
        .use = use,
        .host = &b->host,
        .vm = &b->vm,
        .gpu = &b->gpu,
        .request = &b->request,
        .disk = &b->disk,
        .device = &b->device,
        .devices = b->devices,
        .device_count = 1,
        .gaps = &b->gaps,
        .partitionable_gpus = 1,
        .display_gpus = 1,
    };
}

/* ---- what each case changes ---- */

#define CHANGE(name) static void name(struct bench *b)

CHANGE(old_build)
{
    b->host.build = num(16299);
}
CHANGE(older_build)
{
    b->host.build = num(9600);
}
CHANGE(home)
{
    b->host.edition = (char *)"CoreSingleLanguage";
}
CHANGE(client)
{
    b->host.is_server = false;
    b->host.platform.policy_read = false;
}
CHANGE(old_server)
{
    b->host.is_server = true;
    b->host.build = num(17763);
    b->gpu.driver_version = NULL;
}
CHANGE(policy)
{
    b->host.is_server = b->host.platform.policy_read = true;
    b->host.platform.require_supported.known = false;
}
CHANGE(two_gpus_on_windows_10)
{
    b->host.build = num(19045);
    b->facts.partitionable_gpus = 2;
}
CHANGE(windows_10)
{
    b->host.build = num(19045);
}
CHANGE(no_hypervisor)
{
    b->host.platform.hypervisor_runs = TRI_NO;
}
CHANGE(no_hyper_v)
{
    b->host.platform.hyper_v = TRI_NO;
}
CHANGE(no_gpu)
{
    b->facts.gpu = NULL;
    b->facts.device = NULL;
    b->facts.device_count = 0;
    b->host.gpu_count = 0;
}
CHANGE(no_slat)
{
    b->host.platform.slat = TRI_NO;
}
CHANGE(firmware_off)
{
    b->host.platform.firmware_virtualization = TRI_NO;
}
CHANGE(no_iov)
{
    b->host.platform.iov = TRI_NO;
    b->host.platform.iov_reasons = &b->reason;
}
CHANGE(iov_unknown)
{
    b->host.platform.iov = TRI_UNKNOWN;
}
CHANGE(cluster)
{
    b->host.platform.clustered = TRI_YES;
    b->host.platform.cluster_name = (char *)"CLUSTER";
}
CHANGE(bits_unknown)
{
    b->host.platform.address_bits.known = false;
}
CHANGE(not_partitionable)
{
    b->gpu.interface_path = NULL;
}
CHANGE(hardware_partitions)
{
    b->gpu.interface_path = (char *)P;
    b->gpu.modes = GPU_MODE_P;
}
CHANGE(paravirtual)
{
    b->gpu.interface_path = (char *)PV;
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
CHANGE(runs)
{
    b->vm.state = VM_RUNNING;
}
CHANGE(paused)
{
    b->vm.state = VM_PAUSED;
    b->request.stop = true; /* does not help */
}
CHANGE(runs_asked)
{
    b->vm.state = VM_RUNNING;
    b->facts.request = NULL;
}
CHANGE(saved)
{
    b->vm.state = VM_SAVED;
}
CHANGE(runs_unchanged)
{
    b->vm.state = VM_RUNNING;
    b->request.changes_vm = false;
}
CHANGE(generation_1)
{
    b->vm.generation = num(1);
}
CHANGE(version_9)
{
    b->vm.version = (char *)"9.0";
}
CHANGE(dynamic)
{
    b->vm.dynamic_memory = TRI_YES;
}
CHANGE(dynamic_unknown)
{
    b->vm.dynamic_memory = TRI_YES;
    b->vm.memory_minimum_bytes.known = false;
}
CHANGE(checkpoints)
{
    b->vm.checkpoint_count = num(2);
}
CHANGE(checkpoints_asked)
{
    b->vm.checkpoint_count = num(2);
    b->facts.request = NULL;
}
CHANGE(impossible_gaps_but_given)
{
    b->facts.gaps = NULL;
    b->facts.gaps_error = "too large";
    b->request.low_mmio_bytes = num(1024 * MIB);
    b->request.high_mmio_bytes = num(32768 * MIB);
}
CHANGE(checkpoint_type)
{
    b->vm.checkpoint_type = num(3);
    b->facts.request = NULL;
}
CHANGE(stop_saves)
{
    b->vm.stop_action = num(3);
    b->facts.request = NULL;
}
CHANGE(other_gpu)
{
    b->facts.has_other_gpu = true;
}
CHANGE(nested)
{
    b->vm.nested = TRI_YES;
}
CHANGE(devices)
{
    b->vm.device_count = 1;
}
CHANGE(partitions)
{
    b->vm.adapter_count = 1;
}
CHANGE(guest_16299)
{
    b->vm.guest_build = num(16299);
}
CHANGE(guest_17763)
{
    b->vm.guest_build = num(17763);
}
CHANGE(guest_9600)
{
    b->vm.guest_build = num(9600);
}
CHANGE(guest_7601)
{
    b->vm.guest_build = num(7601);
}
CHANGE(ubuntu)
{
    b->vm.guest_os = (char *)"Ubuntu 24.04";
}
CHANGE(low_too_large)
{
    b->request.low_mmio_bytes = num(4096 * MIB);
}
CHANGE(high_odd)
{
    b->request.high_mmio_bytes = num(32768 * MIB + 1);
}
CHANGE(high_small)
{
    b->request.high_mmio_bytes = num(512 * MIB);
}
CHANGE(windows_small_now)
{
    b->vm.high_mmio_bytes = num(512 * MIB);
    b->facts.request = NULL;
}
/* The VM is a role of a cluster, in good order. */
CHANGE(role)
{
    b->role = (struct hv_role){ .vm_id = b->vm.id,
                                .resource = (char *)"Virtual Machine vm",
                                .group = (char *)"vm",
                                .owner_node = (char *)"host",
                                .state = num(2),
                                .offline_action = num(OFFLINE_FORCE) };
    b->facts.role = &b->role;
}
CHANGE(role_saves)
{
    role(b);
    b->role.offline_action = num(OFFLINE_SAVE);
}
CHANGE(role_moves)
{
    role(b);
    b->role.state = num(130);
}
CHANGE(role_pinned)
{
    role(b);
    b->facts.is_pinned = true;
}
CHANGE(role_on_standard)
{
    role(b);
    b->host.edition = (char *)"ServerStandard";
}
CHANGE(role_unknown)
{
    b->host.platform.clustered = TRI_UNKNOWN;
}
CHANGE(no_disk)
{
    b->disk.path = NULL;
}
CHANGE(no_windows)
{
    b->disk.windows_found = false;
}
CHANGE(encrypted)
{
    b->disk.windows_found = false;
    b->disk.encrypted = true;
}
CHANGE(hibernated)
{
    b->disk.hibernated = true;
}
CHANGE(nothing)
{
    (void)b;
}

/* A card that a server would cut into hardware partitions. */
static void client_with_an_a2(struct bench *b)
{
    client(b);
    b->gpu.pci_id = (char *)"10de:25b6";
}

static const struct {
    unsigned use;
    void (*change)(struct bench *b);
    const char *id;
    enum severity severity;
} cases[] = {
    { GPU_MODE_PV, old_build, "host-build", SEVERITY_ERROR },
    { GPU_MODE_DDA, older_build, "host-build", SEVERITY_ERROR },
    { GPU_MODE_PV, home, "host-edition", SEVERITY_ERROR },
    { GPU_MODE_DDA, client, "host-client", SEVERITY_ERROR },
    { GPU_MODE_P, client_with_an_a2, "host-client", SEVERITY_ERROR },
    { GPU_MODE_PV, old_server, "host-server", SEVERITY_WARNING },
    { GPU_MODE_PV, policy, "host-policy", SEVERITY_WARNING },
    { GPU_MODE_DDA, policy, "host-policy", SEVERITY_INFO },
    { GPU_MODE_PV, two_gpus_on_windows_10, "host-pinning", SEVERITY_ERROR },
    { GPU_MODE_PV, windows_10, "host-pinning", SEVERITY_INFO },
    { GPU_MODE_PV, nothing, "host-wddm", SEVERITY_OK },
    { GPU_MODE_PV, no_hypervisor, "host-hypervisor", SEVERITY_ERROR },
    { GPU_MODE_PV, no_hyper_v, "host-hyper-v", SEVERITY_ERROR },
    { GPU_MODE_PV, no_gpu, "host-no-gpu", SEVERITY_ERROR },
    { GPU_MODE_PV, no_slat, "host-slat", SEVERITY_ERROR },
    { GPU_MODE_PV, firmware_off, "host-firmware", SEVERITY_ERROR },
    { GPU_MODE_DDA, no_iov, "host-iov", SEVERITY_ERROR },
    { GPU_MODE_P, no_iov, "host-iov", SEVERITY_ERROR },
    { GPU_MODE_DDA, iov_unknown, "host-iov-unknown", SEVERITY_INFO },
    { GPU_MODE_PV, cluster, "host-cluster", SEVERITY_WARNING },
    { GPU_MODE_P, cluster, "host-cluster", SEVERITY_INFO },
    { GPU_MODE_DDA, bits_unknown, "host-address-bits", SEVERITY_INFO },
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
    { GPU_MODE_PV, runs, "vm-power", SEVERITY_ERROR },
    { GPU_MODE_DDA, paused, "vm-power", SEVERITY_ERROR },
    { GPU_MODE_DDA, runs_asked, "vm-runs", SEVERITY_INFO },
    { GPU_MODE_DDA, saved, "vm-saved", SEVERITY_ERROR },
    { GPU_MODE_PV, runs_unchanged, "vm-running", SEVERITY_INFO },
    { GPU_MODE_PV, generation_1, "vm-generation", SEVERITY_WARNING },
    { GPU_MODE_DDA, generation_1, "vm-generation", SEVERITY_INFO },
    { GPU_MODE_PV, version_9, "vm-version", SEVERITY_WARNING },
    { GPU_MODE_PV, dynamic, "vm-memory", SEVERITY_ERROR },
    { GPU_MODE_P, dynamic, "vm-memory", SEVERITY_ERROR },
    { GPU_MODE_DDA, dynamic, "vm-memory", SEVERITY_WARNING },
    { GPU_MODE_DDA, dynamic_unknown, "vm-memory", SEVERITY_WARNING },
    { GPU_MODE_PV, dynamic_unknown, "vm-memory", SEVERITY_WARNING },
    { GPU_MODE_PV, checkpoints, "vm-checkpoints", SEVERITY_WARNING },
    { GPU_MODE_DDA, checkpoints, "vm-checkpoints", SEVERITY_ERROR },
    { GPU_MODE_DDA, checkpoints_asked, "vm-checkpoints", SEVERITY_WARNING },
    { GPU_MODE_DDA, checkpoint_type, "vm-checkpoint-type", SEVERITY_INFO },
    { GPU_MODE_DDA, stop_saves, "vm-stop-action", SEVERITY_INFO },
    { GPU_MODE_PV, other_gpu, "vm-other-gpu", SEVERITY_INFO },
    { GPU_MODE_P, other_gpu, "vm-other-gpu", SEVERITY_ERROR },
    { GPU_MODE_PV, devices, "vm-assigned-devices", SEVERITY_WARNING },
    { GPU_MODE_DDA, devices, "vm-assigned-devices", SEVERITY_INFO },
    { GPU_MODE_DDA, partitions, "vm-other-gpu", SEVERITY_WARNING },
    { GPU_MODE_DDA, nothing, "vm-afterwards", SEVERITY_INFO },
    { GPU_MODE_DDA, nested, "vm-nested", SEVERITY_WARNING },
    { GPU_MODE_PV, guest_16299, "vm-guest-build", SEVERITY_ERROR },
    { GPU_MODE_PV, guest_17763, "vm-guest-build", SEVERITY_WARNING },
    { GPU_MODE_DDA, guest_9600, "vm-guest-build", SEVERITY_INFO },
    { GPU_MODE_DDA, guest_7601, "vm-guest-build", SEVERITY_WARNING },
    { GPU_MODE_PV, ubuntu, "vm-guest-os", SEVERITY_ERROR },
    { GPU_MODE_PV, low_too_large, "vm-mmio", SEVERITY_ERROR },
    { GPU_MODE_PV, high_odd, "vm-mmio", SEVERITY_ERROR },
    { GPU_MODE_DDA, high_small, "vm-mmio-small", SEVERITY_WARNING },
    { GPU_MODE_DDA, windows_small_now, "vm-mmio-now", SEVERITY_INFO },
    { GPU_MODE_PV, role, "vm-cluster-paravirtual", SEVERITY_ERROR },
    { GPU_MODE_P, role_saves, "vm-offline-action", SEVERITY_INFO },
    { GPU_MODE_P, role_moves, "vm-role-busy", SEVERITY_ERROR },
    { GPU_MODE_P, role_pinned, "vm-pinned", SEVERITY_INFO },
    { GPU_MODE_P, role_on_standard, "vm-cluster-edition", SEVERITY_WARNING },
    { GPU_MODE_P, role_unknown, "vm-cluster-unknown", SEVERITY_WARNING },
    { GPU_MODE_PV, no_disk, "disk-missing", SEVERITY_ERROR },
    { GPU_MODE_PV, no_windows, "disk-windows", SEVERITY_ERROR },
    { GPU_MODE_PV, encrypted, "disk-encrypted", SEVERITY_ERROR },
    { GPU_MODE_PV, hibernated, "disk-hibernated", SEVERITY_ERROR },
};

static void judge(const struct bench *b, struct findings *ret)
{
    struct err err = ERR_INIT;

    CHECK_OK(survey_judge(&b->facts, ~0u, true, ret, &err));
}

/* What a VM that is fit is told all the same. */
static bool is_remark(const char *id)
{
    return strcmp(id, "vm-afterwards") == 0;
}

TEST(facts_that_are_fit_have_no_findings)
{
    static const unsigned uses[] = { GPU_MODE_PV, GPU_MODE_P, GPU_MODE_DDA };

    for (size_t u = 0; u < ARRAY_LEN(uses); u++) {
        CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
        struct bench b;

        set_up(&b, uses[u]);
        judge(&b, &findings);
        for (size_t i = 0; i < findings.count; i++)
            if (findings.items[i].severity != SEVERITY_OK &&
                !is_remark(findings.items[i].id))
                CHECK_STR_EQ(findings.items[i].id, "");
        CHECK_EQ(survey_verdict(&findings), VERDICT_YES);
    }
}

TEST(each_case_makes_one_finding)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
        const struct finding *finding;
        struct bench b;

        test_case(cases[i].id);
        set_up(&b, cases[i].use);
        cases[i].change(&b);
        judge(&b, &findings);
        finding = findings_find(&findings, cases[i].id);
        CHECK(finding != NULL);
        if (!finding)
            continue;
        CHECK_EQ(finding->severity, cases[i].severity);
        CHECK(finding->evidence_count > 0);
        /* Nothing else is made worse by it. */
        for (size_t f = 0; f < findings.count; f++)
            if (findings.items[f].severity >= SEVERITY_WARNING &&
                &findings.items[f] != finding && strcmp(cases[i].id, "gpu-tcc") != 0)
                CHECK_STR_EQ(findings.items[f].id, "");
    }
}

TEST(azure_local_has_partitions_before_windows_server_2025)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct bench b;

    set_up(&b, GPU_MODE_P);
    b.host.build = num(20348);
    judge(&b, &findings);
    CHECK(findings_find(&findings, "host-server") != NULL);
    findings_clear(&findings);
    b.host.product = (char *)"Azure Stack HCI";
    judge(&b, &findings);
    CHECK(findings_find(&findings, "host-server") == NULL);
}

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
    client_with_an_a2(&b);
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

TEST(every_rule_has_a_case)
{
    for (const struct rule *const *table = survey_rules; *table; table++) {
        if (*table == survey_dda_rules || *table == survey_cluster_rules)
            continue; /* test-dda.c, test-cluster.c */
        for (const struct rule *rule = *table; rule->id; rule++) {
            unsigned uses = 0;

            test_case(rule->id);
            for (size_t i = 0; i < ARRAY_LEN(cases); i++)
                if (strcmp(cases[i].id, rule->id) == 0)
                    uses |= cases[i].use;
            CHECK(uses & rule->uses); /* one id may have a rule per use */
        }
    }
}

TEST(every_rule_is_in_the_manual_and_says_what_to_do)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup)
    char *page = os_read_file(HVGPU_MAN "/hvgpu-survey.1", 1 << 20, NULL, &err);

    CHECK(page != NULL);
    for (const struct rule *const *table = survey_rules; page && *table; table++)
        for (const struct rule *rule = *table; rule->id; rule++) {
            CLEANUP(free_cleanup) char *item = text_printf(".It Cm %s\n", rule->id);

            test_case(rule->id);
            CHECK(strstr(page, item) != NULL);
            CHECK(rule->cause[strlen(rule->cause) - 1] != '.');
            CHECK(!rule->fix || rule->fix[strlen(rule->fix) - 1] != '.');
        }
}

TEST(the_request_lifts_what_it_is_for)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct bench b;

    set_up(&b, GPU_MODE_PV);
    b.vm.state = VM_RUNNING;
    b.request.force_stop = true;
    b.facts.has_other_gpu = true;
    b.request.replace = true;
    b.vm.guest_os = (char *)"Debian";
    b.disk = (struct survey_disk){ 0 };
    b.request.no_drivers = true;
    b.vm.dynamic_memory = TRI_YES;
    b.vm.memory_minimum_bytes = b.vm.memory_startup_bytes;
    judge(&b, &findings);
    CHECK_EQ(findings_worst(&findings), SEVERITY_OK);

    findings_clear(&findings);
    set_up(&b, GPU_MODE_DDA);
    console(&b);
    b.request.take_console = true;
    judge(&b, &findings);
    CHECK_EQ(findings_find(&findings, "gpu-console")->severity, SEVERITY_WARNING);
}

TEST(what_is_not_known_is_not_wrong)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct bench b;

    set_up(&b, GPU_MODE_PV);
    b.host.build.known = false;
    b.host.edition = NULL;
    b.host.platform = (struct hv_platform){ 0 };
    b.gpu.problem_code.known = false;
    b.gpu.partition_count.known = false;
    b.gpu.driver_version = NULL;
    b.gpu.place = GPU_PLACE_UNKNOWN;
    b.vm.generation.known = false;
    b.vm.version = NULL;
    b.vm.dynamic_memory = TRI_UNKNOWN;
    b.vm.checkpoint_count.known = false;
    b.vm.guest_os = NULL;
    b.vm.guest_build.known = false;
    judge(&b, &findings);
    CHECK_EQ(findings_worst(&findings), SEVERITY_OK);
}

/* A survey joins findings that saw the same: these two differ in what is to be done. */
TEST(dynamic_memory_forbids_a_partition_and_only_changes_for_a_whole_card)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    const struct finding *finding;
    struct bench b;

    set_up(&b, GPU_MODE_PV);
    dynamic(&b);
    judge(&b, &findings);
    finding = findings_find(&findings, "vm-memory");
    CHECK(finding && finding->evidence_count == 1 && strstr(finding->fix, "Set-VMMemory"));

    findings_clear(&findings);
    set_up(&b, GPU_MODE_DDA);
    dynamic(&b);
    judge(&b, &findings);
    finding = findings_find(&findings, "vm-memory");
    CHECK(finding && finding->evidence_count == 2);
    CHECK(finding && strstr(finding->cause, "'hvgpu dda assign' switches it off"));
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

/* A range the host itself uses shows that the processor addresses that far. */
TEST(an_address_that_is_in_use_needs_no_number)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct bench b;

    set_up(&b, GPU_MODE_DDA);
    bits_unknown(&b);
    b.host.platform.highest_address = num(b.gaps.base_bytes + b.gaps.high_bytes);
    judge(&b, &findings);
    CHECK(findings_find(&findings, "host-address-bits") == NULL);
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
