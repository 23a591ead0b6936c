/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process started from here, with pipes to it and a job around it: nothing of it outlives
 * this process, whatever it starts itself.
 */
#pragma once

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;

enum child_pipe_name { CHILD_PIPE, CHILD_ERRORS, CHILD_PIPES };

struct child_pipe {
    HANDLE pipe, event; /* @event: of what is under way on the pipe */
};
struct child {
    HANDLE process, job;
    struct child_pipe pipes[CHILD_PIPES];
};
#define CHILD_INIT ((struct child){ NULL, NULL, { { NULL, NULL } } })

enum child_streams {
    CHILD_SPEAKS,       /* its output and errors go to the pipe, and its input is empty */
    CHILD_SPEAKS_APART, /* the same, but its errors go to CHILD_ERRORS */
    CHILD_TALKS,        /* its input is the pipe, which it writes to as well; no output */
};

struct child_options {
    const wchar_t *program; /* its file */
    wchar_t *line;          /* its command line; the system may write into it */
    const char *name;       /* for errors */
    enum child_streams streams;
    const wchar_t *environment; /* NULL: ours */
    const wchar_t *folder;      /* it begins in; NULL: ours */
    bool shares_console;        /* false: one of its own, which nobody sees */
    bool is_confined;      /* starts nothing itself, sees no window (sandbox-win32.c) */
    uint64_t memory_bytes; /* 0: no limit */
    unsigned cpu_seconds;  /* 0: no limit */
};

/* The line from which a program written in C reads @argv, which ends with NULL.  Owned; NULL
 * with @err. */
wchar_t *child_line(const char *const argv[], struct err *err);

bool child_start(struct child *child, const struct child_options *options, struct err *err)
    MUST_CHECK;
/* Ends it at once if it has not ended, and with it what it has started. */
void child_cleanup(struct child *child);

/* @until: in time of os_monotonic_ms(); 0: no end.  Now: what is there already. */
enum child_talk { CHILD_DONE, CHILD_GONE, CHILD_LATE };
enum child_talk child_read(struct child *child, enum child_pipe_name from, void *to,
                           size_t len, uint64_t until, size_t *ret_len);
/* All of @len; false with errno ETIMEDOUT or EPIPE. */
bool child_write(struct child *child, const void *from, size_t len, uint64_t until);
void child_hang_up(struct child *child); /* it reads the end of the pipe */
bool child_wait(struct child *child, uint64_t until);
DWORD child_status(struct child *child);
