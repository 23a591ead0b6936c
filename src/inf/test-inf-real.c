/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vendors' own INF files: every count, place and CopyToVm value that another parser and
 * a person's eye found in them (the README beside the files).
 */

#include "err.h"
#include "inf.h"
#include "os.h"
#include "test.h"
#include "text.h"

static struct inf *load(const char *name)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s/inf/%s", test_data_dir(), name);
    struct err err = ERR_INIT;
    size_t len = 0;
    CLEANUP(free_cleanup) char *bytes = os_read_file(path, INF_SIZE_MAX, &len, &err);
    struct inf *inf = bytes ? inf_parse(bytes, len, &err) : NULL;

    if (!inf)
        CHECK_STR_EQ(err.text[0], "");
    return inf;
}

#define N470 "nvidia-470.05-nv_dispi.inf"
#define N416 "nvidia-416.34-nv_dispi-p106mod.inf"
#define N451 "nvidia-451.22-nv_dispi-mod.inf"
#define N446 "nvidia-446.14-nv_dispi-mod.inf"
#define I21 "intel-21.20.16.4860-igdlh64-utf16.inf"
#define A32 "amd-32.0.11016.14003-amduw23e-extension.inf"

struct place {
    int dirid;
    const char *subdir; /* NULL: any */
    size_t count;
};

/* One DDInstall, and where its entries go; what is not listed must not be there unless
 * @rest says so. */
struct expected {
    const char *file, *id;
    unsigned build;
    const char *section;
    size_t entries, distinct;
    struct place places[12];
    bool rest; /* the README gives no number for the other places */
};

static const struct expected expectations[] = {
    { N470,
      "PCI\\VEN_10DE&DEV_1E07",
      17098,
      "Section001",
      349,
      308,
      { { 13, "", 230 },
        { 13, "NVWMI", 3 },
        { 13, "Display.NvContainer", 8 },
        { 13, "Display.NvContainer\\plugins\\LocalSystem", 6 },
        { 13, "Display.NvContainer\\plugins\\Session", 6 },
        { 13, "NvCamera", 55 },
        { 11, "", 19 },
        { 11, "lxss\\lib", 6 },
        { 10, "SysWow64", 13 },
        { 12, "NVIDIA Corporation\\Drs", 2 },
        { 12, "NVIDIA Corporation", 1 } },
      false },
    { N470,
      "PCI\\VEN_10DE&DEV_1E07",
      26100,
      "Section001",
      349,
      308,
      { { 13, NULL, 308 } },
      true },
    { N470,
      "PCI\\VEN_10DE&DEV_2206",
      17098,
      "Section090",
      349,
      308,
      { { 13, "", 230 },
        { 13, "NVWMI", 3 },
        { 13, "Display.NvContainer", 8 },
        { 13, "Display.NvContainer\\plugins\\LocalSystem", 6 },
        { 13, "Display.NvContainer\\plugins\\Session", 6 },
        { 13, "NvCamera", 55 },
        { 11, "", 19 },
        { 11, "lxss\\lib", 6 },
        { 10, "SysWow64", 13 },
        { 12, "NVIDIA Corporation\\Drs", 2 },
        { 12, "NVIDIA Corporation", 1 } },
      false },
    { N416,
      "PCI\\VEN_10DE&DEV_1B80",
      10240,
      "Section107",
      78,
      0,
      { { 13, NULL, 3 }, { 11, "", 32 }, { 10, "SysWow64", 26 }, { 12, "", 1 } },
      true },
    { N416,
      "PCI\\VEN_10DE&DEV_1B80",
      14310,
      "Section108",
      84,
      0,
      { { 13, NULL, 30 },
        { 11, "", 20 },
        { 10, "SysWow64", 18 },
        { 12, "NVIDIA Corporation\\Drs", 2 },
        { 1, NULL, 2 },
        { 16426, NULL, 3 },
        { 16422, NULL, 3 + 1 + 5 } },
      false },
    { N416,
      "PCI\\VEN_10DE&DEV_1B80",
      22631,
      "Section108",
      84,
      0,
      { { 13, NULL, 30 } },
      true },
    { N451,
      "PCI\\VEN_10DE&DEV_1B80",
      19041,
      "R450",
      85,
      0,
      { { 13, NULL, 48 },
        { 11, "", 15 },
        { 10, "SysWow64", 13 },
        { 12, "NVIDIA Corporation\\Drs", 2 },
        { 1, NULL, 2 },
        { 16422, NULL, 1 + 4 } },
      false },
    { N446,
      "PCI\\VEN_10DE&DEV_1B80",
      19041,
      "R445",
      75,
      0,
      { { 13, NULL, 4 },
        { 11, "", 32 },
        { 10, "SysWow64", 27 },
        { 12, "", 1 },
        { 12, "NVIDIA Corporation\\Drs", 2 },
        { 1, NULL, 3 },
        { 16422, NULL, 1 + 5 } },
      false },
    { I21,
      "PCI\\VEN_8086&DEV_5912",
      10240,
      "iKBLD_w10",
      180,
      0,
      { { 11, "", 74 }, { 10, "SysWow64", 35 }, { 12, "", 1 }, { 13, NULL, 0 } },
      true },
    { I21,
      "PCI\\VEN_8086&DEV_5912",
      14393,
      "iKBLD_w10_DS",
      177,
      174,
      { { 13, NULL, 98 },
        { 11, "", 4 },
        { 10, "SysWow64", 5 },
        { 16426, NULL, 44 },
        { 16422, "Intel\\Media SDK", 26 } },
      false },
    { I21,
      "PCI\\VEN_8086&DEV_5912",
      0,
      "iKBLD_w10_DS",
      177,
      174,
      { { 13, NULL, 98 } },
      true },
    { A32,
      "PCI\\VEN_1002&DEV_164E&SUBSYS_3C4A17AA&REV_D8",
      22621,
      "ati2mtag_DragonRange",
      0,
      0,
      { { 0 } },
      false },
};

