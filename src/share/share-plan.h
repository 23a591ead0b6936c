/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planners behind share.h, for a host that was read already: one inventory serves the
 * plans of all its VMs, and may be what the host will be when earlier plans are done.
 */
#pragma once

#include "share.h"

/* What each needs to know of a host. */
enum {
    SHARE_ATTACHES = HV_ALL | HV_CLUSTER,
    SHARE_DETACHES = SHARE_ATTACHES & ~(unsigned)HV_GPU_DETAILS,
    SHARE_SYNCS = SHARE_DETACHES & ~(unsigned)HV_CLUSTER,
};

/* Reads the host's policy into @host if that was not done yet. */
struct plan *share_attach_from(struct plan_context *context, struct hv_host *host,
                               const char *host_name, const char *vm,
                               const struct attach_options *options, struct err *err);
struct plan *share_detach_from(struct plan_context *context, const struct hv_host *host,
                               const char *host_name, const char *vm,
                               const struct detach_options *options, struct err *err);
struct plan *share_sync_from(struct plan_context *context, const struct hv_host *host,
                             const char *host_name, const char *vm,
                             const struct sync_options *options, struct err *err);
