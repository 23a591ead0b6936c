/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver from an offline Windows into a guest's image: put there, read back by programs
 * others wrote, taken back, and broken at every change.
 */

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file-version.h"
#include "hash.h"
#include "image-file.h"
#include "image.h"
#include "ntfs-internal.h"
#include "os.h"
#include "steps.h"
#include "strbuf.h"
#include "test-machine.h"
#include "test-power.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

enum { VOLUME_MIB = 64 };
#define STORE "System32/DriverStore/FileRepository/"
#define CLASS_KEY "ControlSet001\\Control\\Class\\" TEST_DISPLAY_CLASS "\\0001"
#define GUEST_PACKAGE "/Windows/System32/HostDriverStore/FileRepository/" TEST_PACKAGE
#define WHEN 13300000000000000ll /* a day in 2022 */

/* ---- a guest's disk, and all of it as text ---- */

static void put(struct volume *volume, const char *path, const void *bytes, size_t len,
                uint32_t attributes)
{
    struct err err = ERR_INIT;

    CHECK_OK(volume_write_all(volume, path, bytes, len, WHEN, attributes, &err));
}

static void put_hive(struct volume *volume, const char *path, struct hive *hive)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len = 0;

    CHECK_OK(hive_bytes(hive, &bytes, &len, &err));
    put(volume, path, bytes, len, FILE_IS_ARCHIVE);
}

static const char *guest_architecture = "AMD64";

/* A Windows 11 that has an OpenCL.dll of its own, read-only, in System32. */
static void make_guest(const char *path)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume;
    struct hive *system = hive_new(&err), *software = hive_new(&err);

    machine_number(system, "Select", "Current", 1);
    machine_text(system, "ControlSet001\\Control\\Session Manager\\Environment",
                 "PROCESSOR_ARCHITECTURE", HIVE_SZ, guest_architecture);
    machine_text(system, "ControlSet001\\Services\\Tcpip", "ImagePath", HIVE_EXPAND_SZ,
                 "System32\\drivers\\tcpip.sys");
    machine_text(software, "Microsoft\\Windows NT\\CurrentVersion", "CurrentBuildNumber",
                 HIVE_SZ, "22631");
    machine_text(software, "Microsoft\\Windows NT\\CurrentVersion", "EditionID", HIVE_SZ,
                 "Professional");
    machine_text(software, "Microsoft\\Windows NT\\CurrentVersion", "SystemRoot", HIVE_SZ,
                 "C:\\Windows");
    unlink(path);
    CHECK_OK(make_ntfs_image(path, VOLUME_MIB, NULL, &err));
    volume = open_ntfs_image(path, DISK_WRITE, &disk, &err);
    CHECK_OK(volume != NULL);
    if (!volume)
        return;
    CHECK_OK(volume_make_dirs(volume, "/Windows/System32/config", &err));
    CHECK_OK(volume_make_dirs(volume, "/Windows/SysWOW64", &err));
    put_hive(volume, "/Windows/System32/config/SYSTEM", system);
    put_hive(volume, "/Windows/System32/config/SOFTWARE", software);
    put(volume, "/Windows/System32/OpenCL.dll", "the guest's own", 15,
        FILE_IS_ARCHIVE | FILE_IS_READONLY | FILE_IS_HIDDEN);
    put(volume, "/Windows/System32/ntoskrnl.exe", "MZ", 2, FILE_IS_ARCHIVE);
    CHECK_OK(volume_close(volume, &err));
    CHECK_OK(disk_commit(disk, &err));
    disk_close(disk);
    hive_close(system);
    hive_close(software);
}

struct dumping {
    struct volume *volume;
    const char *folder;
    struct strbuf *to;
};

static bool hash_bytes_of(const void *bytes, size_t len, void *user, struct err *err)
{
    hash_add(user, bytes, len);
    return true;
}

static bool dump_one(const struct file_info *info, void *user, struct err *err)
{
    struct dumping *dumping = user;
    CLEANUP(free_cleanup) char *path = text_printf("%s/%s", dumping->folder, info->name);
    struct dumping below = { dumping->volume, path, dumping->to };
    struct hash hash;
    char sha256[SHA256_HEX];

    if (info->attributes & FILE_IS_DIR) {
        strbuf_printf(dumping->to, "%s/\n", path);
        return volume_list(dumping->volume, path, dump_one, &below, err);
    }
    hash_begin(&hash);
    if (!volume_read(dumping->volume, path, hash_bytes_of, &hash, err))
        return false;
    hash_end(&hash, sha256);
    strbuf_printf(dumping->to, "%s %llu %lld %x %s\n", path, (unsigned long long)info->size,
                  (long long)info->mtime_usec, info->attributes, sha256);
    return true;
}

