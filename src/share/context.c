/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How steps reach the disk of a guest. */

#include "share.h"

#include "host-disk.h"
#include "share-steps.h"
#include "step-params.h"
#include "steps.h"
#include "text.h"

/* The step that mounted what is mounted now: a plan may open several disks, one after the
 * other, and may be at any of them, going forward or back. */
static const struct step *mounting_step(const struct plan *plan)
{
    const struct step *first = NULL;

    for (size_t i = plan->step_count; i-- > 0;) {
        const struct step *step = &plan->steps[i];

        if (step->kind == &step_image_unmount && step->state == STEP_DONE) {
            const char *folder = param_optional(step, "folder");

            /* Closed: so is what this one closed. */
            while (i > 0 && (plan->steps[i].kind != &step_image_mount ||
                             !text_ieq(param_optional(&plan->steps[i], "folder"), folder)))
                i--;
            if (plan->steps[i].kind == &step_image_mount)
                first = &plan->steps[i];
            continue;
        }
        if (step->kind != &step_image_mount)
            continue;
        first = step;
        if (step->state == STEP_DONE || step->state == STEP_STARTED)
            return step;
    }
    return first;
}

bool share_open_mounted(struct plan_context *context, const char *image, const char *folder,
                        bool read_only, struct err *err)
{
    CLEANUP(free_cleanup) char *point = text_printf("%s\\mount", folder);
    CLEANUP(free_cleanup) char *windows = mounted_windows(folder);
    CLEANUP(free_cleanup) char *backup = backup_folder(folder);
    bool mounted;

    if (!point || !windows || !backup)
        return err_no_memory(err);
    if (!host_image_is_mounted(context->session, image, point, &mounted, err))
        return false;
    if (!mounted &&
        (!host_attach_image(context->session, image, read_only, context->progress, err) ||
         !host_mount_windows(context->session, image, point, err)))
        return false;
    context->guest = guest_disk_open_remote(context->session, windows, backup, err);
    return context->guest != NULL;
}

/* The disk is where the plan's image-mount step says, or said before the host restarted:
 * then it is brought there again, and the step's opposite takes it away as always. */
static bool open_guest(struct plan_context *context, const struct plan *plan,
                       struct err *err)
{
    const struct step *mount;
    const char *image, *folder;

    if (driver_local_image(plan))
        return driver_open_local(context, plan, err);
    mount = mounting_step(plan);
    if (!mount)
        return err_fail(err, ERR_PROTOCOL, 0, "the plan has no step that mounts the disk");
    return param_text(mount, "image", &image, err) &&
           param_text(mount, "folder", &folder, err) &&
           share_open_mounted(context, image, folder, param_true(mount, "read_only"), err);
}

void share_context_init(struct plan_context *context)
{
    context->open_guest = open_guest;
    context->close_guest = driver_close_guest;
    context->commit_guest = driver_commit_guest;
}

void share_context_clear(struct plan_context *context)
{
    if (context->guest)
        driver_close_guest(context);
}
