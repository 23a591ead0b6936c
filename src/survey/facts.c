/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about one function, from what Windows tells and from what the hardware tells. */

#include "facts.h"

#include <stdio.h>
#include <string.h>

#include "models.h"
#include "text.h"

#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"
#define COMPUTE_CLASS "{f01a9d53-3ff6-48d2-9f97-c8a7004be10c}"
#define FOUR_GIB (UINT64_C(1) << 32)

enum { DISPLAY = 3, PROBLEM_DISABLED = 22, MESSAGE_BITS = 2 | 4 };

static enum tristate yes_no(bool yes)
{
    return yes ? TRI_YES : TRI_NO;
}

static enum tristate is_not_zero(struct known_u64 value)
{
    return value.known ? yes_no(value.value != 0) : TRI_UNKNOWN;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

bool facts_have_sizes(const struct device_facts *facts)
{
    for (size_t i = 0; i < facts->bar_count; i++)
        if (!facts->bars[i].is_io && !facts->bars[i].size_bytes.known)
            return false;
    return facts->has_bars;
}

/* ---- Windows ---- */

static void take_interrupts(const struct hv_function *function, struct device_facts *ret)
{
    if (function->has_resources) {
        ret->any_interrupts =
            yes_no(function->line_interrupts + function->message_interrupts > 0);
        ret->message_interrupts = yes_no(function->message_interrupts > 0);
    } else if (function->interrupt_support.known) {
        ret->interrupts_of_hardware = true;
        ret->any_interrupts = yes_no(function->interrupt_support.value != 0);
        ret->message_interrupts =
            yes_no((function->interrupt_support.value & MESSAGE_BITS) != 0);
    }
    if (function->interrupt_support.known) {
        ret->msi = yes_no(function->interrupt_support.value & 2);
        ret->msix = yes_no(function->interrupt_support.value & 4);
    }
}

/* What the model's BARs of that size are, where they agree. */
static enum tristate width_of_model(const char *pci_id, uint64_t size_bytes)
{
    const struct gpu_model *model = gpu_model_find(pci_id);
    enum tristate answer = TRI_UNKNOWN;

