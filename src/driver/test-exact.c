/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The exact set of a driver: files that INFs put outside the store, companion packages,
 * Intel's registry values; expectations written from the INFs by hand.
 */

#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "os.h"
#include "test-machine.h"
#include "test.h"
#include "text.h"

#define CLASS "ControlSet001\\Control\\Class\\"
#define CLASS_KEY CLASS TEST_DISPLAY_CLASS "\\0001"
#define COMPONENTS CLASS "{5c4c3332-344d-483c-8739-259e934c9cc8}"
#define STORE "System32/DriverStore/FileRepository/"
#define AMD_PACKAGE "u0399999.inf_amd64_1111111111111111"
#define OGL_PACKAGE "amdogl.inf_amd64_3333333333333333"
#define AMD "Advanced Micro Devices, Inc."
#define AMD_VERSION "32.0.11016.14003"

struct resolved {
    struct machine machine;
    struct windows_source *source;
    struct driver_set *set;
    struct err err;
};

static void go(struct resolved *r, const char *gpu)
{
    r->err = ERR_INIT;
    machine_save(&r->machine);
    r->source = windows_source_offline(r->machine.root, &r->err);
    if (!r->source || !driver_resolve(r->source, gpu, &r->set, &r->err))
        r->set = NULL;
}

static void done(struct resolved *r)
{
    driver_set_free(r->set);
    windows_source_free(r->source);
    machine_close(&r->machine);
}

static void begin(struct resolved *r, const char *vendor)
{
    *r = (struct resolved){ 0 };
    machine_open(&r->machine);
    machine_add_gpu(&r->machine, vendor, 1);
}

#define CHECK_RESOLVED(r)                                                        \
    do {                                                                         \
        char why_[2048] = "";                                                    \
        if (!(r)->set)                                                           \
            err_format(&(r)->err, why_, sizeof(why_));                           \
        test_report((r)->set != NULL, __FILE__, __LINE__, "resolved: %s", why_); \
    } while (0)

static void check_refused(struct resolved *r, enum err_kind kind, const char *part)
{
    char text[2048] = "";

    if (!r->set)
        err_format(&r->err, text, sizeof(text));
    test_report(!r->set && r->err.kind == kind && strstr(text, part), __FILE__, __LINE__,
                "%s: \"%s\" has no \"%s\"", err_kind_name(r->err.kind), text, part);
}

static const struct driver_file *file_at(const struct driver_set *set, const char *path)
{
    for (size_t i = 0; set && i < set->file_count; i++)
        if (text_ieq(set->files[i].destination, path))
            return &set->files[i];
    return NULL;
}

static bool is_left_out(const struct driver_set *set, const char *a, const char *b)
{
    for (size_t i = 0; set && i < set->left_out_count; i++)
        if (strstr(set->left_out[i], a) && strstr(set->left_out[i], b))
            return true;
    return false;
}

/* The INF of the NVIDIA test package, with @sections in place of its own, in both places
 * where Windows keeps it. */
static void put_nvidia_inf(struct machine *machine, const char *sections)
{
    CLEANUP(free_cleanup)
    char *inf = text_printf("[Version]\r\nSignature=\"$WINDOWS NT$\"\r\nClass=Display\r\n"
                            "Provider=%%P%%\r\nDriverVer=01/18/2024,31.0.15.5222\r\n%s"
                            "[Strings]\r\nP=\"NVIDIA\"\r\n",
                            sections);

    machine_text_file(machine, STORE TEST_PACKAGE "/nv_dispi.inf", inf);
    machine_text_file(machine, "INF/oem12.inf", inf);
}

#define PLACES                                                                 \
    "[DestinationDirs]\r\nSys=11\r\nSub=11,nested\r\nWow=10,SysWow64\r\n"      \
    "Shell=16425\r\nLinux=11,lxss\\lib\r\nDrs=12,NVIDIA Corporation\\Drs\r\n"  \
    "Store=13\r\nPrograms=16422,NVIDIA Corporation\r\n"                        \
    "[SourceDisksFiles]\r\na.dll=1\r\nb.dll=1\r\nnv.sys=1\r\nlibcuda.so=1\r\n" \
    "drs.bin=1\r\n"

