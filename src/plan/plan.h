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
struct os_lock;
struct plan;
struct plan_context;
struct progress;
struct step;

enum {
    /* Works through context->guest; the engine has it opened before any of the kind's
     * functions is called. */
    STEP_NEEDS_GUEST = 1 << 0,
    /* Makes what the needs-guest steps before it did durable (an image that is one
     * transaction).  Until it is done a crash loses those steps: resume looks again. */
    STEP_COMMITS_GUEST = 1 << 1,
    /* Later steps stand on this one (an attached disk, a VM that is off): not taken back
     * while one of them could not be, see plan_part(). */
    STEP_HOLDS_LATER = 1 << 2,
    /* About things that only hvgpu has business with: taken back whatever state they are
     * in (a restarted host has lost an attached disk half way). */
    STEP_PRIVATE = 1 << 3,
    /* Going forward, what is as `after` already is as good as `before`: some hosts do it
     * along with the step before. */
    STEP_MAY_BE_SO = 1 << 4,
    /* Only says how it went.  When it fails the run fails, and what was done stays: taking
     * it back would not be what anybody wanted. */
    STEP_ONLY_TELLS = 1 << 5,
    /* About this machine: needs no session to a host. */
    STEP_NO_HOST = 1 << 6,
};

struct step_kind {
    const char *name; /* stable: in the journal, in JSON: "vm-settings" */

