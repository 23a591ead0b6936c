/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests, answers, errors and progress between a sandbox's two sides; the same on every
 * system.  What comes from the child is foreign: every field is bounded before it is
 * believed. */

#include "sandbox-frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "progress.h"
#include "strbuf.h"
#include "text.h"

enum { WHAT_MAX = 256 };

struct frame_header {
    uint32_t type, len;
};

struct progress_frame {
    uint32_t unit;
    uint64_t done, total;
    char what[WHAT_MAX];
};

void (*sandbox_before_serve)(const char *what);
void (*sandbox_before_answer)(struct strbuf *answer);
unsigned sandbox_timeout_cap_ms;

bool frame_send(struct sandbox_pipe *pipe, uint64_t until, enum frame_type type,
                const void *bytes, size_t len)
{
    struct frame_header header = { .type = type, .len = (uint32_t)len };

    if (len > FRAME_MAX) {
        errno = EMSGSIZE;
        return false;
    }
    return pipe->send(pipe, &header, sizeof(header), until) &&
           pipe->send(pipe, bytes, len, until);
}

bool frame_receive(struct sandbox_pipe *pipe, uint64_t until, enum frame_type *ret_type,
                   char **ret_bytes, size_t *ret_len)
{
    CLEANUP(free_cleanup) char *bytes = NULL;
    struct frame_header header;

    if (!pipe->receive(pipe, &header, sizeof(header), until))
        return false;
    if (header.len > FRAME_MAX) {
        errno = EPROTO;
        return false;
    }
    bytes = malloc((size_t)header.len + 1);
    if (!bytes) {
        errno = ENOMEM;
        return false;
    }
    if (!pipe->receive(pipe, bytes, header.len, until))
        return false;
    bytes[header.len] = '\0';
    *ret_type = (enum frame_type)header.type;
    *ret_bytes = TAKE(bytes);
    *ret_len = header.len;
    return true;
}

/* ---- the child ---- */

struct child_progress {
    struct progress base; /* first, so that the pointers convert */
    struct sandbox_pipe *pipe;
};

static bool send_progress(struct progress *self, const char *what, enum progress_unit unit,
                          uint64_t done, uint64_t total)
{
    struct child_progress *child = (struct child_progress *)self;
    struct progress_frame frame = { .unit = unit, .done = done, .total = total };

    snprintf(frame.what, sizeof(frame.what), "%s", what);
    return frame_send(child->pipe, 0, FRAME_PROGRESS, &frame, sizeof(frame));
}

void frame_serve(const struct sandbox_options *options, struct sandbox_pipe *pipe)
{
    struct child_progress progress = { .base.report = send_progress, .pipe = pipe };
    bool ok = true;

    while (ok) {
        CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
        CLEANUP(free_cleanup) char *request = NULL;
        struct err err = ERR_INIT;
        enum frame_type type;
        size_t len;

        if (!frame_receive(pipe, 0, &type, &request, &len))
            return;
        if (sandbox_before_serve)
            sandbox_before_serve(options->what);
        ok =
            options->job->serve(options->user, request, len, &progress.base, &answer, &err);
        if (ok && sandbox_before_answer)
            sandbox_before_answer(&answer);
        if (ok && (answer.failed || answer.len > FRAME_MAX))
            ok = err_no_memory(&err);
        ok = ok ? frame_send(pipe, 0, FRAME_ANSWER, answer.text ? answer.text : "",
                             answer.len)
                : frame_send(pipe, 0, FRAME_ERROR, &err, sizeof(err));
    }
}

/* ---- the parent ---- */

static bool take_error(const char *bytes, size_t len, struct err *err)
{
    struct err sent;

    if (len != sizeof(sent))
        return false;
    memcpy(&sent, bytes, sizeof(sent));
    if (sent.kind == ERR_NONE || (unsigned)sent.kind >= ERR_KIND_COUNT || sent.depth == 0 ||
        sent.depth > ERR_DEPTH)
        return false;
    for (unsigned i = 0; i < ERR_DEPTH; i++)
        sent.text[i][ERR_TEXT - 1] = '\0';
    sent.hint[ERR_TEXT - 1] = '\0';
    *err = sent;
    return true;
}

static bool take_progress(struct progress *progress, const char *bytes, size_t len,
                          struct err *err)
{
    struct progress_frame frame;

