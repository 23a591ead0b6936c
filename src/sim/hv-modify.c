/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing settings: which properties of which class, with which values, in which state
 * of the VM.
 *
 * What a client sends back unchanged is taken and ignored (COM tools echo whole objects);
 * null and left out mean unchanged; false and 0 are values like others (measured:
 * go-wsman explicit_zero_integration_test.go).
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hv-settings.h"
#include "jobs.h"
#include "os.h"
#include "text.h"

enum when { ALWAYS, VM_OFF };

struct setting {
    const char *class_name, *name;
    uint64_t min, max; /* of numbers */
    enum when when;
};

#define ANY 0, UINT64_MAX
#define VSSD "Msvm_VirtualSystemSettingData"
#define GPU "Msvm_GpuPartitionSettingData"

/* Ranges: HyperV_v2 msvm-virtualsystemsettingdata and cim-virtualsystemsettingdata;
 * MMIO and cache types only while off: MicrosoftDocs/windows-powershell-docs Set-VM;
 * AutomaticShutdownAction while running: os-win.  Quotas: HyperV-WMI recipe
 * gpu_partition_vram: VRAM of all ones is refused, of the other three it is taken. */
static const struct setting settings[] = {
    { VSSD, "ElementName", ANY, ALWAYS },
    { VSSD, "Notes", ANY, ALWAYS },
    { VSSD, "GuestControlledCacheTypes", ANY, VM_OFF },
    { VSSD, "LowMmioGapSize", 128, 3584, VM_OFF },
    { VSSD, "HighMmioGapSize", ANY, VM_OFF },
    { VSSD, "HighMmioGapBase", ANY, VM_OFF },
    { VSSD, "AutomaticShutdownAction", 2, 4, ALWAYS },
    { VSSD, "AutomaticStartupAction", 2, 4, ALWAYS },
    { VSSD, "AutomaticStartupActionDelay", ANY, ALWAYS },
    { VSSD, "AutomaticRecoveryAction", 2, 4, ALWAYS },
    { VSSD, "AutomaticCriticalErrorAction", 0, 1, ALWAYS },
    { VSSD, "AutomaticCriticalErrorActionTimeout", ANY, ALWAYS },
    { VSSD, "UserSnapshotType", 2, 5, ALWAYS },
    { VSSD, "AutomaticSnapshotsEnabled", ANY, ALWAYS },
    { VSSD, "VirtualNumaEnabled", ANY, VM_OFF },
    { VSSD, "TurnOffOnGuestRestart", ANY, VM_OFF },
    { VSSD, "EnableHibernation", ANY, VM_OFF },
    { VSSD, "LockOnDisconnect", ANY, ALWAYS },
    { GPU, "MinPartitionVRAM", 0, UINT64_MAX - 1, VM_OFF },
    { GPU, "MaxPartitionVRAM", 0, UINT64_MAX - 1, VM_OFF },
    { GPU, "OptimalPartitionVRAM", 0, UINT64_MAX - 1, VM_OFF },
    { GPU, "MinPartitionEncode", ANY, VM_OFF },
    { GPU, "MaxPartitionEncode", ANY, VM_OFF },
    { GPU, "OptimalPartitionEncode", ANY, VM_OFF },
    { GPU, "MinPartitionDecode", ANY, VM_OFF },
    { GPU, "MaxPartitionDecode", ANY, VM_OFF },
    { GPU, "OptimalPartitionDecode", ANY, VM_OFF },
    { GPU, "MinPartitionCompute", ANY, VM_OFF },
    { GPU, "MaxPartitionCompute", ANY, VM_OFF },
    { GPU, "OptimalPartitionCompute", ANY, VM_OFF },
    { "Msvm_MemorySettingData", "VirtualQuantity", 32, UINT64_MAX, VM_OFF },
    { "Msvm_MemorySettingData", "Reservation", 32, UINT64_MAX, VM_OFF },
    { "Msvm_MemorySettingData", "Limit", 32, UINT64_MAX, VM_OFF },
    { "Msvm_MemorySettingData", "DynamicMemoryEnabled", ANY, VM_OFF },
    { "Msvm_MemorySettingData", "TargetMemoryBuffer", 5, 2000, VM_OFF },
    { "Msvm_ProcessorSettingData", "VirtualQuantity", 1, 2048, VM_OFF },
    { "Msvm_ProcessorSettingData", "ExposeVirtualizationExtensions", ANY, VM_OFF },
    { "Msvm_ShutdownComponentSettingData", "EnabledState", 2, 3, ALWAYS },
    { "Msvm_TimeSyncComponentSettingData", "EnabledState", 2, 3, ALWAYS },
    { "Msvm_KvpExchangeComponentSettingData", "EnabledState", 2, 3, ALWAYS },
    { "Msvm_HeartbeatComponentSettingData", "EnabledState", 2, 3, ALWAYS },
    { "Msvm_VssComponentSettingData", "EnabledState", 2, 3, ALWAYS },
    { "Msvm_GuestServiceInterfaceComponentSettingData", "EnabledState", 2, 3, ALWAYS },
};

