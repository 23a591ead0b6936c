/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine against a small world in shared memory, broken and killed at every change. */

#include "plan.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os.h"
#include "test.h"
#include "text.h"

enum { CELLS = 8 };
enum fault { FAIL_BEFORE, FAIL_AFTER, KILL_BEFORE, KILL_AFTER };

/* Survives the process that works on it. */
struct world {
    int cell[CELLS];
    int disk[CELLS];        /* committed */
    int uncommitted[CELLS]; /* of an open transaction; a new process starts from disk */
    bool mounted;
    unsigned changes;
};

static struct world *world;
static enum fault fault;
static unsigned fault_at;  /* 0: never */
static unsigned refuse_at; /* the same, but the host says no */
static bool unreachable;

static bool change(int *what, int value, struct err *err)
{
    bool hit = ++world->changes == fault_at;

    if (unreachable)
        return err_fail(err, ERR_UNREACHABLE, 0, "the host is gone");
    if (world->changes == refuse_at)
        return err_fail(err, ERR_REFUSED, 0, "the host says no to change %u", refuse_at);
    if (hit && fault == KILL_BEFORE)
        raise(SIGKILL);
    if (hit && fault == FAIL_BEFORE)
        return err_fail(err, ERR_UNREACHABLE, 0, "broken before change %u", fault_at);
    *what = value;
    if (hit && fault == KILL_AFTER)
        raise(SIGKILL);
    if (hit && fault == FAIL_AFTER)
        return err_fail(err, ERR_UNREACHABLE, 0, "broken after change %u", fault_at);
    return true;
}

static int *cell_of(const struct step *step, int *cells)
{
    return &cells[json_integer_value(json_object_get(step->params, "cell")) % CELLS];
}

/* ---- kinds ---- */

/* A value that takes two changes to set: half done is neither before nor after. */
static bool probe_cell(struct plan_context *context, const struct step *step,
                       json_t **ret_now, struct err *err)
{
    *ret_now = json_integer(*cell_of(step, world->cell));
    return *ret_now != NULL || err_no_memory(err);
}

static bool set_cell(const struct step *step, const json_t *to, struct err *err)
{
    int *cell = cell_of(step, world->cell);
    int value = (int)json_integer_value(to);

    return (*cell == value || change(cell, -value - 1000, err)) && change(cell, value, err);
}

static bool apply_cell(struct plan_context *context, struct step *step, struct err *err)
{
    json_object_set_new(step->params, "learned", json_true());
    return set_cell(step, step->after, err);
}

static bool revert_cell(struct plan_context *context, struct step *step, struct err *err)
{
    return set_cell(step, step->before, err);
}

static bool probe_mount(struct plan_context *context, const struct step *step,
                        json_t **ret_now, struct err *err)
{
    *ret_now = json_boolean(world->mounted);
    return true;
}

static bool set_mounted(const json_t *to, struct err *err)
{
    int mounted = 0;

    if (!change(&mounted, json_is_true(to), err))
        return false;
    world->mounted = mounted;
    return true;
}

static bool apply_mount(struct plan_context *context, struct step *step, struct err *err)
{
    return set_mounted(step->after, err);
}

static bool revert_mount(struct plan_context *context, struct step *step, struct err *err)
{
    return set_mounted(step->before, err);
}

static int open_disk; /* its address is the opened guest */

static bool open_guest(struct plan_context *context, const struct plan *plan,
                       struct err *err)
{
    if (!world->mounted)
        return err_fail(err, ERR_CONFLICT, 0, "the disk is not mounted");
    memcpy(world->uncommitted, world->disk, sizeof(world->disk));
    context->guest = (struct guest_disk *)(void *)&open_disk;
    return true;
}

static void close_guest(struct plan_context *context)
{
    context->guest = NULL;
}

static bool commit_guest(struct plan_context *context, struct err *err)
{
    memcpy(world->disk, world->uncommitted, sizeof(world->disk));
    return true;
}

static bool probe_file(struct plan_context *context, const struct step *step,
                       json_t **ret_now, struct err *err)
{
    CHECK(context->guest != NULL);
    *ret_now = json_integer(*cell_of(step, world->uncommitted));
    return true;
}

