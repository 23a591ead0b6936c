/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls a method and waits for the job it may have started.
 *
 * A job is polled by Get with the class its reference names: the image service answers
 * Msvm_StorageJob, migration Msvm_MigrationJob, the rest Msvm_ConcreteJob.  Finished
 * jobs are removed by the host after some minutes, so one may vanish between two polls;
 * then nobody knows how it ended and the caller has to re-read the object.
 */
#include "job.h"

#include <inttypes.h>
#include <string.h>

#include "codes.h"
#include "err.h"
#include "os.h"
#include "progress.h"
#include "text.h"

enum {
    POLL_FIRST_MS = 20,
    POLL_MOST_MS = 500,
    POLL_RETRIES = 3, /* lost answers in a row before the host counts as gone */
    DEFAULT_TIMEOUT_MS = 10 * 60 * 1000,
    CANCEL_WAIT_MS = 10 * 1000,
    RETURN_JOB = 4096,
    EFFECT_CREATED = 5, /* Msvm_AffectedJobElement.ElementEffects */
    CANCEL_REQUEST = 5, /* job RequestStateChange, as the tools do it */
};

/* CIM_ConcreteJob.JobState; 32768 is Hyper-V's own "completed with warnings". */
enum {
    JOB_COMPLETED = 7,
    JOB_TERMINATED = 8,
    JOB_KILLED = 9,
    JOB_EXCEPTION = 10,
    JOB_SERVICE = 11,
    JOB_QUERY_PENDING = 12,
    JOB_VENDOR = 32768,
    JOB_COMPLETED_WITH_WARNINGS = 32768,
};

struct cim_path *hv_service_path(const char *class_name)
{
    struct cim_path *path = cim_path_new(HV_NS, class_name);
    struct err ignored = ERR_INIT;

    /* One key is enough for the services a host has once; without any the call fails
     * (measured: r4sd/go-wsman management_service_selector_test.go; libvirt). */
    if (path && !cim_path_set(path, "CreationClassName", class_name, &ignored)) {
        cim_path_free(path);
        return NULL;
    }
    return path;
}

/* One error from a code of Hyper-V's scale and whatever the host said about it. */
static bool refuse(uint32_t code, const char *said, struct err *err)
{
    const struct hv_code *known = hv_code_find(code);
    enum err_kind kind = known && known->kind != ERR_NONE ? known->kind : ERR_REFUSED;

    if (said && *said)
        err_fail(err, kind, code, "%.*s (%s)", ERR_TEXT - 64, said, hv_code_name(code));
    else
        err_fail(err, kind, code, "the host refused: %s", hv_code_name(code));
    if (known && known->hint)
        err_hint(err, "%s", known->hint);
    return false;
}

/* The host's texts have several lines and blanks at their ends; an error has one. */
static char *one_line(const char *text)
{
    char *line = text_dup(text);
    char *to = line;

    if (!line)
        return NULL;
    for (const char *from = line; *from; from++) {
        bool blank = *from == ' ' || *from == '\n' || *from == '\r' || *from == '\t';

        if (blank && (to == line || to[-1] == ' '))
            continue;
        *to++ = blank ? ' ' : *from;
    }
    while (to > line && (to[-1] == ' ' || to[-1] == '.'))
        to--;
    *to = '\0';
    return line;
}

/* Msvm_Error.Message of GetErrorEx, which some jobs fill while ErrorDescription stays
 * empty.  Whatever goes wrong here is not the error the user should hear of. */
static char *ask_error(struct cim_session *session, const struct cim_path *job)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *error = NULL;
    struct err ignored = ERR_INIT;
    const char *text;

    if (!cim_invoke(session, job, "GetErrorEx", NULL, &out, &ignored))
        return NULL;
    text = cim_get_text_at(out, "Errors", 0);
    if (!text)
        return NULL;
    error = cim_xml_read(text, strlen(text), &ignored);
    return error && cim_get_text(error, "Message")
               ? one_line(cim_get_text(error, "Message"))
               : NULL;
}

static bool job_failed(struct cim_session *session, const struct cim_path *path,
                       const struct cim_instance *job, uint64_t state, struct err *err)
{
    const char *description = cim_get_text(job, "ErrorDescription");
    CLEANUP(free_cleanup) char *said = NULL;
    uint64_t code = 0;

    if (!description || !*description)
        description = cim_get_text(job, "ErrorSummaryDescription");
    said = description && *description ? one_line(description) : ask_error(session, path);
    cim_get_u64(job, "ErrorCode", &code);
    if (code == 0 && state != JOB_EXCEPTION)
        return err_fail(err, ERR_REFUSED, (int64_t)state,
                        "the host ended the job (state %" PRIu64 ")", state);
    return refuse(code == 0 || code > UINT32_MAX ? 32768 : (uint32_t)code, said, err);
}

struct wait {
    uint64_t deadline_ms;
    unsigned pause_ms;
    unsigned lost; /* polls without an answer, in a row */
    bool cancelled;
};

