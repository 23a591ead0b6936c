/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices for Discrete Device Assignment, from everything that speaks of one: its nodes in
 * Windows, Hyper-V's list of dismounted devices, the entries of VMs.  Each of these is a
 * sighting; sightings of one instance id, whatever its bus, are one device.
 */
#include "assignable.h"

#include <string.h>

#include "err.h"
#include "inventory-parts.h"
#include "job.h"
#include "text.h"

enum sighting_of { SEEN_ON_HOST, SEEN_DISMOUNTED, SEEN_LISTED, SEEN_IN_VM };

struct sighting {
    enum sighting_of of;
    char *instance_id; /* never NULL */
    char *name, *service, *location_path;
    char *user_id;
    bool present;
    struct known_u64 problem_code;
    enum dda_class class;
    bool of_microsoft;
    struct dda_entry entry;
};

struct sightings {
    const struct hv_host *host;
    struct sighting *items;
    size_t count;
    unsigned pool_entries;
};

/* ---- names ---- */

static const char *const state_names[] = {
    [DDA_ON_HOST] = "host",          [DDA_DISABLED] = "disabled",
    [DDA_DISMOUNTED] = "dismounted", [DDA_ASSIGNED] = "assigned",
    [DDA_ORPHANED] = "orphaned",     [DDA_GONE] = "gone",
    [DDA_PHANTOM] = "phantom",
};

const char *dda_state_name(enum dda_state state)
{
    return state_names[state];
}

enum gpu_place dda_place(enum dda_state state)
{
    switch (state) {
    case DDA_ON_HOST:
    case DDA_DISABLED:
        return GPU_ON_HOST;
    case DDA_DISMOUNTED:
    case DDA_ORPHANED:
        return GPU_DISMOUNTED;
    case DDA_ASSIGNED:
        return GPU_ASSIGNED;
    default:
        return GPU_PLACE_UNKNOWN;
    }
}

const char *dda_class_name(enum dda_class class)
{
    static const char *const names[] = {
        [DDA_CLASS_OTHER] = "other",
        [DDA_CLASS_GPU] = "gpu",
        [DDA_CLASS_AUDIO] = "audio",
        [DDA_CLASS_USB] = "usb",
    };

    return names[class];
}

/* What follows the bus; the id itself where there is none. */
static const char *rest_of(const char *id)
{
    const char *slash = id ? strchr(id, '\\') : NULL;

    return slash ? slash + 1 : id ? id : "";
}

static bool is_pci(const char *id)
{
    return id && (text_istarts(id, "PCI\\") || text_istarts(id, "PCIP\\"));
}

char *dda_host_id(const char *instance_id)
{
    return is_pci(instance_id) ? text_printf("PCI\\%s", rest_of(instance_id)) : NULL;
}

char *dda_dismounted_id(const char *instance_id)
{
    return is_pci(instance_id) ? text_printf("PCIP\\%s", rest_of(instance_id)) : NULL;
}

bool dda_same_make(const char *instance_id, const char *other)
{
    const char *a = rest_of(instance_id), *b = rest_of(other);
    size_t length = strcspn(a, "\\");
    CLEANUP(free_cleanup) char *make = NULL;

    if (!*a || a[length] != '\\')
        return false;
    make = text_ndup(a, length + 1);
    return make && text_istarts(b, make);
}

/* "Microsoft:ED28B-7BDD0\PCIP\VEN_...": the device's id behind the host's part. */
static char *instance_in_device_id(const char *device_id)
{
    const char *rest = device_id ? strchr(device_id, '\\') : NULL;

    return rest && is_pci(rest + 1) ? text_dup(rest + 1) : NULL;
}

/* ---- what is seen ---- */

static struct sighting *add_sighting(struct sightings *list, enum sighting_of of,
                                     const char *instance_id, struct err *err)
{
    struct sighting *items = list_grow(list->items, list->count, sizeof(*items), err);
    struct sighting *item;

    if (!items)
        return NULL;
    list->items = items;
    item = &items[list->count];
    item->of = of;
    item->instance_id = text_dup(instance_id);
    if (!item->instance_id) {
        err_no_memory(err);
        return NULL;
    }
    list->count++;
    return item;
}

static bool has_class_code(const struct cim_instance *row, const char *code)
{
    static const char *const properties[] = { "CompatibleID", "HardwareID" };

    for (size_t p = 0; p < ARRAY_LEN(properties); p++)
        for (size_t i = 0; i < cim_get_count(row, properties[p]); i++) {
            const char *id = cim_get_text_at(row, properties[p], i);
            const char *at = id ? text_istr(id, code) : NULL;

            if (at && at > id && (at[-1] == '\\' || at[-1] == '&'))
                return true;
        }
    return false;
}

