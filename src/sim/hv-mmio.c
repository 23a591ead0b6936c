/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether assigned devices fit into a VM's gaps of address space.
 *
 * Hyper-V starts a VM whose gaps are too small; its guest then cannot start the device and
 * shows code 12 (MicrosoftDocs/windowsserverdocs Plan-for-Deploying-Devices-using-Discrete-
 * Device-Assignment.md).  Where a Windows guest puts what is not public, so only what fits
 * in no order at all counts as too small: each 64-bit range at a multiple of its size, the
 * largest first, at the lowest place that is free; of 32-bit ranges the sum.
 */
#include <stdlib.h>

#include "hv.h"
#include "strbuf.h"

enum { PLACED_MAX = 16 * SIM_RANGE_MAX };

struct placed {
    uint64_t start, end;
};

static int by_size_descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* The lowest multiple of @size from @at on that touches none of @placed. */
static uint64_t lowest(const struct placed *placed, size_t count, uint64_t at,
                       uint64_t size)
{
    at = (at + size - 1) / size * size;
    for (size_t i = 0; i < count; i++)
        if (at < placed[i].end && placed[i].start < at + size) {
            at = (placed[i].end + size - 1) / size * size;
            i = (size_t)-1; /* look at all of them again */
        }
    return at;
}

bool hv_fits_gaps(const struct sim_device *const *devices, size_t count, uint64_t low_mb,
                  uint64_t base_mb, uint64_t high_mb)
{
    uint64_t sizes[PLACED_MAX], low = 0, end = (base_mb + high_mb) << 20;
    struct placed placed[PLACED_MAX];
    size_t high_count = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < devices[i]->range_count; j++) {
            const struct sim_range *r = &devices[i]->ranges[j];

            if (r->io)
                continue;
            if (!r->wide)
                low += r->size_bytes;
            else if (high_count < PLACED_MAX)
                sizes[high_count++] = r->size_bytes;
        }
    if (low > low_mb << 20)
        return false;
    qsort(sizes, high_count, sizeof(*sizes), by_size_descending);
    for (size_t i = 0; i < high_count; i++) {
        placed[i].start = lowest(placed, i, base_mb << 20, sizes[i]);
        placed[i].end = placed[i].start + sizes[i];
        if (placed[i].end > end)
            return false;
    }
    return true;
}

void hv_dump_guests(struct sim_host *host, struct strbuf *to)
{
    struct sim_object *system = NULL;

    while ((system = sim_store_next(host->store, system, HV_NS, "Msvm_ComputerSystem"))) {
        const struct sim_device *devices[16];
        struct sim_object *vssd, *setting = NULL;
        size_t count = 0;

        if (!hv_number(system, "ProcessID"))
            continue;
        vssd = hv_settings_of(host, hv_text(system, "Name"));
        while (vssd &&
               (setting = hv_next_resource(host, setting, "Msvm_PciExpressSettingData",
                                           hv_text(system, "Name")))) {
            const struct sim_device *device = hv_device_of_setting(host, setting);

            if (device && count < ARRAY_LEN(devices))
                devices[count++] = device;
        }
        if (count && !hv_fits_gaps(devices, count, hv_number(vssd, "LowMmioGapSize"),
                                   hv_number(vssd, "HighMmioGapBase"),
                                   hv_number(vssd, "HighMmioGapSize")))
            strbuf_printf(to,
                          "guest %s: its devices do not fit into its MMIO gaps, code 12\n",
                          hv_text(system, "Name"));
    }
}
