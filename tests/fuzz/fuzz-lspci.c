/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every device of a dump is judged. */
#include "fuzz.h"

#include "pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct pci_machine machine;
    struct pci_reason reasons[PCI_REASONS_MAX];
    char path[256];
    unsigned count;

    if (!pci_read_lspci((const char *)bytes, size, &machine, &err))
        return 0;
    for (size_t i = 0; i < machine.count && i < 64; i++) {
        (void)pci_location_path(&machine, &machine.devices[i], path, sizeof(path));
        (void)pci_judge_dda(&machine, &machine.devices[i], reasons, &count);
    }
    pci_machine_clear(&machine);
    return 0;
}
