/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adapter-add, adapter-quota and adapter-remove: a VM's Msvm_GpuPartitionSettingData.
 *
 * An adapter is known by the GPU it is pinned to, not by its InstanceID: the host gives a
 * new one each time it is added.  Hosts up to 19045 cannot pin; there adapters are counted.
 *
 * Quotas are left null when adding and set by a second call: numbers in the first were
 * refused (measured: Justsenger/HyperV-WMI-Documentation recipe gpu_partition).  Nothing
 * sets a number back to null, so undoing that means adding the adapter anew.
 */

#include "share-steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "job.h"
#include "schema.h"
#include "step-params.h"
#include "strbuf.h"
#include "text.h"
#include "vm-access.h"

enum { RESOURCE_GPU_PARTITION = 32770, ADAPTER_MAX = 64 };
#define RESOURCE_SUBTYPE "Microsoft:Hyper-V:GPU Partition"

static const char *const quota_keys[QUOTA_COUNT] = {
    [QUOTA_VRAM] = "vram",
    [QUOTA_ENCODE] = "encode",
    [QUOTA_DECODE] = "decode",
    [QUOTA_COMPUTE] = "compute",
};
static const char *const quota_properties[QUOTA_COUNT] = {
    [QUOTA_VRAM] = "VRAM",
    [QUOTA_ENCODE] = "Encode",
    [QUOTA_DECODE] = "Decode",
    [QUOTA_COMPUTE] = "Compute",
};
static const struct {
    const char *key, *prefix;
} bounds[] = { { "min", "Min" }, { "max", "Max" }, { "optimal", "Optimal" } };

static const struct known_u64 *bound_of(const struct hv_quota *quota, size_t i)
{
    return i == 0 ? &quota->min : i == 1 ? &quota->max : &quota->optimal;
}

/* "all ones" means unlimited and does not fit a JSON integer: then a text. */
static json_t *number_to_json(bool known, uint64_t value)
{
    char text[24];

    if (!known)
        return json_null();
    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return json_string(text);
}

static bool number_from_json(const json_t *value, uint64_t *ret)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = (uint64_t)json_integer_value(value);
        return true;
    }
    return json_is_string(value) && text_to_u64(json_string_value(value), 10, ret);
}

static json_t *quota_to_json(const struct hv_quota quota[QUOTA_COUNT])
{
    json_t *all = json_object();

    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        json_t *one = json_object();

        for (size_t b = 0; b < ARRAY_LEN(bounds); b++) {
            const struct known_u64 *number = bound_of(&quota[i], b);

            json_object_set_new(one, bounds[b].key,
                                number_to_json(number->known, number->value));
        }
        json_object_set_new(all, quota_keys[i], one);
    }
    return all;
}

static json_t *quota_of_row(const struct cim_instance *row)
{
    json_t *all = json_object();

    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        json_t *one = json_object();

        for (size_t b = 0; b < ARRAY_LEN(bounds); b++) {
            char property[48];
            uint64_t value = 0;
            bool known;

            snprintf(property, sizeof(property), "%sPartition%s", bounds[b].prefix,
                     quota_properties[i]);
            known = cim_get_u64(row, property, &value);
            json_object_set_new(one, bounds[b].key, number_to_json(known, value));
        }
        json_object_set_new(all, quota_keys[i], one);
    }
    return all;
}

static bool quota_is_empty(const json_t *all)
{
    const char *key, *bound;
    json_t *one, *value;

    json_object_foreach((json_t *)all, key, one)
        json_object_foreach(one, bound, value) if (!json_is_null(value)) return false;
    return true;
}

/* Takes @quota over; null instead of twelve nulls. */
static json_t *quota_or_null(json_t *quota)
{
    if (!quota_is_empty(quota))
        return quota;
    json_decref(quota);
    return json_null();
}

/* ---- looking ---- */

struct adapters {
    const char *vm_id, *interface_path;
    size_t count;
    struct cim_instance *rows[ADAPTER_MAX];
};

