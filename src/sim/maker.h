/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making objects for a host's store without a check per property: the types come from the
 * schema, the first error stays, make_end() tells it.
 *
 *     struct maker m;
 *     make_begin(&m, host, HV_NS, "Msvm_ResourcePool", err);
 *     make_text(&m, "InstanceID", id);
 *     pool = make_end(&m);
 */
#pragma once

#include "host.h"
#include "store.h"

struct maker {
    struct sim_host *host;
    const struct cim_class *class;
    struct cim_instance *instance;
    bool failed;
    struct err *err;
};

void make_begin(struct maker *m, struct sim_host *host, const char *ns,
                const char *class_name, struct err *err);
/* Properties that the host's build does not have yet are left out.  NULL leaves null. */
void make_text(struct maker *m, const char *name, const char *text);
/* Any integer or boolean; for an array: one element. */
void make_number(struct maker *m, const char *name, uint64_t number);
void make_numbers(struct maker *m, const char *name, const uint64_t *numbers, size_t count);
void make_time(struct maker *m, const char *name, int64_t usec); /* since 1601 */
void make_interval(struct maker *m, const char *name, int64_t usec);
/* A reference; or, where the property is a string, the path's text with the host. */
void make_ref(struct maker *m, const char *name, struct sim_object *to);
/* Adds it to the store; NULL with err filled. */
struct sim_object *make_end(struct maker *m);

/* Later changes of one property of a stored object; the same rules. */
bool object_set_number(struct sim_host *host, struct sim_object *object, const char *name,
                       uint64_t number, struct err *err) MUST_CHECK;
bool object_set_text(struct sim_host *host, struct sim_object *object, const char *name,
                     const char *text, struct err *err) MUST_CHECK;

/* "\\HOST\root\...": as Hyper-V writes paths into string properties.  Owned. */
char *sim_path_text(const struct sim_host *host, const struct cim_path *path);
