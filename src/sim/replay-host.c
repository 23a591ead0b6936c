/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests put to a recording, and its answers as the host's own. */

#include "replay-host.h"

#include <string.h>

#include "command.h"
#include "err.h"
#include "schema.h"
#include "session.h"
#include "wql.h"

enum { NO_COMMAND = 9009 /* cmd.exe: no such command */ };

static bool refuse(struct sim_fault *fault, const struct err *err)
{
    const char *why = err->text[0]; /* the rest the client says itself */
    uint32_t code = (uint32_t)err->code;

    if (err->kind == ERR_NOT_FOUND)
        return sim_refuse(fault, "a:DestinationUnreachable",
                          code ? code : CODE_RESOURCE_NOT_FOUND, "%s", why);
    if (err->kind == ERR_DENIED)
        return sim_refuse(fault, "w:AccessDenied", code ? code : CODE_ACCESS_DENIED, "%s",
                          why);
    return sim_refuse(fault, "w:InternalError", code ? code : CODE_WBEM_NOT_FOUND, "%s",
                      why);
}

struct rows {
    struct operation *op;
    const char *ns, *subject;
    query_row_fn *on_row;
    void *user;
    bool is_refused; /* by on_row, with the operation's fault */
};

static const struct cim_class *class_of(const struct cim_instance *row, const char *ns,
                                        const char *otherwise)
{
    const struct cim_class *class =
        row->class_name ? cim_schema_class(ns, row->class_name) : NULL;

    return class ? class : cim_schema_class(ns, otherwise);
}

static bool hand_on(const struct cim_instance *row, void *user, struct err *err)
{
    struct rows *rows = user;
    const struct cim_class *class = class_of(row, rows->ns, rows->subject);

    if (!class)
        return err_fail(err, ERR_NOT_FOUND, 0, "hvgpu-sim knows no class %.80s",
                        rows->subject);
    if (rows->on_row(row, class, rows->user, rows->op->fault))
        return true;
    rows->is_refused = true;
    return err_fail(err, ERR_PROTOCOL, 0, "an item cannot be written");
}

bool replay_query(struct operation *op, const char *ns, const char *wql,
                  query_row_fn *on_row, void *user)
{
    struct rows rows = { .op = op, .ns = ns, .on_row = on_row, .user = user };
    CLEANUP(wql_cleanup) struct wql_query *query = NULL;
    struct err err = ERR_INIT;

    if (!wql)
        return sim_unknown(op->fault, "anything but WQL put to a recording");
    query = wql_parse(wql, &err);
    if (query) {
        rows.subject = wql_subject(query);
        if (cim_query(op->host->replay, ns, wql, hand_on, &rows, &err))
            return true;
    }
    return rows.is_refused ? false : refuse(op->fault, &err);
}

bool replay_get(struct operation *op, const struct cim_path *path)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *found = NULL;
    const struct cim_class *class;
    struct err err = ERR_INIT;

    if (!cim_fetch(op->host->replay, path, &found, &err))
        return refuse(op->fault, &err);
    class = class_of(found, path->ns, path->class_name);
    if (!class)
        return sim_unknown(op->fault, path->class_name);
    soap_put_instance(op->to, found, class, op->host->build);
    return true;
}

bool replay_invoke(struct operation *op, const struct cim_path *path, const char *method,
                   const struct cim_instance *in, struct cim_instance **ret_out)
{
    struct err err = ERR_INIT;

    return cim_invoke(op->host->replay, path, method, in, ret_out, &err) ||
           refuse(op->fault, &err);
}

bool replay_put(struct operation *op)
{
    return sim_refuse(op->fault, "w:AccessDenied", CODE_ACCESS_DENIED,
                      "This host is a recording: nothing of it can be changed.");
}

struct output {
    const struct sim_command *command;
};

static bool pass_output(const char *text, size_t len, bool is_stderr, void *user,
                        struct err *err)
{
    const struct output *output = user;

    (void)err;
    if (output->command->on_output)
        output->command->on_output(text, len, is_stderr, output->command->user);
    return true;
}

uint32_t replay_command(const struct sim_command *command)
{
    struct output output = { command };
    const struct shell_command asked = { .line = command->line,
                                         .on_output = pass_output,
                                         .user = &output };
    struct err err = ERR_INIT;
    uint32_t code = 0;
    bool ok;

    pthread_mutex_lock(command->host->lock);
    ok = cim_run(command->host->replay, &asked, &code, &err);
    pthread_mutex_unlock(command->host->lock);
    if (!ok) {
        const char *why = err.text[0];

        pass_output(why, strlen(why), true, &output, &err);
        pass_output("\r\n", 2, true, &output, &err);
        return NO_COMMAND;
    }
    return code;
}
