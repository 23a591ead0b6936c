/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach -H auto: on which node of a cluster a VM gets its partition.
 *
 * The node that owns the VM, if a partition of it fits and any one node can still fail.  Else the
 * VM has to be elsewhere, which the cluster does: the error says where, or with --move it becomes
 * the first step of the plan.
 */
#pragma once

#include "host-views.h"
#include "share.h"

struct attach_node {
    size_t owner, node; /* indexes of the hosts; the VM moves if they differ */
    char *vm_id;
    char *unsafe; /* on @node more VMs do not come up if a node fails, and on no other is it
                   * better: which it is; NULL: it is safe, or not to be told */
};

/* @move: it may be moved.  *ret is owned, and is not NULL on success. */
bool attach_node_choose(const struct host_views *views, const struct host_list *list,
                        const char *vm, const struct attach_options *options, bool move,
                        struct attach_node **ret, struct err *err) MUST_CHECK;
void attach_node_free(struct attach_node *chosen); /* NULL is fine */
