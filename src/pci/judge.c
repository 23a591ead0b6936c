/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which devices belong together, what is above them, and whether one is fit for DDA.
 *
 * Source of the decisions: MicrosoftDocs/Virtualization-Documentation
 * hyperv-tools/DiscreteDeviceAssignment/SurveyDDA.ps1, in its order.  Two of its inputs are
 * known to Windows only: whether firmware reserved memory for the device (RMRR) and
 * whether it let Windows control PCI Express (_OSC).
 */

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

/* ---- the verdict ---- */

const char *pci_verdict_name(enum pci_verdict verdict)
{
    static const char *const names[] = { [PCI_VERDICT_UNKNOWN] = "unknown",
                                         [PCI_VERDICT_NO] = "no",
                                         [PCI_VERDICT_MAYBE] = "maybe",
                                         [PCI_VERDICT_YES] = "yes" };

    return names[verdict];
}

struct judgement {
    struct pci_reason *reasons;
    unsigned count;
};

static void say(struct judgement *judgement, const char *id, enum pci_verdict says,
                const char *text)
{
    struct pci_reason *reason = &judgement->reasons[judgement->count];

    if (judgement->count == PCI_REASONS_MAX)
        return;
    judgement->count++;
    reason->says = says;
    snprintf(reason->id, sizeof(reason->id), "%s", id);
    snprintf(reason->text, sizeof(reason->text), "%s", text);
}

/* One row per device type of the script's third step. */
static void judge_type(const struct pci_device *device, struct judgement *out)
{
    switch (device->express) {
    case PCI_EXPRESS_ENDPOINT:
        say(out, "express-endpoint", PCI_VERDICT_YES, "PCI Express endpoint");
        break;
    case PCI_EXPRESS_LEGACY_ENDPOINT:
        if (!device->has_class)
            say(out, "legacy-endpoint", PCI_VERDICT_UNKNOWN,
                "legacy PCI Express endpoint of unknown class: only display devices of "
                "this type can be assigned");
        else if (pci_is_display(device))
            say(out, "legacy-graphics", PCI_VERDICT_YES,
                "legacy PCI Express endpoint that is a graphics controller: assignable");
        else
            say(out, "legacy-endpoint", PCI_VERDICT_NO,
                "legacy PCI Express endpoint that is no graphics controller");
        break;
    case PCI_EXPRESS_INTEGRATED_ENDPOINT:
        say(out, "integrated-endpoint", PCI_VERDICT_MAYBE,
            "integrated into the processor or chipset: DMA isolation is weaker, and "
            "integrated GPUs fail in practice");
        break;
    case PCI_EXPRESS_UNKNOWN:
        say(out, "type-unknown", PCI_VERDICT_UNKNOWN,
            "the input does not tell what kind of PCI device this is");
        break;
    default:
        say(out, "not-an-endpoint", PCI_VERDICT_NO,
            "conventional PCI device, switch port or bridge: never assignable");
        break;
    }
}

static void judge_interrupts(const struct pci_device *device, struct judgement *out)
{
    if (device->msi == PCI_YES || device->msix == PCI_YES)
        say(out, "message-interrupts", PCI_VERDICT_YES,
            "can use message-signalled interrupts");
    else if (device->msi == PCI_UNKNOWN || device->msix == PCI_UNKNOWN)
        say(out, "interrupts-unknown", PCI_VERDICT_UNKNOWN,
            "the input does not tell which interrupts it uses");
    else if (device->line_interrupt == PCI_YES)
        say(out, "line-interrupts", PCI_VERDICT_NO,
            "only line-based interrupts: the guest could not receive them");
    else
        say(out, "no-interrupts", PCI_VERDICT_YES, "uses no interrupts");
}

static void judge_acs(const struct pci_machine *machine, const struct pci_device *device,
                      struct judgement *out)
{
    switch (pci_acs_up(machine, device)) {
    case PCI_YES:
        say(out, "acs-ok", PCI_VERDICT_YES,
            "Access Control Services on every bridge above it");
        break;
    case PCI_NO:
        say(out, "acs-missing", PCI_VERDICT_NO,
            "a bridge above it lacks Access Control Services: its traffic may be "
            "redirected; another slot or a firmware switch may help");
        break;
    default:
        say(out, "acs-unknown", PCI_VERDICT_UNKNOWN,
            "not known whether everything above it, and each function of its card, has "
            "Access Control Services");
        break;
    }
}

enum pci_verdict pci_judge_dda(const struct pci_machine *machine,
                               const struct pci_device *device,
                               struct pci_reason reasons[PCI_REASONS_MAX],
                               unsigned *ret_count)
{
    struct judgement out = { .reasons = reasons };
    enum pci_verdict verdict = PCI_VERDICT_YES;

    say(&out, "reserved-memory-unknown", PCI_VERDICT_MAYBE,
        "whether firmware reserved memory for it is known to Windows only");
    judge_acs(machine, device, &out);
    judge_type(device, &out);
    say(&out, "native-control-unknown", PCI_VERDICT_MAYBE,
        "whether firmware lets Windows control PCI Express is known to Windows only");
    judge_interrupts(device, &out);
    if (device->flr == PCI_NO)
        say(&out, "no-flr", PCI_VERDICT_MAYBE,
            "no function level reset: restarting the guest may disturb the host");
    else if (device->flr == PCI_YES)
        say(&out, "flr", PCI_VERDICT_YES, "has function level reset");

    for (unsigned i = 0; i < out.count; i++) {
        if (reasons[i].says == PCI_VERDICT_NO)
            verdict = PCI_VERDICT_NO;
        else if (reasons[i].says == PCI_VERDICT_UNKNOWN && verdict != PCI_VERDICT_NO)
            verdict = PCI_VERDICT_UNKNOWN;
        else if (reasons[i].says == PCI_VERDICT_MAYBE && verdict == PCI_VERDICT_YES)
            verdict = PCI_VERDICT_MAYBE;
    }
    *ret_count = out.count;
    return verdict;
}
