/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that change several hosts: a plan for each, all shown, asked for once, carried out
 * on up to --jobs hosts at a time.
 *
 * A host that cannot be reached or planned for is told and does not keep the others; neither
 * does one whose run fails, which is taken back as always.  An error that a check found, on
 * whatever host, stops everything before anything was touched.  Exit status 4 says that some
 * failed and others not.
 *
 * Each host has a run of its own in the journal.  With one host text and JSON are those of any
 * command that changes something; with several, JSON is
 *     { "schema", "hosts": [ { "host", "error", "plan" } ], "findings": [] }
 *
 *     struct fleet fleet;
 *     ok = fleet_open(in, &fleet, err) &&
 *          fleet_each(&fleet, "reading", make_plan, err) && ... &&
 *          fleet_carry_out(&fleet, ret_exit, err);
 *     fleet_close(&fleet);
 */
#pragma once

#include "command.h"

struct host_list;
struct host_target;
struct fleet;

struct fleet_host {
    struct fleet *fleet;
    const struct host_target *target; /* lent */
    const char *name;                 /* as it is shown; lent */
    struct plan *plan;                /* owned; NULL until the command made it */
    struct err err;                   /* of planning or of the run */
    bool failed;                      /* @err says why; it is left out from then on */
    bool was_run;                     /* as planned */
    void *data;                       /* of the command */

    /* Only while work() is called: with session, and with the journal of a command that makes
     * changes. */
    struct plan_context context;

    /* Of fleet.c: */
    void *crowd;
    size_t findings_shown; /* of the plan */
    bool was_told;         /* that it failed */
};

typedef bool fleet_work_fn(struct fleet_host *host, struct err *err);

struct fleet {
    const struct invocation *in;
    struct fleet_host *hosts; /* in the order of the command line */
    size_t count;
    bool only_looks;  /* whatever the command does later */
    json_t *findings; /* about all of them together; array of the contract's findings */
    /* What the command adds to the context before a run (disks), and takes back after it. */
    void (*prepare)(struct plan_context *context);
    void (*clear)(struct plan_context *context);
    /* In the thread of a host whose run succeeded, with its session; NULL: nothing. */
    fleet_work_fn *after_host;
    /* When all have ended, before the result is told; may add to @findings.  NULL: nothing. */
    bool (*after_all)(struct fleet *fleet, struct err *err);
    /* Text for people between the plans and the question, which is shown instead of the plans'
     * findings of this id; NULL: none. */
    void (*explain)(const struct fleet *fleet);
    const char *explained;
    /* Only hosts that fleet_each() is for; NULL: all. */
    bool (*wants)(const struct fleet_host *host);
    /* More members of the document, which then always has the form for several hosts: an
     * object, owned.  NULL: none. */
    json_t *members;
    void *user;
};

/* All hosts of the command line; nothing is connected yet. */
bool fleet_open(const struct invocation *in, struct fleet *ret, struct err *err) MUST_CHECK;
/* Other hosts, to look at them before a command's own work: no plan, no journal. @hosts is lent. */
bool fleet_open_to_look(const struct invocation *in, const struct host_list *hosts,
                        struct fleet *ret, struct err *err) MUST_CHECK;
/* The command frees what its hosts' ->data points to, before. */
void fleet_close(struct fleet *fleet);

/* Calls @work for every host that has not failed, on up to --jobs threads, each with a session
 * and a context of its own.  What it returns false for has failed.  @what says what is being
 * done, for progress.  False when nothing could be started at all, or the user stopped it. */
bool fleet_each(struct fleet *fleet, const char *what, fleet_work_fn *work, struct err *err)
    MUST_CHECK;

/* The errors of hosts that failed, on standard error; each once. */
void fleet_say_failures(struct fleet *fleet);
/* The document as it is without a plan being carried out. */
bool fleet_show_json(const struct fleet *fleet, struct err *err) MUST_CHECK;
/* 0, 1 or 4, by how many hosts failed. */
int fleet_status(const struct fleet *fleet);

/* Shows the plans, asks, runs those that have steps, tells how it ended.  Hosts without a plan
 * that have not failed have nothing to do. */
bool fleet_carry_out(struct fleet *fleet, int *ret_exit, struct err *err) MUST_CHECK;
