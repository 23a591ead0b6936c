/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Msvm_VirtualSystemManagementService: adding, changing and removing settings.
 *
 * Each call is first checked without changing anything.  What goes through is done at
 * once or by a job, in turn: hosts were seen to answer the same method both ways.  What
 * fails, fails in a job (ReturnValue 4096, then state 10), as measured (go-wsman,
 * HyperV-WMI).  A job checks again, for the host may have changed meanwhile.
 */
#include "hv-settings.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "jobs.h"
#include "text.h"

enum op { ADD, MODIFY, REMOVE, MODIFY_SYSTEM };

enum { RESULT_MAX = 64 };

/* One block of memory, so that a job can own it. */
struct request {
    enum op op;
    char vm_id[37]; /* ADD */
    size_t count;
    char texts[]; /* @count of them, each with its NUL: CIM-XML; REMOVE: InstanceIDs */
};

struct results {
    struct sim_object *objects[RESULT_MAX];
    size_t count;
};

/* ---- adding ---- */

static bool has_quota(const struct cim_instance *wanted)
{
    static const char *const what[] = { "VRAM", "Encode", "Decode", "Compute" };
    static const char *const which[] = { "Min", "Max", "Optimal" };

    for (size_t i = 0; i < ARRAY_LEN(what); i++)
        for (size_t j = 0; j < ARRAY_LEN(which); j++) {
            char name[32];

            snprintf(name, sizeof(name), "%sPartition%s", which[j], what[i]);
            if (cim_get_count(wanted, name))
                return true;
        }
    return false;
}

static bool is_gpu_partition(const struct cim_instance *wanted,
                             const struct cim_class *class)
{
    const char *subtype = cim_get_text(wanted, "ResourceSubType");
    uint64_t type = 0;

    return text_ieq(class->name, "Msvm_GpuPartitionSettingData") &&
           cim_get_u64(wanted, "ResourceType", &type) && type == HV_GPU_TYPE &&
           text_ieq(subtype, HV_GPU_SUBTYPE);
}

/* Hot changes: one report that they work once cache types and MMIO are set (HyperV-WMI
 * gpu_partition); how they fail otherwise nobody wrote down. */
static uint32_t check_hot(struct sim_host *host, const char *vm_id, const char **why)
{
    struct sim_object *system = hv_vm_by_id(host, vm_id);
    struct sim_object *vssd = hv_settings_of(host, vm_id);

    if (!system || !vssd)
        return HV_NOT_AVAILABLE;
    if (hv_state(system) == HV_OFF ||
        (hv_state(system) == HV_RUNNING && hv_number(vssd, "GuestControlledCacheTypes")))
        return 0;
    *why = "adding or removing a GPU partition while the VM is not off and its cache types "
           "and MMIO were not set before";
    return HV_UNKNOWN;
}

static uint32_t check_gpu(struct sim_host *host, const char *vm_id,
                          const struct cim_instance *wanted, struct sim_object **ret_gpu,
                          const char **why)
{
    const char *pin = cim_get_text_at(wanted, "HostResource", 0);
    const char *pool = cim_get_text(wanted, "PoolID");

    *ret_gpu = NULL;
    /* Measured: HyperV-WMI recipe gpu_partition_vram. */
    if (has_quota(wanted))
        return HV_INVALID_PARAMETER;
    if (pool && *pool) {
        *why = "adding a GPU partition from a pool of its own";
        return HV_UNKNOWN;
    }
    if (pin && *pin) {
        /* A full object path with doubled backslashes; the bare name and an undoubled one
         * fail (measured: HyperV-WMI recipe gpu_specific_assign). */
        *ret_gpu = hv_gpu_by_path(host, pin);
        if (!*ret_gpu)
            return HV_INVALID_PARAMETER;
    } else if (!sim_store_next(host->store, NULL, HV_NS, "Msvm_PartitionableGpu")) {
        *why = "adding a GPU partition on a host without a partitionable GPU";
        return HV_UNKNOWN;
    }
    /* MicrosoftDocs/windowsserverdocs gpu-partitioning.md: one per VM on Server 2025. */
    if (host->build >= 26100 && text_istarts(host->edition, "Server") &&
        hv_next_resource(host, NULL, "Msvm_GpuPartitionSettingData", vm_id)) {
        *why = "adding a second GPU partition on Windows Server 2025, which allows one";
        return HV_UNKNOWN;
    }
    return check_hot(host, vm_id, why);
}

