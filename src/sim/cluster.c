/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failover clusters: who belongs to which, their saved state, and what follows from VMs. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv.h"
#include "lab.h"
#include "os.h"
#include "text.h"

enum { STATE_MAX = 64 << 20 };

/* ---- the clusters of a lab ---- */

static struct sim_cluster *find_cluster(struct sim_lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->cluster_count; i++)
        if (text_ieq(lab->clusters[i]->name, name))
            return lab->clusters[i];
    return NULL;
}

static struct sim_cluster *add_cluster(struct sim_lab *lab, const char *name,
                                       struct err *err)
{
    struct sim_cluster **grown =
        realloc(lab->clusters, (lab->cluster_count + 1) * sizeof(struct sim_cluster *));
    struct sim_cluster *cluster = calloc(1, sizeof(*cluster));

    if (grown)
        lab->clusters = grown;
    if (!grown || !cluster) {
        free(cluster);
        err_no_memory(err);
        return NULL;
    }
    pthread_mutex_init(&cluster->lock, NULL);
    lab->clusters[lab->cluster_count++] = cluster; /* freed with the lab, even half made */
    cluster->lab = lab;
    cluster->name = text_dup(name);
    cluster->dir = text_printf("%s/%s.cluster", lab->dir, name);
    if (!cluster->name || !cluster->dir) {
        err_no_memory(err);
        return NULL;
    }
    return cluster;
}

static bool add_node(struct sim_cluster *cluster, struct sim_host *host, struct err *err)
{
    struct sim_host **grown =
        realloc(cluster->nodes, (cluster->node_count + 1) * sizeof(struct sim_host *));

    if (!grown)
        return err_no_memory(err);
    cluster->nodes = grown;
    cluster->nodes[cluster->node_count++] = host;
    host->cluster = cluster;
    host->lock = &cluster->lock;
    return true;
}

bool cluster_make_all(struct sim_lab *lab, struct err *err)
{
    for (size_t i = 0; i < lab->host_count; i++) {
        const char *name = lab->hosts[i]->lab->cluster;
        struct sim_cluster *cluster;

        if (!name)
            continue;
        cluster = find_cluster(lab, name);
        if (!cluster)
            cluster = add_cluster(lab, name, err);
        if (!cluster || !add_node(cluster, lab->hosts[i], err) ||
            !cluster_read_down(lab->hosts[i], err))
            return false;
    }
    return true;
}

void cluster_free_all(struct sim_lab *lab)
{
    for (size_t i = 0; i < lab->cluster_count; i++) {
        struct sim_cluster *cluster = lab->clusters[i];

        sim_store_free(cluster->store);
        pthread_mutex_destroy(&cluster->lock);
        free(cluster->nodes);
        free(cluster->name);
        free(cluster->dir);
        free(cluster);
    }
    free(TAKE(lab->clusters));
    lab->cluster_count = 0;
}

/* ---- the state ---- */

bool cluster_open(struct sim_cluster *cluster, struct err *err)
{
    CLEANUP(free_cleanup) char *path = NULL;
    CLEANUP(free_cleanup) char *json = NULL;
    size_t len;
    bool ok;

    if (cluster->store)
        return true;
    path = text_printf("%s/objects.json", cluster->dir);
    cluster->store = path ? sim_store_new() : NULL;
    if (!cluster->store)
        return err_no_memory(err);
    if (os_file_exists(path)) {
        json = os_read_file(path, STATE_MAX, &len, err);
        ok = json && sim_store_load(cluster->store, json, err);
    } else {
        ok = cluster_make_objects(cluster, err);
    }
    cluster->dirty = false;
    if (!ok) {
        sim_store_free(TAKE(cluster->store));
        return err_wrap(err, "cluster '%s'", cluster->name);
    }
    return true;
}

