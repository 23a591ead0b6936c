/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every row of SurveyDDA.ps1's decisions, and what is said where a fact is missing. */

#include <string.h>
#include "survey.h"
#include "test.h"

#define MIB_ (1ull << 20)

/* A card that passes: each case changes what it is about. */
static struct device_facts good(void)
{
    return (struct device_facts){
        .name = "card",
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
        .has_bars = true,
        .bars = { { .is_64bit = TRI_NO, .size_bytes = { true, 16 * MIB_ } },
                  { .is_64bit = TRI_YES, .size_bytes = { true, 128 * MIB_ } },
                  { .is_64bit = TRI_YES, .size_bytes = { true, 32 * MIB_ } } },
        .bar_count = 3,
    };
}

static void judge(const struct device_facts *device, struct findings *ret)
{
    const struct survey_facts facts = { .use = GPU_MODE_DDA, .device = device };
    struct err err = ERR_INIT;

    CHECK_OK(survey_judge(&facts, ABOUT_GPU, true, ret, &err));
}

/* ---- the rows, each with what changes a good card into it ---- */

static void reserved(struct device_facts *d)
{
    d->reserved_memory = TRI_YES;
}
static void no_acs(struct device_facts *d)
{
    d->acs = TRI_NO;
}
static void same(struct device_facts *d)
{
    (void)d;
}
static void integrated(struct device_facts *d)
{
    d->device_type.value = DEVICE_EXPRESS_INTEGRATED;
}
static void legacy_gpu(struct device_facts *d)
{
    d->device_type.value = DEVICE_EXPRESS_LEGACY;
}
static void legacy_other(struct device_facts *d)
{
    d->device_type.value = DEVICE_EXPRESS_LEGACY;
    d->is_display = TRI_NO;
}
static void bios_kept(struct device_facts *d)
{
    d->device_type.value = DEVICE_EXPRESS_AS_PCI;
}
static void conventional(struct device_facts *d)
{
    d->device_type.value = 0;
}
static void pci_x(struct device_facts *d)
{
    d->device_type.value = 1;
}
static void bridge(struct device_facts *d)
{
    d->device_type.value = 6;
}
static void collector(struct device_facts *d)
{
    d->device_type.value = 14;
}
static void disabled(struct device_facts *d)
{
    d->disabled = TRI_YES;
    d->has_bars = false;
    d->bar_count = 0;
    d->any_interrupts = d->message_interrupts = TRI_UNKNOWN;
}
static void no_interrupt(struct device_facts *d)
{
    d->any_interrupts = d->message_interrupts = TRI_NO;
}
static void line_only(struct device_facts *d)
{
    d->message_interrupts = TRI_NO;
}
static void no_mmio(struct device_facts *d)
{
    d->bar_count = 0;
}

static void shared_group(struct device_facts *d)
{
    d->iommu_told = true;
    d->iommu_group = (struct known_u64){ true, 12 };
    d->group_strangers = 2;
}

