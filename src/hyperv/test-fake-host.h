/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host in memory for the tests of this folder: rows per class, answers per method.
 *
 * Rows are checked against the class schema, so a test cannot invent properties.  A query
 * for anything but whole classes that were announced is refused, and so is a method that
 * was not scripted.
 */
#pragma once

#include "err.h"
#include "session.h"

enum { FAKE_CLASSES = 24, FAKE_ANSWERS = 64 };

struct fake_rows {
    const char *ns, *class_name;
    struct cim_instance **rows;
    size_t count;
    struct err error; /* kind != 0: the query fails with it */
    char query[400];  /* the last one */
};

/* One answer to invoke (method) or get (class): given in order, the last one repeats. */
struct fake_answer {
    const char *name; /* method, or class of a get */
    struct cim_instance *out;
    struct err error;
    unsigned used;
};

struct fake_host {
    struct cim_session base;
    struct fake_rows classes[FAKE_CLASSES];
    size_t class_count;
    struct fake_answer answers[FAKE_ANSWERS];
    size_t answer_count;
    bool refuses_columns; /* only SELECT * works */
    unsigned queries, gets, invokes;
    char last_get_class[80];
    char last_invoke[80];
    struct cim_instance *last_in; /* of the last invoke; owned, NULL: none */
};

/* Owned by the test: fake_host_free(). */
struct fake_host *fake_host_new(void);
void fake_host_free(struct fake_host *fake);
DEFINE_CLEANUP(fake_host_cleanup, struct fake_host *, fake_host_free)

/* Announces a class, with no rows yet. */
struct fake_rows *fake_class(struct fake_host *fake, const char *ns,
                             const char *class_name);
/* A row of @class_name (announced if needed): property, text, ..., NULL.  The type is the
 * schema's; arrays of numbers are separated by commas.  Returns it, lent. */
struct cim_instance *fake_row(struct fake_host *fake, const char *ns,
                              const char *class_name, ...) __attribute__((sentinel));
/* An answer with these OUT parameters (class_method's types are given in the name of each:
 * "u:ReturnValue", "s:text", "b:flag"), ..., NULL. */
struct cim_instance *fake_answer(struct fake_host *fake, const char *name, ...)
    __attribute__((sentinel));
void fake_error(struct fake_host *fake, const char *name, enum err_kind kind, int64_t code);
