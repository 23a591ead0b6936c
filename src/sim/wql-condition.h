/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of a WHERE clause, shared by wql-parse.c and wql-match.c alone. */
#pragma once

#include "wql.h"

enum wql_operator {
    WQL_AND,
    WQL_OR,
    WQL_NOT, /* left only */
    WQL_EQ,
    WQL_NE,
    WQL_LT,
    WQL_LE,
    WQL_GT,
    WQL_GE,
    WQL_LIKE,
    WQL_IS_NULL,
    WQL_IS_NOT_NULL,
    WQL_ISA,
};

enum wql_literal { WQL_TEXT, WQL_NUMBER, WQL_BOOLEAN, WQL_NULL };

struct wql_condition {
    enum wql_operator op;
    struct wql_condition *left, *right; /* AND, OR, NOT */
    char *property;                     /* comparisons */
    enum wql_literal literal_kind;
    char *literal; /* the text; numbers as written; "TRUE"/"FALSE" */
};
