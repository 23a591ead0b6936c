/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of attach: one VM that passes all of them, and one change per check. */

#include "checks.h"

#include <string.h>

#include "mmio.h"
#include "os.h"
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
    struct attach_options options;
    struct attach_facts facts;
};

static struct known_u64 num(uint64_t value)
{
    return (struct known_u64){ true, value };
}

static void set_up(struct bench *b)
{
    *b = (struct bench){
        .host = { .name = (char *)"host",
                  .product = (char *)"Microsoft Windows 11 Pro",
                  .edition = (char *)"Professional",
                  .build = num(22631) },
        .vm = { .name = (char *)"vm",
                .id = (char *)"0A1B2C3D-0000-0000-0000-000000000001",
                .state = VM_OFF,
                .generation = num(2),
                .version = (char *)"11.0",
                .guest_os = (char *)"Windows 11 Pro",
                .guest_build = num(22631),
                .checkpoint_count = num(0),
                .memory_startup_bytes = num(4096 * MMIO_MB),
                .memory_minimum_bytes = num(512 * MMIO_MB),
                .dynamic_memory = TRI_NO },
        .gpu = { .name = (char *)"gpu",
                 .interface_path = (char *)PV,
                 .place = GPU_ON_HOST,
                 .modes = GPU_MODE_PV,
                 .partition_count = num(32),
                 .problem_code = num(0) },
    };
    b->facts = (struct attach_facts){
        .host = &b->host,
        .vm = &b->vm,
        .gpu = &b->gpu,
        .options = &b->options,
        .partitionable_gpus = 1,
        .changes_vm = true,
        .low_mmio_bytes = 1024 * MMIO_MB,
        .high_mmio_bytes = 32768 * MMIO_MB,
        .disk = "D:\\vm.vhdx",
        .disk_seen = true,
        .image = { .windows_found = true, .file_system = "NTFS" },
    };
}

static void host_build(struct bench *b)
{
    b->host.build = num(16299);
}
static void host_edition(struct bench *b)
{
    b->host.edition = (char *)"CoreSingleLanguage";
}
static void host_server(struct bench *b)
{
    b->host.is_server = true;
    b->host.build = num(17763);
    b->facts.require_secure = b->facts.require_supported = num(0);
}
static void host_policy(struct bench *b)
{
    b->host.is_server = true;
    b->facts.require_secure = num(0);
}
static void host_pinning(struct bench *b)
{
    b->host.build = num(19045);
    b->facts.partitionable_gpus = 2;
}
static void host_pinning_one(struct bench *b)
{
    b->host.build = num(19045);
}
static void gpu_partitionable(struct bench *b)
{
    b->gpu.interface_path = NULL;
}
static void gpu_place(struct bench *b)
{
    b->gpu.place = GPU_DISMOUNTED;
}
static void gpu_driver(struct bench *b)
{
    b->gpu.problem_code = num(43);
}
static void gpu_partitions(struct bench *b)
{
    b->gpu.interface_path = (char *)P;
    b->gpu.partition_count = num(4);
    b->facts.partitions_taken = 4;
}
static void gpu_share(struct bench *b)
{
    b->options.share_percent = num(50);
}
static void vm_power(struct bench *b)
{
    b->vm.state = VM_RUNNING;
}
static void vm_paused(struct bench *b)
{
    b->vm.state = VM_PAUSED;
    b->options.stop = true; /* does not help */
}
static void vm_saved(struct bench *b)
{
    b->vm.state = VM_SAVED;
}
static void vm_running(struct bench *b)
{
    b->vm.state = VM_RUNNING;
    b->facts.changes_vm = false;
}
static void vm_generation(struct bench *b)
{
    b->vm.generation = num(1);
}
static void vm_version(struct bench *b)
{
    b->vm.version = (char *)"9.0";
}
static void vm_memory(struct bench *b)
{
    b->vm.dynamic_memory = TRI_YES;
}
static void vm_memory_unknown(struct bench *b)
{
    b->vm.dynamic_memory = TRI_YES;
    b->vm.memory_minimum_bytes.known = false;
}
static void vm_checkpoints(struct bench *b)
{
    b->vm.checkpoint_count = num(2);
}
static void vm_other_gpu(struct bench *b)
{
    b->facts.has_other_gpu = true;
}
static void vm_other_gpu_server(struct bench *b)
{
    b->facts.has_other_gpu = true;
    b->facts.require_secure = b->facts.require_supported = num(0);
    b->host.is_server = true;
    b->host.build = num(26100);
}
static void vm_assigned(struct bench *b)
{
    b->vm.device_count = 1;
}
static void vm_guest_build(struct bench *b)
{
    b->vm.guest_build = num(16299);
}
static void vm_guest_unnamed(struct bench *b)
{
    b->vm.guest_build = num(17763);
}
static void vm_guest_os(struct bench *b)
{
    b->vm.guest_os = (char *)"Ubuntu 24.04";
}
static void vm_mmio_low(struct bench *b)
{
    b->facts.low_mmio_bytes = 4096 * MMIO_MB;
}
static void vm_mmio_odd(struct bench *b)
{
    b->facts.high_mmio_bytes += 1;
}
static void disk_missing(struct bench *b)
{
    b->facts.disk = NULL;
}
static void disk_windows(struct bench *b)
{
    b->facts.image.windows_found = false;
}
static void disk_encrypted(struct bench *b)
{
    b->facts.image.windows_found = false;
    b->facts.image.encrypted = true;
}
static void disk_hibernated(struct bench *b)
{
    b->facts.image.hibernated = true;
}

