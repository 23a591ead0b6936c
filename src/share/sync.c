/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sync: what a guest has (its manifest) against what its host has now.  Says what drifted
 * and why, and plans the differences only, by the same steps as attach.
 */

#include "share.h"

#include <string.h>

#include "judge.h"
#include "inspect.h"
#include "manifest.h"
#include "steps.h"
#include "strbuf.h"
#include "text.h"

#define SRC "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"

struct sync {
    struct plan_context *context;
    struct plan *plan;
    const struct sync_options *options;
    const struct hv_host *host;
    const struct hv_vm *vm;
    const char **gpus; /* interface paths, each once; lent */
    size_t gpu_count;
    struct plan *drivers; /* steps for the first GPU that needs some; owned */
    /* Steps of one GPU change the manifest, so those of a second are found out when the
     * first are done: by drivers-plan, with the disk open. */
    char **later; /* interface paths or instance ids; owned */
    bool *later_removes;
    size_t later_count;
    struct image_facts image;
    bool disk_seen;
    size_t disk;
};

/* ---- which GPUs ---- */

/* Of an adapter that is not pinned (hosts before 20348 cannot): the only one there is. */
static const char *unpinned(const struct hv_host *host)
{
    const char *only = NULL;

    for (size_t i = 0; i < host->gpu_count; i++) {
        if (!host->gpus[i].interface_path)
            continue;
        if (only)
            return NULL;
        only = host->gpus[i].interface_path;
    }
    return only;
}

static bool collect_gpus(struct sync *s, struct err *err)
{
    s->gpus = calloc(s->vm->adapter_count + 1, sizeof(*s->gpus));
    if (!s->gpus)
        return err_no_memory(err);
    for (size_t i = 0; i < s->vm->adapter_count; i++) {
        const char *path = s->vm->adapters[i].interface_path;
        bool seen = false;

        if (!path)
            path = unpinned(s->host);
        if (!path)
            return err_fail(err, ERR_CONFLICT, 0,
                            "an adapter of '%s' names no GPU, and the host has several",
                            s->vm->name);
        for (size_t k = 0; k < s->gpu_count; k++)
            seen |= text_ieq(s->gpus[k], path);
        if (!seen)
            s->gpus[s->gpu_count++] = path;
    }
    return true;
}

static bool is_wanted(const struct sync *s, const char *instance_id)
{
    for (size_t i = 0; i < s->gpu_count; i++) {
        CLEANUP(free_cleanup) char *id = gpu_instance_from_interface(s->gpus[i]);

        if (text_ieq(id, instance_id))
            return true;
    }
    return false;
}

static const char *name_of_gpu(const struct sync *s, const char *interface_path)
{
    for (size_t i = 0; i < s->host->gpu_count; i++)
        if (text_ieq(s->host->gpus[i].interface_path, interface_path))
            return s->host->gpus[i].name;
    return interface_path;
}

/* ---- what drifted ---- */

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? text : "unknown";
}

static bool is_on_host(const struct sync *s, const char *instance_id)
{
    for (size_t i = 0; i < s->host->gpu_count; i++)
        if (text_ieq(s->host->gpus[i].instance_id, instance_id))
            return true;
    return false;
}

/* A GPU that the guest has the driver of and the host has no more; @name: of that name. */
static const json_t *lost_gpu(const struct sync *s, const json_t *manifest,
                              const char *name)
{
    const json_t *gpu;
    size_t i;

    json_array_foreach(json_object_get(manifest, "gpus"), i, gpu)
    {
        const char *id = text_at(gpu, "instance_id");

        if (!is_wanted(s, id) && !is_on_host(s, id) &&
            (!name || text_ieq(text_at(gpu, "name"), name)))
            return gpu;
    }
    return NULL;
}

/* Why the guest has nothing for the GPU of @set. */
static bool say_new(struct sync *s, const json_t *manifest, const struct driver_set *set,
                    struct err *err)
{
    const char *name = set->gpu_name ? set->gpu_name : set->instance_id;
    const json_t *old = lost_gpu(s, manifest, name);
    CLEANUP(free_cleanup) char *text = NULL;

