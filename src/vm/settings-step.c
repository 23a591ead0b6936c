/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-settings: what Hyper-V keeps of a VM in Msvm_VirtualSystemSettingData, and of its memory
 * in Msvm_MemorySettingData.  A step is of one of the two: it is one call, done or not done.
 *
 * ModifySystemSettings and ModifyResourceSettings change the properties that are sent and
 * leave the others alone; MMIO and memory sizes are whole MB there.  Memory that is not
 * dynamic has one size, so its minimum and maximum go with the switch.  Sources: hyperv_v2
 * Msvm_VirtualSystemSettingData, Msvm_MemorySettingData; MicrosoftDocs/windows-powershell-docs
 * Set-VM, Set-VMMemory; measured: r4sd/go-wsman.
 */

#include "vm-steps.h"

#include <inttypes.h>
#include <string.h>

#include "job.h"
#include "step-params.h"
#include "strbuf.h"
#include "text.h"
#include "vm-access.h"

enum { MB = 1024 * 1024 };
enum setting_kind { SETTING_BOOL, SETTING_MB, SETTING_WORD };
enum { WORD_MAX = 16 }; /* values of these enumerations stay below */

/* Where Hyper-V keeps them. */
enum part { PART_SYSTEM, PART_MEMORY, PARTS };

/* One row per setting: adding one is adding a line here. */
static const struct setting {
    const char *key;      /* in steps and in JSON */
    const char *property; /* of the class */
    const char *cmdlet;   /* parameter of the part's cmdlet; NULL: it has none */
    enum setting_kind kind;
    enum cim_type type;
    const char *(*word)(uint64_t value); /* SETTING_WORD: NULL where it has none */
    enum part part;
} settings[] = {
    { "guest_controlled_cache", "GuestControlledCacheTypes", "GuestControlledCacheTypes",
      SETTING_BOOL, CIM_BOOLEAN },
    { "low_mmio_bytes", "LowMmioGapSize", "LowMemoryMappedIoSpace", SETTING_MB,
      CIM_UINT64 },
    { "high_mmio_bytes", "HighMmioGapSize", "HighMemoryMappedIoSpace", SETTING_MB,
      CIM_UINT64 },
    { "high_mmio_base_bytes", "HighMmioGapBase", NULL, SETTING_MB, CIM_UINT64, NULL },
    { "stop_action", "AutomaticShutdownAction", "AutomaticStopAction", SETTING_WORD,
      CIM_UINT16, stop_action_name },
    { "checkpoint_type", "UserSnapshotType", "CheckpointType", SETTING_WORD, CIM_UINT16,
      checkpoint_type_name },
    { "dynamic_memory", "DynamicMemoryEnabled", "DynamicMemoryEnabled", SETTING_BOOL,
      CIM_BOOLEAN, NULL, PART_MEMORY },
    { "memory_minimum_bytes", "Reservation", "MinimumBytes", SETTING_MB, CIM_UINT64, NULL,
      PART_MEMORY },
    { "memory_maximum_bytes", "Limit", "MaximumBytes", SETTING_MB, CIM_UINT64, NULL,
      PART_MEMORY },
};

/* A word where the value has one, else the number: both find back. */
json_t *vm_setting_word(const char *(*word)(uint64_t value), uint64_t number)
{
    const char *name = word(number);

    return name ? json_string(name) : json_integer((json_int_t)number);
}

