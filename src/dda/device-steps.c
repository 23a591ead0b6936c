/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-disable, -dismount, -add and their opposites, which are the same functions: each
 * makes what the step's `after` says, and taken back what its `before` says.
 */

#include "dda-steps.h"

#include <string.h>

#include "device-access.h"
#include "step-params.h"
#include "text.h"

static bool target_of(const struct step *step, struct dda_target *ret, struct err *err)
{
    return param_text(step, "instance_id", &ret->instance_id, err) &&
           param_text(step, "location_path", &ret->location_path, err) &&
           param_text(step, "name", &ret->name, err);
}

static bool is_word(const json_t *state, const char *key, const char *word)
{
    const char *text = json_string_value(json_object_get(state, key));

    return text && strcmp(text, word) == 0;
}

/* ---- on the host: enabled or disabled ---- */

static bool probe_node(struct plan_context *context, const struct step *step,
                       json_t **ret_now, struct err *err)
{
    static const char *const words[] = { [NODE_AWAY] = "away",
                                         [NODE_ENABLED] = "enabled",
                                         [NODE_DISABLED] = "disabled",
                                         [NODE_RESTART] = "waits for a restart" };
    struct dda_target target;
    enum dda_node node;

    if (!target_of(step, &target, err) ||
        !dda_read_node(context->session, &target, &node, NULL, err))
        return false;
    *ret_now = json_pack("{s:s}", "state", words[node]);
    return *ret_now || err_no_memory(err);
}

static bool make_node(struct plan_context *context, const struct step *step,
                      const json_t *wanted, struct err *err)
{
    struct dda_target target;

    return target_of(step, &target, err) &&
           dda_switch_node(context, &target, is_word(wanted, "state", "enabled"), err);
}

static bool apply_node(struct plan_context *context, struct step *step, struct err *err)
{
    return make_node(context, step, step->after, err);
}

static bool revert_node(struct plan_context *context, struct step *step, struct err *err)
{
    return make_node(context, step, step->before, err);
}

const struct step_kind step_device_disable = {
    .name = "device-disable",
    .probe = probe_node,
    .apply = apply_node,
    .revert = revert_node,
    .flags = STEP_HOLDS_LATER,
};

/* A host is said to leave a mounted device disabled; one that enables it is as good. */
const struct step_kind step_device_enable = {
    .name = "device-enable",
    .probe = probe_node,
    .apply = apply_node,
    .revert = revert_node,
    .flags = STEP_HOLDS_LATER | STEP_MAY_BE_SO,
};

/* ---- host or dismounted ---- */

static bool probe_place(struct plan_context *context, const struct step *step,
                        json_t **ret_now, struct err *err)
{
    struct dda_target target;
    enum gpu_place place;

    if (!target_of(step, &target, err) ||
        !dda_read_place(context->session, &target, &place, err))
        return false;
    *ret_now = json_pack("{s:s}", "place",
                         place == GPU_ON_HOST      ? "host"
                         : place == GPU_DISMOUNTED ? "dismounted"
                                                   : "away");
    return *ret_now || err_no_memory(err);
}

static bool make_place(struct plan_context *context, const struct step *step,
                       const json_t *wanted, struct err *err)
{
    struct dda_target target;

    if (!target_of(step, &target, err))
        return false;
    /* Taking it away again is no wish of the user's, but what was: with the demands that
     * were met then, or given up then. */
    return is_word(wanted, "place", "host")
               ? dda_mount(context, &target, err)
               : dda_dismount(context, &target, param_true(step, "acs"),
                              param_true(step, "mitigations"), err);
}

static bool apply_place(struct plan_context *context, struct step *step, struct err *err)
{
    return make_place(context, step, step->after, err);
}

static bool revert_place(struct plan_context *context, struct step *step, struct err *err)
{
    return make_place(context, step, step->before, err);
}

const struct step_kind step_device_dismount = {
    .name = "device-dismount",
    .probe = probe_place,
    .apply = apply_place,
    .revert = revert_place,
    .flags = STEP_HOLDS_LATER,
};

const struct step_kind step_device_mount = {
    .name = "device-mount",
    .probe = probe_place,
    .apply = apply_place,
    .revert = revert_place,
    .flags = STEP_HOLDS_LATER,
};

/* ---- the VM's or nobody's ---- */

static bool probe_entry(struct plan_context *context, const struct step *step,
                        json_t **ret_now, struct err *err)
{
    struct dda_target target;
    const char *vm;
    bool has;

    if (!target_of(step, &target, err) || !param_text(step, "vm", &vm, err) ||
        !dda_has_entry(context->session, vm, &target, &has, err))
        return false;
    *ret_now = json_pack("{s:b}", "assigned", has);
    return *ret_now || err_no_memory(err);
}

static bool make_entry(struct plan_context *context, const struct step *step,
                       const json_t *wanted, struct err *err)
{
    struct dda_target target;
    const char *vm;

    if (!target_of(step, &target, err) || !param_text(step, "vm", &vm, err))
        return false;
    return json_is_true(json_object_get(wanted, "assigned"))
               ? dda_add_entry(context, vm, &target, param_optional(step, "resource"), err)
               : dda_remove_entry(context, vm, &target, err);
}

static bool apply_entry(struct plan_context *context, struct step *step, struct err *err)
{
    return make_entry(context, step, step->after, err);
}

static bool revert_entry(struct plan_context *context, struct step *step, struct err *err)
{
    return make_entry(context, step, step->before, err);
}

const struct step_kind step_device_add = {
    .name = "device-add",
    .probe = probe_entry,
    .apply = apply_entry,
    .revert = revert_entry,
};

const struct step_kind step_device_remove = {
    .name = "device-remove",
    .probe = probe_entry,
    .apply = apply_entry,
    .revert = revert_entry,
};

