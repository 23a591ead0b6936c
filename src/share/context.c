/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All kinds of steps, and how they reach the disk of a guest. */

#include "share.h"

#include "host-disk.h"
#include "share-state.h"
#include "share-steps.h"
#include "step-params.h"
#include "steps.h"
#include "text.h"

const struct step_kind *const share_kinds[] = {
    &step_vm_stop,         &step_vm_start,
    &step_vm_settings,     &step_adapter_add,
    &step_adapter_quota,   &step_adapter_remove,
    &step_host_folder,     &step_image_attach,
    &step_image_mount,     &step_image_unmount,
    &step_image_detach,    &step_drivers_plan,
    &step_drivers_check,   &step_verify,
    &step_driver_package,  &step_driver_file,
    &step_driver_registry, &step_driver_manifest,
    &step_driver_remove,   &step_disk_commit,
    &step_driver_verify,   NULL,
};

struct share_state {
    bool may_turn_off;
};

bool share_may_turn_off(const struct plan_context *context)
{
    const struct share_state *state = context->user;

    return state && state->may_turn_off;
}

void share_context_allow_turn_off(struct plan_context *context, bool allow)
{
    struct share_state *state = context->user;

    state->may_turn_off = allow;
}

/* The disk is where the plan's image-mount step says, or said before the host restarted:
 * then it is brought there again, and the step's opposite takes it away as always. */
static bool open_guest(struct plan_context *context, const struct plan *plan,
                       struct err *err)
{
    CLEANUP(free_cleanup) char *point = NULL, *windows = NULL, *backup = NULL;
    const struct step *mount = NULL;
    const char *image, *folder;
    bool mounted;

    if (driver_local_image(plan))
        return driver_open_local(context, plan, err);
    for (size_t i = 0; i < plan->step_count && !mount; i++)
        if (plan->steps[i].kind == &step_image_mount)
            mount = &plan->steps[i];
    if (!mount)
        return err_fail(err, ERR_PROTOCOL, 0, "the plan has no step that mounts the disk");
    if (!param_text(mount, "image", &image, err) ||
        !param_text(mount, "folder", &folder, err))
        return false;
    point = text_printf("%s\\mount", folder);
    windows = mounted_windows(folder);
    backup = text_printf("%s\\backup", folder);
    if (!point || !windows || !backup)
        return err_no_memory(err);
    if (!host_image_is_mounted(context->session, image, point, &mounted, err))
        return false;
    if (!mounted &&
        (!host_attach_image(context->session, image, param_true(mount, "read_only"),
                            context->progress, err) ||
         !host_mount_windows(context->session, image, point, err)))
        return false;
    context->guest = guest_disk_open_remote(context->session, windows, backup, err);
    return context->guest != NULL;
}

static void close_guest(struct plan_context *context)
{
    guest_disk_close(context->guest);
    context->guest = NULL;
}

bool share_context_init(struct plan_context *context, struct err *err)
{
    struct share_state *state = calloc(1, sizeof(*state));

    if (!state)
        return err_no_memory(err);
    context->user = state;
    context->kinds = share_kinds;
    context->open_guest = open_guest;
    context->close_guest = close_guest;
    context->commit_guest = driver_commit_guest;
    return true;
}

void share_context_clear(struct plan_context *context)
{
    if (context->guest)
        close_guest(context);
    free(context->user);
    context->user = NULL;
}
