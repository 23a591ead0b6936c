/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a device is, told from everything that speaks of it. */

#include "assignable.h"

#include <string.h>

#include "err.h"
#include "job.h"
#include "test-fake-host.h"
#include "test.h"
#include "text.h"

#define CIMV2 "root/cimv2"
#define DISPLAY "{4d36e968-e325-11ce-bfc1-08002be10318}"
#define A100 "VEN_10DE&DEV_20F1&SUBSYS_145F10DE&REV_A1"
#define PLACE_1 "6&2b3c4d5e&0&00000010"
#define PLACE_2 "6&2b3c4d5e&0&00000018"
#define LOCATION "PCIROOT(40)#PCI(0200)#PCI(0000)"
#define VM1 "6C0D8F5B-1B2E-4E0E-9C5C-0A1B2C3D4E5F"
#define GONE_VM "9F0D8F5B-1B2E-4E0E-9C5C-0A1B2C3D4E5F"
#define SNAPSHOT "8E0D8F5B-1B2E-4E0E-9C5C-0A1B2C3D4E5F"

static struct fake_host *server(void)
{
    static const char *const hyperv[] = { "Msvm_PartitionableGpu",
                                          "Msvm_VirtualSystemSettingData",
                                          "Msvm_GpuPartitionSettingData", "Msvm_PciExpress",
                                          "Msvm_PciExpressSettingData" };
    struct fake_host *fake = fake_host_new();

    for (size_t i = 0; i < ARRAY_LEN(hyperv); i++)
        fake_class(fake, HV_NS, hyperv[i]);
    fake_class(fake, CIMV2, "Win32_PnPEntity");
    fake_row(fake, CIMV2, "Win32_OperatingSystem", "BuildNumber", "20348", "ProductType",
             "3", "CSName", "SERVER", NULL);
    fake_row(fake, HV_NS, "Msvm_ComputerSystem", "Name", "SERVER", "EnabledState", "2",
             NULL);
    fake_row(fake, HV_NS, "Msvm_ComputerSystem", "Name", VM1, "ElementName", "compute",
             "EnabledState", "3", NULL);
    fake_row(fake, HV_NS, "Msvm_VirtualSystemSettingData", "InstanceID",
             "Microsoft:" SNAPSHOT, "VirtualSystemIdentifier", VM1, "VirtualSystemType",
             "Microsoft:Hyper-V:Snapshot:Realized", NULL);
    return fake;
}

/* @problem NULL: a phantom. */
static void add_node(struct fake_host *fake, const char *id, const char *problem)
{
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", id, "Name",
             text_istarts(id, "PCIP") ? "PCI Express Graphics Processing Unit - Dismounted"
                                      : "NVIDIA A100",
             "ClassGuid", text_istarts(id, "PCIP") ? NULL : DISPLAY,
             "ConfigManagerErrorCode", problem ? problem : "45", "Present",
             problem ? "true" : "false", NULL);
}

static void add_listed(struct fake_host *fake, const char *id, const char *system)
{
    CLEANUP(free_cleanup) char *device = text_printf("Microsoft:ED28B-7BDD0\\%s", id);

    fake_row(fake, HV_NS, "Msvm_PciExpress", "DeviceID", device, "DeviceInstancePath", id,
             "LocationPath", LOCATION, "SystemName", system, NULL);
}

static void add_entry(struct fake_host *fake, const char *vm, const char *id)
{
    CLEANUP(free_cleanup) char *instance = text_printf("Microsoft:%s\\D1", vm);
    CLEANUP(free_cleanup) char *device = text_printf("Microsoft:ED28B-7BDD0\\%s", id);
    CLEANUP(cim_path_cleanup)
    struct cim_path *path = cim_path_new(HV_NS, "Msvm_PciExpress");
    CLEANUP(free_cleanup) char *resource = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(cim_path_set(path, "DeviceID", device, &err));
    resource = cim_path_format(path);
    fake_row(fake, HV_NS, "Msvm_PciExpressSettingData", "InstanceID", instance,
             "HostResource", resource, NULL);
}

static struct dda_list read_list(struct fake_host *fake, struct hv_host **host)
{
    struct dda_list list = { 0 };
    struct err err = ERR_INIT;

