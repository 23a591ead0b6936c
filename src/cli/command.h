/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command of hvgpu.  main() is a loop over a table of these: it parses the options,
 * opens the sessions (or none), shows the plan, asks, runs it, prints the result as text
 * or JSON, and picks the exit status.  A command only says what is special about it.
 */
#pragma once

#include <jansson.h>

#include "inventory.h"
#include "plan.h"
#include "session.h"

enum {
    CMD_HOST = 1 << 0,     /* works on hosts: connects; -H repeated runs it on each */
    CMD_ONE_HOST = 1 << 1, /* exactly one */
    CMD_CHANGES = 1 << 2,  /* makes a plan: --dry-run, --yes; journaled */
};

struct option_spec {
    const char *name;  /* "gpu" for --gpu */
    char letter;       /* 0: none */
    const char *value; /* "GPU"; NULL: a switch */
    const char *help;  /* one line, lower case, no full stop */
};

struct output;

/* What a command gets.  Everything is lent. */
struct invocation {
    const struct command *command;
    size_t operand_count;
    char **operands;
    struct cim_session *session; /* of one host; NULL without CMD_HOST */
    const char *host;            /* how the user named it */
    struct output *out;
    struct progress *progress;
    bool json, verbose, quiet;
    struct option_values *values;
};
/* The value of --name (last one given), or NULL; "" for a switch that was given. */
const char *option_get(const struct invocation *in, const char *name);

struct command {
    const char *name;     /* "gpu list" */
    const char *operands; /* "VM" / "[GPU]" */
    const char *summary;  /* one line, lower case, no full stop */
    unsigned flags;
    const struct option_spec *options; /* ends with a NULL name; NULL: none */

    /* CMD_HOST without CMD_CHANGES: collect one host's part as JSON (the contract's
     * element of "hosts"); the dispatcher joins hosts and calls print once. */
    bool (*collect)(const struct invocation *in, json_t **ret, struct err *err);
    /* Human output of the joined document. */
    bool (*print)(const struct invocation *in, const json_t *document, struct err *err);
    /* CMD_CHANGES: computes the plan, touching nothing.  @context comes with session,
     * journal, progress, cancellation and on_step filled by the dispatcher; the command adds
     * its kinds (share_kinds) and how the guest's disk is opened.  A plan without steps:
     * nothing to do; with findings of severity "error": printed, exit 1, not run. */
    bool (*plan)(const struct invocation *in, struct plan_context *context,
                 struct plan **ret, struct err *err);
    /* Neither of these: does it all itself; *ret_exit is the exit status. */
    bool (*run)(const struct invocation *in, int *ret_exit, struct err *err);
};

/* ---- of the dispatcher, for `undo` and `resume`, which learn their host from a run ---- */

/* Opens the session to @host with the invocation's options (user, TLS, faults ...). */
struct cim_session *command_connect(const struct invocation *in, const char *host,
                                    struct err *err);
/* Opens the journal and fills everything of @ret but the kinds; @session may be NULL. */
bool command_context_open(const struct invocation *in, struct cim_session *session,
                          struct plan_context *ret, struct err *err) MUST_CHECK;
void command_context_close(struct plan_context *context);
