/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Methods of root/MSCluster that act on groups, resources and nodes.
 *
 * Sources: cluswmi mscluster-resourcegroup-movetonewnode, -movetonewnodeparams, -bringonline,
 * -takeoffline, mscluster-resource-*, mscluster-node-pause, -resume; the parameters of a move:
 * ResApi VM_RESDLL_CONTEXT (a property list with the type's name and a number); its flags:
 * clusapi nf-clusapi-moveclustergroupex.
 */
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "hv.h"
#include "jobs.h"
#include "property-list.h"
#include "text.h"

enum { MOVE_FLAGS = 0x0f, LIST_MAX = 4096 };

static struct sim_object *vm_group(struct sim_call *call, struct sim_fault *fault)
{
    if (call->object && hv_number(call->object, "GroupType") == GROUP_TYPE_VM)
        return call->object;
    sim_unknown(fault, "what happens to groups other than those of VMs");
    return NULL;
}

/* The group of a VM's own resource. */
static struct sim_object *group_of(struct sim_call *call, struct sim_fault *fault)
{
    if (call->object && text_ieq(hv_text(call->object, "Type"), CLUSTER_VM))
        return cluster_object(call->host->cluster, "MSCluster_ResourceGroup",
                              hv_text(call->object, "OwnerGroup"));
    sim_unknown(fault, "bringing online or taking offline another resource than a VM's");
    return NULL;
}

/* Parameters that no source explains for a VM stay away. */
static bool is_plain(struct sim_call *call, const char *const *names, size_t count,
                     struct sim_fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        const struct cim_value *value = cim_get(call->in, names[i]);
        uint64_t number = 0;

        if (!value || value->is_null || !value->count ||
            (cim_get_u64(call->in, names[i], &number) && number == 0))
            continue;
        return sim_unknown(fault, "Flags and Parameters of bringing online and taking "
                                  "offline");
    }
    return true;
}

static const char *const extras[] = { "Flags", "Parameters" };

static bool group_bring_online(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_object *group = vm_group(call, fault);

    return group && is_plain(call, extras, ARRAY_LEN(extras), fault) &&
           cluster_bring_online(call->host->cluster, group, fault);
}

static bool group_take_offline(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_object *group = vm_group(call, fault);

    return group && is_plain(call, extras, ARRAY_LEN(extras), fault) &&
           cluster_take_offline(call->host->cluster, group, CLUSTER_AS_CONFIGURED, fault);
}

static bool resource_bring_online(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_object *group = group_of(call, fault);

    return group && cluster_bring_online(call->host->cluster, group, fault);
}

/* Its VM stops, the configuration's resource stays online. */
static bool resource_take_offline(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_cluster *cluster = call->host->cluster;
    struct sim_object *group = group_of(call, fault), *configuration;
    struct err err = ERR_INIT;

    if (!group || !is_plain(call, extras, ARRAY_LEN(extras), fault) ||
        !cluster_take_offline(cluster, group, CLUSTER_AS_CONFIGURED, fault))
        return false;
    configuration = cluster_resource_of(cluster, group, CLUSTER_VM_CONFIGURATION);
    return !configuration ||
           object_set_number(call->host, configuration, "State", RESOURCE_ONLINE, &err) ||
           sim_fault_err(fault, &err);
}

/* cluswmi mscluster-resource-updatevirtualmachine: what the cluster keeps of the VM's
 * configuration is read anew.  Here it keeps nothing that could be old. */
static bool update_virtual_machine(struct sim_call *call, struct sim_fault *fault)
{
    const char *type = call->object ? hv_text(call->object, "Type") : "";

    return text_ieq(type, CLUSTER_VM) || text_ieq(type, CLUSTER_VM_CONFIGURATION) ||
           sim_unknown(fault, "UpdateVirtualMachine of a resource that is no VM's");
}

/* ---- moving ---- */

static bool find_target(struct sim_call *call, struct sim_host **ret,
                        struct sim_fault *fault)
{
    const char *name = cim_get_text(call->in, "NodeName");

    *ret = name && *name ? cluster_node(call->host->cluster, name) : NULL;
    return *ret || !name || !*name ||
           cluster_win32(fault, ERROR_CLUSTER_NODE_NOT_FOUND,
                         "The cluster node was not found.");
}

static bool move_to_new_node(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_object *group = vm_group(call, fault);
    struct sim_host *to;

    return group && find_target(call, &to, fault) &&
           cluster_move(call->host->cluster, group, to, CLUSTER_AS_CONFIGURED, fault);
}

