/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Step: an image on this machine, everything of the steps before made durable at once.
 * There is nothing to look at and nothing to take back: what those steps did is theirs.
 *
 * params: disk; parents (a folder its parents may be in; not there: none)
 */

#include <string.h>

#include "step-common.h"
#include "text.h"

static bool probe_commit(struct plan_context *context, const struct step *step,
                         json_t **ret_now, struct err *err)
{
    *ret_now = json_incref(step->before);
    return true;
}

static bool apply_commit(struct plan_context *context, struct step *step, struct err *err)
{
    return context->guest->ops->commit(context->guest, err);
}

static bool revert_commit(struct plan_context *context, struct step *step, struct err *err)
{
    return true;
}

const struct step_kind step_disk_commit = {
    .name = "disk-commit",
    .probe = probe_commit,
    .apply = apply_commit,
    .revert = revert_commit,
    .flags = STEP_NEEDS_GUEST | STEP_COMMITS_GUEST,
};

/* The commands of all steps name $guest: the first one brings it. */
static bool open_in_powershell(struct step *first, const char *path, struct err *err)
{
    char *both = text_printf(
        "$disk = Mount-VHD -Path %s -Passthru | Get-Disk; $guest = $disk | Get-Partition | "
        "Where-Object DriveLetter | ForEach-Object { \"$($_.DriveLetter):\" } | "
        "Where-Object { Test-Path \"$_\\Windows\\System32\\config\" } | "
        "Select-Object -First 1%s%s",
        path, first->powershell ? "\n" : "", first->powershell ? first->powershell : "");

    if (!both)
        return err_no_memory(err);
    free(first->powershell);
    first->powershell = both;
    return true;
}

bool driver_plan_commit(struct plan *plan, const char *image, const char *parents,
                        struct err *err)
{
    CLEANUP(free_cleanup) char *path = ps_quote(image);
    CLEANUP(free_cleanup)
    char *close = path ? text_printf("Dismount-VHD -Path %s", path) : NULL;

    if (plan->step_count == 0)
        return true;
    return close && open_in_powershell(&plan->steps[0], path, err) &&
           plan_add(plan, &step_disk_commit, image,
                    json_pack("{s:s, s:s*}", "disk", image, "parents", parents),
                    json_null(), json_null(), close, err) != NULL;
}

static const char *commit_text(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].kind == &step_disk_commit)
            return step_text(&plan->steps[i], name);
    return NULL;
}

const char *driver_local_image(const struct plan *plan)
{
    return commit_text(plan, "disk");
}

/* The folder that holds everything the steps copy from: all that the process which works
 * on the disk may read.  NULL: they copy nothing, or there is no memory. */
static char *source_folder(const struct plan *plan)
{
    char *common = NULL;

    for (size_t i = 0; i < plan->step_count; i++) {
        const char *source = step_text(&plan->steps[i], "source");
        const char *slash = source ? strrchr(source, '/') : NULL;
        size_t same = 0, folder = 0, len;

        if (!slash)
            continue;
        len = (size_t)(slash - source); /* of the folder it is in */
        if (!common) {
            common = text_ndup(source, len);
            continue;
        }
        for (; common[same] && same < len && common[same] == source[same]; same++)
            if (common[same] == '/')
                folder = same;
        if (!common[same] && (same == len || source[same] == '/'))
            continue; /* in it, or below it */
        common[common[same] == '/' && same == len ? same : folder] = '\0';
    }
    return common;
}

bool driver_open_local(struct plan_context *context, const struct plan *plan,
                       struct err *err)
{
    const char *image = driver_local_image(plan);
    CLEANUP(free_cleanup) char *source = source_folder(plan);

    if (!image)
        return err_fail(err, ERR_INVALID, 0, "this run worked on no image of this machine");
    context->guest = guest_disk_open_sandboxed(image, commit_text(plan, "parents"),
                                               context->backup_dir, source, err);
    return context->guest != NULL;
}

void driver_close_guest(struct plan_context *context)
{
    guest_disk_close(context->guest);
    context->guest = NULL;
}

bool driver_commit_guest(struct plan_context *context, struct err *err)
{
    return !context->guest || context->guest->ops->commit(context->guest, err);
}
