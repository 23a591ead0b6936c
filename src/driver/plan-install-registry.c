/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry values of a driver set in the guest's SYSTEM hive: where they go there, what
 * was there before, and what an earlier driver left.
 */

#include <string.h>

#include "plan-install.h"
#include "text.h"
#include "win-path.h"

#define DISPLAY_CLASS "Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}"

static const char SOURCE[] = "Justsenger/ExHyperV src/Services/Vm/VmGpuService.cs";

enum { DISPLAY_KEYS_TRIED = 32 };

struct values {
    struct install *install;
    json_t *before, *after; /* states of the step */
    char *gpu_key_owner;    /* whose the guest's display key of the GPU's number is */
    bool gpu_key_asked, video_key_asked;
    char *video_key; /* of Hyper-V Video; NULL: none */
};

static bool guest_text(struct install *install, const char *key, const char *name,
                       char **ret, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists = false;

    if (!install->guest->ops->reg_get(install->guest, key, name, &exists, &value, err))
        return false;
    free(*ret);
    *ret = exists ? hive_value_text(&value) : NULL;
    hive_value_clear(&value);
    return true;
}

/* ---- which key ---- */

static bool say_owned(struct values *values, const char *key, struct err *err)
{
    CLEANUP(free_cleanup)
    char *cause = text_printf("the guest's display key %s is of another driver (%s): the "
                              "values by which Intel's runtimes find their files stay out "
                              "of it",
                              win_path_base(key), values->gpu_key_owner);

    return cause ? plan_find(values->install->plan, "guest-registry", "warning", key,
                             values->gpu_key_owner, cause,
                             "Direct3D works without them; OpenCL and Level Zero need a "
                             "guest whose key of that number is free",
                             SOURCE, err)
                 : err_no_memory(err);
}

/* The guest gives the host's number to its own virtual device, or to no device; but a
 * driver of the guest's own may have it. */
static bool ask_gpu_key(struct values *values, const char *key, struct err *err)
{
    static const char *const identity[] = { "ProviderName", "DriverDesc", "InfPath",
                                            "MatchingDeviceId" };
    CLEANUP(free_cleanup) char *inf = NULL;
    bool intel = false;

    if (values->gpu_key_asked)
        return true;
    values->gpu_key_asked = true;
    for (size_t i = 0; i < ARRAY_LEN(identity); i++) {
        CLEANUP(free_cleanup) char *text = NULL;

        if (!guest_text(values->install, key, identity[i], &text, err))
            return false;
        intel |= text && (text_istr(text, "Intel") || text_istr(text, "VEN_8086"));
        if (text && *text && (!values->gpu_key_owner || i == 1)) {
            free(values->gpu_key_owner); /* its description, if it has one */
            values->gpu_key_owner = TAKE(text);
        }
    }
    if (!guest_text(values->install, key, "InfPath", &inf, err))
        return false;
    if (intel || text_ieq(inf, "vrd.inf"))
        free(TAKE(values->gpu_key_owner));
    return !values->gpu_key_owner || say_owned(values, key, err);
}

static bool ask_video_key(struct values *values, struct err *err)
{
    CLEANUP(free_cleanup) char *inf = NULL;

    if (values->video_key_asked)
        return true;
    values->video_key_asked = true;
    for (unsigned i = 0; i < DISPLAY_KEYS_TRIED && !values->video_key; i++) {
        CLEANUP(free_cleanup) char *key = text_printf("%s\\%04u", DISPLAY_CLASS, i);

        if (!key)
            return err_no_memory(err);
        if (!guest_text(values->install, key, "InfPath", &inf, err))
            return false;
        if (text_ieq(inf, "wvmbusvideo.inf"))
            values->video_key = TAKE(key);
    }
    return values->video_key ||
           plan_find(
               values->install->plan, "guest-registry", "warning", "guest",
               "none of its display keys is of wvmbusvideo.inf",
               "the guest has no display key of Hyper-V Video: Level Zero may not find "
               "Intel's driver",
               NULL, SOURCE, err);
}

