/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: one table of runs, one of their steps, in SQLite.
 *
 * synchronous=FULL with the rollback journal: when a function here returns, what it wrote
 * survives a power cut.  A step is written before it is done, so a crash leaves at most a
 * record of something that did not happen, never a change without a record.
 */

#include "plan.h"

#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "text.h"

enum {
    APPLICATION_ID = 0x68766770, /* "hvgp": tells our file from other SQLite files */
    SCHEMA_VERSION = 1,
    BUSY_MS = 10000,
    JSON_MAX = 16 * 1024 * 1024, /* one cell */
    STEPS_MAX = 100000,
    HOLDER_MAX = 4096
};

struct journal {
    sqlite3 *db;
    char *path;
    char *lock_dir;
};

/* clang-format off */
static const char *const run_state_names[] = {
    [RUN_STARTED] = "started",
    [RUN_DONE] = "done",
    [RUN_UNDOING] = "undoing",
    [RUN_UNDONE] = "undone",
    [RUN_FAILED] = "failed",
};
/* clang-format on */

/* Not in the schema of the first journals, and no reason to refuse those. */
static const char notes_schema[] =
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, json TEXT NOT NULL)"
    " WITHOUT ROWID;";

static const char schema[] =
    "CREATE TABLE runs (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " host TEXT NOT NULL, title TEXT NOT NULL, lock TEXT, started_usec INTEGER NOT NULL,"
    " state TEXT NOT NULL, findings TEXT NOT NULL);"
    "CREATE TABLE steps (run TEXT NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL,"
    " target TEXT NOT NULL, params TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,"
    " found TEXT, powershell TEXT, state TEXT NOT NULL, PRIMARY KEY (run, n)) WITHOUT ROWID;"
    /* What `history` counts, without reading the steps themselves. */
    "CREATE INDEX steps_by_state ON steps (run, state);"
    "CREATE INDEX runs_by_state ON runs (state);";

const char *run_state_name(enum run_state state)
{
    return (size_t)state < ARRAY_LEN(run_state_names) ? run_state_names[state] : "unknown";
}

static bool find_name(const char *const *names, size_t count, const char *name,
                      unsigned *ret)
{
    for (size_t i = 0; i < count; i++)
        if (name && strcmp(names[i], name) == 0) {
            *ret = (unsigned)i;
            return true;
        }
    return false;
}

/* ---- SQLite ---- */

static bool fail(struct journal *journal, int code, struct err *err)
{
    switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_fail(err, ERR_CONFLICT, code, "the journal '%s' is in use",
                        journal->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        err_fail(err, ERR_PROTOCOL, code, "the journal '%s' is damaged: %s", journal->path,
                 sqlite3_errstr(code));
        return err_hint(err, "move the file away to go on; what it recorded can then no "
                             "longer be undone by hvgpu");
    case SQLITE_NOMEM:
        return err_no_memory(err);
    default:
        return err_fail(err, ERR_SYSTEM, code, "the journal '%s': %s", journal->path,
                        sqlite3_errmsg(journal->db));
    }
}

/* Prepares @sql and binds what @types says: 't' text (NULL: null), 'i' int64. */
static bool prepare(struct journal *journal, sqlite3_stmt **ret, struct err *err,
                    const char *sql, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL);
    va_list args;

    va_start(args, types);
    for (int i = 0; code == SQLITE_OK && types[i]; i++) {
        if (types[i] == 't')
            code = sqlite3_bind_text(statement, i + 1, va_arg(args, const char *), -1,
                                     SQLITE_TRANSIENT);
        else
            code = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
    }
    va_end(args);
    if (code != SQLITE_OK) {
        fail(journal, code, err);
        sqlite3_finalize(statement);
        return false;
    }
    *ret = statement;
    return true;
}

/* Runs a prepared statement that returns no rows, and frees it. */
static bool finish(struct journal *journal, sqlite3_stmt *statement, struct err *err)
{
    int code = sqlite3_step(statement);
    bool ok = code == SQLITE_DONE || code == SQLITE_ROW || fail(journal, code, err);

    sqlite3_finalize(statement);
    return ok;
}

