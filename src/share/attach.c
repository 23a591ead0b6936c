/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach: facts, checks, and the steps that make what is into what should be. */

#include "share.h"

#include <stdio.h>
#include <string.h>

#include "checks.h"
#include "inspect.h"
#include "job.h"
#include "mmio.h"
#include "policy.h"
#include "text.h"

/* Msvm_VirtualSystemSettingData: AutomaticShutdownAction, UserSnapshotType. */
enum { STOP_TURN_OFF = 2, STOP_SHUT_DOWN = 4, CHECKPOINT_DISABLED = 2 };

/* What the planner works on. */
struct attach {
    struct plan_context *context;
    struct plan *plan;
    struct attach_facts facts;
    const struct hv_vm *vm;
    const struct hv_gpu *gpu;
    const char *pin;        /* interface path, or NULL where the host cannot pin */
    json_t *before, *after; /* settings to change; owned */
    struct plan *drivers;   /* steps found by looking; owned */
    size_t disk;
};

static bool cannot_pin(const struct hv_host *host)
{
    return host->build.known && host->build.value < 20348;
}

/* ---- facts ---- */

static bool choose_gpu(const struct hv_host *host, const char *selector,
                       const struct hv_gpu **ret, struct err *err)
{
    const struct hv_gpu *only = NULL;
    unsigned count = 0;

    if (selector)
        return hv_select_gpu(host, selector, ret, err);
    for (size_t i = 0; i < host->gpu_count; i++)
        if (host->gpus[i].interface_path) {
            only = &host->gpus[i];
            count++;
        }
    if (count == 1) {
        *ret = only;
        return true;
    }
    if (count == 0) {
        err_fail(err, ERR_NOT_FOUND, 0, "the host has no GPU that can be shared");
        return err_hint(err, "'hvgpu gpu list' shows its GPUs and what each can do");
    }
    err_fail(err, ERR_INVALID, 0, "the host has %u GPUs that can be shared", count);
    return err_hint(err, "choose one with --gpu; 'hvgpu gpu list' shows them");
}

static bool vm_has(const struct hv_vm *vm, const char *interface_path)
{
    for (size_t i = 0; i < vm->adapter_count; i++)
        if (text_ieq(vm->adapters[i].interface_path, interface_path))
            return true;
    return false;
}

static void count_use(struct attach *a, const struct hv_host *host)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        a->facts.partitionable_gpus += host->gpus[i].interface_path != NULL;
    for (size_t i = 0; i < host->vm_count; i++)
        a->facts.partitions_taken += host->vms[i].state == VM_RUNNING &&
                                     vm_has(&host->vms[i], a->gpu->interface_path);
    a->facts.has_this_gpu = vm_has(a->vm, a->pin);
    for (size_t i = 0; i < a->vm->adapter_count; i++)
        a->facts.has_other_gpu |= !text_ieq(a->vm->adapters[i].interface_path, a->pin);
}

/* ---- settings ---- */

static void want(struct attach *a, const char *key, json_t *before, json_t *after)
{
    json_object_set_new(a->before, key, before);
    json_object_set_new(a->after, key, after);
}

static json_t *known(const struct known_u64 *number)
{
    return number->known ? json_integer((json_int_t)number->value) : json_null();
}

static json_t *known_word(const struct known_u64 *number, const char *(*word)(uint64_t))
{
    return number->known ? vm_setting_word(word, number->value) : json_null();
}

static void want_size(struct attach *a, const char *key, const struct known_u64 *now,
                      uint64_t wanted)
{
    if (!now->known || now->value != wanted)
        want(a, key, known(now), json_integer((json_int_t)wanted));
}

static bool compare_settings(struct attach *a, struct err *err)
{
    const struct hv_vm *vm = a->vm;

    a->before = json_object();
    a->after = json_object();
    if (!a->before || !a->after)
        return err_no_memory(err);
    if (vm->guest_controlled_cache != TRI_YES)
        want(a, "guest_controlled_cache",
             vm->guest_controlled_cache == TRI_NO ? json_false() : json_null(),
             json_true());
    want_size(a, "low_mmio_bytes", &vm->low_mmio_bytes, a->facts.low_mmio_bytes);
    want_size(a, "high_mmio_bytes", &vm->high_mmio_bytes, a->facts.high_mmio_bytes);
    /* Saving is not supported with a partition; shutting down is kind to the guest. */
    if (!vm->stop_action.known ||
        (vm->stop_action.value != STOP_TURN_OFF && vm->stop_action.value != STOP_SHUT_DOWN))
        want(a, "stop_action", known_word(&vm->stop_action, stop_action_name),
             vm_setting_word(stop_action_name, STOP_SHUT_DOWN));
    if (!vm->checkpoint_type.known || vm->checkpoint_type.value != CHECKPOINT_DISABLED)
        want(a, "checkpoint_type", known_word(&vm->checkpoint_type, checkpoint_type_name),
             vm_setting_word(checkpoint_type_name, CHECKPOINT_DISABLED));
    return true;
}