static bool number_of(const struct setting *setting, const json_t *value, uint64_t *ret)
{
    const char *text = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = (uint64_t)json_integer_value(value);
        return true;
    }
    for (uint64_t i = 0; text && setting->word && i < WORD_MAX; i++) {
        const char *name = setting->word(i);

        if (name && strcmp(name, text) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static json_t *value_of(const struct setting *setting, const struct cim_instance *row)
{
    uint64_t number;
    bool flag;

    if (setting->kind == SETTING_BOOL)
        return cim_get_bool(row, setting->property, &flag) ? json_boolean(flag)
                                                           : json_null();
    if (!cim_get_u64(row, setting->property, &number) || number > INT64_MAX / MB)
        return json_null();
    return setting->kind == SETTING_MB ? json_integer((json_int_t)(number * MB))
                                       : vm_setting_word(setting->word, number);
}

static bool has_part(const json_t *values, enum part part)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (settings[i].part == part && json_object_get(values, settings[i].key))
            return true;
    return false;
}

/* ---- what the host has ---- */

struct memory_row {
    const char
        *prefix; /* "Microsoft:GUID\"; those of checkpoints begin with another GUID */
    struct cim_instance *found; /* owned */
};

static bool on_memory(const struct cim_instance *row, void *user, struct err *err)
{
    struct memory_row *memory = user;
    const char *id = cim_get_text(row, "InstanceID");

    if (memory->found || !id || !text_istarts(id, memory->prefix))
        return true;
    memory->found = cim_instance_copy(row);
    return memory->found || err_no_memory(err);
}

static bool fetch_memory(struct cim_session *session, const char *vm_id,
                         struct cim_instance **ret, struct err *err)
{
    CLEANUP(free_cleanup) char *prefix = text_printf("Microsoft:%s\\", vm_id);
    struct memory_row memory = { .prefix = prefix };

    if (!prefix)
        return err_no_memory(err);
    if (!cim_query(session, HV_NS, "SELECT * FROM Msvm_MemorySettingData", on_memory,
                   &memory, err)) {
        cim_instance_free(memory.found);
        return false;
    }
    *ret = memory.found;
    return memory.found ||
           err_fail(err, ERR_NOT_FOUND, 0, "the host tells nothing of the VM's memory");
}

static bool fetch_part(struct cim_session *session, const char *vm_id, enum part part,
                       struct cim_instance **ret, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = NULL;

    if (part == PART_MEMORY)
        return fetch_memory(session, vm_id, ret, err);
    path = vm_settings_path(vm_id);
    return path ? cim_fetch(session, path, ret, err) : err_no_memory(err);
}

static bool read_part(struct cim_session *session, const char *vm_id, enum part part,
                      const json_t *like, json_t *now, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;

    if (!has_part(like, part))
        return true;
    if (!fetch_part(session, vm_id, part, &row, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (settings[i].part == part && json_object_get(like, settings[i].key))
            json_object_set_new(now, settings[i].key, value_of(&settings[i], row));
    return true;
}

bool read_vm_settings(struct cim_session *session, const char *vm_id, const json_t *like,
                      json_t **ret, struct err *err)
{
    json_t *now = json_object();

    if (!now)
        return err_no_memory(err);
    for (int part = 0; part < PARTS; part++)
        if (!read_part(session, vm_id, (enum part)part, like, now, err)) {
            json_decref(now);
            return false;
        }
    *ret = now;
    return true;
}

/* ---- the step ---- */

static bool set_property(struct cim_instance *to, const struct setting *setting,
                         const json_t *value, struct err *err)
{
    uint64_t number;

    if (setting->kind == SETTING_BOOL)
        return cim_set_bool(to, setting->property, json_is_true(value), err);
    if (!number_of(setting, value, &number))
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' has no value known here in the journal",
                        setting->key);
    if (setting->kind == SETTING_MB)
        number /= MB;
    return cim_set_uint(to, setting->property, setting->type, number, err);
}

static bool set_properties(struct cim_instance *to, enum part part, const json_t *values,
                           struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const json_t *value = json_object_get(values, settings[i].key);

        /* A null was unknown before; there is nothing to write it back as. */
        if (settings[i].part == part && value && !json_is_null(value) &&
            !set_property(to, &settings[i], value, err))
            return false;
    }
    return true;
}

static bool write_system(struct plan_context *context, const char *vm, const json_t *values,
                         struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *data = cim_instance_new(HV_NS, "Msvm_VirtualSystemSettingData");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "ModifySystemSettings");
    CLEANUP(free_cleanup) char *id = text_printf("Microsoft:%s", vm), *xml = NULL;

    if (!data || !in || !id)
        return err_no_memory(err);
    if (!cim_set_text(data, "InstanceID", id, err) ||
        !set_properties(data, PART_SYSTEM, values, err))
        return false;
    xml = cim_xml_write(data, err);
    return xml && cim_set_text(in, "SystemSettings", xml, err) &&
           vm_service_call(context, "ModifySystemSettings", in, "changing VM settings",
                           err);
}

static bool write_memory(struct plan_context *context, const char *vm, const json_t *values,
                         struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *data = cim_instance_new(HV_NS, "Msvm_MemorySettingData");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "ModifyResourceSettings");
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    CLEANUP(free_cleanup) char *xml = NULL;

    if (!data || !in)
        return err_no_memory(err);
    if (!fetch_memory(context->session, vm, &row, err) ||
        !cim_set_text(data, "InstanceID", cim_get_text(row, "InstanceID"), err) ||
        !set_properties(data, PART_MEMORY, values, err))
        return false;
    xml = cim_xml_write(data, err);
    return xml &&
           cim_set_texts(in, "ResourceSettings", (const char *const[]){ xml }, 1, err) &&
           vm_service_call(context, "ModifyResourceSettings", in,
                           "changing the VM's memory", err);
}

static bool write_settings(struct plan_context *context, const struct step *step,
                           const json_t *values, struct err *err)
{
    const char *vm;

    if (!param_text(step, "vm", &vm, err))
        return false;
    return has_part(values, PART_MEMORY) ? write_memory(context, vm, values, err)
                                         : write_system(context, vm, values, err);
}

