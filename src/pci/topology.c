/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which devices belong together, what is above them, what their way up is called. */

#include "pci.h"

#include <string.h>

enum { UP_MAX = 32 /* bridges above a device */ };

bool pci_is_display(const struct pci_device *device)
{
    return device->has_class && device->class_code >> 8 == 0x03;
}

bool pci_same_card(const struct pci_device *a, const struct pci_device *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}

void pci_address(const struct pci_device *device, char ret[16])
{
    snprintf(ret, 16, "%04x:%02x:%02x.%x", device->domain & 0xFFFF, device->bus & 0xFF,
             device->device & 0x1F, device->function & 7);
}

const struct pci_device *pci_parent(const struct pci_machine *machine,
                                    const struct pci_device *device)
{
    for (size_t i = 0; i < machine->count; i++) {
        const struct pci_device *bridge = &machine->devices[i];

        /* Secondary 0 is a bridge nobody set up. */
        if (bridge->has_secondary && bridge->secondary_bus != 0 &&
            bridge->domain == device->domain && bridge->secondary_bus == device->bus)
            return bridge;
    }
    return NULL;
}

static bool has_sisters(const struct pci_machine *machine, const struct pci_device *device)
{
    for (size_t i = 0; i < machine->count; i++)
        if (&machine->devices[i] != device && pci_same_card(&machine->devices[i], device))
            return true;
    return false;
}

/* Whether the bus is a root bus: no bridge leads to it, and something else is on it that
 * only a root bus has (a host bridge at 00.0), or it is bus 0. */
static bool is_root_bus(const struct pci_machine *machine, const struct pci_device *device)
{
    if (device->bus == 0)
        return true;
    for (size_t i = 0; i < machine->count; i++) {
        const struct pci_device *other = &machine->devices[i];

        if (other->domain == device->domain && other->bus == device->bus &&
            other->has_class && other->class_code == 0x0600)
            return true;
    }
    return false;
}

enum pci_answer pci_acs_up(const struct pci_machine *machine,
                           const struct pci_device *device)
{
    enum pci_answer answer = PCI_YES;

    /* Functions of one card could talk to each other: each needs its own. */
    if (has_sisters(machine, device) && device->acs != PCI_YES)
        answer = PCI_UNKNOWN; /* the card may be unable to do so: Windows knows */
    for (unsigned depth = 0; depth < UP_MAX; depth++) {
        const struct pci_device *bridge = pci_parent(machine, device);

        if (!bridge)
            return is_root_bus(machine, device) ? answer : PCI_UNKNOWN;
        if (bridge->acs == PCI_NO && bridge->express != PCI_EXPRESS_UPSTREAM)
            return PCI_NO;
        if (bridge->acs == PCI_UNKNOWN)
            answer = PCI_UNKNOWN;
        device = bridge;
    }
    return PCI_UNKNOWN;
}

bool pci_location_path(const struct pci_machine *machine, const struct pci_device *device,
                       char *ret, size_t size)
{
    const struct pci_device *way[UP_MAX];
    unsigned depth = 0;
    size_t used;

    for (; device; device = pci_parent(machine, device)) {
        if (depth == UP_MAX)
            return false;
        way[depth++] = device;
    }
    if (!is_root_bus(machine, way[depth - 1]))
        return false;
    used = (size_t)snprintf(ret, size, "PCIROOT(%X)", way[depth - 1]->bus);
    while (depth-- > 0 && used < size)
        used += (size_t)snprintf(ret + used, size - used, "#PCI(%02X%02X)",
                                 way[depth]->device, way[depth]->function);
    return used < size;
}
