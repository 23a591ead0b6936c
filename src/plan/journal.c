/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: one table of runs, one of their steps, in SQLite.  This opens it and locks
 * what runs change; journal-write.c and journal-read.c hold the rows.
 *
 * synchronous=FULL with the rollback journal: when a function here returns, what it wrote
 * survives a power cut.  A step is written before it is done, so a crash leaves at most a
 * record of something that did not happen, never a change without a record.
 */

#include "journal-inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "text.h"

enum {
    APPLICATION_ID = 0x68766770, /* "hvgp": tells our file from other SQLite files */
    SCHEMA_VERSION = 1,
    BUSY_MS = 10000,             /* how long another process is waited for */
    JSON_MAX = 16 * 1024 * 1024, /* one cell */
    HOLDER_MAX = 4096
};

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

static bool read_pragma(struct journal *journal, const char *sql, int64_t *ret,
                        struct err *err)
{
    sqlite3_stmt *statement;
    int code;

    if (!journal_prepare(journal, &statement, err, sql, ""))
        return false;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else
        journal_fail(journal, code, err);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW;
}

static bool check_schema(struct journal *journal, struct err *err)
{
    char sql[128];
    int64_t application = 0, version = 0, objects = 0;
    bool ok;

    /* Under the write lock: two first uses at once must make one schema. */
    if (!journal_execute(journal, "BEGIN IMMEDIATE", err))
        return false;
    ok = read_pragma(journal, "PRAGMA application_id", &application, err) &&
         read_pragma(journal, "PRAGMA user_version", &version, err) &&
         read_pragma(journal, "SELECT count(*) FROM sqlite_master", &objects, err);
    if (ok && objects == 0 && application == 0) {
        snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
                 APPLICATION_ID, SCHEMA_VERSION);
        ok = journal_execute(journal, schema, err) && journal_execute(journal, sql, err);
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
    ok = ok && journal_execute(journal, notes_schema, err);
    return journal_commit(journal, ok, err);
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
        journal_fail(journal, code, err);
        return NULL;
    }
    sqlite3_extended_result_codes(journal->db, 1);
    sqlite3_busy_timeout(journal->db, BUSY_MS);
    sqlite3_limit(journal->db, SQLITE_LIMIT_LENGTH, JSON_MAX);
    if (!journal_execute(journal, "PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;",
                         err) ||
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
