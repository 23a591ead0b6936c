/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI devices of the Linux machine this runs on, as its kernel shows them in sysfs.
 *
 * Without root the kernel shows 64 bytes of configuration space: then capabilities are
 * unknown, but sizes (resource), function level reset (reset_method) and IOMMU groups are
 * not.
 *
 * Source: torvalds/linux Documentation/ABI/testing/sysfs-bus-pci and
 * Documentation/PCI/sysfs-pci.rst; flags of resources: include/linux/ioport.h.
 */

#include "pci.h"

#include <inttypes.h>
#include <string.h>

#include "os.h"
#include "text.h"

enum {
    DEVICES_MAX = 8192, /* no machine has as many */
    RESOURCE_IO = 0x100,
    RESOURCE_MEMORY = 0x200,
    RESOURCE_PREFETCH = 0x2000,
    RESOURCE_64BIT = 0x100000,
    IDS_MAX = 8 << 20,
};

/* A file of one device; NULL: not there, or not for us. */
static char *read_of(const char *folder, const char *name, const char *file, size_t *len)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s/%s", folder, name, file);
    struct err ignored = ERR_INIT;

    return path ? os_read_file(path, 64 << 10, len, &ignored) : NULL;
}

/* "0000:04:00.0" */
static bool read_name(const char *name, struct pci_device *ret)
{
    int used = 0;

    return sscanf(name, "%4x:%2x:%2x.%1x%n", &ret->domain, &ret->bus, &ret->device,
                  &ret->function, &used) == 4 &&
           name[used] == '\0' && ret->device < 32 && ret->function < 8;
}

/* One line per resource: start, end, flags; the first six are the BARs. */
static void read_resources(const char *text, struct pci_device *device)
{
    device->has_bars = true;
    device->bar_count = 0;
    for (unsigned i = 0; i < PCI_BAR_MAX && text && *text; i++) {
        uint64_t start, end, flags;

        if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) == 3 &&
            (flags & (RESOURCE_IO | RESOURCE_MEMORY)) && end >= start && end != UINT64_MAX)
            device->bars[device->bar_count++] = (struct pci_bar){
                .index = i,
                .is_io = flags & RESOURCE_IO,
                .is_64bit = flags & RESOURCE_64BIT,
                .prefetchable = flags & RESOURCE_PREFETCH,
                .has_base = start != 0,
                .base = start,
                .has_size = true,
                .size_bytes = end - start + 1,
            };
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
}

/* "resource1_resize": bit n is 2^n MB.  Only where configuration space did not tell. */
static void read_resize(const char *folder, const char *name, struct pci_device *device)
{
    for (unsigned i = 0; i < PCI_BAR_MAX && !device->rebar_count; i++) {
        char file[24];
        CLEANUP(free_cleanup) char *text = NULL;
        uint64_t mask;

        snprintf(file, sizeof(file), "resource%u_resize", i);
        text = read_of(folder, name, file, NULL);
        if (!text || sscanf(text, "%" SCNx64, &mask) != 1)
            continue;
        device->rebar_index = i;
        for (unsigned bit = 0; bit < 43; bit++)
            if (mask >> bit & 1)
                device->rebar_sizes[device->rebar_count++] = UINT64_C(1) << (20 + bit);
    }
}

static bool read_number(const char *folder, const char *name, const char *file,
                        unsigned *ret)
{
    CLEANUP(free_cleanup) char *text = read_of(folder, name, file, NULL);

    return text && sscanf(text, "0x%x", ret) == 1;
}

/* The group is the last part of what the link names. */
static void read_group(const char *folder, const char *name, struct pci_device *device)
{
    CLEANUP(free_cleanup) char *link = text_printf("%s/%s/iommu_group", folder, name);
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) char *group = link ? os_absolute_path(link, &ignored) : NULL;
    const char *number = group ? strrchr(group, '/') : NULL;
    uint64_t value;

    device->iommu_group_told = true;
    if (!number || !text_to_u64(number + 1, 10, &value) || value > UINT32_MAX)
        return;
    device->has_iommu_group = true;
    device->iommu_group = (unsigned)value;
}