    *host = NULL;
    CHECK_OK(hv_inventory_read(&fake->base, "test", HV_STATUS, host, &err));
    if (*host)
        CHECK_OK(hv_read_assignable(&fake->base, *host, &list, &err));
    return list;
}

/* The one device there is; its state and place. */
static void check_only(struct fake_host *fake, const char *state, const char *place)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct dda_list list = read_list(fake, &host);

    CHECK_EQ(list.count, 1);
    if (list.count == 1) {
        const struct dda_device *device = &list.devices[0];

        CHECK_STR_EQ(dda_state_name(device->state), state);
        CHECK_STR_EQ(gpu_place_name(dda_place(device->state)), place);
        CHECK_STR_EQ(device->instance_id, "PCI\\" A100 "\\" PLACE_1);
        CHECK_STR_EQ(device->pci_id, "10de:20f1");
        CHECK_EQ(device->class, DDA_CLASS_GPU);
        CHECK_STR_EQ(device->name, "NVIDIA A100");
    }
    dda_list_clear(&list);
}

TEST(a_device_of_the_host_is_on_the_host_also_when_its_driver_has_a_problem)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, "43");
    check_only(fake, "host", "host");
}

TEST(problem_22_is_disabled)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, "22");
    check_only(fake, "disabled", "host");
}

TEST(a_dismounted_device_nobody_has_is_dismounted_and_keeps_its_name)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, NULL);
    add_node(fake, "PCIP\\" A100 "\\6&2B3C4D5E&0&00000010", "0");
    add_listed(fake, "PCIP\\" A100 "\\6&2B3C4D5E&0&00000010", "SERVER");
    check_only(fake, "dismounted", "dismounted");
}

TEST(a_dismounted_device_that_hyper_v_does_not_list_yet_is_dismounted)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, NULL);
    add_node(fake, "PCIP\\" A100 "\\" PLACE_1, "0");
    check_only(fake, "dismounted", "dismounted");
}

TEST(a_mounted_device_that_hyper_v_still_lists_is_on_the_host)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, "22");
    add_node(fake, "PCIP\\" A100 "\\" PLACE_1, NULL);
    add_listed(fake, "PCIP\\" A100 "\\" PLACE_1, "SERVER");
    check_only(fake, "disabled", "host");
}

TEST(a_device_with_an_entry_of_a_vm_is_assigned_also_while_the_vm_runs)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, NULL);
    add_node(fake, "PCIP\\" A100 "\\" PLACE_1, "0");
    add_listed(fake, "PCIP\\" A100 "\\" PLACE_1, "SERVER");
    add_entry(fake, VM1, "PCIP\\" A100 "\\" PLACE_1);
    add_entry(fake, SNAPSHOT,
              "PCIP\\" A100 "\\" PLACE_1); /* of a checkpoint: not counted */
    add_entry(fake, "Definition", "PCIP\\" A100 "\\" PLACE_1);
    check_only(fake, "assigned", "assigned");
    add_listed(fake, "PCIP\\" A100 "\\" PLACE_1, VM1); /* the second one */
    check_only(fake, "assigned", "assigned");
}

TEST(a_device_for_a_vm_that_is_gone_is_orphaned)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, NULL);
    add_node(fake, "PCIP\\" A100 "\\" PLACE_1, "0");
    add_listed(fake, "PCIP\\" A100 "\\" PLACE_1, "SERVER");
    add_entry(fake, GONE_VM, "PCIP\\" A100 "\\" PLACE_1);
    check_only(fake, "orphaned", "dismounted");
}

