/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a survey of a host comes to, and the tables of models and builds. */

#include "report.h"

#include <string.h>

#include "models.h"
#include "test.h"

static struct known_u64 num(uint64_t value)
{
    return (struct known_u64){ true, value };
}

/* A server with a card of two functions, its screen on the board, and a VM. */
struct bench {
    struct hv_gpu gpus[2];
    struct hv_function functions[3];
    struct hv_device devices[1];
    struct hv_vm vms[1];
    struct hv_host host;
};

static struct hv_function function(const char *id, const char *path, uint64_t type)
{
    return (struct hv_function){ .name = (char *)id,
                                 .instance_id = (char *)id,
                                 .pci_id = (char *)"10de:ffff",
                                 .location_path = (char *)path,
                                 .place = GPU_ON_HOST,
                                 .problem_code = num(0),
                                 .device_type = num(type),
                                 .base_class = num(3),
                                 .acs_up_hierarchy = num(3),
                                 .reserved_memory = num(0),
                                 .has_resources = true,
                                 .message_interrupts = 1 };
}

static void start(struct bench *b)
{
    *b = (struct bench){
        .gpus = { { .name = (char *)"card",
                    .pci_id = (char *)"10de:ffff",
                    .instance_id = (char *)"PCI\\GPU\\1",
                    .place = GPU_ON_HOST },
                  { .name = (char *)"screen",
                    .pci_id = (char *)"1a03:2000",
                    .instance_id = (char *)"PCI\\VGA\\1",
                    .place = GPU_ON_HOST,
                    .shows_display = TRI_YES } },
        .functions = { function("PCI\\GPU\\1", "PCIROOT(0)#PCI(0100)#PCI(0000)", 2),
                       function("PCI\\AUDIO\\1", "PCIROOT(0)#PCI(0100)#PCI(0001)", 2),
                       function("PCI\\VGA\\1", "PCIROOT(0)#PCI(0200)#PCI(0000)", 0) },
        .vms = { { .name = (char *)"vm",
                   .id = (char *)"1",
                   .state = VM_OFF,
                   .low_mmio_bytes = num(128 * MIB),
                   .high_mmio_bytes = num(512 * MIB) } },
        .host = { .name = (char *)"host",
                  .product = (char *)"Windows Server 2022",
                  .is_server = true,
                  .build = num(20348),
                  .platform = { .is_read = true, .iov = TRI_YES, .clustered = TRI_NO } },
    };
    b->functions[0].ranges[0] = (struct hv_range){ 0xC0000000, 16 * MIB };
    b->functions[0].ranges[1] = (struct hv_range){ UINT64_C(1) << 40, 16384 * MIB };
    b->functions[0].range_count = 2;
    b->functions[0].bar_types = num(1u << 24 | 1u << 8);
    b->functions[1].ranges[0] = (struct hv_range){ 0xC1000000, 16 << 10 };
    b->functions[1].range_count = 1;
    b->functions[1].bar_types = num(1u << 8);
    b->host.gpus = b->gpus;
    b->host.gpu_count = 2;
    b->host.functions = b->functions;
    b->host.function_count = 3;
    b->host.vms = b->vms;
    b->host.vm_count = 1;
}

static struct survey_report *survey(struct bench *b, const struct survey_question *question)
{
    struct survey_report *report = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(survey_host(&b->host, question, &report, &err));
    return report;
}

TEST(a_card_is_judged_for_each_use_and_with_all_its_functions)
{
    struct bench b;
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;
    const struct survey_card *card;

    start(&b);
    report = survey(&b, &(struct survey_question){ 0 });
    if (!report)
        return;
    CHECK_EQ(report->card_count, 2);
    card = &report->cards[0];
    CHECK_EQ(card->function_count, 2);
    CHECK_EQ(card->fit_count, 3);
    CHECK_EQ(card->fit[0].verdict, VERDICT_NO); /* not partitionable */
    CHECK_EQ(card->fit[2].verdict, VERDICT_YES);
    CHECK_EQ(card->status, GPU_READY_FOR_DDA);
    CHECK_EQ(report->cards[1].status, GPU_NOT_ASSIGNABLE);
    /* Of both functions; the 16 MB may be of either width, so they count twice. */
    CHECK_EQ(card->gaps.need.high_sum_bytes / MIB, 16384 + 16);
    CHECK_EQ(card->gaps.low_bytes / MIB, 16 + 1 + 128);
    /* What rules sharing out is worth knowing; that the screen is of no use is a warning. */
    CHECK_EQ(findings_worst(&report->findings), SEVERITY_WARNING);
}

TEST(when_no_gpu_is_fit_there_are_errors)
{
    struct bench b;
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;

    start(&b);
    b.functions[0].acs_up_hierarchy = num(0);
    report = survey(&b, &(struct survey_question){ 0 });
    CHECK(report && findings_worst(&report->findings) == SEVERITY_ERROR);
    survey_report_free(report);
    report = survey(&b, &(struct survey_question){
                            .uses = GPU_MODE_DDA, .strict = true, .gpu = &b.gpus[0] });
    CHECK(report && report->card_count == 1);
    CHECK(report && findings_find(&report->findings, "device-acs") &&
          findings_find(&report->findings, "device-acs")->uses == GPU_MODE_DDA);
}

