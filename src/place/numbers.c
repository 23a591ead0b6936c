/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A proof by numbers that nothing can be safe.
 *
 * If the VMs do not all fit without node n, even if all of them could be put anywhere anew, then
 * no placement survives the failure of n.  VMs are told apart by the kinds they fit only, and
 * restrictions to nodes are forgotten, so this never denies what is possible.
 */

#include "world.h"

#include <stdlib.h>
#include <string.h>

struct demand {
    uint32_t class_id, card;
    uint64_t bytes; /* of the smallest kind that fits */
    uint64_t count;
    uint64_t down; /* of these, not started again when the node at hand fails */
};

/* A VM that is not started again when its node fails. */
struct down {
    size_t demand;
    size_t node; /* PLACE_NOWHERE: not known beforehand */
};

struct numbers {
    const struct world *world;
    struct demand *demands;
    size_t demand_count;
    struct down *downs;
    size_t down_count;
    uint64_t *given; /* [demand * kind_count + kind] */
    uint64_t *left;  /* per kind */
    bool *seen;      /* per kind */
};

static bool demand_fits(const struct demand *d, const struct kind *kind)
{
    const struct place_vm vm = { .vram_bytes = d->bytes,
                                 .class_id = d->class_id,
                                 .card = d->card };

    return fits_kind(&vm, kind);
}

/* One more slot for demand @d, moving what others got. */
static uint64_t push(struct numbers *n, size_t d, uint64_t wanted)
{
    size_t kinds = n->world->kind_count;

    for (size_t k = 0; k < kinds; k++) {
        uint64_t got;

        if (n->seen[k] || !demand_fits(&n->demands[d], &n->world->kinds[k]))
            continue;
        n->seen[k] = true;
        got = wanted < n->left[k] ? wanted : n->left[k];
        if (got > 0) {
            n->left[k] -= got;
            n->given[d * kinds + k] += got;
            return got;
        }
        for (size_t other = 0; other < n->demand_count; other++) {
            uint64_t has = n->given[other * kinds + k];

            if (other == d || has == 0)
                continue;
            got = push(n, other, has < wanted ? has : wanted);
            if (got == 0)
                continue;
            n->given[other * kinds + k] -= got;
            n->given[d * kinds + k] += got;
            return got;
        }
    }
    return 0;
}

/* One that could be on the node that fails wants nothing then, for all that is known. */
static void count_down(struct numbers *n, size_t without)
{
    for (size_t d = 0; d < n->demand_count; d++)
        n->demands[d].down = 0;
    for (size_t i = 0; without != PLACE_NOWHERE && i < n->down_count; i++)
        n->demands[n->downs[i].demand].down +=
            n->downs[i].node == without || n->downs[i].node == PLACE_NOWHERE;
}

/* @without: PLACE_NOWHERE: no node fails. */
static bool numbers_fit(struct numbers *n, size_t without)
{
    const struct world *w = n->world;

    count_down(n, without);
    memset(n->given, 0, n->demand_count * w->kind_count * sizeof(*n->given));
    memset(n->left, 0, w->kind_count * sizeof(*n->left));
    for (size_t b = 0; b < w->bin_count; b++)
        if (w->bins[b].node != without)
            n->left[w->bins[b].kind] += w->bins[b].slots;
    for (size_t d = 0; d < n->demand_count; d++)
        for (uint64_t left = n->demands[d].count - n->demands[d].down; left > 0;) {
            uint64_t got;

            memset(n->seen, 0, w->kind_count * sizeof(*n->seen));
            got = push(n, d, left);
            if (got == 0)
                return false;
            left -= got;
        }
    return true;
}

/* The smallest kind that fits it stands for its size.  @node: where it is; PLACE_NOWHERE: not
 * known. */
