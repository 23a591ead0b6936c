/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A failover cluster of simulated hosts: what root\MSCluster shows, the same from each node,
 * and how VMs go from node to node.
 *
 * All nodes of a cluster share one lock (sim_host.lock), so whoever works on one of them may
 * look at and change the others.  The cluster's own objects are in one store, saved to
 * <state>/labs/LAB/CLUSTER.cluster/objects.json; what the nodes share of files lies beside it.
 *
 * Sources named in short:
 *   MsCS         MicrosoftDocs/win32 desktop-src/MsCS/<page>
 *   cluswmi      learn.microsoft.com previous-versions/windows/desktop/cluswmi/<page>
 *   clusapi      learn.microsoft.com windows/win32/api/clusapi/<page>
 *   GPU guide    MicrosoftDocs/windowsserverdocs virtualization/hyper-v, the pages
 *                gpu-partitioning and partition-assign-vm-gpu
 */
#pragma once

#include "host.h"

struct lab_vm;

#define CLUSTER_NS "root/MSCluster"

enum { /* MSCluster_ResourceGroup.State (clusapi ne-clusapi-cluster_group_state) */
       GROUP_ONLINE = 0,
       GROUP_OFFLINE = 1,
       GROUP_FAILED = 2,
       GROUP_PARTIAL = 3,
       GROUP_PENDING = 4,
};

enum { /* MSCluster_Resource.State (clusapi ne-clusapi-cluster_resource_state) */
       RESOURCE_ONLINE = 2,
       RESOURCE_OFFLINE = 3,
       RESOURCE_FAILED = 4,
       RESOURCE_ONLINE_PENDING = 129,
       RESOURCE_OFFLINE_PENDING = 130,
};

enum { /* Win32 errors (winerror.h; clusapi pages of the functions) */
       ERROR_NOT_SUPPORTED = 50,
       ERROR_HOST_NODE_NOT_AVAILABLE = 5005,
       ERROR_RESOURCE_FAILED = 5038,
       ERROR_CLUSTER_NODE_NOT_FOUND = 5042,
       ERROR_CLUSTER_NODE_DOWN = 5050,
       ERROR_CLUSTER_NODE_PAUSED = 5070,
};

enum { /* MSCluster_Node.NodeDrainStatus (clusapi ne-clusapi-cluster_node_drain_status) */
       DRAIN_NOT_STARTED = 0,
       DRAIN_COMPLETED = 2,
       DRAIN_FAILED = 3,
};

enum { /* MSCluster_Node.State (clusapi ne-clusapi-cluster_node_state) */
       NODE_UP = 0,
       NODE_DOWN = 1,
       NODE_PAUSED = 2,
       NODE_JOINING = 3,
};

enum { /* Private property OfflineAction (MsCS virtual-machines-offlineaction) */
       OFFLINE_TURN_OFF = 0,
       OFFLINE_SAVE = 1, /* the default */
       OFFLINE_SHUT_DOWN = 2,
       OFFLINE_FORCE_SHUT_DOWN = 3,
};

/* MSCluster_ResourceGroup.GroupType (clusapi ne-clusapi-clusgroup_type). */
enum { GROUP_TYPE_CORE = 1, GROUP_TYPE_STORAGE = 2, GROUP_TYPE_VM = 111 };

#define CLUSTER_VM "Virtual Machine"
#define CLUSTER_VM_CONFIGURATION "Virtual Machine Configuration"

struct sim_cluster {
    char *name;
    char *dir;           /* <state>/labs/LAB/CLUSTER.cluster */
    struct sim_lab *lab; /* lent */
    pthread_mutex_t lock;
    struct sim_store *store; /* NULL until cluster_open() */
    bool dirty;
    bool reconciled; /* each VM is on the node that owns it, and on no other */
    size_t node_count;
    struct sim_host **nodes; /* lent, in the order of the lab file */
};

/* One for each cluster that the lab's hosts are nodes of, and the hosts know theirs; before
 * anybody locks a host. */
bool cluster_make_all(struct sim_lab *lab, struct err *err) MUST_CHECK;
void cluster_free_all(struct sim_lab *lab); /* after its hosts */

/* The cluster's objects, from the saved state or else from the lab; under the lock. */
bool cluster_open(struct sim_cluster *cluster, struct err *err) MUST_CHECK;
bool cluster_save(struct sim_cluster *cluster, struct err *err) MUST_CHECK;
/* All objects of a new cluster (cluster-objects.c). */
bool cluster_make_objects(struct sim_cluster *cluster, struct err *err) MUST_CHECK;

