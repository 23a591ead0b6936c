/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What root\MSCluster shows. */
#include "test-cluster-fixture.h"

#include <stdlib.h>

#include "lab.h"
#include "os.h"
#include "sim-dump.h"
#include "text.h"
#include "world.h"

#define VM_A1 "Virtual Machine A1"

TEST(every_node_shows_the_same_nodes_groups_and_resources)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, ""))
        return;
    for (unsigned n = 0; n < 3; n++) {
        CLEANUP(free_cleanup) char *owner = NULL;

        CHECK_EQ(three_ask(&t, n, "SELECT * FROM MSCluster_Cluster WHERE Name='THREE'",
                           NULL, NULL),
                 1);
        CHECK_EQ(three_ask(&t, n, "SELECT * FROM MSCluster_Node WHERE State=0", NULL, NULL),
                 3);
        CHECK_EQ(three_ask(&t, n,
                           "SELECT * FROM MSCluster_ResourceGroup WHERE GroupType=111",
                           NULL, NULL),
                 4);
        CHECK_EQ(three_ask(&t, n, "SELECT * FROM MSCluster_ResourceGroup", NULL, NULL), 6);
        CHECK_EQ(three_ask(&t, n,
                           "SELECT * FROM MSCluster_Resource WHERE Type='Virtual Machine'",
                           NULL, NULL),
                 4);
        CHECK_EQ(three_ask(&t, n,
                           "SELECT * FROM MSCluster_Resource WHERE OwnerGroup='B1' AND "
                           "Type='Virtual Machine Configuration'",
                           "OwnerNode", &owner),
                 1);
        CHECK_STR_EQ(owner, "B");
    }
}

TEST(associations_lead_from_node_to_group_to_resource_to_possible_owners)
{
    CLEANUP(three_close) struct three t;
    CLEANUP(free_cleanup) char *name = NULL;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(three_ask(&t, 2,
                       "ASSOCIATORS OF {MSCluster_Node.Name='A'} WHERE "
                       "AssocClass=MSCluster_NodeToActiveGroup",
                       NULL, NULL),
             5); /* three VMs and the cluster's own two */
    CHECK_EQ(three_ask(&t, 2,
                       "ASSOCIATORS OF {MSCluster_ResourceGroup.Name='B1'} WHERE "
                       "AssocClass=MSCluster_ResourceGroupToResource",
                       NULL, NULL),
             2);
    CHECK_EQ(three_ask(&t, 2,
                       "ASSOCIATORS OF {MSCluster_Resource.Name='" VM_A1 "'} WHERE "
                       "AssocClass=MSCluster_ResourceToPossibleOwner",
                       NULL, NULL),
             3);
    CHECK_EQ(three_ask(&t, 0,
                       "ASSOCIATORS OF {MSCluster_Resource.Name='" VM_A1 "'} WHERE "
                       "AssocClass=MSCluster_ResourceToDependentResource",
                       "Name", &name),
             1);
    CHECK_STR_EQ(name, "Virtual Machine Configuration A1");
    CHECK_EQ(three_ask(&t, 1,
                       "ASSOCIATORS OF {MSCluster_Cluster.Name='THREE'} WHERE "
                       "ResultClass=MSCluster_Node",
                       NULL, NULL),
             3);
}

TEST(private_properties_name_the_vm_and_its_offline_action)
{
    CLEANUP(three_close) struct three t;
    struct sim_object *resource;

    if (!three_open(&t, ""))
        return;
    resource = cluster_object(t.cluster, "MSCluster_Resource", VM_A1);
    CHECK(resource != NULL);
    if (!resource)
        return;
    CHECK(text_ieq(cluster_private_text(resource, "VmID"),
                   hv_text(three_vm(&t, "A1"), "Name")));
    CHECK_EQ(cluster_private_number(resource, "OfflineAction"), OFFLINE_FORCE_SHUT_DOWN);
    CHECK_EQ(cluster_private_number(resource, "VmState"), HV_RUNNING);
    CHECK_EQ(cluster_private_number(resource, "NoSuchThing"), -1);
    resource = cluster_object(t.cluster, "MSCluster_Resource", "Virtual Machine A2");
    CHECK_EQ(cluster_private_number(resource, "OfflineAction"), OFFLINE_SAVE);
}