static const struct {
    const char *row;
    void (*change)(struct device_facts *device);
    const char *id; /* of the finding that says it */
    enum severity severity;
    const char *evidence; /* a part of what was seen */
    enum verdict verdict;
    const char *script;
} rows[] = {
    { "1 reserved memory", reserved, "device-reserved-memory", SEVERITY_ERROR,
      "reserved memory region", VERDICT_NO, "RESERVED_MEMORY" },
    { "2 no ACS", no_acs, "device-acs", SEVERITY_ERROR, "no Access Control Services",
      VERDICT_NO, "TRAFFIC_REDIRECT" },
    { "2 of Linux: a group", shared_group, "device-iommu-group", SEVERITY_WARNING, "12",
      VERDICT_MAYBE, "ENDPOINT" },
    { "3a endpoint", same, "device-endpoint", SEVERITY_OK, "endpoint", VERDICT_YES,
      "ENDPOINT" },
    { "3b integrated", integrated, "device-integrated", SEVERITY_WARNING, "integrated",
      VERDICT_MAYBE, "EMBEDDED" },
    { "3c legacy, graphics", legacy_gpu, "device-legacy-gpu", SEVERITY_OK,
      "a graphics controller", VERDICT_YES, "LEGACY_GPU" },
    { "3d legacy, other", legacy_other, "device-legacy-other", SEVERITY_ERROR,
      "no graphics controller", VERDICT_NO, "LEGACY_OTHER" },
    { "3e firmware kept it", bios_kept, "device-bios-kept-pcie", SEVERITY_ERROR, "as PCI",
      VERDICT_NO, "BIOS_KEPT_PCIE" },
    { "3f type 0", conventional, "device-old-pci", SEVERITY_ERROR, "conventional",
      VERDICT_NO, "OLD_PCI_OR_PORT" },
    { "3f type 1", pci_x, "device-old-pci", SEVERITY_ERROR, "conventional", VERDICT_NO,
      "OLD_PCI_OR_PORT" },
    { "3f type 6", bridge, "device-old-pci", SEVERITY_ERROR, "bridge", VERDICT_NO,
      "OLD_PCI_OR_PORT" },
    { "3f type 14", collector, "device-old-pci", SEVERITY_ERROR, "collector", VERDICT_NO,
      "OLD_PCI_OR_PORT" },
    { "4 disabled", disabled, "device-disabled", SEVERITY_WARNING, "22", VERDICT_UNKNOWN,
      "DISABLED_MAYBE" },
    { "5a no interrupts", no_interrupt, "device-interrupts", SEVERITY_OK, "at all",
      VERDICT_YES, "ENDPOINT" },
    { "5b lines only", line_only, "device-line-interrupts", SEVERITY_ERROR, "line-based",
      VERDICT_NO, "LINE_ONLY" },
    { "5c messages", same, "device-interrupts", SEVERITY_OK, "message-signalled",
      VERDICT_YES, "ENDPOINT" },
    { "6a no memory", no_mmio, "device-memory", SEVERITY_OK, "no memory space", VERDICT_YES,
      "ENDPOINT" },
    { "6b memory", same, "device-memory", SEVERITY_OK, "176 MB", VERDICT_YES, "ENDPOINT" },
};

TEST(each_row_of_the_script_has_its_verdict_and_says_so)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
        struct device_facts device = good();
        const struct finding *finding;

        test_case(rows[i].row);
        rows[i].change(&device);
        judge(&device, &findings);
        finding = findings_find(&findings, rows[i].id);
        CHECK(finding != NULL);
        if (!finding)
            continue;
        CHECK_EQ(finding->severity, rows[i].severity);
        CHECK_EQ(finding->evidence_count, 1);
        CHECK(finding->evidence_count && strstr(finding->evidence[0], rows[i].evidence));
        CHECK_EQ(survey_verdict(&findings), rows[i].verdict);
        CHECK_STR_EQ(survey_dda_class(&device), rows[i].script);
    }
}

/* ---- the order: the script stops at the first, here all are named ---- */

TEST(the_first_reason_is_the_script_s_and_every_reason_is_named)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct device_facts device = good();

    line_only(&device);
    CHECK_STR_EQ(survey_dda_class(&device), "LINE_ONLY");
    disabled(&device);
    device.any_interrupts = TRI_YES;
    device.message_interrupts = TRI_NO;
    CHECK_STR_EQ(survey_dda_class(&device), "DISABLED_MAYBE");
    legacy_other(&device);
    CHECK_STR_EQ(survey_dda_class(&device), "LEGACY_OTHER");
    no_acs(&device);
    CHECK_STR_EQ(survey_dda_class(&device), "TRAFFIC_REDIRECT");
    reserved(&device);
    CHECK_STR_EQ(survey_dda_class(&device), "RESERVED_MEMORY");
    judge(&device, &findings);
    CHECK(findings_find(&findings, "device-reserved-memory") != NULL);
    CHECK(findings_find(&findings, "device-acs") != NULL);
    CHECK(findings_find(&findings, "device-legacy-other") != NULL);
    CHECK(findings_find(&findings, "device-disabled") != NULL);
    CHECK(findings_find(&findings, "device-line-interrupts") != NULL);
}

/* ---- what is not known is said, and decides nothing ---- */

static void reserved_unknown(struct device_facts *d)
{
    d->reserved_memory = TRI_UNKNOWN;
}
static void acs_unknown(struct device_facts *d)
{
    d->acs = TRI_UNKNOWN;
}
static void type_unknown(struct device_facts *d)
{
    d->device_type.known = false;
}
static void legacy_unknown(struct device_facts *d)
{
    d->device_type.value = DEVICE_EXPRESS_LEGACY;
    d->is_display = TRI_UNKNOWN;
}
static void interrupts_unknown(struct device_facts *d)
{
    d->any_interrupts = d->message_interrupts = TRI_UNKNOWN;
}
static void memory_unknown(struct device_facts *d)
{
    d->has_bars = false;
    d->bar_count = 0;
}
static void sizes_unknown(struct device_facts *d)
{
    d->bars[1].size_bytes.known = false;
}
static void no_iommu(struct device_facts *d)
{
    d->iommu_told = true;
}
static void only_hardware(struct device_facts *d)
{
    d->on_windows = false;
    d->reserved_memory = TRI_UNKNOWN;
}

