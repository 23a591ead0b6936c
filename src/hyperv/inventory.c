/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a host: a fixed number of queries, each for a whole class, joined here.
 *
 * Most rows are taken whole ("SELECT *").  Columns are chosen for the classes of which
 * every VM has a row of some kilobytes: otherwise their number would decide how many answers
 * a host needs.  A host answers a choice of columns without the class's name and without types
 * (wsman: w:XmlFragment; recorded in tariksetia/txwinrm); both follow from the query.
 */
#include <string.h>

#include "failover.h"
#include "err.h"
#include "inventory-parts.h"
#include "job.h"
#include "schema.h"
#include "strbuf.h"
#include "text.h"

void *list_grow(void *items, size_t count, size_t size, struct err *err)
{
    char *grown = (char *)items;

    if (count >= ROW_MAX) {
        err_fail(err, ERR_PROTOCOL, 0, "the host lists more than %d of one thing", ROW_MAX);
        return NULL;
    }
    if ((count & (count - 1)) == 0) { /* full at every power of two */
        grown = realloc(items, (count ? count * 2 : 1) * size);
        if (!grown) {
            err_no_memory(err);
            return NULL;
        }
    }
    memset(grown + count * size, 0, size);
    return grown;
}

bool take_text(char **to, const struct cim_instance *row, const char *property,
               struct err *err)
{
    const char *text = cim_get_text(row, property);

    if (!text || !*text)
        return true;
    free(*to);
    *to = text_dup(text);
    return *to || err_no_memory(err);
}

void take_u64(struct known_u64 *to, const struct cim_instance *row, const char *property)
{
    to->known = cim_get_u64(row, property, &to->value) || to->known;
}

void take_mb(struct known_u64 *to, const struct cim_instance *row, const char *property)
{
    uint64_t mb;

    if (cim_get_u64(row, property, &mb) && mb <= UINT64_MAX >> 20)
        *to = (struct known_u64){ true, mb << 20 };
}

char *host_resource_key(const struct cim_instance *row, const char *class_name,
                        const char *key)
{
    const char *text = cim_get_text_at(row, "HostResource", 0);
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    struct err ignored = ERR_INIT;

    if (!text || !*text)
        return NULL;
    path = cim_path_parse(text, &ignored);
    if (!path || !text_ieq(path->class_name, class_name))
        return NULL;
    return text_dup(cim_path_get(path, key));
}

/* WBEM_E_NOT_FOUND, INVALID_NAMESPACE, INVALID_CLASS and the WS-Man code for a resource
 * URI that names nothing.  Source: MicrosoftDocs/win32 WmiSdk wmi-error-constants;
 * windows-docs-rs Win32::System::RemoteManagement. */
bool is_missing_class(const struct err *err)
{
    switch ((uint32_t)err->code) {
    case 0x80041002:
    case 0x8004100E:
    case 0x80041010:
    case 0x8033803B:
        return true;
    default:
        return false;
    }
}

bool stays_unknown(const struct err *err)
{
    return err->kind != ERR_UNREACHABLE && err->kind != ERR_CANCELLED &&
           err->kind != ERR_NO_MEMORY;
}

/* WBEM_E_INVALID_QUERY, or WS-Management's "cannot process filter", which wraps it. */
static bool is_wrong_query(const struct err *err)
{
    return (uint32_t)err->code == 0x80041017 || (uint32_t)err->code == 0x8033801A;
}

/* NULL: all columns, because it is not known which there are. */
static char *choose(const struct hv_host *host, const char *class_name,
                    const char *const *columns)
{
    const struct cim_class *class = cim_schema_class(HV_NS, class_name);
    struct strbuf wql = STRBUF_INIT;

    if (!columns || !class || !host->build.known)
        return NULL;
    strbuf_puts(&wql, "SELECT ");
    for (size_t i = 0, chosen = 0; columns[i]; i++) {
        const struct cim_class_property *p = cim_schema_property(class, columns[i]);

        if (p && p->first_build <= host->build.value)
            strbuf_printf(&wql, "%s%s", chosen++ ? ", " : "", p->name);
    }
    strbuf_printf(&wql, " FROM %s", class->name);
    return strbuf_take(&wql);
}

