/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for all rules about host, GPU, VM and disk, and for each of their cases. */

#include "test-rules.h"

static const struct rule_case *const cases[] = { host_cases, gpu_cases, vm_cases };

void set_up(struct bench *b, unsigned use)
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
                 .interface_path = (char *)(use == GPU_MODE_P ? PATH_P : PATH_PV),
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

void judge(const struct bench *b, struct findings *ret)
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
    for (size_t t = 0; t < ARRAY_LEN(cases); t++)
        for (const struct rule_case *at = cases[t]; at->id; at++) {
            CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
            const struct finding *finding;
            struct bench b;

            test_case(at->id);
            set_up(&b, at->use);
            if (at->change)
                at->change(&b);
            judge(&b, &findings);
            finding = findings_find(&findings, at->id);
            CHECK(finding != NULL);
            if (!finding)
                continue;
            CHECK_EQ(finding->severity, at->severity);
            CHECK(finding->evidence_count > 0);
            /* Nothing else is made worse by it. */
            for (size_t f = 0; f < findings.count; f++)
                if (findings.items[f].severity >= SEVERITY_WARNING &&
                    &findings.items[f] != finding && strcmp(at->id, "gpu-tcc") != 0)
                    CHECK_STR_EQ(findings.items[f].id, "");
        }
}

/* The uses a rule's id has cases for; one id may have a rule per use. */
static unsigned uses_tried(const char *id)
{
    unsigned uses = 0;

    for (size_t t = 0; t < ARRAY_LEN(cases); t++)
        for (const struct rule_case *at = cases[t]; at->id; at++)
            if (strcmp(at->id, id) == 0)
                uses |= at->use;
    return uses;
}

TEST(every_rule_has_a_case)
{
    for (const struct rule *const *table = survey_rules; *table; table++) {
        if (*table == survey_dda_rules || *table == survey_cluster_rules)
            continue; /* test-dda.c, test-cluster.c */
        for (const struct rule *rule = *table; rule->id; rule++) {
            test_case(rule->id);
            CHECK(uses_tried(rule->id) & rule->uses);
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
    b.gpu.shows_display = TRI_YES;
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
