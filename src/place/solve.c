/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The search: VMs one after the other, the most particular first, each to the best bin that
 * leaves everything safe; when none does, back to the one before.
 *
 * What is not safe with some of the VMs placed never gets safe by placing more: they only want
 * more and leave less free.  So a bin that breaks it is passed over at once, and when every
 * choice was tried there is no placement.  Bins are tried from the tightest kind on and from the
 * emptiest node, which spreads VMs; so the first descent is nearly always the last, too.
 *
 * VMs of one type are interchangeable: when all placements with one of them in a bin are known to
 * fail, the others of its type are not tried there.
 */

#include "world.h"

#include <stdlib.h>
#include <string.h>

enum {
    EFFORT_DEFAULT = 400000,
    FORBIDDEN_MAX = 1 << 22, /* types times bins: more are not remembered */
    IMPROVE_MAX = 200000,    /* matchings that the best effort may cost */
};

/* ---- the order of the VMs ---- */

struct level {
    uint32_t vm;
    uint64_t slots; /* it fits, of all */
    uint32_t home;  /* its bin now, if it may move */
    uint64_t tried; /* key of the last bin tried */
    bool began;
};

struct search {
    struct world *world;
    struct level *levels;
    size_t level_count;
    unsigned *forbidden; /* [type * bin_count + bin]; NULL: too many */
    uint64_t effort;     /* left */
};

static int by_need(const void *a, const void *b)
{
    const struct level *x = a, *y = b;

    if (x->slots != y->slots)
        return x->slots < y->slots ? -1 : 1;
    return x->vm < y->vm ? -1 : x->vm > y->vm;
}

static uint64_t slots_for(const struct world *world, const struct place_vm *vm)
{
    uint64_t slots = 0;

    if (vm->node_count == 0) {
        for (size_t k = 0; k < world->kind_count; k++)
            slots += fits_kind(vm, &world->kinds[k]) ? world->kinds[k].free : 0;
        return slots;
    }
    for (size_t i = 0; i < vm->node_count; i++)
        for (size_t b = world->first_bin[vm->nodes[i]];
             b < world->first_bin[vm->nodes[i] + 1]; b++)
            if (fits_kind(vm, &world->kinds[world->bins[b].kind]))
                slots += world->bins[b].free;
    return slots;
}

/* ---- the order of the bins ---- */

/* 0: near, 1: liked, 2: another. */
static uint64_t rank_of(const struct place_vm *vm, size_t node)
{
    if (vm->near == node + 1)
        return 0;
    for (size_t i = 0; i < vm->liked_count; i++)
        if (vm->liked[i] == node)
            return 1;
    return 2;
}

/* Smaller is better; all keys of a VM differ.  Home, then its node, then nodes it likes, then
 * tight kinds, then empty nodes. */
static uint64_t key_of(const struct world *world, const struct level *level, uint32_t bin)
{
    const struct bin *b = &world->bins[bin];
    uint64_t load = world->slots_on[b->node]
                        ? (uint64_t)world->vms_on[b->node] * 1023 / world->slots_on[b->node]
                        : 0;

    if (bin == level->home)
        return 1;
    if (load > 1023)
        load = 1023; /* VMs on slots that are not there */
    return UINT64_C(1) << 63 | rank_of(&world->problem->vms[level->vm], b->node) << 61 |
           (uint64_t)(b->kind & 0x7FFFF) << 42 | load << 32 | bin;
}

static bool is_open(const struct search *s, uint32_t vm, uint32_t bin)
{
    const struct world *w = s->world;

    return w->bins[bin].free > 0 && fits_bin(w, vm, bin) &&
           (!s->forbidden || !s->forbidden[w->vms[vm].type * w->bin_count + bin]);
}

struct best {
    uint32_t bin;
    uint64_t key;
};

static void consider(const struct search *s, const struct level *level, uint32_t bin,
                     struct best *best)
{
    uint64_t key;

    if (!is_open(s, level->vm, bin))
        return;
    key = key_of(s->world, level, bin);
    if (key > level->tried && key < best->key)
        *best = (struct best){ bin, key };
}

