/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "err.h"
#include "inf.h"
#include "os.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

static struct inf *parse(const char *text)
{
    struct err err = ERR_INIT;
    struct inf *inf = inf_parse(text, strlen(text), &err);

    if (!inf)
        CHECK_STR_EQ(err.text[0], "");
    return inf;
}

static const char small[] =
    "; a display driver\n"
    "[Version]\n"
    "Signature = \"$Windows NT$\"\n"
    "Class=Display\n"
    "ClassGuid={4D36E968-E325-11CE-BFC1-08002BE10318}\n"
    "Provider=%Maker%\n"
    "DriverVer=02/26/2021, 27.21.14.7005\n"
    "PnpLockdown=1\n"
    "[Manufacturer]\n"
    "%Maker% = Dev, NTamd64.10.0, NTamd64.10.0...17763, NTarm64.10.0\n"
    "[Dev.NTamd64.10.0]\n"
    "%Card% = Old, PCI\\VEN_1234&DEV_0001\n"
    "[Dev.NTamd64.10.0...17763]\n"
    "%Card% = New, PCI\\VEN_1234&DEV_0001\n"
    "[DestinationDirs]\n"
    "DefaultDestDir = 11\n"
    "Store = 13\n"
    "Sub = 13,Tools\n"
    "Wow = 10, SysWow64\n"
    "[SourceDisksFiles]\n"
    "kmd.sys = 1\n"
    "tool.exe = 1,Tools\n"
    "loader64.dll = 1\n"
    "loader32.dll = 1\n"
    "[Old]\n"
    "CopyFiles = @kmd.sys\n"
    "[New]\n"
    "CopyFiles = Store, \\\n"
    "            Sub\n"
    "CopyFiles = Sys, Wow, @kmd.sys\n"
    "AddReg = Reg\n"
    "CopyINF = audio.inf\n"
    "Include = msdv.inf\n"
    "Needs = MSDV.Interface, More\n"
    "[More]\n"
    "AddReg = Reg2\n"
    "Needs = More, New\n"
    "[Store]\n"
    "kmd.sys\n"
    "[Sub]\n"
    "tool.exe\n"
    "[Sys]\n"
    "loader.dll,loader64.dll,,0x00000020\n"
    "missing.dll,,,0x10\n"
    "[sys]\n"
    "merged.dll,loader64.dll\n"
    "[Wow]\n"
    "loader.dll, loader32.dll, , 0x40\n"
    "[Reg]\n"
    "HKR,CopyToVmWhenNewer,Loader,%REG_MULTI_SZ%,\"loader64.dll\"\n"
    "HKR,CopyToVmWhenNewer,Loader,%APPEND%,\"loader.dll\"\n"
    "HKR,CopyToVmOverwriteWow64,L,0,\"sub\\loader32.dll\"\n"
    "HKLM,Software\\X,Evil,,1\n"
    "HKR,,UserModeDriverName,%REG_MULTI_SZ%,\"%13%\\a.dll\",b.dll ; why\n"
    "[Reg2]\n"
    "HKR,,Quoted,,\"a \"\"b\"\" ; 100%% c\"\n"
    "[New.Services]\n"
    "AddService = kmd, 0x00000002, Svc\n"
    "[Svc]\n"
    "ServiceType = 1\n"
    "StartType = 3\n"
    "ErrorControl = 0\n"
    "LoadOrderGroup = Video\n"
    "ServiceBinary = %13%\\kmd.sys\n"
    "AddReg = SvcReg\n"
    "[SvcReg]\n"
    "HKR,,DriverSupportModules,%REG_MULTI_SZ%,\"x.dll\"\n"
    "[Strings]\n"
    "Maker = \"Maker, Inc.\"\n"
    "Card = \"The Card\"\n"
    "REG_MULTI_SZ = 0x00010000\n"
    "APPEND = 0x00010008\n";

