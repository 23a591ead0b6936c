/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects of a new cluster: itself, its nodes, its groups and their resources, and what
 * ties them together.  Besides the VMs' groups there are the two that every cluster has, so
 * that a client that takes each group for a VM is found out.
 *
 * Values: MsCS and cluswmi pages of the classes and of the private properties; what these
 * leave open (DefaultMoveType, StartMemory, ...) is not there.  Names of a VM's resources:
 * "Virtual Machine NAME" and "Virtual Machine Configuration NAME" (openstack/os-win
 * clusterutils.py).
 */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "lab.h"
#include "maker.h"
#include "text.h"

/* As clusters write GUIDs: lower case. */
static void make_id(char ret[37], const struct sim_cluster *cluster, const char *what,
                    const char *name)
{
    char seed[2 * LAB_TEXT_MAX + 64];

    snprintf(seed, sizeof(seed), "%s %s %s", cluster->name, what, name);
    lab_guid(ret, seed);
    for (char *c = ret; *c; c++)
        *c = *c >= 'A' && *c <= 'F' ? (char)(*c | 0x20) : *c;
}

static bool link_ends(struct sim_cluster *cluster, const char *class_name,
                      struct sim_object *whole, struct sim_object *part, struct err *err)
{
    return sim_store_link(cluster->store, CLUSTER_NS, class_name, "GroupComponent", whole,
                          "PartComponent", part, err) != NULL;
}

static struct sim_object *make_cluster(struct sim_cluster *cluster, struct err *err)
{
    const char *domain = cluster->nodes[0]->domain;
    CLEANUP(free_cleanup)
    char *fqdn = domain ? text_printf("%s.%s", cluster->name, domain) : NULL;
    struct maker m;

    make_begin(&m, cluster->nodes[0], CLUSTER_NS, "MSCluster_Cluster", err);
    make_text(&m, "Name", cluster->name);
    make_text(&m, "Fqdn", fqdn);
    make_number(&m, "EnableSharedVolumes", 1);
    make_text(&m, "SharedVolumesRoot", "C:\\ClusterStorage");
    return make_end(&m);
}

static bool make_nodes(struct sim_cluster *cluster, struct sim_object *whole,
                       struct err *err)
{
    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct sim_host *host = cluster->nodes[i];
        struct sim_object *node;
        char number[24];
        struct maker m;

        snprintf(number, sizeof(number), "%zu", i + 1);
        make_begin(&m, cluster->nodes[0], CLUSTER_NS, "MSCluster_Node", err);
        make_text(&m, "Name", host->name);
        make_text(&m, "Id", number);
        make_number(&m, "State", NODE_UP);
        make_number(&m, "MajorVersion", 10);
        make_number(&m, "MinorVersion", 0);
        make_number(&m, "BuildNumber", host->build);
        make_number(&m, "NodeWeight", 1);
        make_number(&m, "NodeDrainStatus", 0); /* not initiated */
        make_text(&m, "NodeDrainTarget", "");
        make_number(&m, "DrainErrorCode", 0);
        node = make_end(&m);
        if (!node || !sim_store_link(cluster->store, CLUSTER_NS, "MSCluster_ClusterToNode",
                                     "Antecedent", whole, "Dependent", node, err))
            return false;
    }
    return true;
}

static struct sim_object *make_group(struct sim_cluster *cluster, struct sim_object *whole,
                                     const char *name, unsigned type, const char *owner,
                                     unsigned state, struct err *err)
{
    struct sim_object *group, *node = cluster_object(cluster, "MSCluster_Node", owner);
    char id[37];
    struct maker m;

    make_id(id, cluster, "group", name);
    make_begin(&m, cluster->nodes[0], CLUSTER_NS, "MSCluster_ResourceGroup", err);
    make_text(&m, "Name", name);
    make_text(&m, "Id", id);
    make_number(&m, "GroupType", type);
    make_number(&m, "IsCore", type != GROUP_TYPE_VM);
    make_text(&m, "OwnerNode", owner);
    make_number(&m, "State", state);
    make_number(&m, "PersistentState", state == GROUP_ONLINE);
    make_number(&m, "StatusInformation", 0);
    group = make_end(&m);
    return group &&
                   link_ends(cluster, "MSCluster_ClusterToResourceGroup", whole, group,
                             err) &&
                   link_ends(cluster, "MSCluster_NodeToActiveGroup", node, group, err)
               ? group
               : NULL;
}

