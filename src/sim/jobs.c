/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs: what a method starts and a later request finds finished.
 *
 * A job's work is done when its time has come, at the next request for the host; its
 * result shows in Msvm_AffectedJobElement only then (hyperv quirk 1; measured: go-wsman).
 * Finished jobs stay for TimeBeforeRemoval, five minutes.  Jobs live in the memory of the
 * host's service: when the simulator is killed they end with it, undone; when it is
 * closed they are finished first.
 */
#include "jobs.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv.h"
#include "os.h"
#include "text.h"

enum { JOB_RUNNING = 4, JOB_COMPLETED = 7, JOB_TERMINATED = 8, JOB_EXCEPTION = 10 };

static const int64_t TIME_BEFORE_REMOVAL = INT64_C(300) * 1000000;

struct pending {
    struct pending *next;
    struct sim_object *job;
    sim_job_fn *finish;
    void *user;
    int64_t due_usec; /* INT64_MAX: hangs */
    bool fails;       /* a fault on demand */
    uint32_t error;
};

struct sim_jobs {
    struct pending *first;      /* in the order of starting */
    struct sim_object *running; /* while its finish function runs */
    char text[512];             /* what that function said */
};

bool sim_return(struct sim_call *call, uint32_t value, struct sim_fault *fault)
{
    struct err err = ERR_INIT;

    if (!cim_set_uint(call->out, "ReturnValue", CIM_UINT32, value, &err))
        return sim_fault_err(fault, &err);
    return true;
}

bool sim_fault_err(struct sim_fault *fault, const struct err *err)
{
    char text[400];

    err_format(err, text, sizeof(text));
    return sim_refuse(fault, "w:InternalError", 0x80041001 /* WBEM_E_FAILED */,
                      "the simulator could not do this: %s", text);
}

static bool affect(struct sim_host *host, struct sim_object *job,
                   struct sim_object *element, uint64_t effect, struct err *err)
{
    struct maker m;

    make_begin(&m, host, HV_NS, "Msvm_AffectedJobElement", err);
    make_ref(&m, "AffectedElement", element);
    make_ref(&m, "AffectingElement", job);
    make_number(&m, "ElementEffects", effect);
    return make_end(&m) != NULL;
}

bool sim_job_affects(struct sim_host *host, struct sim_object *element, struct err *err)
{
    /* 5: created (measured: go-wsman, checkpoint jobs) */
    return !host->jobs || !host->jobs->running ||
           affect(host, host->jobs->running, element, 5, err);
}

void sim_job_say(struct sim_host *host, const char *fmt, ...)
{
    va_list args;

    if (!host->jobs)
        return;
    va_start(args, fmt);
    vsnprintf(host->jobs->text, sizeof(host->jobs->text), fmt, args);
    va_end(args);
}

static bool set_state(struct sim_host *host, struct sim_object *job, unsigned state,
                      uint32_t error, const char *text, struct err *err)
{
    struct cim_instance *i = sim_object_instance(job);
    /* {17, 2} is recorded from completed jobs; 6 is CIM's "Error". */
    static const uint64_t good[] = { 17, 2 }, bad[] = { 6 };
    struct cim_datetime now = { .usec = os_now_usec() };

    host->dirty = true;
    return object_set_number(host, job, "JobState", state, err) &&
           object_set_number(host, job, "PercentComplete", state == JOB_COMPLETED ? 100 : 0,
                             err) &&
           object_set_number(host, job, "ErrorCode", error, err) &&
           object_set_text(host, job, "ErrorDescription", text, err) &&
           object_set_text(host, job, "ErrorSummaryDescription", text, err) &&
           object_set_text(host, job, "Status", error ? "Error" : "OK", err) &&
           cim_set_uints(i, "OperationalStatus", CIM_UINT16, error ? bad : good,
                         error ? 1 : 2, err) &&
           cim_set_datetime(i, "TimeOfLastStateChange", &now, err);
}

static void finish(struct sim_host *host, struct pending *p)
{
    struct sim_object *affected = NULL;
    struct err err = ERR_INIT;
    uint32_t error = p->error;

    host->jobs->text[0] = 0;
    if (!p->fails) {
        host->jobs->running = p->job;
        error = p->finish(host, p->user, &affected);
        host->jobs->running = NULL;
    }
    if (error && !host->jobs->text[0])
        snprintf(host->jobs->text, sizeof(host->jobs->text),
                 "The operation failed with error code '%u'.", error);
    if (affected)
        affect(host, p->job, affected, 5, &err); /* twice the same: already there */
    err = ERR_INIT;
    /* Without memory the job stays in state 4; the next requests fail for the same cause. */
    if (!set_state(host, p->job, error ? JOB_EXCEPTION : JOB_COMPLETED, error,
                   error ? host->jobs->text : "", &err))
        host->dirty = true;
    free(p->user);
    free(p);
}