bool cluster_save(struct sim_cluster *cluster, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/objects.json", cluster->dir);
    CLEANUP(free_cleanup) char *json = path ? sim_store_save(cluster->store, err) : NULL;

    if (!path)
        return err_no_memory(err);
    if (!json || !os_make_dirs(cluster->dir, err) ||
        !os_write_file(path, json, strlen(json), err))
        return err_wrap(err, "saving the state of cluster '%s'", cluster->name);
    cluster->dirty = false;
    return true;
}

/* ---- finding ---- */

struct sim_host *cluster_node(const struct sim_cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        if (text_ieq(cluster->nodes[i]->name, name))
            return cluster->nodes[i];
    return NULL;
}

struct sim_object *cluster_object(struct sim_cluster *cluster, const char *class_name,
                                  const char *name)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_new(CLUSTER_NS, class_name);
    struct err err = ERR_INIT;

    if (!path || !cim_path_set(path, "Name", name, &err))
        return NULL;
    return sim_store_find(cluster->store, path);
}

const char *cluster_private_text(struct sim_object *resource, const char *name)
{
    const struct cim_instance *all =
        cim_get_object(sim_object_instance(resource), "PrivateProperties", 0);
    const char *text = all ? cim_get_text(all, name) : NULL;

    return text ? text : "";
}

int64_t cluster_private_number(struct sim_object *resource, const char *name)
{
    const struct cim_instance *all =
        cim_get_object(sim_object_instance(resource), "PrivateProperties", 0);
    uint64_t number;

    return all && cim_get_u64(all, name, &number) ? (int64_t)number : -1;
}

bool cluster_set_private_number(struct sim_cluster *cluster, struct sim_object *resource,
                                const char *name, uint64_t number, struct err *err)
{
    struct cim_instance *all = (struct cim_instance *)cim_get_object(
        sim_object_instance(resource), "PrivateProperties", 0);

    if (cluster_private_number(resource, name) == (int64_t)number)
        return true;
    cluster->dirty = true;
    return !all || cim_set_uint(all, name, CIM_UINT32, number, err);
}

struct sim_object *cluster_resource_of(struct sim_cluster *cluster,
                                       struct sim_object *group, const char *type)
{
    struct sim_object *o = NULL;

    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, "MSCluster_Resource")))
        if (text_ieq(hv_text(o, "OwnerGroup"), hv_text(group, "Name")) &&
            text_ieq(hv_text(o, "Type"), type))
            return o;
    return NULL;
}

const struct lab_vm *cluster_lab_vm(const struct sim_cluster *cluster, const char *vm_id)
{
    for (size_t n = 0; n < cluster->node_count; n++) {
        const struct lab_host *facts = cluster->nodes[n]->lab;

        for (size_t i = 0; i < facts->vm_count; i++)
            if (text_ieq(facts->vms[i].id, vm_id))
                return &facts->vms[i];
    }
    return NULL;
}

/* ---- what follows from the VMs ---- */

/* MsCS virtual-machine: the state of a VM and of its resource. */
static unsigned resource_state(unsigned enabled_state)
{
    switch (enabled_state) {
    case HV_OFF:
    case HV_SAVED:
        return RESOURCE_OFFLINE;
    case HV_STARTING:
        return RESOURCE_ONLINE_PENDING;
    case HV_STOPPING:
    case HV_SAVING:
    case HV_SHUTTING_DOWN:
        return RESOURCE_OFFLINE_PENDING;
    default: /* running, paused, pausing, resuming */
        return RESOURCE_ONLINE;
    }
}

static bool set_if_new(struct sim_cluster *cluster, struct sim_object *object,
                       const char *name, uint64_t number, struct err *err)
{
    return hv_number(object, name) == number ||
           object_set_number(cluster->nodes[0], object, name, number, err);
}

/* clusapi ne-clusapi-cluster_group_state: online when all resources are, failed when one is,
 * partial when some are. */
static unsigned group_state(unsigned vm, unsigned configuration)
{
    if (vm == RESOURCE_FAILED || configuration == RESOURCE_FAILED)
        return GROUP_FAILED;
    if (vm >= RESOURCE_ONLINE_PENDING)
        return GROUP_PENDING;
    if (vm == RESOURCE_ONLINE)
        return configuration == RESOURCE_ONLINE ? GROUP_ONLINE : GROUP_PARTIAL;
    return configuration == RESOURCE_ONLINE ? GROUP_PARTIAL : GROUP_OFFLINE;
}

