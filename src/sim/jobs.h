/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of jobs: for the behaviours that finish jobs, and for whoever opens and
 * closes a host.  Starting a job: behaviour.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "behaviour.h"

struct err;

/* Inside a finish function: one more created element for Msvm_AffectedJobElement (does
 * nothing when no job is being finished), and the text of the error to come. */
bool sim_job_affects(struct sim_host *host, struct sim_object *element, struct err *err)
    MUST_CHECK;
void sim_job_say(struct sim_host *host, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Finishes what is due. */
void sim_jobs_run(struct sim_host *host, int64_t now_usec);
bool sim_jobs_are_pending(const struct sim_host *host);
/* Finishes all but hanging ones and frees. */
void sim_jobs_close(struct sim_host *host);
/* Removes the jobs that a killed simulator left unfinished. */
bool sim_jobs_after_load(struct sim_host *host, struct err *err) MUST_CHECK;

/* A fault for what went wrong inside the simulator; returns false. */
bool sim_fault_err(struct sim_fault *fault, const struct err *err);
