/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Desired state as data: names, and letting go. */

#include "desired.h"

#include "text.h"

const char *desired_mode_name(unsigned mode)
{
    return mode == GPU_MODE_PV    ? "gpu-pv"
           : mode == GPU_MODE_P   ? "gpu-p"
           : mode == GPU_MODE_DDA ? "dda"
                                  : NULL;
}

const struct desired_host *desired_find_host(const struct desired *desired,
                                             const char *name)
{
    for (size_t i = 0; i < desired->host_count; i++)
        if (text_ieq(desired->hosts[i].name, name))
            return &desired->hosts[i];
    return NULL;
}

void desired_host_clear(struct desired_host *host)
{
    for (size_t i = 0; i < host->gpu_count; i++) {
        struct desired_gpu *gpu = &host->gpus[i];

        free(gpu->alias);
        free(gpu->instance_id);
        free(gpu->location_path);
        free(gpu->pci_id);
        free(gpu->name);
    }
    for (size_t i = 0; i < host->vm_count; i++) {
        free(host->vms[i].name);
        free(host->vms[i].uses);
        free(host->vms[i].comment);
        free(host->vms[i].elsewhere);
    }
    free(host->name);
    free(host->gpus);
    free(host->vms);
    free(host->comment);
    *host = (struct desired_host){ 0 };
}

void desired_cluster_clear(struct desired_cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        free(cluster->nodes[i]);
    free(cluster->nodes);
    desired_host_clear(&cluster->wish);
    *cluster = (struct desired_cluster){ .nodes = NULL };
}

void desired_free(struct desired *desired)
{
    if (!desired)
        return;
    for (size_t i = 0; i < desired->host_count; i++)
        desired_host_clear(&desired->hosts[i]);
    free(desired->hosts);
    for (size_t i = 0; i < desired->cluster_count; i++)
        desired_cluster_clear(&desired->clusters[i]);
    free(desired->clusters);
    free(desired);
}
