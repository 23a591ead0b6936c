/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gather.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "found.h"
#include "localize.h"
#include "text.h"

static bool add_text(char ***list, size_t *count, const char *text, struct err *err)
{
    char **more = realloc(*list, (*count + 1) * sizeof(*more));

    if (!more)
        return err_no_memory(err);
    *list = more;
    more[*count] = text_dup(text);
    return more[(*count)++] || err_no_memory(err);
}

/* NULL: no memory. */
static struct desired_cluster *cluster_of(struct desired *to, const char *name,
                                          struct err *err)
{
    struct desired_cluster *more;

    for (size_t i = 0; i < to->cluster_count; i++)
        if (text_ieq(to->clusters[i].wish.name, name))
            return &to->clusters[i];
    more = realloc(to->clusters, (to->cluster_count + 1) * sizeof(*more));
    if (!more) {
        err_no_memory(err);
        return NULL;
    }
    to->clusters = more;
    more[to->cluster_count] = (struct desired_cluster){ .wish.name = text_dup(name) };
    if (more[to->cluster_count++].wish.name)
        return &more[to->cluster_count - 1];
    err_no_memory(err);
    return NULL;
}

/* ---- VMs ---- */

static bool is_named(const struct desired_host *wish, const char *name)
{
    for (size_t i = 0; i < wish->vm_count; i++)
        if (text_ieq(wish->vms[i].name, name))
            return true;
    return false;
}

static bool can_stand_there(const struct desired_host *host, const struct desired_vm *vm,
                            const struct desired_cluster *cluster)
{
    if (!vm->is_role || is_named(&cluster->wish, vm->name))
        return false;
    for (size_t u = 0; u < vm->use_count; u++)
        if (vm->uses[u].gpu != DESIRED_ANY_GPU &&
            (host->gpus[vm->uses[u].gpu].is_missing || !host->gpus[vm->uses[u].gpu].pci_id))
            return false;
    return true;
}

static void forget_vm(struct desired_host *host, size_t at)
{
    struct desired_host gone = { .vms = &host->vms[at], .vm_count = 1 };

    free(gone.vms->name);
    free(gone.vms->uses);
    free(gone.vms->comment);
    free(gone.vms->elsewhere);
    memmove(&host->vms[at], &host->vms[at + 1],
            (host->vm_count - at - 1) * sizeof(*host->vms));
    host->vm_count--;
}

static bool move_vms(struct desired_host *host, struct desired_cluster *cluster,
                     struct err *err)
{
    struct desired_vm *room = realloc(
        cluster->wish.vms, (cluster->wish.vm_count + host->vm_count + 1) * sizeof(*room));

    if (!room)
        return err_no_memory(err);
    cluster->wish.vms = room;
    for (size_t v = 0; v < host->vm_count;) {
        if (!can_stand_there(host, &host->vms[v], cluster)) {
            v++;
            continue;
        }
        if (!desired_move_vm(host, &host->vms[v], &cluster->wish, err))
            return false;
        forget_vm(host, v);
    }
    return true;
}

static int compare_vms(const void *a, const void *b)
{
    return text_casecmp(((const struct desired_vm *)a)->name,
                        ((const struct desired_vm *)b)->name);
}

/* ---- GPUs ---- */

static bool is_node_of(const struct gather_host *host,
                       const struct desired_cluster *cluster)
{
    return text_ieq(host->cluster, cluster->wish.name);
}

static struct desired_gpu *gpu_of_model(const struct desired_cluster *cluster,
                                        const char *model)
{
    for (size_t i = 0; i < cluster->wish.gpu_count; i++)
        if (text_ieq(cluster->wish.gpus[i].pci_id, model))
            return &cluster->wish.gpus[i];
    return NULL;
}

static bool has_alias(const struct desired_cluster *cluster, const char *alias)
{
    for (size_t i = 0; i < cluster->wish.gpu_count; i++)
        if (text_ieq(cluster->wish.gpus[i].alias, alias))
            return true;
    return false;
}

/* "NVIDIA A2, 16 GB" gives "a2". */
static bool name_gpu(const struct desired_cluster *cluster, struct desired_gpu *gpu,
                     const char *name, struct err *err)
{
    char alias[FOUND_ALIAS], numbered[FOUND_ALIAS + 16];
    CLEANUP(free_cleanup) char *model = name ? text_ndup(name, strcspn(name, ",")) : NULL;

    found_alias(model, alias);
    snprintf(numbered, sizeof(numbered), "%s", alias);
    for (unsigned n = 2; text_ieq(numbered, "any") || has_alias(cluster, numbered); n++)
        snprintf(numbered, sizeof(numbered), "%s-%u", alias, n);
    free(gpu->alias);
    gpu->alias = text_dup(numbered);
    gpu->name = text_dup(name);
    gpu->is_inline = false;
    return (gpu->alias && (gpu->name || !name)) || err_no_memory(err);
}