static bool add_demand(struct numbers *n, const struct place_vm *vm, size_t node)
{
    const struct world *w = n->world;
    size_t k = 0, d = 0;

    while (k < w->kind_count && !fits_kind(vm, &w->kinds[k]))
        k++;
    if (k == w->kind_count)
        return false;
    while (d < n->demand_count &&
           (n->demands[d].class_id != vm->class_id || n->demands[d].card != vm->card ||
            n->demands[d].bytes != w->kinds[k].bytes))
        d++;
    if (d == n->demand_count)
        n->demands[n->demand_count++] =
            (struct demand){ vm->class_id, vm->card, w->kinds[k].bytes, 0, 0 };
    n->demands[d].count++;
    if (vm->stays_down)
        n->downs[n->down_count++] =
            (struct down){ d, node == PLACE_NOWHERE && vm->node_count == 1 ? vm->nodes[0]
                                                                           : node };
    return true;
}

static bool same_slots(const struct world *w, size_t a, size_t b)
{
    size_t count = w->first_bin[a + 1] - w->first_bin[a];

    if (w->first_bin[b + 1] - w->first_bin[b] != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct bin *x = &w->bins[w->first_bin[a] + i];
        const struct bin *y = &w->bins[w->first_bin[b] + i];

        if (x->kind != y->kind || x->slots != y->slots)
            return false;
    }
    return true;
}

/* Whether there are @needed nodes, besides @other, that it could be on. */
static bool has_nodes(const struct world *w, const struct place_vm *vm, size_t needed,
                      size_t other)
{
    size_t found = 0, last = PLACE_NOWHERE;

    for (size_t b = 0; b < w->bin_count && found < needed; b++) {
        const struct bin *bin = &w->bins[b];

        if (bin->slots == 0 || bin->node == last || bin->node == other ||
            !may_run_on(vm, bin->node) || !fits_kind(vm, &w->kinds[bin->kind]))
            continue;
        last = bin->node;
        found++;
    }
    return found >= needed;
}

static bool count_all(struct numbers *n)
{
    const struct place_problem *p = n->world->problem;

    for (size_t i = 0; i < p->vm_count; i++) {
        const struct place_vm *vm = &p->vms[i];
        uint32_t bin = n->world->vms[i].bin;

        if (!n->world->vms[i].is_fixed) {
            if (!has_nodes(n->world, vm, p->without_failures || vm->stays_down ? 1 : 2,
                           PLACE_NOWHERE) ||
                !add_demand(n, vm, PLACE_NOWHERE))
                return false;
        } else if (bin != NO_BIN) {
            if (!p->without_failures && !vm->stays_down &&
                !has_nodes(n->world, vm, 1, n->world->bins[bin].node))
                return false;
            /* One that stays where it does not fit takes no slot that others want. */
            if (fits_kind(vm, &n->world->kinds[n->world->bins[bin].kind]) &&
                !add_demand(n, vm, n->world->bins[bin].node))
                return false;
        }
    }
    if (!numbers_fit(n, PLACE_NOWHERE))
        return false;
    for (size_t i = 0; !p->without_failures && i < p->node_count; i++) {
        bool known = i > 0 && n->down_count == 0 && same_slots(n->world, i, i - 1);

        if (!known && !numbers_fit(n, i))
            return false;
    }
    return true;
}

bool numbers_allow(const struct world *world, bool *ret, struct err *err)
{
    size_t kinds = world->kind_count + 1, room = world->problem->vm_count;
    struct numbers n = { .world = world };
    bool ok;

    /* Each demand is a class that was asked for and a kind's size. */
    if (room > world->type_count)
        room = world->type_count;
    n.demands = calloc(room + 1, sizeof(*n.demands));
    n.downs = calloc(world->problem->vm_count + 1, sizeof(*n.downs));
    n.given = calloc((room + 1) * kinds, sizeof(*n.given));
    n.left = calloc(kinds, sizeof(*n.left));
    n.seen = calloc(kinds, sizeof(*n.seen));
    ok = (n.demands && n.downs && n.given && n.left && n.seen) || err_no_memory(err);
    if (ok)
        *ret = count_all(&n);
    free(n.demands);
    free(n.downs);
    free(n.given);
    free(n.left);
    free(n.seen);
    return ok;
}
