/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Methods that start jobs.
 *
 * Hyper-V answers 0 (done), 4096 (a job, with null results) or an error code, and which
 * of the first two is not fixed per method.  hv_call() hides the difference: it returns
 * when the work is done, with the results, or with one error.
 *
 * Source: hyperv_v2 Msvm_ConcreteJob; MS-WSMV; measured: r4sd/go-wsman.
 */
#pragma once

#include "session.h"

struct progress;

#define HV_NS "root/virtualization/v2"

struct hv_call_options {
    unsigned timeout_ms;       /* of the job; 0: 10 minutes */
    struct progress *progress; /* PercentComplete; may be NULL */
    const char *what;          /* for progress: "stopping 'dev-box'"; may be NULL */
};

/* @ret_out (may be NULL): the OUT parameters.  @ret_affected (may be NULL): path of the
 * object the method made: from its own OUT parameter @result_name when answered at once,
 * from Msvm_AffectedJobElement after a job; NULL when neither tells.
 * Errors: ERR_REFUSED (or closer: DENIED, CONFLICT, NOT_FOUND, UNSUPPORTED) with the
 * return value or the job's ErrorCode in err->code; ERR_UNREACHABLE on time-out.  A job
 * that vanished before it was seen to end is ERR_UNREACHABLE: re-read the object. */
bool hv_call(struct cim_session *session, const struct cim_path *path, const char *method,
             const struct cim_instance *in, const char *result_name,
             const struct hv_call_options *options, struct cim_instance **ret_out,
             struct cim_path **ret_affected, struct err *err) MUST_CHECK;

/* Waits until the jobs that @session's host is at work on now have ended, or for @limit_ms: after
 * a call whose answer was lost, what it began may not be there yet, and come later.  Others' jobs
 * are waited for, too, since none says who began it.  Failing to look is no failure: whoever
 * looks at the object next meets the same host. */
void hv_wait_for_jobs(struct cim_session *session, unsigned limit_ms);

/* The path of a service that a host has once ("Msvm_VirtualSystemManagementService"),
 * built without asking the host. */
struct cim_path *hv_service_path(const char *class_name);

/* Name of a return code or ErrorCode: "invalid parameter"; "code 32790" if unknown (in
 * a static buffer per thread). */
const char *hv_code_name(uint32_t code);
