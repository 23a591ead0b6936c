/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of GPUs, counts, plans: hosts are initialisers; the step runs on a GPU in memory. */

#include "partition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "test.h"
#include "text.h"

#define GUID "{064092b3-625e-43bf-9eb5-dc845897dd59}"
#define ID(device, n) \
    "PCI\\VEN_10DE&DEV_" device "&SUBSYS_157E10DE&REV_A1\\4&18416dc3&0&000" n
#define PATH(device, n) \
    "\\\\?\\PCI#VEN_10DE&DEV_" device "&SUBSYS_157E10DE&REV_A1#4&18416dc3&0&000" n "#" GUID

enum { GIB = 1 << 30, GPUS_MAX = 3, HOSTS_MAX = 4 };

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static struct known_u64 is(uint64_t value)
{
    return (struct known_u64){ true, value };
}

/* Hosts with up to three GPUs, the first chosen on each; no VMs. */
struct bench {
    struct hv_gpu gpus[HOSTS_MAX][GPUS_MAX];
    struct hv_vm vms[HOSTS_MAX];
    struct hv_adapter adapters[HOSTS_MAX];
    struct hv_host hosts[HOSTS_MAX];
    const struct hv_gpu *chosen[HOSTS_MAX][GPUS_MAX];
    struct partition_host of[HOSTS_MAX];
    size_t count;
    struct findings set;
};

static uint64_t a2_counts[] = { 16, 8, 4, 2, 1 };
static uint64_t l4_counts[] = { 1, 2, 3, 4, 6, 12 };

static struct hv_gpu a2(int n)
{
    static const char *const ids[] = { ID("25B6", "0"), ID("25B6", "1"), ID("25B6", "2") };
    static const char *const paths[] = { PATH("25B6", "0"), PATH("25B6", "1"),
                                         PATH("25B6", "2") };

    return (struct hv_gpu){
        .name = text("NVIDIA A2"),
        .pci_id = text("10de:25b6"),
        .instance_id = text(ids[n]),
        .interface_path = text(paths[n]),
        .modes = GPU_MODE_P,
        .status = GPU_PARTITIONED,
        .place = GPU_ON_HOST,
        .partition_count = is(4),
        .valid_partition_counts = a2_counts,
        .valid_partition_count_count = 5,
        .amounts = { [QUOTA_VRAM] = { .total = is(UINT64_C(16) * GIB),
                                      .optimal = is(UINT64_C(1986) << 20) },
                     [QUOTA_ENCODE] = { .total = is(128), .max = is(32) } },
    };
}

static struct hv_gpu l4(void)
{
    struct hv_gpu gpu = a2(0);

    gpu.name = text("NVIDIA L4");
    gpu.pci_id = text("10de:27b8");
    gpu.instance_id = text(ID("27B8", "0"));
    gpu.interface_path = text(PATH("27B8", "0"));
    gpu.valid_partition_counts = l4_counts;
    gpu.valid_partition_count_count = 6;
    gpu.amounts[QUOTA_VRAM].total = is(UINT64_C(24) * GIB);
    return gpu;
}

static void start(struct bench *b, size_t hosts)
{
    static const char *const names[] = { "NODE1", "NODE2", "NODE3", "NODE4" };

    memset(b, 0, sizeof(*b));
    b->count = hosts;
    for (size_t i = 0; i < hosts; i++) {
        b->gpus[i][0] = a2(0);
        b->chosen[i][0] = &b->gpus[i][0];
        b->hosts[i] = (struct hv_host){ .name = text(names[i]),
                                        .computer_name = text(names[i]),
                                        .build = is(26100),
                                        .is_server = true,
                                        .gpus = b->gpus[i],
                                        .gpu_count = 1 };
        b->of[i] = (struct partition_host){ &b->hosts[i], b->chosen[i], 1, NULL };
    }
}

static void add_vm(struct bench *b, size_t host, const char *pin, const char *running_on)
{
    b->adapters[host] = (struct hv_adapter){ .id = text("Microsoft:GUID\\1"),
                                             .interface_path = text(pin),
                                             .running_on = text(running_on) };
    b->vms[host] = (struct hv_vm){ .name = text("vdi-7"),
                                   .id = text("GUID"),
                                   .state = running_on ? VM_RUNNING : VM_OFF,
                                   .adapters = &b->adapters[host],
                                   .adapter_count = 1 };
    b->hosts[host].vms = &b->vms[host];
    b->hosts[host].vm_count = 1;
}

