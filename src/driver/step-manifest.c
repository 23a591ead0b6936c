/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step: the manifest, written when everything it lists is there; removed, with the folders
 * that hvgpu made, when no GPU is left in it.
 *
 * params: backup, folders (to remove with it; to make again)
 * state:  null, the manifest as JSON, or a text when what is there is none
 */

#include <string.h>

#include "step-common.h"

static bool probe_manifest(struct plan_context *context, const struct step *step,
                           json_t **ret_now, struct err *err)
{
    struct guest_disk *guest = context->guest;

    if (guest->ops->read_json(guest, MANIFEST_PATH, MANIFEST_BYTES_MAX, ret_now, err))
        return true;
    if (err->kind == ERR_INVALID)
        *ret_now = json_string("not a manifest");
    else if (err->kind == ERR_NOT_FOUND)
        *ret_now = json_null();
    else
        return false;
    *err = ERR_INIT;
    return *ret_now ? true : err_no_memory(err);
}

static bool write_manifest(struct guest_disk *guest, const json_t *manifest,
                           struct err *err)
{
    CLEANUP(free_cleanup) char *text = manifest_text(manifest);

    if (!text)
        return err_no_memory(err);
    return guest->ops->make_dirs(guest, "System32\\HostDriverStore", err) &&
           guest->ops->write_file(guest, MANIFEST_PATH, text, strlen(text), err);
}

static bool remove_manifest(struct guest_disk *guest, const struct step *step,
                            struct err *err)
{
    return guest->ops->remove(guest, MANIFEST_PATH, false, err) &&
           step_remove_folders(guest, json_object_get(step->params, "folders"), err);
}

static bool apply_manifest(struct plan_context *context, struct step *step, struct err *err)
{
    struct guest_disk *guest = context->guest;
    const char *backup = step_text(step, "backup");
    struct guest_file now;

    if (!guest->ops->stat(guest, MANIFEST_PATH, false, &now, err))
        return false;
    if (now.exists && !json_is_null(step->before) &&
        (!backup || !guest->ops->backup(guest, MANIFEST_PATH, backup, false, err)))
        return backup ? false : step_is_damaged(step, err);
    return json_is_null(step->after) ? remove_manifest(guest, step, err)
                                     : write_manifest(guest, step->after, err);
}

static bool make_folders(struct guest_disk *guest, const json_t *folders, struct err *err)
{
    for (size_t i = 0; i < json_array_size(folders); i++)
        if (!guest->ops->make_dirs(guest, json_string_value(json_array_get(folders, i)),
                                   err))
            return false;
    return true;
}

static bool revert_manifest(struct plan_context *context, struct step *step,
                            struct err *err)
{
    struct guest_disk *guest = context->guest;
    const char *backup = step_text(step, "backup");

    if (json_is_null(step->before))
        return guest->ops->remove(guest, MANIFEST_PATH, false, err);
    if (!backup)
        return step_is_damaged(step, err);
    return make_folders(guest, json_object_get(step->params, "folders"), err) &&
           guest->ops->remove(guest, MANIFEST_PATH, false, err) &&
           guest->ops->restore(guest, backup, MANIFEST_PATH, false, err);
}

const struct step_kind step_driver_manifest = {
    .name = "driver-manifest",
    .probe = probe_manifest,
    .apply = apply_manifest,
    .revert = revert_manifest,
    .flags = STEP_NEEDS_GUEST,
};
