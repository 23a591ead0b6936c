/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GPU partitions: adding, removing, quotas, and what forbids the start. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "test-hv-fixture.h"
#include "test.h"
#include "text.h"
#include "world.h"

TEST(pin_needs_an_object_path_with_doubled_backslashes)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(GPU_NAME), NULL)),
             HV_INVALID_PARAMETER);
    CHECK_EQ(
        outcome(f, add(f, "off",
                       GPU_TYPES PIN("root\\virtualization\\v2:Msvm_PartitionableGpu."
                                     "CreationClassName=&#34;Msvm_PartitionableGpu&#34;,"
                                     "Name=&#34;\\\\?\\PCI#VEN_10DE&#38;DEV_2860&#34;"),
                       NULL)),
        HV_INVALID_PARAMETER);
    CHECK(adapter(f, "off") == NULL);
    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK(adapter(f, "off") != NULL);
    if (adapter(f, "off"))
        CHECK(
            hv_gpu_by_path(&f->host, cim_get_text_at(sim_object_instance(adapter(f, "off")),
                                                     "HostResource", 0)) != NULL);
}

TEST(setting_data_without_type_and_subtype_is_refused)
{
    FIXTURE;

    CHECK_EQ(add(f, "off", "", NULL), 4096);
    CHECK_EQ(job_error(f), HV_INVALID_PARAMETER);
}

TEST(quotas_are_refused_at_add_and_taken_by_modify)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PROPERTY("MinPartitionVRAM", "uint64", "1"),
                            NULL)),
             HV_INVALID_PARAMETER);
    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK(cim_get(sim_object_instance(adapter(f, "off")), "MinPartitionVRAM") == NULL);
    CHECK_EQ(
        outcome(f, modify_resource(f, adapter(f, "off"),
                                   PROPERTY("MinPartitionVRAM", "uint64", "80000000"))),
        0);
    CHECK_EQ(hv_number(adapter(f, "off"), "MinPartitionVRAM"), 80000000);
}

TEST(quota_of_all_ones_is_refused_for_vram_only)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, modify_resource(f, adapter(f, "off"),
                                        PROPERTY("MaxPartitionVRAM", "uint64",
                                                 "18446744073709551615"))),
             HV_INVALID_PARAMETER);
    CHECK_EQ(outcome(f, modify_resource(f, adapter(f, "off"),
                                        PROPERTY("MaxPartitionEncode", "uint64",
                                                 "18446744073709551615"))),
             0);
}

TEST(removed_adapter_takes_its_associations_with_it)
{
    FIXTURE;
    size_t before = count_of(f, "Msvm_VirtualSystemSettingDataComponent");

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK_EQ(count_of(f, "Msvm_VirtualSystemSettingDataComponent"), before + 1);
    CHECK_EQ(outcome(f, remove_resource(f, adapter(f, "off"))), 0);
    CHECK(adapter(f, "off") == NULL);
    CHECK_EQ(count_of(f, "Msvm_VirtualSystemSettingDataComponent"), before);
}

TEST(partitions_run_out_and_come_back)
{
    FIXTURE;
    struct sim_object *gpu =
        sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    static const char *const names[] = { "off", "dynamic", "snapped" };

    gpu = sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    CHECK_EQ(
        outcome(f, modify_resource(f, memory(f, "dynamic"),
                                   PROPERTY("DynamicMemoryEnabled", "boolean", "false"))),
        0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(outcome(f, add(f, names[i], GPU_TYPES PIN(GPU_PATH), NULL)), 0);
        CHECK_EQ(outcome(f, request_state(f, names[i], 2)), i < 2 ? 0 : HV_FAILED);
        CHECK_EQ(hv_state(vm(f, names[i])), i < 2 ? HV_RUNNING : HV_OFF);
    }
    CHECK_EQ(hv_partitions_in_use(&f->host, gpu), 2);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK_EQ(hv_partitions_in_use(&f->host, gpu), 1);
    CHECK_EQ(outcome(f, request_state(f, "snapped", 2)), 0);
}

