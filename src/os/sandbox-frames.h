/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two sides of a sandbox say to each other, over whatever the system has between
 * processes. */
#pragma once

#include "sandbox.h"

enum frame_type {
    FRAME_START, /* with the job's name and what it is to know, where the child cannot know it */
    FRAME_READY,
    FRAME_REQUEST,
    FRAME_ANSWER,
    FRAME_ERROR,
    FRAME_PROGRESS
};

enum {
    FRAME_MAX = 256 << 20, /* a SYSTEM hive is 20 MiB, a listing of 100 000 files 20 */
    START_MS = 60000
};

/* First in what a system has for a pipe.  The child's side has no stop() and gone(). */
struct sandbox_pipe {
    /* Both all of @len; false with errno ETIMEDOUT, or another.  @until 0: wait for ever (the
     * child does; the parent never: whoever was taken over may neither write nor read). */
    bool (*send)(struct sandbox_pipe *pipe, const void *bytes, size_t len, uint64_t until);
    bool (*receive)(struct sandbox_pipe *pipe, void *bytes, size_t len, uint64_t until);
    /* Ends the child at once, whatever it does; what it did not commit is dropped with it. */
    void (*stop)(struct sandbox_pipe *pipe);
    /* The child ended or misbehaved: stops it and tells how, false.  @how NULL: find out. */
    bool (*gone)(struct sandbox_pipe *pipe, const char *how, struct err *err);
};

bool frame_send(struct sandbox_pipe *pipe, uint64_t until, enum frame_type type,
                const void *bytes, size_t len);
/* One frame of any type.  *ret_bytes: owned, with a NUL behind. */
bool frame_receive(struct sandbox_pipe *pipe, uint64_t until, enum frame_type *ret_type,
                   char **ret_bytes, size_t *ret_len);

/* In the child: answers requests until there are no more. */
void frame_serve(const struct sandbox_options *options, struct sandbox_pipe *pipe);

/* In the parent: reads frames until one of @wanted, or an error, comes. */
bool frame_await(struct sandbox_pipe *pipe, enum frame_type wanted, unsigned timeout_ms,
                 struct progress *progress, char **ret_bytes, size_t *ret_len,
                 struct err *err) MUST_CHECK;
/* @timeout_ms for taking the request, and again for the answer. */
bool frame_call(struct sandbox_pipe *pipe, const void *request, size_t len,
                unsigned timeout_ms, struct progress *progress, char **ret_answer,
                size_t *ret_len, struct err *err) MUST_CHECK;
