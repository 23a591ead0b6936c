/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GPUs of a host: physical display and compute adapters as Windows sees them, joined
 * with what Hyper-V lists as partitionable.
 *
 * A GPU is a PCI function of the class "Display" (by its GUID, the name is not asked), one
 * without a driver whose compatible ids say class 03, or one of these in its dismounted
 * form `PCIP\...`.  Microsoft's own (Hyper-V video, the render driver of a guest) are not
 * physical, and neither is anything that is not on PCI.
 *
 * Sources: hyperv_v2 Msvm_PartitionableGpu; cimwin32 Win32_PnPEntity,
 * Win32_VideoController; MicrosoftDocs/windows-driver-docs install/identifiers-for-pci-
 * devices (compatible ids PCI\CC_ccss).
 */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "inventory-parts.h"
#include "job.h"
#include "text.h"

#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"

/* The id without its bus, so that a GPU keeps its place in the list when it is
 * dismounted: `PCI\VEN_...` becomes `PCIP\VEN_...`. */
const char *without_bus(const char *id)
{
    const char *slash = id ? strchr(id, '\\') : NULL;

    return slash ? slash + 1 : id ? id : "";
}

static int by_instance(const void *a, const void *b)
{
    const struct hv_gpu *x = (const struct hv_gpu *)a, *y = (const struct hv_gpu *)b;

    return text_casecmp(without_bus(x->instance_id), without_bus(y->instance_id));
}

void sort_gpus(struct hv_host *host)
{
    if (host->gpu_count > 1)
        qsort(host->gpus, host->gpu_count, sizeof(*host->gpus), by_instance);
}

static struct hv_gpu *search(struct hv_gpu *gpus, size_t count, const char *instance_id)
{
    size_t low = 0, high = count;

