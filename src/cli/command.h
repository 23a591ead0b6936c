/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command of hvgpu.  main() is a loop over a table of these: it parses the options,
 * opens the sessions (or none), shows the plan, asks, runs it, prints the result as text
 * or JSON, and picks the exit status.  A command only says what is special about it.
 *
 * Which of the three ways a command works is told by the hooks it has:
 *
 *   collect + print   looks at hosts (CMD_HOST): collect runs on up to --jobs hosts at
 *                     once, print shows what all of them gave
 *   plan (+ finish)   changes something (CMD_CHANGES): the plan is shown and asked for,
 *                     then carried out
 *   run               everything else
 */
#pragma once

#include <jansson.h>

#include "err.h"
#include "output.h"
#include "plan.h"

struct cim_session;
struct connector;
struct host_list;
struct host_views;
struct kept;
struct option_values;
struct progress;

enum {
    CMD_HOST = 1 << 0,     /* works on hosts: connects; -H repeated runs it on each */
    CMD_ONE_HOST = 1 << 1, /* exactly one; with CMD_HOST */
    CMD_CHANGES = 1 << 2,  /* makes a plan: --dry-run, --yes; journaled */
    CMD_FLEET = 1 << 3,    /* with CMD_HOST: run() connects to all hosts itself (fleet.h) */
};

/* Exit statuses of the contract. */
enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_FOUND = 3, /* a check found errors */
    STATUS_SOME = 4,  /* some hosts failed, others not */
};

struct option_spec {
    const char *name;  /* "gpu" for --gpu */
    char letter;       /* 0: none */
    const char *value; /* "GPU"; NULL: a switch; "[FORM]": only as --name=FORM, optional */
    const char *help;  /* one line, lower case, no full stop; N_() */
};

/* Where print() is among the hosts of a run.  Text of many hosts comes in blocks, so that
 * the first shows while the last are still being asked, and none is kept. */
struct print_blocks {
    size_t host_count; /* of the whole run */
    size_t shown;      /* hosts of the blocks before this one */
    bool is_last;
    struct table_layout layout; /* of the table that goes through all blocks */
    json_t *memory;             /* an object: what print() keeps from block to block */
};

/* What a command gets.  Everything is lent. */
struct invocation {
    const struct command *command;
    size_t operand_count;
    char **operands; /* valid UTF-8 */
    const struct option_values *values;
    struct cim_session *session; /* of one host; NULL without CMD_HOST */
    const char *host;            /* how the user named it; connects again later */
    struct connector *connector; /* for command_connect() */
    struct output *out;
    struct progress *progress;   /* NULL: nobody watches */
    struct print_blocks *blocks; /* of print() */
    void *data;                  /* of the command: what hosts() read */
    struct kept *kept;           /* for command_keep() */
    bool json, verbose, quiet;
};

/* The value of --name (last one given), or NULL; "" for a switch that was given. */
const char *option_get(const struct invocation *in, const char *name);
/* The n-th value of a repeated option; NULL behind the last. */
const char *option_get_nth(const struct invocation *in, const char *name, size_t n);
/* A number given as --name=N; leaves *ret alone when the option was not given. */
bool option_get_u64(const struct invocation *in, const char *name, uint64_t *ret,
                    struct err *err) MUST_CHECK;
/* A size given as --name=SIZE, in bytes: "3G", "33280M", or plain bytes; *ret_given says
 * whether it was given, and *ret is left alone when not. */
bool option_get_size(const struct invocation *in, const char *name, bool *ret_given,
                     uint64_t *ret, struct err *err) MUST_CHECK;

struct command {
    const char *name;     /* "gpu list" */
    const char *operands; /* "VM", "[GPU]", "[VM...]"; NULL: none */
    const char *summary;  /* one line, lower case, no full stop; N_() */
    unsigned flags;
    const struct option_spec *options; /* ends with a NULL name; NULL: none */

    /* Looks at the options before any host is asked; what it refuses is wrong usage.  NULL:
     * nothing to look at. */
    bool (*check)(const struct invocation *in, struct err *err);
    /* With CMD_HOST: says itself which hosts, out of a file.  May leave something in in->data,
     * which end() takes away, whatever happened.  NULL: -H and the inventory say. */
    bool (*hosts)(struct invocation *in, struct host_list *list, struct err *err);
    void (*end)(struct invocation *in);

