/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of VMs that change their node, and nodes that pause and fail. */
#include "test-cluster-fixture.h"

#include <stdlib.h>

#include "property-list.h"
#include "strbuf.h"
#include "text.h"

#define GROUP "MSCluster_ResourceGroup"
#define RESOURCE "MSCluster_Resource"
#define NODE "MSCluster_Node"

enum {
    NOT_SUPPORTED = (int)0x80070032,
    NOT_FOUND = (int)0x800713B2,
    PAUSED = (int)0x800713CE,
    DOWN = (int)0x800713BA,
    FAILED = (int)0x800713AE,
    UNKNOWN = (int)0x80338042,
};

static bool is_any(const char *name)
{
    return true;
}

/* MoveToNewNode, or with @action (0 to 4) MoveToNewNodeParams. */
static int move(struct three *t, const char *group, const char *node, int action)
{
    struct cim_instance *in = cim_instance_new(CLUSTER_NS, "__PARAMETERS");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *list = cim_instance_new(NULL, "MSCluster_Property");
    CLEANUP(strbuf_cleanup) struct strbuf bytes = STRBUF_INIT;
    struct err err = ERR_INIT;
    uint64_t values[256];

    CHECK_OK(cim_set_text(in, "NodeName", node, &err));
    if (action < 0)
        return (int)three_call(t, 1, GROUP, group, "MoveToNewNode", in, NULL);
    CHECK_OK(cim_set_uint(list, CLUSTER_VM, CIM_UINT32, (unsigned)action, &err));
    CHECK_OK(
        cim_set_uint(list, CLUSTER_VM_CONFIGURATION, CIM_UINT32, (unsigned)action, &err));
    CHECK_OK(property_list_write(list, is_any, &bytes, &err));
    for (size_t i = 0; i < bytes.len; i++)
        values[i] = (unsigned char)bytes.text[i];
    CHECK_OK(cim_set_uints(in, "Parameters", CIM_UINT8, values, bytes.len, &err));
    CHECK_OK(cim_set_uint(in, "Flags", CIM_UINT32, 6, &err)); /* as os-win does */
    return (int)three_call(t, 1, GROUP, group, "MoveToNewNodeParams", in, NULL);
}

static bool owns(struct three *t, const char *node, const char *group)
{
    CLEANUP(free_cleanup) char *owner = three_text(t, GROUP, group, "OwnerNode");
    CLEANUP(free_cleanup) char *resource = text_printf(CLUSTER_VM " %s", group);
    CLEANUP(free_cleanup)
    char *of_resource = three_text(t, RESOURCE, resource, "OwnerNode");
    CLEANUP(free_cleanup)
    char *wql = text_printf("ASSOCIATORS OF {MSCluster_ResourceGroup.Name='%s'} WHERE "
                            "AssocClass=MSCluster_NodeToActiveGroup",
                            group);
    CLEANUP(free_cleanup) char *linked = NULL;
    struct sim_host *holder = three_node_of(t, group);

    return text_ieq(owner, node) && text_ieq(of_resource, node) && holder &&
           text_ieq(holder->name, node) && three_ask(t, 0, wql, "Name", &linked) == 1 &&
           text_ieq(linked, node);
}

static size_t partitions(struct three *t, unsigned node)
{
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(t->nodes[node]->store, o, HV_NS, "Msvm_GpuPartition")))
        count++;
    return count;
}

static void set_counts(struct three *t, unsigned node, const char *property, uint64_t value)
{
    struct sim_object *o = NULL;
    struct err err = ERR_INIT;

    while ((o = sim_store_next(t->nodes[node]->store, o, HV_NS, "Msvm_PartitionableGpu")))
        CHECK_OK(object_set_number(t->nodes[node], o, property, value, &err));
}