TEST(running_vm_takes_a_partition_only_with_its_cache_types_set_before)
{
    FIXTURE;

    CHECK_EQ(add(f, "on", GPU_TYPES, NULL), FAULT);
    CHECK_EQ(outcome(f, add(f, "warm", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK_EQ(count_of(f, "Msvm_GpuPartition"), 1);
    CHECK_EQ(outcome(f, remove_resource(f, adapter(f, "warm"))), 0);
    CHECK_EQ(count_of(f, "Msvm_GpuPartition"), 0);
}

TEST(stale_pin_is_invisible_and_the_start_fails)
{
    FIXTURE;

    CHECK(adapter(f, "gone") == NULL);
    CHECK_EQ(request_state(f, "gone", 2), 4096);
    CHECK_EQ(hv_state(vm(f, "gone")), HV_STARTING);
    CHECK_EQ(job_error(f), HV_FAILED);
    CHECK_EQ(hv_state(vm(f, "gone")), HV_OFF);
}

TEST(dynamic_memory_whose_startup_is_not_its_minimum_forbids_the_start_with_a_device)
{
    FIXTURE;

    CHECK_EQ(outcome(f, request_state(f, "dynamic", 2)), 0);
    CHECK_EQ(outcome(f, request_state(f, "dynamic", 3)), 0);
    CHECK_EQ(outcome(f, add(f, "dynamic", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, request_state(f, "dynamic", 2)), HV_FAILED);
    CHECK_EQ(outcome(f, modify_resource(f, memory(f, "dynamic"),
                                        PROPERTY("Reservation", "uint64", "4096"))),
             0);
    CHECK_EQ(outcome(f, request_state(f, "dynamic", 2)), 0);
}

TEST(high_mmio_gap_must_end_within_the_physical_addresses)
{
    FIXTURE;

    /* 36 bits: 64 GiB; the default gap ends exactly there. */
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("HighMmioGapSize", "uint64", "513"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), HV_FAILED);
    CHECK_EQ(
        outcome(f, modify_system(f, "off", PROPERTY("HighMmioGapBase", "uint64", "48128"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
}

TEST(vm_with_a_partition_cannot_be_saved)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 6)), HV_FAILED);
    CHECK_EQ(hv_state(vm(f, "off")), HV_RUNNING);
    CHECK_EQ(count_of(f, "Msvm_GpuPartition"), 1);
}

static bool put_count(struct fixture *f, struct sim_object *gpu, unsigned count)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *changes = cim_instance_new(HV_NS, "Msvm_PartitionableGpu");
    struct sim_fault fault = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(cim_set_uint(changes, "PartitionCount", CIM_UINT16, count, &err));
    return sim_settings_behaviour.puts[0].put(&f->host, gpu, changes, &fault);
}

TEST(partition_count_is_written_by_put_and_only_to_valid_counts_while_nothing_is_assigned)
{
    FIXTURE;
    struct sim_object *gpu =
        sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");
    struct sim_object *a2 =
        sim_store_next(f->host.store, gpu, HV_NS, "Msvm_PartitionableGpu");

    CHECK(!put_count(f, a2, 3));
    CHECK(put_count(f, a2, 2));
    CHECK_EQ(hv_number(a2, "PartitionCount"), 2);
    CHECK(hv_number(a2, "OptimalPartitionVRAM") == UINT64_C(8) << 30);
    CHECK_EQ(outcome(f, add(f, "warm", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK(!put_count(f, gpu, 1));
    CHECK(put_count(f, gpu, 2));
    CHECK_EQ(hv_number(gpu, "PartitionCount"), 2);
}

static struct sim_object *a2_of(struct fixture *f)
{
    struct sim_object *gpu =
        sim_store_next(f->host.store, NULL, HV_NS, "Msvm_PartitionableGpu");

    return sim_store_next(f->host.store, gpu, HV_NS, "Msvm_PartitionableGpu");
}

TEST(partition_count_stays_while_a_vm_that_is_off_has_a_partition)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(A2_PATH), NULL)), 0);
    CHECK(!put_count(f, a2_of(f), 2));
    CHECK_EQ(outcome(f, remove_resource(f, adapter(f, "off"))), 0);
    CHECK(put_count(f, a2_of(f), 2));
}

TEST(running_vm_has_its_part_of_a_cut_card_and_the_rest_is_available)
{
    FIXTURE;
    struct sim_object *a2 = a2_of(f), *partition;

    CHECK_EQ(hv_number(a2, "PartitionCount"), 4);
    CHECK_EQ(hv_number(a2, "AvailableVRAM"), UINT64_C(16) << 30);
    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(A2_PATH), NULL)), 0);
    CHECK_EQ(hv_number(a2, "AvailableVRAM"), UINT64_C(16) << 30);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    CHECK_EQ(hv_number(a2, "AvailableVRAM"), UINT64_C(12) << 30);
    partition = sim_store_next(f->host.store, NULL, HV_NS, "Msvm_GpuPartition");
    CHECK(partition != NULL);
    if (!partition)
        return;
    CHECK_EQ(hv_number(partition, "CurrentVRAM"), UINT64_C(4) << 30);
    CHECK_EQ(hv_number(partition, "PartitionId"), 0);
    CHECK_STR_EQ(hv_text(partition, "DeviceInstancePath"), hv_text(a2, "Name"));
    /* Not before build 26100, whatever the driver can. */
    CHECK(cim_get(sim_object_instance(partition), "SupportsOutgoingLiveMigration") == NULL);
    CHECK_EQ(outcome(f, request_state(f, "off", 3)), 0);
    CHECK_EQ(hv_number(a2, "AvailableVRAM"), UINT64_C(16) << 30);
}

