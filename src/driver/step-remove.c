/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step: a package folder or a file that hvgpu once put there, taken away again.  A copy is
 * kept for undo.
 *
 * params: path, tree (bool), backup
 * state:  null | {files, size_bytes} of a folder, {size_bytes, sha256, readonly} of a file;
 *         {"partial": true} while one is being taken away or brought back
 */

#include "step-common.h"
#include "text.h"

static bool is_tree(const struct step *step)
{
    return json_is_true(json_object_get(step->params, "tree"));
}

static char *partial_of(const struct step *step)
{
    const char *path = step_text(step, "path");

    return path ? text_printf("%s.hvgpu-back", path) : NULL;
}

static bool probe_remove(struct plan_context *context, const struct step *step,
                         json_t **ret_now, struct err *err)
{
    const char *path = step_text(step, "path");
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    struct guest_file half;

    if (!partial)
        return step_is_damaged(step, err);
    if (!context->guest->ops->stat(context->guest, partial, false, &half, err))
        return false;
    if (half.exists) {
        *ret_now = json_pack("{s:b}", "partial", 1);
        return *ret_now ? true : err_no_memory(err);
    }
    return is_tree(step) ? step_folder_state(context->guest, path, ret_now, err)
                         : step_file_state(context->guest, path, ret_now, err);
}

static bool apply_remove(struct plan_context *context, struct step *step, struct err *err)
{
    struct guest_disk *guest = context->guest;
    const char *path = step_text(step, "path"), *backup = step_text(step, "backup");
    CLEANUP(free_cleanup) char *aside = partial_of(step);
    struct guest_file now;

    if (!aside || !backup)
        return step_is_damaged(step, err);
    if (!guest->ops->stat(guest, path, false, &now, err))
        return false;
    /* Removing takes several changes (read-only files first): under another name, so that what
     * has the old name is whole or not there. */
    if (now.exists && (!guest->ops->backup(guest, path, backup, is_tree(step), err) ||
                       !guest->ops->remove(guest, aside, is_tree(step), err) ||
                       !guest->ops->rename(guest, path, aside, err)))
        return false;
    return guest->ops->remove(guest, aside, is_tree(step), err);
}

static bool revert_remove(struct plan_context *context, struct step *step, struct err *err)
{
    struct guest_disk *guest = context->guest;
    const char *path = step_text(step, "path"), *backup = step_text(step, "backup");
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    json_t *now = NULL;
    bool is_back;

    if (!partial || !backup)
        return step_is_damaged(step, err);
    if (!guest->ops->remove(guest, partial, is_tree(step), err) ||
        !probe_remove(context, step, &now, err))
        return false;
    is_back = json_equal(now, step->before);
    json_decref(now);
    if (is_back)
        return true;
    return guest->ops->restore(guest, backup, partial, is_tree(step), err) &&
           guest->ops->remove(guest, path, is_tree(step), err) &&
           guest->ops->rename(guest, partial, path, err);
}

const struct step_kind step_driver_remove = {
    .name = "driver-remove",
    .probe = probe_remove,
    .apply = apply_remove,
    .revert = revert_remove,
    .flags = STEP_NEEDS_GUEST,
};
