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

/* With room for @more VMs. */
static bool copy_host(const struct desired_host *from, size_t more, struct desired_host *to,
                      struct err *err)
{
    *to = (struct desired_host){ 0 };
    to->gpus = calloc(from->gpu_count + 1, sizeof(*to->gpus));
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

/* NULL: no memory. */
static struct desired_gpu *add_gpu(struct desired_host *to, struct err *err)
{
    struct desired_gpu *gpus = realloc(to->gpus, (to->gpu_count + 1) * sizeof(*gpus));

    if (!gpus) {
        err_no_memory(err);
        return NULL;
    }
    to->gpus = gpus;
    gpus[to->gpu_count] = (struct desired_gpu){ .alias = NULL };
    return &gpus[to->gpu_count++];
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

/* ---- VMs whose wish stands elsewhere ---- */

static char *model_of(const struct desired_gpu *gpu)
{
    return gpu->pci_id        ? text_dup(gpu->pci_id)
           : gpu->instance_id ? gpu_pci_id(gpu->instance_id)
                              : NULL;
}

/* The model of a GPU that a file knows by its place alone: the node where it stands would have to
 * tell, and this is another. */
static bool place_only(const struct desired_host *from, const struct desired_vm *vm,
                       const struct desired_gpu *gpu, struct err *err)
{
    err_fail(
        err, ERR_INVALID, 0,
        "VM '%.60s' came from '%.60s', where the file knows its GPU '%.60s' by its place "
        "alone",
        vm->name, from->name, gpu->alias);
    return err_hint(err, "give that GPU its pci_id, too: 'hvgpu gpu show' tells it");
}

/* Index of the GPU of that model; -1 with @err. */
static int model_gpu(struct desired_host *to, const char *model, struct err *err)
{
    struct desired_gpu *gpu;

    for (size_t i = 0; i < to->gpu_count; i++)
        if (to->gpus[i].is_inline && text_ieq(to->gpus[i].alias, model))
            return (int)i;
    gpu = add_gpu(to, err);
    return gpu && copy(&gpu->alias, model, err) && copy(&gpu->pci_id, model, err) &&
                   (gpu->is_inline = true)
               ? (int)to->gpu_count - 1
               : -1;
}

/* Two GPUs of a model there are two of the model here. */
static void add_use(struct desired_vm *to, const struct desired_use *use)
{
    for (size_t u = 0; u < to->use_count; u++)
        if (to->uses[u].gpu == use->gpu && to->uses[u].mode == use->mode) {
            to->uses[u].count += use->count;
            to->uses[u].share_percent.known = false; /* of one partition only */
            return;
        }
    to->uses[to->use_count++] = *use;
}

bool desired_move_vm(const struct desired_host *from, const struct desired_vm *vm,
                     struct desired_host *to, struct err *err)
{
    struct desired_vm *made = &to->vms[to->vm_count++];

    if (!copy_vm(vm, made, err))
        return false;
    made->use_count = 0;
    for (size_t u = 0; u < vm->use_count; u++) {
        struct desired_use use = vm->uses[u];
        CLEANUP(free_cleanup) char *model = NULL;

        if (use.gpu != DESIRED_ANY_GPU) {
            model = model_of(&from->gpus[use.gpu]);
            if (!model && use.mode == GPU_MODE_DDA)
                return place_only(from, vm, &from->gpus[use.gpu], err);
            /* A partition of whatever the node has, where no model is known. */
            use.gpu = model ? model_gpu(to, model, err) : DESIRED_ANY_GPU;
            if (model && use.gpu < 0)
                return false;
        }
        add_use(made, &use);
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
            if (wish && !desired_move_vm(other, wish, to, err))
                return false;
        }
    }
    return true;
}

/* ---- what stands under a cluster ---- */

static const struct desired_cluster *find_cluster(const struct desired *desired,
                                                  const struct hv_cluster *cluster)
{
    for (size_t i = 0; cluster && i < desired->cluster_count; i++)
        if (hv_same_node(desired->clusters[i].wish.name, cluster->name))
            return &desired->clusters[i];
    return NULL;
}

static bool is_named_node(const struct desired_cluster *cluster, const char *host)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        if (text_ieq(cluster->nodes[i], host))
            return true;
    return false;
}

static bool check_membership(const struct desired *desired,
                             const struct desired_host *wanted,
                             const struct desired_cluster *its, struct err *err)
{
    for (size_t i = 0; i < desired->cluster_count; i++)
        if (is_named_node(&desired->clusters[i], wanted->name) &&
            &desired->clusters[i] != its) {
            err_fail(err, ERR_CONFLICT, 0, "it is no node of the cluster '%.60s'",
                     desired->clusters[i].wish.name);
            return err_hint(err, "take it out of the cluster's nodes in the file");
        }
    return true;
}

static bool has_model(const struct hv_host *found, const char *model)
{
    for (size_t i = 0; i < found->gpu_count; i++)
        if (text_ieq(found->gpus[i].pci_id, model))
            return true;
    return false;
}

