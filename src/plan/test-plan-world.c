/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-plan-world.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "os.h"
#include "test.h"
#include "text.h"

struct world *world;
enum fault fault;
unsigned fault_at;
unsigned refuse_at;
bool unreachable;
bool elsewhere;

static void settle(struct plan_context *context)
{
    (void)context;
    if (world->is_late)
        world->cell[world->late_cell] = world->late_value;
    world->is_late = false;
}

/* The world is still at work when nobody waits for an answer any more. */
static void begin(const int *what, int value)
{
    world->late_cell = (int)(what - world->cell);
    world->late_value = value;
    world->is_late = true;
}

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
    if (hit && (fault == FAIL_LATE || fault == KILL_LATE) && what >= world->cell &&
        what < world->cell + CELLS)
        begin(what, value);
    else
        *what = value;
    if (hit && (fault == KILL_AFTER || fault == KILL_LATE))
        raise(SIGKILL);
    if (hit && (fault == FAIL_AFTER || fault == FAIL_LATE))
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

const struct step_kind kind_cell = { "cell", probe_cell, apply_cell, revert_cell, NULL, 0 };
const struct step_kind kind_base = { "base",      probe_cell, apply_cell,
                                     revert_cell, NULL,       STEP_HOLDS_LATER };

static bool check_host(struct plan_context *context, const struct plan *plan,
                       const struct step *step, struct err *err)
{
    return !elsewhere || err_fail(err, ERR_CONFLICT, 0, "this is another host");
}

static const struct step_kind kind_mount = { "mount",      probe_mount, apply_mount,
                                             revert_mount, NULL,        STEP_HOLDS_LATER,
                                             check_host };
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
const struct step_kind kind_maybe = { "maybe",     probe_cell, apply_cell,
                                      revert_cell, NULL,       STEP_MAY_BE_SO };

/* Complains; what it looked at stays. */
static bool apply_tell(struct plan_context *context, struct step *step, struct err *err)
{
    return err_fail(err, ERR_CONFLICT, 0, "cell 0 is %d", world->cell[0]);
}

const struct step_kind kind_tell = { "tell",         probe_nothing, apply_tell,
                                     revert_nothing, NULL,          STEP_ONLY_TELLS };
const struct step_kind *const kinds[] = { &kind_cell,    &kind_base,  &kind_mount,
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

char state_dir[TEST_FOLDER];

struct journal *start(struct err *err)
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
    unreachable = elsewhere = false;
    test_make_folder("plan", state_dir);
    return journal_open(state_dir, err);
}

void stop(struct journal *journal)
{
    struct err ignored = ERR_INIT;

    journal_close(journal);
    CHECK(os_remove_tree(state_dir, &ignored));
}

struct plan_context context_of(struct journal *journal)
{
    return (struct plan_context){
        .journal = journal,
        .kinds = kinds,
        .open_guest = open_guest,
        .close_guest = close_guest,
        .commit_guest = commit_guest,
        .settle = settle,
    };
}

struct plan *make_plan(struct err *err)
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

bool is_before(void)
{
    settle(NULL); /* what comes late comes */
    for (int i = 0; i < CELLS; i++)
        if (world->cell[i] != i + 1 || world->disk[i] != i + 11)
            return false;
    return !world->mounted;
}

bool is_after(void)
{
    settle(NULL);
    return world->cell[0] == 21 && world->cell[1] == 22 && world->cell[2] == 23 &&
           world->cell[3] == 4 && world->disk[0] == 40 && world->disk[1] == 41 &&
           world->disk[2] == 13 && !world->mounted;
}

bool undo_newest(struct journal *journal, struct err *err)
{
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = journal_load(journal, "", false, kinds, err);

    return plan && plan_undo(plan, &context, err);
}

bool resume_newest(struct journal *journal, struct err *err)
{
    struct plan_context context = context_of(journal);
    CLEANUP(plan_cleanup) struct plan *plan = journal_load(journal, "", true, kinds, err);

    return plan && plan_run(plan, &context, err);
}
