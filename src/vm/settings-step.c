/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-settings: what Hyper-V keeps of a VM in Msvm_VirtualSystemSettingData.
 *
 * ModifySystemSettings changes the properties that are sent and leaves the others alone;
 * MMIO sizes are whole MB there.  Sources: hyperv_v2 Msvm_VirtualSystemSettingData;
 * MicrosoftDocs/windows-powershell-docs Set-VM; measured: r4sd/go-wsman.
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

/* One row per setting: adding one is adding a line here. */
static const struct setting {
    const char *key;      /* in steps and in JSON */
    const char *property; /* of the class */
    const char *cmdlet;   /* parameter of Set-VM; NULL: it has none */
    enum setting_kind kind;
    enum cim_type type;
    const char *(*word)(uint64_t value); /* SETTING_WORD: NULL where it has none */
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

bool read_vm_settings(struct cim_session *session, const char *vm_id, const json_t *like,
                      json_t **ret, struct err *err)
{
    CLEANUP(cim_path_cleanup) struct cim_path *path = vm_settings_path(vm_id);
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    json_t *now = json_object();

    if (!path || !now) {
        json_decref(now);
        return err_no_memory(err);
    }
    if (!cim_fetch(session, path, &row, err)) {
        json_decref(now);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (json_object_get(like, settings[i].key))
            json_object_set_new(now, settings[i].key, value_of(&settings[i], row));
    *ret = now;
    return true;
}

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

static bool write_settings(struct plan_context *context, const struct step *step,
                           const json_t *values, struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *data = cim_instance_new(HV_NS, "Msvm_VirtualSystemSettingData");
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *in = cim_instance_new(NULL, "ModifySystemSettings");
    CLEANUP(free_cleanup) char *id = NULL, *xml = NULL;
    const char *vm;

    if (!param_text(step, "vm", &vm, err))
        return false;
    id = text_printf("Microsoft:%s", vm);
    if (!data || !in || !id)
        return err_no_memory(err);
    if (!cim_set_text(data, "InstanceID", id, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const json_t *value = json_object_get(values, settings[i].key);

        /* A null was unknown before; there is nothing to write it back as. */
        if (value && !json_is_null(value) && !set_property(data, &settings[i], value, err))
            return false;
    }
    xml = cim_xml_write(data, err);
    return xml && cim_set_text(in, "SystemSettings", xml, err) &&
           vm_service_call(context, "ModifySystemSettings", in, "changing VM settings",
                           err);
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

static char *set_vm_command(const char *name, const json_t *after)
{
    CLEANUP(free_cleanup) char *quoted = ps_quote(name);
    CLEANUP(strbuf_cleanup) struct strbuf rest = STRBUF_INIT;
    struct strbuf buf = STRBUF_INIT;

    strbuf_printf(&buf, "Set-VM -Name %s", quoted ? quoted : "");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const json_t *value = json_object_get(after, settings[i].key);
        const char *word = NULL;
        uint64_t number = 0;

        if (!value)
            continue;
        if (!settings[i].cmdlet) {
            if (number_of(&settings[i], value, &number))
                strbuf_printf(&rest, "  # no cmdlet sets %s: %" PRIu64 " MB",
                              settings[i].property, number / MB);
            continue;
        }
        strbuf_printf(&buf, " -%s ", settings[i].cmdlet);
        if (settings[i].kind == SETTING_BOOL) {
            strbuf_puts(&buf, json_is_true(value) ? "$true" : "$false");
            continue;
        }
        if (number_of(&settings[i], value, &number) && settings[i].kind == SETTING_WORD)
            word = cmdlet_word(&settings[i], number);
        if (word)
            strbuf_puts(&buf, word);
        else
            strbuf_printf(&buf, "%" PRIu64, number);
    }
    if (rest.len > 0)
        strbuf_puts(&buf, rest.text);
    return strbuf_take(&buf);
}

bool add_vm_settings(struct plan *plan, const struct hv_vm *vm, json_t *before,
                     json_t *after, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("settings of VM '%s'", vm->name);
    CLEANUP(free_cleanup) char *command = set_vm_command(vm->name, after);

    if (!target || !command) {
        json_decref(before);
        json_decref(after);
        return err_no_memory(err);
    }
    return plan_add(plan, &step_vm_settings, target,
                    json_pack("{s:s, s:s}", "vm", vm->id, "name", vm->name), before, after,
                    command, err) != NULL;
}
