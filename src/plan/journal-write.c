/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes into the journal: runs, their steps, notes. */

#include "journal-inside.h"

#include "os.h"

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
        ok = journal_prepare(
                 journal, &statement, err,
                 "INSERT OR REPLACE INTO steps (run, n, kind, target, params, before, "
                 "after, powershell, state) VALUES (?,?,?,?,?,?,?,?,?)",
                 "tittttttt", plan->id, (int64_t)step->n, step->kind->name, step->target,
                 params, before, after, step->powershell, step_state_name(step->state)) &&
             journal_finish(journal, statement, err);
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
    if (!journal_execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = journal_prepare(
             journal, &statement, err,
             "INSERT INTO runs (id, host, title, lock, started_usec, state, findings) "
             "VALUES (?,?,?,?,?,?,?)",
             "ttttitt", plan->id, plan->host, plan->title, plan->lock, os_now_usec(),
             run_state_name(RUN_STARTED), findings) &&
         journal_finish(journal, statement, err);
    for (size_t i = 0; ok && i < plan->step_count; i++)
        ok = insert_step(journal, plan, &plan->steps[i], err);
    return journal_commit(journal, ok, err);
}

bool journal_save_steps(struct journal *journal, const struct plan *plan, struct err *err)
{
    MY_TURN;
    CLEANUP(free_cleanup) char *findings = dump(plan->findings);
    sqlite3_stmt *statement;
    bool ok;

    if (!findings)
        return err_no_memory(err);
    if (!journal_execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = journal_prepare(journal, &statement, err, "DELETE FROM steps WHERE run = ?", "t",
                         plan->id) &&
         journal_finish(journal, statement, err) &&
         journal_prepare(journal, &statement, err,
                         "UPDATE runs SET findings = ? WHERE id = ?", "tt", findings,
                         plan->id) &&
         journal_finish(journal, statement, err);
    for (size_t i = 0; ok && i < plan->step_count; i++)
        ok = insert_step(journal, plan, &plan->steps[i], err);
    return journal_commit(journal, ok, err);
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
        ok = journal_prepare(
                 journal, &statement, err,
                 "UPDATE steps SET state = ?, params = ?, found = coalesce(?, found) "
                 "WHERE run = ? AND n = ?",
                 "tttti", step_state_name(step->state), params, seen, plan->id,
                 (int64_t)step->n) &&
             journal_finish(journal, statement, err);
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

    return journal_prepare(journal, &statement, err,
                           "UPDATE runs SET state = ? WHERE id = ?", "tt",
                           run_state_name(state), id) &&
           journal_finish(journal, statement, err);
}

bool journal_forget(struct journal *journal, const char *id, struct err *err)
{
    MY_TURN;
    sqlite3_stmt *statement;
    bool ok;

    if (!journal_execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = journal_prepare(journal, &statement, err,
                         "DELETE FROM steps WHERE run IN "
                         "(SELECT id FROM runs WHERE id = ? AND state = 'undone')",
                         "t", id) &&
         journal_finish(journal, statement, err) &&
         journal_prepare(journal, &statement, err,
                         "DELETE FROM runs WHERE id = ? AND state = 'undone'", "t", id) &&
         journal_finish(journal, statement, err);
    return journal_commit(journal, ok, err);
}

bool journal_note(struct journal *journal, const char *name, const json_t *json,
                  struct err *err)
{
    MY_TURN;
    char *text = json ? dump(json) : NULL;
    sqlite3_stmt *statement;
    bool ok;

    if (json && !text)
        return err_no_memory(err);
    ok = journal_prepare(journal, &statement, err,
                         json ? "INSERT OR REPLACE INTO notes (name, json) VALUES (?, ?)"
                              : "DELETE FROM notes WHERE name = ?",
                         json ? "tt" : "t", name, text) &&
         journal_finish(journal, statement, err);
    free(text);
    return ok;
}