TEST(a_resource_follows_the_state_of_its_vm)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(three_number(&t, "MSCluster_Resource", VM_A1, "State"), RESOURCE_ONLINE);
    CHECK_EQ(three_number(&t, "MSCluster_ResourceGroup", "A1", "State"), GROUP_ONLINE);
    static const struct {
        unsigned vm, resource, group;
    } cases[] = {
        { HV_STARTING, RESOURCE_ONLINE_PENDING, GROUP_PENDING },
        { HV_STOPPING, RESOURCE_OFFLINE_PENDING, GROUP_PENDING },
        { HV_PAUSED, RESOURCE_ONLINE, GROUP_ONLINE },
        { HV_SAVED, RESOURCE_OFFLINE, GROUP_PARTIAL },
        { HV_OFF, RESOURCE_OFFLINE, GROUP_PARTIAL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;

        CHECK_OK(object_set_number(t.nodes[0], three_vm(&t, "A1"), "EnabledState",
                                   cases[i].vm, &err));
        CHECK_EQ(three_number(&t, "MSCluster_Resource", VM_A1, "State"), cases[i].resource);
        CHECK_EQ(three_number(&t, "MSCluster_ResourceGroup", "A1", "State"),
                 cases[i].group);
        CHECK_EQ(cluster_private_number(
                     cluster_object(t.cluster, "MSCluster_Resource", VM_A1), "VmState"),
                 cases[i].vm);
    }
}

TEST(what_changed_of_a_cluster_is_there_again_after_closing)
{
    CLEANUP(three_close) struct three t;
    struct sim_object *resource;
    struct err err = ERR_INIT;

    if (!three_open(&t, ""))
        return;
    resource = cluster_object(t.cluster, "MSCluster_Resource", "Virtual Machine A2");
    CHECK_OK(cluster_set_private_number(t.cluster, resource, "OfflineAction", 2, &err));
    CHECK(sim_host_is_dirty(t.nodes[2]));
    CHECK_OK(sim_host_save(t.nodes[2], &err));
    CHECK(!sim_host_is_dirty(t.nodes[0]));
    if (!three_reopen(&t))
        return;
    resource = cluster_object(t.cluster, "MSCluster_Resource", "Virtual Machine A2");
    CHECK_EQ(cluster_private_number(resource, "OfflineAction"), OFFLINE_SHUT_DOWN);
    CHECK(text_is_guid(cluster_private_text(resource, "VmID")));
}

TEST(nodes_share_what_lies_below_cluster_storage_and_nothing_else)
{
    static const char shared[] = "C:\\ClusterStorage\\Volume1\\x.txt";
    static const char own[] = "C:\\Users\\Public\\x.txt";
    CLEANUP(three_close) struct three t;
    struct file_info info = { 0 };
    struct err err = ERR_INIT;
    struct sim_world *a, *c;

    if (!three_open(&t, ""))
        return;
    a = sim_host_world(t.nodes[0], &err);
    c = sim_host_world(t.nodes[2], &err);
    CHECK_OK(a && c);
    if (!a || !c)
        return;
    CHECK_OK(world_write_all(a, shared, "x", 1, 0, 0, &err));
    CHECK_OK(world_write_all(a, own, "x", 1, 0, 0, &err));
    CHECK_OK(world_stat(c, "c:\\clusterstorage\\VOLUME1\\X.TXT", &info, &err));
    free(info.name);
    CHECK(!world_stat(c, own, &info, &err));
    CHECK_EQ(world_code(&err), WIN_FILE_NOT_FOUND);
    CHECK(!world_remove(c, "C:\\ClusterStorage", true, true, &err));
    CHECK_OK(world_remove(c, shared, false, false, &err));
    CHECK(!world_stat(a, shared, &info, &err));
}

TEST(a_disk_on_shared_storage_is_in_use_for_every_node)
{
    static const char running[] = "C:\\ClusterStorage\\Volume1\\A1.vhdx";
    static const char off[] = "C:\\ClusterStorage\\Volume1\\A3.vhdx";
    CLEANUP(three_close) struct three t;
    struct err err = ERR_INIT;
    struct sim_world *a, *c;

    if (!three_open(&t, ""))
        return;
    a = sim_host_world(t.nodes[0], &err);
    c = sim_host_world(t.nodes[2], &err);
    CHECK_OK(a && c);
    if (!a || !c)
        return;
    CHECK(!world_attach(c, running, true, false, &err));
    CHECK_EQ(world_code(&err), WIN_SHARING_VIOLATION);
    CHECK_OK(world_attach(c, off, false, false, &err));
    CHECK(!world_attach(a, off, true, false, &err));
    CHECK_EQ(world_code(&err), WIN_SHARING_VIOLATION);
    CHECK(!world_remove(a, off, false, true, &err));
    CHECK_EQ(world_code(&err), WIN_SHARING_VIOLATION);
    /* A dump shows what is on it, whoever has it. */
    CLEANUP(free_cleanup) char *dump = sim_dump_lab(t.lab, &err);

    CHECK_OK(dump != NULL);
    CHECK(dump && strstr(dump, "cluster THREE") && strstr(dump, "disk C:"));
    CHECK_OK(world_detach(c, off, &err));
    CHECK_OK(world_attach(a, off, true, false, &err));
}

