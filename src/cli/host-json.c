/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract's JSON.  jansson's integers are signed 64 bits: a size beyond that is no
 * size and becomes null; a quota beyond it is Hyper-V's "all of it" (2^64-1) and becomes
 * the word "unlimited".
 */
#include "host-json.h"

#include <string.h>

#include "failover.h"
#include "text.h"

json_t *text_to_json(const char *text)
{
    return text && text_is_utf8(text, strlen(text)) ? json_string(text) : json_null();
}

json_t *known_to_json(struct known_u64 number)
{
    return number.known && number.value <= INT64_MAX
               ? json_integer((json_int_t)number.value)
               : json_null();
}

static json_t *tri_to_json(enum tristate value)
{
    return value == TRI_UNKNOWN ? json_null() : json_boolean(value == TRI_YES);
}

static json_t *word_to_json(const char *word)
{
    return word ? json_string(word) : json_null();
}

json_t *os_to_json(const struct hv_host *host)
{
    return json_pack("{s:o, s:o, s:o}", "product", text_to_json(host->product), "build",
                     known_to_json(host->build), "edition", text_to_json(host->edition));
}

static json_t *modes_to_json(unsigned modes)
{
    static const struct {
        unsigned mode;
        const char *name;
    } names[] = { { GPU_MODE_PV, "gpu-pv" },
                  { GPU_MODE_P, "gpu-p" },
                  { GPU_MODE_DDA, "dda" } };
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (modes & names[i].mode)
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

/* Four amounts; null where nothing is told, or what is told are no sizes. */
static json_t *amounts_to_json(const struct known_u64 amounts[QUOTA_COUNT])
{
    bool any = false;

    for (size_t i = 0; i < QUOTA_COUNT; i++)
        any |= amounts[i].known;
    return any ? json_pack("{s:o, s:o, s:o, s:o}", "vram_bytes",
                           known_to_json(amounts[QUOTA_VRAM]), "encode",
                           known_to_json(amounts[QUOTA_ENCODE]), "decode",
                           known_to_json(amounts[QUOTA_DECODE]), "compute",
                           known_to_json(amounts[QUOTA_COMPUTE]))
               : json_null();
}

static bool has_sizes(const struct hv_gpu *gpu)
{
    return gpu->interface_path && !gpu_interface_is_paravirtual(gpu->interface_path);
}

static json_t *gpu_amounts(const struct hv_gpu *gpu, bool of_partition)
{
    struct known_u64 amounts[QUOTA_COUNT] = { 0 };

    for (size_t i = 0; has_sizes(gpu) && i < QUOTA_COUNT; i++) {
        const struct hv_amount *amount = &gpu->amounts[i];

        amounts[i] = !of_partition           ? amount->total
                     : amount->optimal.known ? amount->optimal
                                             : amount->max;
    }
    return amounts_to_json(amounts);
}

static json_t *gpu_to_json(const struct hv_gpu *gpu)
{
    json_t *counts = gpu->interface_path ? json_array() : json_null();
    json_t *driver;

    for (size_t i = 0; i < gpu->valid_partition_count_count; i++)
        json_array_append_new(counts,
                              json_integer((json_int_t)gpu->valid_partition_counts[i]));
    driver = json_pack("{s:o, s:o, s:o, s:o}", "version", text_to_json(gpu->driver_version),
                       "date", text_to_json(gpu->driver_date), "inf",
                       text_to_json(gpu->driver_inf), "package",
                       text_to_json(gpu->driver_package));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
        " s:o, s:o, s:o}",
        "name", text_to_json(gpu->name), "pci_id", text_to_json(gpu->pci_id), "instance_id",
        text_to_json(gpu->instance_id), "interface_path", text_to_json(gpu->interface_path),
        "location_path", text_to_json(gpu->location_path), "vendor",
        text_to_json(gpu->vendor), "driver", driver, "modes", modes_to_json(gpu->modes),
        "assigned_status", word_to_json(gpu_status_name(gpu->status)), "place",
        word_to_json(gpu_place_name(gpu->place)), "partition_count",
        known_to_json(gpu->partition_count), "valid_partition_counts", counts, "vram_bytes",
        known_to_json(gpu->vram_bytes), "problem_code", known_to_json(gpu->problem_code),
        "whole", gpu_amounts(gpu, false), "partition", gpu_amounts(gpu, true),
        "assigned_to", json_array());
}

/* Adds @vm to those that have a part of @gpu; @adapter NULL: it has the whole. */
static void add_user(const struct hv_host *host, json_t *gpus, const struct hv_gpu *gpu,
                     const struct hv_vm *vm, const struct hv_adapter *adapter)
{
    static const struct known_u64 nothing[QUOTA_COUNT];
    const struct known_u64 *current = nothing;

    if (!gpu)
        return;
    if (adapter && has_sizes(gpu))
        current = adapter->current;
    json_array_append_new(
        json_object_get(json_array_get(gpus, (size_t)(gpu - host->gpus)), "assigned_to"),
        json_pack("{s:o, s:s, s:o, s:o}", "vm", text_to_json(vm->name), "vm_id", vm->id,
                  "partition_id",
                  adapter ? known_to_json(adapter->partition_id) : json_null(), "partition",
                  amounts_to_json(current)));
}

