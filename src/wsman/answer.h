/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading one SOAP answer: envelope, fault or body, and the bodies hvgpu knows.
 *
 * All of them take the whole message, which http.c has bounded, and hand out one item at a
 * time.  A fault comes back as the error it describes.
 *
 * An answer says which request it is one to (WS-Addressing 3.1, a:RelatesTo).  One to another
 * request, or to none, is refused before anything of its body is believed: a server that
 * mixes up its answers, or sends an old one again, must not be taken at its word.  A fault
 * may lack it (measured: the recordings in tests/data/wsman have two such), because a host
 * that could not read the request does not know its number.
 */
#pragma once

#include "session.h"
#include "xml.h"

struct soap_answer {
    const char *bytes;
    size_t len;
    const char *request; /* the MessageID it must relate to; NULL: a recording, to any */
};

/* Calls @body for every element within s:Body, with depths counted from 1 there. */
bool answer_read(const struct soap_answer *answer, const struct xml_handler *body,
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
bool answer_read_items(const struct soap_answer *answer, struct items *items,
                       struct err *err) MUST_CHECK;

/* The one instance of a GetResponse. */
struct cim_instance *answer_read_instance(const struct soap_answer *answer,
                                          struct err *err);

struct cim_class_method;

/* The <method>_OUTPUT of an Invoke; @method (may be NULL) types it. */
struct cim_instance *answer_read_output(const struct soap_answer *answer,
                                        const struct cim_class_method *method,
                                        struct err *err);

/* Answers whose body does not matter (Put, Release, Delete, Signal). */
bool answer_read_empty(const struct soap_answer *answer, struct err *err) MUST_CHECK;

/* The class a WQL query selects from: "select a, b from X where ..."; owned by the caller,
 * or NULL if it has no such form. */
char *wql_class(const char *wql);
