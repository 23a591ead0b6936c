/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that were taken from the host to be assigned whole (DDA), and the VMs that
 * have them.
 *
 * Msvm_PciExpress lists dismounted devices; one that a running VM uses appears twice, once
 * with the VM as its system.  The location path stays the same in all states.
 *
 * Sources: hyperv_v2 Msvm_PciExpress, Msvm_PciExpressSettingData; openstack/os-win
 * os_win/utils/compute/vmutils.py.
 */
#include <string.h>

#include "err.h"
#include "inventory-parts.h"
#include "job.h"
#include "text.h"

struct express {
    char *device_id, *instance_id, *location_path;
};

struct expresses {
    struct hv_host *host;
    struct express *items;
    size_t count;
};

static void free_items(struct expresses *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].device_id);
        free(list->items[i].instance_id);
        free(list->items[i].location_path);
    }
    free(list->items);
}

static int by_device(const void *a, const void *b)
{
    const struct express *x = (const struct express *)a, *y = (const struct express *)b;

    return text_casecmp(x->device_id ? x->device_id : "", y->device_id ? y->device_id : "");
}

static bool on_express(const struct cim_instance *row, void *user, struct err *err)
{
    struct expresses *list = (struct expresses *)user;
    struct express *items = list_grow(list->items, list->count, sizeof(*items), err);
    struct express *item;
    struct hv_gpu *gpu;

    if (!items)
        return false;
    list->items = items;
    item = &items[list->count++];
    if (!take_text(&item->device_id, row, "DeviceID", err) ||
        !take_text(&item->instance_id, row, "DeviceInstancePath", err) ||
        !take_text(&item->location_path, row, "LocationPath", err))
        return false;

    gpu = find_gpu(list->host, item->instance_id);
    if (!gpu || gpu->place == GPU_ON_HOST)
        return true;
    gpu->place = GPU_DISMOUNTED;
    return take_text(&gpu->location_path, row, "LocationPath", err);
}

static bool on_assigned(const struct cim_instance *row, void *user, struct err *err)
{
    struct expresses *list = (struct expresses *)user;
    struct hv_vm *vm = find_vm(list->host, cim_get_text(row, "InstanceID"));
    CLEANUP(free_cleanup) char *device_id = NULL;
    const struct express *item = NULL;
    struct hv_device *devices, *device;
    struct hv_gpu *gpu;

    if (!vm)
        return true; /* a template, or part of a checkpoint */
    devices = list_grow(vm->devices, vm->device_count, sizeof(*devices), err);
    if (!devices)
        return false;
    vm->devices = devices;
    device = &devices[vm->device_count++];

    device_id = host_resource_key(row, "Msvm_PciExpress", "DeviceID");
    if (device_id && list->count > 0)
        item = bsearch(&(struct express){ .device_id = device_id }, list->items,
                       list->count, sizeof(*list->items), by_device);
    if (!item && device_id) {
        /* "Microsoft:ED28B-7BDD0\PCIP\VEN_..." still tells which device it was. */
        const char *rest = strchr(device_id, '\\');

        device->is_gone = true;
        device->instance_id = text_dup(rest ? rest + 1 : NULL);
        return !rest || device->instance_id || err_no_memory(err);
    }
    if (!item)
        return true; /* from a pool */
    device->location_path = text_dup(item->location_path);
    device->instance_id = text_dup(item->instance_id);
    if ((item->location_path && !device->location_path) ||
        (item->instance_id && !device->instance_id))
        return err_no_memory(err);
    gpu = find_gpu(list->host, item->instance_id);
    if (gpu && gpu->place != GPU_ON_HOST)
        gpu->place = GPU_ASSIGNED;
    return true;
}

bool read_devices(struct cim_session *session, struct hv_host *host, struct err *err)
{
    struct expresses list = { .host = host };
    struct err why = ERR_INIT;
    bool ok =
        cim_query(session, HV_NS, "SELECT * FROM Msvm_PciExpress", on_express, &list, &why);

    if (ok && list.count > 1)
        qsort(list.items, list.count, sizeof(*list.items), by_device);
    ok = ok && cim_query(session, HV_NS, "SELECT * FROM Msvm_PciExpressSettingData",
                         on_assigned, &list, &why);
    free_items(&list);
    /* Hyper-V lists a device some time after it was dismounted. */
    for (size_t i = 0; ok && i < host->gpu_count; i++)
        if (host->gpus[i].place == GPU_PLACE_UNKNOWN &&
            text_istarts(host->gpus[i].instance_id, "PCIP\\"))
            host->gpus[i].place = GPU_DISMOUNTED;
    if (ok || is_missing_class(&why)) /* before 10586 there are no such classes */
        return true;
    *err = why;
    return err_wrap(err, "listing assigned devices");
}