TEST(moving_a_group_restarts_its_vm_with_a_partition_of_the_new_node)
{
    CLEANUP(three_close) struct three t;
    size_t settings;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(partitions(&t, 0), 2);
    CHECK_EQ(move(&t, "A1", "C", -1), 0);
    CHECK(owns(&t, "C", "A1"));
    CHECK_EQ(hv_state(three_vm(&t, "A1")), HV_RUNNING);
    CHECK_EQ(partitions(&t, 0), 1);
    CHECK_EQ(partitions(&t, 2), 1);
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_ONLINE);
    /* Its settings are all there, tied to it, and name objects of the new node. */
    struct sim_object *vm = three_vm(&t, "A1"), *adapter;
    const char *id = hv_text(vm, "Name"), *pin;

    settings = 0;
    for (adapter = NULL;
         (adapter = hv_next_resource(t.nodes[2], adapter, "CIM_SettingData", id));)
        settings++;
    CHECK(settings > 10);
    CHECK(hv_next_resource(t.nodes[0], NULL, "CIM_SettingData", id) == NULL);
    CHECK(hv_settings_of(t.nodes[2], id) != NULL);
    adapter = hv_next_resource(t.nodes[2], NULL, "Msvm_GpuPartitionSettingData", id);
    pin = cim_get_text_at(sim_object_instance(adapter), "HostResource", 0);
    CHECK(text_istarts(pin, "\\\\C\\root"));
    CHECK(hv_gpu_by_path(t.nodes[2], pin) != NULL);
    CHECK(hv_find_by_text(t.nodes[0], "Msvm_ComputerSystem", "ElementName", "A2") != NULL);
    CHECK_EQ(move(&t, "A1", "A", -1), 0);
    CHECK(owns(&t, "A", "A1"));
    CHECK_EQ(partitions(&t, 0), 2);
}

TEST(vm_whose_offline_action_is_save_does_not_move_with_a_partition)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(move(&t, "A2", "C", -1), NOT_SUPPORTED);
    CHECK(owns(&t, "A", "A2"));
    CHECK_EQ(hv_state(three_vm(&t, "A2")), HV_RUNNING);
    CHECK_EQ(partitions(&t, 0), 2);
    CHECK_EQ(move(&t, "A2", "C", OFFLINE_SAVE), NOT_SUPPORTED);
    CHECK_EQ(move(&t, "A2", "C", OFFLINE_TURN_OFF), 0);
    CHECK(owns(&t, "C", "A2"));
    CHECK_EQ(hv_state(three_vm(&t, "A2")), HV_RUNNING);
}

TEST(vm_goes_to_nodes_that_may_own_it_only)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, "    vms:\n"
                        "      - { name: C1, clustered: true, possible_owners: [A, C],\n"
                        "          disks: [ { path: 'C:\\ClusterStorage\\Volume1\\C1.vhdx',"
                        " content: data, size: 1 GiB } ] }\n"
                        "      - { name: C2, clustered: true, preferred_owners: [B],\n"
                        "          disks: [ { path: 'C:\\ClusterStorage\\Volume1\\C2.vhdx',"
                        " content: data, size: 1 GiB } ] }\n"))
        return;
    CHECK_EQ(
        three_ask(&t, 1,
                  "ASSOCIATORS OF {MSCluster_Resource.Name='Virtual Machine C1'} WHERE "
                  "AssocClass=MSCluster_ResourceToPossibleOwner",
                  NULL, NULL),
        2);
    CHECK_EQ(move(&t, "C1", "B", -1), UNKNOWN);
    CHECK(owns(&t, "C", "C1"));
    CHECK_EQ(three_ask(&t, 1,
                       "ASSOCIATORS OF {MSCluster_ResourceGroup.Name='C2'} WHERE "
                       "AssocClass=MSCluster_ResourceGroupToPreferredNode",
                       NULL, NULL),
             1);
    CHECK_EQ(move(&t, "C2", "", -1), 0); /* to the preferred one, though A is first */
    CHECK(owns(&t, "B", "C2"));
    CHECK_EQ(move(&t, "C1", "", -1), 0); /* the best available: A is the only one left */
    CHECK(owns(&t, "A", "C1"));
}

