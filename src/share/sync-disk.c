/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sync on one disk: GPU by GPU what drifted and why, and the step that looks when a VM that
 * ran has been stopped. */

#include "sync-disk.h"

#include <string.h>

#include "judge.h"
#include "host-disk.h"
#include "manifest.h"
#include "share-steps.h"
#include "step-params.h"
#include "steps.h"
#include "text.h"
#include "tr.h"

#define SRC "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"

struct look {
    struct plan_context *context;
    struct plan *plan;
    const struct sync_wish *wish;
    struct sync_steps *steps;
    json_t *manifest; /* NULL: none */
};

void sync_steps_clear(struct sync_steps *steps)
{
    for (size_t i = 0; i < steps->later_count; i++)
        free(steps->later[i]);
    free(steps->later);
    free(steps->later_removes);
    plan_free(steps->now);
    *steps = (struct sync_steps){ 0 };
}

/* ---- why ---- */

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? text : "unknown";
}

static bool is_wanted(const struct look *look, const char *instance_id)
{
    for (size_t i = 0; i < look->wish->gpu_count; i++) {
        CLEANUP(free_cleanup)
        char *id = gpu_instance_from_interface(look->wish->gpus[i]);

        if (text_ieq(id, instance_id))
            return true;
    }
    return false;
}

static bool is_on_host(const struct look *look, const char *instance_id)
{
    for (size_t i = 0; i < look->wish->host->gpu_count; i++)
        if (text_ieq(look->wish->host->gpus[i].instance_id, instance_id))
            return true;
    return false;
}

/* A GPU that the guest has the driver of and the host has no more; @name: of that name. */
static const json_t *lost_gpu(const struct look *look, const char *name)
{
    const json_t *gpu;
    size_t i;

    json_array_foreach(json_object_get(look->manifest, "gpus"), i, gpu)
    {
        const char *id = text_at(gpu, "instance_id");

        if (!is_wanted(look, id) && !is_on_host(look, id) &&
            (!name || text_ieq(text_at(gpu, "name"), name)))
            return gpu;
    }
    return NULL;
}

/* Why the guest has nothing for the GPU of @set. */
static bool say_new(struct look *look, const struct driver_set *set, struct err *err)
{
    const char *name = set->gpu_name ? set->gpu_name : set->instance_id;
    const json_t *old = lost_gpu(look, name);
    CLEANUP(free_cleanup) char *text = NULL;

    if (!look->manifest)
        return driver_say_drift(look->plan, "drift-no-record", name,
                                _("the guest was reinstalled, or never got a driver"),
                                _("it has no record of a driver by hvgpu"), err);
    if (old) {
        text =
            text_printf(_("from %s to %s"), text_at(old, "instance_id"), set->instance_id);
        return text ? driver_say_drift(look->plan, "drift-gpu-moved", name,
                                       _("the GPU moved to another slot of the host"), text,
                                       err)
                    : err_no_memory(err);
    }
    old = lost_gpu(look, NULL);
    if (old)
        return driver_say_drift(look->plan, "drift-gpu-replaced", name,
                                _("the GPU was replaced by another model"),
                                text_at(old, "name"), err);
    return driver_say_drift(look->plan, "drift-gpu-new", name,
                            _("the VM got this GPU without its driver"),
                            _("the guest's record does not list it"), err);
}

/* ---- GPU by GPU ---- */

static bool add_later(struct sync_steps *steps, const char *gpu, bool removes,
                      struct err *err)
{
    char **all = realloc(steps->later, (steps->later_count + 1) * sizeof(*all));
    bool *flags;

    if (!all)
        return err_no_memory(err);
    steps->later = all;
    flags = realloc(steps->later_removes, (steps->later_count + 1) * sizeof(*flags));
    if (!flags)
        return err_no_memory(err);
    steps->later_removes = flags;
    all[steps->later_count] = text_dup(gpu);
    flags[steps->later_count] = removes;
    return all[steps->later_count++] ? true : err_no_memory(err);
}