static void put_sources(struct machine *machine)
{
    machine_text_file(machine, STORE TEST_PACKAGE "/a.dll", "content of a");
    machine_text_file(machine, STORE TEST_PACKAGE "/b.dll", "content of b");
    machine_text_file(machine, STORE TEST_PACKAGE "/nv.sys", "kernel");
    machine_text_file(machine, STORE TEST_PACKAGE "/libcuda.so", "linux");
    machine_text_file(machine, STORE TEST_PACKAGE "/drs.bin", "profiles");
}

TEST(the_inf_says_which_files_go_into_system32_and_syswow64_under_which_name_and_rule)
{
    static const struct {
        const char *destination, *source;
        enum driver_rule rule;
    } expected[] = {
        { "System32\\a.dll", "a.dll", RULE_EXACT },
        { "System32\\renamed.dll", "b.dll", RULE_NEWER },
        { "System32\\once.dll", "b.dll", RULE_ABSENT },
        { "System32\\nested\\a.dll", "a.dll", RULE_EXACT },
        { "SysWOW64\\b.dll", "b.dll", RULE_NEWER },
        { "SysWOW64\\a.dll", "a.dll", RULE_EXACT },
    };
    struct resolved r;

    begin(&r, "nvidia");
    put_sources(&r.machine);
    put_nvidia_inf(&r.machine, PLACES
                   "[Section037]\r\nCopyFiles=Store,Sys,Sub,Wow,Shell\r\n"
                   "[Store]\r\na.dll\r\n"
                   "[Sys]\r\na.dll,,,0x4000\r\nrenamed.dll,b.dll,,0x4020\r\n"
                   "once.dll,b.dll,,0x10\r\n"
                   "[Sub]\r\na.dll\r\n[Wow]\r\nb.dll,,,0x40\r\n[Shell]\r\na.dll\r\n");
    go(&r, "10de:2860");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->file_count : 0, ARRAY_LEN(expected));
    for (size_t i = 0; r.set && i < ARRAY_LEN(expected); i++) {
        const struct driver_file *file = file_at(r.set, expected[i].destination);

        test_case(expected[i].destination);
        CHECK(file != NULL);
        if (!file)
            continue;
        CHECK(text_iends(file->origin_path, expected[i].source));
        CHECK_EQ(file->rule, expected[i].rule);
        CHECK_STR_EQ(file->reason, "INF of " TEST_PACKAGE);
    }
    done(&r);
}

TEST(linux_files_kernel_files_and_other_folders_are_left_out_and_each_is_said)
{
    struct resolved r;

    begin(&r, "nvidia");
    put_sources(&r.machine);
    put_nvidia_inf(&r.machine,
                   PLACES "[Section037]\r\nCopyFiles=Sys,Linux,Drs,Programs\r\n"
                          "[Sys]\r\nnv.sys\r\nmissing.dll\r\n[Linux]\r\nlibcuda.so\r\n"
                          "[Drs]\r\ndrs.bin\r\n[Programs]\r\na.dll\r\n");
    go(&r, "10de:2860");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->file_count : 99, 0);
    CHECK(is_left_out(r.set, "libcuda.so", "only Linux guests"));
    CHECK(is_left_out(r.set, "drs.bin", "outside System32"));
    CHECK(is_left_out(r.set, "a.dll", "outside System32"));
    CHECK(is_left_out(r.set, "nv.sys", "not installed in a guest"));
    CHECK(is_left_out(r.set, "missing.dll", "has no 'missing.dll'"));
    done(&r);
}

