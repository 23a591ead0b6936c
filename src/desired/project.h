/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host will be when a plan is done, as far as the next plan needs to know. */
#pragma once

#include "inventory.h"
#include "plan.h"

/* Changes @host as the steps of @plan will: power, settings, adapters and quotas of VMs, the
 * partition count of GPUs.  Devices are not moved. */
bool project_plan(struct hv_host *host, const struct plan *plan, struct err *err)
    MUST_CHECK;
