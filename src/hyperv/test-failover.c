/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of reading a failover cluster, and of changing a role's offline action. */

#include "failover.h"

#include <string.h>

#include "test-fake-host.h"
#include "test.h"
#include "text.h"

#define VM1 "11111111-1111-1111-1111-111111111111"
#define VM2 "22222222-2222-2222-2222-222222222222"
#define VM3 "33333333-3333-3333-3333-333333333333"

static void add_private(struct cim_instance *row, const char *vm_id, const char *action)
{
    struct cim_value value = { .type = CIM_OBJECT };
    struct cim_instance *properties = cim_instance_new(NULL, "MSCluster_Property");
    uint64_t number;
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_text(properties, "VmID", vm_id, &err));
    /* As COM tells it, and as the text that WS-Management makes of it. */
    if (action && *action == 'u' && text_to_u64(action + 1, 10, &number))
        CHECK_OK(cim_set_uint(properties, "OfflineAction", CIM_UINT32, number, &err));
    else if (action)
        CHECK_OK(cim_set_text(properties, "OfflineAction", action, &err));
    CHECK_OK(cim_value_take(&value, (union cim_datum){ .object = properties }, &err));
    CHECK_OK(cim_set(row, "PrivateProperties", &value, &err));
}

static void add_role(struct fake_host *fake, const char *vm, const char *vm_id,
                     const char *owner, const char *action)
{
    CLEANUP(free_cleanup) char *name = text_printf("Virtual Machine %s", vm);
    CLEANUP(free_cleanup)
    char *configuration = text_printf("Virtual Machine Configuration %s", vm);

    add_private(fake_row(fake, CLUSTER_NS, "MSCluster_Resource", "Name", name, "Type",
                         "Virtual Machine", "OwnerGroup", vm, "OwnerNode", owner, "State",
                         "2", NULL),
                vm_id, action);
    add_private(fake_row(fake, CLUSTER_NS, "MSCluster_Resource", "Name", configuration,
                         "Type", "Virtual Machine Configuration", "OwnerGroup", vm,
                         "OwnerNode", owner, NULL),
                vm_id, NULL);
}

static struct fake_host *three_nodes(void)
{
    struct fake_host *fake = fake_host_new();

    fake_row(fake, CLUSTER_NS, "MSCluster_Cluster", "Name", "GPUCLUSTER", "Fqdn",
             "GPUCLUSTER.lab.example", NULL);
    fake_row(fake, CLUSTER_NS, "MSCluster_Node", "Name", "NODE3", "State", "1", NULL);
    fake_row(fake, CLUSTER_NS, "MSCluster_Node", "Name", "NODE1", "State", "0",
             "BuildNumber", "26100", NULL);
    fake_row(fake, CLUSTER_NS, "MSCluster_Node", "Name", "NODE2", "State", "4294967295",
             NULL);
    fake_class(fake, CLUSTER_NS, "MSCluster_Resource");
    return fake;
}

TEST(a_cluster_has_its_nodes_by_name_and_its_vms_with_owner_group_and_resource)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = three_nodes();
    CLEANUP(hv_cluster_cleanup) struct hv_cluster *cluster = NULL;
    const struct hv_role *role;
    struct err err = ERR_INIT;

    add_role(fake, "vdi-02", "{" VM2 "}", "NODE2", "3");
    add_role(fake, "vdi-01", VM1, "NODE1", "u1");
    CHECK_OK(hv_cluster_read(&fake->base, true, &cluster, &err));
    CHECK_STR_EQ(cluster->name, "GPUCLUSTER");
    CHECK_STR_EQ(cluster->domain, "lab.example");
    CHECK_EQ(cluster->node_count, 3);
    CHECK_STR_EQ(cluster->nodes[0].name, "NODE1");
    CHECK_EQ(cluster->nodes[0].build.value, 26100);
    CHECK_STR_EQ(node_state_name(cluster->nodes[0].state.value), "up");
    CHECK(!node_state_name(cluster->nodes[1].state.value));
    CHECK_STR_EQ(node_state_name(cluster->nodes[2].state.value), "down");

    CHECK_EQ(cluster->role_count, 2);
    role = hv_find_role(cluster, VM2);
    CHECK(role);
    CHECK_STR_EQ(role->resource, "Virtual Machine vdi-02");
    CHECK_STR_EQ(role->group, "vdi-02");
    CHECK_STR_EQ(role->owner_node, "NODE2");
    CHECK_STR_EQ(role_state_name(role->state.value), "online");
    CHECK(role->offline_action.known && role->offline_action.value == OFFLINE_FORCE);
    role = hv_find_role(cluster, VM1);
    CHECK(role && role->offline_action.known && role->offline_action.value == OFFLINE_SAVE);
    CHECK(!hv_find_role(cluster, VM3));
    CHECK(!hv_find_role(NULL, VM1));
    CHECK_EQ(fake->queries, 3);
}

TEST(only_the_nodes_are_read_where_the_vms_are_not_wanted)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = three_nodes();
    CLEANUP(hv_cluster_cleanup) struct hv_cluster *cluster = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(hv_cluster_read(&fake->base, false, &cluster, &err));
    CHECK(cluster && cluster->node_count == 3 && cluster->role_count == 0);
    CHECK_EQ(fake->queries, 2);
}

