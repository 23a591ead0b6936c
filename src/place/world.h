/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A problem as the search sees it.  GPUs of one node whose partitions are alike are one bin; bins
 * with like partitions, whatever their node, are of one kind.
 */
#pragma once

#include "place.h"

#define NO_BIN UINT32_MAX
#define NO_VM UINT32_MAX

struct kind {
    uint32_t class_id, card;
    uint64_t bytes;
    uint64_t free; /* in all bins of it */
};

struct bin {
    uint32_t node, kind;
    unsigned slots, free;
};

/* VMs that nothing tells apart, besides their place now. */
struct vm_state {
    uint32_t bin;        /* NO_BIN: not placed */
    uint32_t next, prev; /* of the same node; NO_VM: none */
    uint32_t type;
    bool is_fixed;
    /* Where it would start if its node failed, in a matching that was found; NO_BIN: none. */
    uint32_t restart, restart_next, restart_prev;
};

struct world {
    const struct place_problem *problem;
    struct kind *kinds;
    size_t kind_count;
    struct bin *bins; /* by node, then by kind */
    size_t bin_count;
    size_t *first_bin; /* of each node, and one more */
    size_t *first_gpu; /* of each node, in: */
    unsigned *left;    /* partitions that nobody is known to have, per GPU */
    struct vm_state *vms;
    uint32_t *first_vm;      /* on each node */
    unsigned *vms_on;        /* how many */
    unsigned *slots_on;      /* capacity of each node */
    uint32_t *first_restart; /* on each bin */
    unsigned *by_group; /* VMs of a group on a node: [group index * node_count + node] */
    uint32_t *group_of; /* index of each VM's group, or NO_VM */
    size_t group_count, type_count;
    struct matching *matching; /* room for check.c */
};

bool world_make(const struct place_problem *problem, struct world *ret, struct err *err)
    MUST_CHECK;
void world_clear(struct world *world);

bool fits_kind(const struct place_vm *vm, const struct kind *kind);
bool may_run_on(const struct place_vm *vm, size_t node);
/* Whether it fits, may run there, and no other VM of its group is there; not whether a slot is
 * free. */
bool fits_bin(const struct world *world, uint32_t vm, uint32_t bin);
void put_vm(struct world *world, uint32_t vm, uint32_t bin); /* a slot is free */
void take_vm(struct world *world, uint32_t vm);              /* it is placed */
/* The bin of a GPU; NO_BIN: it has no partitions, or its node is down. */
uint32_t bin_of_gpu(const struct world *world, size_t node, size_t gpu);

/* ---- what a failure does (check.c) ---- */

/* How many VMs of @node find no partition when it fails.  @lost (room for all VMs of the node;
 * NULL: not asked): which. */
size_t losses_of_node(struct world *world, uint32_t node, uint32_t *lost);
bool is_safe(struct world *world); /* no failure of a node loses anything */
/* The same, known that it was so before @vm got its place. */
bool stays_safe(struct world *world, uint32_t vm);
void forget_restart(struct world *world, uint32_t vm);
bool matching_make(struct world *world, struct err *err) MUST_CHECK;
void matching_free(struct matching *matching);
/* ---- numbers.c ---- */

/* Whether there could be a safe placement at all, as far as numbers tell: false is a proof. */
bool numbers_allow(const struct world *world, bool *ret, struct err *err) MUST_CHECK;
