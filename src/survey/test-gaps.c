/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MMIO windows of a VM: worked examples, limits, what is not known. */

#include <string.h>

#include "gaps.h"
#include "test.h"

static struct known_u64 num(uint64_t value)
{
    return (struct known_u64){ true, value };
}

static const struct known_u64 unknown = { false, 0 };

static void add_bar(struct device_facts *device, uint64_t mib, enum tristate is_64bit)
{
    device->has_bars = true;
    device->bars[device->bar_count++] =
        (struct device_bar){ .is_64bit = is_64bit, .size_bytes = num(mib * MIB) };
}

/* @high: sizes of 64-bit BARs in MB, ends with 0. */
static struct device_facts card(uint64_t low, const uint64_t *high)
{
    struct device_facts device = { .name = "card" };

    if (low)
        add_bar(&device, low, TRI_NO);
    for (; *high; high++)
        add_bar(&device, *high, TRI_YES);
    return device;
}

/* Source of the figures: the rules of Microsoft's plan-for-DDA page and of Linux'
 * drivers/pci/controller/pci-hyperv.c, worked through by hand for real cards. */
TEST(the_worked_examples_come_out_of_the_bars)
{
    static const struct {
        const char *name;
        unsigned count;
        uint64_t low, high[4];
        uint64_t sum, a, b, c, set_high, set_low;
    } cases[] = {
        { "GRID K520", 1, 16, { 128, 32 }, 160, 672, 160, 160, 1024, 144 },
        { "RTX 4090, off", 1, 16, { 256, 32 }, 288, 800, 288, 288, 1024, 144 },
        { "RTX 5090, off", 1, 0, { 64, 256, 32 }, 352, 864, 352, 352, 1024, 128 },
        { "RTX 4090, on", 1, 16, { 32768, 32 }, 32800, 33312, 33280, 33312, 33792, 144 },
        { "one P100", 1, 16, { 16384, 32 }, 16416, 16928, 16896, 16928, 17408, 144 },
        { "two P100", 2, 16, { 16384, 32 }, 32832, 33344, 33280, 49696, 50176, 160 },
        { "four P100", 4, 16, { 16384, 32 }, 65664, 66176, 66048, 115232, 115712, 192 },
        { "L40S", 1, 16, { 65536, 32 }, 65568, 66080, 66048, 66080, 66560, 144 },
        { "RTX 6000 Ada", 1, 16, { 65536, 32 }, 65568, 66080, 66048, 66080, 66560, 144 },
        { "two L40S", 2, 16, { 65536, 32 }, 131136, 131648, 131584, 197152, 197632, 160 },
        { "A100 80 GB",
          1,
          16,
          { 131072, 32 },
          131104,
          131616,
          197120,
          197152,
          197632,
          144 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct device_facts one = card(cases[i].low, cases[i].high);
        const struct device_facts *devices[4] = { &one, &one, &one, &one };
        struct err err = ERR_INIT;
        struct gaps gaps;

        test_case(cases[i].name);
        CHECK_OK(gaps_for_devices(devices, cases[i].count, NULL, unknown, &gaps, &err));
        CHECK_EQ(gaps.need.high_sum_bytes / MIB, cases[i].sum);
        CHECK_EQ(gaps.need.rule_a_bytes / MIB, cases[i].a);
        CHECK_EQ(gaps.need.packed_bytes / MIB, cases[i].b);
        CHECK_EQ(gaps.need.windows_bytes / MIB, cases[i].c);
        CHECK_EQ(gaps.high_bytes / MIB, cases[i].set_high);
        CHECK_EQ(gaps.low_bytes / MIB, cases[i].set_low);
        CHECK_EQ(gaps.base_bytes, MMIO_DEFAULT_BASE);
        CHECK(!gaps.moves_base);
    }
}

TEST(the_largest_cards_move_the_base_or_do_not_fit)
{
    struct device_facts h200 = card(16, (const uint64_t[]){ 262144, 32, 0 });
    struct device_facts b200 = card(0, (const uint64_t[]){ 64, 262144, 32, 0 });
    struct device_facts b300 = card(0, (const uint64_t[]){ 524288, 0 });
    const struct device_facts *device = &h200;
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK_OK(gaps_for_devices(&device, 1, NULL, num(46), &gaps, &err));
    CHECK(gaps.moves_base);
    CHECK_EQ(gaps.base_bytes / MIB, 262144);
    CHECK_EQ(gaps.high_bytes / MIB, 262176);
    CHECK(!gaps_for_devices(&device, 1, NULL, num(39), &gaps, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    device = &b200; /* all of it above 4 GB, and 416 MB below the largest window */
    CHECK_OK(gaps_for_devices(&device, 1, NULL, num(46), &gaps, &err));
    CHECK_EQ(gaps.need.high_sum_bytes / MIB, 262240);
    CHECK_EQ(gaps.need.rule_a_bytes / MIB, 262752);
    CHECK(gaps.moves_base);
    CHECK_EQ(gaps.base_bytes / MIB, 262144);
    CHECK_EQ(gaps.high_bytes / MIB, 262240);
    CHECK_EQ((MMIO_HIGH_MAX - gaps.high_bytes) / MIB, 416);
    CHECK_EQ(gaps.low_bytes / MIB, 128);
    device = &b300;
    CHECK(!gaps_for_devices(&device, 1, NULL, unknown, &gaps, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
}

TEST(cards_of_two_makes_add_up_below_4_gb)
{
    struct device_facts k520 = card(16, (const uint64_t[]){ 128, 32, 0 });
    struct device_facts ada = card(16, (const uint64_t[]){ 65536, 32, 0 });
    const struct device_facts *devices[] = { &k520, &ada };
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK_OK(gaps_for_devices(devices, 2, NULL, unknown, &gaps, &err));
    CHECK_EQ(gaps.need.low_sum_bytes / MIB, 32);
    CHECK_EQ(gaps.low_bytes / MIB, 160);
    CHECK_EQ(gaps.need.high_sum_bytes / MIB, 65728);
}

TEST(four_cards_may_need_more_than_the_largest_window)
{
    struct device_facts ada = card(16, (const uint64_t[]){ 65536, 32, 0 });
    const struct device_facts *devices[] = { &ada, &ada, &ada, &ada };
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK(!gaps_for_devices(devices, 4, NULL, num(46), &gaps, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
}

/* 36 bits: 64 GiB.  A GPU with 16 GiB of BAR fits when the window starts lower. */
TEST(few_address_bits_lower_the_base)
{
    struct device_facts p100 = card(16, (const uint64_t[]){ 16384, 32, 0 });
    const struct device_facts *device = &p100;
    struct hv_vm vm = { .memory_startup_bytes = num(8192 * MIB) };
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK_OK(gaps_for_devices(&device, 1, &vm, num(36), &gaps, &err));
    CHECK(gaps.moves_base);
    CHECK(gaps.base_bytes >= 4096 * MIB);
    CHECK(gaps.base_bytes + gaps.high_bytes <= 65536 * MIB);
    CHECK_EQ(gaps.base_bytes % (16384 * MIB), 0);
    /* Memory lies around the window: with too much of it nothing helps. */
    vm.memory_startup_bytes = num(60 * 1024 * MIB);
    CHECK(!gaps_for_devices(&device, 1, &vm, num(36), &gaps, &err));
    CHECK(strstr(err.text[0], "36"));
    CHECK(err.hint[0]);
}

TEST(memory_above_the_window_counts_for_the_address_limit)
{
    struct device_facts l40s = card(16, (const uint64_t[]){ 65536, 32, 0 });
    const struct device_facts *device = &l40s;
    struct hv_vm vm = { .memory_startup_bytes = num(UINT64_C(1) << 40) };
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK_OK(gaps_for_devices(&device, 1, &vm, num(46), &gaps, &err));
    CHECK(!gaps_for_devices(&device, 1, &vm, num(40), &gaps, &err));
}

TEST(windows_never_shrink)
{
    struct device_facts k520 = card(16, (const uint64_t[]){ 128, 32, 0 });
    const struct device_facts *device = &k520;
    struct hv_vm vm = { .low_mmio_bytes = num(3072 * MIB),
                        .high_mmio_bytes = num(33280 * MIB),
                        .high_mmio_base_bytes = num(48128 * MIB) };
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK_OK(gaps_for_devices(&device, 1, &vm, unknown, &gaps, &err));
    CHECK_EQ(gaps.low_bytes / MIB, 3072);
    CHECK_EQ(gaps.high_bytes / MIB, 33280);
    CHECK_EQ(gaps.base_bytes / MIB, 48128);
    CHECK(!gaps.moves_base);
}

/* One whose sizes nobody knows keeps what the VM has; the new one comes on top. */
TEST(devices_of_unknown_size_keep_the_present_windows)
{
    struct device_facts k520 = card(16, (const uint64_t[]){ 128, 32, 0 });
    struct device_facts away = { .name = "away" };
    const struct device_facts *devices[] = { &k520, &away };
    struct hv_vm vm = { .low_mmio_bytes = num(256 * MIB),
                        .high_mmio_bytes = num(33280 * MIB) };
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK_OK(gaps_for_devices(devices, 2, &vm, unknown, &gaps, &err));
    CHECK_EQ(gaps.unknown_devices, 1);
    CHECK_EQ(gaps.high_bytes / MIB, 33280 + 1024);
    CHECK_EQ(gaps.low_bytes / MIB, 256 + 16);
}

/* Below 4 GB on the host, of a width that Windows does not tell: room in both. */
TEST(a_bar_of_unknown_width_counts_twice)
{
    struct device_facts device = { .name = "card" };
    const struct device_facts *devices[] = { &device };
    struct err err = ERR_INIT;
    struct gaps gaps;

    add_bar(&device, 256, TRI_UNKNOWN);
    CHECK_OK(gaps_for_devices(devices, 1, NULL, unknown, &gaps, &err));
    CHECK_EQ(gaps.either_bars, 1);
    CHECK_EQ(gaps.need.low_sum_bytes / MIB, 256);
    CHECK_EQ(gaps.need.high_sum_bytes / MIB, 256);
}

TEST(ports_and_the_window_of_old_vga_need_nothing)
{
    struct device_facts device = { .name = "vga", .has_bars = true };
    const struct device_facts *devices[] = { &device };
    struct err err = ERR_INIT;
    struct gaps gaps;

    device.bars[0] = (struct device_bar){ .is_io = true, .size_bytes = num(128) };
    device.bars[1] = (struct device_bar){ .base_bytes = num(0xA0000),
                                          .size_bytes = num(0x20000),
                                          .is_64bit = TRI_UNKNOWN };
    device.bar_count = 2;
    CHECK_OK(gaps_for_devices(devices, 1, NULL, unknown, &gaps, &err));
    CHECK_EQ(gaps.low_bytes / MIB, 128);
    CHECK_EQ(gaps.high_bytes / MIB, 512);
}

TEST(a_partition_follows_its_share_of_the_memory)
{
    struct hv_gpu gpu = { .modes = GPU_MODE_PV };
    struct hv_vm vm = { 0 };
    struct gaps gaps;

    gaps_for_partition(&vm, &gpu, &gaps);
    CHECK_EQ(gaps.low_bytes / MIB, 1024);
    CHECK_EQ(gaps.high_bytes / MIB, 32768);
    gpu.vram_bytes = num(81920 * MIB); /* 80 GB seen whole: 128 GB window */
    gaps_for_partition(&vm, &gpu, &gaps);
    CHECK_EQ(gaps.high_bytes / MIB, 131072 + 512);
    gpu.modes = GPU_MODE_P;
    gpu.partition_count = num(4); /* 20 GB each */
    gaps_for_partition(&vm, &gpu, &gaps);
    CHECK_EQ(gaps.high_bytes / MIB, 32768);
    gpu.vram_bytes = num(UINT64_MAX);
    gaps_for_partition(&vm, &gpu, &gaps);
    CHECK_EQ(gaps.high_bytes, MMIO_HIGH_MAX);
    gpu.vram_bytes.known = false; /* never less than there is */
    vm.low_mmio_bytes = num(3072 * MIB);
    vm.high_mmio_bytes = num(65536 * MIB);
    gaps_for_partition(&vm, &gpu, &gaps);
    CHECK_EQ(gaps.low_bytes / MIB, 3072);
    CHECK_EQ(gaps.high_bytes / MIB, 65536);
}

TEST(the_arithmetic_is_shown)
{
    struct device_facts p100 = card(16, (const uint64_t[]){ 16384, 32, 0 });
    const struct device_facts *device = &p100;
    CLEANUP(free_cleanup) char *text = NULL;
    struct err err = ERR_INIT;
    struct gaps gaps;

    CHECK_OK(gaps_for_devices(&device, 1, NULL, unknown, &gaps, &err));
    text = gaps_arithmetic(&device, 1, &gaps);
    CHECK(text && strstr(text, "16384 MB + 32 MB = 16416 MB"));
    CHECK(text && strstr(text, "65024"));
    CHECK(text && strstr(text, "16928"));
    CHECK(text && strstr(text, "16 + 128 = 144"));
}