    if (!manifest)
        return driver_say_drift(s->plan, "drift-no-record", name,
                                "the guest was reinstalled, or never got a driver",
                                "it has no record of a driver by hvgpu", err);
    if (old) {
        text = text_printf("from %s to %s", text_at(old, "instance_id"), set->instance_id);
        return text ? driver_say_drift(s->plan, "drift-gpu-moved", name,
                                       "the GPU moved to another slot of the host", text,
                                       err)
                    : err_no_memory(err);
    }
    old = lost_gpu(s, manifest, NULL);
    if (old)
        return driver_say_drift(s->plan, "drift-gpu-replaced", name,
                                "the GPU was replaced by another model",
                                text_at(old, "name"), err);
    return driver_say_drift(s->plan, "drift-gpu-new", name,
                            "the VM got this GPU without its driver",
                            "the guest's record does not list it", err);
}

/* ---- looking ---- */

static bool add_later(struct sync *s, const char *gpu, bool removes, struct err *err)
{
    char **all = realloc(s->later, (s->later_count + 1) * sizeof(*all));
    bool *flags;

    if (!all)
        return err_no_memory(err);
    s->later = all;
    flags = realloc(s->later_removes, (s->later_count + 1) * sizeof(*flags));
    if (!flags)
        return err_no_memory(err);
    s->later_removes = flags;
    all[s->later_count] = text_dup(gpu);
    flags[s->later_count] = removes;
    return all[s->later_count++] ? true : err_no_memory(err);
}

/* Keeps the steps of @one, or has them found out later when there are some already. */
static bool keep(struct sync *s, struct plan *one, const char *gpu, bool removes,
                 struct err *err)
{
    if (json_array_extend(s->plan->findings, one->findings) != 0)
        return err_no_memory(err);
    json_array_clear(one->findings);
    if (one->step_count == 0)
        return true;
    if (s->drivers->step_count > 0)
        return add_later(s, gpu, removes, err);
    return plan_splice(s->drivers, 0, one, err);
}

static bool look_at_gpu(struct sync *s, struct windows_source *source,
                        const json_t *manifest, const char *gpu, struct err *err)
{
    CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;
    CLEANUP(plan_cleanup) struct plan *one = plan_new(s->plan->host, s->plan->title, err);

    if (!one || !driver_resolve(source, gpu, &set, err) ||
        !driver_plan_update(one, s->context->guest, set, s->options->verify, err))
        return false;
    if (one->step_count > 0 &&
        ((!manifest_gpu(manifest, set->instance_id) && !say_new(s, manifest, set, err)) ||
         !add_drivers_check(one, gpu, err)))
        return false;
    return keep(s, one, gpu, false, err);
}

/* GPUs the guest has a driver of and the VM has no adapter of. */
static bool look_at_leftovers(struct sync *s, const json_t *manifest, struct err *err)
{
    const json_t *gpu;
    size_t i;

    json_array_foreach(json_object_get(manifest, "gpus"), i, gpu)
    {
        const char *id = text_at(gpu, "instance_id");
        CLEANUP(plan_cleanup) struct plan *one = NULL;

        if (is_wanted(s, id))
            continue;
        one = plan_new(s->plan->host, s->plan->title, err);
        if (!one || !driver_plan_remove(one, s->context->guest, id, err) ||
            !driver_say_drift(s->plan, "drift-gpu-gone", text_at(gpu, "name"),
                              is_on_host(s, id) ? "the VM no longer has this GPU"
                                                : "the host no longer has this GPU",
                              "its driver is still in the guest", err) ||
            !keep(s, one, id, true, err))
            return false;
    }
    return true;
}

static bool look(struct plan_context *context, void *user, struct err *err)
{
    struct sync *s = user;
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    json_t *manifest = NULL;
    bool ok = manifest_read(context->guest, &manifest, err);

    if (ok && s->gpu_count > 0) {
        source = windows_source_live(context->session, err);
        ok = source != NULL;
    }
    /* What nobody needs first: a GPU that moved takes its packages along. */
    for (size_t i = 0; ok && i < s->gpu_count; i++)
        ok = look_at_gpu(s, source, manifest, s->gpus[i], err);
    ok = ok && look_at_leftovers(s, manifest, err);
    json_decref(manifest);
    return ok;
}