static uint32_t add_express(struct sim_host *host, const char *vm_id,
                            const struct cim_instance *wanted, enum hv_step step,
                            struct sim_object **ret_object, const char **why)
{
    struct sim_object *express = NULL;
    struct err err = ERR_INIT;
    uint32_t error = hv_check_assign(host, vm_id, wanted, &express, why);

    if (error || step == HV_CHECK)
        return error;
    host->dirty = true;
    *ret_object =
        hv_make_express_setting(host, hv_settings_of(host, vm_id), express, NULL, &err);
    return *ret_object ? 0 : HV_FAILED;
}

static uint32_t add_one(struct sim_host *host, const char *vm_id, const char *text,
                        enum hv_step step, struct sim_object **ret_object, const char **why)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *wanted = NULL;
    const struct cim_class *class;
    struct sim_object *gpu, *vssd = hv_settings_of(host, vm_id);
    struct sim_object *system = hv_vm_by_id(host, vm_id);
    struct err err = ERR_INIT;
    uint32_t error = hv_read_setting(text, &wanted, &class);

    if (error)
        return error;
    if (!vssd || !system)
        return HV_NOT_AVAILABLE;
    /* Without type and subtype: 32773 (measured: HyperV-WMI). */
    if (!cim_get_count(wanted, "ResourceType") || !cim_get_text(wanted, "ResourceSubType"))
        return HV_INVALID_PARAMETER;
    if (text_ieq(class->name, "Msvm_PciExpressSettingData"))
        return add_express(host, vm_id, wanted, step, ret_object, why);
    if (!text_ieq(class->name, "Msvm_GpuPartitionSettingData")) {
        *why = "adding a resource other than a GPU partition and a PCI Express device";
        return HV_UNKNOWN;
    }
    if (!is_gpu_partition(wanted, class))
        return HV_INVALID_PARAMETER;
    error = check_gpu(host, vm_id, wanted, &gpu, why);
    if (error || step == HV_CHECK)
        return error;
    host->dirty = true;
    *ret_object = hv_make_adapter(host, vssd, gpu, NULL, &err);
    if (!*ret_object)
        return HV_FAILED;
    if (hv_state(system) == HV_RUNNING &&
        !hv_make_partition(host, system, *ret_object, &err)) {
        sim_job_say(host, "Insufficient system resources exist to complete the requested "
                          "service. (0x800705AA)");
        sim_store_remove_with_links(host->store, *ret_object);
        *ret_object = NULL;
        return HV_FAILED;
    }
    return 0;
}

/* ---- removing ---- */

static uint32_t remove_one(struct sim_host *host, const char *id, enum hv_step step,
                           const char **why)
{
    struct sim_object *o =
        hv_find_by_text(host, "Msvm_GpuPartitionSettingData", "InstanceID", id);
    bool is_express = false;
    char vm_id[37] = "";
    uint32_t error;

    if (!o) {
        o = hv_find_by_text(host, "Msvm_PciExpressSettingData", "InstanceID", id);
        is_express = o != NULL;
    }
    if (!o) {
        *why = "removing a resource that is neither a GPU partition nor an assigned device";
        return HV_UNKNOWN;
    }
    if (!hv_vm_id_of(id, vm_id) || !hv_vm_by_id(host, vm_id)) {
        *why = "removing a template";
        return HV_UNKNOWN;
    }
    error = is_express ? hv_check_unassign(host, vm_id, why) : check_hot(host, vm_id, why);
    if (error || step == HV_CHECK)
        return error;
    host->dirty = true;
    if (!is_express)
        hv_remove_partition(host, o);
    sim_store_remove_with_links(host->store, o);
    return 0;
}

