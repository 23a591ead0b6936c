/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two gaps for device memory that a VM should have (LowMmioGapSize, HighMmioGapSize,
 * HighMmioGapBase), computed; the arithmetic itself is src/pci/mmio.h.
 *
 * For devices assigned whole: from the BARs of all of them, those the VM already has
 * included.  For a partition: Microsoft's walk-throughs, since a paravirtual GPU has no BARs
 * in the guest (MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md: 1 GB
 * below 4 GB, 16 or 32 GB above); a hardware partition needs its share of the GPU's memory
 * as a power of two, plus 512 MB.
 */
#pragma once

#include "facts.h"
#include "mmio.h"

struct gaps {
    uint64_t low_bytes, high_bytes; /* what to set: never less than the VM has */
    uint64_t base_bytes;            /* where the high gap starts */
    bool moves_base;                /* and that is not where it starts now */
    struct mmio_need need;          /* of the devices alone; zero for a partition */
    unsigned unknown_devices; /* sizes not known: the VM's present gaps are kept for them */
    unsigned either_bars;     /* BARs that may land in either gap, counted in both */
};

/**
 * gaps_for_devices - for devices to be assigned whole
 * @devices: all the VM shall have, those it has already included
 * @vm: NULL: a new one of generation 2
 * @address_bits: of the host's processor; unknown: not checked
 *
 * ERR_UNSUPPORTED: more than Hyper-V accepts, or past the processor's addresses.
 */
bool gaps_for_devices(const struct device_facts *const *devices, size_t count,
                      const struct hv_vm *vm, struct known_u64 address_bits,
                      struct gaps *ret, struct err *err) MUST_CHECK;

/* For a partition of @gpu. */
void gaps_for_partition(const struct hv_vm *vm, const struct hv_gpu *gpu, struct gaps *ret);

/* The arithmetic for people, one line per step, in the user's language; owned, NULL: no
 * memory.  "64-bit BARs: 65536 + 32 = 65568 MB", ... */
char *gaps_arithmetic(const struct device_facts *const *devices, size_t count,
                      const struct gaps *gaps);
