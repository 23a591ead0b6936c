/* SPDX-License-Identifier: GPL-2.0-or-later */
/* detach: the adapter, the drivers and the settings that attach made, taken away. */

#include "share.h"

#include <string.h>

#include "choose-gpu.h"
#include "failover.h"
#include "inspect.h"
#include "judge.h"
#include "share-plan.h"
#include "text.h"
#include "vm-plan.h"

#define SRC "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/gpu-partitioning.md"

struct detach {
    struct plan_context *context;
    struct plan *plan;
    const struct detach_options *options;
    const struct hv_vm *vm;
    const struct hv_adapter *adapter; /* NULL: the VM has none of this GPU */
    const char *gpu;                  /* interface path; NULL: an unpinned adapter */
    const char *driver_gpu;           /* whose driver the guest has; NULL: not told */
    const struct hv_role *role;       /* in the host's cluster; NULL: none */
    struct plan *drivers;             /* owned */
    struct image_facts image;
    bool disk_seen;
    size_t disk;
};

/* ---- which adapter ---- */

static bool is_of(const struct hv_host *host, const struct hv_adapter *adapter,
                  const struct hv_gpu *gpu)
{
    return adapter->interface_path
               ? text_ieq(adapter->interface_path, gpu->interface_path)
               : adapter->running_on &&
                     gpu_of_adapter(host, adapter) == gpu; /* not pinned, but there */
}

static bool choose_adapter(struct detach *d, const struct hv_host *host, struct err *err)
{
    const struct hv_vm *vm = d->vm;
    const struct hv_gpu *gpu = NULL;

    if (d->options->gpu) {
        if (!hv_select_gpu(host, d->options->gpu, &gpu, err))
            return false;
        d->gpu = d->driver_gpu = gpu->interface_path;
        for (size_t i = 0; gpu->interface_path && i < vm->adapter_count && !d->adapter; i++)
            if (is_of(host, &vm->adapters[i], gpu)) {
                d->adapter = &vm->adapters[i];
                d->gpu = d->adapter->interface_path;
            }
        return true;
    }
    for (size_t i = 1; i < vm->adapter_count; i++)
        if (!text_ieq(vm->adapters[i].interface_path, vm->adapters[0].interface_path)) {
            err_fail(err, ERR_INVALID, 0, "VM '%s' has partitions of several GPUs",
                     vm->name);
            return err_hint(err, "choose one with --gpu; 'hvgpu vm show' lists them");
        }
    if (vm->adapter_count > 0) {
        d->adapter = &vm->adapters[0];
        d->gpu = d->driver_gpu = d->adapter->interface_path;
        gpu = d->gpu ? NULL : gpu_of_adapter(host, d->adapter);
        if (gpu)
            d->driver_gpu = gpu->interface_path;
    }
    return true;
}

/* ---- settings: former values, out of the journal ---- */

static bool add_settings(struct detach *d, struct err *err)
{
    for (size_t i = 0; i < d->vm->adapter_count; i++)
        if (!text_ieq(d->vm->adapters[i].interface_path, d->gpu))
            return true; /* another GPU still needs them */
    return d->vm->device_count > 0 ||
           add_former_settings(d->context, d->plan, d->vm, d->role, &step_adapter_add, SRC,
                               err);
}

/* ---- drivers ---- */

static bool look(struct plan_context *context, void *user, struct err *err)
{
    struct detach *d = user;

    return plan_drivers(context, d->drivers, d->driver_gpu, DRIVERS_REMOVE, NULL, err);
}

static bool look_at_disk(struct detach *d, struct err *err)
{
    d->drivers = plan_new(d->plan->host, d->plan->title, err);
    if (!d->drivers ||
        !inspect_disks(d->context, d->plan->host, d->vm, look, d, &d->disk, &d->image, err))
        return false;
    d->disk_seen = true;
    if (json_array_extend(d->plan->findings, d->drivers->findings) != 0)
        return err_no_memory(err);
    json_array_clear(d->drivers->findings);
    return !d->image.hibernated ||
           find_hibernated(d->plan, d->vm->disks[d->disk].path, err);
}

static bool add_drivers(struct detach *d, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = host_folder_of(d->plan->id);
    const char *image = d->vm->disks[d->disk].path;

    if (d->disk_seen && d->drivers->step_count == 0)
        return true;
    if (!folder)
        return err_no_memory(err);
    return add_host_folder(d->plan, folder, err) &&
           add_image_open(d->plan, image, folder, false, err) &&
           (d->disk_seen ? plan_splice(d->plan, d->plan->step_count, d->drivers, err)
                         : add_drivers_plan(d->plan, image, folder, d->driver_gpu,
                                            DRIVERS_REMOVE, err)) &&
           add_image_close(d->plan, image, folder, err);
}

/* ---- steps ---- */

static bool check_power(struct detach *d, struct err *err)
{
    const struct hv_vm *vm = d->vm;

    if (vm->state == VM_OFF ||
        (vm->state == VM_RUNNING && (d->options->stop || d->options->force_stop)))
        return true;
    return plan_find(d->plan, "vm-power", "error", vm->name, vm_state_name(vm->state),
                     "settings, adapters and disks can be changed only while the VM is off",
                     vm->state == VM_RUNNING ? "use --stop to shut it down first"
                                             : "start the VM and shut it down first",
                     SRC, err);
}

static bool plan_all(struct detach *d, struct err *err)
{
    bool runs = d->vm->state == VM_RUNNING;
    bool drivers = !d->options->no_drivers && d->vm->disk_count > 0 && d->driver_gpu;

    if (!d->adapter && (runs || !drivers))
        return true; /* nothing to take away that could be seen */
    if (!check_power(d, err))
        return false;
    if (plan_has_errors(d->plan))
        return true;
    if (drivers && !runs && !look_at_disk(d, err))
        return false;
    if (plan_has_errors(d->plan))
        return true;

    if (runs && !add_vm_stop(d->plan, d->vm, d->options->force_stop, err))
        return false;
    if (d->adapter && !add_adapter_remove(d->plan, d->vm, d->adapter, err))
        return false;
    if (drivers && !add_drivers(d, err))
        return false;
    if (d->adapter &&
        (!add_settings(d, err) || !add_verify(d->plan, d->vm, NULL, d->gpu, 0, err)))
        return false;
    return (!runs && !(d->options->start && d->vm->state == VM_OFF)) ||
           add_vm_start(d->plan, d->vm, err);
}

struct plan *share_detach_from(struct plan_context *context, const struct hv_host *host,
                               const char *host_name, const char *vm,
                               const struct detach_options *options, struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;
    struct detach d = { .context = context, .options = options };
    bool ok;

    if (!hv_select_vm(host, vm, &d.vm, err) || !choose_adapter(&d, host, err))
        return NULL;
    d.role = hv_find_role(host->cluster, d.vm->id);
    title = text_printf("detach the GPU from '%s'", d.vm->name);
    plan = title ? plan_new(host_name, title, err) : NULL;
    if (!plan)
        return NULL;
    plan->lock = text_printf("vm-%s", d.vm->id);
    if (!plan->lock) {
        err_no_memory(err);
        return NULL;
    }
    d.plan = plan;
    ok = plan_all(&d, err);
    plan_free(d.drivers);
    return ok ? TAKE(plan) : NULL;
}

struct plan *share_plan_detach(struct plan_context *context, const char *host_name,
                               const char *vm, const struct detach_options *options,
                               struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    return hv_inventory_read(context->session, host_name, SHARE_DETACHES, &host, err)
               ? share_detach_from(context, host, host_name, vm, options, err)
               : NULL;
}
