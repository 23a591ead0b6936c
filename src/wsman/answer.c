/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading SOAP answers. */

#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "err.h"
#include "fault.h"
#include "names.h"
#include "text.h"

struct envelope_reading {
    const struct xml_handler *body;
    const char *request; /* as in struct soap_answer */
    bool in_header, is_related;
    bool in_body, had_body, in_fault;
    struct soap_fault fault;
};

enum { BODY_DEPTH = 2 }; /* Envelope, Body */

/* The header stands in front of the body, so this is known before the first item. */
static bool take_relation(struct envelope_reading *r, const char *text, struct err *err)
{
    CLEANUP(free_cleanup) char *id = text_dup(text + strspn(text, " \t\r\n"));

    if (!id)
        return err_no_memory(err);
    id[strcspn(id, " \t\r\n")] = '\0';
    r->is_related = !r->request || text_ieq(id, r->request);
    return r->is_related ||
           err_fail(err, ERR_PROTOCOL, 0, "the answer is one to another request");
}

static bool envelope_start(void *user, const struct xml_element *e, struct err *err)
{
    struct envelope_reading *r = user;
    struct xml_element inner = *e;

    if (e->depth == 1 && !xml_is(e, NS_SOAP, "Envelope"))
        return err_fail(err, ERR_PROTOCOL, 0, "the answer is no SOAP 1.2 envelope");
    if (e->depth == BODY_DEPTH) {
        r->in_header = !r->had_body && xml_is(e, NS_SOAP, "Header");
        r->in_body = xml_is(e, NS_SOAP, "Body");
        r->had_body |= r->in_body;
        return true;
    }
    if (e->depth < BODY_DEPTH || !r->in_body)
        return true;
    inner.depth -= BODY_DEPTH;
    if (inner.depth == 1 && xml_is(e, NS_SOAP, "Fault"))
        r->in_fault = true;
    if (!r->in_fault && r->request && !r->is_related)
        return err_fail(err, ERR_PROTOCOL, 0,
                        "the answer does not say which request it is one to");
    if (r->in_fault) {
        soap_fault_start(&r->fault, e);
        return true;
    }
    return !r->body->on_start || r->body->on_start(r->body->user, &inner, err);
}

static bool envelope_end(void *user, const struct xml_element *e, struct err *err)
{
    struct envelope_reading *r = user;
    struct xml_element inner = *e;

    if (r->in_header && e->depth == BODY_DEPTH + 1 && xml_is(e, NS_ADDRESSING, "RelatesTo"))
        return take_relation(r, e->text, err);
    if (e->depth == BODY_DEPTH)
        r->in_header = r->in_body = false;
    if (e->depth <= BODY_DEPTH || !r->in_body)
        return true;
    if (r->in_fault) {
        soap_fault_end(&r->fault, e);
        return true;
    }
    inner.depth -= BODY_DEPTH;
    return !r->body->on_end || r->body->on_end(r->body->user, &inner, err);
}

bool answer_read(const struct soap_answer *answer, const struct xml_handler *body,
                 struct err *err)
{
    struct envelope_reading r = { .body = body, .request = answer->request };
    struct xml_handler handler = { envelope_start, envelope_end, &r, body->max_text,
                                   body->max_depth };
    CLEANUP(xml_reader_cleanup) struct xml_reader *reader = xml_reader_new(&handler, err);

    if (!reader || !xml_reader_feed(reader, answer->bytes, answer->len, err) ||
        !xml_reader_finish(reader, err))
        return false;
    if (r.fault.present)
        return soap_fault_to_err(&r.fault, err);
    if (!r.had_body)
        return err_fail(err, ERR_PROTOCOL, 0, "the answer has no SOAP body");
    return !r.request || r.is_related ||
           err_fail(err, ERR_PROTOCOL, 0,
                    "the answer does not say which request it is one to");
}

/* Items ------------------------------------------------------------------ */

struct items_reading {
    struct items *items;
    struct instance_decoder decoder;
    bool had_response;
};

static bool items_start(void *user, const struct xml_element *e, struct err *err)
{
    struct items_reading *r = user;

    if (r->decoder.level)
        return instance_start(&r->decoder, e, err);
    if (e->depth == 1)
        r->had_response = xml_is(e, NS_ENUMERATION, "EnumerateResponse") ||
                          xml_is(e, NS_ENUMERATION, "PullResponse");
    /* Response / Items / the instances: w:Items in an optimized first answer, n:Items in
     * that of a Pull, and nothing else has children there. */
    if (e->depth == 3 && r->had_response)
        return instance_begin(&r->decoder, e, err);
    return true;
}

