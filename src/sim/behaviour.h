/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a simulated class behaves: tables of functions that the WS-Management server
 * calls.  The server knows no class; the classes know no SOAP.
 *
 * All calls for one host run under that host's lock.
 */
#pragma once

#include "store.h"

struct sim_host;

/* A refusal on the wire (not a ReturnValue). */
struct sim_fault {
    const char *subcode; /* "w:InternalError", "a:DestinationUnreachable", ... */
    uint32_t code;       /* WSManFault Code: 0x8033xxxx, HRESULT, or Win32 */
    char text[512];
};

/* What a fault on demand ("Class.Method@3=job-fail:32773") wants of the job that this
 * call starts.  sim_job_start() obeys: a failing job ends in state 10 with job_error and
 * without doing its work; a hanging one stays in state 4 for good. */
enum sim_job_fate { SIM_JOB_NORMAL, SIM_JOB_FAILS, SIM_JOB_HANGS };

struct sim_call {
    struct sim_host *host;
    const struct cim_path *path; /* as the client sent it */
    struct sim_object *object;   /* NULL for a static method or a dynamic class */
    const char *method;
    const struct cim_instance
        *in;                  /* typed by the schema; unknown parameters were refused */
    struct cim_instance *out; /* to fill: OUT parameters; "ReturnValue" with uint32 */
    enum sim_job_fate job_fate;
    uint32_t job_error;
};

/* False fills @fault.  A refusal that Hyper-V expresses as a ReturnValue is true. */
typedef bool sim_method_fn(struct sim_call *call, struct sim_fault *fault);

struct sim_method {
    const char *ns, *class_name, *name;
    sim_method_fn *call;
    const char *source; /* where it is known from */
};

/* Instances made on demand instead of stored (files, processes, volumes). */
struct sim_dynamic_class {
    const char *ns, *class_name;
    /* @where: simple equality conditions of the query ("Name" = ...), NULL-able, so that
     * a class that cannot list everything can refuse. */
    bool (*list)(struct sim_host *host, const struct cim_instance *where,
                 bool (*on_row)(struct cim_instance *row, void *user), void *user,
                 struct sim_fault *fault);
    const char *source;
};

struct sim_put {
    const char *ns, *class_name;
    bool (*put)(struct sim_host *host, struct sim_object *object,
                const struct cim_instance *changes, struct sim_fault *fault);
    const char *source;
};

/* A set of behaviours; ends with zeroed entries.  All sets are listed in behaviours.c. */
struct sim_behaviour {
    const char *name;
    const struct sim_method *methods;
    const struct sim_dynamic_class *dynamic_classes;
    const struct sim_put *puts;
    /* Called before each request: finish what time has finished (jobs, shutdowns). */
    void (*tick)(struct sim_host *host, int64_t now_usec);
    /* Called before each operation on objects of namespace @ns: brings them up to date. */
    bool (*prepare)(struct sim_host *host, const char *ns, struct err *err);
};
extern const struct sim_behaviour *const sim_behaviours[]; /* NULL-terminated */

bool sim_refuse(struct sim_fault *fault, const char *subcode, uint32_t code,
                const char *fmt, ...) PRINTF_LIKE(4, 5); /* returns false */
/* "no public source says what a host does here": the honest answer. */
bool sim_unknown(struct sim_fault *fault, const char *what); /* returns false */

/* ---- jobs (jobs.c) ---- */

/* Finishes the job: does the work, returns the ErrorCode (0 = success; else the job ends
 * in state 10).  @affected (may stay NULL): the object for Msvm_AffectedJobElement. */
typedef uint32_t sim_job_fn(struct sim_host *host, void *user,
                            struct sim_object **affected);

/* Starts a job of @class_name; sets call->out's Job and ReturnValue 4096.  @user is freed
 * with free() after @finish ran.  Takes host->job_ms to finish. */
bool sim_job_start(struct sim_call *call, const char *class_name, uint16_t job_type,
                   sim_job_fn *finish, void *user, struct sim_fault *fault);
/* ReturnValue without a job. */
bool sim_return(struct sim_call *call, uint32_t value, struct sim_fault *fault);
