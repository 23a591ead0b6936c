/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine against a small world in shared memory, broken and killed at every change. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os.h"
#include "test-plan-world.h"
#include "test.h"
#include "text.h"

/* Runs @plan (NULL: a new one; else undo or resume of the newest) in a child that may be
 * killed.  True if it was. */
static bool in_child(bool (*work)(struct journal *journal, struct err *err))
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct err err = ERR_INIT;
        struct journal *journal = journal_open(state_dir, &err);
        bool ok = journal && work(journal, &err);

        _exit(ok ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status);
}

static bool work_run(struct journal *journal, struct err *err)
{
    struct plan_context context = context_of(journal);

    return plan_run(make_plan(err), &context, err);
}

static bool work_undo(struct journal *journal, struct err *err)
{
    struct plan_context context = context_of(journal);
    struct plan *plan = journal_load(journal, "", false, kinds, err);

    return plan && plan_undo(plan, &context, err);
}

/* What apply found out for revert is there, whichever process came to know it. */
static bool newest_has_learned(struct journal *journal)
{
    struct err err = ERR_INIT;
    CLEANUP(plan_cleanup) struct plan *plan = journal_load(journal, "", false, kinds, &err);

    return plan && json_is_true(json_object_get(plan->steps[0].params, "learned"));
}

static unsigned count_changes(void)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    unsigned count;

    CHECK_OK(plan_run(plan, &context, &err));
    CHECK(is_after());
    count = world->changes;
    stop(journal);
    return count;
}

