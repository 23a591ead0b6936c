/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver from an offline Windows into a guest's image: put there, read back by programs
 * others wrote, taken back.
 */

#include "os.h"
#include "steps.h"
#include "test-inject-run.h"
#include "test-tools.h"
#include "test-vhd-image.h"
#include "test.h"
#include "text.h"

TEST(what_was_put_there_verifies_and_putting_it_twice_changes_nothing)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run, again;
    const char *image = scratch("guest.vhdx");
    CLEANUP(free_cleanup) char *before = NULL;
    CLEANUP(free_cleanup) char *after = NULL;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(image);
    before = guest_dump(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK(!plan_has_errors(run.plan));
    CHECK_EQ(run.plan->step_count, 6); /* package, two files, hive, manifest, commit */
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    CHECK_OK(run_verify(&run, image, &err));
    after = guest_dump(image);
    CHECK(before && after && strcmp(before, after) != 0);
    CHECK(strstr(after, GUEST_PACKAGE "/NvCamera/NvCamera64.dll 6 "));
    CHECK(!strstr(after, ".partial") && !strstr(after, ".hvgpu-new"));
    run_close(&run);

    CHECK_OK(run_open(&again, &machine, image, &err));
    CHECK_EQ(again.plan->step_count, 0);
    run_close(&again);
    machine_close(&machine);
}

TEST(undo_brings_every_byte_time_and_attribute_back)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    const char *image = scratch("guest.vhdx");
    CLEANUP(free_cleanup) char *before = NULL;
    CLEANUP(free_cleanup) char *after = NULL;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(image);
    before = guest_dump(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    after = guest_dump(image);
    CHECK_STR_EQ(after, before);
    CHECK_EQ(shell("qemu-img check -f vhdx %s", image), 0);
    run_close(&run);
    machine_close(&machine);
}

TEST(undo_of_a_hive_that_was_written_since_takes_only_the_values_back)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    struct guest_disk *guest;
    struct hive_value value = { 0 };
    const char *image = scratch("guest.vhdx");
    char sha256[65];
    bool exists = true;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);

    guest = guest_disk_open_local(image, NULL, scratch("other-backup"), &err);
    CHECK_OK(guest != NULL);
    CHECK(hive_value_set_u64(&value, HIVE_DWORD, 5));
    CHECK_OK(guest->ops->hive_begin(guest, "x", &err));
    CHECK_OK(guest->ops->reg_set(guest, "Services\\Tcpip", "Start", &value, &err));
    CHECK_OK(guest->ops->hive_end(guest, sha256, &err));
    CHECK_OK(guest->ops->commit(guest, &err));
    hive_value_clear(&value);
    guest_disk_close(guest);

    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    guest = guest_disk_open_local(image, NULL, NULL, &err);
    CHECK_OK(guest->ops->reg_get(guest, "Services\\Tcpip", "Start", &exists, &value, &err));
    CHECK(exists);
    hive_value_clear(&value);
    CHECK_OK(guest->ops->reg_key_exists(guest, "Services\\nvlddmkm", &exists, &err));
    CHECK(!exists);
    guest_disk_close(guest);
    run_close(&run);
    machine_close(&machine);
}

TEST(programs_others_wrote_see_the_very_files_and_values)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    const char *image = scratch("guest.vhdx");
    const char *raw = scratch("volume.raw");
    CLEANUP(free_cleanup) char *diff = NULL;
    CLEANUP(free_cleanup) char *cuda = NULL;
    CLEANUP(free_cleanup) char *values = NULL;

    if (!has_tools() || !has_program("7z") || !has_program("hivexregedit"))
        SKIP("mkntfs, qemu-img, 7z or hivexregedit is not installed");
    make_host(&machine);
    make_guest(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    CHECK_EQ(shell("qemu-img check -f vhdx %s", image), 0);
    CHECK(extract_partition(image, "vhdx", VOLUME_MIB, raw));
    CHECK_EQ(shell("ntfsinfo -m %s", raw), 0);
    CHECK_EQ(shell("ntfsfix -n %s", raw), 0);
    shell("rm -rf %s", scratch("seen"));
    CHECK_EQ(shell("7z x -y -o%s %s", scratch("seen"), raw), 0);
    diff = shell_output("diff -r %s/Windows/" STORE "%s %s" GUEST_PACKAGE, machine.root,
                        TEST_PACKAGE, scratch("seen"));
    CHECK_STR_EQ(diff, "");
    cuda = shell_output("cat %s/Windows/System32/nvcuda.dll", scratch("seen"));
    CHECK_STR_EQ(cuda, "cuda loader");
    values = shell_output("hivexregedit --export %s/Windows/System32/config/SYSTEM "
                          "'ControlSet001\\Services\\nvlddmkm'",
                          scratch("seen"));
    CHECK(strstr(values, "\"Start\"=dword:00000003"));
    CHECK(strstr(values, "\"Type\"=dword:00000001"));
    CHECK(strstr(values, "\"ErrorControl\"=dword:00000000"));
    CHECK(strstr(values, "\"ImagePath\"=hex(2):"));
    run_close(&run);
    machine_close(&machine);
}