TEST(the_section_is_infsection_plus_infsectionext)
{
    struct resolved r;

    begin(&r, "nvidia");
    put_sources(&r.machine);
    machine_text(r.machine.system, CLASS_KEY, "InfSectionExt", HIVE_SZ, ".NTamd64.7");
    put_nvidia_inf(&r.machine, PLACES "[Section037]\r\nCopyFiles=Wow\r\n"
                                      "[Section037.NTamd64.7]\r\nCopyFiles=Sys\r\n"
                                      "[Sys]\r\na.dll\r\n[Wow]\r\nb.dll\r\n");
    go(&r, "10de:2860");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->file_count : 0, 1);
    CHECK(file_at(r.set, "System32\\a.dll") != NULL);
    done(&r);
}

TEST(a_section_that_the_inf_does_not_have_is_refused)
{
    struct resolved r;

    begin(&r, "nvidia");
    put_nvidia_inf(&r.machine, "[Another]\r\nAddReg=x\r\n");
    go(&r, "10de:2860");
    check_refused(&r, ERR_PROTOCOL, "no section [Section037]");
    done(&r);
}

TEST(copy_to_vm_wins_over_the_inf_and_a_difference_is_said)
{
    const char *const same[] = { "a.dll", "agreed.dll" };
    const char *const other[] = { "b.dll", "argued.dll" };
    const struct driver_file *file;
    struct resolved r;

    begin(&r, "nvidia");
    put_sources(&r.machine);
    machine_texts(r.machine.system, CLASS_KEY "\\CopyToVmWhenNewer", "Agreed", same, 2);
    machine_texts(r.machine.system, CLASS_KEY "\\CopyToVmOverwrite", "Argued", other, 2);
    put_nvidia_inf(&r.machine, PLACES "[Section037]\r\nCopyFiles=Sys\r\n"
                                      "[Sys]\r\nagreed.dll,a.dll\r\nargued.dll,a.dll\r\n");
    go(&r, "10de:2860");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->file_count : 0, 2);
    file = file_at(r.set, "System32\\agreed.dll");
    CHECK(file && file->rule == RULE_NEWER);
    file = file_at(r.set, "System32\\argued.dll");
    CHECK(file && file->rule == RULE_ALWAYS && text_iends(file->origin_path, "b.dll"));
    CHECK(is_left_out(r.set, "argued.dll", "CopyToVmOverwrite\\Argued"));
    CHECK(!is_left_out(r.set, "agreed.dll", ""));
    done(&r);
}

TEST(a_line_said_twice_is_one_file)
{
    struct resolved r;

    begin(&r, "nvidia");
    put_sources(&r.machine);
    put_nvidia_inf(&r.machine, PLACES "[Section037]\r\nCopyFiles=Sys\r\n"
                                      "[Sys]\r\na.dll\r\na.dll\r\n");
    go(&r, "10de:2860");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->file_count : 0, 1);
    done(&r);
}

TEST(one_destination_from_two_differing_files_of_an_inf_is_refused)
{
    struct resolved r;

    begin(&r, "nvidia");
    put_sources(&r.machine);
    put_nvidia_inf(&r.machine, PLACES "[Section037]\r\nCopyFiles=Sys\r\n"
                                      "[Sys]\r\nx.dll,a.dll\r\nx.dll,b.dll\r\n");
    go(&r, "10de:2860");
    check_refused(&r, ERR_CONFLICT, "which differ");
    done(&r);
}

TEST(pnp_lockdown_records_that_contradict_the_inf_are_refused)
{
    static const char key[] =
        "Microsoft\\Windows\\CurrentVersion\\Setup\\PnpLockdownFiles\\"
        "%SystemRoot%/System32/x.dll";
    static const char store[] =
        "%SystemRoot%\\System32\\DriverStore\\FileRepository\\" TEST_PACKAGE;
    const char *const ours[] = { "oem12.inf" }, *const others[] = { "oem99.inf" };
    static const char section[] =
        PLACES "[Section037]\r\nCopyFiles=Sys\r\n[Sys]\r\nx.dll,a.dll\r\n";

    for (int i = 0; i < 3; i++) { /* agrees; another's; contradicts */
        CLEANUP(free_cleanup)
        char *from = text_printf("%s\\%s", store, i == 0 ? "a.dll" : "b.dll");
        struct resolved r;

        begin(&r, "nvidia");
        put_sources(&r.machine);
        put_nvidia_inf(&r.machine, section);
        machine_texts(r.machine.software, key, "Owners", i == 1 ? others : ours, 1);
        machine_text(r.machine.software, key, "Source", HIVE_EXPAND_SZ, from);
        go(&r, "10de:2860");
        if (i < 2)
            CHECK_RESOLVED(&r);
        else
            check_refused(&r, ERR_CONFLICT, "PnpLockdownFiles");
        done(&r);
    }
}

