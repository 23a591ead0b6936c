/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bytes of configuration space say. */

#include "pci.h"

#include <string.h>

enum {
    CONFIG_STATUS = 0x06,
    CONFIG_CLASS = 0x0A,
    CONFIG_HEADER_TYPE = 0x0E,
    CONFIG_BARS = 0x10,
    CONFIG_SECONDARY = 0x19,
    CONFIG_CAPABILITIES = 0x34,
    CONFIG_PIN = 0x3D,
    STATUS_HAS_CAPABILITIES = 0x10,
    CAP_MSI = 0x05,
    CAP_EXPRESS = 0x10,
    CAP_MSIX = 0x11,
    CAP_AF = 0x13,
    EXT_ACS = 0x0D,
    EXT_SRIOV = 0x10,
    EXT_REBAR = 0x15,
    EXT_START = 0x100,
    DEVCAP_FLR = 1 << 28,
    CHAIN_MAX = 64, /* capabilities; a loop in the chain ends here */
};

static uint32_t load(const uint8_t *at, size_t bytes)
{
    uint32_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

static void read_bars(struct pci_device *device, const uint8_t *config, unsigned count)
{
    device->has_bars = true;
    for (unsigned i = 0; i < count; i++) {
        uint32_t word = load(config + CONFIG_BARS + i * 4, 4);
        struct pci_bar bar = { .index = i, .has_base = true };

        if (word == 0)
            continue; /* not there, or not assigned: nothing tells which */
        bar.is_io = word & 1;
        if (bar.is_io) {
            bar.base = word & ~3u;
        } else {
            bar.is_64bit = (word >> 1 & 3) == 2;
            bar.prefetchable = word >> 3 & 1;
            bar.base = word & ~15u;
            if (bar.is_64bit && i + 1 < count)
                bar.base |= (uint64_t)load(config + CONFIG_BARS + ++i * 4, 4) << 32;
        }
        device->bars[device->bar_count++] = bar;
    }
}

static void read_capability(struct pci_device *device, const uint8_t *config, size_t len,
                            unsigned at)
{
    switch (config[at]) {
    case CAP_MSI:
        device->msi = PCI_YES;
        break;
    case CAP_MSIX:
        device->msix = PCI_YES;
        break;
    case CAP_EXPRESS:
        if (at + 8 > len)
            break;
        device->express = config[at + 2] >> 4;
        device->flr = load(config + at + 4, 4) & DEVCAP_FLR ? PCI_YES : PCI_NO;
        break;
    case CAP_AF: /* the way of conventional PCI to say the same */
        if (at + 4 <= len && device->flr != PCI_YES)
            device->flr = config[at + 3] & 2 ? PCI_YES : PCI_NO;
        break;
    default:
        break;
    }
}

static void read_capabilities(struct pci_device *device, const uint8_t *config, size_t len)
{
    unsigned at = config[CONFIG_CAPABILITIES] & ~3u;

    device->msi = device->msix = PCI_NO;
    device->flr = PCI_NO;
    device->express = PCI_EXPRESS_NONE;
    if (!(config[CONFIG_STATUS] & STATUS_HAS_CAPABILITIES))
        return;
    for (unsigned i = 0; i < CHAIN_MAX && at >= 0x40 && at + 2 <= len && at < 0x100; i++) {
        read_capability(device, config, len, at);
        at = config[at + 1] & ~3u;
    }
}

/* Sizes: bit 4 of the capability is 1 MiB, each next one doubles. */
static void read_rebar(struct pci_device *device, const uint8_t *config, size_t len,
                       unsigned at)
{
    unsigned entries = at + 12 <= len ? config[at + 8] >> 5 : 0;
    uint64_t best = 0;

    for (unsigned e = 0; e < entries && at + 12 + e * 8 <= len; e++) {
        uint32_t capability = load(config + at + 4 + e * 8, 4);
        uint32_t control = load(config + at + 8 + e * 8, 4);
        unsigned index = control & 7, current = control >> 8 & 0x3F;
        uint64_t top = 0;

        for (unsigned b = 4; b < 32; b++)
            if (capability >> b & 1)
                top = 1ull << (20 + b - 4);
        for (unsigned i = 0; i < device->bar_count; i++) {
            if (device->bars[i].index != index || current > 43)
                continue;
            device->bars[i].has_size = true;
            device->bars[i].size_bytes = 1ull << (20 + current);
        }
        if (top <= best)
            continue;
        best = top;
        device->rebar_index = index;
        device->rebar_count = 0;
        for (unsigned b = 4; b < 32; b++)
            if (capability >> b & 1)
                device->rebar_sizes[device->rebar_count++] = 1ull << (20 + b - 4);
    }
}

static void read_extended(struct pci_device *device, const uint8_t *config, size_t len)
{
    unsigned at = EXT_START;

    device->acs = device->sriov = PCI_NO;
    for (unsigned i = 0; i < CHAIN_MAX && at >= EXT_START && at + 4 <= len; i++) {
        uint32_t header = load(config + at, 4);

        if (header == 0 || header == UINT32_MAX)
            break;
        switch (header & 0xFFFF) {
        case EXT_ACS:
            device->acs = PCI_YES;
            break;
        case EXT_SRIOV:
            device->sriov = PCI_YES;
            break;
        case EXT_REBAR:
            read_rebar(device, config, len, at);
            break;
        default:
            break;
        }
        at = header >> 20;
    }
}

void pci_read_config(struct pci_device *device, const uint8_t *config, size_t len)
{
    unsigned header;

    if (len < 64)
        return;
    header = config[CONFIG_HEADER_TYPE] & 0x7F;
    device->has_ids = device->has_class = true;
    device->vendor_id = (uint16_t)load(config, 2);
    device->device_id = (uint16_t)load(config + 2, 2);
    device->class_code = (uint16_t)load(config + CONFIG_CLASS, 2);
    device->is_bridge = header == 1;
    device->line_interrupt = config[CONFIG_PIN] ? PCI_YES : PCI_NO;
    device->bar_count = 0;
    if (header <= 1)
        read_bars(device, config, header == 0 ? 6 : 2);
    if (header == 1) {
        device->has_secondary = true;
        device->secondary_bus = config[CONFIG_SECONDARY];
    }
    if (len >= 256)
        read_capabilities(device, config, len);
    if (len >= 4096)
        read_extended(device, config, len);
    else if (device->express == PCI_EXPRESS_NONE)
        device->acs = device->sriov = PCI_NO; /* extended space is PCI Express' own */
}