static bool probe(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err)
{
    const char *vm;

    return param_text(step, "vm", &vm, err) &&
           read_vm_settings(context->session, vm, step->before, ret_now, err);
}

static bool apply(struct plan_context *context, struct step *step, struct err *err)
{
    return write_settings(context, step, step->after, err);
}

static bool revert(struct plan_context *context, struct step *step, struct err *err)
{
    return write_settings(context, step, step->before, err);
}

const struct step_kind step_vm_settings = {
    .name = "vm-settings",
    .probe = probe,
    .apply = apply,
    .revert = revert,
    .check_host = vm_check_host,
};

/* What Set-VM calls the numbers; NULL: a number it does not know. */
static const char *cmdlet_word(const struct setting *setting, uint64_t number)
{
    static const char *const stop[] = { [2] = "TurnOff", [3] = "Save", [4] = "ShutDown" };
    static const char *const checkpoint[] = {
        [2] = "Disabled", [3] = "Production", [4] = "ProductionOnly", [5] = "Standard"
    };

    if (strcmp(setting->key, "stop_action") == 0)
        return number < ARRAY_LEN(stop) ? stop[number] : NULL;
    return number < ARRAY_LEN(checkpoint) ? checkpoint[number] : NULL;
}

/* " -Name value" for each; what no cmdlet sets goes into a comment at the end. */
static void put_parameters(struct strbuf *buf, enum part part, const json_t *after)
{
    CLEANUP(strbuf_cleanup) struct strbuf rest = STRBUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const json_t *value = json_object_get(after, settings[i].key);
        const char *word = NULL;
        uint64_t number = 0;

        if (!value || settings[i].part != part)
            continue;
        if (!settings[i].cmdlet) {
            if (number_of(&settings[i], value, &number))
                strbuf_printf(&rest, "  # no cmdlet sets %s: %" PRIu64 " MB",
                              settings[i].property, number / MB);
            continue;
        }
        /* Set-VMMemory refuses a minimum and a maximum for memory that is not dynamic. */
        if (part == PART_MEMORY && settings[i].kind == SETTING_MB &&
            json_is_false(json_object_get(after, "dynamic_memory")))
            continue;
        strbuf_printf(buf, " -%s ", settings[i].cmdlet);
        if (settings[i].kind == SETTING_BOOL) {
            strbuf_puts(buf, json_is_true(value) ? "$true" : "$false");
            continue;
        }
        if (number_of(&settings[i], value, &number) && settings[i].kind == SETTING_WORD)
            word = cmdlet_word(&settings[i], number);
        if (word)
            strbuf_puts(buf, word);
        else
            strbuf_printf(buf, "%" PRIu64, number);
    }
    if (rest.len > 0)
        strbuf_puts(buf, rest.text);
}

static char *command_of(enum part part, const char *name, const json_t *after)
{
    CLEANUP(free_cleanup) char *quoted = ps_quote(name);
    struct strbuf buf = STRBUF_INIT;

    strbuf_printf(&buf, part == PART_MEMORY ? "Set-VMMemory -VMName %s" : "Set-VM -Name %s",
                  quoted ? quoted : "");
    put_parameters(&buf, part, after);
    return strbuf_take(&buf);
}

/* New; NULL: no memory. */
static json_t *only_part(const json_t *values, enum part part)
{
    json_t *some = json_object();

    for (size_t i = 0; some && i < ARRAY_LEN(settings); i++) {
        json_t *value = json_object_get(values, settings[i].key);

        if (value && settings[i].part == part)
            json_object_set(some, settings[i].key, value);
    }
    return some;
}

static bool add_part(struct plan *plan, const struct hv_vm *vm, enum part part,
                     const json_t *before, const json_t *after, struct err *err)
{
    CLEANUP(free_cleanup)
    char *target = part == PART_MEMORY ? text_printf("memory of VM '%s'", vm->name)
                                       : text_printf("settings of VM '%s'", vm->name);
    CLEANUP(free_cleanup) char *command = NULL;
    json_t *was, *will;

    if (!has_part(after, part))
        return true;
    was = only_part(before, part);
    will = only_part(after, part);
    command = will ? command_of(part, vm->name, will) : NULL;
    if (!target || !command || !was) {
        json_decref(was);
        json_decref(will);
        return err_no_memory(err);
    }
    return plan_add(plan, &step_vm_settings, target,
                    json_pack("{s:s, s:s}", "vm", vm->id, "name", vm->name), was, will,
                    command, err) != NULL;
}

bool add_vm_settings(struct plan *plan, const struct hv_vm *vm, json_t *before,
                     json_t *after, struct err *err)
{
    bool ok = true;

    for (int part = 0; ok && part < PARTS; part++)
        ok = add_part(plan, vm, (enum part)part, before, after, err);
    json_decref(before);
    json_decref(after);
    return ok;
}
