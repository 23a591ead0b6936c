/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world of a simulated host: files, registry, disks, attached images. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "os.h"
#include "package.h"
#include "strbuf.h"
#include "test-world-host.h"
#include "test.h"
#include "text.h"
#include "windows-os.h"

#define CLASS_KEY                                       \
    "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Class\\" \
    "{4d36e968-e325-11ce-bfc1-08002be10318}\\0001"
#define STORE "C:\\Windows\\System32\\DriverStore\\FileRepository"

static char *reg_text(struct sim_world *w, const char *key, const char *name)
{
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };

    return world_reg_get(w, key, name, &value) == 0 ? hive_value_text(&value) : NULL;
}

TEST(a_gpu_leads_to_its_package_through_the_registry)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };
    CLEANUP(free_cleanup) char *inf = NULL;
    CLEANUP(free_cleanup) char *image = NULL;
    CLEANUP(free_cleanup) char *folder = NULL;
    CLEANUP(free_cleanup) char *in_store = NULL;
    CLEANUP(free_cleanup) char *published = NULL;
    CLEANUP(free_cleanup) uint8_t *a = NULL;
    CLEANUP(free_cleanup) uint8_t *b = NULL;
    size_t a_len = 0, b_len = 1, count = 0;
    char **texts;

    if (!w) {
        CHECK_OK(w);
        return;
    }
    inf = reg_text(w, CLASS_KEY, "InfPath");
    image = reg_text(w, "HKLM\\SYSTEM\\CurrentControlSet\\Services\\nvlddmkm", "ImagePath");
    CHECK(inf && text_istarts(inf, "oem"));
    CHECK(image && text_istarts(image, "\\SystemRoot\\System32\\DriverStore\\"));
    CHECK_EQ(world_reg_get(w, CLASS_KEY, "UserModeDriverName", &value), 0);
    texts = hive_value_texts(&value, &count);
    CHECK_EQ(count, 4);
    if (!texts || !image || !inf)
        return;
    folder = text_ndup(texts[0], (size_t)(strrchr(texts[0], '\\') - texts[0]));
    hive_texts_free(texts, count);
    CHECK(folder && text_istr(image, strrchr(folder, '\\')) != NULL);

    in_store = text_printf("%s\\nv_dispi.inf", folder);
    published = text_printf("c:\\WINDOWS\\inf\\%s", inf);
    CHECK_OK(world_read_all(w, in_store, 1 << 20, &a, &a_len, &err));
    CHECK_OK(world_read_all(w, published, 1 << 20, &b, &b_len, &err));
    CHECK(a && b && a_len == b_len && memcmp(a, b, a_len) == 0);
}

TEST(systems_own_driver_database_does_not_list_gpu_packages_but_DRIVERS_does)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    CLEANUP(free_cleanup) char *inf = reg_text(w, CLASS_KEY, "InfPath");
    CLEANUP(free_cleanup)
    char *key = text_printf("HKLM\\SYSTEM\\DriverDatabase\\DriverInfFiles\\%s", inf);
    CLEANUP(free_cleanup)
    char *there = text_printf("HKLM\\Drv\\DriverDatabase\\DriverInfFiles\\%s", inf);
    CLEANUP(free_cleanup) char *active = NULL;
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };

    CHECK_EQ(world_reg_get(w, key, "Active", &value), WIN_FILE_NOT_FOUND);
    CHECK_EQ(world_reg_get(w, "HKLM\\DRIVERS", "", &value), WIN_FILE_NOT_FOUND);
    CHECK_EQ(world_reg_load(w, "HKLM\\Drv", "C:\\Windows\\System32\\config\\DRIVERS"), 0);
    active = reg_text(w, there, "Active");
    CHECK(active && text_istarts(active, "nv_dispi.inf_amd64_"));
    CHECK_EQ(world_reg_unload(w, "HKLM\\Drv"), 0);
    CHECK_EQ(world_reg_unload(w, "HKLM\\Drv"), 87);
}