static void adapters_clear(struct adapters *found)
{
    for (size_t i = 0; i < found->count; i++)
        cim_instance_free(found->rows[i]);
    found->count = 0;
}

/* The pin: HostResource[0] is the path of a Msvm_PartitionableGpu, whose Name it is. */
static char *pin_of(const struct cim_instance *row)
{
    const char *resource = cim_get_text_at(row, "HostResource", 0);
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;
    struct err ignored = ERR_INIT;

    path = resource && *resource ? cim_path_parse(resource, &ignored) : NULL;
    return path ? text_dup(cim_path_get(path, "Name")) : NULL;
}

static bool keep_adapter(const struct cim_instance *row, void *user, struct err *err)
{
    struct adapters *found = user;
    const char *id = cim_get_text(row, "InstanceID");
    size_t len = strlen(found->vm_id);
    CLEANUP(free_cleanup) char *pin = NULL;

    /* "Microsoft:<VM GUID>\<device GUID>"; templates and other VMs are listed too. */
    if (!id || !text_istarts(id, "Microsoft:") || !text_istarts(id + 10, found->vm_id) ||
        id[10 + len] != '\\')
        return true;
    pin = pin_of(row);
    if (!text_ieq(pin, found->interface_path))
        return true;
    if (found->count == ADAPTER_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "the VM has more than %d adapters of one GPU",
                        ADAPTER_MAX);
    found->rows[found->count] = cim_instance_copy(row);
    return found->rows[found->count++] || err_no_memory(err);
}

static bool find_adapters(struct cim_session *session, struct adapters *found,
                          struct err *err)
{
    if (cim_query(session, HV_NS, "SELECT * FROM Msvm_GpuPartitionSettingData",
                  keep_adapter, found, err))
        return true;
    adapters_clear(found);
    return false;
}

bool count_adapters(struct cim_session *session, const char *vm_id,
                    const char *interface_path, unsigned *ret, struct err *err)
{
    struct adapters found = { .vm_id = vm_id, .interface_path = interface_path };

    if (!find_adapters(session, &found, err))
        return false;
    *ret = (unsigned)found.count;
    adapters_clear(&found);
    return true;
}

/* ---- changing ---- */

static bool start_step(const struct step *step, struct adapters *found, struct err *err)
{
    *found = (struct adapters){ .interface_path = param_optional(step, "interface_path") };
    return param_text(step, "vm", &found->vm_id, err);
}

static struct cim_instance *new_setting(struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *setting = cim_instance_new(HV_NS, "Msvm_GpuPartitionSettingData");

    if (!setting) {
        err_no_memory(err);
        return NULL;
    }
    if (!cim_set_uint(setting, "ResourceType", CIM_UINT16, RESOURCE_GPU_PARTITION, err) ||
        !cim_set_text(setting, "ResourceSubType", RESOURCE_SUBTYPE, err))
        return NULL;
    return TAKE(setting);
}

static bool call_with_setting(struct plan_context *context, const char *method,
                              const struct cim_instance *setting, struct cim_instance *in,
                              const char *what, struct err *err)
{
    CLEANUP(free_cleanup) char *xml = cim_xml_write(setting, err);

    return xml &&
           cim_set_texts(in, "ResourceSettings", (const char *const[]){ xml }, 1, err) &&
           vm_service_call(context, method, in, what, err);
}