static bool may_own(const struct lab_vm *vm, const char *node)
{
    bool found = !vm || vm->possible_owner_count == 0;

    for (size_t i = 0; vm && i < vm->possible_owner_count; i++)
        found |= text_ieq(vm->possible_owners[i], node);
    return found;
}

/* Takes *private over.  @vm: whose it is; NULL: none's. */
static struct sim_object *make_resource(struct sim_cluster *cluster,
                                        struct sim_object *whole, struct sim_object *group,
                                        const char *name, const char *type, unsigned state,
                                        struct cim_instance **private,
                                        const struct lab_vm *vm, struct err *err)
{
    struct cim_value list = { .type = CIM_OBJECT, .is_null = true };
    const char *owner = cim_get_text(sim_object_instance(group), "OwnerNode");
    struct sim_object *resource, *node = cluster_object(cluster, "MSCluster_Node", owner);
    char id[37];
    struct maker m;

    make_id(id, cluster, "resource", name);
    make_begin(&m, cluster->nodes[0], CLUSTER_NS, "MSCluster_Resource", err);
    make_text(&m, "Name", name);
    make_text(&m, "Id", id);
    make_text(&m, "Type", type);
    make_text(&m, "OwnerGroup", cim_get_text(sim_object_instance(group), "Name"));
    make_text(&m, "OwnerNode", owner);
    make_number(&m, "State", state);
    make_number(&m, "PersistentState", state == RESOURCE_ONLINE);
    make_number(&m, "CoreResource", *private == NULL);
    make_number(&m, "RestartAction", 2); /* MsCS resources-restartaction: the default */
    make_number(&m, "StatusInformation", 0);
    if (!m.failed && *private)
        m.failed =
            !cim_value_take(&list, (union cim_datum){ .object = TAKE(*private) }, err) ||
            !cim_set(m.instance, "PrivateProperties", &list, err);
    cim_value_clear(&list);
    resource = make_end(&m);
    if (!resource ||
        !link_ends(cluster, "MSCluster_ClusterToResource", whole, resource, err) ||
        !link_ends(cluster, "MSCluster_ResourceGroupToResource", group, resource, err) ||
        !link_ends(cluster, "MSCluster_NodeToActiveResource", node, resource, err))
        return NULL;
    for (size_t i = 0; i < cluster->node_count; i++)
        if (may_own(vm, cluster->nodes[i]->name) &&
            !link_ends(cluster, "MSCluster_ResourceToPossibleOwner", resource,
                       cluster_object(cluster, "MSCluster_Node", cluster->nodes[i]->name),
                       err))
            return NULL;
    return resource;
}

static bool make_core(struct sim_cluster *cluster, struct sim_object *whole,
                      struct err *err)
{
    const char *owner = cluster->nodes[0]->name;
    struct sim_object *group = make_group(cluster, whole, "Cluster Group", GROUP_TYPE_CORE,
                                          owner, GROUP_ONLINE, err);
    struct cim_instance *none = NULL;

    return group &&
           make_resource(cluster, whole, group, "Cluster Name", "Network Name",
                         RESOURCE_ONLINE, &none, NULL, err) &&
           make_group(cluster, whole, "Available Storage", GROUP_TYPE_STORAGE, owner,
                      GROUP_OFFLINE, err);
}

/* ---- VMs ---- */

static bool put_number(struct cim_instance *to, const char *name, uint64_t number,
                       struct err *err)
{
    return cim_set_uint(to, name, CIM_UINT32, number, err);
}

