/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A failover cluster as a whole: can a VM with a GPU come up on another node, and move there?
 *
 * What the cluster itself knows is joined with what was read of each node that answered; the
 * rules that compare them are part of the survey's one table (rules-cluster.c).  Pure, as all of
 * the survey.
 */
#pragma once

#include "failover.h"
#include "finding.h"

/* A running VM for which no node has a partition left when its own node fails. */
struct cluster_stranded {
    const struct hv_vm *vm;
    const struct hv_host *host; /* the one that fails */
};

struct cluster_view {
    const struct hv_cluster *cluster;
    const struct hv_host *const *hosts; /* its nodes that were read */
    size_t host_count;
    struct cluster_stranded *stranded; /* by survey_cluster(); owned by it */
    size_t stranded_count;
};

/* What was read of a node; NULL: nothing. */
const struct hv_host *cluster_host_of(const struct cluster_view *view,
                                      const struct hv_node *node);
/* "sharing in hardware partitions": GPU-P. */
bool gpu_has_hardware_partitions(const struct hv_gpu *gpu);

/*
 * For each node in turn: if it fails, which of its VMs find no partition on the others?  Each of
 * them counts once; an adapter that names its GPU goes only where that path is.  VMs are placed
 * in the order of their names, as many as can be.  Fills view->stranded.
 */
bool cluster_find_stranded(struct cluster_view *view, struct err *err) MUST_CHECK;

/* All findings about the cluster, its nodes, and its VMs with a GPU. */
bool survey_cluster(const struct hv_cluster *cluster, const struct hv_host *const *hosts,
                    size_t host_count, struct findings *to, struct err *err) MUST_CHECK;
