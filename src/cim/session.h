/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to the CIM of one host, whatever carries it: WS-Management over
 * HTTP, COM on the machine itself, or a wrapper (trace, record, replay, fault)
 * around another session.
 *
 * Every function may block, for no longer than the session's time limits.  None
 * prints.  One thread at a time per session; different sessions are independent.
 */
#pragma once

#include <stdio.h>

#include "cim.h"

struct cim_session;
struct shell_command;

/* Called once per instance.  @row is lent until the function returns.  Returning
 * false (with @err filled) stops the query and becomes its result. */
typedef bool cim_row_fn(const struct cim_instance *row, void *user, struct err *err);

struct cim_session_ops {
    const char *name; /* for traces: "wsman", "com", "fault" */

    bool (*query)(struct cim_session *self, const char *ns, const char *wql,
                  cim_row_fn *on_row, void *user, struct err *err);
    bool (*get)(struct cim_session *self, const struct cim_path *path,
                struct cim_instance **ret, struct err *err);
    /* Writes the properties in @changes, which carries no others. */
    bool (*put)(struct cim_session *self, const struct cim_path *path,
                const struct cim_instance *changes, struct err *err);
    /* @in holds the IN parameters under their names (NULL: none).  *ret_out holds the
     * OUT parameters and "ReturnValue".  @path without keys: a static method. */
    bool (*invoke)(struct cim_session *self, const struct cim_path *path,
                   const char *method, const struct cim_instance *in,
                   struct cim_instance **ret_out, struct err *err);
    /* See struct shell_command.  NULL: this session cannot. */
    bool (*run)(struct cim_session *self, const struct shell_command *command,
                uint32_t *ret_exit_code, struct err *err);
    void (*release)(struct cim_session *self); /* frees @self; never fails */
};

struct cim_session {
    const struct cim_session_ops *ops;
};

/* Callers use these, never ops directly.  They add the context (namespace, class,
 * method) to errors.  cim_invoke() turns no ReturnValue into an error: see
 * src/hyperv/job.h for methods that start jobs. */
bool cim_query(struct cim_session *session, const char *ns, const char *wql,
               cim_row_fn *on_row, void *user, struct err *err) MUST_CHECK;
bool cim_fetch(struct cim_session *session, const struct cim_path *path,
               struct cim_instance **ret, struct err *err) MUST_CHECK;
bool cim_put(struct cim_session *session, const struct cim_path *path,
             const struct cim_instance *changes, struct err *err) MUST_CHECK;
bool cim_invoke(struct cim_session *session, const struct cim_path *path,
                const char *method, const struct cim_instance *in,
                struct cim_instance **ret_out, struct err *err) MUST_CHECK;

/*
 * Runs a program on the host with the host's own command processor and waits for
 * its end.  Over WS-Management this is a WinRS shell (MS-WSMV 3.1.4.1.31): nothing
 * is uploaded, nothing stays.  The command line is passed as it stands; quoting is
 * the caller's.  Output arrives as UTF-8.
 */
struct shell_command {
    const char *line;    /* for cmd.exe: `robocopy "a" "b" /E` */
    unsigned timeout_ms; /* whole command; 0 = the session's default */
    bool reads_only;     /* changes nothing: may be repeated, is no fault point */
    /* Called per piece of output as it arrives (may cut lines); may be NULL. */
    bool (*on_output)(const char *text, size_t len, bool is_stderr, void *user,
                      struct err *err);
    void *user;
};
bool cim_run(struct cim_session *session, const struct shell_command *command,
             uint32_t *ret_exit_code, struct err *err) MUST_CHECK;

/* Whether calling @method changes nothing.  By name, so that every session (and a replay)
 * agrees: Get*, Enum*, Find*, Check*, Query*, Validate*, Calculate*, which in all the
 * schema's classes are the methods that only answer. */
bool cim_method_reads_only(const char *method);

void cim_release(struct cim_session *session); /* NULL is fine */
DEFINE_CLEANUP(cim_session_cleanup, struct cim_session *, cim_release)

/* Wrappers.  Each takes *next over on success (it becomes NULL) and frees it with
 * itself. */

/* Writes one line per operation, with its duration, to @out (lent); values of
 * parameters whose name looks like a secret are left out. */
struct cim_session *cim_trace_open(struct cim_session **next, FILE *out, struct err *err);
/* Writes every operation and its answer to @path (JSON lines, a new file that only the user
 * can read); replay answers from
 * such a file and fails on what was not recorded. */
struct cim_session *cim_record_open(struct cim_session **next, const char *path,
                                    struct err *err);
struct cim_session *cim_replay_open(const char *path, struct err *err);
/* The same from a recording's text, which is cut up but stays the caller's; @name is for
 * errors. */
struct cim_session *cim_replay_text(const char *name, char *text, struct err *err);
/* For a replay that many clients ask: when all answers to a request were given the last one
 * comes again, and parameters are equal if their names and values are. */
void cim_replay_repeat(struct cim_session *replay);

/* Breaks the @at-th change (put, invoke of a method that is not a pure read, run that
 * is not reads_only; 1 = the first; 0 = never) before or after it took place. */
enum cim_fault_mode {
    CIM_FAULT_FAIL_BEFORE, /* the change never happens; ERR_UNREACHABLE */
    CIM_FAULT_FAIL_AFTER,  /* it happens, the answer is lost; ERR_UNREACHABLE */
    CIM_FAULT_KILL_BEFORE, /* the process dies (SIGKILL) */
    CIM_FAULT_KILL_AFTER,
};
struct cim_session *cim_fault_open(struct cim_session **next, enum cim_fault_mode mode,
                                   unsigned at, struct err *err);