static bool is_alias(const struct desired_host *host, const char *name)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].alias, name))
            return true;
    return false;
}

/* Counts hold on each node that has the model. */
static bool add_counts(const struct desired_cluster *cluster, const struct hv_host *found,
                       struct desired_host *to, struct err *err)
{
    for (size_t i = 0; i < cluster->wish.gpu_count; i++) {
        const struct desired_gpu *gpu = &cluster->wish.gpus[i];
        struct desired_gpu *made;
        char *alias;

        if (!gpu->partition_count.known || !has_model(found, gpu->pci_id))
            continue;
        alias = is_alias(to, gpu->alias)
                    ? text_printf("%s/%s", cluster->wish.name, gpu->alias)
                    : text_dup(gpu->alias);
        made = alias ? add_gpu(to, err) : NULL;
        if (!made) {
            free(alias);
            return err_no_memory(err);
        }
        made->alias = alias;
        made->partition_count = gpu->partition_count;
        if (!copy(&made->pci_id, gpu->pci_id, err))
            return false;
    }
    return true;
}

static bool add_vms_here(const struct desired_cluster *cluster, const struct hv_host *found,
                         struct desired_host *to, struct err *err)
{
    size_t own = to->vm_count;

    for (size_t v = 0; v < found->vm_count; v++) {
        const struct hv_vm *vm = &found->vms[v];
        const struct desired_vm *wish = find_wish(&cluster->wish, vm);

        if (!wish || !hv_find_role(found->cluster, vm->id))
            continue;
        for (size_t i = 0; i < own; i++)
            if (text_ieq(to->vms[i].name, vm->id) || text_ieq(to->vms[i].name, vm->name))
                return err_fail(
                    err, ERR_INVALID, 0,
                    "VM '%.60s' stands under this host and under cluster '%.60s'",
                    wish->name, cluster->wish.name);
        if (!desired_move_vm(&cluster->wish, wish, to, err))
            return false;
    }
    return true;
}

/* The node that tells of VMs which are on none of those the file names. */
static bool is_first_node(const struct desired *desired, const struct desired_host *wanted,
                          const struct desired_cluster *cluster,
                          const struct hv_host *found)
{
    for (size_t h = 0; h < desired->host_count; h++) {
        const struct desired_host *host = &desired->hosts[h];

        if (is_named_node(cluster, host->name) || is_node(found->cluster, host->name))
            return host == wanted;
    }
    return true; /* addresses: any of them may tell */
}

static bool is_known_node(const struct desired *desired, const char *node)
{
    for (size_t h = 0; h < desired->host_count; h++) {
        CLEANUP(free_cleanup) char *computer = computer_of(desired->hosts[h].name);

        if (computer && hv_same_node(computer, node))
            return true;
    }
    return false;
}

static const struct hv_role *find_called(const struct hv_cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->role_count; i++)
        if (is_called(&cluster->roles[i], name))
            return &cluster->roles[i];
    return NULL;
}

static bool add_vms_nowhere(const struct desired *desired,
                            const struct desired_cluster *cluster,
                            const struct hv_host *found, struct desired_host *to,
                            struct err *err)
{
    for (size_t v = 0; v < cluster->wish.vm_count; v++) {
        const struct desired_vm *wish = &cluster->wish.vms[v];
        const struct hv_role *role = find_called(found->cluster, wish->name);

        if (find_here(found, wish->name) ||
            (role && (!role->owner_node || is_known_node(desired, role->owner_node))))
            continue;
        if (!desired_move_vm(&cluster->wish, wish, to, err))
            return false;
        if (role && !copy(&to->vms[to->vm_count - 1].elsewhere, role->owner_node, err))
            return false;
    }
    return true;
}

static bool add_cluster(const struct desired *desired, const struct desired_host *wanted,
                        const struct hv_host *found, struct desired_host *to,
                        struct err *err)
{
    const struct desired_cluster *cluster = find_cluster(desired, found->cluster);

    if (!check_membership(desired, wanted, cluster, err))
        return false;
    return !cluster ||
           (add_counts(cluster, found, to, err) && add_vms_here(cluster, found, to, err) &&
            (!is_first_node(desired, wanted, cluster, found) ||
             add_vms_nowhere(desired, cluster, found, to, err)));
}

bool desired_localize(const struct desired *desired, const struct desired_host *wanted,
                      const struct hv_host *found, struct desired_host *ret,
                      struct err *err)
{
    const struct desired_cluster *cluster = find_cluster(desired, found->cluster);
    size_t more =
        (found->cluster ? found->vm_count : 0) + (cluster ? cluster->wish.vm_count : 0);
    struct desired_host made;
    bool ok = copy_host(wanted, more, &made, err);

    for (size_t v = 0; ok && found->cluster && v < made.vm_count; v++)
        ok = mark_moved(found, &made.vms[v], err);
    ok = ok && add_cluster(desired, wanted, found, &made, err) &&
         (!found->cluster || add_all_moved(desired, wanted, found, &made, err));
    if (!ok) {
        desired_host_clear(&made);
        return false;
    }
    *ret = made;
    return true;
}
