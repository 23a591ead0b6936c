/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Desired state as JSON: the keys of the file. */

#include "desired.h"

#include "text.h"

static void set(json_t *to, const char *key, json_t *value)
{
    if (value)
        json_object_set_new(to, key, value);
}

static void set_number(json_t *to, const char *key, struct known_u64 number)
{
    if (number.known)
        set(to, key, json_integer((json_int_t)number.value));
}

static json_t *gpu_to_json(const struct desired_gpu *gpu)
{
    json_t *to = json_object();

    set(to, "instance_id", gpu->instance_id ? json_string(gpu->instance_id) : NULL);
    set(to, "location_path", gpu->location_path ? json_string(gpu->location_path) : NULL);
    set(to, "pci_id", gpu->pci_id ? json_string(gpu->pci_id) : NULL);
    set_number(to, "partition_count", gpu->partition_count);
    if (gpu->is_missing)
        set(to, "missing", json_true());
    return to;
}

static json_t *use_to_json(const struct desired_host *host, const struct desired_use *use)
{
    const char *mode = desired_mode_name(use->mode);
    json_t *to = json_pack(
        "{s:s}", "gpu", use->gpu == DESIRED_ANY_GPU ? "any" : host->gpus[use->gpu].alias);

    set(to, "mode", mode ? json_string(mode) : NULL);
    if (use->count > 1)
        set(to, "count", json_integer(use->count));
    set_number(to, "share", use->share_percent);
    return to;
}

static json_t *settings_to_json(const struct desired_vm *vm)
{
    json_t *to = json_object();

    if (vm->guest_controlled_cache != TRI_UNKNOWN)
        set(to, "guest_controlled_cache",
            json_boolean(vm->guest_controlled_cache == TRI_YES));
    if (vm->stop_action.known)
        set(to, "stop_action", json_string(stop_action_name(vm->stop_action.value)));
    if (vm->checkpoint_type.known)
        set(to, "checkpoint_type",
            json_string(checkpoint_type_name(vm->checkpoint_type.value)));
    return to;
}

static json_t *vm_to_json(const struct desired_host *host, const struct desired_vm *vm)
{
    json_t *to = json_object(), *uses = json_array(), *settings = settings_to_json(vm);

    for (size_t i = 0; i < vm->use_count; i++)
        json_array_append_new(uses, use_to_json(host, &vm->uses[i]));
    set(to, "gpus", uses);
    if (vm->drivers != DRIVERS_LEFT)
        set(to, "drivers", json_string(vm->drivers == DRIVERS_HOST ? "host" : "none"));
    set_number(to, "low_mmio", vm->low_mmio_bytes);
    set_number(to, "high_mmio", vm->high_mmio_bytes);
    if (json_object_size(settings) > 0)
        set(to, "settings", settings);
    else
        json_decref(settings);
    return to;
}

json_t *desired_host_to_json(const struct desired_host *host)
{
    json_t *gpus = json_object(), *vms = json_object();

    for (size_t i = 0; i < host->gpu_count; i++)
        if (!host->gpus[i].is_inline)
            set(gpus, host->gpus[i].alias, gpu_to_json(&host->gpus[i]));
    for (size_t i = 0; i < host->vm_count; i++)
        set(vms, host->vms[i].name, vm_to_json(host, &host->vms[i]));
    return json_pack("{s:o, s:o}", "gpus", gpus, "vms", vms);
}
