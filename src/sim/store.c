/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects of one host: found by path through a hash table, walked by class through
 * one list per class, and their associations through a hash table of references.
 *
 * Objects hold only what is not null; the rest is known from the schema.  Keys and
 * references do not change after an object was added.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "store-hash.h"
#include "text.h"

struct sim_object {
    struct cim_instance *instance;
    const struct cim_class *class;
    struct cim_path *path; /* made when first asked for */
    uint64_t hash;
    uint64_t number; /* order of adding */
    struct sim_object *same_hash;
};

/* One end of an association, found by the hash of what it refers to. */
struct link {
    uint64_t hash;
    struct sim_object *association;
    const char *role; /* from the schema */
    struct link *next;
};

/* The objects of exactly one class, in the order of adding. */
struct extent {
    const struct cim_class *class;
    struct sim_object **objects;
    size_t count, size;
};

struct sim_store {
    struct sim_object **buckets;
    struct link **link_buckets;
    size_t bucket_count; /* of both; a power of two */
    size_t object_count, link_count;
    uint64_t next_number;
    struct extent **extents;
    size_t extent_count;
    struct walk *walks; /* by class, the one last used first */
};

/* Which extents hold the objects of a class and its subclasses. */
struct walk {
    const struct cim_class *class; /* NULL: all */
    size_t seen;                   /* of the store's extents; those behind are new */
    struct extent **extents;
    size_t count;
    struct walk *next;
};

enum { FIRST_BUCKETS = 64 };

/* ---- the store ---- */

struct sim_store *sim_store_new(void)
{
    struct sim_store *store = calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    store->bucket_count = FIRST_BUCKETS;
    store->buckets = calloc(FIRST_BUCKETS, sizeof(struct sim_object *));
    store->link_buckets = calloc(FIRST_BUCKETS, sizeof(struct link *));
    if (!store->buckets || !store->link_buckets) {
        sim_store_free(store);
        return NULL;
    }
    return store;
}

static void free_object(struct sim_object *object)
{
    if (!object)
        return;
    cim_instance_free(object->instance);
    cim_path_free(object->path);
    free(object);
}

void sim_store_free(struct sim_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; store->link_buckets && i < store->bucket_count; i++)
        for (struct link *link = store->link_buckets[i], *next; link; link = next) {
            next = link->next;
            free(link);
        }
    for (size_t i = 0; i < store->extent_count; i++) {
        struct extent *extent = store->extents[i];

        for (size_t j = 0; j < extent->count; j++)
            free_object(extent->objects[j]);
        free(extent->objects);
        free(extent);
    }
    free(store->extents);
    while (store->walks) {
        struct walk *walk = store->walks;

        store->walks = walk->next;
        free(walk->extents);
        free(walk);
    }
    free(store->buckets);
    free(store->link_buckets);
    free(store);
}

static struct sim_object **bucket(struct sim_store *store, uint64_t hash)
{
    return &store->buckets[(hash ^ hash >> 32) & (store->bucket_count - 1)];
}

static struct link **link_bucket(struct sim_store *store, uint64_t hash)
{
    return &store->link_buckets[(hash ^ hash >> 32) & (store->bucket_count - 1)];
}

/* Keeps both tables at most as full as they are long.  Links stay in adding order. */
static bool make_room(struct sim_store *store)
{
    struct sim_store grown = *store;

    if (store->object_count < store->bucket_count &&
        store->link_count < store->bucket_count)
        return true;
    grown.bucket_count = store->bucket_count * 2;
    grown.buckets = calloc(grown.bucket_count, sizeof(struct sim_object *));
    grown.link_buckets = calloc(grown.bucket_count, sizeof(struct link *));
    if (!grown.buckets || !grown.link_buckets) {
        free(grown.buckets);
        free(grown.link_buckets);
        return false;
    }
    for (size_t i = 0; i < store->bucket_count; i++) {
        for (struct sim_object *o = store->buckets[i], *next; o; o = next) {
            struct sim_object **to = bucket(&grown, o->hash);

            next = o->same_hash;
            o->same_hash = *to;
            *to = o;
        }
        for (struct link *link = store->link_buckets[i], *next; link; link = next) {
            struct link **to = link_bucket(&grown, link->hash);

            next = link->next;
            while (*to)
                to = &(*to)->next;
            link->next = NULL;
            *to = link;
        }
    }
    free(store->buckets);
    free(store->link_buckets);
    *store = grown;
    return true;
}

