/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract's JSON of a host, and what status finds wrong with it. */

#include "health.h"
#include "host-json.h"
#include "test.h"
#include "text.h"

#define PATH_A \
    "\\\\?\\PCI#VEN_10DE&DEV_2860#A#{064092b3-625e-43bf-9eb5-dc845897dd59}\\GPUPARAV"
#define PATH_GONE "\\\\?\\PCI#VEN_10DE&DEV_1111#X#{064092b3-625e-43bf-9eb5-dc845897dd59}"

static char name_a[] = "RTX", id_a[] = "PCI\\VEN_10DE&DEV_2860\\A", path_a[] = PATH_A,
            id_b[] = "PCI\\VEN_8086&DEV_A7A0\\B", path_gone[] = PATH_GONE,
            vm_name[] = "dev-box", vm_id[] = "11111111-1111-1111-1111-111111111111",
            location[] = "PCIROOT(0)#PCI(0100)",
            broken[] = "a\xff"
                       "b";

static struct hv_adapter pinned = { .interface_path = path_a,
                                    .partition_id = { true, 2 },
                                    .quota[QUOTA_ENCODE].max = { true, UINT64_MAX },
                                    .quota[QUOTA_VRAM].optimal = { true, 1000 } };
static struct hv_adapter gone = { .interface_path = path_gone };
static struct hv_adapter unpinned_running = { .running_on = path_a };

/* GPUs in the order an inventory has them. */
static struct hv_host host_with(struct hv_vm *vm, struct hv_gpu gpus[2])
{
    gpus[0] =
        (struct hv_gpu){ .name = name_a, .instance_id = id_a, .interface_path = path_a };
    gpus[1] = (struct hv_gpu){ .instance_id = id_b };
    return (struct hv_host){ .gpus = gpus, .gpu_count = 2, .vms = vm, .vm_count = 1 };
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

TEST(a_gpu_names_the_vms_that_have_a_part_of_it)
{
    struct hv_adapter *const adapters[] = { &pinned, &unpinned_running };

    for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
        struct hv_vm vm = {
            .name = vm_name, .id = vm_id, .adapters = adapters[i], .adapter_count = 1
        };
        struct hv_gpu gpus[2];
        struct hv_host host = host_with(&vm, gpus);
        json_t *json = gpus_to_json(&host, NULL);
        const json_t *users = json_object_get(json_array_get(json, 0), "assigned_to");

        CHECK_EQ(json_array_size(json), 2);
        CHECK_EQ(json_array_size(users), 1);
        CHECK_STR_EQ(text_at(json_array_get(users, 0), "vm_id"), vm_id);
        CHECK_EQ(json_array_size(json_object_get(json_array_get(json, 1), "assigned_to")),
                 0);
        json_decref(json);
        json = gpus_to_json(&host, &gpus[1]);
        CHECK_EQ(json_array_size(json), 1);
        CHECK_STR_EQ(text_at(json_array_get(json, 0), "instance_id"), id_b);
        json_decref(json);
    }
}

