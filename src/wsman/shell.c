/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands on the host through a Windows remote shell (MS-WSMV 3.1.4.1.31): create a shell
 * once per session, start the command, receive until it is done, signal, and delete the
 * shell with the session.
 */

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "names.h"
#include "os.h"
#include "text.h"
#include "shell-answer.h"
#include "wsman-session.h"
#include "xml.h"

enum { TIDY_UP_MS = 5000, RECEIVE_MAX_MS = 30000, RECEIVE_MARGIN_MS = 5000 };

/* Sends what is in @body and reads the answer into @a. */
static bool ask(struct wsman_session *ws, struct strbuf *body, const struct wsman_send *how,
                struct shell_answer *a, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    struct soap_answer got;

    if (!wsman_send(ws, body, how, &answer, err))
        return false;
    got = wsman_answer(ws, &answer);
    return shell_answer_read(&got, a, err);
}

/* The shell ends by itself some time after its user is gone. */
static bool create_shell(struct wsman_session *ws, struct err *err)
{
    static const char *const options[] = { "WINRS_NOPROFILE", "TRUE", "WINRS_CODEPAGE",
                                           "65001", NULL };
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct envelope e = { .action = ACTION_CREATE,
                          .resource_uri = SHELL_URI,
                          .options = options };
    struct shell_answer a = { 0 };
    bool ok;

    wsman_begin(ws, &body, &e);
    strbuf_puts(&body, "<rsp:Shell xmlns:rsp=\"" NS_SHELL "\"><rsp:IdleTimeOut>PT900.000S"
                       "</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
                       "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>");
    ok = ask(ws, &body, &(struct wsman_send){ 0 }, &a, err);
    free(a.command_id);
    if (ok && (!a.shell_id || !*a.shell_id))
        ok = err_fail(err, ERR_PROTOCOL, 0, "the host made a shell without an id");
    if (ok)
        ws->shell_id = TAKE(a.shell_id);
    free(a.shell_id);
    return ok || err_wrap(err, "opening a remote shell");
}

void wsman_shell_close(struct wsman_session *ws)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    struct envelope e = { .action = ACTION_DELETE,
                          .resource_uri = SHELL_URI,
                          .shell_id = ws->shell_id };
    struct wsman_send how = { .even_if_cancelled = true, .timeout_ms = TIDY_UP_MS };
    struct err ignored = ERR_INIT;

    if (!ws->shell_id)
        return;
    wsman_begin(ws, &body, &e);
    (void)!wsman_send(ws, &body, &how, &answer, &ignored);
    free(TAKE(ws->shell_id));
}

/* *ret_id is owned by the caller. */
static bool start_command(struct wsman_session *ws, const char *line, char **ret_id,
                          struct err *err)
{
    static const char *const options[] = { "WINRS_CONSOLEMODE_STDIN", "TRUE",
                                           "WINRS_SKIP_CMD_SHELL", "FALSE", NULL };
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct envelope e = { .action = ACTION_COMMAND,
                          .resource_uri = SHELL_URI,
                          .shell_id = ws->shell_id,
                          .options = options };
    struct shell_answer a = { 0 };
    bool ok;

    wsman_begin(ws, &body, &e);
    strbuf_puts(&body, "<rsp:CommandLine xmlns:rsp=\"" NS_SHELL "\"><rsp:Command>");
    xml_put_text(&body, line);
    strbuf_puts(&body, "</rsp:Command></rsp:CommandLine>");
    ok = ask(ws, &body, &(struct wsman_send){ 0 }, &a, err);
    free(a.shell_id);
    if (ok && (!a.command_id || !*a.command_id))
        ok = err_fail(err, ERR_PROTOCOL, 0, "the host started a command without an id");
    if (ok)
        *ret_id = TAKE(a.command_id);
    free(a.command_id);
    return ok;
}

/* The shell may have ended since the last command: then the command was not started, and
 * a new shell may have it. */
static bool start_in_shell(struct wsman_session *ws, const char *line, char **ret_id,
                           struct err *err)
{
    bool was_open = ws->shell_id != NULL;

    if (!was_open && !create_shell(ws, err))
        return false;
    if (start_command(ws, line, ret_id, err))
        return true;
    if (!was_open || err->code != WSMAN_INVALID_SELECTORS)
        return false;
    free(TAKE(ws->shell_id));
    return create_shell(ws, err) && start_command(ws, line, ret_id, err);
}

