/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the failure of a node does: its VMs are matched to what the other nodes have free.
 *
 * A matching that was found is remembered: each VM has a bin in which it would start.  It stays
 * good until the node gets another VM or a bin has fewer free slots than VMs of one node want, so
 * that few nodes are matched anew when one VM is placed.
 *
 * Free slots of one kind that no VM of the node is particular about count as one place, so that
 * the size of a matching is that of the node, not of the cluster.  Matching is by augmenting
 * paths, VM after VM: those that come first in the problem are never given up for later ones,
 * and as few as can be find nothing.
 */

#include "world.h"

#include <stdlib.h>
#include <string.h>

/* Free slots that VMs of the failed node may start in. */
struct place {
    uint32_t node; /* NO_BIN: wherever, but where VMs that are particular may go */
    uint32_t kind;
    uint64_t free;
    uint32_t bin;   /* of a place with a node */
    uint32_t first; /* VM that got one, NO_VM: none */
    uint64_t visited;
};

struct matching {
    uint32_t *vms;  /* of the node, by index */
    uint32_t *next; /* per VM: another with a slot of the same place */
    struct place *places;
    size_t place_count, place_room;
    uint32_t *place_of_bin; /* or NO_BIN */
    uint32_t
        *bins_of_kind; /* kind after kind; [first_of_kind[k]] to [first_of_kind[k + 1]] */
    size_t *first_of_kind, *cursor;
    unsigned *wanted; /* per node, 0 between calls */
    uint32_t *again;  /* nodes to match anew */
    uint64_t visit;
};

bool matching_make(struct world *world, struct err *err)
{
    struct matching *m = calloc(1, sizeof(*m));
    size_t vms = world->problem->vm_count;

    if (!m)
        return err_no_memory(err);
    world->matching = m;
    m->place_room = world->kind_count + world->bin_count;
    m->vms = calloc(vms + 1, sizeof(*m->vms));
    m->next = calloc(vms + 1, sizeof(*m->next));
    m->places = calloc(m->place_room + 1, sizeof(*m->places));
    m->place_of_bin = calloc(world->bin_count + 1, sizeof(*m->place_of_bin));
    m->bins_of_kind = calloc(world->bin_count + 1, sizeof(*m->bins_of_kind));
    m->first_of_kind = calloc(world->kind_count + 2, sizeof(*m->first_of_kind));
    m->cursor = calloc(world->kind_count + 1, sizeof(*m->cursor));
    m->wanted = calloc(world->problem->node_count + 1, sizeof(*m->wanted));
    m->again = calloc(world->problem->node_count + 1, sizeof(*m->again));
    if (!m->vms || !m->next || !m->places || !m->place_of_bin || !m->bins_of_kind ||
        !m->first_of_kind || !m->cursor || !m->wanted || !m->again)
        return err_no_memory(err);
    for (size_t b = 0; b < world->bin_count; b++)
        m->place_of_bin[b] = NO_BIN;
    for (size_t k = 0, count = 0; k < world->kind_count; k++) {
        m->first_of_kind[k] = m->cursor[k] = count;
        for (size_t b = 0; b < world->bin_count; b++)
            if (world->bins[b].kind == k)
                m->bins_of_kind[count++] = (uint32_t)b;
        m->first_of_kind[k + 1] = count;
    }
    return true;
}

void matching_free(struct matching *matching)
{
    if (!matching)
        return;
    free(matching->vms);
    free(matching->next);
    free(matching->places);
    free(matching->place_of_bin);
    free(matching->bins_of_kind);
    free(matching->first_of_kind);
    free(matching->cursor);
    free(matching->wanted);
    free(matching->again);
    free(matching);
}

/* ---- places ---- */

