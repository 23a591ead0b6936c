/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading back: device-verify must find everything as planned; device-used and
 * device-works only tell what they see. */

#include "dda-steps.h"

#include "device-access.h"
#include "os.h"
#include "progress.h"
#include "step-params.h"
#include "text.h"
#include "vm-steps.h"

static bool probe_nothing(struct plan_context *context, const struct step *step,
                          json_t **ret_now, struct err *err)
{
    *ret_now = json_null();
    return true;
}

static bool revert_nothing(struct plan_context *context, struct step *step, struct err *err)
{
    return true;
}

static bool target_of(const json_t *params, struct dda_target *ret, struct err *err)
{
    ret->instance_id = json_string_value(json_object_get(params, "instance_id"));
    ret->location_path = json_string_value(json_object_get(params, "location_path"));
    ret->name = json_string_value(json_object_get(params, "name"));
    return (ret->instance_id && ret->location_path && ret->name) ||
           err_fail(err, ERR_PROTOCOL, 0, "the journal does not name the device");
}

/* ---- device-verify ---- */

static bool verify_settings(struct plan_context *context, const char *vm,
                            const json_t *wanted, struct err *err)
{
    json_t *now = NULL;
    bool same;

    if (!json_is_object(wanted))
        return true;
    if (!read_vm_settings(context->session, vm, wanted, &now, err))
        return false;
    same = json_equal(now, wanted);
    json_decref(now);
    return same ||
           err_fail(err, ERR_CONFLICT, 0, "the host did not keep the settings of the VM");
}

static bool verify_one(struct plan_context *context, const char *vm, const json_t *params,
                       struct err *err)
{
    struct dda_target target;
    enum gpu_place place;
    bool has;

    if (!target_of(params, &target, err) ||
        !dda_read_place(context->session, &target, &place, err))
        return false;
    if (place != GPU_DISMOUNTED)
        return err_fail(err, ERR_CONFLICT, 0, "'%s' is not dismounted after all",
                        target.name);
    if (!dda_has_entry(context->session, vm, &target, &has, err))
        return false;
    return has || err_fail(err, ERR_CONFLICT, 0, "the VM does not have '%s' after all",
                           target.name);
}

static bool verify(struct plan_context *context, struct step *step, struct err *err)
{
    const json_t *devices = json_object_get(step->params, "devices"), *device;
    const char *vm;
    size_t i;

    if (!param_text(step, "vm", &vm, err) ||
        !verify_settings(context, vm, json_object_get(step->params, "settings"), err))
        return false;
    json_array_foreach(devices, i,
                       device) if (!verify_one(context, vm, device, err)) return false;
    return true;
}

const struct step_kind step_device_verify = {
    .name = "device-verify",
    .probe = probe_nothing,
    .apply = verify,
    .revert = revert_nothing,
};

/* ---- device-used ---- */

static bool tell_used(struct plan_context *context, struct step *step, struct err *err)
{
    struct dda_target target;
    const char *vm;
    bool used;

    if (!target_of(step->params, &target, err) || !param_text(step, "vm", &vm, err) ||
        !dda_is_in_use(context->session, vm, &target, &used, err))
        return false;
    if (used)
        return true;
    err_fail(err, ERR_CONFLICT, 0, "the VM runs, and does not use '%s'", target.name);
    return err_hint(err, "look at the VM's events in the host's Event Viewer, under "
                         "Hyper-V-Worker");
}

const struct step_kind step_device_used = {
    .name = "device-used",
    .probe = probe_nothing,
    .apply = tell_used,
    .revert = revert_nothing,
    .flags = STEP_ONLY_TELLS,
};

/* ---- device-works ---- */

enum { START_MS = 10 * 1000, POLL_MS = 250, PROBLEM_NO_DRIVER = 28 };

/* A driver takes its time to start; a device without one was so before. */
static bool tell_works(struct plan_context *context, struct step *step, struct err *err)
{
    uint64_t until = os_monotonic_ms() + START_MS;
    struct known_u64 problem = { 0 };
    struct dda_target target;
    enum dda_node node;

    if (!target_of(step->params, &target, err))
        return false;
    for (;;) {
        if (!dda_read_node(context->session, &target, &node, &problem, err))
            return false;
        if (node == NODE_ENABLED && problem.known &&
            (problem.value == 0 || problem.value == PROBLEM_NO_DRIVER))
            return true;
        if (os_monotonic_ms() >= until)
            break;
        if (!progress_report(context->progress, "waiting for the driver", PROGRESS_ITEMS, 0,
                             0, err))
            return false;
        os_sleep_ms(POLL_MS);
    }
    if (node == NODE_AWAY || node == NODE_DISABLED)
        err_fail(err, ERR_CONFLICT, 0, "'%s' is back, and %s", target.name,
                 node == NODE_DISABLED ? "disabled" : "gone again");
    else if (!problem.known)
        err_fail(err, ERR_CONFLICT, 0,
                 "'%s' is back; the host does not tell whether it "
                 "works",
                 target.name);
    else
        err_fail(err, ERR_CONFLICT, (int64_t)problem.value,
                 "'%s' is back on the host, and has problem code %llu", target.name,
                 (unsigned long long)problem.value);
    return err_hint(err, problem.value == 14
                             ? "restart the host"
                             : "look at it in the host's Device Manager; a card that was "
                               "not reset needs a cold start of the host");
}

const struct step_kind step_device_works = {
    .name = "device-works",
    .probe = probe_nothing,
    .apply = tell_works,
    .revert = revert_nothing,
    .flags = STEP_ONLY_TELLS,
};

/* ---- making steps ---- */

static json_t *params_of(const struct dda_device *device, const struct hv_vm *vm)
{
    json_t *params = json_pack("{s:s, s:s?, s:s}", "instance_id", device->instance_id,
                               "location_path", device->location_path, "name",
                               device->name ? device->name : device->instance_id);

    if (params && vm && json_object_set_new(params, "vm", json_string(vm->id)) != 0) {
        json_decref(params);
        return NULL;
    }
    return params;
}

static bool add(struct plan *plan, const struct step_kind *kind, char *target,
                json_t *params, struct err *err)
{
    bool ok = target && params;

    if (!ok) {
        json_decref(params);
        err_no_memory(err);
    } else {
        ok = plan_add(plan, kind, target, params, NULL, NULL, NULL, err) != NULL;
    }
    free(target);
    return ok;
}

bool add_device_verify(struct plan *plan, const struct hv_vm *vm,
                       const struct dda_device *const *devices, size_t count,
                       const json_t *settings, struct err *err)
{
    json_t *list = json_array();
    json_t *params = list ? json_pack("{s:s, s:o, s:O?}", "vm", vm->id, "devices", list,
                                      "settings", settings)
                          : NULL;

    for (size_t i = 0; params && i < count; i++)
        if (json_array_append_new(list, params_of(devices[i], NULL)) != 0) {
            json_decref(params);
            params = NULL;
        }
    return add(plan, &step_device_verify, text_printf("VM '%s', read back", vm->name),
               params, err);
}

bool add_device_used(struct plan *plan, const struct hv_vm *vm,
                     const struct dda_device *device, struct err *err)
{
    return add(plan, &step_device_used,
               text_printf("'%s' in VM '%s', used", device->name, vm->name),
               params_of(device, vm), err);
}

bool add_device_works(struct plan *plan, const struct dda_device *device, struct err *err)
{
    return add(plan, &step_device_works,
               text_printf("'%s' on the host, its driver", device->name),
               params_of(device, NULL), err);
}
