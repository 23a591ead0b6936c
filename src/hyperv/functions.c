/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI functions of cards with a GPU on them: what Plug and Play says of each, and which
 * resources Windows gave it.
 *
 * Which functions share a card is told by their location paths, which cost a call each; so
 * only those are asked whose instance id says that they hang on the same bridge as a GPU
 * (everything but the last part of its tail).  Source: measured ids, such as
 * 4&1c3d25bb&0&0019 and 4&1c3d25bb&0&0119 of one card.
 *
 * Resources are joined by their keys, not by texts: Win32_PnPAllocatedResource names them.
 * SurveyDDA.ps1 joins by parts of texts and can mix up devices.
 *
 * Sources: cimwin32 Win32_PnPEntity, Win32_PnPAllocatedResource, Win32_DeviceMemoryAddress,
 * Win32_IRQResource; MicrosoftDocs/Virtualization-Documentation SurveyDDA.ps1.
 */

#include <string.h>
#include <strings.h>

#include "err.h"
#include "inventory-parts.h"
#include "text.h"

enum { FUNCTIONS_MAX = 1024 };

bool hv_same_card(const char *location_path, const char *other)
{
    size_t len = location_path ? strlen(location_path) : 0;

    /* "...#PCI(ddff)": the function is the two digits before the last ')'. */
    return len > 3 && other && strlen(other) == len && location_path[len - 1] == ')' &&
           other[len - 1] == ')' && text_istarts(location_path, "PCIROOT(") &&
           strncasecmp(location_path, other, len - 3) == 0;
}

const struct hv_function *hv_find_function(const struct hv_host *host,
                                           const char *instance_id)
{
    for (size_t i = 0; instance_id && i < host->function_count; i++)
        if (text_ieq(without_bus(host->functions[i].instance_id), without_bus(instance_id)))
            return &host->functions[i];
    return NULL;
}

/* ---- devices ---- */

struct reading {
    struct hv_host *host;
    bool all;
};

/* The tail up to its last part: "4&1c3d25bb&0&". */
static size_t bridge_len(const char *tail)
{
    const char *last = strrchr(tail, '&');

    return last ? (size_t)(last - tail) + 1 : 0;
}

static const char *tail_of(const char *instance_id)
{
    const char *slash = instance_id ? strrchr(instance_id, '\\') : NULL;

    return slash ? slash + 1 : "";
}

static bool beside_a_gpu(const struct hv_host *host, const char *instance_id)
{
    const char *tail = tail_of(instance_id);
    size_t len = bridge_len(tail);

    for (size_t i = 0; i < host->gpu_count; i++) {
        const char *of_gpu = tail_of(host->gpus[i].instance_id);

        if (text_ieq(without_bus(instance_id), without_bus(host->gpus[i].instance_id)) ||
            (len > 0 && bridge_len(of_gpu) == len && strncasecmp(tail, of_gpu, len) == 0))
            return true;
    }
    return false;
}

static enum gpu_place place_of(const struct hv_host *host, const char *instance_id)
{
    const struct hv_gpu *gpu = hv_find_gpu(host, instance_id);

    if (gpu && gpu->place != GPU_PLACE_UNKNOWN)
        return gpu->place;
    if (!text_istarts(instance_id, "PCIP\\"))
        return GPU_ON_HOST;
    for (size_t v = 0; v < host->vm_count; v++)
        for (size_t d = 0; d < host->vms[v].device_count; d++)
            if (text_ieq(without_bus(host->vms[v].devices[d].instance_id),
                         without_bus(instance_id)))
                return GPU_ASSIGNED;
    return GPU_DISMOUNTED;
}

static bool on_pnp(const struct cim_instance *row, void *user, struct err *err)
{
    struct reading *reading = (struct reading *)user;
    struct hv_host *host = reading->host;
    const char *id = cim_get_text(row, "DeviceID");
    struct hv_function *functions, *function;
    bool present = true;

    cim_get_bool(row, "Present", &present);
    if (!id || !present || (!text_istarts(id, "PCI\\") && !text_istarts(id, "PCIP\\")) ||
        host->function_count >= FUNCTIONS_MAX || (!reading->all && !beside_a_gpu(host, id)))
        return true;
    functions = list_grow(host->functions, host->function_count, sizeof(*functions), err);
    if (!functions)
        return false;
    host->functions = functions;
    function = &functions[host->function_count++];
    function->instance_id = text_dup(id);
    if (!function->instance_id)
        return err_no_memory(err);
    function->pci_id = gpu_pci_id(id);
    function->place = place_of(host, id);
    take_u64(&function->problem_code, row, "ConfigManagerErrorCode");
    return take_text(&function->name, row, "Name", err) &&
           take_text(&function->class_guid, row, "ClassGuid", err);
}

