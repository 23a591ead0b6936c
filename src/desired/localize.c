/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a file wants of a VM that moved to another node of its cluster. */

#include "localize.h"

#include <string.h>

#include "err.h"
#include "failover.h"
#include "text.h"

/* ---- copies ---- */

static bool copy(char **to, const char *from, struct err *err)
{
    *to = text_dup(from);
    return *to || !from || err_no_memory(err);
}

static bool copy_gpu(const struct desired_gpu *from, struct desired_gpu *to,
                     struct err *err)
{
    *to = *from;
    to->alias = to->instance_id = to->location_path = to->pci_id = to->name = NULL;
    return copy(&to->alias, from->alias, err) &&
           copy(&to->instance_id, from->instance_id, err) &&
           copy(&to->location_path, from->location_path, err) &&
           copy(&to->pci_id, from->pci_id, err) && copy(&to->name, from->name, err);
}

static bool copy_vm(const struct desired_vm *from, struct desired_vm *to, struct err *err)
{
    *to = *from;
    to->name = to->comment = to->elsewhere = NULL;
    to->uses = calloc(from->use_count + 1, sizeof(*to->uses));
    if (!to->uses)
        return err_no_memory(err);
    if (from->use_count > 0)
        memcpy(to->uses, from->uses, from->use_count * sizeof(*to->uses));
    return copy(&to->name, from->name, err) && copy(&to->comment, from->comment, err);
}

/* With room for @more VMs, and for their GPUs. */
static bool copy_host(const struct desired_host *from, size_t more, struct desired_host *to,
                      struct err *err)
{
    *to = (struct desired_host){ 0 };
    to->gpus = calloc(from->gpu_count + more * 4 + 1, sizeof(*to->gpus));
    to->vms = calloc(from->vm_count + more + 1, sizeof(*to->vms));
    if (!to->gpus || !to->vms)
        return err_no_memory(err);
    if (!copy(&to->name, from->name, err) || !copy(&to->comment, from->comment, err))
        return false;
    for (size_t i = 0; i < from->gpu_count; i++)
        if (!copy_gpu(&from->gpus[i], &to->gpus[to->gpu_count++], err))
            return false;
    for (size_t i = 0; i < from->vm_count; i++)
        if (!copy_vm(&from->vms[i], &to->vms[to->vm_count++], err))
            return false;
    return true;
}

/* ---- who is where ---- */

/* The computer in the name of a host: "sim:LAB:NODE1", "http://node1:5985/wsman", "node1". */
static char *computer_of(const char *name)
{
    const char *scheme = strstr(name, "://"), *end;

    if (text_istarts(name, "sim:"))
        return text_dup(strrchr(name, ':') + 1);
    if (scheme)
        name = scheme + 3;
    end = name + strcspn(name, ":/");
    return text_ndup(name, (size_t)(end - name));
}

static bool is_node(const struct hv_cluster *cluster, const char *host)
{
    CLEANUP(free_cleanup) char *computer = computer_of(host);

    return computer && hv_find_node(cluster, computer) != NULL;
}

/* "Virtual Machine vdi-01", or a group that is called like its VM. */
static bool is_called(const struct hv_role *role, const char *name)
{
    static const char prefix[] = "Virtual Machine ";

    return text_ieq(role->vm_id, name) || text_ieq(role->group, name) ||
           (role->resource && text_istarts(role->resource, prefix) &&
            text_ieq(role->resource + strlen(prefix), name));
}

static const struct hv_vm *find_here(const struct hv_host *found, const char *name)
{
    for (size_t i = 0; i < found->vm_count; i++)
        if (text_ieq(found->vms[i].id, name) || text_ieq(found->vms[i].name, name))
            return &found->vms[i];
    return NULL;
}