/* Class codes: PCI Code and ID Assignment Specification, as in compatible ids
 * (MicrosoftDocs/windows-driver-docs install/identifiers-for-pci-devices); setup classes:
 * install/system-defined-device-setup-classes-available-to-vendors. */
static enum dda_class class_of(const struct cim_instance *row)
{
    static const struct {
        const char *text;
        enum dda_class class;
    } codes[] = { { "CC_03", DDA_CLASS_GPU },
                  { "CC_0403", DDA_CLASS_AUDIO },
                  { "CC_0C03", DDA_CLASS_USB },
                  { "CC_0C80", DDA_CLASS_USB } },
      guids[] = { { "{4d36e968-e325-11ce-bfc1-08002be10318}", DDA_CLASS_GPU },
                  { "{4d36e96c-e325-11ce-bfc1-08002be10318}", DDA_CLASS_AUDIO },
                  { "{36fc9e60-c465-11cf-8056-444553540000}", DDA_CLASS_USB } };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (has_class_code(row, codes[i].text))
            return codes[i].class;
    for (size_t i = 0; i < ARRAY_LEN(guids); i++)
        if (text_ieq(cim_get_text(row, "ClassGuid"), guids[i].text))
            return guids[i].class;
    return DDA_CLASS_OTHER;
}

static bool on_node(const struct cim_instance *row, void *user, struct err *err)
{
    const char *id = cim_get_text(row, "DeviceID");
    struct sighting *item;

    if (!is_pci(id))
        return true;
    item = add_sighting(user, text_istarts(id, "PCIP\\") ? SEEN_DISMOUNTED : SEEN_ON_HOST,
                        id, err);
    if (!item)
        return false;
    item->present = true;
    cim_get_bool(row, "Present", &item->present);
    take_u64(&item->problem_code, row, "ConfigManagerErrorCode");
    item->class = class_of(row);
    item->of_microsoft = text_istarts(rest_of(id), "VEN_1414");
    return take_text(&item->name, row, "Name", err) &&
           take_text(&item->service, row, "Service", err);
}

static bool on_listed(const struct cim_instance *row, void *user, struct err *err)
{
    const char *id = cim_get_text(row, "DeviceInstancePath");
    const char *system = cim_get_text(row, "SystemName");
    struct sighting *item;

    if (!is_pci(id))
        return true;
    item = add_sighting(user, SEEN_LISTED, id, err);
    if (!item)
        return false;
    item->present = true;
    /* A second one, with the VM as its system, is there while the VM runs. */
    if (system && text_is_guid(system)) {
        item->user_id = text_dup(system);
        if (!item->user_id)
            return err_no_memory(err);
    }
    return take_text(&item->location_path, row, "LocationPath", err);
}

static bool is_checkpoint(const struct hv_host *host, const char *id)
{
    for (size_t i = 0; i < host->checkpoint_id_count; i++)
        if (text_ieq(host->checkpoint_ids[i], id))
            return true;
    return false;
}

static bool on_entry(const struct cim_instance *row, void *user, struct err *err)
{
    enum { PREFIX = 10, GUID = 36 };
    struct sightings *list = user;
    const char *id = cim_get_text(row, "InstanceID");
    const char *resource = cim_get_text_at(row, "HostResource", 0);
    CLEANUP(free_cleanup) char *vm_id = NULL, *key = NULL, *instance = NULL;
    struct sighting *item;

    if (!id || !text_istarts(id, "Microsoft:") || strlen(id) <= PREFIX + GUID)
        return true;
    vm_id = text_ndup(id + PREFIX, GUID);
    if (!vm_id)
        return err_no_memory(err);
    if (!text_is_guid(vm_id) || is_checkpoint(list->host, vm_id))
        return true; /* a template, or part of a checkpoint */
    key = host_resource_key(row, "Msvm_PciExpress", "DeviceID");
    instance = instance_in_device_id(key);
    if (!instance) { /* from a pool: which device it is, only a running VM tells */
        const char *pool = cim_get_text(row, "PoolID");

        list->pool_entries += pool && *pool;
        return true;
    }
    item = add_sighting(list, SEEN_IN_VM, instance, err);
    if (!item)
        return false;
    item->entry.id = text_dup(id);
    item->entry.resource = text_dup(resource);
    item->entry.instance_id = TAKE(instance);
    item->entry.vm_id = TAKE(vm_id);
    if (!item->entry.id || !item->entry.resource)
        return err_no_memory(err);
    for (size_t i = 0; i < list->host->vm_count && !item->entry.vm; i++)
        if (text_ieq(list->host->vms[i].id, item->entry.vm_id))
            item->entry.vm = &list->host->vms[i];
    return true;
}