/* ---- steps ---- */

static bool add_disk_steps(struct sync *s, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = host_folder_of(s->plan->id);
    const char *image = s->vm->disks[s->disk].path;

    if (!folder)
        return err_no_memory(err);
    if (!add_host_folder(s->plan, folder, err) ||
        !add_image_open(s->plan, image, folder, false, err))
        return false;
    if (s->disk_seen && !plan_splice(s->plan, s->plan->step_count, s->drivers, err))
        return false;
    for (size_t i = 0; i < s->later_count; i++)
        if (!add_drivers_plan(s->plan, image, folder, s->later[i],
                              s->later_removes[i] ? DRIVERS_REMOVE : DRIVERS_INSTALL, err))
            return false;
    return add_image_close(s->plan, image, folder, err);
}

/* A VM that runs: its disk can be read only when it is off. */
static bool plan_running(struct sync *s, struct err *err)
{
    const struct sync_options *options = s->options;

    if (s->vm->state != VM_RUNNING || (!options->stop && !options->force_stop))
        return plan_find(
            s->plan, "vm-power", options->lenient ? "warning" : "error", s->vm->name,
            vm_state_name(s->vm->state),
            "the guest's disk can be compared and changed only while the VM is "
            "off",
            s->vm->state == VM_RUNNING
                ? "use --stop to shut it down first; it is started again"
                : "start the VM and shut it down first",
            SRC, err);
    for (size_t i = 0; i < s->gpu_count; i++)
        if (!plan_find(s->plan, "drift-unknown", "info", name_of_gpu(s, s->gpus[i]),
                       "the VM runs", "what drifted is seen when it is off", NULL, NULL,
                       err) ||
            !add_later(s, s->gpus[i], false, err))
            return false;
    return add_vm_stop(s->plan, s->vm, options->force_stop, err) &&
           add_disk_steps(s, err) && add_vm_start(s->plan, s->vm, err);
}

static bool plan_all(struct sync *s, struct err *err)
{
    if (s->vm->disk_count == 0)
        return plan_find(s->plan, "vm-disk", "info", s->vm->name, NULL,
                         "the VM has no disk that a driver could be on", NULL, NULL, err);
    if (!collect_gpus(s, err))
        return false;
    if (s->vm->state != VM_OFF)
        return plan_running(s, err);
    s->drivers = plan_new(s->plan->host, s->plan->title, err);
    if (!s->drivers ||
        !inspect_disks(s->context, s->plan->host, s->vm, look, s, &s->disk, &s->image, err))
        return false;
    s->disk_seen = true;
    if (s->image.hibernated)
        return find_hibernated(s->plan, s->vm->disks[s->disk].path, err);
    if (!s->image.windows_found)
        return plan_find(s->plan, "disk-windows", "info", s->vm->name, NULL,
                         "no Windows was found on its disks", NULL, SRC, err);
    if (plan_has_errors(s->plan) || s->drivers->step_count == 0)
        return true;
    return add_disk_steps(s, err) &&
           (!s->options->start || add_vm_start(s->plan, s->vm, err));
}

struct plan *share_plan_sync(struct plan_context *context, const char *host_name,
                             const char *vm, const struct sync_options *options,
                             struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    CLEANUP(free_cleanup) char *title = NULL;
    struct sync s = { .context = context, .options = options };
    bool ok;

    if (!hv_inventory_read(context->session, host_name, HV_ALL & ~(unsigned)HV_GPU_DETAILS,
                           &host, err) ||
        !hv_select_vm(host, vm, &s.vm, err))
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
    for (size_t i = 0; i < s.later_count; i++)
        free(s.later[i]);
    free(s.later);
    free(s.later_removes);
    free(s.gpus);
    plan_free(s.drivers);
    return ok ? TAKE(plan) : NULL;
}
