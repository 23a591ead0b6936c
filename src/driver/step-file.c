/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step: one file into the guest's System32 or SysWOW64.
 *
 * Copied beside its place, compared, then put in place of what was there, of which a copy
 * is kept for undo.
 *
 * params: path, source, sha256, backup; made_folders, when its folder is new
 * state:  {"file": null | {size_bytes, sha256, readonly}, "partial": bool}; with made_folders
 *         also how many of them there are
 */

#include <string.h>

#include "step-common.h"
#include "text.h"

static char *partial_of(const struct step *step)
{
    const char *path = step_text(step, "path");

    return path ? text_printf("%s.hvgpu-new", path) : NULL;
}

static bool probe_file(struct plan_context *context, const struct step *step,
                       json_t **ret_now, struct err *err)
{
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    struct guest_file half;
    const json_t *folders = json_object_get(step->params, "made_folders");
    json_int_t made;
    json_t *state = NULL;

    if (!partial)
        return step_is_damaged(step, err);
    if (!step_count_folders(context->guest, folders, &made, err) ||
        !step_file_state(context->guest, step_text(step, "path"), &state, err))
        return false;
    if (!context->guest->ops->stat(context->guest, partial, false, &half, err)) {
        json_decref(state);
        return false;
    }
    *ret_now = json_pack("{s:o, s:b}", "file", state, "partial", half.exists);
    if (*ret_now && folders)
        json_object_set_new(*ret_now, "made_folders", json_integer(made));
    return *ret_now ? true : err_no_memory(err);
}

/* The last one named is the file's own folder. */
static bool make_folders(struct guest_disk *guest, const struct step *step, struct err *err)
{
    const json_t *folders = json_object_get(step->params, "made_folders");
    size_t count = json_array_size(folders);
    const char *last = count ? json_string_value(json_array_get(folders, count - 1)) : NULL;

    return !last || guest->ops->make_dirs(guest, last, err);
}

/* A copy of what was there before; not of what a run that died here put in its place. */
static bool keep_former(struct guest_disk *guest, const struct step *step, struct err *err)
{
    const json_t *before = json_object_get(step->before, "file");
    json_t *now = NULL;
    bool ok;

    if (json_is_null(before))
        return true;
    if (!step_text(step, "backup"))
        return step_is_damaged(step, err);
    if (!step_file_state(guest, step_text(step, "path"), &now, err))
        return false;
    ok = !json_equal(now, before) ||
         guest->ops->backup(guest, step_text(step, "path"), step_text(step, "backup"),
                            false, err);
    json_decref(now);
    return ok;
}

static bool apply_file(struct plan_context *context, struct step *step, struct err *err)
{
    struct guest_disk *guest = context->guest;
    const char *path = step_text(step, "path"), *source = step_text(step, "source");
    const char *sha256 = step_text(step, "sha256");
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    char copied[65];

    if (!partial || !source || !sha256)
        return step_is_damaged(step, err);
    if (!keep_former(guest, step, err) || !make_folders(guest, step, err) ||
        !guest->ops->remove(guest, partial, false, err) ||
        !guest->ops->copy_file(guest, source, partial, copied, err))
        return false;
    if (strcmp(copied, sha256) != 0)
        return err_fail(err, ERR_CONFLICT, 0,
                        "'%s' is not what it was when the plan was made", source);
    return guest->ops->remove(guest, path, false, err) &&
           guest->ops->rename(guest, partial, path, err);
}

static bool revert_file(struct plan_context *context, struct step *step, struct err *err)
{
    struct guest_disk *guest = context->guest;
    const char *path = step_text(step, "path"), *backup = step_text(step, "backup");
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    bool was_there = !json_is_null(json_object_get(step->before, "file"));
    json_t *now = NULL;
    bool is_back;

    if (!partial || (was_there && !backup))
        return step_is_damaged(step, err);
    if (!guest->ops->remove(guest, partial, false, err) ||
        !step_file_state(guest, path, &now, err))
        return false;
    is_back = json_equal(now, json_object_get(step->before, "file"));
    json_decref(now);
    if (is_back && was_there)
        return true;
    if (!was_there)
        return guest->ops->remove(guest, path, false, err) &&
               step_remove_folders(guest, json_object_get(step->params, "made_folders"),
                                   err);
    return guest->ops->restore(guest, backup, partial, false, err) &&
           guest->ops->remove(guest, path, false, err) &&
           guest->ops->rename(guest, partial, path, err);
}

const struct step_kind step_driver_file = {
    .name = "driver-file",
    .probe = probe_file,
    .apply = apply_file,
    .revert = revert_file,
    .flags = STEP_NEEDS_GUEST,
};