    while (instance_id && low < high) {
        size_t mid = low + (high - low) / 2;
        int order =
            text_casecmp(without_bus(instance_id), without_bus(gpus[mid].instance_id));

        if (order == 0)
            return &gpus[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

struct hv_gpu *find_gpu(struct hv_host *host, const char *instance_id)
{
    return search(host->gpus, host->gpu_count, instance_id);
}

const struct hv_gpu *hv_find_gpu(const struct hv_host *host, const char *instance_id)
{
    return search(host->gpus, host->gpu_count, instance_id);
}

const struct hv_gpu *hv_adapter_gpu(const struct hv_host *host,
                                    const struct hv_adapter *adapter)
{
    const char *path = adapter->running_on ? adapter->running_on : adapter->interface_path;
    CLEANUP(free_cleanup) char *instance = gpu_instance_from_interface(path);

    return instance ? hv_find_gpu(host, instance) : NULL;
}

bool hv_gpus_alike(const struct hv_gpu *a, const struct hv_gpu *b)
{
    return text_ieq(a->pci_id, b->pci_id) &&
           a->partition_count.known == b->partition_count.known &&
           a->partition_count.value == b->partition_count.value &&
           text_ieq(a->driver_version, b->driver_version);
}

bool hv_all_alike(const struct hv_host *host, const struct hv_gpu *gpu)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        if (host->gpus[i].interface_path && !hv_gpus_alike(&host->gpus[i], gpu))
            return false;
    return true;
}

static const char *vendor_name(const char *pci_id)
{
    static const struct {
        const char *id, *name;
    } vendors[] = {
        { "10de", "NVIDIA" },
        { "1002", "AMD" },
        { "1022", "AMD" },
        { "8086", "Intel" },
    };

    for (size_t i = 0; i < ARRAY_LEN(vendors); i++)
        if (strncmp(pci_id, vendors[i].id, 4) == 0)
            return vendors[i].name;
    return NULL;
}

static bool new_gpu(struct hv_host *host, const char *instance_id, struct hv_gpu **ret,
                    struct err *err)
{
    struct hv_gpu *gpus = list_grow(host->gpus, host->gpu_count, sizeof(*gpus), err);
    struct hv_gpu *gpu;

    if (!gpus)
        return false;
    host->gpus = gpus;
    gpu = &gpus[host->gpu_count++];
    gpu->instance_id = text_dup(instance_id);
    gpu->pci_id = gpu_pci_id(instance_id);
    if (!gpu->instance_id)
        return err_no_memory(err);
    if (gpu->pci_id) {
        const char *vendor = vendor_name(gpu->pci_id);

        gpu->vendor = vendor ? text_dup(vendor) : text_ndup(gpu->pci_id, 4);
        if (!gpu->vendor)
            return err_no_memory(err);
    }
    *ret = gpu;
    return true;
}

static bool has_display_id(const struct cim_instance *row, const char *property)
{
    for (size_t i = 0; i < cim_get_count(row, property); i++) {
        const char *id = cim_get_text_at(row, property, i);
        const char *class_code = id ? text_istr(id, "CC_03") : NULL;

        if (class_code &&
            (class_code == id || class_code[-1] == '\\' || class_code[-1] == '&'))
            return true;
    }
    return false;
}

/* Nodes that tell only together with another one whether and what GPU they are. */
struct nodes {
    struct hv_host *host;
    struct node {
        char *id, *name;
        struct known_u64 problem_code;
        bool dismounted; /* is there; else the phantom of a GPU */
    } * items;
    size_t count;
};

static bool keep_node(struct nodes *nodes, const struct cim_instance *row, const char *id,
                      bool dismounted, struct err *err)
{
    struct node *items = list_grow(nodes->items, nodes->count, sizeof(*items), err);
    struct node *node;

    if (!items)
        return false;
    nodes->items = items;
    node = &items[nodes->count++];
    node->dismounted = dismounted;
    node->id = text_dup(id);
    take_u64(&node->problem_code, row, "ConfigManagerErrorCode");
    return node->id ? take_text(&node->name, row, "Name", err) : err_no_memory(err);
}

static int by_node(const void *a, const void *b)
{
    const struct node *x = (const struct node *)a, *y = (const struct node *)b;

    return text_casecmp(without_bus(x->id), without_bus(y->id));
}

static bool new_dismounted(struct hv_host *host, const char *id,
                           struct known_u64 problem_code, struct hv_gpu **ret,
                           struct err *err)
{
    if (!new_gpu(host, id, ret, err))
        return false;
    (*ret)->place = GPU_PLACE_UNKNOWN; /* read_devices() knows */
    (*ret)->status = GPU_READY_FOR_DDA;
    (*ret)->modes = GPU_MODE_DDA;
    (*ret)->problem_code = problem_code;
    return true;
}

/* A dismounted device is called "PCI Express ... - Dismounted" and may not say what it is; its
 * former node, which stays as a phantom, does, and has the name people know. */
static bool join_nodes(struct nodes *nodes, struct err *err)
{
    if (nodes->count > 1)
        qsort(nodes->items, nodes->count, sizeof(*nodes->items), by_node);
    for (size_t i = 0; i < nodes->count; i++) {
        struct node *phantom = &nodes->items[i], *node = NULL;
        struct hv_gpu *gpu = find_gpu(nodes->host, phantom->id);

        if (phantom->dismounted)
            continue;
        if (i > 0 && by_node(phantom, &nodes->items[i - 1]) == 0)
            node = &nodes->items[i - 1];
        else if (i + 1 < nodes->count && by_node(phantom, &nodes->items[i + 1]) == 0)
            node = &nodes->items[i + 1];
        if (!gpu && node && node->dismounted) {
            if (!new_dismounted(nodes->host, node->id, node->problem_code, &gpu, err))
                return false;
            gpu->name = TAKE(phantom->name);
            sort_gpus(nodes->host);
        } else if (gpu && gpu->place != GPU_ON_HOST && phantom->name) {
            free(gpu->name);
            gpu->name = TAKE(phantom->name);
        }
    }
    return true;
}

static void clear_nodes(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        free(nodes->items[i].id);
        free(nodes->items[i].name);
    }
    free(nodes->items);
}

static bool on_pnp(const struct cim_instance *row, void *user, struct err *err)
{
    struct nodes *nodes = (struct nodes *)user;
    const char *id = cim_get_text(row, "DeviceID");
    bool dismounted, display, present = true;
    struct known_u64 problem_code = { 0 };
    struct hv_gpu *gpu;

    if (!id)
        return true;
    dismounted = text_istarts(id, "PCIP\\");
    cim_get_bool(row, "Present", &present);
    if ((!dismounted && !text_istarts(id, "PCI\\")) ||
        text_istarts(without_bus(id), "VEN_1414"))
        return true;
    display = text_ieq(cim_get_text(row, "ClassGuid"), DISPLAY_CLASS) ||
              has_display_id(row, "CompatibleID") || has_display_id(row, "HardwareID");
    if (present ? !display && dismounted : display && !dismounted)
        return keep_node(nodes, row, id, dismounted, err);
    if (!present || !display)
        return true;

    take_u64(&problem_code, row, "ConfigManagerErrorCode");
    if (dismounted) {
        if (!new_dismounted(nodes->host, id, problem_code, &gpu, err))
            return false;
    } else {
        if (!new_gpu(nodes->host, id, &gpu, err))
            return false;
        gpu->place = GPU_ON_HOST;
        gpu->problem_code = problem_code;
    }
    return take_text(&gpu->name, row, "Name", err) &&
           take_text(&gpu->service, row, "Service", err);
}

static bool take_counts(struct hv_gpu *gpu, const struct cim_instance *row, struct err *err)
{
    const struct cim_value *counts = cim_get(row, "ValidPartitionCounts");

    if (!counts || counts->is_null || counts->count == 0 || gpu->valid_partition_counts ||
        counts->type > CIM_UINT64 || counts->type == CIM_BOOLEAN)
        return true;
    gpu->valid_partition_counts = calloc(counts->count, sizeof(uint64_t));
    if (!gpu->valid_partition_counts)
        return err_no_memory(err);
    for (size_t i = 0; i < counts->count; i++)
        gpu->valid_partition_counts[i] = counts->data[i].u;
    gpu->valid_partition_count_count = counts->count;
    return true;
}

const char *const hv_quota_names[QUOTA_COUNT] = {
    [QUOTA_VRAM] = "VRAM",
    [QUOTA_ENCODE] = "Encode",
    [QUOTA_DECODE] = "Decode",
    [QUOTA_COMPUTE] = "Compute",
};

static void take_amount(struct known_u64 *to, const struct cim_instance *row,
                        const char *prefix, const char *resource)
{
    char property[40];

    snprintf(property, sizeof(property), "%s%s", prefix, resource);
    take_u64(to, row, property);
}

static void take_amounts(struct hv_gpu *gpu, const struct cim_instance *row)
{
    memset(gpu->amounts, 0, sizeof(gpu->amounts)); /* not one entry's with another's */
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        struct hv_amount *amount = &gpu->amounts[i];

        take_amount(&amount->total, row, "Total", hv_quota_names[i]);
        take_amount(&amount->available, row, "Available", hv_quota_names[i]);
        take_amount(&amount->min, row, "MinPartition", hv_quota_names[i]);
        take_amount(&amount->max, row, "MaxPartition", hv_quota_names[i]);
        take_amount(&amount->optimal, row, "OptimalPartition", hv_quota_names[i]);
    }
}