TEST(minima_are_enforced_on_a_cut_card_and_ignored_with_paravirtualization)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(A2_PATH), NULL)), 0);
    CHECK_EQ(
        outcome(f, modify_resource(f, adapter(f, "off"),
                                   PROPERTY("MinPartitionVRAM", "uint64", "4294967297"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), HV_FAILED);
    CHECK_EQ(
        outcome(f, modify_resource(f, adapter(f, "off"),
                                   PROPERTY("MinPartitionVRAM", "uint64", "4294967296"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    CHECK_EQ(outcome(f, add(f, "snapped", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK_EQ(outcome(f, modify_resource(
                            f, adapter(f, "snapped"),
                            PROPERTY("MinPartitionVRAM", "uint64", "99999999999999"))),
             0);
    CHECK_EQ(outcome(f, request_state(f, "snapped", 2)), 0);
}

TEST(adapter_without_a_pin_gets_the_first_card_whose_part_is_large_enough)
{
    FIXTURE;

    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, add(f, "snapped", GPU_TYPES, NULL)), 0);
    CHECK_EQ(outcome(f, add(f, "warm", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    /* The first card has two, which are taken now. */
    CHECK_EQ(
        outcome(f, modify_resource(f, adapter(f, "snapped"),
                                   PROPERTY("MinPartitionVRAM", "uint64", "4294967297"))),
        0);
    CHECK_EQ(outcome(f, request_state(f, "snapped", 2)), HV_FAILED);
    CHECK_EQ(outcome(f, modify_resource(f, adapter(f, "snapped"),
                                        PROPERTY("MinPartitionVRAM", "uint64", "1"))),
             0);
    CHECK_EQ(outcome(f, request_state(f, "snapped", 2)), 0);
    CHECK_EQ(hv_partitions_in_use(&f->host, a2_of(f)), 1);
}

TEST(server_refuses_a_paravirtual_gpu_until_both_policy_values_are_zero)
{
    static const char key[] = "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV";
    static const char *const names[] = { "RequireSecureDeviceAssignment",
                                         "RequireSupportedDeviceAssignment" };
    struct hive_value zero = { 0 };
    struct err err = ERR_INIT;
    char dir[TEST_FOLDER];
    FIXTURE;

    test_make_folder("policy", dir);
    free(f->host.edition);
    f->host.edition = text_dup("ServerDatacenter");
    free(f->host.product);
    f->host.product = text_dup("Microsoft Windows Server 2022 Datacenter");
    f->host.dir = text_dup(dir);
    CHECK_EQ(outcome(f, add(f, "off", GPU_TYPES PIN(GPU_PATH), NULL)), 0);
    CHECK(hive_value_set_u64(&zero, HIVE_DWORD, 0));
    for (size_t i = 0; i < 2; i++) {
        struct sim_world *world;

        CHECK_EQ(outcome(f, request_state(f, "off", 2)), HV_FAILED);
        world = sim_host_world(&f->host, &err);
        CHECK_OK(world != NULL);
        if (!world)
            break;
        CHECK_EQ(world_reg_create(world, key), 0);
        CHECK_EQ(world_reg_set(world, key, names[i], &zero), 0);
    }
    CHECK_EQ(outcome(f, request_state(f, "off", 2)), 0);
    hive_value_clear(&zero);
    sim_world_free(TAKE(f->host.world));
    free(TAKE(f->host.dir));
    CHECK_OK(os_remove_tree(dir, &err));
}