static bool see_all(struct cim_session *session, struct sightings *list, struct err *err)
{
    static const struct {
        const char *ns, *wql;
        cim_row_fn *on_row;
    } parts[] = {
        { "root/cimv2", "SELECT * FROM Win32_PnPEntity WHERE DeviceID LIKE 'PCI%'",
          on_node },
        { HV_NS, "SELECT * FROM Msvm_PciExpress", on_listed },
        { HV_NS, "SELECT * FROM Msvm_PciExpressSettingData", on_entry },
    };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct err why = ERR_INIT;

        if (cim_query(session, parts[i].ns, parts[i].wql, parts[i].on_row, list, &why) ||
            is_missing_class(&why)) /* before 10586 there are no such classes */
            continue;
        *err = why;
        return err_wrap(err, "listing assignable devices");
    }
    return true;
}

static void clear_entry(struct dda_entry *entry)
{
    free(entry->id);
    free(entry->vm_id);
    free(entry->resource);
    free(entry->instance_id);
}

static void clear_sightings(struct sightings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct sighting *item = &list->items[i];

        free(item->instance_id);
        free(item->name);
        free(item->service);
        free(item->location_path);
        free(item->user_id);
        clear_entry(&item->entry);
    }
    free(list->items);
}

/* ---- devices ---- */

static void clear_device(struct dda_device *device)
{
    free(device->name);
    free(device->pci_id);
    free(device->instance_id);
    free(device->dismounted_id);
    free(device->location_path);
    free(device->service);
    free(device->user_id);
    for (size_t i = 0; i < device->entry_count; i++)
        clear_entry(&device->entries[i]);
    free(device->entries);
}

void dda_list_clear(struct dda_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        clear_device(&list->devices[i]);
    free(list->devices);
    *list = (struct dda_list){ 0 };
}

static int by_device(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;
    int order = text_casecmp(rest_of(x->instance_id), rest_of(y->instance_id));

    return order ? order : (int)x->of - (int)y->of;
}

static void move_text(char **to, char **from)
{
    if (!*to)
        *to = TAKE(*from);
}

static bool add_entry(struct dda_device *device, struct sighting *item, struct err *err)
{
    struct dda_entry *entries =
        list_grow(device->entries, device->entry_count, sizeof(*entries), err);

    if (!entries)
        return false;
    device->entries = entries;
    entries[device->entry_count++] = item->entry;
    item->entry = (struct dda_entry){ 0 };
    return true;
}

/* In the order of enum sighting_of: the node on the host, also a phantom, has the names. */
static bool add_to_device(struct dda_device *device, struct sighting *item, struct err *err)
{
    switch (item->of) {
    case SEEN_ON_HOST:
        device->on_host |= item->present;
        move_text(&device->instance_id, &item->instance_id);
        break;
    case SEEN_DISMOUNTED:
        device->is_dismounted |= item->present;
        move_text(&device->dismounted_id, &item->instance_id);
        break;
    case SEEN_LISTED:
        device->is_listed = true;
        move_text(&device->dismounted_id, &item->instance_id);
        break;
    case SEEN_IN_VM:
        if (!add_entry(device, item, err))
            return false;
    }
    if (item->present && item->problem_code.known)
        device->problem_code = item->problem_code;
    if (device->class == DDA_CLASS_OTHER)
        device->class = item->class;
    move_text(&device->name, &item->name);
    move_text(&device->service, &item->service);
    move_text(&device->location_path, &item->location_path);
    move_text(&device->user_id, &item->user_id);
    return true;
}

static bool finish_device(const struct hv_host *host, struct dda_device *device,
                          const char *any_id, struct err *err)
{
    enum { PROBLEM_DISABLED = 22 };
    bool owned = false;

    if (!device->instance_id)
        device->instance_id = dda_host_id(any_id);
    device->pci_id = gpu_pci_id(any_id);
    if (!device->instance_id)
        return err_no_memory(err);
    for (size_t i = 0; i < device->entry_count; i++)
        owned |= device->entries[i].vm != NULL;
    for (size_t i = 0; i < host->vm_count && device->user_id; i++)
        owned |= text_ieq(host->vms[i].id, device->user_id);

    if (device->is_dismounted || (device->is_listed && !device->on_host))
        device->state = owned                                        ? DDA_ASSIGNED
                        : device->entry_count > 0 || device->user_id ? DDA_ORPHANED
                                                                     : DDA_DISMOUNTED;
    else if (device->on_host)
        device->state =
            device->problem_code.known && device->problem_code.value == PROBLEM_DISABLED
                ? DDA_DISABLED
                : DDA_ON_HOST;
    else
        device->state = device->entry_count > 0 ? DDA_GONE : DDA_PHANTOM;
    return true;
}

