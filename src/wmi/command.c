/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands on the machine itself, as a session runs them on a remote one: by cmd.exe, its
 * output in UTF-8 while it comes, for a limited time, and nothing left running behind.
 */

#include "console-text.h"
#include "err.h"
#include "os.h"
#include "shell-win32.h"
#include "wmi-session.h"

enum {
    LOOK_MS = 20,     /* this long one pipe is waited for before the rest is looked at */
    PIECES_MOST = 64, /* read from one pipe without looking at anything else */
    GRACE_MS = 2000,  /* for output of what still runs when cmd.exe has ended */
};

struct stream {
    struct child *child;
    enum child_pipe_name pipe;
    struct console_text text;
    bool is_gone; /* nobody can write into it any more */
};

static bool give(const char *text, size_t len, bool is_stderr, void *user, struct err *err)
{
    const struct shell_command *command = user;

    return !command->on_output ||
           command->on_output(text, len, is_stderr, command->user, err);
}

/* What comes until then, or much of it: who never stops writing is stopped, too.  *ret_some:
 * there was something. */
static bool receive(struct stream *s, uint64_t until, bool *ret_some, struct err *err)
{
    char bytes[8192];

    for (int n = 0; n < PIECES_MOST && !s->is_gone; n++) {
        size_t len = 0;

        switch (child_read(s->child, s->pipe, bytes, sizeof(bytes), until, &len)) {
        case CHILD_LATE:
            return true;
        case CHILD_GONE:
            s->is_gone = true;
            break;
        case CHILD_DONE:
            *ret_some = true;
            if (!console_text_add(&s->text, bytes, len, err))
                return false;
        }
    }
    return true;
}

static bool receive_all(const struct wmi_session *ws, struct child *child,
                        struct stream *out, struct stream *errors, unsigned limit_ms,
                        struct err *err)
{
    uint64_t begin = os_monotonic_ms(), ended = 0;

    for (;;) {
        uint64_t now = os_monotonic_ms();
        bool is_done = child_wait(child, now), some = false;

        if (is_done && !ended)
            ended = now;
        if (!receive(out, now + LOOK_MS, &some, err) ||
            !receive(errors, out->is_gone ? now + LOOK_MS : now, &some, err))
            return false;
        /* What it left behind may still hold the pipes; it is not waited for for long. */
        if (is_done && !some &&
            ((out->is_gone && errors->is_gone) || now - ended >= GRACE_MS))
            return true;
        if (!wmi_go_on(ws, err))
            return false;
        if (now - begin >= limit_ms)
            return err_fail(err, ERR_UNREACHABLE, 0, "the command was not done after %u s",
                            limit_ms / 1000);
        if (out->is_gone && errors->is_gone)
            child_wait(child, now + LOOK_MS);
    }
}

bool wmi_run(struct cim_session *self, const struct shell_command *command,
             uint32_t *ret_exit_code, struct err *err)
{
    const struct wmi_session *ws = (const struct wmi_session *)self;
    CLEANUP(shell_cleanup) struct shell shell = SHELL_INIT;
    struct stream streams[CHILD_PIPES];
    unsigned limit_ms = command->timeout_ms ? command->timeout_ms : ws->timeout_ms;
    bool ok;

    if (ws->may_change && !command->reads_only && !ws->may_change(NULL, err))
        return false;
    for (int i = 0; i < CHILD_PIPES; i++) {
        streams[i] = (struct stream){ .child = &shell.child, .pipe = i };
        console_text_init(&streams[i].text, i == CHILD_ERRORS, give,
                          (void *)(uintptr_t)command);
    }
    ok = shell_start(&shell, command->line, err) &&
         receive_all(ws, &shell.child, &streams[CHILD_PIPE], &streams[CHILD_ERRORS],
                     limit_ms, err) &&
         console_text_end(&streams[CHILD_PIPE].text, err) &&
         console_text_end(&streams[CHILD_ERRORS].text, err);
    for (int i = 0; i < CHILD_PIPES; i++)
        console_text_free(&streams[i].text);
    if (ok)
        *ret_exit_code = child_status(&shell.child);
    return ok;
}
