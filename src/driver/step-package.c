/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step: a whole driver package into the guest's HostDriverStore.
 *
 * It is copied beside its place, compared there file by file, made read-only, and renamed:
 * what has the package's name is whole.  What was there under that name before is kept for
 * undo.  Where all of this is one transaction the bytes are read back once, when they are
 * on the disk: every plan for such a disk ends with driver-verify.
 *
 * params: package, source, bytes, files [{path, size_bytes, sha256}], made_folders, backup
 * state:  {"folder": null | {files, size_bytes}, "partial": bool,
 *          "made_folders": how many of them there are}
 */

#include "step-common.h"
#include "text.h"

static char *folder_of(const struct step *step)
{
    const char *package = step_text(step, "package");

    return package ? text_printf("%s\\%s", GUEST_STORE, package) : NULL;
}

static char *partial_of(const struct step *step)
{
    const char *package = step_text(step, "package");

    return package ? text_printf("%s\\%s.partial", GUEST_STORE, package) : NULL;
}

/* Where what was there before is moved, to be removed under another name. */
static char *aside_of(const struct step *step)
{
    const char *package = step_text(step, "package");

    return package ? text_printf("%s\\%s.hvgpu-old", GUEST_STORE, package) : NULL;
}

static bool probe_package(struct plan_context *context, const struct step *step,
                          json_t **ret_now, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = folder_of(step);
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    CLEANUP(free_cleanup) char *aside = aside_of(step);
    struct guest_file half, old = { 0 };
    json_int_t made;
    json_t *state = NULL;

    if (!folder || !partial || !aside)
        return step_is_damaged(step, err);
    if (!step_count_folders(context->guest, json_object_get(step->params, "made_folders"),
                            &made, err))
        return false;
    if (!step_folder_state(context->guest, folder, &state, err))
        return false;
    if (!context->guest->ops->stat(context->guest, partial, false, &half, err) ||
        !context->guest->ops->stat(context->guest, aside, false, &old, err)) {
        json_decref(state);
        return false;
    }
    *ret_now = json_pack("{s:o, s:b, s:I}", "folder", state, "partial",
                         half.exists || old.exists, "made_folders", made);
    return *ret_now ? true : err_no_memory(err);
}

static bool copy_package(struct plan_context *context, const struct step *step,
                         const char *partial, struct err *err)
{
    struct guest_disk *guest = context->guest;
    uint64_t bytes = (uint64_t)json_integer_value(json_object_get(step->params, "bytes"));

    return guest->ops->remove(guest, partial, true, err) &&
           guest->ops->make_dirs(guest, GUEST_STORE, err) &&
           guest->ops->copy_tree(guest, step_text(step, "source"), partial, bytes,
                                 context->progress, err) &&
           step_verify_tree(guest, partial, json_object_get(step->params, "files"),
                            !guest->ops->is_transaction, context->progress, err) &&
           guest->ops->set_readonly(guest, partial, true, true, err);
}

static bool apply_package(struct plan_context *context, struct step *step, struct err *err)
{
    struct guest_disk *guest = context->guest;
    CLEANUP(free_cleanup) char *folder = folder_of(step);
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    CLEANUP(free_cleanup) char *aside = aside_of(step);
    const char *backup = step_text(step, "backup");
    bool was_there = !json_is_null(json_object_get(step->before, "folder"));
    struct guest_file now;

    if (!folder || !partial || !aside || !step_text(step, "source"))
        return step_is_damaged(step, err);
    if (!guest->ops->stat(guest, folder, false, &now, err))
        return false;
    if (was_there && now.exists &&
        (!backup || !guest->ops->backup(guest, folder, backup, true, err)))
        return backup ? false : step_is_damaged(step, err);
    /* Removing takes several changes (read-only files first), under another name: what has the
     * package's name is whole at every moment, or not there. */
    return copy_package(context, step, partial, err) &&
           (!now.exists || (guest->ops->remove(guest, aside, true, err) &&
                            guest->ops->rename(guest, folder, aside, err))) &&
           guest->ops->rename(guest, partial, folder, err) &&
           guest->ops->remove(guest, aside, true, err);
}

static bool revert_package(struct plan_context *context, struct step *step, struct err *err)
{
    struct guest_disk *guest = context->guest;
    CLEANUP(free_cleanup) char *folder = folder_of(step);
    CLEANUP(free_cleanup) char *partial = partial_of(step);
    CLEANUP(free_cleanup) char *aside = aside_of(step);
    const char *backup = step_text(step, "backup");
    bool was_there = !json_is_null(json_object_get(step->before, "folder"));

    if (!folder || !partial || !aside)
        return step_is_damaged(step, err);
    if (!guest->ops->remove(guest, partial, true, err) ||
        !guest->ops->remove(guest, aside, true, err))
        return false;
    if (was_there) {
        struct guest_file now;

        /* Restored beside its place too, so that a crash in here is seen as one. */
        if (!backup || !guest->ops->restore(guest, backup, partial, true, err) ||
            !guest->ops->stat(guest, folder, false, &now, err) ||
            !guest->ops->remove(guest, folder, true, err))
            return backup ? false : step_is_damaged(step, err);
        return guest->ops->rename(guest, partial, folder, err);
    }
    return guest->ops->remove(guest, folder, true, err) &&
           step_remove_folders(guest, json_object_get(step->params, "made_folders"), err);
}

const struct step_kind step_driver_package = {
    .name = "driver-package",
    .probe = probe_package,
    .apply = apply_package,
    .revert = revert_package,
    .flags = STEP_NEEDS_GUEST,
};