TEST(vm_that_is_off_moves_and_stays_off)
{
    CLEANUP(three_close) struct three t;
    struct err err = ERR_INIT;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(move(&t, "A3", "B", CLUSTER_LIVE), 0);
    CHECK(owns(&t, "B", "A3"));
    CHECK_EQ(hv_state(three_vm(&t, "A3")), HV_OFF);
    CHECK_EQ(move(&t, "A3", "NOBODY", -1), NOT_FOUND);
    CHECK_EQ(move(&t, "A3", "B", -1), UNKNOWN); /* where it is */
    CHECK_OK(object_set_number(t.nodes[1], three_vm(&t, "A3"), "EnabledState", HV_STARTING,
                               &err));
    CHECK_EQ(move(&t, "A3", "A", -1), UNKNOWN);
    CHECK_EQ(three_call(&t, 0, GROUP, "A3", "BringOnline", NULL, NULL), (uint32_t)UNKNOWN);
    CHECK_EQ(three_call(&t, 0, GROUP, "A3", "TakeOffline", NULL, NULL), (uint32_t)UNKNOWN);
    CHECK_EQ(three_call(&t, 0, GROUP, "Cluster Group", "MoveToNewNode", NULL, NULL),
             (uint32_t)UNKNOWN);
}

TEST(live_migration_wants_drivers_that_can_the_same_parts_and_a_free_one)
{
    CLEANUP(three_close) struct three t;
    struct sim_object *partition = NULL;
    struct err err = ERR_INIT;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(move(&t, "A1", "C", CLUSTER_LIVE), NOT_SUPPORTED);
    CHECK(strstr(t.fault.text, "the node that it leaves") != NULL);
    while ((partition =
                sim_store_next(t.nodes[0]->store, partition, HV_NS, "Msvm_GpuPartition")))
        CHECK_OK(object_set_number(t.nodes[0], partition, "SupportsOutgoingLiveMigration",
                                   1, &err));
    CHECK_EQ(move(&t, "A1", "C", CLUSTER_LIVE), NOT_SUPPORTED);
    CHECK(strstr(t.fault.text, "driver of the target") != NULL);
    set_counts(&t, 2, "SupportsIncomingLiveMigration", 1);
    set_counts(&t, 2, "OptimalPartitionVRAM", UINT64_C(4) << 30);
    CHECK_EQ(move(&t, "A1", "C", CLUSTER_LIVE), NOT_SUPPORTED);
    CHECK(strstr(t.fault.text, "of that size") != NULL);
    set_counts(&t, 2, "OptimalPartitionVRAM", UINT64_C(8) << 30);
    set_counts(&t, 2, "PartitionCount", 0);
    CHECK_EQ(move(&t, "A1", "C", CLUSTER_LIVE), NOT_SUPPORTED);
    CHECK(strstr(t.fault.text, "no partition is free") != NULL);
    set_counts(&t, 2, "PartitionCount", 2);
    /* The other card has room, but the VM is pinned to the first. */
    CHECK_OK(object_set_number(
        t.nodes[2], sim_store_next(t.nodes[2]->store, NULL, HV_NS, "Msvm_PartitionableGpu"),
        "PartitionCount", 0, &err));
    CHECK_EQ(move(&t, "A1", "C", CLUSTER_LIVE), NOT_SUPPORTED);
    set_counts(&t, 2, "PartitionCount", 2);
    t.nodes[2]->build = 20348;
    CHECK_EQ(move(&t, "A1", "C", CLUSTER_LIVE), NOT_SUPPORTED);
    CHECK(strstr(t.fault.text, "Windows Server 2025") != NULL);
    t.nodes[2]->build = 26100;
    CHECK(owns(&t, "A", "A1"));
    CHECK_EQ(partitions(&t, 0), 2);

    struct cim_datetime before, after;

    CHECK(cim_get_datetime(sim_object_instance(three_vm(&t, "A1")), "TimeOfLastStateChange",
                           &before));
    CHECK_EQ(move(&t, "A1", "C", CLUSTER_LIVE), 0);
    CHECK(owns(&t, "C", "A1"));
    CHECK_EQ(hv_state(three_vm(&t, "A1")), HV_RUNNING);
    CHECK(cim_get_datetime(sim_object_instance(three_vm(&t, "A1")), "TimeOfLastStateChange",
                           &after));
    CHECK_EQ(after.usec, before.usec); /* it never stopped */
    CHECK_EQ(partitions(&t, 0), 1);
    CHECK_EQ(partitions(&t, 2), 1);
}

