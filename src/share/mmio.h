/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How large the windows for device memory of a VM should be for a GPU partition.
 *
 * A paravirtual GPU has no BARs in the guest: the windows hold what the CPU sees of its
 * allocations.  Microsoft's walk-throughs use 1 GB below 4 GB, and 16 or 32 GB above
 * (MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md); hardware
 * partitions need their share of the GPU's memory, as a power of two, plus 512 MB
 * (MicrosoftDocs/windowsserverdocs plan-for-deploying-devices-using-DDA).
 */
#pragma once

#include "inventory.h"

#define MMIO_MB UINT64_C(1048576)
#define MMIO_LOW_MAX (UINT64_C(3584) * MMIO_MB) /* documented range 128-3584 MB */
#define MMIO_LOW_MIN (UINT64_C(128) * MMIO_MB)
#define MMIO_HIGH_MAX (UINT64_C(262656) * MMIO_MB) /* largest accepted: ExHyperV */

/* Never less than the VM has. */
uint64_t mmio_low_for(const struct hv_vm *vm);
uint64_t mmio_high_for(const struct hv_vm *vm, const struct hv_gpu *gpu);
