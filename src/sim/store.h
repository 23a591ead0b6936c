/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One host's CIM objects, typed by the schema.
 *
 * An object is an instance whose properties are those of its class (inherited ones
 * included; what was not set is null).  Objects are found by path or walked by class,
 * subclasses included.  Associations are objects too, with references in them.
 * The order of walking is the order of adding.
 */
#pragma once

#include "cim.h"
#include "schema.h"

struct sim_store;
struct sim_object; /* owned by its store */

struct sim_store *sim_store_new(void); /* NULL: no memory */
void sim_store_free(struct sim_store *store);

/* Takes *instance over.  Checks class, types and keys against the schema, and that no
 * such object exists (ERR_CONFLICT). */
struct sim_object *sim_store_add(struct sim_store *store, struct cim_instance **instance,
                                 struct err *err);
/* NULL: none.  Needs all keys and the very class; host and namespace case do not matter. */
struct sim_object *sim_store_find(struct sim_store *store, const struct cim_path *path);
void sim_store_remove(struct sim_store *store, struct sim_object *object);
/* Also removes every association that refers to it. */
void sim_store_remove_with_links(struct sim_store *store, struct sim_object *object);

/* for (o = sim_store_next(s, NULL, ns, cls); o; o = sim_store_next(s, o, ns, cls)).  It is
 * safe to remove the object just visited only after fetching the next one.  A NULL
 * class_name walks everything. */
struct sim_object *sim_store_next(struct sim_store *store, struct sim_object *after,
                                  const char *ns, const char *class_name);

struct cim_instance *
sim_object_instance(struct sim_object *object); /* lent; edit with cim_set */
const struct cim_path *sim_object_path(struct sim_object *object); /* lent */
const struct cim_class *sim_object_class(struct sim_object *object);

/* Adds an association object: its two reference properties by name. */
struct sim_object *sim_store_link(struct sim_store *store, const char *ns,
                                  const char *class_name, const char *role_a,
                                  struct sim_object *a, const char *role_b,
                                  struct sim_object *b, struct err *err);
/* The association objects that refer to @object, with the role it plays in each; NULL
 * class and role = any.  Calls in adding order; the callback must not change the store. */
bool sim_store_references(struct sim_store *store, struct sim_object *object,
                          const char *assoc_class, const char *role,
                          bool (*on_link)(struct sim_object *association, const char *role,
                                          void *user, struct err *err),
                          void *user, struct err *err);

/* The whole store as JSON text and back; for the lab's state. */
char *sim_store_save(struct sim_store *store, struct err *err);
bool sim_store_load(struct sim_store *store, const char *json, struct err *err);
