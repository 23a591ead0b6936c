/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WQL, the query language of WMI, as far as WS-Management clients of Hyper-V use it:
 *
 *     SELECT * | col, ... FROM class [WHERE condition]
 *     ASSOCIATORS OF {path} [WHERE AssocClass = c ResultClass = c Role = r ResultRole = r]
 *     REFERENCES OF {path} [WHERE ResultClass = c Role = r]
 *
 * Conditions: = <> != < <= > >= LIKE, IS [NOT] NULL, ISA, AND OR NOT, parentheses.
 * Keywords and names compare without case.
 *
 * Sources: MicrosoftDocs/win32 WmiSdk/wql-sql-for-wmi, wql-operators, like-operator,
 *          where-clause, associators-of-statement, references-of-statement.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cim.h"
#include "schema.h"

enum wql_kind { WQL_SELECT, WQL_ASSOCIATORS, WQL_REFERENCES };

struct wql_condition;

struct wql_query {
    enum wql_kind kind;
    /* SELECT */
    char *class_name;
    size_t column_count; /* 0: all */
    char **columns;
    struct wql_condition *where; /* NULL: every row */
    /* ASSOCIATORS OF, REFERENCES OF; names are NULL when not said */
    struct cim_path *source;
    char *assoc_class, *result_class, *role, *result_role;
    bool class_defs_only, keys_only;
};

/* At most 64 KiB of text and 64 levels.  NULL with ERR_INVALID. */
struct wql_query *wql_parse(const char *text, struct err *err);
void wql_free(struct wql_query *query); /* NULL is fine */
DEFINE_CLEANUP(wql_cleanup, struct wql_query *, wql_free)

/* The class that a query is about, as near as its text says.  Lent. */
const char *wql_subject(const struct wql_query *query);

/* The names and types of a condition against a class: an unknown property, or a literal
 * that cannot be compared with its property, is ERR_INVALID as WMI's invalid query. */
bool wql_check(const struct wql_query *query, const struct cim_class *class,
               struct err *err) MUST_CHECK;

/* Whether the WHERE clause holds; comparisons with null are false (and so are their
 * negations: NOT of unknown is unknown). */
bool wql_matches(const struct wql_query *query, const struct cim_instance *row,
                 const struct cim_class *class);

/* The plain equalities that must hold (`Name = 'x'` not below OR or NOT), as a partial
 * instance typed by @class; for classes whose instances are made on demand. */
struct cim_instance *wql_equalities(const struct wql_query *query,
                                    const struct cim_class *class, struct err *err);

/* LIKE: % any text, _ any character, [abc], [a-f], [^a]; no case. */
bool wql_like(const char *text, const char *pattern);
