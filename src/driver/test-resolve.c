/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a GPU to its driver: each shape found, each doubt refused, on hives made here and
 * on a real one. */

#include <stdio.h>

#include "driver.h"
#include "os.h"
#include "strbuf.h"
#include "test-machine.h"
#include "test.h"
#include "text.h"

#define CLASS_KEY "ControlSet001\\Control\\Class\\" TEST_DISPLAY_CLASS "\\0001"
#define ENUM_KEY "ControlSet001\\Enum\\" TEST_NVIDIA
#define STORE "System32/DriverStore/FileRepository/"

/* Resolves @gpu on @machine (saved first); frees the source, so the set is for its texts. */
static struct driver_set *resolve(struct machine *machine, const char *gpu, struct err *err)
{
    struct windows_source *source;
    struct driver_set *set = NULL;

    machine_save(machine);
    source = windows_source_offline(machine->root, err);
    if (source && !driver_resolve(source, gpu, &set, err))
        set = NULL;
    windows_source_free(source);
    return set;
}

static bool is_posix(void)
{
    return !getenv("SystemRoot"); /* every process has it on Windows */
}

/* The refusal's kind and a part of its text. */
static void check_refused(struct machine *machine, const char *gpu, enum err_kind kind,
                          const char *part)
{
    struct err err = ERR_INIT;
    struct driver_set *set = resolve(machine, gpu, &err);
    char text[2048] = "";

    CHECK(!set);
    if (!set)
        err_format(&err, text, sizeof(text));
    test_report(!set && err.kind == kind && strstr(text, part), __FILE__, __LINE__,
                "%s: \"%s\" has no \"%s\"", err_kind_name(err.kind), text, part);
    driver_set_free(set);
}

static void nvidia(struct machine *machine)
{
    machine_open(machine);
    machine_add_gpu(machine, "nvidia", 1);
}

TEST(every_selector_finds_the_nvidia_gpu_and_all_records_agree)
{
    static const char *const selectors[] = { "10de:2860", TEST_NVIDIA,
                                             TEST_NVIDIA_INTERFACE, "rtx 4070" };
    struct machine machine;

    nvidia(&machine);
    for (size_t i = 0; i < ARRAY_LEN(selectors); i++) {
        struct err err = ERR_INIT;
        struct driver_set *set = resolve(&machine, selectors[i], &err);

        test_case(selectors[i]);
        CHECK_OK(set != NULL);
        if (!set)
            continue;
        CHECK_STR_EQ(set->instance_id, TEST_NVIDIA);
        CHECK_STR_EQ(set->class_key, TEST_DISPLAY_CLASS "\\0001");
        CHECK_STR_EQ(set->gpu_name, "NVIDIA GeForce RTX 4070 Laptop GPU");
        CHECK_STR_EQ(set->inf, "oem12.inf");
        CHECK_STR_EQ(set->driver_version, "31.0.15.5222");
        CHECK_STR_EQ(set->driver_date, "2024-01-18"); /* noted as 1-18-2024 */
        CHECK_STR_EQ(set->architecture, "amd64");
        CHECK_EQ(set->package_count, 1);
        CHECK_STR_EQ(set->packages[0].name, TEST_PACKAGE);
        CHECK_EQ(set->packages[0].file_count, 3);
        CHECK_EQ(set->candidate_count, 5);
        CHECK_STR_EQ(set->candidates[0].package, TEST_PACKAGE); /* DRIVERS */
        CHECK_STR_EQ(set->candidates[1].package, NULL);         /* SYSTEM leaves it out */
        CHECK_STR_EQ(set->candidates[2].package, TEST_PACKAGE); /* service */
        CHECK_STR_EQ(set->candidates[3].package, TEST_PACKAGE); /* UserModeDriverName */
        CHECK_STR_EQ(set->candidates[4].package, TEST_PACKAGE); /* same bytes as INF */
        CHECK_EQ(set->value_count, 5);
        driver_set_free(set);
    }
    machine_close(&machine);
}