/* *ret NULL: the guest has no place for it; lent. */
static bool find_key(struct values *values, const struct driver_registry_value *value,
                     const char **ret, struct err *err)
{
    *ret = value->key;
    if (value->place == VALUE_AT_GPU_KEY) {
        if (!ask_gpu_key(values, value->key, err))
            return false;
        if (values->gpu_key_owner)
            *ret = NULL;
    } else if (value->place == VALUE_AT_HYPERV_VIDEO) {
        if (!ask_video_key(values, err))
            return false;
        *ret = values->video_key;
    }
    return true;
}

/* ---- which text ---- */

/* Paths on the host's Windows drive and folder become those of the guest. */
static bool localize(const struct install *install,
                     const struct driver_registry_value *value, struct hive_value *ret,
                     struct err *err)
{
    const char *from = install->set->origin->system_root;
    size_t count = 0;
    char **texts = hive_value_texts(&value->value, &count);
    bool ok;

    if (!texts || value->place == VALUE_AT_KEY) {
        hive_texts_free(texts, count);
        *ret = value->value;
        ret->bytes = malloc(ret->len + 1);
        if (!ret->bytes)
            return err_no_memory(err);
        memcpy(ret->bytes, value->value.bytes, ret->len);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        const char *below = win_path_below(texts[i], from);
        char *text = below && *install->guest_root
                         ? text_printf("%s\\%s", install->guest_root, below)
                         : text_dup(texts[i]);

        free(texts[i]);
        texts[i] = text;
    }
    ok = value->value.type == HIVE_MULTI_SZ
             ? hive_value_set_texts(ret, (const char *const *)texts, count)
             : hive_value_set_text(ret, value->value.type, texts[0] ? texts[0] : "");
    hive_texts_free(texts, count);
    return ok || err_no_memory(err);
}

/* ---- one value ---- */

static json_t *state_of(const char *key, const char *name, json_t *value, bool key_exists)
{
    return json_pack("{s:s, s:s, s:o, s:b}", "key", key, "name", name, "value", value,
                     "key_exists", key_exists);
}

static bool record_value(struct install *install, const char *key, const char *name,
                         const struct hive_value *value, const json_t *now, struct err *err)
{
    const json_t *record = manifest_value(install->old, key, name);
    const json_t *gpus = json_object_get(install->manifest, "gpus");
    json_t *old;
    bool key_made;

    for (size_t i = 0; !record && i < json_array_size(gpus); i++)
        record = manifest_value(json_array_get(gpus, i), key, name);
    /* What was there before hvgpu's first visit counts, not what it wrote itself. */
    old = record ? json_deep_copy(json_object_get(record, "old"))
                 : json_deep_copy(json_object_get(now, "value"));
    key_made = record ? json_is_true(json_object_get(record, "key_made"))
                      : json_is_false(json_object_get(now, "key_exists"));
    return json_array_append_new(json_object_get(install->entry, "registry"),
                                 json_pack("{s:s, s:s, s:o, s:o, s:b}", "key", key, "name",
                                           name, "value", manifest_value_to_json(value),
                                           "old", old, "key_made", key_made)) == 0 ||
           err_no_memory(err);
}

/* Two GPUs of Intel, one anchor: the first keeps it. */
static bool is_anothers_anchor(const struct install *install,
                               const struct driver_registry_value *value, const char *key)
{
    const json_t *gpus = json_object_get(install->manifest, "gpus");

    for (size_t i = 0; value->place == VALUE_AT_HYPERV_VIDEO && i < json_array_size(gpus);
         i++) {
        const json_t *gpu = json_array_get(gpus, i);
        const char *id = json_string_value(json_object_get(gpu, "instance_id"));

        if (!text_ieq(id, install->set->instance_id) &&
            manifest_value(gpu, key, value->name))
            return true;
    }
    return false;
}

