/* SPDX-License-Identifier: GPL-2.0-or-later */
/* history, undo, resume: what hvgpu did, taking it back, and finishing it. */

#include <stdio.h>
#include <string.h>

#include "change.h"
#include "command.h"
#include "commands.h"
#include "os.h"
#include "output.h"
#include "progress-bar.h"
#include "share.h"
#include "steps.h"
#include "text.h"
#include "tr.h"

/* ---- history ---- */

struct history {
    json_t *runs;
    uint64_t most; /* 0: all */
};

static bool note_run(const struct run_info *info, void *user, struct err *err)
{
    struct history *history = user;
    struct cim_datetime started = { .usec = info->started_usec };
    char text[40];
    json_t *run;

    if (history->most && json_array_size(history->runs) >= history->most)
        return true;
    cim_datetime_to_iso(&started, text);
    run = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "id", info->id, "host",
                    info->host, "title", info->title, "started", text, "state",
                    run_state_name(info->state), "steps", (int)info->steps, "steps_done",
                    (int)info->steps_done);
    return (run && json_array_append_new(history->runs, run) == 0) || err_no_memory(err);
}

static enum style state_style(const char *state)
{
    if (strcmp(state, "done") == 0)
        return STYLE_GOOD;
    return strcmp(state, "undone") == 0 ? STYLE_FAINT : STYLE_BAD;
}

static bool print_history(const struct invocation *in, const json_t *runs, struct err *err)
{
    static const struct column columns[] = {
        { N_("ID"), 0 },
        { N_("STATE"), 0 },
        { N_("STEPS"), COL_RIGHT },
        { N_("HOST"), COL_SHRINK },
        { N_("WHAT"), COL_SHRINK },
        { NULL, 0 },
    };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    const json_t *run;
    size_t i;

    if (!table)
        return false;
    json_array_foreach(runs, i, run)
    {
        const char *state = json_string_value(json_object_get(run, "state"));

        table_cell(table, json_string_value(json_object_get(run, "id")));
        table_styled(table, state_style(state), state);
        table_printf(table, "%d/%d",
                     (int)json_integer_value(json_object_get(run, "steps_done")),
                     (int)json_integer_value(json_object_get(run, "steps")));
        table_cell(table, json_string_value(json_object_get(run, "host")));
        table_cell(table, json_string_value(json_object_get(run, "title")));
    }
    if (table_row_count(table) == 0) {
        output_note(in->out, "%s\n", _("Nothing was changed so far."));
        return true;
    }
    return table_print(table, in->out, err);
}

static bool run_history(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct history history = { .runs = json_array(), .most = 0 };
    struct plan_context context;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!history.runs)
        return err_no_memory(err);
    if (!option_get_u64(in, "last", &history.most, err) ||
        !command_context_open(in, NULL, &context, err)) {
        json_decref(history.runs);
        return false;
    }
    ok = journal_list(context.journal, note_run, &history, err);
    command_context_close(&context);
    if (ok && in->json)
        ok = output_json(in->out,
                         json_pack("{s:s, s:O}", "schema", "hvgpu/1", "runs", history.runs),
                         err);
    else if (ok)
        ok = print_history(in, history.runs, err);
    json_decref(history.runs);
    if (ok)
        *ret_exit = STATUS_DONE;
    return ok;
}