static bool execute(struct journal *journal, const char *sql, struct err *err)
{
    int code = sqlite3_exec(journal->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK || fail(journal, code, err);
}

/* ---- turns ---- */

/*
 * SQLite lets those who wait for a lock ask again and again until their patience ends, in no
 * order: with many hosts at work in one process some would starve.  So the threads of one
 * process take turns here, and only other processes are waited for in SQLite's way.
 * A thread that has its turn may take it again: what journal_list() calls may read plans.
 */
static pthread_mutex_t turn_mutex;
static pthread_once_t turn_once = PTHREAD_ONCE_INIT;

static void make_turns(void)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&turn_mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static bool take_turn(void)
{
    pthread_once(&turn_once, make_turns);
    return pthread_mutex_lock(&turn_mutex) == 0;
}

static void end_turn(const bool *taken)
{
    if (*taken)
        pthread_mutex_unlock(&turn_mutex);
}

/* From here to the end of the function. */
#define MY_TURN CLEANUP(end_turn) __attribute__((unused)) const bool my_turn = take_turn()

/* Ends the transaction that "BEGIN IMMEDIATE" began. */
static bool end_transaction(struct journal *journal, bool ok, struct err *err)
{
    if (ok && execute(journal, "COMMIT", err))
        return true;
    sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static bool read_pragma(struct journal *journal, const char *sql, int64_t *ret,
                        struct err *err)
{
    sqlite3_stmt *statement;
    int code;

    if (!prepare(journal, &statement, err, sql, ""))
        return false;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else
        fail(journal, code, err);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW;
}

/* ---- opening ---- */

static bool check_schema(struct journal *journal, struct err *err)
{
    char sql[128];
    int64_t application = 0, version = 0, objects = 0;
    bool ok;

    /* Under the write lock: two first uses at once must make one schema. */
    if (!execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = read_pragma(journal, "PRAGMA application_id", &application, err) &&
         read_pragma(journal, "PRAGMA user_version", &version, err) &&
         read_pragma(journal, "SELECT count(*) FROM sqlite_master", &objects, err);
    if (ok && objects == 0 && application == 0) {
        snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
                 APPLICATION_ID, SCHEMA_VERSION);
        ok = execute(journal, schema, err) && execute(journal, sql, err);
    } else if (ok && application != APPLICATION_ID) {
        ok =
            err_fail(err, ERR_PROTOCOL, 0, "'%s' is not a journal of hvgpu", journal->path);
        err_hint(err, "move the file away; hvgpu makes a new one");
    } else if (ok && version != SCHEMA_VERSION) {
        ok = err_fail(err, ERR_UNSUPPORTED, version,
                      "the journal '%s' has format %" PRId64 ", this hvgpu knows %d",
                      journal->path, version, SCHEMA_VERSION);
        err_hint(err, "use the hvgpu that wrote it, or a newer one");
    }
    ok = ok && execute(journal, notes_schema, err);
    return end_transaction(journal, ok, err);
}

struct journal *journal_open(const char *state_dir, struct err *err)
{
    MY_TURN;
    CLEANUP(journal_cleanup) struct journal *journal = calloc(1, sizeof(*journal));
    int code;

    if (journal) {
        journal->path = text_printf("%s/journal.db", state_dir);
        journal->lock_dir = text_printf("%s/locks", state_dir);
    }
    if (!journal || !journal->path || !journal->lock_dir) {
        err_no_memory(err);
        return NULL;
    }
    if (!os_make_dirs(journal->lock_dir, err))
        return NULL;
    /* SQLite would make it with the user's umask; an empty file is an empty database.
     * Taking a lock makes the file, with mode 0600, and never replaces one. */
    if (!os_file_exists(journal->path)) {
        struct os_lock *made = os_lock_take(journal->path, BUSY_MS, err);

        if (!made)
            return NULL;
        os_lock_drop(made);
    }
    code = sqlite3_open_v2(journal->path, &journal->db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        fail(journal, code, err);
        return NULL;
    }
    sqlite3_extended_result_codes(journal->db, 1);
    sqlite3_busy_timeout(journal->db, BUSY_MS);
    sqlite3_limit(journal->db, SQLITE_LIMIT_LENGTH, JSON_MAX);
    if (!execute(journal, "PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;", err) ||
        !check_schema(journal, err))
        return NULL;
    return TAKE(journal);
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    sqlite3_close(journal->db);
    free(journal->path);
    free(journal->lock_dir);
    free(journal);
}

/* ---- writing ---- */

/* In the order in which it was made: what a step writes out of it must be the same bytes
 * before and after a crash. */
static char *dump(const json_t *value)
{
    return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

static bool insert_step(struct journal *journal, const struct plan *plan,
                        const struct step *step, struct err *err)
{
    char *params = dump(step->params), *before = dump(step->before),
         *after = dump(step->after);
    sqlite3_stmt *statement;
    bool ok = params && before && after;

    if (!ok)
        err_no_memory(err);
    else
        ok = prepare(journal, &statement, err,
                     "INSERT OR REPLACE INTO steps (run, n, kind, target, params, before, "
                     "after, powershell, state) VALUES (?,?,?,?,?,?,?,?,?)",
                     "tittttttt", plan->id, (int64_t)step->n, step->kind->name,
                     step->target, params, before, after, step->powershell,
                     step_state_name(step->state)) &&
             finish(journal, statement, err);
    free(params);
    free(before);
    free(after);
    return ok;
}

bool journal_begin(struct journal *journal, const struct plan *plan, struct err *err)
{
    MY_TURN;
    CLEANUP(free_cleanup) char *findings = dump(plan->findings);
    sqlite3_stmt *statement;
    bool ok;

    if (!findings)
        return err_no_memory(err);
    if (!execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = prepare(journal, &statement, err,
                 "INSERT INTO runs (id, host, title, lock, started_usec, state, findings) "
                 "VALUES (?,?,?,?,?,?,?)",
                 "ttttitt", plan->id, plan->host, plan->title, plan->lock, os_now_usec(),
                 run_state_name(RUN_STARTED), findings) &&
         finish(journal, statement, err);
    for (size_t i = 0; ok && i < plan->step_count; i++)
        ok = insert_step(journal, plan, &plan->steps[i], err);
    return end_transaction(journal, ok, err);
}

bool journal_save_steps(struct journal *journal, const struct plan *plan, struct err *err)
{
    MY_TURN;
    CLEANUP(free_cleanup) char *findings = dump(plan->findings);
    sqlite3_stmt *statement;
    bool ok;

    if (!findings)
        return err_no_memory(err);
    if (!execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = prepare(journal, &statement, err, "DELETE FROM steps WHERE run = ?", "t",
                 plan->id) &&
         finish(journal, statement, err) &&
         prepare(journal, &statement, err, "UPDATE runs SET findings = ? WHERE id = ?",
                 "tt", findings, plan->id) &&
         finish(journal, statement, err);
    for (size_t i = 0; ok && i < plan->step_count; i++)
        ok = insert_step(journal, plan, &plan->steps[i], err);
    return end_transaction(journal, ok, err);
}

bool journal_save_step(struct journal *journal, const struct plan *plan,
                       const struct step *step, const json_t *found, struct err *err)
{
    MY_TURN;
    char *params = dump(step->params), *seen = found ? dump(found) : NULL;
    sqlite3_stmt *statement;
    bool ok = params && (seen || !found);

    if (!ok)
        err_no_memory(err);
    else
        ok = prepare(journal, &statement, err,
                     "UPDATE steps SET state = ?, params = ?, found = coalesce(?, found) "
                     "WHERE run = ? AND n = ?",
                     "tttti", step_state_name(step->state), params, seen, plan->id,
                     (int64_t)step->n) &&
             finish(journal, statement, err);
    free(params);
    free(seen);
    if (ok && sqlite3_changes(journal->db) != 1)
        ok = err_fail(err, ERR_PROTOCOL, 0, "the journal '%s' lost step %u of run %s",
                      journal->path, step->n, plan->id);
    return ok;
}

bool journal_save_run(struct journal *journal, const char *id, enum run_state state,
                      struct err *err)
{
    MY_TURN;
    sqlite3_stmt *statement;

    return prepare(journal, &statement, err, "UPDATE runs SET state = ? WHERE id = ?", "tt",
                   run_state_name(state), id) &&
           finish(journal, statement, err);
}

bool journal_forget(struct journal *journal, const char *id, struct err *err)
{
    MY_TURN;
    sqlite3_stmt *statement;
    bool ok;

    if (!execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = prepare(journal, &statement, err,
                 "DELETE FROM steps WHERE run IN "
                 "(SELECT id FROM runs WHERE id = ? AND state = 'undone')",
                 "t", id) &&
         finish(journal, statement, err) &&
         prepare(journal, &statement, err,
                 "DELETE FROM runs WHERE id = ? AND state = 'undone'", "t", id) &&
         finish(journal, statement, err);
    return end_transaction(journal, ok, err);
}

/* ---- reading ---- */

static const char *column(sqlite3_stmt *statement, int i)
{
    return (const char *)sqlite3_column_text(statement, i);
}

void run_info_clear(struct run_info *info)
{
    free(info->host);
    free(info->title);
    free(info->lock);
    *info = (struct run_info){ 0 };
}

/* Columns: id, host, title, lock, started_usec, state, steps, steps_done. */
#define RUN_COLUMNS                                                           \
    "SELECT r.id, r.host, r.title, r.lock, r.started_usec, r.state,"          \
    " (SELECT count(*) FROM steps s WHERE s.run = r.id),"                     \
    " (SELECT count(*) FROM steps s WHERE s.run = r.id AND s.state = 'done')" \
    " FROM runs r "

static bool read_run(struct journal *journal, sqlite3_stmt *statement, struct run_info *ret,
                     struct err *err)
{
    const char *id = column(statement, 0);
    unsigned state;

    if (!id || strlen(id) >= sizeof(ret->id) || !column(statement, 1) ||
        !column(statement, 2) ||
        !find_name(run_state_names, ARRAY_LEN(run_state_names), column(statement, 5),
                   &state))
        return fail(journal, SQLITE_CORRUPT, err);
    *ret = (struct run_info){
        .host = text_dup(column(statement, 1)),
        .title = text_dup(column(statement, 2)),
        .lock = text_dup(column(statement, 3)),
        .started_usec = sqlite3_column_int64(statement, 4),
        .state = state,
        .steps = (unsigned)sqlite3_column_int(statement, 6),
        .steps_done = (unsigned)sqlite3_column_int(statement, 7),
    };
    snprintf(ret->id, sizeof(ret->id), "%s", id);
    if (!ret->host || !ret->title) {
        run_info_clear(ret);
        return err_no_memory(err);
    }
    return true;
}

/* The first row of a statement, which it frees. */
static bool read_one_run(struct journal *journal, sqlite3_stmt *statement, bool *ret_found,
                         struct run_info *ret, struct err *err)
{
    int code = sqlite3_step(statement);
    bool ok = true;

    *ret_found = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        ok = read_run(journal, statement, ret, err);
    else if (code != SQLITE_DONE)
        ok = fail(journal, code, err);
    sqlite3_finalize(statement);
    return ok;
}

bool journal_list(struct journal *journal,
                  bool (*on_run)(const struct run_info *info, void *user, struct err *err),
                  void *user, struct err *err)
{
    MY_TURN;
    sqlite3_stmt *statement;
    bool ok = true;
    int code = SQLITE_DONE;

    if (!prepare(journal, &statement, err, RUN_COLUMNS "ORDER BY r.seq DESC", ""))
        return false;
    while (ok && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct run_info info;

        ok = read_run(journal, statement, &info, err);
        if (ok) {
            ok = on_run(&info, user, err);
            run_info_clear(&info);
        }
    }
    if (ok && code != SQLITE_DONE)
        ok = fail(journal, code, err);
    sqlite3_finalize(statement);
    return ok;
}

bool journal_run_state(struct journal *journal, const char *id, enum run_state *ret,
                       struct err *err)
{
    MY_TURN;
    struct run_info info;
    sqlite3_stmt *statement;
    bool found;

    if (!prepare(journal, &statement, err, RUN_COLUMNS "WHERE r.id = ?", "t", id) ||
        !read_one_run(journal, statement, &found, &info, err))
        return false;
    if (!found)
        return err_fail(err, ERR_NOT_FOUND, 0, "no run '%s' in the journal", id);
    *ret = info.state;
    run_info_clear(&info);
    return true;
}

static bool find_unfinished(struct journal *journal, const char *line, const char *except,
                            bool *ret_found, struct run_info *ret, struct err *err)
{
    sqlite3_stmt *statement;

    return prepare(journal, &statement, err,
                   RUN_COLUMNS
                   "WHERE instr(char(10) || r.lock || char(10), char(10) || ? || char(10))"
                   " AND r.id <> ? AND r.state IN ('started', 'undoing', 'failed') "
                   "ORDER BY r.seq DESC LIMIT 1",
                   "tt", line, except) &&
           read_one_run(journal, statement, ret_found, ret, err);
}

bool journal_find_unfinished(struct journal *journal, const char *lock, const char *except,
                             bool *ret_found, struct run_info *ret, struct err *err)
{
    MY_TURN;
    *ret_found = false;
    for (const char *line = lock; *line && !*ret_found;) {
        size_t len = strcspn(line, "\n");
        CLEANUP(free_cleanup) char *one = text_ndup(line, len);

        if (!one)
            return err_no_memory(err);
        if (!find_unfinished(journal, one, except, ret_found, ret, err))
            return false;
        line += len + (line[len] == '\n');
    }
    return true;
}

/* Which run is meant: see journal_load(). */
static bool choose_run(struct journal *journal, const char *id, bool unfinished,
                       struct run_info *ret, struct err *err)
{
    struct run_info second = { 0 };
    sqlite3_stmt *statement;
    bool found, more = false;

    if (id && id[0]) {
        /* A beginning of an id; digits and dashes only, so no LIKE pattern hides in it. */
        if (strspn(id, "0123456789abcdef-") != strlen(id) || strlen(id) >= sizeof(ret->id))
            return err_fail(err, ERR_INVALID, 0, "'%.40s' is not the id of a run", id);
        if (!prepare(journal, &statement, err,
                     RUN_COLUMNS "WHERE r.id >= ?1 AND substr(r.id, 1, length(?1)) = ?1 "
                                 "ORDER BY (r.id = ?1) DESC, r.seq DESC LIMIT 2",
                     "t", id))
            return false;
        found = false;
        if (sqlite3_step(statement) == SQLITE_ROW) {
            found = read_run(journal, statement, ret, err);
            if (!found) {
                sqlite3_finalize(statement);
                return false;
            }
            if (strcmp(ret->id, id) != 0 && sqlite3_step(statement) == SQLITE_ROW)
                more = read_run(journal, statement, &second, err);
        }
        sqlite3_finalize(statement);
        if (more) {
            err_fail(err, ERR_INVALID, 0, "'%s' may be run %s or %s", id, ret->id,
                     second.id);
            run_info_clear(&second);
            run_info_clear(ret);
            return false;
        }
        if (found)
            return true;
        err_fail(err, ERR_NOT_FOUND, 0, "no run '%s' in the journal", id);
        return err_hint(err, "'hvgpu history' lists the runs");
    }

    if (!prepare(journal, &statement, err,
                 unfinished ? RUN_COLUMNS "WHERE r.state IN ('started', 'undoing') "
                                          "ORDER BY r.seq DESC LIMIT 1"
                            : RUN_COLUMNS
                     "WHERE r.state IN ('started', 'undoing', 'failed') "
                     "ORDER BY r.seq DESC LIMIT 1",
                 "") ||
        !read_one_run(journal, statement, &found, ret, err))
        return false;
    if (found)
        return true;
    if (unfinished)
        return err_fail(err, ERR_NOT_FOUND, 0, "nothing to resume: no run was interrupted");

    if (!prepare(journal, &statement, err, RUN_COLUMNS "ORDER BY r.seq DESC LIMIT 1", "") ||
        !read_one_run(journal, statement, &found, ret, err))
        return false;
    if (!found)
        return err_fail(err, ERR_NOT_FOUND, 0, "nothing to undo: the journal is empty");
    if (ret->state == RUN_DONE)
        return true;
    /* The last one is undone.  Taking an older one now would surprise whoever repeats
     * `undo` to be sure. */
    err_fail(err, ERR_NOT_FOUND, 0,
             "nothing to undo: the newest run, %s, is undone already", ret->id);
    run_info_clear(ret);
    return err_hint(err, "name an older run: 'hvgpu undo ID'; 'hvgpu history' lists them");
}

static json_t *parse(sqlite3_stmt *statement, int i)
{
    const char *text = column(statement, i);

    return text ? json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* Columns: n, kind, target, params, before, after, powershell, state. */
static bool read_step(struct journal *journal, sqlite3_stmt *statement, struct plan *plan,
                      const struct step_kind *const *kinds, struct err *err)
{
    const char *name = column(statement, 1);
    json_t *params = parse(statement, 3), *before = parse(statement, 4),
           *after = parse(statement, 5);
    const struct step_kind *kind = NULL;
    struct step *step;
    unsigned state;

    for (size_t i = 0; name && kinds[i] && !kind; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            kind = kinds[i];
    if (!name || !column(statement, 2) || !json_is_object(params) || !before || !after ||
        sqlite3_column_int64(statement, 0) != (int64_t)plan->step_count + 1 ||
        plan->step_count >= STEPS_MAX ||
        !find_name((const char *const[]){ "pending", "started", "done", "undone" }, 4,
                   column(statement, 7), &state) ||
        !kind) {
        json_decref(params);
        json_decref(before);
        json_decref(after);
        if (name && !kind) {
            err_fail(err, ERR_UNSUPPORTED, 0,
                     "run %s has a step of kind '%s', which this hvgpu does not know",
                     plan->id, name);
            return err_hint(err, "use the hvgpu that wrote it, or a newer one");
        }
        return fail(journal, SQLITE_CORRUPT, err);
    }
    step = plan_add(plan, kind, column(statement, 2), params, before, after,
                    column(statement, 6), err);
    if (!step)
        return false;
    step->state = state;
    return true;
}

struct plan *journal_load(struct journal *journal, const char *id, bool unfinished,
                          const struct step_kind *const *kinds, struct err *err)
{
    MY_TURN;
    CLEANUP(plan_cleanup) struct plan *plan = NULL;
    struct run_info info;
    sqlite3_stmt *statement;
    int code;
    bool ok;

    if (!choose_run(journal, id, unfinished, &info, err))
        return NULL;
    plan = plan_new(info.host, info.title, err);
    if (plan) {
        memcpy(plan->id, info.id, sizeof(plan->id));
        plan->is_journaled = true;
        plan->lock = TAKE(info.lock);
    }
    run_info_clear(&info);
    if (!plan)
        return NULL;

    if (!prepare(journal, &statement, err, "SELECT findings FROM runs WHERE id = ?", "t",
                 plan->id))
        return NULL;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        json_t *findings = parse(statement, 0);

        if (json_is_array(findings))
            json_array_extend(plan->findings, findings);
        json_decref(findings);
    }
    sqlite3_finalize(statement);

    if (!prepare(journal, &statement, err,
                 "SELECT n, kind, target, params, before, after, powershell, state "
                 "FROM steps WHERE run = ? ORDER BY n",
                 "t", plan->id))
        return NULL;
    ok = true;
    while (ok && (code = sqlite3_step(statement)) == SQLITE_ROW)
        ok = read_step(journal, statement, plan, kinds, err);
    if (ok && code != SQLITE_DONE)
        ok = fail(journal, code, err);
    sqlite3_finalize(statement);
    return ok ? TAKE(plan) : NULL;
}

/* ---- notes ---- */

bool journal_note(struct journal *journal, const char *name, const json_t *json,
                  struct err *err)
{
    MY_TURN;
    char *text = json ? dump(json) : NULL;
    sqlite3_stmt *statement;
    bool ok;

    if (json && !text)
        return err_no_memory(err);
    ok = prepare(journal, &statement, err,
                 json ? "INSERT OR REPLACE INTO notes (name, json) VALUES (?, ?)"
                      : "DELETE FROM notes WHERE name = ?",
                 json ? "tt" : "t", name, text) &&
         finish(journal, statement, err);
    free(text);
    return ok;
}

bool journal_read_note(struct journal *journal, const char *name, json_t **ret,
                       struct err *err)
{
    MY_TURN;
    sqlite3_stmt *statement;
    int code;

    *ret = NULL;
    if (!prepare(journal, &statement, err, "SELECT json FROM notes WHERE name = ?", "t",
                 name))
        return false;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW && column(statement, 0))
        *ret = json_loads(column(statement, 0), 0, NULL); /* unreadable: as if none */
    else if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail(journal, code, err);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

/* ---- locks ---- */

struct os_lock *journal_lock_target(struct journal *journal, const char *target,
                                    const char *holder, unsigned wait_ms, struct err *err)
{
    CLEANUP(free_cleanup) char *path = NULL, *note = NULL, *held = NULL;
    struct os_lock *lock;
    struct err ignored = ERR_INIT;
    uint64_t hash = 14695981039346656037u; /* FNV-1a: any text becomes a file name */

    for (const char *at = target; *at; at++)
        hash = (hash ^ (unsigned char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at)) *
               1099511628211u;
    path = text_printf("%s/%016" PRIx64 ".lock", journal->lock_dir, hash);
    note = text_printf("%s/%016" PRIx64 ".holder", journal->lock_dir, hash);
    if (!path || !note) {
        err_no_memory(err);
        return NULL;
    }
    lock = os_lock_take(path, wait_ms, err);
    if (lock) {
        /* Only for the message of whoever comes second. */
        if (!os_write_file(note, holder, strlen(holder), &ignored))
            ignored = ERR_INIT;
        return lock;
    }
    if (err->kind == ERR_CONFLICT) {
        held = os_read_file(note, HOLDER_MAX, NULL, &ignored);
        err_fail(err, ERR_CONFLICT, 0, "another hvgpu is at work here: %s",
                 held && text_is_utf8(held, strlen(held)) ? held : "unknown");
        err_hint(err, "wait for it to end, then try again");
    }
    return NULL;
}
