/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "service.h"

#include <string.h>

#include "dispatch.h"
#include "err.h"
#include "os.h"
#include "text.h"

static bool out_of_memory(struct sim_fault *fault)
{
    return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
}

/* ---- methods: the object ---- */

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
static bool find_service(struct service_call *call, struct sim_fault *fault)
{
    const struct cim_path *path = call->path;
    struct sim_store *store = sim_host_store(call->host, path->ns);
    struct sim_object *only = sim_store_next(store, NULL, path->ns, path->class_name);

    if (!only || sim_store_next(store, only, path->ns, path->class_name) ||
        !has_keys(sim_object_path(only), path))
        return query_not_found(fault);
    call->object = only;
    return true;
}

static bool needs_selectors(const struct cim_class *class)
{
    for (size_t i = 0; i < class->property_count; i++)
        if (class->properties[i].is_key)
            return true;
    return false;
}

static bool find_object(struct service_call *call, struct sim_fault *fault)
{
    const struct cim_path *path = call->path;

    if (path->count == 0) {
        if (call->method->is_static || !needs_selectors(call->class))
            return true;
        return sim_refuse(
            fault, "w:InternalError", CODE_WBEM_NO_METHOD_PARAMS,
            "The WS-Management service cannot process the request. The WMI service "
            "reported that the parameters of the method are invalid.");
    }
    call->object = sim_store_find(sim_host_store(call->host, call->class->ns), path);
    if (call->object)
        return true;
    for (size_t i = 0; sim_behaviours[i]; i++)
        for (const struct sim_dynamic_class *d = sim_behaviours[i]->dynamic_classes;
             d && d->class_name; d++)
            if (text_ieq(d->ns, call->class->ns) &&
                cim_schema_is_a(call->class, d->class_name))
                return query_find(call->host, path, &call->object, &call->made, fault);
    return find_service(call, fault);
}

bool service_call_find(struct service_call *call, const struct cim_path *path,
                       const char *method, struct sim_fault *fault)
{
    call->path = path;
    call->class = query_class(call->host, path->ns, path->class_name, fault);
    if (!call->class)
        return false;
    call->method = cim_schema_method(call->class, method);
    if (!call->method)
        return sim_refuse(
            fault, "a:ActionNotSupported", CODE_ACTION_NOT_SUPPORTED,
            "The WS-Management service does not support the action specified in the "
            "request: %.60s has no method %.80s.",
            call->class->name, method);
    if (!call->host->replay && !find_object(call, fault))
        return false;
    call->in = cim_instance_new(call->class->ns, call->class->name);
    call->out = cim_instance_new(call->class->ns, call->class->name);
    return (call->in && call->out) || out_of_memory(fault);
}

void service_call_clear(struct service_call *call)
{
    cim_instance_free(call->made);
    cim_instance_free(call->in);
    cim_instance_free(call->out);
}

/* ---- methods: the call ---- */

const struct cim_class_parameter *service_parameter(const struct cim_class_method *method,
                                                    const char *name)
{
    for (size_t i = 0; i < method->parameter_count; i++)
        if (method->parameters[i].is_in && strcmp(method->parameters[i].name, name) == 0)
            return &method->parameters[i];
    return NULL;
}

bool service_call_run(struct service_call *call, struct sim_fault *fault)
{
    const struct sim_method *behaviour = find_behaviour(call->class, call->method->name);
    struct sim_call c = { .host = call->host,
                          .path = call->path,
                          .object = call->object,
                          .method = call->method->name,
                          .in = call->in,
                          .out = call->out,
                          .job_fate = call->job_fate,
                          .job_error = call->job_error };
    struct err err = ERR_INIT;
    char what[160];

    if (call->is_refused)
        return cim_set_uint(call->out, "ReturnValue", CIM_UINT32, call->forced_return,
                            &err) ||
               out_of_memory(fault);
    if (!behaviour) {
        snprintf(what, sizeof(what), "%.60s.%.60s", call->class->name, call->method->name);
        return sim_unknown(fault, what);
    }
    return behaviour->call(&c, fault);
}

/* ---- changes ---- */

static const struct sim_put *find_put(const struct cim_class *class)
{
    for (size_t i = 0; sim_behaviours[i]; i++)
        for (const struct sim_put *p = sim_behaviours[i]->puts; p && p->class_name; p++)
            if (text_ieq(p->ns, class->ns) && cim_schema_is_a(class, p->class_name))
                return p;
    return NULL;
}

bool service_put(struct sim_host *host, struct sim_object *object,
                 const struct cim_instance *changes, struct sim_fault *fault)
{
    const struct sim_put *put = find_put(sim_object_class(object));

    return put ? put->put(host, object, changes, fault)
               : sim_unknown(fault, "Put on this class");
}

bool service_prepare(struct sim_host *host, const char *ns, struct err *err)
{
    for (size_t i = 0; sim_behaviours[i]; i++)
        if (sim_behaviours[i]->tick)
            sim_behaviours[i]->tick(host, os_now_usec());
    for (size_t i = 0; ns && sim_behaviours[i]; i++)
        if (sim_behaviours[i]->prepare && !sim_behaviours[i]->prepare(host, ns, err))
            return false;
    return true;
}
