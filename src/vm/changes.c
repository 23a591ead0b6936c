/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan wants of a VM's settings, compared with what they are. */

#include <string.h>

#include "finding.h"
#include "strbuf.h"
#include "text.h"
#include "vm-plan.h"

/* ---- findings ---- */

static bool has_finding(const struct plan *plan, const char *id, const char *subject)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(plan->findings, i, finding)
    {
        const char *its = json_string_value(json_object_get(finding, "subject"));

        if (strcmp(json_string_value(json_object_get(finding, "id")), id) == 0 &&
            (its ? subject && strcmp(its, subject) == 0 : !subject))
            return true;
    }
    return false;
}

bool plan_take_findings(struct plan *plan, const struct findings *findings, struct err *err)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        CLEANUP(strbuf_cleanup) struct strbuf evidence = STRBUF_INIT;

        if (finding->severity == SEVERITY_OK ||
            has_finding(plan, finding->id, finding->subject))
            continue;
        for (size_t k = 0; k < finding->evidence_count; k++)
            strbuf_printf(&evidence, "%s%s", k ? "; " : "", finding->evidence[k]);
        if (evidence.failed)
            return err_no_memory(err);
        if (!plan_find(plan, finding->id, severity_name(finding->severity),
                       finding->subject, evidence.text, finding->cause, finding->fix,
                       finding->source, err))
            return false;
    }
    return true;
}

/* ---- settings ---- */

bool vm_changes_init(struct vm_changes *changes, struct err *err)
{
    changes->before = json_object();
    changes->after = json_object();
    return (changes->before && changes->after) || err_no_memory(err);
}

void vm_changes_clear(struct vm_changes *changes)
{
    json_decref(changes->before);
    json_decref(changes->after);
    *changes = (struct vm_changes){ 0 };
}

void want_setting(struct vm_changes *changes, const char *key, json_t *before,
                  json_t *after)
{
    json_object_set_new(changes->before, key, before);
    json_object_set_new(changes->after, key, after);
}

void want_number(struct vm_changes *changes, const char *key, const struct known_u64 *now,
                 uint64_t wanted)
{
    if (!now->known || now->value != wanted)
        want_setting(changes, key,
                     now->known ? json_integer((json_int_t)now->value) : json_null(),
                     json_integer((json_int_t)wanted));
}

void want_word(struct vm_changes *changes, const char *key, const struct known_u64 *now,
               const char *(*word)(uint64_t value), uint64_t wanted)
{
    if (!now->known || now->value != wanted)
        want_setting(changes, key,
                     now->known ? vm_setting_word(word, now->value) : json_null(),
                     vm_setting_word(word, wanted));
}

void want_true(struct vm_changes *changes, const char *key, enum tristate now)
{
    if (now != TRI_YES)
        want_setting(changes, key, now == TRI_NO ? json_false() : json_null(), json_true());
}

void want_memory_fixed(struct vm_changes *changes, const struct hv_vm *vm)
{
    const struct known_u64 *startup = &vm->memory_startup_bytes;

    if (vm->dynamic_memory != TRI_YES)
        return;
    /* Where both are equal it is of one size already, and goes with a device. */
    if (startup->known && vm->memory_minimum_bytes.known &&
        vm->memory_minimum_bytes.value == startup->value)
        return;
    want_setting(changes, "dynamic_memory", json_true(), json_false());
    if (!startup->known)
        return;
    want_number(changes, "memory_minimum_bytes", &vm->memory_minimum_bytes, startup->value);
    want_number(changes, "memory_maximum_bytes", &vm->memory_maximum_bytes, startup->value);
}

bool vm_changes_any(const struct vm_changes *changes)
{
    return json_object_size(changes->after) > 0;
}

bool add_vm_changes(struct plan *plan, const struct hv_vm *vm,
                    const struct vm_changes *changes, struct err *err)
{
    return !vm_changes_any(changes) ||
           add_vm_settings(plan, vm, json_incref(changes->before),
                           json_incref(changes->after), err);
}
