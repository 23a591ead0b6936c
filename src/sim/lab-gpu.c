/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lab files: the GPUs of a host.
 */
#include <string.h>

#include "lab-yaml.h"
#include "text.h"

/* One GPU as read, before it is split into its Hyper-V and its PCI half. */
struct gpu_entry {
    struct lab_gpu gpu;
    struct sim_device device;
    int mode, driver_kind;
    bool has_location;
};

static bool read_counts(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_gpu *gpu = target;

    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(r, node, "'partition_counts' is a list of numbers");
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        uint64_t number;

        if (gpu->valid_count_count == LAB_COUNT_MAX)
            return fail_at(r, node, "more than %d partition counts", LAB_COUNT_MAX);
        if (!lab_number(r, lab_node(r, *item), 1, UINT16_MAX, &number))
            return false;
        gpu->valid_counts[gpu->valid_count_count++] = (uint16_t)number;
    }
    return true;
}

static bool read_driver(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct word kinds[] = { { "none", SIM_DRIVER_NONE },
                                         { "nvidia", SIM_DRIVER_NVIDIA },
                                         { "intel", SIM_DRIVER_INTEL },
                                         { "amd", SIM_DRIVER_AMD },
                                         { 0 } };
    static const struct key keys[] = {
        { "kind", WORD, offsetof(struct gpu_entry, driver_kind), .words = kinds,
          .required = true },
        { "version", TEXT, offsetof(struct gpu_entry, device.driver_version) },
        { "date", TEXT, offsetof(struct gpu_entry, device.driver_date) },
    };
    struct gpu_entry *entry = target;

    if (!lab_map(r, node, "a driver", keys, ARRAY_LEN(keys), entry))
        return false;
    entry->device.driver = (enum sim_driver)entry->driver_kind;
    return true;
}

static bool read_pci(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct key keys[] = {
        { "device_type", INT, offsetof(struct sim_pci, device_type), 0, 14 },
        { "base_class", INT, offsetof(struct sim_pci, base_class), 0, 255 },
        { "sub_class", INT, offsetof(struct sim_pci, sub_class), 0, 255 },
        { "prog_if", INT, offsetof(struct sim_pci, prog_if), 0, 255 },
        { "interrupt_support", INT, offsetof(struct sim_pci, interrupt_support), 0, 7 },
        { "acs_up_hierarchy", INT, offsetof(struct sim_pci, acs_up_hierarchy), 0, 4 },
        { "reserved_memory", INT, offsetof(struct sim_pci, reserved_memory), 0, 1 },
        { "sriov_support", INT, offsetof(struct sim_pci, sriov_support), 0, 4 },
        { "link_speed", INT, offsetof(struct sim_pci, link_speed), 0, 16 },
        { "link_width", INT, offsetof(struct sim_pci, link_width), 0, 32 },
    };

    return lab_map(r, node, "'pci'", keys, ARRAY_LEN(keys), target);
}

struct bar_entry {
    uint64_t base, size_bytes;
    unsigned width;
    bool prefetchable;
};

static bool read_bar(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct key keys[] = {
        { "size", SIZE_BYTES, offsetof(struct bar_entry, size_bytes), 16, UINT64_C(1) << 46,
          .required = true },
        { "base", U64, offsetof(struct bar_entry, base), 1, UINT64_C(1) << 52 },
        { "width", UNSIGNED, offsetof(struct bar_entry, width), 32, 64 },
        { "prefetchable", BOOL, offsetof(struct bar_entry, prefetchable) },
    };
    struct bar_entry *bar = target;

    bar->width = 32;
    if (!lab_map(r, node, "a BAR", keys, ARRAY_LEN(keys), bar))
        return false;
    if (bar->size_bytes & (bar->size_bytes - 1))
        return fail_at(r, node, "the size of a BAR is a power of two");
    if (bar->width != 32 && bar->width != 64)
        return fail_at(r, node, "a BAR is 32 or 64 bits wide");
    return true;
}

static bool read_bars(struct reader *r, yaml_node_t *node, void *target)
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
                                                .wide = bars[i].width == 64 };
    device->range_count = count;
    return true;
}

