/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lab files: what must be true of the hosts that are nodes of one cluster together.
 */
#include <string.h>

#include "lab-yaml.h"
#include "text.h"

/* The name is a computer's too (its administrative access point), and a folder's here. */
static bool is_computer_name(const char *name)
{
    size_t len = strlen(name);

    return len && len <= 15 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == len;
}

static bool check_host(struct reader *r, yaml_node_t *node, const struct lab_host *host)
{
    if (host->cluster && !is_computer_name(host->cluster))
        return fail_at(r, node, "'%s' is no cluster name: 1 to 15 of A-Z, 0-9 and -",
                       host->cluster);
    for (size_t i = 0; i < host->vm_count; i++) {
        const struct lab_vm *vm = &host->vms[i];

        if (!vm->clustered)
            continue;
        if (!host->cluster)
            return fail_at(r, node, "VM '%s' is clustered, its host '%s' is not", vm->name,
                           host->name);
        /* Another node cannot start it otherwise. */
        for (size_t d = 0; d < vm->disk_count; d++)
            if (!lab_is_shared_path(host->machine.disks[vm->first_disk + d].path))
                return fail_at(r, node,
                               "the disk '%s' of clustered VM '%s' is not below "
                               "C:\\ClusterStorage",
                               host->machine.disks[vm->first_disk + d].path, vm->name);
    }
    return true;
}

static bool check_nodes(struct reader *r, yaml_node_t *node,
                        const struct lab_description *lab, const struct lab_host *host,
                        const struct lab_vm *vm, const char *const *names, size_t count)
{
    if (count > 0 && !vm->clustered)
        return fail_at(r, node, "VM '%s' has owners and is not clustered", vm->name);
    for (size_t i = 0; i < count; i++) {
        bool found = false;

        for (size_t h = 0; h < lab->host_count; h++)
            found |= text_ieq(lab->hosts[h].cluster, host->cluster) &&
                     text_ieq(lab->hosts[h].name, names[i]);
        if (!found)
            return fail_at(r, node, "'%s', an owner of VM '%s', is no node of '%s'",
                           names[i], vm->name, host->cluster);
    }
    return true;
}

/* A VM is on a node that may own it, and all that may are nodes of its cluster. */
static bool check_owners(struct reader *r, yaml_node_t *node,
                         const struct lab_description *lab, const struct lab_host *host,
                         const struct lab_vm *vm)
{
    bool has_own = vm->possible_owner_count == 0;

    if (!check_nodes(r, node, lab, host, vm, vm->possible_owners,
                     vm->possible_owner_count) ||
        !check_nodes(r, node, lab, host, vm, vm->preferred_owners,
                     vm->preferred_owner_count))
        return false;
    for (size_t i = 0; i < vm->possible_owner_count; i++)
        has_own |= text_ieq(vm->possible_owners[i], host->name);
    return has_own || fail_at(r, node, "VM '%s' is on '%s', which may not own it", vm->name,
                              host->name);
}

static bool check_pair(struct reader *r, yaml_node_t *node, const struct lab_host *a,
                       const struct lab_host *b)
{
    for (size_t i = 0; i < a->vm_count; i++)
        for (size_t j = 0; j < b->vm_count; j++) {
            const struct lab_vm *x = &a->vms[i], *y = &b->vms[j];

            if (strcmp(x->id, y->id) == 0)
                return fail_at(r, node, "two VMs of cluster '%s' have the id %s",
                               a->cluster, x->id);
            if (x->clustered && y->clustered && text_ieq(x->name, y->name))
                return fail_at(r, node, "two clustered VMs are named '%s'", x->name);
        }
    for (size_t i = 0; i < a->machine.disk_count; i++)
        for (size_t j = 0; j < b->machine.disk_count; j++)
            if (lab_is_shared_path(a->machine.disks[i].path) &&
                text_ieq(a->machine.disks[i].path, b->machine.disks[j].path))
                return fail_at(r, node, "two disks of cluster '%s' have the path '%s'",
                               a->cluster, a->machine.disks[i].path);
    return true;
}

bool lab_is_shared_path(const char *path)
{
    return text_istarts(path, "C:\\ClusterStorage\\");
}

bool lab_check_clusters(struct reader *r, yaml_node_t *node,
                        const struct lab_description *lab)
{
    for (size_t i = 0; i < lab->host_count; i++) {
        const struct lab_host *host = &lab->hosts[i];
        size_t nodes = 1;

        if (!check_host(r, node, host))
            return false;
        for (size_t v = 0; v < host->vm_count; v++)
            if (!check_owners(r, node, lab, host, &host->vms[v]))
                return false;
        for (size_t j = 0; host->cluster && j < i; j++) {
            if (!text_ieq(lab->hosts[j].cluster, host->cluster))
                continue;
            nodes++;
            if (!check_pair(r, node, &lab->hosts[j], host))
                return false;
        }
        if (nodes > LAB_NODE_MAX)
            return fail_at(r, node, "cluster '%s' has more than %d nodes", host->cluster,
                           LAB_NODE_MAX);
    }
    return true;
}
