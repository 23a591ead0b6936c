/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One SOAP message: which operation, under which lock, with which fault on demand. */
#include "dispatch.h"

#include <string.h>

#include "err.h"
#include "os.h"
#include "service.h"
#include "text.h"
#include "wql.h"
#include "xml.h"

bool endpoint_init(struct endpoint *endpoint, struct sim_host *host, struct err *err)
{
    pthread_condattr_t monotonic;

    endpoint->host = host;
    if (!host->winrm.max_envelope_kb) /* made by a test, which says nothing of it */
        host->winrm = WINRM_DEFAULTS;
    if (pthread_mutex_init(&endpoint->shell_lock, NULL) != 0)
        return err_no_memory(err);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&endpoint->shell_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return true;
}

void endpoint_close(struct endpoint *endpoint)
{
    pthread_mutex_lock(&endpoint->shell_lock);
    endpoint->closing = true;
    pthread_cond_broadcast(&endpoint->shell_changed);
    pthread_mutex_unlock(&endpoint->shell_lock);
}

void endpoint_clear(struct endpoint *endpoint)
{
    if (!endpoint->host)
        return;
    shells_clear(endpoint);
    contexts_clear(endpoint);
    pthread_cond_destroy(&endpoint->shell_changed);
    pthread_mutex_destroy(&endpoint->shell_lock);
    free(endpoint->url);
    endpoint->host = NULL;
}

/* ---- which operation ---- */

enum kind { KIND_CIM, KIND_SHELL, KIND_CONFIG };

static const struct action {
    const char *action;
    enum kind kind;
    const char *name; /* for faults on demand and the log */
    bool (*run)(struct operation *op);
} actions[] = {
    { NS_TRANSFER "/Get", KIND_CIM, "Get", op_get },
    { NS_TRANSFER "/Put", KIND_CIM, "Put", op_put },
    { NS_ENUMERATION "/Enumerate", KIND_CIM, "Enumerate", op_enumerate },
    { NS_ENUMERATION "/Pull", KIND_CIM, "Pull", op_pull },
    { NS_ENUMERATION "/Release", KIND_CIM, "Release", op_release },
    { NS_TRANSFER "/Create", KIND_SHELL, "Create", op_shell_create },
    { NS_TRANSFER "/Delete", KIND_SHELL, "Delete", op_shell_delete },
    { NS_SHELL "/Command", KIND_SHELL, "Command", op_shell_command },
    { NS_SHELL "/Receive", KIND_SHELL, "Receive", op_shell_receive },
    { NS_SHELL "/Send", KIND_SHELL, "Send", op_shell_send },
    { NS_SHELL "/Signal", KIND_SHELL, "Signal", op_shell_signal },
    { NS_TRANSFER "/Get", KIND_CONFIG, "Get", op_config_get },
};

struct call {
    const struct action *action; /* NULL: a method, or Identify */
    const char *method;          /* NULL: not a method */
    char class_name[100];
    const char *name;
};

static enum kind kind_of(const struct soap_request *r)
{
    return text_ieq(r->resource_uri, SHELL_CMD)    ? KIND_SHELL
           : text_ieq(r->resource_uri, CONFIG_URI) ? KIND_CONFIG
                                                   : KIND_CIM;
}

/* For queries over '*', the class they are about. */
static void find_class(const struct soap_request *r, struct call *call)
{
    xmlNode *filter = soap_child(r->body, NS_WSMAN, "Filter");
    CLEANUP(free_cleanup) char *text = NULL;
    CLEANUP(wql_cleanup) struct wql_query *query = NULL;
    const char *name = r->class_name;
    struct err ignored = ERR_INIT;

    if (!filter)
        filter = soap_child(r->body, NS_ENUMERATION, "Filter");
    if (strcmp(r->class_name, "*") == 0 && filter && (text = soap_text(filter)) &&
        (query = wql_parse(text, &ignored)))
        name = wql_subject(query);
    snprintf(call->class_name, sizeof(call->class_name), "%s", name);
}

static bool find_call(const struct soap_request *r, struct call *call,
                      struct sim_fault *fault)
{
    size_t uri_len = strlen(r->resource_uri);
    enum kind kind = kind_of(r);