static bool apply_file(struct plan_context *context, struct step *step, struct err *err)
{
    return change(cell_of(step, world->uncommitted), (int)json_integer_value(step->after),
                  err);
}

static bool revert_file(struct plan_context *context, struct step *step, struct err *err)
{
    return change(cell_of(step, world->uncommitted), (int)json_integer_value(step->before),
                  err);
}

static bool probe_nothing(struct plan_context *context, const struct step *step,
                          json_t **ret_now, struct err *err)
{
    *ret_now = json_null();
    return true;
}

static bool apply_commit(struct plan_context *context, struct step *step, struct err *err)
{
    int done;

    if (!change(&done, 1, err))
        return false;
    return commit_guest(context, err);
}

static bool revert_nothing(struct plan_context *context, struct step *step, struct err *err)
{
    return true;
}

static bool expand_files(struct plan_context *context, const struct step *step,
                         struct plan *more, struct err *err);

static const struct step_kind kind_cell = { "cell",      probe_cell, apply_cell,
                                            revert_cell, NULL,       0 };
static const struct step_kind kind_base = { "base",      probe_cell, apply_cell,
                                            revert_cell, NULL,       STEP_HOLDS_LATER };
static const struct step_kind kind_mount = { "mount",      probe_mount, apply_mount,
                                             revert_mount, NULL,        STEP_HOLDS_LATER };
static const struct step_kind kind_unmount = { "unmount",    probe_mount, apply_mount,
                                               revert_mount, NULL,        0 };
static const struct step_kind kind_file = { "file",      probe_file, apply_file,
                                            revert_file, NULL,       STEP_NEEDS_GUEST };
static const struct step_kind kind_commit = {
    "commit",       probe_nothing, apply_commit,
    revert_nothing, NULL,          STEP_NEEDS_GUEST | STEP_COMMITS_GUEST
};
static const struct step_kind kind_files = { "files", NULL,         NULL,
                                             NULL,    expand_files, STEP_NEEDS_GUEST };
static const struct step_kind kind_maybe = { "maybe",     probe_cell, apply_cell,
                                             revert_cell, NULL,       STEP_MAY_BE_SO };

/* Complains; what it looked at stays. */
static bool apply_tell(struct plan_context *context, struct step *step, struct err *err)
{
    return err_fail(err, ERR_CONFLICT, 0, "cell 0 is %d", world->cell[0]);
}

static const struct step_kind kind_tell = {
    "tell", probe_nothing, apply_tell, revert_nothing, NULL, STEP_ONLY_TELLS
};
static const struct step_kind *const kinds[] = { &kind_cell,    &kind_base,  &kind_mount,
                                                 &kind_unmount, &kind_file,  &kind_commit,
                                                 &kind_files,   &kind_maybe, &kind_tell,
                                                 NULL };

static bool expand_files(struct plan_context *context, const struct step *step,
                         struct plan *more, struct err *err)
{
    CHECK(context->guest != NULL);
    for (int i = 0; i < 2; i++)
        if (!plan_add(more, &kind_file, "a file", json_pack("{s:i}", "cell", i),
                      json_integer(world->uncommitted[i]), json_integer(40 + i), NULL, err))
            return false;
    if (json_is_true(json_object_get(step->params, "refuse")))
        return plan_find(more, "disk-full", "error", "the disk", NULL, "the disk is full",
                         "make room", "test", err);
    return plan_add(more, &kind_commit, "the disk", NULL, NULL, NULL, NULL, err) != NULL;
}

/* ---- set-up ---- */

static char state_dir[64];

static struct journal *start(struct err *err)
{
    if (!world)
        world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(world, 0, sizeof(*world));
    for (int i = 0; i < CELLS; i++) {
        world->cell[i] = i + 1;
        world->disk[i] = i + 11;
    }
    fault_at = refuse_at = 0;
    unreachable = false;
    snprintf(state_dir, sizeof(state_dir), "/tmp/hvgpu-plan-XXXXXX");
    if (!mkdtemp(state_dir))
        return NULL;
    return journal_open(state_dir, err);
}

static void stop(struct journal *journal)
{
    struct err ignored = ERR_INIT;

    journal_close(journal);
    CHECK(os_remove_tree(state_dir, &ignored));
}

