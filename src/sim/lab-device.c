/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lab files: the PCI devices of a host, GPUs and others.
 */
#include <string.h>

#include "lab-yaml.h"
#include "text.h"

bool lab_read_driver(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct word kinds[] = { { "none", SIM_DRIVER_NONE },
                                         { "nvidia", SIM_DRIVER_NVIDIA },
                                         { "intel", SIM_DRIVER_INTEL },
                                         { "amd", SIM_DRIVER_AMD },
                                         { 0 } };
    static const struct key keys[] = {
        { "kind", WORD, offsetof(struct lab_device_entry, driver_kind), .words = kinds,
          .required = true },
        { "version", TEXT, offsetof(struct lab_device_entry, device.driver_version) },
        { "date", TEXT, offsetof(struct lab_device_entry, device.driver_date) },
    };
    struct lab_device_entry *entry = target;

    if (!lab_map(r, node, "a driver", keys, ARRAY_LEN(keys), entry))
        return false;
    entry->device.driver = (enum sim_driver)entry->driver_kind;
    return true;
}

/* What Windows does not tell of the device is -1: "unknown". */
static bool read_up_to(struct reader *r, yaml_node_t *node, uint64_t max, int *value)
{
    const char *text = lab_scalar(r, node);
    uint64_t number;

    if (!text)
        return false;
    if (strcmp(text, "unknown") == 0) {
        *value = -1;
        return true;
    }
    if (!lab_number(r, node, 0, max, &number))
        return false;
    *value = (int)number;
    return true;
}

static bool read_known(struct reader *r, yaml_node_t *node, void *target)
{
    return read_up_to(r, node, 4, target);
}

static bool read_type(struct reader *r, yaml_node_t *node, void *target)
{
    return read_up_to(r, node, 14, target);
}

bool lab_read_pci(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct key keys[] = {
        { "device_type", OTHER, offsetof(struct sim_pci, device_type), .read = read_type },
        { "base_class", INT, offsetof(struct sim_pci, base_class), 0, 255 },
        { "sub_class", INT, offsetof(struct sim_pci, sub_class), 0, 255 },
        { "prog_if", INT, offsetof(struct sim_pci, prog_if), 0, 255 },
        { "interrupt_support", INT, offsetof(struct sim_pci, interrupt_support), 0, 7 },
        { "acs_up_hierarchy", OTHER, offsetof(struct sim_pci, acs_up_hierarchy),
          .read = read_known },
        { "reserved_memory", OTHER, offsetof(struct sim_pci, reserved_memory),
          .read = read_known },
        { "sriov_support", INT, offsetof(struct sim_pci, sriov_support), 0, 4 },
        { "link_speed", INT, offsetof(struct sim_pci, link_speed), 0, 16 },
        { "link_width", INT, offsetof(struct sim_pci, link_width), 0, 32 },
        { "acs_support", INT, offsetof(struct sim_pci, acs_support), 0, 2 },
        { "interrupt_messages", INT, offsetof(struct sim_pci, interrupt_messages), 0,
          2048 },
    };

    return lab_map(r, node, "'pci'", keys, ARRAY_LEN(keys), target);
}

struct bar_entry {
    uint64_t base, size_bytes;
    unsigned width;
    bool prefetchable, io;
};

static bool read_bar(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct key keys[] = {
        { "size", SIZE_BYTES, offsetof(struct bar_entry, size_bytes), 4, UINT64_C(1) << 46,
          .required = true },
        { "base", U64, offsetof(struct bar_entry, base), 1, UINT64_C(1) << 52 },
        { "width", UNSIGNED, offsetof(struct bar_entry, width), 32, 64 },
        { "prefetchable", BOOL, offsetof(struct bar_entry, prefetchable) },
        { "io", BOOL, offsetof(struct bar_entry, io) },
    };
    struct bar_entry *bar = target;

    bar->width = 32;
    if (!lab_map(r, node, "a BAR", keys, ARRAY_LEN(keys), bar))
        return false;
    if (bar->size_bytes & (bar->size_bytes - 1))
        return fail_at(r, node, "the size of a BAR is a power of two");
    if (bar->width != 32 && bar->width != 64)
        return fail_at(r, node, "a BAR is 32 or 64 bits wide");
    if (bar->io && (bar->width != 32 || bar->prefetchable || bar->size_bytes > 256))
        return fail_at(r, node,
                       "a BAR of ports ('io') has at most 256 bytes, is not prefetchable "
                       "and not 64 bits wide");
    if (bar->width == 32 && bar->size_bytes > UINT64_C(1) << 31)
        return fail_at(r, node, "a BAR of 32 bits has at most 2 GiB");
    if (!bar->io && bar->size_bytes < 16)
        return fail_at(r, node, "a BAR of memory has at least 16 bytes");
    return true;
}

bool lab_read_bars(struct reader *r, yaml_node_t *node, void *target)
{
    struct sim_device *device = target;
    struct bar_entry *bars;
    size_t count;

    if (!lab_list(r, node, "bars", sizeof(*bars), SIM_RANGE_MAX, NULL, read_bar, &bars,
                  &count))
        return false;
    for (size_t i = 0; i < count; i++)
        device->ranges[i] = (struct sim_range){ .start = bars[i].base,
                                                .size_bytes = bars[i].size_bytes,
                                                .prefetchable = bars[i].prefetchable,
                                                .io = bars[i].io,
                                                .wide = bars[i].width == 64 };
    device->range_count = count;
    return true;
}

