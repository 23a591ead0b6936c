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
    struct lab_device_entry pci;
    int mode;
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

/* The interface path of the GPU partitioning class, as Msvm_PartitionableGpu.Name shows it
 * (measured: Justsenger/HyperV-WMI-Documentation, gpu_partition). */
bool lab_name_interface(struct lab_gpu *gpu, const char *instance_id, struct err *err)
{
    int len;

    gpu->interface_path[0] = '\0';
    if (gpu->mode == LAB_GPU_NONE)
        return true;
    len = snprintf(gpu->interface_path, sizeof(gpu->interface_path),
                   "\\\\?\\%s#{064092b3-625e-43bf-9eb5-dc845897dd59}%s", instance_id,
                   gpu->mode == LAB_GPU_PV ? "\\GPUPARAV" : "");
    if (len < 0 || (size_t)len >= sizeof(gpu->interface_path))
        return err_fail(err, ERR_INVALID, 0, "too long an instance id: '%s'", instance_id);
    for (char *c = gpu->interface_path + strlen("\\\\?\\"); *c && *c != '{'; c++)
        if (*c == '\\')
            *c = '#';
    return true;
}

static bool read_gpu(struct reader *r, yaml_node_t *node, void *target)
{
    static const struct word modes[] = {
        { "gpu-pv", LAB_GPU_PV }, { "gpu-p", LAB_GPU_P }, { "none", LAB_GPU_NONE }, { 0 }
    };
    static const struct key keys[] = {
        LAB_DEVICE_KEYS(struct gpu_entry, pci),
        { "mode", WORD, offsetof(struct gpu_entry, mode), .words = modes,
          .required = true },
        { "partition_counts", OTHER, offsetof(struct gpu_entry, gpu), .read = read_counts },
        { "partition_count", U16, offsetof(struct gpu_entry, gpu.partition_count), 1,
          UINT16_MAX },
        { "encode", U64, offsetof(struct gpu_entry, gpu.encode), 0, UINT64_MAX },
        { "decode", U64, offsetof(struct gpu_entry, gpu.decode), 0, UINT64_MAX },
        { "compute", U64, offsetof(struct gpu_entry, gpu.compute), 0, UINT64_MAX },
        { "live_migration", BOOL, offsetof(struct gpu_entry, gpu.live_migration) },
        { "vram", SIZE_BYTES, offsetof(struct gpu_entry, pci.device.vram_bytes), 0,
          UINT64_MAX },
        { "driver", OTHER, offsetof(struct gpu_entry, pci), .read = lab_read_driver },
    };
    struct gpu_entry *entry = target;
    struct lab_gpu *gpu = &entry->gpu;
    size_t i;

    entry->pci.bus = LAB_NO_BUS;
    entry->pci.device.pci = SIM_PCI_EXPRESS_ENDPOINT;
    if (!lab_map(r, node, "a GPU", keys, ARRAY_LEN(keys), entry) ||
        !lab_check_device(r, node, &entry->pci))
        return false;
    gpu->mode = (enum lab_gpu_mode)entry->mode;
    if (gpu->mode == LAB_GPU_NONE)
        return true;

    if (!lab_name_interface(gpu, entry->pci.device.instance_id, r->err))
        return false;
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

bool lab_read_gpus(struct reader *r, yaml_node_t *node, void *target)
{
    struct lab_host *host = target;
    struct gpu_entry *entries;
    size_t count;

    if (!lab_list(r, node, "gpus", sizeof(*entries), LAB_GPU_MAX, &r->gpu_no, read_gpu,
                  &entries, &count))
        return false;
    if (host->machine.device_count)
        return fail_at(r, node, "'gpus' stands before 'devices'");
    host->gpus = lab_take(r, count * sizeof(*host->gpus) + 1);
    if (!host->gpus || !lab_add_devices(r, node, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        host->gpus[i] = entries[i].gpu;
        host->machine.devices[i] = entries[i].pci.device;
        host->machine.devices[i].class_index = (unsigned)i;
    }
    host->gpu_count = host->machine.device_count = count;
    return true;
}