static const struct {
    void (*change)(struct bench *b);
    const char *id, *severity;
} cases[] = {
    { host_build, "host-build", "error" },
    { host_edition, "host-edition", "error" },
    { host_server, "host-server", "warning" },
    { host_policy, "host-policy", "warning" },
    { host_pinning, "host-pinning", "error" },
    { host_pinning_one, "host-pinning", "info" },
    { gpu_partitionable, "gpu-partitionable", "error" },
    { gpu_place, "gpu-place", "error" },
    { gpu_driver, "gpu-driver", "error" },
    { gpu_partitions, "gpu-partitions", "error" },
    { gpu_share, "gpu-share", "info" },
    { vm_power, "vm-power", "error" },
    { vm_paused, "vm-power", "error" },
    { vm_saved, "vm-saved", "error" },
    { vm_running, "vm-running", "info" },
    { vm_generation, "vm-generation", "warning" },
    { vm_version, "vm-version", "warning" },
    { vm_memory, "vm-memory", "error" },
    { vm_memory_unknown, "vm-memory", "warning" },
    { vm_checkpoints, "vm-checkpoints", "warning" },
    { vm_other_gpu, "vm-other-gpu", "info" },
    { vm_other_gpu_server, "vm-other-gpu", "error" },
    { vm_assigned, "vm-assigned-devices", "warning" },
    { vm_guest_build, "vm-guest-build", "error" },
    { vm_guest_unnamed, "vm-guest-build", "warning" },
    { vm_guest_os, "vm-guest-os", "error" },
    { vm_mmio_low, "vm-mmio", "error" },
    { vm_mmio_odd, "vm-mmio", "error" },
    { disk_missing, "disk-missing", "error" },
    { disk_windows, "disk-windows", "error" },
    { disk_encrypted, "disk-encrypted", "error" },
    { disk_hibernated, "disk-hibernated", "error" },
};

static json_t *findings_of(const struct bench *b)
{
    struct err err = ERR_INIT;
    CLEANUP(plan_cleanup) struct plan *plan = plan_new("host", "test", &err);

    CHECK_OK(run_attach_checks(plan, &b->facts, false, &err));
    CHECK_OK(run_attach_checks(plan, &b->facts, true, &err));
    return json_incref(plan->findings);
}

TEST(a_vm_that_is_fit_has_no_findings)
{
    struct bench b;
    json_t *findings;

    set_up(&b);
    findings = findings_of(&b);
    CHECK_EQ(json_array_size(findings), 0);
    json_decref(findings);
}

TEST(each_case_makes_one_finding)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        const json_t *finding;
        json_t *findings;

        test_case(cases[i].id);
        set_up(&b);
        cases[i].change(&b);
        findings = findings_of(&b);
        CHECK_EQ(json_array_size(findings), 1);
        finding = json_array_get(findings, 0);
        CHECK_STR_EQ(json_string_value(json_object_get(finding, "id")), cases[i].id);
        CHECK_STR_EQ(json_string_value(json_object_get(finding, "severity")),
                     cases[i].severity);
        CHECK_EQ(json_array_size(json_object_get(finding, "evidence")), 1);
        json_decref(findings);
    }
}