/* ---- one call ---- */

static uint32_t perform(struct sim_host *host, const struct request *r, enum hv_step step,
                        struct results *results, const char **why)
{
    const char *text = r->texts;

    for (size_t i = 0; i < r->count; i++, text += strlen(text) + 1) {
        struct sim_object *object = NULL;
        uint32_t error = 0;

        switch (r->op) {
        case ADD:
            error = add_one(host, r->vm_id, text, step, &object, why);
            break;
        case MODIFY:
            error = hv_modify_resource(host, text, step, &object, why);
            break;
        case REMOVE:
            error = remove_one(host, text, step, why);
            break;
        case MODIFY_SYSTEM:
            error = hv_modify_system(host, text, step, &object, why);
            break;
        }
        if (error)
            return error;
        if (object && results->count < RESULT_MAX)
            results->objects[results->count++] = object;
    }
    return 0;
}

static uint32_t finish(struct sim_host *host, void *user, struct sim_object **affected)
{
    const struct request *r = user;
    struct results results = { 0 };
    const char *why = "";
    struct err err = ERR_INIT;
    /* Check all before changing any: the first of two must not stay alone. */
    uint32_t error = perform(host, r, HV_CHECK, &results, &why);

    results.count = 0;
    if (!error)
        error = perform(host, r, HV_APPLY, &results, &why);
    if (error == HV_UNKNOWN)
        error = HV_INVALID_STATE; /* it was possible when the job began */
    for (size_t i = 0; !error && r->op == ADD && i < results.count; i++)
        if (!sim_job_affects(host, results.objects[i], &err))
            return HV_FAILED;
    return error;
}

static bool set_results(struct sim_call *call, const char *name,
                        const struct results *results, struct err *err)
{
    struct cim_value value = { .type = CIM_REFERENCE, .is_array = true };

    if (!results->count)
        return true;
    value.data = calloc(results->count, sizeof(*value.data));
    if (!value.data)
        return err_no_memory(err);
    for (; value.count < results->count; value.count++) {
        value.data[value.count].path =
            cim_path_copy(sim_object_path(results->objects[value.count]));
        if (!value.data[value.count].path) {
            cim_value_clear(&value);
            return err_no_memory(err);
        }
    }
    return cim_set(call->out, name, &value, err);
}

/* Takes *request over. */
static bool run(struct sim_call *call, struct request *request, uint16_t job_type,
                struct sim_fault *fault)
{
    struct sim_host *host = call->host;
    CLEANUP(free_cleanup) void *owned = request;
    struct results results = { 0 };
    const char *why = "";
    struct err err = ERR_INIT;
    uint32_t error = perform(host, request, HV_CHECK, &results, &why);

    if (error == HV_UNKNOWN)
        return sim_unknown(fault, why);
    if (error || call->job_fate != SIM_JOB_NORMAL ||
        (host->job_ms && host->job_parity++ % 2))
        return sim_job_start(call, "Msvm_ConcreteJob", job_type, finish, TAKE(owned),
                             fault);

    results.count = 0;
    error = perform(host, request, HV_APPLY, &results, &why);
    if (error)
        return sim_return(call, error, fault);
    if ((request->op == ADD || request->op == MODIFY) &&
        !set_results(call, "ResultingResourceSettings", &results, &err))
        return sim_fault_err(fault, &err);
    return sim_return(call, 0, fault);
}

static struct request *new_request(enum op op, const char *const *texts, size_t count)
{
    struct request *r;
    size_t size = 0;
    char *to;

    for (size_t i = 0; i < count; i++)
        size += strlen(texts[i]) + 1;
    r = calloc(1, sizeof(*r) + size + 1);
    if (!r)
        return NULL;
    r->op = op;
    r->count = count;
    to = r->texts;
    for (size_t i = 0; i < count; i++)
        to = stpcpy(to, texts[i]) + 1;
    return r;
}

