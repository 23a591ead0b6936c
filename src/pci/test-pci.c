/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "err.h"
#include "mmio.h"
#include "os.h"
#include "pci.h"
#include "test.h"
#include "text.h"

/* ---- the worked examples ---- */

#define RTX6000                                                                  \
    {                                                                            \
        .high = { 65536 * MIB, 32 * MIB }, .high_count = 2, .low = { 16 * MIB }, \
        .low_count = 1                                                           \
    }
#define P100                                                                     \
    {                                                                            \
        .high = { 16384 * MIB, 32 * MIB }, .high_count = 2, .low = { 16 * MIB }, \
        .low_count = 1                                                           \
    }
#define L40S                                               \
    {                                                      \
        .high = { 65536 * MIB, 32 * MIB }, .high_count = 2 \
    }

TEST(the_worked_examples_come_out_as_written)
{
    static const struct {
        const char *name;
        size_t count;
        struct mmio_device devices[4];
        uint64_t sum, a, b, c;
    } cases[] = {
        { "GRID K520",
          1,
          { { { 128 * MIB, 32 * MIB }, 2, { 16 * MIB }, 1 } },
          160,
          672,
          160,
          160 },
        { "RTX 4090, Resizable BAR off",
          1,
          { { { 256 * MIB, 32 * MIB }, 2, { 0 }, 0 } },
          288,
          800,
          288,
          288 },
        { "RTX 5090, off",
          1,
          { { { 64 * MIB, 256 * MIB, 32 * MIB }, 3, { 0 }, 0 } },
          352,
          864,
          352,
          352 },
        { "RTX 4090, on",
          1,
          { { { 32768 * MIB, 32 * MIB }, 2, { 0 }, 0 } },
          32800,
          33312,
          33280,
          33312 },
        { "one P100", 1, { P100 }, 16416, 16928, 16896, 16928 },
        { "two P100", 2, { P100, P100 }, 32832, 33344, 33280, 49696 },
        { "four P100", 4, { P100, P100, P100, P100 }, 65664, 66176, 66048, 115232 },
        { "L40S", 1, { L40S }, 65568, 66080, 66048, 66080 },
        { "two L40S", 2, { L40S, L40S }, 131136, 131648, 131584, 197152 },
        { "A100 80 GB",
          1,
          { { { 131072 * MIB, 32 * MIB }, 2, { 0 }, 0 } },
          131104,
          131616,
          197120,
          197152 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mmio_need need = { 0 };
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        CHECK_OK(mmio_compute(cases[i].devices, cases[i].count, 0, 0, &need, &err));
        CHECK_EQ(need.high_sum_bytes / MIB, cases[i].sum);
        CHECK_EQ(need.rule_a_bytes / MIB, cases[i].a);
        CHECK_EQ(need.packed_bytes / MIB, cases[i].b);
        CHECK_EQ(need.windows_bytes / MIB, cases[i].c);
        CHECK(need.high_bytes >= need.rule_a_bytes &&
              need.high_bytes >= need.windows_bytes);
        CHECK_EQ(need.high_bytes % (512 * MIB), 0);
        CHECK(!need.moved_base);
    }
}

TEST(the_largest_cards_move_the_base)
{
    static const struct mmio_device h200 = { { 262144 * MIB, 32 * MIB }, 2, { 0 }, 0 };
    static const struct mmio_device b200 = {
        { 64 * MIB, 262144 * MIB, 32 * MIB }, 3, { 0 }, 0
    };
    static const struct mmio_device b300 = { { 524288 * MIB }, 1, { 0 }, 0 };
    struct mmio_need need = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(mmio_compute(&h200, 1, 0, 0, &need, &err));
    CHECK(need.moved_base);
    CHECK_EQ(need.base_bytes / MIB, 262144);
    CHECK_EQ(need.high_bytes / MIB, 262176);
    CHECK_EQ(need.end_bytes / MIB, 524320);
    CHECK_OK(mmio_compute(&b200, 1, 0, 0, &need, &err));
    CHECK_EQ(need.high_bytes / MIB, 262240);

    CHECK(!mmio_compute(&h200, 1, 0, 39, &need, &err)); /* ends above 39 bits */
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(!mmio_compute(&b300, 1, 0, 0, &need, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
}

TEST(the_host_s_address_width_is_a_limit)
{
    static const struct mmio_device p100 = P100;
    struct mmio_need need = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(mmio_compute(&p100, 1, 0, 39, &need, &err));
    CHECK(!mmio_compute(&p100, 1, 0, 36, &need, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
}

TEST(the_low_gap_holds_32_bit_bars_and_a_reserve)
{
    static const struct mmio_device both[] = {
        { { 128 * MIB, 32 * MIB }, 2, { 16 * MIB }, 1 }, RTX6000
    };
    struct mmio_need need = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(mmio_compute(both, 2, 0, 0, &need, &err));
    CHECK_EQ(need.low_bytes / MIB, 160);
    CHECK_OK(mmio_compute(NULL, 0, 0, 0, &need, &err));
    CHECK_EQ(need.low_bytes / MIB, 128);
    CHECK_EQ(need.high_bytes / MIB, 512);
}

TEST(impossible_bars_are_refused)
{
    static const struct mmio_device odd = { { 3 * MIB }, 1, { 0 }, 0 };
    static const struct mmio_device huge = { { 1ull << 60 }, 1, { 0 }, 0 };
    struct mmio_need need = { 0 };
    struct err err = ERR_INIT;

    CHECK(!mmio_compute(&odd, 1, 0, 0, &need, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(!mmio_compute(&huge, 1, 0, 0, &need, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
}

/* ---- small texts ---- */

static const char tree[] =
    "00:00.0 Host bridge [0600]: X [8086:3405] (rev 12)\n"
    "00:03.0 PCI bridge [0604]: Root port [8086:340a] (prog-if 00 [Normal decode])\n"
    "\tBus: primary=00, secondary=04, subordinate=04, sec-latency=0\n"
    "\tCapabilities: [90] Express (v2) Root Port (Slot+), MSI 00\n"
    "\tCapabilities: [150 v1] Access Control Services\n"
    "04:00.0 VGA compatible controller [0300]: Maker Card [10de:2860] (rev a1)\n"
    "\tInterrupt: pin A routed to IRQ 331\n"
    "\tRegion 0: Memory at 91000000 (32-bit, non-prefetchable) [size=16M]\n"
    "\tRegion 1: Memory at 3b800000000 (64-bit, prefetchable) [size=8G]\n"
    "\tRegion 5: I/O ports at 2000 [disabled] [size=128]\n"
    "\tCapabilities: [68] MSI: Enable+ Count=1/1 Maskable- 64bit+\n"
    "\tCapabilities: [78] Express (v2) Legacy Endpoint, MSI 00\n"
    "\t\tDevCap:\tMaxPayload 256 bytes\n"
    "\t\t\tExtTag+ AttnBtn- RBE+ FLReset+ SlotPowerLimit 25.000W\n"
    "\tCapabilities: [bb0 v1] Physical Resizable BAR\n"
    "\t\tBAR 0: current size: 16MB, supported: 16MB\n"
    "\t\tBAR 1: current size: 8GB, supported: 64MB 8GB\n"
    "05:00.0 Display controller: Orphan\n";

TEST(words_of_lspci_are_read)
{
    struct pci_machine machine;
    struct err err = ERR_INIT;
    const struct pci_device *gpu;
    char text[128];

    CHECK_OK(pci_read_lspci(tree, strlen(tree), &machine, &err));
    CHECK_EQ(machine.count, 4);
    gpu = &machine.devices[2];
    pci_address(gpu, text);
    CHECK_STR_EQ(text, "0000:04:00.0");
    CHECK_STR_EQ(gpu->name, "Maker Card");
    CHECK_EQ(gpu->device_id, 0x2860);
    CHECK(pci_is_display(gpu));
    CHECK_EQ(gpu->bar_count, 3);
    CHECK_EQ(gpu->bars[1].size_bytes >> 30, 8);
    CHECK(gpu->bars[1].is_64bit && gpu->bars[1].prefetchable);
    CHECK(!gpu->bars[0].is_64bit && !gpu->bars[0].prefetchable);
    CHECK(gpu->bars[2].is_io);
    CHECK_EQ(gpu->flr, PCI_YES);
    CHECK_EQ(gpu->acs, PCI_NO);
    CHECK_EQ(gpu->rebar_index, 1);
    CHECK_EQ(gpu->rebar_count, 2);
    CHECK_EQ(pci_acs_up(&machine, gpu), PCI_YES);
    CHECK(pci_location_path(&machine, gpu, text, sizeof(text)));
    CHECK_STR_EQ(text, "PCIROOT(0)#PCI(0300)#PCI(0000)");

    /* The orphan's way up is not in the text. */
    CHECK(!pci_location_path(&machine, &machine.devices[3], text, sizeof(text)));
    CHECK_EQ(pci_acs_up(&machine, &machine.devices[3]), PCI_UNKNOWN);
    pci_machine_clear(&machine);
}

TEST(text_without_devices_is_refused)
{
    static const char *const texts[] = { "", "hello\n", "00: 86 80\n", "zz:00.0 X: y\n" };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct pci_machine machine;
        struct err err = ERR_INIT;

        CHECK(!pci_read_lspci(texts[i], strlen(texts[i]), &machine, &err));
        CHECK_EQ(err.kind, ERR_PROTOCOL);
    }
}

/* ---- real dumps ---- */

static bool load(const char *name, struct pci_machine *ret)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/lspci/%s", test_data_dir(), name);
    struct err err = ERR_INIT;
    size_t len = 0;
    CLEANUP(free_cleanup) char *text = os_read_file(path, 16 << 20, &len, &err);
    bool ok = text && pci_read_lspci(text, len, ret, &err);

    if (!ok)
        CHECK_STR_EQ(err.text[0], "");
    return ok;
}

static const struct pci_device *at(const struct pci_machine *machine, const char *address)
{
    for (size_t i = 0; i < machine->count; i++) {
        char text[16];

        pci_address(&machine->devices[i], text);
        if (strcmp(text, address) == 0)
            return &machine->devices[i];
    }
    CHECK_STR_EQ("no such device", address);
    return &machine->devices[0];
}

TEST(a_tree_of_bytes_gives_paths_and_isolation)
{
    struct pci_machine machine;
    char path[128];
    static const struct {
        const char *address, *path;
    } paths[] = {
        { "0000:06:00.0", "PCIROOT(0)#PCI(0700)#PCI(0000)" },
        { "0000:06:00.1", "PCIROOT(0)#PCI(0700)#PCI(0001)" },
        { "0000:04:00.0", "PCIROOT(0)#PCI(0300)#PCI(0000)#PCI(0000)#PCI(0000)" },
        { "0000:08:00.0", "PCIROOT(0)#PCI(1C01)#PCI(0000)" },
        { "0000:00:1f.2", "PCIROOT(0)#PCI(1F02)" },
    };

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    if (!load("01-asus-p6t6-geforce210.hex.txt", &machine))
        return;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        test_case(paths[i].address);
        CHECK(pci_location_path(&machine, at(&machine, paths[i].address), path,
                                sizeof(path)));
        CHECK_STR_EQ(path, paths[i].path);
    }
    CHECK_EQ(at(&machine, "0000:06:00.0")->flr, PCI_NO);
    CHECK_EQ(at(&machine, "0000:06:00.0")->express, PCI_EXPRESS_ENDPOINT);
    /* Behind the NF200 switch, whose ports carry no ACS. */
    CHECK_EQ(pci_acs_up(&machine, at(&machine, "0000:04:00.0")), PCI_NO);
    pci_machine_clear(&machine);
}

TEST(real_cards_show_what_is_known_of_them)
{
    struct pci_machine machine;
    const struct pci_device *gpu;

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    if (load("02-amd-fiji-rebar.hex.txt", &machine)) {
        gpu = at(&machine, "0000:09:00.0");
        CHECK_EQ(gpu->express, PCI_EXPRESS_LEGACY_ENDPOINT);
        CHECK_EQ(gpu->flr, PCI_NO);
        CHECK_EQ(gpu->rebar_index, 0);
        CHECK_EQ(gpu->rebar_sizes[0] >> 20, 256);
        CHECK_EQ(gpu->rebar_sizes[gpu->rebar_count - 1] >> 30, 4);
        CHECK_EQ(gpu->bars[0].size_bytes >> 20, 256); /* its current size */
        CHECK(!gpu->bars[1].has_size);
        pci_machine_clear(&machine);
    }
    if (load("03-xeon-2x-tesla-p100.vvv.txt", &machine)) {
        gpu = at(&machine, "0000:04:00.0");
        CHECK_EQ(gpu->flr, PCI_NO);
        CHECK_EQ(gpu->express, PCI_EXPRESS_ENDPOINT);
        CHECK_EQ(gpu->bars[1].size_bytes >> 30, 16);
        CHECK_EQ(pci_acs_up(&machine, gpu), PCI_YES);
        pci_machine_clear(&machine);
    }
    if (load("04-epyc-4x-rtx6000ada.vvv.txt", &machine)) {
        unsigned displays = 0;

        for (size_t i = 0; i < machine.count; i++) {
            if (!pci_is_display(&machine.devices[i]) || !machine.devices[i].rebar_count)
                continue;
            displays++;
            CHECK_EQ(machine.devices[i].rebar_index, 1);
            CHECK_EQ(machine.devices[i].rebar_sizes[machine.devices[i].rebar_count - 1] >>
                         30,
                     64);
            CHECK_EQ(machine.devices[i].flr, PCI_YES);
        }
        CHECK_EQ(displays, 4);
        pci_machine_clear(&machine);
    }
    if (load("06-p45-gtx1650super.vvv.txt", &machine)) {
        gpu = at(&machine, "0000:01:00.0");
        CHECK_EQ(gpu->flr, PCI_YES);
        CHECK_EQ(gpu->express, PCI_EXPRESS_LEGACY_ENDPOINT);
        CHECK_EQ(at(&machine, "0000:01:00.1")->flr, PCI_NO);
        pci_machine_clear(&machine);
    }
}

/* ---- this machine, as a tree of files ---- */

static void put(const char *folder, const char *name, const char *file, const void *bytes,
                size_t len)
{
    CLEANUP(free_cleanup) char *device = text_printf("%s/%s", folder, name);
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", device, file);
    struct err err = ERR_INIT;

    CHECK_OK(os_make_dirs(device, &err));
    CHECK_OK(os_write_file(path, bytes, len, &err));
}

static void put_text(const char *folder, const char *name, const char *file,
                     const char *text)
{
    put(folder, name, file, text, strlen(text));
}

static const char resources[] =
    "0x0000000091000000 0x0000000091ffffff 0x0000000000040200\n"
    "0x000003b800000000 0x000003b80fffffff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x000003b810000000 0x000003b811ffffff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x0000000000002000 0x000000000000207f 0x0000000000040101\n"
    "0x0000000092000000 0x000000009207ffff 0x0000000000046200\n";

/* 64 bytes of configuration space are all that others than root get. */
TEST(a_linux_machine_without_root_tells_sizes_and_reset_but_no_capabilities)
{
    char guid[37];
    CLEANUP(free_cleanup) char *folder = NULL;
    struct pci_machine machine = { 0 };
    const struct pci_device *gpu;
    uint8_t config[64] = { 0xde, 0x10, 0x84, 0x26, [0x0b] = 0x03, [0x3d] = 1 };
    struct err err = ERR_INIT;

    os_guid(guid);
    folder = text_printf("%s/test-pci-%s", getenv("HVGPU_TEST_TMP") ?: "/tmp", guid);
    put(folder, "0000:65:00.0", "config", config, sizeof(config));
    put_text(folder, "0000:65:00.0", "class", "0x030000\n");
    put_text(folder, "0000:65:00.0", "vendor", "0x10de\n");
    put_text(folder, "0000:65:00.0", "device", "0x2684\n");
    put_text(folder, "0000:65:00.0", "resource", resources);
    put_text(folder, "0000:65:00.0", "reset_method", "flr bus\n");
    put_text(folder, "0000:65:00.0", "resource1_resize", "0000000000003fc0\n");
    put_text(folder, "not-a-device", "class", "0x030000\n");
    put_text(folder, "0000:66:00.0", "class", "0x020000\n");

    CHECK_OK(pci_read_sysfs(folder, &machine, &err));
    CHECK_EQ(machine.count, 2);
    gpu = &machine.devices[0];
    CHECK(pci_is_display(gpu) && gpu->vendor_id == 0x10de && gpu->device_id == 0x2684);
    CHECK_EQ(gpu->flr, PCI_YES);
    CHECK_EQ(gpu->express, PCI_EXPRESS_UNKNOWN);
    CHECK_EQ(gpu->msi, PCI_UNKNOWN);
    CHECK_EQ(gpu->acs, PCI_UNKNOWN);
    CHECK_EQ(gpu->bar_count, 4); /* the expansion ROM is none */
    CHECK(gpu->bars[1].is_64bit && gpu->bars[1].prefetchable);
    CHECK_EQ(gpu->bars[1].size_bytes >> 20, 256);
    CHECK(gpu->bars[3].is_io && gpu->bars[3].index == 5);
    CHECK_EQ(gpu->rebar_index, 1);
    CHECK_EQ(gpu->rebar_sizes[0] >> 20, 64);
    CHECK_EQ(gpu->rebar_sizes[gpu->rebar_count - 1] >> 20, 8192);
    CHECK(gpu->iommu_group_told && !gpu->has_iommu_group);
    CHECK_EQ(machine.devices[1].flr, PCI_UNKNOWN);
    pci_machine_clear(&machine);
    CHECK_OK(os_remove_tree(folder, &err));
    CHECK(!pci_read_sysfs(folder, &machine, &err));
    CHECK(err.hint[0]);
}

TEST(names_come_from_the_list_of_pciutils)
{
    static const char ids[] = "# comment\n"
                              "1002  AMD\n"
                              "\t2684  Not this\n"
                              "10de  NVIDIA Corporation\n"
                              "\t2684  AD102 [GeForce RTX 4090]\n"
                              "\t\t10de 16f4  Founders\n"
                              "1a03  ASPEED\n";
    struct pci_device devices[] = {
        { .has_ids = true, .vendor_id = 0x10de, .device_id = 0x2684 },
        { .has_ids = true, .vendor_id = 0x1a03, .device_id = 0x2684 },
        { .has_ids = true, .vendor_id = 0xffff },
    };
    struct pci_machine machine = { devices, ARRAY_LEN(devices) };

    pci_take_names(&machine, ids);
    CHECK_STR_EQ(devices[0].name, "NVIDIA Corporation AD102 [GeForce RTX 4090]");
    CHECK_STR_EQ(devices[1].name, "ASPEED Device");
    CHECK_STR_EQ(devices[2].name, "");
}
