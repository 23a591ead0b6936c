/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmx-step.h"

#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "text.h"

/* Beside the settings in before and after: how many lines VMware cached. */
#define CACHED "cached_capabilities"

enum { CHANGES_MAX = 8 };

static const char *param(const struct step *step, const char *name)
{
    const char *text = json_string_value(json_object_get(step->params, name));

    return text ? text : "";
}

/* The settings of @values as changes; texts are lent. */
/* Copies of a key that differ are shown together, "FALSE, TRUE"; the last one counts. */
static const char *last_copy(const char *shown)
{
    const char *blank = shown ? strrchr(shown, ' ') : NULL;

    return blank ? blank + 1 : shown;
}

static size_t changes_from(const json_t *values, struct vmx_change changes[CHANGES_MAX])
{
    size_t count = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)values, key,
                        value) if (strcmp(key, CACHED) != 0 && count < CHANGES_MAX)
        changes[count++] = (struct vmx_change){ key, last_copy(json_string_value(value)) };
    return count;
}

/* What the step makes of @from. */
static bool edit_forward(const struct step *step, const struct vmx *from, struct strbuf *to,
                         struct err *err)
{
    struct vmx_change changes[CHANGES_MAX];
    size_t count = changes_from(step->after, changes);

    return vmx_edit(from, changes, count, VMX_CACHED_PREFIX, to, err);
}

static bool same(const struct strbuf *a, const struct vmx *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->text, b->bytes, a->len) == 0);
}

static bool same_bytes(const struct vmx *a, const struct vmx *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* NULL without error: there is none, or it cannot be read. */
static struct vmx *read_backup(const struct step *step)
{
    struct err ignored = ERR_INIT;

    return os_file_exists(param(step, "backup")) ? vmx_read(param(step, "backup"), &ignored)
                                                 : NULL;
}

/* ---- the state ---- */

static json_t *values_now(const json_t *keys, const struct vmx *vmx)
{
    json_t *now = json_object(), *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)keys, key, value)
    {
        CLEANUP(free_cleanup) char *text = strcmp(key, CACHED) ? vmx_shown(vmx, key) : NULL;

        if (strcmp(key, CACHED) == 0)
            json_object_set_new(
                now, key, json_integer((json_int_t)vmx_count(vmx, VMX_CACHED_PREFIX)));
        else
            json_object_set_new(now, key, text ? json_string(text) : json_null());
    }
    return now;
}

/* After the step VMware fills its cache again: that is neither its undoing nor somebody's
 * change.  A step that was cut off counts as half done while its backup is there. */
static json_t *cached_of(const struct step *step, const json_t *now, const struct vmx *vmx,
                         const struct vmx *backup)
{
    bool as_before = backup && same_bytes(vmx, backup);

    if (step->state == STEP_PENDING || step->state == STEP_UNDONE)
        return json_incref(json_object_get(now, CACHED));
    if (step->state == STEP_STARTED && backup)
        return json_null();
    return json_incref(json_object_get(as_before ? step->before : step->after, CACHED));
}

static bool probe(struct plan_context *context, const struct step *step, json_t **ret_now,
                  struct err *err)
{
    CLEANUP(vmx_cleanup) struct vmx *vmx = vmx_read(param(step, "path"), err);
    CLEANUP(vmx_cleanup) struct vmx *backup = vmx ? read_backup(step) : NULL;
    json_t *now;

    if (!vmx)
        return false;
    now = values_now(step->after, vmx);
    if (!now || json_object_set_new(now, CACHED, cached_of(step, now, vmx, backup)) != 0) {
        json_decref(now);
        return err_no_memory(err);
    }
    *ret_now = now;
    return true;
}

/* ---- doing ---- */

/* Written, read again, compared; on a difference the old bytes come back. */
static bool replace(const char *path, const char *bytes, size_t len, const struct vmx *old,
                    struct err *err)
{
    CLEANUP(vmx_cleanup) struct vmx *now = NULL;
    struct err why = ERR_INIT;