/* The best bin behind the one tried last; NO_BIN: all were. */
static uint32_t next_bin(const struct search *s, struct level *level)
{
    const struct world *w = s->world;
    const struct place_vm *vm = &w->problem->vms[level->vm];
    struct best best = { NO_BIN, UINT64_MAX };

    if (vm->node_count == 0)
        for (uint32_t b = 0; b < w->bin_count; b++)
            consider(s, level, b, &best);
    for (size_t i = 0; i < vm->node_count; i++)
        for (size_t b = w->first_bin[vm->nodes[i]]; b < w->first_bin[vm->nodes[i] + 1]; b++)
            consider(s, level, (uint32_t)b, &best);
    level->tried = best.key;
    return best.bin;
}

/* ---- down and up ---- */

static void forbid(struct search *s, const struct level *level, uint32_t bin, bool yes)
{
    const struct world *w = s->world;

    /* A VM that has a home is not like the others of its type, to the order of trying; what can
     * be placed is the same. */
    if (!s->forbidden)
        return;
    if (yes)
        s->forbidden[w->vms[level->vm].type * w->bin_count + bin]++;
    else
        s->forbidden[w->vms[level->vm].type * w->bin_count + bin]--;
}

/* What a level forbade is listed, to be allowed again when the level is left. */
struct given_up {
    uint32_t bin;
    size_t level;
};

struct trail {
    struct given_up *items;
    size_t count, room;
};

static bool give_up(struct search *s, struct trail *trail, size_t level, uint32_t bin,
                    struct err *err)
{
    if (!s->forbidden)
        return true;
    if (trail->count == trail->room) {
        size_t room = trail->room ? trail->room * 2 : 64;
        struct given_up *items = realloc(trail->items, room * sizeof(*items));

        if (!items)
            return err_no_memory(err);
        trail->items = items;
        trail->room = room;
    }
    trail->items[trail->count++] = (struct given_up){ bin, level };
    forbid(s, &s->levels[level], bin, true);
    return true;
}

static void leave_level(struct search *s, struct trail *trail, size_t level)
{
    while (trail->count > 0 && trail->items[trail->count - 1].level == level)
        forbid(s, &s->levels[level], trail->items[--trail->count].bin, false);
}

/* *ret: PLACE_SAFE with all VMs placed, else none of those of the levels. */
static bool descend(struct search *s, enum place_verdict *ret, struct err *err)
{
    struct world *w = s->world;
    struct trail trail = { 0 };
    size_t at = 0;
    bool ok = true;

    *ret = PLACE_SAFE;
    for (size_t i = 0; i < s->level_count; i++)
        s->levels[i].tried = 0;
    while (ok && at < s->level_count) {
        struct level *level = &s->levels[at];
        uint32_t bin = NO_BIN;

        if (s->effort == 0) {
            *ret = PLACE_UNDECIDED;
            break;
        }
        s->effort--;
        bin = next_bin(s, level);
        if (bin == NO_BIN) {
            leave_level(s, &trail, at);
            if (at == 0) {
                *ret = PLACE_IMPOSSIBLE;
                break;
            }
            level->tried = 0;
            level = &s->levels[--at];
            bin = w->vms[level->vm].bin;
            take_vm(w, level->vm);
            ok = give_up(s, &trail, at, bin, err);
            continue;
        }
        put_vm(w, level->vm, bin);
        if (stays_safe(w, level->vm)) {
            at++;
        } else {
            take_vm(w, level->vm);
            ok = give_up(s, &trail, at, bin, err);
        }
    }
    free(trail.items);
    if (*ret != PLACE_SAFE || !ok)
        for (size_t i = 0; i < s->level_count; i++)
            if (w->vms[s->levels[i].vm].bin != NO_BIN)
                take_vm(w, s->levels[i].vm);
    return ok;
}

/* ---- as good as can be ---- */

struct losses {
    size_t nowhere, lost;
};

static bool is_better(struct losses a, struct losses b)
{
    return a.nowhere != b.nowhere ? a.nowhere < b.nowhere : a.lost < b.lost;
}

