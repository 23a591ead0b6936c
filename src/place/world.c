/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds, bins and types of a problem; putting VMs into bins and taking them out. */

#include "world.h"

#include <stdlib.h>
#include <string.h>

enum {
    COUNT_MAX = 1 << 24
}; /* of nodes, of VMs, of partitions of a GPU: indexes fit 32 bits */

bool fits_kind(const struct place_vm *vm, const struct kind *kind)
{
    return (vm->class_id == PLACE_ANY_CLASS || vm->class_id == kind->class_id) &&
           (vm->card == 0 || vm->card == kind->card) && vm->vram_bytes <= kind->bytes;
}

bool may_run_on(const struct place_vm *vm, size_t node)
{
    size_t low = 0, high = vm->node_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (vm->nodes[mid] == node)
            return true;
        if (vm->nodes[mid] < node)
            low = mid + 1;
        else
            high = mid;
    }
    return vm->node_count == 0;
}

bool fits_bin(const struct world *world, uint32_t vm, uint32_t bin)
{
    const struct place_vm *v = &world->problem->vms[vm];
    const struct bin *b = &world->bins[bin];
    uint32_t group = world->group_of[vm];

    return fits_kind(v, &world->kinds[b->kind]) && may_run_on(v, b->node) &&
           (group == NO_VM ||
            world->by_group[group * world->problem->node_count + b->node] == 0);
}

void put_vm(struct world *world, uint32_t vm, uint32_t bin)
{
    struct bin *b = &world->bins[bin];
    struct vm_state *v = &world->vms[vm];
    uint32_t group = world->group_of[vm], head = world->first_vm[b->node];

    v->bin = bin;
    v->prev = NO_VM;
    v->next = head;
    if (head != NO_VM)
        world->vms[head].prev = vm;
    world->first_vm[b->node] = vm;
    b->free--;
    world->kinds[b->kind].free--;
    world->vms_on[b->node]++;
    if (group != NO_VM)
        world->by_group[group * world->problem->node_count + b->node]++;
}

void take_vm(struct world *world, uint32_t vm)
{
    struct vm_state *v = &world->vms[vm];
    struct bin *b = &world->bins[v->bin];
    uint32_t group = world->group_of[vm];

    if (v->prev == NO_VM)
        world->first_vm[b->node] = v->next;
    else
        world->vms[v->prev].next = v->next;
    if (v->next != NO_VM)
        world->vms[v->next].prev = v->prev;
    forget_restart(world, vm);
    v->bin = NO_BIN;
    b->free++;
    world->kinds[b->kind].free++;
    world->vms_on[b->node]--;
    if (group != NO_VM)
        world->by_group[group * world->problem->node_count + b->node]--;
}

/* ---- making it ---- */

static uint32_t find_kind(const struct world *world, const struct place_gpu *gpu)
{
    for (size_t i = 0; i < world->kind_count; i++)
        if (world->kinds[i].class_id == gpu->class_id &&
            world->kinds[i].card == gpu->card &&
            world->kinds[i].bytes == gpu->partition_bytes)
            return (uint32_t)i;
    return NO_BIN;
}

static int by_size(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    if (x->class_id != y->class_id)
        return x->class_id < y->class_id ? -1 : 1;
    return x->card < y->card ? -1 : x->card > y->card;
}

static bool is_usable(const struct place_node *node, const struct place_gpu *gpu)
{
    return !node->is_down && gpu->partitions > 0;
}

static bool make_kinds(struct world *world, size_t gpus, struct err *err)
{
    const struct place_problem *p = world->problem;

    world->kinds = calloc(gpus + 1, sizeof(*world->kinds));
    if (!world->kinds)
        return err_no_memory(err);
    for (size_t n = 0; n < p->node_count; n++)
        for (size_t g = 0; g < p->nodes[n].gpu_count; g++) {
            const struct place_gpu *gpu = &p->nodes[n].gpus[g];

            if (is_usable(&p->nodes[n], gpu) && find_kind(world, gpu) == NO_BIN)
                world->kinds[world->kind_count++] =
                    (struct kind){ gpu->class_id, gpu->card, gpu->partition_bytes, 0 };
        }
    if (world->kind_count > 1)
        qsort(world->kinds, world->kind_count, sizeof(*world->kinds), by_size);
    return true;
}