static const struct option_spec history_options[] = {
    { "last", 0, "N", N_("only the newest N runs") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_history = {
    .name = "history",
    .summary = N_("what hvgpu changed, newest first"),
    .options = history_options,
    .run = run_history,
};

/* ---- undo, resume ---- */

struct work {
    const struct invocation *in;
    const char *id; /* "": the newest */
    struct plan_context context;
    struct plan *plan;
    bool resume;
    bool forward; /* resume of what did not begin to be taken back */
};

/* Exit 0 and a remark: asking twice is no mistake. */
static bool nothing_to_do(const struct invocation *in, const struct err *why, int *ret_exit,
                          struct err *err)
{
    char text[ERR_TEXT];

    *ret_exit = STATUS_DONE;
    if (in->json)
        return output_json(in->out, json_pack("{s:s, s:n}", "schema", "hvgpu/1", "plan"),
                           err);
    err_format(why, text, sizeof(text));
    output_text(in->out, "%s\n", text);
    if (why->hint[0])
        output_note(in->out, "  → %s\n", why->hint);
    return true;
}

static bool already(struct work *work, enum run_state state, bool *ret_already,
                    int *ret_exit, struct err *err)
{
    struct err why = ERR_INIT;

    work->forward = work->resume && (state == RUN_STARTED || state == RUN_DONE);
    *ret_already = state == (work->forward ? RUN_DONE : RUN_UNDONE);
    if (!*ret_already)
        return true;
    err_fail(&why, ERR_NOT_FOUND, 0, "run %s is %s already", work->plan->id,
             run_state_name(state));
    return nothing_to_do(work->in, &why, ret_exit, err);
}

static bool ends_with_plan(const struct work *work, struct err *err)
{
    const struct invocation *in = work->in;

    if (in->json)
        return output_json(in->out, plan_document(work->plan), err);
    if (work->forward)
        output_text(in->out, _("%sDone.%s  Take it back with: hvgpu undo %s\n"),
                    style_on(in->out, STYLE_GOOD), style_off(in->out, STYLE_GOOD),
                    work->plan->id);
    else
        output_text(in->out, _("%sUndone.%s  All is as it was before run %s.\n"),
                    style_on(in->out, STYLE_GOOD), style_off(in->out, STYLE_GOOD),
                    work->plan->id);
    return true;
}

/* Whether a run works on a host, or on a disk of this machine that needs no session. */
static bool connect_again(struct work *work, struct cim_session **ret, struct err *err)
{
    const struct invocation *in = work->in;
    const char *named = option_get_nth(in, "host", 0);
    const char *host = named ? named : work->plan->host;

    *ret = NULL;
    if (!host || !*host || !plan_needs_host(work->plan) || driver_local_image(work->plan))
        return true;
    *ret = command_connect(in, host, err);
    return *ret || err_wrap(err, "run %s was on '%s'", work->plan->id, host);
}

static bool carry_out(struct work *work, int *ret_exit, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    const struct invocation *in = work->in;
    bool go = false, ok;

    if (!command_confirm(in, work->plan, work->forward ? PLAN_FORWARD : PLAN_BACK,
                         work->forward ? _("Finish this?") : _("Take this back?"), &go,
                         ret_exit, err))
        return false;
    if (!go)
        return true;
    *ret_exit = STATUS_FAILED;
    if (!connect_again(work, &session, err) ||
        !command_context_use(&work->context, work->plan, err))
        return false;
    work->context.session = session;
    work->context.undo_changed = option_get(in, "force") != NULL;
    work->context.may_force = option_get(in, "force-stop") != NULL;
    if (plan_only_looks(work->plan)) {
        work->forward = false; /* nothing to finish, and nothing to remember */
        ok = plan_undo(work->plan, &work->context, err) &&
             journal_forget(work->context.journal, work->plan->id, err);
    } else {
        ok = work->forward ? plan_run(work->plan, &work->context, err)
                           : plan_undo(work->plan, &work->context, err);
    }
    if (work->context.guest) /* before its session goes */
        work->context.close_guest(&work->context);
    work->context.session = NULL;
    if (in->progress)
        progress_bar_clear((struct progress_bar *)in->progress);
    if (!ok)
        return false;
    *ret_exit = STATUS_DONE;
    return ends_with_plan(work, err);
}

static bool with_journal(struct work *work, int *ret_exit, struct err *err)
{
    const struct invocation *in = work->in;
    struct err why = ERR_INIT;
    enum run_state state;
    bool is_already;

    work->plan = journal_load(work->context.journal, work->id, work->resume,
                              work->context.kinds, &why);
    if (!work->plan && why.kind == ERR_NOT_FOUND && !*work->id)
        return nothing_to_do(in, &why, ret_exit, err);
    if (!work->plan) {
        *err = why;
        return false;
    }
    return journal_run_state(work->context.journal, work->plan->id, &state, err) &&
           already(work, state, &is_already, ret_exit, err) &&
           (is_already || carry_out(work, ret_exit, err));
}

static bool take(const struct invocation *in, const char *id, bool resume, int *ret_exit,
                 struct err *err)
{
    struct work work = { .in = in, .id = id, .resume = resume };
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!command_context_open(in, NULL, &work.context, err))
        return false;
    share_context_init(&work.context);
    ok = with_journal(&work, ret_exit, err);
    plan_free(work.plan);
    share_context_clear(&work.context);
    command_context_close(&work.context);
    return ok;
}

static const char *id_of(const struct invocation *in)
{
    return in->operand_count > 0 ? in->operands[0] : "";
}

bool history_undo(const struct invocation *in, const char *id, int *ret_exit,
                  struct err *err)
{
    return take(in, id, false, ret_exit, err);
}

static bool run_undo(const struct invocation *in, int *ret_exit, struct err *err)
{
    return take(in, id_of(in), false, ret_exit, err);
}

static bool run_resume(const struct invocation *in, int *ret_exit, struct err *err)
{
    return take(in, id_of(in), true, ret_exit, err);
}

/* A run was on one host, which it remembers; its VM may be on another one meanwhile. */
static bool check_host(const struct invocation *in, struct err *err)
{
    const char *name = option_get_nth(in, "host", 0);

    if (!name)
        return true;
    if (option_get_nth(in, "host", 1))
        err_fail(err, ERR_INVALID, 0, _("'%s' works on one host"), in->command->name);
    else if (text_ieq(name, "auto"))
        err_fail(err, ERR_INVALID, 0, _("'%s' does not choose a host by itself"),
                 in->command->name);
    else
        return true;
    return err_hint(err,
                    _("leave -H out, as a run remembers its host, or name the one that "
                      "its VM is on now"));
}

static const struct option_spec undo_options[] = {
    { "force", 0, NULL, N_("also what others have changed since") },
    { "force-stop", 0, NULL, N_("turn the VM off where it has to be off") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_undo = {
    .name = "undo",
    .operands = "[ID]",
    .summary = N_("take a run back, the newest by default"),
    .flags = CMD_CHANGES,
    .options = undo_options,
    .check = check_host,
    .run = run_undo,
};

const struct command cmd_resume = {
    .name = "resume",
    .operands = "[ID]",
    .summary = N_("finish a run that was interrupted"),
    .flags = CMD_CHANGES,
    .check = check_host,
    .run = run_resume,
};