TEST(a_plan_runs_and_is_taken_back)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    enum run_state state;

    CHECK_OK(plan_run(plan, &context, &err));
    CHECK(is_after());
    CHECK_EQ(plan->step_count, 9); /* three were planned on the way */
    CHECK_STR_EQ(plan->steps[4].kind->name, "file");
    CHECK_EQ(plan->steps[4].n, 5);
    CHECK(json_is_true(json_object_get(plan->steps[0].params, "learned")));

    /* Again: nothing. */
    world->changes = 0;
    CHECK_OK(plan_run(plan, &context, &err));
    CHECK_EQ(world->changes, 0);

    CHECK_OK(plan_undo(plan, &context, &err));
    CHECK(is_before());
    CHECK_OK(journal_run_state(journal, plan->id, &state, &err));
    CHECK_EQ(state, RUN_UNDONE);

    world->changes = 0;
    CHECK_OK(plan_undo(plan, &context, &err));
    CHECK_EQ(world->changes, 0);
    CHECK(is_before());

    CHECK_OK(journal_forget(journal, plan->id, &err));
    CHECK(!journal_run_state(journal, plan->id, &state, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    stop(journal);
}

TEST(a_plan_broken_at_any_change_takes_everything_back)
{
    unsigned count = count_changes();

    CHECK_EQ(count, 11);
    for (enum fault f = FAIL_BEFORE; f <= FAIL_LATE; f++) {
        for (unsigned n = 1; n <= count; n++) {
            struct err err = ERR_INIT;
            struct journal *journal = start(&err);
            struct plan_context context = context_of(journal);
            CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
            char name[64], text[1024];

            snprintf(name, sizeof(name), "fault %d at %u", (int)f, n);
            test_case(name);
            fault = f;
            fault_at = n;
            CHECK(!plan_run(plan, &context, &err));
            err_format(&err, text, sizeof(text));
            CHECK(strstr(text, "everything was undone") != NULL);
            CHECK_EQ(err.kind, ERR_UNREACHABLE);
            CHECK(is_before());
            stop(journal);
        }
    }
}

TEST(a_plan_killed_at_any_change_is_undone_or_resumed)
{
    unsigned count = count_changes();

    for (enum fault f = KILL_BEFORE; f <= KILL_LATE; f++) {
        for (unsigned n = 1; n <= count; n++) {
            for (int resume = 0; resume < 2; resume++) {
                struct err err = ERR_INIT;
                struct journal *journal = start(&err);
                char name[64];

                snprintf(name, sizeof(name), "kill %d at %u, %s", (int)f, n,
                         resume ? "resume" : "undo");
                test_case(name);
                fault = f;
                fault_at = n;
                CHECK(in_child(work_run));
                fault_at = 0;
                if (resume) {
                    CHECK_OK(resume_newest(journal, &err));
                    CHECK(is_after());
                    CHECK(newest_has_learned(journal));
                    CHECK(!resume_newest(journal, &err)); /* nothing left */
                    CHECK_EQ(err.kind, ERR_NOT_FOUND);
                    err = ERR_INIT;
                }
                CHECK_OK(undo_newest(journal, &err));
                CHECK(is_before());
                CHECK(!undo_newest(journal, &err));
                CHECK_EQ(err.kind, ERR_NOT_FOUND);
                stop(journal);
            }
        }
    }
}

TEST(an_undo_killed_at_any_change_is_undone_by_the_next)
{
    for (enum fault f = KILL_BEFORE; f <= KILL_LATE; f++) {
        bool killed = true;

        for (unsigned n = 1; killed; n++) {
            struct err err = ERR_INIT;
            struct journal *journal = start(&err);
            struct plan_context context = context_of(journal);
            CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
            char name[64];

            snprintf(name, sizeof(name), "kill %d at %u", (int)f, n);
            test_case(name);
            CHECK_OK(plan_run(plan, &context, &err));
            world->changes = 0;
            fault = f;
            fault_at = n;
            killed = in_child(work_undo);
            fault_at = 0;
            if (killed) {
                /* What was being taken back cannot go forward. */
                CHECK(!plan_run(plan, &context, &err));
                CHECK_EQ(err.kind, ERR_CONFLICT);
                err = ERR_INIT;
                CHECK_OK(undo_newest(journal, &err));
            }
            CHECK(is_before());
            stop(journal);
        }
    }
}

TEST(a_state_that_moved_stops_the_plan_and_undoes_it)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);

    world->cell[2] = 99; /* the last step's */
    CHECK(!plan_run(plan, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK_EQ(world->cell[2], 99); /* not ours to change */
    world->cell[2] = 3;
    CHECK(is_before());
    stop(journal);
}

TEST(what_others_changed_later_is_left_alone_unless_forced)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    enum run_state state;

    CHECK_OK(plan_run(plan, &context, &err));
    world->cell[0] = 77;
    CHECK(!plan_undo(plan, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(strstr(err.hint, "--force") != NULL);
    CHECK_EQ(world->cell[0], 77);
    CHECK_EQ(world->cell[1], 2); /* the others went back */
    CHECK_EQ(world->disk[0], 11);
    CHECK_OK(journal_run_state(journal, plan->id, &state, &err));
    CHECK_EQ(state, RUN_FAILED);

    context.undo_changed = true;
    err = ERR_INIT;
    CHECK_OK(plan_undo(plan, &context, &err));
    CHECK(is_before());
    stop(journal);
}

TEST(undo_goes_on_after_a_failure_but_keeps_what_the_rest_stands_on)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    char text[1024];

    CHECK_OK(plan_run(plan, &context, &err));
    world->changes = 0;
    refuse_at = 4; /* 1, 2: cell 2; 3: mounting; 4: the second file */
    CHECK(!plan_undo(plan, &context, &err));
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "could not be taken back") != NULL);
    CHECK(strstr(err.hint, plan->id) != NULL);
    CHECK_EQ(world->cell[2], 3);
    CHECK_EQ(world->cell[0], 1);  /* went on */
    CHECK_EQ(world->cell[1], 22); /* the file stands on it */
    CHECK(world->mounted);
    refuse_at = 0;
    err = ERR_INIT;
    CHECK_OK(undo_newest(journal, &err));
    CHECK(is_before());
    stop(journal);
}

/* The disk that could not be given back is not the one that the next plan means. */
TEST(what_is_left_open_by_a_failure_is_not_the_disk_of_the_next_plan)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    CLEANUP(plan_cleanup) struct plan *broken = make_plan(&err);

    refuse_at = 6; /* 1 to 4: cells 0 and 1; 5: mounting; 6: the first file */
    CHECK(!plan_run(broken, &context, &err));
    CHECK(context.guest == NULL);
    CHECK(is_before());
    refuse_at = 0;
    err = ERR_INIT;
    CHECK_OK(plan_run(plan, &context, &err));
    world->changes = 0;
    refuse_at = 4;
    CHECK(!plan_undo(plan, &context, &err));
    CHECK(world->mounted);
    CHECK(context.guest == NULL);
    stop(journal);
}