bool query_columns(struct cim_session *session, const struct hv_host *host,
                   const char *class_name, const char *const *columns, cim_row_fn *on_row,
                   void *user, struct err *err)
{
    CLEANUP(free_cleanup) char *some = choose(host, class_name, columns);
    CLEANUP(free_cleanup) char *all = text_printf("SELECT * FROM %s", class_name);
    struct err why = ERR_INIT;

    if (!all)
        return err_no_memory(err);
    if (some && cim_query(session, HV_NS, some, on_row, user, &why))
        return true;
    /* A build may lack a column that we know of; a wrong query gives no rows. */
    if (some && !is_wrong_query(&why)) {
        *err = why;
        return false;
    }
    return cim_query(session, HV_NS, all, on_row, user, err);
}

/* EditionID of a product type.  Source: MicrosoftDocs/sdk-api GetProductInfo; the evaluation
 * and core forms of a product are the same edition. */
static const struct {
    uint64_t sku;
    const char *edition;
} editions[] = {
    { 4, "Enterprise" },
    { 7, "ServerStandard" },
    { 8, "ServerDatacenter" },
    { 12, "ServerDatacenter" },
    { 13, "ServerStandard" },
    { 27, "EnterpriseN" },
    { 42, "ServerHyperCore" },
    { 48, "Professional" },
    { 49, "ProfessionalN" },
    { 72, "EnterpriseEval" },
    { 79, "ServerStandardEval" },
    { 80, "ServerDatacenterEval" },
    { 101, "Core" },
    { 121, "Education" },
    { 122, "EducationN" },
    { 125, "EnterpriseS" },
    { 161, "ProfessionalWorkstation" },
};

enum { PRODUCT_WORKSTATION = 1 }; /* Win32_OperatingSystem.ProductType */

static bool on_system(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_host *host = (struct hv_host *)user;
    const char *build = cim_get_text(row, "BuildNumber");
    uint64_t sku, product;

    if (build)
        host->build.known = text_to_u64(build, 10, &host->build.value);
    if (cim_get_u64(row, "ProductType", &product))
        host->is_server = product != PRODUCT_WORKSTATION;
    if (cim_get_u64(row, "OperatingSystemSKU", &sku))
        for (size_t i = 0; i < ARRAY_LEN(editions) && !host->edition; i++)
            if (editions[i].sku == sku) {
                host->edition = text_dup(editions[i].edition);
                if (!host->edition)
                    return err_no_memory(err);
            }
    return take_text(&host->product, row, "Caption", err) &&
           take_text(&host->computer_name, row, "CSName", err);
}

bool read_system(struct cim_session *session, struct hv_host *host, struct err *err)
{
    if (!cim_query(session, "root/cimv2", "SELECT * FROM Win32_OperatingSystem", on_system,
                   host, err))
        return false;
    /* "Microsoft Windows 11 Pro " comes with a blank at its end on some builds. */
    for (size_t n = host->product ? strlen(host->product) : 0;
         n > 0 && host->product[n - 1] == ' ';)
        host->product[--n] = '\0';
    return true;
}

static int by_vm_name(const void *a, const void *b)
{
    const struct hv_vm *x = (const struct hv_vm *)a, *y = (const struct hv_vm *)b;
    int order = text_casecmp(x->name ? x->name : "", y->name ? y->name : "");

    return order ? order : text_casecmp(x->id, y->id);
}

static bool read_all(struct cim_session *session, struct hv_host *host, unsigned what,
                     struct err *err)
{
    if (!read_system(session, host, err))
        return false;
    if ((what & HV_VMS) && !read_vms(session, host, what, err))
        return false;
    if ((what & HV_GPUS) && !read_gpus(session, host, what, err))
        return false;
    if ((what & HV_DEVICES) && !read_devices(session, host, err))
        return false;
    if ((what & HV_GPU_DETAILS) && !read_gpu_details(session, host, err))
        return false;
    if ((what & HV_FUNCTIONS) && !read_functions(session, host, what, err))
        return false;
    if ((what & HV_CLUSTER) && !read_cluster(session, host, err))
        return false;
    if ((what & HV_OWNERS) && !read_owners(session, host, err))
        return false;
    if ((what & HV_PLATFORM) && !read_platform(session, host, err))
        return false;
    if (host->vm_count > 1)
        qsort(host->vms, host->vm_count, sizeof(*host->vms), by_vm_name);
    return true;
}