TEST(what_is_unknown_is_null_and_never_zero_or_empty)
{
    struct hv_vm vm = { .name = broken, .id = vm_id };
    struct hv_gpu gpus[2];
    struct hv_host host = host_with(&vm, gpus);
    json_t *json = vm_to_json(&host, &vm), *gpu_list = gpus_to_json(&host, &gpus[1]);
    const json_t *gpu = json_array_get(gpu_list, 0);
    static const char *const vm_keys[] = { "name",
                                           "state",
                                           "generation",
                                           "version",
                                           "guest_controlled_cache",
                                           "low_mmio_bytes",
                                           "high_mmio_bytes",
                                           "stop_action",
                                           "checkpoint_type" };
    static const char *const gpu_keys[] = {
        "name",        "interface_path",  "location_path",          "assigned_status",
        "place",       "partition_count", "valid_partition_counts", "vram_bytes",
        "problem_code"
    };

    for (size_t i = 0; i < ARRAY_LEN(vm_keys); i++) {
        test_case(vm_keys[i]);
        CHECK(json_is_null(json_object_get(json, vm_keys[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(gpu_keys); i++) {
        test_case(gpu_keys[i]);
        CHECK(json_is_null(json_object_get(gpu, gpu_keys[i])));
    }
    CHECK(json_is_null(json_object_get(json_object_get(json, "memory"), "dynamic")));
    json_decref(json);
    json_decref(gpu_list);
}

TEST(a_quota_of_all_of_it_is_a_word_and_a_size_of_that_is_null)
{
    struct hv_vm vm = { .name = vm_name,
                        .id = vm_id,
                        .adapters = &pinned,
                        .adapter_count = 1,
                        .low_mmio_bytes = { true, UINT64_MAX } };
    struct hv_gpu gpus[2];
    struct hv_host host = host_with(&vm, gpus);
    json_t *json = vm_to_json(&host, &vm);
    const json_t *adapter = json_array_get(json_object_get(json, "adapters"), 0);
    const json_t *quota = json_object_get(adapter, "quota");

    CHECK_STR_EQ(text_at(adapter, "gpu"), name_a);
    CHECK_EQ(json_integer_value(json_object_get(adapter, "partition_id")), 2);
    CHECK_STR_EQ(text_at(json_object_get(quota, "encode"), "max"), "unlimited");
    CHECK_EQ(json_integer_value(json_object_get(json_object_get(quota, "vram"), "optimal")),
             1000);
    CHECK(json_is_null(json_object_get(json_object_get(quota, "vram"), "min")));
    CHECK(json_is_null(json_object_get(json, "low_mmio_bytes")));
    json_decref(json);
}

static bool finds(const struct hv_host *host, const char *id, const char *severity)
{
    json_t *findings = host_findings(host);
    const json_t *finding;
    bool found = false;
    size_t i;

    json_array_foreach(findings, i, finding) found =
        found || (strcmp(text_at(finding, "id"), id) == 0 &&
                  strcmp(text_at(finding, "severity"), severity) == 0);
    json_decref(findings);
    return found;
}

TEST(status_finds_what_the_records_of_a_host_tell)
{
    struct hv_vm vm = { .name = vm_name,
                        .id = vm_id,
                        .adapters = &gone,
                        .adapter_count = 1,
                        .guest_controlled_cache = TRI_NO,
                        .stop_action = { true, 3 },
                        .checkpoint_type = { true, 3 } };
    struct hv_device device = { 0 };
    struct hv_gpu gpus[2];
    struct hv_host host = host_with(&vm, gpus);

    gpus[1].problem_code = (struct known_u64){ true, 43 };
    CHECK(finds(&host, "gpu-problem", "error"));
    CHECK(finds(&host, "gpu-gone", "error"));
    CHECK(finds(&host, "cache-types", "warning"));
    CHECK(finds(&host, "stop-action", "warning"));
    CHECK(finds(&host, "checkpoints", "info"));
    CHECK(!finds(&host, "stop-action-device", "error"));
    vm.devices = &device;
    vm.device_count = 1;
    CHECK(finds(&host, "stop-action-device", "error"));
    CHECK(!finds(&host, "device-gone", "error"));
    device.is_gone = true;
    CHECK(finds(&host, "device-gone", "error"));
    CHECK(!finds(&host, "gpu-dismounted", "warning"));
    gpus[0].place = GPU_DISMOUNTED;
    CHECK(finds(&host, "gpu-dismounted", "warning"));
}

TEST(a_device_that_is_gone_is_nobodys_and_says_which_it_was)
{
    struct hv_device devices[] = {
        { .instance_id = id_a, .location_path = location },
        { .instance_id = id_a, .is_gone = true },
    };
    struct hv_vm vm = {
        .name = vm_name, .id = vm_id, .devices = devices, .device_count = 1
    };
    struct hv_gpu gpus[2];
    struct hv_host host = host_with(&vm, gpus);
    json_t *json = vm_to_json(&host, &vm), *all = gpus_to_json(&host, NULL);
    const json_t *device = json_array_get(json_object_get(json, "devices"), 0);

    CHECK_STR_EQ(text_at(device, "gpu"), name_a);
    CHECK(json_is_false(json_object_get(device, "gone")));
    CHECK_EQ(json_array_size(json_object_get(json_array_get(all, 0), "assigned_to")), 1);
    json_decref(json);
    json_decref(all);

    vm.devices = &devices[1];
    json = vm_to_json(&host, &vm);
    all = gpus_to_json(&host, NULL);
    device = json_array_get(json_object_get(json, "devices"), 0);
    CHECK_STR_EQ(text_at(device, "instance_id"), id_a);
    CHECK(json_is_true(json_object_get(device, "gone")));
    CHECK_EQ(json_array_size(json_object_get(json_array_get(all, 0), "assigned_to")), 0);
    json_decref(json);
    json_decref(all);
}

TEST(status_finds_nothing_where_nothing_is_known_or_no_gpu_is_used)
{
    struct hv_vm plain = { .name = vm_name,
                           .id = vm_id,
                           .guest_controlled_cache = TRI_NO,
                           .stop_action = { true, 3 },
                           .checkpoint_type = { true, 3 } };
    struct hv_vm unknown = { .id = vm_id, .adapters = &pinned, .adapter_count = 1 };
    struct hv_vm *const vms[] = { &plain, &unknown };

    for (size_t i = 0; i < ARRAY_LEN(vms); i++) {
        struct hv_gpu gpus[2];
        struct hv_host host = host_with(vms[i], gpus);
        json_t *findings = host_findings(&host);

        CHECK_EQ(json_array_size(findings), 0);
        json_decref(findings);
    }
}