/* ---- companions ---- */

static char *component_inf(const char *class_name, const char *version, const char *section)
{
    return text_printf(
        "[Version]\r\nSignature=\"$Windows NT$\"\r\nClass=%s\r\nProvider=\"" AMD
        "\"\r\nDriverVer=01/18/2024,%s\r\n[DestinationDirs]\r\nSys=11\r\n"
        "[SourceDisksFiles]\r\natio6axx.dll=1\r\n%s",
        class_name, version, section);
}

static void put_ogl(struct machine *machine, const char *class_name, const char *version,
                    const char *section)
{
    CLEANUP(free_cleanup) char *inf = component_inf(class_name, version, section);

    machine_text_file(machine, STORE OGL_PACKAGE "/amdogl.inf", inf);
    machine_text_file(machine, "INF/oem8.inf", inf);
    machine_text_file(machine, STORE OGL_PACKAGE "/atio6axx.dll", "opengl");
}

/* What the driver database says of it: a second record beside the INF's bytes. */
static void put_database_record(struct machine *machine)
{
    machine_text(machine->drivers, "DriverDatabase\\DriverInfFiles\\oem8.inf", "Active",
                 HIVE_SZ, OGL_PACKAGE);
}

static void put_component(struct machine *machine, const char *version)
{
    machine_text(machine->system, COMPONENTS "\\0000", "InfPath", HIVE_SZ, "oem8.inf");
    machine_text(machine->system, COMPONENTS "\\0000", "InfSection", HIVE_SZ, "Ogl");
    machine_text(machine->system, COMPONENTS "\\0000", "ProviderName", HIVE_SZ, AMD);
    machine_text(machine->system, COMPONENTS "\\0000", "DriverVersion", HIVE_SZ, version);
}

#define OGL_SECTION "[Ogl]\r\nCopyFiles=Sys\r\n[Sys]\r\natiogl.dll,atio6axx.dll\r\n"

TEST(a_software_component_of_the_drivers_provider_and_version_comes_along)
{
    const struct driver_file *file;
    struct resolved r;

    begin(&r, "amd");
    put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, OGL_SECTION);
    put_component(&r.machine, AMD_VERSION);
    put_database_record(&r.machine);
    go(&r, "1002:744c");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->package_count : 0, 2);
    if (r.set && r.set->package_count == 2) {
        CHECK_STR_EQ(r.set->packages[1].name, OGL_PACKAGE);
        CHECK_STR_EQ(r.set->packages[1].reason, "software component");
    }
    file = file_at(r.set, "System32\\atiogl.dll"); /* its INF counts as well */
    CHECK(file && strcmp(file->reason, "INF of " OGL_PACKAGE) == 0);
    done(&r);
}

TEST(a_software_component_of_another_version_is_another_drivers)
{
    struct resolved r;

    begin(&r, "amd");
    put_ogl(&r.machine, "SoftwareComponent", "1.2.3.4", OGL_SECTION);
    put_component(&r.machine, "1.2.3.4");
    go(&r, "1002:744c");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->package_count : 0, 1);
    done(&r);
}

TEST(a_component_whose_inf_has_another_version_than_its_record_is_refused)
{
    struct resolved r;

    begin(&r, "amd");
    put_ogl(&r.machine, "SoftwareComponent", "1.2.3.4", OGL_SECTION);
    put_component(&r.machine, AMD_VERSION);
    put_database_record(&r.machine);
    go(&r, "1002:744c");
    check_refused(&r, ERR_CONFLICT, "has driver version 1.2.3.4");
    done(&r);
}