static size_t count_to(const struct inf_install *install, const struct place *place)
{
    size_t count = 0;

    for (size_t i = 0; i < install->file_count; i++)
        count += install->files[i].dirid == place->dirid &&
                 (!place->subdir || text_ieq(install->files[i].subdir, place->subdir));
    return count;
}

static size_t count_distinct_sources(const struct inf_install *install)
{
    size_t count = 0;

    for (size_t i = 0; i < install->file_count; i++) {
        bool seen = false;

        for (size_t k = 0; k < i && !seen; k++)
            seen = text_ieq(install->files[k].source, install->files[i].source);
        count += !seen;
    }
    return count;
}

TEST(entries_go_where_another_parser_saw_them_go)
{
    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        const struct expected *e = &expectations[i];
        CLEANUP(inf_cleanup) struct inf *inf = load(e->file);
        CLEANUP(free_cleanup) char *label = text_printf("%s %u", e->file, e->build);
        struct inf_install install = { 0 };
        struct err err = ERR_INIT;
        size_t placed = 0;

        test_case(label);
        CHECK_OK(inf && inf_find_install(inf, e->id, "amd64", e->build, &install, &err));
        CHECK_STR_EQ(install.section, e->section);
        CHECK_EQ(install.file_count, e->entries);
        for (size_t k = 0; k < ARRAY_LEN(e->places) && e->places[k].dirid; k++) {
            CHECK_EQ(count_to(&install, &e->places[k]), e->places[k].count);
            placed += e->places[k].count;
        }
        if (!e->rest)
            CHECK_EQ(placed, e->entries);
        if (e->distinct)
            CHECK_EQ(count_distinct_sources(&install), e->distinct);
        inf_install_clear(&install);
    }
}

struct copy {
    const char *file, *id;
    unsigned build;
    const char *source, *name;
    bool wow64;
    enum inf_rule rule;
};