static unsigned left_of(const struct place_gpu *gpu)
{
    return gpu->taken_by_others < gpu->partitions ? gpu->partitions - gpu->taken_by_others
                                                  : 0;
}

static void add_gpu(struct world *world, size_t n, const struct place_gpu *gpu)
{
    uint32_t kind = find_kind(world, gpu);
    unsigned free = left_of(gpu);
    size_t b = world->first_bin[n];

    while (b < world->bin_count && world->bins[b].kind != kind)
        b++;
    if (b == world->bin_count)
        world->bins[world->bin_count++] = (struct bin){ (uint32_t)n, kind, 0, 0 };
    world->bins[b].slots += free;
    world->bins[b].free += free;
    world->kinds[kind].free += free;
    world->slots_on[n] += free;
}

static bool make_bins(struct world *world, size_t gpus, struct err *err)
{
    const struct place_problem *p = world->problem;

    world->bins = calloc(gpus + 1, sizeof(*world->bins));
    world->first_bin = calloc(p->node_count + 1, sizeof(*world->first_bin));
    world->slots_on = calloc(p->node_count + 1, sizeof(*world->slots_on));
    world->first_gpu = calloc(p->node_count + 1, sizeof(*world->first_gpu));
    world->left = calloc(gpus + 1, sizeof(*world->left));
    if (!world->bins || !world->first_bin || !world->slots_on || !world->first_gpu ||
        !world->left)
        return err_no_memory(err);
    for (size_t n = 0, at = 0; n < p->node_count; n++) {
        world->first_bin[n] = world->bin_count;
        world->first_gpu[n] = at;
        for (size_t g = 0; g < p->nodes[n].gpu_count; g++, at++)
            if (is_usable(&p->nodes[n], &p->nodes[n].gpus[g])) {
                add_gpu(world, n, &p->nodes[n].gpus[g]);
                world->left[at] = left_of(&p->nodes[n].gpus[g]);
            }
    }
    world->first_bin[p->node_count] = world->bin_count;
    return true;
}

uint32_t bin_of_gpu(const struct world *world, size_t node, size_t gpu)
{
    const struct place_node *n = &world->problem->nodes[node];
    uint32_t kind;

    if (!is_usable(n, &n->gpus[gpu]))
        return NO_BIN;
    kind = find_kind(world, &n->gpus[gpu]);
    for (size_t b = world->first_bin[node]; b < world->first_bin[node + 1]; b++)
        if (world->bins[b].kind == kind)
            return (uint32_t)b;
    return NO_BIN;
}

/* ---- VMs ---- */

struct sorting {
    uint32_t vm;
    const struct place_vm *is;
};

static int compare_nodes(const struct place_vm *x, const struct place_vm *y)
{
    if (x->node_count != y->node_count)
        return x->node_count < y->node_count ? -1 : 1;
    for (size_t i = 0; x->nodes != y->nodes && i < x->node_count; i++)
        if (x->nodes[i] != y->nodes[i])
            return x->nodes[i] < y->nodes[i] ? -1 : 1;
    return 0;
}

static int by_type(const void *a, const void *b)
{
    const struct place_vm *x = ((const struct sorting *)a)->is;
    const struct place_vm *y = ((const struct sorting *)b)->is;

    if (x->vram_bytes != y->vram_bytes)
        return x->vram_bytes < y->vram_bytes ? -1 : 1;
    if (x->class_id != y->class_id)
        return x->class_id < y->class_id ? -1 : 1;
    if (x->card != y->card)
        return x->card < y->card ? -1 : 1;
    if (x->stays_down != y->stays_down)
        return x->stays_down ? 1 : -1;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return compare_nodes(x, y);
}

static int by_group(const void *a, const void *b)
{
    const struct place_vm *x = ((const struct sorting *)a)->is;
    const struct place_vm *y = ((const struct sorting *)b)->is;

    return x->group < y->group ? -1 : x->group > y->group;
}

