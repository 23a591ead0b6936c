/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a plan, taking it back, and going on after a crash at any point of either. */

#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "os.h"
#include "text.h"

enum {
    UNREACHABLE_MAX = 2, /* undo gives up when the host is gone this often in a row */
    LOCKS_MAX = 256      /* a run on many VMs of one host */
};

/* ---- one step ---- */

static bool tell(const struct plan *plan, const struct step *step,
                 struct plan_context *context, const char *what)
{
    return !context->on_step || context->on_step(plan, step, what, context->step_user);
}

static bool ready_guest(struct plan *plan, const struct step *step,
                        struct plan_context *context, struct err *err)
{
    if (!(step->kind->flags & STEP_NEEDS_GUEST) || context->guest)
        return true;
    if (!context->open_guest)
        return err_fail(err, ERR_INVALID, 0, "no disk is open for this step");
    return context->open_guest(context, plan, err) ||
           err_wrap(err, "opening the disk of the guest");
}

static bool probe(struct plan *plan, const struct step *step, struct plan_context *context,
                  json_t **ret_now, struct err *err)
{
    *ret_now = NULL;
    if (step->state == STEP_STARTED && context->settle &&
        !(step->kind->flags & (STEP_NO_HOST | STEP_NEEDS_GUEST)))
        context->settle(context);
    return ready_guest(plan, step, context, err) &&
           (step->kind->probe(context, step, ret_now, err) ||
            err_wrap(err, "looking at %s", step->target));
}

static bool save(const struct plan *plan, struct step *step, enum step_state state,
                 const json_t *found, struct plan_context *context, struct err *err)
{
    step->state = state;
    return journal_save_step(context->journal, plan, step, found, err);
}

