/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the journal-*.c files share: the database, its statements, whose turn it is.  Nobody
 * else includes this.
 */
#pragma once

#include <sqlite3.h>

#include "plan.h"

struct journal {
    sqlite3 *db;
    char *path;
    char *lock_dir;
};

/* The error that SQLite's @code is; false. */
bool journal_fail(struct journal *journal, int code, struct err *err);

/* Prepares @sql and binds what @types says: 't' text (NULL: null), 'i' int64. */
bool journal_prepare(struct journal *journal, sqlite3_stmt **ret, struct err *err,
                     const char *sql, const char *types, ...) MUST_CHECK;
/* Runs a prepared statement that returns no rows, and frees it. */
bool journal_finish(struct journal *journal, sqlite3_stmt *statement, struct err *err)
    MUST_CHECK;
bool journal_execute(struct journal *journal, const char *sql, struct err *err) MUST_CHECK;
/* Ends the transaction that "BEGIN IMMEDIATE" began; unless @ok by taking all back. */
bool journal_commit(struct journal *journal, bool ok, struct err *err) MUST_CHECK;

bool journal_take_turn(void);
void journal_end_turn(const bool *taken);
/* No other thread uses a journal from here to the end of the function. */
#define MY_TURN               \
    CLEANUP(journal_end_turn) \
    __attribute__((unused)) const bool my_turn = journal_take_turn()