static bool add_one(struct plan_context *context, const struct adapters *found,
                    struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *setting = new_setting(err);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "AddResourceSettings");
    CLEANUP(cim_path_cleanup)
    struct cim_path *configuration = vm_settings_path(found->vm_id);
    CLEANUP(cim_path_cleanup)
    struct cim_path *gpu = cim_path_new(HV_NS, "Msvm_PartitionableGpu");
    CLEANUP(free_cleanup) char *pin = NULL;

    if (!setting)
        return false;
    if (!in || !configuration || !gpu)
        return err_no_memory(err);
    if (found->interface_path) {
        /* A path, not the bare name, with its backslashes doubled: anything else makes
         * the host's job fail (measured: Justsenger/HyperV-WMI-Documentation). */
        if (!cim_path_set(gpu, "CreationClassName", "Msvm_PartitionableGpu", err) ||
            !cim_path_set(gpu, "Name", found->interface_path, err))
            return false;
        pin = cim_path_format(gpu);
        if (!pin)
            return err_no_memory(err);
        if (!cim_set_texts(setting, "HostResource", (const char *const[]){ pin }, 1, err))
            return false;
    }
    return cim_set_path(in, "AffectedConfiguration", configuration, err) &&
           call_with_setting(context, "AddResourceSettings", setting, in,
                             "adding the GPU partition", err);
}

static bool remove_one(struct plan_context *context, const struct cim_instance *row,
                       struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "RemoveResourceSettings");
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_schema_path(row, err);
    struct cim_value paths = { .type = CIM_REFERENCE, .is_array = true };

    if (!path)
        return false;
    paths.data = in ? calloc(1, sizeof(*paths.data)) : NULL;
    if (!paths.data)
        return err_no_memory(err);
    paths.count = 1;
    paths.data[0].path = TAKE(path);
    if (!cim_set(in, "ResourceSettings", &paths, err)) {
        cim_value_clear(&paths);
        return false;
    }
    return vm_service_call(context, "RemoveResourceSettings", in,
                           "removing the GPU partition", err);
}

static bool set_quota(struct plan_context *context, const struct cim_instance *row,
                      const json_t *quota, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *setting = new_setting(err);
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "ModifyResourceSettings");

    if (!setting)
        return false;
    if (!in)
        return err_no_memory(err);
    if (!cim_set_text(setting, "InstanceID", cim_get_text(row, "InstanceID"), err))
        return false;
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        const json_t *one = json_object_get(quota, quota_keys[i]);

        for (size_t b = 0; b < ARRAY_LEN(bounds); b++) {
            char property[48];
            uint64_t value;

            snprintf(property, sizeof(property), "%sPartition%s", bounds[b].prefix,
                     quota_properties[i]);
            if (number_from_json(json_object_get(one, bounds[b].key), &value) &&
                !cim_set_uint(setting, property, CIM_UINT64, value, err))
                return false;
        }
    }
    return call_with_setting(context, "ModifyResourceSettings", setting, in,
                             "setting the quotas", err);
}

/* ---- adapter-add ---- */

static bool probe_count(struct plan_context *context, const struct step *step,
                        json_t **ret_now, struct err *err)
{
    struct adapters found;
    unsigned count;

    if (!start_step(step, &found, err) ||
        !count_adapters(context->session, found.vm_id, found.interface_path, &count, err))
        return false;
    *ret_now = json_pack("{s:i}", "adapters", (int)count);
    return *ret_now || err_no_memory(err);
}

/* Adds or removes until there are as many as @wanted says. */
static bool make_count(struct plan_context *context, const struct step *step,
                       const json_t *wanted, struct err *err)
{
    json_int_t count = json_integer_value(json_object_get(wanted, "adapters"));
    struct adapters found;
    bool ok = true;

    if (!start_step(step, &found, err))
        return false;
    if (count < 0 || count > ADAPTER_MAX)
        return err_fail(err, ERR_PROTOCOL, 0,
                        "impossible number of adapters in the journal");
    if (!find_adapters(context->session, &found, err))
        return false;
    /* Without a pin one partition of a VM is like another; the last is the newest. */
    while (ok && found.count > (size_t)count) {
        ok = remove_one(context, found.rows[found.count - 1], err);
        cim_instance_free(found.rows[--found.count]);
    }
    for (size_t have = found.count; ok && have < (size_t)count; have++)
        ok = add_one(context, &found, err);
    adapters_clear(&found);
    return ok;
}

