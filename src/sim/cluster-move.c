/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups of VMs go offline, come online and change their node.
 *
 * What the cluster does with a running VM is its private property OfflineAction, or what a
 * move asks for (ResApi VM_RESDLL_CONTEXT: 0 to 3 as that, 4 live migration).  A VM with a GPU
 * partition cannot be saved, so its move by saving is refused with "not supported" (GPU guide;
 * Easy-GPU-PV issues 238 and 469): that is why the guide has OfflineAction set to 3.  Live
 * migration of partitions: windows-driver-docs live-migration-on-gpup-devices; GPU guide (same
 * card, same size of the parts, a free one).
 *
 * All of this takes no time here, other than on a host.
 */
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "hv.h"
#include "jobs.h"
#include "lab.h"
#include "text.h"

enum { LIVE_BUILD = 26100 };

struct sim_object *cluster_vm_of(struct sim_cluster *cluster, struct sim_object *group)
{
    struct sim_object *resource = cluster_resource_of(cluster, group, CLUSTER_VM);
    struct sim_host *owner = cluster_node(cluster, hv_text(group, "OwnerNode"));

    return resource && owner ? hv_vm_by_id(owner, cluster_private_text(resource, "VmID"))
                             : NULL;
}

unsigned cluster_node_state(struct sim_cluster *cluster, const struct sim_host *node)
{
    struct sim_object *object = cluster_object(cluster, "MSCluster_Node", node->name);

    return object ? (unsigned)hv_number(object, "State") : NODE_DOWN;
}

static bool is_linked(struct sim_cluster *cluster, const char *class_name,
                      struct sim_object *whole, const struct sim_host *node)
{
    struct sim_object *its = cluster_object(cluster, "MSCluster_Node", node->name),
                      *o = NULL;

    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, class_name))) {
        const struct cim_instance *link = sim_object_instance(o);
        const struct cim_path *group = cim_get_path(link, "GroupComponent");
        const struct cim_path *part = cim_get_path(link, "PartComponent");

        if (group && part && sim_store_find(cluster->store, group) == whole &&
            sim_store_find(cluster->store, part) == its)
            return true;
    }
    return false;
}

bool cluster_may_own(struct sim_cluster *cluster, struct sim_object *group,
                     const struct sim_host *node)
{
    struct sim_object *resource = cluster_resource_of(cluster, group, CLUSTER_VM);

    return !resource ||
           is_linked(cluster, "MSCluster_ResourceToPossibleOwner", resource, node);
}

static bool is_running(struct sim_object *system)
{
    return hv_state(system) == HV_RUNNING || hv_state(system) == HV_PAUSED;
}

/* A job or the guest is about to change its state. */
static bool is_between(struct sim_object *system)
{
    return !is_running(system) && hv_state(system) != HV_OFF &&
           hv_state(system) != HV_SAVED;
}

static bool set_number(struct sim_cluster *cluster, struct sim_object *object,
                       const char *name, uint64_t number, struct err *err)
{
    return object_set_number(cluster->nodes[0], object, name, number, err);
}

static bool set_configuration(struct sim_cluster *cluster, struct sim_object *group,
                              unsigned state, struct err *err)
{
    struct sim_object *configuration =
        cluster_resource_of(cluster, group, CLUSTER_VM_CONFIGURATION);

    return !configuration || set_number(cluster, configuration, "State", state, err);
}

/* ---- the owner ---- */

static bool relink(struct sim_cluster *cluster, const char *class_name,
                   struct sim_object *part, struct sim_host *to, struct err *err)
{
    struct sim_object *o = sim_store_next(cluster->store, NULL, CLUSTER_NS, class_name);
    struct sim_object *node = cluster_object(cluster, "MSCluster_Node", to->name);

    while (o) {
        struct sim_object *next = sim_store_next(cluster->store, o, CLUSTER_NS, class_name);
        const struct cim_path *path = cim_get_path(sim_object_instance(o), "PartComponent");

        if (path && sim_store_find(cluster->store, path) == part)
            sim_store_remove(cluster->store, o);
        o = next;
    }
    return node && object_set_text(cluster->nodes[0], part, "OwnerNode", to->name, err) &&
           sim_store_link(cluster->store, CLUSTER_NS, class_name, "GroupComponent", node,
                          "PartComponent", part, err);
}

bool cluster_change_owner(struct sim_cluster *cluster, struct sim_object *group,
                          struct sim_host *to, struct err *err)
{
    struct sim_object *o = NULL;

    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, "MSCluster_Resource")))
        if (text_ieq(hv_text(o, "OwnerGroup"), hv_text(group, "Name")) &&
            !relink(cluster, "MSCluster_NodeToActiveResource", o, to, err))
            return false;
    return relink(cluster, "MSCluster_NodeToActiveGroup", group, to, err);
}