TEST(a_driver_date_that_is_no_date_is_not_known)
{
    static const char *const dates[] = { "",       "2024-01-18", "13-1-2024", "1-32-2024",
                                         "1-1-24", "1-18-2024 ", "x" };

    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        struct err err = ERR_INIT;
        struct machine machine;
        struct driver_set *set;

        test_case(dates[i]);
        nvidia(&machine);
        machine_text(machine.system, CLASS_KEY, "DriverDate", HIVE_SZ, dates[i]);
        set = resolve(&machine, "10de:2860", &err);
        CHECK_OK(set != NULL);
        if (set)
            CHECK_STR_EQ(set->driver_date, NULL);
        driver_set_free(set);
        machine_close(&machine);
    }
}

TEST(nvidias_service_values_point_into_the_guests_store)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct driver_set *set;

    nvidia(&machine);
    set = resolve(&machine, "10de:2860", &err);
    CHECK_OK(set != NULL);
    for (size_t i = 0; set && i < set->value_count; i++) {
        CHECK_STR_EQ(set->values[i].key, "Services\\nvlddmkm");
        if (text_ieq(set->values[i].name, "ImagePath")) {
            CLEANUP(free_cleanup) char *text = hive_value_text(&set->values[i].value);

            CHECK_STR_EQ(text, "\\SystemRoot\\System32\\HostDriverStore\\FileRepository"
                               "\\" TEST_PACKAGE "\\nvlddmkm.sys");
            CHECK_EQ(set->values[i].value.type, HIVE_EXPAND_SZ);
        }
    }
    driver_set_free(set);
    machine_close(&machine);
}

TEST(amd_and_intel_shapes_resolve_without_registry_values)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct driver_set *amd, *intel;

    machine_open(&machine);
    machine_add_gpu(&machine, "amd", 3);
    machine_add_gpu(&machine, "intel", 0);
    amd = resolve(&machine, "1002:744C", &err);
    CHECK_OK(amd != NULL);
    intel = resolve(&machine, "8086:a7a0", &err);
    CHECK_OK(intel != NULL);
    if (amd && intel) {
        CHECK_EQ(amd->value_count, 0);
        CHECK_STR_EQ(amd->packages[0].files[0].path, "B399123\\amdkmdag.sys");
        CHECK_EQ(intel->value_count, 0); /* its class key has none of them */
        CHECK_EQ(intel->left_out_count, 0);
    }
    driver_set_free(amd);
    driver_set_free(intel);
    machine_close(&machine);
}