static const struct setting *find_setting(const char *class_name, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (text_ieq(settings[i].class_name, class_name) &&
            text_ieq(settings[i].name, name))
            return &settings[i];
    return NULL;
}

/* A change of one property, judged alone. */
static uint32_t judge(const struct setting *setting, const struct cim_property *p,
                      bool vm_is_off, const char **why)
{
    const struct cim_value *v = &p->value;
    bool is_number = v->type >= CIM_UINT8 && v->type <= CIM_UINT64;

    if (!setting) {
        *why = "changing a property that no source shows changed";
        return HV_UNKNOWN;
    }
    /* Accepted, and the job fails (measured with AutomaticRecoveryAction 1). */
    if (is_number && v->count &&
        (v->data[0].u < setting->min || v->data[0].u > setting->max))
        return HV_INVALID_PARAMETER;
    if (v->type == CIM_STRING && !v->is_array && v->data[0].text && !*v->data[0].text) {
        *why = "setting a text to the empty text";
        return HV_UNKNOWN;
    }
    if (setting->when == VM_OFF && !vm_is_off)
        return HV_INVALID_STATE;
    return 0;
}

static bool is_change(struct sim_object *object, const struct cim_property *p)
{
    const struct cim_value *now = cim_get(sim_object_instance(object), p->name);

    if (p->value.is_null)
        return false;
    return !now || now->is_null || !cim_value_equal(now, &p->value);
}

/* Only the first of Notes is kept (measured: go-wsman). */
static bool store_value(struct sim_object *object, const struct cim_property *p,
                        struct err *err)
{
    struct cim_value value;
    bool ok;

    if (text_ieq(p->name, "Notes")) {
        const char *first = p->value.count ? p->value.data[0].text : "";

        return cim_set_texts(sim_object_instance(object), "Notes", &first, 1, err);
    }
    ok = cim_value_copy(&p->value, &value, err) &&
         cim_set(sim_object_instance(object), p->name, &value, err);
    return ok;
}

static uint32_t change_all(struct sim_host *host, struct sim_object *object,
                           const struct cim_instance *wanted, enum hv_step step,
                           const char **why)
{
    char vm_id[37] = "";
    struct sim_object *system;
    struct err err = ERR_INIT;
    bool off;

    hv_vm_id_of(hv_text(object, "InstanceID"), vm_id);
    system = hv_vm_by_id(host, vm_id);
    if (!system) {
        *why = "changing a template or a checkpoint's settings";
        return HV_UNKNOWN;
    }
    off = hv_state(system) == HV_OFF;
    for (size_t i = 0; i < wanted->count; i++) {
        const struct cim_property *p = &wanted->properties[i];
        uint32_t error;

        if (!is_change(object, p))
            continue;
        error = judge(find_setting(sim_object_class(object)->name, p->name), p, off, why);
        if (error)
            return error;
    }
    if (step == HV_CHECK)
        return 0;
    for (size_t i = 0; i < wanted->count; i++)
        if (is_change(object, &wanted->properties[i]) &&
            !store_value(object, &wanted->properties[i], &err))
            return HV_FAILED;
    host->dirty = true;
    return 0;
}

static bool touched(struct sim_host *host, const char *vm_id, struct err *err)
{
    struct sim_object *system = hv_vm_by_id(host, vm_id);
    struct cim_datetime now = { .usec = os_now_usec() };

    return !system || cim_set_datetime(sim_object_instance(system),
                                       "TimeOfLastConfigurationChange", &now, err);
}

/* What a value would be after the change. */
static uint64_t after(struct sim_object *object, const struct cim_instance *wanted,
                      const char *name)
{
    uint64_t number;
    bool truth;

    if (cim_get_bool(wanted, name, &truth))
        return truth;
    return cim_get_u64(wanted, name, &number) ? number : hv_number(object, name);
}

/* HyperV-WMI recipe mem_dynamic (measured): virtual NUMA must be off first; with a device
 * only startup = minimum goes with dynamic memory. */
