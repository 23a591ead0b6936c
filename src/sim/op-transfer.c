/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WS-Transfer: Get and Put of one instance. */
#include <string.h>

#include "dispatch.h"
#include "err.h"
#include "replay-host.h"
#include "service.h"
#include "text.h"

static size_t given_keys(const struct soap_request *r)
{
    size_t count = r->selector_count;

    for (size_t i = 0; i < r->selector_count; i++)
        count -= text_ieq(r->selectors[i].name, "__cimnamespace");
    return count;
}

static size_t key_count(const struct cim_class *class)
{
    size_t count = 0;

    for (size_t i = 0; i < class->property_count; i++)
        count += class->properties[i].is_key;
    return count;
}

/* Without selectors only the one instance of a class can be meant. */
static bool find_singleton(struct operation *op, const struct cim_class *class,
                           struct sim_object **ret)
{
    struct sim_store *store = sim_host_store(op->host, class->ns);
    struct sim_object *first = sim_store_next(store, NULL, class->ns, class->name);

    if (first && !sim_store_next(store, first, class->ns, class->name)) {
        *ret = first;
        return true;
    }
    return sim_refuse(
        op->fault, "w:InvalidSelectors", CODE_NOT_A_SINGLETON,
        "The WS-Management service cannot process the request. The resource URI does "
        "not contain keys, but the class selected is not a singleton.");
}

/* Too few keys are answered like a missing instance: Msvm_ComputerSystem with Name alone
 * gave DestinationUnreachable (measured: r4sd/go-wsman). */
static bool find(struct operation *op, struct sim_object **ret_object,
                 struct cim_instance **ret_made)
{
    const struct soap_request *r = op->request;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    const struct cim_class *class;

    if (!soap_path(r->ns, r->class_name, r->selectors, r->selector_count, &path, op->fault))
        return false;
    class = query_class(op->host, path->ns, path->class_name, op->fault);
    if (!class)
        return false;
    if (given_keys(r) == 0 && key_count(class) > 0)
        return find_singleton(op, class, ret_object);
    return query_find(op->host, path, ret_object, ret_made, op->fault);
}

bool op_get(struct operation *op)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *made = NULL;
    struct sim_object *object = NULL;

    if (op->host->replay) {
        const struct soap_request *r = op->request;
        CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;

        return soap_path(r->ns, r->class_name, r->selectors, r->selector_count, &path,
                         op->fault) &&
               replay_get(op, path);
    }
    if (!find(op, &object, &made))
        return false;
    if (object)
        soap_put_instance(op->to, sim_object_instance(object), sim_object_class(object),
                          op->host->build);
    else
        soap_put_instance(op->to, made, cim_schema_class(made->ns, made->class_name),
                          op->host->build);
    return true;
}

/* ---- Put ---- */

static bool read_property(const xmlNode *body, const xmlNode *node,
                          const struct cim_class *class, struct cim_instance *to,
                          struct sim_fault *fault)
{
    const struct cim_class_property *known =
        cim_schema_property(class, (const char *)node->name);
    const char *ns = node->ns ? (const char *)node->ns->href : "";
    struct cim_value value;
    struct err err = ERR_INIT;

    if (!known || strcmp(known->name, (const char *)node->name) != 0)
        return sim_refuse(fault, "w:SchemaValidationError", CODE_SCHEMA_VALIDATION,
                          "Class %s has no property %.80s", class->name,
                          (const char *)node->name);
    if (cim_get(to, known->name)) /* a further element of an array already read */
        return true;
    value = (struct cim_value){ .type = known->type,
                                .is_array = known->is_array,
                                .is_null = true };
    if (!soap_value(body, ns, known->name, &value, fault))
        return false;
    if (!cim_set(to, known->name, &value, &err)) {
        cim_value_clear(&value);
        return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
    }
    return true;
}

static struct cim_instance *read_changes(struct operation *op,
                                         const struct cim_class *class)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *changes = cim_instance_new(class->ns, class->name);
    const xmlNode *body = op->request->body;

    if (!changes) {
        sim_refuse(op->fault, "w:InternalError", 14, "not enough memory");
        return NULL;
    }
    if (!body || !text_ieq((const char *)body->name, class->name)) {
        sim_refuse(
            op->fault, "x:InvalidRepresentation", 0x80338015u,
            "The WS-Management service cannot identify the format of the object passed to "
            "a Put method.");
        return NULL;
    }
    for (xmlNode *node = soap_first(body); node; node = soap_next(node))
        if (!read_property(body, node, class, changes, op->fault))
            return NULL;
    return TAKE(changes);
}

bool op_put(struct operation *op)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *made = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *changes = NULL;
    struct sim_object *object = NULL;
    const struct cim_class *class;

    if (op->host->replay)
        return replay_put(op);
    if (!find(op, &object, &made))
        return false;
    if (!object)
        return sim_unknown(op->fault, "Put on a class without stored instances");
    class = sim_object_class(object);
    changes = read_changes(op, class);
    if (!changes || !service_put(op->host, object, changes, op->fault))
        return false;
    soap_put_instance(op->to, sim_object_instance(object), class, op->host->build);
    return true;
}
