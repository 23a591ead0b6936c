/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long placement takes: bench-place [NODES VMS], 1000 and 10000 without. */

#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GPUS_PER_NODE = 4, NODES_OF_VM = 8, GROUP_SIZE = 4 };
#define GIB (UINT64_C(1) << 30)

static uint64_t seed = 1;

static unsigned chance(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

struct data {
    struct place_gpu *gpus;
    struct place_node *nodes;
    struct place_vm *vms;
    size_t *lists;
    struct place_problem problem;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make(struct data *d, size_t nodes, size_t vms)
{
    *d = (struct data){ .gpus = calloc(nodes * GPUS_PER_NODE, sizeof(*d->gpus)),
                        .nodes = calloc(nodes, sizeof(*d->nodes)),
                        .vms = calloc(vms, sizeof(*d->vms)),
                        .lists = calloc(vms * NODES_OF_VM, sizeof(*d->lists)) };
    if (!d->gpus || !d->nodes || !d->vms || !d->lists)
        exit(1);
    d->problem = (struct place_problem){
        .nodes = d->nodes, .node_count = nodes, .vms = d->vms, .vm_count = vms
    };
    for (size_t n = 0; n < nodes; n++)
        d->nodes[n] =
            (struct place_node){ &d->gpus[n * GPUS_PER_NODE], GPUS_PER_NODE, false };
    for (size_t i = 0; i < vms; i++)
        d->vms[i] = (struct place_vm){ .class_id = PLACE_ANY_CLASS, .node = PLACE_NOWHERE };
}

static void clear(struct data *d)
{
    free(d->gpus);
    free(d->nodes);
    free(d->vms);
    free(d->lists);
}

/* All alike: @slots partitions on each node. */
static void alike(struct data *d, unsigned slots)
{
    for (size_t g = 0; g < d->problem.node_count * GPUS_PER_NODE; g++)
        d->gpus[g] = (struct place_gpu){ .partition_bytes = 4 * GIB,
                                         .partitions = slots / GPUS_PER_NODE };
    for (size_t i = 0; i < d->problem.vm_count; i++)
        d->vms[i].vram_bytes = 4 * GIB;
}

/* Five sizes, two models; VMs that ask for a model, for much, for nothing. */
static void mixed(struct data *d)
{
    static const uint64_t sizes[] = { 2, 4, 6, 8, 16 };

    for (size_t g = 0; g < d->problem.node_count * GPUS_PER_NODE; g++)
        d->gpus[g] = (struct place_gpu){ .class_id = chance(2),
                                         .partition_bytes = sizes[chance(5)] * GIB,
                                         .partitions = 4 };
    for (size_t i = 0; i < d->problem.vm_count; i++) {
        d->vms[i].vram_bytes = sizes[chance(4)] * chance(2) * GIB;
        d->vms[i].class_id = chance(4) ? PLACE_ANY_CLASS : chance(2);
    }
}

/* Of each four VMs no two on one node. */
static void apart(struct data *d)
{
    for (size_t i = 0; i < d->problem.vm_count; i++)
        d->vms[i].group = 1 + (unsigned)(i / GROUP_SIZE);
}

/* Every second VM may run on eight neighbouring nodes only. */
static void restricted(struct data *d)
{
    size_t nodes = d->problem.node_count;

    for (size_t i = 0; i < d->problem.vm_count; i += 2) {
        size_t first = chance((unsigned)(nodes - NODES_OF_VM + 1));

        for (size_t k = 0; k < NODES_OF_VM; k++)
            d->lists[i * NODES_OF_VM + k] = first + k;
        d->vms[i].nodes = &d->lists[i * NODES_OF_VM];
        d->vms[i].node_count = NODES_OF_VM;
    }
}

/* The cards of each node by the same four names; every tenth VM names one, and every tenth is
 * restarted by nobody. */
static void named(struct data *d)
{
    for (size_t g = 0; g < d->problem.node_count * GPUS_PER_NODE; g++)
        d->gpus[g].card = 1 + (uint32_t)(g % GPUS_PER_NODE);
    for (size_t i = 0; i < d->problem.vm_count; i++) {
        d->vms[i].card = i % 10 ? 0 : 1 + chance(GPUS_PER_NODE);
        d->vms[i].stays_down = i % 10 == 5;
    }
}

static void keep(struct data *d, const struct place_answer *answer)
{
    for (size_t i = 0; i < d->problem.vm_count; i++) {
        d->vms[i].node = answer->spots[i].node;
        d->vms[i].gpu = answer->spots[i].gpu;
    }
}

static struct place_answer solve(struct data *d, const char *what)
{
    static const char *const words[] = { "safe", "impossible", "undecided" };
    struct place_answer answer;
    struct err err = ERR_INIT;
    double began = now();

    if (!place_solve(&d->problem, &answer, &err)) {
        fprintf(stderr, "%s: %s\n", what, err.text[0]);
        exit(1);
    }
    printf("| %s | %zu | %zu | %s | %zu | %.3f s |\n", what, d->problem.node_count,
           d->problem.vm_count, words[answer.verdict], answer.loss_count, now() - began);
    fflush(stdout);
    return answer;
}

static void check(struct data *d, const char *what)
{
    struct place_loss *losses;
    struct err err = ERR_INIT;
    double began = now();
    size_t count;

    if (!place_check(&d->problem, &losses, &count, &err))
        exit(1);
    printf("| %s | %zu | %zu | | %zu | %.3f s |\n", what, d->problem.node_count,
           d->problem.vm_count, count, now() - began);
    free(losses);
}

int main(int argc, char **argv)
{
    size_t nodes = argc > 2 ? strtoul(argv[1], NULL, 10) : 1000;
    size_t vms = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    unsigned slots =
        (unsigned)(vms / nodes + GPUS_PER_NODE) / GPUS_PER_NODE * GPUS_PER_NODE;
    size_t full = (nodes - 1) * slots;
    struct place_answer answer;
    struct data d;

    if (nodes <= NODES_OF_VM || vms < nodes)
        return 2;
    printf(
        "| problem | nodes | VMs | answer | losses | CPU |\n|---|---|---|---|---|---|\n");
    make(&d, nodes, vms);
    alike(&d, slots);
    answer = solve(&d, "all alike");
    keep(&d, &answer);
    place_answer_clear(&answer);
    check(&d, "what a failure does to that");
    d.vms[vms - 1].node = PLACE_NOWHERE;
    answer = solve(&d, "one more VM, the others stay");
    place_answer_clear(&answer);
    clear(&d);

    make(&d, nodes, vms);
    alike(&d, slots);
    named(&d);
    answer = solve(&d, "every tenth names a card, every tenth is no role");
    place_answer_clear(&answer);
    clear(&d);

    make(&d, nodes, full);
    alike(&d, slots);
    answer = solve(&d, "all alike, as many as can be");
    place_answer_clear(&answer);
    clear(&d);
    make(&d, nodes, full + 1);
    alike(&d, slots);
    answer = solve(&d, "one more than can be");
    place_answer_clear(&answer);
    clear(&d);

    make(&d, nodes, vms);
    mixed(&d);
    answer = solve(&d, "five sizes, two models");
    place_answer_clear(&answer);
    apart(&d);
    answer = solve(&d, "and fours that keep apart");
    place_answer_clear(&answer);
    restricted(&d);
    answer = solve(&d, "and every second on 8 nodes only");
    keep(&d, &answer);
    for (size_t i = 0; i < vms; i++)
        d.vms[i].may_move = true;
    d.nodes[0].is_down = true;
    place_answer_clear(&answer);
    answer = solve(&d, "then a node is taken out");
    printf("\nmoved: %zu of %zu\n", answer.moved, vms);
    place_answer_clear(&answer);
    clear(&d);
    return 0;
}