static bool items_end(void *user, const struct xml_element *e, struct err *err)
{
    struct items_reading *r = user;
    struct items *items = r->items;

    if (r->decoder.level) {
        CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

        if (!instance_end(&r->decoder, e, err))
            return false;
        if (r->decoder.level)
            return true;
        row = instance_take(&r->decoder);
        items->count++;
        return items->on_row(row, items->user, err);
    }
    if (e->depth == 2 && xml_is(e, NS_ENUMERATION, "EnumerationContext") && *e->text) {
        free(items->context);
        items->context = text_dup(e->text);
        return items->context || err_no_memory(err);
    }
    /* The marker is in either namespace: n after a Pull, w in an optimized first answer. */
    if (e->depth == 2 && strcmp(e->name, "EndOfSequence") == 0)
        items->is_last = true;
    return true;
}

bool answer_read_items(const struct soap_answer *answer, struct items *items,
                       struct err *err)
{
    CLEANUP(free_cleanup) char *class_name = wql_class(items->wql);
    struct items_reading r = { .items = items };
    struct xml_handler handler = { .on_start = items_start,
                                   .on_end = items_end,
                                   .user = &r };
    bool ok;

    r.decoder.fragment_ns = items->ns;
    r.decoder.fragment_class = class_name;
    ok = answer_read(answer, &handler, err);
    instance_clear(&r.decoder);
    if (ok && !r.had_response)
        ok = err_fail(err, ERR_PROTOCOL, 0, "the answer is not one to Enumerate or Pull");
    return ok;
}

/* One instance ----------------------------------------------------------- */

struct one_reading {
    struct instance_decoder decoder;
    struct cim_instance *instance;
};

static bool one_start(void *user, const struct xml_element *e, struct err *err)
{
    struct one_reading *r = user;

    if (r->decoder.level)
        return instance_start(&r->decoder, e, err);
    if (e->depth != 1)
        return true;
    if (r->instance)
        return err_fail(err, ERR_PROTOCOL, 0, "the answer holds more than one instance");
    if (r->decoder.is_output && !text_iends(e->name, "_OUTPUT"))
        return err_fail(err, ERR_PROTOCOL, 0, "the answer is not one to a method call");
    return instance_begin(&r->decoder, e, err);
}

static bool one_end(void *user, const struct xml_element *e, struct err *err)
{
    struct one_reading *r = user;

    if (!r->decoder.level)
        return true;
    if (!instance_end(&r->decoder, e, err))
        return false;
    if (!r->decoder.level)
        r->instance = instance_take(&r->decoder);
    return true;
}

static struct cim_instance *read_one(const struct soap_answer *answer,
                                     struct one_reading *r, struct err *err)
{
    struct xml_handler handler = { .on_start = one_start, .on_end = one_end, .user = r };
    CLEANUP(cim_instance_cleanup) struct cim_instance *instance = NULL;
    bool ok = answer_read(answer, &handler, err);

    instance_clear(&r->decoder);
    instance = TAKE(r->instance);
    if (ok && !instance)
        err_fail(err, ERR_PROTOCOL, 0, "the answer is empty");
    return ok ? TAKE(instance) : NULL;
}

struct cim_instance *answer_read_instance(const struct soap_answer *answer, struct err *err)
{
    struct one_reading r = { 0 };

    return read_one(answer, &r, err);
}

struct cim_instance *answer_read_output(const struct soap_answer *answer,
                                        const struct cim_class_method *method,
                                        struct err *err)
{
    struct one_reading r = { .decoder = { .is_output = true, .method = method } };

    return read_one(answer, &r, err);
}

bool answer_read_empty(const struct soap_answer *answer, struct err *err)
{
    struct xml_handler handler = { 0 };

    return answer_read(answer, &handler, err);
}

/* WQL -------------------------------------------------------------------- */

char *wql_class(const char *wql)
{
    static const char delimiters[] = " \t\r\n";
    char quote = '\0';

    if (!wql || !text_istarts(wql + strspn(wql, delimiters), "select"))
        return NULL;
    for (const char *at = wql; *at; at++) {
        if (quote) {
            if (*at == '\\' && at[1])
                at++;
            else if (*at == quote)
                quote = '\0';
        } else if (*at == '\'' || *at == '"') {
            quote = *at;
        } else if (at > wql && strchr(delimiters, at[-1]) && text_istarts(at, "from") &&
                   at[4] && strchr(delimiters, at[4])) {
            at += 4 + strspn(at + 4, delimiters);
            return text_ndup(at, strcspn(at, delimiters));
        }
    }
    return NULL;
}