static bool moved(const struct step *step, const json_t *now, struct err *err)
{
    char *was = json_dumps(step->before, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    char *is = json_dumps(now, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

    err_fail(err, ERR_CONFLICT, 0,
             "%s changed since the plan was made: was %.100s, is %.100s", step->target,
             was ? was : "?", is ? is : "?");
    free(was);
    free(is);
    return err_hint(err, "someone else changed it meanwhile; look at it and try again");
}

static bool expand(struct plan *plan, size_t i, struct plan_context *context,
                   struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *more = plan_new(plan->host, plan->title, err);
    const char *cause, *fix = NULL;

    if (!more || !plan->steps[i].kind->expand(context, &plan->steps[i], more, err))
        return false;
    cause = plan_first_error(more, &fix);
    if (cause) {
        err_fail(err, ERR_CONFLICT, 0, "%s", cause);
        return fix ? err_hint(err, "%s", fix) : false;
    }
    plan_part(more, plan_part_of(&plan->steps[i]));
    if (!plan_splice(plan, i + 1, more, err))
        return false;
    /* Done together with the steps it made: a crash before this plans them anew. */
    plan->steps[i].state = STEP_DONE;
    return journal_save_steps(context->journal, plan, err);
}

static bool run_step(struct plan *plan, size_t i, struct plan_context *context,
                     struct err *err)
{
    struct step *step = &plan->steps[i];
    json_t *now = NULL;
    bool ok;

    if (step->kind->expand)
        return ready_guest(plan, step, context, err) && expand(plan, i, context, err);

    if (!probe(plan, step, context, &now, err))
        return false;
    if (step->state == STEP_STARTED) {
        /* The process died in it: it may have happened, or not, or half.  Also when it did,
         * what apply learned for revert died with the process. */
        ok = step->kind->apply(context, step, err) &&
             save(plan, step, STEP_DONE, NULL, context, err);
    } else {
        ok = json_equal(now, step->before) ||
             ((step->kind->flags & STEP_MAY_BE_SO) && json_equal(now, step->after)) ||
             moved(step, now, err);
        ok = ok && save(plan, step, STEP_STARTED, now, context, err) &&
             step->kind->apply(context, step, err) &&
             save(plan, step, STEP_DONE, NULL, context, err);
    }
    json_decref(now);
    return ok;
}

/* ---- taking back ---- */

/* *ret_uncommitted: reverted on the guest's disk, but not durable yet; the journal keeps
 * the step as started until it is. */
static bool undo_step(struct plan *plan, struct step *step, struct plan_context *context,
                      bool *ret_uncommitted, struct err *err)
{
    bool was_done = step->state == STEP_DONE;
    json_t *now = NULL;
    bool ok = true;

    if (step->kind->expand)
        return save(plan, step, STEP_UNDONE, NULL, context, err);
    if (!probe(plan, step, context, &now, err))
        return false;
    if (!json_equal(now, step->before)) {
        if (was_done && !json_equal(now, step->after) && !context->undo_changed &&
            !(step->kind->flags & STEP_PRIVATE)) {
            json_decref(now);
            err_fail(err, ERR_CONFLICT, 0,
                     "%s was changed by others after hvgpu, and is left as it is",
                     step->target);
            return err_hint(err,
                            "if the former state is wanted all the same: "
                            "'hvgpu undo --force %s'",
                            plan->id);
        }
        tell(plan, step, context, "undoing");
        /* "started" again: if this process dies here, nobody knows how far it came. */
        ok = (step->state == STEP_STARTED ||
              save(plan, step, STEP_STARTED, NULL, context, err)) &&
             (step->kind->revert(context, step, err) ||
              err_wrap(err, "%s (%s)", step->target, step->kind->name));
        *ret_uncommitted =
            ok && (step->kind->flags & STEP_NEEDS_GUEST) && context->commit_guest;
    }
    json_decref(now);
    if (*ret_uncommitted)
        return true;
    ok = ok && save(plan, step, STEP_UNDONE, NULL, context, err);
    if (ok)
        tell(plan, step, context, "undone");
    return ok;
}

struct undo {
    struct plan *plan;
    struct plan_context *context;
    bool *uncommitted;    /* per step */
    bool *failed;         /* per step: could not be taken back */
    unsigned left;        /* could not be taken back */
    unsigned unreachable; /* failures in a row because the host is gone */
    struct err first;
};

static void note_failure(struct undo *undo, size_t i, const struct err *err)
{
    undo->failed[i] = true;
    if (undo->left++ == 0)
        undo->first = *err;
}

/* Whether a later step that may stand on it is still there.  What was done to one VM of a plan
 * for many does not stand on the disk of another. */
static bool is_held(const struct undo *undo, size_t i)
{
    json_int_t part = plan_part_of(&undo->plan->steps[i]);

    for (size_t k = i + 1; undo->left > 0 && k < undo->plan->step_count; k++) {
        json_int_t other;

        if (!undo->failed[k])
            continue;
        other = plan_part_of(&undo->plan->steps[k]);
        if (part == 0 || other == 0 || part == other)
            return true;
    }
    return false;
}

static void commit_reverted(struct undo *undo)
{
    struct plan *plan = undo->plan;
    struct err one = ERR_INIT;
    bool committed = false;

    for (size_t i = plan->step_count; i-- > 0;) {
        struct step *step = &plan->steps[i];

        if (!undo->uncommitted[i])
            continue;
        undo->uncommitted[i] = false;
        if (!committed && one.kind == ERR_NONE)
            committed = undo->context->commit_guest(undo->context, &one);
        if (committed && save(plan, step, STEP_UNDONE, NULL, undo->context, &one))
            tell(plan, step, undo->context, "undone");
        else
            note_failure(undo, i, &one);
    }
}

/* An answer that was lost says nothing: look again, once.  A host that stays away is not
 * waited for once per step. */
static bool try_undo(struct undo *undo, size_t i, struct err *err)
{
    while (undo->unreachable < UNREACHABLE_MAX) {
        if (undo_step(undo->plan, &undo->plan->steps[i], undo->context,
                      &undo->uncommitted[i], err)) {
            undo->unreachable = 0;
            return true;
        }
        if (err->kind != ERR_UNREACHABLE) {
            undo->unreachable = 0;
            return false;
        }
        undo->unreachable++;
    }
    return false;
}

static void undo_all(struct undo *undo)
{
    struct plan *plan = undo->plan;

    for (size_t i = plan->step_count; i-- > 0;) {
        struct step *step = &plan->steps[i];
        struct err one = ERR_INIT;

        /* What held the disk open is next: make durable what was done on it. */
        if (!(step->kind->flags & STEP_NEEDS_GUEST))
            commit_reverted(undo);
        if (step->state == STEP_PENDING || step->state == STEP_UNDONE)
            continue;
        if ((step->kind->flags & STEP_HOLDS_LATER) && is_held(undo, i)) {
            undo->failed[i] = true;
            undo->left++;
            continue;
        }
        if (try_undo(undo, i, &one))
            continue;
        note_failure(undo, i, &one);
    }
    commit_reverted(undo);
}

/* The state in the journal becomes "undone" or "failed".  On failure @err holds the first
 * thing that went wrong and what is left. */
static bool take_back(struct plan *plan, struct plan_context *context, struct err *err)
{
    struct undo undo = { .plan = plan, .context = context, .first = ERR_INIT };
    struct err one = ERR_INIT;

    if (!journal_save_run(context->journal, plan->id, RUN_UNDOING, err))
        return false;
    os_forget_interrupt();
    undo.uncommitted = calloc(plan->step_count + 1, sizeof(bool));
    undo.failed = calloc(plan->step_count + 1, sizeof(bool));
    if (!undo.uncommitted || !undo.failed) {
        free(undo.uncommitted);
        free(undo.failed);
        return err_no_memory(err);
    }
    undo_all(&undo);
    free(undo.uncommitted);
    free(undo.failed);
    if (undo.left == 0)
        return journal_save_run(context->journal, plan->id, RUN_UNDONE, err);

    *err = undo.first;
    if (!journal_save_run(context->journal, plan->id, RUN_FAILED, &one))
        err_wrap(err, "and the journal could not note it (%.120s)", one.text[0]);
    err_wrap(err, "%u of %zu changes could not be taken back", undo.left, plan->step_count);
    return err_hint(err, "run 'hvgpu undo %s' when the cause is gone", plan->id);
}

/* Never the disk of the next plan in the same context. */
static void close_guest(struct plan_context *context)
{
    if (context->close_guest && context->open_guest && context->guest)
        context->close_guest(context);
}

/* ---- around a plan ---- */

/* All lines of plan->lock.  Two plans that want the same ones in another order wait for each
 * other only until their patience ends. */
struct locks {
    struct os_lock *held[LOCKS_MAX];
    size_t count;
};

static void drop_locks(struct locks *locks)
{
    while (locks->count > 0)
        os_lock_drop(locks->held[--locks->count]);
}

static bool take_locks(const struct plan *plan, struct plan_context *context,
                       struct locks *locks, struct err *err)
{
    CLEANUP(free_cleanup) char *holder = text_printf("%s (run %s)", plan->title, plan->id);

    if (!holder)
        return err_no_memory(err);
    for (const char *line = plan->lock ? plan->lock : ""; *line;) {
        size_t len = strcspn(line, "\n");
        CLEANUP(free_cleanup) char *one = text_ndup(line, len);

        if (!one)
            return err_no_memory(err);
        line += len + (line[len] == '\n');
        if (text_ieq(one, context->held_lock))
            continue;
        if (locks->count == LOCKS_MAX)
            return err_fail(err, ERR_INVALID, 0, "a plan for more than %d things",
                            LOCKS_MAX);
        locks->held[locks->count] =
            journal_lock_target(context->journal, one, holder, context->lock_wait_ms, err);
        if (!locks->held[locks->count])
            return false;
        locks->count++;
    }
    return true;
}

/* A plan that was loaded before the lock was held may be older than the journal. */
static bool reload(struct plan *plan, struct plan_context *context, enum run_state *ret,
                   struct err *err)
{
    struct plan *fresh;

    if (!journal_run_state(context->journal, plan->id, ret, err))
        return false;
    fresh = journal_load(context->journal, plan->id, false, context->kinds, err);
    if (!fresh)
        return false;
    {
        struct plan old = *plan;

        *plan = *fresh;
        *fresh = old;
    }
    plan_free(fresh);
    return true;
}

/* A VM may have moved to another host since, or another one may have been named. */
static bool check_host(const struct plan *plan, struct plan_context *context,
                       struct err *err)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];

        if (step->state == STEP_DONE && step->kind->check_host &&
            !step->kind->check_host(context, plan, step, err))
            return err_wrap(err, "nothing was changed");
    }
    return true;
}

