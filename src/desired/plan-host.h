/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One plan that makes a host what a file wants, composed of the plans of attach, detach,
 * partition set, dda assign, dda return and driver sync: each is computed by its own planner,
 * for the host as the plans before it leave it.
 *
 * The order is such that it can work: what shall go goes first, then GPUs are cut, then whole
 * GPUs are assigned, then partitions attached, then drivers brought up to date, then what only
 * then can be planned.  A VM that keeps a partition of a GPU which is cut anew gives it up
 * meanwhile.
 */
#pragma once

#include "compare.h"
#include "plan.h"

struct apply_options {
    bool stop, force_stop; /* VMs that run and have to be off */
    bool start;            /* VMs that were changed, also if they did not run */
    bool no_drivers;       /* leave all guests' disks alone */
    bool is_rest; /* of a plan that is under way: nothing can be put off again, and no
                            * disk be looked at */
};

/* Plans what could not be planned before: a GPU that comes back, a share of one that is cut. */
extern const struct step_kind step_apply_rest;

/* What has to be read of the host; more where whole GPUs are in play. */
unsigned desired_plan_needs(const struct desired_host *wanted, const struct hv_host *found);

/* Reads that, and judges the GPUs. */
bool desired_host_read(struct cim_session *session, const char *name,
                       const struct desired_host *wanted, struct hv_host **ret,
                       struct err *err) MUST_CHECK;

/**
 * desired_plan - the plan, with its findings
 * @c: of the host, with the differences of drivers
 * @host: the same host; changed to what the plan makes of it
 *
 * Without steps and errors there is nothing to do.  What no plan can put right (a VM or a GPU
 * that is not there) is a finding.
 */
struct plan *desired_plan(struct plan_context *context, struct comparison *c,
                          struct hv_host *host, const char *host_name, const char *title,
                          const struct apply_options *options, struct err *err);
