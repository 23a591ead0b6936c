/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selectors: what they find, and that they never guess. */

#include "inventory.h"

#include "err.h"
#include "test.h"
#include "text.h"

#define RTX_PATH                                                             \
    "\\\\?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#" \
    "{064092b3-625e-43bf-9eb5-dc845897dd59}\\GPUPARAV"
#define RTX_ID "PCI\\VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1\\4&296b7397&0&0008"

static char rtx[] = "NVIDIA GeForce RTX 4070 Laptop GPU", a2[] = "NVIDIA A2",
            iris[] = "Intel(R) Iris(R) Xe Graphics";
static char id_rtx[] = RTX_ID, id_a[] = "PCI\\VEN_10DE&DEV_25B6\\1",
            id_b[] = "PCI\\VEN_10DE&DEV_25B6\\2", id_iris[] = "PCI\\VEN_8086&DEV_A7A0\\3";
static char pci_rtx[] = "10de:2860", pci_a2[] = "10de:25b6", pci_iris[] = "8086:a7a0";
static char path_rtx[] = RTX_PATH, location[] = "PCIROOT(0)#PCI(0100)#PCI(0000)";

static struct hv_gpu gpus[] = {
    { .name = rtx,
      .pci_id = pci_rtx,
      .instance_id = id_rtx,
      .interface_path = path_rtx,
      .location_path = location },
    { .name = a2, .pci_id = pci_a2, .instance_id = id_a },
    { .name = a2, .pci_id = pci_a2, .instance_id = id_b },
    { .name = iris, .pci_id = pci_iris, .instance_id = id_iris },
};
static char dev[] = "dev-box", twin[] = "twin", umlaut[] = "Prüfstand-日本",
            id1[] = "11111111-1111-1111-1111-111111111111",
            id2[] = "22222222-2222-2222-2222-222222222222",
            id3[] = "33333333-3333-3333-3333-333333333333",
            id4[] = "44444444-4444-4444-4444-444444444444";
static struct hv_vm vms[] = { { .name = dev, .id = id1 },
                              { .name = twin, .id = id2 },
                              { .name = twin, .id = id3 },
                              { .name = umlaut, .id = id4 },
                              { .name = NULL, .id = id4 } };
static const struct hv_host host = {
    .gpus = gpus, .gpu_count = ARRAY_LEN(gpus), .vms = vms, .vm_count = 4
};

TEST(a_gpu_is_found_by_each_of_its_names)
{
    static const struct {
        const char *selector;
        size_t expected;
    } cases[] = {
        { "1", 0 },
        { "4", 3 },
        { "4070", 0 },
        { "iris", 3 },
        { "10de:2860", 0 },
        { "8086:A7A0", 3 },
        { RTX_ID, 0 },
        { RTX_PATH, 0 },
        { "pci\\ven_10de&dev_25b6\\2", 2 },
        { location, 0 },
        { "\\??\\PCI#VEN_10DE&DEV_25B6#1#{064092b3-625e-43bf-9eb5-dc845897dd59}", 1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct hv_gpu *gpu = NULL;
        struct err err = ERR_INIT;

        test_case(cases[i].selector);
        CHECK_OK(hv_select_gpu(&host, cases[i].selector, &gpu, &err));
        CHECK(gpu == &gpus[cases[i].expected]);
    }
}

TEST(all_gpus_that_fit_are_found_in_their_order)
{
    static const struct {
        const char *selector;
        size_t count, first;
    } cases[] = { { "A2", 2, 1 }, { "NVIDIA", 3, 0 }, { "3", 1, 2 }, { RTX_ID, 1, 0 } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) const struct hv_gpu **found = NULL;
        struct err err = ERR_INIT;
        size_t count = 0;

        test_case(cases[i].selector);
        CHECK_OK(hv_select_gpus(&host, cases[i].selector, &found, &count, &err));
        CHECK_EQ(count, cases[i].count);
        for (size_t k = 0; k < count; k++)
            CHECK(found[k] == &gpus[cases[i].first + k]);
    }
    {
        const struct hv_gpu **found = NULL;
        struct err err = ERR_INIT;
        size_t count;

        CHECK(!hv_select_gpus(&host, "Arc", &found, &count, &err));
        CHECK_EQ(err.kind, ERR_NOT_FOUND);
        CHECK(found == NULL);
    }
}