    /* True: this time it works without hosts, and run() does it.  NULL: never. */
    bool (*is_alone)(const struct invocation *in);
    /* One host's part as JSON (an element of the contract's "hosts", without "host" and
     * "error"; owned by the caller).  Runs in threads of its own: no output, no progress. */
    bool (*collect)(const struct invocation *in, json_t **ret, struct err *err);
    /* Text output of the joined document { "schema", "hosts": [...] }.  Hosts that failed
     * have an "error"; it was already printed. */
    bool (*print)(const struct invocation *in, const json_t *document, struct err *err);
    bool in_blocks;   /* print() may be called with some of the hosts, several times */
    const char *list; /* what a host that failed has as null: "gpus" */
    /* Whether a host's part has errors that a check found: exit status 3.  NULL: never. */
    bool (*found)(const json_t *part);

    /* What only all hosts together tell: more members of the document, from what collect()
     * gave to command_keep(), in no order (owned by the caller); and as text.  @ret_found: as
     * found() of one host.  NULL: nothing. */
    bool (*join)(const struct invocation *in, void *const *kept, size_t count, json_t **ret,
                 bool *ret_found, struct err *err);
    void (*print_join)(const struct invocation *in, const json_t *members);
    void (*forget)(void *kept); /* frees one */

    /* With --cluster, or "auto" among the hosts: which of them this is for; @views has what
     * choose_what asked for.  May leave something in in->data, for end().  NULL: a command
     * for one host needs just one. */
    unsigned choose_what; /* HV_* */
    bool (*choose)(struct invocation *in, const struct host_views *views, size_t *ret,
                   struct err *err);

    /* CMD_CHANGES: computes the plan, touching nothing.  @context comes with session,
     * journal, kinds, progress, cancellation and on_step filled by the dispatcher; a command
     * that works on disks adds how they are opened.  A plan without steps: nothing to do;
     * with findings of severity "error": printed, exit 1, not run. */
    bool (*plan)(const struct invocation *in, struct plan_context *context,
                 struct plan **ret, struct err *err);
    /* Takes back what plan() added to @context; called once after it, whatever it said.
     * NULL: nothing to take back. */
    void (*finish)(const struct invocation *in, struct plan_context *context);

    /* Neither of these: does it all itself, --json included; *ret_exit is the exit status. */
    bool (*run)(const struct invocation *in, int *ret_exit, struct err *err);
};

/* All there are, NULL-terminated (commands.c). */
extern const struct command *const hvgpu_commands[];

/* Of collect(), for join(): takes @item over, also on failure. */
bool command_keep(const struct invocation *in, void *item, struct err *err) MUST_CHECK;

/* For a print() that is not called in blocks: all that was kept, in no order; lent. */
void *const *command_kept(const struct invocation *in, size_t *ret_count);

/* ---- of the dispatcher, for `undo` and `resume`, which learn their host from a run ---- */

/* Opens the session to @host, a text that in->host once was, with the invocation's options
 * (user, TLS, faults ...). */
struct cim_session *command_connect(const struct invocation *in, const char *host,
                                    struct err *err);
/* Opens the journal and fills everything of @ret but the way to disks; @session may be
 * NULL. */
bool command_context_open(const struct invocation *in, struct cim_session *session,
                          struct plan_context *ret, struct err *err) MUST_CHECK;
/* Says whose plan it is from now on: sets backup_dir. */
bool command_context_use(struct plan_context *context, const struct plan *plan,
                         struct err *err) MUST_CHECK;
void command_context_close(struct plan_context *context);
/* Shows @plan unless quiet; with --dry-run that is all (*ret_go false, *ret_exit 0), with
 * --yes it goes on, else it asks.  For `undo` and `resume` as for everything planned. */
enum plan_way { PLAN_FORWARD, PLAN_BACK };
bool command_confirm(const struct invocation *in, const struct plan *plan,
                     enum plan_way way, const char *question, bool *ret_go, int *ret_exit,
                     struct err *err) MUST_CHECK;
/* The asking alone: --yes, a terminal, or exit status 2. */
bool command_ask(const struct invocation *in, const char *question, bool *ret_go,
                 int *ret_exit, struct err *err) MUST_CHECK;

/* ---- what a plan looks like (plan-view.c) ---- */

/* The numbered steps with what they change, and the findings.  PLAN_BACK: what taking it
 * back does, last step first. */
void plan_view(struct output *out, const struct plan *plan, enum plan_way way);
/* The steps alone, without the title. */
void plan_view_steps(struct output *out, const struct plan *plan);
/* Findings from number @first on: those that came while the plan ran. */
void plan_view_findings(struct output *out, const struct plan *plan, size_t first);
/* The cmdlets a person would type for the same, one per line, steps without one as
 * comments. */
void plan_view_powershell(struct output *out, const struct plan *plan);
/* {"schema", "plan": {...}} */
json_t *plan_document(const struct plan *plan);
