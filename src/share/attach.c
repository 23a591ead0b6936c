/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach: facts, checks, and the steps that make what is into what should be. */

#include "share.h"

#include <stdio.h>
#include <string.h>

#include "choose-gpu.h"
#include "failover.h"
#include "inspect.h"
#include "judge.h"
#include "seen.h"
#include "share-plan.h"
#include "text.h"
#include "vm-plan.h"

/* What the planner works on. */
struct attach {
    struct plan_context *context;
    struct plan *plan;
    const struct attach_options *options;
    struct survey_facts facts;
    struct survey_request request;
    struct survey_disk disk;
    struct gaps gaps; /* computed */
    const struct hv_vm *vm;
    const struct hv_gpu *gpu;
    const char *pin;            /* interface path; NULL: any GPU, see choose-gpu.h */
    const struct hv_role *role; /* in the host's cluster; NULL: none */
    struct vm_changes changes;  /* settings */
    struct plan *drivers;       /* steps found by looking; owned */
    struct seen seen;           /* kept where no other disk or GPU matters */
};

/* ---- facts ---- */

static void count_use(struct attach *a, const struct hv_host *host)
{
    a->facts.host = host;
    survey_count(&a->facts);
    a->facts.has_this_gpu = !a->options->another && survey_vm_has_gpu(a->vm, a->pin);
    a->facts.has_other_gpu = a->options->another;
    for (size_t i = 0; i < a->vm->adapter_count; i++)
        a->facts.has_other_gpu |= !text_ieq(a->vm->adapters[i].interface_path, a->pin);
}

/* ---- quotas: only where they mean something ---- */

static bool add_quota(struct attach *a, struct err *err)
{
    const struct known_u64 *percent = &a->options->share_percent;
    struct hv_quota none[QUOTA_COUNT] = { 0 }, wanted[QUOTA_COUNT] = { 0 };
    const struct hv_quota *now = none;

    if (!percent->known || gpu_interface_is_paravirtual(a->gpu->interface_path))
        return true;
    share_want_quota(a->gpu, percent->value, wanted);
    for (size_t i = 0; i < a->vm->adapter_count; i++)
        if (text_ieq(a->vm->adapters[i].interface_path, a->pin))
            now = a->vm->adapters[i].quota;
    return share_same_quota(now, wanted) ||
           add_adapter_quota(a->plan, a->vm, a->pin, now, wanted, !a->facts.has_this_gpu,
                             err);
}

/* ---- drivers ---- */

static bool look(struct plan_context *context, void *user, struct err *err)
{
    struct attach *a = user;

    return plan_drivers(context, a->drivers, a->gpu->interface_path, DRIVERS_INSTALL,
                        &a->seen, err);
}

/* What sync will compare with when this GPU is the VM's only one. */
static bool see_now(struct attach *a, struct err *err)
{
    const char *gpu = a->gpu->interface_path;

    if (!seen_now(a->context, a->plan->host, a->facts.host, a->vm, &gpu, 1, &a->seen, err))
        return false;
    if (a->vm->disk_count != 1 || !gpu || (a->facts.has_other_gpu && !a->options->replace))
        seen_spoil(&a->seen);
    return true;
}

/* Finds out which driver steps are needed, when the disk can be read. */
static bool look_at_disk(struct attach *a, struct err *err)
{
    struct image_facts image = { 0 };
    size_t disk = 0;

    a->drivers = plan_new(a->plan->host, a->plan->title, err);
    if (!a->drivers || !see_now(a, err) ||
        !inspect_disks(a->context, a->plan->host, a->vm, look, a, &disk, &image, err))
        return false;
    a->disk = (struct survey_disk){ .path = a->vm->disks[disk].path,
                                    .seen = true,
                                    .windows_found = image.windows_found,
                                    .encrypted = image.encrypted,
                                    .hibernated = image.hibernated };
    if (json_array_extend(a->plan->findings, a->drivers->findings) != 0)
        return err_no_memory(err);
    json_array_clear(a->drivers->findings);
    return judge_for_plan(a->plan, &a->facts, ABOUT_DISK, err) &&
           (!image.windows_found || plan_has_errors(a->plan) ||
            a->drivers->step_count > 0 ||
            seen_keep(a->context, &a->seen, a->plan->findings, err));
}

static bool add_drivers(struct attach *a, struct err *err)
{
    const char *image = a->disk.path;
    CLEANUP(free_cleanup) char *folder = NULL;
    bool later = !a->disk.seen;

    if (a->options->no_drivers || !image || (!later && a->drivers->step_count == 0))
        return true;
    folder = host_folder_of(a->plan->id);
    if (!folder)
        return err_no_memory(err);
    return add_host_folder(a->plan, folder, err) &&
           add_image_open(a->plan, image, folder, false, err) &&
           (later ? add_drivers_plan(a->plan, image, folder, a->gpu->interface_path,
                                     DRIVERS_INSTALL, err)
                  : plan_splice(a->plan, a->plan->step_count, a->drivers, err)) &&
           add_image_close(a->plan, image, folder, err) &&
           (later || seen_keep_later(a->plan, &a->seen, err));
}

