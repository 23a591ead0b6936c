/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded, streaming XML reading, for CIM-XML and for SOAP.
 *
 * Bytes are pushed in as they arrive; elements come out as calls.  What is refused,
 * always: document type declarations (and with them entities), processing of
 * anything outside the document, nesting deeper and texts longer than the limits, tags
 * longer than 64 KiB, encodings other than UTF-8 and UTF-16 and their subsets.
 * Names are matched by namespace and local name, never by prefix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attr.h"

struct err;

struct xml_attr {
    const char *ns; /* "" when none */
    const char *name;
    const char *value;
};

struct xml_element {
    const char *ns; /* "" when none */
    const char *name;
    size_t depth; /* 1 = the root */
    const struct xml_attr *attrs;
    size_t attr_count; /* 0 in on_end */
    /* on_end only: the text directly within, from the end of the last child on.
     * So it is whole for an element without children. */
    const char *text;
    size_t text_len;
};

/* All lent until the function returns.  Returning false, with @err filled, ends the
 * reading and becomes its result. */
struct xml_handler {
    bool (*on_start)(void *user, const struct xml_element *e, struct err *err);
    bool (*on_end)(void *user, const struct xml_element *e, struct err *err);
    void *user;
    size_t max_text;  /* bytes of one text; 0: 4 MiB */
    size_t max_depth; /* 0: 48 */
};

struct xml_reader;

struct xml_reader *xml_reader_new(const struct xml_handler *handler, struct err *err);
bool xml_reader_feed(struct xml_reader *reader, const void *bytes, size_t len,
                     struct err *err) MUST_CHECK;
/* The document must be complete. */
bool xml_reader_finish(struct xml_reader *reader, struct err *err) MUST_CHECK;
void xml_reader_free(struct xml_reader *reader); /* NULL is fine */
DEFINE_CLEANUP(xml_reader_cleanup, struct xml_reader *, xml_reader_free)

/* True when @e is {ns}name. */
bool xml_is(const struct xml_element *e, const char *ns, const char *name);
/* The value of an attribute, lent as above, or NULL. */
const char *xml_attr(const struct xml_element *e, const char *ns, const char *name);

struct strbuf;
/* Escaped for element content and quoted attributes.  Characters XML 1.0 cannot carry
 * fail the buffer: they must not be sent changed. */
void xml_put_text(struct strbuf *to, const char *text);