TEST(an_undo_that_loses_an_answer_looks_again)
{
    for (enum fault f = FAIL_BEFORE; f <= FAIL_LATE; f++) {
        for (unsigned n = 1; n <= 11; n++) {
            struct err err = ERR_INIT;
            struct journal *journal = start(&err);
            struct plan_context context = context_of(journal);
            CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
            char name[64];

            snprintf(name, sizeof(name), "fault %d at %u", (int)f, n);
            test_case(name);
            CHECK_OK(plan_run(plan, &context, &err));
            world->changes = 0;
            fault = f;
            fault_at = n;
            CHECK_OK(plan_undo(plan, &context, &err));
            CHECK(is_before());
            stop(journal);
        }
    }
}

TEST(undo_does_not_wait_for_a_dead_host_once_per_step)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = plan_new("lab", "many", &err);

    for (int i = 0; i < CELLS; i++)
        CHECK(plan_add(plan, &kind_cell, "cell", json_pack("{s:i}", "cell", i),
                       json_integer(i + 1), json_integer(50), NULL, &err));
    CHECK_OK(plan_run(plan, &context, &err));
    world->changes = 0;
    unreachable = true;
    CHECK(!plan_undo(plan, &context, &err));
    CHECK_EQ(world->changes, 2);
    unreachable = false;
    err = ERR_INIT;
    CHECK_OK(undo_newest(journal, &err));
    CHECK(is_before());
    stop(journal);
}

static bool cancel_third(void *user)
{
    unsigned *asked = user;

    return ++*asked == 3;
}

TEST(cancelling_stops_after_the_current_step_and_undoes)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    unsigned asked = 0;

    context.is_cancelled = cancel_third;
    context.cancel_user = &asked;
    CHECK(!plan_run(plan, &context, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
    CHECK_EQ(plan->steps[1].state, STEP_UNDONE);
    CHECK_EQ(plan->steps[2].state, STEP_PENDING);
    CHECK(is_before());
    stop(journal);
}

TEST(an_error_found_by_a_planning_step_undoes_the_run)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);

    json_object_set_new(plan->steps[3].params, "refuse", json_true());
    CHECK(!plan_run(plan, &context, &err));
    CHECK(strstr(err.text[0], "disk is full") != NULL);
    CHECK_STR_EQ(err.hint, "make room");
    CHECK(is_before());
    stop(journal);
}

