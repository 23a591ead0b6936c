/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WS-Enumeration.  A query runs when Enumerate comes; its rendered items wait in a context
 * until they are pulled.
 *
 * How many items one answer takes follows what was recorded (tariksetia/txwinrm
 * test/data/server_*: MaxElements 32000, MaxEnvelopeSize 512000): the optimized first
 * answer has one item, each Pull as many as fit into half the envelope size, because the
 * service counts UTF-16 units.  Pull without MaxElements: one item (libvirt, go-wsman).
 */
#include <string.h>

#include "dispatch.h"
#include "err.h"
#include "os.h"
#include "replay-host.h"
#include "text.h"
#include "wql.h"

enum {
    ENVELOPE_BYTES = 2048, /* what stands around the items */
};

#define WQL_DIALECT "http://schemas.microsoft.com/wbem/wsman/1/WQL"
#define SELECTOR_DIALECT "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"
#define ASSOCIATION_DIALECT \
    "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter"

enum item_mode { MODE_OBJECT, MODE_EPR, MODE_OBJECT_AND_EPR };

struct context {
    char id[42];         /* uuid:... */
    struct strbuf items; /* rendered, one behind the other */
    size_t *ends;
    size_t count, size;
    size_t next;
    int64_t used_usec;
    struct context *next_context;
};

static void context_free(struct context *c)
{
    if (!c)
        return;
    strbuf_free(&c->items);
    free(c->ends);
    free(c);
}
DEFINE_CLEANUP(context_cleanup, struct context *, context_free)

void contexts_clear(struct endpoint *endpoint)
{
    while (endpoint->contexts) {
        struct context *c = endpoint->contexts;

        endpoint->contexts = c->next_context;
        context_free(c);
    }
    endpoint->context_count = 0;
}

static void expire(struct endpoint *endpoint)
{
    int64_t now = os_now_usec();
    int64_t idle = (int64_t)endpoint->host->winrm.enumeration_timeout_ms * 1000;

    for (struct context **at = &endpoint->contexts; *at;) {
        struct context *c = *at;

        if (now - c->used_usec <= idle) {
            at = &c->next_context;
            continue;
        }
        *at = c->next_context;
        endpoint->context_count--;
        context_free(c);
    }
}

static bool out_of_memory(struct sim_fault *fault)
{
    return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
}

static bool invalid(struct sim_fault *fault, const char *what)
{
    return sim_refuse(
        fault, "w:SchemaValidationError", CODE_SCHEMA_VALIDATION,
        "The SOAP XML in the message does not match the corresponding XML schema "
        "definition: %s",
        what);
}

/* ---- what is asked ---- */

struct enumeration {
    struct wql_query *query;
    char *wql; /* as it came; NULL: not asked in WQL */
    char *ns;
    enum item_mode mode;
    bool optimized;
    uint64_t max_elements;
    /* b:PolymorphismMode */
    bool no_subclasses, as_base_class;
    const struct cim_class *base; /* of a plain class enumeration */
};

static void enumeration_clear(struct enumeration *e)
{
    wql_free(e->query);
    free(e->wql);
    free(e->ns);
}

static bool read_count(const struct operation *op, const char *ns, uint64_t *ret)
{
    const xmlNode *parent = op->request->body;
    xmlNode *node = soap_child(parent, ns, "MaxElements");
    CLEANUP(free_cleanup) char *text = node ? soap_text(node) : NULL;

    *ret = 1;
    if (!node)
        return true;
    if (!text || !text_to_u64(text, 10, ret) || *ret == 0)
        return invalid(op->fault, "MaxElements is not a positive number");
    if (*ret > op->host->winrm.max_batch_items)
        *ret = op->host->winrm.max_batch_items;
    return true;
}