/* *ret_is_one: of a card with a GPU, as the host's inventory has them. */
static bool take_function(const struct hv_host *host, struct dda_device *device,
                          bool *ret_is_one, struct err *err)
{
    const struct hv_gpu *gpu = hv_find_gpu(host, device->instance_id);
    const struct hv_function *function = hv_find_function(host, device->instance_id);
    const char *location = function && function->location_path ? function->location_path
                           : gpu                               ? gpu->location_path
                                                               : NULL;

    *ret_is_one = gpu || function;
    if (!location || device->location_path)
        return true;
    device->location_path = text_dup(location);
    return device->location_path || err_no_memory(err);
}

/* Devices one may want to give to a VM or have back; not every bridge of the host. */
static bool keep_device(const struct hv_host *host, struct dda_device *device,
                        bool of_microsoft, bool *ret_keep, struct err *err)
{
    bool is_function;

    if (!take_function(host, device, &is_function, err))
        return false;
    *ret_keep = !of_microsoft && (is_function || device->class == DDA_CLASS_GPU ||
                                  device->dismounted_id || device->entry_count > 0);
    /* Left over from a device that has been mounted again, and of no interest itself. */
    if (device->state == DDA_ON_HOST && device->class == DDA_CLASS_OTHER && !is_function &&
        device->entry_count == 0)
        *ret_keep = false;
    return true;
}

static bool make_devices(struct sightings *seen, struct dda_list *list, struct err *err)
{
    for (size_t i = 0; i < seen->count;) {
        struct dda_device *devices =
            list_grow(list->devices, list->count, sizeof(*devices), err);
        CLEANUP(free_cleanup) char *id = text_dup(seen->items[i].instance_id);
        bool of_microsoft = false, keep = false;
        struct dda_device *device;

        if (!devices)
            return false;
        list->devices = devices;
        device = &devices[list->count++];
        if (!id)
            return err_no_memory(err);
        for (; i < seen->count; i++) {
            struct sighting *item = &seen->items[i];

            if (item->instance_id && text_casecmp(rest_of(item->instance_id), rest_of(id)))
                break;
            of_microsoft |= item->of_microsoft;
            if (!add_to_device(device, item, err))
                return false;
        }
        if (!finish_device(seen->host, device, id, err) ||
            !keep_device(seen->host, device, of_microsoft, &keep, err))
            return false;
        if (!keep) {
            clear_device(device);
            *device = (struct dda_device){ 0 };
            list->count--;
        }
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct dda_device *x = a, *y = b;
    int order = !x->location_path - !y->location_path;

    if (!order && x->location_path)
        order = text_casecmp(x->location_path, y->location_path);
    return order ? order : text_casecmp(rest_of(x->instance_id), rest_of(y->instance_id));
}

static bool is_away(const struct dda_device *device)
{
    return device->state == DDA_GONE || device->state == DDA_PHANTOM;
}

static void find_moved(struct dda_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct dda_device *device = &list->devices[i];
        size_t found = 0;

        for (size_t k = 0; k < list->count && is_away(device); k++)
            if (!is_away(&list->devices[k]) && list->devices[k].entry_count == 0 &&
                dda_same_make(device->instance_id, list->devices[k].instance_id)) {
                device->moved_to.value = k;
                found++;
            }
        device->moved_to.known = found == 1;
    }
}

bool hv_read_assignable(struct cim_session *session, const struct hv_host *host,
                        struct dda_list *ret, struct err *err)
{
    struct sightings seen = { .host = host };
    struct dda_list list = { 0 };
    bool ok = see_all(session, &seen, err);

    if (ok && seen.count > 1)
        qsort(seen.items, seen.count, sizeof(*seen.items), by_device);
    ok = ok && make_devices(&seen, &list, err);
    list.pool_entries = seen.pool_entries;
    clear_sightings(&seen);
    if (!ok) {
        dda_list_clear(&list);
        return false;
    }
    if (list.count > 1)
        qsort(list.devices, list.count, sizeof(*list.devices), by_place);
    find_moved(&list);
    *ret = list;
    return true;
}

/* ---- looking ---- */

const struct dda_device *dda_find(const struct dda_list *list, const char *instance_id)
{
    for (size_t i = 0; is_pci(instance_id) && i < list->count; i++)
        if (text_ieq(rest_of(list->devices[i].instance_id), rest_of(instance_id)))
            return &list->devices[i];
    return NULL;
}

const struct dda_device *dda_find_at(const struct dda_list *list, const char *location_path)
{
    const struct dda_device *found = NULL;

    for (size_t i = 0; location_path && i < list->count; i++) {
        const struct dda_device *device = &list->devices[i];

        if (text_ieq(device->location_path, location_path) && (!found || is_away(found)))
            found = device;
    }
    return found;
}

const struct dda_entry *dda_entry_of(const struct dda_device *device, const char *vm_id)
{
    for (size_t i = 0; i < device->entry_count; i++)
        if (text_ieq(device->entries[i].vm_id, vm_id))
            return &device->entries[i];
    return NULL;
}
