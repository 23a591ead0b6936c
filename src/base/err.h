/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

/*
 * One error type for the whole program.
 *
 * A function that can fail takes `struct err *err` last and returns bool: true
 * and @err untouched, or false and @err filled.  (Openers and makers return a
 * pointer, NULL on failure.)  Callers that know something the callee did not
 * (which VM, which file) add it with err_wrap().  What the user can do about it
 * is said once, nearest to where it is known, with err_hint().
 *
 * How a text sounds: lower case, no full stop, subject in single quotes, what
 * failed first and the system's words last, no function names.
 *
 * Nothing here allocates, so running out of memory can be reported too.
 */

enum err_kind {
    ERR_NONE = 0,
    ERR_INVALID,     /* the request makes no sense, whatever the state */
    ERR_NOT_FOUND,   /* no such VM, GPU, class, file */
    ERR_CONFLICT,    /* makes sense, not now: VM running, GPU taken, state moved */
    ERR_DENIED,      /* credentials or rights */
    ERR_UNREACHABLE, /* no answer: name, route, port, TLS, timeout, lost connection */
    ERR_PROTOCOL,    /* the answer or the file breaks its own format */
    ERR_UNSUPPORTED, /* this host, this build, this version cannot */
    ERR_REFUSED,     /* the host was asked and said no; see code */
    ERR_SYSTEM,      /* the local operating system refused; see code */
    ERR_NO_MEMORY,
    ERR_CANCELLED, /* the user stopped it */
    ERR_KIND_COUNT
};

enum { ERR_DEPTH = 6, ERR_TEXT = 320 };

struct err {
    enum err_kind kind;
    int64_t code;   /* errno, HRESULT, HTTP status, WS-Man fault or CIM return value;
                     * 0 = none */
    unsigned depth; /* texts in use; text[0] is the root cause */
    char text[ERR_DEPTH][ERR_TEXT];
    char hint[ERR_TEXT]; /* what to do next; "" = nothing known */
};

#define ERR_INIT ((struct err){ .kind = ERR_NONE })

/* All three return false, so that a failure is one statement:
 *     return err_fail(err, ERR_NOT_FOUND, 0, "no VM named '%s'", name);
 *     return err_wrap(err, "assigning '%s' to VM '%s'", gpu, vm);
 *     return err_hint(err, "stop the VM first, or use --stop");
 * err_fail() starts a new chain, forgetting whatever @err held.  err_hint()
 * keeps an earlier hint: the one nearest to the cause knows best. */
bool err_fail(struct err *err, enum err_kind kind, int64_t code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool err_hint(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ERR_NO_MEMORY with a fixed text. */
bool err_no_memory(struct err *err);

/* ERR_SYSTEM with errno @code and its text behind @fmt. */
bool err_errno(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* One line, outermost context first, no newline, never longer than @size.
 * The hint is not part of it. */
void err_format(const struct err *err, char *buf, size_t size);

/* Stable word for JSON output and for tests: "not-found", "conflict", ... */
const char *err_kind_name(enum err_kind kind);
