/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one plan leaves is what the next one is made for. */

#include "project.h"

#include "failover.h"
#include "test.h"
#include "vm-steps.h"

static struct hv_role role = { .vm_id = (char *)"id-1",
                               .resource = (char *)"Virtual Machine one",
                               .offline_action = { true, OFFLINE_FORCE } };
static struct hv_cluster cluster = { .roles = &role, .role_count = 1 };
static struct hv_vm vm = { .id = (char *)"id-1", .name = (char *)"one" };
static struct hv_host host = { .cluster = &cluster, .vms = &vm, .vm_count = 1 };

TEST(a_role_that_gets_its_former_offline_action_back_needs_the_other_one_again)
{
    struct err err = ERR_INIT;
    CLEANUP(plan_cleanup) struct plan *gives_up = plan_new("h", "give up", &err);
    CLEANUP(plan_cleanup) struct plan *takes = plan_new("h", "take", &err);

    CHECK_OK(gives_up && takes);
    CHECK_OK(add_force_shutdown(takes, &vm, &role, &err));
    CHECK_EQ(takes->step_count, 0);
    CHECK_OK(add_offline_action(gives_up, &vm, &role, json_string("save"), &err));
    CHECK_OK(project_plan(&host, gives_up, &err));
    CHECK(role.offline_action.known);
    CHECK_STR_EQ(offline_action_name(role.offline_action.value), "save");
    CHECK_OK(add_force_shutdown(takes, &vm, &role, &err));
    CHECK_EQ(takes->step_count, 1);
    CHECK_OK(project_plan(&host, takes, &err));
    CHECK_EQ(role.offline_action.value, OFFLINE_FORCE);
}