    if (kind != KIND_CIM) {
        snprintf(call->class_name, sizeof(call->class_name), "%s",
                 kind == KIND_SHELL ? "Shell" : "Config");
    } else if (r->class_name) {
        find_class(r, call);
    } else {
        return sim_refuse(
            fault, "a:DestinationUnreachable", CODE_INVALID_RESOURCE_URI,
            "The WS-Management service cannot process the request. The resource "
            "URI is not valid, or not one that hvgpu-sim knows.");
    }
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (strcmp(r->action, actions[i].action) == 0 && actions[i].kind == kind) {
            call->action = &actions[i];
            call->name = actions[i].name;
            return true;
        }
    if (kind == KIND_CIM && text_istarts(r->action, r->resource_uri) &&
        r->action[uri_len] == '/' && r->action[uri_len + 1]) {
        call->method = call->name = r->action + uri_len + 1;
        return true;
    }
    return sim_refuse(
        fault, "a:ActionNotSupported", CODE_ACTION_NOT_SUPPORTED,
        "The WS-Management service does not support the action specified in the "
        "request.");
}

/* ---- running it ---- */

bool endpoint_enter(struct endpoint *endpoint, struct err *err)
{
    pthread_mutex_lock(endpoint->host->lock);
    if (!endpoint->open || endpoint->open(endpoint->host, endpoint->user_data, err))
        return true;
    pthread_mutex_unlock(endpoint->host->lock);
    return false;
}

bool endpoint_leave(struct endpoint *endpoint, struct err *err)
{
    bool ok = true;

    if (sim_host_is_dirty(endpoint->host) && endpoint->save) {
        ok = endpoint->save(endpoint->host, endpoint->user_data, err);
        if (ok)
            endpoint->host->dirty = false;
    }
    pthread_mutex_unlock(endpoint->host->lock);
    return ok;
}

static bool lab_trouble(struct operation *op, const struct err *err)
{
    char why[ERR_TEXT];

    err_format(err, why, sizeof(why));
    return sim_refuse(op->fault, "w:InternalError", 0x8007001Du,
                      "hvgpu-sim cannot read or save the state of the lab: %s", why);
}

static bool run_on_host(struct operation *op, const struct call *call)
{
    struct err err = ERR_INIT;
    bool ok;

    if (!endpoint_enter(op->endpoint, &err))
        return lab_trouble(op, &err);
    if (!op->host->replay && !service_prepare(op->host, op->request->ns, &err)) {
        pthread_mutex_unlock(op->host->lock);
        return lab_trouble(op, &err);
    }
    ok = call->method ? op_invoke(op, call->method) : call->action->run(op);
    /* What was changed before a refusal is kept as well: memory and disk must agree. */
    if (!endpoint_leave(op->endpoint, &err))
        return lab_trouble(op, &err);
    return ok;
}

static bool run(struct operation *op, const struct call *call)
{
    bool ok;

    if (!call->action || call->action->kind == KIND_CIM)
        return run_on_host(op, call);
    pthread_mutex_lock(&op->endpoint->shell_lock);
    ok = call->action->run(op);
    pthread_mutex_unlock(&op->endpoint->shell_lock);
    return ok;
}

/* ---- faults on demand ---- */

void endpoint_wait(struct endpoint *endpoint, uint32_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&endpoint->shell_lock);
    while (!endpoint->closing && pthread_cond_timedwait(&endpoint->shell_changed,
                                                        &endpoint->shell_lock, &until) == 0)
        ;
    pthread_mutex_unlock(&endpoint->shell_lock);
}

bool fault_on_demand(uint32_t code, struct sim_fault *fault)
{
    return sim_refuse(fault,
                      code == CODE_TIMED_OUT            ? "w:TimedOut"
                      : code == CODE_ACCESS_DENIED      ? "w:AccessDenied"
                      : code == CODE_QUOTA_LIMIT        ? "w:QuotaLimit"
                      : code == CODE_RESOURCE_NOT_FOUND ? "a:DestinationUnreachable"
                                                        : "w:InternalError",
                      code, "hvgpu-sim was asked to answer this call with a fault.");
}

