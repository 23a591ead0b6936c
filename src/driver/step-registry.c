/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step: values in the guest's SYSTEM hive, all in one write of the hive.
 *
 * Taken back, the hive file gets its former bytes when nobody wrote it since, else the
 * values get their former contents and keys that the step made go when they are empty.
 *
 * params: backup; hive_sha256 once applied
 * state:  [{"key", "name", "value": null | {"type", "data"}, "key_exists": bool}]
 */

#include "step-common.h"
#include "text.h"

static bool probe_value(struct guest_disk *guest, const char *key, const char *name,
                        json_t *to, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists, key_exists;
    json_t *now;

    if (!guest->ops->reg_key_exists(guest, key, &key_exists, err) ||
        !guest->ops->reg_get(guest, key, name, &exists, &value, err))
        return false;
    now = exists ? manifest_value_to_json(&value) : json_null();
    hive_value_clear(&value);
    return json_array_append_new(to,
                                 json_pack("{s:s, s:s, s:o, s:b}", "key", key, "name", name,
                                           "value", now, "key_exists", key_exists)) == 0 ||
           err_no_memory(err);
}

static bool probe_registry(struct plan_context *context, const struct step *step,
                           json_t **ret_now, struct err *err)
{
    json_t *now = json_array();
    bool ok = now || err_no_memory(err);

    for (size_t i = 0; ok && i < json_array_size(step->after); i++) {
        const json_t *value = json_array_get(step->after, i);
        const char *key = json_string_value(json_object_get(value, "key"));
        const char *name = json_string_value(json_object_get(value, "name"));

        ok = key && name ? probe_value(context->guest, key, name, now, err)
                         : step_is_damaged(step, err);
    }
    if (ok)
        *ret_now = now;
    else
        json_decref(now);
    return ok;
}

static bool put_value(struct guest_disk *guest, const struct step *step,
                      const json_t *state, struct err *err)
{
    const char *key = json_string_value(json_object_get(state, "key"));
    const char *name = json_string_value(json_object_get(state, "name"));
    const json_t *json = json_object_get(state, "value");
    bool key_stays = json_is_true(json_object_get(state, "key_exists"));
    struct hive_value value = { 0 };
    bool ok;

    if (!key || !name)
        return step_is_damaged(step, err);
    if (json_is_null(json))
        return guest->ops->reg_delete(guest, key, name, !key_stays, err);
    if (!manifest_value_from_json(json, &value))
        return step_is_damaged(step, err);
    ok = guest->ops->reg_set(guest, key, name, &value, err);
    hive_value_clear(&value);
    return ok;
}

/* Makes @states true in one hive write. */
static bool put_values(struct plan_context *context, struct step *step,
                       const json_t *states, char ret_sha256[65], struct err *err)
{
    struct guest_disk *guest = context->guest;

    if (!step_text(step, "backup"))
        return step_is_damaged(step, err);
    if (!guest->ops->hive_begin(guest, step_text(step, "backup"), err))
        return false;
    for (size_t i = 0; i < json_array_size(states); i++)
        if (!put_value(guest, step, json_array_get(states, i), err)) {
            struct err ignored = ERR_INIT;

            if (!guest->ops->hive_end(guest, ret_sha256, &ignored))
                err_wrap(err, "and the guest's hive could not be closed (%.100s)",
                         ignored.text[0]);
            return false;
        }
    return guest->ops->hive_end(guest, ret_sha256, err);
}

static bool apply_registry(struct plan_context *context, struct step *step, struct err *err)
{
    char sha256[65];

    if (!put_values(context, step, step->after, sha256, err))
        return false;
    return json_object_set_new(step->params, "hive_sha256", json_string(sha256)) == 0 ||
           err_no_memory(err);
}

static bool revert_registry(struct plan_context *context, struct step *step,
                            struct err *err)
{
    struct guest_disk *guest = context->guest;
    const char *left = step_text(step, "hive_sha256");
    bool restored = false;
    char sha256[65];

    if (left && step_text(step, "backup") &&
        !guest->ops->hive_restore(guest, step_text(step, "backup"), left, &restored, err))
        return false;
    return restored || put_values(context, step, step->before, sha256, err);
}

const struct step_kind step_driver_registry = {
    .name = "driver-registry",
    .probe = probe_registry,
    .apply = apply_registry,
    .revert = revert_registry,
    .flags = STEP_NEEDS_GUEST,
};