static struct extent *extent_of(struct sim_store *store, const struct cim_class *class)
{
    struct extent **grown, *extent;

    for (size_t i = 0; i < store->extent_count; i++)
        if (store->extents[i]->class == class)
            return store->extents[i];
    grown = realloc(store->extents, (store->extent_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    store->extents = grown;
    extent = calloc(1, sizeof(*extent));
    if (!extent)
        return NULL;
    extent->class = class;
    store->extents[store->extent_count++] = extent;
    return extent;
}

/* Index of the first object added after @number. */
static size_t extent_after(const struct extent *extent, uint64_t number)
{
    size_t low = 0, high = extent->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (extent->objects[mid]->number > number)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* ---- finding ---- */

static bool ns_is(const char *asked, const char *ns)
{
    if (!asked)
        return true;
    for (; *asked && *ns; asked++, ns++) {
        char a = *asked == '\\' ? '/' : *asked;

        if ((a >= 'A' && a <= 'Z' ? a + 32 : a) !=
            (*ns >= 'A' && *ns <= 'Z' ? *ns + 32 : *ns))
            return false;
    }
    return !*asked && !*ns;
}

struct sim_object *sim_store_find(struct sim_store *store, const struct cim_path *path)
{
    uint64_t hash = store_hash_path(path);

    for (struct sim_object *o = *bucket(store, hash); o; o = o->same_hash) {
        const struct cim_path *own;

        if (o->hash != hash || !text_ieq(o->class->name, path->class_name) ||
            !ns_is(path->ns, o->class->ns))
            continue;
        own = sim_object_path(o);
        if (own && own->count == path->count && cim_path_equal(own, path))
            return o;
    }
    return NULL;
}

/* ---- adding ---- */

static bool check_value(const struct cim_class *class, const struct cim_property *p,
                        struct err *err)
{
    const struct cim_class_property *known = cim_schema_property(class, p->name);

    if (!known)
        return err_fail(err, ERR_INVALID, 0, "class %s has no property '%s'", class->name,
                        p->name);
    if (known->type != p->value.type || known->is_array != p->value.is_array)
        return err_fail(err, ERR_INVALID, 0, "%s.%s is %s%s, not %s%s", class->name,
                        p->name, cim_type_name(known->type), known->is_array ? "[]" : "",
                        cim_type_name(p->value.type), p->value.is_array ? "[]" : "");
    if (known->is_key && p->value.is_null)
        return err_fail(err, ERR_INVALID, 0, "key %s.%s is null", class->name, p->name);
    return true;
}

static bool check_instance(const struct cim_class *class, struct cim_instance *instance,
                           struct err *err)
{
    for (size_t i = 0; i < instance->count; i++)
        if (!check_value(class, &instance->properties[i], err))
            return false;
    for (size_t i = 0; i < class->property_count; i++)
        if (class->properties[i].is_key && !cim_get(instance, class->properties[i].name))
            return err_fail(err, ERR_INVALID, 0, "key %s.%s is missing", class->name,
                            class->properties[i].name);
    return true;
}

static void drop_nulls(struct cim_instance *instance)
{
    for (size_t i = instance->count; i-- > 0;)
        if (instance->properties[i].value.is_null)
            cim_unset(instance, instance->properties[i].name);
}

static void unlink_from(struct sim_store *store, struct sim_object *association,
                        uint64_t hash)
{
    for (struct link **at = link_bucket(store, hash); *at;) {
        struct link *link = *at;

        if (link->association != association || link->hash != hash) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        free(link);
        store->link_count--;
    }
}

static void drop_links(struct sim_store *store, struct sim_object *object)
{
    for (size_t i = 0; i < object->instance->count; i++) {
        const struct cim_value *value = &object->instance->properties[i].value;

        if (value->type != CIM_REFERENCE)
            continue;
        for (size_t j = 0; j < value->count; j++)
            if (value->data[j].path)
                unlink_from(store, object, store_hash_path(value->data[j].path));
    }
}

static bool add_link(struct sim_store *store, struct sim_object *association,
                     const char *role, const struct cim_path *to)
{
    struct link *link, **at;

    if (!make_room(store))
        return false;
    link = malloc(sizeof(*link));
    if (!link)
        return false;
    *link = (struct link){ .hash = store_hash_path(to),
                           .association = association,
                           .role = role };
    for (at = link_bucket(store, link->hash); *at; at = &(*at)->next)
        ;
    *at = link;
    store->link_count++;
    return true;
}

static bool add_links(struct sim_store *store, struct sim_object *object)
{
    for (size_t i = 0; i < object->instance->count; i++) {
        const struct cim_property *p = &object->instance->properties[i];
        const struct cim_class_property *known;

        if (p->value.type != CIM_REFERENCE)
            continue;
        known = cim_schema_property(object->class, p->name);
        for (size_t j = 0; known && j < p->value.count; j++)
            if (p->value.data[j].path &&
                !add_link(store, object, known->name, p->value.data[j].path))
                return false;
    }
    return true;
}

static bool insert(struct sim_store *store, struct sim_object *object)
{
    struct extent *extent = extent_of(store, object->class);
    struct sim_object **to;

    if (!extent || !make_room(store))
        return false;
    if (extent->count == extent->size) {
        size_t size = extent->size ? extent->size * 2 : 4;
        struct sim_object **grown =
            realloc(extent->objects, size * sizeof(struct sim_object *));

        if (!grown)
            return false;
        extent->objects = grown;
        extent->size = size;
    }
    if (object->class->is_association && !add_links(store, object)) {
        drop_links(store, object);
        return false;
    }
    to = bucket(store, object->hash);
    object->same_hash = *to;
    *to = object;
    object->number = ++store->next_number;
    extent->objects[extent->count++] = object;
    store->object_count++;
    return true;
}

/* Paths are compared only where the hashes are equal, which is rare. */
static bool check_new(struct sim_store *store, const struct cim_instance *instance,
                      const struct cim_class *class, uint64_t hash, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    const struct sim_object *same = *bucket(store, hash);

    while (same && same->hash != hash)
        same = same->same_hash;
    if (!same)
        return true;
    path = cim_schema_path(instance, err);
    if (!path)
        return false;
    return !sim_store_find(store, path) ||
           err_fail(err, ERR_CONFLICT, 0, "a %s with these keys exists", class->name);
}

struct sim_object *sim_store_add(struct sim_store *store, struct cim_instance **instance,
                                 struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *own = TAKE(*instance);
    const struct cim_class *class = cim_schema_class(own->ns, own->class_name);
    struct sim_object *object;
    uint64_t hash;

    if (!class) {
        err_fail(err, ERR_INVALID, 0, "no class %s in namespace %s", own->class_name,
                 own->ns ? own->ns : "(none)");
        return NULL;
    }
    drop_nulls(own);
    if (!check_instance(class, own, err))
        return NULL;
    hash = store_hash_instance(own, class);
    if (!check_new(store, own, class, hash, err))
        return NULL;
    object = calloc(1, sizeof(*object));
    if (!object) {
        err_no_memory(err);
        return NULL;
    }
    object->class = class;
    object->hash = hash;
    object->instance = own;
    if (!insert(store, object)) {
        free(object);
        err_no_memory(err);
        return NULL;
    }
    own = NULL;
    return object;
}

/* ---- removing ---- */

void sim_store_remove(struct sim_store *store, struct sim_object *object)
{
    struct extent *extent = extent_of(store, object->class);
    size_t at = extent_after(extent, object->number) - 1;

    if (object->class->is_association)
        drop_links(store, object);
    for (struct sim_object **to = bucket(store, object->hash); *to; to = &(*to)->same_hash)
        if (*to == object) {
            *to = object->same_hash;
            break;
        }
    memmove(&extent->objects[at], &extent->objects[at + 1],
            (extent->count - at - 1) * sizeof(struct sim_object *));
    extent->count--;
    store->object_count--;
    free_object(object);
}

/* Is @link one to @object, not merely of the same hash? */
static bool links_to(const struct link *link, struct sim_object *object)
{
    const struct cim_value *value;

    if (link->hash != object->hash)
        return false;
    value = cim_get(link->association->instance, link->role);
    for (size_t i = 0; value && i < value->count; i++)
        if (value->data[i].path &&
            cim_path_equal(value->data[i].path, sim_object_path(object)))
            return true;
    return false;
}

static struct sim_object *any_association(struct sim_store *store,
                                          struct sim_object *object)
{
    for (struct link *link = *link_bucket(store, object->hash); link; link = link->next)
        if (link->association != object && links_to(link, object))
            return link->association;
    return NULL;
}

void sim_store_remove_with_links(struct sim_store *store, struct sim_object *object)
{
    struct sim_object *association;

    while ((association = any_association(store, object)))
        sim_store_remove(store, association);
    sim_store_remove(store, object);
}

/* ---- walking ---- */

static struct walk *find_walk(struct sim_store *store, const struct cim_class *class)
{
    struct walk **at = &store->walks, *walk;

    while (*at && (*at)->class != class)
        at = &(*at)->next;
    walk = *at;
    if (walk)
        *at = walk->next;
    else
        walk = calloc(1, sizeof(*walk));
    if (!walk)
        return NULL;
    walk->class = class;
    walk->next = store->walks;
    store->walks = walk;
    return walk;
}

/* Extents are only ever added. */
static struct walk *plan_walk(struct sim_store *store, const struct cim_class *class)
{
    struct walk *walk = find_walk(store, class);

    for (; walk && walk->seen < store->extent_count; walk->seen++) {
        struct extent *extent = store->extents[walk->seen];
        struct extent **grown;

        if (class && (!text_ieq(extent->class->ns, class->ns) ||
                      !cim_schema_is_a(extent->class, class->name)))
            continue;
        grown = realloc(walk->extents, (walk->count + 1) * sizeof(*grown));
        if (!grown)
            return NULL;
        walk->extents = grown;
        walk->extents[walk->count++] = extent;
    }
    return walk;
}

struct sim_object *sim_store_next(struct sim_store *store, struct sim_object *after,
                                  const char *ns, const char *class_name)
{
    const struct cim_class *class = class_name ? cim_schema_class(ns, class_name) : NULL;
    struct walk *walk = class_name && !class ? NULL : plan_walk(store, class);
    struct sim_object *first = NULL;

    for (size_t i = 0; walk && i < walk->count; i++) {
        const struct extent *extent = walk->extents[i];
        size_t at = after ? extent_after(extent, after->number) : 0;

        if (at < extent->count && (!first || extent->objects[at]->number < first->number))
            first = extent->objects[at];
    }
    return first;
}

struct cim_instance *sim_object_instance(struct sim_object *object)
{
    return object->instance;
}

const struct cim_path *sim_object_path(struct sim_object *object)
{
    if (!object->path) {
        struct err err;

        object->path = cim_schema_path(object->instance, &err);
    }
    return object->path;
}

const struct cim_class *sim_object_class(struct sim_object *object)
{
    return object->class;
}

/* ---- associations ---- */

struct sim_object *sim_store_link(struct sim_store *store, const char *ns,
                                  const char *class_name, const char *role_a,
                                  struct sim_object *a, const char *role_b,
                                  struct sim_object *b, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *instance = cim_instance_new(ns, class_name);
    const struct cim_path *path_a = sim_object_path(a), *path_b = sim_object_path(b);

    if (!instance || !path_a || !path_b) {
        err_no_memory(err);
        return NULL;
    }
    if (!cim_set_path(instance, role_a, path_a, err) ||
        !cim_set_path(instance, role_b, path_b, err))
        return NULL;
    return sim_store_add(store, &instance, err);
}

static bool is_class(const struct cim_class *class, const char *name)
{
    return !name || cim_schema_is_a(class, name);
}

bool sim_store_references(struct sim_store *store, struct sim_object *object,
                          const char *assoc_class, const char *role,
                          bool (*on_link)(struct sim_object *association, const char *role,
                                          void *user, struct err *err),
                          void *user, struct err *err)
{
    /* The callback may not change the store; links are walked in adding order. */
    for (struct link *link = *link_bucket(store, object->hash); link; link = link->next)
        if (is_class(link->association->class, assoc_class) &&
            (!role || text_ieq(role, link->role)) && links_to(link, object) &&
            !on_link(link->association, link->role, user, err))
            return false;
    return true;
}
