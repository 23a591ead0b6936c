/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drivers in the guests, compared by the planner of `driver sync`. */

#include "drift.h"

#include <string.h>

#include "share-plan.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

static bool is_error(const json_t *finding)
{
    const char *severity = json_string_value(json_object_get(finding, "severity"));

    return severity && strcmp(severity, "error") == 0;
}

/* What `driver sync` says about it, in one text; *ret NULL: nothing. */
static bool why_drifted(const struct plan *plan, char **ret, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    const json_t *finding;
    size_t i;

    json_array_foreach(plan->findings, i, finding)
    {
        const char *id = json_string_value(json_object_get(finding, "id"));
        const char *cause = json_string_value(json_object_get(finding, "cause"));

        if (id && cause && (strncmp(id, "drift-", 6) == 0 || is_error(finding)))
            strbuf_printf(&text, "%s%s", text.len ? "; " : "", cause);
    }
    *ret = NULL;
    if (text.len > 0)
        *ret = strbuf_take(&text);
    if (text.failed)
        err_no_memory(err);
    strbuf_free(&text);
    return !text.failed;
}

static bool add(struct comparison *c, enum difference_kind kind,
                const struct desired_vm *vm, const struct hv_vm *found, char *why,
                struct err *err)
{
    struct difference *made = comparison_add(c, kind, text_dup("host"), NULL, err);

    if (!made) {
        free(why);
        return false;
    }
    made->vm = vm;
    made->found_vm = found;
    made->why = why;
    return true;
}

static bool compare_one(struct plan_context *context, const char *host_name,
                        struct comparison *c, const struct desired_vm *vm,
                        const struct hv_vm *found, struct err *err)
{
    const struct sync_options options = { .lenient = true };
    struct err one = ERR_INIT;
    CLEANUP(plan_cleanup)
    struct plan *plan =
        share_sync_from(context, c->found, host_name, found->id, &options, &one);
    char *why = NULL;

    if (!plan && (one.kind == ERR_CANCELLED || one.kind == ERR_UNREACHABLE ||
                  one.kind == ERR_NO_MEMORY)) {
        *err = one;
        return err_wrap(err, "looking at the drivers of '%.80s'", vm->name);
    }
    if (!plan)
        return add(c, DIFF_DRIVER_UNKNOWN, vm, found, text_dup(one.text[0]), err);
    if (!why_drifted(plan, &why, err))
        return false;
    if (plan_has_errors(plan))
        return add(c, DIFF_DRIVER_UNKNOWN, vm, found, why, err);
    if (plan->step_count > 0)
        return add(c, DIFF_DRIVER, vm, found, why, err);
    free(why);
    return true;
}

bool desired_compare_drivers(struct plan_context *context, const char *host_name,
                             struct comparison *c, struct err *err)
{
    CLEANUP(free_cleanup)
    bool *differs = calloc(c->wanted->vm_count + 1, sizeof(*differs));

    if (!differs)
        return err_no_memory(err);
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].vm)
            differs[c->items[i].vm - c->wanted->vms] = true;
    for (size_t i = 0; i < c->wanted->vm_count; i++) {
        const struct desired_vm *vm = &c->wanted->vms[i];
        const struct hv_vm *found;
        size_t count;

        if (vm->drivers != DRIVERS_HOST || vm->use_count == 0 || differs[i])
            continue;
        found = desired_find_vm(c, vm, &count);
        if (!found || found->disk_count == 0)
            continue;
        if (found->state != VM_OFF
                ? !add(c, DIFF_DRIVER_UNKNOWN, vm, found,
                       text_dup(_("the VM is not off, so its disk cannot be looked at")),
                       err)
                : !compare_one(context, host_name, c, vm, found, err))
            return false;
    }
    return true;
}