static bool begin(struct plan *plan, struct plan_context *context, struct err *err)
{
    struct run_info other;
    bool found = false;

    if (plan->lock && !journal_find_unfinished(context->journal, plan->lock, plan->id,
                                               &found, &other, err))
        return false;
    if (found) {
        const char *state = other.state == RUN_STARTED ? "was interrupted"
                            : other.state == RUN_UNDOING
                                ? "was interrupted while being taken back"
                                : "could not be taken back whole";

        err_fail(err, ERR_CONFLICT, 0, "run %s (%.120s) %s", other.id, other.title, state);
        err_hint(err,
                 other.state == RUN_STARTED ? "first 'hvgpu resume %s' or 'hvgpu undo %s'"
                                            : "first 'hvgpu undo %s'",
                 other.id, other.id);
        run_info_clear(&other);
        return false;
    }
    plan->is_journaled = journal_begin(context->journal, plan, err);
    return plan->is_journaled;
}

/* What a crash took with it: steps into a disk that is one transaction, not committed. */
static void doubt_uncommitted(struct plan *plan)
{
    bool committed = true;

    for (size_t i = plan->step_count; i-- > 0;) {
        struct step *step = &plan->steps[i];

        if (step->kind->flags & STEP_COMMITS_GUEST)
            committed = step->state == STEP_DONE;
        else if (!committed && (step->kind->flags & STEP_NEEDS_GUEST) &&
                 step->state == STEP_DONE && !step->kind->expand)
            step->state = STEP_STARTED;
    }
}