/* The file as it is, but for the MessageID. */
static void answer_from_file(const struct operation *op, const char *file,
                             struct answer *answer)
{
    enum { MAX_FILE = 64 * 1024 * 1024 };
    static const char mark[] = "@request@";
    const char *id = op->request->message_id ? op->request->message_id : "";
    struct err err = ERR_INIT;
    size_t len = 0;
    CLEANUP(free_cleanup) char *bytes = os_read_file(file, MAX_FILE, &len, &err);
    const char *at = bytes, *found;

    answer->status = bytes ? 200 : 404;
    while (bytes && (found = memmem(at, len - (size_t)(at - bytes), mark, strlen(mark)))) {
        strbuf_add(&answer->body, at, (size_t)(found - at));
        strbuf_puts(&answer->body, id);
        at = found + strlen(mark);
    }
    if (bytes)
        strbuf_add(&answer->body, at, len - (size_t)(at - bytes));
}

/* True: @answer is complete already, or the fault is. */
static bool apply_before(struct operation *op, const struct call *call,
                         struct fault_hit hit, struct answer *answer, bool *ret_is_fault)
{
    switch (hit.what) {
    case FAULT_DROP:
        answer->status = 0;
        return true;
    case FAULT_HTTP:
        answer->status = hit.number;
        return true;
    case FAULT_GARBAGE:
        answer->status = 200;
        strbuf_puts(&answer->body, "\x16\x03\x01 this is no SOAP <<&& \xff\xfe");
        return true;
    case FAULT_ANSWER:
        answer_from_file(op, hit.file, answer);
        return true;
    case FAULT_REFUSE:
        op->is_refused = true;
        op->forced_return = hit.number;
        if (call->method)
            return false;
        /* fall through: what has no return value is refused by a fault */
        __attribute__((fallthrough));
    case FAULT_SOAP:
        *ret_is_fault = true;
        fault_on_demand(hit.number, op->fault);
        return true;
    case FAULT_DELAY:
        endpoint_wait(op->endpoint, hit.number);
        return false;
    case FAULT_JOB_FAIL:
        op->job_fate = SIM_JOB_FAILS;
        op->job_error = hit.number;
        return false;
    case FAULT_JOB_HANG:
        op->job_fate = SIM_JOB_HANGS;
        return false;
    default:
        return false;
    }
}

/* ---- answers ---- */

static void put_fault(const struct operation *op, struct answer *answer)
{
    strbuf_free(&answer->body);
    soap_put_fault(&answer->body, op->host, op->request ? op->request->message_id : NULL,
                   op->fault);
    answer->status = 500;
}

size_t op_envelope_limit(const struct operation *op)
{
    size_t most = (size_t)op->host->winrm.max_envelope_kb * 1024;
    uint32_t asked = op->request->max_envelope_bytes;

    return asked && asked < most ? asked : most;
}

bool op_config_get(struct operation *op)
{
    winrm_config_put(op->to, &op->host->winrm);
    return true;
}

static bool too_large(const struct operation *op, const struct answer *answer)
{
    return answer->body.len > op_envelope_limit(op);
}

static const char *extra_namespaces(const struct call *call)
{
    return call->action && call->action->kind == KIND_SHELL
               ? " xmlns:rsp=\"" NS_SHELL "\" xmlns:p=\"" NS_MS_WSMAN "\""
               : " xmlns:b=\"" NS_BINDING "\"";
}

static void put_answer(struct operation *op, const struct call *call, struct answer *answer,
                       const struct strbuf *body)
{
    CLEANUP(free_cleanup) char *action = text_printf("%sResponse", op->request->action);

    soap_open(&answer->body, op->host->locale, action ? action : "",
              op->request->message_id, extra_namespaces(call));
    if (body->len > 0)
        strbuf_add(&answer->body, body->text, body->len);
    soap_close(&answer->body);
    answer->status = 200;
    if (answer->body.failed || body->failed) {
        sim_refuse(op->fault, "w:EncodingLimit", CODE_INVALID_XML,
                   "The answer cannot be written as XML.");
        put_fault(op, answer);
    } else if (too_large(op, answer)) {
        sim_refuse(
            op->fault, "w:EncodingLimit", CODE_ENVELOPE_EXCEEDED,
            "The WS-Management service cannot process the request because the response is "
            "larger than the MaxEnvelopeSize allows.");
        put_fault(op, answer);
    }
}