TEST(an_entry_whose_device_is_nowhere_names_it_and_where_one_of_its_make_is)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct dda_list list;
    const struct dda_device *gone;

    add_node(fake, "PCIP\\" A100 "\\" PLACE_1, NULL);
    add_node(fake, "PCI\\" A100 "\\" PLACE_1, NULL);
    add_node(fake, "PCI\\" A100 "\\" PLACE_2, "0");
    add_entry(fake, VM1, "PCIP\\" A100 "\\" PLACE_1);
    list = read_list(fake, &host);
    CHECK_EQ(list.count, 2);
    gone = dda_find(&list, "PCI\\" A100 "\\" PLACE_1);
    CHECK(gone && gone->state == DDA_GONE);
    if (gone) {
        CHECK(gone->moved_to.known);
        CHECK(gone->moved_to.known && list.devices[gone->moved_to.value].on_host);
        CHECK(dda_entry_of(gone, VM1) != NULL);
        CHECK(dda_entry_of(gone, GONE_VM) == NULL);
        CHECK_STR_EQ(gone->entries[0].vm ? gone->entries[0].vm->name : "", "compute");
    }
    dda_list_clear(&list);
    hv_host_free(TAKE(host));

    /* Two of its make: which of them it is, nobody knows. */
    add_node(fake, "PCI\\" A100 "\\6&2b3c4d5e&0&00000020", "0");
    list = read_list(fake, &host);
    gone = dda_find(&list, "PCIP\\" A100 "\\" PLACE_1);
    CHECK(gone && !gone->moved_to.known);
    dda_list_clear(&list);
}

TEST(entries_from_a_pool_are_counted_and_name_no_device)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct dda_list list;

    fake_row(fake, HV_NS, "Msvm_PciExpressSettingData", "InstanceID",
             "Microsoft:" VM1 "\\D1", "PoolID", "gpus", NULL);
    fake_row(fake, HV_NS, "Msvm_PciExpressSettingData", "InstanceID",
             "Microsoft:Definition\\BD9AA249-EA0A-4429-888B-5923322E6614\\Default",
             "PoolID", "", NULL);
    list = read_list(fake, &host);
    CHECK_EQ(list.count, 0);
    CHECK_EQ(list.pool_entries, 1);
    dda_list_clear(&list);
}

TEST(what_only_windows_remembers_is_a_phantom)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();

    add_node(fake, "PCI\\" A100 "\\" PLACE_1, NULL);
    check_only(fake, "phantom", NULL);
}

TEST(bridges_and_microsofts_own_devices_are_left_out)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct dda_list list;

    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\VEN_8086&DEV_1901\\3&1&0&08",
             "Name", "PCI Express Root Port", "CompatibleID", "PCI\\CC_0604", NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCI\\VEN_1414&DEV_008E\\3&1&0&09",
             "ClassGuid", DISPLAY, NULL);
    fake_row(fake, CIMV2, "Win32_PnPEntity", "DeviceID", "PCIX", NULL);
    list = read_list(fake, &host);
    CHECK_EQ(list.count, 0);
    dda_list_clear(&list);
}

TEST(a_host_without_the_classes_has_no_devices_and_one_that_is_lost_is_an_error)
{
    CLEANUP(fake_host_cleanup) struct fake_host *fake = server();
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct dda_list list;
    struct err err = ERR_INIT;

    err_fail(&fake_class(fake, HV_NS, "Msvm_PciExpress")->error, ERR_REFUSED, 0x80041010,
             "no");
    list = read_list(fake, &host);
    CHECK_EQ(list.count, 0);
    err_fail(&fake_class(fake, HV_NS, "Msvm_PciExpress")->error, ERR_UNREACHABLE, 0,
             "gone");
    CHECK(host && !hv_read_assignable(&fake->base, host, &list, &err));
    CHECK_EQ(err.kind, ERR_UNREACHABLE);
}

TEST(ids_change_their_bus_and_nothing_else)
{
    CLEANUP(free_cleanup) char *host = dda_host_id("pcip\\" A100 "\\" PLACE_1);
    CLEANUP(free_cleanup) char *away = dda_dismounted_id("PCI\\" A100 "\\" PLACE_1);

    CHECK_STR_EQ(host, "PCI\\" A100 "\\" PLACE_1);
    CHECK_STR_EQ(away, "PCIP\\" A100 "\\" PLACE_1);
    CHECK(dda_host_id("USB\\VID_1\\2") == NULL);
    CHECK(dda_same_make("PCI\\" A100 "\\" PLACE_1, "PCIP\\" A100 "\\" PLACE_2));
    CHECK(!dda_same_make("PCI\\" A100 "\\1", "PCI\\VEN_10DE&DEV_20F1\\1"));
    CHECK(!dda_same_make("PCI\\VEN_10DE&DEV_20F1", "PCI\\VEN_10DE&DEV_20F1\\1"));
}
