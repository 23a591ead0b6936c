/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs between off, running and saved. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "test-hv-fixture.h"
#include "test.h"
#include "text.h"

TEST(vm_goes_through_starting_to_running_and_back)
{
    FIXTURE;
    struct sim_object *o = vm(f, "off");

    CHECK_EQ(request_state(f, "off", 2), 4096);
    CHECK_EQ(hv_state(o), HV_STARTING);
    CHECK_EQ(hv_number(o, "RequestedState"), 2);
    CHECK_EQ(request_state(f, "off", 2), HV_INVALID_STATE);
    CHECK_EQ(job_error(f), 0);
    CHECK_EQ(hv_state(o), HV_RUNNING);
    CHECK_EQ(hv_number(o, "RequestedState"), 5);
    CHECK(hv_number(o, "ProcessID") != 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK_EQ(hv_state(o), HV_OFF);
    CHECK(cim_get(sim_object_instance(o), "ProcessID") == NULL);
}

TEST(asking_for_the_state_the_vm_has_is_an_invalid_state)
{
    FIXTURE;

    CHECK_EQ(request_state(f, "on", 2), HV_INVALID_STATE);
    CHECK_EQ(request_state(f, "off", 3), HV_INVALID_STATE);
    CHECK_EQ(request_state(f, "off", 4242), FAULT);
}

static long shut_down(struct fixture *f, const char *name, bool force)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(HV_NS, "__PARAMETERS");
    struct sim_object *o = hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                                           hv_text(vm(f, name), "Name"));
    struct err err = ERR_INIT;

    CHECK(o != NULL);
    CHECK_OK(cim_set_bool(in, "Force", force, &err) &&
             cim_set_text(in, "Reason", "test", &err));
    return o ? call(f, o, "InitiateShutdown", in, NULL) : FAULT;
}

TEST(graceful_shutdown_has_no_job_and_takes_its_time)
{
    FIXTURE;

    CHECK_EQ(shut_down(f, "on", false), 0);
    CHECK_EQ(hv_state(vm(f, "on")), HV_SHUTTING_DOWN);
    CHECK_EQ(shut_down(f, "on", false), 32782);
    pass_time(f, 2000);
    CHECK_EQ(hv_state(vm(f, "on")), HV_OFF);
}

TEST(locked_guest_shuts_down_only_by_force)
{
    FIXTURE;

    CHECK_EQ(shut_down(f, "locked", false), 32781);
    CHECK_EQ(hv_state(vm(f, "locked")), HV_RUNNING);
    CHECK_EQ(shut_down(f, "locked", true), 0);
}

TEST(disks_are_in_use_unless_the_vm_is_off)
{
    FIXTURE;

    CHECK(sim_vm_uses_disk(&f->host, "c:\\vms\\ON.vhdx"));
    CHECK(!sim_vm_uses_disk(&f->host, "C:\\VMs\\off.vhdx"));
    CHECK_EQ(request_state(f, "off", 2), 4096);
    CHECK(sim_vm_uses_disk(&f->host, "C:\\VMs\\off.vhdx"));
    CHECK_EQ(job_error(f), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK(!sim_vm_uses_disk(&f->host, "C:\\VMs\\off.vhdx"));
}

TEST(killed_simulator_leaves_no_job_and_no_vm_between_states)
{
    FIXTURE;
    struct err err = ERR_INIT;
    char *json;

    CHECK_EQ(request_state(f, "off", 2), 4096);
    json = sim_store_save(f->host.store, &err);
    CHECK_OK(json != NULL);
    sim_jobs_close(&f->host);
    sim_store_free(f->host.store);
    f->host.store = sim_store_new();
    CHECK_OK(sim_store_load(f->host.store, json, &err) &&
             sim_jobs_after_load(&f->host, &err) && hv_after_load(&f->host, &err));
    CHECK_EQ(count_of(f, "Msvm_ConcreteJob"), 0);
    CHECK_EQ(hv_state(vm(f, "off")), HV_OFF);
    CHECK_EQ(hv_state(vm(f, "on")), HV_RUNNING);
    free(json);
}
