/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session: options, sending, Get, Put and Invoke. */

#include "wsman.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "err.h"
#include "names.h"
#include "schema.h"
#include "text.h"
#include "wsman-session.h"
#include "xml.h"

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_ENVELOPE = 512000,
    MIN_ENVELOPE = 8192, /* DSP0226 R13.1-4: less need not be supported */
    DEFAULT_ELEMENTS = 32000,
};

/* The host must give up before we do, or its answer "timed out" is never heard.  Windows
 * caps it (MaxTimeoutms, 60 s). */
static unsigned host_timeout(unsigned timeout_ms)
{
    unsigned margin = timeout_ms / 4 < 30000 ? timeout_ms / 4 : 30000;

    return timeout_ms - margin < 60000 ? timeout_ms - margin : 60000;
}

void wsman_begin(struct wsman_session *ws, struct strbuf *to, struct envelope *e)
{
    e->to = http_url(ws->http);
    e->max_envelope_bytes = ws->max_envelope_bytes;
    if (!e->timeout_ms)
        e->timeout_ms = host_timeout(ws->timeout_ms);
    envelope_begin(to, e, ws->message_id);
}

struct soap_answer wsman_answer(const struct wsman_session *ws, const struct strbuf *text)
{
    return (struct soap_answer){ text->text ? text->text : "", text->len, ws->message_id };
}

bool wsman_send(struct wsman_session *ws, struct strbuf *body, const struct wsman_send *how,
                struct strbuf *ret_answer, struct err *err)
{
    struct http_request request = { .timeout_ms =
                                        how->timeout_ms ? how->timeout_ms : ws->timeout_ms,
                                    .may_repeat = how->may_repeat,
                                    .even_if_cancelled = how->even_if_cancelled };

    envelope_end(body);
    if (body->failed)
        return err_fail(
            err, ERR_INVALID, 0,
            "the request holds a character or a reference that XML cannot carry");
    request.body = body->text;
    request.len = body->len;
    if (!http_post(ws->http, &request, ret_answer, err))
        return false;
    ws->had_answer = true;
    return true;
}

/* The URI of the class @path names, owned by the caller. */
static char *path_uri(const struct cim_path *path, struct err *err)
{
    char *uri;

    if (!path->ns) {
        err_fail(err, ERR_INVALID, 0, "the path of a '%s' lacks its namespace",
                 path->class_name);
        return NULL;
    }
    uri = wmi_uri(path->ns, path->class_name);
    if (!uri)
        err_no_memory(err);
    return uri;
}

static bool get_once(struct wsman_session *ws, const struct cim_path *path,
                     struct cim_instance **ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    CLEANUP(free_cleanup) char *uri = path_uri(path, err);
    struct envelope e = { .action = ACTION_GET, .resource_uri = uri, .selectors = path };
    struct soap_answer got;
    struct cim_instance *instance;

    if (!uri)
        return false;
    wsman_begin(ws, &body, &e);
    if (!wsman_send(ws, &body, &(struct wsman_send){ .may_repeat = true }, &answer, err))
        return false;
    got = wsman_answer(ws, &answer);
    instance = answer_read_instance(&got, err);
    if (!instance)
        return false;
    *ret = instance;
    return true;
}

static bool wsman_get(struct cim_session *self, const struct cim_path *path,
                      struct cim_instance **ret, struct err *err)
{
    struct wsman_session *ws = (struct wsman_session *)self;
    struct wsman_patience patience = wsman_patience(ws);

    do {
        *err = ERR_INIT;
        if (get_once(ws, path, ret, err))
            return true;
    } while (wsman_wait(ws, &patience, err) ||
             (wsman_is_too_large(err) && wsman_learn_envelope(ws)));
    return wsman_is_too_large(err) ? wsman_say_limit(ws, err) : false;
}

static bool wsman_put(struct cim_session *self, const struct cim_path *path,
                      const struct cim_instance *changes, struct err *err)
{
    struct wsman_session *ws = (struct wsman_session *)self;
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    CLEANUP(free_cleanup) char *uri = path_uri(path, err);
    const struct cim_class *c = cim_schema_class(path->ns, path->class_name);
    struct envelope e = { .action = ACTION_PUT, .resource_uri = uri, .selectors = path };
    struct soap_answer got;

    if (!uri)
        return false;
    wsman_begin(ws, &body, &e);
    strbuf_printf(&body, "<p:%s xmlns:p=\"", path->class_name);
    xml_put_text(&body, uri);
    strbuf_puts(&body, "\">");
    for (size_t i = 0; i < changes->count; i++) {
        const struct cim_property *p = &changes->properties[i];
        const struct cim_class_property *known = c ? cim_schema_property(c, p->name) : NULL;
        struct cim_class_parameter as_parameter = { .type = known ? known->type
                                                                  : p->value.type };

        put_parameter(&body, known ? known->name : p->name, &p->value, &as_parameter, true);
    }
    strbuf_printf(&body, "</p:%s>", path->class_name);
    if (!wsman_send(ws, &body, &(struct wsman_send){ 0 }, &answer, err))
        return false;
    got = wsman_answer(ws, &answer);
    return answer_read_empty(&got, err);
}

