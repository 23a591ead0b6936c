/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs of the line protocol.  Which HRESULT says what: MicrosoftDocs/sdk-api wbemcli,
 * IWbemServices and IWbemLocator; the missing class, in GetObject and in a query, and the
 * missing namespace were measured with Wine's own provider and read in "WMI error constants".
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "com.h"
#include "dispatch.h"
#include "err.h"
#include "lab.h"
#include "service.h"
#include "text.h"
#include "wql.h"

enum { ANSWER_MAX = 256 * 1024 * 1024 };

struct work {
    struct com_request *request;
    struct endpoint *endpoint;
    struct sim_host *host;
    const struct com_line *line; /* the first */
    struct fault_hit hit;
    struct strbuf body; /* behind the status */
    struct com_status status;
    bool is_query; /* a class that is not there is called otherwise */
    bool is_get;
    bool garbage, drop_after;
};

/* ---- refusals ---- */

static bool refuse(struct work *w, uint32_t hresult, const char *text)
{
    w->status.hresult = hresult;
    snprintf(w->status.text, sizeof(w->status.text), "%s", text);
    return false;
}

static uint32_t hresult_of(const struct work *w, uint32_t code)
{
    switch (code) {
    case CODE_RESOURCE_NOT_FOUND:
        return COM_NOT_FOUND;
    case CODE_INVALID_RESOURCE_URI:
        return w->is_get ? COM_NOT_FOUND : COM_INVALID_CLASS;
    case CODE_CANNOT_PROCESS_FILTER:
        return COM_INVALID_QUERY;
    case CODE_ACTION_NOT_SUPPORTED:
        return COM_INVALID_METHOD;
    case CODE_SCHEMA_VALIDATION:
        return COM_INVALID_METHOD_PARAMETERS;
    case CODE_ACCESS_DENIED:
        return COM_ACCESS_DENIED;
    case CODE_TIMED_OUT:
        return COM_TIMED_OUT;
    case CODE_QUOTA_LIMIT:
        return COM_QUOTA_VIOLATION;
    case 0x80338042u: /* sim_unknown() */
        return COM_NOT_SUPPORTED;
    default:
        return code >> 16 == 0x8004u || code >> 16 == 0x8007u ? code : COM_FAILED;
    }
}

/* As WMI's own messages have it; what WS-Management's say is not for this wire. */
static const char *text_of(uint32_t hresult)
{
    static const struct {
        uint32_t hresult;
        const char *text;
    } texts[] = {
        { COM_FAILED, "Generic failure " },
        { COM_NOT_FOUND, "Not found " },
        { COM_ACCESS_DENIED, "Access denied " },
        { COM_INVALID_CLASS, "Invalid class " },
        { COM_INVALID_QUERY, "Invalid query " },
        { COM_INVALID_METHOD, "Invalid method " },
        { COM_INVALID_METHOD_PARAMETERS, "Invalid method Parameter(s) " },
        { COM_TIMED_OUT, "Timed out " },
        { COM_QUOTA_VIOLATION, "Quota violation " },
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].hresult == hresult)
            return texts[i].text;
    return "";
}

static bool pass_on(struct work *w, const struct sim_fault *fault)
{
    uint32_t hresult = hresult_of(w, fault->code);
    bool is_of_wire = fault->code >> 16 == 0x8033u && hresult != COM_NOT_SUPPORTED;

    return refuse(w, hresult, is_of_wire ? text_of(hresult) : fault->text);
}

static bool out_of_memory(struct work *w)
{
    return refuse(w, 0x80041006u, "not enough memory");
}

static bool wrong_arguments(struct work *w)
{
    return refuse(w, COM_INVALID_PARAMETER, "not the arguments of this request");
}

/* ---- names ---- */

static char *with_slashes(const char *ns)
{
    char *copy = text_dup(ns);

    for (char *c = copy; c && *c; c++)
        if (*c == '\\')
            *c = '/';
    return copy;
}

bool com_has_namespace(struct endpoint *endpoint, const char *ns)
{
    CLEANUP(free_cleanup) char *name = with_slashes(ns);
    size_t count;
    const struct cim_class *all = cim_schema_all(&count);

    for (size_t i = 0; name && i < count; i++)
        if (text_ieq(all[i].ns, name))
            return query_has_namespace(endpoint->host, name);
    return false;
}

