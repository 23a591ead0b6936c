/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node goes down without warning, and comes back.
 *
 * What ran on it is gone; the groups of its VMs go to the nodes that are left and start on one
 * that can start them, or on none (GPU guide: "on a node with an available partition").  What
 * OfflineAction says does not matter then (MsCS; windowsserverdocs, Configure properties for a
 * virtual machine resource).  A cluster that loses the majority of its nodes stops as a whole,
 * which is not simulated.
 *
 * A node that is down answers nobody; that it is down is kept as a file beside its state.
 */
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "hv.h"
#include "os.h"
#include "text.h"

static char *marker_of(const struct sim_host *node, struct err *err)
{
    char *path = text_printf("%s/is-down", node->dir);

    if (!path)
        err_no_memory(err);
    return path;
}

bool cluster_read_down(struct sim_host *node, struct err *err)
{
    CLEANUP(free_cleanup) char *path = marker_of(node, err);

    node->is_down = path && os_file_exists(path);
    return path != NULL;
}

static bool set_node(struct sim_cluster *cluster, struct sim_host *node, unsigned state,
                     struct err *err)
{
    struct sim_object *object = cluster_object(cluster, "MSCluster_Node", node->name);

    return !object ||
           (object_set_number(node, object, "State", state, err) &&
            object_set_number(node, object, "NodeDrainStatus", DRAIN_NOT_STARTED, err));
}

static size_t up_without(struct sim_cluster *cluster, const struct sim_host *node)
{
    size_t count = 0;

    for (size_t i = 0; i < cluster->node_count; i++)
        count += cluster->nodes[i] != node &&
                 cluster_node_state(cluster, cluster->nodes[i]) != NODE_DOWN;
    return count;
}

/* The first that is up, else one that is paused: it may own groups, too.  NULL: none may. */
static struct sim_host *survivor(struct sim_cluster *cluster, struct sim_object *group)
{
    struct sim_host *paused = NULL;

    for (size_t i = 0; i < cluster->node_count; i++) {
        if (!cluster_may_own(cluster, group, cluster->nodes[i]))
            continue;
        if (cluster_node_state(cluster, cluster->nodes[i]) == NODE_UP)
            return cluster->nodes[i];
        if (cluster_node_state(cluster, cluster->nodes[i]) == NODE_PAUSED)
            paused = cluster->nodes[i];
    }
    return paused;
}

/* The cluster's own groups have no VM to start. */
static bool fail_over(struct sim_cluster *cluster, struct sim_object *group,
                      struct sim_host *from, struct err *err)
{
    struct sim_object *system = cluster_vm_of(cluster, group);
    struct sim_fault fault = { 0 };
    bool ran = system && hv_number(system, "ProcessID");
    struct sim_host *to = survivor(cluster, group);

    if (!to)
        return err_fail(
            err, ERR_UNSUPPORTED, 0,
            "no source tells where a group is whose possible owners are all down");
    if (ran && !hv_settle(from, system, HV_OFF, err))
        return false;
    if (!cluster_carry(cluster, group, to, err))
        return false;
    /* Not started anywhere: the resource is failed, which is what a user finds. */
    if (ran && !cluster_bring_online(cluster, group, &fault) &&
        fault.code != (0x80070000u | ERROR_RESOURCE_FAILED))
        return err_fail(err, ERR_UNSUPPORTED, fault.code, "%s", fault.text);
    return true;
}

bool cluster_fail_node(struct sim_cluster *cluster, struct sim_host *node, struct err *err)
{
    CLEANUP(free_cleanup) char *path = marker_of(node, err);
    struct sim_object *o = NULL;

    if (!path || !cluster_refresh(cluster, err))
        return false;
    if (cluster_node_state(cluster, node) == NODE_DOWN)
        return err_fail(err, ERR_CONFLICT, 0, "node '%s' is down already", node->name);
    if (2 * up_without(cluster, node) <= cluster->node_count) {
        err_fail(err, ERR_UNSUPPORTED, 0,
                 "cluster '%s' would have no majority of its %zu nodes left", cluster->name,
                 cluster->node_count);
        return err_hint(err, "let another node rejoin first");
    }
    if (!set_node(cluster, node, NODE_DOWN, err))
        return false;
    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, "MSCluster_ResourceGroup")))
        if (text_ieq(hv_text(o, "OwnerNode"), node->name) &&
            !fail_over(cluster, o, node, err))
            return err_wrap(err, "group '%s'", hv_text(o, "Name"));
    /* The rest is what a restart does to it; nobody sees it before it is back. */
    return hv_reboot(node, NULL, NULL, err) && os_make_dirs(node->dir, err) &&
           os_write_file(path, "", 0, err) && cluster_refresh(cluster, err);
}

/* Its VMs leave it first, as the node's shutdown has them (windowsserverdocs, DrainOnShutdown);
 * those that cannot leave stop with it and come online when it is back. */
bool cluster_restart_node(struct sim_cluster *cluster, struct sim_host *node,
                          struct err *err)
{
    struct sim_object *o = NULL;

    if (!cluster_refresh(cluster, err) || !set_node(cluster, node, NODE_PAUSED, err))
        return false;
    cluster_drain(cluster, node, NULL);
    if (!hv_reboot(node, NULL, NULL, err) || !set_node(cluster, node, NODE_UP, err))
        return false;
    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, "MSCluster_ResourceGroup"))) {
        struct sim_fault fault = { 0 };

        if (text_ieq(hv_text(o, "OwnerNode"), node->name) &&
            hv_number(o, "GroupType") == GROUP_TYPE_VM &&
            hv_number(o, "State") == GROUP_ONLINE &&
            !cluster_bring_online(cluster, o, &fault) &&
            fault.code != (0x80070000u | ERROR_RESOURCE_FAILED))
            return err_fail(err, ERR_UNSUPPORTED, fault.code, "group '%s': %s",
                            hv_text(o, "Name"), fault.text);
    }
    return cluster_refresh(cluster, err);
}

bool cluster_rejoin_node(struct sim_cluster *cluster, struct sim_host *node,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *path = marker_of(node, err);

    if (!path || !cluster_refresh(cluster, err))
        return false;
    if (cluster_node_state(cluster, node) != NODE_DOWN)
        return err_fail(err, ERR_CONFLICT, 0, "node '%s' is not down", node->name);
    return set_node(cluster, node, NODE_UP, err) &&
           (!os_file_exists(path) || os_remove_file(path, err));
}