TEST(a_gpu_selector_that_fits_several_lists_them)
{
    static const char *const cases[] = { "A2", "10de:25b6", "NVIDIA" };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct hv_gpu *gpu = NULL;
        struct err err = ERR_INIT;

        test_case(cases[i]);
        CHECK(!hv_select_gpu(&host, cases[i], &gpu, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        CHECK(strstr(err.text[0], "2 'NVIDIA A2'") != NULL);
        CHECK(strstr(err.text[0], "3 'NVIDIA A2'") != NULL);
        CHECK(gpu == NULL);
    }
}

TEST(a_small_number_is_never_part_of_a_name)
{
    const struct hv_gpu *gpu = NULL;
    struct err err = ERR_INIT;

    CHECK(!hv_select_gpu(&host, "40", &gpu, &err)); /* in "RTX 4070", but the 40th GPU */
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(!hv_select_gpu(&host, "0", &gpu, &err));
    CHECK(!hv_select_gpu(&host, "5", &gpu, &err));
    CHECK(!hv_select_gpu(&host, "", &gpu, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
}

TEST(an_unknown_gpu_is_an_error_that_says_what_there_is)
{
    const struct hv_gpu *gpu = NULL;
    const struct hv_host empty = { .gpu_count = 0 };
    struct err err = ERR_INIT;

    CHECK(!hv_select_gpu(&host, "Radeon", &gpu, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(strstr(err.hint, "Iris") != NULL);
    CHECK(!hv_select_gpu(&empty, "Radeon", &gpu, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
}

TEST(a_vm_is_found_by_name_without_case_or_by_id)
{
    static const struct {
        const char *selector;
        size_t expected;
    } cases[] = {
        { "dev-box", 0 },
        { "DEV-BOX", 0 },
        { "Prüfstand-日本", 3 },
        { "22222222-2222-2222-2222-222222222222", 1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct hv_vm *vm = NULL;
        struct err err = ERR_INIT;

        test_case(cases[i].selector);
        CHECK_OK(hv_select_vm(&host, cases[i].selector, &vm, &err));
        CHECK(vm == &vms[cases[i].expected]);
    }
}

TEST(two_vms_of_one_name_are_told_apart_by_id_only)
{
    const struct hv_vm *vm = NULL;
    struct err err = ERR_INIT;

    CHECK(!hv_select_vm(&host, "twin", &vm, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(strstr(err.text[0], id2) != NULL);
    CHECK(strstr(err.text[0], id3) != NULL);
    CHECK(!hv_select_vm(&host, "dev", &vm, &err)); /* a part of a name is not enough */
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK(strstr(err.hint, "dev-box") != NULL);
    CHECK(vm == NULL);
}

TEST(many_and_long_names_make_an_error_of_bounded_length)
{
    static struct hv_vm many[1000];
    static char name[10001];
    const struct hv_host big = { .vms = many, .vm_count = ARRAY_LEN(many) };
    const struct hv_vm *vm = NULL;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < 10000; i += 2)
        memcpy(name + i, "\xC3\xBC", 2);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct hv_vm){ .name = name, .id = id1 };
    CHECK(!hv_select_vm(&big, name, &vm, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(strstr(err.text[0], "1000 VMs") != NULL);
    CHECK(text_is_utf8(err.text[0], strlen(err.text[0])));
    CHECK(!hv_select_vm(&big, "nobody", &vm, &err));
    CHECK(text_is_utf8(err.hint, strlen(err.hint)));
}

TEST(an_instance_id_is_read_from_every_form_of_an_interface_path)
{
    static const char *const cases[] = {
        RTX_PATH,
        "\\??\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#{0}",
        "PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#{0}\\GPUPARAV",
        "?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#{0}",
    };
    static const char *const wrong[] = {
        "", "\\\\?\\", "#{", "PCI", "\\\\?\\USB#VID_1#2#{0}", "\\\\?\\#{0}",
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_cleanup) char *id = gpu_instance_from_interface(cases[i]);

        CHECK_STR_EQ(id, RTX_ID);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        CLEANUP(free_cleanup) char *id = gpu_instance_from_interface(wrong[i]);

        test_case(wrong[i]);
        CHECK(id == NULL);
    }
    CHECK(gpu_interface_is_paravirtual(RTX_PATH));
    CHECK(gpu_interface_is_paravirtual("x\\gpuparav"));
    CHECK(!gpu_interface_is_paravirtual("\\\\?\\PCI#VEN_10DE#1#{0}"));
    CHECK(!gpu_interface_is_paravirtual(NULL));
}

TEST(vendor_and_device_are_read_from_ids_only_when_complete)
{
    CLEANUP(free_cleanup) char *good = gpu_pci_id(RTX_ID);
    CLEANUP(free_cleanup) char *path = gpu_pci_id(RTX_PATH);

    CHECK_STR_EQ(good, "10de:2860");
    CHECK_STR_EQ(path, "10de:2860");
    CHECK(gpu_pci_id("PCI\\VEN_10D&DEV_2860") == NULL);
    CHECK(gpu_pci_id("PCI\\VEN_10DE&DEV_28") == NULL);
    CHECK(gpu_pci_id("ROOT\\BasicDisplay\\0000") == NULL);
    CHECK(gpu_pci_id(NULL) == NULL);
}