TEST(registry_changes_are_in_the_file_and_survive_the_simulator)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };
    CLEANUP(free_cleanup) char *text = NULL;

    CHECK(hive_value_set_text(&value, HIVE_SZ, "x"));
    CHECK_EQ(world_reg_set(w, "HKLM\\SOFTWARE\\Test", "a", &value), WIN_FILE_NOT_FOUND);
    CHECK_EQ(world_reg_create(w, "HKLM\\SOFTWARE\\Test\\Below"), 0);
    CHECK_EQ(world_reg_set(w, "HKLM\\software\\test", "a", &value), 0);
    CHECK_EQ(world_reg_delete_key(w, "HKLM\\SOFTWARE\\Test", false), WIN_ACCESS_DENIED);
    test_host_restart(&t);
    w = sim_host_world(&t.host, &err);
    text = reg_text(w, "HKLM\\SOFTWARE\\Test", "A");
    CHECK_STR_EQ(text, "x");
    CHECK_EQ(world_reg_delete_key(w, "HKLM\\SOFTWARE\\Test", true), 0);
    CHECK_EQ(world_reg_delete_key(w, "HKLM\\SOFTWARE\\Test", true), WIN_FILE_NOT_FOUND);
    CHECK_EQ(world_reg_create(w, "HKCU\\x"), WIN_UNKNOWN);
    CHECK_EQ(world_reg_create(w, "HKLM\\SAM\\x"), WIN_ACCESS_DENIED);
}

static char *dump_of(struct sim_world *w)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    struct err err = ERR_INIT;

    CHECK_OK(world_dump(w, &text, &err));
    return strbuf_take(&text);
}

TEST(a_copy_of_a_hive_is_dumped_as_its_values_not_its_bytes)
{
    static const char copy[] = "C:\\kept\\DRIVERS";
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };
    CLEANUP(free_cleanup) char *before = NULL;
    CLEANUP(free_cleanup) char *changed = NULL;
    CLEANUP(free_cleanup) char *back = NULL;
    CLEANUP(free_cleanup) char *damaged = NULL;
    CLEANUP(free_cleanup) uint8_t *old = NULL;
    CLEANUP(free_cleanup) uint8_t *new = NULL;
    size_t old_len = 0, new_len = 0;

    if (!test_has_tools())
        SKIP("mkntfs, mkfs.vfat or mtools is missing");
    CHECK_OK(world_make_dir(w, "C:\\kept", &err));
    CHECK_OK(world_copy(w, "C:\\Windows\\System32\\config\\DRIVERS", copy, &err));
    CHECK_OK(world_read_all(w, copy, 1 << 24, &old, &old_len, &err));
    before = dump_of(w);

    CHECK(hive_value_set_text(&value, HIVE_SZ, "x"));
    CHECK_EQ(world_reg_load(w, "HKLM\\Kept", copy), 0);
    CHECK_EQ(world_reg_create(w, "HKLM\\Kept\\New"), 0);
    CHECK_EQ(world_reg_set(w, "HKLM\\Kept\\New", "a", &value), 0);
    CHECK_EQ(world_reg_unload(w, "HKLM\\Kept"), 0);
    changed = dump_of(w);
    CHECK(before && changed && strcmp(before, changed) != 0);
    CHECK(changed && strstr(changed, "  [New]\n    a = 1:78000000\n"));

    CHECK_EQ(world_reg_load(w, "HKLM\\Kept", copy), 0);
    CHECK_EQ(world_reg_delete_key(w, "HKLM\\Kept\\New", true), 0);
    CHECK_EQ(world_reg_unload(w, "HKLM\\Kept"), 0);
    CHECK_OK(world_read_all(w, copy, 1 << 24, &new, &new_len, &err));
    CHECK(old && new && (old_len != new_len || memcmp(old, new, old_len) != 0));
    back = dump_of(w);
    CHECK(before && back && strcmp(before, back) == 0);

    CHECK_OK(world_write_all(w, copy, "none", 4, 0, FILE_IS_ARCHIVE, &err));
    damaged = dump_of(w);
    CHECK(damaged && strstr(damaged, "C:\\kept\\DRIVERS 20 hive\n  no readable hive, "));
}