/* All nodes have their stores, time has passed for each of them, and the states of groups and
 * resources are what those of the VMs make them.  Before anything of root\MSCluster is read. */
bool cluster_refresh(struct sim_cluster *cluster, struct err *err) MUST_CHECK;

/* ---- what the cluster does with a group of a VM (cluster-move.c); false fills @fault ---- */

enum { CLUSTER_AS_CONFIGURED = -1, CLUSTER_LIVE = 4 };

/* Its VM stops as its OfflineAction says, or as @action does. */
bool cluster_take_offline(struct sim_cluster *cluster, struct sim_object *group, int action,
                          struct sim_fault *fault);
/* Its VM starts on its node, or else on another one that can; if none can, the resource is
 * failed. */
bool cluster_bring_online(struct sim_cluster *cluster, struct sim_object *group,
                          struct sim_fault *fault);
/* To @to, or with NULL to the first node that is up: alive, or stopped and started. */
bool cluster_move(struct sim_cluster *cluster, struct sim_object *group,
                  struct sim_host *to, int action, struct sim_fault *fault);
/* Why the VM cannot move alive to that node; NULL: it can. */
const char *cluster_forbids_live(struct sim_cluster *cluster, struct sim_object *group,
                                 struct sim_host *to);
/* Whether the VM's resource has @node among its possible owners: on others it neither comes online
 * nor is its group moved there (MsCS clusresgroup-move; cluswmi
 * mscluster-resourcetopossibleowner). */
bool cluster_may_own(struct sim_cluster *cluster, struct sim_object *group,
                     const struct sim_host *node);
/* The group with its VM, which does not run, goes to another node. */
bool cluster_carry(struct sim_cluster *cluster, struct sim_object *group,
                   struct sim_host *to, struct err *err) MUST_CHECK;
/* The VM's group changes its node and nothing else does. */
bool cluster_change_owner(struct sim_cluster *cluster, struct sim_object *group,
                          struct sim_host *to, struct err *err) MUST_CHECK;
struct sim_object *cluster_vm_of(struct sim_cluster *cluster, struct sim_object *group);
unsigned cluster_node_state(struct sim_cluster *cluster, const struct sim_host *node);

/* ---- nodes that go down and come back (cluster-fail.c) ---- */

bool cluster_fail_node(struct sim_cluster *cluster, struct sim_host *node, struct err *err)
    MUST_CHECK;
bool cluster_restart_node(struct sim_cluster *cluster, struct sim_host *node,
                          struct err *err) MUST_CHECK;
/* Moves the groups of VMs away, to @to or with NULL to any node that is up; DRAIN_*. */
unsigned cluster_drain(struct sim_cluster *cluster, const struct sim_host *node,
                       struct sim_host *to);
/* Whether it is down, as kept beside its state. */
bool cluster_read_down(struct sim_host *node, struct err *err) MUST_CHECK;
bool cluster_rejoin_node(struct sim_cluster *cluster, struct sim_host *node,
                         struct err *err) MUST_CHECK;

/* ---- finding; NULL: there is none ---- */

struct sim_host *cluster_node(const struct sim_cluster *cluster, const char *name);
struct sim_object *cluster_object(struct sim_cluster *cluster, const char *class_name,
                                  const char *name);
/* The private property @name of a resource; -1: it has none of that name. */
int64_t cluster_private_number(struct sim_object *resource, const char *name);
const char *cluster_private_text(struct sim_object *resource, const char *name);
bool cluster_set_private_number(struct sim_cluster *cluster, struct sim_object *resource,
                                const char *name, uint64_t number, struct err *err)
    MUST_CHECK;
/* The resource of @type in the group. */
struct sim_object *cluster_resource_of(struct sim_cluster *cluster,
                                       struct sim_object *group, const char *type);
/* What the lab says of a VM of any node. */
const struct lab_vm *cluster_lab_vm(const struct sim_cluster *cluster, const char *vm_id);

/* A refusal as root\MSCluster has them: a Win32 error as an HRESULT.  Returns false. */
bool cluster_win32(struct sim_fault *fault, uint32_t code, const char *text);

extern const struct sim_behaviour sim_cluster_behaviour;         /* cluster.c */
extern const struct sim_behaviour sim_cluster_control_behaviour; /* cluster-control.c */
extern const struct sim_behaviour sim_cluster_method_behaviour;  /* cluster-methods.c */