TEST(the_version_section_says_what_an_inf_is)
{
    CLEANUP(inf_cleanup) struct inf *inf = parse(small);
    struct err err = ERR_INIT;
    struct inf_version version;

    CHECK_OK(inf_read_version(inf, &version, &err));
    CHECK_STR_EQ(version.class_name, "Display");
    CHECK_STR_EQ(version.class_guid, "{4d36e968-e325-11ce-bfc1-08002be10318}");
    CHECK_STR_EQ(version.provider, "Maker, Inc.");
    CHECK_STR_EQ(version.driver_date, "2021-02-26");
    CHECK_STR_EQ(version.driver_version, "27.21.14.7005");
    CHECK(version.pnp_lockdown);
    CHECK_EQ(version.model_count, 2);
    inf_version_clear(&version);
}

TEST(the_models_section_closest_to_the_build_is_chosen)
{
    static const struct {
        const char *name;
        unsigned build;
        const char *arch, *id, *section;
        enum err_kind kind;
    } cases[] = {
        { "old", 17134, "amd64", "PCI\\VEN_1234&DEV_0001", "Old", ERR_NONE },
        { "exactly", 17763, "amd64", "PCI\\VEN_1234&DEV_0001", "New", ERR_NONE },
        { "newest", 0, "amd64", "pci\\ven_1234&dev_0001", "New", ERR_NONE },
        { "instance id", 0, "amd64", "PCI\\VEN_1234&DEV_0001&SUBSYS_12345678&REV_A1\\4&1&0",
          "New", ERR_NONE },
        { "no such device", 0, "amd64", "PCI\\VEN_1234&DEV_0002", NULL, ERR_NOT_FOUND },
        { "empty models", 22000, "arm64", "PCI\\VEN_1234&DEV_0001", NULL, ERR_NOT_FOUND },
        { "no models for it", 22000, "x86", "PCI\\VEN_1234&DEV_0001", NULL,
          ERR_UNSUPPORTED },
    };
    CLEANUP(inf_cleanup) struct inf *inf = parse(small);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct inf_install install = { 0 };
        bool ok = inf_find_install(inf, cases[i].id, cases[i].arch, cases[i].build,
                                   &install, &err);

        test_case(cases[i].name);
        CHECK_EQ(err.kind, cases[i].kind);
        CHECK_EQ(ok, cases[i].kind == ERR_NONE);
        CHECK_STR_EQ(install.section, cases[i].section);
        inf_install_clear(&install);
    }
}

TEST(files_values_and_services_are_read_as_windows_does)
{
    static const struct {
        const char *source, *destination;
        enum inf_rule rule;
        bool listed;
    } files[] = {
        { "kmd.sys", "<package>\\kmd.sys", INF_EXACT, true },
        { "Tools\\tool.exe", "<package>\\Tools\\tool.exe", INF_EXACT, true },
        { "loader64.dll", "%SystemRoot%\\System32\\loader.dll", INF_NEWER, true },
        { "missing.dll", "%SystemRoot%\\System32\\missing.dll", INF_ABSENT, false },
        { "loader64.dll", "%SystemRoot%\\System32\\merged.dll", INF_EXACT, true },
        { "loader32.dll", "%SystemRoot%\\SysWow64\\loader.dll", INF_NEWER, true },
        { "kmd.sys", "%SystemRoot%\\System32\\kmd.sys", INF_EXACT, true },
    };
    CLEANUP(inf_cleanup) struct inf *inf = parse(small);
    struct inf_install out = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(inf_find_install(inf, "PCI\\VEN_1234&DEV_0001", "amd64", 0, &out, &err));
    CHECK_STR_EQ(out.description, "The Card");
    CHECK_STR_EQ(out.models, "Dev.NTamd64.10.0...17763");
    CHECK_EQ(out.file_count, ARRAY_LEN(files));
    for (size_t i = 0; i < out.file_count && i < ARRAY_LEN(files); i++) {
        CLEANUP(free_cleanup) char *destination = inf_file_destination(&out.files[i]);

        test_case(files[i].destination);
        CHECK_STR_EQ(out.files[i].source, files[i].source);
        CHECK_STR_EQ(destination, files[i].destination);
        CHECK_EQ(out.files[i].rule, files[i].rule);
        CHECK_EQ(out.files[i].is_listed, files[i].listed);
    }
    test_case(NULL);

    CHECK_EQ(out.copy_count, 2);
    CHECK_STR_EQ(out.copies[0].source, "loader64.dll");
    CHECK_STR_EQ(out.copies[0].name, "loader.dll");
    CHECK_EQ(out.copies[0].rule, INF_NEWER);
    CHECK(!out.copies[0].wow64);
    CHECK_STR_EQ(out.copies[1].name, "loader32.dll"); /* base name of its source */
    CHECK_EQ(out.copies[1].rule, INF_ALWAYS);
    CHECK(out.copies[1].wow64);

    CHECK_EQ(out.value_count, 4); /* HKLM is never taken */
    CHECK_STR_EQ(out.values[2].name, "UserModeDriverName");
    CHECK_EQ(out.values[2].type, 7);
    CHECK_EQ(out.values[2].text_count, 2);
    CHECK_STR_EQ(out.values[2].texts[0], "%13%\\a.dll");
    CHECK_STR_EQ(out.values[2].texts[1], "b.dll");
    CHECK_STR_EQ(out.values[3].texts[0], "a \"b\" ; 100% c");

    CHECK_EQ(out.service_count, 1);
    CHECK_STR_EQ(out.services[0].name, "kmd");
    CHECK(out.services[0].is_function_driver);
    CHECK_EQ(out.services[0].start, 3);
    CHECK_STR_EQ(out.services[0].binary, "%13%\\kmd.sys");
    CHECK_EQ(out.services[0].value_count, 1);

    CHECK_EQ(out.copy_inf_count, 1);
    CHECK_EQ(out.unresolved_count, 1);
    CHECK_STR_EQ(out.unresolved[0], "MSDV.Interface");
    inf_install_clear(&out);
}

