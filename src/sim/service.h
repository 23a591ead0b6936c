/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What WMI does with a request that has been read: methods and changes, on typed objects.
 * The wires read requests and write answers: WS-Management (op-*.c), and the line protocol
 * behind the COM of the tests (com-*.c).  Queries and single instances: query.c.
 *
 * Everything here runs under the host's lock, within endpoint_enter() and endpoint_leave().
 */
#pragma once

#include "behaviour.h"
#include "schema.h"

struct sim_host;

/* A method with what it is called on. */
struct service_call {
    struct sim_host *host;
    enum sim_job_fate job_fate;
    uint32_t job_error;
    uint32_t forced_return; /* answered instead of calling; valid when is_refused */
    bool is_refused;
    /* From service_call_find(). */
    const struct cim_class *class;
    const struct cim_class_method *method;
    const struct cim_path *path; /* lent */
    struct sim_object *object;   /* NULL for a static method or a dynamic class */
    struct cim_instance *made;   /* of a dynamic class */
    struct cim_instance *in;     /* empty: for the wire to fill, with values of the schema's
                                  * types */
    struct cim_instance *out;    /* what service_call_run() answers */
};

/* Fills @call, whose host and wishes are set, with class, method and object. */
bool service_call_find(struct service_call *call, const struct cim_path *path,
                       const char *method, struct sim_fault *fault);
bool service_call_run(struct service_call *call, struct sim_fault *fault);
void service_call_clear(struct service_call *call);

/* The IN parameter of that very name, or NULL. */
const struct cim_class_parameter *service_parameter(const struct cim_class_method *method,
                                                    const char *name);

/* Writes @changes, typed by the schema, to a stored object. */
bool service_put(struct sim_host *host, struct sim_object *object,
                 const struct cim_instance *changes, struct sim_fault *fault);

/* Finishes what time has finished and brings the objects of @ns (NULL: none) up to date;
 * before each request. */
bool service_prepare(struct sim_host *host, const char *ns, struct err *err) MUST_CHECK;
