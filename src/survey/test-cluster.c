/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules about a failover cluster: one that is in order, and one change per case; and which
 * VMs find no partition when a node fails, against every way of placing them.
 */

#include <string.h>

#include "cluster-view.h"
#include "survey.h"
#include "test.h"
#include "text.h"

#define PATH(n)                                                                      \
    "\\\\?\\PCI#VEN_10DE&DEV_25B6&SUBSYS_157E10DE&REV_A1#4&" #n "&0&0000#{064092b3-" \
    "625e-43bf-9eb5-dc845897dd59}"
#define ID(n) "11111111-0000-4000-8000-00000000000" #n

enum { NODES = 3, GPUS = 2, VMS = 4 };

static char *const paths[] = { (char *)PATH(1), (char *)PATH(2) };

static struct known_u64 num(uint64_t value)
{
    return (struct known_u64){ true, value };
}

/* Three nodes with two cards of four partitions; two VMs on each have one. */
struct bench {
    struct hv_node nodes[NODES];
    struct hv_host hosts[NODES];
    struct hv_gpu gpus[NODES][GPUS];
    struct hv_vm vms[NODES][VMS];
    struct hv_adapter adapters[NODES][VMS];
    struct hv_device device;
    struct hv_role roles[NODES * VMS];
    struct hv_cluster cluster;
    const struct hv_host *list[NODES];
    char ids[NODES * VMS][40], names[NODES * VMS][16];
};

static void add_vm(struct bench *b, unsigned node, const char *pin)
{
    struct hv_host *host = &b->hosts[node];
    size_t i = host->vm_count++, n = b->cluster.role_count++;

    snprintf(b->ids[n], sizeof(b->ids[n]), "11111111-0000-4000-8000-0000000000%02zu", n);
    snprintf(b->names[n], sizeof(b->names[n]), "vm-%u-%zu", node + 1, i + 1);
    b->adapters[node][i] = (struct hv_adapter){ .interface_path = (char *)(uintptr_t)pin,
                                                .running_on = paths[i % GPUS] };
    b->vms[node][i] = (struct hv_vm){ .name = b->names[n],
                                      .id = b->ids[n],
                                      .state = VM_RUNNING,
                                      .adapters = &b->adapters[node][i],
                                      .adapter_count = 1 };
    b->roles[n] = (struct hv_role){ .vm_id = b->ids[n],
                                    .resource = (char *)"Virtual Machine",
                                    .group = b->names[n],
                                    .owner_node = b->nodes[node].name,
                                    .state = num(2),
                                    .offline_action = num(OFFLINE_FORCE) };
}

static void set_up(struct bench *b)
{
    static char *const names[] = { (char *)"NODE1", (char *)"NODE2", (char *)"NODE3" };

    *b = (struct bench){ .cluster = { .name = (char *)"CLUSTER",
                                      .nodes = b->nodes,
                                      .node_count = NODES,
                                      .roles = b->roles } };
    for (unsigned n = 0; n < NODES; n++) {
        b->nodes[n] = (struct hv_node){ .name = names[n], .state = num(NODE_UP) };
        b->hosts[n] = (struct hv_host){ .name = names[n],
                                        .computer_name = names[n],
                                        .product = (char *)"Microsoft Windows Server 2025",
                                        .edition = (char *)"ServerDatacenter",
                                        .build = num(26100),
                                        .is_server = true,
                                        .gpus = b->gpus[n],
                                        .gpu_count = GPUS,
                                        .vms = b->vms[n] };
        b->list[n] = &b->hosts[n];
        for (unsigned g = 0; g < GPUS; g++)
            b->gpus[n][g] =
                (struct hv_gpu){ .name = (char *)"NVIDIA A2",
                                 .pci_id = (char *)"10de:25b6",
                                 .instance_id =
                                     (char *)(g ? "PCI\\VEN_10DE&DEV_25B6&SUBSYS_"
                                                  "157E10DE&REV_A1\\4&2&0&0000"
                                                : "PCI\\VEN_10DE&DEV_25B6&SUBSYS_"
                                                  "157E10DE&REV_A1\\4&1&0&0000"),
                                 .interface_path = paths[g],
                                 .driver_version = (char *)"32.0.15.5397",
                                 .status = GPU_PARTITIONED,
                                 .incoming_live_migration = TRI_YES,
                                 .partition_count = num(4),
                                 .vram_bytes = num(UINT64_C(16) << 30) };
        add_vm(b, n, NULL);
        add_vm(b, n, NULL);
    }
}

static void survey(struct bench *b, size_t hosts, struct findings *ret)
{
    struct err err = ERR_INIT;

    CHECK_OK(survey_cluster(&b->cluster, b->list, hosts, ret, &err));
}

#define CHANGE(name) static void name(struct bench *b)

