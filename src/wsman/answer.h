/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading one SOAP answer: envelope, fault or body, and the bodies hvgpu knows.
 *
 * All of them take the whole message, which http.c has bounded, and hand out one item at a
 * time.  A fault comes back as the error it describes.
 */
#pragma once

#include "session.h"
#include "xml.h"

/* Calls @body for every element within s:Body, with depths counted from 1 there. */
bool answer_read(const char *bytes, size_t len, const struct xml_handler *body,
                 struct err *err) MUST_CHECK;

/* An EnumerateResponse or PullResponse. */
struct items {
    const char *ns, *wql; /* of the query: names the class of w:XmlFragment items */
    cim_row_fn *on_row;
    void *user;
    /* Results: */
    char *context; /* for the next Pull, owned by the caller; NULL: none */
    bool is_last;
    size_t count;
};
bool answer_read_items(const char *bytes, size_t len, struct items *items, struct err *err)
    MUST_CHECK;

/* The one instance of a GetResponse. */
struct cim_instance *answer_read_instance(const char *bytes, size_t len, struct err *err);

struct cim_class_method;

/* The <method>_OUTPUT of an Invoke; @method (may be NULL) types it. */
struct cim_instance *answer_read_output(const char *bytes, size_t len,
                                        const struct cim_class_method *method,
                                        struct err *err);

/* Answers whose body does not matter (Put, Release, Delete, Signal). */
bool answer_read_empty(const char *bytes, size_t len, struct err *err) MUST_CHECK;

/* The class a WQL query selects from: "select a, b from X where ..."; owned by the caller,
 * or NULL if it has no such form. */
char *wql_class(const char *wql);