TEST(what_is_no_inf_is_refused)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        { "empty", "" },
        { "no version", "[Strings]\na=b\n" },
        { "foreign signature", "[Version]\nSignature=\"other\"\n" },
        { "open section", "[Version]\nSignature=\"$Windows NT$\"\n[Open\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        CHECK(!inf_parse(cases[i].text, strlen(cases[i].text), &err));
        CHECK_EQ(err.kind, ERR_PROTOCOL);
    }
}

TEST(every_encoding_gives_the_same_inf)
{
    static const char text[] = "[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nProvider=%P%\r\n"
                               "[Strings]\r\nP=\"Gr\xC3\xBC\xC3\x9F"
                               "e\"\r\n";
    size_t len;
    CLEANUP(free_cleanup) uint8_t *wide = text_to_utf16le(text, &len);
    CLEANUP(strbuf_cleanup)
    struct strbuf utf16 = STRBUF_INIT, utf8 = STRBUF_INIT, single = STRBUF_INIT;

    strbuf_add(&utf16, "\xFF\xFE", 2);
    strbuf_add(&utf16, wide, len);
    strbuf_puts(&utf8, "\xEF\xBB\xBF");
    strbuf_puts(&utf8, text);
    for (const char *c = text; *c; c++) {
        if (*c == '\xC3') {
            c++;
            strbuf_putc(&single, (char)(*c | 0x40));
        } else {
            strbuf_putc(&single, *c);
        }
    }
    for (int i = 0; i < 3; i++) {
        const struct strbuf *buf = i == 0 ? &utf16 : i == 1 ? &utf8 : &single;
        struct err err = ERR_INIT;
        CLEANUP(inf_cleanup) struct inf *inf = inf_parse(buf->text, buf->len, &err);
        struct inf_version version = { 0 };

        CHECK(inf);
        if (inf && inf_read_version(inf, &version, &err))
            CHECK_STR_EQ(version.provider, "Gr\xC3\xBC\xC3\x9F"
                                           "e");
        inf_version_clear(&version);
    }
}

/* ---- real files: counts made with another parser, checked by eye ---- */

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

static size_t count_to(const struct inf_install *install, int dirid, const char *subdir)
{
    size_t count = 0;

    for (size_t i = 0; i < install->file_count; i++)
        count += install->files[i].dirid == dirid &&
                 (!subdir || text_ieq(install->files[i].subdir, subdir));
    return count;
}

