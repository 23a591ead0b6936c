/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts as a problem of placement: hosts are initialisers. */

#include "placing.h"

#include <string.h>

#include "test.h"
#include "text.h"

#define PATH(device, n)                                                            \
    "\\\\?\\PCI#VEN_10DE&DEV_" device "&SUBSYS_157E10DE&REV_A1#4&18416dc3&0&000" n \
    "#{064092b3"                                                                   \
    "-625e-43bf-9eb5-dc845897dd59}"
#define ID(device, n) \
    "PCI\\VEN_10DE&DEV_" device "&SUBSYS_157E10DE&REV_A1\\4&18416dc3&0&000" n
#define GIB (UINT64_C(1) << 30)

enum { NODES = 3, GPUS = 2, VMS = 3 };

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static struct known_u64 is(uint64_t value)
{
    return (struct known_u64){ true, value };
}

/* Three nodes of a cluster with two like cards of two partitions; three roles each, off and
 * without an adapter. */
struct bench {
    struct hv_gpu gpus[NODES][GPUS];
    struct hv_vm vms[NODES][VMS];
    struct hv_adapter adapters[NODES][VMS];
    struct hv_role roles[NODES * VMS];
    struct hv_node nodes[NODES];
    struct hv_cluster cluster;
    struct hv_host hosts[NODES];
    const struct hv_host *list[NODES];
    struct placing placing;
    struct place_answer answer;
};

