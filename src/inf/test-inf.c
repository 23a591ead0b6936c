/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "err.h"
#include "inf.h"
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
        { "no models for any build", 0, "x86", "PCI\\VEN_1234&DEV_0001", NULL,
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

/* ---- limits: an INF is foreign ---- */

static void repeat(struct strbuf *to, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        strbuf_puts(to, text);
}

enum limit { NO_ZERO, NO_UTF16, SIZE, LINES, LINE_LENGTH, FIELDS, SECTIONS, LIMITS };

static void fill(struct strbuf *to, enum limit limit)
{
    static const char head[] = "[Version]\nSignature=\"$Windows NT$\"\n";

    if (limit == NO_UTF16) { /* half of a pair */
        strbuf_add(to, "\xFF\xFE\x00\xD8x\0", 6);
        return;
    }
    strbuf_puts(to, head);
    switch (limit) {
    case NO_ZERO:
        strbuf_add(to, "a\0b", 3);
        break;
    case SIZE:
        repeat(to, ";23456789abcdef\n", INF_SIZE_MAX / 16 + 1);
        break;
    case LINES:
        repeat(to, "a\n", 1000001);
        break;
    case LINE_LENGTH:
        strbuf_puts(to, "a=");
        repeat(to, "0123456789abcdef", 256 * 1024 / 16 + 1);
        break;
    case FIELDS:
        strbuf_puts(to, "a=b");
        repeat(to, ",b", 8192);
        break;
    case SECTIONS:
        for (unsigned i = 0; i < 200001; i++)
            strbuf_printf(to, "[s%u]\n", i);
        break;
    default:
        break;
    }
}

TEST(what_is_past_a_limit_is_refused_and_said)
{
    static const struct {
        const char *part;
    } said[LIMITS] = {
        [NO_ZERO] = { "holds zero bytes" },
        [NO_UTF16] = { "not valid UTF-16" },
        [SIZE] = { "larger than" },
        [LINES] = { "more than 1000000 lines" },
        [LINE_LENGTH] = { "line 3 is longer" },
        [FIELDS] = { "more than 8192 fields" },
        [SECTIONS] = { "more than 200000 sections" },
    };

    for (int i = 0; i < LIMITS; i++) {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
        struct err err = ERR_INIT;

        test_case(said[i].part);
        fill(&text, (enum limit)i);
        CHECK(!text.failed && !inf_parse(text.text, text.len, &err));
        CHECK_EQ(err.kind, ERR_PROTOCOL);
        CHECK(strstr(err.text[0], said[i].part));
    }
}

TEST(an_install_section_that_is_missing_or_names_too_much_is_refused)
{
    static const char head[] =
        "[Version]\nSignature=\"$Windows NT$\"\n[X]\nCopyFiles=L\n[L]\n";
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    CLEANUP(inf_cleanup) struct inf *inf = NULL;
    struct inf_install install = { 0 };
    struct err err = ERR_INIT;

    strbuf_puts(&text, head);
    for (unsigned i = 0; i < 100001; i++)
        strbuf_printf(&text, "f%u\n", i);
    inf = inf_parse(text.text, text.len, &err);
    CHECK_OK(inf != NULL);
    CHECK(inf && !inf_read_install(inf, "X", "amd64", &install, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK(strstr(err.text[0], "more than 100000 things"));
    err = ERR_INIT;
    CHECK(inf && !inf_read_install(inf, "Y", "amd64", &install, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK(strstr(err.text[0], "no section [Y]"));
}