TEST(intels_runtime_values_go_under_the_hosts_number_and_to_hyper_v_video)
{
    static const char key[] = "ControlSet001\\Control\\Class\\" TEST_DISPLAY_CLASS "\\0000";
    static const char store[] = "C:\\Windows\\System32\\DriverStore\\FileRepository\\"
                                "iigd_dch.inf_amd64_2222222222222222";
    static const char guest[] = "C:\\Windows\\System32\\HostDriverStore\\FileRepository\\"
                                "iigd_dch.inf_amd64_2222222222222222";
    CLEANUP(free_cleanup) char *file = text_printf("%s\\ze_intel_gpu64.dll", store);
    CLEANUP(free_cleanup) char *led = text_printf("%s\\ze_intel_gpu64.dll", guest);
    const struct {
        const char *key, *name, *text;
        enum driver_value_place place;
    } expected[] = {
        { "Control\\Class\\" TEST_DISPLAY_CLASS "\\0000", "LevelZeroDriverPath", led,
          VALUE_AT_GPU_KEY },
        { DRIVER_HYPERV_VIDEO_KEY, "LevelZeroDriverPath", led, VALUE_AT_HYPERV_VIDEO },
        { "Control\\Class\\" TEST_DISPLAY_CLASS "\\0000", "DriverStorePathForVPL", guest,
          VALUE_AT_GPU_KEY },
        { "Control\\Class\\" TEST_DISPLAY_CLASS "\\0000", "OpenGLFlags", NULL,
          VALUE_AT_GPU_KEY },
    };
    struct err err = ERR_INIT;
    struct machine machine;
    struct driver_set *set;

    machine_open(&machine);
    machine_add_gpu(&machine, "intel", 0);
    machine_text(machine.system, key, "LevelZeroDriverPath", HIVE_SZ, file);
    machine_text(machine.system, key, "DriverStorePathForVPL", HIVE_SZ, store);
    machine_text(machine.system, key, "OpenCLDriverName", HIVE_SZ, "igdrcl64.dll");
    machine_number(machine.system, key, "OpenGLFlags", 3);
    machine_number(machine.system, key, "FeatureTestControl", 3);
    set = resolve(&machine, "8086:a7a0", &err);
    CHECK_OK(set != NULL);
    CHECK_EQ(set ? set->value_count : 0, ARRAY_LEN(expected));
    for (size_t i = 0; set && i < set->value_count && i < ARRAY_LEN(expected); i++) {
        CLEANUP(free_cleanup) char *text = hive_value_text(&set->values[i].value);

        test_case(expected[i].name);
        CHECK_STR_EQ(set->values[i].key, expected[i].key);
        CHECK_STR_EQ(set->values[i].name, expected[i].name);
        CHECK_STR_EQ(text, expected[i].text);
        CHECK_EQ(set->values[i].place, expected[i].place);
    }
    CHECK_EQ(set ? set->left_out_count : 0, 1); /* the bare name, and it is said */
    CHECK(set && set->left_out_count == 1 && strstr(set->left_out[0], "OpenCLDriverName"));
    driver_set_free(set);
    machine_close(&machine);
}

TEST(amds_opengl_package_named_by_the_class_key_comes_along)
{
    static const char path[] = "C:\\Windows\\System32\\DriverStore\\FileRepository\\"
                               "amdogl.inf_amd64_3333333333333333\\atio6axx.dll";
    const char *const texts[] = { path };
    struct err err = ERR_INIT;
    struct machine machine;
    struct driver_set *set;

    machine_open(&machine);
    machine_add_gpu(&machine, "amd", 1);
    machine_texts(machine.system, CLASS_KEY, "OpenGLDriverName", texts, 1);
    machine_text_file(&machine, STORE "amdogl.inf_amd64_3333333333333333/amdogl.inf",
                      "[Version]\nSignature=\"$Windows NT$\"\nClass=SoftwareComponent\n");
    machine_text_file(&machine, STORE "amdogl.inf_amd64_3333333333333333/atio6axx.dll",
                      "y");
    set = resolve(&machine, "1002:744c", &err);
    CHECK_OK(set != NULL);
    if (set) {
        CHECK_EQ(set->package_count, 2);
        CHECK_STR_EQ(set->packages[1].name, "amdogl.inf_amd64_3333333333333333");
        CHECK_STR_EQ(set->packages[1].reason, "OpenGLDriverName");
    }
    driver_set_free(set);
    machine_close(&machine);
}