static bool follow_group(struct sim_cluster *cluster, struct sim_object *group,
                         struct err *err)
{
    struct sim_object *vm = cluster_resource_of(cluster, group, CLUSTER_VM);
    struct sim_object *configuration =
        cluster_resource_of(cluster, group, CLUSTER_VM_CONFIGURATION);
    struct sim_host *owner = cluster_node(cluster, hv_text(group, "OwnerNode"));
    struct sim_object *system =
        vm && owner ? hv_vm_by_id(owner, cluster_private_text(vm, "VmID")) : NULL;
    unsigned now = vm ? (unsigned)hv_number(vm, "State") : RESOURCE_OFFLINE, state;

    if (!vm || !configuration)
        return true;
    state = system ? resource_state(hv_state(system)) : RESOURCE_OFFLINE;
    /* A resource that failed to come online stays failed until somebody brings it online. */
    if (now == RESOURCE_FAILED && state == RESOURCE_OFFLINE)
        state = RESOURCE_FAILED;
    return (!system ||
            cluster_set_private_number(cluster, vm, "VmState", hv_state(system), err)) &&
           set_if_new(cluster, vm, "State", state, err) &&
           set_if_new(cluster, group, "State",
                      group_state(state, (unsigned)hv_number(configuration, "State")), err);
}

/* A simulator that was killed during a move left the VM on both nodes, or the cluster with its
 * former owner. */
static bool reconcile_group(struct sim_cluster *cluster, struct sim_object *group,
                            struct err *err)
{
    struct sim_object *resource = cluster_resource_of(cluster, group, CLUSTER_VM);
    const char *id = resource ? cluster_private_text(resource, "VmID") : "";
    struct sim_object *own = cluster_vm_of(cluster, group);

    for (size_t i = 0; resource && i < cluster->node_count; i++) {
        struct sim_host *node = cluster->nodes[i];
        struct sim_object *system = hv_vm_by_id(node, id);

        if (!system || system == own)
            continue;
        if (own) {
            hv_remove_devices(node, system);
            hv_forget_vm(node, system);
        } else if (cluster_change_owner(cluster, group, node, err)) {
            own = system;
        } else {
            return false;
        }
    }
    return true;
}

static bool reconcile(struct sim_cluster *cluster, struct err *err)
{
    struct sim_object *o = NULL;

    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, "MSCluster_ResourceGroup")))
        if (hv_number(o, "GroupType") == GROUP_TYPE_VM && !reconcile_group(cluster, o, err))
            return false;
    cluster->reconciled = true;
    return true;
}

bool cluster_refresh(struct sim_cluster *cluster, struct err *err)
{
    struct sim_object *o = NULL;
    int64_t now = os_now_usec();

    for (size_t n = 0; n < cluster->node_count; n++) {
        if (!sim_host_open(cluster->lab, cluster->nodes[n], err))
            return false;
        for (size_t i = 0; sim_behaviours[i]; i++)
            if (sim_behaviours[i]->tick)
                sim_behaviours[i]->tick(cluster->nodes[n], now);
    }
    if (!cluster->reconciled && !reconcile(cluster, err))
        return false;
    while ((o = sim_store_next(cluster->store, o, CLUSTER_NS, "MSCluster_ResourceGroup")))
        if (hv_number(o, "GroupType") == GROUP_TYPE_VM && !follow_group(cluster, o, err))
            return false;
    return true;
}

static bool prepare(struct sim_host *host, const char *ns, struct err *err)
{
    return !host->cluster || sim_host_store(host, ns) != host->cluster->store ||
           cluster_refresh(host->cluster, err);
}

const struct sim_behaviour sim_cluster_behaviour = { .name = "cluster",
                                                     .prepare = prepare };