static uint32_t judge_memory(struct sim_host *host, struct sim_object *memory,
                             const struct cim_instance *wanted)
{
    char vm_id[37] = "";
    struct sim_object *vssd;

    if (!hv_vm_id_of(hv_text(memory, "InstanceID"), vm_id))
        return 0;
    if (!after(memory, wanted, "DynamicMemoryEnabled"))
        return 0;
    vssd = hv_settings_of(host, vm_id);
    if (!hv_number(memory, "DynamicMemoryEnabled") && vssd &&
        hv_number(vssd, "VirtualNumaEnabled"))
        return HV_INVALID_PARAMETER;
    if (after(memory, wanted, "Reservation") > after(memory, wanted, "VirtualQuantity") ||
        after(memory, wanted, "Limit") < after(memory, wanted, "VirtualQuantity"))
        return HV_INVALID_PARAMETER;
    if (hv_has_device(host, vm_id) &&
        after(memory, wanted, "Reservation") != after(memory, wanted, "VirtualQuantity"))
        return HV_FAILED;
    return 0;
}

/* Static memory has one size (HyperV_v2 msvm-memorysettingdata). */
static bool level_memory(struct sim_host *host, struct sim_object *memory, struct err *err)
{
    uint64_t size = hv_number(memory, "VirtualQuantity");

    return hv_number(memory, "DynamicMemoryEnabled") ||
           (object_set_number(host, memory, "Reservation", size, err) &&
            object_set_number(host, memory, "Limit", size, err));
}

static uint32_t find_target(struct sim_host *host, const char *text,
                            struct cim_instance **ret_wanted,
                            struct sim_object **ret_object)
{
    const struct cim_class *class;
    const char *id;
    uint32_t error = hv_read_setting(text, ret_wanted, &class);

    if (error)
        return error;
    id = cim_get_text(*ret_wanted, "InstanceID");
    *ret_object = id ? hv_find_by_text(host, class->name, "InstanceID", id) : NULL;
    return *ret_object ? 0 : HV_INVALID_PARAMETER;
}

uint32_t hv_modify_resource(struct sim_host *host, const char *text, enum hv_step step,
                            struct sim_object **ret_object, const char **why)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *wanted = NULL;
    struct err err = ERR_INIT;
    bool is_memory;
    char vm_id[37] = "";
    uint32_t error = find_target(host, text, &wanted, ret_object);

    if (error)
        return error;
    if (text_ieq(sim_object_class(*ret_object)->name, VSSD))
        return HV_INVALID_PARAMETER;
    is_memory = text_ieq(sim_object_class(*ret_object)->name, "Msvm_MemorySettingData");
    error = change_all(host, *ret_object, wanted, HV_CHECK, why);
    if (!error && is_memory)
        error = judge_memory(host, *ret_object, wanted);
    if (error || step == HV_CHECK)
        return error;
    error = change_all(host, *ret_object, wanted, HV_APPLY, why);
    hv_vm_id_of(hv_text(*ret_object, "InstanceID"), vm_id);
    if (!error &&
        ((is_memory && !level_memory(host, *ret_object, &err)) ||
         !hv_switch_component(host, *ret_object, &err) || !touched(host, vm_id, &err)))
        error = HV_FAILED;
    return error;
}

uint32_t hv_modify_system(struct sim_host *host, const char *text, enum hv_step step,
                          struct sim_object **ret_object, const char **why)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *wanted = NULL;
    struct sim_object *system;
    const char *name, *vm_id;
    struct err err = ERR_INIT;
    uint64_t action = 1;
    uint32_t error = find_target(host, text, &wanted, ret_object);

    if (error)
        return error;
    if (!text_ieq(sim_object_class(*ret_object)->name, VSSD))
        return HV_INVALID_PARAMETER;
    vm_id = hv_text(*ret_object, "VirtualSystemIdentifier");
    if (after(*ret_object, wanted, "AutomaticShutdownAction") == 3 &&
        hv_number(*ret_object, "AutomaticShutdownAction") != 3 &&
        hv_next_resource(host, NULL, "Msvm_PciExpressSettingData", vm_id)) {
        *why = "setting the stop action to save while a device is assigned";
        return HV_UNKNOWN;
    }
    error = change_all(host, *ret_object, wanted, step, why);
    if (error || step == HV_CHECK)
        return error;

    system = hv_vm_by_id(host, vm_id);
    name = cim_get_text(wanted, "ElementName");
    if (name && system && !object_set_text(host, system, "ElementName", name, &err))
        return HV_FAILED;
    /* 0 clears the timeout (measured: go-wsman). */
    if (cim_get_u64(wanted, "AutomaticCriticalErrorAction", &action) && !action)
        cim_unset(sim_object_instance(*ret_object), "AutomaticCriticalErrorActionTimeout");
    return touched(host, vm_id, &err) ? 0 : HV_FAILED;
}