TEST(paths_compare_without_case_and_refuse_what_windows_refuses)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    static const struct {
        const char *path;
        uint32_t code;
    } cases[] = {
        { "C:\\windows\\SYSTEM32\\cmd.exe", 0 },
        { "c:/Windows/system32//cmd.exe", 0 },
        { "\\\\?\\C:\\Windows", 0 },
        { "C:\\", 0 },
        { "C:\\Windows\\none", 2 },
        { "C:\\none\\none", 3 },
        { "Q:\\x", 3 },
        { "C:\\Windows\\..\\x", 123 },
        { "C:\\a:b", 123 },
        { "\\\\server\\share", 53 },
        { "Windows", 3 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct file_info info = { 0 };
        bool ok;

        test_case(cases[i].path);
        err = ERR_INIT;
        ok = world_stat(w, cases[i].path, &info, &err);
        CHECK_EQ(ok, cases[i].code == 0);
        CHECK_EQ(ok ? 0 : err.code, cases[i].code);
        free(info.name);
    }
    test_case(NULL);
}

TEST(files_are_copied_renamed_and_removed_with_windows_rules)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    struct file_info info = { 0 };

    CHECK_OK(world_make_dir(w, "C:\\work", &err));
    CHECK(!world_make_dir(w, "C:\\WORK", &err) && err.code == WIN_ALREADY_EXISTS);
    CHECK(!world_make_dir(w, "C:\\a\\b", &err) && err.code == WIN_PATH_NOT_FOUND);
    CHECK_OK(world_write_all(w, "C:\\work\\A.txt", "hello", 5, 13370000001234560,
                             FILE_IS_READONLY | FILE_IS_ARCHIVE, &err));
    CHECK_OK(world_copy(w, "C:\\work\\a.TXT", "C:\\work\\B.txt", &err));
    CHECK_OK(world_stat(w, "C:\\work\\b.txt", &info, &err));
    CHECK_STR_EQ(info.name, "B.txt");
    CHECK_EQ(info.size, 5);
    CHECK_EQ(info.mtime_usec, 13370000001234560);
    CHECK_EQ(info.attributes, FILE_IS_READONLY | FILE_IS_ARCHIVE);
    free(info.name);
    CHECK(!world_copy(w, "C:\\work\\a.txt", "C:\\work\\b.txt", &err) &&
          err.code == WIN_ACCESS_DENIED);
    CHECK(!world_remove(w, "C:\\work\\b.txt", false, false, &err) &&
          err.code == WIN_ACCESS_DENIED);
    CHECK(!world_remove(w, "C:\\work", true, false, &err) && err.code == WIN_ACCESS_DENIED);
    CHECK(!world_rename(w, "C:\\work\\a.txt", "C:\\work\\b.txt", &err) &&
          err.code == WIN_ALREADY_EXISTS);
    CHECK_OK(world_rename(w, "C:\\work\\a.txt", "C:\\work\\a.TXT", &err));
    CHECK_OK(world_set_attributes(w, "C:\\work\\b.txt", FILE_IS_ARCHIVE, &err));
    CHECK_OK(world_remove(w, "C:\\work\\b.txt", false, false, &err));
    CHECK(!world_remove(w, "C:\\work", false, false, &err) &&
          err.code == WIN_DIR_NOT_EMPTY);
    CHECK_OK(world_remove(w, "C:\\work", true, true, &err));
    CHECK(!world_stat(w, "C:\\work", &info, &err) && err.code == WIN_FILE_NOT_FOUND);
    CHECK(!world_copy(w, "C:\\Windows\\System32\\config\\SYSTEM", "C:\\x", &err) &&
          err.code == WIN_SHARING_VIOLATION);
}