static void add_bins_of(struct world *world, const struct place_vm *vm, uint32_t failed)
{
    struct matching *m = world->matching;

    for (size_t i = 0; i < vm->node_count; i++) {
        size_t n = vm->nodes[i];

        for (size_t b = world->first_bin[n]; n != failed && b < world->first_bin[n + 1];
             b++) {
            const struct bin *bin = &world->bins[b];

            if (bin->free == 0 || m->place_of_bin[b] != NO_BIN ||
                !fits_kind(vm, &world->kinds[bin->kind]))
                continue;
            m->places[bin->kind].free -= bin->free;
            m->place_of_bin[b] = (uint32_t)m->place_count;
            m->places[m->place_count++] =
                (struct place){ bin->node, bin->kind, bin->free, (uint32_t)b, NO_VM, 0 };
        }
    }
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* The first places are the kinds, the others bins that some VM of the node is particular to. */
static size_t gather(struct world *world, uint32_t node)
{
    struct matching *m = world->matching;
    size_t count = 0;

    m->place_count = world->kind_count;
    for (size_t k = 0; k < world->kind_count; k++)
        m->places[k] =
            (struct place){ NO_BIN, (uint32_t)k, world->kinds[k].free, NO_BIN, NO_VM, 0 };
    for (size_t b = world->first_bin[node]; b < world->first_bin[node + 1]; b++)
        m->places[world->bins[b].kind].free -= world->bins[b].free;
    for (uint32_t v = world->first_vm[node]; v != NO_VM; v = world->vms[v].next) {
        if (world->problem->vms[v].stays_down)
            continue;
        m->vms[count++] = v;
        if (world->problem->vms[v].node_count > 0)
            add_bins_of(world, &world->problem->vms[v], node);
    }
    qsort(m->vms, count, sizeof(*m->vms), by_index);
    return count;
}

static void forget_bins(struct world *world)
{
    struct matching *m = world->matching;

    for (size_t i = world->kind_count; i < m->place_count; i++)
        m->place_of_bin[m->places[i].bin] = NO_BIN;
}

static bool can_start(const struct world *world, const struct place_vm *vm,
                      const struct place *place)
{
    if (!fits_kind(vm, &world->kinds[place->kind]))
        return false;
    return place->node == NO_BIN ? vm->node_count == 0 : may_run_on(vm, place->node);
}

/* ---- matching ---- */

static void give(struct matching *m, struct place *place, uint32_t vm)
{
    m->next[vm] = place->first;
    place->first = vm;
}

static void take_back(struct matching *m, struct place *place, uint32_t vm)
{
    uint32_t *at = &place->first;

    while (*at != vm)
        at = &m->next[*at];
    *at = m->next[vm];
}

/* A slot for @vm, moving others that got one if need be.  As deep as there are places. */
static bool find_slot(struct world *world, uint32_t vm)
{
    struct matching *m = world->matching;
    const struct place_vm *is = &world->problem->vms[vm];

    for (size_t i = 0; i < m->place_count; i++) {
        struct place *place = &m->places[i];

        if (place->free == 0 || !can_start(world, is, place))
            continue;
        place->free--;
        give(m, place, vm);
        return true;
    }
    for (size_t i = 0; i < m->place_count; i++) {
        struct place *place = &m->places[i];

        if (place->visited == m->visit || !can_start(world, is, place))
            continue;
        place->visited = m->visit;
        for (uint32_t other = place->first, next; other != NO_VM; other = next) {
            next = m->next[other];
            take_back(m, place, other);
            if (find_slot(world, other)) {
                give(m, place, vm);
                return true;
            }
            give(m, place, other);
        }
    }
    return false;
}

/* ---- what was found is remembered ---- */

void forget_restart(struct world *world, uint32_t vm)
{
    struct vm_state *v = &world->vms[vm];

    if (v->restart == NO_BIN)
        return;
    if (v->restart_prev == NO_VM)
        world->first_restart[v->restart] = v->restart_next;
    else
        world->vms[v->restart_prev].restart_next = v->restart_next;
    if (v->restart_next != NO_VM)
        world->vms[v->restart_next].restart_prev = v->restart_prev;
    v->restart = NO_BIN;
}

static void keep_restart(struct world *world, uint32_t vm, uint32_t bin)
{
    struct vm_state *v = &world->vms[vm];
    uint32_t head;

    forget_restart(world, vm);
    head = world->first_restart[bin];
    v->restart = bin;
    v->restart_prev = NO_VM;
    v->restart_next = head;
    if (head != NO_VM)
        world->vms[head].restart_prev = vm;
    world->first_restart[bin] = vm;
}

/* The VMs that got a slot of a kind wherever it is: bins of it, each time others first, so that
 * not all nodes hope for the same. */
static void spread(struct world *world, const struct place *place, uint32_t failed)
{
    struct matching *m = world->matching;
    size_t first = m->first_of_kind[place->kind];
    size_t count = m->first_of_kind[place->kind + 1] - first;
    uint32_t vm = place->first;

    for (size_t i = 0; i < count && vm != NO_VM; i++) {
        size_t at = first + (m->cursor[place->kind] - first + i) % count;
        const struct bin *bin = &world->bins[m->bins_of_kind[at]];

        if (bin->node == failed || m->place_of_bin[m->bins_of_kind[at]] != NO_BIN)
            continue;
        for (unsigned n = 0; n < bin->free && vm != NO_VM; n++) {
            keep_restart(world, vm, m->bins_of_kind[at]);
            vm = m->next[vm];
        }
    }
    if (count > 0)
        m->cursor[place->kind] = first + (m->cursor[place->kind] - first + 1) % count;
}

static void keep_restarts(struct world *world, uint32_t failed)
{
    const struct matching *m = world->matching;

    for (size_t i = 0; i < m->place_count; i++) {
        const struct place *place = &m->places[i];

        if (place->node == NO_BIN)
            spread(world, place, failed);
        else
            for (uint32_t vm = place->first; vm != NO_VM; vm = m->next[vm])
                keep_restart(world, vm, place->bin);
    }
}

size_t losses_of_node(struct world *world, uint32_t node, uint32_t *lost)
{
    struct matching *m = world->matching;
    size_t count, found = 0;

    if (world->vms_on[node] == 0 || world->problem->without_failures)
        return 0;
    count = gather(world, node);
    for (size_t i = 0; i < count; i++) {
        m->visit++;
        if (find_slot(world, m->vms[i]))
            continue;
        if (lost)
            lost[found] = m->vms[i];
        found++;
    }
    if (found == 0)
        keep_restarts(world, node);
    forget_bins(world);
    return found;
}

bool is_safe(struct world *world)
{
    for (size_t n = 0; n < world->problem->node_count; n++)
        if (losses_of_node(world, (uint32_t)n, NULL) > 0)
            return false;
    return true;
}

/* Nodes whose VMs want more slots of @bin than it has free. */
static size_t list_disappointed(struct world *world, uint32_t bin)
{
    struct matching *m = world->matching;
    size_t count = 0;

    for (uint32_t v = world->first_restart[bin]; v != NO_VM;
         v = world->vms[v].restart_next) {
        uint32_t node = world->bins[world->vms[v].bin].node;

        if (m->wanted[node]++ == world->bins[bin].free)
            m->again[count++] = node;
    }
    for (uint32_t v = world->first_restart[bin]; v != NO_VM; v = world->vms[v].restart_next)
        m->wanted[world->bins[world->vms[v].bin].node] = 0;
    return count;
}

bool stays_safe(struct world *world, uint32_t vm)
{
    uint32_t bin = world->vms[vm].bin;
    size_t count;

    if (world->problem->without_failures)
        return true;
    if (losses_of_node(world, world->bins[bin].node, NULL) > 0)
        return false;
    count = list_disappointed(world, bin);
    for (size_t i = 0; i < count; i++)
        if (losses_of_node(world, world->matching->again[i], NULL) > 0)
            return false;
    return true;
}
