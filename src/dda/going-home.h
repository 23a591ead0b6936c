/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bringing devices home, for `dda return` and `dda recover`. */
#pragma once

#include "dda-plan.h"

struct going_home {
    bool stop, force_stop; /* VMs that run and have one of the devices */
    bool start;            /* them, afterwards, also if they did not run */
    const char
        *severity; /* of what stands in the way of one device: "error" stops all, with
                            * "warning" the others go on */
};

/* Adds what takes the devices of @set out of VMs, mounts, enables, gives the VMs' settings
 * back what they were, and looks at the result; for each that cannot a finding.  Locks what
 * it touches. */
bool dda_plan_home(struct plan_context *context, struct plan *plan,
                   const struct dda_view *view, const struct dda_set *set,
                   const struct going_home *how, struct err *err) MUST_CHECK;
