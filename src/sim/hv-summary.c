/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GetSummaryInformation: many facts of many VMs in one call.
 *
 * Numbers of what can be asked for: HyperV_v2
 * getsummaryinformation-msvm-virtualsystemmanagementservice.  What was not asked for is
 * null; what no lab knows (load, thumbnails, replication) stays null too.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv.h"
#include "jobs.h"
#include "strbuf.h"
#include "text.h"

enum from { SYSTEM, SETTINGS, PROCESSOR, MEMORY_USAGE, UPTIME, GUEST, GPU_NAME };

static const struct {
    unsigned number;
    const char *property; /* of Msvm_SummaryInformation */
    enum from from;
    const char *source; /* property there */
} fields[] = {
    { 0, "Name", SYSTEM, "Name" },
    { 1, "ElementName", SYSTEM, "ElementName" },
    { 2, "CreationTime", SETTINGS, "CreationTime" },
    { 3, "Notes", SETTINGS, "Notes" },
    { 4, "NumberOfProcessors", PROCESSOR, "VirtualQuantity" },
    { 8, "AllocatedGPU", GPU_NAME, NULL },
    { 10, "Version", SETTINGS, "Version" },
    { 100, "EnabledState", SYSTEM, "EnabledState" },
    { 103, "MemoryUsage", MEMORY_USAGE, NULL },
    { 105, "UpTime", UPTIME, NULL },
    { 106, "GuestOperatingSystem", GUEST, NULL },
    { 109, "HealthState", SYSTEM, "HealthState" },
    { 110, "OperationalStatus", SYSTEM, "OperationalStatus" },
    { 111, "StatusDescriptions", SYSTEM, "StatusDescriptions" },
};

/* The same value under another name; an array's first element where one is wanted. */
static bool copy(struct cim_instance *to, const char *name, struct sim_object *from,
                 const char *source, struct err *err)
{
    const struct cim_value *value =
        from ? cim_get(sim_object_instance(from), source) : NULL;
    const struct cim_class *class = cim_schema_class(HV_NS, "Msvm_SummaryInformation");
    const struct cim_class_property *p = class ? cim_schema_property(class, name) : NULL;
    struct cim_value converted;
    struct strbuf text = STRBUF_INIT;
    bool ok = true;

    if (!value || value->is_null || !p)
        return true;
    converted =
        (struct cim_value){ .type = p->type, .is_array = p->is_array, .is_null = true };
    for (size_t i = 0; ok && i < value->count && (i == 0 || p->is_array); i++) {
        strbuf_clear(&text);
        cim_value_put_text(value, i, &text);
        ok = text.failed ? err_no_memory(err)
                         : cim_value_add_text(&converted, text.text ? text.text : "", err);
    }
    ok = ok && cim_set(to, name, &converted, err);
    cim_value_clear(&converted);
    strbuf_free(&text);
    return ok;
}

static bool fill(struct sim_host *host, struct cim_instance *to, size_t n,
                 struct sim_object *system, struct sim_object *settings, struct err *err)
{
    const char *id = hv_text(system, "Name"), *name = fields[n].property;
    const struct lab_vm *lab = hv_lab_vm(host, system);
    bool running = hv_state(system) == HV_RUNNING;
    struct sim_object *o;

    switch (fields[n].from) {
    case SYSTEM:
        return copy(to, name, system, fields[n].source, err);
    case SETTINGS:
        return copy(to, name, settings, fields[n].source, err);
    case PROCESSOR:
        return copy(to, name, hv_next_resource(host, NULL, "Msvm_ProcessorSettingData", id),
                    fields[n].source, err);
    case MEMORY_USAGE: /* megabytes a running VM has; its startup memory here */
        o = hv_next_resource(host, NULL, "Msvm_MemorySettingData", id);
        return !running || copy(to, name, o, "VirtualQuantity", err);
    case UPTIME:
        return copy(to, name, system, "OnTimeInMilliseconds", err);
    case GUEST:
        return !running || !lab || !*lab->guest_os ||
               cim_set_text(to, name, lab->guest_os, err);
    case GPU_NAME: /* of RemoteFX, gone since 2021; nothing says what it shows for others */
        return true;
    }
    return true;
}

static bool summarize(struct sim_call *call, struct sim_object *settings,
                      struct cim_value *list, struct err *err)
{
    struct sim_object *system =
        hv_vm_by_id(call->host, hv_text(settings, "VirtualSystemIdentifier"));
    const struct cim_value *asked = cim_get(call->in, "RequestedInformation");
    struct cim_instance *to;
    union cim_datum *grown;

    if (!system)
        return true;
    grown = realloc(list->data, (list->count + 1) * sizeof(*grown));
    if (!grown)
        return err_no_memory(err);
    list->data = grown;
    to = cim_instance_new(HV_NS, "Msvm_SummaryInformation");
    if (!to)
        return err_no_memory(err);
    list->data[list->count++].object = to;
    if (!cim_set_text(to, "InstanceID", hv_text(settings, "InstanceID"), err))
        return false;
    for (size_t i = 0; asked && i < asked->count; i++)
        for (size_t n = 0; n < ARRAY_LEN(fields); n++)
            if (fields[n].number == asked->data[i].u &&
                !fill(call->host, to, n, system, settings, err))
                return false;
    return true;
}

static bool summarize_all(struct sim_call *call, struct cim_value *list, struct err *err)
{
    const struct cim_value *refs = cim_get(call->in, "SettingData");
    struct sim_object *o = NULL;

    if (!refs || refs->is_null) {
        while ((o = sim_store_next(call->host->store, o, HV_NS,
                                   "Msvm_VirtualSystemSettingData")))
            if (text_ieq(hv_text(o, "VirtualSystemType"), HV_REALIZED) &&
                !summarize(call, o, list, err))
                return false;
        return true;
    }
    for (size_t i = 0; i < refs->count; i++) {
        o = refs->data[i].path ? sim_store_find(call->host->store, refs->data[i].path)
                               : NULL;
        if (!o || !text_ieq(sim_object_class(o)->name, "Msvm_VirtualSystemSettingData"))
            return err_fail(err, ERR_NOT_FOUND, 0, "no such Msvm_VirtualSystemSettingData");
        if (!summarize(call, o, list, err))
            return false;
    }
    return true;
}

static bool get_summary(struct sim_call *call, struct sim_fault *fault)
{
    struct cim_value list = { .type = CIM_OBJECT, .is_array = true };
    struct err err = ERR_INIT;
    bool ok = summarize_all(call, &list, &err) &&
              cim_set(call->out, "SummaryInformation", &list, &err);

    cim_value_clear(&list);
    if (!ok && err.kind == ERR_NOT_FOUND)
        return sim_unknown(fault, "GetSummaryInformation of settings that do not exist");
    return ok ? sim_return(call, 0, fault) : sim_fault_err(fault, &err);
}

static const struct sim_method methods[] = {
    { HV_NS, "Msvm_VirtualSystemManagementService", "GetSummaryInformation", get_summary,
      "HyperV_v2" },
    { 0 },
};

const struct sim_behaviour sim_summary_behaviour = {
    .name = "vm-summary",
    .methods = methods,
};