static bool apply_add(struct plan_context *context, struct step *step, struct err *err)
{
    return make_count(context, step, step->after, err);
}

static bool revert_add(struct plan_context *context, struct step *step, struct err *err)
{
    return make_count(context, step, step->before, err);
}

const struct step_kind step_adapter_add = {
    .name = "adapter-add",
    .probe = probe_count,
    .apply = apply_add,
    .revert = revert_add,
    .check_host = vm_check_host,
};

/* ---- adapter-quota ---- */

static bool probe_quota(struct plan_context *context, const struct step *step,
                        json_t **ret_now, struct err *err)
{
    struct adapters found;

    if (!start_step(step, &found, err) || !find_adapters(context->session, &found, err))
        return false;
    *ret_now = found.count ? quota_of_row(found.rows[0]) : json_null();
    adapters_clear(&found);
    return *ret_now || err_no_memory(err);
}

/* Makes sure that the adapter is there with just these quotas. */
static bool make_quota(struct plan_context *context, const struct step *step,
                       const json_t *wanted, bool clear, struct err *err)
{
    struct adapters found;
    bool ok = true;

    if (!start_step(step, &found, err) || !find_adapters(context->session, &found, err))
        return false;
    if (clear && found.count > 0) {
        ok = remove_one(context, found.rows[0], err);
        adapters_clear(&found);
    }
    if (ok && found.count == 0)
        ok = add_one(context, &found, err) && find_adapters(context->session, &found, err);
    if (ok && found.count == 0)
        ok = err_fail(err, ERR_PROTOCOL, 0,
                      "the host added an adapter that it does not list");
    if (ok && !quota_is_empty(wanted))
        ok = set_quota(context, found.rows[0], wanted, err);
    adapters_clear(&found);
    return ok;
}

static bool apply_quota(struct plan_context *context, struct step *step, struct err *err)
{
    return make_quota(context, step, step->after, false, err);
}

static bool revert_quota(struct plan_context *context, struct step *step, struct err *err)
{
    if (param_true(step, "fresh")) /* undoing adapter-add takes it away with the adapter */
        return true;
    return make_quota(context, step, step->before, quota_is_empty(step->before), err);
}

const struct step_kind step_adapter_quota = {
    .name = "adapter-quota",
    .probe = probe_quota,
    .apply = apply_quota,
    .revert = revert_quota,
    .check_host = vm_check_host,
};

/* ---- adapter-remove ---- */

static bool probe_remove(struct plan_context *context, const struct step *step,
                         json_t **ret_now, struct err *err)
{
    struct adapters found;

    if (!start_step(step, &found, err) || !find_adapters(context->session, &found, err))
        return false;
    *ret_now =
        json_pack("{s:i, s:o}", "adapters", (int)found.count, "quota",
                  found.count ? quota_or_null(quota_of_row(found.rows[0])) : json_null());
    adapters_clear(&found);
    return *ret_now || err_no_memory(err);
}

static bool revert_remove(struct plan_context *context, struct step *step, struct err *err)
{
    const json_t *quota = json_object_get(step->before, "quota");

    /* Several of one GPU differ in nothing but quotas, of which one set is recorded. */
    return make_count(context, step, step->before, err) &&
           (quota_is_empty(quota) || make_quota(context, step, quota, false, err));
}

const struct step_kind step_adapter_remove = {
    .name = "adapter-remove",
    .probe = probe_remove,
    .apply = apply_add,
    .revert = revert_remove,
    .check_host = vm_check_host,
};

/* ---- making steps ---- */

static json_t *params_of(const struct hv_vm *vm, const char *interface_path)
{
    return json_pack("{s:s, s:s, s:s?}", "vm", vm->id, "name", vm->name, "interface_path",
                     interface_path);
}