/* The texts of an array parameter, lent by the call; NULL elements are "". */
static const char **texts_of(const struct sim_call *call, const char *name,
                             size_t *ret_count)
{
    const char **texts;

    *ret_count = cim_get_count(call->in, name);
    texts = calloc(*ret_count + 1, sizeof(*texts));
    for (size_t i = 0; texts && i < *ret_count; i++) {
        texts[i] = cim_get_text_at(call->in, name, i);
        if (!texts[i])
            texts[i] = "";
    }
    return texts;
}

static bool no_memory(struct sim_fault *fault)
{
    struct err err = ERR_INIT;

    err_no_memory(&err);
    return sim_fault_err(fault, &err);
}

/* HyperV_v2 addresourcesettings-msvm-virtualsystemmanagementservice */
static bool add_resources(struct sim_call *call, struct sim_fault *fault)
{
    const struct cim_path *path = cim_get_path(call->in, "AffectedConfiguration");
    struct sim_object *vssd = path ? sim_store_find(call->host->store, path) : NULL;
    CLEANUP(free_cleanup) void *owned = NULL;
    struct request *r;
    size_t count;
    char id[37];

    if (!vssd || !text_ieq(sim_object_class(vssd)->name, "Msvm_VirtualSystemSettingData") ||
        !hv_vm_id_of(hv_text(vssd, "InstanceID"), id) || !hv_vm_by_id(call->host, id))
        return sim_unknown(fault, "AddResourceSettings without the settings of a VM as "
                                  "AffectedConfiguration");
    owned = texts_of(call, "ResourceSettings", &count);
    if (!owned)
        return no_memory(fault);
    if (!count)
        return sim_return(call, HV_INVALID_PARAMETER, fault);
    r = new_request(ADD, owned, count);
    if (!r)
        return no_memory(fault);
    strcpy(r->vm_id, id);
    return run(call, r, 30, fault);
}

static bool modify(struct sim_call *call, const char *parameter, enum op op,
                   uint16_t job_type, struct sim_fault *fault)
{
    CLEANUP(free_cleanup) void *owned = NULL;
    struct request *r;
    size_t count;

    owned = texts_of(call, parameter, &count);
    if (!owned)
        return no_memory(fault);
    if (!count)
        return sim_return(call, HV_INVALID_PARAMETER, fault);
    r = new_request(op, owned, count);
    return r ? run(call, r, job_type, fault) : no_memory(fault);
}

/* HyperV_v2 modifyresourcesettings-msvm-virtualsystemmanagementservice */
static bool modify_resources(struct sim_call *call, struct sim_fault *fault)
{
    return modify(call, "ResourceSettings", MODIFY, 31, fault);
}

/* HyperV_v2 modifysystemsettings-msvm-virtualsystemmanagementservice */
static bool modify_system(struct sim_call *call, struct sim_fault *fault)
{
    return modify(call, "SystemSettings", MODIFY_SYSTEM, 2, fault);
}

/* HyperV_v2 removeresourcesettings-msvm-virtualsystemmanagementservice */
static bool remove_resources(struct sim_call *call, struct sim_fault *fault)
{
    const struct cim_value *value = cim_get(call->in, "ResourceSettings");
    CLEANUP(free_cleanup) void *owned = NULL;
    const char **ids;
    struct request *r;

    if (!value || value->type != CIM_REFERENCE || !value->count)
        return sim_return(call, HV_INVALID_PARAMETER, fault);
    owned = ids = calloc(value->count, sizeof(*ids));
    if (!ids)
        return no_memory(fault);
    for (size_t i = 0; i < value->count; i++) {
        ids[i] =
            value->data[i].path ? cim_path_get(value->data[i].path, "InstanceID") : NULL;
        if (!ids[i])
            ids[i] = "";
    }
    r = new_request(REMOVE, ids, value->count);
    return r ? run(call, r, 32, fault) : no_memory(fault);
}