TEST(records_that_disagree_about_a_component_are_refused)
{
    struct resolved r;

    begin(&r, "amd");
    put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, OGL_SECTION);
    put_component(&r.machine, AMD_VERSION);
    machine_text(r.machine.drivers, "DriverDatabase\\DriverInfFiles\\oem8.inf", "Active",
                 HIVE_SZ, "amdogl.inf_amd64_ffffffffffffffff");
    go(&r, "1002:744c");
    check_refused(&r, ERR_CONFLICT, "name different packages");
    done(&r);
}

static void put_amd_inf(struct machine *machine, const char *sections)
{
    CLEANUP(free_cleanup) char *inf = component_inf("Display", AMD_VERSION, sections);

    machine_text_file(machine, STORE AMD_PACKAGE "/u0399999.inf", inf);
    machine_text_file(machine, "INF/oem7.inf", inf);
    machine_text_file(machine, STORE AMD_PACKAGE "/atio6axx.dll", "main");
}

/* A path of the adapter's class key into the package. */
static void put_class_path(struct machine *machine)
{
    machine_text(machine->system, CLASS_KEY, "OpenGLDriverName", HIVE_SZ,
                 "C:\\Windows\\System32\\DriverStore\\FileRepository\\" OGL_PACKAGE
                 "\\atio6axx.dll");
}

TEST(a_package_of_a_foreign_class_named_by_the_class_key_stays_out_with_its_class_named)
{
    static const char *const classes[] = { "MEDIA", "System", "USB" };

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        struct resolved r;

        test_case(classes[i]);
        begin(&r, "amd");
        put_ogl(&r.machine, classes[i], AMD_VERSION, OGL_SECTION);
        put_class_path(&r.machine);
        go(&r, "1002:744c");
        CHECK_RESOLVED(&r);
        CHECK_EQ(r.set ? r.set->package_count : 0, 1);
        CHECK(is_left_out(r.set, OGL_PACKAGE, classes[i]));
        done(&r);
    }
}

TEST(an_extension_comes_along_when_it_has_files)
{
    for (int with = 0; with < 2; with++) {
        CLEANUP(free_cleanup) char *file = NULL;
        struct err err = ERR_INIT;
        struct resolved r;

        begin(&r, "amd");
        put_ogl(&r.machine, "Extension", AMD_VERSION, "");
        put_class_path(&r.machine);
        file = text_printf("%s/Windows/" STORE OGL_PACKAGE "/atio6axx.dll", r.machine.root);
        if (!with)
            CHECK_OK(os_remove_file(file, &err));
        go(&r, "1002:744c");
        CHECK_RESOLVED(&r);
        CHECK_EQ(r.set ? r.set->package_count : 0, 1 + with);
        done(&r);
    }
}

TEST(a_component_that_fewer_than_two_records_know_is_refused_and_all_are_named)
{
    for (int records = 0; records < 2; records++) {
        struct resolved r;

        begin(&r, "amd");
        put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, OGL_SECTION);
        if (records == 0) /* the INF's bytes are the one */
            machine_text_file(&r.machine, "INF/oem8.inf", "another");
        put_component(&r.machine, AMD_VERSION);
        go(&r, "1002:744c");
        check_refused(&r, ERR_CONFLICT,
                      records ? "only one record of the host" : "no record of the host");
        check_refused(&r, ERR_CONFLICT, "DRIVERS hive: does not tell");
        check_refused(&r, ERR_CONFLICT,
                      records ? "published INF: " OGL_PACKAGE
                              : "published INF: does not tell");
        check_refused(&r, ERR_CONFLICT, "PnpLockdownFiles: does not tell");
        done(&r);
    }
}

#define LOCKDOWN                                                    \
    "Microsoft\\Windows\\CurrentVersion\\Setup\\PnpLockdownFiles\\" \
    "%SystemRoot%/System32/atiogl.dll"