TEST(copy_to_vm_values_give_files_with_rule_rename_and_reason)
{
    const char *const renamed[] = { "nvcuda_loader64.dll", "nvcuda.dll" };
    const char *const one[] = { "sub\\amfrt64.dll" };
    struct err err = ERR_INIT;
    struct machine machine;
    struct driver_set *set;

    nvidia(&machine);
    machine_text_file(&machine, STORE TEST_PACKAGE "/nvcuda_loader64.dll", "loader");
    machine_text_file(&machine, STORE TEST_PACKAGE "/sub/amfrt64.dll", "amf");
    machine_text_file(&machine, "System32/vulkan-1.dll", "vulkan");
    machine_texts(machine.system, CLASS_KEY "\\CopyToVmWhenNewer", "CudaDriverFiles",
                  renamed, 2);
    machine_texts(machine.system, CLASS_KEY "\\CopyToVmOverwriteWow64", "Amf", one, 1);
    machine_text(machine.system, CLASS_KEY "\\CopyToVmOverwrite", "V", HIVE_SZ,
                 "c:\\windows\\system32\\vulkan-1.dll");
    set = resolve(&machine, "10de:2860", &err);
    CHECK_OK(set != NULL);
    if (set) {
        CHECK_EQ(set->file_count, 3);
        CHECK_STR_EQ(set->files[0].destination, "System32\\vulkan-1.dll");
        CHECK_EQ(set->files[0].size, 6);
        CHECK_STR_EQ(set->files[1].destination, "System32\\nvcuda.dll");
        CHECK_STR_EQ(set->files[1].reason, "CopyToVmWhenNewer\\CudaDriverFiles");
        CHECK_EQ(set->files[1].rule, RULE_NEWER);
        CHECK_STR_EQ(set->files[2].destination, "SysWOW64\\amfrt64.dll");
        CHECK_EQ(set->files[2].rule, RULE_ALWAYS);
    }
    driver_set_free(set);
    machine_close(&machine);
}

TEST(a_copy_to_vm_file_the_host_lacks_is_left_out_and_said)
{
    const char *const texts[] = { "not-there.dll", "x.dll" };
    struct err err = ERR_INIT;
    struct machine machine;
    struct driver_set *set;

    nvidia(&machine);
    machine_texts(machine.system, CLASS_KEY "\\CopyToVmWhenNewer", "X", texts, 2);
    set = resolve(&machine, "10de:2860", &err);
    CHECK_OK(set != NULL);
    if (set) {
        CHECK_EQ(set->file_count, 0);
        CHECK_EQ(set->left_out_count, 1);
        CHECK(strstr(set->left_out[0], "not-there.dll"));
    }
    driver_set_free(set);
    machine_close(&machine);
}

TEST(copy_to_vm_values_that_leave_their_place_are_refused)
{
    static const struct {
        const char *from, *to, *part;
    } bad[] = {
        { "..\\..\\secret.dll", "x.dll", "neither in the package" },
        { "C:\\Users\\x\\secret.dll", "x.dll", "neither in the package" },
        { "C:\\Windows\\..\\x.dll", "x.dll", "neither in the package" },
        { "\\\\server\\share\\x.dll", "x.dll", "neither in the package" },
        { "nvlddmkm.sys", "..\\x.dll", "no plain file name" },
        { "nvlddmkm.sys", "drivers\\x.sys", "no plain file name" },
        { "nvlddmkm.sys", "x.dll:stream", "no plain file name" },
        { "nvlddmkm.sys", "NUL.dll", "no plain file name" },
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *const texts[] = { bad[i].from, bad[i].to };
        struct machine machine;

        test_case(bad[i].from);
        nvidia(&machine);
        machine_texts(machine.system, CLASS_KEY "\\CopyToVmOverwrite", "X", texts, 2);
        check_refused(&machine, "10de:2860", ERR_PROTOCOL, bad[i].part);
        machine_close(&machine);
    }
}

TEST(two_values_for_one_destination_are_refused)
{
    const char *const a[] = { "nvlddmkm.sys", "x.dll" };
    const char *const b[] = { "nvldumdx.dll", "X.DLL" };
    struct machine machine;

    nvidia(&machine);
    machine_texts(machine.system, CLASS_KEY "\\CopyToVmOverwrite", "A", a, 2);
    machine_texts(machine.system, CLASS_KEY "\\CopyToVmWhenNewer", "B", b, 2);
    check_refused(&machine, "10de:2860", ERR_CONFLICT, "would come from");
    machine_close(&machine);
}