    if (!os_write_file_like(path, path, bytes, len, err))
        return false;
    now = vmx_read(path, &why);
    if (now && now->len == len && memcmp(now->bytes, bytes, len) == 0)
        return true;
    err_fail(err, ERR_CONFLICT, 0, "'%s' does not hold what was written", path);
    if (!os_write_file_like(path, path, old->bytes, old->len, &why))
        return err_hint(err, "what was there before is in the copy beside it, .bak-*");
    return err_hint(err, "another program writes it at the same time: close VMware");
}

static bool apply(struct plan_context *context, struct step *step, struct err *err)
{
    const char *path = param(step, "path"), *backup = param(step, "backup");
    CLEANUP(vmx_cleanup) struct vmx *vmx = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf wanted = STRBUF_INIT;

    if (!vmx_check_free(path, err))
        return false;
    vmx = vmx_read(path, err);
    if (!vmx || !edit_forward(step, vmx, &wanted, err))
        return false;
    if (same(&wanted, vmx))
        return true;
    return os_write_file_like(backup, path, vmx->bytes, vmx->len, err) &&
           replace(path, wanted.text ? wanted.text : "", wanted.len, vmx, err);
}

/* ---- taking back ---- */

/* Only the settings; what VMware cached it writes anew by itself. */
static bool put_settings_back(const struct step *step, const struct vmx *vmx,
                              struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf wanted = STRBUF_INIT;
    struct vmx_change changes[CHANGES_MAX];
    size_t count = changes_from(step->before, changes);

    if (!vmx_edit(vmx, changes, count, NULL, &wanted, err))
        return false;
    return same(&wanted, vmx) ||
           replace(param(step, "path"), wanted.text ? wanted.text : "", wanted.len, vmx,
                   err);
}

static bool revert(struct plan_context *context, struct step *step, struct err *err)
{
    const char *path = param(step, "path");
    CLEANUP(vmx_cleanup) struct vmx *vmx = NULL;
    CLEANUP(vmx_cleanup) struct vmx *backup = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf ours = STRBUF_INIT;

    if (!vmx_check_free(path, err))
        return false;
    vmx = vmx_read(path, err);
    if (!vmx)
        return false;
    backup = read_backup(step);
    if (!backup)
        return put_settings_back(step, vmx, err);
    if (!edit_forward(step, backup, &ours, err))
        return false;
    if (!same_bytes(vmx, backup)) {
        if (!same(&ours, vmx))
            return put_settings_back(step, vmx, err);
        if (!replace(path, backup->bytes, backup->len, vmx, err))
            return false;
    }
    return os_remove_file(param(step, "backup"), err);
}

const struct step_kind step_vmx_edit = {
    .name = "vmx-edit",
    .probe = probe,
    .apply = apply,
    .revert = revert,
    .flags = STEP_NO_HOST,
};

/* ---- planning ---- */

bool vmx_plan_edit(struct plan *plan, const char *path, const struct vmx *vmx,
                   const struct vmx_change *changes, size_t count, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf wanted = STRBUF_INIT;
    CLEANUP(free_cleanup) char *backup = text_printf("%s.bak-%s", path, plan->id);
    CLEANUP(free_cleanup) char *target = text_printf("settings in '%s'", path);
    json_t *before, *after = json_object();

    if (!backup || !target || !after) {
        json_decref(after);
        return err_no_memory(err);
    }
    if (!vmx_edit(vmx, changes, count, VMX_CACHED_PREFIX, &wanted, err) ||
        same(&wanted, vmx)) {
        json_decref(after);
        return err->kind == ERR_NONE;
    }
    for (size_t i = 0; i < count; i++) {
        CLEANUP(free_cleanup) char *now = vmx_get(vmx, changes[i].key);

        /* As it is written, where only the case differs. */
        json_object_set_new(
            after, changes[i].key,
            json_string(text_ieq(now, changes[i].value) ? now : changes[i].value));
    }
    json_object_set_new(after, CACHED, json_integer(0));
    before = values_now(after, vmx);
    return plan_add(plan, &step_vmx_edit, target,
                    json_pack("{s:s, s:s}", "path", path, "backup", backup), before, after,
                    NULL, err);
}
