/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Surveys of lspci's text: small ones of our own, and real machines. */

#include <string.h>

#include "os.h"
#include "report.h"
#include "test.h"
#include "text.h"

static struct survey_report *survey(const char *text, size_t len,
                                    const struct survey_question *question)
{
    struct survey_report *report = NULL;
    struct pci_machine machine = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(pci_read_lspci(text, len, &machine, &err));
    CHECK_OK(survey_machine(&machine, question, -1, &report, &err));
    pci_machine_clear(&machine);
    return report;
}

static const char tree[] =
    "00:00.0 Host bridge [0600]: X [8086:3405] (rev 12)\n"
    "00:03.0 PCI bridge [0604]: Root port [8086:340a] (prog-if 00 [Normal decode])\n"
    "\tBus: primary=00, secondary=04, subordinate=04, sec-latency=0\n"
    "\tCapabilities: [90] Express (v2) Root Port (Slot+), MSI 00\n"
    "\tCapabilities: [150 v1] Access Control Services\n"
    "00:1f.0 VGA compatible controller [0300]: Old [1a03:2000]\n"
    "\tInterrupt: pin A routed to IRQ 16\n"
    "\tRegion 0: Memory at 92000000 (32-bit, non-prefetchable) [size=16M]\n"
    "\tCapabilities: [40] Power Management version 3\n"
    "04:00.0 VGA compatible controller [0300]: Card [10de:2684] (rev a1)\n"
    "\tInterrupt: pin A routed to IRQ 331\n"
    "\tRegion 0: Memory at 91000000 (32-bit, non-prefetchable) [size=16M]\n"
    "\tRegion 1: Memory at 3b800000000 (64-bit, prefetchable) [size=256M]\n"
    "\tRegion 3: Memory at 3b810000000 (64-bit, prefetchable) [size=32M]\n"
    "\tRegion 5: I/O ports at 2000 [disabled] [size=128]\n"
    "\tCapabilities: [68] MSI: Enable+ Count=1/1 Maskable- 64bit+\n"
    "\tCapabilities: [78] Express (v2) Legacy Endpoint, MSI 00\n"
    "\t\tDevCap:\tMaxPayload 256 bytes\n"
    "\t\t\tExtTag+ AttnBtn- RBE+ FLReset+ SlotPowerLimit 25.000W\n";

TEST(a_card_behind_a_good_port_may_be_fit)
{
    CLEANUP(survey_report_cleanup)
    struct survey_report *report =
        survey(tree, strlen(tree), &(struct survey_question){ 0 });
    const struct survey_card *card;

    CHECK_EQ(report->card_count, 2);
    card = &report->cards[1];
    CHECK_STR_EQ(card->functions[0].pci_address, "0000:04:00.0");
    CHECK_EQ(card->dda[0], VERDICT_MAYBE);
    CHECK_EQ(card->gaps.low_bytes / MIB, 144);
    CHECK_EQ(card->gaps.high_bytes / MIB, 1024);
    CHECK(findings_find(&card->fit[0].findings, "device-windows-only") != NULL);
    /* The other is conventional PCI: a warning, since one card is fit. */
    CHECK_EQ(report->cards[0].dda[0], VERDICT_NO);
    CHECK_EQ(findings_worst(&report->findings), SEVERITY_WARNING);
}

TEST(with_nothing_fit_there_are_errors)
{
    static const char old[] = "00:1f.0 VGA compatible controller [0300]: Old [1a03:2000]\n"
                              "\tCapabilities: [40] Power Management version 3\n";
    CLEANUP(survey_report_cleanup)
    struct survey_report *report = survey(old, strlen(old), &(struct survey_question){ 0 });

    CHECK_EQ(findings_worst(&report->findings), SEVERITY_ERROR);
}

TEST(a_use_that_was_asked_for_is_judged_strictly)
{
    CLEANUP(survey_report_cleanup)
    struct survey_report *report =
        survey(tree, strlen(tree),
               &(struct survey_question){ .uses = GPU_MODE_DDA, .strict = true });

    CHECK_EQ(findings_worst(&report->findings), SEVERITY_ERROR);
}

TEST(all_devices_can_be_asked_for)
{
    CLEANUP(survey_report_cleanup)
    struct survey_report *report =
        survey(tree, strlen(tree), &(struct survey_question){ .all_devices = true });

    CHECK_EQ(report->card_count, 3); /* the host bridge too, but no port */
}

/* ---- real machines ---- */

static const struct {
    const char *dump;
    size_t cards; /* with a GPU */
    const char *address;
    enum verdict verdict;
    size_t functions; /* of that card */
    const char *finding;
    uint64_t low_mb, high_mb; /* 0: no sizes in it */
} dumps[] = {
    { "01-asus-p6t6-geforce210.hex.txt", 1, "0000:06:00.0", VERDICT_UNKNOWN, 2, "gpu-flr",
      0, 0 },
    { "02-amd-fiji-rebar.hex.txt", 1, "0000:09:00.0", VERDICT_UNKNOWN, 1, "gpu-rebar", 0,
      0 },
    { "03-xeon-2x-tesla-p100.vvv.txt", 3, "0000:04:00.0", VERDICT_MAYBE, 1, "gpu-flr", 144,
      17408 },
    { "03-xeon-2x-tesla-p100.vvv.txt", 3, "0000:0a:00.0", VERDICT_NO, 1, "device-old-pci",
      153, 512 },
    { "04-epyc-4x-rtx6000ada.vvv.txt", 4, "0000:c1:00.0", VERDICT_UNKNOWN, 1,
      "device-acs-unknown", 144, 66560 },
    { "05-vm-grid-k520.vvv.txt", 2, "0000:00:03.0", VERDICT_MAYBE, 1, "gpu-flr", 144,
      1024 },
    { "06-p45-gtx1650super.vvv.txt", 1, "0000:01:00.0", VERDICT_NO, 4, "device-acs", 145,
      1024 },
};

TEST(real_machines_are_judged)
{
    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    for (size_t i = 0; i < ARRAY_LEN(dumps); i++) {
        CLEANUP(free_cleanup)
        char *path = text_printf("%s/lspci/%s", test_data_dir(), dumps[i].dump);
        CLEANUP(survey_report_cleanup) struct survey_report *report = NULL;
        const struct survey_card *card = NULL;
        struct err err = ERR_INIT;
        size_t len = 0;
        CLEANUP(free_cleanup) char *text = os_read_file(path, 16 << 20, &len, &err);

        test_case(dumps[i].dump);
        CHECK(text != NULL);
        if (!text)
            return;
        report = survey(text, len, &(struct survey_question){ 0 });
        CHECK_EQ(report->card_count, dumps[i].cards);
        for (size_t c = 0; c < report->card_count; c++)
            if (strcmp(report->cards[c].functions[0].pci_address, dumps[i].address) == 0)
                card = &report->cards[c];
        CHECK(card != NULL);
        if (!card)
            continue;
        CHECK_EQ(card->dda[0], dumps[i].verdict);
        CHECK_EQ(card->function_count, dumps[i].functions);
        CHECK(findings_find(&card->fit[0].findings, dumps[i].finding) != NULL);
        CHECK_EQ(card->has_gaps, dumps[i].high_mb != 0);
        if (!card->has_gaps)
            continue;
        CHECK_EQ(card->gaps.low_bytes / MIB, dumps[i].low_mb);
        CHECK_EQ(card->gaps.high_bytes / MIB, dumps[i].high_mb);
    }
}
