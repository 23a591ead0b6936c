/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which gaps a VM needs, from facts about devices. */

#include "gaps.h"

#include <string.h>

#include "strbuf.h"
#include "tr.h"

#define GIB (UINT64_C(1) << 30)
#define LOW_OF_PARTITION GIB
#define HIGH_OF_PARTITION (32 * GIB)
#define HIGH_EXTRA (512 * MIB)

static uint64_t power_of_two(uint64_t n)
{
    uint64_t p = 1;

    while (p < n && p < UINT64_C(1) << 62)
        p *= 2;
    return p;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t or_else(struct known_u64 value, uint64_t otherwise)
{
    return value.known ? value.value : otherwise;
}

/* The window of old VGA below 1 MiB is no BAR, and no guest is offered it. */
static bool is_legacy(const struct device_bar *bar)
{
    return bar->base_bytes.known && bar->base_bytes.value > 0 &&
           bar->base_bytes.value < MIB && bar->size_bytes.known &&
           bar->size_bytes.value <= MIB;
}

static bool counts(const struct device_bar *bar)
{
    return !bar->is_io && !is_legacy(bar);
}

/* False: the sizes are not all known. */
static bool to_mmio(const struct device_facts *device, struct mmio_device *ret,
                    unsigned *either)
{
    *ret = (struct mmio_device){ 0 };
    if (!device->has_bars)
        return false;
    for (size_t i = 0; i < device->bar_count; i++) {
        const struct device_bar *bar = &device->bars[i];
        uint64_t size;

        if (!counts(bar))
            continue;
        if (!bar->size_bytes.known || bar->size_bytes.value == 0)
            return false;
        size = power_of_two(bar->size_bytes.value);
        if (bar->is_64bit != TRI_NO && ret->high_count < MMIO_DEVICE_BARS)
            ret->high[ret->high_count++] = size;
        if (bar->is_64bit != TRI_YES && ret->low_count < MMIO_DEVICE_BARS)
            ret->low[ret->low_count++] = size;
        *either += bar->is_64bit == TRI_UNKNOWN;
    }
    return true;
}

/* Memory that does not fit below the high gap lies above it.  Source: the hole that Linux
 * guests show with memory on both sides. */
static uint64_t top_of_vm(const struct hv_vm *vm, const struct gaps *gaps)
{
    uint64_t below_4g = 4 * GIB - (gaps->low_bytes < 4 * GIB ? gaps->low_bytes : 4 * GIB);
    uint64_t between = gaps->base_bytes > 4 * GIB ? gaps->base_bytes - 4 * GIB : 0;
    uint64_t memory = vm ? or_else(vm->memory_startup_bytes, 0) : 0;
    uint64_t above = memory > below_4g + between ? memory - below_4g - between : 0;

    return gaps->base_bytes + gaps->high_bytes + above;
}

static void settle(const struct hv_vm *vm, struct gaps *g)
{
    uint64_t low = vm ? or_else(vm->low_mmio_bytes, 0) : 0;
    uint64_t high = vm ? or_else(vm->high_mmio_bytes, 0) : 0;

    g->low_bytes = larger(g->need.low_bytes, low);
    g->high_bytes = larger(g->need.high_bytes, high);
    if (g->unknown_devices > 0) { /* who knows which part of them is taken */
        g->low_bytes = larger(g->low_bytes, low + g->need.low_sum_bytes);
        g->high_bytes = larger(g->high_bytes, high + g->need.high_bytes);
    }
    g->base_bytes = g->need.base_bytes;
}

static uint64_t largest_bar(const struct mmio_device *devices, size_t count)
{
    uint64_t largest = MIB;

    for (size_t i = 0; i < count; i++)
        for (unsigned b = 0; b < devices[i].high_count; b++)
            largest = larger(largest, devices[i].high[b]);
    return largest;
}

/* On a processor with few address bits the gap must start lower than usual. */
static bool lower_base(const struct mmio_device *devices, size_t count,
                       const struct hv_vm *vm, uint64_t limit, struct gaps *g)
{
    uint64_t align = largest_bar(devices, count);
    struct gaps lower = *g;
    struct err ignored = ERR_INIT;
    uint64_t base;

    if (g->high_bytes + 4 * GIB > limit)
        return false;
    base = (limit - g->high_bytes) / align * align;
    if (base < 4 * GIB || !mmio_compute(devices, count, base, 0, &lower.need, &ignored))
        return false;
    settle(vm, &lower);
    if (top_of_vm(vm, &lower) > limit)
        return false;
    *g = lower;
    return true;
}

static bool check_limits(const struct hv_vm *vm, const struct gaps *g,
                         struct known_u64 address_bits, struct err *err)
{
    uint64_t limit = address_bits.known && address_bits.value < 64
                         ? UINT64_C(1) << address_bits.value
                         : UINT64_MAX;
    uint64_t top = top_of_vm(vm, g);

    if (g->low_bytes > MMIO_LOW_MAX || g->high_bytes > MMIO_HIGH_MAX)
        return err_fail(
            err, ERR_UNSUPPORTED, 0,
            _("with what the VM has, the MMIO windows would be %llu MB and %llu "
              "MB; Hyper-V accepts %llu MB and %llu MB"),
            (unsigned long long)(g->low_bytes / MIB),
            (unsigned long long)(g->high_bytes / MIB), MMIO_LOW_MAX / MIB,
            MMIO_HIGH_MAX / MIB);
    if (top <= limit)
        return true;
    err_fail(err, ERR_UNSUPPORTED, 0,
             _("the VM's addresses would end at %llu MB; the host's processor has %llu MB "
               "of them (%llu bits)"),
             (unsigned long long)(top / MIB), (unsigned long long)(limit / MIB),
             (unsigned long long)address_bits.value);
    return err_hint(err, _("assign fewer devices to this VM, or switch Resizable BAR off "
                           "in the host's firmware"));
}

bool gaps_for_devices(const struct device_facts *const *devices, size_t count,
                      const struct hv_vm *vm, struct known_u64 address_bits,
                      struct gaps *ret, struct err *err)
{
    uint64_t base =
        vm ? or_else(vm->high_mmio_base_bytes, MMIO_DEFAULT_BASE) : MMIO_DEFAULT_BASE;
    struct mmio_device sizes[MMIO_DEVICES_MAX];
    struct gaps g = { 0 };
    size_t known = 0;

    if (count > MMIO_DEVICES_MAX)
        return err_fail(err, ERR_INVALID, 0, _("more than %d devices for one VM"),
                        MMIO_DEVICES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (to_mmio(devices[i], &sizes[known], &g.either_bars))
            known++;
        else
            g.unknown_devices++;
    }
    if (!mmio_compute(sizes, known, base, 0, &g.need, err))
        return false;
    settle(vm, &g);
    if (address_bits.known && address_bits.value < 64 &&
        top_of_vm(vm, &g) > UINT64_C(1) << address_bits.value)
        lower_base(sizes, known, vm, UINT64_C(1) << address_bits.value, &g);
    if (!check_limits(vm, &g, address_bits, err))
        return false;
    g.moves_base = g.base_bytes != base;
    *ret = g;
    return true;
}

void gaps_for_partition(const struct hv_vm *vm, const struct hv_gpu *gpu, struct gaps *ret)
{
    uint64_t memory = or_else(gpu->vram_bytes, 0);
    uint64_t high = HIGH_OF_PARTITION;

    if ((gpu->modes & GPU_MODE_P) && gpu->partition_count.known &&
        gpu->partition_count.value > 0)
        memory /= gpu->partition_count.value;
    if (memory > HIGH_OF_PARTITION - HIGH_EXTRA)
        high = power_of_two(memory) + HIGH_EXTRA;
    if (high > MMIO_HIGH_MAX)
        high = MMIO_HIGH_MAX;
    *ret = (struct gaps){
        .low_bytes = larger(LOW_OF_PARTITION, vm ? or_else(vm->low_mmio_bytes, 0) : 0),
        .high_bytes = larger(high, vm ? or_else(vm->high_mmio_bytes, 0) : 0),
        .base_bytes =
            vm ? or_else(vm->high_mmio_base_bytes, MMIO_DEFAULT_BASE) : MMIO_DEFAULT_BASE,
    };
}

/* ---- for people ---- */

static unsigned long long mb(uint64_t bytes)
{
    return (bytes + MIB - 1) / MIB;
}

/* "16 MB", "512 KB" */
static void put_size(struct strbuf *text, uint64_t bytes)
{
    if (bytes > 0 && bytes % MIB)
        strbuf_printf(text, "%llu KB", (unsigned long long)((bytes + 1023) / 1024));
    else
        strbuf_printf(text, "%llu MB", (unsigned long long)(bytes / MIB));
}

/* "65536 MB + 32 MB = 65568 MB"; @other: the other kind. */
static void sum_of(struct strbuf *text, const struct device_facts *device,
                   enum tristate other)
{
    uint64_t sum = 0;
    unsigned count = 0;

    for (size_t i = 0; i < device->bar_count; i++) {
        const struct device_bar *bar = &device->bars[i];
        uint64_t size = bar->size_bytes.known ? power_of_two(bar->size_bytes.value) : 0;

        if (!counts(bar) || bar->is_64bit == other || size == 0)
            continue;
        strbuf_puts(text, count++ ? " + " : "");
        put_size(text, size);
        sum += size;
    }
    if (count == 1)
        return;
    strbuf_puts(text, count ? " = " : "");
    put_size(text, sum);
}

static void put_device(struct strbuf *text, const struct device_facts *device)
{
    CLEANUP(strbuf_cleanup) struct strbuf low = STRBUF_INIT, high = STRBUF_INIT;
    struct mmio_device sizes;
    unsigned either = 0;

    if (!to_mmio(device, &sizes, &either)) {
        strbuf_printf(text, _("%s: sizes not known\n"), device->name);
        return;
    }
    sum_of(&high, device, TRI_NO);
    sum_of(&low, device, TRI_YES);
    strbuf_printf(text, _("%s: above 4 GB %s, below 4 GB %s\n"), device->name, high.text,
                  low.text);
}

char *gaps_arithmetic(const struct device_facts *const *devices, size_t count,
                      const struct gaps *gaps)
{
    const struct mmio_need *need = &gaps->need;
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < count; i++)
        put_device(&text, devices[i]);
    if (need->base_bytes == 0) { /* of a partition */
        strbuf_printf(&text,
                      _("a partition has no BARs in the guest: %llu MB below 4 GB and %llu "
                        "MB above hold what its processor sees"),
                      mb(gaps->low_bytes), mb(gaps->high_bytes));
        return strbuf_take(&text);
    }
    strbuf_printf(&text,
                  _("high window from %llu MB: sum + 512 = %llu; BARs packed one by one "
                    "%llu; as a Linux guest asks %llu; the largest, in steps of 512: %llu "
                    "MB\n"),
                  mb(need->base_bytes), mb(need->rule_a_bytes), mb(need->packed_bytes),
                  mb(need->windows_bytes), mb(need->high_bytes));
    if (need->moved_base)
        strbuf_printf(
            &text,
            _("its base is moved to %llu MB, a multiple of the largest BAR, since "
              "Hyper-V accepts no more than %llu MB\n"),
            mb(need->base_bytes), mb(MMIO_HIGH_MAX));
    strbuf_printf(&text, _("it ends at %llu MB\n"),
                  mb(gaps->base_bytes + gaps->high_bytes));
    if (need->low_sum_bytes)
        strbuf_printf(&text, _("low window: %llu + 128 = %llu MB"), mb(need->low_sum_bytes),
                      mb(need->low_bytes));
    else
        strbuf_printf(&text, _("low window: no 32-bit BARs, %llu MB as always"),
                      mb(need->low_bytes));
    if (gaps->low_bytes > need->low_bytes || gaps->high_bytes > need->high_bytes)
        strbuf_printf(&text, _("\nwith what the VM has already: %llu MB and %llu MB"),
                      mb(gaps->low_bytes), mb(gaps->high_bytes));
    return strbuf_take(&text);
}