struct partitionable {
    struct hv_host *host;
    size_t sorted; /* GPUs that Windows listed; behind them those only Hyper-V knows */
};

/* A GPU may be listed twice, once for each way of sharing; the hardware's partitions are
 * then what the interface path names. */
static bool on_partitionable(const struct cim_instance *row, void *user, struct err *err)
{
    struct partitionable *read = (struct partitionable *)user;
    const char *path = cim_get_text(row, "Name");
    CLEANUP(free_cleanup) char *instance = gpu_instance_from_interface(path);
    bool paravirtual = gpu_interface_is_paravirtual(path), moves;
    struct hv_gpu *gpu;

    if (!instance)
        return true;
    gpu = search(read->host->gpus, read->sorted, instance);
    if (!gpu && !new_gpu(read->host, instance, &gpu, err))
        return false;

    gpu->modes |= paravirtual ? GPU_MODE_PV : GPU_MODE_P;
    if (gpu->interface_path && paravirtual)
        return true;
    gpu->status = paravirtual ? GPU_PARAVIRTUALIZATION : GPU_PARTITIONED;
    take_u64(&gpu->partition_count, row, "PartitionCount");
    if (cim_get_bool(row, "SupportsIncomingLiveMigration", &moves))
        gpu->incoming_live_migration = moves ? TRI_YES : TRI_NO;
    take_amounts(gpu, row);
    return take_text(&gpu->interface_path, row, "Name", err) && take_counts(gpu, row, err);
}

