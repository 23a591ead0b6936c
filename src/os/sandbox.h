/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child process that parses what strangers wrote and can do nothing else.
 *
 * The child first runs @open, with all rights: there it opens its files.  Then the door
 * closes: memory and processor time are limited, and every system call that is not needed
 * for computing on open files ends the process (seccomp; Landlock confines file names
 * where the kernel has it).  After that it answers requests with @serve until stopped.
 *
 * A crash, a forbidden call, an endless loop in the child is an error in the parent.
 * What the child sends is checked like any other foreign input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct progress;
struct strbuf;

struct sandbox_options {
    const char *what; /* for messages: "reading '/vm/disk.vhdx'" */
    bool (*open)(void *user, struct err *err);
    /* @progress reaches the parent's; cancelling there ends the child. */
    bool (*serve)(void *user, const void *request, size_t len, struct progress *progress,
                  struct strbuf *answer, struct err *err);
    void (*close)(void *user); /* in the child, when it was asked to stop; may be NULL */
    void *user;

    /* Folders in and below which files may still be opened after the door closed; each
     * list ends with NULL, and may be NULL for none.  All must exist. */
    const char *const *read_dirs;
    const char *const *write_dirs; /* also creating, renaming and removing */
    uint64_t memory_bytes;         /* address space past what it starts with; 0: 512 MiB */
    unsigned cpu_seconds;          /* 0: 600 */
};

struct sandbox;

/* NULL with the child's own error when @open failed. */
struct sandbox *sandbox_start(const struct sandbox_options *options, struct err *err);

/* One request at a time.  *ret_answer is owned by the caller.  After ERR_SYSTEM or
 * ERR_PROTOCOL the child is gone and every further call fails. */
bool sandbox_call(struct sandbox *sandbox, const void *request, size_t len,
                  unsigned timeout_ms, struct progress *progress, char **ret_answer,
                  size_t *ret_len, struct err *err) MUST_CHECK;

/* Asks it to close and waits a moment; then ends it.  NULL is fine. */
void sandbox_stop(struct sandbox *sandbox);
DEFINE_CLEANUP(sandbox_cleanup, struct sandbox *, sandbox_stop)

/* One request and away: start, call, stop. */
bool sandbox_run(const struct sandbox_options *options, unsigned timeout_ms,
                 struct progress *progress, char **ret_answer, size_t *ret_len,
                 struct err *err) MUST_CHECK;

/* For tests, which make any reader crash, hang, starve or lie: called in the child before
 * each request, and before each answer; and a limit below what the callers allow for an
 * answer.  NULL and 0 otherwise. */
extern void (*sandbox_before_serve)(const char *what);
extern void (*sandbox_before_answer)(struct strbuf *answer);
extern unsigned sandbox_timeout_cap_ms;
