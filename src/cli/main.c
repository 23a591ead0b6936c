/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvgpu: from a command line to an exit status.
 *
 * Exit: 0 done, 1 failed, 2 wrong usage or confirmation missing, 3 a check found errors,
 * 4 some hosts failed and others not.
 */
#include <string.h>

#include "change.h"
#include "cluster-hosts.h"
#include "collect.h"
#include "help.h"
#include "host-views.h"
#include "options.h"
#include "os.h"
#include "progress-bar.h"
#include "sandbox.h"
#include "session.h"
#include "language.h"
#include "text.h"
#include "tr.h"

enum { JOBS_DEFAULT = 16, JOBS_MOST = 256, TIMEOUT_MOST_S = 24 * 3600 };

struct app {
    struct command_line line;
    struct output out;
    struct host_list hosts;
    struct connector connector;
    struct progress_bar bar;
    struct invocation in;
    uint64_t jobs;
    size_t chosen; /* the host of a command that works on one */
};

struct cim_session *command_connect(const struct invocation *in, const char *host,
                                    struct err *err)
{
    const struct host_target *target;

    if (!host_list_find(in->connector->hosts, in->values, host, &target, err) ||
        !change_may_begin(in, target, err))
        return NULL;
    return connector_open(in->connector, target, err);
}

static bool check_dry_run(const char *form, struct err *err)
{
    if (!form || !*form || strcmp(form, "powershell") == 0)
        return true;
    err_fail(err, ERR_INVALID, 0, _("'%.40s' is no form of a dry run"), form);
    return err_hint(err, _("there are --dry-run and --dry-run=powershell"));
}

/* Wrong values of options are wrong usage, so they are looked at before anything else. */
static bool read_options(struct app *app, struct err *err)
{
    const struct option_values *values = &app->line.values;
    uint64_t seconds = 0;

    app->in = (struct invocation){ .command = app->line.command,
                                   .operand_count = app->line.operand_count,
                                   .operands = app->line.operands,
                                   .values = values,
                                   .connector = &app->connector,
                                   .out = &app->out,
                                   .progress = &app->bar.base,
                                   .json = app->out.json,
                                   .verbose = values_get(values, "verbose"),
                                   .quiet = app->out.quiet };
    app->jobs = JOBS_DEFAULT;
    if (!option_get_u64(&app->in, "jobs", &app->jobs, err) ||
        !option_get_u64(&app->in, "timeout", &seconds, err) ||
        !check_dry_run(values_get(values, "dry-run"), err))
        return false;
    if (app->jobs < 1 || app->jobs > JOBS_MOST)
        return err_fail(err, ERR_INVALID, 0, _("--jobs takes 1 to %d"), JOBS_MOST);
    if (seconds > TIMEOUT_MOST_S)
        return err_fail(err, ERR_INVALID, 0, _("--timeout takes at most %d seconds"),
                        TIMEOUT_MOST_S);
    app->connector = (struct connector){ .values = values,
                                         .hosts = &app->hosts,
                                         .verbose = app->in.verbose,
                                         .timeout_ms = seconds * 1000 };
    return true;
}

/* For commands that work on one host: opens its session. */
static bool run_on_one(struct app *app, int *ret_exit, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    bool ok;

    if (app->line.command->flags & CMD_HOST) {
        if (!change_may_begin(&app->in, &app->hosts.items[app->chosen], err))
            return false;
        session = connector_open(&app->connector, &app->hosts.items[app->chosen], err);
        if (!session)
            return err_wrap(err, "%.80s", app->hosts.items[app->chosen].name);
        app->in.session = session;
        app->in.host = app->hosts.items[app->chosen].name;
    }
    ok = app->line.command->plan ? change_run(&app->in, ret_exit, err)
                                 : app->line.command->run(&app->in, ret_exit, err);
    app->in.session = NULL;
    return ok;
}

/* Commands for one host that find out which one. */
static bool may_choose(const struct app *app)
{
    return app->line.command->choose &&
           (app->hosts.is_auto || values_get(&app->line.values, "cluster"));
}

static bool check_host_count(const struct app *app, struct err *err)
{
    if (!(app->line.command->flags & CMD_ONE_HOST) || app->hosts.count == 1)
        return true;
    err_fail(err, ERR_INVALID, 0, _("'%s' works on one host, not on %zu"),
             app->line.command->name, app->hosts.count);
    return err_hint(err, app->line.command->choose
                             ? _("name one of them with -H, or let it choose with -H auto")
                             : _("name one of them with -H"));
}

/* "auto" is for commands that find out which host a VM is on; others say what they take. */
static bool check_auto(const struct app *app, struct err *err)
{
    const struct command *command = app->line.command;
    bool is_auto = false;
    const char *name;

    for (size_t n = 0; (name = values_get_nth(&app->line.values, "host", n)); n++)
        is_auto |= text_ieq(name, "auto");
    if (!is_auto || command->choose)
        return true;
    err_fail(err, ERR_INVALID, 0, _("'%s' does not choose a host by itself"),
             command->name);
    if (!(command->flags & CMD_HOST))
        return err_hint(err, _("leave -H out"));
    if (command->hosts)
        return err_hint(err, _("leave -H out: the file names its hosts"));
    return err_hint(err,
                    command->flags & CMD_ONE_HOST
                        ? _("name it with -H")
                        : _("name it with -H; --cluster takes all nodes of a cluster"));
}

