/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host has, as the wish that it stay so: what `export` writes. */
#pragma once

#include "desired.h"

/* What has to be read of a host to compare it with a wish, or to write one. */
enum { DESIRED_WHAT = HV_ALL | HV_CLUSTER | HV_GPU_DRIVERS | HV_PARTITIONS };

struct found_options {
    enum desired_drivers
        drivers; /* for VMs with a partition: a wish, since what is in their
                                   * guests is not looked at */
};

/**
 * desired_from_host - the state of @host
 * @host: read with DESIRED_WHAT, and judged by survey_judge_gpus()
 * @name: how the user named it
 *
 * GPUs are named after their model and sorted by location path, VMs by name.
 */
bool desired_from_host(const struct hv_host *host, const char *name,
                       const struct found_options *options, struct desired_host *ret,
                       struct err *err) MUST_CHECK;

/* A name for a GPU that is called so: "NVIDIA GeForce RTX 4070 Laptop GPU" -> "rtx-4070-laptop". */
enum { ALIAS_MAX = 40, FOUND_ALIAS = ALIAS_MAX + 32 };
void found_alias(const char *name, char ret[FOUND_ALIAS]);

/* The GPU an adapter is pinned to, as the instance id it has on the host; NULL: not pinned, or
 * no memory.  Also of GPUs that the host does not have.  Owned. */
char *found_pin(const struct hv_adapter *adapter);