/* Frees what the command holds on the host, and ends it if it still runs. */
static void terminate(struct wsman_session *ws, const char *command_id)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    struct envelope e = { .action = ACTION_SIGNAL,
                          .resource_uri = SHELL_URI,
                          .shell_id = ws->shell_id };
    struct wsman_send how = { .even_if_cancelled = true, .timeout_ms = TIDY_UP_MS };
    struct err ignored = ERR_INIT;

    wsman_begin(ws, &body, &e);
    strbuf_puts(&body, "<rsp:Signal xmlns:rsp=\"" NS_SHELL "\" CommandId=\"");
    xml_put_text(&body, command_id);
    strbuf_puts(&body,
                "\"><rsp:Code>" NS_SHELL "/signal/terminate</rsp:Code></rsp:Signal>");
    (void)!wsman_send(ws, &body, &how, &answer, &ignored);
}

static bool receive(struct wsman_session *ws, const char *command_id, unsigned wait_ms,
                    struct shell_answer *a, struct err *err)
{
    static const char *const options[] = { "WSMAN_CMDSHELL_OPTION_KEEPALIVE", "TRUE",
                                           NULL };
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct envelope e = { .action = ACTION_RECEIVE,
                          .resource_uri = SHELL_URI,
                          .shell_id = ws->shell_id,
                          .options = options,
                          .timeout_ms = wait_ms };
    struct wsman_send how = { .timeout_ms = wait_ms + RECEIVE_MARGIN_MS };

    wsman_begin(ws, &body, &e);
    strbuf_puts(&body,
                "<rsp:Receive xmlns:rsp=\"" NS_SHELL "\"><rsp:DesiredStream CommandId=\"");
    xml_put_text(&body, command_id);
    strbuf_puts(&body, "\">stdout stderr</rsp:DesiredStream></rsp:Receive>");
    if (ask(ws, &body, &how, a, err))
        return true;
    /* Nothing to say yet: not an error (MS-WSMV 3.1.4.14). */
    return err->code == WSMAN_TIMED_OUT;
}

/* Hosts refuse timeouts under half a second. */
static unsigned wait_for(unsigned left_ms)
{
    return left_ms > RECEIVE_MAX_MS ? RECEIVE_MAX_MS : left_ms < 1000 ? 1000 : left_ms;
}

static bool receive_all(struct wsman_session *ws, const char *command_id,
                        const struct shell_command *command, uint32_t *ret_exit_code,
                        struct err *err)
{
    struct stream streams[2] = { { .is_stderr = false }, { .is_stderr = true } };
    struct shell_answer a = { .command = command, .streams = streams };
    unsigned limit = command->timeout_ms ? command->timeout_ms : ws->timeout_ms;
    uint64_t start = os_monotonic_ms();
    bool ok = true;

    while (ok && !a.is_done) {
        uint64_t used = os_monotonic_ms() - start;
        unsigned left = used < limit ? limit - (unsigned)used : 0;

        if (ws->is_cancelled && ws->is_cancelled(ws->cancel_user))
            ok = err_fail(err, ERR_CANCELLED, 0, "stopped");
        else if (left == 0)
            ok = err_fail(err, ERR_UNREACHABLE, 0, "the command was not done after %u s",
                          limit / 1000);
        else
            ok = receive(ws, command_id, wait_for(left), &a, err);
    }
    ok = ok && shell_answer_flush(&a, err);
    free(a.shell_id);
    free(a.command_id);
    if (ok && !a.has_exit_code)
        ok = err_fail(err, ERR_PROTOCOL, 0, "the command ended without an exit code");
    if (ok)
        *ret_exit_code = a.exit_code;
    return ok;
}

bool wsman_run(struct cim_session *self, const struct shell_command *command,
               uint32_t *ret_exit_code, struct err *err)
{
    struct wsman_session *ws = (struct wsman_session *)self;
    CLEANUP(free_cleanup) char *id = NULL;
    bool ok;

    if (!start_in_shell(ws, command->line, &id, err))
        return false;
    ok = receive_all(ws, id, command, ret_exit_code, err);
    terminate(ws, id);
    return ok;
}