bool hv_inventory_read(struct cim_session *session, const char *name, unsigned what,
                       struct hv_host **ret, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = calloc(1, sizeof(*host));

    if (!host)
        return err_no_memory(err);
    host->name = text_dup(name);
    if (!host->name)
        return err_no_memory(err);
    if (!read_all(session, host, what, err))
        return false; /* whoever asked names the host */
    *ret = TAKE(host);
    return true;
}

bool hv_inventory_read_any(struct cim_session *session, const char *name, unsigned what,
                           struct hv_host **ret, struct err *err)
{
    const unsigned without = HV_GPUS | HV_GPU_DETAILS | HV_GPU_DRIVERS | HV_FUNCTIONS |
                             HV_ALL_FUNCTIONS | HV_PLATFORM;
    struct err why = ERR_INIT;

    if (hv_inventory_read(session, name, what, ret, &why)) {
        (*ret)->platform.hyper_v = what & HV_VMS ? TRI_YES : TRI_UNKNOWN;
        return true;
    }
    if (why.kind != ERR_UNSUPPORTED) {
        *err = why;
        return false;
    }
    if (!hv_inventory_read(session, name, what & without, ret, err))
        return false;
    (*ret)->platform.hyper_v = TRI_NO;
    return true;
}

static void free_gpu(struct hv_gpu *gpu)
{
    free(gpu->name);
    free(gpu->pci_id);
    free(gpu->vendor);
    free(gpu->instance_id);
    free(gpu->interface_path);
    free(gpu->location_path);
    free(gpu->driver_version);
    free(gpu->driver_date);
    free(gpu->driver_inf);
    free(gpu->driver_package);
    free(gpu->service);
    free(gpu->valid_partition_counts);
}

static void free_function(struct hv_function *function)
{
    free(function->name);
    free(function->pci_id);
    free(function->instance_id);
    free(function->location_path);
    free(function->class_guid);
}

static void free_platform(struct hv_platform *platform)
{
    for (size_t i = 0; i < platform->iov_reason_count; i++)
        free(platform->iov_reasons[i]);
    free(platform->iov_reasons);
    free(platform->cluster_name);
}

static void free_vm(struct hv_vm *vm)
{
    free(vm->name);
    free(vm->id);
    free(vm->settings_id);
    free(vm->version);
    free(vm->guest_os);
    for (size_t i = 0; i < vm->disk_count; i++) {
        free(vm->disks[i].path);
        free(vm->disks[i].parent);
    }
    free(vm->disks);
    for (size_t i = 0; i < vm->adapter_count; i++) {
        free(vm->adapters[i].id);
        free(vm->adapters[i].interface_path);
        free(vm->adapters[i].running_on);
    }
    free(vm->adapters);
    for (size_t i = 0; i < vm->device_count; i++) {
        free(vm->devices[i].location_path);
        free(vm->devices[i].instance_id);
    }
    free(vm->devices);
}

void hv_host_free(struct hv_host *host)
{
    if (!host)
        return;
    for (size_t i = 0; i < host->gpu_count; i++)
        free_gpu(&host->gpus[i]);
    for (size_t i = 0; i < host->vm_count; i++)
        free_vm(&host->vms[i]);
    for (size_t i = 0; i < host->function_count; i++)
        free_function(&host->functions[i]);
    free_platform(&host->platform);
    hv_cluster_free(host->cluster);
    free(host->functions);
    free(host->gpus);
    for (size_t i = 0; i < host->checkpoint_id_count; i++)
        free(host->checkpoint_ids[i]);
    free(host->checkpoint_ids);
    free(host->vms);
    free(host->name);
    free(host->product);
    free(host->edition);
    free(host->computer_name);
    free(host);
}