static void cancel_job(struct cim_session *session, const struct cim_path *path,
                       const struct cim_instance *job)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *in = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    struct err ignored = ERR_INIT;
    bool can = false;

    if (!cim_get_bool(job, "Cancellable", &can) || !can)
        return;
    in = cim_instance_new(NULL, "RequestStateChange");
    if (in && cim_set_uint(in, "RequestedState", CIM_UINT16, CANCEL_REQUEST, &ignored) &&
        !cim_invoke(session, path, "RequestStateChange", in, &out, &ignored))
        return; /* then it runs on, and its end is waited for */
}

/* False with @err: stop waiting.  A cancelled job is given some time to end, because
 * whoever undoes next must not meet it half way. */
static bool keep_waiting(struct cim_session *session, const struct cim_path *path,
                         const struct cim_instance *job,
                         const struct hv_call_options *options, struct wait *wait,
                         struct err *err)
{
    uint64_t percent = 0, now = os_monotonic_ms();
    struct err stop = ERR_INIT;

    cim_get_u64(job, "PercentComplete", &percent);
    if (!wait->cancelled &&
        (!progress_report(options->progress, options->what ? options->what : "",
                          PROGRESS_PERCENT, percent > 100 ? 100 : percent, 100, &stop) ||
         os_was_interrupted())) {
        cancel_job(session, path, job);
        wait->cancelled = true;
        if (wait->deadline_ms > now + CANCEL_WAIT_MS)
            wait->deadline_ms = now + CANCEL_WAIT_MS;
    }
    if (now < wait->deadline_ms)
        return true;
    if (wait->cancelled)
        return err_fail(err, ERR_CANCELLED, 0,
                        "stopped by the user while the host was still working");
    cancel_job(session, path, job);
    err_fail(err, ERR_UNREACHABLE, 0, "the host's job did not end in time (%" PRIu64 " %%)",
             percent);
    return err_hint(err, "the job may still end; look at the VM before trying again");
}

/* One poll.  *ret_done: the job ended well. */
static bool poll_job(struct cim_session *session, const struct cim_path *path,
                     const struct hv_call_options *options, struct wait *wait,
                     bool *ret_done, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *job = NULL;
    struct err why = ERR_INIT;
    uint64_t state = 0;

    *ret_done = false;
    if (!cim_fetch(session, path, &job, &why)) {
        if (why.kind == ERR_NOT_FOUND) {
            err_fail(err, ERR_UNREACHABLE, why.code,
                     "the host's job vanished before it was seen to end");
            return err_hint(err, "nobody knows how it ended: look at the object itself");
        }
        if (why.kind == ERR_UNREACHABLE && ++wait->lost < POLL_RETRIES &&
            os_monotonic_ms() < wait->deadline_ms && !os_was_interrupted())
            return true;
        *err = why;
        return false;
    }
    wait->lost = 0;
    if (!cim_get_u64(job, "JobState", &state))
        return err_fail(err, ERR_PROTOCOL, 0, "the host's job has no state");

    if (state == JOB_COMPLETED || state == JOB_COMPLETED_WITH_WARNINGS) {
        *ret_done = true;
        return true;
    }
    if ((state >= JOB_TERMINATED && state <= JOB_EXCEPTION) || state > JOB_VENDOR) {
        if (wait->cancelled)
            return err_fail(err, ERR_CANCELLED, 0, "stopped by the user");
        return job_failed(session, path, job, state, err);
    }
    return keep_waiting(session, path, job, options, wait, err);
}

static bool wait_for_job(struct cim_session *session, const struct cim_path *path,
                         const struct hv_call_options *options, struct err *err)
{
    unsigned timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    struct wait wait = { .deadline_ms = os_monotonic_ms() + timeout_ms,
                         .pause_ms = POLL_FIRST_MS };
    bool done;

    for (;;) {
        if (!poll_job(session, path, options, &wait, &done, err))
            return false;
        if (done)
            return true;
        os_sleep_ms(wait.pause_ms);
        wait.pause_ms = wait.pause_ms * 2 > POLL_MOST_MS ? POLL_MOST_MS : wait.pause_ms * 2;
    }
}

struct affected {
    const struct cim_path *job;
    struct cim_path *created; /* owned */
    struct cim_path *only;    /* owned; of one row without that effect */
    unsigned rows;
};

static bool on_affected(const struct cim_instance *row, void *user, struct err *err)
{
    struct affected *found = (struct affected *)user;
    const struct cim_path *job = cim_get_path(row, "AffectingElement");
    const struct cim_path *element = cim_get_path(row, "AffectedElement");
    const struct cim_value *effects = cim_get(row, "ElementEffects");
    bool created = false;

    if (!job || !element || !cim_path_equal(job, found->job))
        return true;
    for (size_t i = 0; effects && !effects->is_null && i < effects->count; i++)
        created = created || effects->data[i].u == EFFECT_CREATED;

    found->rows++;
    if (created && !found->created) {
        found->created = cim_path_copy(element);
        return found->created || err_no_memory(err);
    }
    if (!found->only) {
        found->only = cim_path_copy(element);
        return found->only || err_no_memory(err);
    }
    return true;
}

