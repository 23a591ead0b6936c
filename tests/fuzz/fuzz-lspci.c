/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every device of a dump is judged, and its windows computed. */
#include "fuzz.h"

#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct survey_question question = { .all_devices = true };
    struct survey_report *report = NULL;
    struct err err = ERR_INIT;
    struct pci_machine machine;

    if (!pci_read_lspci((const char *)bytes, size, &machine, &err))
        return 0;
    if (survey_machine(&machine, &question, -1, &report, &err))
        survey_report_free(report);
    pci_machine_clear(&machine);
    return 0;
}