TEST(what_is_not_known_is_unknown_and_not_refused)
{
    static const struct {
        const char *id;
        void (*change)(struct device_facts *device);
        enum verdict verdict;
    } cases[] = {
        { "device-reserved-memory-unknown", reserved_unknown, VERDICT_UNKNOWN },
        { "device-acs-unknown", acs_unknown, VERDICT_UNKNOWN },
        { "device-type-unknown", type_unknown, VERDICT_UNKNOWN },
        { "device-type-unknown", legacy_unknown, VERDICT_UNKNOWN },
        { "device-interrupts-unknown", interrupts_unknown, VERDICT_UNKNOWN },
        { "device-memory-unknown", memory_unknown, VERDICT_UNKNOWN },
        { "device-memory-unknown", sizes_unknown, VERDICT_UNKNOWN },
        { "device-no-iommu", no_iommu, VERDICT_UNKNOWN },
        { "device-windows-only", only_hardware, VERDICT_MAYBE },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
        struct device_facts device = good();
        const struct finding *finding;

        test_case(cases[i].id);
        cases[i].change(&device);
        judge(&device, &findings);
        finding = findings_find(&findings, cases[i].id);
        CHECK(finding != NULL);
        CHECK(finding && finding->severity == SEVERITY_INFO && finding->fix);
        CHECK_EQ(survey_verdict(&findings), cases[i].verdict);
    }
}

/* A missing property must not be taken for the script's own answer. */
TEST(the_script_s_word_is_not_guessed)
{
    void (*const changes[])(struct device_facts *) = { reserved_unknown, acs_unknown,
                                                       type_unknown, legacy_unknown,
                                                       interrupts_unknown };

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct device_facts device = good();

        changes[i](&device);
        CHECK(survey_dda_class(&device) == NULL);
    }
}

TEST(acs_may_be_waived_by_name)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    const struct survey_request request = { .allow_unsafe = true };
    struct device_facts device = good();
    const struct survey_facts facts = { .use = GPU_MODE_DDA,
                                        .device = &device,
                                        .request = &request };
    struct err err = ERR_INIT;

    no_acs(&device);
    CHECK_OK(survey_judge(&facts, ABOUT_GPU, false, &findings, &err));
    CHECK_EQ(findings.count, 1);
    CHECK_EQ(findings.items[0].severity, SEVERITY_WARNING);
}

/* ---- every rule ---- */

TEST(ids_are_unique_within_a_use_and_every_finding_says_why_and_who_says_so)
{
    for (const struct rule *const *t = survey_rules; *t; t++)
        for (const struct rule *r = *t; r->id; r++) {
            test_case(r->id);
            CHECK(r->judge && r->uses && r->cause && *r->cause && r->source && *r->source);
            CHECK(!r->fix || *r->fix);
            for (const struct rule *const *t2 = survey_rules; *t2; t2++)
                for (const struct rule *r2 = *t2; r2->id; r2++)
                    CHECK(r2 == r || !(r2->uses & r->uses) || strcmp(r2->id, r->id) != 0);
        }
}

/* Nothing is known: no rule may claim anything, but for those that say so. */
TEST(without_facts_nothing_is_claimed)
{
    static const unsigned uses[] = { GPU_MODE_PV, GPU_MODE_P, GPU_MODE_DDA };
    static const struct hv_host host = { .name = (char *)"host", .gpu_count = 1 };
    static const struct hv_gpu gpu = { .interface_path = (char *)"x" };
    static const struct hv_vm vm = { .name = (char *)"vm" };

    for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
        CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
        struct survey_facts facts = { .use = uses[i] };
        struct err err = ERR_INIT;

        CHECK_OK(survey_judge(&facts, ~0u, true, &findings, &err));
        CHECK_EQ(findings.count, 0);
        facts.host = &host;
        facts.gpu = &gpu;
        facts.vm = &vm;
        CHECK_OK(survey_judge(&facts, ~0u, true, &findings, &err));
        for (size_t f = 0; f < findings.count; f++) {
            test_case(findings.items[f].id);
            CHECK(findings.items[f].says == SAYS_UNKNOWN ||
                  strcmp(findings.items[f].id, "vm-afterwards") == 0 ||
                  strcmp(findings.items[f].id, "gpu-not-paravirtual") == 0);
        }
    }
}