static void inject_into_child(const char *child, const char *parent)
{
    struct guest_disk *guest;
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;

    make_host(&machine);
    copy_file(parent, scratch("parent.before"));
    run_parents = NULL;
    CHECK(!run_open(&run, &machine, child, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    run_close(&run);
    err = ERR_INIT;
    run_parents = scratch("base");
    CHECK_OK(run_open(&run, &machine, child, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err)); /* confined */
    CHECK_OK(run_verify(&run, child, &err));
    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    guest = guest_disk_open_local(child, run_parents, NULL, &err);
    CHECK_OK(guest != NULL);
    CHECK(guest && !driver_verify(guest, run.set, NULL, &err)); /* gone again */
    guest_disk_close(guest);
    run_parents = NULL;
    CHECK_EQ(shell("cmp %s %s", parent, scratch("parent.before")), 0);
    run_close(&run);
    machine_close(&machine);
}

TEST(a_driver_goes_into_a_checkpoints_disk_and_its_parent_elsewhere_stays)
{
    const char *child = scratch("vm/guest.avhdx"), *parent = scratch("base/guest.vhdx");
    struct err err = ERR_INIT;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_EQ(shell("cd %s && rm -rf vm base && mkdir vm base", scratch_dir()), 0);
    make_guest(parent);
    CHECK_OK(disk_create_vhdx(child, (VOLUME_MIB + 2) << 20, 2 << 20, &err));
    give_parent(child, parent, "..\\base\\guest.vhdx", "D:\\base\\guest.vhdx");
    inject_into_child(child, parent);
}

TEST(a_driver_goes_into_a_checkpoints_vhd_too)
{
    const char *child = scratch("vm/guest.avhd"), *parent = scratch("base/guest.vhd");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    CHECK_EQ(shell("cd %s && rm -rf vm base && mkdir vm base", scratch_dir()), 0);
    make_guest(scratch("guest.vhdx"));
    CHECK_EQ(shell("qemu-img convert -O vpc -o subformat=dynamic,force_size=on %s %s",
                   scratch("guest.vhdx"), parent),
             0);
    CHECK(test_vhd_make_child(child, parent, (VOLUME_MIB + 2) << 20, "..\\base\\guest.vhd",
                              "D:\\base\\guest.vhd"));
    inject_into_child(child, parent);
}

TEST(removing_takes_away_what_the_manifest_lists_and_undo_brings_it_back)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    struct guest_disk *guest;
    const char *image = scratch("guest.vhdx");
    CLEANUP(free_cleanup) char *with = NULL;
    CLEANUP(free_cleanup) char *without = NULL;
    CLEANUP(free_cleanup) char *back = NULL;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    with = guest_dump(image);
    CHECK_OK(os_remove_tree(run.backup, &err)); /* another run, another folder */
    plan_free(run.plan);

    run.plan = plan_new("local", "remove", &err);
    guest = guest_disk_open_local(image, NULL, NULL, &err);
    CHECK_OK(guest && driver_plan_remove(run.plan, guest, run.set->instance_id, &err));
    guest_disk_close(guest);
    CHECK_OK(driver_plan_commit(run.plan, image, NULL, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    without = guest_dump(image);
    CHECK(!strstr(without, "HostDriverStore"));
    CHECK(!strstr(without, "nvcuda.dll"));
    CHECK(strstr(without, "OpenCL.dll 17 ")); /* was there before: stays, and is said */
    CHECK(json_array_size(run.plan->findings) > 0);

    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    back = guest_dump(image);
    CHECK_STR_EQ(back, with);
    run_close(&run);
    machine_close(&machine);
}

TEST(values_that_the_next_driver_does_not_have_get_back_what_was_there)
{
    static const char device[] = "ControlSet001\\Enum\\" TEST_NVIDIA;
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    struct guest_disk *guest;
    const char *image = scratch("guest.vhdx");
    bool exists = true;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    run_close(&run);

    machine_text(machine.system, device, "Service", HIVE_SZ, "another");
    machine_save(&machine);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_EQ(run.plan->step_count, 3); /* hive, manifest, commit */
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    guest = guest_disk_open_local(image, NULL, NULL, &err);
    CHECK_OK(guest &&
             guest->ops->reg_key_exists(guest, "Services\\nvlddmkm", &exists, &err));
    CHECK(!exists);
    guest_disk_close(guest);
    CHECK_OK(run_verify(&run, image, &err));
    run_close(&run);
    machine_close(&machine);
}

TEST(a_full_disk_and_another_architecture_are_findings_not_failures_half_way)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    const char *image = scratch("guest.vhdx");
    CLEANUP(free_cleanup) uint8_t *big = calloc(1, 60 << 20);

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    machine_file(&machine, STORE TEST_PACKAGE "/huge.dll", big, 60 << 20);
    make_guest(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK(plan_has_errors(run.plan));
    run_close(&run);

    guest_architecture = "ARM64";
    make_guest(image);
    guest_architecture = "AMD64";
    machine_file(&machine, STORE TEST_PACKAGE "/huge.dll", big, 1);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK(plan_has_errors(run.plan));
    run_close(&run);
    machine_close(&machine);
}

TEST(verification_finds_an_altered_a_missing_and_a_foreign_file)
{
    static const char *const how[] = { "altered", "missing", "foreign" };
    struct machine machine;
    const char *image = scratch("guest.vhdx");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        struct err err = ERR_INIT;
        struct disk *disk = NULL;
        struct volume *volume;
        struct run run;

        test_case(how[i]);
        make_guest(image);
        CHECK_OK(run_open(&run, &machine, image, &err));
        CHECK_OK(plan_run(run.plan, &run.context, &err));
        driver_close_guest(&run.context);
        volume = open_ntfs_image(image, DISK_WRITE, &disk, &err);
        if (i == 2) {
            guest_put(volume, GUEST_PACKAGE "/foreign.dll", "x", 1, FILE_IS_ARCHIVE);
        } else {
            CHECK_OK(volume_remove(volume, GUEST_PACKAGE "/nvldumdx.dll", false, &err));
            if (i == 0)
                guest_put(volume, GUEST_PACKAGE "/nvldumdx.dll", "User-mode driver", 16,
                          FILE_IS_ARCHIVE);
        }
        CHECK_OK(volume_close(volume, &err));
        CHECK_OK(disk_commit(disk, &err));
        disk_close(disk);
        CHECK(!run_verify(&run, image, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        run_close(&run);
    }
    machine_close(&machine);
}

TEST(a_source_that_changed_after_the_plan_is_found_on_the_disk_and_taken_back)
{
    const char *image = scratch("guest.vhdx");
    CLEANUP(free_cleanup) char *before = NULL;
    CLEANUP(free_cleanup) char *after = NULL;
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    char text[2048];

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(image);
    before = guest_dump(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_OK(driver_plan_verify(run.plan, run.set->instance_id, &err));
    machine_text_file(&machine, STORE TEST_PACKAGE "/OpenCL64.dll", "the thief's OpenCl");
    CHECK(!plan_run(run.plan, &run.context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "OpenCL") && strstr(text, "differs from the host's file"));
    driver_close_guest(&run.context);
    after = guest_dump(image);
    CHECK_STR_EQ(after, before);
    run_close(&run);
    machine_close(&machine);
}

TEST(a_guest_too_old_is_refused_and_an_older_one_warned_of)
{
    static const struct {
        const char *build, *severity, *says;
    } cases[] = { { "16299", "error", "17134" }, { "18363", "warning", "generic name" } };
    const char *image = scratch("guest.vhdx");
    struct machine machine;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        const json_t *finding;
        bool said = false;
        struct run run;
        size_t k;

        test_case(cases[i].build);
        guest_build = cases[i].build;
        make_guest(image);
        guest_build = "22631";
        CHECK_OK(run_open(&run, &machine, image, &err));
        json_array_foreach(run.plan->findings, k, finding)
        {
            CLEANUP(free_cleanup) char *text = json_dumps(finding, 0);

            said |= text_ieq(json_string_value(json_object_get(finding, "id")),
                             "guest-build") &&
                    text_ieq(json_string_value(json_object_get(finding, "severity")),
                             cases[i].severity) &&
                    text && strstr(text, cases[i].says) && strstr(text, cases[i].build);
        }
        CHECK(said);
        CHECK_EQ(plan_has_errors(run.plan), i == 0);
        run_close(&run);
    }
    machine_close(&machine);
}
