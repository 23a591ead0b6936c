/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SQLite as the journal uses it: statements, errors, turns. */

#include "journal-inside.h"

#include <pthread.h>
#include <stdarg.h>

bool journal_fail(struct journal *journal, int code, struct err *err)
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

bool journal_prepare(struct journal *journal, sqlite3_stmt **ret, struct err *err,
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
        journal_fail(journal, code, err);
        sqlite3_finalize(statement);
        return false;
    }
    *ret = statement;
    return true;
}

bool journal_finish(struct journal *journal, sqlite3_stmt *statement, struct err *err)
{
    int code = sqlite3_step(statement);
    bool ok = code == SQLITE_DONE || code == SQLITE_ROW || journal_fail(journal, code, err);

    sqlite3_finalize(statement);
    return ok;
}

bool journal_execute(struct journal *journal, const char *sql, struct err *err)
{
    int code = sqlite3_exec(journal->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK || journal_fail(journal, code, err);
}

bool journal_commit(struct journal *journal, bool ok, struct err *err)
{
    if (ok && journal_execute(journal, "COMMIT", err))
        return true;
    sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
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

bool journal_take_turn(void)
{
    pthread_once(&turn_once, make_turns);
    return pthread_mutex_lock(&turn_mutex) == 0;
}

void journal_end_turn(const bool *taken)
{
    if (*taken)
        pthread_mutex_unlock(&turn_mutex);
}
