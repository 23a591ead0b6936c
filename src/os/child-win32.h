/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process started from here, with a pipe to it and a job around it: nothing of it outlives
 * this process, whatever it starts itself.
 */
#pragma once

#include "inside-win32.h"

struct child {
    HANDLE process, job;
    HANDLE pipe, event; /* @event: of what is under way on the pipe */
};
#define CHILD_INIT ((struct child){ NULL, NULL, NULL, NULL })

struct child_options {
    const wchar_t *program;  /* its file */
    const char *const *argv; /* ends with NULL */
    /* False: the child's output and errors go to the pipe, and its input is empty.  True: it
     * is given the pipe's other end as its input and output, for talking both ways. */
    bool is_two_way;
    bool is_confined;      /* starts nothing itself, sees no window (sandbox-win32.c) */
    uint64_t memory_bytes; /* 0: no limit */
    unsigned cpu_seconds;  /* 0: no limit */
};

bool child_start(struct child *child, const struct child_options *options, struct err *err)
    MUST_CHECK;
/* Ends it at once if it has not ended. */
void child_cleanup(struct child *child);

/* @until: in time of os_monotonic_ms(); 0: no end. */
enum child_talk { CHILD_DONE, CHILD_GONE, CHILD_LATE };
enum child_talk child_read(struct child *child, void *to, size_t len, uint64_t until,
                           size_t *ret_len);
/* All of @len; false with errno ETIMEDOUT or EPIPE. */
bool child_write(struct child *child, const void *from, size_t len, uint64_t until);
void child_hang_up(struct child *child); /* it reads the end of the pipe */
bool child_wait(struct child *child, uint64_t until);
DWORD child_status(struct child *child);