/* IN parameters in the order of the method, with the spelling of the method: element names
 * are case-sensitive on the host.  Then what the schema does not know. */
static void put_parameters(struct strbuf *body, const struct cim_instance *in,
                           const struct cim_class_method *method)
{
    for (size_t i = 0; method && i < method->parameter_count; i++) {
        const struct cim_class_parameter *known = &method->parameters[i];
        const struct cim_value *value = known->is_in ? cim_get(in, known->name) : NULL;

        if (value)
            put_parameter(body, known->name, value, known, false);
    }
    for (size_t i = 0; i < in->count; i++) {
        bool done = false;

        for (size_t n = 0; method && n < method->parameter_count; n++)
            done |= method->parameters[n].is_in &&
                    text_ieq(method->parameters[n].name, in->properties[i].name);
        if (!done)
            put_parameter(body, in->properties[i].name, &in->properties[i].value, NULL,
                          false);
    }
}

static bool wsman_invoke(struct cim_session *self, const struct cim_path *path,
                         const char *method_name, const struct cim_instance *in,
                         struct cim_instance **ret_out, struct err *err)
{
    struct wsman_session *ws = (struct wsman_session *)self;
    CLEANUP(strbuf_cleanup) struct strbuf body = STRBUF_INIT;
    CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
    CLEANUP(free_cleanup) char *uri = path_uri(path, err);
    CLEANUP(free_cleanup)
    char *action = uri ? text_printf("%s/%s", uri, method_name) : NULL;
    const struct cim_class *c = cim_schema_class(path->ns, path->class_name);
    const struct cim_class_method *method = c ? cim_schema_method(c, method_name) : NULL;
    struct envelope e = { .action = action, .resource_uri = uri, .selectors = path };
    struct soap_answer got;
    struct cim_instance *out;

    if (!uri)
        return false;
    if (!action)
        return err_no_memory(err);
    wsman_begin(ws, &body, &e);
    strbuf_printf(&body, "<p:%s_INPUT xmlns:p=\"", method_name);
    xml_put_text(&body, uri);
    strbuf_puts(&body, "\">");
    if (in)
        put_parameters(&body, in, method);
    strbuf_printf(&body, "</p:%s_INPUT>", method_name);
    if (!wsman_send(ws, &body, &(struct wsman_send){ 0 }, &answer, err))
        return false;
    got = wsman_answer(ws, &answer);
    out = answer_read_output(&got, method, err);
    if (!out)
        return false;
    *ret_out = out;
    return true;
}

static void wsman_release(struct cim_session *self)
{
    struct wsman_session *ws = (struct wsman_session *)self;

    wsman_shell_close(ws);
    http_close(ws->http);
    free(ws->shell_id);
    free(ws);
}

static const struct cim_session_ops wsman_ops = {
    .name = "wsman",
    .query = wsman_query,
    .get = wsman_get,
    .put = wsman_put,
    .invoke = wsman_invoke,
    .run = wsman_run,
    .release = wsman_release,
};

struct cim_session *wsman_open(const struct wsman_options *options, struct err *err)
{
    struct wsman_session *ws;

    if (options->max_envelope_bytes && options->max_envelope_bytes < MIN_ENVELOPE) {
        err_fail(err, ERR_INVALID, 0, "an envelope of %u bytes is too small",
                 (unsigned)options->max_envelope_bytes);
        return NULL;
    }
    ws = calloc(1, sizeof(*ws));
    if (!ws) {
        err_no_memory(err);
        return NULL;
    }
    ws->base.ops = &wsman_ops;
    ws->timeout_ms =
        options->operation_timeout_ms ? options->operation_timeout_ms : DEFAULT_TIMEOUT_MS;
    ws->max_envelope_bytes =
        options->max_envelope_bytes ? options->max_envelope_bytes : DEFAULT_ENVELOPE;
    ws->max_elements = options->max_elements ? options->max_elements : DEFAULT_ELEMENTS;
    ws->is_cancelled = options->is_cancelled;
    ws->cancel_user = options->cancel_user;
    ws->http = http_open(options, err);
    if (!ws->http) {
        free(ws);
        return NULL;
    }
    return &ws->base;
}

bool wsman_check(struct cim_session *session, struct wsman_check *ret, struct err *err)
{
    struct wsman_session *ws = (struct wsman_session *)session;

    if (session->ops != &wsman_ops)
        return err_fail(err, ERR_INVALID, 0, "this session has no network to check");
    if (!ret->timeout_ms)
        ret->timeout_ms = ws->timeout_ms;
    return http_check_way(ws->http, ret, err);
}
