/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How steps reach the disk of a guest. */

#include "share.h"

#include "host-disk.h"
#include "share-steps.h"
#include "step-params.h"
#include "steps.h"
#include "text.h"

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

void share_context_init(struct plan_context *context)
{
    context->open_guest = open_guest;
    context->close_guest = close_guest;
    context->commit_guest = driver_commit_guest;
}

void share_context_clear(struct plan_context *context)
{
    if (context->guest)
        close_guest(context);
}
