/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Placement: on which node and GPU each VM gets its partition, so that any one node can fail and
 * every VM of it can start again on what the others have free.  Numbers only; this folder knows
 * no Hyper-V.
 *
 * A VM has one partition.  All partitions of a GPU are alike.  When a node fails the VMs on the
 * others stay where they are, and those of the failed node start on free partitions that are
 * large enough, of the right class, on nodes they may run on.  That is what a Windows failover
 * cluster does with GPU partitions (MicrosoftDocs/windowsserverdocs virtualization/hyper-v
 * gpu-partitioning.md: unplanned failover restarts the VM on a node with a free partition).
 *
 * A VM that nobody restarts, because it is no role of the cluster, only has to fit where it is.
 *
 * VMs of one group are kept on different nodes; a restart after a failure does not insist on
 * that, as the cluster's own AntiAffinityClassNames does not.
 *
 * The search is exact: with time enough it finds a placement if there is one, and else says that
 * there is none.  Ordinary problems are decided at once, large and tight ones may end undecided,
 * which is said too.  The same problem always gets the same answer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define PLACE_ANY_CLASS UINT32_MAX
#define PLACE_NOWHERE SIZE_MAX

struct place_gpu {
    uint32_t class_id; /* the caller's number for GPUs a VM does not tell apart (model,
                               * driver); not PLACE_ANY_CLASS */
    uint32_t
        card; /* the caller's number for a card that VMs name, the same on each node that
                    * has one by that name; 0: none names it */
    uint64_t partition_bytes; /* memory of one partition; 0: not known */
    unsigned partitions;      /* how many it is cut into */
    unsigned taken_by_others; /* of these, by VMs that are not in the problem */
};

struct place_node {
    const struct place_gpu *gpus; /* lent */
    size_t gpu_count;
    bool is_down; /* has VMs placed on it perhaps, and takes none */
};

struct place_vm {
    uint64_t vram_bytes; /* at least; 0: any */
    uint32_t class_id;   /* or PLACE_ANY_CLASS */
    uint32_t card;       /* it goes nowhere but there; 0: any */
    const size_t *nodes; /* it may run only on these, in ascending order; lent */
    size_t node_count;   /* 0: on all */
    unsigned group;      /* VMs of one group do not share a node; 0: none */
    /* Where it has a partition now; node PLACE_NOWHERE: it has none. */
    size_t node, gpu;
    bool may_move;   /* it may get another place than that */
    bool stays_down; /* nobody starts it elsewhere when its node fails */
    /* Of one that has none: the node to prefer, plus one, because it is there otherwise; 0: none
     * is better than others. */
    size_t near;
    /* Nodes that are better than others where it has to go anywhere; lent. */
    const size_t *liked;
    size_t liked_count;
};

struct place_problem {
    const struct place_node *nodes; /* all lent */
    size_t node_count;
    const struct place_vm *vms;
    size_t vm_count;
    bool without_failures; /* only find a place for each: nobody asks what a failure does */
    uint64_t effort;       /* steps of the search before it gives up; 0: the default */
};

struct place_spot {
    size_t node, gpu; /* node PLACE_NOWHERE: none was found */
};

/* When @node fails, @vm finds no partition. */
struct place_loss {
    size_t node, vm;
};

enum place_verdict {
    PLACE_SAFE,       /* every VM has a place, and any one node may fail */
    PLACE_IMPOSSIBLE, /* there is no such placement: proven */
    PLACE_UNDECIDED,  /* none was found, and it was not proven that there is none */
};

/*
 * The placement: where each VM goes.  Not PLACE_SAFE: the best one found, in which VMs may be
 * PLACE_NOWHERE, and @losses names who would not come up.  A VM is moved only if no placement
 * was found that leaves all where they are.
 */
struct place_answer {
    enum place_verdict verdict;
    struct place_spot *spots;  /* one per VM; owned */
    size_t moved;              /* VMs that have another node or GPU than before */
    struct place_loss *losses; /* by node, then in the order of the VMs; owned */
    size_t loss_count;
};

/* ERR_INVALID: the problem names a node or GPU that it has not.  A VM that must not move stays
 * where it is, whether it fits there or not. */
bool place_solve(const struct place_problem *problem, struct place_answer *ret,
                 struct err *err) MUST_CHECK;
void place_answer_clear(struct place_answer *answer);

/*
 * Who would not come up with the VMs where they are now: for each node the smallest set of VMs,
 * those later in the problem first.  VMs without a place are left out.  *ret is owned.
 */
bool place_check(const struct place_problem *problem, struct place_loss **ret,
                 size_t *ret_count, struct err *err) MUST_CHECK;