/* ---- making steps ---- */

static const char *name_of(const struct dda_device *device)
{
    return device->name ? device->name : device->instance_id;
}

static json_t *params_of(const struct dda_device *device)
{
    return json_pack("{s:s, s:s, s:s}", "instance_id", device->instance_id, "location_path",
                     device->location_path ? device->location_path : "", "name",
                     name_of(device));
}

/* Takes over @params, @before and @after. */
static bool add(struct plan *plan, const struct step_kind *kind, char *target,
                json_t *params, json_t *before, json_t *after, char *command,
                struct err *err)
{
    bool ok;

    if (!target || !params || !command) {
        free(target);
        free(command);
        json_decref(params);
        json_decref(before);
        json_decref(after);
        return err_no_memory(err);
    }
    ok = plan_add(plan, kind, target, params, before, after, command, err) != NULL;
    free(target);
    free(command);
    return ok;
}

static char *command_with(const char *cmdlet, const char *parameter, const char *value,
                          const char *more)
{
    CLEANUP(free_cleanup) char *quoted = ps_quote(value);

    return quoted ? text_printf("%s -%s %s%s", cmdlet, parameter, quoted, more) : NULL;
}

static bool add_node(struct plan *plan, const struct step_kind *kind,
                     const struct dda_device *device, const char *before, const char *after,
                     const char *cmdlet, struct err *err)
{
    return add(
        plan, kind, text_printf("'%s' on the host", name_of(device)), params_of(device),
        json_pack("{s:s}", "state", before), json_pack("{s:s}", "state", after),
        command_with(cmdlet, "InstanceId", device->instance_id, " -Confirm:$false"), err);
}

bool add_device_disable(struct plan *plan, const struct dda_device *device, struct err *err)
{
    return add_node(plan, &step_device_disable, device, "enabled", "disabled",
                    "Disable-PnpDevice", err);
}

bool add_device_enable(struct plan *plan, const struct dda_device *device, struct err *err)
{
    return add_node(plan, &step_device_enable, device, "disabled", "enabled",
                    "Enable-PnpDevice", err);
}

static bool add_place(struct plan *plan, const struct step_kind *kind,
                      const struct dda_device *device, bool acs, bool mitigations,
                      const char *before, const char *after, char *command, struct err *err)
{
    json_t *params = params_of(device);

    if (params &&
        (json_object_set_new(params, "acs", json_boolean(acs)) != 0 ||
         json_object_set_new(params, "mitigations", json_boolean(mitigations)) != 0)) {
        json_decref(params);
        params = NULL;
    }
    return add(plan, kind,
               text_printf("'%s' at %s", name_of(device), device->location_path), params,
               json_pack("{s:s}", "place", before), json_pack("{s:s}", "place", after),
               command, err);
}

bool add_device_dismount(struct plan *plan, const struct dda_device *device, bool acs,
                         bool mitigations, struct err *err)
{
    /* The cmdlet has one switch for both demands. */
    const char *more = acs && mitigations     ? ""
                       : !acs && !mitigations ? " -Force"
                       : acs                  ? " -Force  # hvgpu keeps the demand for ACS"
                             : " -Force  # hvgpu keeps the demand for mitigations";

    return add_place(plan, &step_device_dismount, device, acs, mitigations, "host",
                     "dismounted",
                     command_with("Dismount-VMHostAssignableDevice", "LocationPath",
                                  device->location_path, more),
                     err);
}

bool add_device_mount(struct plan *plan, const struct dda_device *device, struct err *err)
{
    /* Taken back without demands: the device was dismounted, so somebody had decided. */
    return add_place(plan, &step_device_mount, device, false, false, "dismounted", "host",
                     command_with("Mount-VMHostAssignableDevice", "LocationPath",
                                  device->location_path, ""),
                     err);
}

static bool add_entry(struct plan *plan, const struct step_kind *kind,
                      const struct hv_vm *vm, const struct dda_device *device,
                      const char *resource, bool before, bool after, const char *cmdlet,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *name = ps_quote(vm->name ? vm->name : vm->id);
    CLEANUP(free_cleanup)
    char *start = name ? text_printf("%s -VMName %s", cmdlet, name) : NULL;
    json_t *params = params_of(device);

    if (params && (json_object_set_new(params, "vm", json_string(vm->id)) != 0 ||
                   (resource &&
                    json_object_set_new(params, "resource", json_string(resource)) != 0))) {
        json_decref(params);
        params = NULL;
    }
    return add(
        plan, kind,
        text_printf("'%s' in VM '%s'", name_of(device), vm->name ? vm->name : vm->id),
        params, json_pack("{s:b}", "assigned", before),
        json_pack("{s:b}", "assigned", after),
        !start ? NULL
        : device->location_path
            ? command_with(start, "LocationPath", device->location_path, "")
            : text_printf("Get-VMAssignableDevice -VMName %s | Where-Object { "
                          "\"$($_.InstanceID) $($_.InstancePath)\" -like '*%s*' } | "
                          "Remove-VMAssignableDevice",
                          name, strchr(device->instance_id, '\\') + 1),
        err);
}

bool add_device_add(struct plan *plan, const struct hv_vm *vm,
                    const struct dda_device *device, struct err *err)
{
    return add_entry(plan, &step_device_add, vm, device, NULL, false, true,
                     "Add-VMAssignableDevice", err);
}

bool add_device_remove(struct plan *plan, const struct hv_vm *vm,
                       const struct dda_device *device, const struct dda_entry *entry,
                       struct err *err)
{
    return add_entry(plan, &step_device_remove, vm, device, entry->resource, true, false,
                     "Remove-VMAssignableDevice", err);
}