/* Identify says what a Windows host says; the version's build is the host's. */
static void put_identity(const struct operation *op, struct answer *answer)
{
    strbuf_puts(&answer->body, "<s:Envelope xml:lang=\"");
    xml_put_text(&answer->body, op->host->locale);
    strbuf_printf(
        &answer->body,
        "\" xmlns:s=\"" NS_SOAP "\"><s:Header/><s:Body>"
        "<wsmid:IdentifyResponse xmlns:wsmid=\"" NS_IDENTITY "\">"
        "<wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
        "</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation"
        "</wsmid:ProductVendor><wsmid:ProductVersion>OS: 10.0.%u SP: 0.0 Stack: 3.0"
        "</wsmid:ProductVersion></wsmid:IdentifyResponse></s:Body></s:Envelope>",
        op->host->build);
    answer->status = 200;
}

/* MS-WSMAN 3.1.4.1.19: as many requests as MaxConnections are served at one time, others
 * are rejected; DSP0226 14.6: wsman:QuotaLimit, "the service is busy servicing other
 * requests". */
static bool is_busy(const struct endpoint *endpoint, unsigned others,
                    struct sim_fault *fault)
{
    return others >= endpoint->host->winrm.max_connections &&
           !sim_refuse(fault, "w:QuotaLimit", CODE_QUOTA_LIMIT,
                       "The service is busy servicing other requests.");
}

/* @others were being served when it came. */
static void answer_message(struct endpoint *endpoint, const char *bytes, size_t len,
                           const char *encoding, const char *client, unsigned others,
                           struct answer *answer)
{
    CLEANUP(soap_request_cleanup) struct soap_request *request = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    struct sim_fault fault = { .subcode = "w:InternalError" };
    struct operation op = { .endpoint = endpoint,
                            .host = endpoint->host,
                            .client = client,
                            .to = &body,
                            .fault = &fault };
    struct call call = { .name = "Identify" };
    struct fault_hit hit = { .what = FAULT_NONE };
    bool ok, is_fault = false;

    atomic_fetch_add(&endpoint->requests, 1);
    ok = soap_read(bytes, len, encoding, &request, &fault);
    op.request = request;
    if (!ok || (!request->is_identify && !find_call(request, &call, &fault))) {
        snprintf(answer->label, sizeof(answer->label), "bad request");
        put_fault(&op, answer);
        return;
    }
    snprintf(answer->label, sizeof(answer->label), "%s %.50s", call.class_name, call.name);
    if (endpoint->faults)
        hit = fault_rules_ask(endpoint->faults, endpoint->host->name, call.class_name,
                              call.name);
    if (is_busy(endpoint, others, &fault)) {
        put_fault(&op, answer);
        return;
    }
    if (apply_before(&op, &call, hit, answer, &is_fault)) {
        if (is_fault)
            put_fault(&op, answer);
        return;
    }
    if (request->is_identify)
        put_identity(&op, answer);
    else if (run(&op, &call))
        put_answer(&op, &call, answer, &body);
    else
        put_fault(&op, answer);
    if (hit.what == FAULT_DROP_AFTER)
        answer->status = 0;
}

void dispatch(struct endpoint *endpoint, const char *bytes, size_t len,
              const char *encoding, const char *client, struct answer *answer)
{
    unsigned others = atomic_fetch_add(&endpoint->being_served, 1);

    answer_message(endpoint, bytes, len, encoding, client, others, answer);
    atomic_fetch_sub(&endpoint->being_served, 1);
}

void dispatch_denied(struct endpoint *endpoint, const char *bytes, size_t len,
                     struct answer *answer)
{
    CLEANUP(soap_request_cleanup) struct soap_request *request = NULL;
    struct sim_fault fault = { .subcode = "w:InternalError" };
    struct operation op = { .endpoint = endpoint, .host = endpoint->host, .fault = &fault };

    if (soap_read(bytes, len, NULL, &request, &fault))
        sim_refuse(&fault, "w:AccessDenied", CODE_ACCESS_DENIED, "Access is denied.");
    op.request = request;
    snprintf(answer->label, sizeof(answer->label), "denied");
    put_fault(&op, answer);
}