static bool mark_moved(const struct hv_host *found, struct desired_vm *vm, struct err *err)
{
    const struct hv_cluster *cluster = found->cluster;

    if (find_here(found, vm->name))
        return true;
    for (size_t i = 0; i < cluster->role_count; i++) {
        const struct hv_role *role = &cluster->roles[i];

        if (is_called(role, vm->name) && role->owner_node &&
            !(found->computer_name && hv_same_node(role->owner_node, found->computer_name)))
            return copy(&vm->elsewhere, role->owner_node, err);
    }
    return true;
}

/* ---- VMs that came from another node ---- */

/* The GPU of that model; -1 with @err. */
static int model_gpu(struct desired_host *to, const struct desired_gpu *from,
                     struct err *err)
{
    CLEANUP(free_cleanup)
    char *id = from->pci_id        ? text_dup(from->pci_id)
               : from->instance_id ? gpu_pci_id(from->instance_id)
                                   : NULL;
    struct desired_gpu *gpu;

    if (!id)
        return DESIRED_ANY_GPU; /* a place alone says no model */
    for (size_t i = 0; i < to->gpu_count; i++)
        if (to->gpus[i].is_inline && text_ieq(to->gpus[i].alias, id))
            return (int)i;
    gpu = &to->gpus[to->gpu_count];
    *gpu = (struct desired_gpu){ .is_inline = true };
    to->gpu_count++;
    return copy(&gpu->alias, id, err) && copy(&gpu->pci_id, id, err)
               ? (int)to->gpu_count - 1
               : -2;
}

static bool add_moved(const struct desired_host *from, const struct desired_vm *vm,
                      struct desired_host *to, struct err *err)
{
    struct desired_vm *made = &to->vms[to->vm_count];
    size_t room = 4; /* of GPUs, see copy_host() */

    if (vm->use_count > room)
        return true;
    to->vm_count++;
    if (!copy_vm(vm, made, err))
        return false;
    for (size_t u = 0; u < made->use_count; u++) {
        if (made->uses[u].gpu == DESIRED_ANY_GPU)
            continue;
        made->uses[u].gpu = model_gpu(to, &from->gpus[made->uses[u].gpu], err);
        if (made->uses[u].gpu < DESIRED_ANY_GPU)
            return false;
    }
    return true;
}

static const struct desired_vm *find_wish(const struct desired_host *host,
                                          const struct hv_vm *vm)
{
    for (size_t i = 0; i < host->vm_count; i++)
        if (text_ieq(host->vms[i].name, vm->id) || text_ieq(host->vms[i].name, vm->name))
            return &host->vms[i];
    return NULL;
}

/* Of the VMs here that are groups of the cluster and not named under this host. */
static bool add_all_moved(const struct desired *desired, const struct desired_host *wanted,
                          const struct hv_host *found, struct desired_host *to,
                          struct err *err)
{
    for (size_t h = 0; h < desired->host_count; h++) {
        const struct desired_host *other = &desired->hosts[h];

        if (other == wanted || !is_node(found->cluster, other->name))
            continue;
        for (size_t v = 0; v < found->vm_count; v++) {
            const struct hv_vm *vm = &found->vms[v];
            const struct desired_vm *wish;

            if (!hv_find_role(found->cluster, vm->id) || find_wish(to, vm))
                continue;
            wish = find_wish(other, vm);
            if (wish && !add_moved(other, wish, to, err))
                return false;
        }
    }
    return true;
}

bool desired_localize(const struct desired *desired, const struct desired_host *wanted,
                      const struct hv_host *found, struct desired_host *ret,
                      struct err *err)
{
    struct desired_host made;
    bool ok = copy_host(wanted, found->cluster ? found->vm_count : 0, &made, err);

    if (ok && found->cluster) {
        for (size_t v = 0; ok && v < made.vm_count; v++)
            ok = mark_moved(found, &made.vms[v], err);
        ok = ok && add_all_moved(desired, wanted, found, &made, err);
    }
    if (!ok) {
        desired_host_clear(&made);
        return false;
    }
    *ret = made;
    return true;
}