/* Every file with size, time, attributes and hash.  Owned. */
static char *dump(const char *image)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(image, DISK_READ, &disk, &err);
    struct strbuf text = STRBUF_INIT;
    struct dumping dumping = { volume, "/Windows", &text };

    CHECK_OK(volume != NULL);
    if (volume)
        CHECK_OK(volume_list(volume, "/Windows", dump_one, &dumping, &err));
    volume_drop(volume);
    disk_close(disk);
    return strbuf_take(&text);
}

/* ---- runs ---- */

static char *bench_path(const char *name)
{
    return text_printf("%s/%s", scratch_dir(), name);
}

static void make_host(struct machine *machine)
{
    const char *const cuda[] = { "nvcuda_loader64.dll", "nvcuda.dll" };
    const char *const opencl[] = { "OpenCL64.dll", "OpenCL.dll" };
    CLEANUP(free_cleanup) uint8_t *big = malloc(3 << 20);
    struct dice dice = { 7 };

    machine_open(machine);
    machine_add_gpu(machine, "nvidia", 1);
    dice_fill(&dice, big, 3 << 20);
    machine_file(machine, STORE TEST_PACKAGE "/nvoglv64.dll", big, 3 << 20);
    machine_text_file(machine, STORE TEST_PACKAGE "/empty.bin", "");
    machine_text_file(machine, STORE TEST_PACKAGE "/NvCamera/NvCamera64.dll", "camera");
    machine_text_file(machine, STORE TEST_PACKAGE "/nvcuda_loader64.dll", "cuda loader");
    machine_text_file(machine, STORE TEST_PACKAGE "/OpenCL64.dll", "the host's OpenCL");
    machine_texts(machine->system, CLASS_KEY "\\CopyToVmWhenNewer", "Cuda", cuda, 2);
    machine_texts(machine->system, CLASS_KEY "\\CopyToVmOverwrite", "OpenCL", opencl, 2);
    machine_save(machine);
}

struct run {
    struct windows_source *source;
    struct driver_set *set;
    struct plan *plan;
    struct plan_context context;
    char *state, *backup;
};

static const char *parents; /* of the image; NULL: none elsewhere */

/* The plan to put @machine's GPU onto @image. */
static bool run_open(struct run *run, struct machine *machine, const char *image,
                     struct err *err)
{
    struct guest_disk *guest;
    bool ok;

    *run = (struct run){ .state = bench_path("state"), .backup = bench_path("backup") };
    if (!os_make_dirs(run->state, err))
        return false;
    run->context = (struct plan_context){ .journal = journal_open(run->state, err),
                                          .kinds = driver_kinds,
                                          .backup_dir = run->backup,
                                          .open_guest = driver_open_local,
                                          .close_guest = driver_close_guest,
                                          .commit_guest = driver_commit_guest };
    run->source = windows_source_offline(machine->root, err);
    if (!run->context.journal || !run->source ||
        !driver_resolve(run->source, "10de:2860", &run->set, err))
        return false;
    guest = guest_disk_open_local(image, parents, NULL, err);
    run->plan = plan_new("local", "inject", err);
    ok = guest && run->plan && driver_plan_install(run->plan, guest, run->set, err) &&
         driver_plan_commit(run->plan, image, parents, err);
    guest_disk_close(guest);
    return ok;
}

static void run_close(struct run *run)
{
    struct err err = ERR_INIT;

    driver_close_guest(&run->context);
    plan_free(run->plan);
    driver_set_free(run->set);
    windows_source_free(run->source);
    journal_close(run->context.journal);
    CHECK_OK(os_remove_tree(run->state, &err));
    CHECK_OK(os_remove_tree(run->backup, &err));
    free(run->state);
    free(run->backup);
}

static bool has_tools(void)
{
    return has_program("mkntfs") && has_program("qemu-img");
}

