/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The failover cluster a host belongs to: its nodes, and its VMs with their owner, group and
 * resource.  All of it is told by any node that is up, and is the same on each.
 *
 * A VM of a cluster is a group with a resource of type "Virtual Machine", whose private
 * property VmID is the VM's GUID.  Only the node that owns it lists it as Msvm_ComputerSystem.
 * Source: MicrosoftDocs/win32 cluswmi MSCluster_Node, MSCluster_Resource;
 * openstack/os-win os_win/utils/compute/clusterutils.py.
 */
#pragma once

#include "inventory.h"

#define CLUSTER_NS "root/MSCluster"

struct err;

/* MSCluster_Node.State.  Source: CLUSTER_NODE_STATE of clusapi.h; "unknown" is all ones. */
enum { NODE_UP = 0, NODE_DOWN = 1, NODE_PAUSED = 2, NODE_JOINING = 3 };
const char *node_state_name(uint64_t state); /* "up", "down", ...; NULL unknown */

struct hv_node {
    char *name; /* the computer's name, without a domain */
    struct known_u64 state;
    struct known_u64 build;
};

/* What becomes of the VM when its resource is taken offline, as it is when a node is drained
 * and the VM cannot move alive.  Source: MicrosoftDocs previous-versions/windows/desktop/mscs
 * virtual-machines-offlineaction. */
enum { OFFLINE_TURN_OFF = 0, OFFLINE_SAVE = 1, OFFLINE_SHUT_DOWN = 2, OFFLINE_FORCE = 3 };
/* "turn-off", "save", "shut-down", "force-shutdown"; NULL unknown */
const char *offline_action_name(uint64_t action);

struct hv_role {
    char *vm_id;    /* GUID without braces */
    char *resource; /* "Virtual Machine vdi-01": the key of MSCluster_Resource */
    char *group;
    char *owner_node;
    struct known_u64 state; /* of the resource: 2 online, 3 offline, 4 failed, ... */
    struct known_u64 offline_action;
    /* The nodes that may own it, by name: on no other does the cluster bring it online or move
     * it.  NULL: not read (HV_OWNERS), or none is named; any may. */
    char **possible_owners;
    size_t possible_owner_count;
    char **preferred_owners; /* where it should rather be; read along; NULL: none */
    size_t preferred_owner_count;
};
const char *role_state_name(uint64_t state); /* "online", "offline", ...; NULL unknown */

struct hv_cluster {
    char *name;
    char *domain;          /* "lab.example"; NULL: none, or not told */
    struct hv_node *nodes; /* by name */
    size_t node_count;
    struct hv_role *roles; /* by VM id */
    size_t role_count;
};

/* The cluster of the machine that @session reaches; *ret NULL: it belongs to none, which costs
 * one query.  In a cluster two with @with_roles false, else three. */
bool hv_cluster_read(struct cim_session *session, bool with_roles, struct hv_cluster **ret,
                     struct err *err) MUST_CHECK;
void hv_cluster_free(struct hv_cluster *cluster); /* NULL is fine */
DEFINE_CLEANUP(hv_cluster_cleanup, struct hv_cluster *, hv_cluster_free)

/* Reads ->possible_owners and ->preferred_owners: two queries. */
bool hv_read_owners(struct cim_session *session, struct hv_role *role, struct err *err)
    MUST_CHECK;
/* As far as it was read. */
bool hv_may_own(const struct hv_role *role, const char *node);
bool hv_prefers(const struct hv_role *role, const char *node);

/* NULL: the VM is in no role, or @cluster is NULL. */
const struct hv_role *hv_find_role(const struct hv_cluster *cluster, const char *vm_id);
/* Names of one computer, each with or without a domain behind it. */
bool hv_same_node(const char *name, const char *other);
/* NULL: the cluster has no such node. */
const struct hv_node *hv_find_node(const struct hv_cluster *cluster, const char *name);

/* The node that owns a group now; owned. */
bool hv_read_group_owner(struct cim_session *session, const char *group, char **ret,
                         struct err *err) MUST_CHECK;
/* Whether a VM's resource is offline, or has failed: its VM does not run. */
bool hv_read_role_is_down(struct cim_session *session, const char *resource, bool *ret,
                          struct err *err) MUST_CHECK;
/* Has the cluster move a group to that node, and waits until it is there.  A VM that runs would
 * be stopped and started by that, or saved: the caller looks. */
bool hv_move_group(struct cim_session *session, const char *group, const char *node,
                   unsigned timeout_ms, struct err *err) MUST_CHECK;

/* OfflineAction of the resource now; not known: it has none. */
bool hv_read_offline_action(struct cim_session *session, const char *resource,
                            struct known_u64 *ret, struct err *err) MUST_CHECK;
/* What Set-ClusterParameter does: private properties are set by a control code with a list of
 * them, which the resource's own DLL checks. */
bool hv_set_offline_action(struct cim_session *session, const char *resource,
                           uint64_t action, struct err *err) MUST_CHECK;
