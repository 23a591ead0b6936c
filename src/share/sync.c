/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sync: what the guests on a VM's disks have against what its host has now.  Says what
 * drifted and why, and plans the differences only, by the same steps as attach.
 *
 * Three ways: a VM that is off is looked at, unless nothing changed since the last look at
 * which nothing was to do (seen.h); one that runs is stopped by the plan and looked at then
 * (sync-disk.h); one that runs and may not be stopped is reported.
 */

#include "share.h"

#include <string.h>

#include "judge.h"
#include "choose-gpu.h"
#include "inspect.h"
#include "seen.h"
#include "share-plan.h"
#include "sync-disk.h"
#include "text.h"
#include "tr.h"
#include "vm-plan.h"

#define SRC "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"

struct sync_disk { /* what was seen on one of the VM's disks */
    bool windows, hibernated;
    char *unreadable; /* why; NULL: it could be read */
    char *hint;
    struct sync_steps steps;
};

struct sync {
    struct plan_context *context;
    struct plan *plan;
    const struct sync_options *options;
    const struct hv_host *host;
    const struct hv_vm *vm;
    const char **gpus; /* interface paths, each once; lent */
    size_t gpu_count;
    struct sync_disk *disks;
    size_t looking; /* at which of them */
    bool found_windows;
    struct seen seen;
};

/* ---- which GPUs ---- */

static bool host_has(const struct hv_host *host, const char *interface_path)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].interface_path, interface_path))
            return true;
    return false;
}

static bool collect_gpus(struct sync *s, struct err *err)
{
    s->gpus = calloc(s->vm->adapter_count + 1, sizeof(*s->gpus));
    if (!s->gpus)
        return err_no_memory(err);
    for (size_t i = 0; i < s->vm->adapter_count; i++) {
        const char *path = s->vm->adapters[i].interface_path;
        /* One that is not pinned: of a host before 20348, or of a cluster's VM. */
        const struct hv_gpu *any =
            path ? NULL : gpu_of_adapter(s->host, &s->vm->adapters[i]);
        bool seen = false;

        if (any)
            path = any->interface_path;
        if (!path)
            return err_fail(
                err, ERR_CONFLICT, 0,
                _("an adapter of '%s' names no GPU, and the host has different ones"),
                s->vm->name);
        for (size_t k = 0; k < s->gpu_count; k++)
            seen |= text_ieq(s->gpus[k], path);
        if (!seen)
            s->gpus[s->gpu_count++] = path;
    }
    return true;
}

/* A VM does not start with the adapter of a GPU that is not there, and no driver helps. */
static bool check_gpus(struct sync *s, struct err *err)
{
    for (size_t i = 0; i < s->gpu_count; i++)
        if (!host_has(s->host, s->gpus[i]) &&
            !plan_find(
                s->plan, "drift-adapter", "error", s->vm->name, s->gpus[i],
                _("the VM's partition is of a GPU that the host no longer has: it was "
                  "moved to another slot, replaced or taken out"),
                _("give the VM the GPU that is there: hvgpu attach VM --gpu GPU "
                  "--replace"),
                SRC, err))
            return false;
    return true;
}

static struct sync_wish wish_of(const struct sync *s)
{
    return (struct sync_wish){ .host = s->host,
                               .gpus = s->gpus,
                               .gpu_count = s->gpu_count,
                               .first = !s->found_windows,
                               .verify = s->options->verify };
}

/* ---- a VM that runs ---- */

/* Stopping it is worth it for a GPU only, unless it was named. */
static bool plan_running(struct sync *s, struct err *err)
{
    const struct sync_options *options = s->options;
    struct sync_wish wish = wish_of(s);
    CLEANUP(free_cleanup) char *folder = host_folder_of(s->plan->id);
    const char **images = calloc(s->vm->disk_count + 1, sizeof(*images));
    bool ok;

    if (!folder || !images) {
        free(images);
        return err_no_memory(err);
    }
    for (size_t i = 0; i < s->vm->disk_count; i++)
        images[i] = s->vm->disks[i].path;
    ok = plan_find(s->plan, "drift-unknown", "info", s->vm->name, _("the VM runs"),
                   _("what drifted is seen when it is off"), NULL, NULL, err) &&
         add_vm_stop(s->plan, s->vm, options->force_stop, err) &&
         sync_add_looks(s->plan, &wish, images, s->vm->disk_count, folder, err) &&
         add_vm_start(s->plan, s->vm, err);
    free(images);
    return ok;
}