static bool choose_host(struct app *app, struct err *err)
{
    const struct command *command = app->line.command;
    struct host_views views;
    bool ok;

    if (!host_views_read(&app->in, &app->hosts, command->choose_what, &views, err))
        return false;
    ok = command->choose(&app->in, &views, &app->chosen, err);
    host_views_clear(&views);
    /* A command that looks at all hosts of the list looks at this one then. */
    if (ok && command->collect)
        host_list_keep(&app->hosts, app->chosen);
    return ok;
}

static bool run_command(struct app *app, int *ret_exit, struct err *err)
{
    const struct command *command = app->line.command;
    bool alone;

    *ret_exit = STATUS_USAGE;
    if (!read_options(app, err) || (command->check && !command->check(&app->in, err)) ||
        !check_auto(app, err))
        return false;
    alone = command->is_alone && command->is_alone(&app->in);
    if ((command->flags & CMD_HOST) && !alone) {
        if (!(command->hosts ? command->hosts(&app->in, &app->hosts, err)
                             : host_list_make(app->in.values, &app->hosts, err))) {
            *ret_exit = err->kind == ERR_INVALID || err->kind == ERR_UNSUPPORTED
                            ? STATUS_USAGE
                            : STATUS_FAILED;
            return false;
        }
        if (!may_choose(app) && !check_host_count(app, err))
            return false;
    }
    *ret_exit = STATUS_FAILED;
    if (alone)
        return command->run(&app->in, ret_exit, err);
    /* Once more for nodes that have a user of their own in the inventory. */
    if (!host_list_ask(&app->hosts, err) ||
        !cluster_hosts_expand(&app->in, &app->hosts, err) ||
        !host_list_ask(&app->hosts, err))
        return false;
    if (may_choose(app) && app->hosts.count > 1) {
        if (!choose_host(app, err)) {
            if (err->kind == ERR_INVALID)
                *ret_exit = STATUS_USAGE;
            return false;
        }
    } else if (!check_host_count(app, err)) {
        *ret_exit = STATUS_USAGE;
        return false;
    }
    if (command->collect)
        return collect_run(&app->in, &app->connector, &app->hosts, (unsigned)app->jobs,
                           ret_exit, err);
    if (command->flags & CMD_FLEET)
        return command->run(&app->in, ret_exit, err);
    return run_on_one(app, ret_exit, err);
}

static bool run_line(struct app *app, int *ret_exit, struct err *err)
{
    const struct command_line *line = &app->line;

    *ret_exit = STATUS_DONE;
    if (line->version && !line->command) {
        help_version(&app->out);
        return true;
    }
    if (line->help && line->command) {
        help_command(&app->out, line->command);
        return true;
    }
    if (line->help) {
        help_all(&app->out);
        return true;
    }
    if (!line->command) {
        *ret_exit = STATUS_USAGE;
        err_fail(err, ERR_INVALID, 0, _("no command was given"));
        return err_hint(err, _("see 'hvgpu --help'"));
    }
    return run_command(app, ret_exit, err);
}

static void prepare_output(struct app *app)
{
    const struct option_values *values = &app->line.values;
    bool explains = app->line.help || app->line.version;

    output_init(&app->out, values_get(values, "json") && !explains,
                values_get(values, "quiet"), values_get(values, "no-color"));
    progress_bar_init(&app->bar, &app->out);
}

/* Somebody has opened it in a folder's window: what he sees is how things are, what there is
 * to say to it, and all of that until he has read it. */
static bool take_double_click(int *argc, char ***argv)
{
    static char name[] = "hvgpu", word[] = "status";
    static char *words[] = { name, word, NULL };

    if (*argc != 1 || !os_has_own_window())
        return false;
    *argc = 2;
    *argv = words;
    return true;
}

static void stay_open(struct app *app)
{
    output_text(&app->out, "\n");
    help_all(&app->out);
    output_text(&app->out, "\n");
    output_text(&app->out, _("To say more to it, open a terminal in this folder.\n"));
    output_text(&app->out, _("Any key closes this window.\n"));
    fflush(stdout);
    os_wait_for_key();
}

int main(int argc, char **argv)
{
    struct app app = { 0 };
    struct err err = ERR_INIT;
    int status = STATUS_USAGE;
    bool ok, is_double_click;

    os_arguments(&argc, &argv);
    sandbox_main(argc, argv);
    is_double_click = take_double_click(&argc, &argv);
    language_init();
    tr_translate(!command_line_asks_json(argc, argv));
    os_terminal_setup();
    os_catch_interrupt();
    ok = command_line_parse(argc, argv, hvgpu_commands, &app.line, &err);
    prepare_output(&app);
    if (!ok && command_line_asks_json(argc, argv))
        app.out.json = true;
    ok = ok && run_line(&app, &status, &err);
    progress_bar_clear(&app.bar);
    if (!ok) {
        output_error(&app.out, NULL, &err);
        if (status == STATUS_DONE)
            status = STATUS_FAILED;
    }
    if (is_double_click)
        stay_open(&app);
    if (app.in.command && app.in.command->end)
        app.in.command->end(&app.in);
    host_list_free(&app.hosts);
    command_line_free(&app.line);
    if (fflush(stdout) != 0 && status == STATUS_DONE)
        status = STATUS_FAILED;
    return status;
}
