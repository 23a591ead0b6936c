/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans are data: the list of changes computed before anything is touched, one change
 * with its opposite.  This folder knows no Hyper-V: a step's kind is a table of three
 * functions that the folders above supply.
 *
 * plan_run() compares the state again right before each step, writes the step into the
 * journal before doing it, and on failure takes everything back.  What the process does
 * not live to take back, `undo` and `resume` find in the journal.
 */
#pragma once

#include <jansson.h>

#include "err.h"

struct cim_session;
struct guest_disk;
struct journal;
struct plan_context;
struct progress;
struct step;

struct step_kind {
    const char *name; /* stable: in the journal, in JSON: "vm-settings" */

    /* Reads what is now, in the shape of step->before and step->after.  A state that is
     * neither (half done, or changed by others) is reported as it is. */
    bool (*probe)(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err);
    /* Makes `after` true.  Must be harmless when it is already true, or half so. */
    bool (*apply)(struct plan_context *context, struct step *step, struct err *err);
    /* Makes `before` true again.  Must be harmless when it is already true. */
    bool (*revert)(struct plan_context *context, struct step *step, struct err *err);
};

enum step_state { STEP_PENDING, STEP_STARTED, STEP_DONE, STEP_UNDONE };
const char *step_state_name(enum step_state state);

struct step {
    unsigned n; /* 1-based */
    const struct step_kind *kind;
    enum step_state state;
    char *target;   /* for people: "VM 'dev-box'" */
    json_t *params; /* what the kind needs to find the thing again; never secret */
    json_t *before; /* found when the plan was made; JSON null = "was not there" */
    json_t *after;
    char *powershell; /* what a person would type for the same; NULL: no such cmdlet */
};

struct plan {
    char id[24];      /* "20261121-101500-3f2a": time and chance; sorts by time */
    char *host;       /* how the user named it; undo connects there again */
    char *title;      /* "attach 'dev-box' to 'NVIDIA GeForce RTX 4070 Laptop GPU'" */
    json_t *findings; /* array of findings as in the contract */
    struct step *steps;
    size_t step_count;
};

struct plan *plan_new(const char *host, const char *title, struct err *err);
void plan_free(struct plan *plan);
DEFINE_CLEANUP(plan_cleanup, struct plan *, plan_free)
/* Appends.  Takes over the JSON references, also on failure; copies the texts. */
struct step *plan_add(struct plan *plan, const struct step_kind *kind, const char *target,
                      json_t *params, json_t *before, json_t *after, const char *powershell,
                      struct err *err);
/* Adds a finding; severity "ok","info","warning","error".  Texts may be NULL. */
bool plan_find(struct plan *plan, const char *id, const char *severity, const char *subject,
               const char *evidence, const char *cause, const char *fix, const char *source,
               struct err *err) MUST_CHECK;
bool plan_has_errors(const struct plan *plan); /* a finding of severity "error" */
json_t *plan_to_json(const struct plan *plan); /* the contract's "plan" object */

/* What steps work with; the caller fills and keeps it. */
struct plan_context {
    struct cim_session *session; /* NULL for a local disk */
    struct guest_disk *guest;    /* set by the steps that open a guest's disk */
    void (*close_guest)(struct plan_context *context); /* drops what was not committed */
    bool (*commit_guest)(struct plan_context *context, struct err *err); /* called at the
                                  * end of undo and resume; may be NULL */
    struct journal *journal;
    const char *backup_dir; /* of this plan; made on first use by the step */
    struct progress *progress;
    const struct step_kind *const *kinds; /* NULL-terminated: all there are */
    bool (*is_cancelled)(void *user);
    void *cancel_user;
    bool (*on_step)(const struct plan *plan, const struct step *step, const char *what,
                    void *user); /* "doing", "done", "undoing"; may be NULL */
    void *step_user;
};

/* Runs what is pending.  On failure everything done is taken back, and @err says so;
 * when taking back fails too, @err says what is left and names `undo`. */
bool plan_run(struct plan *plan, struct plan_context *context, struct err *err) MUST_CHECK;
/* Takes back what is done or started, last first.  Idempotent. */
bool plan_undo(struct plan *plan, struct plan_context *context, struct err *err) MUST_CHECK;

/* ---- the journal: SQLite in the state folder (journal.c) ---- */

struct journal *journal_open(const char *state_dir, struct err *err);
void journal_close(struct journal *journal); /* NULL is fine */
DEFINE_CLEANUP(journal_cleanup, struct journal *, journal_close)

enum run_state { RUN_STARTED, RUN_DONE, RUN_UNDONE, RUN_FAILED };

struct run_info {
    char id[24];
    char *host, *title;
    int64_t started_usec;
    enum run_state state;
    unsigned steps, steps_done;
};
/* Newest first.  @info is lent. */
bool journal_list(struct journal *journal,
                  bool (*on_run)(const struct run_info *info, void *user, struct err *err),
                  void *user, struct err *err) MUST_CHECK;
/* @id "": the newest that `undo` (or, with @unfinished, `resume`) could take. */
struct plan *journal_load(struct journal *journal, const char *id, bool unfinished,
                          const struct step_kind *const *kinds, struct err *err);
/* One plan at a time per VM (or disk): a lock named after it, held until dropped. */
struct os_lock *journal_lock_target(struct journal *journal, const char *target,
                                    unsigned wait_ms, struct err *err);