static void make(struct bench *b, uint64_t count)
{
    struct err err = ERR_INIT;

    CHECK_OK(partition_plan(b->of, b->count, count, &b->set, &err));
}

static void stop(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++)
        plan_free(b->of[i].plan);
    findings_clear(&b->set);
}

static size_t steps(const struct bench *b)
{
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++)
        count += b->of[i].plan ? b->of[i].plan->step_count : 0;
    return count;
}

static const json_t *finding_of(const struct plan *plan, const char *id)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(plan->findings, i, finding)
    {
        const char *its = json_string_value(json_object_get(finding, "id"));

        if (its && strcmp(its, id) == 0)
            return finding;
    }
    return NULL;
}

static const char *evidence_of(const struct plan *plan, const char *id)
{
    const json_t *finding = finding_of(plan, id);

    return finding
               ? json_string_value(json_array_get(json_object_get(finding, "evidence"), 0))
               : NULL;
}

static bool set_says(const struct bench *b, const char *id, const char *part)
{
    const struct finding *finding = findings_find(&b->set, id);

    for (size_t i = 0; finding && i < finding->evidence_count; i++)
        if (strstr(finding->evidence[i], part))
            return true;
    return false;
}

TEST(alike_gpus_get_a_step_each_and_no_complaint)
{
    struct bench b;

    start(&b, 3);
    make(&b, 8);
    CHECK_EQ(steps(&b), 3);
    CHECK_EQ(b.set.count, 0);
    CHECK(!plan_has_errors(b.of[0].plan));
    CHECK_EQ(json_integer_value(
                 json_object_get(b.of[1].plan->steps[0].before, "partition_count")),
             4);
    CHECK_EQ(json_integer_value(
                 json_object_get(b.of[1].plan->steps[0].after, "partition_count")),
             8);
    CHECK_STR_EQ(b.of[2].plan->host, "NODE3");
    stop(&b);
}

TEST(what_is_so_already_has_no_step)
{
    struct bench b;

    start(&b, 2);
    b.gpus[1][0].partition_count = is(8);
    make(&b, 8);
    CHECK_EQ(b.of[0].plan->step_count, 1);
    CHECK_EQ(b.of[1].plan->step_count, 0);
    CHECK_EQ(json_array_size(b.of[1].plan->findings), 0);
    stop(&b);
}

TEST(a_count_that_the_gpu_does_not_take_is_an_error_that_lists_them)
{
    struct bench b;

    start(&b, 1);
    make(&b, 3);
    CHECK_EQ(steps(&b), 0);
    CHECK(plan_has_errors(b.of[0].plan));
    CHECK_STR_EQ(evidence_of(b.of[0].plan, "partition-count-invalid"),
                 "valid are: 16, 8, 4, 2, 1");
    stop(&b);
}

TEST(a_gpu_that_tells_no_counts_takes_none)
{
    struct bench b;

    start(&b, 1);
    b.gpus[0][0].valid_partition_count_count = 0;
    make(&b, 4);
    CHECK_STR_EQ(evidence_of(b.of[0].plan, "partition-count-invalid"),
                 "the GPU tells no valid counts");
    stop(&b);
}

TEST(a_gpu_that_does_not_tell_its_present_count_is_left_alone)
{
    struct bench b;

    start(&b, 1);
    b.gpus[0][0].partition_count.known = false;
    make(&b, 8);
    CHECK(plan_has_errors(b.of[0].plan));
    CHECK_EQ(b.of[0].plan->step_count, 0);
    stop(&b);
}

TEST(a_count_that_one_of_many_does_not_take_names_the_host_and_what_all_take)
{
    static uint64_t few[] = { 4, 1 };
    struct bench b;

    start(&b, 3);
    b.gpus[1][0].valid_partition_counts = few;
    b.gpus[1][0].valid_partition_count_count = 2;
    make(&b, 8);
    CHECK(set_says(&b, "partition-count-not-common", "8 is not valid on: NODE2"));
    CHECK(set_says(&b, "partition-count-not-common", "all take: 4, 1"));
    CHECK(findings_worst(&b.set) == SEVERITY_ERROR);
    stop(&b);
}