TEST(an_unfinished_run_stands_in_the_way_of_the_next)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *second = make_plan(&err);

    fault = KILL_AFTER;
    fault_at = 2;
    CHECK(in_child(work_run));
    fault_at = 0;
    CHECK(!plan_run(second, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(strstr(err.hint, "resume") != NULL);
    err = ERR_INIT;
    CHECK_OK(undo_newest(journal, &err));
    CHECK_OK(plan_run(second, &context, &err));
    CHECK(is_after());
    stop(journal);
}

TEST(a_second_process_waits_and_then_names_the_holder)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    int ready[2], go[2];
    char byte = 'x';
    pid_t child;

    CHECK_EQ(pipe(ready) | pipe(go), 0);
    child = fork();
    if (child == 0) {
        struct journal *own = journal_open(state_dir, &err);
        struct os_lock *lock =
            journal_lock_target(own, "VM-1", "attach 'x' (run 7)", 0, &err);

        _exit(lock && write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1 ? 0 : 1);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    context.lock_wait_ms = 30;
    CHECK(!plan_run(plan, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(strstr(err.text[0], "run 7") != NULL);
    CHECK(is_before());
    CHECK_EQ(world->changes, 0);

    context.held_lock = "vm-2"; /* another one, which says nothing of this */
    err = ERR_INIT;
    CHECK(!plan_run(plan, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    context.held_lock = NULL;

    CHECK_EQ(write(go[1], &byte, 1), 1);
    context.lock_wait_ms = 10000; /* the holder ends: its lock goes with it */
    err = ERR_INIT;
    CHECK_OK(plan_run(plan, &context, &err));
    waitpid(child, NULL, 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
    stop(journal);
}

TEST(runs_on_a_lock_that_the_caller_keeps_do_not_wait_for_it)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    struct os_lock *lock = journal_lock_target(journal, "vm-1", "looking", 0, &err);

    CHECK(lock != NULL);
    CHECK(!plan_run(plan, &context, &err)); /* nobody said that it is the caller's */
    CHECK_EQ(err.kind, ERR_CONFLICT);
    context.held_lock = "vm-1";
    err = ERR_INIT;
    CHECK_OK(plan_run(plan, &context, &err));
    CHECK(is_after());
    CHECK_OK(plan_undo(plan, &context, &err));
    CHECK(is_before());
    os_lock_drop(lock);
    stop(journal);
}

TEST(a_plan_for_several_things_excludes_plans_for_any_of_them)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *both = plan_new("lab", "two", &err);
    CLEANUP(plan_cleanup) struct plan *other = plan_new("lab", "another", &err);
    struct os_lock *lock;

    CHECK_OK(plan_lock(both, "vm-9", &err));
    CHECK_OK(plan_lock(both, "device-7", &err));
    CHECK_OK(plan_lock(both, "vm-9", &err));
    CHECK_STR_EQ(both->lock, "vm-9\ndevice-7");
    CHECK(plan_locks(both->lock, "device-7"));
    CHECK(!plan_locks(both->lock, "device"));
    CHECK(!plan_locks(NULL, "vm-9"));

    lock = journal_lock_target(journal, "device-7", "the first", 0, &err);
    CHECK(!plan_run(both, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    os_lock_drop(lock);

    /* Interrupted, it is in the way of whoever wants one of its things. */
    plan_free(both);
    both = make_plan(&err);
    CHECK_OK(plan_lock(both, "device-7", &err));
    CHECK_OK(journal_begin(journal, both, &err));
    CHECK_OK(plan_lock(other, "vm-8", &err));
    CHECK_OK(plan_lock(other, "device-7", &err));
    err = ERR_INIT;
    CHECK(!plan_run(other, &context, &err));
    CHECK(strstr(err.hint, "resume") != NULL);
    stop(journal);
}

TEST(what_is_so_already_is_no_conflict_for_a_step_that_allows_it)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = plan_new("lab", "maybe", &err);

    CHECK(plan_add(plan, &kind_maybe, "cell 0", json_pack("{s:i}", "cell", 0),
                   json_integer(50), json_integer(1), NULL, &err));
    CHECK_OK(plan_run(plan, &context, &err));
    CHECK_EQ(world->cell[0], 1);
    CHECK_OK(undo_newest(journal, &err)); /* to what it was expected to be before */
    CHECK_EQ(world->cell[0], 50);
    world->cell[0] = 3; /* neither */
    plan_free(plan);
    plan = plan_new("lab", "maybe", &err);
    CHECK(plan_add(plan, &kind_maybe, "cell 0", json_pack("{s:i}", "cell", 0),
                   json_integer(50), json_integer(1), NULL, &err));
    CHECK(!plan_run(plan, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    stop(journal);
}

TEST(a_step_that_only_tells_fails_the_run_and_takes_nothing_back)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = plan_new("lab", "tell", &err);
    enum run_state state;

    CHECK(plan_add(plan, &kind_cell, "cell 0", json_pack("{s:i}", "cell", 0),
                   json_integer(1), json_integer(21), NULL, &err));
    CHECK(plan_add(plan, &kind_tell, "a look", NULL, NULL, NULL, NULL, &err));
    CHECK(plan_add(plan, &kind_cell, "cell 1", json_pack("{s:i}", "cell", 1),
                   json_integer(2), json_integer(22), NULL, &err));
    CHECK(!plan_run(plan, &context, &err));
    CHECK_STR_EQ(err.text[0], "cell 0 is 21");
    CHECK_EQ(world->cell[0], 21);
    CHECK_EQ(world->cell[1], 22); /* what came after it was done too */
    CHECK_OK(journal_run_state(journal, plan->id, &state, &err));
    CHECK_EQ(state, RUN_DONE);
    err = ERR_INIT;
    CHECK_OK(undo_newest(journal, &err));
    CHECK(is_before());
    stop(journal);
}

TEST(a_new_plan_is_never_taken_for_a_run_of_the_same_id)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *first = make_plan(&err);
    CLEANUP(plan_cleanup) struct plan *second = plan_new("other", "another", &err);

    CHECK(plan_add(second, &kind_cell, "cell 3", json_pack("{s:i}", "cell", 3),
                   json_integer(4), json_integer(24), NULL, &err));
    memcpy(second->id, first->id, sizeof(second->id));
    CHECK_OK(plan_run(first, &context, &err));
    CHECK(!plan_run(second, &context, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK(is_after()); /* cell 3 among them: neither this plan was run nor that one again */
    CHECK_STR_EQ(second->title, "another");
    err = ERR_INIT;
    CHECK_OK(plan_undo(first, &context, &err));
    CHECK(is_before());
    stop(journal);
}

TEST(no_two_of_many_plans_have_the_same_id)
{
    enum {
        COUNT = 2000
    }; /* of 65536 numbers in a second: by chance some would be the same */
    static struct plan *plans[COUNT];
    struct err err = ERR_INIT;

    for (size_t i = 0; i < COUNT; i++) {
        plans[i] = plan_new("lab", "one of many", &err);
        CHECK(plans[i] && strlen(plans[i]->id) == 20);
        for (size_t k = 0; k < i; k++)
            if (strcmp(plans[i]->id, plans[k]->id) == 0)
                CHECK_STR_EQ(plans[i]->id, "an id of its own");
    }
    for (size_t i = 0; i < COUNT; i++)
        plan_free(plans[i]);
}

TEST(a_run_of_another_host_is_not_taken_back_here)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    enum run_state state;

    CHECK_OK(plan_run(plan, &context, &err));
    world->changes = 0;
    elsewhere = true;
    CHECK(!undo_newest(journal, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK_EQ(world->changes, 0);
    CHECK_OK(journal_run_state(journal, plan->id, &state, &err));
    CHECK_EQ(state, RUN_DONE); /* and is not in the way of others */
    elsewhere = false;
    err = ERR_INIT;
    CHECK_OK(undo_newest(journal, &err));
    CHECK(is_before());
    stop(journal);
}

TEST(a_run_of_another_host_is_not_finished_here)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);

    fault = KILL_BEFORE;
    fault_at = 7; /* two cells of two changes each, the disk, a file: the second file */
    CHECK(in_child(work_run));
    fault_at = 0;
    world->changes = 0;
    elsewhere = true;
    CHECK(!resume_newest(journal, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK_EQ(world->changes, 0);
    elsewhere = false;
    err = ERR_INIT;
    CHECK_OK(resume_newest(journal, &err));
    CHECK(is_after());
    stop(journal);
}

/* Cell 1 is what cell 0 stands on, and cell 5 what cell 4 does: two VMs, say. */
static struct plan *make_parts(bool apart, struct err *err)
{
    static const struct {
        const struct step_kind *kind;
        int cell;
    } steps[] = {
        { &kind_base, 1 }, { &kind_cell, 0 }, { &kind_base, 5 }, { &kind_cell, 4 }
    };
    struct plan *plan = plan_new("lab", "two parts", err);

    for (int part = 1; part <= 2; part++) {
        struct plan *more = plan_new("lab", "one of them", err);

        for (int i = 2 * part - 2; i < 2 * part; i++)
            CHECK(plan_add(more, steps[i].kind, "a cell",
                           json_pack("{s:i}", "cell", steps[i].cell),
                           json_integer(steps[i].cell + 1),
                           json_integer(steps[i].cell + 21), NULL, err));
        if (apart)
            plan_part(more, part);
        CHECK(plan_splice(plan, plan->step_count, more, err));
        plan_free(more);
    }
    return plan;
}

TEST(what_cannot_be_taken_back_holds_only_its_own_part)
{
    for (int apart = 0; apart < 2; apart++) {
        struct err err = ERR_INIT;
        struct journal *journal = start(&err);
        struct plan_context context = context_of(journal);
        CLEANUP(plan_cleanup) struct plan *plan = make_parts(apart, &err);

        test_case(apart ? "two parts" : "one plan");
        CHECK_OK(plan_run(plan, &context, &err));
        world->cell[4] = 77; /* by others */
        CHECK(!undo_newest(journal, &err));
        CHECK_EQ(err.kind, ERR_CONFLICT);
        CHECK_EQ(world->cell[4], 77);
        CHECK_EQ(world->cell[5], 26); /* cell 4 stands on it */
        CHECK_EQ(world->cell[0], 1);
        CHECK_EQ(world->cell[1], apart ? 2 : 22);
        stop(journal);
    }
}
