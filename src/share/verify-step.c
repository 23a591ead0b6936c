/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify: everything a plan made of a VM is read back from the host, and must be so. */

#include "share-steps.h"

#include <string.h>

#include "step-params.h"
#include "text.h"
#include "vm-access.h"

static bool probe(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err)
{
    *ret_now = json_null();
    return true;
}

static bool apply(struct plan_context *context, struct step *step, struct err *err)
{
    const json_t *wanted = json_object_get(step->params, "settings");
    json_int_t adapters = json_integer_value(json_object_get(step->params, "adapters"));
    const char *vm, *gpu = param_optional(step, "interface_path");
    json_t *now = NULL;
    unsigned count;
    bool ok;

    if (!param_text(step, "vm", &vm, err))
        return false;
    if (json_is_object(wanted)) {
        if (!read_vm_settings(context->session, vm, wanted, &now, err))
            return false;
        ok = json_equal(now, wanted);
        json_decref(now);
        if (!ok)
            return err_fail(err, ERR_CONFLICT, 0,
                            "the host did not keep the settings of the VM");
    }
    if (!count_adapters(context->session, vm, gpu, &count, err))
        return false;
    if (count != (unsigned)adapters)
        return err_fail(err, ERR_CONFLICT, 0,
                        "the VM has %u partitions of this GPU instead of %d", count,
                        (int)adapters);
    return true;
}

static bool revert(struct plan_context *context, struct step *step, struct err *err)
{
    return true;
}

const struct step_kind step_verify = {
    .name = "verify",
    .probe = probe,
    .apply = apply,
    .revert = revert,
};

bool add_verify(struct plan *plan, const struct hv_vm *vm, const json_t *settings,
                const char *interface_path, unsigned adapters, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("VM '%s', read back", vm->name);
    json_t *params = json_pack("{s:s, s:s?, s:i}", "vm", vm->id, "interface_path",
                               interface_path, "adapters", (int)adapters);

    if (!target || !params ||
        (settings &&
         json_object_set_new(params, "settings", json_deep_copy(settings)) != 0)) {
        json_decref(params);
        return err_no_memory(err);
    }
    return plan_add(plan, &step_verify, target, params, NULL, NULL, NULL, err) != NULL;
}