static const struct copy copies[] = {
    { N470, "PCI\\VEN_10DE&DEV_1E07", 0, "nvcuda_loader64.dll", "nvcuda.dll", false,
      INF_NEWER },
    { N470, "PCI\\VEN_10DE&DEV_1E07", 0, "nvml_loader.dll", "nvml.dll", false, INF_NEWER },
    { N470, "PCI\\VEN_10DE&DEV_1E07", 0, "OpenCL64.dll", "OpenCL.dll", false, INF_NEWER },
    { N470, "PCI\\VEN_10DE&DEV_1E07", 0, "vulkan-1-x64.dll", "vulkan-1.dll", false,
      INF_NEWER },
    { N470, "PCI\\VEN_10DE&DEV_1E07", 0, "nvcuda_loader32.dll", "nvcuda.dll", true,
      INF_NEWER },
    { N470, "PCI\\VEN_10DE&DEV_1E07", 0, "OpenCL32.dll", "OpenCL.dll", true, INF_NEWER },
    { N470, "PCI\\VEN_10DE&DEV_1E07", 0, "vulkan-1-x86.dll", "vulkan-1.dll", true,
      INF_NEWER },
    { N451, "PCI\\VEN_10DE&DEV_1B80", 0, "nvcuda_loader64.dll", "nvcuda.dll", false,
      INF_NEWER },
    { N451, "PCI\\VEN_10DE&DEV_1B80", 0, "OpenCL64.dll", "OpenCL.dll", false, INF_NEWER },
    { N451, "PCI\\VEN_10DE&DEV_1B80", 0, "vulkan-1-x64.dll", "vulkan-1.dll", false,
      INF_NEWER },
    { N451, "PCI\\VEN_10DE&DEV_1B80", 0, "nvcuda_loader32.dll", "nvcuda.dll", true,
      INF_NEWER },
    { N451, "PCI\\VEN_10DE&DEV_1B80", 0, "OpenCL32.dll", "OpenCL.dll", true, INF_NEWER },
    { N451, "PCI\\VEN_10DE&DEV_1B80", 0, "vulkan-1-x86.dll", "vulkan-1.dll", true,
      INF_NEWER },
    { N446, "PCI\\VEN_10DE&DEV_1B80", 0, "OpenCL64.dll", "OpenCL.dll", false, INF_NEWER },
    { N446, "PCI\\VEN_10DE&DEV_1B80", 0, "OpenCL32.dll", "OpenCL.dll", true, INF_NEWER },
    { N416, "PCI\\VEN_10DE&DEV_1B80", 14310, "%10%\\system32\\vulkan-1.dll", "vulkan-1.dll",
      false, INF_NEWER },
    { N416, "PCI\\VEN_10DE&DEV_1B80", 14310, "%10%\\syswow64\\vulkan-1.dll", "vulkan-1.dll",
      true, INF_NEWER },
};

static bool has_copy(const struct inf_install *install, const struct copy *copy)
{
    for (size_t i = 0; i < install->copy_count; i++) {
        const struct inf_copy_to_vm *one = &install->copies[i];

        if (text_ieq(one->source, copy->source) && text_ieq(one->name, copy->name) &&
            one->wow64 == copy->wow64 && one->rule == copy->rule)
            return true;
    }
    return false;
}

TEST(copy_to_vm_values_are_those_of_the_files_and_no_others)
{
    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    for (size_t i = 0; i < ARRAY_LEN(copies);) {
        CLEANUP(inf_cleanup) struct inf *inf = load(copies[i].file);
        const char *file = copies[i].file;
        struct inf_install install = { 0 };
        struct err err = ERR_INIT;
        size_t first = i;

        CHECK_OK(inf && inf_find_install(inf, copies[i].id, "amd64", copies[i].build,
                                         &install, &err));
        for (; i < ARRAY_LEN(copies) && strcmp(copies[i].file, file) == 0; i++) {
            CLEANUP(free_cleanup)
            char *label = text_printf("%s %s", file, copies[i].source);

            test_case(label);
            CHECK(has_copy(&install, &copies[i]));
        }
        CHECK_EQ(install.copy_count, i - first);
        inf_install_clear(&install);
    }
}