    for (unsigned i = 0; model && i < model->bar_count; i++) {
        enum tristate this = yes_no(model->bars[i].is_64bit);

        if (model->bars[i].size_bytes != size_bytes)
            continue;
        if (answer != TRI_UNKNOWN && answer != this)
            return TRI_UNKNOWN;
        answer = this;
    }
    return answer;
}

/* A range above 4 GiB is of a 64-bit BAR.  Below, it can be either, unless the device has no
 * 64-bit prefetchable BAR and hence no large one (64-bit ones that are not prefetchable are
 * counted by Windows with those of 32 bits), or the model is known. */
static void take_ranges(const struct hv_function *function, struct device_facts *ret)
{
    bool only_small = function->bar_types.known && function->bar_types.value >> 24 == 0;

    ret->has_bars = function->has_resources;
    for (size_t i = 0; i < function->range_count && ret->bar_count < DEVICE_BARS_MAX; i++) {
        const struct hv_range *range = &function->ranges[i];

        ret->bars[ret->bar_count++] = (struct device_bar){
            .base_bytes = { true, range->base },
            .size_bytes = { true, range->size_bytes },
            .is_64bit = range->base >= FOUR_GIB ? TRI_YES
                        : only_small            ? TRI_NO
                                     : width_of_model(ret->pci_id, range->size_bytes),
        };
    }
}

void facts_from_function(const struct hv_function *function, struct device_facts *ret)
{
    *ret = (struct device_facts){
        .on_windows = true,
        .place = function->place,
        .device_type = function->device_type,
        .is_display = function->base_class.known
                          ? yes_no(function->base_class.value == DISPLAY)
                      : text_ieq(function->class_guid, DISPLAY_CLASS) ? TRI_YES
                                                                      : TRI_UNKNOWN,
        .reserved_memory = is_not_zero(function->reserved_memory),
        .acs = is_not_zero(function->acs_up_hierarchy),
        .disabled = function->problem_code.known
                        ? yes_no(function->problem_code.value == PROBLEM_DISABLED)
                        : TRI_UNKNOWN,
        .problem_code = function->problem_code,
        .sriov = function->sriov_support.known ? TRI_YES : TRI_UNKNOWN,
        .on_post_path = is_not_zero(function->on_post_path),
        .is_compute_class = function->class_guid
                                ? yes_no(text_ieq(function->class_guid, COMPUTE_CLASS))
                                : TRI_UNKNOWN,
        .sub_class = function->sub_class,
        .sriov_support = function->sriov_support,
    };
    copy(ret->name, sizeof(ret->name), function->name);
    copy(ret->pci_id, sizeof(ret->pci_id), function->pci_id);
    copy(ret->location_path, sizeof(ret->location_path), function->location_path);
    copy(ret->instance_id, sizeof(ret->instance_id), function->instance_id);
    if (function->bus.known && function->address.known)
        snprintf(ret->pci_address, sizeof(ret->pci_address), "%04x:%02x:%02x.%x",
                 (unsigned)(function->bus.value >> 8) & 0xFFFF,
                 (unsigned)function->bus.value & 0xFF,
                 (unsigned)(function->address.value >> 16) & 0x1F,
                 (unsigned)function->address.value & 7);
    take_interrupts(function, ret);
    take_ranges(function, ret);
}

/* ---- the hardware itself ---- */

static enum tristate answer(enum pci_answer from)
{
    return from == PCI_UNKNOWN ? TRI_UNKNOWN : yes_no(from == PCI_YES);
}

/* Windows' number for a type of the Express capability. */
static struct known_u64 type_of(const struct pci_device *device)
{
    switch (device->express) {
    case PCI_EXPRESS_ENDPOINT:
        return (struct known_u64){ true, DEVICE_EXPRESS_ENDPOINT };
    case PCI_EXPRESS_LEGACY_ENDPOINT:
        return (struct known_u64){ true, DEVICE_EXPRESS_LEGACY };
    case PCI_EXPRESS_INTEGRATED_ENDPOINT:
        return (struct known_u64){ true, DEVICE_EXPRESS_INTEGRATED };
    case PCI_EXPRESS_UNKNOWN:
        return (struct known_u64){ false, 0 };
    case PCI_EXPRESS_NONE:
        return (struct known_u64){ true, device->is_bridge ? DEVICE_ROOT_PORT
                                                           : DEVICE_PCI_CONVENTIONAL };
    default:
        return (struct known_u64){ true, DEVICE_ROOT_PORT };
    }
}

static void take_bars(const struct pci_device *device, struct device_facts *ret)
{
    ret->has_bars = device->has_bars;
    for (unsigned i = 0; i < device->bar_count && i < DEVICE_BARS_MAX; i++) {
        const struct pci_bar *bar = &device->bars[i];

        ret->bars[ret->bar_count++] = (struct device_bar){
            .index = { true, bar->index },
            .is_64bit = yes_no(bar->is_64bit),
            .prefetchable = yes_no(bar->prefetchable),
            .is_io = bar->is_io,
            .base_bytes = { bar->has_base, bar->base },
            .size_bytes = { bar->has_size, bar->size_bytes },
        };
    }
    ret->rebar_index = device->rebar_index;
    ret->rebar_count = device->rebar_count;
    memcpy(ret->rebar_sizes, device->rebar_sizes, sizeof(ret->rebar_sizes));
}

static void take_group(const struct pci_machine *machine, const struct pci_device *device,
                       struct device_facts *ret)
{
    ret->iommu_told = device->iommu_group_told;
    if (!device->has_iommu_group)
        return;
    ret->iommu_group = (struct known_u64){ true, device->iommu_group };
    for (size_t i = 0; i < machine->count; i++) {
        const struct pci_device *other = &machine->devices[i];

        ret->group_strangers += other->has_iommu_group &&
                                other->iommu_group == device->iommu_group &&
                                !other->is_bridge && !pci_same_card(other, device);
    }
}

void facts_from_pci(const struct pci_machine *machine, const struct pci_device *device,
                    struct device_facts *ret)
{
    enum tristate msi = answer(device->msi), msix = answer(device->msix);

    *ret = (struct device_facts){
        .device_type = type_of(device),
        .is_display = device->has_class ? yes_no(pci_is_display(device)) : TRI_UNKNOWN,
        .acs = answer(pci_acs_up(machine, device)),
        .own_acs = answer(device->acs),
        .flr = answer(device->flr),
        .msi = msi,
        .msix = msix,
        .sriov = answer(device->sriov),
        .interrupts_of_hardware = true,
        .sub_class = { device->has_class, device->class_code & 0xFF },
    };
    ret->message_interrupts = msi == TRI_YES || msix == TRI_YES ? TRI_YES
                              : msi == TRI_NO && msix == TRI_NO ? TRI_NO
                                                                : TRI_UNKNOWN;
    if (ret->message_interrupts == TRI_YES)
        ret->any_interrupts = TRI_YES;
    else if (ret->message_interrupts == TRI_NO)
        ret->any_interrupts = yes_no(device->line_interrupt == PCI_YES);
    copy(ret->name, sizeof(ret->name), device->name);
    copy(ret->class_name, sizeof(ret->class_name), device->class_name);
    if (device->has_ids)
        snprintf(ret->pci_id, sizeof(ret->pci_id), "%04x:%04x", device->vendor_id,
                 device->device_id);
    pci_address(device, ret->pci_address);
    if (!pci_location_path(machine, device, ret->location_path, sizeof(ret->location_path)))
        ret->location_path[0] = '\0';
    take_bars(device, ret);
    take_group(machine, device, ret);
}