TEST(gpus_of_two_kinds_are_not_set_together)
{
    struct bench b;

    start(&b, 3);
    b.gpus[2][0] = l4();
    make(&b, 4);
    CHECK(set_says(&b, "partition-set-mixed", "NVIDIA A2 (10de:25b6), 16 GB VRAM"));
    CHECK(set_says(&b, "partition-set-mixed", "NODE1, NODE2"));
    CHECK(set_says(&b, "partition-set-mixed", "counts 1, 2, 3, 4, 6, 12: NODE3"));
    CHECK(findings_worst(&b.set) == SEVERITY_ERROR);
    stop(&b);
}

TEST(one_name_with_another_memory_is_another_kind)
{
    struct bench b;

    start(&b, 2);
    b.gpus[1][0].amounts[QUOTA_VRAM].total = is(UINT64_C(8) * GIB);
    make(&b, 8);
    CHECK(findings_find(&b.set, "partition-set-mixed") != NULL);
    stop(&b);
}

TEST(counts_in_another_order_are_the_same_counts)
{
    static uint64_t turned[] = { 1, 2, 4, 8, 16 };
    static uint64_t twice[] = { 1, 1, 4, 8, 16 };
    struct bench b;

    start(&b, 2);
    b.gpus[1][0].valid_partition_counts = turned;
    make(&b, 8);
    CHECK_EQ(b.set.count, 0);
    stop(&b);
    start(&b, 2);
    b.gpus[1][0].valid_partition_counts = twice; /* as long, and yet others */
    make(&b, 8);
    CHECK(findings_find(&b.set, "partition-set-mixed") != NULL);
    stop(&b);
}

TEST(a_like_gpu_that_is_left_out_is_a_warning_with_its_place)
{
    struct bench b;

    start(&b, 2);
    b.gpus[1][1] = a2(1);
    b.gpus[1][1].location_path = text("PCIROOT(C9)#PCI(0000)#PCI(0000)");
    b.hosts[1].gpu_count = 2;
    make(&b, 8);
    CHECK(findings_worst(&b.set) == SEVERITY_WARNING);
    CHECK(set_says(&b, "partition-set-left-out",
                   "NODE2: NVIDIA A2, PCIROOT(C9)#PCI(0000)#PCI(0000), 4 partitions"));
    stop(&b);
    start(&b, 2);
    b.gpus[1][1] = a2(1);
    b.gpus[1][1].partition_count = is(8); /* it will not differ */
    b.hosts[1].gpu_count = 2;
    make(&b, 8);
    CHECK_EQ(b.set.count, 0);
    stop(&b);
}

TEST(a_gpu_of_another_kind_on_the_host_is_not_left_out)
{
    struct bench b;

    start(&b, 1);
    b.gpus[0][1] = l4();
    b.hosts[0].gpu_count = 2;
    make(&b, 8);
    CHECK_EQ(b.set.count, 0);
    CHECK_EQ(steps(&b), 1);
    stop(&b);
}

TEST(a_partition_that_is_assigned_forbids_it_and_the_vm_is_named)
{
    struct bench b;

    start(&b, 1);
    add_vm(&b, 0, b.gpus[0][0].interface_path, NULL);
    make(&b, 8);
    CHECK(plan_has_errors(b.of[0].plan));
    CHECK_STR_EQ(evidence_of(b.of[0].plan, "partition-assigned"), "vdi-7 (off)");
    stop(&b);
    start(&b, 1); /* not pinned, but it runs there */
    add_vm(&b, 0, NULL, b.gpus[0][0].interface_path);
    make(&b, 8);
    CHECK_STR_EQ(evidence_of(b.of[0].plan, "partition-assigned"), "vdi-7 (running)");
    stop(&b);
}

TEST(a_vm_on_another_gpu_of_the_host_forbids_nothing)
{
    struct bench b;

    start(&b, 1);
    b.gpus[0][1] = l4();
    b.hosts[0].gpu_count = 2;
    add_vm(&b, 0, b.gpus[0][1].interface_path, NULL);
    make(&b, 8);
    CHECK(!plan_has_errors(b.of[0].plan));
    CHECK(finding_of(b.of[0].plan, "partition-perhaps-assigned") == NULL);
    stop(&b);
}

