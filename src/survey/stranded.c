/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VMs do not come up when a node fails: the cluster in the numbers of src/place.
 *
 * An adapter that names its GPU goes only where that path is; so the path is what GPUs are told
 * apart by here, and an adapter without one takes any.
 */

#include <stdlib.h>

#include "cluster-view.h"
#include "err.h"
#include "place.h"
#include "survey.h"
#include "text.h"

/* The same things as in the problem, by the same numbers. */
struct world {
    const struct cluster_view *view;
    struct place_node *nodes; /* one per host */
    struct place_gpu *gpus;   /* of all hosts, one after the other */
    const struct hv_gpu **hardware;
    size_t gpu_count;
    struct place_vm *vms;
    const struct hv_vm **names;
    size_t vm_count;
};

static void world_clear(struct world *w)
{
    free(w->nodes);
    free(w->gpus);
    free(w->hardware);
    free(w->vms);
    free(w->names);
}

/* The number of the first GPU by that path, anywhere: the same on each node. */
static uint32_t class_of(const struct world *w, const char *path)
{
    for (size_t i = 0; i < w->gpu_count; i++)
        if (text_ieq(w->hardware[i]->interface_path, path))
            return (uint32_t)i;
    return PLACE_ANY_CLASS - 1; /* nowhere */
}

static void add_gpus(struct world *w)
{
    for (size_t h = 0; h < w->view->host_count; h++) {
        const struct hv_host *host = w->view->hosts[h];

        w->nodes[h].gpus = &w->gpus[w->gpu_count];
        for (size_t g = 0; g < host->gpu_count; g++) {
            const struct hv_gpu *gpu = &host->gpus[g];
            const struct hv_amount *vram = &gpu->amounts[QUOTA_VRAM];

            if (!gpu_has_hardware_partitions(gpu))
                continue;
            w->hardware[w->gpu_count] = gpu;
            w->gpus[w->gpu_count] = (struct place_gpu){
                .partition_bytes = vram->max.known ? vram->max.value : 0,
                .partitions =
                    gpu->partition_count.known && gpu->partition_count.value <= UINT16_MAX
                        ? (unsigned)gpu->partition_count.value
                        : 0,
            };
            w->gpu_count++;
            w->nodes[h].gpu_count++;
        }
    }
    for (size_t i = 0; i < w->gpu_count; i++)
        w->gpus[i].class_id = class_of(w, w->hardware[i]->interface_path);
}

/* The adapter for a hardware partition that a VM needs again elsewhere; NULL: none. */
static const struct hv_adapter *needs_partition(const struct hv_host *host,
                                                const struct hv_vm *vm)
{
    for (size_t i = 0; i < vm->adapter_count; i++) {
        const struct hv_gpu *gpu = hv_adapter_gpu(host, &vm->adapters[i]);

        if (!gpu || gpu_has_hardware_partitions(gpu))
            return &vm->adapters[i];
    }
    return NULL;
}

/* Which GPU of its node it is on, or might be: PLACE_NOWHERE where the node has none. */
static size_t gpu_number(const struct world *w, size_t h, const struct hv_adapter *adapter)
{
    const struct hv_gpu *gpu = hv_adapter_gpu(w->view->hosts[h], adapter);
    size_t first = (size_t)(w->nodes[h].gpus - w->gpus);

    for (size_t g = 0; g < w->nodes[h].gpu_count; g++)
        if (!gpu || w->hardware[first + g] == gpu)
            return g;
    return PLACE_NOWHERE;
}

static void add_vm(struct world *w, size_t h, const struct hv_vm *vm,
                   const struct hv_adapter *adapter)
{
    size_t gpu = gpu_number(w, h, adapter);
    const struct known_u64 *least = &adapter->quota[QUOTA_VRAM].min;

    if (gpu == PLACE_NOWHERE)
        return;
    /* One that is no role stays where it is, and takes its place there. */
    if (!hv_find_role(w->view->cluster, vm->id)) {
        w->gpus[(size_t)(w->nodes[h].gpus - w->gpus) + gpu].taken_by_others++;
        return;
    }
    w->names[w->vm_count] = vm;
    w->vms[w->vm_count++] = (struct place_vm){
        .vram_bytes = least->known ? least->value : 0,
        .class_id = adapter->interface_path ? class_of(w, adapter->interface_path)
                                            : PLACE_ANY_CLASS,
        .node = h,
        .gpu = gpu,
    };
}

static void add_vms(struct world *w)
{
    for (size_t h = 0; h < w->view->host_count; h++) {
        const struct hv_host *host = w->view->hosts[h];

        for (size_t v = 0; v < host->vm_count; v++) {
            const struct hv_vm *vm = &host->vms[v];
            const struct hv_adapter *adapter = needs_partition(host, vm);

            if (adapter && vm->state == VM_RUNNING)
                add_vm(w, h, vm, adapter);
        }
    }
}

static bool make_world(struct world *w, const struct cluster_view *view, struct err *err)
{
    size_t gpus = 0, vms = 0;

    for (size_t h = 0; h < view->host_count; h++) {
        gpus += view->hosts[h]->gpu_count;
        vms += view->hosts[h]->vm_count;
    }
    *w = (struct world){
        .view = view,
        .nodes = calloc(view->host_count + 1, sizeof(*w->nodes)),
        .gpus = calloc(gpus + 1, sizeof(*w->gpus)),
        .hardware = calloc(gpus + 1, sizeof(struct hv_gpu *)),
        .vms = calloc(vms + 1, sizeof(*w->vms)),
        .names = calloc(vms + 1, sizeof(struct hv_vm *)),
    };
    if (!w->nodes || !w->gpus || !w->hardware || !w->vms || !w->names)
        return err_no_memory(err);
    add_gpus(w);
    add_vms(w);
    return true;
}

bool cluster_find_stranded(struct cluster_view *view, struct err *err)
{
    struct place_loss *losses = NULL;
    struct place_problem problem;
    size_t count = 0;
    struct world w;
    bool ok = make_world(&w, view, err);

    problem = (struct place_problem){ .nodes = w.nodes,
                                      .node_count = view->host_count,
                                      .vms = w.vms,
                                      .vm_count = w.vm_count };
    ok = ok && place_check(&problem, &losses, &count, err);
    if (ok) {
        view->stranded = calloc(count + 1, sizeof(*view->stranded));
        ok = view->stranded || err_no_memory(err);
    }
    for (size_t i = 0; ok && i < count; i++)
        view->stranded[view->stranded_count++] =
            (struct cluster_stranded){ .vm = w.names[losses[i].vm],
                                       .host = view->hosts[losses[i].node] };
    free(losses);
    world_clear(&w);
    return ok;
}
