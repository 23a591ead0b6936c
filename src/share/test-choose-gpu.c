/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which GPU a partition comes from, and whether the adapter names it. */

#include "choose-gpu.h"

#include <string.h>

#include "err.h"
#include "failover.h"
#include "share.h"
#include "test.h"
#include "text.h"

#define PATH(n)                                                                      \
    "\\\\?\\PCI#VEN_10DE&DEV_25B6&SUBSYS_157E10DE&REV_A1#4&" #n "&0&0000#{064092b3-" \
    "625e-43bf-9eb5-dc845897dd59}"
#define ID(n) "PCI\\VEN_10DE&DEV_25B6&SUBSYS_157E10DE&REV_A1\\4&" #n "&0&0000"
#define GIB (UINT64_C(1) << 30)

enum { GPUS = 2, VMS = 3 };

static struct known_u64 num(uint64_t value)
{
    return (struct known_u64){ true, value };
}

/* A node with two cards of four partitions; the first VM has none, the others one each. */
struct bench {
    struct hv_gpu gpus[GPUS];
    struct hv_vm vms[VMS];
    struct hv_adapter adapters[VMS];
    struct hv_role role;
    struct hv_cluster cluster;
    struct hv_host host;
    struct attach_options options;
};

static void set_up(struct bench *b)
{
    static char *const paths[] = { (char *)PATH(1), (char *)PATH(2) };
    static char *const ids[] = { (char *)ID(1), (char *)ID(2) };
    static char *const names[] = { (char *)"wants", (char *)"first", (char *)"second" };

    *b = (struct bench){ .role = { .vm_id = (char *)"0",
                                   .group = (char *)"wants",
                                   .resource = (char *)"Virtual Machine wants" },
                         .cluster = { .roles = &b->role, .role_count = 1 },
                         .host = { .name = (char *)"node1",
                                   .computer_name = (char *)"NODE1",
                                   .build = num(26100),
                                   .is_server = true,
                                   .gpus = b->gpus,
                                   .gpu_count = GPUS,
                                   .vms = b->vms,
                                   .vm_count = VMS } };
    for (unsigned i = 0; i < GPUS; i++)
        b->gpus[i] =
            (struct hv_gpu){ .name = (char *)"NVIDIA A2",
                             .pci_id = (char *)"10de:25b6",
                             .instance_id = ids[i],
                             .interface_path = paths[i],
                             .driver_version = (char *)"32.0.15.5397",
                             .partition_count = num(4),
                             .amounts = { [QUOTA_VRAM] = { .max = num(4 * GIB) } } };
    for (unsigned i = 0; i < VMS; i++) {
        b->vms[i] = (struct hv_vm){ .name = names[i],
                                    .id = (char *)(i == 0   ? "0"
                                                   : i == 1 ? "1"
                                                            : "2"),
                                    .state = i ? VM_RUNNING : VM_OFF,
                                    .adapters = &b->adapters[i],
                                    .adapter_count = i ? 1 : 0 };
        b->adapters[i] = (struct hv_adapter){ .running_on = i ? paths[0] : NULL };
    }
}

static struct gpu_choice choose(struct bench *b)
{
    struct gpu_choice choice = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(choose_gpu(&b->host, &b->vms[0], &b->options, &choice, &err));
    return choice;
}

TEST(of_gpus_that_are_alike_the_one_with_most_left_is_taken)
{
    struct bench b;

    set_up(&b);
    CHECK(choose(&b).gpu == &b.gpus[1]);
    /* What is off counts too: it will start one day. */
    b.adapters[1].running_on = b.adapters[2].running_on = NULL;
    b.adapters[1].interface_path = b.adapters[2].interface_path = b.gpus[1].interface_path;
    b.vms[1].state = b.vms[2].state = VM_OFF;
    CHECK(choose(&b).gpu == &b.gpus[0]);
}