/* No DDInstall of that modified file uses the list any more: here one does. */
TEST(a_list_of_446_14_overwrites_cuda)
{
    static const char install_it[] = "\r\n[ByHand]\r\nAddReg=nv_commonBase_addreg__02\r\n";
    static const struct copy expected[] = {
        { N446, NULL, 0, "nvcuda64.dll", "nvcuda.dll", false, INF_ALWAYS },
        { N446, NULL, 0, "nvcuda32.dll", "nvcuda.dll", true, INF_ALWAYS },
    };
    CLEANUP(free_cleanup) char *path = NULL;
    CLEANUP(free_cleanup) char *bytes = NULL;
    CLEANUP(free_cleanup) char *text = NULL;
    CLEANUP(inf_cleanup) struct inf *inf = NULL;
    struct inf_install install = { 0 };
    struct err err = ERR_INIT;
    size_t len = 0;

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    path = text_printf("%s/inf/%s", test_data_dir(), N446);
    bytes = os_read_file(path, INF_SIZE_MAX, &len, &err);
    text = bytes ? text_printf("%s%s", bytes, install_it) : NULL;
    inf = text ? inf_parse(text, strlen(text), &err) : NULL;
    CHECK_OK(inf && inf_read_install(inf, "ByHand", "amd64", &install, &err));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        CHECK(has_copy(&install, &expected[i]));
    for (size_t i = 0; i < install.copy_count; i++)
        CHECK(install.copies[i].rule != INF_ALWAYS ||
              text_ieq(install.copies[i].name, "nvcuda.dll"));
    inf_install_clear(&install);
}

TEST(every_file_says_its_class_version_date_and_models)
{
    static const struct {
        const char *file, *class_name, *version, *date;
        size_t models;
    } cases[] = {
        { N470, "Display", "27.21.14.7005", "2021-02-26", 178 },
        { N416, "Display", "25.21.14.1634", NULL, 123 + 126 + 132 },
        { N451, "Display", "27.21.14.5122", NULL, 0 },
        { N446, "Display", "26.21.14.4614", NULL, 0 },
        { I21, "Display", "21.20.16.4860", NULL, 5 * 30 },
        { A32, "Extension", "32.0.11016.14003", NULL, 144 },
        { "nvidia-470.05-nvhda.inf", "MEDIA", NULL, NULL, 76 + 84 + 84 },
        { "microsoft-kmdod-sampledisplay.inf", "Display", NULL, NULL, 3 * 4 },
        { "microsoft-iddsampledriver.inf", "Display", NULL, NULL, 0 },
        { "virtio-viogpudo.inx", "Display", NULL, NULL, 0 },
        { "amd-amdfendr-system.inf", "System", NULL, NULL, 0 },
        { "nvidia-470.05-nvppc.inf", "USB", NULL, NULL, 0 },
    };

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(inf_cleanup) struct inf *inf = load(cases[i].file);
        struct inf_version version = { 0 };
        struct err err = ERR_INIT;

        test_case(cases[i].file);
        CHECK_OK(inf && inf_read_version(inf, &version, &err));
        CHECK_STR_EQ(version.class_name, cases[i].class_name);
        if (cases[i].version)
            CHECK_STR_EQ(version.driver_version, cases[i].version);
        if (cases[i].date)
            CHECK_STR_EQ(version.driver_date, cases[i].date);
        if (cases[i].models)
            CHECK_EQ(version.model_count, cases[i].models);
        inf_version_clear(&version);
    }
}

