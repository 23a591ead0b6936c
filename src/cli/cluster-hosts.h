/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts that are nodes of a failover cluster: all of them from one name. */
#pragma once

#include "command.h"
#include "hosts.h"

/*
 * Puts the nodes of its cluster in the place of each host that stands for one (--cluster, or
 * `cluster: true` in the inventory).  Nodes that the cluster says are down are in the list, and
 * not asked.  A host that is no node, or does not answer, stays as it is.  Up to --jobs are asked
 * at a time, and one for each cluster if that is how they are named.
 */
bool cluster_hosts_expand(const struct invocation *in, struct host_list *list,
                          struct err *err) MUST_CHECK;
