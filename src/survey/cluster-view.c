/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cluster looked at: the rules asked for it, each of its nodes, each VM with a GPU. */

#include "cluster-view.h"

#include <stdlib.h>

#include "err.h"
#include "survey.h"
#include "text.h"

const struct hv_host *cluster_host_of(const struct cluster_view *view,
                                      const struct hv_node *node)
{
    for (size_t i = 0; node && i < view->host_count; i++)
        if (hv_same_node(view->hosts[i]->computer_name, node->name))
            return view->hosts[i];
    return NULL;
}

bool gpu_has_hardware_partitions(const struct hv_gpu *gpu)
{
    return gpu->interface_path && !gpu_interface_is_paravirtual(gpu->interface_path);
}

static bool judge_nodes(const struct cluster_view *view, struct findings *to,
                        struct err *err)
{
    for (size_t i = 0; i < view->cluster->node_count; i++) {
        const struct hv_node *node = &view->cluster->nodes[i];
        const struct survey_facts facts = { .use = GPU_MODE_P,
                                            .cluster = view,
                                            .node = node,
                                            .host = cluster_host_of(view, node) };

        if (!survey_judge(&facts, ABOUT_NODE, false, to, err))
            return false;
    }
    return true;
}

static bool judge_vms(const struct cluster_view *view, struct findings *to, struct err *err)
{
    for (size_t h = 0; h < view->host_count; h++)
        for (size_t v = 0; v < view->hosts[h]->vm_count; v++) {
            const struct hv_vm *vm = &view->hosts[h]->vms[v];
            const struct survey_facts facts = { .use = GPU_MODE_P,
                                                .cluster = view,
                                                .host = view->hosts[h],
                                                .vm = vm,
                                                .role =
                                                    hv_find_role(view->cluster, vm->id) };

            if (vm->adapter_count + vm->device_count > 0 &&
                !survey_judge(&facts, ABOUT_ROLE, false, to, err))
                return false;
        }
    return true;
}

bool survey_cluster(const struct hv_cluster *cluster, const struct hv_host *const *hosts,
                    size_t host_count, struct findings *to, struct err *err)
{
    struct cluster_view view = { .cluster = cluster,
                                 .hosts = hosts,
                                 .host_count = host_count };
    const struct survey_facts facts = { .use = GPU_MODE_P, .cluster = &view };
    bool ok = cluster_find_stranded(&view, err) &&
              survey_judge(&facts, ABOUT_CLUSTER, false, to, err) &&
              judge_nodes(&view, to, err) && judge_vms(&view, to, err);

    free(view.stranded);
    return ok;
}