static bool verify(struct run *run, const char *image, struct err *err)
{
    struct guest_disk *guest = guest_disk_open_local(image, parents, NULL, err);
    bool ok = guest && driver_verify(guest, run->set, NULL, err);

    guest_disk_close(guest);
    return ok;
}

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
    before = dump(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK(!plan_has_errors(run.plan));
    CHECK_EQ(run.plan->step_count, 6); /* package, two files, hive, manifest, commit */
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    CHECK_OK(verify(&run, image, &err));
    after = dump(image);
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
    before = dump(image);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    after = dump(image);
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

/* Runs in a child that dies by its own hand at the @at-th thing it tells: each step says
 * "doing" and "done", so that is before and after every one. */
struct killer {
    unsigned at, told;
};

static bool tell_or_die(const struct plan *plan, const struct step *step, const char *what,
                        void *user)
{
    struct killer *killer = user;

    if (++killer->told == killer->at)
        os_die();
    return true;
}

static unsigned count_children(void)
{
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup)
    char *pids = os_read_file("/proc/thread-self/children", 4096, NULL, &err);
    unsigned count = 0;

    for (const char *at = pids; at && *at; at++)
        count += *at == ' '; /* each id has one behind it */
    return count;
}

static bool die_in(struct run *run, unsigned at, bool undoing)
{
    struct killer killer = { .at = at };
    unsigned before = count_children(); /* the reader of the host's hives */
    int status = 0;
    pid_t child;

    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    child = fork();

    if (child == 0) {
        struct err err = ERR_INIT;
        bool ok;

        run->context.on_step = tell_or_die;
        run->context.step_user = &killer;
        ok = undoing ? plan_undo(run->plan, &run->context, &err)
                     : plan_run(run->plan, &run->context, &err);
        _exit(ok ? 0 : 1);
    }
    waitpid(child, &status, 0);
    for (unsigned i = 0; i < 5000 && count_children() > before; i++)
        if (waitpid(-1, NULL, WNOHANG) <= 0) /* its sandbox, which dies with it */
            os_sleep_ms(2);
    return WIFSIGNALED(status);
}

/* What another process would do: nothing but the journal knows. */
static void recover(struct run *run, bool resume)
{
    struct err err = ERR_INIT;
    struct plan *plan;

    journal_close(run->context.journal);
    run->context.journal = journal_open(run->state, &err);
    plan = journal_load(run->context.journal, "", false, driver_kinds, &err);
    CHECK_OK(plan != NULL);
    if (plan && resume)
        CHECK_OK(plan_run(plan, &run->context, &err));
    else if (plan)
        CHECK_OK(plan_undo(plan, &run->context, &err));
    driver_close_guest(&run->context);
    plan_free(plan);
}

TEST(killed_anywhere_undo_restores_and_resume_finishes)
{
    struct machine machine;
    const char *image = scratch("guest.vhdx");
    const char *fresh = scratch("fresh.vhdx");
    CLEANUP(free_cleanup) char *before = NULL;
    bool died = true;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(fresh);
    before = dump(fresh);
    for (unsigned at = 1; died && at < 40; at++) {
        for (int resume = 0; resume < 2; resume++) {
            struct err err = ERR_INIT;
            struct run run;
            char name[32];

            snprintf(name, sizeof(name), "%s after %u", resume ? "resume" : "undo", at);
            test_case(name);
            CHECK(copy_file(fresh, image));
            CHECK_OK(run_open(&run, &machine, image, &err));
            died = die_in(&run, at, false);
            if (died) {
                recover(&run, resume);
                if (resume) {
                    CHECK_OK(verify(&run, image, &err));
                } else {
                    CLEANUP(free_cleanup) char *after = dump(image);

                    CHECK_STR_EQ(after, before);
                }
            }
            run_close(&run);
        }
    }
    CHECK(!died); /* it came to the end */
    machine_close(&machine);
}

/* As above, at the @at-th change of a file that the image code makes. */
static unsigned die_at_change, changes;

static void count_changes(const struct image_file_event *event)
{
    if (++changes == die_at_change)
        os_die();
}