static void read_device(const char *folder, const char *name, struct pci_device *device)
{
    CLEANUP(free_cleanup) char *config = NULL;
    CLEANUP(free_cleanup) char *resources = NULL;
    CLEANUP(free_cleanup) char *reset = NULL;
    size_t len = 0;
    unsigned value;

    config = read_of(folder, name, "config", &len);
    if (config)
        pci_read_config(device, (const uint8_t *)config, len);
    if (read_number(folder, name, "class", &value)) {
        device->has_class = true;
        device->class_code = (uint16_t)(value >> 8);
        device->is_bridge |= device->class_code == 0x0604;
    }
    if (read_number(folder, name, "vendor", &value)) {
        device->has_ids = true;
        device->vendor_id = (uint16_t)value;
    }
    if (read_number(folder, name, "device", &value))
        device->device_id = (uint16_t)value;
    resources = read_of(folder, name, "resource", NULL);
    if (resources)
        read_resources(resources, device);
    reset = read_of(folder, name, "reset_method", NULL);
    if (reset && device->flr == PCI_UNKNOWN)
        device->flr = strstr(reset, "flr") ? PCI_YES : PCI_NO;
    read_resize(folder, name, device);
    read_group(folder, name, device);
}

struct walk {
    const char *folder;
    struct pci_machine machine;
};

static bool on_entry(const struct os_entry *entry, void *user, struct err *err)
{
    struct walk *walk = user;
    struct pci_machine *machine = &walk->machine;
    struct pci_device device = { .express = PCI_EXPRESS_UNKNOWN };
    struct pci_device *grown;

    if (!read_name(entry->name, &device))
        return true;
    if (machine->count == DEVICES_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "more than %d devices", DEVICES_MAX);
    grown = realloc(machine->devices, (machine->count + 1) * sizeof(*grown));
    if (!grown)
        return err_no_memory(err);
    machine->devices = grown;
    read_device(walk->folder, entry->name, &device);
    grown[machine->count++] = device;
    return true;
}

/* ---- names, from the list of pciutils ---- */

/* The name of the line of @text that begins with @key, "10de  " or "\t2684  ", before @end
 * or the next vendor. */
static const char *find_name(const char *text, const char *key, bool of_vendor)
{
    size_t len = strlen(key);

    while (text && *text) {
        if (strncmp(text, key, len) == 0)
            return text + len;
        if (of_vendor && *text != '\t' && *text != '#' && *text != '\n')
            return NULL;
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return NULL;
}

void pci_take_names(struct pci_machine *machine, const char *ids)
{
    for (size_t i = 0; i < machine->count; i++) {
        struct pci_device *device = &machine->devices[i];
        const char *vendor, *name, *next;
        char key[12];

        if (!device->has_ids || *device->name)
            continue;
        snprintf(key, sizeof(key), "%04x  ", device->vendor_id);
        vendor = find_name(ids, key, false);
        if (!vendor)
            continue;
        next = strchr(vendor, '\n');
        snprintf(key, sizeof(key), "\t%04x  ", device->device_id);
        name = next ? find_name(next + 1, key, true) : NULL;
        snprintf(device->name, sizeof(device->name), "%.*s %.*s",
                 (int)strcspn(vendor, "\n"), vendor, name ? (int)strcspn(name, "\n") : 6,
                 name ? name : "Device");
    }
}

static void name_all(struct pci_machine *machine)
{
    static const char *const places[] = { "/usr/share/misc/pci.ids",
                                          "/usr/share/hwdata/pci.ids" };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct err ignored = ERR_INIT;
        CLEANUP(free_cleanup)
        char *ids = os_read_file(places[i], IDS_MAX, NULL, &ignored);

        if (ids)
            pci_take_names(machine, ids);
    }
}

bool pci_read_sysfs(const char *folder, struct pci_machine *ret, struct err *err)
{
    struct walk walk = { .folder = folder };

    if (!os_list_dir(folder, on_entry, &walk, err) || !walk.machine.count) {
        pci_machine_clear(&walk.machine);
        if (err->kind == ERR_NONE)
            err_fail(err, ERR_NOT_FOUND, 0, "this machine shows no PCI devices");
        return err_hint(err,
                        "'hvgpu survey --lspci FILE' reads what another machine shows, "
                        "--host asks a Hyper-V host");
    }
    name_all(&walk.machine);
    *ret = walk.machine;
    return true;
}