/* The VM has a device whose sizes nobody knows: its windows are kept for it. */
TEST(what_the_vm_has_already_needs_room_too)
{
    struct bench b;
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;

    start(&b);
    b.devices[0] = (struct hv_device){ .instance_id = (char *)"PCIP\\OTHER\\1" };
    b.vms[0].devices = b.devices;
    b.vms[0].device_count = 1;
    b.vms[0].high_mmio_bytes = num(33280 * MIB);
    report = survey(&b, &(struct survey_question){ .vm = &b.vms[0], .gpu = &b.gpus[0] });
    CHECK(report && report->cards[0].gaps.unknown_devices == 1);
    CHECK(report && report->cards[0].gaps.high_bytes > 33280 * MIB + 16384 * MIB);
}

TEST(two_gpus_of_one_name_are_told_apart)
{
    struct bench b;
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;
    const struct finding *finding;

    start(&b);
    b.gpus[1].name = b.gpus[0].name;
    b.gpus[0].location_path = b.functions[0].location_path;
    report = survey(&b, &(struct survey_question){ 0 });
    finding = report ? findings_find(&report->findings, "gpu-partitionable") : NULL;
    CHECK(finding && strstr(finding->subject, ", "));
}

TEST(a_host_without_a_gpu_has_its_own_reasons)
{
    struct bench b;
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;

    start(&b);
    b.host.gpu_count = b.host.function_count = 0;
    b.host.platform.hyper_v = TRI_NO;
    report = survey(&b, &(struct survey_question){ 0 });
    CHECK(report && findings_find(&report->findings, "host-no-gpu") != NULL);
    CHECK(report && findings_find(&report->findings, "host-hyper-v") != NULL);
    CHECK(report && findings_worst(&report->findings) == SEVERITY_ERROR);
}

TEST(every_device_can_be_judged)
{
    struct bench b;
    CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;

    start(&b);
    b.host.gpu_count = 1; /* the screen's function is then one of the others */
    report = survey(&b, &(struct survey_question){ .all_devices = true });
    CHECK(report && report->card_count == 3);
}

/* ---- findings as JSON ---- */

TEST(a_finding_has_the_contract_s_keys)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct err err = ERR_INIT;
    json_t *list;

    CHECK_OK(findings_add(&findings, "x", SEVERITY_WARNING, "\xff", "one\n\ntwo\n", "cause",
                          NULL, "source", &err));
    list = findings_to_json(&findings);
    CHECK_EQ(json_array_size(list), 1);
    CHECK_EQ(json_array_size(json_object_get(json_array_get(list, 0), "evidence")), 2);
    CHECK_STR_EQ(json_string_value(json_object_get(json_array_get(list, 0), "subject")),
                 "?");
    CHECK_STR_EQ(json_string_value(json_object_get(json_array_get(list, 0), "severity")),
                 "warning");
    CHECK(json_is_null(json_object_get(json_array_get(list, 0), "fix")));
    json_decref(list);
}

/* ---- the tables ---- */

TEST(models_are_found_by_their_ids)
{
    const struct gpu_model *model = gpu_model_find("10de:2684");

    CHECK(model && strcmp(model->name, "GeForce RTX 4090") == 0);
    CHECK(model && model->dda == MODEL_WORKS && model->bar_count == 3);
    CHECK(gpu_model_find("10de:0000") == NULL);
    CHECK(gpu_model_find("") == NULL && gpu_model_find(NULL) == NULL);
    CHECK(gpu_model_count > 100);
    for (size_t i = 0; i < gpu_model_count; i++) {
        test_case(gpu_models[i].pci_id);
        CHECK(i == 0 || strcmp(gpu_models[i - 1].pci_id, gpu_models[i].pci_id) < 0);
        CHECK(gpu_models[i].source[0] != '\0');
    }
}

TEST(builds_and_drivers_tell_their_wddm)
{
    static const struct {
        uint64_t build;
        unsigned wddm;
    } builds[] = { { 10000, 0 },  { 14393, 21 }, { 17134, 24 },
                   { 19045, 27 }, { 20348, 29 }, { 22631, 31 },
                   { 25398, 0 },  { 26100, 32 }, { 99999, 32 } };
    static const struct {
        const char *version;
        unsigned wddm;
    } drivers[] = { { "31.0.15.6094", 31 },
                    { "27.20.100.1", 27 },
                    { "9.18.13.4", 0 },
                    { "100.1.2.3", 0 },
                    { "", 0 },
                    { NULL, 0 } };

    for (size_t i = 0; i < ARRAY_LEN(builds); i++)
        CHECK_EQ(release_wddm(windows_release_of(builds[i].build)), builds[i].wddm);
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
        CHECK_EQ(driver_wddm(drivers[i].version), drivers[i].wddm);
}