TEST(the_smallest_partition_that_is_large_enough_is_taken)
{
    struct bench b;

    set_up(&b);
    b.gpus[1].amounts[QUOTA_VRAM].max = num(8 * GIB);
    CHECK(choose(&b).gpu == &b.gpus[0]);
    b.options.vram_bytes = num(4 * GIB);
    CHECK(choose(&b).gpu == &b.gpus[0]);
    b.options.vram_bytes = num(4 * GIB + 1);
    CHECK(choose(&b).gpu == &b.gpus[1]);
}

TEST(a_full_gpu_is_passed_over_and_a_full_host_is_an_error)
{
    struct gpu_choice choice;
    struct err err = ERR_INIT;
    struct bench b;

    set_up(&b);
    b.gpus[1].partition_count = num(4);
    b.gpus[0].partition_count = num(2);
    CHECK(choose(&b).gpu == &b.gpus[1]);
    b.gpus[1].partition_count = num(0);
    CHECK(!choose_gpu(&b.host, &b.vms[0], &b.options, &choice, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
}

TEST(no_partition_that_large_says_how_large_they_are)
{
    struct gpu_choice choice;
    struct err err = ERR_INIT;
    char text[400];
    struct bench b;

    set_up(&b);
    b.options.vram_bytes = num(16 * GIB);
    CHECK(!choose_gpu(&b.host, &b.vms[0], &b.options, &choice, &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "16 GB") && strstr(text, "has 4 GB"));
    /* The same for one that was named, and for one that tells no size. */
    b.options.gpu = ID(2);
    CHECK(!choose_gpu(&b.host, &b.vms[0], &b.options, &choice, &err));
    memset(&b.gpus[1].amounts, 0, sizeof(b.gpus[1].amounts));
    CHECK(!choose_gpu(&b.host, &b.vms[0], &b.options, &choice, &err));
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "unknown size"));
}

TEST(a_vm_of_a_cluster_is_pinned_only_where_it_matters_which_gpu_it_gets)
{
    struct bench b;

    set_up(&b);
    CHECK_STR_EQ(choose(&b).pin, PATH(2)); /* of no cluster */
    b.host.cluster = &b.cluster;
    CHECK(choose(&b).pin == NULL);
    b.options.gpu = ID(1);
    CHECK_STR_EQ(choose(&b).pin, PATH(1));
    b.options.gpu = NULL;
    b.gpus[0].partition_count = num(8);
    CHECK_STR_EQ(choose(&b).pin, choose(&b).gpu->interface_path);
    b.host.build = num(19045); /* cannot */
    CHECK(choose(&b).pin == NULL);
}

TEST(the_partition_a_vm_has_is_the_one_it_gets)
{
    struct bench b;

    set_up(&b);
    b.host.cluster = &b.cluster;
    b.vms[0].adapter_count = 1;
    b.adapters[0].interface_path = b.gpus[0].interface_path;
    CHECK(choose(&b).gpu == &b.gpus[0]);
    CHECK_STR_EQ(choose(&b).pin, PATH(1));
    /* Without a pin it has one of any; naming the GPU it runs on changes nothing. */
    b.adapters[0].interface_path = NULL;
    CHECK(choose(&b).pin == NULL);
    b.adapters[0].running_on = b.gpus[1].interface_path;
    b.options.gpu = ID(2);
    CHECK(choose(&b).gpu == &b.gpus[1] && choose(&b).pin == NULL);
    b.options.gpu = ID(1);
    CHECK_STR_EQ(choose(&b).pin, PATH(1));
}

TEST(the_driver_of_an_adapter_without_a_pin_is_known_where_all_gpus_are_alike)
{
    struct hv_adapter adapter = { 0 };
    struct bench b;

    set_up(&b);
    CHECK(gpu_of_adapter(&b.host, &adapter) == &b.gpus[0]);
    b.gpus[1].driver_version = (char *)"32.0.15.6094";
    CHECK(gpu_of_adapter(&b.host, &adapter) == NULL);
    adapter.running_on = b.gpus[1].interface_path;
    CHECK(gpu_of_adapter(&b.host, &adapter) == &b.gpus[1]);
}
