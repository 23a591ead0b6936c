/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drivers-plan and drivers-check: where the steps of src/driver enter a plan of attach or
 * detach, and where what they did is read back.
 */

#include "share-steps.h"

#include "judge.h"
#include "manifest.h"
#include "seen.h"
#include "steps.h"
#include "step-params.h"
#include "text.h"

bool add_drivers_check(struct plan *plan, const char *gpu, struct err *err)
{
    return plan_add(plan, &step_drivers_check, "drivers in the guest",
                    json_pack("{s:s}", "gpu", gpu), NULL, NULL, NULL, err) != NULL;
}

/* Drivers of other GPUs in the guest: what becomes of them is for sync to say. */
static bool look_for_others(struct plan_context *context, const struct driver_set *set,
                            struct seen *seen, struct err *err)
{
    json_t *manifest = NULL;
    const json_t *gpu;
    size_t i;

    if (!manifest_read(context->guest, &manifest, err))
        return false;
    json_array_foreach(json_object_get(manifest, "gpus"), i, gpu)
    {
        if (!text_ieq(json_string_value(json_object_get(gpu, "instance_id")),
                      set->instance_id))
            seen_spoil(seen);
    }
    json_decref(manifest);
    return seen_driver(context, seen, set, err);
}

bool plan_drivers(struct plan_context *context, struct plan *plan, const char *gpu,
                  enum drivers_task task, struct seen *seen, struct err *err)
{
    CLEANUP(windows_source_cleanup) struct windows_source *host = NULL;
    CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;
    size_t before = plan->step_count;

    if (task == DRIVERS_REMOVE) {
        CLEANUP(free_cleanup) char *instance = gpu_instance_from_interface(gpu);

        if (!instance)
            instance = text_dup(gpu);

        return instance ? driver_plan_remove(plan, context->guest, instance, err)
                        : err_no_memory(err);
    }
    host = windows_source_live(context->session, err);
    return host && driver_resolve(host, gpu, &set, err) &&
           driver_plan_install(plan, context->guest, set, err) &&
           (!seen || look_for_others(context, set, seen, err)) &&
           (plan->step_count == before || plan_has_errors(plan) ||
            add_drivers_check(plan, gpu, err));
}

/* ---- drivers-plan ---- */

static bool expand(struct plan_context *context, const struct step *step, struct plan *more,
                   struct err *err)
{
    const char *gpu, *image, *folder;
    struct image_facts facts;

    return param_text(step, "gpu", &gpu, err) && param_text(step, "image", &image, err) &&
           param_text(step, "folder", &folder, err) &&
           read_image_facts(context->session, image, folder, &facts, err) &&
           (!facts.hibernated || find_hibernated(more, image, err)) &&
           plan_drivers(context, more, gpu,
                        param_true(step, "remove") ? DRIVERS_REMOVE : DRIVERS_INSTALL, NULL,
                        err);
}

const struct step_kind step_drivers_plan = {
    .name = "drivers-plan",
    .expand = expand,
    .flags = STEP_NEEDS_GUEST,
};

bool add_drivers_plan(struct plan *plan, const char *image, const char *folder,
                      const char *gpu, enum drivers_task task, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("drivers on '%s'", image);

    if (!target)
        return err_no_memory(err);
    return plan_add(plan, &step_drivers_plan, target,
                    json_pack("{s:s, s:s, s:s, s:b}", "image", image, "folder", folder,
                              "gpu", gpu, "remove", task == DRIVERS_REMOVE),
                    NULL, NULL, NULL, err) != NULL;
}

/* ---- drivers-check ---- */

static bool probe_nothing(struct plan_context *context, const struct step *step,
                          json_t **ret_now, struct err *err)
{
    *ret_now = json_null();
    return true;
}

static bool check(struct plan_context *context, struct step *step, struct err *err)
{
    CLEANUP(windows_source_cleanup) struct windows_source *host = NULL;
    CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;
    const char *gpu;

    if (!param_text(step, "gpu", &gpu, err))
        return false;
    host = windows_source_live(context->session, err);
    return host && driver_resolve(host, gpu, &set, err) &&
           driver_verify(context->guest, set, context->progress, err);
}

static bool revert_nothing(struct plan_context *context, struct step *step, struct err *err)
{
    return true;
}

const struct step_kind step_drivers_check = {
    .name = "drivers-check",
    .probe = probe_nothing,
    .apply = check,
    .revert = revert_nothing,
    .flags = STEP_NEEDS_GUEST,
};