/* ---- a device ---- */

const struct word lab_interrupt_words[] = { { "as-able", SIM_INTERRUPTS_AS_ABLE },
                                            { "message", SIM_INTERRUPTS_MESSAGE },
                                            { "line", SIM_INTERRUPTS_LINE },
                                            { "none", SIM_INTERRUPTS_NONE },
                                            { 0 } };

/* Hexadecimal digits as they stand in a location path: "PCIROOT(0)#PCI(0100)#PCI(0000)". */
bool lab_is_location_path(const char *path)
{
    size_t digits;

    if (!text_istarts(path, "PCIROOT("))
        return false;
    path += strlen("PCIROOT(");
    digits = strspn(path, "0123456789ABCDEFabcdef");
    if (!digits || path[digits] != ')')
        return false;
    for (path += digits + 1; *path; path += strlen("#PCI(0000)"))
        if (!text_istarts(path, "#PCI(") ||
            strspn(path + 5, "0123456789ABCDEFabcdef") != 4 || path[9] != ')')
            return false;
    return true;
}

bool lab_is_instance_id(const char *text)
{
    if (!text_istarts(text, "PCI\\VEN_") || !strchr(text + 4, '\\'))
        return false;
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '"')
            return false;
    return true;
}

bool lab_check_device(struct reader *r, yaml_node_t *node, struct lab_device_entry *entry)
{
    struct sim_device *device = &entry->device;

    device->interrupts = (enum sim_interrupts)entry->interrupts;
    device->has_bus = entry->bus != LAB_NO_BUS;
    device->bus = entry->bus;
    if (!lab_is_instance_id(device->instance_id))
        return fail_at(r, node, "'%s' is no instance id of a PCI device",
                       device->instance_id);
    if (!lab_is_location_path(device->location_path))
        return fail_at(r, node, "'%s' is no location path (PCIROOT(0)#PCI(0100))",
                       device->location_path);
    if (device->is_dismounted && device->problem)
        return fail_at(r, node, "a dismounted device has no 'problem'");
    return true;
}

bool lab_add_devices(struct reader *r, yaml_node_t *node, size_t count)
{
    struct sim_machine *machine = &r->host->machine;
    struct sim_device *devices;

    devices = lab_take(r, (machine->device_count + count) * sizeof(*devices) + 1);
    if (!devices)
        return false;
    if (machine->device_count)
        memcpy(devices, machine->devices, machine->device_count * sizeof(*devices));
    machine->devices = devices;
    return true;
}

static bool read_class(struct reader *r, yaml_node_t *node, void *target)
{
    const struct sim_device_class **class = target;
    const char *text = lab_scalar(r, node);

    if (!text)
        return false;
    *class = sim_device_class_by_word(text);
    return *class || fail_at(r, node,
                             "'%s' is no class: audio, compute, display, net, storage, "
                             "system, usb",
                             text);
}

struct other_device {
    struct lab_device_entry pci;
};

static bool read_device(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct key keys[] = {
        LAB_DEVICE_KEYS(struct other_device, pci),
        { "class", OTHER, offsetof(struct other_device, pci.device.class),
          .read = read_class, .required = true },
    };
    struct lab_device_entry *entry = &((struct other_device *)target)->pci;

    entry->bus = LAB_NO_BUS;
    entry->device.pci = SIM_PCI_EXPRESS_ENDPOINT;
    entry->device.pci.base_class = -1;
    return lab_map(r, node, "a device", keys, ARRAY_LEN(keys), target) &&
           lab_check_device(r, node, entry);
}

bool lab_read_devices(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_host *host = target;
    struct sim_machine *machine = &host->machine;
    struct other_device *entries;
    size_t count;

    if (!lab_list(r, node, "devices", sizeof(*entries), LAB_DEVICE_MAX, NULL, read_device,
                  &entries, &count) ||
        !lab_add_devices(r, node, count))
        return false;
    for (size_t i = 0; i < count; i++)
        machine->devices[machine->device_count++] = entries[i].pci.device;
    return true;
}

/* Gives the BARs without a base one, as firmware would: each aligned to its size, 32-bit
 * ones below 4 GiB, 64-bit ones from 256 GiB on. */
static void place_bars(struct sim_machine *machine)
{
    uint64_t low = UINT64_C(0x80000000), high = UINT64_C(1) << 38, port = 0x3000;

    for (size_t i = 0; i < machine->device_count; i++)
        for (size_t j = 0; j < machine->devices[i].range_count; j++) {
            struct sim_range *range = &machine->devices[i].ranges[j];
            uint64_t *next = range->io ? &port : range->wide ? &high : &low;

            if (range->start)
                continue;
            *next = (*next + range->size_bytes - 1) / range->size_bytes * range->size_bytes;
            range->start = *next;
            *next += range->size_bytes;
        }
}

bool lab_check_devices(struct reader *r, yaml_node_t *node, struct sim_machine *machine)
{
    for (size_t i = 0; i < machine->device_count; i++)
        for (size_t j = 0; j < i; j++) {
            if (text_ieq(machine->devices[i].instance_id, machine->devices[j].instance_id))
                return fail_at(r, node, "two devices have the instance id '%s'",
                               machine->devices[i].instance_id);
            if (text_ieq(machine->devices[i].location_path,
                         machine->devices[j].location_path))
                return fail_at(r, node, "two devices have the location path '%s'",
                               machine->devices[i].location_path);
        }
    place_bars(machine);
    return true;
}