/* What holds of every vendor's file: sources are listed, and the package keeps its shape. */
TEST(sources_are_listed_and_nothing_is_renamed_within_the_package)
{
    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        const struct expected *e = &expectations[i];
        CLEANUP(inf_cleanup) struct inf *inf = load(e->file);
        struct inf_install install = { 0 };
        struct err err = ERR_INIT;

        test_case(e->file);
        CHECK_OK(inf && inf_find_install(inf, e->id, "amd64", e->build, &install, &err));
        for (size_t k = 0; k < install.file_count; k++) {
            const struct inf_file *file = &install.files[k];
            CLEANUP(free_cleanup) char *place = NULL;

            if (!file->is_listed)
                CHECK_STR_EQ(file->source, "cudnn_infer64_7.dll"); /* in 446.14 only */
            if (file->dirid != INF_DIR_STORE)
                continue;
            place = *file->subdir ? text_printf("%s\\%s", file->subdir, file->name)
                                  : text_dup(file->name);
            CHECK(text_ieq(place, file->source));
        }
        inf_install_clear(&install);
    }
}

TEST(the_loaders_replace_the_names_of_the_real_libraries)
{
    static const struct {
        const char *source, *destination;
    } renames[] = {
        { "nvml_loader.dll", "%SystemRoot%\\System32\\nvml.dll" },
        { "nvcuda_loader64.dll", "%SystemRoot%\\System32\\nvcuda.dll" },
        { "libcuda_loader.so", "%SystemRoot%\\System32\\lxss\\lib\\libcuda.so.1.1" },
        { "libnvidia-ml_loader.so",
          "%SystemRoot%\\System32\\lxss\\lib\\libnvidia-ml.so.1" },
        /* The flag stands in the third field by mistake: it is none. */
        { "libnvwgf2umx.so", "%SystemRoot%\\System32\\lxss\\lib\\libnvwgf2umx.so" },
    };
    CLEANUP(inf_cleanup) struct inf *inf = NULL;
    struct inf_install install = { 0 };
    struct err err = ERR_INIT;

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    inf = load(N470);
    CHECK_OK(inf &&
             inf_find_install(inf, "PCI\\VEN_10DE&DEV_1E07", "amd64", 0, &install, &err));
    for (size_t i = 0; i < ARRAY_LEN(renames); i++) {
        bool found = false;

        test_case(renames[i].destination);
        for (size_t k = 0; k < install.file_count && !found; k++) {
            CLEANUP(free_cleanup) char *to = inf_file_destination(&install.files[k]);

            found = text_ieq(to, renames[i].destination);
            if (!found)
                continue;
            CHECK_STR_EQ(install.files[k].source, renames[i].source);
            CHECK_EQ(install.files[k].flags, i < 4 ? 0x4000 : 0);
        }
        CHECK(found);
    }
    inf_install_clear(&install);
}

TEST(a_windows_before_the_first_models_section_is_refused)
{
    static const struct {
        const char *file, *id;
        unsigned build;
        bool fits;
    } cases[] = {
        { N470, "PCI\\VEN_10DE&DEV_1E07", 16299, false },
        { N470, "PCI\\VEN_10DE&DEV_1E07", 17097, false },
        { N470, "PCI\\VEN_10DE&DEV_1E07", 17098, true },
    };

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(inf_cleanup) struct inf *inf = load(cases[i].file);
        struct inf_install install = { 0 };
        struct err err = ERR_INIT;
        bool fits = inf && inf_find_install(inf, cases[i].id, "amd64", cases[i].build,
                                            &install, &err);

        CHECK_EQ(fits, cases[i].fits);
        if (!fits)
            CHECK_EQ(err.kind, ERR_UNSUPPORTED);
        inf_install_clear(&install);
    }
}

TEST(one_broken_reference_is_reported_and_survived)
{
    CLEANUP(inf_cleanup) struct inf *inf = NULL;
    struct inf_install install = { 0 };
    struct err err = ERR_INIT;
    size_t unlisted = 0;

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    inf = load("nvidia-446.14-nv_dispi-mod.inf");
    CHECK_OK(
        inf_find_install(inf, "PCI\\VEN_10DE&DEV_1B80", "amd64", 19041, &install, &err));
    for (size_t i = 0; i < install.file_count; i++) {
        if (install.files[i].is_listed)
            continue;
        unlisted++;
        CHECK_STR_EQ(install.files[i].source, "cudnn_infer64_7.dll");
    }
    CHECK_EQ(unlisted, 1);
    inf_install_clear(&install);
}