/* A path as WMI takes it, with or without host and namespace. */
static struct cim_path *read_path(struct work *w, const char *ns, const char *text)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    CLEANUP(free_cleanup) char *whole = NULL;
    struct err err = ERR_INIT;
    char why[ERR_TEXT];

    path = cim_path_parse(text, &err);
    if (path && !path->ns) {
        whole = text_printf("%s:%s", ns, text);
        cim_path_free(path);
        path = whole ? cim_path_parse(whole, &err) : NULL;
    }
    if (path && path->host && !text_ieq(path->host, w->host->name)) {
        refuse(w, COM_NOT_FOUND, "the path names another machine");
        return NULL;
    }
    if (!path) {
        err_format(&err, why, sizeof(why));
        refuse(w, COM_INVALID_OBJECT_PATH, why);
    }
    return TAKE(path);
}

/* Whether @text, which was parsed, is `Class` and not `Class=@`. */
static bool names_class(const struct cim_path *path, const char *text)
{
    return path->count == 0 && !text_iends(text, "=@");
}

/* ---- QUERY ---- */

static bool on_row(const struct cim_instance *row, const struct cim_class *class,
                   void *user, struct sim_fault *fault)
{
    struct work *w = user;
    const struct wql_query *q = w->request->user;

    com_put_instance(&w->body, w->host->name, row, class, w->host->build,
                     q->kind == WQL_SELECT ? q->columns : NULL,
                     q->kind == WQL_SELECT ? q->column_count : 0);
    if (w->body.failed || w->body.len > ANSWER_MAX)
        return sim_refuse(fault, "w:InternalError", COM_FAILED,
                          "an instance of %.80s cannot be written", class->name);
    return true;
}

static bool run_query(struct work *w)
{
    CLEANUP(wql_cleanup) struct wql_query *query = NULL;
    CLEANUP(free_cleanup) char *ns = NULL;
    struct sim_fault fault = { .subcode = "w:InternalError", .code = COM_FAILED };
    struct err err = ERR_INIT;
    char why[ERR_TEXT];
    void *user = w->request->user;
    bool ok;

    if (w->line->count != 3)
        return wrong_arguments(w);
    w->is_query = true;
    ns = with_slashes(w->line->fields[1]);
    query = wql_parse(w->line->fields[2], &err);
    if (!query) {
        err_format(&err, why, sizeof(why));
        return refuse(w, COM_INVALID_QUERY, why);
    }
    if (!ns)
        return out_of_memory(w);
    w->request->user = query;
    ok = query_run(w->host, ns, query, on_row, w, &fault);
    w->request->user = user;
    return ok || pass_on(w, &fault);
}

/* ---- GET, SIG ---- */

static bool run_get(struct work *w)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *made = NULL;
    struct sim_fault fault = { 0 };
    struct sim_object *object = NULL;
    const struct cim_class *class;

    if (w->line->count != 3)
        return wrong_arguments(w);
    w->is_get = true;
    path = read_path(w, w->line->fields[1], w->line->fields[2]);
    if (!path)
        return false;
    class = query_class(w->host, path->ns, path->class_name, &fault);
    if (!class)
        return pass_on(w, &fault);
    if (names_class(path, w->line->fields[2])) {
        com_put_class(&w->body, w->host->name, class, w->host->build);
        return true;
    }
    if (!query_find(w->host, path, &object, &made, &fault))
        return pass_on(w, &fault);
    if (object)
        com_put_instance(&w->body, w->host->name, sim_object_instance(object),
                         sim_object_class(object), w->host->build, NULL, 0);
    else
        com_put_instance(&w->body, w->host->name, made,
                         cim_schema_class(made->ns, made->class_name), w->host->build, NULL,
                         0);
    return true;
}