    /* Reads what is now, in the shape of step->before and step->after.  A state that is
     * neither (half done, or changed by others) is reported as it is. */
    bool (*probe)(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err);
    /* Makes `after` true.  Must be harmless when it is already true, or half so.  May add
     * to step->params what revert needs (saved when apply returns). */
    bool (*apply)(struct plan_context *context, struct step *step, struct err *err);
    /* Makes `before` true again.  Must be harmless when it is already true. */
    bool (*revert)(struct plan_context *context, struct step *step, struct err *err);
    /* Instead of the three: plans what could not be planned before (a disk that was in
     * use).  Adds steps to @more; they are journaled and follow this one.  A finding of
     * severity "error" in @more stops the run.  NULL: an ordinary step. */
    bool (*expand)(struct plan_context *context, const struct step *step, struct plan *more,
                   struct err *err);
    unsigned flags;
    /* Whether the host at hand is the one that this step was done on, where that can be told
     * and the rest of @plan depends on it: asked of each step that is done, before an undo or
     * a resume touches anything.  NULL: it does not matter. */
    bool (*check_host)(struct plan_context *context, const struct plan *plan,
                       const struct step *step, struct err *err);
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
    char id[24]; /* "20261121-101500-3f2a": time and chance; sorts by time */
    char *host;  /* how the user named it; undo connects there again */
    char *title; /* "attach 'dev-box' to 'NVIDIA GeForce RTX 4070 Laptop GPU'" */
    char *lock;  /* what nobody else may plan for meanwhile: "vm-GUID", more than one of
                  * them on a line each; NULL: nothing */
    json_t *findings; /* array of findings as in the contract */
    struct step *steps;
    size_t step_count;
    bool is_journaled; /* the run of its id in the journal is this one */
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
/* Adds to plan->lock what is not in it. */
bool plan_lock(struct plan *plan, const char *what, struct err *err) MUST_CHECK;
bool plan_locks(const char *lock, const char *what); /* is @what one of @lock's lines? */
bool plan_has_errors(const struct plan *plan);       /* a finding of severity "error" */
/* Every step is STEP_PRIVATE: a run that only prepared to look at something.  There is
 * nothing in it to finish; an interrupted one is taken back. */
bool plan_only_looks(const struct plan *plan);
/* Some step works on a host: not every one is STEP_NO_HOST. */
bool plan_needs_host(const struct plan *plan);
/* All steps of @plan become of that part (from 1 on) of a plan made of many: a step that could
 * not be taken back keeps those that later ones stand on (STEP_HOLDS_LATER) only in its own
 * part.  0, as without this: of no part, and connected with all. */
void plan_part(struct plan *plan, json_int_t part);
json_int_t plan_part_of(const struct step *step);
/* Cause and fix of the first finding of severity "error"; lent.  NULL: none. */
const char *plan_first_error(const struct plan *plan, const char **ret_fix);
/* Moves all steps of @more behind the first @at steps of @plan, and its findings. */
bool plan_splice(struct plan *plan, size_t at, struct plan *more, struct err *err)
    MUST_CHECK;
/* All of @more behind all of @plan: its steps, its locks, and those of its findings that @plan
 * has not. */
bool plan_append(struct plan *plan, struct plan *more, struct err *err) MUST_CHECK;
json_t *plan_to_json(const struct plan *plan); /* the contract's "plan" object */

/* For step->powershell.  A text as a PowerShell literal: 'it''s'.  Owned; NULL: no memory. */
char *ps_quote(const char *text);
/* A path below the guest's Windows folder, on the volume that the variable $guest names:
 * "$guest\\Windows\\System32\\x.dll".  Owned; NULL: no memory. */
char *ps_guest_path(const char *path);

/* What steps work with; the caller fills and keeps it. */
struct plan_context {
    struct cim_session *session; /* NULL for a local disk */
    struct journal *journal;
    struct guest_disk *guest; /* open while steps that need it run; NULL: not open */
    /* Opens the guest's disk for the steps of @plan (sets ->guest), at whatever point of
     * the plan a run, an undo or a resume begins.  NULL: the caller opened it. */
    bool (*open_guest)(struct plan_context *context, const struct plan *plan,
                       struct err *err);
    void (*close_guest)(struct plan_context *context); /* drops what was not committed;
                                                        * sets ->guest to NULL; may be NULL */
    /* Called at the end of an undo that changed the guest's disk; may be NULL. */
    bool (*commit_guest)(struct plan_context *context, struct err *err);
    const char *backup_dir; /* of this plan; made on first use by the step */
    struct progress *progress;
    const struct step_kind *const *kinds; /* NULL-terminated: all there are */
    bool (*is_cancelled)(void *user);     /* asked before each step; then all is undone */
    void *cancel_user;
    /* @what: "doing", "done", "undoing", "undone"; false stops as if cancelled.  NULL: nobody
     * looks. */
    bool (*on_step)(const struct plan *plan, const struct step *step, const char *what,
                    void *user);
    void *step_user;
    unsigned lock_wait_ms; /* for another hvgpu that holds plan->lock */
    /* A lock that the caller took with journal_lock_target() and keeps over several runs:
     * those on it do not take it again.  NULL: none. */
    const char *held_lock;
    /* Before a step is looked at of which nobody knows how it ended: waits, for a while, until
     * the host is no longer at work on it.  NULL: what is not done at once is not done. */
    void (*settle)(struct plan_context *context);
    bool undo_changed; /* undo: also what others changed since */
    bool may_force;    /* a step that asks nicely may insist: turn a machine off that
                        * does not shut down */
    void *user;        /* of the folder that supplies the kinds */
};

/*
 * Runs what is pending: a new plan, or (resume) one loaded from the journal.  On failure
 * everything done is taken back, and @err says so; when taking back fails too, @err says
 * what is left and names `undo`.  Holds plan->lock meanwhile; ERR_CONFLICT when another
 * hvgpu has it, or when an earlier run on it was never finished.
 *
 * Resume of a plan that is done already does nothing; of one that was being undone it is
 * an ERR_CONFLICT.
 */
bool plan_run(struct plan *plan, struct plan_context *context, struct err *err) MUST_CHECK;
/*
 * Takes back what is done or started, last first, going on after failures.  Idempotent.
 * A step whose state is neither what it was before nor what the plan made of it was
 * changed by others: it is left alone and named in an ERR_CONFLICT (context->undo_changed
 * takes it back all the same).  ERR_CONFLICT before anything is touched where a step's kind
 * says that this is not the host it was done on.
 */
bool plan_undo(struct plan *plan, struct plan_context *context, struct err *err) MUST_CHECK;

/* ---- the journal: SQLite in the state folder (journal*.c) ---- */

/* "journal.db" in @state_dir, mode 0600, made when missing.  ERR_PROTOCOL: damaged or not
 * a journal; ERR_UNSUPPORTED: of a newer hvgpu. */
struct journal *journal_open(const char *state_dir, struct err *err);
void journal_close(struct journal *journal); /* NULL is fine */
DEFINE_CLEANUP(journal_cleanup, struct journal *, journal_close)

enum run_state {
    RUN_STARTED, /* running, or interrupted while going forward */
    RUN_DONE,
    RUN_UNDOING, /* being taken back, or interrupted at that */
    RUN_UNDONE,
    RUN_FAILED /* taking back did not succeed for everything */
};
const char *run_state_name(enum run_state state); /* "started", ... */

struct run_info {
    char id[24];
    char *host, *title;
    char *lock;           /* plan->lock; NULL: none */
    int64_t started_usec; /* since 1601, UTC */
    enum run_state state;
    unsigned steps, steps_done;
};
/* Newest first.  @info is lent.  on_run returning false with @err filled stops. */
bool journal_list(struct journal *journal,
                  bool (*on_run)(const struct run_info *info, void *user, struct err *err),
                  void *user, struct err *err) MUST_CHECK;
/*
 * The plan of one run.  @id may be any unique beginning.  @id "" (or NULL): with
 * @unfinished the newest that was interrupted, going forward or being taken back; else what `undo` should take: the
 * newest interrupted run, else the newest run if it is done.  ERR_NOT_FOUND says why
 * there is none.  A kind of step that @kinds lacks is ERR_UNSUPPORTED.
 */
struct plan *journal_load(struct journal *journal, const char *id, bool unfinished,
                          const struct step_kind *const *kinds, struct err *err);
bool journal_run_state(struct journal *journal, const char *id, enum run_state *ret,
                       struct err *err) MUST_CHECK;
/* Removes an undone run from the record, for plans that only looked. */
bool journal_forget(struct journal *journal, const char *id, struct err *err) MUST_CHECK;
/* Small things worth remembering between runs, by name; nothing depends on them.  A note that
 * is not there is *ret NULL.  @json NULL: forgotten. */
bool journal_note(struct journal *journal, const char *name, const json_t *json,
                  struct err *err) MUST_CHECK;
bool journal_read_note(struct journal *journal, const char *name, json_t **ret,
                       struct err *err) MUST_CHECK;
/* One plan at a time per VM (or disk): a lock named after it, held until dropped.  When
 * another process keeps it longer than @wait_ms: ERR_CONFLICT naming @holder as that
 * process gave it. */
struct os_lock *journal_lock_target(struct journal *journal, const char *target,
                                    const char *holder, unsigned wait_ms, struct err *err);

/* ---- for run.c: each is one durable transaction ---- */

bool journal_begin(struct journal *journal, const struct plan *plan, struct err *err)
    MUST_CHECK; /* the run as started, all its steps */
/* State and params of one step; @found (may be NULL): what the probe saw. */
bool journal_save_step(struct journal *journal, const struct plan *plan,
                       const struct step *step, const json_t *found, struct err *err)
    MUST_CHECK;
/* All steps anew, after an expansion. */
bool journal_save_steps(struct journal *journal, const struct plan *plan, struct err *err)
    MUST_CHECK;
bool journal_save_run(struct journal *journal, const char *id, enum run_state state,
                      struct err *err) MUST_CHECK;
/* Id and title of an interrupted run on any line of @lock, other than @except; false when
 * none. */
bool journal_find_unfinished(struct journal *journal, const char *lock, const char *except,
                             bool *ret_found, struct run_info *ret, struct err *err)
    MUST_CHECK; /* free with run_info_clear() */
void run_info_clear(struct run_info *info);
