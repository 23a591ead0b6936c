/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arithmetic of mmio.h. */

#include "mmio.h"

#include <string.h>

#include "tr.h"

#define GIB (1ull << 30)

enum { MMIO_STEP_MIB = 512 };

struct block {
    uint64_t size, align;
};

static int larger_first(const void *a, const void *b)
{
    const struct block *left = a, *right = b;

    if (left->align != right->align)
        return left->align < right->align ? 1 : -1;
    return left->size < right->size ? 1 : left->size > right->size ? -1 : 0;
}

static uint64_t round_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) / align * align;
}

static uint64_t largest_power(uint64_t value)
{
    uint64_t power = 1;

    while (power <= value / 2)
        power *= 2;
    return power;
}

/* C: windows one after the other, each aligned to its largest power of two. */
static uint64_t place_windows(const struct block *windows, size_t count, uint64_t base)
{
    uint64_t at = base;

    for (size_t i = 0; i < count; i++)
        at = round_up(at, windows[i].align) + windows[i].size;
    return at - base;
}

struct placed {
    uint64_t start, end;
};

/* B: each BAR at the lowest free address that suits it.  @placed is kept by address. */
static uint64_t pack_bars(const struct block *bars, size_t count, uint64_t base)
{
    struct placed placed[MMIO_BARS_MAX];
    uint64_t end = base;

    for (size_t i = 0; i < count; i++) {
        uint64_t at = round_up(base, bars[i].align);
        size_t slot = 0;

        while (slot < i && at + bars[i].size > placed[slot].start) {
            if (placed[slot].end > at)
                at = round_up(placed[slot].end, bars[i].align);
            slot++;
        }
        memmove(&placed[slot + 1], &placed[slot], (i - slot) * sizeof(*placed));
        placed[slot] = (struct placed){ at, at + bars[i].size };
        if (at + bars[i].size > end)
            end = at + bars[i].size;
    }
    return end - base;
}

struct blocks {
    struct block bars[MMIO_BARS_MAX];
    size_t bar_count;
    struct block windows[MMIO_DEVICES_MAX];
    size_t window_count;
    uint64_t low_sum, high_sum;
};

static bool is_power(uint64_t size)
{
    return size && (size & (size - 1)) == 0;
}

static bool collect(const struct mmio_device *devices, size_t count, struct blocks *ret,
                    struct err *err)
{
    if (count > MMIO_DEVICES_MAX)
        return err_fail(err, ERR_INVALID, 0, "more than %d devices for one VM",
                        MMIO_DEVICES_MAX);
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = 0;

        for (unsigned b = 0; b < devices[i].high_count; b++) {
            uint64_t size = devices[i].high[b];

            if (!is_power(size) || size > 1ull << 50)
                return err_fail(err, ERR_INVALID, 0, "%llu bytes is no size of a BAR",
                                (unsigned long long)size);
            ret->bars[ret->bar_count++] = (struct block){ size, size };
            sum += size;
        }
        for (unsigned b = 0; b < devices[i].low_count; b++) {
            if (!is_power(devices[i].low[b]) || devices[i].low[b] > 4 * GIB)
                return err_fail(err, ERR_INVALID, 0, "%llu bytes is no size of a BAR",
                                (unsigned long long)devices[i].low[b]);
            ret->low_sum += devices[i].low[b];
        }
        if (sum)
            ret->windows[ret->window_count++] = (struct block){ sum, largest_power(sum) };
        ret->high_sum += sum;
    }
    if (ret->bar_count)
        qsort(ret->bars, ret->bar_count, sizeof(*ret->bars), larger_first);
    if (ret->window_count)
        qsort(ret->windows, ret->window_count, sizeof(*ret->windows), larger_first);
    return true;
}

static uint64_t largest(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t most = a > b ? a : b;

    return most > c ? most : c;
}

static void compute_at(const struct blocks *blocks, uint64_t base, struct mmio_need *ret)
{
    ret->base_bytes = base;
    ret->rule_a_bytes = blocks->high_sum + MMIO_STEP_MIB * MIB;
    ret->packed_bytes = pack_bars(blocks->bars, blocks->bar_count, base);
    ret->windows_bytes = place_windows(blocks->windows, blocks->window_count, base);
    ret->high_bytes =
        round_up(largest(ret->rule_a_bytes, ret->packed_bytes, ret->windows_bytes),
                 MMIO_STEP_MIB * MIB);
    ret->end_bytes = base + ret->high_bytes;
}

/* At an aligned base nothing is lost to alignment and rule A's spare is not needed; the
 * limit is tight for the largest cards, so the step is not rounded up to either. */
static void compute_aligned(const struct blocks *blocks, uint64_t base,
                            struct mmio_need *ret)
{
    compute_at(blocks, base, ret);
    ret->high_bytes = round_up(ret->packed_bytes > ret->windows_bytes ? ret->packed_bytes
                                                                      : ret->windows_bytes,
                               MIB);
    ret->end_bytes = base + ret->high_bytes;
    ret->moved_base = true;
}

bool mmio_compute(const struct mmio_device *devices, size_t count, uint64_t base_bytes,
                  unsigned physical_bits, struct mmio_need *ret, struct err *err)
{
    uint64_t limit =
        physical_bits && physical_bits < 64 ? 1ull << physical_bits : UINT64_MAX;
    struct mmio_need need = { 0 };
    struct blocks blocks = { 0 };

    if (!collect(devices, count, &blocks, err))
        return false;
    if (base_bytes == 0)
        base_bytes = MMIO_DEFAULT_BASE;
    compute_at(&blocks, base_bytes, &need);
    if (need.high_bytes > MMIO_HIGH_MAX && blocks.window_count)
        compute_aligned(&blocks, round_up(base_bytes, blocks.windows[0].align), &need);
    need.low_sum_bytes = blocks.low_sum;
    need.high_sum_bytes = blocks.high_sum;
    need.low_bytes =
        blocks.low_sum ? round_up(blocks.low_sum, MIB) + MMIO_LOW_EXTRA : MMIO_LOW_MIN;

    if (need.high_bytes > MMIO_HIGH_MAX) {
        err_fail(err, ERR_UNSUPPORTED, 0,
                 _("the devices need %llu MB above 4 GB; Hyper-V accepts %llu MB"),
                 (unsigned long long)(need.high_bytes / MIB), MMIO_HIGH_MAX / MIB);
        return err_hint(err,
                        _("assign fewer devices to this VM, or switch Resizable BAR off "
                          "in the host's firmware"));
    }
    if (need.low_bytes > MMIO_LOW_MAX) {
        err_fail(
            err, ERR_UNSUPPORTED, 0,
            _("the devices need %llu MB below 4 GB; at most %llu MB are known to work"),
            (unsigned long long)(need.low_bytes / MIB), MMIO_LOW_MAX / MIB);
        return err_hint(err, _("assign fewer devices to this VM"));
    }
    if (need.end_bytes > limit) {
        err_fail(err, ERR_UNSUPPORTED, 0,
                 _("the high window would end at %llu MB; the host's processor addresses "
                   "%llu MB (%u bits)"),
                 (unsigned long long)(need.end_bytes / MIB),
                 (unsigned long long)(limit / MIB), physical_bits);
        return err_hint(err, _("a lower base and a smaller size may fit; this host cannot "
                               "give the whole"));
    }
    *ret = need;
    return true;
}