/* NULL: no memory. */
static struct desired_gpu *add_model(struct desired_cluster *cluster, const char *model,
                                     struct err *err)
{
    struct desired_gpu *gpus =
        realloc(cluster->wish.gpus, (cluster->wish.gpu_count + 1) * sizeof(*gpus));

    if (!gpus) {
        err_no_memory(err);
        return NULL;
    }
    cluster->wish.gpus = gpus;
    gpus += cluster->wish.gpu_count;
    *gpus = (struct desired_gpu){ .pci_id = text_dup(model), .is_inline = true };
    if (gpus->pci_id) {
        cluster->wish.gpu_count++;
        return gpus;
    }
    err_no_memory(err);
    return NULL;
}

/* Known: all GPUs of the model in the cluster have it. */
static struct known_u64 common_count(struct gather_host *const *hosts, size_t count,
                                     const struct desired_cluster *cluster,
                                     const char *model)
{
    struct known_u64 common = { false, 0 };
    bool first = true;

    for (size_t h = 0; h < count; h++)
        for (size_t g = 0; is_node_of(hosts[h], cluster) && g < hosts[h]->host.gpu_count;
             g++) {
            const struct desired_gpu *gpu = &hosts[h]->host.gpus[g];

            if (gpu->is_missing || !text_ieq(gpu->pci_id, model))
                continue;
            if (first)
                common = gpu->partition_count;
            else if (!gpu->partition_count.known || !common.known ||
                     gpu->partition_count.value != common.value)
                common.known = false;
            first = false;
        }
    return common;
}

static void clear_counts(struct gather_host *const *hosts, size_t count,
                         const struct desired_cluster *cluster, const char *model)
{
    for (size_t h = 0; h < count; h++)
        for (size_t g = 0; is_node_of(hosts[h], cluster) && g < hosts[h]->host.gpu_count;
             g++)
            if (text_ieq(hosts[h]->host.gpus[g].pci_id, model))
                hosts[h]->host.gpus[g].partition_count.known = false;
}

/* Each model that VMs of the cluster have, or whose count is the same everywhere. */
static bool name_models(struct gather_host *const *hosts, size_t count,
                        struct desired_cluster *cluster, struct err *err)
{
    for (size_t h = 0; h < count; h++)
        for (size_t g = 0; is_node_of(hosts[h], cluster) && g < hosts[h]->host.gpu_count;
             g++) {
            const struct desired_gpu *gpu = &hosts[h]->host.gpus[g];
            struct desired_gpu *its =
                gpu->pci_id ? gpu_of_model(cluster, gpu->pci_id) : NULL;
            struct known_u64 common;

            if (!gpu->pci_id || gpu->is_missing || (its && !its->is_inline))
                continue;
            common = common_count(hosts, count, cluster, gpu->pci_id);
            if (!its && !common.known)
                continue;
            its = its ? its : add_model(cluster, gpu->pci_id, err);
            if (!its || !name_gpu(cluster, its, gpu->name, err))
                return false;
            its->partition_count = common;
            if (common.known)
                clear_counts(hosts, count, cluster, gpu->pci_id);
        }
    return true;
}

/* ---- all ---- */

static bool gather(struct gather_host *const *hosts, size_t count, struct desired *to,
                   struct err *err)
{
    for (size_t h = 0; h < count; h++) {
        struct desired_cluster *cluster =
            hosts[h]->cluster ? cluster_of(to, hosts[h]->cluster, err) : NULL;

        if (!hosts[h]->cluster)
            continue;
        if (!cluster ||
            !add_text(&cluster->nodes, &cluster->node_count, hosts[h]->host.name, err) ||
            !move_vms(&hosts[h]->host, cluster, err))
            return false;
    }
    for (size_t i = 0; i < to->cluster_count; i++) {
        struct desired_host *wish = &to->clusters[i].wish;

        if (wish->vm_count > 0)
            qsort(wish->vms, wish->vm_count, sizeof(*wish->vms), compare_vms);
        if (!name_models(hosts, count, &to->clusters[i], err))
            return false;
    }
    return true;
}

struct desired *desired_gather(struct gather_host *const *hosts, size_t count,
                               struct err *err)
{
    CLEANUP(desired_cleanup) struct desired *made = calloc(1, sizeof(*made));

    if (made)
        made->hosts = calloc(count + 1, sizeof(*made->hosts));
    if (!made || !made->hosts) {
        err_no_memory(err);
        return NULL;
    }
    if (!gather(hosts, count, made, err))
        return NULL;
    for (; made->host_count < count; made->host_count++) {
        made->hosts[made->host_count] = hosts[made->host_count]->host;
        hosts[made->host_count]->host = (struct desired_host){ 0 };
    }
    return TAKE(made);
}
