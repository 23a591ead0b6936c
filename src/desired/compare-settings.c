/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings, device memory windows and shares of a VM that has the right GPU. */

#include "compare-parts.h"

#include <stdio.h>
#include <string.h>

#include "text.h"
#include "vm-plan.h"
#include "wants.h"

void desired_wish(const struct desired_vm *vm, struct share_wish *ret)
{
    *ret = (struct share_wish){ .low_mmio_bytes = vm->low_mmio_bytes,
                                .high_mmio_bytes = vm->high_mmio_bytes,
                                .guest_controlled_cache = vm->guest_controlled_cache,
                                .stop_action = vm->stop_action,
                                .checkpoint_type = vm->checkpoint_type };
}

/* "33280 MB", "true", "disabled" */
char *desired_setting_text(const char *key, const json_t *value)
{
    char size[32];

    if (json_is_integer(value) && strstr(key, "_bytes")) {
        unsigned long long bytes = (unsigned long long)json_integer_value(value);

        if (bytes % (1 << 20) == 0)
            snprintf(size, sizeof(size), "%llu MB", bytes >> 20);
        else
            snprintf(size, sizeof(size), "%llu", bytes);
        return text_dup(size);
    }
    if (json_is_boolean(value))
        return text_dup(json_is_true(value) ? "true" : "false");
    if (json_is_string(value))
        return text_dup(json_string_value(value));
    return json_is_integer(value)
               ? text_printf("%lld", (long long)json_integer_value(value))
               : NULL;
}

/* The keys of add_vm_settings() as texts that outlive the JSON. */
static const char *setting_key(const char *key)
{
    static const char *const keys[] = { "low_mmio_bytes", "high_mmio_bytes",
                                        "guest_controlled_cache", "stop_action",
                                        "checkpoint_type" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return keys[i];
    return "setting";
}

static bool has_setting(const struct vm_compare *v, const char *key)
{
    for (size_t i = v->c->count; i-- > 0 && v->c->items[i].vm == v->vm;)
        if (v->c->items[i].setting && strcmp(v->c->items[i].setting, key) == 0)
            return true;
    return false;
}

static bool add_setting(struct vm_compare *v, const char *key, const json_t *before,
                        const json_t *after, struct err *err)
{
    struct difference *made;

    if (has_setting(v, key)) /* another GPU of the VM wants the same */
        return true;
    made = comparison_add(v->c, strstr(key, "_mmio_") ? DIFF_MMIO : DIFF_SETTING,
                          desired_setting_text(key, after),
                          desired_setting_text(key, before), err);
    if (!made)
        return false;
    made->vm = v->vm;
    made->found_vm = v->found;
    made->setting = key;
    return true;
}

bool compare_settings(struct vm_compare *v, const struct hv_gpu *gpu, struct err *err)
{
    const struct desired_gpu *wanted;
    struct hv_gpu cut = gpu ? *gpu : (struct hv_gpu){ 0 };
    struct vm_changes changes;
    struct share_wish wish;
    struct gaps gaps;
    const char *key;
    json_t *after;
    bool ok;

    wanted = gpu ? desired_count_wish(v->c, gpu) : NULL;
    if (wanted)
        cut.partition_count = wanted->partition_count;
    ok = vm_changes_init(&changes, err);
    if (ok) {
        desired_wish(v->vm, &wish);
        gaps_for_partition(v->found, &cut, &gaps);
        share_want_settings(&changes, v->found, &gaps, &wish);
    }
    json_object_foreach(changes.after, key, after) if (ok) ok =
        add_setting(v, setting_key(key), json_object_get(changes.before, key), after, err);
    vm_changes_clear(&changes);
    return ok;
}

bool compare_share(struct vm_compare *v, const struct hv_gpu *gpu,
                   const struct desired_use *use, const struct hv_adapter *adapter,
                   struct err *err)
{
    struct hv_quota wanted[QUOTA_COUNT];
    struct difference *made;
    unsigned now;

    if (!use->share_percent.known || !gpu || !adapter->interface_path ||
        gpu_interface_is_paravirtual(adapter->interface_path))
        return true;
    share_want_quota(gpu, use->share_percent.value, wanted);
    if (share_same_quota(wanted, adapter->quota))
        return true;
    now = share_of_quota(gpu, adapter->quota);
    made =
        comparison_add(v->c, DIFF_SHARE,
                       text_printf("%llu %%", (unsigned long long)use->share_percent.value),
                       now ? text_printf("%u %%", now) : NULL, err);
    if (!made)
        return false;
    made->vm = v->vm;
    made->found_vm = v->found;
    made->gpu = use->gpu == DESIRED_ANY_GPU ? NULL : &v->c->wanted->gpus[use->gpu];
    made->found_gpu = gpu;
    return true;
}

bool compare_gaps(struct vm_compare *v, struct err *err)
{
    const struct {
        const char *key;
        const struct known_u64 *wanted, *found;
    } gaps[] = {
        { "low_mmio_bytes", &v->vm->low_mmio_bytes, &v->found->low_mmio_bytes },
        { "high_mmio_bytes", &v->vm->high_mmio_bytes, &v->found->high_mmio_bytes },
    };

    for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
        json_t *before, *after;
        bool ok;

        if (!gaps[i].wanted->known ||
            (gaps[i].found->known && gaps[i].found->value == gaps[i].wanted->value))
            continue;
        before = gaps[i].found->known ? json_integer((json_int_t)gaps[i].found->value)
                                      : json_null();
        after = json_integer((json_int_t)gaps[i].wanted->value);
        ok = add_setting(v, gaps[i].key, before, after, err);
        json_decref(before);
        json_decref(after);
        if (!ok)
            return false;
    }
    return true;
}
