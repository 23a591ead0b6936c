/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands on the host through a Windows remote shell (MS-WSMV 3.1.4.1.31): create a shell
 * once per session, start the command, receive until it is done, signal, and delete the
 * shell with the session.
 */

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base64.h"
#include "err.h"
#include "names.h"
#include "os.h"
#include "text.h"
#include "wsman-session.h"

enum { TIDY_UP_MS = 5000, RECEIVE_MAX_MS = 30000, RECEIVE_MARGIN_MS = 5000 };

/* Output arrives in pieces that may end within a letter: the cut letter waits here. */
struct stream {
    bool is_stderr;
    char rest[4];
    size_t rest_len;
};

struct shell_answer {
    char *shell_id, *command_id;
    const struct shell_command *command; /* for Receive */
    struct stream *streams;              /* two */
    struct stream *current;              /* of the rsp:Stream being read */
    bool in_shell_selector;
    bool is_done, has_exit_code;
    uint32_t exit_code;
};

/* The length of the letter that begins with @c; 0 if none does. */
static size_t letter_len(unsigned char c)
{
    return c < 0x80                ? 1
           : c >= 0xC2 && c < 0xE0 ? 2
           : c >= 0xE0 && c < 0xF0 ? 3
           : c >= 0xF0 && c < 0xF5 ? 4
                                   : 0;
}

/* Copies what is UTF-8 to @to, and U+FFFD for what is not.  Keeps a letter whose end has
 * not arrived, unless this is the end. */
static void put_utf8(struct stream *s, const char *bytes, size_t len, bool is_end,
                     struct strbuf *to)
{
    CLEANUP(strbuf_cleanup) struct strbuf all = STRBUF_INIT;
    size_t at = 0;

    strbuf_add(&all, s->rest, s->rest_len);
    strbuf_add(&all, bytes, len);
    s->rest_len = 0;
    if (all.failed)
        to->failed = true;
    while (!all.failed && at < all.len) {
        size_t need = letter_len((unsigned char)all.text[at]), have = 1;

        while (have < need && at + have < all.len &&
               ((unsigned char)all.text[at + have] & 0xC0) == 0x80)
            have++;
        if (need > have && at + have == all.len && !is_end) {
            memcpy(s->rest, all.text + at, have);
            s->rest_len = have;
            return;
        }
        if (need && need == have && text_is_utf8(all.text + at, need))
            strbuf_add(to, all.text + at, need);
        else
            strbuf_puts(to, "\xEF\xBF\xBD");
        at += have;
    }
}

static bool emit(struct shell_answer *a, struct stream *s, const char *bytes, size_t len,
                 bool is_end, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    put_utf8(s, bytes, len, is_end, &text);
    if (text.failed)
        return err_no_memory(err);
    if (text.len == 0 || !a->command->on_output)
        return true;
    return a->command->on_output(text.text, text.len, s->is_stderr, a->command->user, err);
}

static bool shell_start(void *user, const struct xml_element *e, struct err *err)
{
    struct shell_answer *a = user;
    const char *name, *state;

    if (xml_is(e, NS_SHELL, "Stream") && a->streams) {
        name = xml_attr(e, "", "Name");
        a->current = &a->streams[name && strcmp(name, "stderr") == 0];
    } else if (xml_is(e, NS_SHELL, "CommandState")) {
        state = xml_attr(e, "", "State");
        a->is_done = state && text_iends(state, "/CommandState/Done");
    } else if (xml_is(e, NS_WSMAN, "Selector")) {
        name = xml_attr(e, "", "Name");
        a->in_shell_selector = name && strcmp(name, "ShellId") == 0;
    }
    return true;
}

static bool end_stream(struct shell_answer *a, const struct xml_element *e, struct err *err)
{
    CLEANUP(free_cleanup) char *text = text_ndup(e->text, e->text_len);
    size_t len;

    if (!text)
        return err_no_memory(err);
    if (!base64_decode(text, e->text_len, &len))
        return err_fail(err, ERR_PROTOCOL, 0, "the output of the command is not base64");
    return emit(a, a->current, text, len, false, err);
}

static bool keep(char **to, const char *text, struct err *err)
{
    free(*to);
    *to = text_dup(text);
    return *to || err_no_memory(err);
}

static bool shell_end(void *user, const struct xml_element *e, struct err *err)
{
    struct shell_answer *a = user;
    uint64_t code;

    /* The id of a new shell is in its reference, and in the shell itself where that is sent. */
    if (a->in_shell_selector && xml_is(e, NS_WSMAN, "Selector")) {
        a->in_shell_selector = false;
        return keep(&a->shell_id, e->text, err);
    }
    if (strcmp(e->ns, NS_SHELL) != 0)
        return true;
    if (strcmp(e->name, "ShellId") == 0)
        return keep(&a->shell_id, e->text, err);
    if (strcmp(e->name, "CommandId") == 0)
        return keep(&a->command_id, e->text, err);
    if (strcmp(e->name, "Stream") == 0 && a->current)
        return end_stream(a, e, err);
    if (strcmp(e->name, "ExitCode") == 0) {
        int64_t negative;

        if (text_to_u64(e->text, 10, &code) && code <= UINT32_MAX)
            a->exit_code = (uint32_t)code;
        else if (text_to_i64(e->text, 10, &negative) && negative < 0 &&
                 negative >= INT32_MIN)
            a->exit_code = (uint32_t)(int32_t)negative;
        else
            return err_fail(err, ERR_PROTOCOL, 0, "'%.40s' is no exit code", e->text);
        a->has_exit_code = true;
    }
    return true;
}

/* Sends what is in @body and reads the answer into @a. */
static bool ask(struct wsman_session *ws, struct strbuf *body, const struct wsman_send *how,
                struct shell_answer *a, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    struct xml_handler handler = { .on_start = shell_start,
                                   .on_end = shell_end,
                                   .user = a };

    return wsman_send(ws, body, how, &answer, err) &&
           answer_read(answer.text, answer.len, &handler, err);
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
    for (size_t i = 0; ok && i < 2; i++)
        ok = emit(&a, &streams[i], "", 0, true, err);
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