static struct plan_context context_of(struct journal *journal)
{
    return (struct plan_context){
        .journal = journal,
        .kinds = kinds,
        .open_guest = open_guest,
        .close_guest = close_guest,
        .commit_guest = commit_guest,
    };
}

static struct plan *make_plan(struct err *err)
{
    struct plan *plan = plan_new("lab", "a test", err);

    plan->lock = text_dup("vm-1");
    CHECK(plan_add(plan, &kind_cell, "cell 0", json_pack("{s:i}", "cell", 0),
                   json_integer(1), json_integer(21), "Set-Cell", err));
    CHECK(plan_add(plan, &kind_base, "cell 1", json_pack("{s:i}", "cell", 1),
                   json_integer(2), json_integer(22), NULL, err));
    CHECK(plan_add(plan, &kind_mount, "the disk", NULL, json_false(), json_true(), NULL,
                   err));
    CHECK(plan_add(plan, &kind_files, "drivers", NULL, NULL, NULL, NULL, err));
    CHECK(plan_add(plan, &kind_unmount, "the disk", NULL, json_true(), json_false(), NULL,
                   err));
    CHECK(plan_add(plan, &kind_cell, "cell 2", json_pack("{s:i}", "cell", 2),
                   json_integer(3), json_integer(23), NULL, err));
    return plan;
}

static bool is_before(void)
{
    for (int i = 0; i < CELLS; i++)
        if (world->cell[i] != i + 1 || world->disk[i] != i + 11)
            return false;
    return !world->mounted;
}

static bool is_after(void)
{
    return world->cell[0] == 21 && world->cell[1] == 22 && world->cell[2] == 23 &&
           world->cell[3] == 4 && world->disk[0] == 40 && world->disk[1] == 41 &&
           world->disk[2] == 13 && !world->mounted;
}

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

static bool undo_newest(struct journal *journal, struct err *err)
{
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = journal_load(journal, "", false, kinds, err);

    return plan && plan_undo(plan, &context, err);
}