static bool run_signature(struct work *w)
{
    const struct cim_class_method *method;
    const struct cim_class *class;
    CLEANUP(free_cleanup) char *ns = NULL;
    struct sim_fault fault = { 0 };

    if (w->line->count != 4)
        return wrong_arguments(w);
    w->is_get = true;
    ns = with_slashes(w->line->fields[1]);
    if (!ns)
        return out_of_memory(w);
    class = query_class(w->host, ns, w->line->fields[2], &fault);
    if (!class)
        return pass_on(w, &fault);
    method = cim_schema_method(class, w->line->fields[3]);
    if (!method)
        return refuse(w, COM_NOT_FOUND, "the class has no such method");
    com_put_signature(&w->body, method, false);
    com_put_signature(&w->body, method, true);
    return true;
}

/* ---- METHOD ---- */

static bool read_parameters(struct work *w, const struct cim_class_method *method,
                            struct cim_instance *to)
{
    const struct com_message *m = w->request->message;
    struct err err = ERR_INIT;

    for (size_t i = 1; i < m->count; i++) {
        const struct com_line *line = &m->lines[i];
        const struct cim_class_parameter *p;
        struct cim_value value;

        if (strcmp(line->fields[0], i == 1 ? "O" : "P") != 0)
            return refuse(w, COM_INVALID_OBJECT, "the parameters are no object");
        if (i == 1)
            continue;
        p = line->count > 1 ? service_parameter(method, line->fields[1]) : NULL;
        if (!p || cim_get(to, p->name))
            return refuse(w, COM_INVALID_METHOD_PARAMETERS, "not the method's parameters");
        value = (struct cim_value){ .type = p->type, .is_array = p->is_array };
        if (!com_read_value(line, &value, &w->status))
            return false;
        if (!cim_set(to, p->name, &value, &err)) {
            cim_value_clear(&value);
            return out_of_memory(w);
        }
    }
    return true;
}

static bool run_method(struct work *w)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    struct sim_fault fault = { .subcode = "w:InternalError", .code = COM_FAILED };
    struct service_call call = { .host = w->host };
    bool ok;

    if (w->line->count != 4)
        return wrong_arguments(w);
    path = read_path(w, w->line->fields[1], w->line->fields[2]);
    if (!path)
        return false;
    call.is_refused = w->hit.what == FAULT_REFUSE;
    call.forced_return = w->hit.number;
    call.job_error = w->hit.number;
    call.job_fate = w->hit.what == FAULT_JOB_FAIL   ? SIM_JOB_FAILS
                    : w->hit.what == FAULT_JOB_HANG ? SIM_JOB_HANGS
                                                    : SIM_JOB_NORMAL;
    ok = service_call_find(&call, path, w->line->fields[3], &fault) || pass_on(w, &fault);
    ok = ok && read_parameters(w, call.method, call.in);
    ok = ok && (service_call_run(&call, &fault) || pass_on(w, &fault));
    if (ok)
        com_put_out(&w->body, w->host->name, call.method, call.out);
    service_call_clear(&call);
    return ok;
}

/* ---- PUT ---- */

/* PutInstance sends the whole object: what it leaves as it is is no change. */
static bool read_change(struct work *w, const struct com_line *line,
                        const struct cim_class *class, const struct cim_instance *present,
                        struct cim_instance *to)
{
    const struct cim_class_property *p =
        line->count > 1 ? cim_schema_property(class, line->fields[1]) : NULL;
    const struct cim_value *now = p ? cim_get(present, p->name) : NULL;
    struct cim_value value;
    struct err err = ERR_INIT;
    bool same;

    if (strcmp(line->fields[0], "P") != 0 || !p || cim_get(to, p->name))
        return refuse(w, COM_INVALID_OBJECT, "not the properties of the class");
    value = (struct cim_value){ .type = p->type, .is_array = p->is_array };
    if (!com_read_value(line, &value, &w->status))
        return false;
    /* References come back with the host's name in front. */
    same = now ? cim_value_equal(now, &value) : value.is_null;
    if (!same && now && value.type == CIM_REFERENCE && !value.is_array &&
        value.count == 1 && now->count == 1)
        same = cim_path_equal(now->data[0].path, value.data[0].path);
    if (same || !cim_set(to, p->name, &value, &err)) {
        cim_value_clear(&value);
        return same || out_of_memory(w);
    }
    return true;
}