CHANGE(old_node)
{
    b->hosts[1].build = num(20348);
}
CHANGE(standard)
{
    b->hosts[2].edition = (char *)"ServerStandard";
}
CHANGE(full)
{
    for (unsigned n = 0; n < NODES; n++)
        for (unsigned g = 0; g < GPUS; g++)
            b->gpus[n][g].partition_count = num(1);
}
CHANGE(device)
{
    b->vms[0][0].devices = &b->device;
    b->vms[0][0].device_count = 1;
}
CHANGE(other_driver)
{
    b->gpus[2][0].driver_version = b->gpus[2][1].driver_version = (char *)"32.0.15.6094";
}
CHANGE(other_model)
{
    b->gpus[1][1].pci_id = (char *)"10de:2236";
    b->gpus[1][1].name = (char *)"NVIDIA A10";
}
CHANGE(other_size)
{
    b->gpus[1][0].vram_bytes = b->gpus[1][1].vram_bytes = num(UINT64_C(8) << 30);
}
CHANGE(fewer_cards)
{
    b->hosts[0].gpu_count = 1;
    b->adapters[0][1].running_on = NULL;
}
CHANGE(not_alive)
{
    b->gpus[0][0].incoming_live_migration = TRI_NO;
}
CHANGE(no_cards)
{
    b->gpus[2][0].interface_path = b->gpus[2][1].interface_path = NULL;
    b->gpus[2][0].status = b->gpus[2][1].status = GPU_READY_FOR_DDA;
    b->hosts[2].vm_count = 0;
}
CHANGE(no_role)
{
    b->cluster.role_count--; /* the last VM's */
}
CHANGE(paused)
{
    b->nodes[1].state = num(NODE_PAUSED);
}
CHANGE(saves)
{
    b->roles[3].offline_action = num(OFFLINE_SAVE);
}
CHANGE(paravirtual)
{
    static char path[] = PATH(1) "\\GPUPARAV";

    for (unsigned n = 0; n < NODES; n++)
        b->gpus[n][0].interface_path = path;
    b->adapters[0][0].running_on = path;
    for (unsigned n = 1; n < NODES; n++)
        b->adapters[n][0].running_on = paths[1];
}
CHANGE(counts)
{
    b->gpus[1][0].partition_count = num(8);
}
CHANGE(pinned)
{
    b->adapters[0][0].interface_path = paths[0];
    b->gpus[2][0].interface_path = (char *)PATH(7);
    b->adapters[2][0].running_on = (char *)PATH(7);
}

static const struct {
    const char *id;
    enum severity severity;
    void (*change)(struct bench *b);
    const char *subject, *seen;
} cases[] = {
    { "cluster-build", SEVERITY_ERROR, old_node, "NODE2", "20348" },
    { "cluster-edition", SEVERITY_ERROR, standard, "NODE3", "ServerStandard" },
    { "cluster-capacity", SEVERITY_ERROR, full, "vm-1-1", "NODE1" },
    { "cluster-dda", SEVERITY_WARNING, device, "vm-1-1", "1" },
    { "cluster-driver", SEVERITY_WARNING, other_driver, "CLUSTER", "NODE3: 32.0.15.6094" },
    { "cluster-gpu-model", SEVERITY_ERROR, other_model, "CLUSTER",
      "NVIDIA A10 (10de:2236" },
    { "cluster-gpu-model", SEVERITY_ERROR, other_size, "CLUSTER", "8192 MB" },
    { "cluster-gpu-number", SEVERITY_WARNING, fewer_cards, "CLUSTER", "NODE1: 1" },
    { "cluster-live-migration", SEVERITY_WARNING, not_alive, "NODE1", "NVIDIA A2" },
    { "cluster-no-gpu", SEVERITY_ERROR, no_cards, "NODE3", "ready-for-dda" },
    { "cluster-no-role", SEVERITY_INFO, no_role, "vm-3-2", "NODE3" },
    { "cluster-node", SEVERITY_WARNING, paused, "NODE2", "paused" },
    { "cluster-offline-action", SEVERITY_ERROR, saves, "vm-2-2", "save" },
    { "cluster-paravirtual", SEVERITY_ERROR, paravirtual, "vm-1-1", "NVIDIA A2" },
    { "cluster-partition-count", SEVERITY_ERROR, counts, "CLUSTER", "NODE2: 8, 4" },
    { "cluster-pinned", SEVERITY_ERROR, pinned, "vm-1-1", "NODE3" },
};

static bool has_seen(const struct finding *finding, const char *text)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strstr(finding->evidence[i], text))
            return true;
    return false;
}

TEST(a_cluster_in_order_has_no_findings)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;
    struct bench b;

    set_up(&b);
    survey(&b, NODES, &found);
    for (size_t i = 0; i < found.count; i++)
        CHECK_STR_EQ(found.items[i].id, "");
}

TEST(each_change_makes_its_finding_and_no_worse_one)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;
        const struct finding *finding;
        struct bench b;

        test_case(cases[i].id);
        set_up(&b);
        cases[i].change(&b);
        survey(&b, NODES, &found);
        finding = findings_find(&found, cases[i].id);
        CHECK(finding != NULL);
        if (!finding)
            continue;
        CHECK_EQ(finding->severity, cases[i].severity);
        CHECK_STR_EQ(finding->subject, cases[i].subject);
        CHECK(has_seen(finding, cases[i].seen));
        for (size_t f = 0; f < found.count; f++)
            if (strcmp(found.items[f].id, cases[i].id) != 0 &&
                found.items[f].severity > SEVERITY_WARNING &&
                strcmp(cases[i].id, "cluster-paravirtual") != 0)
                CHECK_STR_EQ(found.items[f].id, "");
    }
}