TEST(nodes_of_a_cluster_that_nobody_asks_leave_memory)
{
    static const char text[] =
        "hosts:\n"
        "  - { name: 'A{host}', count: 30, product: W, edition: E, build: 26100, cluster: A }\n"
        "  - { name: 'B{host}', count: 30, product: W, edition: E, build: 26100, cluster: B }\n";
    char dir[TEST_FOLDER];
    CLEANUP(free_cleanup) char *file = NULL;
    struct sim_lab *lab;
    struct err err = ERR_INIT;

    test_make_folder("two", dir);
    file = text_printf("%s/two.yaml", dir);
    CHECK_OK(os_write_file(file, text, strlen(text), &err));
    lab = sim_lab_open(file, dir, false, &err);
    CHECK_OK(lab != NULL);
    for (int i = 0; lab && i < 2; i++) { /* each the way a request does it */
        struct sim_host *first = lab->clusters[i]->nodes[0];
        size_t open_count = 0;

        pthread_mutex_lock(first->lock);
        CHECK_OK(sim_host_open(lab, first, &err));
        for (size_t h = 0; h < lab->host_count; h++)
            open_count += lab->hosts[h]->store != NULL;
        CHECK(open_count <= 17);
        CHECK_OK(cluster_refresh(lab->clusters[i], &err));
        pthread_mutex_unlock(first->lock);
    }
    sim_lab_close(lab);
    CHECK_OK(os_remove_tree(dir, &err));
}

TEST(labs_with_an_impossible_cluster_are_refused)
{
#define HEAD "hosts:\n  - { product: W, edition: E, build: 26100, "
    static const struct {
        const char *text, *error;
    } cases[] = {
        { HEAD "name: A, cluster: '../x' }\n", "is no cluster name" },
        { HEAD "name: A, vms: [ { name: v, clustered: true } ] }\n",
          "its host 'A' is not" },
        { HEAD "name: A, cluster: X, vms: [ { name: v, clustered: true, disks: [ { path: "
               "'C:\\VMs\\v.vhdx' } ] } ] }\n",
          "is not below C:\\ClusterStorage" },
        { HEAD "name: 'A{host}', count: 2, cluster: X, vms: [ { name: v, clustered: true } "
               "] }\n",
          "two clustered VMs are named 'v'" },
        { HEAD "name: 'A{host}', count: 2, cluster: X, vms: [ { name: v, disks: [ { path: "
               "'C:\\ClusterStorage\\v.vhdx' } ] } ] }\n",
          "two disks of cluster 'X' have the path" },
        { HEAD "name: 'A{host}', count: 2, cluster: X, vms: [ { name: v, id: "
               "11111111-0000-4000-8000-000000000001 } ] }\n",
          "two VMs of cluster 'X' have the id" },
        { HEAD "name: 'A{host}', count: 65, cluster: X }\n", "more than 64 nodes" },
        { HEAD "name: A, cluster: X, vms: [ { name: v, clustered: true, possible_owners: "
               "[A, B] } ] }\n",
          "'B', an owner of VM 'v', is no node of 'X'" },
        { HEAD "name: A, cluster: X, vms: [ { name: v, preferred_owners: [A] } ] }\n",
          "is not clustered" },
        { HEAD "name: A, cluster: X, vms: [ { name: v, offline_action: hibernate } ] }\n",
          "'hibernate' is none of: turn-off, save, shut-down, force-shut-down" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        CLEANUP(lab_description_cleanup)
        struct lab_description *lab =
            lab_parse(cases[i].text, strlen(cases[i].text), "t.yaml", 0, &err);

        test_case(cases[i].error);
        CHECK(!lab);
        CHECK(strstr(err.text[0], cases[i].error) != NULL);
    }
}
