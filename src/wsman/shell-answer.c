/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Windows remote shell answers. */

#include "shell-answer.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base64.h"
#include "err.h"
#include "names.h"
#include "strbuf.h"
#include "text.h"

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

bool shell_answer_read(const struct soap_answer *answer, struct shell_answer *a,
                       struct err *err)
{
    struct xml_handler handler = { .on_start = shell_start,
                                   .on_end = shell_end,
                                   .user = a };

    return answer_read(answer, &handler, err);
}

bool shell_answer_flush(struct shell_answer *a, struct err *err)
{
    for (size_t i = 0; i < 2; i++)
        if (!emit(a, &a->streams[i], "", 0, true, err))
            return false;
    return true;
}
