/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes of a VM's MMIO windows for a GPU partition. */

#include "mmio.h"

#define LOW_DEFAULT (UINT64_C(1024) * MMIO_MB)
#define HIGH_DEFAULT (UINT64_C(32768) * MMIO_MB)
#define HIGH_EXTRA (UINT64_C(512) * MMIO_MB)

static uint64_t power_of_two(uint64_t n)
{
    uint64_t p = MMIO_MB;

    while (p < n && p < MMIO_HIGH_MAX)
        p *= 2;
    return p;
}

uint64_t mmio_low_for(const struct hv_vm *vm)
{
    return vm->low_mmio_bytes.known && vm->low_mmio_bytes.value > LOW_DEFAULT
               ? vm->low_mmio_bytes.value
               : LOW_DEFAULT;
}

uint64_t mmio_high_for(const struct hv_vm *vm, const struct hv_gpu *gpu)
{
    uint64_t memory = gpu->vram_bytes.known ? gpu->vram_bytes.value : 0;
    uint64_t high = HIGH_DEFAULT;

    if ((gpu->modes & GPU_MODE_P) && gpu->partition_count.known &&
        gpu->partition_count.value > 0)
        memory /= gpu->partition_count.value;
    if (memory > HIGH_DEFAULT - HIGH_EXTRA)
        high = power_of_two(memory) + HIGH_EXTRA;
    if (high > MMIO_HIGH_MAX)
        high = MMIO_HIGH_MAX;
    if (vm->high_mmio_bytes.known && vm->high_mmio_bytes.value > high)
        high = vm->high_mmio_bytes.value;
    return high;
}