/* ---- quotas: only where they mean something ---- */

static bool read_totals(struct attach *a, unsigned percent,
                        struct hv_quota ret[QUOTA_COUNT], struct err *err)
{
    static const char *const names[QUOTA_COUNT] = { "VRAM", "Encode", "Decode", "Compute" };
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new(HV_NS, "Msvm_PartitionableGpu");
    CLEANUP(cim_instance_cleanup) struct cim_instance *gpu = NULL;

    if (!path)
        return err_no_memory(err);
    if (!cim_path_set(path, "CreationClassName", "Msvm_PartitionableGpu", err) ||
        !cim_path_set(path, "Name", a->gpu->interface_path, err) ||
        !cim_fetch(a->context->session, path, &gpu, err))
        return false;
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        char property[40];
        uint64_t total, least = 0, most = UINT64_MAX, share;

        snprintf(property, sizeof(property), "Total%s", names[i]);
        if (!cim_get_u64(gpu, property, &total))
            continue;
        snprintf(property, sizeof(property), "MinPartition%s", names[i]);
        cim_get_u64(gpu, property, &least);
        snprintf(property, sizeof(property), "MaxPartition%s", names[i]);
        cim_get_u64(gpu, property, &most);
        share = total / 100 * percent + total % 100 * percent / 100;
        share = share < least ? least : share > most ? most : share;
        ret[i].min = ret[i].max = ret[i].optimal = (struct known_u64){ true, share };
    }
    return true;
}

static bool same_quota(const struct hv_quota a[QUOTA_COUNT],
                       const struct hv_quota b[QUOTA_COUNT])
{
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        const struct known_u64 *left[] = { &a[i].min, &a[i].max, &a[i].optimal };
        const struct known_u64 *right[] = { &b[i].min, &b[i].max, &b[i].optimal };

        for (size_t k = 0; k < ARRAY_LEN(left); k++)
            if (left[k]->known != right[k]->known ||
                (left[k]->known && left[k]->value != right[k]->value))
                return false;
    }
    return true;
}

static bool add_quota(struct attach *a, struct err *err)
{
    const struct known_u64 *percent = &a->facts.options->share_percent;
    struct hv_quota none[QUOTA_COUNT] = { 0 }, wanted[QUOTA_COUNT] = { 0 };
    const struct hv_quota *now = none;

    if (!percent->known || gpu_interface_is_paravirtual(a->gpu->interface_path))
        return true;
    if (!read_totals(a, (unsigned)percent->value, wanted, err))
        return false;
    for (size_t i = 0; i < a->vm->adapter_count; i++)
        if (text_ieq(a->vm->adapters[i].interface_path, a->pin))
            now = a->vm->adapters[i].quota;
    return same_quota(now, wanted) || add_adapter_quota(a->plan, a->vm, a->pin, now, wanted,
                                                        !a->facts.has_this_gpu, err);
}

/* ---- drivers ---- */

static bool look(struct plan_context *context, void *user, struct err *err)
{
    struct attach *a = user;

    return plan_drivers(context, a->drivers, a->gpu->interface_path, DRIVERS_INSTALL, err);
}

/* Finds out which driver steps are needed, when the disk can be read. */
static bool look_at_disk(struct attach *a, struct err *err)
{
    a->drivers = plan_new(a->plan->host, a->plan->title, err);
    if (!a->drivers || !inspect_disks(a->context, a->plan->host, a->vm, look, a, &a->disk,
                                      &a->facts.image, err))
        return false;
    a->facts.disk = a->vm->disks[a->disk].path;
    a->facts.disk_seen = true;
    if (json_array_extend(a->plan->findings, a->drivers->findings) != 0)
        return err_no_memory(err);
    json_array_clear(a->drivers->findings);
    return run_attach_checks(a->plan, &a->facts, true, err);
}

static bool add_drivers(struct attach *a, struct err *err)
{
    const char *image = a->facts.disk;
    CLEANUP(free_cleanup) char *folder = NULL;
    bool later = !a->facts.disk_seen;

    if (a->facts.options->no_drivers || !image || (!later && a->drivers->step_count == 0))
        return true;
    folder = host_folder_of(a->plan->id);
    if (!folder)
        return err_no_memory(err);
    return add_host_folder(a->plan, folder, err) &&
           add_image_open(a->plan, image, folder, false, err) &&
           (later ? add_drivers_plan(a->plan, image, folder, a->gpu->interface_path,
                                     DRIVERS_INSTALL, err)
                  : plan_splice(a->plan, a->plan->step_count, a->drivers, err)) &&
           add_image_close(a->plan, image, folder, err);
}