static bool read_mode(const xmlNode *body, struct enumeration *e, struct sim_fault *fault)
{
    xmlNode *mode = soap_child(body, NS_WSMAN, "EnumerationMode");
    xmlNode *poly = soap_child(body, NS_BINDING, "PolymorphismMode");
    CLEANUP(free_cleanup) char *mode_text = mode ? soap_text(mode) : NULL;
    CLEANUP(free_cleanup) char *poly_text = poly ? soap_text(poly) : NULL;

    if (mode_text && strcmp(mode_text, "EnumerateEPR") == 0)
        e->mode = MODE_EPR;
    else if (mode_text && strcmp(mode_text, "EnumerateObjectAndEPR") == 0)
        e->mode = MODE_OBJECT_AND_EPR;
    else if (mode)
        return sim_refuse(fault, "w:UnsupportedFeature", 0x80338042u,
                          "The EnumerationMode is not supported.");
    e->no_subclasses = poly_text && strcmp(poly_text, "None") == 0;
    e->as_base_class = poly_text && strcmp(poly_text, "ExcludeSubClassProperties") == 0;
    if (poly && !e->no_subclasses && !e->as_base_class &&
        (!poly_text || strcmp(poly_text, "IncludeSubClassProperties") != 0))
        return sim_refuse(fault, "w:UnsupportedFeature", 0x80338042u,
                          "The PolymorphismMode is not supported.");
    return true;
}

static bool set_wql(struct enumeration *e, const char *wql, struct sim_fault *fault)
{
    char why[ERR_TEXT];
    struct err err = ERR_INIT;

    e->query = wql_parse(wql, &err);
    if (e->query) {
        e->wql = text_dup(wql);
        return e->wql || out_of_memory(fault);
    }
    err_format(&err, why, sizeof(why));
    return sim_refuse(
        fault, "w:CannotProcessFilter", CODE_CANNOT_PROCESS_FILTER,
        "The data source could not process the filter. The filter might be missing "
        "or it might be invalid. Change the filter and try the request again. %s "
        "HRESULT = 0x%08x",
        why, CODE_WBEM_INVALID_QUERY);
}

/* SELECT * FROM class WHERE selector = 'value' AND ... */
static bool set_selectors(struct enumeration *e, const struct soap_request *r,
                          const xmlNode *filter, struct sim_fault *fault)
{
    CLEANUP(strbuf_cleanup) struct strbuf wql = STRBUF_INIT;
    const char *between = " WHERE ";

    strbuf_printf(&wql, "SELECT * FROM %s", r->class_name);
    for (xmlNode *node = soap_first(soap_child(filter, NS_WSMAN, "SelectorSet")); node;
         node = soap_next(node)) {
        CLEANUP(free_cleanup) char *name = soap_attribute(node, NULL, "Name");
        CLEANUP(free_cleanup) char *value = soap_text(node);

        if (!soap_is(node, NS_WSMAN, "Selector") || !name || !value || soap_first(node))
            return invalid(fault, "a selector filter holds w:Selector elements with texts");
        strbuf_printf(&wql, "%s%s='", between, name);
        for (const char *c = value; *c; c++) {
            if (*c == '\'' || *c == '\\')
                strbuf_putc(&wql, '\\');
            strbuf_putc(&wql, *c);
        }
        strbuf_putc(&wql, '\'');
        between = " AND ";
    }
    return wql.failed ? out_of_memory(fault) : set_wql(e, wql.text, fault);
}

static bool take_word(const xmlNode *parent, const char *name, char **ret,
                      struct sim_fault *fault)
{
    xmlNode *node = soap_child(parent, NS_BINDING, name);

    if (!node)
        return true;
    *ret = soap_text(node);
    return *ret || out_of_memory(fault);
}

/* DSP0227 clause 17: b:AssociatedInstances, b:AssociationInstances. */
static bool set_association(struct enumeration *e, const xmlNode *filter,
                            struct sim_fault *fault)
{
    xmlNode *what = soap_first(filter);
    struct wql_query *q = calloc(1, sizeof(*q));

