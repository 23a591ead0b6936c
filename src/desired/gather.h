/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the nodes of clusters have, put under their clusters: `export --cluster`. */
#pragma once

#include "desired.h"

/* A host as desired_from_host() makes it. */
struct gather_host {
    struct desired_host host;
    char *cluster; /* its name; NULL: it is in none */
};

/**
 * desired_gather - a file of @count hosts, whose clusters' VMs stand under the clusters
 * @hosts: in the order they shall have; what is in them is taken over, also on failure
 *
 * A VM stays under its host where another of the cluster has its name, or where a GPU of its is
 * not there any more.  Counts that all GPUs of a model in a cluster have stand there, too.
 */
struct desired *desired_gather(struct gather_host *const *hosts, size_t count,
                               struct err *err);