static bool resume_newest(struct journal *journal, struct err *err)
{
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = journal_load(journal, "", true, kinds, err);

    return plan && plan_run(plan, &context, err);
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

/* ---- tests ---- */

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
    for (enum fault f = FAIL_BEFORE; f <= FAIL_AFTER; f++) {
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

    for (enum fault f = KILL_BEFORE; f <= KILL_AFTER; f++) {
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
    for (enum fault f = KILL_BEFORE; f <= KILL_AFTER; f++) {
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

TEST(an_undo_that_loses_an_answer_looks_again)
{
    for (enum fault f = FAIL_BEFORE; f <= FAIL_AFTER; f++) {
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

TEST(a_note_is_read_back_replaced_and_forgotten)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    json_t *one = json_pack("{s:i}", "a", 1), *two = json_pack("{s:i}", "a", 2);
    json_t *read = NULL;

    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(read == NULL);
    CHECK_OK(journal_note(journal, "seen x", one, &err));
    CHECK_OK(journal_note(journal, "seen y", two, &err));
    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(json_equal(read, one));
    json_decref(read);
    CHECK_OK(journal_note(journal, "seen x", two, &err));
    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(json_equal(read, two));
    json_decref(read);
    CHECK_OK(journal_note(journal, "seen x", NULL, &err));
    CHECK_OK(journal_read_note(journal, "seen x", &read, &err));
    CHECK(read == NULL);
    CHECK_OK(journal_read_note(journal, "seen y", &read, &err));
    CHECK(read != NULL);
    json_decref(read);
    json_decref(one);
    json_decref(two);
    stop(journal);
}

TEST(a_plan_comes_back_from_the_journal_as_it_was)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = make_plan(&err);
    CLEANUP(plan_cleanup) struct plan *loaded = NULL;
    json_t *a, *b;

    CHECK(plan_find(plan, "x", "warning", "VM", "seen", "cause", "fix", "source", &err));
    CHECK_OK(plan_run(plan, &context, &err));
    loaded = journal_load(journal, plan->id, false, kinds, &err);
    CHECK(loaded != NULL);
    if (loaded) {
        a = plan_to_json(plan);
        b = plan_to_json(loaded);
        CHECK(a && json_equal(a, b));
        CHECK_STR_EQ(loaded->lock, "vm-1");
        json_decref(a);
        json_decref(b);
    }
    CHECK(!journal_load(journal, "2", false, kinds + 1, &err)); /* a beginning; no "cell" */
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    CHECK(!journal_load(journal, "2%", false, kinds, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    CHECK(!journal_load(journal, "1999", false, kinds, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    stop(journal);
}

TEST(the_journal_is_private_and_refuses_what_is_none)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    char path[128];
    struct stat st;
    sqlite3 *db;
    FILE *file;

    snprintf(path, sizeof(path), "%s/journal.db", state_dir);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    journal_close(journal);

    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, "PRAGMA user_version=9", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK(!journal_open(state_dir, &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);

    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, "CREATE TABLE bookmarks (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK(!journal_open(state_dir, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK(strstr(err.text[0], "not a journal") != NULL);

    file = fopen(path, "wb");
    CHECK(file != NULL);
    if (file) {
        for (int i = 0; i < 4096; i++)
            fputc(i * 7, file);
        fclose(file);
    }
    CHECK(!journal_open(state_dir, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK(err.hint[0]);
    stop(NULL);
}

TEST(a_damaged_step_is_an_error_and_not_a_crash)
{
    static const char *const damage[] = {
        "UPDATE steps SET params = '[1]'",
        "UPDATE steps SET before = '{'",
        "UPDATE steps SET after = ''",
        "UPDATE steps SET state = 'perhaps'",
        "UPDATE steps SET n = 7 WHERE n = 2",
        "UPDATE steps SET kind = 'format-c' WHERE n = 1",
        "UPDATE runs SET state = 'perhaps'",
        "UPDATE steps SET params = x'00ff00'",
    };

    for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
        struct err err = ERR_INIT;
        struct journal *journal = start(&err);
        struct plan_context context = context_of(journal);
        CLEANUP(plan_cleanup) struct plan *plan = plan_new("lab", "one", &err);
        char path[128];
        sqlite3 *db;

        test_case(damage[i]);
        for (int cell = 0; cell < 2; cell++)
            CHECK(plan_add(plan, &kind_cell, "cell", json_pack("{s:i}", "cell", cell),
                           json_integer(cell + 1), json_integer(50), NULL, &err));
        CHECK_OK(plan_run(plan, &context, &err));
        snprintf(path, sizeof(path), "%s/journal.db", state_dir);
        CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
        CHECK_EQ(sqlite3_exec(db, damage[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        CHECK(!journal_load(journal, plan->id, false, kinds, &err));
        CHECK(err.kind == ERR_PROTOCOL || err.kind == ERR_UNSUPPORTED);
        stop(journal);
    }
}

static bool count_run(const struct run_info *info, void *user, struct err *err)
{
    struct run_info *last = user;

    last->steps++;
    if (last->started_usec && info->started_usec > last->started_usec)
        return err_fail(err, ERR_PROTOCOL, 0, "not newest first");
    last->started_usec = info->started_usec;
    CHECK_EQ(info->steps, 30);
    return true;
}

TEST(ten_thousand_runs_are_listed_quickly)
{
    struct err err = ERR_INIT;
    struct journal *journal = start(&err);
    struct run_info count = { 0 };
    char path[128];
    sqlite3 *db;
    uint64_t began;

    snprintf(path, sizeof(path), "%s/journal.db", state_dir);
    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_EQ(
        sqlite3_exec(
            db,
            "BEGIN; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT "
            "10000) INSERT INTO runs (id, host, title, started_usec, state, findings) "
            "SELECT printf('20260101-%06d-0000', i), 'h', 't', i, 'done', '[]' FROM c;"
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 30) "
            "INSERT INTO steps (run, n, kind, target, params, before, after, state) "
            "SELECT id, i, 'cell', 't', '{}', printf('\"%0500d\"', i), 'null', 'done' "
            "FROM runs, c; COMMIT",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    began = os_monotonic_ms();
    CHECK_OK(journal_list(journal, count_run, &count, &err));
    CHECK_EQ(count.steps, 10000);
    CHECK(os_monotonic_ms() - began < 5000); /* about 0.2 s; sanitizers are slower */
    stop(journal);
}
