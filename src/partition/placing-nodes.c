/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How well each host would do for one VM: it is tried there, and what a failure does is counted. */

#include "placing.h"

#include <stdlib.h>

#include "err.h"

/* A VM that is no role is started where it is; others go where the search may put them. */
static bool may_be_on(const struct placing *p, size_t vm, size_t node)
{
    const struct place_vm *its = &p->vms[vm];

    if (!p->hosts[node])
        return false;
    if (!p->guests[vm].role)
        return node == p->guests[vm].host;
    for (size_t i = 0; i < its->node_count; i++)
        if (its->nodes[i] == node)
            return true;
    return its->node_count == 0;
}

static bool fits(const struct place_vm *vm, const struct place_gpu *gpu)
{
    return vm->vram_bytes <= gpu->partition_bytes &&
           (vm->class_id == PLACE_ANY_CLASS || vm->class_id == gpu->class_id);
}

static bool count_losses(const struct placing *p, size_t *ret, struct err *err)
{
    struct place_problem problem = placing_problem(p);
    struct place_loss *losses = NULL;
    bool ok = place_check(&problem, &losses, ret, err);

    free(losses);
    return ok;
}

/* One GPU of a host. */
static bool rate(struct placing *p, size_t vm, struct place_spot spot, size_t before,
                 struct placing_rating *ret, struct err *err)
{
    const struct place_gpu *gpu = &p->place_gpus[spot.node][spot.gpu];
    unsigned used = gpu->taken_by_others + placing_used(p, spot.node, spot.gpu);
    enum node_fit fit = NODE_FULL;
    size_t losses = 0;

    if (gpu->partitions > 0 &&
        (!ret->largest_known || gpu->partition_bytes > ret->largest)) {
        ret->largest_known = gpu->partition_bytes > 0;
        ret->largest = gpu->partition_bytes;
    }
    if (!fits(&p->vms[vm], gpu))
        return true;
    if (used < gpu->partitions) {
        struct place_vm *its = &p->vms[vm];
        const struct place_vm was = *its;

        its->node = spot.node;
        its->gpu = spot.gpu;
        if ((p->guests[vm].role && placing_pins(p, spot) &&
             !placing_number_card(p, spot, &its->card, err)) ||
            !count_losses(p, &losses, err))
            return false;
        *its = was;
        fit = losses > before ? NODE_UNSAFE : NODE_SAFE;
        ret->left += gpu->partitions - used;
    }
    if (fit > ret->fit)
        ret->fit = fit;
    return true;
}

bool placing_rate_nodes(struct placing *p, size_t at, const struct hv_vm *vm,
                        const struct placing_wish *wish, struct placing_rating *ret,
                        struct err *err)
{
    size_t before = 0, number = p->vm_count;

    if (!count_losses(p, &before, err) || !placing_want(p, at, vm, wish, err))
        return false;
    if (p->vm_count == number)
        return err_fail(err, ERR_INVALID, 0, "the VM has a partition");
    for (size_t n = 0; n < p->host_count; n++) {
        ret[n] = (struct placing_rating){ .fit = NODE_MAY_NOT };
        if (!may_be_on(p, number, n))
            continue;
        ret[n].fit = NODE_TOO_SMALL;
        for (size_t i = 0; i < p->vms[number].liked_count; i++)
            ret[n].is_liked |= p->vms[number].liked[i] == n;
        for (size_t g = 0; g < p->nodes[n].gpu_count; g++)
            if (!rate(p, number, (struct place_spot){ n, g }, before, &ret[n], err))
                return false;
    }
    return true;
}