static void put_note(struct machine *machine, const char *owner)
{
    const char *const owners[] = { owner };

    machine_texts(machine->software, LOCKDOWN, "Owners", owners, 1);
    machine_text(machine->software, LOCKDOWN, "Source", HIVE_EXPAND_SZ,
                 "%SystemRoot%\\System32\\DriverStore\\FileRepository\\" OGL_PACKAGE
                 "\\atio6axx.dll");
}

TEST(each_second_record_of_a_component_suffices)
{
    static const char *const records[] = { "database", "class key", "lockdown", "adapter",
                                           "CopyINF" };

    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        struct resolved r;

        test_case(records[i]);
        begin(&r, "amd");
        put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, OGL_SECTION);
        put_component(&r.machine, AMD_VERSION);
        if (i == 0)
            put_database_record(&r.machine);
        else if (i == 1)
            machine_text(r.machine.system, COMPONENTS "\\0000", "OpenGLDriverName", HIVE_SZ,
                         "C:\\Windows\\System32\\DriverStore\\FileRepository\\" OGL_PACKAGE
                         "\\x.dll");
        else if (i == 2)
            put_note(&r.machine, "oem8.inf");
        else if (i == 3)
            put_class_path(&r.machine);
        else
            put_amd_inf(&r.machine, "[ati2mtag_Navi31]\r\nCopyINF=amdogl.inf\r\n");
        go(&r, "1002:744c");
        CHECK_RESOLVED(&r);
        CHECK_EQ(r.set ? r.set->package_count : 0, 2);
        CHECK(file_at(r.set, "System32\\atiogl.dll") != NULL);
        done(&r);
    }
}

TEST(a_package_that_an_inf_of_the_driver_put_files_from_comes_along)
{
    static const char *const owners[] = { "oem7.inf", "oem99.inf" };

    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        struct resolved r;

        test_case(owners[i]);
        begin(&r, "amd");
        put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, OGL_SECTION);
        put_note(&r.machine, owners[i]);
        go(&r, "1002:744c");
        CHECK_RESOLVED(&r);
        CHECK_EQ(r.set ? r.set->package_count : 0, i == 0 ? 2 : 1);
        if (r.set && r.set->package_count == 2)
            CHECK_STR_EQ(r.set->packages[1].reason, "PnpLockdownFiles");
        done(&r);
    }
}

TEST(packages_named_in_keys_below_the_class_key_come_along)
{
    struct resolved r;

    begin(&r, "amd");
    put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, OGL_SECTION);
    machine_text(r.machine.system, CLASS_KEY "\\UMD", "Any", HIVE_EXPAND_SZ,
                 "%SystemRoot%\\System32\\DriverStore\\FileRepository\\" OGL_PACKAGE "\\x");
    go(&r, "1002:744c");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->package_count : 0, 2);
    CHECK(is_left_out(r.set, OGL_PACKAGE, "no record says which section"));
    done(&r);
}

#define COPY_INF "[ati2mtag_Navi31]\r\nCopyINF=amdogl.inf,absent.inf\r\n"

TEST(copyinf_brings_the_package_of_the_drivers_version_and_says_what_it_does_not_bring)
{
    CLEANUP(free_cleanup)
    char *old = component_inf("SoftwareComponent", "9.9.9.9", OGL_SECTION);
    struct resolved r;

    begin(&r, "amd");
    put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, OGL_SECTION);
    machine_text_file(&r.machine, STORE "amdogl.inf_amd64_4444444444444444/amdogl.inf",
                      old);
    put_amd_inf(&r.machine, COPY_INF);
    go(&r, "1002:744c");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->package_count : 0, 2);
    if (r.set && r.set->package_count == 2)
        CHECK_STR_EQ(r.set->packages[1].name, OGL_PACKAGE);
    CHECK(is_left_out(r.set, "absent.inf", "not in the host's store"));
    done(&r);
}

TEST(a_copyinf_target_of_another_class_stays_out_with_its_class_named)
{
    struct resolved r;

    begin(&r, "amd");
    put_ogl(&r.machine, "MEDIA", AMD_VERSION, OGL_SECTION);
    put_amd_inf(&r.machine, COPY_INF);
    go(&r, "1002:744c");
    CHECK_RESOLVED(&r);
    CHECK_EQ(r.set ? r.set->package_count : 0, 1);
    CHECK(is_left_out(r.set, "amdogl.inf", "class MEDIA"));
    done(&r);
}

