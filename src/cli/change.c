/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plan, show, ask, run, say how it ended.  Nothing is touched before the plan was shown
 * and confirmed; on failure plan_run() has taken everything back, or the error says what
 * is left.
 */
#include "change.h"

#include <stdio.h>
#include <string.h>

#include "hosts.h"
#include "job.h"
#include "local.h"
#include "os.h"
#include "progress-bar.h"
#include "text.h"
#include "tr.h"

enum { LOCK_WAIT_MS = 10 * 1000, SETTLE_MS = 15 * 1000, ANSWER_MAX = 16 };

static bool is_cancelled(void *user)
{
    (void)user;
    return os_was_interrupted();
}

static bool on_step(const struct plan *plan, const struct step *step, const char *what,
                    void *user)
{
    const struct invocation *in = (const struct invocation *)user;
    CLEANUP(free_cleanup) char *target = NULL;

    if (in->quiet || in->json || strcmp(what, "doing") == 0 || strcmp(what, "undoing") == 0)
        return true;
    if (in->progress)
        progress_bar_clear((struct progress_bar *)in->progress);
    target = clean_text(step->target, 0);
    output_text(in->out, "  [%u/%zu] %s: %s\n", step->n, plan->step_count,
                strcmp(what, "done") == 0     ? _("done")
                : strcmp(what, "undone") == 0 ? _("undone")
                                              : what,
                target ? target : "");
    fflush(in->out->text);
    return true;
}

bool change_may_begin(const struct invocation *in, const struct host_target *target,
                      struct err *err)
{
    if (!(in->command->flags & CMD_CHANGES) || option_get(in, "dry-run"))
        return true;
    if (target->replay)
        return err_fail(err, ERR_INVALID, 0, "a report is no host: it cannot be changed");
    return !target->is_local || local_check_rights(err);
}

static void settle(struct plan_context *context)
{
    if (context->session)
        hv_wait_for_jobs(context->session, SETTLE_MS);
}

bool command_context_open(const struct invocation *in, struct cim_session *session,
                          struct plan_context *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *state = os_state_dir(err);

    *ret = (struct plan_context){ .session = session,
                                  .progress = in->progress,
                                  .kinds = all_step_kinds,
                                  .settle = settle,
                                  .is_cancelled = is_cancelled,
                                  .on_step = on_step,
                                  .step_user = (void *)(uintptr_t)in,
                                  .lock_wait_ms = LOCK_WAIT_MS };
    if (!state)
        return false;
    ret->journal = journal_open(state, err);
    return ret->journal;
}

bool command_context_use(struct plan_context *context, const struct plan *plan,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *state = os_state_dir(err);
    char *dir = state ? text_printf("%s/backup/%s", state, plan->id) : NULL;

    if (!state)
        return false;
    if (!dir)
        return err_no_memory(err);
    free((char *)(uintptr_t)context->backup_dir);
    context->backup_dir = dir;
    return true;
}

void command_context_close(struct plan_context *context)
{
    if (context->guest && context->close_guest)
        context->close_guest(context);
    journal_close(context->journal);
    free((char *)(uintptr_t)context->backup_dir);
    context->journal = NULL;
    context->backup_dir = NULL;
}

static bool ask(struct output *out, const char *question, bool *ret_yes, struct err *err)
{
    char answer[ANSWER_MAX];

    fflush(out->text);
    fprintf(out->messages, "%s %s ", question, _("[y/N]"));
    fflush(out->messages);
    if (!fgets(answer, sizeof(answer), stdin))
        return err_fail(err, ERR_CANCELLED, 0, "no answer");
    answer[strcspn(answer, "\r\n")] = '\0';
    *ret_yes =
        text_ieq(answer, "y") || text_ieq(answer, "yes") || text_ieq(answer, _("yes"));
    return true;
}

bool command_confirm(const struct invocation *in, const struct plan *plan,
                     enum plan_way way, const char *question, bool *ret_go, int *ret_exit,
                     struct err *err)
{
    const char *dry = option_get(in, "dry-run");