TEST(every_rule_about_clusters_has_a_case)
{
    for (const struct rule *rule = survey_cluster_rules; rule->id; rule++) {
        bool found = false;

        test_case(rule->id);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
            found |= strcmp(cases[i].id, rule->id) == 0;
        CHECK(found);
    }
}

TEST(a_node_that_was_not_read_is_said_and_not_guessed_about)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;
    const struct finding *finding;
    struct bench b;

    set_up(&b);
    b.nodes[2].state = num(NODE_DOWN);
    survey(&b, 2, &found);
    finding = findings_find(&found, "cluster-node");
    CHECK(finding && strcmp(finding->subject, "NODE3") == 0 && has_seen(finding, "down"));
    CHECK_EQ(found.count, 1);
    findings_clear(&found);
    b.nodes[2].state = num(NODE_UP);
    survey(&b, 2, &found);
    finding = findings_find(&found, "cluster-node");
    CHECK(finding && has_seen(finding, "not read"));
}

/* ---- which VMs find no partition ---- */

static size_t count_stranded(struct bench *b, struct cluster_view *view)
{
    struct err err = ERR_INIT;

    *view = (struct cluster_view){ .cluster = &b->cluster,
                                   .hosts = b->list,
                                   .host_count = NODES };
    CHECK_OK(cluster_find_stranded(view, &err));
    return view->stranded_count;
}

TEST(vms_that_are_off_need_no_partition)
{
    struct cluster_view view;
    struct bench b;

    set_up(&b);
    full(&b);
    CHECK_EQ(count_stranded(&b, &view), 6);
    free(view.stranded);
    for (unsigned n = 0; n < NODES; n++)
        for (unsigned i = 0; i < 2; i++)
            b.vms[n][i].state = VM_OFF;
    CHECK_EQ(count_stranded(&b, &view), 0);
    free(view.stranded);
}

TEST(a_vm_moves_over_for_one_that_fits_only_there)
{
    struct cluster_view view;
    struct bench b;

    /* NODE1 fails: vm-1-1 may go to any GPU, vm-1-2 only to the first path; one place is left
     * on each of NODE2's cards, none on NODE3's. */
    set_up(&b);
    b.gpus[1][0].partition_count = b.gpus[1][1].partition_count = num(2);
    b.gpus[2][0].partition_count = b.gpus[2][1].partition_count = num(1);
    b.adapters[0][1].interface_path = paths[0];
    b.adapters[0][1].running_on = paths[0];
    (void)count_stranded(&b, &view);
    for (size_t i = 0; i < view.stranded_count; i++)
        CHECK(view.stranded[i].host != &b.hosts[0]);
    free(view.stranded);
}

/* The most VMs of the first node that all ways of placing them find room for. */
static unsigned best_of_all(struct bench *b, size_t vm, unsigned room[NODES][GPUS])
{
    unsigned best;

    if (vm == b->hosts[0].vm_count || vm == ARRAY_LEN(b->adapters[0]))
        return 0;
    best = best_of_all(b, vm + 1, room); /* without this one */
    for (unsigned n = 1; n < NODES; n++)
        for (unsigned g = 0; g < GPUS; g++) {
            const char *pin = b->adapters[0][vm].interface_path;
            unsigned with;

            if (room[n][g] == 0 || (pin && !text_ieq(pin, paths[g])))
                continue;
            room[n][g]--;
            with = 1 + best_of_all(b, vm + 1, room);
            room[n][g]++;
            best = with > best ? with : best;
        }
    return best;
}

TEST(as_many_as_any_way_of_placing_them_finds_room_for_come_up)
{
    unsigned seed = 1;

    for (unsigned round = 0; round < 400; round++) {
        unsigned room[NODES][GPUS] = { 0 }, lost = 0;
        struct cluster_view view;
        struct bench b;

        set_up(&b);
        add_vm(&b, 0, NULL);
        add_vm(&b, 0, NULL);
        for (unsigned i = 0; i < VMS; i++) {
            seed = seed * 1103515245 + 12345;
            b.adapters[0][i].interface_path =
                (seed >> 16) % 3 == 2 ? NULL : paths[(seed >> 16) % 3];
        }
        for (unsigned n = 1; n < NODES; n++)
            for (unsigned g = 0; g < GPUS; g++) {
                seed = seed * 1103515245 + 12345;
                room[n][g] = (seed >> 16) % 3;
                /* One of its VMs is on each. */
                b.gpus[n][g].partition_count = num(1 + room[n][g]);
            }
        (void)count_stranded(&b, &view);
        for (size_t i = 0; i < view.stranded_count; i++)
            lost += view.stranded[i].host == &b.hosts[0];
        CHECK_EQ(VMS - lost, best_of_all(&b, 0, room));
        free(view.stranded);
    }
}