    e->query = q;
    if (!q)
        return out_of_memory(fault);
    if (soap_is(what, NS_BINDING, "AssociatedInstances"))
        q->kind = WQL_ASSOCIATORS;
    else if (soap_is(what, NS_BINDING, "AssociationInstances"))
        q->kind = WQL_REFERENCES;
    else
        return invalid(fault, "an association filter holds b:AssociatedInstances or "
                              "b:AssociationInstances");
    if (soap_child(what, NS_BINDING, "IncludeResultProperty"))
        return sim_unknown(fault, "IncludeResultProperty of an association filter");
    return soap_reference(soap_child(what, NS_BINDING, "Object"), &q->source, fault) &&
           take_word(what, "AssociationClassName", &q->assoc_class, fault) &&
           take_word(what, "ResultClassName", &q->result_class, fault) &&
           take_word(what, "Role", &q->role, fault) &&
           take_word(what, "ResultRole", &q->result_role, fault);
}

static bool set_class(struct enumeration *e, const struct soap_request *r,
                      struct sim_fault *fault)
{
    CLEANUP(free_cleanup) char *wql = NULL;

    if (strcmp(r->class_name, "*") == 0)
        return sim_refuse(fault, "w:CannotProcessFilter", CODE_CANNOT_PROCESS_FILTER,
                          "The class name '*' needs a filter.");
    wql = text_printf("SELECT * FROM %s", r->class_name);
    return wql ? set_wql(e, wql, fault) : out_of_memory(fault);
}

static bool read_filter(struct operation *op, struct enumeration *e)
{
    const struct soap_request *r = op->request;
    xmlNode *filter = soap_child(r->body, NS_WSMAN, "Filter");
    CLEANUP(free_cleanup) char *dialect = NULL;
    CLEANUP(free_cleanup) char *text = NULL;

    if (!filter)
        filter = soap_child(r->body, NS_ENUMERATION, "Filter");
    if (!filter)
        return set_class(e, r, op->fault);
    dialect = soap_attribute(filter, NULL, "Dialect");
    if (dialect && strcmp(dialect, SELECTOR_DIALECT) == 0)
        return set_selectors(e, r, filter, op->fault);
    if (dialect && strcmp(dialect, ASSOCIATION_DIALECT) == 0)
        return set_association(e, filter, op->fault);
    if (!dialect || strcmp(dialect, WQL_DIALECT) != 0)
        return sim_refuse(
            op->fault, "n:FilterDialectRequestedUnavailable", CODE_FILTER_DIALECT,
            "The WS-Management service cannot process the request because the "
            "filter dialect is not supported.");
    /* Measured: r4sd/go-wsman; the text is Microsoft's. */
    if (strcmp(r->class_name, "*") != 0 || r->selector_count > 0)
        return sim_refuse(
            op->fault, "w:CannotProcessFilter", CODE_WQL_NEEDS_WILDCARD,
            "The WS-Management service cannot process the request. The resource URI "
            "for an enumeration operation with WQL filter must not contain keys and "
            "the class name must be '*'.");
    text = soap_text(filter);
    return text ? set_wql(e, text, op->fault) : out_of_memory(op->fault);
}

static bool read_enumeration(struct operation *op, struct enumeration *e)
{
    const struct soap_request *r = op->request;

    if (!soap_is(r->body, NS_ENUMERATION, "Enumerate"))
        return invalid(op->fault, "the body is no n:Enumerate");
    e->optimized = soap_child(r->body, NS_WSMAN, "OptimizeEnumeration") != NULL;
    e->ns = text_dup(soap_selector(r, "__cimnamespace") ? soap_selector(r, "__cimnamespace")
                                                        : r->ns);
    return e->ns && read_count(op, NS_WSMAN, &e->max_elements) &&
           read_mode(r->body, e, op->fault) && read_filter(op, e);
}

/* ---- rows to items ---- */

struct rendering {
    struct operation *op;
    const struct enumeration *e;
    struct context *context;
};

static bool end_item(struct context *c, struct sim_fault *fault)
{
    if (c->count == c->size) {
        size_t size = c->size ? c->size * 2 : 32;
        size_t *grown = realloc(c->ends, size * sizeof(*grown));

        if (!grown)
            return out_of_memory(fault);
        c->ends = grown;
        c->size = size;
    }
    c->ends[c->count++] = c->items.len;
    return true;
}

