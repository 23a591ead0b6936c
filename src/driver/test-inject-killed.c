/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same killed at every change, and with the power lost. */

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image-file.h"
#include "os.h"
#include "steps.h"
#include "test-inject-run.h"
#include "test-power.h"
#include "test-tools.h"
#include "test.h"
#include "text.h"

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
    before = guest_dump(fresh);
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
                    CHECK_OK(run_verify(&run, image, &err));
                } else {
                    CLEANUP(free_cleanup) char *after = guest_dump(image);

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
    before = guest_dump(fresh);
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
                CHECK_OK(run_verify(&run, image, &err));
            } else {
                CLEANUP(free_cleanup) char *after = guest_dump(image);

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
    before = guest_dump(image);
    start = read_whole(image, &len);
    CHECK_OK(run_open(&run, &machine, image, &err));
    run.context.open_guest = open_here;
    power_record_start();
    CHECK_OK(plan_run(run.plan, &run.context, &err));
    driver_close_guest(&run.context);
    total = power_record_stop();
    journal = power_first_journal();
    after = guest_dump(image);
    CHECK(before && after && strcmp(before, after) != 0);
    CHECK(journal < total);
    for (unsigned i = 0; i < CUTS; i++) {
        unsigned from = i % 4 ? journal - 1 : 0; /* most of them in the commit */
        unsigned cut = from + (unsigned)dice_roll(&dice, total - from + 1);
        CLEANUP(free_cleanup) char *found = NULL;

        CHECK(power_rebuild(start, len, NULL, 0, cut, i % 5 ? POWER_LOSS : POWER_KILL,
                            &dice, image));
        found = guest_dump(image);
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
    before = guest_dump(fresh);
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
        after = guest_dump(image);
        CHECK_STR_EQ(after, before);
        run_close(&run);
    }
    CHECK(!died);
    machine_close(&machine);
}
