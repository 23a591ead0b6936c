/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queries against a host: stored objects and classes whose instances are made on demand. */
#include <string.h>

#include "dispatch.h"
#include "err.h"
#include "lab.h"
#include "text.h"
#include "wql.h"

/* Without the Hyper-V role there is no such namespace. */
static bool is_hyperv(const char *ns)
{
    return text_istarts(ns, "root/virtualization") ||
           text_istarts(ns, "root\\virtualization");
}

/* Nor this one without failover clustering. */
static bool is_cluster(const char *ns)
{
    return text_istarts(ns, "root/MSCluster") || text_istarts(ns, "root\\MSCluster");
}

bool query_has_namespace(const struct sim_host *host, const char *ns)
{
    return !host->lab || ((host->lab->hyperv || !is_hyperv(ns)) &&
                          (host->lab->cluster || !is_cluster(ns)));
}

const struct cim_class *query_class(struct sim_host *host, const char *ns, const char *name,
                                    struct sim_fault *fault)
{
    const struct cim_class *class = cim_schema_class(ns, name);

    if (class && query_has_namespace(host, ns) && class->first_build <= host->build)
        return class;
    sim_refuse(
        fault, "a:DestinationUnreachable", CODE_INVALID_RESOURCE_URI,
        "The WS-Management service cannot process the request. There is no class %.120s in "
        "namespace %.120s.",
        name, ns);
    return NULL;
}

bool query_not_found(struct sim_fault *fault)
{
    return sim_refuse(
        fault, "a:DestinationUnreachable", CODE_RESOURCE_NOT_FOUND,
        "The WS-Management service cannot process the request. The service cannot "
        "find the resource identified by the resource URI and selectors.");
}

static bool refuse_query(struct sim_fault *fault, uint32_t code, const struct err *err)
{
    char why[ERR_TEXT];

    err_format(err, why, sizeof(why));
    return sim_refuse(
        fault, "w:CannotProcessFilter", CODE_CANNOT_PROCESS_FILTER,
        "The data source could not process the filter. The filter might be missing "
        "or it might be invalid. Change the filter and try the request again. %s "
        "HRESULT = 0x%08x",
        why, code);
}

/* ---- classes whose instances are made on demand ---- */

/* Calls @visit for each such class at or below @class. */
static bool each_dynamic(const struct cim_class *class,
                         bool (*visit)(const struct sim_dynamic_class *dynamic, void *user),
                         void *user)
{
    for (size_t i = 0; sim_behaviours[i]; i++)
        for (const struct sim_dynamic_class *d = sim_behaviours[i]->dynamic_classes;
             d && d->class_name; d++) {
            const struct cim_class *own = cim_schema_class(d->ns, d->class_name);

            if (own && text_ieq(own->ns, class->ns) && cim_schema_is_a(own, class->name) &&
                !visit(d, user))
                return false;
        }
    return true;
}

struct listing {
    struct sim_host *host;
    const struct cim_class *class;
    const struct wql_query *query;
    const struct cim_instance *where;
    query_row_fn *on_row;
    void *user;
    struct sim_fault *fault;
};

static bool on_made_row(struct cim_instance *row, void *user)
{
    const struct listing *l = user;
    const struct cim_class *class =
        cim_schema_class(row->ns ? row->ns : l->class->ns, row->class_name);

    if (!class || !wql_matches(l->query, row, class))
        return true;
    return l->on_row(row, class, l->user, l->fault);
}

static bool list_dynamic(const struct sim_dynamic_class *dynamic, void *user)
{
    struct listing *l = user;

    return dynamic->list(l->host, l->where, on_made_row, l, l->fault);
}

/* ---- SELECT ---- */

static bool run_select(struct sim_host *host, const char *ns, const struct wql_query *query,
                       query_row_fn *on_row, void *user, struct sim_fault *fault)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *where = NULL;
    const struct cim_class *class = query_class(host, ns, query->class_name, fault);
    struct listing listing = { .host = host,
                               .class = class,
                               .query = query,
                               .on_row = on_row,
                               .user = user,
                               .fault = fault };
    struct sim_store *store;
    struct err err = ERR_INIT;

    if (!class)
        return false;
    if (!wql_check(query, class, &err))
        return refuse_query(fault, CODE_WBEM_INVALID_QUERY, &err);
    store = sim_host_store(host, class->ns);
    for (struct sim_object *o = sim_store_next(store, NULL, class->ns, class->name); o;
         o = sim_store_next(store, o, class->ns, class->name))
        if (sim_object_class(o)->first_build <= host->build &&
            wql_matches(query, sim_object_instance(o), sim_object_class(o)) &&
            !on_row(sim_object_instance(o), sim_object_class(o), user, fault))
            return false;
    where = wql_equalities(query, class, &err);
    if (!where)
        return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
    listing.where = where;
    return each_dynamic(class, list_dynamic, &listing);
}

/* ---- single instances ---- */

struct by_key {
    struct sim_host *host;
    const struct cim_path *path;
    struct cim_instance *where;
    struct cim_instance *found;
    struct sim_fault *fault;
};

static bool keep_if_same(struct cim_instance *row, void *user)
{
    struct by_key *k = user;
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    struct err ignored = ERR_INIT;

    if (!k->found) {
        path = cim_schema_path(row, &ignored);
        if (path && cim_path_equal(path, k->path))
            k->found = cim_instance_copy(row);
    }
    return true;
}