TEST(group_goes_offline_as_its_vm_is_told_to_and_comes_online_again)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ((int)three_call(&t, 2, GROUP, "A2", "TakeOffline", NULL, NULL), NOT_SUPPORTED);
    CHECK_EQ(three_call(&t, 2, GROUP, "A1", "TakeOffline", NULL, NULL), 0);
    CHECK_EQ(hv_state(three_vm(&t, "A1")), HV_OFF);
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_OFFLINE);
    CHECK_EQ(three_call(&t, 2, GROUP, "A1", "BringOnline", NULL, NULL), 0);
    CHECK_EQ(hv_state(three_vm(&t, "A1")), HV_RUNNING);
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_ONLINE);
    CHECK_EQ(three_call(&t, 2, RESOURCE, "Virtual Machine A1", "TakeOffline", NULL, NULL),
             0);
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_PARTIAL);
    CHECK_EQ(three_call(&t, 2, RESOURCE, "Virtual Machine A1", "UpdateVirtualMachine", NULL,
                        NULL),
             0);
    CHECK_EQ(
        three_call(&t, 2, RESOURCE, "Cluster Name", "UpdateVirtualMachine", NULL, NULL),
        0x80338042);
    CHECK_EQ(three_call(&t, 2, RESOURCE, "Virtual Machine A1", "BringOnline", NULL, NULL),
             0);
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_ONLINE);
}

TEST(vm_that_finds_no_partition_is_started_on_a_node_that_has_one_or_is_failed)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(three_call(&t, 0, GROUP, "A1", "TakeOffline", NULL, NULL), 0);
    set_counts(&t, 0, "PartitionCount", 1);
    CHECK_EQ(three_call(&t, 0, GROUP, "A1", "BringOnline", NULL, NULL), 0);
    CHECK(owns(&t, "A", "A1"));
    CHECK_EQ(three_call(&t, 0, GROUP, "A1", "TakeOffline", NULL, NULL), 0);
    set_counts(&t, 0, "PartitionCount", 0);
    CHECK_EQ(three_call(&t, 0, GROUP, "A1", "BringOnline", NULL, NULL), 0);
    CHECK(owns(&t, "B", "A1"));
    CHECK_EQ(three_call(&t, 0, GROUP, "A1", "TakeOffline", NULL, NULL), 0);
    set_counts(&t, 1, "PartitionCount", 0);
    set_counts(&t, 2, "PartitionCount", 0);
    CHECK_EQ((int)three_call(&t, 0, GROUP, "A1", "BringOnline", NULL, NULL), FAILED);
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_FAILED);
    CHECK_EQ(three_number(&t, RESOURCE, "Virtual Machine A1", "State"), RESOURCE_FAILED);
    CHECK_EQ(hv_state(three_vm(&t, "A1")), HV_OFF);
    set_counts(&t, 2, "PartitionCount", 2);
    CHECK_EQ(three_call(&t, 0, GROUP, "A1", "BringOnline", NULL, NULL), 0);
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_ONLINE);
    CHECK(owns(&t, "C", "A1"));
}

static int pause_node(struct three *t, const char *node, unsigned drain, const char *target)
{
    struct cim_instance *in = cim_instance_new(CLUSTER_NS, "__PARAMETERS");
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_uint(in, "DrainType", CIM_UINT32, drain, &err));
    if (target)
        CHECK_OK(cim_set_text(in, "TargetNode", target, &err));
    return (int)three_call(t, 2, NODE, node, "Pause", in, NULL);
}