json_t *gpus_to_json(const struct hv_host *host, const struct hv_gpu *only)
{
    json_t *gpus = json_array(), *one;

    for (size_t i = 0; i < host->gpu_count; i++)
        json_array_append_new(gpus, gpu_to_json(&host->gpus[i]));
    for (size_t v = 0; v < host->vm_count; v++) {
        const struct hv_vm *vm = &host->vms[v];

        for (size_t a = 0; a < vm->adapter_count; a++)
            add_user(host, gpus, hv_adapter_gpu(host, &vm->adapters[a]), vm,
                     &vm->adapters[a]);
        for (size_t d = 0; d < vm->device_count; d++)
            if (!vm->devices[d].is_gone)
                add_user(host, gpus, hv_find_gpu(host, vm->devices[d].instance_id), vm,
                         NULL);
    }
    if (!only)
        return gpus;
    one = json_pack("[O]", json_array_get(gpus, (size_t)(only - host->gpus)));
    json_decref(gpus);
    return one;
}

static json_t *quota_to_json(struct known_u64 number)
{
    return number.known && number.value > INT64_MAX ? json_string("unlimited")
                                                    : known_to_json(number);
}

static json_t *limits_to_json(const struct hv_quota *quota)
{
    return json_pack("{s:o, s:o, s:o}", "min", quota_to_json(quota->min), "max",
                     quota_to_json(quota->max), "optimal", quota_to_json(quota->optimal));
}

static json_t *adapters_to_json(const struct hv_host *host, const struct hv_vm *vm)
{
    json_t *list = json_array();

    for (size_t i = 0; i < vm->adapter_count; i++) {
        const struct hv_adapter *adapter = &vm->adapters[i];
        const struct hv_gpu *gpu = hv_adapter_gpu(host, adapter);
        json_t *quota = json_pack("{s:o, s:o, s:o, s:o}", "vram",
                                  limits_to_json(&adapter->quota[QUOTA_VRAM]), "encode",
                                  limits_to_json(&adapter->quota[QUOTA_ENCODE]), "decode",
                                  limits_to_json(&adapter->quota[QUOTA_DECODE]), "compute",
                                  limits_to_json(&adapter->quota[QUOTA_COMPUTE]));

        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o}", "interface_path",
                            text_to_json(adapter->interface_path), "gpu",
                            gpu ? text_to_json(gpu->name) : json_null(), "partition_id",
                            known_to_json(adapter->partition_id), "quota", quota));
    }
    return list;
}

static json_t *disks_to_json(const struct hv_vm *vm)
{
    json_t *list = json_array();

    for (size_t i = 0; i < vm->disk_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "path",
                                              text_to_json(vm->disks[i].path), "parent",
                                              text_to_json(vm->disks[i].parent)));
    return list;
}

static json_t *devices_to_json(const struct hv_host *host, const struct hv_vm *vm)
{
    json_t *list = json_array();

    for (size_t i = 0; i < vm->device_count; i++) {
        const struct hv_device *device = &vm->devices[i];
        const struct hv_gpu *gpu = hv_find_gpu(host, device->instance_id);

        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:b}", "location_path",
                                        text_to_json(device->location_path), "instance_id",
                                        text_to_json(device->instance_id), "gpu",
                                        gpu ? text_to_json(gpu->name) : json_null(), "gone",
                                        device->is_gone));
    }
    return list;
}

json_t *vm_to_json(const struct hv_host *host, const struct hv_vm *vm)
{
    json_t *guest = json_pack("{s:o, s:o}", "os", text_to_json(vm->guest_os), "build",
                              known_to_json(vm->guest_build));
    json_t *memory =
        json_pack("{s:o, s:o}", "startup_bytes", known_to_json(vm->memory_startup_bytes),
                  "dynamic", tri_to_json(vm->dynamic_memory));
    const char *stop =
        vm->stop_action.known ? stop_action_name(vm->stop_action.value) : NULL;
    const char *checkpoint =
        vm->checkpoint_type.known ? checkpoint_type_name(vm->checkpoint_type.value) : NULL;

    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
        " s:o}",
        "name", text_to_json(vm->name), "id", vm->id, "state",
        word_to_json(vm_state_name(vm->state)), "generation", known_to_json(vm->generation),
        "version", text_to_json(vm->version), "guest", guest, "guest_controlled_cache",
        tri_to_json(vm->guest_controlled_cache), "low_mmio_bytes",
        known_to_json(vm->low_mmio_bytes), "high_mmio_bytes",
        known_to_json(vm->high_mmio_bytes), "stop_action", word_to_json(stop),
        "checkpoint_type", word_to_json(checkpoint), "memory", memory, "disks",
        disks_to_json(vm), "adapters", adapters_to_json(host, vm), "devices",
        devices_to_json(host, vm));
}

/* A VM on a node need not be a role: then it stays where it is when the node fails. */
bool vm_add_cluster_json(json_t *to, const struct hv_host *host, const struct hv_vm *vm)
{
    const struct hv_role *role = hv_find_role(host->cluster, vm->id);
    enum tristate clustered = host->platform.clustered == TRI_UNKNOWN ? TRI_UNKNOWN
                              : role                                  ? TRI_YES
                                                                      : TRI_NO;
    json_t *cluster = json_null();

    if (role)
        cluster = json_pack(
            "{s:o, s:o, s:o, s:o, s:o, s:o}", "name", text_to_json(host->cluster->name),
            "owner_node", text_to_json(role->owner_node), "group",
            text_to_json(role->group), "resource", text_to_json(role->resource), "state",
            word_to_json(role->state.known ? role_state_name(role->state.value) : NULL),
            "offline_action",
            word_to_json(role->offline_action.known
                             ? offline_action_name(role->offline_action.value)
                             : NULL));
    return json_object_set_new(to, "clustered", tri_to_json(clustered)) == 0 &&
           json_object_set_new(to, "cluster", cluster) == 0;
}
