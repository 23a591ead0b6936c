/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Placement against trying everything: thousands of small problems, and a few large ones. */

#include "place.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

enum { NODES_MAX = 4, GPUS_MAX = 2, VMS_MAX = 5, ALL_GPUS = NODES_MAX * GPUS_MAX };
#define GIB (UINT64_C(1) << 30)

/* ---- problems by chance, the same ones each time ---- */

static uint64_t seed;

static unsigned chance(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

struct small {
    struct place_gpu gpus[NODES_MAX][GPUS_MAX];
    struct place_node nodes[NODES_MAX];
    size_t lists[VMS_MAX][NODES_MAX];
    struct place_vm vms[VMS_MAX];
    struct place_problem problem;
};

static void make_vm(struct small *s, size_t i)
{
    struct place_vm *vm = &s->vms[i];

    *vm = (struct place_vm){ .vram_bytes = chance(3) * chance(2) * GIB,
                             .class_id = chance(3) ? PLACE_ANY_CLASS : chance(2),
                             .group = chance(3) ? 0 : 1 + chance(2),
                             .card = chance(6) ? 0 : 1 + chance(2),
                             .stays_down = chance(6) == 0,
                             .node = PLACE_NOWHERE };
    if (chance(3) == 0) {
        for (size_t n = 0; n < s->problem.node_count; n++)
            if (chance(2))
                s->lists[i][vm->node_count++] = n;
        vm->nodes = s->lists[i];
    }
    vm->near = chance((unsigned)s->problem.node_count + 1);
    if (chance(3) == 0) {
        vm->node = chance((unsigned)s->problem.node_count);
        vm->gpu = chance(GPUS_MAX);
        vm->may_move = chance(2);
        if (vm->gpu >= s->nodes[vm->node].gpu_count)
            vm->node = PLACE_NOWHERE;
    }
}

static void make_small(struct small *s)
{
    memset(s, 0, sizeof(*s));
    s->problem = (struct place_problem){ .nodes = s->nodes,
                                         .node_count = 1 + chance(NODES_MAX),
                                         .vms = s->vms,
                                         .vm_count = 1 + chance(VMS_MAX),
                                         .without_failures = chance(8) == 0 };
    for (size_t n = 0; n < s->problem.node_count; n++) {
        s->nodes[n] =
            (struct place_node){ s->gpus[n], chance(GPUS_MAX + 1), chance(12) == 0 };
        for (size_t g = 0; g < GPUS_MAX; g++)
            s->gpus[n][g] = (struct place_gpu){ .class_id = chance(2),
                                                .card = chance(3),
                                                .partition_bytes = chance(3) * GIB,
                                                .partitions = chance(6),
                                                .taken_by_others = chance(5) == 0 };
    }
    for (size_t i = 0; i < s->problem.vm_count; i++)
        make_vm(s, i);
}

/* ---- trying everything: nothing of what is tested is used here ---- */

struct brute {
    const struct place_problem *p;
    int left[NODES_MAX][GPUS_MAX];
    struct place_spot spots[VMS_MAX];
};

static bool brute_fits(const struct place_problem *p, const struct place_vm *vm, size_t n,
                       size_t g)
{
    const struct place_gpu *gpu = &p->nodes[n].gpus[g];
    bool allowed = vm->node_count == 0;

    for (size_t i = 0; i < vm->node_count; i++)
        allowed |= vm->nodes[i] == n;
    return allowed && !p->nodes[n].is_down && vm->vram_bytes <= gpu->partition_bytes &&
           (vm->class_id == PLACE_ANY_CLASS || vm->class_id == gpu->class_id) &&
           (vm->card == 0 || vm->card == gpu->card);
}

/* The fewest VMs, from number @i on, that find no slot when @failed fails. */
static unsigned brute_losses(struct brute *b, size_t failed, size_t i)
{
    unsigned fewest;

    while (i < b->p->vm_count && (b->spots[i].node != failed || b->p->vms[i].stays_down))
        i++;
    if (i == b->p->vm_count)
        return 0;
    fewest = 1 + brute_losses(b, failed, i + 1);
    for (size_t n = 0; n < b->p->node_count; n++)
        for (size_t g = 0; n != failed && g < b->p->nodes[n].gpu_count; g++) {
            unsigned losses;

            if (b->left[n][g] <= 0 || !brute_fits(b->p, &b->p->vms[i], n, g))
                continue;
            b->left[n][g]--;
            losses = brute_losses(b, failed, i + 1);
            b->left[n][g]++;
            if (losses < fewest)
                fewest = losses;
        }
    return fewest;
}

static bool stays(const struct place_vm *vm)
{
    return vm->node != PLACE_NOWHERE && !vm->may_move;
}

static void brute_begin(struct brute *b, const struct place_problem *p)
{
    memset(b, 0, sizeof(*b));
    b->p = p;
    for (size_t n = 0; n < p->node_count; n++)
        for (size_t g = 0; g < p->nodes[n].gpu_count; g++)
            b->left[n][g] = p->nodes[n].is_down
                                ? 0
                                : (int)p->nodes[n].gpus[g].partitions -
                                      (int)p->nodes[n].gpus[g].taken_by_others;
    for (size_t n = 0; n < p->node_count; n++)
        for (size_t g = 0; g < p->nodes[n].gpu_count; g++)
            if (b->left[n][g] < 0)
                b->left[n][g] = 0;
}

/* A VM that stays is there, whether there is room or not. */
static void brute_stay(struct brute *b, size_t i)
{
    const struct place_vm *vm = &b->p->vms[i];
    const struct place_gpu *gpu = &b->p->nodes[vm->node].gpus[vm->gpu];

    b->spots[i] = (struct place_spot){ vm->node, vm->gpu };
    if (b->p->nodes[vm->node].is_down || gpu->partitions == 0) {
        b->spots[i].node = PLACE_NOWHERE; /* it does not run */
        return;
    }
    if (b->left[vm->node][vm->gpu] > 0)
        b->left[vm->node][vm->gpu]--;
}

static bool group_is_on(const struct brute *b, size_t i, size_t node)
{
    for (size_t k = 0; k < b->p->vm_count; k++)
        if (k != i && b->p->vms[k].group == b->p->vms[i].group && b->spots[k].node == node)
            return b->p->vms[i].group != 0;
    return false;
}

static bool brute_safe(struct brute *b)
{
    for (size_t n = 0; !b->p->without_failures && n < b->p->node_count; n++)
        if (brute_losses(b, n, 0) > 0)
            return false;
    return true;
}

static bool brute_search(struct brute *b, size_t i)
{
    while (i < b->p->vm_count && stays(&b->p->vms[i]))
        i++;
    if (i == b->p->vm_count)
        return brute_safe(b);
    for (size_t n = 0; n < b->p->node_count; n++)
        for (size_t g = 0; g < b->p->nodes[n].gpu_count; g++) {
            bool found;

            if (b->left[n][g] <= 0 || !brute_fits(b->p, &b->p->vms[i], n, g) ||
                group_is_on(b, i, n))
                continue;
            b->left[n][g]--;
            b->spots[i] = (struct place_spot){ n, g };
            found = brute_search(b, i + 1);
            b->left[n][g]++;
            b->spots[i].node = PLACE_NOWHERE;
            if (found)
                return true;
        }
    return false;
}

static bool brute_can(const struct place_problem *p)
{
    struct brute b;

    brute_begin(&b, p);
    for (size_t i = 0; i < p->vm_count; i++)
        b.spots[i].node = PLACE_NOWHERE;
    for (size_t i = 0; i < p->vm_count; i++)
        if (stays(&p->vms[i]))
            brute_stay(&b, i);
    return brute_search(&b, 0);
}

/* ---- is an answer what it says? ---- */

static bool spots_are_right(const struct place_problem *p, const struct place_answer *a,
                            struct brute *b)
{
    size_t moved = 0;

    brute_begin(b, p);
    for (size_t i = 0; i < p->vm_count; i++)
        b->spots[i].node = PLACE_NOWHERE;
    for (size_t i = 0; i < p->vm_count; i++) {
        if (!stays(&p->vms[i]))
            continue;
        if (a->spots[i].node != p->vms[i].node || a->spots[i].gpu != p->vms[i].gpu)
            return false;
        brute_stay(b, i);
    }
    for (size_t i = 0; i < p->vm_count; i++) {
        struct place_spot spot = a->spots[i];

        if (stays(&p->vms[i]))
            continue;
        if (spot.node == PLACE_NOWHERE) {
            if (a->verdict == PLACE_SAFE)
                return false;
            continue;
        }
        if (spot.node >= p->node_count || spot.gpu >= p->nodes[spot.node].gpu_count ||
            !brute_fits(p, &p->vms[i], spot.node, spot.gpu) ||
            group_is_on(b, i, spot.node) || b->left[spot.node][spot.gpu]-- <= 0)
            return false;
        b->spots[i] = spot;
        moved += p->vms[i].node != PLACE_NOWHERE &&
                 (spot.node != p->vms[i].node || spot.gpu != p->vms[i].gpu);
    }
    return moved == a->moved;
}

static bool losses_are_right(const struct place_problem *p, const struct place_answer *a,
                             struct brute *b)
{
    size_t at = 0;

    if (p->without_failures)
        return a->loss_count == 0;
    for (size_t n = 0; n < p->node_count; n++) {
        unsigned fewest = brute_losses(b, n, 0);

        for (unsigned i = 0; i < fewest; i++, at++) {
            if (at >= a->loss_count || a->losses[at].node != n ||
                b->spots[a->losses[at].vm].node != n)
                return false;
            if (i > 0 && a->losses[at].vm <= a->losses[at - 1].vm)
                return false;
        }
    }
    return at == a->loss_count;
}

enum { SMALL_PROBLEMS = 20000 };

TEST(small_problems_are_decided_as_by_trying_everything)
{
    unsigned safe = 0, impossible = 0, moved = 0;

    seed = 42;
    for (unsigned i = 0; i < SMALL_PROBLEMS; i++) {
        struct place_answer answer;
        struct err err = ERR_INIT;
        struct small s;
        struct brute b;
        bool can, ok;

        make_small(&s);
        can = brute_can(&s.problem);
        ok = place_solve(&s.problem, &answer, &err);
        test_report(ok, __FILE__, __LINE__, "problem %u is solved", i);
        if (!ok)
            continue;
        if (answer.verdict != (can ? PLACE_SAFE : PLACE_IMPOSSIBLE) ||
            !spots_are_right(&s.problem, &answer, &b) ||
            !losses_are_right(&s.problem, &answer, &b))
            test_report(false, __FILE__, __LINE__, "problem %u: verdict %d, %s", i,
                        (int)answer.verdict, can ? "possible" : "impossible");
        safe += can;
        impossible += !can;
        moved += answer.moved > 0;
        place_answer_clear(&answer);
    }
    /* The problems are worth something: of each kind there are many. */
    CHECK(safe > SMALL_PROBLEMS / 10);
    CHECK(impossible > SMALL_PROBLEMS / 10);
    CHECK(moved > SMALL_PROBLEMS / 100);
}

TEST(what_a_failure_does_now_is_as_by_trying_everything)
{
    seed = 7;
    for (unsigned i = 0; i < SMALL_PROBLEMS; i++) {
        struct place_answer answer = { 0 };
        struct err err = ERR_INIT;
        struct small s;
        struct brute b;

        make_small(&s);
        s.problem.without_failures = false;
        for (size_t v = 0; v < s.problem.vm_count; v++)
            s.vms[v].may_move = false;
        brute_begin(&b, &s.problem);
        for (size_t v = 0; v < s.problem.vm_count; v++)
            b.spots[v].node = PLACE_NOWHERE;
        for (size_t v = 0; v < s.problem.vm_count; v++)
            if (stays(&s.vms[v]))
                brute_stay(&b, v);
        CHECK_OK(place_check(&s.problem, &answer.losses, &answer.loss_count, &err));
        test_report(losses_are_right(&s.problem, &answer, &b), __FILE__, __LINE__,
                    "problem %u", i);
        place_answer_clear(&answer);
    }
}

/* ---- some to read ---- */

enum { TWO = 2, THREE = 3 };

static struct place_vm vm_of(uint64_t gib)
{
    return (struct place_vm){ .vram_bytes = gib * GIB,
                              .class_id = PLACE_ANY_CLASS,
                              .node = PLACE_NOWHERE };
}

static struct place_gpu gpu_of(uint64_t gib, unsigned partitions)
{
    return (struct place_gpu){ .partition_bytes = gib * GIB, .partitions = partitions };
}

TEST(two_of_four_slots_each_hold_four_vms_and_not_five)
{
    struct place_gpu gpus[TWO] = { gpu_of(4, 4), gpu_of(4, 4) };
    struct place_node nodes[TWO] = { { &gpus[0], 1, false }, { &gpus[1], 1, false } };
    struct place_vm vms[5] = { vm_of(4), vm_of(4), vm_of(4), vm_of(4), vm_of(4) };
    struct place_problem p = {
        .nodes = nodes, .node_count = TWO, .vms = vms, .vm_count = 4
    };
    struct place_answer answer;
    struct err err = ERR_INIT;

    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_SAFE);
    CHECK_EQ(answer.loss_count, 0);
    place_answer_clear(&answer);
    p.vm_count = 5;
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_IMPOSSIBLE);
    CHECK_EQ(answer.loss_count, 2); /* whichever fails, one does not come up */
    for (size_t i = 0; i < 5; i++)
        CHECK(answer.spots[i].node != PLACE_NOWHERE); /* and yet each has a place */
    place_answer_clear(&answer);
}

