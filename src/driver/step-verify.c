/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step: what the manifest lists for one GPU is read back: every hash, every value.  The
 * manifest holds what the host had when the plan was made.  Nothing to take back.
 *
 * params: instance_id
 */

#include "step-common.h"

static bool probe_verify(struct plan_context *context, const struct step *step,
                         json_t **ret_now, struct err *err)
{
    *ret_now = json_null();
    return true;
}

static bool apply_verify(struct plan_context *context, struct step *step, struct err *err)
{
    const char *instance_id = step_text(step, "instance_id");

    if (!instance_id)
        return step_is_damaged(step, err);
    return driver_verify_recorded(context->guest, instance_id, context->progress, err);
}

static bool revert_verify(struct plan_context *context, struct step *step, struct err *err)
{
    return true;
}

const struct step_kind step_driver_verify = {
    .name = "driver-verify",
    .probe = probe_verify,
    .apply = apply_verify,
    .revert = revert_verify,
    .flags = STEP_NEEDS_GUEST,
};

bool driver_plan_verify(struct plan *plan, const char *instance_id, struct err *err)
{
    if (plan->step_count == 0)
        return true;
    return plan_add(plan, &step_driver_verify, "drivers in the guest",
                    json_pack("{s:s}", "instance_id", instance_id), json_null(),
                    json_null(), NULL, err) != NULL;
}
