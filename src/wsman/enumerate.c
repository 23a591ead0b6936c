/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queries: Enumerate, Pull until the end, Release when stopped before it.
 *
 * One Enumerate may bring everything (2003 R2), nothing (no OptimizeEnumeration on the
 * host's side), or one item (2008 R2, 2012); a Pull brings what fits into the envelope, or
 * one item, or none (measured: tariksetia/txwinrm test data, libvirt, r4sd/go-wsman).  So
 * the only thing relied on is the end marker, or a context that is gone.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "err.h"
#include "names.h"
#include "os.h"
#include "text.h"
#include "wsman-session.h"
#include "xml.h"

/* Answers without items in a row after which a host is not believed to end ever. */
enum { MAX_EMPTY_PULLS = 1000 };

/* What one list may take: bytes of answers (1000 VMs have about 40 MiB of settings), and the
 * time limits of so many requests. */
enum { MAX_LIST_BYTES = 256 << 20, MAX_LIST_REQUEST_TIMES = 10 };

struct query {
    struct wsman_session *ws;
    const char *uri;
    struct items items;
    uint32_t max_elements;
    size_t bytes;
    uint64_t deadline_ms; /* of os_monotonic_ms() */
    bool stopped;         /* by on_row: the context is still open on the host */
    cim_row_fn *on_row;
    void *user;
};

static bool hand_on(const struct cim_instance *row, void *user, struct err *err)
{
    struct query *q = user;

    if (q->on_row(row, q->user, err))
        return true;
    q->stopped = true;
    return false;
}

static bool ask_enumerate(struct query *q, struct strbuf *answer, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct envelope e = { .action = ACTION_ENUMERATE, .resource_uri = q->uri };

    wsman_begin(q->ws, &body, &e);
    strbuf_printf(&body,
                  "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>%" PRIu32
                  "</w:MaxElements><w:Filter Dialect=\"" WQL_DIALECT "\">",
                  q->max_elements);
    xml_put_text(&body, q->items.wql);
    strbuf_puts(&body, "</w:Filter></n:Enumerate>");
    return wsman_send(q->ws, &body, &(struct wsman_send){ .may_repeat = true }, answer,
                      err);
}

/* Not repeated after a lost connection: the host has moved on in the list. */
static bool ask_pull(struct query *q, const char *context, struct strbuf *answer,
                     struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct envelope e = { .action = ACTION_PULL, .resource_uri = q->uri };

    wsman_begin(q->ws, &body, &e);
    strbuf_puts(&body, "<n:Pull><n:EnumerationContext>");
    xml_put_text(&body, context);
    strbuf_printf(
        &body, "</n:EnumerationContext><n:MaxElements>%" PRIu32 "</n:MaxElements></n:Pull>",
        q->max_elements);
    return wsman_send(q->ws, &body, &(struct wsman_send){ 0 }, answer, err);
}

/* Best effort: an open list counts against the user's quota until it times out. */
static void ask_release(struct query *q, const char *context)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    struct envelope e = { .action = ACTION_RELEASE, .resource_uri = q->uri };
    struct wsman_send how = { .even_if_cancelled = true, .timeout_ms = 5000 };
    struct err ignored = ERR_INIT;

    wsman_begin(q->ws, &body, &e);
    strbuf_puts(&body, "<n:Release><n:EnumerationContext>");
    xml_put_text(&body, context);
    strbuf_puts(&body, "</n:EnumerationContext></n:Release>");
    (void)!wsman_send(q->ws, &body, &how, &answer, &ignored);
}

/* One answer, with fewer items asked for as long as the host says that they do not fit; when
 * one alone does not fit either, by the limit that the host itself has. */
static bool next_batch(struct query *q, const char *context, struct err *err)
{
    struct wsman_patience patience = wsman_patience(q->ws);

    for (;;) {
        CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
        size_t before = q->items.count;
        struct soap_answer got;
        bool sent;

        *err = ERR_INIT;
        sent =
            context ? ask_pull(q, context, &answer, err) : ask_enumerate(q, &answer, err);
        got = wsman_answer(q->ws, &answer);
        q->bytes += answer.len;
        if (sent && answer_read_items(&got, &q->items, err))
            return true;
        if (q->stopped || q->items.count != before)
            return false;
        if (!context && wsman_wait(q->ws, &patience, err))
            continue;
        if (!sent || !wsman_is_too_large(err))
            return false;
        if (q->max_elements == 1) {
            if (wsman_learn_envelope(q->ws))
                continue;
            return wsman_say_limit(q->ws, err);
        }
        q->max_elements = q->max_elements > 64 ? 64 : q->max_elements > 8 ? 8 : 1;
    }
}

static bool run_query(struct query *q, char **ret_open, struct err *err)
{
    unsigned empty = 0;

    for (;;) {
        CLEANUP(free_cleanup) char *context = TAKE(q->items.context);
        size_t before = q->items.count;
        bool ok = next_batch(q, context, err);

        /* What is open on the host if we stop here: the newest context known. */
        if (!ok) {
            *ret_open = q->items.context ? TAKE(q->items.context) : TAKE(context);
            return false;
        }
        if (q->items.is_last || !q->items.context)
            return true;
        if (q->bytes > MAX_LIST_BYTES || os_monotonic_ms() > q->deadline_ms) {
            *ret_open = TAKE(q->items.context);
            return err_fail(err, ERR_PROTOCOL, 0, "the host's list does not end: %s",
                            q->bytes > MAX_LIST_BYTES ? "more than 256 MiB of it came"
                                                      : "it takes too long");
        }
        empty = q->items.count == before ? empty + 1 : 0;
        if (empty > MAX_EMPTY_PULLS) {
            *ret_open = TAKE(q->items.context);
            return err_fail(err, ERR_PROTOCOL, 0,
                            "the host promises more items but sends none");
        }
    }
}

bool wsman_query(struct cim_session *self, const char *ns, const char *wql,
                 cim_row_fn *on_row, void *user, struct err *err)
{
    struct wsman_session *ws = (struct wsman_session *)self;
    /* With a filter the class part must be '*': anything else is fault 0x803380FB. */
    CLEANUP(free_cleanup) char *uri = wmi_uri(ns, "*");
    CLEANUP(free_cleanup) char *open = NULL;
    struct query q = { .ws = ws,
                       .uri = uri,
                       .max_elements = ws->max_elements,
                       .deadline_ms = os_monotonic_ms() +
                                      (uint64_t)ws->timeout_ms * MAX_LIST_REQUEST_TIMES,
                       .on_row = on_row,
                       .user = user };
    bool ok;

    if (!uri)
        return err_no_memory(err);
    q.items = (struct items){ .ns = ns, .wql = wql, .on_row = hand_on, .user = &q };
    ok = run_query(&q, &open, err);
    free(q.items.context);
    if (!ok && open &&
        (q.stopped || err->kind == ERR_CANCELLED || err->kind == ERR_PROTOCOL))
        ask_release(&q, open);
    return ok;
}