    *ret_go = false;
    *ret_exit = STATUS_DONE;
    if (dry && in->json)
        return output_json(in->out, plan_document(plan), err);
    if (dry && *dry) {
        plan_view_powershell(in->out, plan);
        return true;
    }
    if (dry || !in->quiet)
        plan_view(in->out, plan, way);
    return dry || command_ask(in, question, ret_go, ret_exit, err);
}

bool command_ask(const struct invocation *in, const char *question, bool *ret_go,
                 int *ret_exit, struct err *err)
{
    bool yes = false;

    *ret_go = false;
    if (option_get(in, "yes")) {
        *ret_go = true;
        return true;
    }
    *ret_exit = STATUS_USAGE;
    if (in->json || !os_is_terminal(0)) {
        err_fail(err, ERR_INVALID, 0, "nothing was changed: this needs a confirmation");
        return err_hint(err, "add --yes, or --dry-run to see the plan only");
    }
    if (!ask(in->out, question, &yes, err))
        return false;
    if (!yes)
        output_note(in->out, "%s\n", _("Nothing was changed."));
    *ret_go = yes;
    return true;
}

/* {"schema", "plan", "error"}: how far it came, and why no further. */
static bool fail_with_plan(const struct invocation *in, const struct plan *plan,
                           const struct err *why, struct err *err)
{
    json_t *document;

    if (!in->json) {
        output_error(in->out, in->host, why);
        return true;
    }
    document = plan_document(plan);
    if (document && json_object_set_new(document, "error", error_to_json(why)) != 0) {
        json_decref(document);
        document = NULL;
    }
    output_host_error(in->out, in->host, why);
    return output_json(in->out, document, err);
}

static bool refuse(const struct invocation *in, const struct plan *plan, struct err *err)
{
    const char *fix = NULL, *cause = plan_first_error(plan, &fix);
    struct err why = ERR_INIT;

    /* The one finding there is need not be said twice. */
    if (!in->json && json_array_size(plan->findings) > 1)
        plan_view(in->out, plan, PLAN_FORWARD);
    err_fail(&why, ERR_CONFLICT, 0, "%s", cause ? cause : "a check failed");
    err_wrap(&why, "nothing was changed");
    if (fix)
        err_hint(&why, "%s", fix);
    return fail_with_plan(in, plan, &why, err);
}

static bool carry_out(const struct invocation *in, struct plan *plan,
                      struct plan_context *context, int *ret_exit, struct err *err)
{
    struct err why = ERR_INIT;
    bool go = false, ok;

    if (plan_has_errors(plan)) {
        *ret_exit = STATUS_FAILED;
        return refuse(in, plan, err);
    }
    if (plan->step_count == 0) {
        *ret_exit = STATUS_DONE;
        if (in->json)
            return output_json(in->out, plan_document(plan), err);
        plan_view(in->out, plan, PLAN_FORWARD);
        output_text(in->out, "%s\n", _("Nothing to do: it is so already."));
        return true;
    }
    if (!command_confirm(in, plan, PLAN_FORWARD, _("Do this?"), &go, ret_exit, err))
        return false;
    if (!go)
        return true;
    if (!command_context_use(context, plan, err))
        return false;

    ok = plan_run(plan, context, &why);
    if (in->progress)
        progress_bar_clear((struct progress_bar *)in->progress);
    if (!ok) {
        *ret_exit = STATUS_FAILED;
        return fail_with_plan(in, plan, &why, err);
    }
    *ret_exit = STATUS_DONE;
    if (in->json)
        return output_json(in->out, plan_document(plan), err);
    output_text(in->out, _("%sDone.%s  Take it back with: hvgpu undo %s\n"),
                style_on(in->out, STYLE_GOOD), style_off(in->out, STYLE_GOOD), plan->id);
    return true;
}

bool change_run(const struct invocation *in, int *ret_exit, struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    struct plan_context context;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!command_context_open(in, in->session, &context, err))
        return false;
    ok = in->command->plan(in, &context, &plan, err);
    if (in->progress)
        progress_bar_clear((struct progress_bar *)in->progress);
    ok = ok && carry_out(in, plan, &context, ret_exit, err);
    if (in->command->finish)
        in->command->finish(in, &context);
    command_context_close(&context);
    return ok;
}
