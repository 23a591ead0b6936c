/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dda recover: what is neither the host's nor a VM's comes home.
 *
 * In between are: disabled on the host, dismounted and nobody's, dismounted for a VM that is
 * gone; and entries of VMs for devices that are on the host or nowhere, which keep the VM
 * from starting (Justsenger/ExHyperV issues 88 and 98).
 */

#include "dda-plan.h"
#include "dda.h"
#include "going-home.h"
#include "text.h"
#include "tr.h"

static bool is_in_between(const struct dda_device *device)
{
    switch (device->state) {
    case DDA_DISABLED:
    case DDA_DISMOUNTED:
    case DDA_ORPHANED:
    case DDA_GONE:
        return true;
    case DDA_ON_HOST:
        return device->entry_count > 0;
    default:
        return false;
    }
}

/* An interrupted run knows better what was before: it is to be finished or taken back. */
static bool has_unfinished(struct plan_context *context, const struct dda_view *view,
                           const struct dda_device *device, struct plan *plan,
                           const char *severity, bool *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *lock = dda_lock_name(view, device);
    CLEANUP(free_cleanup) char *fix = NULL;
    struct run_info run;
    bool ok;

    if (!lock)
        return err_no_memory(err);
    if (!journal_find_unfinished(context->journal, lock, "", ret, &run, err))
        return false;
    if (!*ret)
        return true;
    fix = run.state == RUN_STARTED
              ? text_printf("'hvgpu undo %s' or 'hvgpu resume %s'", run.id, run.id)
              : text_printf("'hvgpu undo %s'", run.id);
    ok = fix ? plan_find(
                   plan, "run-unfinished", severity, dda_name(device), run.title,
                   N_("a run of hvgpu on this card was interrupted, and knows better what "
                      "was before"),
                   fix, DDA_SRC_DEPLOY, err)
             : err_no_memory(err);
    run_info_clear(&run);
    return ok;
}

/* A device that waits in a pool for the next VM to start is where it should be. */
static bool may_be_pooled(const struct dda_view *view, const struct dda_device *device,
                          struct plan *plan, const char *severity, bool *ret,
                          struct err *err)
{
    *ret = device->state == DDA_DISMOUNTED && view->list.pool_entries > 0;
    return !*ret ||
           plan_find(
               plan, "device-pooled", severity, dda_name(device), device->location_path,
               N_("VMs of this host take devices from a pool, and this one may be of "
                  "it"),
               N_("name it with --gpu if it is not"),
               "MicrosoftDocs/windows-powershell-docs Add-VMHostAssignableDevice", err);
}

/* Where a device that a VM names may be now. */
static bool tell_moved(const struct dda_view *view, const struct dda_device *device,
                       struct plan *plan, struct err *err)
{
    const struct dda_device *other;

    if (device->state != DDA_GONE)
        return true;
    if (!device->moved_to.known)
        return plan_find(
            plan, "device-gone", "info", dda_name(device), device->instance_id,
            N_("the host does not have this device any more; the VM does not start "
               "while its settings name it"),
            NULL, "Justsenger/ExHyperV issue 98", err);
    other = &view->list.devices[device->moved_to.value];
    return plan_find(
        plan, "device-moved", "info", dda_name(device),
        other->location_path ? other->location_path : other->instance_id,
        N_("the host does not have this device any more, and has one of the same "
           "make in another place: it may have moved there"),
        N_("assign it again from there: 'hvgpu dda assign'"),
        "Justsenger/ExHyperV issue 98", err);
}

static bool choose(struct plan_context *context, const struct dda_view *view,
                   const struct dda_recover_options *options, struct plan *plan,
                   const char *severity, struct dda_set *set, struct err *err)
{
    const struct dda_device *only = NULL;

    if (options->gpu && !dda_select(view, options->gpu, &only, err))
        return false;
    for (size_t i = 0; i < view->list.count; i++) {
        const struct dda_device *device = &view->list.devices[i];
        bool unfinished, pooled = false;

        if (!is_in_between(device) ||
            (only && device != only &&
             !hv_same_card(device->location_path, only->location_path)))
            continue;
        if (!has_unfinished(context, view, device, plan, severity, &unfinished, err) ||
            (!unfinished && !only &&
             !may_be_pooled(view, device, plan, severity, &pooled, err)) ||
            (!unfinished && !pooled &&
             (!tell_moved(view, device, plan, err) || !dda_set_add(set, device, err))))
            return false;
    }
    return true;
}

static struct plan *plan_with(struct plan_context *context, const char *host,
                              const struct dda_view *view,
                              const struct dda_recover_options *options,
                              const char *severity, struct err *err)
{
    CLEANUP(plan_cleanup)
    struct plan *plan = plan_new(host, "bring home what is left in between", err);
    struct going_home how = { .stop = options->stop,
                              .force_stop = options->force_stop,
                              .severity = severity };
    struct dda_set set = { .count = 0 };

    return plan && choose(context, view, options, plan, severity, &set, err) &&
                   dda_plan_home(context, plan, view, &set, &how, err)
               ? TAKE(plan)
               : NULL;
}

static bool has_warnings(const struct plan *plan)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(
        plan->findings, i,
        finding) if (text_ieq(json_string_value(json_object_get(finding, "severity")),
                              "warning")) return true;
    return false;
}

struct plan *dda_recover_from(struct plan_context *context, const struct dda_view *view,
                              const char *host, const struct dda_recover_options *options,
                              struct err *err)
{
    struct plan *plan = plan_with(context, host, view, options, "warning", err);

    /* What stands in the way of one device does not keep the others; but where nothing at all
     * can be done, that is no success. */
    if (!plan || plan->step_count > 0 || !has_warnings(plan))
        return plan;
    plan_free(plan);
    return plan_with(context, host, view, options, "error", err);
}

struct plan *dda_plan_recover(struct plan_context *context, const char *host,
                              const struct dda_recover_options *options, struct err *err)
{
    struct dda_view view;
    struct plan *plan;

    if (!dda_view_read(context, host, DDA_RETURNS, &view, err))
        return NULL;
    plan = dda_recover_from(context, &view, host, options, err);
    dda_view_clear(&view);
    return plan;
}