TEST(a_large_vm_needs_a_large_partition_free_elsewhere)
{
    struct place_gpu gpus[THREE] = { gpu_of(8, 2), gpu_of(8, 1), gpu_of(2, 8) };
    struct place_node nodes[THREE] = { { &gpus[0], 1, false },
                                       { &gpus[1], 1, false },
                                       { &gpus[2], 1, false } };
    struct place_vm vms[THREE] = { vm_of(2), vm_of(2), vm_of(8) };
    struct place_problem p = {
        .nodes = nodes, .node_count = THREE, .vms = vms, .vm_count = 3
    };
    struct place_answer answer;
    struct err err = ERR_INIT;

    /* The small ones leave the large partitions to the large VM. */
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_SAFE);
    CHECK(answer.spots[2].node != 2);
    place_answer_clear(&answer);
    gpus[1].partitions = 0;
    p.vms++;
    p.vm_count--;
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_IMPOSSIBLE);
    CHECK_EQ(answer.loss_count, 1);
    CHECK_EQ(answer.losses[0].vm, 1);
    CHECK_EQ(answer.losses[0].node, 0);
    place_answer_clear(&answer);
}

TEST(a_vm_in_the_way_is_moved_only_when_it_has_to_be)
{
    struct place_gpu gpus[TWO] = { gpu_of(4, 2), gpu_of(4, 2) };
    struct place_node nodes[TWO] = { { &gpus[0], 1, false }, { &gpus[1], 1, false } };
    size_t only_first[1] = { 0 };
    struct place_vm vms[TWO] = { vm_of(4), vm_of(4) };
    struct place_problem p = {
        .nodes = nodes, .node_count = TWO, .vms = vms, .vm_count = 2
    };
    struct place_answer answer;
    struct err err = ERR_INIT;

    vms[0].node = vms[1].node = 0;
    vms[0].gpu = vms[1].gpu = 0;
    vms[0].may_move = vms[1].may_move = true;
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_SAFE);
    CHECK_EQ(answer.moved, 0);
    place_answer_clear(&answer);
    vms[0].group = vms[1].group = 3; /* now they must not be together */
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_SAFE);
    CHECK_EQ(answer.moved, 1);
    place_answer_clear(&answer);
    vms[1].nodes =
        only_first; /* one may run on the first node only: it never survives that */
    vms[1].node_count = 1;
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_IMPOSSIBLE);
    CHECK_EQ(answer.loss_count, 1);
    CHECK_EQ(answer.losses[0].vm, 1);
    place_answer_clear(&answer);
}