TEST(an_unknown_device_is_not_found)
{
    struct machine machine;

    nvidia(&machine);
    check_refused(&machine, "10de:1234", ERR_NOT_FOUND, "no display adapter '10de:1234'");
    check_refused(&machine, "PCI\\VEN_10DE&DEV_1234\\1", ERR_NOT_FOUND, "no device");
    check_refused(&machine, "..\\..\\Control", ERR_INVALID, "names no device");
    check_refused(&machine, "", ERR_INVALID, "names no device");
    check_refused(&machine, "nonsense", ERR_NOT_FOUND, "no display adapter 'nonsense'");
    machine_close(&machine);
}

TEST(two_equal_adapters_are_not_guessed_between)
{
    struct machine machine;

    nvidia(&machine);
    machine_text(machine.system,
                 "ControlSet001\\Enum\\PCI\\VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1\\5&2",
                 "ClassGUID", HIVE_SZ, TEST_DISPLAY_CLASS);
    check_refused(&machine, "10de:2860", ERR_INVALID, "5&2");
    machine_close(&machine);
}

TEST(a_part_of_two_names_is_not_guessed_between)
{
    struct machine machine;

    machine_open(&machine);
    machine_add_gpu(&machine, "nvidia", 1);
    machine_add_gpu(&machine, "amd", 2);
    check_refused(&machine, "X", ERR_INVALID, "means 2 display adapters");
    check_refused(&machine, "X", ERR_INVALID, "'AMD Radeon RX 7900 XTX' PCI\\VEN_1002");
    check_refused(&machine, "X", ERR_INVALID, "'NVIDIA GeForce RTX 4070 Laptop GPU' PCI");
    machine_close(&machine);
}

TEST(a_device_of_another_class_is_refused)
{
    struct machine machine;

    nvidia(&machine);
    machine_text(machine.system, ENUM_KEY, "ClassGUID", HIVE_SZ,
                 "{4d36e96c-e325-11ce-bfc1-08002be10318}");
    check_refused(&machine, TEST_NVIDIA, ERR_INVALID, "not a display adapter");
    machine_close(&machine);
}

TEST(a_disabled_device_is_refused)
{
    struct machine machine;

    nvidia(&machine);
    machine_number(machine.system, ENUM_KEY, "ConfigFlags", 1);
    check_refused(&machine, "10de:2860", ERR_CONFLICT, "is disabled");
    machine_close(&machine);
}

TEST(a_device_without_driver_is_refused)
{
    struct err err = ERR_INIT;
    struct machine machine;

    nvidia(&machine);
    CHECK_OK(hive_delete_value(machine.system, ENUM_KEY, "Driver", &err));
    check_refused(&machine, "10de:2860", ERR_CONFLICT, "has no driver");
    machine_close(&machine);
}

TEST(windows_own_display_driver_is_refused)
{
    struct machine machine;

    nvidia(&machine);
    machine_text(machine.system, CLASS_KEY, "InfPath", HIVE_SZ, "BasicDisplay.inf");
    check_refused(&machine, "10de:2860", ERR_UNSUPPORTED, "Windows' own driver");
    machine_close(&machine);
}

TEST(a_driver_outside_the_store_is_refused)
{
    const char *const texts[] = { "nvd3dumx.dll", "nvwgf2umx.dll" };
    struct machine machine;

    nvidia(&machine);
    machine_texts(machine.system, CLASS_KEY, "UserModeDriverName", texts, 2);
    check_refused(&machine, "10de:2860", ERR_UNSUPPORTED, "not store-resident");
    machine_close(&machine);
}

TEST(records_that_disagree_are_refused_and_all_named)
{
    struct machine machine;

    nvidia(&machine);
    machine_text(machine.drivers, "DriverDatabase\\DriverInfFiles\\oem12.inf", "Active",
                 HIVE_SZ, "nv_dispi.inf_amd64_ffffffffffffffff");
    check_refused(&machine, "10de:2860", ERR_CONFLICT, "different driver packages");
    check_refused(&machine, "10de:2860", ERR_CONFLICT,
                  "DRIVERS hive: nv_dispi.inf_amd64_ffffffffffffffff");
    check_refused(&machine, "10de:2860", ERR_CONFLICT, "service image path: " TEST_PACKAGE);
    machine_close(&machine);
}