/* ---- steps ---- */

static bool add_adapters(struct attach *a, struct err *err)
{
    if (a->options->replace)
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
    const struct attach_options *options = a->options;
    bool runs = a->vm->state == VM_RUNNING;
    bool settings = vm_changes_any(&a->changes);
    bool changed;

    if (runs && a->request.changes_vm &&
        !add_vm_stop(a->plan, a->vm, options->force_stop, err))
        return false;
    if ((!runs || a->request.changes_vm) && !add_drivers(a, err))
        return false;
    if (!add_vm_changes(a->plan, a->vm, &a->changes, err) ||
        !add_force_shutdown(a->plan, a->vm, a->role, err) || !add_adapters(a, err))
        return false;
    changed = a->plan->step_count > 0;
    if (changed && !add_verify(a->plan, a->vm, settings ? a->changes.after : NULL, a->pin,
                               adapters_wanted(a), err))
        return false;
    if ((runs && a->request.changes_vm) || (!runs && options->start))
        return add_vm_start(a->plan, a->vm, err);
    return true;
}

static bool plan_all(struct attach *a, struct hv_host *host, struct err *err)
{
    const struct attach_options *options = a->options;

    a->request =
        (struct survey_request){ .stop = options->stop,
                                 .force_stop = options->force_stop,
                                 .replace = options->replace,
                                 .no_drivers = options->no_drivers,
                                 .share_percent = options->share_percent,
                                 .low_mmio_bytes = options->wish.low_mmio_bytes,
                                 .high_mmio_bytes = options->wish.high_mmio_bytes };
    a->disk.path = a->vm->disk_count > 0 ? a->vm->disks[0].path : NULL;
    gaps_for_partition(a->vm, a->gpu, &a->gaps);
    a->facts = (struct survey_facts){
        .use =
            !a->gpu->interface_path || gpu_interface_is_paravirtual(a->gpu->interface_path)
                ? GPU_MODE_PV
                : GPU_MODE_P,
        .vm = a->vm,
        .role = a->role,
        .is_pinned = a->pin != NULL,
        .gpu = a->gpu,
        .request = &a->request,
        .disk = &a->disk,
        .gaps = &a->gaps,
    };
    count_use(a, host);
    share_want_settings(&a->changes, a->vm, &a->gaps, &options->wish);
    a->request.changes_vm = vm_changes_any(&a->changes) || !a->facts.has_this_gpu ||
                            (a->facts.has_other_gpu && options->replace);
    if ((!host->platform.policy_read && !hv_read_policy(a->context->session, host, err)) ||
        !judge_for_plan(a->plan, &a->facts, ABOUT_HOST | ABOUT_GPU | ABOUT_VM | ABOUT_DISK,
                        err))
        return false;
    if (plan_has_errors(a->plan))
        return true;
    if (a->vm->state == VM_OFF && !options->no_drivers && a->disk.path &&
        !options->disk_later && !look_at_disk(a, err))
        return false;
    return plan_has_errors(a->plan) || add_steps(a, err);
}

struct plan *share_attach_from(struct plan_context *context, struct hv_host *host,
                               const char *host_name, const char *vm,
                               const struct attach_options *options, struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;
    struct attach a = { .context = context, .options = options };
    struct gpu_choice choice;
    bool ok;

    if (options->share_percent.known &&
        (options->share_percent.value < 1 || options->share_percent.value > 100)) {
        err_fail(err, ERR_INVALID, 0, "--share takes 1 to 100 percent");
        return NULL;
    }
    if (!hv_select_vm(host, vm, &a.vm, err) ||
        !choose_gpu(host, a.vm, options, &choice, err))
        return NULL;
    a.gpu = choice.gpu;
    a.pin = choice.pin;
    a.role = hv_find_role(host->cluster, a.vm->id);

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
    ok = vm_changes_init(&a.changes, err) && plan_all(&a, host, err);
    vm_changes_clear(&a.changes);
    plan_free(a.drivers);
    seen_clear(&a.seen);
    return ok ? TAKE(plan) : NULL;
}

struct plan *share_plan_attach(struct plan_context *context, const char *host_name,
                               const char *vm, const struct attach_options *options,
                               struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    return hv_inventory_read(context->session, host_name, SHARE_ATTACHES, &host, err)
               ? share_attach_from(context, host, host_name, vm, options, err)
               : NULL;
}