TEST(a_host_of_no_cluster_costs_one_query)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(hv_cluster_cleanup) struct hv_cluster *cluster = NULL;
    struct fake_rows *rows = fake_class(fake, CLUSTER_NS, "MSCluster_Cluster");
    struct err err = ERR_INIT;

    CHECK_OK(hv_cluster_read(&fake->base, true, &cluster, &err)); /* no cluster made */
    CHECK(!cluster);
    err_fail(&rows->error, ERR_NOT_FOUND, 0x8004100E, "no such namespace");
    CHECK_OK(hv_cluster_read(&fake->base, true, &cluster, &err)); /* no such feature */
    CHECK(!cluster);
    CHECK_EQ(fake->queries, 2);
}

TEST(a_cluster_that_must_not_be_looked_at_is_an_error_and_not_no_cluster)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    CLEANUP(hv_cluster_cleanup) struct hv_cluster *cluster = NULL;
    struct fake_rows *rows = fake_class(fake, CLUSTER_NS, "MSCluster_Cluster");
    struct err err = ERR_INIT;

    err_fail(&rows->error, ERR_DENIED, 5, "access denied");
    CHECK(!hv_cluster_read(&fake->base, true, &cluster, &err));
    CHECK_EQ(err.kind, ERR_DENIED);
    CHECK(!cluster);
}

TEST(resources_without_a_vm_and_hostile_numbers_are_passed_over)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = three_nodes();
    CLEANUP(hv_cluster_cleanup) struct hv_cluster *cluster = NULL;
    struct err err = ERR_INIT;

    add_role(fake, "broken", "not a guid at all", "NODE1", "3");
    add_role(fake, "short", "{1111", "NODE1", "3");
    add_role(fake, "odd", VM1, "NODE1", "-1");
    fake_row(fake, CLUSTER_NS, "MSCluster_Resource", "Name", "bare", "Type",
             "Virtual Machine", NULL);
    fake_row(fake, CLUSTER_NS, "MSCluster_Resource", "Name", "Disk", "Type",
             "Physical Disk", NULL);
    CHECK_OK(hv_cluster_read(&fake->base, true, &cluster, &err));
    CHECK_EQ(cluster->role_count, 1);
    CHECK(!cluster->roles[0].offline_action.known);
}

TEST(a_node_is_found_with_and_without_its_domain)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = three_nodes();
    CLEANUP(hv_cluster_cleanup) struct hv_cluster *cluster = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(hv_cluster_read(&fake->base, false, &cluster, &err));
    CHECK(hv_find_node(cluster, "node1.lab.example") == &cluster->nodes[0]);
    CHECK(hv_find_node(cluster, "NODE2") == &cluster->nodes[1]);
    CHECK(!hv_find_node(cluster, "NODE"));
    CHECK(!hv_find_node(cluster, "NODE11"));
    CHECK(!hv_find_node(cluster, ".lab.example"));
}

TEST(the_offline_action_is_read_from_the_resource_itself)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    struct known_u64 action;
    struct err err = ERR_INIT;

    add_private(fake_answer(fake, "MSCluster_Resource", NULL), VM1, "2");
    CHECK_OK(hv_read_offline_action(&fake->base, "Virtual Machine a", &action, &err));
    CHECK(action.known && action.value == OFFLINE_SHUT_DOWN);
    CHECK_STR_EQ(offline_action_name(action.value), "shut-down");
    CHECK(!offline_action_name(4));
}

/* The list, byte by byte: MicrosoftDocs/win32 MsCS property-lists. */
TEST(the_offline_action_is_set_with_a_property_list_of_one_number)
{
    static const unsigned char wanted[] = {
        1, 0,   0, 0,   3, 0,   4, 0,   28, 0,   0, 0,   'O', 0,   'f', 0,   'f', 0,   'l',
        0, 'i', 0, 'n', 0, 'e', 0, 'A', 0,  'c', 0, 't', 0,   'i', 0,   'o', 0,   'n', 0,
        0, 0,   2, 0,   1, 0,   4, 0,   0,  0,   3, 0,   0,   0,   0,   0,   0,   0,
    };
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    const struct cim_value *sent;
    int64_t code = 0;
    struct err err = ERR_INIT;

    fake_answer(fake, "ExecuteResourceControl", NULL);
    CHECK_OK(hv_set_offline_action(&fake->base, "Virtual Machine a", OFFLINE_FORCE, &err));
    CHECK(cim_get_i64(fake->last_in, "ControlCode", &code) && code == 0x01400086);
    sent = cim_get(fake->last_in, "InputBuffer");
    CHECK(sent && sent->type == CIM_UINT8 && sent->count == sizeof(wanted));
    for (size_t i = 0; sent && i < sent->count; i++)
        CHECK_EQ(sent->data[i].u, wanted[i]);
}

TEST(properties_that_are_stored_for_the_next_time_online_are_set)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    struct err err = ERR_INIT;

    fake_error(fake, "ExecuteResourceControl", ERR_REFUSED, 0x800713A0);
    CHECK_OK(hv_set_offline_action(&fake->base, "Virtual Machine a", OFFLINE_FORCE, &err));
}

TEST(what_the_cluster_refuses_is_an_error_that_names_the_resource)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    char text[400];
    struct err err = ERR_INIT;

    fake_error(fake, "ExecuteResourceControl", ERR_INVALID, 0x8007000D);
    CHECK(!hv_set_offline_action(&fake->base, "Virtual Machine a", 9, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    err_format(&err, text, sizeof(text));
    CHECK(strstr(text, "Virtual Machine a"));
}

TEST(a_win32_error_as_return_value_is_an_error)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = fake_host_new();
    struct err err = ERR_INIT;

    fake_answer(fake, "ExecuteResourceControl", "u:ReturnValue", "5", NULL);
    CHECK(!hv_set_offline_action(&fake->base, "Virtual Machine a", OFFLINE_FORCE, &err));
    CHECK_EQ(err.kind, ERR_REFUSED);
}