static bool number_vms(struct world *world, struct err *err)
{
    const struct place_problem *p = world->problem;
    struct sorting *order = calloc(p->vm_count + 1, sizeof(*order));

    if (!order)
        return err_no_memory(err);
    for (size_t i = 0; i < p->vm_count; i++)
        order[i] = (struct sorting){ (uint32_t)i, &p->vms[i] };
    qsort(order, p->vm_count, sizeof(*order), by_type);
    for (size_t i = 0; i < p->vm_count; i++) {
        world->type_count += i == 0 || by_type(&order[i - 1], &order[i]) != 0;
        world->vms[order[i].vm].type = (uint32_t)world->type_count - 1;
    }
    qsort(order, p->vm_count, sizeof(*order), by_group);
    for (size_t i = 0; i < p->vm_count; i++) {
        uint32_t *group = &world->group_of[order[i].vm];

        *group = NO_VM;
        if (order[i].is->group == 0)
            continue;
        world->group_count += i == 0 || order[i - 1].is->group != order[i].is->group;
        *group = (uint32_t)world->group_count - 1;
    }
    free(order);
    return true;
}

static bool make_vms(struct world *world, struct err *err)
{
    const struct place_problem *p = world->problem;

    world->vms = calloc(p->vm_count + 1, sizeof(*world->vms));
    world->group_of = calloc(p->vm_count + 1, sizeof(*world->group_of));
    world->first_vm = calloc(p->node_count + 1, sizeof(*world->first_vm));
    world->vms_on = calloc(p->node_count + 1, sizeof(*world->vms_on));
    world->first_restart = calloc(world->bin_count + 1, sizeof(*world->first_restart));
    if (!world->vms || !world->group_of || !world->first_vm || !world->vms_on ||
        !world->first_restart)
        return err_no_memory(err);
    for (size_t n = 0; n < p->node_count; n++)
        world->first_vm[n] = NO_VM;
    for (size_t b = 0; b < world->bin_count; b++)
        world->first_restart[b] = NO_VM;
    for (size_t i = 0; i < p->vm_count; i++)
        world->vms[i].bin = world->vms[i].restart = NO_BIN;
    if (!number_vms(world, err))
        return false;
    world->by_group =
        calloc(p->node_count * world->group_count + 1, sizeof(*world->by_group));
    return world->by_group || err_no_memory(err);
}

/* ---- what makes no sense ---- */

static bool check_vm(const struct place_problem *p, size_t i, struct err *err)
{
    const struct place_vm *vm = &p->vms[i];

    for (size_t k = 0; k < vm->node_count; k++)
        if (vm->nodes[k] >= p->node_count || (k > 0 && vm->nodes[k] <= vm->nodes[k - 1]))
            return err_fail(err, ERR_INVALID, 0,
                            "VM %zu may run on nodes that are not in ascending order", i);
    if (vm->node != PLACE_NOWHERE &&
        (vm->node >= p->node_count || vm->gpu >= p->nodes[vm->node].gpu_count))
        return err_fail(err, ERR_INVALID, 0, "VM %zu is on a GPU that is not there", i);
    return true;
}

static bool check_problem(const struct place_problem *p, size_t *ret_gpus, struct err *err)
{
    size_t gpus = 0;

    for (size_t n = 0; n < p->node_count; n++) {
        gpus += p->nodes[n].gpu_count;
        for (size_t g = 0; g < p->nodes[n].gpu_count; g++)
            if (p->nodes[n].gpus[g].partitions > COUNT_MAX)
                return err_fail(err, ERR_INVALID, 0,
                                "GPU %zu of node %zu has %u partitions", g, n,
                                p->nodes[n].gpus[g].partitions);
    }
    if (p->node_count > COUNT_MAX || p->vm_count > COUNT_MAX || gpus > COUNT_MAX)
        return err_fail(err, ERR_INVALID, 0, "too many nodes, GPUs or VMs to place");
    for (size_t i = 0; i < p->vm_count; i++)
        if (!check_vm(p, i, err))
            return false;
    *ret_gpus = gpus;
    return true;
}

bool world_make(const struct place_problem *problem, struct world *ret, struct err *err)
{
    size_t gpus = 0;

    *ret = (struct world){ .problem = problem };
    if (check_problem(problem, &gpus, err) && make_kinds(ret, gpus, err) &&
        make_bins(ret, gpus, err) && make_vms(ret, err) && matching_make(ret, err))
        return true;
    world_clear(ret);
    return false;
}

void world_clear(struct world *world)
{
    free(world->kinds);
    free(world->bins);
    free(world->first_bin);
    free(world->first_gpu);
    free(world->left);
    free(world->vms);
    free(world->first_vm);
    free(world->vms_on);
    free(world->slots_on);
    free(world->first_restart);
    free(world->by_group);
    free(world->group_of);
    matching_free(world->matching);
    *world = (struct world){ 0 };
}