static struct sim_object *make_job(struct sim_call *call, const char *class_name,
                                   uint16_t job_type, int64_t now, struct err *err)
{
    bool storage = text_ieq(class_name, "Msvm_StorageJob");
    struct maker m;
    char id[37];

    /* A plain GUID; values recorded from a host's storage job, while running. */
    os_guid(id);
    make_begin(&m, call->host, HV_NS, class_name, err);
    make_text(&m, "InstanceID", id);
    make_text(&m, "Name", call->method);
    make_number(&m, "JobType", job_type);
    make_number(&m, "JobState", JOB_RUNNING);
    make_text(&m, "JobStatus", "Job is running.");
    make_number(&m, "PercentComplete", 0);
    make_number(&m, "ErrorCode", 0);
    make_text(&m, "ErrorDescription", "");
    make_text(&m, "ErrorSummaryDescription", "");
    make_number(&m, "Cancellable", storage);
    make_number(&m, "DeleteOnCompletion", 0);
    make_interval(&m, "TimeBeforeRemoval", TIME_BEFORE_REMOVAL);
    make_time(&m, "StartTime", now);
    make_time(&m, "TimeSubmitted", now);
    make_time(&m, "TimeOfLastStateChange", now);
    make_time(&m, "InstallDate", 0);
    make_number(&m, "LocalOrUtcTime", 2);
    make_number(&m, "JobRunTimes", 1);
    make_number(&m, "Priority", 0);
    make_number(&m, "RecoveryAction", 2);
    make_text(&m, "OtherRecoveryAction", "");
    make_text(&m, "Notify", "");
    make_number(&m, "HealthState", 5);
    make_number(&m, "OperationalStatus", 2);
    make_text(&m, "Status", "OK");
    if (storage)
        make_number(&m, "JobCompletionStatusCode", 0);
    return make_end(&m);
}

bool sim_job_start(struct sim_call *call, const char *class_name, uint16_t job_type,
                   sim_job_fn *finish_fn, void *user, struct sim_fault *fault)
{
    struct sim_host *host = call->host;
    struct pending *p = calloc(1, sizeof(*p)), **at;
    int64_t now = os_now_usec();
    struct err err = ERR_INIT;

    if (!host->jobs)
        host->jobs = calloc(1, sizeof(*host->jobs));
    if (!p || !host->jobs) {
        free(p);
        free(user);
        err_no_memory(&err);
        return sim_fault_err(fault, &err);
    }
    p->job = make_job(call, class_name, job_type, now, &err);
    if (!p->job || !cim_set_path(call->out, "Job", sim_object_path(p->job), &err) ||
        !cim_set_uint(call->out, "ReturnValue", CIM_UINT32, 4096, &err)) {
        free(p);
        free(user);
        return sim_fault_err(fault, &err);
    }
    p->finish = finish_fn;
    p->user = user;
    p->fails = call->job_fate == SIM_JOB_FAILS;
    p->error = call->job_error ? call->job_error : HV_FAILED;
    p->due_usec =
        call->job_fate == SIM_JOB_HANGS ? INT64_MAX : now + (int64_t)host->job_ms * 1000;
    host->dirty = true;
    for (at = &host->jobs->first; *at; at = &(*at)->next)
        ;
    *at = p;
    if (!host->job_ms)
        sim_jobs_run(host, now);
    return true;
}

void sim_jobs_run(struct sim_host *host, int64_t now_usec)
{
    if (!host->jobs)
        return;
    for (struct pending **at = &host->jobs->first; *at;) {
        struct pending *p = *at;

        if (p->due_usec > now_usec) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        finish(host, p);
        at = &host->jobs->first; /* the work may have started others */
    }
}

bool sim_jobs_are_pending(const struct sim_host *host)
{
    return host->jobs && host->jobs->first;
}

void sim_jobs_close(struct sim_host *host)
{
    if (!host->jobs)
        return;
    if (host->store)
        sim_jobs_run(host, INT64_MAX - 1);
    for (struct pending *p = host->jobs->first, *next; p; p = next) {
        next = p->next;
        free(p->user);
        free(p);
    }
    free(TAKE(host->jobs));
}

bool sim_jobs_after_load(struct sim_host *host, struct err *err)
{
    struct sim_object *job = sim_store_next(host->store, NULL, HV_NS, "CIM_ConcreteJob");

    while (job) {
        struct sim_object *next =
            sim_store_next(host->store, job, HV_NS, "CIM_ConcreteJob");

        if (hv_number(job, "JobState") < JOB_COMPLETED)
            sim_store_remove_with_links(host->store, job);
        job = next;
    }
    return true;
}