static struct losses count_losses(struct search *s)
{
    struct losses sum = { 0 };

    for (size_t i = 0; i < s->level_count; i++)
        sum.nowhere += s->world->vms[s->levels[i].vm].bin == NO_BIN;
    for (size_t n = 0; n < s->world->problem->node_count; n++)
        sum.lost += losses_of_node(s->world, (uint32_t)n, NULL);
    s->effort -= s->effort > s->world->problem->node_count ? s->world->problem->node_count
                                                           : s->effort;
    return sum;
}

/* Makes room for @vm by moving another that is not fixed, one step. */
static bool squeeze_in(struct search *s, const struct level *level)
{
    struct world *w = s->world;

    for (size_t i = 0; i < s->level_count && s->effort > 0; i++) {
        uint32_t other = s->levels[i].vm, bin = w->vms[other].bin, to;

        s->effort--;
        if (bin == NO_BIN)
            continue;
        take_vm(w, other);
        if (fits_bin(w, level->vm, bin)) {
            put_vm(w, level->vm, bin);
            s->levels[i].tried = 0;
            to = next_bin(s, &s->levels[i]);
            if (to != NO_BIN) {
                put_vm(w, other, to);
                return true;
            }
            take_vm(w, level->vm);
        }
        put_vm(w, other, bin);
    }
    return false;
}

/* Moves VMs of nodes that lose something, as long as that helps. */
static void improve(struct search *s)
{
    struct world *w = s->world;
    struct losses now = count_losses(s);
    bool helped = true;

    while (helped && now.lost > 0 && s->effort > 0) {
        helped = false;
        for (size_t i = 0; i < s->level_count && s->effort > 0 && now.lost > 0; i++) {
            struct level *level = &s->levels[i];
            uint32_t from = w->vms[level->vm].bin, to;

            if (from == NO_BIN || losses_of_node(w, w->bins[from].node, NULL) == 0)
                continue;
            take_vm(w, level->vm);
            level->tried = 0;
            while (s->effort > 0 && (to = next_bin(s, level)) != NO_BIN) {
                struct losses then;

                put_vm(w, level->vm, to);
                then = count_losses(s);
                if (is_better(then, now)) {
                    now = then;
                    helped = true;
                    break;
                }
                take_vm(w, level->vm);
            }
            if (w->vms[level->vm].bin == NO_BIN)
                put_vm(w, level->vm, from);
        }
    }
}

static void do_the_best(struct search *s)
{
    struct world *w = s->world;

    s->effort = IMPROVE_MAX;
    free(s->forbidden);
    s->forbidden = NULL;
    for (size_t i = 0; i < s->level_count; i++) {
        uint32_t bin;

        s->levels[i].tried = 0;
        bin = next_bin(s, &s->levels[i]);
        if (bin != NO_BIN)
            put_vm(w, s->levels[i].vm, bin);
    }
    for (size_t i = 0; i < s->level_count; i++)
        if (w->vms[s->levels[i].vm].bin == NO_BIN)
            (void)squeeze_in(s, &s->levels[i]);
    if (!w->problem->without_failures)
        improve(s);
}

/* ---- the whole ---- */

static unsigned *left_on(struct world *world, const struct place_vm *vm)
{
    return &world->left[world->first_gpu[vm->node] + vm->gpu];
}

/* Those that stay get their places first.  One on a GPU that has no partition left stays all the
 * same: it is there, and takes none that another could have. */
static void put_fixed(struct world *world)
{
    const struct place_problem *p = world->problem;

    for (size_t i = 0; i < p->vm_count; i++) {
        const struct place_vm *vm = &p->vms[i];
        uint32_t bin;

        if (vm->node == PLACE_NOWHERE || vm->may_move)
            continue;
        world->vms[i].is_fixed = true;
        bin = bin_of_gpu(world, vm->node, vm->gpu);
        if (bin == NO_BIN)
            continue;
        if (*left_on(world, vm) > 0) {
            --*left_on(world, vm);
        } else {
            world->bins[bin].slots++;
            world->bins[bin].free++;
            world->kinds[world->bins[bin].kind].free++;
        }
        put_vm(world, (uint32_t)i, bin);
    }
}