static bool on_video(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_gpu *gpu = find_gpu((struct hv_host *)user, cim_get_text(row, "PNPDeviceID"));
    struct cim_datetime date;
    uint64_t width;

    if (!gpu)
        return true;
    if (cim_get_datetime(row, "DriverDate", &date) && !date.interval && !gpu->driver_date) {
        char iso[40];

        cim_datetime_to_iso(&date, iso);
        gpu->driver_date = text_ndup(iso, strcspn(iso, "T"));
        if (!gpu->driver_date)
            return err_no_memory(err);
    }
    /* Null for a controller that shows nothing.  Source: cimwin32 Win32_VideoController. */
    if (gpu->shows_display != TRI_YES)
        gpu->shows_display =
            cim_get_u64(row, "CurrentHorizontalResolution", &width) && width > 0 ? TRI_YES
                                                                                 : TRI_NO;
    if (!gpu->name && !take_text(&gpu->name, row, "Name", err))
        return false;
    return take_text(&gpu->driver_version, row, "DriverVersion", err) &&
           take_text(&gpu->driver_inf, row, "InfFilename", err);
}

/* Without a partition mode: client Windows assigns no devices, so nothing is left; on a
 * server only the PCI facts could tell, and they were not asked yet. */
static void judge_status(struct hv_host *host)
{
    for (size_t i = 0; i < host->gpu_count; i++) {
        struct hv_gpu *gpu = &host->gpus[i];

        if (gpu->status == GPU_STATUS_UNKNOWN && host->build.known && !host->is_server)
            gpu->status = GPU_NOT_ASSIGNABLE;
    }
}

bool read_gpus(struct cim_session *session, struct hv_host *host, unsigned what,
               struct err *err)
{
    struct partitionable read = { .host = host };
    struct nodes nodes = { .host = host };
    struct err why = ERR_INIT;
    bool ok;

    /* Code 28: no driver, hence no class. */
    ok = cim_query(session, "root/cimv2",
                   "SELECT * FROM Win32_PnPEntity WHERE ClassGuid = '" DISPLAY_CLASS "'"
                   " OR DeviceID LIKE 'PCIP%' OR ConfigManagerErrorCode = 28",
                   on_pnp, &nodes, err);
    sort_gpus(host);
    ok = ok && join_nodes(&nodes, err);
    clear_nodes(&nodes);
    if (!ok)
        return err_wrap(err, "listing display devices");

    read.sorted = host->gpu_count;
    if (!cim_query(session, HV_NS, "SELECT * FROM Msvm_PartitionableGpu", on_partitionable,
                   &read, &why)) {
        if (!is_missing_class(&why)) { /* before 14393 there is no such class */
            *err = why;
            return err_wrap(err, "listing partitionable GPUs");
        }
    }
    sort_gpus(host);

    if ((what & HV_GPU_DRIVERS) &&
        !cim_query(session, "root/cimv2", "SELECT * FROM Win32_VideoController", on_video,
                   host, err))
        return err_wrap(err, "listing display drivers");
    judge_status(host);
    return true;
}
