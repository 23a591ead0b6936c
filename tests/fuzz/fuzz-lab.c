/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lab files: what is read is within its bounds and refers only to what is there. */

#include "err.h"
#include "fuzz.h"
#include "lab.h"
#include "text.h"

static void check_host(const struct lab_host *host)
{
    MUST(host->gpu_count <= LAB_GPU_MAX && host->gpu_count <= host->machine.device_count);
    MUST(host->machine.device_count - host->gpu_count <= LAB_DEVICE_MAX);
    for (size_t i = 0; i < host->machine.device_count; i++) {
        const struct sim_device *device = &host->machine.devices[i];

        MUST(device->range_count <= SIM_RANGE_MAX && strchr(device->instance_id, '\\'));
        MUST(lab_is_location_path(device->location_path) &&
             !strchr(device->instance_id, ' '));
        for (size_t j = 0; j < device->range_count; j++)
            MUST(device->ranges[j].start && device->ranges[j].size_bytes);
    }
    for (size_t i = 0; i < host->gpu_count; i++) {
        const struct lab_gpu *gpu = &host->gpus[i];

        MUST(gpu->mode == LAB_GPU_NONE || gpu->partition_count > 0);
    }
    for (size_t i = 0; i < host->vm_count; i++) {
        const struct lab_vm *vm = &host->vms[i];

        MUST(text_is_guid(vm->id) && *vm->name);
        MUST(vm->first_disk + vm->disk_count <= host->machine.disk_count);
        for (size_t j = 0; j < vm->adapter_count; j++)
            MUST(vm->adapters[j].gpu < (int)host->gpu_count);
        for (size_t j = 0; j < vm->assigned_count; j++)
            MUST(vm->assigned[j].device < (int)host->machine.device_count);
    }
    for (size_t i = 0; i < host->machine.disk_count; i++)
        MUST(!strstr(host->machine.disks[i].path, ".."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct err err = ERR_INIT;
    struct lab_description *lab = lab_parse(text, size, "fuzz.yaml", 2, &err);

    free(text);
    if (!lab) {
        MUST(err.kind == ERR_INVALID);
        return 0;
    }
    MUST(lab->host_count > 0 && lab->host_count <= LAB_HOST_MAX);
    for (size_t i = 0; i < lab->host_count; i++) {
        MUST(strlen(lab->hosts[i].name) <= 15 && !strpbrk(lab->hosts[i].name, "./\\"));
        check_host(&lab->hosts[i]);
    }
    lab_description_free(lab);
    return 0;
}