/* { "Virtual Machine": 0 to 4 }, and the same of the configuration, which changes nothing. */
static bool read_action(struct sim_call *call, int *ret, struct sim_fault *fault)
{
    const struct cim_value *value = cim_get(call->in, "Parameters");
    CLEANUP(cim_instance_cleanup) struct cim_instance *list = NULL;
    uint8_t bytes[LIST_MAX];
    struct err err = ERR_INIT;

    *ret = CLUSTER_AS_CONFIGURED;
    if (!value || !value->count)
        return true;
    if (value->count > LIST_MAX)
        return cluster_win32(fault, 13, "The data is invalid.");
    for (size_t i = 0; i < value->count; i++)
        bytes[i] = (uint8_t)value->data[i].u;
    list = property_list_read(bytes, value->count, &err);
    if (!list)
        return cluster_win32(fault, 13, "The data is invalid.");
    for (size_t i = 0; i < list->count; i++) {
        const struct cim_property *p = &list->properties[i];
        bool own = text_ieq(p->name, CLUSTER_VM);

        if ((!own && !text_ieq(p->name, CLUSTER_VM_CONFIGURATION)) ||
            p->value.type != CIM_UINT32 || p->value.data->u > CLUSTER_LIVE)
            return sim_unknown(fault, "another parameter of a move than VM_RESDLL_CONTEXT");
        if (own)
            *ret = (int)p->value.data->u;
    }
    return true;
}

static bool move_to_new_node_params(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_object *group = vm_group(call, fault);
    struct sim_host *to;
    uint64_t flags = 0;
    int action;

    if (!group || !find_target(call, &to, fault) || !read_action(call, &action, fault))
        return false;
    cim_get_u64(call->in, "Flags", &flags);
    if (flags & ~(uint64_t)MOVE_FLAGS)
        return sim_unknown(fault,
                           "another flag of a move than those of MoveClusterGroupEx");
    return cluster_move(call->host->cluster, group, to, action, fault);
}

/* ---- nodes ---- */

static bool node_pause(struct sim_call *call, struct sim_fault *fault)
{
    struct sim_cluster *cluster = call->host->cluster;
    const char *target = cim_get_text(call->in, "TargetNode");
    struct sim_host *to = target && *target ? cluster_node(cluster, target) : NULL;
    unsigned status = DRAIN_NOT_STARTED;
    struct err err = ERR_INIT;
    uint64_t type = 0;

    if (!call->object)
        return sim_unknown(fault, "pausing no node");
    if (target && *target && !to)
        return cluster_win32(fault, ERROR_CLUSTER_NODE_NOT_FOUND,
                             "The cluster node was not found.");
    cim_get_u64(call->in, "DrainType", &type);
    if (type > 1)
        return sim_unknown(fault, "another DrainType than 0 (none) and 1 (drain)");
    if (hv_number(call->object, "State") != NODE_UP)
        return sim_unknown(fault, "pausing a node that is not up");
    if (!object_set_number(call->host, call->object, "State", NODE_PAUSED, &err))
        return sim_fault_err(fault, &err);
    if (type == 1)
        status = cluster_drain(cluster,
                               cluster_node(cluster, hv_text(call->object, "Name")), to);
    return object_set_number(call->host, call->object, "NodeDrainStatus", status, &err) ||
           sim_fault_err(fault, &err);
}

static bool node_resume(struct sim_call *call, struct sim_fault *fault)
{
    struct err err = ERR_INIT;
    uint64_t failback = 0;

    if (!call->object || hv_number(call->object, "State") != NODE_PAUSED)
        return sim_unknown(fault, "resuming a node that is not paused");
    if (cim_get_u64(call->in, "FailbackType", &failback) && failback)
        return sim_unknown(fault, "resuming a node with failback");
    return (object_set_number(call->host, call->object, "State", NODE_UP, &err) &&
            object_set_number(call->host, call->object, "NodeDrainStatus",
                              DRAIN_NOT_STARTED, &err)) ||
           sim_fault_err(fault, &err);
}

#define GROUP "MSCluster_ResourceGroup"
#define RESOURCE "MSCluster_Resource"

static const struct sim_method methods[] = {
    { CLUSTER_NS, GROUP, "BringOnline", group_bring_online, "cluswmi" },
    { CLUSTER_NS, GROUP, "TakeOffline", group_take_offline, "cluswmi" },
    { CLUSTER_NS, GROUP, "MoveToNewNode", move_to_new_node, "cluswmi" },
    { CLUSTER_NS, GROUP, "MoveToNewNodeParams", move_to_new_node_params,
      "cluswmi; ResApi VM_RESDLL_CONTEXT" },
    { CLUSTER_NS, RESOURCE, "BringOnline", resource_bring_online, "cluswmi" },
    { CLUSTER_NS, RESOURCE, "TakeOffline", resource_take_offline, "cluswmi" },
    { CLUSTER_NS, RESOURCE, "UpdateVirtualMachine", update_virtual_machine, "cluswmi" },
    { CLUSTER_NS, "MSCluster_Node", "Pause", node_pause, "cluswmi mscluster-node-pause" },
    { CLUSTER_NS, "MSCluster_Node", "Resume", node_resume,
      "cluswmi mscluster-node-resume" },
    { 0 },
};

const struct sim_behaviour sim_cluster_method_behaviour = { .name = "cluster-methods",
                                                            .methods = methods };
