/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes out of the journal; a file that others may have damaged. */

#include "journal-inside.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

enum { STEPS_MAX = 100000 };

/* clang-format off */
static const char *const run_state_names[] = {
    [RUN_STARTED] = "started",
    [RUN_DONE] = "done",
    [RUN_UNDOING] = "undoing",
    [RUN_UNDONE] = "undone",
    [RUN_FAILED] = "failed",
};
/* clang-format on */

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
        return journal_fail(journal, SQLITE_CORRUPT, err);
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
        ok = journal_fail(journal, code, err);
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

    if (!journal_prepare(journal, &statement, err, RUN_COLUMNS "ORDER BY r.seq DESC", ""))
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
        ok = journal_fail(journal, code, err);
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

    if (!journal_prepare(journal, &statement, err, RUN_COLUMNS "WHERE r.id = ?", "t", id) ||
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

    return journal_prepare(
               journal, &statement, err,
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
        if (!journal_prepare(journal, &statement, err,
                             RUN_COLUMNS
                             "WHERE r.id >= ?1 AND substr(r.id, 1, length(?1)) = ?1 "
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

    if (!journal_prepare(journal, &statement, err,
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

    if (!journal_prepare(journal, &statement, err,
                         RUN_COLUMNS "ORDER BY r.seq DESC LIMIT 1", "") ||
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
        return journal_fail(journal, SQLITE_CORRUPT, err);
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

    if (!journal_prepare(journal, &statement, err, "SELECT findings FROM runs WHERE id = ?",
                         "t", plan->id))
        return NULL;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        json_t *findings = parse(statement, 0);

        if (json_is_array(findings))
            json_array_extend(plan->findings, findings);
        json_decref(findings);
    }
    sqlite3_finalize(statement);

    if (!journal_prepare(journal, &statement, err,
                         "SELECT n, kind, target, params, before, after, powershell, state "
                         "FROM steps WHERE run = ? ORDER BY n",
                         "t", plan->id))
        return NULL;
    ok = true;
    while (ok && (code = sqlite3_step(statement)) == SQLITE_ROW)
        ok = read_step(journal, statement, plan, kinds, err);
    if (ok && code != SQLITE_DONE)
        ok = journal_fail(journal, code, err);
    sqlite3_finalize(statement);
    return ok ? TAKE(plan) : NULL;
}

bool journal_read_note(struct journal *journal, const char *name, json_t **ret,
                       struct err *err)
{
    MY_TURN;
    sqlite3_stmt *statement;
    int code;

    *ret = NULL;
    if (!journal_prepare(journal, &statement, err, "SELECT json FROM notes WHERE name = ?",
                         "t", name))
        return false;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW && column(statement, 0))
        *ret = json_loads(column(statement, 0), 0, NULL); /* unreadable: as if none */
    else if (code != SQLITE_ROW && code != SQLITE_DONE)
        journal_fail(journal, code, err);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE;
}