static bool keep_row(struct cim_instance *row, void *user)
{
    *(struct cim_instance **)user = cim_instance_copy(row);
    return true;
}

TEST(a_files_version_comes_from_its_own_resource)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *where = cim_instance_new(NULL, "CIM_DataFile");
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    const struct sim_dynamic_class *files = windows_files.dynamic_classes;
    struct sim_fault fault;

    CHECK(w && where);
    CHECK(!files->list(&t.host, where, keep_row, &row, &fault)); /* would scan the disk */
    CHECK_OK(cim_set_text(where, "Name", "c:\\windows\\system32\\NVAPI64.dll", &err));
    CHECK(files->list(&t.host, where, keep_row, &row, &fault));
    CHECK(row);
    if (!row)
        return;
    CHECK_STR_EQ(cim_get_text(row, "Version"), "32.0.15.6094");
    CHECK_STR_EQ(cim_get_text(row, "Manufacturer"), "NVIDIA Corporation");
    CHECK_STR_EQ(cim_get_text(row, "Name"), "c:\\windows\\system32\\nvapi64.dll");
}

TEST(a_disk_is_made_attached_written_and_left_clean)
{
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(hive_value_clear) struct hive_value value = { 0 };
    CLEANUP(free_cleanup) char *text = NULL;
    struct file_info info = { 0 };
    bool empty = true;
    size_t len;

    if (!test_has_tools())
        SKIP("mkntfs, mkfs.vfat or mtools is missing");
    CHECK_OK(world_attach(w, "C:\\VMs\\a\\a.vhdx", false, true, &err));
    CHECK(world_is_attached(w, "c:\\vms\\A\\a.vhdx"));
    CHECK(!world_attach(w, "C:\\VMs\\a\\a.vhdx", false, true, &err) &&
          err.code == WIN_SHARING_VIOLATION);
    CHECK(!world_remove(w, "C:\\VMs\\a\\a.vhdx", false, false, &err) &&
          err.code == WIN_SHARING_VIOLATION);
    CHECK_OK(world_stat(w, "D:\\Windows\\System32\\config\\SYSTEM", &info, &err));
    free(TAKE(info.name));
    CHECK_OK(world_is_empty(w, "D:\\", &empty, &err));
    CHECK(!empty);
    CHECK_OK(world_make_dir(w, "D:\\Windows\\System32\\HostDriverStore", &err));
    CHECK_OK(world_copy(w, "C:\\Windows\\System32\\nvapi64.dll",
                        "D:\\Windows\\System32\\HostDriverStore\\nvapi64.dll", &err));
    CHECK_OK(world_set_attributes(w, "D:\\Windows\\System32\\HostDriverStore\\nvapi64.dll",
                                  FILE_IS_READONLY | FILE_IS_ARCHIVE, &err));

    /* The guest's registry, through a loaded hive, across a restart of the simulator. */
    CHECK_EQ(world_reg_load(w, "HKLM\\Guest", "D:\\Windows\\System32\\config\\SYSTEM"), 0);
    CHECK(!world_copy(w, "D:\\Windows\\System32\\config\\SYSTEM", "C:\\copy", &err) &&
          err.code == WIN_SHARING_VIOLATION);
    CHECK(hive_value_set_text(&value, HIVE_SZ, "Video"));
    CHECK_EQ(world_reg_create(w, "HKLM\\Guest\\ControlSet001\\Services\\nvlddmkm"), 0);
    CHECK_EQ(
        world_reg_set(w, "HKLM\\Guest\\ControlSet001\\Services\\nvlddmkm", "Group", &value),
        0);
    CHECK(!world_detach(w, "C:\\VMs\\a\\a.vhdx", &err));
    test_host_restart(&t);
    w = sim_host_world(&t.host, &err);
    CHECK(w && world_is_attached(w, "C:\\VMs\\a\\a.vhdx"));
    text = reg_text(w, "HKLM\\Guest\\ControlSet001\\Services\\nvlddmkm", "Group");
    CHECK_STR_EQ(text, "Video");
    CHECK_EQ(world_reg_unload(w, "HKLM\\Guest"), 0);
    CHECK_OK(
        world_stat(w, "D:\\Windows\\System32\\HostDriverStore\\NVAPI64.dll", &info, &err));
    CHECK_EQ(info.attributes, FILE_IS_READONLY | FILE_IS_ARCHIVE);
    free(TAKE(info.name));
    CHECK_OK(world_copy(w, "D:\\Windows\\System32\\HostDriverStore\\nvapi64.dll",
                        "C:\\back.dll", &err));
    CHECK_OK(world_read_all(w, "C:\\back.dll", 1 << 24, &bytes, &len, &err));
    CHECK_OK(world_detach(w, "C:\\VMs\\a\\a.vhdx", &err));
    CHECK(!world_stat(w, "D:\\Windows", &info, &err) && err.code == WIN_PATH_NOT_FOUND);
}