/* Keeps the steps of @one, or has them found out later when there are some already. */
static bool keep(struct look *look, struct plan *one, const char *gpu, bool removes,
                 struct err *err)
{
    if (json_array_extend(look->plan->findings, one->findings) != 0)
        return err_no_memory(err);
    json_array_clear(one->findings);
    if (one->step_count == 0)
        return true;
    if (look->steps->now->step_count > 0)
        return add_later(look->steps, gpu, removes, err);
    return plan_splice(look->steps->now, 0, one, err);
}

static bool look_at_gpu(struct look *look, struct windows_source *source, const char *gpu,
                        struct err *err)
{
    CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;
    CLEANUP(plan_cleanup)
    struct plan *one = plan_new(look->plan->host, look->plan->title, err);

    if (!one || !driver_resolve(source, gpu, &set, err) ||
        (look->wish->seen && !seen_driver(look->context, look->wish->seen, set, err)))
        return false;
    if (!look->wish->first && !manifest_gpu(look->manifest, set->instance_id))
        return true;
    if (!driver_plan_update(one, look->context->guest, set, look->wish->verify, err))
        return false;
    if (one->step_count > 0 &&
        ((!manifest_gpu(look->manifest, set->instance_id) && !say_new(look, set, err)) ||
         !add_drivers_check(one, gpu, err)))
        return false;
    return keep(look, one, gpu, false, err);
}

/* GPUs the guest has a driver of and the VM has no adapter of. */
static bool look_at_leftovers(struct look *look, struct err *err)
{
    const json_t *gpu;
    size_t i;

    json_array_foreach(json_object_get(look->manifest, "gpus"), i, gpu)
    {
        const char *id = text_at(gpu, "instance_id");
        CLEANUP(plan_cleanup) struct plan *one = NULL;

        if (is_wanted(look, id))
            continue;
        one = plan_new(look->plan->host, look->plan->title, err);
        if (!one || !driver_plan_remove(one, look->context->guest, id, err) ||
            !driver_say_drift(look->plan, "drift-gpu-gone", text_at(gpu, "name"),
                              is_on_host(look, id) ? _("the VM no longer has this GPU")
                                                   : _("the host no longer has this GPU"),
                              _("its driver is still in the guest"), err) ||
            !keep(look, one, id, true, err))
            return false;
    }
    return true;
}

/* A record that cannot be believed: the guest may have written anything there.  What it lists
 * is not touched, and nothing is put beside it. */
static bool say_damaged(struct look *look, const struct err *why, struct err *err)
{
    char text[ERR_TEXT];

    err_format(why, text, sizeof(text));
    return plan_find(look->plan, "drift-manifest", "error", MANIFEST_PATH, NULL, text,
                     why->hint, SRC, err);
}

bool sync_look(struct plan_context *context, struct plan *plan,
               const struct sync_wish *wish, struct sync_steps *ret, struct err *err)
{
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    struct look look = { .context = context, .plan = plan, .wish = wish, .steps = ret };
    struct err why = ERR_INIT;
    bool ok = true;

    *ret = (struct sync_steps){ .now = plan_new(plan->host, plan->title, err) };
    if (!ret->now)
        return false;
    if (!manifest_read(context->guest, &look.manifest, &why)) {
        if (why.kind == ERR_PROTOCOL || why.kind == ERR_UNSUPPORTED ||
            why.kind == ERR_INVALID)
            return say_damaged(&look, &why, err);
        *err = why;
        return false;
    }
    if (wish->gpu_count > 0 && (wish->first || look.manifest)) {
        source = windows_source_live(context->session, err);
        ok = source != NULL;
        if (ok)
            windows_source_watch(source, context->progress);
    }
    /* What nobody needs last: a GPU that moved takes its packages along. */
    for (size_t i = 0; source && ok && i < wish->gpu_count; i++)
        ok = look_at_gpu(&look, source, wish->gpus[i], err);
    ok = ok && look_at_leftovers(&look, err);
    json_decref(look.manifest);
    return ok;
}

