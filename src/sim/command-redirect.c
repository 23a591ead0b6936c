/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Redirection of a command's output to files, NUL and the other stream, as cmd.exe reads it
 * from the line.
 *
 * Source: MicrosoftDocs/windowsserverdocs administration/windows-commands/cmd.md.
 */
#include <stdlib.h>
#include <string.h>

#include "command-inside.h"
#include "text.h"

void streams_clear(struct streams *streams)
{
    for (unsigned i = 0; i < 2; i++) {
        free(streams->to[i].file);
        strbuf_free(&streams->to[i].text);
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

char *take_word(const char **at)
{
    CLEANUP(strbuf_cleanup) struct strbuf word = STRBUF_INIT;
    bool quoted = false;

    while (is_blank(**at))
        (*at)++;
    for (; **at && (quoted || !strchr(" \t&|<>", **at)); (*at)++) {
        if (**at == '"')
            quoted = !quoted;
        else
            strbuf_putc(&word, **at);
    }
    return strbuf_take(&word);
}

bool take_redirect(struct task *task, unsigned stream, const char **at)
{
    struct redirect *to = &task->streams->to[stream];
    CLEANUP(free_cleanup) char *word = NULL;

    (*at)++;
    to->append = **at == '>';
    if (to->append)
        (*at)++;
    if (**at == '&') {
        if ((*at)[1] != (stream ? '1' : '2'))
            return false;
        *at += 2;
        to->kind = TO_OTHER;
        return true;
    }
    word = take_word(at);
    if (!word || !*word)
        return false;
    if (text_ieq(word, "NUL")) {
        to->kind = TO_NUL;
        return true;
    }
    free(to->file);
    to->file = task_path(task, word);
    to->kind = TO_FILE;
    return to->file != NULL;
}

/* Cuts redirections out of @text and resolves '^'.  The rest is owned by the caller;
 * NULL with a message: not understood. */
char *strip_redirects(struct task *task, const char *text, size_t len)
{
    CLEANUP(free_cleanup) char *copy = text_ndup(text, len);
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;
    bool quoted = false;
    const char *at = copy;

    while (at && *at) {
        bool number = !quoted && (*at == '1' || *at == '2') && at[1] == '>' &&
                      (at == copy || is_blank(at[-1]));

        if (*at == '"') {
            quoted = !quoted;
            strbuf_putc(&to, *at++);
        } else if (!quoted && *at == '^' && at[1]) {
            strbuf_putc(&to, at[1]);
            at += 2;
        } else if (number || (!quoted && *at == '>')) {
            unsigned stream = number && *at == '2';

            at += number;
            if (!take_redirect(task, stream, &at)) {
                complain(task, "The syntax of the command is incorrect.\r\n");
                return NULL;
            }
        } else if (!quoted && (*at == '<' || *at == '|')) {
            not_simulated(task, "redirected input and pipes");
            return NULL;
        } else {
            strbuf_putc(&to, *at++);
        }
    }
    return strbuf_take(&to);
}

/* Opens the files that are redirected to, as cmd does before the command runs; their
 * old content where it is appended to. */
bool open_redirects(struct task *task)
{
    for (unsigned i = 0; i < 2; i++) {
        struct redirect *to = &task->streams->to[i];
        CLEANUP(free_cleanup) uint8_t *old = NULL;
        size_t len = 0;
        uint32_t code;

        if (to->kind != TO_FILE)
            continue;
        if (to->append && task_read(task, to->file, STRBUF_MAX / 2, &old, &len) == 0)
            strbuf_add(&to->text, old, len);
        code = to->append ? 0 : task_write(task, to->file, "", 0);
        if (code != 0) {
            to->kind = TO_OUTER;
            complain(task, "%s\r\n", world_code_text(code));
            return false;
        }
    }
    return true;
}

bool write_redirects(struct task *task)
{
    bool ok = true;

    for (unsigned i = 0; i < 2; i++) {
        struct redirect *to = &task->streams->to[i];
        uint32_t code;

        if (to->kind != TO_FILE || !to->file)
            continue;
        code = task_write(task, to->file, to->text.text ? to->text.text : "", to->text.len);
        if (code != 0) {
            to->kind = TO_OUTER;
            complain(task, "%s\r\n", world_code_text(code));
            ok = false;
        }
    }
    return ok;
}