TEST(a_vm_gets_its_partition_on_its_own_node_if_nothing_speaks_against_it)
{
    struct place_gpu gpus[THREE] = { gpu_of(2, 4), gpu_of(4, 4), gpu_of(4, 4) };
    struct place_node nodes[THREE] = { { &gpus[0], 1, false },
                                       { &gpus[1], 1, false },
                                       { &gpus[2], 1, false } };
    struct place_vm vms[TWO] = { vm_of(2), vm_of(4) };
    struct place_problem p = {
        .nodes = nodes, .node_count = THREE, .vms = vms, .vm_count = TWO
    };
    struct place_answer answer;
    struct err err = ERR_INIT;

    vms[0].near = 2 + 1;
    vms[1].near = 0 + 1; /* where it does not fit */
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_SAFE);
    CHECK_EQ(answer.spots[0].node, 2);
    CHECK_EQ(answer.spots[1].node, 1);
    CHECK_EQ(answer.moved, 0);
    place_answer_clear(&answer);
}

TEST(problems_that_name_what_is_not_there_are_refused)
{
    struct place_gpu gpus[1] = { gpu_of(4, 2) };
    struct place_node nodes[1] = { { gpus, 1, false } };
    size_t wrong[TWO] = { 0, 0 };
    struct place_vm vms[1] = { vm_of(1) };
    struct place_problem p = { .nodes = nodes, .node_count = 1, .vms = vms, .vm_count = 1 };
    struct place_answer answer;
    struct err err = ERR_INIT;

    vms[0].node = 1;
    CHECK(!place_solve(&p, &answer, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    vms[0].node = 0;
    vms[0].gpu = 1;
    CHECK(!place_solve(&p, &answer, &err));
    vms[0] = vm_of(1);
    vms[0].nodes = wrong; /* twice the same */
    vms[0].node_count = 2;
    CHECK(!place_solve(&p, &answer, &err));
    gpus[0].partitions = UINT32_MAX;
    vms[0] = vm_of(1);
    CHECK(!place_solve(&p, &answer, &err));
    CHECK(answer.spots == NULL);
}

TEST(nothing_to_place_and_nowhere_to_place_it_are_answers)
{
    struct place_vm vms[1] = { vm_of(1) };
    struct place_problem p = { .vms = vms, .vm_count = 0 };
    struct place_answer answer;
    struct err err = ERR_INIT;

    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_SAFE);
    place_answer_clear(&answer);
    p.vm_count = 1;
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_IMPOSSIBLE);
    CHECK(answer.spots[0].node == PLACE_NOWHERE);
    place_answer_clear(&answer);
}