/* MsCS virtual-machine-private-properties, each with its default. */
static struct cim_instance *vm_properties(const struct lab_vm *vm, const char *vm_id,
                                          struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *all = cim_instance_new(CLUSTER_NS, "MSCluster_Property");

    if (!all) {
        err_no_memory(err);
        return NULL;
    }
    return put_number(all, "CheckHeartbeat", 0, err) &&
                   put_number(all, "MigrationFailureReason", 0, err) &&
                   put_number(all, "MigrationProgress", 0, err) &&
                   put_number(all, "MigrationState", 0, err) &&
                   put_number(all, "OfflineAction", vm->offline_action, err) &&
                   put_number(all, "ShutdownAction", 0, err) &&
                   cim_set_text(all, "VmID", vm_id, err) &&
                   put_number(all, "VmState", vm->state, err)
               ? TAKE(all)
               : NULL;
}

/* MsCS virtual-machine-configuration-private-properties. */
static struct cim_instance *configuration_properties(const char *vm_id, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *all = cim_instance_new(CLUSTER_NS, "MSCluster_Property");

    if (!all) {
        err_no_memory(err);
        return NULL;
    }
    return cim_set_text(all, "VmID", vm_id, err) &&
                   cim_set_text(all, "VmStoreRootPath", "C:\\ClusterStorage\\Volume1", err)
               ? TAKE(all)
               : NULL;
}

static bool make_vm(struct sim_cluster *cluster, struct sim_object *whole,
                    const struct sim_host *owner, const struct lab_vm *vm, struct err *err)
{
    CLEANUP(free_cleanup) char *name = text_printf(CLUSTER_VM " %s", vm->name);
    CLEANUP(free_cleanup)
    char *configuration_name = text_printf(CLUSTER_VM_CONFIGURATION " %s", vm->name);
    CLEANUP(cim_instance_cleanup) struct cim_instance *private = NULL;
    bool alive = vm->state == LAB_VM_RUNNING || vm->state == LAB_VM_PAUSED;
    struct sim_object *group, *resource, *configuration;
    char id[37];

    if (!name || !configuration_name)
        return err_no_memory(err);
    memcpy(id, vm->id, sizeof(id));
    for (char *c = id; *c; c++)
        *c = *c >= 'A' && *c <= 'F' ? (char)(*c | 0x20) : *c;
    group = make_group(cluster, whole, vm->name, GROUP_TYPE_VM, owner->name,
                       alive ? GROUP_ONLINE : GROUP_PARTIAL, err);
    for (size_t i = 0; group && i < vm->preferred_owner_count; i++)
        if (!link_ends(cluster, "MSCluster_ResourceGroupToPreferredNode", group,
                       cluster_object(cluster, "MSCluster_Node", vm->preferred_owners[i]),
                       err))
            return false;
    private = group ? vm_properties(vm, id, err) : NULL;
    if (!private)
        return false;
    resource = make_resource(cluster, whole, group, name, CLUSTER_VM,
                             alive ? RESOURCE_ONLINE : RESOURCE_OFFLINE, &private, vm, err);
    private = resource ? configuration_properties(id, err) : NULL;
    if (!private)
        return false;
    configuration =
        make_resource(cluster, whole, group, configuration_name, CLUSTER_VM_CONFIGURATION,
                      RESOURCE_ONLINE, &private, vm, err);
    return configuration &&
           sim_store_link(cluster->store, CLUSTER_NS,
                          "MSCluster_ResourceToDependentResource", "Antecedent",
                          configuration, "Dependent", resource, err);
}

bool cluster_make_objects(struct sim_cluster *cluster, struct err *err)
{
    struct sim_object *whole = make_cluster(cluster, err);

    if (!whole || !make_nodes(cluster, whole, err) || !make_core(cluster, whole, err))
        return false;
    for (size_t n = 0; n < cluster->node_count; n++) {
        const struct lab_host *facts = cluster->nodes[n]->lab;

        for (size_t i = 0; i < facts->vm_count; i++)
            if (facts->vms[i].clustered &&
                !make_vm(cluster, whole, cluster->nodes[n], &facts->vms[i], err))
                return err_wrap(err, "making the group of VM '%s'", facts->vms[i].name);
    }
    return true;
}