TEST(drain_moves_what_can_be_moved_and_tells_of_the_rest)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(pause_node(&t, "B", 1, NULL), 0);
    CHECK_EQ(three_number(&t, NODE, "B", "State"), NODE_PAUSED);
    CHECK_EQ(three_number(&t, NODE, "B", "NodeDrainStatus"), DRAIN_COMPLETED);
    CHECK(owns(&t, "A", "B1"));
    CHECK_EQ(hv_state(three_vm(&t, "B1")), HV_RUNNING);
    CHECK_STR_EQ(three_node_of(&t, "B2")->name, "B"); /* no group of the cluster */
    CHECK_EQ(move(&t, "A1", "B", -1), PAUSED);

    CHECK_EQ(pause_node(&t, "A", 1, "C"), 0);
    CHECK_EQ(three_number(&t, NODE, "A", "NodeDrainStatus"), DRAIN_FAILED);
    CHECK(owns(&t, "A", "A2")); /* it would be saved, and has a partition */
    CHECK_EQ(hv_state(three_vm(&t, "A2")), HV_RUNNING);
    CHECK(owns(&t, "C", "A1"));
    CHECK(owns(&t, "C", "A3"));
    CHECK(owns(&t, "C", "B1"));
    CHECK_EQ(three_call(&t, 0, NODE, "A", "Resume", NULL, NULL), 0);
    CHECK_EQ(three_number(&t, NODE, "A", "State"), NODE_UP);
    CHECK_EQ(three_number(&t, NODE, "A", "NodeDrainStatus"), DRAIN_NOT_STARTED);
    CHECK(owns(&t, "C", "A1"));
    CHECK_EQ(pause_node(&t, "C", 0, NULL), 0);
    CHECK(owns(&t, "C", "A1"));
    CHECK_EQ(pause_node(&t, "A", 1, "NOBODY"), NOT_FOUND);
}