/* ---- steps ---- */

static bool add_adapters(struct attach *a, struct err *err)
{
    if (a->facts.options->replace)
        for (size_t i = 0; i < a->vm->adapter_count; i++) {
            const char *path = a->vm->adapters[i].interface_path;
            bool seen = false;

            for (size_t k = 0; k < i; k++)
                seen |= text_ieq(a->vm->adapters[k].interface_path, path);
            if (!seen && !text_ieq(path, a->pin) &&
                !add_adapter_remove(a->plan, a->vm, &a->vm->adapters[i], err))
                return false;
        }
    return (a->facts.has_this_gpu ||
            add_adapter_add(a->plan, a->vm, a->gpu->name, a->pin, err)) &&
           add_quota(a, err);
}

static unsigned adapters_wanted(const struct attach *a)
{
    unsigned count = !a->facts.has_this_gpu;

    for (size_t i = 0; i < a->vm->adapter_count; i++)
        count += text_ieq(a->vm->adapters[i].interface_path, a->pin);
    return count;
}

/* First the disk: what can go wrong there goes wrong before the VM is changed. */
static bool add_steps(struct attach *a, struct err *err)
{
    const struct attach_options *options = a->facts.options;
    bool runs = a->vm->state == VM_RUNNING;
    bool settings = json_object_size(a->after) > 0;
    bool changed;

    if (runs && a->facts.changes_vm &&
        !add_vm_stop(a->plan, a->vm, options->force_stop, err))
        return false;
    if ((!runs || a->facts.changes_vm) && !add_drivers(a, err))
        return false;
    if (settings && !add_vm_settings(a->plan, a->vm, json_incref(a->before),
                                     json_incref(a->after), err))
        return false;
    if (!add_adapters(a, err))
        return false;
    changed = a->plan->step_count > 0;
    if (changed && !add_verify(a->plan, a->vm, settings ? a->after : NULL, a->pin,
                               adapters_wanted(a), err))
        return false;
    if ((runs && a->facts.changes_vm) || (!runs && options->start))
        return add_vm_start(a->plan, a->vm, err);
    return true;
}

static bool plan_all(struct attach *a, struct hv_host *host,
                     const struct attach_options *options, struct err *err)
{
    struct attach_facts *facts = &a->facts;

    facts->host = host;
    facts->vm = a->vm;
    facts->gpu = a->gpu;
    facts->options = options;
    facts->disk = a->vm->disk_count > 0 ? a->vm->disks[0].path : NULL;
    facts->low_mmio_bytes =
        options->low_mmio_bytes.known ? options->low_mmio_bytes.value : mmio_low_for(a->vm);
    facts->high_mmio_bytes = options->high_mmio_bytes.known ? options->high_mmio_bytes.value
                                                            : mmio_high_for(a->vm, a->gpu);
    count_use(a, host);
    if (!compare_settings(a, err) ||
        !read_assignment_policy(a->context->session, host, &facts->require_secure,
                                &facts->require_supported, err))
        return false;
    facts->changes_vm = json_object_size(a->after) > 0 || !facts->has_this_gpu ||
                        (facts->has_other_gpu && options->replace);

    if (!run_attach_checks(a->plan, facts, false, err))
        return false;
    if (plan_has_errors(a->plan))
        return true;
    if (a->vm->state == VM_OFF && !options->no_drivers && facts->disk &&
        !look_at_disk(a, err))
        return false;
    return plan_has_errors(a->plan) || add_steps(a, err);
}

struct plan *share_plan_attach(struct plan_context *context, const char *host_name,
                               const char *vm, const struct attach_options *options,
                               struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;
    struct attach a = { .context = context };
    bool ok;

    if (options->share_percent.known &&
        (options->share_percent.value < 1 || options->share_percent.value > 100)) {
        err_fail(err, ERR_INVALID, 0, "--share takes 1 to 100 percent");
        return NULL;
    }
    if (!hv_inventory_read(context->session, host_name, HV_ALL, &host, err) ||
        !hv_select_vm(host, vm, &a.vm, err) || !choose_gpu(host, options->gpu, &a.gpu, err))
        return NULL;
    a.pin = cannot_pin(host) ? NULL : a.gpu->interface_path;

    title = text_printf("attach '%s' to '%s'", a.gpu->name, a.vm->name);
    plan = title ? plan_new(host_name, title, err) : NULL;
    if (!plan)
        return NULL;
    plan->lock = text_printf("vm-%s", a.vm->id);
    if (!plan->lock) {
        err_no_memory(err);
        return NULL;
    }
    a.plan = plan;
    ok = plan_all(&a, host, options, err);
    json_decref(a.before);
    json_decref(a.after);
    plan_free(a.drivers);
    return ok ? TAKE(plan) : NULL;
}