TEST(an_adapter_without_a_pin_is_of_the_only_gpu_or_perhaps_of_one_of_two)
{
    struct bench b;

    start(&b, 1);
    add_vm(&b, 0, NULL, NULL);
    make(&b, 8);
    CHECK(finding_of(b.of[0].plan, "partition-assigned") != NULL);
    stop(&b);
    start(&b, 1);
    b.gpus[0][1] = l4();
    b.hosts[0].gpu_count = 2;
    add_vm(&b, 0, NULL, NULL);
    make(&b, 8);
    CHECK(finding_of(b.of[0].plan, "partition-assigned") == NULL);
    CHECK_STR_EQ(evidence_of(b.of[0].plan, "partition-perhaps-assigned"), "vdi-7 (off)");
    CHECK_EQ(steps(&b), 1);
    stop(&b);
}

TEST(a_count_that_is_so_already_is_fine_while_partitions_are_assigned)
{
    struct bench b;

    start(&b, 1);
    add_vm(&b, 0, b.gpus[0][0].interface_path, NULL);
    make(&b, 4);
    CHECK(!plan_has_errors(b.of[0].plan));
    CHECK_EQ(steps(&b), 0);
    stop(&b);
}

TEST(a_paravirtual_gpu_is_refused_with_the_reason)
{
    struct bench b;

    start(&b, 1);
    b.gpus[0][0].interface_path = text(PATH("25B6", "0") "\\GPUPARAV");
    b.gpus[0][0].modes = GPU_MODE_PV;
    b.gpus[0][0].status = GPU_PARAVIRTUALIZATION;
    b.gpus[0][0].pci.sriov_support = is(2);
    make(&b, 4);
    CHECK(plan_has_errors(b.of[0].plan));
    CHECK(finding_of(b.of[0].plan, "gpu-not-partitioned") != NULL);
    CHECK_STR_EQ(evidence_of(b.of[0].plan, "gpu-sriov"),
                 "Windows cannot use its SR-IOV: no driver for its physical function");
    CHECK(finding_of(b.of[0].plan, "partition-count-invalid") == NULL);
    CHECK_EQ(steps(&b), 0);
    stop(&b);
}

TEST(a_gpu_that_hyper_v_does_not_list_is_refused_with_the_reason)
{
    struct bench b;

    start(&b, 1);
    b.gpus[0][0].interface_path = NULL;
    b.gpus[0][0].modes = 0;
    make(&b, 4);
    CHECK(finding_of(b.of[0].plan, "gpu-partitionable") != NULL);
    CHECK_EQ(steps(&b), 0);
    stop(&b);
}

TEST(reported_sizes_are_called_reported_and_computed_ones_computed)
{
    struct bench b;

    start(&b, 1);
    make(&b, 8);
    CHECK_STR_EQ(
        evidence_of(b.of[0].plan, "partition-size"),
        "reported: with 4 partitions, as it is now, each has 1.9 GB VRAM, 32 encode; "
        "reported: the whole GPU has 16 GB VRAM, 128 encode; "
        "computed: 8 equal parts of it have 2 GB VRAM, 16 encode each");
    stop(&b);
    start(&b, 1);
    memset(b.gpus[0][0].amounts, 0, sizeof(b.gpus[0][0].amounts));
    make(&b, 8);
    CHECK_STR_EQ(evidence_of(b.of[0].plan, "partition-size"), "the GPU reports no sizes");
    stop(&b);
}

TEST(the_cmdlet_is_that_of_the_host_s_build)
{
    struct bench b;

    start(&b, 2);
    b.hosts[1].build = is(19045);
    make(&b, 8);
    CHECK(text_istarts(b.of[0].plan->steps[0].powershell,
                       "Set-VMHostPartitionableGpu -Name '\\\\?\\PCI#VEN_10DE"));
    CHECK(text_istarts(b.of[1].plan->steps[0].powershell, "Set-VMPartitionableGpu -Name "));
    CHECK(text_iends(b.of[1].plan->steps[0].powershell, " -PartitionCount 8"));
    stop(&b);
}

TEST(hosts_that_could_not_be_read_are_left_out)
{
    struct bench b;

    start(&b, 3);
    b.of[1].host = NULL;
    make(&b, 8);
    CHECK(b.of[1].plan == NULL);
    CHECK_EQ(steps(&b), 2);
    stop(&b);
}

TEST(counts_that_differ_afterwards_are_a_finding_with_who_has_what)
{
    struct err err = ERR_INIT;
    struct bench b;

    start(&b, 3);
    CHECK_OK(partition_compare(b.of, 3, &b.set, &err));
    CHECK_EQ(b.set.count, 0);
    b.gpus[1][0].partition_count = is(8);
    b.gpus[2][0].partition_count.known = false;
    CHECK_OK(partition_compare(b.of, 3, &b.set, &err));
    CHECK_EQ(b.set.count, 1);
    CHECK(set_says(&b, "partition-counts-differ", "4 partitions: NODE1"));
    CHECK(set_says(&b, "partition-counts-differ", "8 partitions: NODE2"));
    CHECK(set_says(&b, "partition-counts-differ", "not told: NODE3"));
    stop(&b);
}