TEST(one_record_alone_is_refused)
{
    struct err err = ERR_INIT;
    struct machine machine;

    nvidia(&machine);
    hive_close(TAKE(machine.drivers));
    CHECK_OK(hive_delete_key(machine.system, "ControlSet001\\Services\\nvlddmkm", &err));
    machine_text_file(&machine, "INF/oem12.inf", "another text");
    check_refused(&machine, "10de:2860", ERR_CONFLICT, "only one record");
    machine_close(&machine);
}

TEST(two_records_suffice_without_a_drivers_hive)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct driver_set *set;

    nvidia(&machine);
    hive_close(TAKE(machine.drivers));
    machine_text_file(&machine, "INF/oem12.inf", "another text");
    set = resolve(&machine, "10de:2860", &err);
    CHECK_OK(set != NULL);
    driver_set_free(set);
    machine_close(&machine);
}

TEST(a_missing_package_folder_is_refused)
{
    struct err err = ERR_INIT;
    struct machine machine;
    CLEANUP(free_cleanup) char *folder = NULL;

    nvidia(&machine);
    folder = text_printf("%s/Windows/%s%s", machine.root, STORE, TEST_PACKAGE);
    CHECK_OK(os_remove_tree(folder, &err));
    check_refused(&machine, "10de:2860", ERR_NOT_FOUND, TEST_PACKAGE);
    machine_close(&machine);
}

TEST(a_package_without_its_inf_is_refused)
{
    struct err err = ERR_INIT;
    struct machine machine;
    CLEANUP(free_cleanup) char *inf = NULL;

    nvidia(&machine);
    inf = text_printf("%s/Windows/%s%s/nv_dispi.inf", machine.root, STORE, TEST_PACKAGE);
    CHECK_OK(os_remove_file(inf, &err));
    check_refused(&machine, "10de:2860", ERR_NOT_FOUND, "its INF is not in it");
    machine_close(&machine);
}

TEST(a_staged_update_is_told_from_the_active_driver)
{
    struct machine machine;

    nvidia(&machine);
    machine_text(machine.system, CLASS_KEY, "DriverVersion", HIVE_SZ, "31.0.15.5161");
    check_refused(&machine, "10de:2860", ERR_CONFLICT,
                  "has driver version 31.0.15.5222, but the host registered 31.0.15.5161");
    machine_close(&machine);
}

TEST(a_package_of_another_class_is_refused)
{
    struct machine machine;

    nvidia(&machine);
    machine_text_file(
        &machine, STORE TEST_PACKAGE "/nv_dispi.inf",
        "[Version]\nSignature=\"$Windows NT$\"\nClass=MEDIA\nDriverVer=1/1/2024,31.0.15.5222\n");
    check_refused(&machine, "10de:2860", ERR_UNSUPPORTED, "class 'MEDIA'");
    machine_close(&machine);
}

TEST(a_link_in_the_package_is_refused)
{
    struct machine machine;
    CLEANUP(free_cleanup) char *line = NULL;

    if (!is_posix())
        SKIP("links are not for everybody here");
    nvidia(&machine);
    line = text_printf("ln -s /etc/passwd %s/Windows/%s%s/link.dll", machine.root, STORE,
                       TEST_PACKAGE);
    CHECK_EQ(system(line), 0);
    check_refused(&machine, "10de:2860", ERR_UNSUPPORTED, "is a link");
    machine_close(&machine);
}

TEST(a_name_that_windows_cannot_have_is_refused)
{
    struct machine machine;

    if (!is_posix())
        SKIP("no such file can be made here");
    nvidia(&machine);
    machine_text_file(&machine, STORE TEST_PACKAGE "/nul.dll", "x");
    check_refused(&machine, "10de:2860", ERR_PROTOCOL, "no name of a Windows file");
    machine_close(&machine);
}