/* ---- large ---- */

enum { MANY_NODES = 200, MANY_VMS = 2000 };

TEST(two_hundred_nodes_are_filled_up_to_the_last_node_s_worth)
{
    struct place_gpu *gpus = calloc(MANY_NODES * 2, sizeof(*gpus));
    struct place_node *nodes = calloc(MANY_NODES, sizeof(*nodes));
    struct place_vm *vms = calloc(MANY_VMS, sizeof(*vms));
    struct place_problem p = {
        .nodes = nodes, .node_count = MANY_NODES, .vms = vms, .vm_count = MANY_VMS
    };
    struct place_answer answer;
    struct err err = ERR_INIT;
    struct place_loss *losses;
    size_t loss_count;

    /* 199 nodes have 796 large and 1194 small slots: for exactly 1990 VMs, two in five large. */
    for (size_t n = 0; n < MANY_NODES; n++) {
        gpus[n * 2] = gpu_of(8, 4);
        gpus[n * 2 + 1] = gpu_of(2, 6);
        nodes[n] = (struct place_node){ &gpus[n * 2], 2, false };
    }
    for (size_t i = 0; i < MANY_VMS; i++)
        vms[i] = vm_of(i % 5 < 2 ? 8 : 2);
    p.vm_count -= 10;
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_SAFE);
    for (size_t i = 0; i < p.vm_count; i++) {
        vms[i].node = answer.spots[i].node;
        vms[i].gpu = answer.spots[i].gpu;
    }
    CHECK_OK(place_check(&p, &losses, &loss_count, &err));
    CHECK_EQ(loss_count, 0);
    free(losses);
    place_answer_clear(&answer);
    for (size_t i = 0; i < MANY_VMS; i++)
        vms[i].node = PLACE_NOWHERE;
    p.vm_count++; /* one too many for the large partitions */
    CHECK_OK(place_solve(&p, &answer, &err));
    CHECK_EQ(answer.verdict, PLACE_IMPOSSIBLE);
    CHECK(answer.loss_count > 0);
    place_answer_clear(&answer);
    free(gpus);
    free(nodes);
    free(vms);
}
