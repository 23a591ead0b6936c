/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods: parameters in by the schema, the behaviour's function, parameters out. */
#include <string.h>

#include "dispatch.h"
#include "err.h"
#include "text.h"

static bool out_of_memory(struct sim_fault *fault)
{
    return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
}

static const struct sim_method *find_behaviour(const struct cim_class *class,
                                               const char *name)
{
    for (size_t i = 0; sim_behaviours[i]; i++)
        for (const struct sim_method *m = sim_behaviours[i]->methods; m && m->name; m++)
            if (text_ieq(m->name, name) && text_ieq(m->ns, class->ns) &&
                cim_schema_is_a(class, m->class_name))
                return m;
    return NULL;
}

/* ---- the object ---- */

static bool has_keys(const struct cim_path *path, const struct cim_path *given)
{
    for (size_t i = 0; i < given->count; i++) {
        const struct cim_value *own = NULL;

        for (size_t j = 0; j < path->count; j++)
            if (text_ieq(path->keys[j].name, given->keys[i].name))
                own = &path->keys[j].value;
        if (!own || own->count != 1 || given->keys[i].value.count != 1)
            return false;
        if (own->type == CIM_STRING
                ? !text_ieq(own->data->text, given->keys[i].value.data->text)
                : !cim_value_equal(own, &given->keys[i].value))
            return false;
    }
    return true;
}

/* The service singletons take CreationClassName alone (measured: r4sd/go-wsman
 * management_service_selector_test.go; libvirt does the same). */
static bool find_service(struct operation *op, const struct cim_path *path,
                         struct sim_object **ret)
{
    struct sim_object *only =
        sim_store_next(op->host->store, NULL, path->ns, path->class_name);

    if (!only || sim_store_next(op->host->store, only, path->ns, path->class_name) ||
        !has_keys(sim_object_path(only), path))
        return query_not_found(op->fault);
    *ret = only;
    return true;
}

static bool needs_selectors(const struct cim_class *class)
{
    for (size_t i = 0; i < class->property_count; i++)
        if (class->properties[i].is_key)
            return true;
    return false;
}

static bool find_object(struct operation *op, const struct cim_path *path,
                        const struct cim_class *class,
                        const struct cim_class_method *method, struct sim_object **ret,
                        struct cim_instance **ret_made)
{
    if (path->count == 0) {
        if (method->is_static || !needs_selectors(class))
            return true;
        return sim_refuse(
            op->fault, "w:InternalError", CODE_WBEM_NO_METHOD_PARAMS,
            "The WS-Management service cannot process the request. The WMI service "
            "reported that the parameters of the method are invalid.");
    }
    *ret = sim_store_find(op->host->store, path);
    if (*ret)
        return true;
    for (size_t i = 0; sim_behaviours[i]; i++)
        for (const struct sim_dynamic_class *d = sim_behaviours[i]->dynamic_classes;
             d && d->class_name; d++)
            if (text_ieq(d->ns, class->ns) && cim_schema_is_a(class, d->class_name))
                return query_find(op->host, path, ret, ret_made, op->fault);
    return find_service(op, path, ret);
}

/* ---- parameters ---- */

static const struct cim_class_parameter *find_in(const struct cim_class_method *method,
                                                 const char *name)
{
    for (size_t i = 0; i < method->parameter_count; i++)
        if (method->parameters[i].is_in && strcmp(method->parameters[i].name, name) == 0)
            return &method->parameters[i];
    return NULL;
}

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
        const struct cim_class_parameter *p = find_in(method, (const char *)node->name);

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
    soap_put_value(op->to, "p:", "ReturnValue", cim_get(out, "ReturnValue"), class->ns);
    strbuf_printf(op->to, "</p:%s_OUTPUT>", method->name);
}

/* ---- the call ---- */

static bool call(struct operation *op, const struct cim_class *class,
                 const struct cim_class_method *method, struct sim_call *c)
{
    const struct sim_method *behaviour = find_behaviour(class, method->name);
    struct err err = ERR_INIT;
    char what[160];

    if (op->is_refused)
        return cim_set_uint(c->out, "ReturnValue", CIM_UINT32, op->forced_return, &err) ||
               out_of_memory(op->fault);
    if (!behaviour) {
        snprintf(what, sizeof(what), "%.60s.%.60s", class->name, method->name);
        return sim_unknown(op->fault, what);
    }
    return behaviour->call(c, op->fault);
}

bool op_invoke(struct operation *op, const char *method_name)
{
    const struct soap_request *r = op->request;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *made = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    const struct cim_class *class;
    const struct cim_class_method *method;
    struct sim_call c = { .host = op->host,
                          .method = method_name,
                          .job_fate = op->job_fate,
                          .job_error = op->job_error };

    if (!soap_path(r->ns, r->class_name, r->selectors, r->selector_count, &path, op->fault))
        return false;
    class = query_class(op->host, path->ns, path->class_name, op->fault);
    if (!class)
        return false;
    method = cim_schema_method(class, method_name);
    if (!method)
        return sim_refuse(
            op->fault, "a:ActionNotSupported", CODE_ACTION_NOT_SUPPORTED,
            "The WS-Management service does not support the action specified in the "
            "request: %.60s has no method %.80s.",
            class->name, method_name);
    if (!find_object(op, path, class, method, &c.object, &made))
        return false;
    in = cim_instance_new(class->ns, class->name);
    out = cim_instance_new(class->ns, class->name);
    if (!in || !out)
        return out_of_memory(op->fault);
    if (!read_parameters(op, method, in))
        return false;
    c.path = path;
    c.method = method->name;
    c.in = in;
    c.out = out;
    if (!call(op, class, method, &c))
        return false;
    put_answer(op, class, method, out);
    return true;
}