/* What a finished job made: after 4096 the OUT parameters are null and this association
 * is the only place that tells (measured: r4sd/go-wsman).  All rows are read and compared
 * here, because a reference in a WQL WHERE clause is spelled differently by every host. */
static bool find_affected(struct cim_session *session, const struct cim_path *job,
                          struct cim_path **ret, struct err *err)
{
    struct affected found = { .job = job };
    bool ok = cim_query(session, HV_NS, "SELECT * FROM Msvm_AffectedJobElement",
                        on_affected, &found, err);

    if (ok && found.created)
        *ret = TAKE(found.created);
    else if (ok && found.rows == 1)
        *ret = TAKE(found.only);
    cim_path_free(found.created);
    cim_path_free(found.only);
    return ok;
}

static bool copy_result(const struct cim_instance *out, const char *name,
                        struct cim_path **ret, struct err *err)
{
    const struct cim_value *value = cim_get(out, name);

    if (!value || value->is_null || value->type != CIM_REFERENCE || value->count == 0)
        return true;
    *ret = cim_path_copy(value->data[0].path);
    return *ret || err_no_memory(err);
}

static bool call(struct cim_session *session, const struct cim_path *path,
                 const char *method, const struct cim_instance *in, const char *result_name,
                 const struct hv_call_options *options, struct cim_instance **ret_out,
                 struct cim_path **ret_affected, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    CLEANUP(cim_path_cleanup) struct cim_path *affected = NULL;
    const struct cim_path *job;
    uint64_t code;

    if (!cim_invoke(session, path, method, in, &out, err))
        return false;
    if (!cim_get_u64(out, "ReturnValue", &code) || code > UINT32_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "the answer has no return value");

    if (code == RETURN_JOB) {
        job = cim_get_path(out, "Job");
        if (!job)
            return err_fail(err, ERR_PROTOCOL, RETURN_JOB,
                            "the host started a job and did not say which");
        if (!wait_for_job(session, job, options, err))
            return false;
        if (ret_affected && !find_affected(session, job, &affected, err))
            return err_wrap(err, "reading what the job made");
    } else if (code != 0) {
        return refuse((uint32_t)code, NULL, err);
    } else if (ret_affected && result_name &&
               !copy_result(out, result_name, &affected, err)) {
        return false;
    }

    if (ret_out)
        *ret_out = TAKE(out);
    if (ret_affected)
        *ret_affected = TAKE(affected);
    return true;
}

bool hv_call(struct cim_session *session, const struct cim_path *path, const char *method,
             const struct cim_instance *in, const char *result_name,
             const struct hv_call_options *options, struct cim_instance **ret_out,
             struct cim_path **ret_affected, struct err *err)
{
    static const struct hv_call_options defaults = { 0 };

    if (!call(session, path, method, in, result_name, options ? options : &defaults,
              ret_out, ret_affected, err))
        return err_wrap(err, "%s", method);
    return true;
}

/* ---- jobs of calls whose answers were lost ---- */

enum { UNFINISHED_MAX = 64 }; /* of which a host is at work on a few */

struct unfinished {
    char *ids[UNFINISHED_MAX];
    size_t count;
};

static bool on_job(const struct cim_instance *row, void *user, struct err *err)
{
    struct unfinished *found = user;
    const char *id = cim_get_text(row, "InstanceID");
    uint64_t state = JOB_COMPLETED;

    cim_get_u64(row, "JobState", &state);
    if (!id || state >= JOB_COMPLETED || found->count == UNFINISHED_MAX)
        return true;
    found->ids[found->count] = text_dup(id);
    return found->ids[found->count++] || err_no_memory(err);
}

static void unfinished_clear(struct unfinished *list)
{
    while (list->count > 0)
        free(list->ids[--list->count]);
}

static bool is_one_left(const struct unfinished *first, const struct unfinished *now)
{
    for (size_t i = 0; i < now->count; i++)
        for (size_t k = 0; k < first->count; k++)
            if (text_ieq(now->ids[i], first->ids[k]))
                return true;
    return false;
}

void hv_wait_for_jobs(struct cim_session *session, unsigned limit_ms)
{
    static const char query[] = "SELECT InstanceID, JobState FROM CIM_ConcreteJob";
    uint64_t until = os_monotonic_ms() + limit_ms;
    struct unfinished first = { .count = 0 };
    unsigned pause_ms = POLL_FIRST_MS;
    struct err ignored = ERR_INIT;
    bool waits = cim_query(session, HV_NS, query, on_job, &first, &ignored);

    for (waits = waits && first.count > 0; waits && os_monotonic_ms() < until;) {
        struct unfinished now = { .count = 0 };

        os_sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 > POLL_MOST_MS ? POLL_MOST_MS : pause_ms * 2;
        waits = cim_query(session, HV_NS, query, on_job, &now, &ignored) &&
                is_one_left(&first, &now);
        unfinished_clear(&now);
    }
    unfinished_clear(&first);
}