/* ---- the step, on a GPU in memory ---- */

struct fake {
    struct cim_session base;
    uint64_t count;
    const char *pinned; /* interface path a VM is pinned to; NULL: no VM */
    unsigned puts;
    bool lies, refuses;
};

static bool give(struct cim_instance *row, cim_row_fn *on_row, void *user, struct err *err)
{
    bool ok = row && on_row(row, user, err);

    cim_instance_free(row);
    return ok;
}

static struct cim_instance *gpu_row(const struct fake *fake)
{
    struct cim_instance *row = cim_instance_new(HV_NS, "Msvm_PartitionableGpu");
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_text(row, "Name", PATH("25B6", "0"), &err));
    CHECK_OK(cim_set_uint(row, "PartitionCount", CIM_UINT16, fake->count, &err));
    return row;
}

static bool fake_query(struct cim_session *self, const char *ns, const char *wql,
                       cim_row_fn *on_row, void *user, struct err *err)
{
    const struct fake *fake = (const struct fake *)self;
    struct cim_instance *row = NULL;

    if (strstr(wql, "Win32_OperatingSystem")) {
        row = cim_instance_new(ns, "Win32_OperatingSystem");
        CHECK(cim_set_text(row, "BuildNumber", "26100", err));
        return give(row, on_row, user, err);
    }
    if (strstr(wql, "Msvm_PartitionableGpu"))
        return give(gpu_row(fake), on_row, user, err);
    if (strstr(wql, "Msvm_ComputerSystem")) {
        static const char *const names[] = { "HOST",
                                             "5F1C3C1A-0A3C-4C36-9E15-37D6D3B2C001" };

        for (size_t i = 0; i < (fake->pinned ? 2 : 1); i++) {
            row = cim_instance_new(ns, "Msvm_ComputerSystem");
            CHECK(cim_set_text(row, "Name", names[i], err));
            CHECK(cim_set_text(row, "ElementName", i ? "vdi-7" : "HOST", err));
            CHECK(cim_set_uint(row, "EnabledState", CIM_UINT16, 3, err));
            if (!give(row, on_row, user, err))
                return false;
        }
        return true;
    }
    if (strstr(wql, "Msvm_VirtualSystemSettingData") && fake->pinned) {
        row = cim_instance_new(ns, "Msvm_VirtualSystemSettingData");
        CHECK(cim_set_text(row, "InstanceID",
                           "Microsoft:5F1C3C1A-0A3C-4C36-9E15-37D6D3B2C001", err));
        CHECK(cim_set_text(row, "VirtualSystemIdentifier",
                           "5F1C3C1A-0A3C-4C36-9E15-37D6D3B2C001", err));
        CHECK(cim_set_text(row, "VirtualSystemType", "Microsoft:Hyper-V:System:Realized",
                           err));
        return give(row, on_row, user, err);
    }
    if (strstr(wql, "Msvm_GpuPartitionSettingData") && fake->pinned) {
        CLEANUP(cim_path_cleanup)
        struct cim_path *path = cim_path_new(HV_NS, "Msvm_PartitionableGpu");
        CLEANUP(free_cleanup) char *pin = NULL;

        CHECK(cim_path_set(path, "Name", fake->pinned, err));
        pin = cim_path_format(path);
        row = cim_instance_new(ns, "Msvm_GpuPartitionSettingData");
        CHECK(cim_set_text(row, "InstanceID",
                           "Microsoft:5F1C3C1A-0A3C-4C36-9E15-37D6D3B2C001\\1", err));
        CHECK(cim_set_texts(row, "HostResource", (const char *const[]){ pin }, 1, err));
        return give(row, on_row, user, err);
    }
    return true;
}

static bool fake_get(struct cim_session *self, const struct cim_path *path,
                     struct cim_instance **ret, struct err *err)
{
    const char *name = cim_path_get(path, "Name");