TEST(a_file_where_the_package_should_be_is_refused)
{
    struct err err = ERR_INIT;
    struct machine machine;
    CLEANUP(free_cleanup) char *folder = NULL;

    nvidia(&machine);
    folder = text_printf("%s/Windows/%s%s", machine.root, STORE, TEST_PACKAGE);
    CHECK_OK(os_remove_tree(folder, &err));
    machine_text_file(&machine, STORE TEST_PACKAGE, "not a folder");
    check_refused(&machine, "10de:2860", ERR_NOT_FOUND, "is a file, not a folder");
    machine_close(&machine);
}

TEST(nvidias_service_outside_the_store_is_refused)
{
    struct machine machine;

    nvidia(&machine);
    machine_text(machine.system, "ControlSet001\\Services\\nvlddmkm", "ImagePath",
                 HIVE_EXPAND_SZ, "System32\\drivers\\nvlddmkm.sys");
    check_refused(&machine, "10de:2860", ERR_UNSUPPORTED,
                  "service 'nvlddmkm' does not run from the driver store");
    machine_close(&machine);
}

TEST(files_that_change_while_they_are_read_are_refused)
{
    static const char *const files[] = { STORE TEST_PACKAGE "/nvldumdx.dll",
                                         "System32/outside.dll" };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct err err = ERR_INIT;
        struct machine machine;
        struct windows_source *source;
        struct driver_set *set = NULL;

        test_case(files[i]);
        nvidia(&machine);
        machine_text_file(&machine, "System32/outside.dll", "x");
        machine_text(machine.system, CLASS_KEY "\\CopyToVmOverwrite", "V", HIVE_SZ,
                     "C:\\Windows\\System32\\outside.dll");
        machine_save(&machine);
        source = windows_source_offline(machine.root, &err);
        CHECK_OK(source && driver_resolve(source, "10de:2860", &set, &err));
        machine_text_file(&machine, files[i], "longer than it was before");
        CHECK(set && !driver_set_hash(set, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        driver_set_free(set);
        windows_source_free(source);
        machine_close(&machine);
    }
}

/* Sets the second sequence number of a saved SYSTEM hive to the first plus @ahead, and the
 * checksum to fit: the base block's XOR over its first 508 bytes (msuhanov/regf). */
static void set_sequence(struct machine *machine, unsigned ahead)
{
    CLEANUP(free_cleanup)
    char *path = text_printf("%s/Windows/System32/config/SYSTEM", machine->root);
    FILE *file = fopen(path, "r+be");
    uint32_t base[128], sum = 0;

    CHECK(file != NULL);
    if (!file)
        return;
    CHECK_EQ(fread(base, 1, sizeof(base), file), sizeof(base));
    base[2] = base[1] + ahead;
    for (size_t i = 0; i < 127; i++)
        sum ^= base[i];
    base[127] = sum;
    rewind(file);
    CHECK_EQ(fwrite(base, 1, sizeof(base), file), sizeof(base));
    fclose(file);
}

TEST(a_dirty_hive_without_logs_is_refused)
{
    struct err err = ERR_INIT;
    struct machine machine;

    nvidia(&machine);
    machine_save(&machine);
    set_sequence(&machine, 1);
    CHECK(!windows_source_offline(machine.root, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    machine_close(&machine);
}

TEST(a_folder_without_windows_is_refused)
{
    struct err err = ERR_INIT;

    CHECK(!windows_source_offline("/usr/share", &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
}

TEST(every_file_is_hashed_where_it_lies)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct windows_source *source;
    struct driver_set *set = NULL;
    const char *const texts[] = { "nvldumdx.dll", "x.dll" };

    nvidia(&machine);
    machine_texts(machine.system, CLASS_KEY "\\CopyToVmOverwrite", "A", texts, 2);
    machine_save(&machine);
    source = windows_source_offline(machine.root, &err);
    CHECK_OK(source && driver_resolve(source, "10de:2860", &set, &err));
    if (set) {
        CHECK_OK(driver_set_hash(set, &err));
        for (size_t i = 0; i < set->packages[0].file_count; i++)
            if (text_ieq(set->packages[0].files[i].path, "nvldumdx.dll"))
                CHECK_STR_EQ(
                    set->packages[0].files[i].sha256,
                    /* printf 'user-mode driver' | sha256sum */
                    "bc8140fde724fac5b2709b52ce616d583e13965af6d6fcc4f91d56610657aacf");
        CHECK_STR_EQ(set->files[0].sha256,
                     "bc8140fde724fac5b2709b52ce616d583e13965af6d6fcc4f91d56610657aacf");
    }
    driver_set_free(set);
    windows_source_free(source);
    machine_close(&machine);
}

TEST(a_real_hive_with_bare_driver_names_is_refused_as_not_store_resident)
{
    struct machine machine;
    CLEANUP(free_cleanup) char *line = NULL;
    struct err err = ERR_INIT;
    struct windows_source *source;
    struct driver_set *set = NULL;
    char text[2048];

    if (!test_data_dir())
        SKIP("HVGPU_TEST_DATA is not set");
    machine_open(&machine);
    machine_save(&machine);
    line =
        text_printf("rm %s/Windows/System32/config/DRIVERS; xz -dc "
                    "'%s/hives/SYSTEM_WIN_10_1709.xz' > %s/Windows/System32/config/SYSTEM",
                    machine.root, test_data_dir(), machine.root);
    if (system(line) != 0) {
        machine_close(&machine);
        SKIP("xz cannot unpack the hive");
    }
    set_sequence(&machine, 0); /* taken from a running machine: finish its last write */
    source = windows_source_offline(machine.root, &err);
    CHECK_OK(source != NULL);
    CHECK(source && !driver_resolve(source, "15ad:0405", &set, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "not store-resident"));
    CHECK(strstr(text, "oem3.inf"));
    CHECK(strstr(text, "DRIVERS hive: does not tell"));
    windows_source_free(source);
    machine_close(&machine);
}

TEST(a_class_key_that_names_no_inf_is_refused)
{
    struct err err = ERR_INIT;
    struct machine machine;

    nvidia(&machine);
    CHECK_OK(hive_delete_value(machine.system, CLASS_KEY, "InfPath", &err));
    check_refused(&machine, "10de:2860", ERR_PROTOCOL, "names no INF");
    machine_close(&machine);
}

TEST(a_windows_without_its_hive_is_refused)
{
    CLEANUP(free_cleanup) char *hive = NULL;
    struct err err = ERR_INIT;
    struct machine machine;
    char text[1024];

    nvidia(&machine);
    machine_save(&machine);
    hive = text_printf("%s/Windows/System32/config/SYSTEM", machine.root);
    CHECK(hive && remove(hive) == 0);
    CHECK(!windows_source_offline(machine.root, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "no SYSTEM hive"));
    machine_close(&machine);
}

TEST(a_package_that_nests_without_end_is_refused)
{
    CLEANUP(strbuf_cleanup) struct strbuf path = STRBUF_INIT;
    struct machine machine;

    if (!is_posix())
        SKIP("paths of this length are for POSIX");
    nvidia(&machine);
    strbuf_puts(&path, "System32/DriverStore/FileRepository/" TEST_PACKAGE);
    for (size_t i = 0; i < 40; i++)
        strbuf_puts(&path, "/d");
    strbuf_puts(&path, "/x.dll");
    machine_text_file(&machine, path.text, "x");
    check_refused(&machine, "10de:2860", ERR_UNSUPPORTED, "nested too deeply");
    machine_close(&machine);
}