/* Hyper-V: finished jobs are removed after TimeBeforeRemoval. */
static void tick(struct sim_host *host, int64_t now_usec)
{
    struct sim_object *job;

    sim_jobs_run(host, now_usec);
    job = sim_store_next(host->store, NULL, HV_NS, "CIM_ConcreteJob");
    while (job) {
        struct sim_object *next =
            sim_store_next(host->store, job, HV_NS, "CIM_ConcreteJob");
        struct cim_datetime since;

        if (hv_number(job, "JobState") >= JOB_COMPLETED &&
            cim_get_datetime(sim_object_instance(job), "TimeOfLastStateChange", &since) &&
            now_usec - since.usec > TIME_BEFORE_REMOVAL) {
            sim_store_remove_with_links(host->store, job);
            host->dirty = true;
        }
        job = next;
    }
}

/* ---- methods ---- */

/* RequestStateChange(5): os-win jobutils cancels with it, and only when Cancellable. */
static bool job_request_state_change(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_host *host = call->host;
    uint64_t state = 0;
    struct err err = ERR_INIT;

    cim_get_u64(call->in, "RequestedState", &state);
    if (hv_number(call->object, "JobState") >= JOB_COMPLETED)
        return sim_return(call, HV_INVALID_STATE, fault);
    if (state != 5 || !hv_number(call->object, "Cancellable"))
        return sim_unknown(fault,
                           "asking a job for another state than 5, or cancelling one "
                           "that is not Cancellable");
    for (struct pending **at = host->jobs ? &host->jobs->first : NULL; at && *at;
         at = &(*at)->next)
        if ((*at)->job == call->object) {
            struct pending *p = *at;

            *at = p->next;
            free(p->user);
            free(p);
            break;
        }
    if (!set_state(host, call->object, JOB_TERMINATED, 0, "", &err))
        return sim_fault_err(fault, &err);
    return sim_return(call, 0, fault);
}

/* CIM-XML of the job's Msvm_Error; NULL when it did not fail. */
static char *error_text(struct sim_call *call, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *error = NULL;
    uint64_t code = hv_number(call->object, "ErrorCode");
    char number[16];

    error = cim_instance_new(NULL, "Msvm_Error");
    if (!error) {
        err_no_memory(err);
        return NULL;
    }
    snprintf(number, sizeof(number), "%llu", (unsigned long long)code);
    if (!cim_set_text(error, "Message", hv_text(call->object, "ErrorDescription"), err) ||
        !cim_set_text(error, "MessageID", number, err) ||
        !cim_set_uint(error, "CIMStatusCode", CIM_UINT32, 1, err) ||
        !cim_set_uint(error, "ErrorType", CIM_UINT16, 0, err) ||
        !cim_set_uint(error, "PerceivedSeverity", CIM_UINT16, 5, err))
        return NULL;
    return cim_xml_write(error, err);
}

/* HyperV_v2 geterror-msvm-concretejob, geterrorex-msvm-concretejob: text when the job
 * failed, null when its status is OK. */
static bool job_get_error(struct sim_call *call, struct sim_fault *fault)
{
    bool ex = text_ieq(call->method, "GetErrorEx"), ok = true;
    struct err err = ERR_INIT;
    char *text = NULL;

    if (hv_number(call->object, "JobState") == JOB_EXCEPTION) {
        text = error_text(call, &err);
        ok = text &&
             (ex ? cim_set_texts(call->out, "Errors", (const char *const *)&text, 1, &err)
                 : cim_set_text(call->out, "Error", text, &err));
        free(text);
    }
    return ok ? sim_return(call, 0, fault) : sim_fault_err(fault, &err);
}

#define JOB_METHODS(class_name)                                          \
    { HV_NS, class_name, "RequestStateChange", job_request_state_change, \
      "os-win jobutils.py" },                                            \
        { HV_NS, class_name, "GetError", job_get_error,                  \
          "HyperV_v2 msvm-concretejob-geterror" },                       \
    {                                                                    \
        HV_NS, class_name, "GetErrorEx", job_get_error,                  \
            "HyperV_v2 geterrorex-msvm-concretejob"                      \
    }

static const struct sim_method methods[] = {
    JOB_METHODS("Msvm_ConcreteJob"),
    JOB_METHODS("Msvm_StorageJob"),
    { 0 },
};

const struct sim_behaviour sim_job_behaviour = {
    .name = "jobs",
    .methods = methods,
    .tick = tick,
};