static bool put_epr(struct strbuf *to, const struct cim_instance *row,
                    struct sim_fault *fault)
{
    struct err ignored = ERR_INIT;
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_schema_path(row, &ignored);

    if (!path)
        return sim_refuse(fault, "w:InternalError", CODE_WBEM_NOT_FOUND,
                          "An instance of %.80s has no key", row->class_name);
    strbuf_puts(to, "<a:EndpointReference>");
    soap_put_epr(to, path);
    strbuf_puts(to, "</a:EndpointReference>");
    return true;
}

static bool on_row(const struct cim_instance *row, const struct cim_class *class,
                   void *user, struct sim_fault *fault)
{
    struct rendering *r = user;
    const struct wql_query *q = r->e->query;
    struct strbuf *to = &r->context->items;
    unsigned build = r->op->host->build;

    if (r->e->base && r->e->no_subclasses && class != r->e->base)
        return true;
    if (r->e->base && r->e->as_base_class)
        class = r->e->base;
    if (r->e->mode == MODE_OBJECT_AND_EPR)
        strbuf_puts(to, "<w:Item>");
    if (r->e->mode != MODE_EPR) {
        if (q->kind == WQL_SELECT && q->column_count > 0)
            soap_put_fragment(to, row, class, build, q->columns, q->column_count);
        else
            soap_put_instance(to, row, class, build);
    }
    if (r->e->mode != MODE_OBJECT && !put_epr(to, row, fault))
        return false;
    if (r->e->mode == MODE_OBJECT_AND_EPR)
        strbuf_puts(to, "</w:Item>");
    if (to->failed)
        return sim_refuse(fault, "w:EncodingLimit", CODE_INVALID_XML,
                          "An instance of %.80s cannot be written as XML", class->name);
    return end_item(r->context, fault);
}

/* ---- items to answers ---- */

static bool put_items(struct operation *op, struct context *c, uint64_t most)
{
    size_t limit = op_envelope_limit(op) / 2 - ENVELOPE_BYTES;
    size_t first = c->next;
    size_t from = first ? c->ends[first - 1] : 0;

    if (op->endpoint->pull_items && most > op->endpoint->pull_items)
        most = op->endpoint->pull_items;
    while (c->next < c->count && c->next - first < most && c->ends[c->next] - from <= limit)
        c->next++;
    if (c->next == first && c->next < c->count)
        return sim_refuse(
            op->fault, "w:EncodingLimit", CODE_ENVELOPE_EXCEEDED,
            "The WS-Management service cannot process the request because the "
            "response is larger than the MaxEnvelopeSize of %zu bytes allows.",
            op_envelope_limit(op));
    if (c->next > first)
        strbuf_add(op->to, c->items.text + from, c->ends[c->next - 1] - from);
    return true;
}

static struct context *open_context(struct operation *op)
{
    struct endpoint *endpoint = op->endpoint;
    struct context *c;
    char guid[37];

    expire(endpoint);
    if (endpoint->context_count >= op->host->winrm.max_operations_per_user) {
        sim_refuse(
            op->fault, "w:QuotaLimit", CODE_TOO_MANY_OPERATIONS,
            "The maximum number of concurrent operations for this user has been exceeded.");
        return NULL;
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        out_of_memory(op->fault);
        return NULL;
    }
    os_guid(guid);
    snprintf(c->id, sizeof(c->id), "uuid:%s", guid);
    c->used_usec = os_now_usec();
    return c;
}