bool cluster_carry(struct sim_cluster *cluster, struct sim_object *group,
                   struct sim_host *to, struct err *err)
{
    struct sim_host *from = cluster_node(cluster, hv_text(group, "OwnerNode"));
    struct sim_object *system = cluster_vm_of(cluster, group);

    if (from == to)
        return true;
    return (!system || hv_transplant(from, to, hv_text(system, "Name"), err)) &&
           cluster_change_owner(cluster, group, to, err);
}

/* ---- offline ---- */

static bool shuts_down(struct sim_cluster *cluster, struct sim_host *owner,
                       struct sim_object *system)
{
    const struct lab_vm *lab = cluster_lab_vm(cluster, hv_text(system, "Name"));
    struct sim_object *service = hv_next_resource(
        owner, NULL, "Msvm_ShutdownComponentSettingData", hv_text(system, "Name"));

    return service && hv_number(service, "EnabledState") == 2 &&
           (!lab || lab->shutdown_service);
}

static bool not_supported(struct sim_fault *fault, const char *why)
{
    return sim_refuse(fault, "w:InternalError", 0x80070000u | ERROR_NOT_SUPPORTED,
                      "The request is not supported. (%s)", why);
}

/* Stops the VM; the group's resources stay as they are. */
static bool stop(struct sim_cluster *cluster, struct sim_object *group, int action,
                 struct sim_fault *fault)
{
    struct sim_host *owner = cluster_node(cluster, hv_text(group, "OwnerNode"));
    struct sim_object *resource = cluster_resource_of(cluster, group, CLUSTER_VM);
    struct sim_object *system = cluster_vm_of(cluster, group);
    unsigned state = HV_OFF;
    struct err err = ERR_INIT;

    if (!system || hv_state(system) == HV_OFF || hv_state(system) == HV_SAVED)
        return true;
    if (is_between(system))
        return sim_unknown(fault, "taking a VM offline that is between two states");
    if (action < 0)
        action = (int)cluster_private_number(resource, "OfflineAction");
    if (action == OFFLINE_SAVE) {
        if (hv_has_device(owner, hv_text(system, "Name")))
            return not_supported(fault, "a VM with a GPU partition or an assigned device "
                                        "cannot be saved");
        state = HV_SAVED;
    } else if (action != OFFLINE_TURN_OFF && !shuts_down(cluster, owner, system)) {
        return sim_unknown(fault,
                           "taking a VM offline by a shutdown that its guest cannot do");
    }
    return hv_settle(owner, system, state, &err) || sim_fault_err(fault, &err);
}

bool cluster_take_offline(struct sim_cluster *cluster, struct sim_object *group, int action,
                          struct sim_fault *fault)
{
    struct sim_object *resource = cluster_resource_of(cluster, group, CLUSTER_VM);
    struct err err = ERR_INIT;

    return stop(cluster, group, action, fault) &&
           ((set_configuration(cluster, group, RESOURCE_OFFLINE, &err) &&
             (!resource ||
              set_number(cluster, resource, "State", RESOURCE_OFFLINE, &err)) &&
             set_number(cluster, group, "PersistentState", 0, &err)) ||
            sim_fault_err(fault, &err));
}

/* ---- online ---- */

/* Starts the VM on the group's node.  False: it does not start there. */
static bool start(struct sim_cluster *cluster, struct sim_object *group)
{
    struct sim_host *owner = cluster_node(cluster, hv_text(group, "OwnerNode"));
    struct sim_object *system = cluster_vm_of(cluster, group);

    if (!system || cluster_node_state(cluster, owner) == NODE_DOWN)
        return false;
    return is_running(system) || hv_start_now(owner, system) == 0;
}

/* MsCS resources-restartaction: a resource that fails to come online takes its group to another node
 * (the default, ClusterResourceRestartNotify), to each that is up in turn. */
static bool start_somewhere(struct sim_cluster *cluster, struct sim_object *group,
                            bool *ret_started, struct err *err)
{
    *ret_started = start(cluster, group);
    for (size_t i = 0; !*ret_started && i < cluster->node_count; i++) {
        struct sim_host *to = cluster->nodes[i];

        if (to == cluster_node(cluster, hv_text(group, "OwnerNode")) ||
            cluster_node_state(cluster, to) != NODE_UP ||
            !cluster_may_own(cluster, group, to))
            continue;
        if (!cluster_carry(cluster, group, to, err))
            return false;
        *ret_started = start(cluster, group);
    }
    return true;
}

bool cluster_bring_online(struct sim_cluster *cluster, struct sim_object *group,
                          struct sim_fault *fault)
{
    struct sim_object *resource = cluster_resource_of(cluster, group, CLUSTER_VM);
    struct sim_object *system = cluster_vm_of(cluster, group);
    struct err err = ERR_INIT;
    bool started;