bool sync_add_steps(struct plan *plan, const char *image, const char *folder,
                    struct sync_steps *steps, struct err *err)
{
    if (!plan_splice(plan, plan->step_count, steps->now, err))
        return false;
    for (size_t i = 0; i < steps->later_count; i++)
        if (!add_drivers_plan(plan, image, folder, steps->later[i],
                              steps->later_removes[i] ? DRIVERS_REMOVE : DRIVERS_INSTALL,
                              err))
            return false;
    return true;
}

char *sync_folder(const char *folder, size_t n)
{
    return n > 1 ? text_printf("%s-%zu", folder, n) : text_dup(folder);
}

/* ---- drivers-look: when the VM has been stopped ---- */

/* params: image, folder (of the plan), n (which disk), first, verify, gpus, rest: images */
static bool add_look(struct plan *plan, json_t *params, struct err *err)
{
    const char *image = json_string_value(json_object_get(params, "image"));
    const char *base = json_string_value(json_object_get(params, "folder"));
    size_t n = (size_t)json_integer_value(json_object_get(params, "n"));
    CLEANUP(free_cleanup) char *folder = base ? sync_folder(base, n) : NULL;
    CLEANUP(free_cleanup)
    char *target = image ? text_printf("drivers on '%s'", image) : NULL;

    if (!folder || !target) {
        json_decref(params);
        return err_no_memory(err);
    }
    if (!add_host_folder(plan, folder, err) || !add_image_look(plan, image, folder, err)) {
        json_decref(params);
        return false;
    }
    return plan_add(
               plan, &step_drivers_look, target, params, NULL, NULL,
               "# What differs is known when the VM is off: compare "
               "$guest\\Windows\\System32\\HostDriverStore\\FileRepository with what "
               "'hvgpu driver show' prints, then:\n"
               "$disk | Get-Partition | Where-Object AccessPaths -contains \"$guest\\\" | "
               "Remove-PartitionAccessPath -AccessPath $guest; Remove-Item -Path $guest; "
               "Dismount-VHD -DiskNumber $disk.Number",
               err) != NULL;
}

bool sync_add_looks(struct plan *plan, const struct sync_wish *wish,
                    const char *const *images, size_t count, const char *folder,
                    struct err *err)
{
    json_t *gpus = json_array(), *rest = json_array();
    json_t *params;

    for (size_t i = 0; i < wish->gpu_count; i++)
        json_array_append_new(gpus, json_string(wish->gpus[i]));
    for (size_t i = 1; i < count; i++)
        json_array_append_new(rest, json_string(images[i]));
    params = json_pack("{s:s, s:s, s:i, s:b, s:b, s:o, s:o}", "image", images[0], "folder",
                       folder, "n", 1, "first", wish->first, "verify", wish->verify, "gpus",
                       gpus, "rest", rest);
    return params ? add_look(plan, params, err) : err_no_memory(err);
}

static bool add_next(struct plan *more, const struct step *step, bool first,
                     struct err *err)
{
    json_t *rest = json_deep_copy(json_object_get(step->params, "rest"));
    json_t *params = json_deep_copy(step->params);
    json_int_t n = json_integer_value(json_object_get(step->params, "n"));
    bool ok = rest && params;

    ok = ok && json_object_set(params, "image", json_array_get(rest, 0)) == 0 &&
         json_array_remove(rest, 0) == 0 && json_object_set(params, "rest", rest) == 0 &&
         json_object_set_new(params, "n", json_integer(n + 1)) == 0 &&
         json_object_set_new(params, "first", json_boolean(first)) == 0;
    json_decref(rest);
    if (ok)
        return add_look(more, params, err);
    json_decref(params);
    return err_no_memory(err);
}