static bool note_difference(struct install *install, const char *key, const char *name,
                            const json_t *now, const struct hive_value *wanted,
                            struct err *err)
{
    CLEANUP(free_cleanup) char *where = text_printf("%s\\%s", key, name);
    json_t *json = manifest_value_to_json(wanted);
    bool same = json && json_equal(now, json);

    json_decref(json);
    if (!json || !where)
        return err_no_memory(err);
    return same || drift_note(install->drift.values, where, err);
}

static bool plan_value(struct values *values, const struct driver_registry_value *value,
                       struct err *err)
{
    struct install *install = values->install;
    const struct guest_disk_ops *ops = install->guest->ops;
    struct hive_value now = { 0 }, wanted = { 0 };
    bool exists = false, key_exists = false, ok;
    const char *key;
    json_t *was;

    if (!find_key(values, value, &key, err))
        return false;
    if (!key || is_anothers_anchor(install, value, key))
        return true;
    if (!localize(install, value, &wanted, err))
        return false;
    ok = ops->reg_key_exists(install->guest, key, &key_exists, err) &&
         ops->reg_get(install->guest, key, value->name, &exists, &now, err);
    if (ok) {
        was = state_of(key, value->name,
                       exists ? manifest_value_to_json(&now) : json_null(), key_exists);
        json_array_append_new(values->before, was);
        json_array_append_new(
            values->after,
            state_of(key, value->name, manifest_value_to_json(&wanted), true));
        ok = record_value(install, key, value->name, &wanted, was, err) &&
             note_difference(install, key, value->name, json_object_get(was, "value"),
                             &wanted, err);
    }
    hive_value_clear(&now);
    hive_value_clear(&wanted);
    return ok;
}

/* ---- what the driver before had and this one has not ---- */

static bool drop_value(struct values *values, const json_t *record, struct err *err)
{
    struct install *install = values->install;
    const char *key = json_string_value(json_object_get(record, "key"));
    const char *name = json_string_value(json_object_get(record, "name"));
    struct hive_value now = { 0 };
    bool exists = false, key_exists = false;
    json_t *is;

    if (manifest_value(install->entry, key, name) ||
        manifest_others_have_value(install->manifest, install->set->instance_id, key, name))
        return true;
    if (!install->guest->ops->reg_key_exists(install->guest, key, &key_exists, err) ||
        !install->guest->ops->reg_get(install->guest, key, name, &exists, &now, err))
        return false;
    is = exists ? manifest_value_to_json(&now) : json_null();
    hive_value_clear(&now);
    if (!json_equal(is, json_object_get(record, "value"))) {
        json_decref(is);
        return true; /* somebody changed it since: it is theirs */
    }
    json_array_append_new(values->before, state_of(key, name, is, key_exists));
    json_array_append_new(
        values->after, state_of(key, name, json_deep_copy(json_object_get(record, "old")),
                                !json_is_true(json_object_get(record, "key_made"))));
    return true;
}

static bool plan_all(struct values *values, struct err *err)
{
    const struct driver_set *set = values->install->set;
    const json_t *old = json_object_get(values->install->old, "registry");

    for (size_t i = 0; i < set->value_count; i++)
        if (!plan_value(values, &set->values[i], err))
            return false;
    for (size_t i = 0; i < json_array_size(old); i++)
        if (!drop_value(values, json_array_get(old, i), err))
            return false;
    return true;
}

bool install_plan_registry(struct install *install, struct err *err)
{
    struct values values = { .install = install,
                             .before = json_array(),
                             .after = json_array() };
    bool ok = values.before && values.after ? plan_all(&values, err) : err_no_memory(err);

    free(values.gpu_key_owner);
    free(values.video_key);
    if (ok && !json_equal(values.before, values.after)) {
        CLEANUP(free_cleanup) char *powershell = step_registry_powershell(values.after);

        return install_add_step(
            install, &step_driver_registry, "guest's SYSTEM hive",
            json_pack("{s:o}", "backup",
                      step_backup_name(install->set->instance_id, "SYSTEM")),
            values.before, values.after, powershell, err);
    }
    json_decref(values.before);
    json_decref(values.after);
    return ok;
}