static bool report_power(struct sync *s, struct err *err)
{
    bool runs = s->vm->state == VM_RUNNING;

    if (s->options->lenient && s->gpu_count == 0)
        return plan_find(
            s->plan, "vm-no-gpu", "info", s->vm->name, vm_state_name(s->vm->state),
            _("the VM has no GPU; its disks can be looked at for drivers of one "
              "it had only while it is off"),
            NULL, SRC, err);
    return plan_find(
        s->plan, "vm-power", s->options->lenient ? "warning" : "error", s->vm->name,
        vm_state_name(s->vm->state),
        _("the guest's disk can be compared and changed only while the VM is off"),
        runs ? _("use --stop to shut it down first; it is started again")
             : _("start the VM and shut it down first"),
        SRC, err);
}

/* ---- a VM that is off ---- */

static bool look(struct plan_context *context, void *user, struct err *err)
{
    struct sync *s = user;
    struct sync_wish wish = wish_of(s);

    wish.seen = &s->seen;
    return sync_look(context, s->plan, &wish, &s->disks[s->looking].steps, err);
}

static bool looked(size_t disk, const struct image_facts *facts, const struct err *why,
                   void *user, struct err *err)
{
    struct sync *s = user;
    struct sync_disk *seen = &s->disks[disk];

    s->looking = disk + 1;
    seen->windows = facts->windows_found;
    seen->hibernated = facts->hibernated;
    s->found_windows |= facts->windows_found;
    if (!why || why->kind == ERR_NOT_FOUND)
        return true;
    seen->unreadable = text_dup(why->text[0]);
    seen->hint = text_dup(why->hint);
    return (seen->unreadable && seen->hint) || err_no_memory(err);
}

/* What keeps a guest from being compared matters as far as there is something to compare. */
static bool say_disks(struct sync *s, struct err *err)
{
    const char *severity = s->gpu_count == 0  ? "info"
                           : s->found_windows ? "warning"
                                              : "error";
    bool said = false;

    for (size_t i = 0; i < s->vm->disk_count; i++) {
        const struct sync_disk *disk = &s->disks[i];
        const char *image = s->vm->disks[i].path;

        if (disk->hibernated && s->gpu_count > 0 && !find_hibernated(s->plan, image, err))
            return false;
        if (disk->hibernated && s->gpu_count == 0 &&
            !plan_find(s->plan, "disk-hibernated", "info", image, NULL,
                       _("the Windows on the disk is hibernated: it was not looked at"),
                       NULL, SRC, err))
            return false;
        if (disk->unreadable && !plan_find(s->plan, "disk-unreadable", severity, image,
                                           NULL, disk->unreadable, disk->hint, SRC, err))
            return false;
        said |= disk->hibernated || disk->unreadable;
    }
    if (s->gpu_count > 0 && (said || !s->found_windows))
        seen_spoil(&s->seen); /* to be said again */
    if (said || (s->found_windows && s->gpu_count > 0))
        return true;
    if (s->gpu_count > 0)
        return plan_find(s->plan, "disk-windows", "info", s->vm->name, NULL,
                         _("no Windows was found on its disks"), NULL, SRC, err);
    for (size_t i = 0; i < s->vm->disk_count; i++)
        if (s->disks[i].steps.now && s->disks[i].steps.now->step_count > 0)
            return true;
    return plan_find(s->plan, "vm-no-gpu", "info", s->vm->name, NULL,
                     _("the VM has no GPU, and no driver of one it had: nothing to sync"),
                     NULL, SRC, err);
}

static bool has_work(const struct sync *s)
{
    for (size_t i = 0; i < s->vm->disk_count; i++)
        if (s->disks[i].steps.now && s->disks[i].steps.now->step_count > 0)
            return true;
    return false;
}

static bool add_disks(struct sync *s, struct err *err)
{
    CLEANUP(free_cleanup) char *base = host_folder_of(s->plan->id);
    size_t n = 0;

    if (!base)
        return err_no_memory(err);
    for (size_t i = 0; i < s->vm->disk_count; i++) {
        struct sync_disk *disk = &s->disks[i];
        const char *image = s->vm->disks[i].path;
        CLEANUP(free_cleanup) char *folder = NULL;

        if (!disk->steps.now || disk->steps.now->step_count == 0)
            continue;
        folder = sync_folder(base, ++n);
        if (!folder)
            return err_no_memory(err);
        if (!add_host_folder(s->plan, folder, err) ||
            !add_image_open(s->plan, image, folder, false, err) ||
            !sync_add_steps(s->plan, image, folder, &disk->steps, err) ||
            !add_image_close(s->plan, image, folder, err))
            return false;
    }
    return true;
}

