/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a comparison of two states cannot see: the guests' drivers, and who changed what. */
#pragma once

#include "compare.h"
#include "plan.h"

/* Adds DIFF_DRIVER for each VM whose guest shall have the host's drivers and has not, and
 * that is otherwise as wanted.  Looks at the disks of VMs that are off, as `driver sync` does;
 * what cannot be looked at is DIFF_DRIVER_UNKNOWN. */
bool desired_compare_drivers(struct plan_context *context, const char *host_name,
                             struct comparison *c, struct err *err) MUST_CHECK;

/* Fills ->run where the journal has a run that left it as it is wanted and nothing later of
 * hvgpu's changed it: so others did, or somebody by hand. */
bool desired_find_runs(struct plan_context *context, const char *host_name,
                       struct comparison *c, struct err *err) MUST_CHECK;