static bool find_dynamic(const struct sim_dynamic_class *dynamic, void *user)
{
    struct by_key *k = user;

    return k->found || dynamic->list(k->host, k->where, keep_if_same, k, k->fault);
}

static struct cim_instance *keys_as_instance(const struct cim_path *path)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *where = cim_instance_new(path->ns, path->class_name);
    struct err ignored = ERR_INIT;

    for (size_t i = 0; where && i < path->count; i++) {
        struct cim_value value;

        if (!cim_value_copy(&path->keys[i].value, &value, &ignored))
            return NULL;
        if (!cim_set(where, path->keys[i].name, &value, &ignored)) {
            cim_value_clear(&value);
            return NULL;
        }
    }
    return TAKE(where);
}

bool query_find(struct sim_host *host, const struct cim_path *path,
                struct sim_object **ret_object, struct cim_instance **ret_made,
                struct sim_fault *fault)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *where = NULL;
    const struct cim_class *class = query_class(host, path->ns, path->class_name, fault);
    struct by_key by_key = { .host = host, .path = path, .fault = fault };

    if (!class)
        return false;
    *ret_object = sim_store_find(sim_host_store(host, class->ns), path);
    if (*ret_object)
        return true;
    where = keys_as_instance(path);
    if (!where)
        return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
    by_key.where = where;
    if (!each_dynamic(class, find_dynamic, &by_key)) {
        cim_instance_free(by_key.found);
        return false;
    }
    *ret_made = by_key.found;
    return by_key.found || query_not_found(fault);
}

/* ---- ASSOCIATORS OF, REFERENCES OF ---- */

struct walk {
    struct sim_store *store;
    const struct wql_query *query;
    query_row_fn *on_row;
    void *user;
    struct sim_fault *fault;
    struct sim_object **seen; /* an object that two associations lead to comes once */
    size_t seen_count;
};

static bool is_named(const struct cim_class *class, const char *name)
{
    return !name || cim_schema_is_a(class, name);
}

static bool is_new(struct walk *w, struct sim_object *object)
{
    struct sim_object **grown;

    for (size_t i = 0; i < w->seen_count; i++)
        if (w->seen[i] == object)
            return false;
    grown = realloc(w->seen, (w->seen_count + 1) * sizeof(struct sim_object *));
    if (!grown)
        return false;
    w->seen = grown;
    w->seen[w->seen_count++] = object;
    return true;
}

static bool on_reference(struct sim_object *association, const char *role, void *user,
                         struct err *err)
{
    struct walk *w = user;

    if (!is_named(sim_object_class(association), w->query->result_class) ||
        !is_new(w, association))
        return true;
    return w->on_row(sim_object_instance(association), sim_object_class(association),
                     w->user, w->fault);
}

static bool on_association(struct sim_object *association, const char *role, void *user,
                           struct err *err)
{
    const struct cim_instance *links = sim_object_instance(association);
    struct walk *w = user;

    for (size_t i = 0; i < links->count; i++) {
        const struct cim_property *p = &links->properties[i];
        struct sim_object *object;

        if (p->value.type != CIM_REFERENCE || p->value.count != 1 || !p->value.data->path ||
            text_ieq(p->name, role) ||
            (w->query->result_role && !text_ieq(p->name, w->query->result_role)))
            continue;
        object = sim_store_find(w->store, p->value.data->path);
        if (!object || !is_named(sim_object_class(object), w->query->result_class) ||
            !is_new(w, object))
            continue;
        if (!w->on_row(sim_object_instance(object), sim_object_class(object), w->user,
                       w->fault))
            return false;
    }
    return true;
}

static bool run_walk(struct sim_host *host, const char *ns, const struct wql_query *query,
                     query_row_fn *on_row, void *user, struct sim_fault *fault)
{
    struct walk w = { .query = query, .on_row = on_row, .user = user, .fault = fault };
    CLEANUP(cim_path_cleanup) struct cim_path *source = cim_path_copy(query->source);
    struct sim_object *object;
    struct err err = ERR_INIT;
    bool ok;

    if (query->class_defs_only || query->keys_only)
        return sim_unknown(fault, "ClassDefsOnly and KeysOnly over WS-Management");
    if (!source || (!source->ns && !(source->ns = text_dup(ns))))
        return sim_refuse(fault, "w:InternalError", 14, "not enough memory");
    if (!query_class(host, source->ns, source->class_name, fault))
        return false;
    w.store = sim_host_store(host, source->ns);
    object = sim_store_find(w.store, source);
    if (!object)
        return query_not_found(fault);
    fault->subcode = NULL;
    if (query->kind == WQL_REFERENCES)
        ok = sim_store_references(w.store, object, NULL, query->role, on_reference, &w,
                                  &err);
    else
        ok = sim_store_references(w.store, object, query->assoc_class, query->role,
                                  on_association, &w, &err);
    free(w.seen);
    return ok;
}

bool query_run(struct sim_host *host, const char *ns, const struct wql_query *query,
               query_row_fn *on_row, void *user, struct sim_fault *fault)
{
    if (query->kind == WQL_SELECT)
        return run_select(host, ns, query, on_row, user, fault);
    return run_walk(host, ns, query, on_row, user, fault);
}