    if (!resource || (system && is_between(system)))
        return sim_unknown(fault, "bringing a group online that is no VM's, or whose VM is "
                                  "between two states");
    if (!set_configuration(cluster, group, RESOURCE_ONLINE, &err) ||
        !set_number(cluster, group, "PersistentState", 1, &err) ||
        !start_somewhere(cluster, group, &started, &err) ||
        !set_number(cluster, resource, "State", started ? RESOURCE_ONLINE : RESOURCE_FAILED,
                    &err))
        return sim_fault_err(fault, &err);
    return started || cluster_win32(fault, ERROR_RESOURCE_FAILED,
                                    "The cluster resource failed: its virtual machine does "
                                    "not start on any node.");
}

/* ---- live ---- */

static bool same_model(struct sim_object *a, struct sim_object *b)
{
    const char *x = hv_text(a, "Name"), *y = hv_text(b, "Name");
    size_t len = strcspn(x, "&") + 1;

    /* "\\?\PCI#VEN_10DE&DEV_25B6&...": vendor and device. */
    len += strcspn(x + len, "&#");
    return strlen(y) > len && strncmp(x, y, len) == 0;
}

static const char *forbids_partition(struct sim_host *from, struct sim_host *to,
                                     struct sim_object *adapter)
{
    struct sim_object *partition = hv_find_by_text(from, "Msvm_GpuPartition", "DeviceID",
                                                   hv_text(adapter, "InstanceID"));
    struct sim_object *here =
        partition ? hv_find_by_text(from, "Msvm_PartitionableGpu", "Name",
                                    hv_text(partition, "DeviceInstancePath"))
                  : NULL;
    const char *pin = cim_get_text_at(sim_object_instance(adapter), "HostResource", 0);
    struct sim_object *there = NULL;
    bool same = false, able = false;

    if (from->build < LIVE_BUILD || to->build < LIVE_BUILD)
        return "partitions move alive between Windows Server 2025 and newer only";
    if (!here || !hv_number(partition, "SupportsOutgoingLiveMigration"))
        return "the driver of the node that it leaves cannot migrate partitions";
    while ((there = sim_store_next(to->store, there, HV_NS, "Msvm_PartitionableGpu"))) {
        if (!same_model(here, there) || hv_number(here, "OptimalPartitionVRAM") !=
                                            hv_number(there, "OptimalPartitionVRAM"))
            continue;
        if (pin && *pin && !text_ieq(hv_text(here, "Name"), hv_text(there, "Name")))
            continue;
        same = true;
        if (!hv_number(there, "SupportsIncomingLiveMigration"))
            continue;
        able = true;
        if (hv_partitions_in_use(to, there) < hv_number(there, "PartitionCount"))
            return NULL;
    }
    if (!same)
        return "the target has no GPU of that model with partitions of that size";
    return able ? "no partition is free on the target"
                : "the driver of the target cannot take partitions in";
}

const char *cluster_forbids_live(struct sim_cluster *cluster, struct sim_object *group,
                                 struct sim_host *to)
{
    struct sim_host *from = cluster_node(cluster, hv_text(group, "OwnerNode"));
    struct sim_object *system = cluster_vm_of(cluster, group), *adapter = NULL;
    const char *id = system ? hv_text(system, "Name") : "", *why;

    if (hv_next_resource(from, NULL, "Msvm_PciExpressSettingData", id))
        return "it has an assigned device";
    while (
        (adapter = hv_next_resource(from, adapter, "Msvm_GpuPartitionSettingData", id))) {
        why = forbids_partition(from, to, adapter);
        if (why)
            return why;
    }
    return NULL;
}

static bool move_alive(struct sim_cluster *cluster, struct sim_object *group,
                       struct sim_host *to, struct sim_fault *fault)
{
    struct sim_host *from = cluster_node(cluster, hv_text(group, "OwnerNode"));
    struct sim_object *system = cluster_vm_of(cluster, group), *adapter = NULL;
    struct err err = ERR_INIT;
    const char *why;

    /* The pin, if there is one, must lead to a card there. */
    while ((adapter = hv_next_resource(from, adapter, "Msvm_GpuPartitionSettingData",
                                       hv_text(system, "Name")))) {
        const char *pin = cim_get_text_at(sim_object_instance(adapter), "HostResource", 0);
        struct sim_object *gpu = pin && *pin ? hv_gpu_by_path(from, pin) : NULL;

        if (gpu &&
            !hv_find_by_text(to, "Msvm_PartitionableGpu", "Name", hv_text(gpu, "Name")))
            return sim_unknown(fault, "migrating a VM alive that is pinned to a GPU which "
                                      "has another instance path on the target");
    }
    why = cluster_forbids_live(cluster, group, to);
    if (why)
        return not_supported(fault, why);
    hv_remove_devices(from, system);
    if (!cluster_carry(cluster, group, to, &err))
        return sim_fault_err(fault, &err);
    system = cluster_vm_of(cluster, group);
    if (!system || !hv_new_process(to, system, &err) || !hv_make_devices(to, system, &err))
        return sim_fault_err(fault, &err);
    return true;
}