TEST(every_check_is_complete_and_has_a_case)
{
    const char *previous = "";

    for (const struct check *check = attach_checks; check->id; check++) {
        bool has_case = false;

        test_case(check->id);
        CHECK(strcmp(previous, check->id) < 0); /* sorted, so unique */
        previous = check->id;
        CHECK(check->judge && check->cause && check->fix && check->source);
        CHECK(check->fix && check->fix[0] && check->fix[strlen(check->fix) - 1] != '.');
        CHECK(strncmp(check->id, check->about, strlen(check->about)) == 0);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
            has_case |= strcmp(cases[i].id, check->id) == 0;
        CHECK(has_case);
    }
}

TEST(every_check_is_in_the_manual)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *page = os_read_file(HVGPU_MAN_ATTACH, 1 << 20, NULL, &err);

    CHECK(page != NULL);
    for (const struct check *check = attach_checks; page && check->id; check++) {
        CLEANUP(free_cleanup) char *item = text_printf(".It Cm %s\n", check->id);

        test_case(check->id);
        CHECK(strstr(page, item) != NULL);
    }
}

TEST(options_lift_what_they_are_for)
{
    struct bench b;
    json_t *findings;

    set_up(&b);
    b.vm.state = VM_RUNNING;
    b.options.force_stop = true;
    b.facts.has_other_gpu = true;
    b.options.replace = true;
    b.vm.guest_os = (char *)"Debian";
    b.facts.disk = NULL;
    b.options.no_drivers = true;
    b.vm.dynamic_memory = TRI_YES;
    b.vm.memory_minimum_bytes = b.vm.memory_startup_bytes;
    findings = findings_of(&b);
    CHECK_EQ(json_array_size(findings), 0);
    json_decref(findings);
}

TEST(what_is_not_known_is_not_wrong)
{
    struct bench b;
    json_t *findings;

    set_up(&b);
    b.host.build.known = false;
    b.host.edition = NULL;
    b.gpu.problem_code.known = false;
    b.gpu.partition_count.known = false;
    b.gpu.interface_path = (char *)P;
    b.gpu.place = GPU_PLACE_UNKNOWN;
    b.vm.generation.known = false;
    b.vm.version = NULL;
    b.vm.dynamic_memory = TRI_UNKNOWN;
    b.vm.checkpoint_count.known = false;
    b.vm.guest_os = NULL;
    b.vm.guest_build.known = false;
    findings = findings_of(&b);
    CHECK_EQ(json_array_size(findings), 0);
    json_decref(findings);
}

TEST(mmio_follows_the_memory_of_the_partition)
{
    struct bench b;

    set_up(&b);
    CHECK_EQ(mmio_low_for(&b.vm) / MMIO_MB, 1024);
    CHECK_EQ(mmio_high_for(&b.vm, &b.gpu) / MMIO_MB, 32768);
    b.gpu.vram_bytes = num(8192 * MMIO_MB);
    CHECK_EQ(mmio_high_for(&b.vm, &b.gpu) / MMIO_MB, 32768);
    b.gpu.vram_bytes = num(81920 * MMIO_MB); /* 80 GB seen whole: 128 GB window */
    CHECK_EQ(mmio_high_for(&b.vm, &b.gpu) / MMIO_MB, 131072 + 512);
    b.gpu.modes = GPU_MODE_P;
    b.gpu.partition_count = num(4); /* 20 GB each */
    CHECK_EQ(mmio_high_for(&b.vm, &b.gpu) / MMIO_MB, 32768);
    b.gpu.vram_bytes = num(UINT64_MAX);
    CHECK_EQ(mmio_high_for(&b.vm, &b.gpu), MMIO_HIGH_MAX);
    /* Never less than there is. */
    b.gpu.vram_bytes.known = false;
    b.vm.low_mmio_bytes = num(3072 * MMIO_MB);
    b.vm.high_mmio_bytes = num(65536 * MMIO_MB);
    CHECK_EQ(mmio_low_for(&b.vm) / MMIO_MB, 3072);
    CHECK_EQ(mmio_high_for(&b.vm, &b.gpu) / MMIO_MB, 65536);
}