static bool enumerate(struct operation *op, struct enumeration *e)
{
    CLEANUP(context_cleanup) struct context *c = NULL;
    struct rendering rendering = { .op = op, .e = e };

    if (!read_enumeration(op, e))
        return false;
    if (strcmp(op->request->class_name, "*") != 0)
        e->base = cim_schema_class(e->ns, op->request->class_name);
    c = open_context(op);
    if (!c)
        return false;
    rendering.context = c;
    if (!(op->host->replay
              ? replay_query(op, e->ns, e->wql, on_row, &rendering)
              : query_run(op->host, e->ns, e->query, on_row, &rendering, op->fault)))
        return false;
    strbuf_puts(op->to, "<n:EnumerateResponse>");
    if (!e->optimized) {
        strbuf_printf(op->to, "<n:EnumerationContext>%s</n:EnumerationContext>", c->id);
    } else {
        CLEANUP(strbuf_cleanup) struct strbuf items = STRBUF_INIT;
        struct strbuf *to = op->to;
        bool ok;

        op->to = &items;
        ok = put_items(op, c, 1);
        op->to = to;
        if (!ok)
            return false;
        /* At the end the context is empty (recorded: pypsrp_enumerate_*.xml). */
        strbuf_printf(to, "<n:EnumerationContext>%s</n:EnumerationContext>",
                      c->next < c->count ? c->id : "");
        if (items.len > 0) {
            strbuf_puts(to, "<w:Items>");
            strbuf_add(to, items.text, items.len);
            strbuf_puts(to, "</w:Items>");
        }
        if (c->next == c->count)
            strbuf_puts(to, "<w:EndOfSequence/>");
    }
    strbuf_puts(op->to, "</n:EnumerateResponse>");
    if (!e->optimized || c->next < c->count) {
        c->next_context = op->endpoint->contexts;
        op->endpoint->context_count++;
        op->endpoint->contexts = TAKE(c);
    }
    return true;
}

bool op_enumerate(struct operation *op)
{
    struct enumeration e = { 0 };
    bool ok = enumerate(op, &e);

    enumeration_clear(&e);
    return ok;
}

static struct context **find_context(struct operation *op)
{
    xmlNode *node = soap_child(op->request->body, NS_ENUMERATION, "EnumerationContext");
    CLEANUP(free_cleanup) char *id = node ? soap_text(node) : NULL;

    expire(op->endpoint);
    for (struct context **at = &op->endpoint->contexts; id && *at;
         at = &(*at)->next_context)
        if (strcmp((*at)->id, id) == 0)
            return at;
    sim_refuse(
        op->fault, "n:InvalidEnumerationContext", CODE_INVALID_CONTEXT,
        "The WS-Management service cannot process the request because the enumeration "
        "context is not valid: it is unknown, has ended or has expired.");
    return NULL;
}

static void close_context(struct operation *op, struct context **at)
{
    struct context *c = *at;

    *at = c->next_context;
    op->endpoint->context_count--;
    context_free(c);
}

bool op_pull(struct operation *op)
{
    struct context **at, *c;
    uint64_t most;

    if (!soap_is(op->request->body, NS_ENUMERATION, "Pull"))
        return invalid(op->fault, "the body is no n:Pull");
    if (!read_count(op, NS_ENUMERATION, &most))
        return false;
    at = find_context(op);
    if (!at)
        return false;
    c = *at;
    c->used_usec = os_now_usec();
    strbuf_puts(op->to, "<n:PullResponse>");
    {
        CLEANUP(strbuf_cleanup) struct strbuf items = STRBUF_INIT;
        struct strbuf *to = op->to;
        bool ok;

        op->to = &items;
        ok = put_items(op, c, most);
        op->to = to;
        if (!ok)
            return false;
        if (c->next < c->count)
            strbuf_printf(to, "<n:EnumerationContext>%s</n:EnumerationContext>", c->id);
        strbuf_puts(to, "<n:Items>");
        if (items.len > 0)
            strbuf_add(to, items.text, items.len);
        strbuf_puts(to, "</n:Items>");
    }
    if (c->next == c->count) {
        strbuf_puts(op->to, "<n:EndOfSequence/>");
        close_context(op, at);
    }
    strbuf_puts(op->to, "</n:PullResponse>");
    return true;
}

bool op_release(struct operation *op)
{
    struct context **at;

    if (!soap_is(op->request->body, NS_ENUMERATION, "Release"))
        return invalid(op->fault, "the body is no n:Release");
    at = find_context(op);
    if (!at)
        return false;
    close_context(op, at);
    return true;
}