/* A step that only tells what it sees: on failure *told, if nothing was told yet. */
static bool run_telling(struct plan *plan, size_t i, struct plan_context *context,
                        struct err *told, struct err *err)
{
    struct err one = ERR_INIT;

    if (run_step(plan, i, context, &one))
        return true;
    if (told->kind == ERR_NONE)
        *told = one;
    return save(plan, &plan->steps[i], STEP_DONE, NULL, context, err);
}

/* *ret_stays: it failed, and what was done stays done. */
static bool run_pending(struct plan *plan, struct plan_context *context, bool *ret_stays,
                        struct err *err)
{
    struct err told = ERR_INIT;

    *ret_stays = false;
    for (size_t i = 0; i < plan->step_count; i++) {
        struct step *step = &plan->steps[i];
        bool tells = step->kind->flags & STEP_ONLY_TELLS;

        if (step->state == STEP_DONE)
            continue;
        if ((context->is_cancelled && context->is_cancelled(context->cancel_user)) ||
            !tell(plan, step, context, "doing"))
            return err_fail(err, ERR_CANCELLED, 0, "stopped by the user");
        if (tells ? !run_telling(plan, i, context, &told, err)
                  : !run_step(plan, i, context, err))
            return err_wrap(err, "step %zu of %zu, %s (%s)", i + 1, plan->step_count,
                            plan->steps[i].target, plan->steps[i].kind->name);
        tell(plan, &plan->steps[i], context, "done");
    }
    if (!journal_save_run(context->journal, plan->id, RUN_DONE, err))
        return false;
    if (told.kind == ERR_NONE)
        return true;
    *err = told;
    *ret_stays = true;
    return err_wrap(err, "everything was done, and not all is well");
}

static bool run_locked(struct plan *plan, struct plan_context *context, struct err *err)
{
    struct err undo_err = ERR_INIT;
    struct err unknown = ERR_INIT;
    enum run_state state;
    char why[ERR_TEXT];
    bool stays;

    if (journal_run_state(context->journal, plan->id, &state, &unknown)) {
        /* Made in the same second by another process: what that one does is not this. */
        if (!plan->is_journaled) {
            err_fail(err, ERR_CONFLICT, 0, "another run has the id %s", plan->id);
            return err_hint(err, "run the command again");
        }
        if (!reload(plan, context, &state, err))
            return false;
        if (state == RUN_DONE)
            return true;
        if (state != RUN_STARTED) {
            err_fail(err, ERR_CONFLICT, 0, "run %s %s", plan->id,
                     state == RUN_UNDONE ? "is undone already"
                                         : "was being taken back, and cannot go forward");
            return state == RUN_UNDONE
                       ? false
                       : err_hint(err, "finish that with 'hvgpu undo %s'", plan->id);
        }
        if (!check_host(plan, context, err))
            return false;
        doubt_uncommitted(plan);
    } else if (unknown.kind != ERR_NOT_FOUND) {
        *err = unknown;
        return false;
    } else if (!begin(plan, context, err)) {
        return false;
    }

    if (run_pending(plan, context, &stays, err))
        return true;
    if (stays)
        return false;

    /* What was not committed needs no taking back. */
    close_guest(context);
    if (take_back(plan, context, &undo_err))
        return err_wrap(err, "everything was undone");
    err_format(&undo_err, why, sizeof(why));
    err->hint[0] = '\0';
    err_hint(err, "%s", undo_err.hint);
    return err_wrap(err, "not everything could be undone (%s)", why);
}

bool plan_run(struct plan *plan, struct plan_context *context, struct err *err)
{
    struct locks locks = { .count = 0 };
    bool ok = take_locks(plan, context, &locks, err) && run_locked(plan, context, err);

    if (!ok)
        close_guest(context);
    drop_locks(&locks);
    return ok;
}

bool plan_undo(struct plan *plan, struct plan_context *context, struct err *err)
{
    struct locks locks = { .count = 0 };
    enum run_state state;
    bool ok = take_locks(plan, context, &locks, err) &&
              reload(plan, context, &state, err) &&
              (state == RUN_UNDONE ||
               (check_host(plan, context, err) && take_back(plan, context, err)));

    close_guest(context);
    drop_locks(&locks);
    return ok;
}
