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