static struct sim_object *find_written(struct work *w)
{
    const struct com_message *m = w->request->message;
    const struct com_line *head = m->count > 1 ? &m->lines[1] : NULL;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *made = NULL;
    struct sim_fault fault = { 0 };
    struct sim_object *object = NULL;

    if (!head || head->count < 4 || strcmp(head->fields[0], "O") != 0 ||
        strcmp(head->fields[2], "2") != 0) {
        refuse(w, COM_INVALID_OBJECT, "no instance to write");
        return NULL;
    }
    path = read_path(w, w->line->fields[1], head->fields[3]);
    if (!path)
        return NULL;
    if (!query_find(w->host, path, &object, &made, &fault)) {
        pass_on(w, &fault);
        return NULL;
    }
    if (!object)
        refuse(w, COM_NOT_SUPPORTED, "Put on a class without stored instances");
    return object;
}

static bool run_put(struct work *w)
{
    enum { UPDATE_ONLY = 1, CREATE_ONLY = 2 };
    const struct com_message *m = w->request->message;
    CLEANUP(cim_instance_cleanup) struct cim_instance *changes = NULL;
    const struct cim_class *class;
    struct sim_fault fault = { 0 };
    struct sim_object *object;
    uint64_t flags;

    if (w->line->count != 3 || !text_to_u64(w->line->fields[2], 10, &flags))
        return wrong_arguments(w);
    if (flags & CREATE_ONLY)
        return refuse(w, COM_NOT_SUPPORTED,
                      "hvgpu-sim: making an instance by PutInstance: what a real host "
                      "answers is not known from public sources");
    object = find_written(w);
    if (!object)
        return false;
    class = sim_object_class(object);
    changes = cim_instance_new(class->ns, class->name);
    if (!changes)
        return out_of_memory(w);
    for (size_t i = 2; i < m->count; i++)
        if (!read_change(w, &m->lines[i], class, sim_object_instance(object), changes))
            return false;
    return service_put(w->host, object, changes, &fault) || pass_on(w, &fault);
}

static bool run_delete(struct work *w)
{
    return refuse(w, COM_NOT_SUPPORTED,
                  "hvgpu-sim: DeleteInstance: what a real host answers is not known from "
                  "public sources");
}

/* ---- one request ---- */

static const struct verb {
    const char *name;
    const char *operation; /* for faults on demand; NULL: none */
    bool (*run)(struct work *w);
} verbs[] = {
    { "QUERY", "Enumerate", run_query }, { "GET", "Get", run_get },
    { "SIG", NULL, run_signature },      { "METHOD", NULL, run_method },
    { "PUT", "Put", run_put },           { "DEL", "Delete", run_delete },
    { "RUN", "Command", NULL },
};

/* The class that a request is about, as rules name it. */
static void find_class(const struct work *w, const struct verb *verb, char *ret,
                       size_t size)
{
    const struct com_message *m = w->request->message;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    CLEANUP(wql_cleanup) struct wql_query *q = NULL;
    struct err ignored = ERR_INIT;
    const char *name = NULL;

    if (!verb->run)
        name = "Shell";
    else if (verb->run == run_query && w->line->count > 2)
        name = (q = wql_parse(w->line->fields[2], &ignored)) ? wql_subject(q) : NULL;
    else if (verb->run == run_put && m->count > 1 && m->lines[1].count > 1)
        name = m->lines[1].fields[1];
    else if (w->line->count > 2 && (path = cim_path_parse(w->line->fields[2], &ignored)))
        name = path->class_name;
    snprintf(ret, size, "%s", name ? name : "");
}

/* True: nothing is left to do. */
static bool apply_fault(struct work *w, bool is_method)
{
    struct sim_fault fault = { 0 };

    switch (w->hit.what) {
    case FAULT_DROP:
    case FAULT_HTTP: /* a service that does not answer */
        w->request->drop = true;
        return true;
    case FAULT_GARBAGE:
    case FAULT_ANSWER: /* XML, to this client */
        strbuf_puts(w->request->to, "\x16\x03\x01 no answer\t\\x\n\n");
        w->garbage = true;
        return true;
    case FAULT_REFUSE:
        if (is_method)
            return false;
        __attribute__((fallthrough));
    case FAULT_SOAP:
        fault_on_demand(w->hit.number, &fault);
        pass_on(w, &fault);
        return true;
    case FAULT_DELAY:
        endpoint_wait(w->endpoint, w->hit.number);
        return false;
    case FAULT_DROP_AFTER:
        w->drop_after = true;
        return false;
    default:
        return false;
    }
}