static bool read_gpu(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct word modes[] = {
        { "gpu-pv", LAB_GPU_PV }, { "gpu-p", LAB_GPU_P }, { "none", LAB_GPU_NONE }, { 0 }
    };
    static const struct key keys[] = {
        { "name", TEXT, offsetof(struct gpu_entry, device.name), .required = true },
        { "instance_id", TEXT, offsetof(struct gpu_entry, device.instance_id),
          .required = true },
        { "location_path", TEXT, offsetof(struct gpu_entry, device.location_path),
          .required = true },
        { "acpi_path", TEXT, offsetof(struct gpu_entry, device.acpi_path) },
        { "mode", WORD, offsetof(struct gpu_entry, mode), .words = modes,
          .required = true },
        { "partition_counts", OTHER, offsetof(struct gpu_entry, gpu), .read = read_counts },
        { "partition_count", U16, offsetof(struct gpu_entry, gpu.partition_count), 1,
          UINT16_MAX },
        { "encode", U64, offsetof(struct gpu_entry, gpu.encode), 0, UINT64_MAX },
        { "decode", U64, offsetof(struct gpu_entry, gpu.decode), 0, UINT64_MAX },
        { "compute", U64, offsetof(struct gpu_entry, gpu.compute), 0, UINT64_MAX },
        { "vram", SIZE_BYTES, offsetof(struct gpu_entry, device.vram_bytes), 0,
          UINT64_MAX },
        { "driver", OTHER, 0, .read = read_driver },
        { "bars", OTHER, offsetof(struct gpu_entry, device), .read = read_bars },
        { "pci", OTHER, offsetof(struct gpu_entry, device.pci), .read = read_pci },
        { "problem", U32, offsetof(struct gpu_entry, device.problem), 0, 57 },
    };
    struct gpu_entry *entry = target;
    struct lab_gpu *gpu = &entry->gpu;
    size_t i;

    entry->device.pci = SIM_PCI_EXPRESS_ENDPOINT;
    if (!lab_map(r, node, "a GPU", keys, ARRAY_LEN(keys), entry))
        return false;
    gpu->mode = (enum lab_gpu_mode)entry->mode;
    gpu->interface_path = "";
    if (!text_istarts(entry->device.instance_id, "PCI\\VEN_") ||
        !strchr(entry->device.instance_id + 4, '\\'))
        return fail_at(r, node, "'%s' is no instance id of a PCI device",
                       entry->device.instance_id);
    if (gpu->mode == LAB_GPU_NONE)
        return true;

    /* The interface path of the GPU partitioning class, as Msvm_PartitionableGpu.Name
     * shows it (measured: Justsenger/HyperV-WMI-Documentation, gpu_partition). */
    {
        char *copy = lab_take_text(r, entry->device.instance_id), *path;

        if (!copy)
            return false;
        for (char *c = copy; *c; c++)
            if (*c == '\\')
                *c = '#';
        path = lab_take(r, strlen(copy) + 64);
        if (!path)
            return false;
        sprintf(path, "\\\\?\\%s#{064092b3-625e-43bf-9eb5-dc845897dd59}%s", copy,
                gpu->mode == LAB_GPU_PV ? "\\GPUPARAV" : "");
        gpu->interface_path = path;
    }
    if (!gpu->valid_count_count) {
        if (gpu->mode == LAB_GPU_P)
            return fail_at(r, node, "a 'gpu-p' GPU needs 'partition_counts'");
        gpu->valid_counts[gpu->valid_count_count++] = 32; /* measured on GPU-PV hosts */
    }
    if (!gpu->partition_count)
        gpu->partition_count = gpu->valid_counts[0];
    for (i = 0; i < gpu->valid_count_count && gpu->valid_counts[i] != gpu->partition_count;
         i++)
        ;
    if (i == gpu->valid_count_count)
        return fail_at(r, node, "'partition_count' %u is not among 'partition_counts'",
                       gpu->partition_count);
    return true;
}

/* Gives the BARs without a base one, as firmware would: each aligned to its size, 32-bit
 * ones below 4 GiB, 64-bit ones from 256 GiB on. */
static void place_bars(struct sim_machine *machine)
{
    uint64_t low = UINT64_C(0x80000000), high = UINT64_C(1) << 38;

    for (size_t i = 0; i < machine->device_count; i++)
        for (size_t j = 0; j < machine->devices[i].range_count; j++) {
            struct sim_range *range = &machine->devices[i].ranges[j];
            uint64_t *next = range->wide ? &high : &low;

            if (range->start)
                continue;
            *next = (*next + range->size_bytes - 1) / range->size_bytes * range->size_bytes;
            range->start = *next;
            *next += range->size_bytes;
        }
}

bool lab_read_gpus(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_host *host = target;
    struct gpu_entry *entries;
    size_t count;

    if (!lab_list(r, node, "gpus", sizeof(*entries), LAB_GPU_MAX, &r->gpu_no, read_gpu,
                  &entries, &count))
        return false;
    host->gpus = lab_take(r, count * sizeof(*host->gpus) + 1);
    host->machine.devices = lab_take(r, count * sizeof(*host->machine.devices) + 1);
    if (!host->gpus || !host->machine.devices)
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            if (text_ieq(entries[i].device.instance_id, entries[j].device.instance_id))
                return fail_at(r, node, "two GPUs have the instance id '%s'",
                               entries[i].device.instance_id);
        host->gpus[i] = entries[i].gpu;
        host->machine.devices[i] = entries[i].device;
        host->machine.devices[i].class_index = (unsigned)i;
    }
    host->gpu_count = host->machine.device_count = count;
    place_bars(&host->machine);
    return true;
}
