/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GPU partitions of hosts and the VMs that have or want one, as a problem of src/place.
 *
 * VMs that are off and have an adapter count: they want their partition when they start.  One
 * whose adapter names its GPU (a pin) goes only where a card has that path; one that names none
 * takes any of the model its node has.  A role of a failover cluster runs on the nodes that may
 * own it and is restarted there; a VM of such a node that is no role stays where it is and is
 * restarted by nobody.  Hosts that belong to no cluster are taken as they are named: what a
 * person can bring up where.  Sources: MicrosoftDocs/windowsserverdocs virtualization/hyper-v
 * partition-assign-vm-gpu.md, gpu-partitioning.md; cluswmi mscluster-resourcetopossibleowner.
 */
#pragma once

#include "failover.h"
#include "inventory.h"
#include "place.h"

struct err;

enum {
    /* What to read of a host before anything here is asked. */
    PLACING_WHAT = HV_GPUS | HV_VMS | HV_GPU_DRIVERS | HV_PARTITIONS | HV_GPU_DETAILS |
                   HV_CLUSTER | HV_OWNERS,
};

/* One VM of the problem, by the same number. */
struct placing_guest {
    size_t host; /* it is on */
    const struct hv_vm *vm;
    const struct hv_role *role; /* NULL: it is none */
    bool is_wanted;             /* by placing_want() */
    /* Its adapter names no GPU and those of the host are not alike: which one it gets nobody
     * knows before it starts.  It is counted on one of them. */
    bool is_vague;
};

/* Everything in it is owned but the hosts. */
struct placing {
    const struct hv_host *const *hosts; /* lent; NULLs among them could not be read */
    size_t host_count;
    const struct hv_gpu ***gpus; /* of each host, those with hardware partitions */
    struct place_gpu **place_gpus;
    struct place_node *nodes;
    const char **classes; /* vendor:device, lent; the index is the class */
    size_t class_count;
    const char **cards; /* interface paths of pins, lent; the index + 1 is the card */
    size_t card_count, card_room;
    size_t cards_sorted; /* so many of them are in order; the others came later */
    unsigned **used;     /* partitions of each GPU that VMs of the problem have */
    struct placing_guest *guests;
    struct place_vm *vms; /* their ->nodes and ->liked are owned */
    size_t vm_count, vm_room;
};

/* @move: VMs that have one partition may get another place. */
bool placing_make(struct placing *p, const struct hv_host *const *hosts, size_t count,
                  bool move, struct err *err) MUST_CHECK;
void placing_clear(struct placing *p);

/* The model that a selector says, whichever of the hosts have it. */
bool placing_find_class(const struct placing *p, const char *selector, uint32_t *ret,
                        struct err *err) MUST_CHECK;

struct placing_wish {
    uint64_t vram_bytes; /* at least; 0: any */
    uint32_t class_id;   /* or PLACE_ANY_CLASS */
    bool apart;          /* from others that are wanted so */
};
/* @vm of hosts[@host] wants a partition, or its place as it is if it has one. */
bool placing_want(struct placing *p, size_t host, const struct hv_vm *vm,
                  const struct placing_wish *wish, struct err *err) MUST_CHECK;

/* What a host would be to a VM that has no partition, from worst to best. */
enum node_fit {
    NODE_MAY_NOT,   /* it may not be there, or nothing is known of the host */
    NODE_TOO_SMALL, /* no GPU has partitions of that model and size */
    NODE_FULL,      /* all that would do have, or wait for, a VM */
    NODE_UNSAFE,    /* it fits; if a node fails, more VMs do not come up than without it */
    NODE_SAFE,
};
struct placing_rating {
    enum node_fit fit;
    bool is_liked; /* one of its preferred owners */
    unsigned left; /* partitions that would do and nobody has */
    bool largest_known;
    uint64_t largest; /* of its partitions */
};
/* Rates every host; @ret has room for them.  @vm is of hosts[@at].  Adds to @p. */
bool placing_rate_nodes(struct placing *p, size_t at, const struct hv_vm *vm,
                        const struct placing_wish *wish, struct placing_rating *ret,
                        struct err *err) MUST_CHECK;

/* Lent from @p, and good until it changes. */
struct place_problem placing_problem(const struct placing *p);

/* Whether a role gets a pin there, because the host's GPUs are not alike. */
bool placing_pins(const struct placing *p, struct place_spot spot);
/* The number of a spot's card, for a pin: place_vm.card. */
bool placing_number_card(struct placing *p, struct place_spot spot, uint32_t *ret,
                         struct err *err) MUST_CHECK;
/* Who would not come up once the VMs without a partition have what @answer gives them, pins
 * included: answer->losses anew, and its verdict, which was made without pins. */
bool placing_check_pins(struct placing *p, struct place_answer *answer, struct err *err)
    MUST_CHECK;

/* The GPU of a spot; NULL: it is nowhere. */
const struct hv_gpu *placing_gpu(const struct placing *p, struct place_spot spot);
/* What a partition of it has, as the GPU reports it for its present count; 0: not known. */
uint64_t placing_partition_bytes(const struct hv_gpu *gpu);
/* Partitions of it that VMs have, or will have when they start; perhaps more than there are. */
unsigned placing_used(const struct placing *p, size_t host, size_t gpu);
/* Whether hosts[@other] is a node of the cluster of hosts[@host]. */
bool placing_same_cluster(const struct placing *p, size_t host, size_t other);