TEST(killed_at_any_write_to_the_disk_undo_restores_and_resume_finishes)
{
    struct machine machine;
    const char *image = scratch("guest.vhdx");
    const char *fresh = scratch("fresh.vhdx");
    CLEANUP(free_cleanup) char *before = NULL;
    bool died = true;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(fresh);
    before = dump(fresh);
    image_file_watch = count_changes;
    for (unsigned at = 1; died && at < 600; at += 7) {
        struct err err = ERR_INIT;
        bool resume = at % 2;
        struct run run;
        char name[32];

        snprintf(name, sizeof(name), "%s after %u", resume ? "resume" : "undo", at);
        test_case(name);
        die_at_change = 0;
        CHECK(copy_file(fresh, image));
        CHECK_OK(run_open(&run, &machine, image, &err));
        die_at_change = at;
        changes = 0;
        died = die_in(&run, 0, false);
        die_at_change = 0;
        if (died) {
            recover(&run, resume);
            if (resume) {
                CHECK_OK(verify(&run, image, &err));
            } else {
                CLEANUP(free_cleanup) char *after = dump(image);

                CHECK_STR_EQ(after, before);
            }
        }
        run_close(&run);
    }
    image_file_watch = NULL;
    CHECK(!died);
    machine_close(&machine);
}

/* The image is worked on in this process, where its changes can be recorded. */
static bool open_here(struct plan_context *context, const struct plan *plan,
                      struct err *err)
{
    context->guest =
        guest_disk_open_local(driver_local_image(plan), NULL, context->backup_dir, err);
    return context->guest != NULL;
}

TEST(power_lost_anywhere_in_an_inject_leaves_the_old_or_the_new_disk)
{
    enum { CUTS = 40 };
    const char *image = scratch("guest.vhdx"), *raw = scratch("cut.raw");
    CLEANUP(free_cleanup) char *before = NULL, *after = NULL;
    CLEANUP(free_cleanup) uint8_t *start = NULL;
    unsigned total, journal, found_old = 0, found_new = 0;
    struct dice dice = { 4711 };
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    size_t len = 0;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(image);
    before = dump(image);
    start = read_whole(image, &len);
    CHECK_OK(run_open(&run, &machine, image, &err));
    run.context.open_guest = open_here;
    power_record_start();
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    total = power_record_stop();
    journal = power_first_journal();
    after = dump(image);
    CHECK(before && after && strcmp(before, after) != 0);
    CHECK(journal < total);
    for (unsigned i = 0; i < CUTS; i++) {
        unsigned from = i % 4 ? journal - 1 : 0; /* most of them in the commit */
        unsigned cut = from + (unsigned)dice_roll(&dice, total - from + 1);
        CLEANUP(free_cleanup) char *found = NULL;

        CHECK(power_rebuild(start, len, NULL, 0, cut, i % 5 ? POWER_LOSS : POWER_KILL,
                            &dice, image));
        found = dump(image);
        CHECK(found && (strcmp(found, before) == 0 || strcmp(found, after) == 0));
        found_old += found && strcmp(found, before) == 0;
        found_new += found && strcmp(found, after) == 0;
        if (i % 3)
            continue;
        CHECK_EQ(shell("qemu-img check -f vhdx %s", image), 0);
        CHECK(extract_partition(image, "vhdx", VOLUME_MIB, raw));
        CHECK_EQ(shell("ntfsresize -f -i %s && ntfsfix -n %s", raw, raw), 0);
    }
    CHECK(found_old > 3 && found_new > 3);
    power_forget();
    run_close(&run);
    machine_close(&machine);
}