TEST(two_packages_that_differ_about_one_file_are_refused_but_for_the_common_loaders)
{
    static const char *const names[] = { "amdxc64.dll", "OpenCL.dll" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(free_cleanup)
        char *ogl =
            text_printf("[Ogl]\r\nCopyFiles=Sys\r\n[Sys]\r\n%s,atio6axx.dll\r\n", names[i]);
        CLEANUP(free_cleanup)
        char *main = text_printf("[ati2mtag_Navi31]\r\nCopyFiles=Sys\r\n[Sys]\r\n"
                                 "%s,atio6axx.dll\r\n",
                                 names[i]);
        struct resolved r;

        test_case(names[i]);
        begin(&r, "amd");
        put_ogl(&r.machine, "SoftwareComponent", AMD_VERSION, ogl);
        put_component(&r.machine, AMD_VERSION);
        put_database_record(&r.machine);
        put_amd_inf(&r.machine, main);
        go(&r, "1002:744c");
        if (i == 0) {
            check_refused(&r, ERR_CONFLICT, AMD_PACKAGE);
            check_refused(&r, ERR_CONFLICT, OGL_PACKAGE);
        } else {
            CHECK_RESOLVED(&r);
            CHECK_EQ(r.set ? r.set->file_count : 0, 1);
            CHECK(r.set && r.set->files[0].rule == RULE_NEWER);
        }
        done(&r);
    }
}

TEST(a_copyinf_line_that_names_no_file_is_refused)
{
    struct resolved r;

    begin(&r, "amd");
    put_amd_inf(&r.machine, "[ati2mtag_Navi31]\r\nCopyINF=C:evil.inf\r\n");
    go(&r, "1002:744c");
    check_refused(&r, ERR_PROTOCOL, "CopyINF names 'C:evil.inf'");
    done(&r);
}

/* Components whose INFs bring each other: p1 brings p2, p2 brings p3, ... */
TEST(packages_that_name_each_other_without_end_are_refused)
{
    struct resolved r;

    begin(&r, "amd");
    put_amd_inf(&r.machine, "[ati2mtag_Navi31]\r\nCopyINF=p1.inf\r\n");
    for (unsigned i = 1; i < 12; i++) {
        CLEANUP(free_cleanup)
        char *sections = text_printf("[Go]\r\nCopyINF=p%u.inf\r\n", i + 1);
        CLEANUP(free_cleanup)
        char *inf = component_inf("SoftwareComponent", AMD_VERSION, sections);
        CLEANUP(free_cleanup) char *name = text_printf("p%u.inf_amd64_%016x", i, i);
        CLEANUP(free_cleanup) char *in_store = text_printf(STORE "%s/p%u.inf", name, i);
        CLEANUP(free_cleanup) char *published = text_printf("oem%u.inf", 100 + i);
        CLEANUP(free_cleanup) char *copy = text_printf("INF/%s", published);
        CLEANUP(free_cleanup) char *key = text_printf(COMPONENTS "\\%04u", i);
        CLEANUP(free_cleanup)
        char *record = text_printf("DriverDatabase\\DriverInfFiles\\%s", published);

        machine_text_file(&r.machine, in_store, inf);
        machine_text_file(&r.machine, copy, inf);
        machine_text(r.machine.drivers, record, "Active", HIVE_SZ, name);
        machine_text(r.machine.system, key, "InfPath", HIVE_SZ, published);
        machine_text(r.machine.system, key, "InfSection", HIVE_SZ, "Go");
        machine_text(r.machine.system, key, "ProviderName", HIVE_SZ, AMD);
        machine_text(r.machine.system, key, "DriverVersion", HIVE_SZ, AMD_VERSION);
    }
    go(&r, "1002:744c");
    check_refused(&r, ERR_UNSUPPORTED, "packages name each other");
    done(&r);
}
