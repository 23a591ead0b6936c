/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Hyper-V host and its VMs look like before anybody touched them. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "test-hv-fixture.h"
#include "test.h"
#include "text.h"

TEST(host_row_is_told_from_vms_by_its_name_and_its_missing_install_date)
{
    FIXTURE;
    struct sim_object *host = vm(f, "TEST");

    CHECK_STR_EQ(hv_text(host, "Name"), "TEST");
    CHECK(cim_get(sim_object_instance(host), "InstallDate") == NULL);
    CHECK_EQ(hv_number(host, "RequestedState"), 12);
    CHECK(text_is_guid(hv_text(vm(f, "off"), "Name")));
    CHECK_EQ(hv_number(vm(f, "off"), "RequestedState"), 5);
    CHECK(hv_settings_of(&f->host, "TEST") == NULL);
}

TEST(gpu_partition_templates_are_always_listed)
{
    FIXTURE;
    struct sim_object *o = NULL;
    size_t count = 0;

    while ((o = sim_store_next(f->host.store, o, HV_NS, "Msvm_GpuPartitionSettingData"))) {
        CHECK(text_istarts(hv_text(o, "InstanceID"),
                           "Microsoft:Definition\\0DCC3FD1-21BD-423E-AB0B-A3A7451CE985\\"));
        CHECK(cim_get(sim_object_instance(o), "MinPartitionVRAM") == NULL);
        count++;
    }
    CHECK_EQ(count, 4);
}

TEST(processor_pool_is_not_among_the_resource_pools)
{
    FIXTURE;
    struct sim_object *o = NULL;

    while ((o = sim_store_next(f->host.store, o, HV_NS, "Msvm_ResourcePool")))
        CHECK(hv_number(o, "ResourceType") != 3);
    CHECK_EQ(count_of(f, "Msvm_ProcessorPool"), 1);
}

TEST(paravirtual_gpu_shows_placeholders_and_a_real_one_its_totals)
{
    FIXTURE;
    struct sim_object *pv =
        sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    struct sim_object *p =
        sim_store_next(f->host.store, pv, HV_NS, "Msvm_PartitionableGpu");

    CHECK(text_iends(hv_text(pv, "Name"), "\\GPUPARAV"));
    CHECK_EQ(hv_number(pv, "TotalVRAM"), 1000000000);
    CHECK(hv_number(pv, "TotalEncode") == UINT64_MAX);
    CHECK(text_iends(hv_text(p, "Name"), "dc845897dd59}"));
    CHECK(hv_number(p, "TotalVRAM") == UINT64_C(16) << 30);
    CHECK(hv_number(p, "OptimalPartitionVRAM") == UINT64_C(4) << 30);
    CHECK(sim_store_next(f->host.store, p, HV_NS, "Msvm_PartitionableGpu") == NULL);
}

TEST(integration_devices_exist_only_while_running_and_their_settings_always)
{
    FIXTURE;

    CHECK(hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                          hv_text(vm(f, "on"), "Name")));
    CHECK(!hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                           hv_text(vm(f, "off"), "Name")));
    CHECK(!hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                           hv_text(vm(f, "mute"), "Name")));
    CHECK(hv_next_resource(&f->host, NULL, "Msvm_ShutdownComponentSettingData",
                           hv_text(vm(f, "off"), "Name")));
    CHECK_EQ(outcome(f, request_state(f, "on", 3)), 0);
    CHECK(!hv_find_by_text(&f->host, "Msvm_ShutdownComponent", "SystemName",
                           hv_text(vm(f, "on"), "Name")));
}

TEST(guest_service_interface_is_off_by_default)
{
    FIXTURE;

    CHECK_EQ(hv_number(hv_next_resource(&f->host, NULL,
                                        "Msvm_GuestServiceInterfaceComponentSettingData",
                                        hv_text(vm(f, "off"), "Name")),
                       "EnabledState"),
             3);
}

TEST(kvp_items_are_cim_xml_instances)
{
    FIXTURE;
    struct sim_object *kvp = hv_find_by_text(&f->host, "Msvm_KvpExchangeComponent",
                                             "SystemName", hv_text(vm(f, "on"), "Name"));
    struct err err = ERR_INIT;
    bool found = false;

    CHECK(kvp != NULL);
    for (size_t i = 0;
         kvp && i < cim_get_count(sim_object_instance(kvp), "GuestIntrinsicExchangeItems");
         i++) {
        const char *text =
            cim_get_text_at(sim_object_instance(kvp), "GuestIntrinsicExchangeItems", i);
        CLEANUP(cim_instance_cleanup)
        struct cim_instance *item = cim_xml_read(text, strlen(text), &err);

        CHECK_OK(item != NULL);
        if (item && text_ieq(cim_get_text(item, "Name"), "OSBuildNumber")) {
            CHECK_STR_EQ(cim_get_text(item, "Data"), "22631");
            found = true;
        }
    }
    CHECK(found);
}

TEST(checkpoint_settings_have_their_own_guid_and_name_the_vm)
{
    FIXTURE;
    struct sim_object *o =
        hv_find_by_text(&f->host, "Msvm_VirtualSystemSettingData", "ElementName", "two");

    CHECK_STR_EQ(hv_text(o, "VirtualSystemIdentifier"), hv_text(vm(f, "snapped"), "Name"));
    CHECK_STR_EQ(hv_text(o, "VirtualSystemType"), "Microsoft:Hyper-V:Snapshot:Realized");
    CHECK(text_istr(hv_text(o, "InstanceID"), hv_text(vm(f, "snapped"), "Name")) == NULL);
    CHECK_EQ(count_of(f, "Msvm_SnapshotOfVirtualSystem"), 2);
}

TEST(same_lab_gives_the_same_objects_each_time)
{
    struct err err = ERR_INIT;
    char *first, *second;
    struct fixture a, b;

    if (!fixture_init(&a, HV_TEST_LAB) || !fixture_init(&b, HV_TEST_LAB))
        return;
    /* It says when the host was started. */
    sim_store_remove(a.host.store, sim_store_next(a.host.store, NULL, "root/cimv2",
                                                  "Win32_OperatingSystem"));
    sim_store_remove(b.host.store, sim_store_next(b.host.store, NULL, "root/cimv2",
                                                  "Win32_OperatingSystem"));
    first = sim_store_save(a.host.store, &err);
    second = sim_store_save(b.host.store, &err);
    CHECK_STR_EQ(first, second);
    free(first);
    free(second);
    fixture_clear(&a);
    fixture_clear(&b);
}
