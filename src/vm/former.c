/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM's settings, and its role's offline action, were before hvgpu changed them, from its
 * own journal.
 *
 * Runs are followed from the newest back: each value that is what a run made of it becomes
 * what that run had found, and from there the run before it.  So two devices given one after
 * the other lead back to what was before the first.
 */

#include <string.h>

#include "failover.h"
#include "text.h"
#include "vm-plan.h"

#define OFFLINE_ACTION "offline_action" /* the member of its steps */

struct search {
    struct plan_context *context;
    struct plan *plan;
    const struct step_kind *marker;
    json_t *target; /* owned: what each setting goes back to, as far as found */
    json_t *now;    /* owned: what it is */
    const struct hv_vm *vm;
    const struct hv_role *role; /* NULL: of no cluster, or no longer */
    const char *lock;           /* "vm-GUID" */
    bool found, kept;
    bool action_found; /* the newest change of the offline action, whichever it was */
};

static struct step *find_kind(struct plan *run, const struct step_kind *kind)
{
    for (size_t i = 0; i < run->step_count; i++)
        if (run->steps[i].kind == kind && run->steps[i].state == STEP_DONE)
            return &run->steps[i];
    return NULL;
}

/* Of this VM: a run may change the settings of several. */
static bool is_done_of(const struct search *search, const struct step *step,
                       const struct step_kind *kind)
{
    return step->kind == kind && step->state == STEP_DONE &&
           text_ieq(json_string_value(json_object_get(step->params, "vm")), search->vm->id);
}

/* Into search->now. */
static bool read_now(struct search *search, const char *key, struct err *err)
{
    json_t *like, *now = NULL;
    bool ok;

    if (strcmp(key, OFFLINE_ACTION) == 0) {
        if (!search->role)
            return true;
        if (!read_vm_offline_action(search->context->session, search->role->resource, &now,
                                    err))
            return false;
        return json_object_set_new(search->now, key, now) == 0 || err_no_memory(err);
    }
    like = json_pack("{s:n}", key);
    if (!like)
        return err_no_memory(err);
    ok = read_vm_settings(search->context->session, search->vm->id, like, &now, err);
    if (ok)
        json_object_set(search->now, key, json_object_get(now, key));
    json_decref(like);
    json_decref(now);
    return ok;
}

/* The settings this run made that nothing newer has replaced. */
static bool follow(struct search *search, const struct step *made, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(made->after, key, value)
    {
        json_t *former = json_object_get(made->before, key), *at;

        if (!json_object_get(search->now, key) && !read_now(search, key, err))
            return false;
        at = json_object_get(search->target, key);
        if (!at)
            at = json_object_get(search->now, key);
        if (!json_equal(value, at) || !former || json_is_null(former))
            search->kept |= !json_object_get(search->target, key);
        else
            json_object_set(search->target, key, former);
    }
    return true;
}

/* Only the newest change counts, and only if it was made for a GPU: an older one was taken
 * back by it, or by somebody else. */
static bool follow_action(struct search *search, const struct step *step, struct err *err)
{
    const char *after = json_string_value(json_object_get(step->after, OFFLINE_ACTION));

    search->action_found = true;
    return !text_ieq(after, offline_action_name(OFFLINE_FORCE)) ||
           follow(search, step, err);
}

static bool look_for_settings(const struct run_info *info, void *user, struct err *err)
{
    struct search *search = user;
    CLEANUP(plan_cleanup) struct plan *run = NULL;

    if (info->state != RUN_DONE || !plan_locks(info->lock, search->lock))
        return true;
    run = journal_load(search->context->journal, info->id, false, search->context->kinds,
                       err);
    if (!run)
        return false;
    for (size_t i = run->step_count; i-- > 0 && search->role && !search->action_found;)
        if (is_done_of(search, &run->steps[i], &step_offline_action) &&
            !follow_action(search, &run->steps[i], err))
            return false;
    for (size_t i = 0; find_kind(run, search->marker) && i < run->step_count; i++) {
        if (!is_done_of(search, &run->steps[i], &step_vm_settings))
            continue;
        search->found = true;
        if (!follow(search, &run->steps[i], err))
            return false;
    }
    return true;
}

static bool add_restored_action(struct search *search, struct err *err)
{
    json_t *former = json_incref(json_object_get(search->target, OFFLINE_ACTION));
    bool ok = true;

    if (former && !json_equal(former, json_object_get(search->now, OFFLINE_ACTION)))
        ok = add_offline_action(search->plan, search->vm, search->role, json_incref(former),
                                err);
    json_object_del(search->target, OFFLINE_ACTION);
    json_decref(former);
    return ok;
}

static bool add_restored(struct search *search, const char *source, struct err *err)
{
    json_t *before = json_object();
    const char *key;
    json_t *value;

    if (!before)
        return err_no_memory(err);
    for (void *at = json_object_iter(search->target), *next; at; at = next) {
        key = json_object_iter_key(at);
        value = json_object_get(search->now, key);
        next = json_object_iter_next(search->target, at);
        if (json_equal(value, json_object_iter_value(at)))
            json_object_del(search->target, key);
        else
            json_object_set(before, key, value);
    }
    if (search->kept &&
        !plan_find(search->plan, "vm-settings-changed", "info", search->vm->name, NULL,
                   "some settings were changed since and stay as they are", NULL, source,
                   err)) {
        json_decref(before);
        return false;
    }
    if (json_object_size(search->target) > 0)
        return add_vm_settings(search->plan, search->vm, before,
                               json_incref(search->target), err);
    json_decref(before);
    return true;
}

bool add_former_settings(struct plan_context *context, struct plan *plan,
                         const struct hv_vm *vm, const struct hv_role *role,
                         const struct step_kind *marker, const char *source,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *lock = text_printf("vm-%s", vm->id);
    struct search search = { .context = context,
                             .lock = lock,
                             .plan = plan,
                             .marker = marker,
                             .target = json_object(),
                             .now = json_object(),
                             .vm = vm,
                             .role = role };
    bool ok = (lock && search.target && search.now) || err_no_memory(err);

    ok = ok && journal_list(context->journal, look_for_settings, &search, err);
    ok = ok && add_restored_action(&search, err);
    if (ok && search.found)
        ok = add_restored(&search, source, err);
    else if (ok)
        ok = plan_find(plan, "vm-settings-kept", "info", vm->name, NULL,
                       "no record of former settings here: cache types, MMIO sizes, stop "
                       "action and checkpoint type stay as they are",
                       "change them with Set-VM if they are not wanted", source, err);
    json_decref(search.target);
    json_decref(search.now);
    return ok;
}