/* ---- their properties ---- */

static bool on_property(const struct cim_instance *p, void *user, struct err *err)
{
    struct hv_function *f = (struct hv_function *)user;
    const struct {
        const char *name, *key;
        struct known_u64 *to;
    } numbers[] = {
        { "DEVPKEY_PciDevice_DeviceType", PCI_FMTID " 1", &f->device_type },
        { "DEVPKEY_PciDevice_BaseClass", PCI_FMTID " 3", &f->base_class },
        { "DEVPKEY_PciDevice_SubClass", PCI_FMTID " 4", &f->sub_class },
        { "DEVPKEY_PciDevice_InterruptSupport", PCI_FMTID " 14", &f->interrupt_support },
        { "DEVPKEY_PciDevice_BarTypes", PCI_FMTID " 16", &f->bar_types },
        { "DEVPKEY_PciDevice_SriovSupport", PCI_FMTID " 26", &f->sriov_support },
        { "DEVPKEY_PciDevice_AcsCompatibleUpHierarchy", PCI_FMTID " 31",
          &f->acs_up_hierarchy },
        { "DEVPKEY_PciDevice_RequiresReservedMemoryRegion", PCI_FMTID " 34",
          &f->reserved_memory },
        { "DEVPKEY_PciDevice_OnPostPath", PCI_FMTID " 37", &f->on_post_path },
        { "DEVPKEY_Device_BusNumber", DEVICE_FMTID " 23", &f->bus },
        { "DEVPKEY_Device_Address", DEVICE_FMTID " 30", &f->address },
    };

    if (is_device_property(p, "DEVPKEY_Device_LocationPaths", DEVICE_FMTID " 37")) {
        for (size_t i = 0; i < cim_get_count(p, "Data") && !f->location_path; i++) {
            const char *path = cim_get_text_at(p, "Data", i);

            if (!path || !text_istarts(path, "PCIROOT("))
                continue;
            f->location_path = text_dup(path);
            if (!f->location_path)
                return err_no_memory(err);
        }
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (is_device_property(p, numbers[i].name, numbers[i].key))
            take_u64(numbers[i].to, p, "Data");
    return true;
}

static bool ask_all(struct cim_session *session, struct hv_host *host, struct err *err)
{
    static const char *const keys[] = {
        "DEVPKEY_Device_LocationPaths",
        "DEVPKEY_Device_BusNumber",
        "DEVPKEY_Device_Address",
        PCI_FMTID " 1",
        PCI_FMTID " 3",
        PCI_FMTID " 4",
        PCI_FMTID " 14",
        PCI_FMTID " 16",
        PCI_FMTID " 26",
        PCI_FMTID " 31",
        PCI_FMTID " 34",
        PCI_FMTID " 37",
    };

    for (size_t i = 0; i < host->function_count; i++)
        if (!ask_device_properties(session, host->functions[i].instance_id, keys,
                                   ARRAY_LEN(keys), on_property, &host->functions[i], err))
            return err_wrap(err, "asking about '%.80s'", host->functions[i].instance_id);
    return true;
}

/* ---- their resources ---- */

enum { MESSAGE_INTERRUPT = 0x80000000u }; /* Windows shows them as negative numbers */

struct allocated {
    struct hv_host *host;
    bool any;
};

static bool on_allocated(const struct cim_instance *row, void *user, struct err *err)
{
    struct allocated *allocated = (struct allocated *)user;
    struct hv_host *host = allocated->host;
    const struct cim_path *resource = cim_get_path(row, "Antecedent");
    const struct cim_path *device = cim_get_path(row, "Dependent");
    const char *id = device ? cim_path_get(device, "DeviceID") : NULL;
    struct hv_function *function = (struct hv_function *)hv_find_function(host, id);
    uint64_t number;

    (void)err;
    allocated->any = true;
    if (!resource || !function)
        return true;
    function->has_resources = true;
    if (text_ieq(resource->class_name, "Win32_IRQResource")) {
        if (!cim_path_get_u64(resource, "IRQNumber", &number))
            return true;
        if (number >= MESSAGE_INTERRUPT)
            function->message_interrupts++;
        else
            function->line_interrupts++;
    } else if (text_ieq(resource->class_name, "Win32_DeviceMemoryAddress")) {
        if (cim_path_get_u64(resource, "StartingAddress", &number) &&
            function->range_count < HV_RANGES_MAX)
            function->ranges[function->range_count++].base = number;
    }
    return true;
}

/* Several ranges may start at one address: a bridge's window and the device's own, which is
 * the smaller. */
static bool on_memory(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_host *host = (struct hv_host *)user;
    uint64_t start, end;

    (void)err;
    if (!cim_get_u64(row, "StartingAddress", &start) ||
        !cim_get_u64(row, "EndingAddress", &end) || end < start || end == UINT64_MAX)
        return true;
    if (!host->platform.highest_address.known ||
        host->platform.highest_address.value < end + 1)
        host->platform.highest_address = (struct known_u64){ true, end + 1 };
    for (size_t i = 0; i < host->function_count; i++) {
        struct hv_function *function = &host->functions[i];

        for (size_t r = 0; r < function->range_count; r++) {
            struct hv_range *range = &function->ranges[r];
            uint64_t size = end - start + 1;

            if (range->base == start && (!range->size_bytes || size < range->size_bytes))
                range->size_bytes = size;
        }
    }
    return true;
}

static void drop_unsized(struct hv_function *function)
{
    size_t kept = 0;

    for (size_t i = 0; i < function->range_count; i++)
        if (function->ranges[i].size_bytes)
            function->ranges[kept++] = function->ranges[i];
    function->range_count = kept;
}

static bool read_resources(struct cim_session *session, struct hv_host *host,
                           struct err *err)
{
    struct allocated allocated = { .host = host };
    struct err why = ERR_INIT;

    if (!cim_query(session, "root/cimv2", "SELECT * FROM Win32_PnPAllocatedResource",
                   on_allocated, &allocated, &why) ||
        !cim_query(session, "root/cimv2", "SELECT * FROM Win32_DeviceMemoryAddress",
                   on_memory, host, &why)) {
        if (!stays_unknown(&why)) {
            *err = why;
            return err_wrap(err, "listing resources of devices");
        }
        for (size_t i = 0; i < host->function_count; i++) {
            host->functions[i].has_resources = false;
            host->functions[i].range_count = 0;
        }
        return true;
    }
    for (size_t i = 0; i < host->function_count; i++) {
        /* Nothing allocated to a device that works: it has no resources.  A GPU without any
         * is not believed. */
        if (allocated.any && host->functions[i].problem_code.known &&
            host->functions[i].problem_code.value == 0 &&
            host->functions[i].place == GPU_ON_HOST &&
            !hv_find_gpu(host, host->functions[i].instance_id))
            host->functions[i].has_resources = true;
        drop_unsized(&host->functions[i]);
    }
    return true;
}

/* ---- all of it ---- */

static int by_location(const void *a, const void *b)
{
    const struct hv_function *x = (const struct hv_function *)a;
    const struct hv_function *y = (const struct hv_function *)b;
    int order = text_casecmp(x->location_path ? x->location_path : "",
                             y->location_path ? y->location_path : "");

    return order ? order : text_casecmp(x->instance_id, y->instance_id);
}

bool read_functions(struct cim_session *session, struct hv_host *host, unsigned what,
                    struct err *err)
{
    struct reading reading = { host, what & HV_ALL_FUNCTIONS };

    if (!cim_query(session, "root/cimv2",
                   "SELECT * FROM Win32_PnPEntity WHERE DeviceID LIKE 'PCI%'", on_pnp,
                   &reading, err))
        return err_wrap(err, "listing PCI devices");
    if (!ask_all(session, host, err) || !read_resources(session, host, err))
        return false;
    if (host->function_count > 1)
        qsort(host->functions, host->function_count, sizeof(*host->functions), by_location);
    return true;
}