/* Those that may move stay as well, where they can. */
static void put_movable(struct world *world)
{
    const struct place_problem *p = world->problem;

    for (size_t i = 0; i < p->vm_count; i++) {
        const struct place_vm *vm = &p->vms[i];
        uint32_t bin = vm->node != PLACE_NOWHERE && vm->may_move
                           ? bin_of_gpu(world, vm->node, vm->gpu)
                           : NO_BIN;

        if (bin == NO_BIN || *left_on(world, vm) == 0 || !fits_bin(world, (uint32_t)i, bin))
            continue;
        --*left_on(world, vm);
        world->vms[i].is_fixed = true;
        put_vm(world, (uint32_t)i, bin);
    }
}

static bool make_levels(struct search *s, struct err *err)
{
    const struct world *w = s->world;
    const struct place_problem *p = w->problem;

    s->levels = calloc(p->vm_count + 1, sizeof(*s->levels));
    if (!s->levels)
        return err_no_memory(err);
    for (size_t i = 0; i < p->vm_count; i++) {
        struct level *level = &s->levels[s->level_count];

        if (w->vms[i].is_fixed)
            continue;
        *level = (struct level){ .vm = (uint32_t)i,
                                 .slots = slots_for(w, &p->vms[i]),
                                 .home = NO_BIN };
        if (p->vms[i].node != PLACE_NOWHERE)
            level->home = bin_of_gpu(w, p->vms[i].node, p->vms[i].gpu);
        s->level_count++;
    }
    qsort(s->levels, s->level_count, sizeof(*s->levels), by_need);
    if (w->type_count > 0 && w->bin_count <= FORBIDDEN_MAX / w->type_count) {
        s->forbidden = calloc(w->type_count * w->bin_count + 1, sizeof(*s->forbidden));
        if (!s->forbidden)
            return err_no_memory(err);
    }
    return true;
}

/* The GPU of its bin with most partitions left. */
static size_t choose_gpu(const struct world *world, uint32_t bin)
{
    const struct place_problem *p = world->problem;
    size_t n = world->bins[bin].node, best = 0;
    unsigned most = 0;

    for (size_t g = 0; g < p->nodes[n].gpu_count; g++)
        if (bin_of_gpu(world, n, g) == bin && world->left[world->first_gpu[n] + g] > most) {
            most = world->left[world->first_gpu[n] + g];
            best = g;
        }
    return best;
}

/* On which GPU each is: those that stay first, so that nobody gets theirs. */
static void name_spots(struct world *world, struct place_answer *ret)
{
    const struct place_problem *p = world->problem;

    for (size_t i = 0; i < p->vm_count; i++) {
        const struct place_vm *vm = &p->vms[i];
        uint32_t bin = world->vms[i].bin;
        bool was_home = bin != NO_BIN && vm->node != PLACE_NOWHERE &&
                        bin == bin_of_gpu(world, vm->node, vm->gpu);

        ret->spots[i] = (struct place_spot){ PLACE_NOWHERE, 0 };
        if (!world->vms[i].is_fixed && (!was_home || *left_on(world, vm) == 0))
            continue;
        ret->spots[i] = (struct place_spot){ vm->node, vm->gpu };
        if (!world->vms[i].is_fixed)
            --*left_on(world, vm);
    }
    for (size_t i = 0; i < p->vm_count; i++) {
        uint32_t bin = world->vms[i].bin;
        struct place_spot *spot = &ret->spots[i];

        if (bin == NO_BIN || spot->node != PLACE_NOWHERE)
            continue;
        *spot = (struct place_spot){ world->bins[bin].node, choose_gpu(world, bin) };
        world->left[world->first_gpu[spot->node] + spot->gpu]--;
        ret->moved += p->vms[i].node != PLACE_NOWHERE;
    }
}

static bool list_losses(struct world *world, struct place_loss **ret, size_t *ret_count,
                        struct err *err)
{
    uint32_t *lost = calloc(world->problem->vm_count + 1, sizeof(*lost));
    size_t room = 0;