static bool look_at_disks(struct sync *s, struct err *err)
{
    if (!inspect_every_disk(s->context, s->plan->host, s->vm, look, looked, s, err) ||
        !say_disks(s, err))
        return false;
    if (plan_has_errors(s->plan))
        return true;
    if (!has_work(s))
        return seen_keep(s->context, &s->seen, s->plan->findings, err);
    return add_disks(s, err) && seen_keep_later(s->plan, &s->seen, err) &&
           (!s->options->start || add_vm_start(s->plan, s->vm, err));
}

/* What the last look said is so still. */
static bool say_again(struct sync *s, json_t *said, struct err *err)
{
    if (said && json_array_extend(s->plan->findings, said) != 0)
        return err_no_memory(err);
    return s->gpu_count > 0 ||
           plan_find(
               s->plan, "vm-no-gpu", "info", s->vm->name, NULL,
               _("the VM has no GPU, and had no driver of one when its disks were last "
                 "looked at: nothing to sync"),
               NULL, SRC, err);
}

static bool plan_off(struct sync *s, struct err *err)
{
    json_t *said = NULL;
    bool same = false;
    bool ok = seen_now(s->context, s->plan->host, s->host, s->vm, s->gpus, s->gpu_count,
                       &s->seen, err) &&
              seen_compare(s->context, &s->seen, &same, &said, err);

    if (ok && same && !s->options->verify)
        ok = say_again(s, said, err);
    else if (ok)
        ok = look_at_disks(s, err);
    json_decref(said);
    return ok;
}

/* ---- the plan ---- */

static bool plan_all(struct sync *s, struct err *err)
{
    const struct sync_options *options = s->options;
    bool may_stop = (options->stop || options->force_stop) &&
                    !(options->lenient && s->vm->adapter_count == 0);

    if (s->vm->disk_count == 0)
        return plan_find(s->plan, "vm-disk", "info", s->vm->name, NULL,
                         _("the VM has no disk that a driver could be on"), NULL, NULL,
                         err);
    s->disks = calloc(s->vm->disk_count, sizeof(*s->disks));
    if (!s->disks)
        return err_no_memory(err);
    if (!collect_gpus(s, err) || !check_gpus(s, err))
        return false;
    if (plan_has_errors(s->plan))
        return true;
    if (s->vm->state == VM_OFF)
        return plan_off(s, err);
    return s->vm->state == VM_RUNNING && may_stop ? plan_running(s, err)
                                                  : report_power(s, err);
}

static void clear(struct sync *s)
{
    for (size_t i = 0; s->disks && i < s->vm->disk_count; i++) {
        sync_steps_clear(&s->disks[i].steps);
        free(s->disks[i].unreadable);
        free(s->disks[i].hint);
    }
    free(s->disks);
    free(s->gpus);
    seen_clear(&s->seen);
}

struct plan *share_sync_from(struct plan_context *context, const struct hv_host *host,
                             const char *host_name, const char *vm,
                             const struct sync_options *options, struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;
    struct sync s = { .context = context, .options = options };
    bool ok;

    if (!hv_select_vm(host, vm, &s.vm, err))
        return NULL;
    title = text_printf("bring the drivers of '%s' up to date", s.vm->name);
    plan = title ? plan_new(host_name, title, err) : NULL;
    if (!plan)
        return NULL;
    plan->lock = text_printf("vm-%s", s.vm->id);
    if (!plan->lock) {
        err_no_memory(err);
        return NULL;
    }
    s.plan = plan;
    s.host = host;
    ok = plan_all(&s, err);
    clear(&s);
    return ok ? TAKE(plan) : NULL;
}

struct plan *share_plan_sync(struct plan_context *context, const char *host_name,
                             const char *vm, const struct sync_options *options,
                             struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    return hv_inventory_read(context->session, host_name, SHARE_SYNCS, &host, err)
               ? share_sync_from(context, host, host_name, vm, options, err)
               : NULL;
}