static bool lab_trouble(struct work *w, const struct err *err)
{
    char why[ERR_TEXT];

    err_format(err, why, sizeof(why));
    return refuse(w, COM_FAILED, why);
}

static bool run_on_host(struct work *w, const struct verb *verb)
{
    struct err err = ERR_INIT;
    bool ok;

    if (w->line->count < 2 || !com_has_namespace(w->endpoint, w->line->fields[1]))
        return refuse(w, COM_INVALID_NAMESPACE, "no such namespace");
    if (!endpoint_enter(w->endpoint, &err))
        return lab_trouble(w, &err);
    if (!service_prepare(w->host, w->line->fields[1], &err)) {
        pthread_mutex_unlock(w->host->lock);
        return lab_trouble(w, &err);
    }
    ok = verb->run(w);
    if (!endpoint_leave(w->endpoint, &err))
        return lab_trouble(w, &err);
    return ok;
}

/* Rows first and then what went wrong, as a provider does that dies on the way: a rule for
 * the operation Pull. */
static void put_late_fault(struct work *w, const char *class_name)
{
    struct sim_fault fault = { 0 };

    if (!w->is_query || !w->endpoint->faults)
        return;
    w->hit = fault_rules_ask(w->endpoint->faults, w->host->name, class_name, "Pull");
    if (w->hit.what == FAULT_DELAY)
        endpoint_wait(w->endpoint, w->hit.number);
    if (w->hit.what == FAULT_DROP || w->hit.what == FAULT_HTTP)
        w->request->drop = true;
    if (w->hit.what != FAULT_SOAP && w->hit.what != FAULT_REFUSE)
        return;
    fault_on_demand(w->hit.number, &fault);
    strbuf_printf(w->request->to, "X\t%x", hresult_of(w, fault.code));
    com_put_text(w->request->to, fault.text);
    strbuf_putc(w->request->to, '\n');
}

static void put_answer(struct work *w, bool ok, const char *class_name)
{
    struct strbuf *to = w->request->to;

    if (ok && w->body.failed)
        ok = refuse(w, COM_FAILED, "the answer cannot be written");
    strbuf_printf(to, "S\t%x", ok ? 0 : w->status.hresult);
    if (!ok)
        com_put_text(to, w->status.text);
    strbuf_putc(to, '\n');
    if (ok && w->body.len)
        strbuf_add(to, w->body.text, w->body.len);
    if (ok)
        put_late_fault(w, class_name);
}

void com_answer(struct com_request *request)
{
    struct work w = { .request = request,
                      .endpoint = request->endpoint,
                      .host = request->endpoint->host,
                      .line = &request->message->lines[0] };
    const struct verb *verb = NULL;
    char class_name[100] = "";
    bool is_method, done, ok = false;

    atomic_fetch_add(&w.endpoint->requests, 1);
    if (w.host->is_down) {
        request->drop = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(w.line->fields[0], verbs[i].name) == 0)
            verb = &verbs[i];
    if (!verb || (!verb->run && w.line->count != 3)) {
        wrong_arguments(&w);
        put_answer(&w, false, class_name);
    } else {
        is_method = verb->run == run_method;
        find_class(&w, verb, class_name, sizeof(class_name));
        if (w.endpoint->faults && verb->run != run_signature)
            w.hit = fault_rules_ask(w.endpoint->faults, w.host->name, class_name,
                                    is_method && w.line->count > 3 ? w.line->fields[3]
                                    : verb->operation              ? verb->operation
                                                                   : "");
        done = apply_fault(&w, is_method);
        if (!done && !verb->run)
            com_run(request);
        else if (!request->drop && !w.garbage) {
            ok = !done && run_on_host(&w, verb);
            put_answer(&w, ok, class_name);
        }
    }
    request->drop |= w.drop_after;
    strbuf_free(&w.body);
    strbuf_putc(request->to, '\n');
}