    *ret = NULL;
    *ret_count = 0;
    if (!lost)
        return err_no_memory(err);
    for (size_t n = 0; n < world->problem->node_count; n++) {
        size_t count = losses_of_node(world, (uint32_t)n, lost);

        if (count > room - *ret_count) {
            struct place_loss *more;

            room = (*ret_count + count) * 2;
            more = realloc(*ret, room * sizeof(*more));
            if (!more) {
                free(lost);
                free(*ret);
                *ret = NULL;
                return err_no_memory(err);
            }
            *ret = more;
        }
        for (size_t i = 0; i < count; i++)
            (*ret)[(*ret_count)++] = (struct place_loss){ n, lost[i] };
    }
    free(lost);
    return true;
}

static void search_clear(struct search *s)
{
    free(s->levels);
    free(s->forbidden);
    *s = (struct search){ 0 };
}

/* With all where they are (@stay), or with those moving that may. */
static bool try_it(const struct place_problem *problem, bool stay, bool best_effort,
                   struct place_answer *ret, struct err *err)
{
    struct world world;
    struct search s = { .world = &world,
                        .effort = problem->effort ? problem->effort : EFFORT_DEFAULT };
    bool ok, allowed = false;

    if (!world_make(problem, &world, err))
        return false;
    put_fixed(&world);
    if (stay)
        put_movable(&world);
    ok = make_levels(&s, err) && numbers_allow(&world, &allowed, err);
    ret->verdict = PLACE_IMPOSSIBLE;
    if (ok && allowed && is_safe(&world))
        ok = descend(&s, &ret->verdict, err);
    if (ok && ret->verdict != PLACE_SAFE && best_effort)
        do_the_best(&s);
    if (ok && (ret->verdict == PLACE_SAFE || best_effort)) {
        ret->spots = calloc(problem->vm_count + 1, sizeof(*ret->spots));
        ok = ret->spots || err_no_memory(err);
        if (ok)
            name_spots(&world, ret);
        ok = ok && list_losses(&world, &ret->losses, &ret->loss_count, err);
    }
    /* The best that could be done may turn out to be good. */
    if (ok && best_effort && ret->verdict == PLACE_UNDECIDED && ret->loss_count == 0) {
        bool all = true;

        for (size_t i = 0; i < s.level_count; i++)
            all &= world.vms[s.levels[i].vm].bin != NO_BIN;
        if (all)
            ret->verdict = PLACE_SAFE;
    }
    search_clear(&s);
    world_clear(&world);
    return ok;
}

static bool has_movable(const struct place_problem *problem)
{
    for (size_t i = 0; i < problem->vm_count; i++)
        if (problem->vms[i].may_move && problem->vms[i].node != PLACE_NOWHERE)
            return true;
    return false;
}

bool place_solve(const struct place_problem *problem, struct place_answer *ret,
                 struct err *err)
{
    bool movable = has_movable(problem), ok;

    *ret = (struct place_answer){ 0 };
    ok = try_it(problem, true, !movable, ret, err);
    if (ok && movable && ret->verdict != PLACE_SAFE)
        ok = try_it(problem, false, true, ret, err);
    if (!ok)
        place_answer_clear(ret);
    return ok;
}

void place_answer_clear(struct place_answer *answer)
{
    free(answer->spots);
    free(answer->losses);
    *answer = (struct place_answer){ 0 };
}

bool place_check(const struct place_problem *problem, struct place_loss **ret,
                 size_t *ret_count, struct err *err)
{
    struct place_problem still = *problem;
    struct place_vm *vms = calloc(problem->vm_count + 1, sizeof(*vms));
    struct world world;
    bool ok;

    if (!vms)
        return err_no_memory(err);
    for (size_t i = 0; i < problem->vm_count; i++) {
        vms[i] = problem->vms[i];
        vms[i].may_move = false;
    }
    still.vms = vms;
    still.without_failures = false;
    ok = world_make(&still, &world, err);
    if (ok) {
        put_fixed(&world);
        ok = list_losses(&world, ret, ret_count, err);
        world_clear(&world);
    }
    free(vms);
    return ok;
}