/* ---- GPUs ---- */

static bool is_other_value(struct sim_object *object, const struct cim_property *p)
{
    const struct cim_value *now = cim_get(sim_object_instance(object), p->name);

    return !p->value.is_null && (!now || !cim_value_equal(now, &p->value));
}

/* A VM that is off may have a partition of it, too. */
static bool is_pinned(struct sim_host *host, struct sim_object *gpu)
{
    struct sim_object *o = NULL;

    while ((o = sim_store_next(host->store, o, HV_NS, "Msvm_GpuPartitionSettingData"))) {
        const char *pin = cim_get_text_at(sim_object_instance(o), "HostResource", 0);

        if (pin && hv_gpu_by_path(host, pin) == gpu)
            return true;
    }
    return false;
}

/* PutInstance with a count out of ValidPartitionCounts is proven (HyperV-WMI recipe
 * gpu_partition); the rest is not written down anywhere. */
static bool put_gpu(struct sim_host *host, struct sim_object *gpu,
                    const struct cim_instance *changes, struct sim_fault *fault)
{
    static const char *const what[] = { "VRAM", "Encode", "Decode", "Compute" };
    const struct cim_value *valid =
        cim_get(sim_object_instance(gpu), "ValidPartitionCounts");
    struct err err = ERR_INIT;
    uint64_t count = 0;
    bool known = false;

    for (size_t i = 0; i < changes->count; i++)
        if (!text_ieq(changes->properties[i].name, "PartitionCount") &&
            is_other_value(gpu, &changes->properties[i]))
            return sim_unknown(fault,
                               "writing another property of Msvm_PartitionableGpu than "
                               "PartitionCount");
    if (!cim_get_u64(changes, "PartitionCount", &count) ||
        count == hv_number(gpu, "PartitionCount"))
        return true;
    for (size_t i = 0; valid && i < valid->count; i++)
        known |= valid->data[i].u == count;
    if (!known)
        return sim_unknown(fault, "the error for a PartitionCount that is not valid");
    if (hv_partitions_in_use(host, gpu) || is_pinned(host, gpu))
        return sim_unknown(fault, "setting PartitionCount while partitions are assigned");
    host->dirty = true;
    if (!object_set_number(host, gpu, "PartitionCount", count, &err))
        return sim_fault_err(fault, &err);
    for (size_t i = 0;
         i < ARRAY_LEN(what) && !text_iends(hv_text(gpu, "Name"), "\\GPUPARAV"); i++) {
        char total[24], max[32], optimal[32];

        snprintf(total, sizeof(total), "Total%s", what[i]);
        snprintf(max, sizeof(max), "MaxPartition%s", what[i]);
        snprintf(optimal, sizeof(optimal), "OptimalPartition%s", what[i]);
        if (!object_set_number(host, gpu, max, hv_number(gpu, total) / count, &err) ||
            !object_set_number(host, gpu, optimal, hv_number(gpu, total) / count, &err))
            return sim_fault_err(fault, &err);
    }
    return true;
}

#define SERVICE "Msvm_VirtualSystemManagementService"

static const struct sim_method methods[] = {
    { HV_NS, SERVICE, "AddResourceSettings", add_resources, "HyperV_v2; HyperV-WMI" },
    { HV_NS, SERVICE, "ModifyResourceSettings", modify_resources, "HyperV_v2; HyperV-WMI" },
    { HV_NS, SERVICE, "RemoveResourceSettings", remove_resources, "HyperV_v2; HyperV-WMI" },
    { HV_NS, SERVICE, "ModifySystemSettings", modify_system, "HyperV_v2; go-wsman" },
    { 0 },
};

static const struct sim_put put_table[] = {
    { HV_NS, "Msvm_PartitionableGpu", put_gpu, "HyperV-WMI recipe gpu_partition" },
    { 0 },
};

const struct sim_behaviour sim_settings_behaviour = {
    .name = "vm-settings",
    .methods = methods,
    .puts = put_table,
};
