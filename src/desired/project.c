/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps carried out on an inventory instead of on a host. */

#include "project.h"

#include <string.h>

#include "failover.h"
#include "text.h"

static struct hv_vm *find_vm(struct hv_host *host, const struct step *step)
{
    const char *id = json_string_value(json_object_get(step->params, "vm"));

    for (size_t i = 0; id && i < host->vm_count; i++)
        if (text_ieq(host->vms[i].id, id))
            return &host->vms[i];
    return NULL;
}

/* ---- settings ---- */

static void take_number(const json_t *after, const char *key, struct known_u64 *to)
{
    const json_t *value = json_object_get(after, key);

    if (json_is_integer(value))
        *to = (struct known_u64){ true, (uint64_t)json_integer_value(value) };
}

static void take_switch(const json_t *after, const char *key, enum tristate *to)
{
    const json_t *value = json_object_get(after, key);

    if (json_is_boolean(value))
        *to = json_is_true(value) ? TRI_YES : TRI_NO;
}

static void take_word(const json_t *after, const char *key,
                      const char *(*name)(uint64_t value), struct known_u64 *to)
{
    const char *word = json_string_value(json_object_get(after, key));

    take_number(after, key, to); /* one without a word */
    for (uint64_t n = 0; word && n < 16; n++)
        if (name(n) && strcmp(name(n), word) == 0)
            *to = (struct known_u64){ true, n };
}

static void take_settings(struct hv_vm *vm, const json_t *after)
{
    take_number(after, "low_mmio_bytes", &vm->low_mmio_bytes);
    take_number(after, "high_mmio_bytes", &vm->high_mmio_bytes);
    take_number(after, "high_mmio_base_bytes", &vm->high_mmio_base_bytes);
    take_number(after, "memory_minimum_bytes", &vm->memory_minimum_bytes);
    take_number(after, "memory_maximum_bytes", &vm->memory_maximum_bytes);
    take_switch(after, "guest_controlled_cache", &vm->guest_controlled_cache);
    take_switch(after, "dynamic_memory", &vm->dynamic_memory);
    take_word(after, "stop_action", stop_action_name, &vm->stop_action);
    take_word(after, "checkpoint_type", checkpoint_type_name, &vm->checkpoint_type);
}

static void take_power(struct hv_vm *vm, const json_t *after)
{
    const char *state = json_string_value(json_object_get(after, "state"));

    if (state && strcmp(state, "off") == 0)
        vm->state = VM_OFF;
    else if (state && strcmp(state, "running") == 0)
        vm->state = VM_RUNNING;
}

/* What it stands for in the cluster that the host is a node of. */
static void take_offline_action(struct hv_host *host, const struct step *step)
{
    const char *id = json_string_value(json_object_get(step->params, "vm"));

    for (size_t i = 0; id && host->cluster && i < host->cluster->role_count; i++)
        if (text_ieq(host->cluster->roles[i].vm_id, id))
            take_word(step->after, "offline_action", offline_action_name,
                      &host->cluster->roles[i].offline_action);
}

/* ---- adapters ---- */

static void clear_adapter(struct hv_adapter *adapter)
{
    free(adapter->id);
    free(adapter->interface_path);
    free(adapter->running_on);
}

static bool same_path(const char *a, const char *b)
{
    return text_ieq(a, b);
}

static bool take_adapters(struct hv_vm *vm, const char *path, size_t wanted,
                          struct err *err)
{
    size_t have = 0;

    for (size_t i = 0; i < vm->adapter_count;) {
        struct hv_adapter *adapter = &vm->adapters[i];

        if (!same_path(adapter->interface_path, path) || ++have <= wanted) {
            i++;
            continue;
        }
        clear_adapter(adapter);
        memmove(adapter, adapter + 1, (vm->adapter_count - i - 1) * sizeof(*adapter));
        vm->adapter_count--;
    }
    for (; have < wanted; have++) {
        struct hv_adapter *more =
            realloc(vm->adapters, (vm->adapter_count + 1) * sizeof(*more));

        if (!more)
            return err_no_memory(err);
        vm->adapters = more;
        more[vm->adapter_count] =
            (struct hv_adapter){ .id = text_dup(""), .interface_path = text_dup(path) };
        if (!more[vm->adapter_count].id ||
            (path && !more[vm->adapter_count].interface_path)) {
            clear_adapter(&more[vm->adapter_count]);
            return err_no_memory(err);
        }
        vm->adapter_count++;
    }
    return true;
}

/* ---- GPUs ---- */

static void take_count(struct hv_host *host, const struct step *step)
{
    const char *path = json_string_value(json_object_get(step->params, "interface_path"));

    for (size_t i = 0; path && i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].interface_path, path)) {
            take_number(step->after, "partition_count", &host->gpus[i].partition_count);
            /* What a partition has is told for the present count only. */
            for (size_t q = 0; q < QUOTA_COUNT; q++)
                host->gpus[i].amounts[q].min = host->gpus[i].amounts[q].max =
                    host->gpus[i].amounts[q].optimal = (struct known_u64){ false, 0 };
        }
}

bool project_plan(struct hv_host *host, const struct plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        const char *kind = step->kind->name;
        struct hv_vm *vm = find_vm(host, step);

        if (strcmp(kind, "partition-count") == 0)
            take_count(host, step);
        else if (strcmp(kind, "cluster-offline-action") == 0)
            take_offline_action(host, step);
        else if (!vm)
            continue;
        else if (strcmp(kind, "vm-stop") == 0 || strcmp(kind, "vm-start") == 0)
            take_power(vm, step->after);
        else if (strcmp(kind, "vm-settings") == 0)
            take_settings(vm, step->after);
        else if (strcmp(kind, "adapter-add") == 0 || strcmp(kind, "adapter-remove") == 0) {
            const char *path =
                json_string_value(json_object_get(step->params, "interface_path"));
            json_int_t count = json_integer_value(json_object_get(step->after, "adapters"));

            if (!take_adapters(vm, path, count < 0 ? 0 : (size_t)count, err))
                return false;
        }
    }
    return true;
}