TEST(a_driver_goes_into_a_checkpoints_disk_and_its_parent_elsewhere_stays)
{
    const char *child = scratch("vm/guest.avhdx"), *parent = scratch("base/guest.vhdx");
    struct guest_disk *guest;
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    CHECK_EQ(shell("cd %s && mkdir -p vm base", scratch_dir()), 0);
    make_guest(parent);
    CHECK_OK(disk_create_vhdx(child, (VOLUME_MIB + 2) << 20, 2 << 20, &err));
    give_parent(child, parent, "..\\base\\guest.vhdx", "D:\\base\\guest.vhdx");
    copy_file(parent, scratch("parent.before"));

    parents = NULL;
    CHECK(!run_open(&run, &machine, child, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    run_close(&run);
    err = ERR_INIT;
    parents = scratch("base");
    CHECK_OK(run_open(&run, &machine, child, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err)); /* confined */
    CHECK_OK(verify(&run, child, &err));
    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    guest = guest_disk_open_local(child, parents, NULL, &err);
    CHECK_OK(guest != NULL);
    CHECK(guest && !driver_verify(guest, run.set, NULL, &err)); /* gone again */
    guest_disk_close(guest);
    parents = NULL;
    CHECK_EQ(shell("cmp %s %s", parent, scratch("parent.before")), 0);
    run_close(&run);
    machine_close(&machine);
}

TEST(killed_in_undo_the_next_undo_finishes)
{
    struct machine machine;
    const char *image = scratch("guest.vhdx");
    const char *fresh = scratch("fresh.vhdx");
    CLEANUP(free_cleanup) char *before = NULL;
    bool died = true;

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    make_host(&machine);
    make_guest(fresh);
    before = dump(fresh);
    for (unsigned at = 1; died && at < 40; at++) {
        struct err err = ERR_INIT;
        CLEANUP(free_cleanup) char *after = NULL;
        struct run run;

        CHECK(copy_file(fresh, image));
        CHECK_OK(run_open(&run, &machine, image, &err));
        CHECK_OK(plan_run(run.plan, &run.context, &err));
        driver_close_guest(&run.context);
        died = die_in(&run, at, true);
        if (died)
            recover(&run, false);
        after = dump(image);
        CHECK_STR_EQ(after, before);
        run_close(&run);
    }
    CHECK(!died);
    machine_close(&machine);
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
    with = dump(image);
    CHECK_OK(os_remove_tree(run.backup, &err)); /* another run, another folder */
    plan_free(run.plan);

    run.plan = plan_new("local", "remove", &err);
    guest = guest_disk_open_local(image, NULL, NULL, &err);
    CHECK_OK(guest && driver_plan_remove(run.plan, guest, run.set->instance_id, &err));
    guest_disk_close(guest);
    CHECK_OK(driver_plan_commit(run.plan, image, NULL, &err));
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    without = dump(image);
    CHECK(!strstr(without, "HostDriverStore"));
    CHECK(!strstr(without, "nvcuda.dll"));
    CHECK(strstr(without, "OpenCL.dll 17 ")); /* was there before: stays, and is said */
    CHECK(json_array_size(run.plan->findings) > 0);

    CHECK_OK(plan_undo(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    back = dump(image);
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
    CHECK_OK(verify(&run, image, &err));
    run_close(&run);
    machine_close(&machine);
}

/* A DLL whose version resource says whose it is, made by another compiler.  Owned. */
static uint8_t *make_dll(const char *company, const char *version, size_t *ret_len)
{
    CLEANUP(free_cleanup)
    char *rc =
        text_printf("1 VERSIONINFO\nFILEVERSION %s\nBEGIN\nBLOCK \"StringFileInfo\"\n"
                    "BEGIN\nBLOCK \"040904b0\"\nBEGIN\n"
                    "VALUE \"CompanyName\", \"%s\"\n"
                    "VALUE \"FileDescription\", \"odd length\"\nEND\nEND\nEND\n",
                    version, company);

    CHECK(write_whole(scratch("version.rc"), rc, strlen(rc)));
    CHECK(write_whole(scratch("dll.c"), "int f(void);int f(void){return 1;}\n", 35));
    CHECK_EQ(shell("cd %s && x86_64-w64-mingw32-windres version.rc version.o && "
                   "x86_64-w64-mingw32-gcc -shared -nostdlib -o made.dll dll.c version.o",
                   scratch_dir()),
             0);
    return read_whole(scratch("made.dll"), ret_len);
}

static bool has_cross_compiler(void)
{
    return has_program("x86_64-w64-mingw32-gcc") &&
           has_program("x86_64-w64-mingw32-windres");
}

TEST(version_and_company_are_read_from_a_dll_others_made)
{
    struct file_version version = { 0 };
    CLEANUP(free_cleanup) uint8_t *dll = NULL;
    size_t len = 0;

    if (!has_cross_compiler())
        SKIP("mingw-w64 is not installed");
    dll = make_dll("Microsoft Corporation", "10,0,22621,3880", &len);
    CHECK(dll && file_version_read(dll, len, &version));
    CHECK(version.has_version);
    CHECK_EQ(version.version, 10ull << 48 | 22621ull << 16 | 3880);
    CHECK_STR_EQ(version.company, "Microsoft Corporation");
    /* Cut anywhere, or with any byte changed: an answer or none, never a crash. */
    for (size_t cut = 0; dll && cut < len; cut += 1 + cut / 40) {
        CLEANUP(free_cleanup) uint8_t *part = malloc(cut + 1);

        memcpy(part, dll, cut);
        file_version_read(part, cut, &version);
        part[cut / 2] ^= 0xff;
        file_version_read(part, cut, &version);
    }
}

/* Puts @dll in the place of the guest's OpenCL.dll. */
static void replace_opencl(const char *image, const uint8_t *dll, size_t len)
{
    struct err err = ERR_INIT;
    struct disk *disk = NULL;
    struct volume *volume = open_ntfs_image(image, DISK_WRITE, &disk, &err);

    CHECK_OK(volume_remove(volume, "/Windows/System32/OpenCL.dll", false, &err));
    put(volume, "/Windows/System32/OpenCL.dll", dll, len, FILE_IS_ARCHIVE);
    CHECK_OK(volume_close(volume, &err));
    CHECK_OK(disk_commit(disk, &err));
    disk_close(disk);
}

TEST(a_file_of_windows_itself_is_left_alone_and_said)
{
    struct err err = ERR_INIT;
    struct machine machine;
    struct run run;
    const char *image = scratch("guest.vhdx");
    CLEANUP(free_cleanup) uint8_t *dll = NULL;
    size_t len = 0;

    if (!has_tools() || !has_cross_compiler())
        SKIP("mkntfs, qemu-img or mingw-w64 is not installed");
    dll = make_dll("Microsoft Corporation", "10,0,22621,3880", &len);
    make_host(&machine);
    make_guest(image);
    replace_opencl(image, dll, len);
    CHECK_OK(run_open(&run, &machine, image, &err));
    CHECK_EQ(run.plan->step_count, 5);
    CHECK_EQ(json_array_size(run.plan->findings), 1);
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    CHECK_OK(verify(&run, image, &err));
    run_close(&run);
    machine_close(&machine);
}

/* A second name of the guest's OpenCL.dll in WinSxS, as Windows' own files have. */
static void link_opencl(struct volume *volume)
{
    static const char name[] = "amd64_opencl_31bf3856ad364e35_10.0.22621.1_none_opencl.dll";
    struct err err = ERR_INIT;
    ntfs_inode *file, *folder;
    ntfschar *wide = NULL;
    int len;

    CHECK_OK(volume_make_dirs(volume, "/Windows/WinSxS", &err));
    file = ntfs_pathname_to_inode(volume->ntfs, NULL, "/Windows/System32/OpenCL.dll");
    folder = ntfs_pathname_to_inode(volume->ntfs, NULL, "/Windows/WinSxS");
    len = ntfs_mbstoucs(name, &wide);
    CHECK(file && folder && len > 0);
    CHECK_EQ(ntfs_link(file, folder, wide, (u8)len), 0);
    free(wide);
    CHECK_EQ(ntfs_inode_close_in_dir(file, folder), 0);
    CHECK_EQ(ntfs_inode_close(folder), 0);
}

/* Gives it to TrustedInstaller, as a hand-made security descriptor says: no access list, owner
 * and group S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464. */
static void give_opencl_away(struct volume *volume)
{
    static const uint32_t parts[] = { 80,         956008885,  3418522649,
                                      1831038044, 1853292631, 2271478464 };
    uint8_t descriptor[20 + 2 * 32] = { 1, 0, 0, 0x80, 20, 0, 0, 0, 52 };
    struct SECURITY_CONTEXT context = { .vol = volume->ntfs,
                                        .pseccache = &volume->security_cache };
    ntfs_inode *file =
        ntfs_pathname_to_inode(volume->ntfs, NULL, "/Windows/System32/OpenCL.dll");

    for (unsigned sid = 20; sid <= 52; sid += 32) {
        descriptor[sid] = 1;
        descriptor[sid + 1] = ARRAY_LEN(parts);
        descriptor[sid + 7] = 5;
        memcpy(descriptor + sid + 8, parts, sizeof(parts));
    }
    CHECK(file != NULL);
    CHECK_EQ(
        ntfs_set_ntfs_acl(&context, file, (const char *)descriptor, sizeof(descriptor), 0),
        0);
    CHECK_EQ(ntfs_inode_close(file), 0);
}

TEST(a_file_with_a_second_name_in_winsxs_or_of_the_installer_is_never_touched)
{
    static const struct {
        const char *name;
        void (*make)(struct volume *volume);
        const char *evidence;
    } cases[] = {
        { "a second name", link_opencl, "2 links" },
        { "owner", give_opencl_away, "TrustedInstaller" },
    };
    const char *image = scratch("guest.vhdx");

    if (!has_tools())
        SKIP("mkntfs or qemu-img is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct machine machine;
        struct disk *disk = NULL;
        struct volume *volume;
        struct run run;
        CLEANUP(free_cleanup) char *before = NULL;
        CLEANUP(free_cleanup) char *after = NULL;
        const char *evidence;

        test_case(cases[i].name);
        make_host(&machine);
        make_guest(image);
        volume = open_ntfs_image(image, DISK_WRITE, &disk, &err);
        CHECK_OK(volume != NULL);
        cases[i].make(volume);
        CHECK_OK(volume_close(volume, &err));
        CHECK_OK(disk_commit(disk, &err));
        disk_close(disk);
        before = dump(image);

        CHECK_OK(run_open(&run, &machine, image, &err));
        CHECK_EQ(run.plan->step_count, 5); /* one less: OpenCL.dll */
        CHECK_EQ(json_array_size(run.plan->findings), 1);
        evidence = json_string_value(json_array_get(
            json_object_get(json_array_get(run.plan->findings, 0), "evidence"), 0));
        CHECK(evidence && strstr(evidence, cases[i].evidence));
        CHECK_OK(plan_run(run.plan, &run.context, &err));
        driver_close_guest(&run.context);
        after = dump(image);
        /* Every line about it, under either name, is as it was. */
        for (char *line = before, *end; line && *line; line = end + (*end == '\n')) {
            CLEANUP(free_cleanup) char *one = NULL;

            end = line + strcspn(line, "\n");
            one = text_ndup(line, (size_t)(end - line));
            if (text_istr(one, "opencl"))
                CHECK(strstr(after, one));
        }
        run_close(&run);
        machine_close(&machine);
    }
}

TEST(a_newer_file_of_the_guest_stays_and_an_older_one_goes)
{
    static const struct {
        const char *host, *guest;
        size_t steps;
    } cases[] = {
        { "3,0,2,0", "3,0,3,0", 5 }, /* package, nvcuda, hive, manifest, commit */
        { "3,0,4,0", "3,0,3,0", 6 },
    };
    const char *const opencl[] = { "OpenCL64.dll", "OpenCL.dll" };
    const char *image = scratch("guest.vhdx");

    if (!has_tools() || !has_cross_compiler())
        SKIP("mkntfs, qemu-img or mingw-w64 is not installed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct machine machine;
        struct run run;
        size_t host_len = 0, guest_len = 0;
        CLEANUP(free_cleanup)
        uint8_t *host = make_dll("Khronos Group", cases[i].host, &host_len);
        CLEANUP(free_cleanup)
        uint8_t *guest = make_dll("Khronos Group", cases[i].guest, &guest_len);

        test_case(cases[i].host);
        make_host(&machine);
        CHECK_OK(hive_delete_key(machine.system, CLASS_KEY "\\CopyToVmOverwrite", &err));
        machine_texts(machine.system, CLASS_KEY "\\CopyToVmWhenNewer", "OpenCL", opencl, 2);
        machine_file(&machine, STORE TEST_PACKAGE "/OpenCL64.dll", host, host_len);
        machine_save(&machine);
        make_guest(image);
        replace_opencl(image, guest, guest_len);
        CHECK_OK(run_open(&run, &machine, image, &err));
        CHECK_EQ(run.plan->step_count, cases[i].steps);
        run_close(&run);
        machine_close(&machine);
    }
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
            put(volume, GUEST_PACKAGE "/foreign.dll", "x", 1, FILE_IS_ARCHIVE);
        } else {
            CHECK_OK(volume_remove(volume, GUEST_PACKAGE "/nvldumdx.dll", false, &err));
            if (i == 0)
                put(volume, GUEST_PACKAGE "/nvldumdx.dll", "User-mode driver", 16,
                    FILE_IS_ARCHIVE);
        }
        CHECK_OK(volume_close(volume, &err));
        CHECK_OK(disk_commit(disk, &err));
        disk_close(disk);
        CHECK(!verify(&run, image, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        run_close(&run);
    }
    machine_close(&machine);
}
