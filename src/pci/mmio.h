/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory-mapped I/O space a VM needs for the devices assigned to it.
 *
 * A VM has two gaps in its memory: a low one that ends at 4 GiB and a high one that starts
 * at its base.  32-bit BARs need the low one, 64-bit BARs can go high.  A BAR's address is
 * a multiple of its size, so the need depends on where the high gap starts.
 *
 * Three results, of which the largest is taken:
 *   A  Microsoft's rule: sum + 512 MiB (plan-for-DDA page; ignores alignment);
 *   B  BARs packed one by one, largest first (best case);
 *   C  one window per device, aligned to its largest power of two: what a Linux guest asks
 *      for (torvalds/linux drivers/pci/controller/pci-hyperv.c).
 */
#pragma once

#include "err.h"

enum {
    MMIO_DEVICES_MAX = 64,
    MMIO_DEVICE_BARS = 8, /* six BARs, and what else Windows may list of a device */
    MMIO_BARS_MAX = MMIO_DEVICE_BARS * MMIO_DEVICES_MAX,
};

#define MIB (1ull << 20)
#define MMIO_DEFAULT_BASE (65024 * MIB) /* 63.5 GiB, generation 2 */
#define MMIO_LOW_MIN (128 * MIB)
#define MMIO_LOW_MAX (3584 * MIB)    /* largest reported to work: ExHyperV */
#define MMIO_HIGH_MAX (262656 * MIB) /* largest accepted: ExHyperV, measured */
#define MMIO_LOW_EXTRA (128 * MIB)   /* firmware, synthetic video, config windows */

struct mmio_device {
    uint64_t high[MMIO_DEVICE_BARS]; /* sizes of its 64-bit memory BARs, bytes */
    unsigned high_count;
    uint64_t low[MMIO_DEVICE_BARS]; /* of its 32-bit memory BARs */
    unsigned low_count;
};

struct mmio_need {
    uint64_t base_bytes;                    /* of the high gap, as computed with */
    uint64_t low_sum_bytes, high_sum_bytes; /* of the BARs alone */
    uint64_t rule_a_bytes, packed_bytes, windows_bytes; /* A, B, C */
    uint64_t low_bytes, high_bytes;                     /* what to set */
    uint64_t end_bytes;                                 /* base + high */
    bool moved_base; /* base_bytes differs from what was asked for */
};

/**
 * mmio_compute - gaps for a set of devices
 * @base_bytes: start of the high gap; 0: the default
 * @physical_bits: address width of the host's processor; 0: not known
 *
 * No devices: the defaults (128 and 512 MiB).  When the need passes what Hyper-V accepts
 * the base is moved up to the alignment of the largest window, if that helps.
 *
 * ERR_UNSUPPORTED: more than Hyper-V accepts, or past the host's address width.
 */
bool mmio_compute(const struct mmio_device *devices, size_t count, uint64_t base_bytes,
                  unsigned physical_bits, struct mmio_need *ret, struct err *err)
    MUST_CHECK;