static void set_up(struct bench *b)
{
    static const char *const names[] = { "NODE1", "NODE2", "NODE3" };
    static const char *const paths[] = { PATH("25B6", "0"), PATH("25B6", "1") };
    static const char *const ids[] = { ID("25B6", "0"), ID("25B6", "1") };
    static const char *const vms[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8" };

    memset(b, 0, sizeof(*b));
    b->cluster = (struct hv_cluster){ .name = text("C"),
                                      .nodes = b->nodes,
                                      .node_count = NODES,
                                      .roles = b->roles,
                                      .role_count = NODES * VMS };
    for (size_t n = 0; n < NODES; n++) {
        b->nodes[n] = (struct hv_node){ .name = text(names[n]), .state = is(NODE_UP) };
        b->list[n] = &b->hosts[n];
        b->hosts[n] = (struct hv_host){ .name = text(names[n]),
                                        .computer_name = text(names[n]),
                                        .is_server = true,
                                        .gpus = b->gpus[n],
                                        .gpu_count = GPUS,
                                        .vms = b->vms[n],
                                        .vm_count = VMS,
                                        .cluster = &b->cluster };
        for (size_t g = 0; g < GPUS; g++)
            b->gpus[n][g] =
                (struct hv_gpu){ .name = text("NVIDIA A2"),
                                 .pci_id = text("10de:25b6"),
                                 .instance_id = text(ids[g]),
                                 .interface_path = text(paths[g]),
                                 .partition_count = is(2),
                                 .amounts = { [QUOTA_VRAM] = { .max = is(4 * GIB) } } };
        for (size_t v = 0; v < VMS; v++) {
            const char *id = vms[n * VMS + v];

            b->vms[n][v] = (struct hv_vm){ .name = text(id),
                                           .id = text(id),
                                           .state = VM_OFF,
                                           .adapters = &b->adapters[n][v] };
            b->roles[n * VMS + v] = (struct hv_role){ .vm_id = text(id),
                                                      .resource = text(id),
                                                      .group = text(id),
                                                      .owner_node = text(names[n]) };
        }
    }
}

static void tear_down(struct bench *b)
{
    placing_clear(&b->placing);
    place_answer_clear(&b->answer);
}

static void make_l4(struct hv_gpu *gpu)
{
    gpu->pci_id = text("10de:27b8");
    gpu->interface_path = text(PATH("27B8", "1"));
    gpu->instance_id = text(ID("27B8", "1"));
}

/* The first @count VMs of a node have an adapter without a pin. */
static void give(struct bench *b, size_t node, size_t count)
{
    for (size_t v = 0; v < count; v++)
        b->vms[node][v].adapter_count = 1;
}

static void make(struct bench *b)
{
    struct err err = ERR_INIT;

    CHECK_OK(placing_make(&b->placing, b->list, NODES, false, &err));
}

static void want(struct bench *b, size_t node, size_t vm)
{
    const struct placing_wish wish = { .class_id = PLACE_ANY_CLASS };
    struct err err = ERR_INIT;

    CHECK_OK(placing_want(&b->placing, node, &b->vms[node][vm], &wish, &err));
}

static enum place_verdict solve(struct bench *b)
{
    struct place_problem problem = placing_problem(&b->placing);
    struct err err = ERR_INIT;

    place_answer_clear(&b->answer);
    CHECK_OK(place_solve(&problem, &b->answer, &err));
    CHECK_OK(placing_check_pins(&b->placing, &b->answer, &err));
    return b->answer.verdict;
}

static void rate(struct bench *b, size_t vm, uint64_t vram, struct placing_rating *ret)
{
    const struct placing_wish wish = { .vram_bytes = vram, .class_id = PLACE_ANY_CLASS };
    struct err err = ERR_INIT;

    make(b);
    CHECK_OK(placing_rate_nodes(&b->placing, 0, &b->vms[0][vm], &wish, ret, &err));
    tear_down(b);
}

TEST(vms_that_are_off_count_on_any_of_like_gpus)
{
    struct bench b;

    set_up(&b);
    give(&b, 0, 3);
    make(&b);
    CHECK_EQ(b.placing.vm_count, 3);
    CHECK_EQ(placing_used(&b.placing, 0, 0) + placing_used(&b.placing, 0, 1), 3);
    CHECK(placing_used(&b.placing, 0, 0) == 1 || placing_used(&b.placing, 0, 1) == 1);
    CHECK(!b.placing.guests[0].is_vague && b.placing.vms[0].class_id == 0);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    tear_down(&b);
    give(&b, 1, 3);
    make(&b);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    tear_down(&b);
    give(&b, 2, 3); /* two are free elsewhere, three of a node need one */
    make(&b);
    CHECK_EQ(solve(&b), PLACE_IMPOSSIBLE);
    CHECK_EQ(b.answer.loss_count, 3);
    tear_down(&b);
    b.gpus[2][0].partition_count = b.gpus[2][1].partition_count = is(1);
    make(&b);
    CHECK_EQ(placing_used(&b.placing, 2, 0) + placing_used(&b.placing, 2, 1), 3);
    tear_down(&b);
}

TEST(of_unlike_gpus_nobody_knows_which_an_adapter_without_a_pin_gets)
{
    struct bench b;

    set_up(&b);
    make_l4(&b.gpus[0][1]);
    give(&b, 0, 1);
    make(&b);
    CHECK(b.placing.guests[0].is_vague);
    CHECK(b.placing.vms[0].class_id == PLACE_ANY_CLASS && b.placing.vms[0].vram_bytes == 0);
    tear_down(&b);
    b.adapters[0][0].running_on = b.gpus[0][1].interface_path;
    make(&b);
    CHECK(!b.placing.guests[0].is_vague && b.placing.vms[0].gpu == 1);
    tear_down(&b);
}

TEST(a_pin_leads_only_where_a_card_has_its_path)
{
    struct bench b;

    set_up(&b);
    give(&b, 0, 1);
    b.adapters[0][0].interface_path = b.gpus[0][1].interface_path;
    make(&b);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    tear_down(&b);
    b.gpus[1][1].interface_path = b.gpus[2][1].interface_path = text(PATH("25B6", "7"));
    make(&b);
    CHECK_EQ(solve(&b), PLACE_IMPOSSIBLE);
    CHECK(b.answer.loss_count == 1 && b.answer.losses[0].node == 0);
    tear_down(&b);
}

TEST(roles_go_to_possible_owners_in_their_own_cluster)
{
    char *owners[] = { text("node1"), text("NODE3") };
    struct hv_cluster other;
    struct bench b;

    set_up(&b);
    b.roles[0].possible_owners = owners;
    b.roles[0].possible_owner_count = 2;
    b.gpus[0][0].partition_count = b.gpus[0][1].partition_count = is(0);
    make(&b);
    want(&b, 0, 0);
    CHECK(b.placing.vms[0].node_count == 2 && b.placing.vms[0].nodes[1] == 2);
    CHECK_EQ(solve(&b), PLACE_IMPOSSIBLE); /* it would fit NODE3, and nowhere after that */
    CHECK_EQ(b.answer.spots[0].node, 2);
    tear_down(&b);
    b.roles[0].possible_owner_count = 0;
    make(&b);
    want(&b, 0, 0);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    tear_down(&b);
    other = b.cluster;
    other.name = text("OTHER");
    b.hosts[2].cluster = &other;
    make(&b);
    want(&b, 0, 0);
    CHECK_EQ(solve(&b), PLACE_IMPOSSIBLE);
    CHECK_EQ(b.answer.spots[0].node, 1);
    tear_down(&b);
}

TEST(a_role_that_has_to_move_goes_to_a_preferred_owner)
{
    char *owners[] = { text("NODE1"), text("NODE3") };
    struct placing_rating r[NODES];
    struct bench b;

    set_up(&b);
    b.gpus[0][0].partition_count = b.gpus[0][1].partition_count = is(0);
    make(&b);
    want(&b, 0, 0);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    CHECK_EQ(b.answer.spots[0].node, 1);
    tear_down(&b);
    b.roles[0].preferred_owners = owners;
    b.roles[0].preferred_owner_count = 2;
    make(&b);
    want(&b, 0, 0);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    CHECK_EQ(b.answer.spots[0].node, 2);
    tear_down(&b);
    rate(&b, 0, 0, r);
    CHECK(!r[1].is_liked && r[2].is_liked);
}

TEST(a_vm_that_is_no_role_stays_and_wants_no_second_place)
{
    struct bench b;

    set_up(&b);
    b.cluster.role_count = 0;
    b.gpus[1][0].partition_count = b.gpus[1][1].partition_count = is(0);
    b.gpus[2][0].partition_count = b.gpus[2][1].partition_count = is(0);
    give(&b, 0, 1);
    make(&b);
    want(&b, 0, 1);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    CHECK_EQ(b.answer.spots[1].node, 0);
    want(&b, 1, 0);
    CHECK_EQ(solve(&b), PLACE_IMPOSSIBLE);
    CHECK_EQ(b.answer.spots[2].node, PLACE_NOWHERE);
    tear_down(&b);
    /* Without a cluster a person may bring it up anywhere. */
    b.hosts[0].cluster = b.hosts[1].cluster = b.hosts[2].cluster = NULL;
    make(&b);
    CHECK_EQ(solve(&b), PLACE_IMPOSSIBLE);
    tear_down(&b);
}

TEST(a_paused_node_keeps_its_vms_and_takes_no_others)
{
    struct bench b;

    set_up(&b);
    give(&b, 0, 2);
    b.nodes[1].state = is(NODE_PAUSED);
    give(&b, 1, 1);
    make(&b);
    CHECK_EQ(solve(&b), PLACE_SAFE); /* NODE3 has four */
    want(&b, 1, 1);
    CHECK_EQ(solve(&b), PLACE_SAFE);
    CHECK(b.answer.spots[3].node != 1);
    tear_down(&b);
}

TEST(a_new_role_on_unlike_gpus_is_pinned_and_judged_so)
{
    struct bench b;

    set_up(&b);
    make_l4(&b.gpus[0][1]);
    for (size_t n = 1; n < NODES; n++) {
        b.gpus[n][0].interface_path = text(PATH("25B6", "7"));
        b.gpus[n][1].interface_path = text(PATH("25B6", "8"));
    }
    make(&b);
    want(&b, 0, 0);
    CHECK(placing_pins(&b.placing, (struct place_spot){ 0, 0 }));
    CHECK(!placing_pins(&b.placing, (struct place_spot){ 1, 0 }));
    CHECK_EQ(solve(&b), PLACE_UNDECIDED); /* safe by its model, and not by its path */
    CHECK(b.answer.loss_count == 1 && b.answer.losses[0].node == 0);
    tear_down(&b);
}

TEST(nodes_are_rated_by_what_they_have_and_what_a_failure_does)
{
    char *owners[] = { text("NODE1"), text("NODE2") };
    struct placing_rating r[NODES];
    struct bench b;

    set_up(&b);
    rate(&b, 0, 0, r);
    CHECK(r[0].fit == NODE_SAFE && r[1].fit == NODE_SAFE && r[2].left == 4);
    rate(&b, 0, 8 * GIB, r);
    CHECK(r[0].fit == NODE_TOO_SMALL && r[0].largest == 4 * GIB);
    b.roles[0].possible_owners = owners;
    b.roles[0].possible_owner_count = 2;
    rate(&b, 0, 0, r);
    CHECK(r[0].fit == NODE_SAFE && r[2].fit == NODE_MAY_NOT);
    b.gpus[1][0].partition_count = b.gpus[1][1].partition_count = is(0);
    rate(&b, 0, 0, r);
    CHECK(r[0].fit == NODE_UNSAFE && r[1].fit == NODE_FULL);
    b.roles[0].possible_owner_count = 0;
    for (size_t v = 1; v < VMS; v++)
        b.vms[0][v].adapter_count = 1;
    b.gpus[0][0].partition_count = b.gpus[0][1].partition_count = is(1);
    rate(&b, 0, 0, r);
    CHECK(r[0].fit == NODE_FULL && r[0].left == 0);
    b.list[0] = &b.hosts[0];
    b.list[2] = NULL;
    rate(&b, 0, 0, r);
    CHECK_EQ(r[2].fit, NODE_MAY_NOT);
    b.list[2] = &b.hosts[2];
    b.cluster.role_count = 0;
    rate(&b, 0, 0, r);
    CHECK(r[0].fit == NODE_FULL && r[1].fit == NODE_MAY_NOT && r[2].fit == NODE_MAY_NOT);
}