TEST(every_problem_on_request_is_seen_by_image_show)
{
    static const struct {
        unsigned problem, generation;
        const char *blocker; /* NULL: none */
    } cases[] = {
        { 0, 2, NULL },
        { 0, 1, NULL },
        { SIM_DISK_BITLOCKER, 2, "bitlocker" },
        { SIM_DISK_HIBERNATED, 2, "hibernated" },
        { SIM_DISK_UNCLEAN, 2, "unclean" },
        { SIM_DISK_CHKDSK, 2, "chkdsk-pending" },
        { SIM_DISK_DIRTY_HIVE, 2, "dirty-hive" },
        { SIM_DISK_FULL, 2, "no-space" },
    };
    struct err err = ERR_INIT;
    CLEANUP(test_host_clear) struct test_host t;
    struct sim_world *w = test_host_world(&t, &err);
    CLEANUP(free_cleanup) struct image_facts *facts = calloc(1, sizeof(*facts));
    CLEANUP(free_cleanup) char *path = text_printf("%s/p.vhdx", t.host.dir);

    CHECK(w);
    if (!test_has_tools())
        SKIP("mkntfs, mkfs.vfat or mtools is missing");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_disk disk = { .path = (char *)"C:\\p.vhdx",
                                 .size_bytes = 4ull << 30,
                                 .generation = cases[i].generation,
                                 .build = 19045,
                                 .ubr = 4651,
                                 .edition = (char *)"Enterprise",
                                 .problems = cases[i].problem };
        bool found = false;

        test_case(cases[i].blocker ? cases[i].blocker : "no blocker");
        CHECK_OK(disk_make(&disk, path, &err));
        CHECK_OK(image_inspect(path, NULL, facts, &err));
        for (unsigned k = 0; k < facts->blocker_count; k++)
            found = found || (cases[i].blocker &&
                              strcmp(facts->blockers[k].id, cases[i].blocker) == 0);
        CHECK_EQ(found, cases[i].blocker != NULL);
        if (!cases[i].blocker)
            CHECK_EQ(facts->blocker_count, 0);
        if (cases[i].problem == 0) {
            CHECK(facts->has_windows);
            CHECK_EQ(facts->windows.build, 19045);
            CHECK_EQ(facts->windows.ubr, 4651);
            CHECK_STR_EQ(facts->windows.edition, "Enterprise");
            CHECK_STR_EQ(facts->windows.architecture, "amd64");
            CHECK_STR_EQ(facts->table, cases[i].generation == 1 ? "mbr" : "gpt");
        }
        if (cases[i].problem == SIM_DISK_FULL)
            CHECK(facts->free_bytes < 3 << 20);
        CHECK_OK(os_remove_file(path, &err));
    }
    test_case(NULL);
}
