/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child process that parses what strangers wrote and can do nothing else.
 *
 * The child first runs open(), with all rights: there it opens its files.  Then the door
 * closes.  After that it answers requests with serve() until stopped.  A crash, a forbidden
 * call, an endless loop in the child is an error in the parent.  What the child sends is
 * checked like any other foreign input.
 *
 * On Linux the child is a fork.  Memory and processor time are limited, and every system call
 * that is not needed for computing on open files ends the process (seccomp; Landlock confines
 * file names where the kernel has it).
 *
 * On Windows the child is this program started anew, which is told by its pipe which job it
 * has.  A job object limits memory, processor time and processes (to the one) and shuts it off
 * from windows and clipboard, the latter not where hvgpu runs in a job itself; what it inherits
 * is the pipe; it has no privileges, makes no code at run time, and, unless it is given folders to
 * write to, changes nothing of this user's (lowest integrity).  Three walls of Linux are missing
 * there: it can still read what the user can read, reach the network, and, given such folders
 * (its integrity is not lowered then), change whatever the user may.  Bans on code made at run
 * time and on windows are set where Windows knows them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;
struct progress;
struct strbuf;

/* What was packed for the other process, as far as it is not unpacked yet. */
struct sandbox_packed {
    const char *at;
    size_t left;
};

struct sandbox_job {
    const char *name; /* of all jobs of the program another one */
    bool (*open)(void *user, struct err *err);
    /* @progress reaches the parent's; cancelling there ends the child. */
    bool (*serve)(void *user, const void *request, size_t len, struct progress *progress,
                  struct strbuf *answer, struct err *err);
    void (*close)(void *user); /* in the child, when it was asked to stop; may be NULL */

    /* For a child that does not begin with the parent's memory: what of @user open() and
     * serve() need, and such a @user made of it (NULL: it cannot be; never given back). */
    void (*pack)(const void *user, struct strbuf *to);
    void *(*unpack)(struct sandbox_packed *from);
};

/* Once for each job, where it is defined; so the child finds it by its name. */
#define SANDBOX_JOB(job)                                          \
    __attribute__((constructor)) static void register_##job(void) \
    {                                                             \
        sandbox_register(&job);                                   \
    }
void sandbox_register(const struct sandbox_job *job);

/* First in main() of a program that uses sandboxes: returns unless this is such a child. */
void sandbox_main(int argc, char **argv);

/* @bytes NULL is packed as such. */
void sandbox_pack(struct strbuf *to, const void *bytes, size_t len);
void sandbox_pack_text(struct strbuf *to, const char *text);
/* Owned by the caller; false: there is no such thing there, or no memory. */
bool sandbox_unpack(struct sandbox_packed *from, char **ret, size_t *ret_len) MUST_CHECK;
bool sandbox_unpack_text(struct sandbox_packed *from, char **ret) MUST_CHECK;

struct sandbox_options {
    const char *what; /* for messages: "reading '/vm/disk.vhdx'" */
    const struct sandbox_job *job;
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

/* What one that was given no folder can still do on this machine, tried out in four of them:
 * read and replace a file of this user's (made in the state folder for it), start a program,
 * take 1 GiB of memory. */
struct sandbox_walls {
    bool reads, writes, starts, takes_memory;
};
bool sandbox_walls(struct sandbox_walls *ret, struct err *err) MUST_CHECK;

/* For tests, which make any reader crash, hang, starve or lie: called in the child before
 * each request, and before each answer; and a limit below what the callers allow for an
 * answer.  NULL and 0 otherwise. */
extern void (*sandbox_before_serve)(const char *what);
extern void (*sandbox_before_answer)(struct strbuf *answer);
extern unsigned sandbox_timeout_cap_ms;