TEST(groups_of_a_failed_node_restart_where_a_partition_is_free)
{
    CLEANUP(three_close) struct three t;
    struct err err = ERR_INIT;

    if (!three_open(&t, ""))
        return;
    set_counts(&t, 1, "PartitionCount", 1); /* B1 has the one of the first card */
    CHECK_OK(cluster_fail_node(t.cluster, t.nodes[0], &err));
    CHECK_EQ(three_number(&t, NODE, "A", "State"), NODE_DOWN);
    CHECK(owns(&t, "C", "A1")); /* pinned to the first card */
    CHECK(owns(&t, "B", "A2"));
    CHECK_EQ(hv_state(three_vm(&t, "A1")), HV_RUNNING);
    CHECK_EQ(hv_state(three_vm(&t, "A2")), HV_RUNNING);
    CHECK_EQ(hv_state(three_vm(&t, "A3")), HV_OFF);
    CHECK(!owns(&t, "A", "A3"));
    CHECK_EQ(three_number(&t, GROUP, "A3", "State"), GROUP_PARTIAL);
    CHECK_EQ(move(&t, "A1", "A", -1), DOWN);
    CHECK_EQ(three_ask(&t, 1, "SELECT * FROM MSCluster_Resource WHERE OwnerNode='A'", NULL,
                       NULL),
             0);
    /* The majority stays. */
    CHECK(!cluster_fail_node(t.cluster, t.nodes[1], &err));
    CHECK_EQ(err.kind, ERR_UNSUPPORTED);
    err = ERR_INIT;
    CHECK_OK(sim_host_save(t.nodes[0], &err));
    if (!three_reopen(&t))
        return;
    CHECK(t.nodes[0]->is_down && !t.nodes[1]->is_down);
    CHECK_OK(cluster_rejoin_node(t.cluster, t.nodes[0], &err));
    CHECK_EQ(three_number(&t, NODE, "A", "State"), NODE_UP);
    CHECK(owns(&t, "C", "A1"));
    CHECK(!cluster_rejoin_node(t.cluster, t.nodes[0], &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
}

TEST(groups_of_a_failed_node_that_find_no_partition_are_failed)
{
    CLEANUP(three_close) struct three t;
    struct err err = ERR_INIT;

    if (!three_open(&t, ""))
        return;
    set_counts(&t, 1, "PartitionCount", 1);
    set_counts(&t, 2, "PartitionCount", 0);
    CHECK_OK(cluster_fail_node(t.cluster, t.nodes[0], &err));
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_FAILED);
    CHECK_EQ(hv_state(three_vm(&t, "A1")), HV_OFF);
    CHECK_EQ(three_number(&t, GROUP, "A2", "State"), GROUP_ONLINE);
    CHECK_OK(cluster_rejoin_node(t.cluster, t.nodes[0], &err));
    CHECK_EQ(three_number(&t, GROUP, "A1", "State"), GROUP_FAILED);
    CHECK_EQ(three_call(&t, 1, GROUP, "A1", "BringOnline", NULL, NULL), 0);
    CHECK(owns(&t, "A", "A1"));
}

TEST(node_that_restarts_is_drained_and_brings_what_stayed_online_again)
{
    CLEANUP(three_close) struct three t;
    struct err err = ERR_INIT;

    if (!three_open(&t, ""))
        return;
    CHECK_OK(cluster_restart_node(t.cluster, t.nodes[0], &err));
    CHECK(owns(&t, "B", "A1"));
    CHECK(owns(&t, "B", "A3"));
    CHECK(owns(&t, "A", "A2")); /* it would be saved, and has a partition */
    CHECK_EQ(hv_state(three_vm(&t, "A2")), HV_RUNNING);
    CHECK_EQ(three_number(&t, GROUP, "A2", "State"), GROUP_ONLINE);
    CHECK_EQ(three_number(&t, NODE, "A", "State"), NODE_UP);
    CHECK_OK(cluster_restart_node(t.cluster, t.nodes[1], &err));
    CHECK_EQ(hv_state(three_vm(&t, "B2")), HV_RUNNING); /* no group: with its host */
    CHECK(owns(&t, "A", "B1"));
}

TEST(move_that_was_killed_leaves_the_vm_on_one_node)
{
    CLEANUP(three_close) struct three t;
    struct err err = ERR_INIT;

    if (!three_open(&t, ""))
        return;
    CHECK_OK(cluster_refresh(t.cluster, &err));
    /* Written on the target, and nowhere else. */
    CHECK_OK(
        hv_transplant(t.nodes[0], t.nodes[1], hv_text(three_vm(&t, "A3"), "Name"), &err));
    t.nodes[0]->dirty = t.cluster->dirty = false;
    if (!three_reopen(&t))
        return;
    CHECK_OK(cluster_refresh(t.cluster, &err));
    CHECK(owns(&t, "A", "A3"));
    /* The same with one that runs: its partition there goes with it. */
    CHECK_OK(
        hv_transplant(t.nodes[0], t.nodes[1], hv_text(three_vm(&t, "A1"), "Name"), &err));
    CHECK_OK(hv_make_devices(
        t.nodes[1], hv_find_by_text(t.nodes[1], "Msvm_ComputerSystem", "ElementName", "A1"),
        &err));
    CHECK_EQ(partitions(&t, 1), 2);
    CHECK_OK(sim_host_save_alone(t.nodes[1], &err));
    t.nodes[0]->dirty = t.cluster->dirty = false;
    if (!three_reopen(&t))
        return;
    CHECK_OK(cluster_refresh(t.cluster, &err));
    CHECK(owns(&t, "A", "A1"));
    CHECK_EQ(partitions(&t, 0), 2);
    CHECK_EQ(partitions(&t, 1), 1);
    /* Written on both, and the cluster does not know. */
    CHECK_OK(
        hv_transplant(t.nodes[0], t.nodes[1], hv_text(three_vm(&t, "A3"), "Name"), &err));
    CHECK_OK(sim_host_save_alone(t.nodes[0], &err));
    t.cluster->dirty = false;
    if (!three_reopen(&t))
        return;
    CHECK_OK(cluster_refresh(t.cluster, &err));
    CHECK(owns(&t, "B", "A3"));
}