    CHECK_STR_EQ(path->class_name, "Msvm_PartitionableGpu");
    CHECK_STR_EQ(cim_path_get(path, "CreationClassName"), "Msvm_PartitionableGpu");
    if (!text_ieq(name, PATH("25B6", "0")))
        return err_fail(err, ERR_NOT_FOUND, 0, "no such GPU");
    *ret = gpu_row((const struct fake *)self);
    return true;
}

static bool fake_put(struct cim_session *self, const struct cim_path *path,
                     const struct cim_instance *changes, struct err *err)
{
    struct fake *fake = (struct fake *)self;
    uint64_t count = 0;

    CHECK_STR_EQ(cim_path_get(path, "Name"), PATH("25B6", "0"));
    CHECK_EQ(changes->count, 1);
    CHECK(cim_get_u64(changes, "PartitionCount", &count));
    fake->puts++;
    if (fake->refuses)
        return err_fail(err, ERR_REFUSED, 5, "no");
    if (!fake->lies)
        fake->count = count;
    return true;
}

static const struct cim_session_ops fake_ops = {
    .name = "fake", .query = fake_query, .get = fake_get, .put = fake_put
};

struct run {
    struct fake fake;
    struct bench bench;
    struct plan_context context;
    struct step *step;
};

static void start_run(struct run *run)
{
    memset(run, 0, sizeof(*run));
    run->fake = (struct fake){ .base = { &fake_ops }, .count = 4 };
    start(&run->bench, 1);
    make(&run->bench, 8);
    run->context.session = &run->fake.base;
    run->step = &run->bench.of[0].plan->steps[0];
}

TEST(the_step_sets_the_count_and_gives_the_former_one_back)
{
    struct err err = ERR_INIT;
    json_t *now = NULL;
    struct run run;

    start_run(&run);
    CHECK_OK(step_partition_count.probe(&run.context, run.step, &now, &err));
    CHECK(json_equal(now, run.step->before));
    json_decref(now);
    CHECK_OK(step_partition_count.apply(&run.context, run.step, &err));
    CHECK_EQ(run.fake.count, 8);
    CHECK_OK(step_partition_count.probe(&run.context, run.step, &now, &err));
    CHECK(json_equal(now, run.step->after));
    json_decref(now);
    CHECK_OK(step_partition_count.apply(&run.context, run.step, &err)); /* harmless */
    CHECK_EQ(run.fake.puts, 1);
    CHECK_OK(step_partition_count.revert(&run.context, run.step, &err));
    CHECK_EQ(run.fake.count, 4);
    CHECK_EQ(run.fake.puts, 2);
    stop(&run.bench);
}

TEST(a_vm_that_took_a_partition_meanwhile_stops_the_step_there_and_back)
{
    struct err err = ERR_INIT;
    char why[512];
    struct run run;

    start_run(&run);
    run.fake.pinned = PATH("25B6", "0");
    CHECK(!step_partition_count.apply(&run.context, run.step, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    err_format(&err, why, sizeof(why));
    CHECK(strstr(why, "'vdi-7'") != NULL);
    CHECK_EQ(run.fake.puts, 0);
    run.fake.count = 8;
    CHECK(!step_partition_count.revert(&run.context, run.step, &err));
    CHECK_EQ(run.fake.count, 8);
    CHECK_EQ(run.fake.puts, 0);
    run.fake.pinned = PATH("27B8", "0"); /* another GPU's */
    CHECK_OK(step_partition_count.revert(&run.context, run.step, &err));
    CHECK_EQ(run.fake.count, 4);
    stop(&run.bench);
}

TEST(a_host_that_says_yes_and_does_nothing_has_failed)
{
    struct err err = ERR_INIT;
    struct run run;

    start_run(&run);
    run.fake.lies = true;
    CHECK(!step_partition_count.apply(&run.context, run.step, &err));
    CHECK_EQ(err.kind, ERR_REFUSED);
    run.fake.lies = false;
    run.fake.refuses = true;
    CHECK(!step_partition_count.apply(&run.context, run.step, &err));
    CHECK_EQ(err.code, 5);
    stop(&run.bench);
}

TEST(a_damaged_step_of_the_journal_is_refused)
{
    struct err err = ERR_INIT;
    struct run run;

    start_run(&run);
    json_object_set_new(run.step->after, "partition_count", json_integer(70000));
    CHECK(!step_partition_count.apply(&run.context, run.step, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    json_object_del(run.step->params, "interface_path");
    CHECK(!step_partition_count.revert(&run.context, run.step, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK_EQ(run.fake.puts, 0);
    stop(&run.bench);
}