struct found { /* on the disk that is looked at */
    struct image_facts facts;
    bool mounted;
    struct sync_steps steps;
};

static bool look_at_disk(struct plan_context *context, const struct step *step,
                         const char *image, const char *folder, struct plan *more,
                         struct found *found, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const json_t *list = json_object_get(step->params, "gpus");
    const char **gpus = calloc(json_array_size(list) + 1, sizeof(*gpus));
    struct sync_wish wish = { .gpus = gpus,
                              .first = param_true(step, "first"),
                              .verify = param_true(step, "verify") };
    bool ok = gpus || err_no_memory(err);

    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        gpus[i] = json_string_value(json_array_get(list, i));
        ok = gpus[i] || err_fail(err, ERR_PROTOCOL, 0,
                                 _("the journal's record of %s is damaged"), step->target);
        wish.gpu_count++;
    }
    ok = ok && hv_inventory_read(context->session, more->host,
                                 HV_ALL & ~(unsigned)HV_GPU_DETAILS, &host, err);
    wish.host = host;
    ok = ok && share_open_mounted(context, image, folder, true, err) &&
         sync_look(context, more, &wish, &found->steps, err);
    if (context->guest)
        context->close_guest(context);
    free(gpus);
    return ok;
}

static bool say_no_windows(struct plan *more, const struct step *step,
                           const struct found *found, struct err *err)
{
    bool last = json_array_size(json_object_get(step->params, "rest")) == 0;
    bool needed = json_array_size(json_object_get(step->params, "gpus")) > 0;
    const char *image;

    if (!param_text(step, "image", &image, err))
        return false;
    if (found->facts.encrypted &&
        !plan_find(
            more, "disk-unreadable", "warning", image, NULL,
            _("a volume cannot be read: encrypted (BitLocker), not cleanly shut down, or "
              "not NTFS"),
            NULL, SRC, err))
        return false;
    return !last || !param_true(step, "first") ||
           plan_find(more, "disk-windows", needed ? "error" : "info", image, NULL,
                     _("no Windows that can be read was found on the disks of the VM"),
                     _("use --no-drivers for guests that are not Windows"), SRC, err);
}

static bool plan_disk(struct plan_context *context, const struct step *step,
                      const char *image, const char *folder, struct plan *more,
                      struct found *found, struct err *err)
{
    if (!read_image_facts(context->session, image, folder, &found->facts, err))
        return false;
    found->mounted = found->facts.windows_found;
    if (found->facts.hibernated)
        return find_hibernated(more, image, err);
    if (!found->mounted)
        return say_no_windows(more, step, found, err) &&
               add_image_look_end(more, image, folder, false, err);
    if (!look_at_disk(context, step, image, folder, more, found, err) ||
        !add_image_look_end(more, image, folder, true, err))
        return false;
    return found->steps.now->step_count == 0 ||
           (add_image_open(more, image, folder, false, err) &&
            sync_add_steps(more, image, folder, &found->steps, err) &&
            add_image_close(more, image, folder, err));
}

static bool expand_look(struct plan_context *context, const struct step *step,
                        struct plan *more, struct err *err)
{
    size_t n = (size_t)json_integer_value(json_object_get(step->params, "n"));
    CLEANUP(free_cleanup) char *folder = NULL;
    struct found found = { .mounted = false };
    const char *image, *base;
    bool ok;

    if (!param_text(step, "image", &image, err) || !param_text(step, "folder", &base, err))
        return false;
    folder = sync_folder(base, n);
    ok = folder ? plan_disk(context, step, image, folder, more, &found, err)
                : err_no_memory(err);
    if (ok && !plan_has_errors(more) &&
        json_array_size(json_object_get(step->params, "rest")) > 0)
        ok = add_next(more, step, param_true(step, "first") && !found.mounted, err);
    sync_steps_clear(&found.steps);
    return ok;
}

const struct step_kind step_drivers_look = {
    .name = "drivers-look",
    .expand = expand_look,
};