    if (len != sizeof(frame))
        return err_fail(err, ERR_PROTOCOL, 0, "a report of progress is malformed");
    memcpy(&frame, bytes, sizeof(frame));
    frame.what[WHAT_MAX - 1] = '\0';
    if (frame.unit > PROGRESS_ITEMS || !text_is_utf8(frame.what, strlen(frame.what)))
        return true;
    return progress_report(progress, frame.what, (enum progress_unit)frame.unit, frame.done,
                           frame.total, err);
}

static bool fail_receive(struct sandbox_pipe *pipe, struct err *err)
{
    switch (errno) {
    case ETIMEDOUT:
        return pipe->gone(pipe, "its reader did not answer in time", err);
    case EPROTO:
        return pipe->gone(pipe, "its reader answered nonsense", err);
    case ENOMEM:
        pipe->stop(pipe); /* in the middle of an answer nothing more can be asked */
        return err_no_memory(err);
    default:
        return pipe->gone(pipe, NULL, err);
    }
}

bool frame_await(struct sandbox_pipe *pipe, enum frame_type wanted, unsigned timeout_ms,
                 struct progress *progress, char **ret_bytes, size_t *ret_len,
                 struct err *err)
{
    for (;;) {
        /* Every frame starts the clock anew: work that reports is not stuck. */
        uint64_t until = os_monotonic_ms() + timeout_ms;
        CLEANUP(free_cleanup) char *bytes = NULL;
        enum frame_type type;
        size_t len;

        if (!frame_receive(pipe, until, &type, &bytes, &len))
            return fail_receive(pipe, err);
        if (type == FRAME_PROGRESS) {
            if (take_progress(progress, bytes, len, err))
                continue;
            pipe->stop(pipe);
            return false;
        }
        if (type == FRAME_ERROR && take_error(bytes, len, err))
            return false;
        if (type != wanted)
            return pipe->gone(pipe, "its reader answered nonsense", err);
        if (ret_bytes)
            *ret_bytes = TAKE(bytes);
        if (ret_len)
            *ret_len = len;
        return true;
    }
}

bool frame_call(struct sandbox_pipe *pipe, const void *request, size_t len,
                unsigned timeout_ms, struct progress *progress, char **ret_answer,
                size_t *ret_len, struct err *err)
{
    if (sandbox_timeout_cap_ms && sandbox_timeout_cap_ms < timeout_ms)
        timeout_ms = sandbox_timeout_cap_ms;
    if (!frame_send(pipe, os_monotonic_ms() + timeout_ms, FRAME_REQUEST, request, len))
        return pipe->gone(
            pipe, errno == ETIMEDOUT ? "its reader took no request in time" : NULL, err);
    return frame_await(pipe, FRAME_ANSWER, timeout_ms, progress, ret_answer, ret_len, err);
}

bool sandbox_run(const struct sandbox_options *options, unsigned timeout_ms,
                 struct progress *progress, char **ret_answer, size_t *ret_len,
                 struct err *err)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = sandbox_start(options, err);

    return sandbox &&
           sandbox_call(sandbox, "", 0, timeout_ms, progress, ret_answer, ret_len, err);
}

/* ---- what a job is told at its start ---- */

/* Behind a byte that says whether there is anything, the length and the bytes. */
void sandbox_pack(struct strbuf *to, const void *bytes, size_t len)
{
    uint64_t size = len;

    strbuf_putc(to, bytes ? '+' : '-');
    if (!bytes)
        return;
    strbuf_add(to, &size, sizeof(size));
    strbuf_add(to, bytes, len);
}

void sandbox_pack_text(struct strbuf *to, const char *text)
{
    sandbox_pack(to, text, text ? strlen(text) : 0);
}

bool sandbox_unpack(struct sandbox_packed *from, char **ret, size_t *ret_len)
{
    uint64_t size;

    *ret = NULL;
    *ret_len = 0;
    if (from->left < 1)
        return false;
    from->left--;
    if (*from->at++ == '-')
        return true;
    if (from->left < sizeof(size))
        return false;
    memcpy(&size, from->at, sizeof(size));
    from->at += sizeof(size);
    from->left -= sizeof(size);
    if (size > from->left)
        return false;
    *ret = text_ndup(from->at, (size_t)size);
    *ret_len = (size_t)size;
    from->at += size;
    from->left -= (size_t)size;
    return *ret != NULL;
}

bool sandbox_unpack_text(struct sandbox_packed *from, char **ret)
{
    size_t len;

    return sandbox_unpack(from, ret, &len);
}