/* ---- moving ---- */

static bool check_target(struct sim_cluster *cluster, struct sim_object *group,
                         struct sim_host **to, struct sim_fault *fault)
{
    struct sim_host *owner = cluster_node(cluster, hv_text(group, "OwnerNode"));

    /* MsCS clusresgroup-move without a node: of the possible owners that are active one of the
     * preferred, else any. */
    for (int pass = 0; !*to && pass < 2; pass++)
        for (size_t i = 0; !*to && i < cluster->node_count; i++) {
            struct sim_host *node = cluster->nodes[i];

            if (node != owner && cluster_node_state(cluster, node) == NODE_UP &&
                cluster_may_own(cluster, group, node) &&
                (pass > 0 ||
                 is_linked(cluster, "MSCluster_ResourceGroupToPreferredNode", group, node)))
                *to = node;
        }
    if (!*to)
        return cluster_win32(fault, ERROR_HOST_NODE_NOT_AVAILABLE,
                             "A cluster node is not available for this operation.");
    switch (cluster_node_state(cluster, *to)) {
    case NODE_UP:
        break;
    case NODE_PAUSED:
        return cluster_win32(fault, ERROR_CLUSTER_NODE_PAUSED,
                             "The cluster node is paused.");
    default:
        return cluster_win32(fault, ERROR_CLUSTER_NODE_DOWN, "The cluster node is down.");
    }
    if (*to == owner)
        return sim_unknown(fault, "moving a group to the node that owns it");
    return cluster_may_own(cluster, group, *to) ||
           sim_unknown(fault, "moving a group to a node that is no possible owner");
}

bool cluster_move(struct sim_cluster *cluster, struct sim_object *group,
                  struct sim_host *to, int action, struct sim_fault *fault)
{
    struct sim_object *resource = cluster_resource_of(cluster, group, CLUSTER_VM);
    struct sim_object *system = cluster_vm_of(cluster, group);
    struct err err = ERR_INIT;
    bool online, started = true;

    if (!resource || !system || is_between(system))
        return sim_unknown(fault, "moving a group that is no VM's, or whose VM is between "
                                  "two states");
    if (!check_target(cluster, group, &to, fault))
        return false;
    online = is_running(system);
    if (online && action == CLUSTER_LIVE)
        return move_alive(cluster, group, to, fault);
    if (online && !stop(cluster, group, action, fault))
        return false;
    if (!cluster_carry(cluster, group, to, &err) ||
        (online && !start_somewhere(cluster, group, &started, &err)) ||
        (!started && !set_number(cluster, resource, "State", RESOURCE_FAILED, &err)))
        return sim_fault_err(fault, &err);
    return started || cluster_win32(fault, ERROR_RESOURCE_FAILED,
                                    "The cluster resource failed: its virtual machine does "
                                    "not start on any node.");
}

/* Alive to a node that takes it, as a drain does first; else stopped and started elsewhere as
 * its OfflineAction says (GPU guide; windows-powershell-docs Suspend-ClusterNode). */
static bool drain_group(struct sim_cluster *cluster, struct sim_object *group,
                        struct sim_host *to, struct sim_fault *fault)
{
    struct sim_host *owner = cluster_node(cluster, hv_text(group, "OwnerNode"));

    for (size_t i = 0; i < cluster->node_count; i++) {
        struct sim_host *node = cluster->nodes[i];

        if (node != owner && (!to || node == to) &&
            cluster_node_state(cluster, node) == NODE_UP &&
            cluster_may_own(cluster, group, node) &&
            !cluster_forbids_live(cluster, group, node))
            return cluster_move(cluster, group, node, CLUSTER_LIVE, fault);
    }
    return cluster_move(cluster, group, to, CLUSTER_AS_CONFIGURED, fault);
}

unsigned cluster_drain(struct sim_cluster *cluster, const struct sim_host *node,
                       struct sim_host *to)
{
    unsigned status = DRAIN_COMPLETED;
    struct sim_object *o = NULL;
    struct sim_fault fault;

    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, "MSCluster_ResourceGroup"))) {
        if (!text_ieq(hv_text(o, "OwnerNode"), node->name) ||
            hv_number(o, "GroupType") != GROUP_TYPE_VM)
            continue;
        fault = (struct sim_fault){ 0 };
        if (!drain_group(cluster, o, to, &fault))
            status = DRAIN_FAILED; /* it stays; the others go on */
    }
    return status;
}