TEST(real_files_install_what_they_are_known_to)
{
    static const struct {
        const char *file, *id;
        unsigned build;
        const char *section;
        size_t entries, store, system32, syswow64, copies;
    } cases[] = {
        { "nvidia-470.05-nv_dispi.inf", "PCI\\VEN_10DE&DEV_1E07", 19041, "Section001", 349,
          308, 19, 13, 7 },
        { "nvidia-470.05-nv_dispi.inf", "PCI\\VEN_10DE&DEV_2206", 17098, "Section090", 349,
          308, 19, 13, 7 },
        { "nvidia-416.34-nv_dispi-p106mod.inf", "PCI\\VEN_10DE&DEV_1B80", 10240,
          "Section107", 78, 3, 32, 26, 0 },
        { "nvidia-416.34-nv_dispi-p106mod.inf", "PCI\\VEN_10DE&DEV_1B80", 14310,
          "Section108", 84, 30, 20, 18, 2 },
        { "nvidia-451.22-nv_dispi-mod.inf", "PCI\\VEN_10DE&DEV_1B80", 19041, "R450", 85, 48,
          15, 13, 6 },
        { "nvidia-446.14-nv_dispi-mod.inf", "PCI\\VEN_10DE&DEV_1B80", 19041, "R445", 75, 4,
          32, 27, 2 },
        { "intel-21.20.16.4860-igdlh64-utf16.inf", "PCI\\VEN_8086&DEV_5912", 10240,
          "iKBLD_w10", 180, 0, 74, 35, 0 },
        { "intel-21.20.16.4860-igdlh64-utf16.inf", "PCI\\VEN_8086&DEV_5912", 14393,
          "iKBLD_w10_DS", 177, 98, 4, 5, 0 },
        { "amd-32.0.11016.14003-amduw23e-extension.inf",
          "PCI\\VEN_1002&DEV_164E&SUBSYS_3C4A17AA&REV_D8", 22621, "ati2mtag_DragonRange", 0,
          0, 0, 0, 0 },
    };

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(inf_cleanup) struct inf *inf = load(cases[i].file);
        struct inf_install install = { 0 };
        struct err err = ERR_INIT;

        test_case(cases[i].file);
        CHECK_OK(inf && inf_find_install(inf, cases[i].id, "amd64", cases[i].build,
                                         &install, &err));
        CHECK_STR_EQ(install.section, cases[i].section);
        CHECK_EQ(install.file_count, cases[i].entries);
        CHECK_EQ(count_to(&install, INF_DIR_STORE, NULL), cases[i].store);
        CHECK_EQ(count_to(&install, INF_DIR_SYSTEM32, ""), cases[i].system32);
        CHECK_EQ(count_to(&install, INF_DIR_WINDOWS, "SysWow64"), cases[i].syswow64);
        CHECK_EQ(install.copy_count, cases[i].copies);
        inf_install_clear(&install);
    }
}

TEST(real_files_say_what_they_are)
{
    static const struct {
        const char *file, *class_name, *version;
        size_t models;
    } cases[] = {
        { "nvidia-470.05-nv_dispi.inf", "Display", "27.21.14.7005", 178 },
        { "nvidia-416.34-nv_dispi-p106mod.inf", "Display", "25.21.14.1634",
          123 + 126 + 132 },
        { "nvidia-451.22-nv_dispi-mod.inf", "Display", "27.21.14.5122", 0 },
        { "nvidia-446.14-nv_dispi-mod.inf", "Display", "26.21.14.4614", 0 },
        { "intel-21.20.16.4860-igdlh64-utf16.inf", "Display", "21.20.16.4860", 150 },
        { "amd-32.0.11016.14003-amduw23e-extension.inf", "Extension", "32.0.11016.14003",
          144 },
        { "amd-amdfendr-system.inf", "System", NULL, 0 },
        { "nvidia-470.05-nvhda.inf", "MEDIA", NULL, 76 + 84 + 84 },
        { "microsoft-kmdod-sampledisplay.inf", "Display", NULL, 12 },
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
        if (cases[i].models)
            CHECK_EQ(version.model_count, cases[i].models);
        inf_version_clear(&version);
    }
}

TEST(an_old_windows_is_told_from_an_unknown_device)
{
    CLEANUP(inf_cleanup) struct inf *inf = NULL;
    struct inf_install install = { 0 };
    struct err err = ERR_INIT;

    if (!test_data_dir())
        SKIP("no HVGPU_TEST_DATA");
    inf = load("nvidia-470.05-nv_dispi.inf");
    CHECK(!inf_find_install(inf, "PCI\\VEN_10DE&DEV_1E07", "amd64", 16299, &install, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
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