bool add_adapter_add(struct plan *plan, const struct hv_vm *vm, const char *gpu_name,
                     const char *interface_path, struct err *err)
{
    CLEANUP(free_cleanup)
    char *target = text_printf("partition of '%s' in VM '%s'", gpu_name, vm->name);
    CLEANUP(free_cleanup) char *name = ps_quote(vm->name);
    CLEANUP(free_cleanup) char *path = interface_path ? ps_quote(interface_path) : NULL;
    CLEANUP(free_cleanup)
    char *command =
        text_printf("Add-VMGpuPartitionAdapter -VMName %s%s%s", name ? name : "",
                    interface_path ? " -InstancePath " : "", path ? path : "");
    int count = 0;

    if (!target || !name || !command || (interface_path && !path))
        return err_no_memory(err);
    for (size_t i = 0; i < vm->adapter_count; i++)
        count += text_ieq(vm->adapters[i].interface_path, interface_path);
    return plan_add(plan, &step_adapter_add, target, params_of(vm, interface_path),
                    json_pack("{s:i}", "adapters", count),
                    json_pack("{s:i}", "adapters", count + 1), command, err) != NULL;
}

bool add_adapter_remove(struct plan *plan, const struct hv_vm *vm,
                        const struct hv_adapter *adapter, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("GPU partition of VM '%s'", vm->name);
    CLEANUP(free_cleanup) char *name = ps_quote(vm->name);
    CLEANUP(free_cleanup)
    char *path = adapter->interface_path ? ps_quote(adapter->interface_path) : NULL;
    CLEANUP(free_cleanup)
    char *command =
        path ? text_printf(
                   "Get-VMGpuPartitionAdapter -VMName %s | Where-Object InstancePath "
                   "-eq %s | Remove-VMGpuPartitionAdapter",
                   name ? name : "", path)
             : text_printf("Remove-VMGpuPartitionAdapter -VMName %s", name ? name : "");
    int count = 0;

    if (!target || !name || !command || (adapter->interface_path && !path))
        return err_no_memory(err);
    for (size_t i = 0; i < vm->adapter_count; i++)
        count += text_ieq(vm->adapters[i].interface_path, adapter->interface_path);
    return plan_add(plan, &step_adapter_remove, target,
                    params_of(vm, adapter->interface_path),
                    json_pack("{s:i, s:o}", "adapters", count, "quota",
                              quota_or_null(quota_to_json(adapter->quota))),
                    json_pack("{s:i, s:n}", "adapters", 0, "quota"), command, err) != NULL;
}

static char *quota_command(const char *vm, const struct hv_quota after[QUOTA_COUNT])
{
    CLEANUP(free_cleanup) char *name = ps_quote(vm);
    struct strbuf buf = STRBUF_INIT;

    strbuf_printf(&buf, "Set-VMGpuPartitionAdapter -VMName %s", name ? name : "");
    for (size_t i = 0; i < QUOTA_COUNT; i++)
        for (size_t b = 0; b < ARRAY_LEN(bounds); b++)
            if (bound_of(&after[i], b)->known)
                strbuf_printf(&buf, " -%sPartition%s %" PRIu64, bounds[b].prefix,
                              quota_properties[i], bound_of(&after[i], b)->value);
    return strbuf_take(&buf);
}

bool add_adapter_quota(struct plan *plan, const struct hv_vm *vm,
                       const char *interface_path,
                       const struct hv_quota before[QUOTA_COUNT],
                       const struct hv_quota after[QUOTA_COUNT], bool fresh,
                       struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("quotas of VM '%s'", vm->name);
    CLEANUP(free_cleanup) char *command = quota_command(vm->name, after);
    json_t *params = params_of(vm, interface_path);

    if (!target || !command || !params ||
        (fresh && json_object_set_new(params, "fresh", json_true()) != 0)) {
        json_decref(params);
        return err_no_memory(err);
    }
    return plan_add(plan, &step_adapter_quota, target, params, quota_to_json(before),
                    quota_to_json(after), command, err) != NULL;
}
