/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts that are nodes of a failover cluster: all of them from one name, and the one among
 * them that a command about a VM is for.
 */
#pragma once

#include "connect.h"
#include "inventory.h"

/*
 * Puts the nodes of its cluster in the place of each host that stands for one (--cluster, or
 * `cluster: true` in the inventory).  Nodes that the cluster says are down are in the list, and
 * not asked.  A host that is no node, or does not answer, stays as it is.
 */
bool cluster_hosts_expand(const struct connector *connector, struct host_list *list,
                          struct err *err) MUST_CHECK;

/* What is known of each host of a list: what was read, or why nothing was. */
struct host_views {
    struct hv_host **hosts; /* NULL where @why says something */
    struct err *why;
    size_t count;
};
/* Asks them one after the other; a host that does not answer is no error. */
bool host_views_read(const struct connector *connector, const struct host_list *list,
                     unsigned what, struct host_views *ret, struct err *err) MUST_CHECK;
void host_views_clear(struct host_views *views);

/* The only host that has the VM: its index. */
bool host_views_find_vm(const struct host_views *views, const struct host_list *list,
                        const char *vm, size_t *ret, struct err *err) MUST_CHECK;
