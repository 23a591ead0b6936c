/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM needs to be given a partition: settings and quotas.  Pure, so that `attach`,
 * which changes them, and `diff`, which compares, cannot disagree.
 */
#pragma once

#include "gaps.h"
#include "inventory.h"

struct vm_changes;

/* What somebody wants otherwise than it is usually made; not known: as usual. */
struct share_wish {
    struct known_u64 low_mmio_bytes, high_mmio_bytes; /* usually computed */
    enum tristate guest_controlled_cache;             /* usually on */
    struct known_u64 stop_action;     /* usually shut-down, where it is not turn-off */
    struct known_u64 checkpoint_type; /* usually disabled */
};

/* Adds what differs to @changes. */
void share_want_settings(struct vm_changes *changes, const struct hv_vm *vm,
                         const struct gaps *gaps, const struct share_wish *wish);

/* The quotas that are @percent of what @gpu says it has; unset for what it says nothing of.
 * GPU-P only: GPU-PV ignores quotas. */
void share_want_quota(const struct hv_gpu *gpu, uint64_t percent,
                      struct hv_quota ret[QUOTA_COUNT]);
bool share_same_quota(const struct hv_quota a[QUOTA_COUNT],
                      const struct hv_quota b[QUOTA_COUNT]);
/* The share that gives just these quotas, the smallest; 0: none does. */
unsigned share_of_quota(const struct hv_gpu *gpu, const struct hv_quota quota[QUOTA_COUNT]);
