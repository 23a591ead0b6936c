/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods: parameters in by the schema, the service's call, parameters out. */
#include <string.h>

#include "dispatch.h"
#include "err.h"
#include "replay-host.h"
#include "service.h"
#include "text.h"

static bool out_of_memory(struct sim_fault *fault)
{
    return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
}

/* ---- parameters ---- */

static bool invalid(struct operation *op, const char *what, const char *why)
{
    return sim_refuse(
        op->fault, "w:SchemaValidationError", CODE_SCHEMA_VALIDATION,
        "The SOAP XML in the message does not match the corresponding XML schema "
        "definition: %.80s: %s",
        what, why);
}

static bool read_parameter(struct operation *op, const struct cim_class_parameter *p,
                           struct cim_instance *to)
{
    const xmlNode *body = op->request->body;
    struct cim_value value = { .type = p->type, .is_array = p->is_array, .is_null = true };
    struct err err = ERR_INIT;

    if (!soap_value(body, (const char *)body->ns->href, p->name, &value, op->fault))
        return false;
    if (!cim_set(to, p->name, &value, &err)) {
        cim_value_clear(&value);
        return out_of_memory(op->fault);
    }
    return true;
}

static bool read_parameters(struct operation *op, const struct cim_class_method *method,
                            struct cim_instance *to)
{
    const xmlNode *body = op->request->body;
    CLEANUP(free_cleanup) char *name = text_printf("%s_INPUT", method->name);

    if (!name)
        return out_of_memory(op->fault);
    if (!body || !body->ns || strcmp((const char *)body->name, name) != 0 ||
        !text_ieq((const char *)body->ns->href, op->request->resource_uri))
        return invalid(op, name,
                       "this element, in the class's namespace, is to be the body");
    for (xmlNode *node = soap_first(body); node; node = soap_next(node)) {
        const struct cim_class_parameter *p =
            service_parameter(method, (const char *)node->name);

        if (!p || !node->ns ||
            !text_ieq((const char *)node->ns->href, (const char *)body->ns->href))
            return invalid(op, (const char *)node->name, "no IN parameter of the method");
        if (!cim_get(to, p->name) && !read_parameter(op, p, to))
            return false;
    }
    return true;
}

static void put_answer(struct operation *op, const struct cim_class *class,
                       const struct cim_class_method *method,
                       const struct cim_instance *out)
{
    strbuf_printf(op->to, "<p:%s_OUTPUT xmlns:xsi=\"" NS_XSI "\" xmlns:p=\"", method->name);
    soap_put_class_uri(op->to, class->ns, class->name);
    strbuf_puts(op->to, "\" xmlns:cim=\"" NS_CIM "\">");
    for (size_t i = 0; i < method->parameter_count; i++)
        if (method->parameters[i].is_out)
            soap_put_value(op->to, "p:", method->parameters[i].name,
                           cim_get(out, method->parameters[i].name), class->ns);
    /* Methods of root/MSCluster return nothing. */
    if (cim_get(out, "ReturnValue"))
        soap_put_value(op->to, "p:", "ReturnValue", cim_get(out, "ReturnValue"), class->ns);
    strbuf_printf(op->to, "</p:%s_OUTPUT>", method->name);
}

static bool run(struct operation *op, struct service_call *call)
{
    if (!op->host->replay)
        return service_call_run(call, op->fault);
    cim_instance_free(TAKE(call->out));
    return replay_invoke(op, call->path, call->method->name, call->in, &call->out);
}

bool op_invoke(struct operation *op, const char *method)
{
    const struct soap_request *r = op->request;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    struct service_call call = { .host = op->host,
                                 .job_fate = op->job_fate,
                                 .job_error = op->job_error,
                                 .forced_return = op->forced_return,
                                 .is_refused = op->is_refused };
    bool ok = soap_path(r->ns, r->class_name, r->selectors, r->selector_count, &path,
                        op->fault) &&
              service_call_find(&call, path, method, op->fault) &&
              read_parameters(op, call.method, call.in) && run(op, &call);

    if (ok)
        put_answer(op, call.class, call.method, call.out);
    service_call_clear(&call);
    return ok;
}
