/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-folder, image-attach, image-mount and their opposites: the disk of a guest that is
 * off, on its host, in a folder of our own.
 *
 * A disk is attached without a drive letter and its Windows volume mounted in an empty
 * folder, so that nothing on the host notices.  Sources: hyperv_v2
 * Msvm_ImageManagementService.AttachVirtualHardDisk, Msvm_MountedStorageImage;
 * MicrosoftDocs/win32 MSFT_Disk, MSFT_Partition.AddAccessPath.
 */

#include "share-steps.h"

#include <stdio.h>
#include <string.h>

#include "guest-disk.h"
#include "host-disk.h"
#include "seen.h"
#include "step-params.h"
#include "text.h"

#define WORK_FOLDER "C:\\ProgramData\\hvgpu"

char *host_folder_of(const char *plan_id)
{
    return text_printf("%s\\%s", WORK_FOLDER, plan_id);
}

char *mounted_windows(const char *folder)
{
    return text_printf("%s\\mount\\Windows", folder);
}

char *backup_folder(const char *folder)
{
    return text_printf("%s\\backup", folder);
}

static char *mount_point(const char *folder)
{
    return text_printf("%s\\mount", folder);
}

/* A folder comes from the journal; what `rmdir` is pointed at must be ours. */
static bool check_folder(const char *folder, struct err *err)
{
    const char *id = folder + strlen(WORK_FOLDER) + 1;

    if (!text_istarts(folder, WORK_FOLDER "\\") || !*id ||
        strspn(id, "0123456789abcdef-") != strlen(id))
        return err_fail(err, ERR_PROTOCOL, 0, "'%.100s' is not a folder of hvgpu", folder);
    return true;
}

/* ---- host-folder ---- */

static bool probe_folder(struct plan_context *context, const struct step *step,
                         json_t **ret_now, struct err *err)
{
    const char *folder;
    bool exists, parent = false;

    if (!param_text(step, "folder", &folder, err) ||
        !host_folder_exists(context->session, folder, &exists, err))
        return false;
    /* Interrupted between removing the folder and the one above it. */
    if (!exists && step->state == STEP_STARTED &&
        !host_folder_exists(context->session, WORK_FOLDER, &parent, err))
        return false;
    *ret_now = parent ? json_pack("{s:b, s:b}", "exists", exists, "parent", parent)
                      : json_pack("{s:b}", "exists", exists);
    return *ret_now || err_no_memory(err);
}

static bool apply_folder(struct plan_context *context, struct step *step, struct err *err)
{
    const char *folder;

    return param_text(step, "folder", &folder, err) && check_folder(folder, err) &&
           host_make_folder(context->session, folder, err);
}

static bool revert_folder(struct plan_context *context, struct step *step, struct err *err)
{
    CLEANUP(free_cleanup) char *mount = NULL;
    const char *folder;
    bool exists;

    if (!param_text(step, "folder", &folder, err) || !check_folder(folder, err))
        return false;
    mount = mount_point(folder);
    if (!mount)
        return err_no_memory(err);
    /* Never a recursive delete above a disk that may be mounted there. */
    if (!host_folder_exists(context->session, mount, &exists, err))
        return false;
    if (exists)
        return err_fail(err, ERR_CONFLICT, 0, "a disk may still be mounted in '%s'", mount);
    if (!host_folder_exists(context->session, folder, &exists, err) ||
        (exists && !host_remove_folder(context->session, folder, true, err)))
        return false;
    /* Ours too, unless another run keeps something there. */
    return host_remove_empty_folder(context->session, WORK_FOLDER, err);
}

/* The former registry hives and files lie in the folder.  Without them the disk would be
 * attached, given back in part and left so; a VM does not start like that. */
static bool check_folder_host(struct plan_context *context, const struct plan *plan,
                              const struct step *step, struct err *err)
{
    const char *folder;
    bool exists, needed = false;

    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *one = &plan->steps[i];

        needed |= (one->kind->flags & STEP_NEEDS_GUEST) && !one->kind->expand &&
                  (one->state == STEP_STARTED || one->state == STEP_DONE);
    }
    if (!needed)
        return true;
    if (!param_text(step, "folder", &folder, err) ||
        !host_folder_exists(context->session, folder, &exists, err))
        return false;
    if (exists)
        return true;
    err_fail(err, ERR_CONFLICT, 0, "this host has no folder '%s', which run %s made",
             folder, plan->id);
    return err_hint(
        err,
        "the run was on '%.80s': if the VM is on another host now, move it back "
        "there first; if -H named another host, leave it out",
        plan->host);
}

const struct step_kind step_host_folder = {
    .name = "host-folder",
    .probe = probe_folder,
    .apply = apply_folder,
    .revert = revert_folder,
    .flags = STEP_HOLDS_LATER | STEP_PRIVATE,
    .check_host = check_folder_host,
};

/* ---- image-attach, image-detach ---- */

static bool probe_attached(struct plan_context *context, const struct step *step,
                           json_t **ret_now, struct err *err)
{
    const char *image;
    bool attached;

    if (!param_text(step, "image", &image, err) ||
        !host_image_is_attached(context->session, image, &attached, err))
        return false;
    *ret_now = json_pack("{s:b}", "attached", attached);
    return *ret_now || err_no_memory(err);
}

static bool attach(struct plan_context *context, struct step *step, struct err *err)
{
    const char *image;

    return param_text(step, "image", &image, err) &&
           host_attach_image(context->session, image, param_true(step, "read_only"),
                             context->progress, err);
}

static bool detach(struct plan_context *context, struct step *step, struct err *err)
{
    const char *image;

    return param_text(step, "image", &image, err) &&
           host_detach_image(context->session, image, err);
}

const struct step_kind step_image_attach = {
    .name = "image-attach",
    .probe = probe_attached,
    .apply = attach,
    .revert = detach,
    .flags = STEP_HOLDS_LATER | STEP_PRIVATE,
};

static bool give_back(struct plan_context *context, struct step *step, struct err *err)
{
    if (!detach(context, step, err))
        return false;
    seen_step_done(context, step);
    return true;
}

static bool take_again(struct plan_context *context, struct step *step, struct err *err)
{
    seen_step_undone(context, step);
    return attach(context, step, err);
}

const struct step_kind step_image_detach = {
    .name = "image-detach",
    .probe = probe_attached,
    .apply = give_back,
    .revert = take_again,
    .flags = STEP_PRIVATE,
};

/* ---- image-mount, image-unmount ---- */

static bool probe_mounted(struct plan_context *context, const struct step *step,
                          json_t **ret_now, struct err *err)
{
    CLEANUP(free_cleanup) char *mount = NULL;
    const char *folder, *image;
    bool mounted, exists;

    if (!param_text(step, "folder", &folder, err) ||
        !param_text(step, "image", &image, err))
        return false;
    mount = mount_point(folder);
    if (!mount)
        return err_no_memory(err);
    if (!host_image_is_mounted(context->session, image, mount, &mounted, err) ||
        !host_folder_exists(context->session, mount, &exists, err))
        return false;
    /* A folder without a volume in it is half of the work. */
    *ret_now = mounted == exists
                   ? json_pack("{s:b}", "mounted", mounted)
                   : json_pack("{s:b, s:b}", "mounted", mounted, "folder", exists);
    return *ret_now || err_no_memory(err);
}

static bool remove_point(struct plan_context *context, const char *point, struct err *err)
{
    bool exists;

    return host_folder_exists(context->session, point, &exists, err) &&
           (!exists || host_remove_folder(context->session, point, false, err));
}

static bool mount(struct plan_context *context, struct step *step, struct err *err)
{
    CLEANUP(free_cleanup) char *point = NULL;
    const char *folder, *image;

    if (!param_text(step, "folder", &folder, err) ||
        !param_text(step, "image", &image, err) || !check_folder(folder, err))
        return false;
    point = mount_point(folder);
    if (!point)
        return err_no_memory(err);
    if (host_mount_windows(context->session, image, point, err))
        return true;
    if (!param_true(step, "optional") ||
        (err->kind != ERR_NOT_FOUND && err->kind != ERR_UNSUPPORTED))
        return false;
    *err = ERR_INIT;
    return remove_point(context, point, err);
}

/* A hive that is loaded from the disk, or from a copy of ours, holds both.  One that died
 * reading leaves it: no step of its plan had begun to change the guest, so none opens it. */
static bool let_go(struct plan_context *context, const char *folder, struct err *err)
{
    CLEANUP(free_cleanup) char *windows = mounted_windows(folder);
    CLEANUP(free_cleanup) char *backup = backup_folder(folder);

    if (context->guest && context->close_guest) {
        context->close_guest(context);
        return true;
    }
    return windows && backup
               ? guest_disk_clean_remote(context->session, windows, backup, err)
               : err_no_memory(err);
}

static bool unmount(struct plan_context *context, struct step *step, struct err *err)
{
    CLEANUP(free_cleanup) char *point = NULL;
    const char *folder, *image;

    if (!param_text(step, "folder", &folder, err) ||
        !param_text(step, "image", &image, err) || !check_folder(folder, err))
        return false;
    point = mount_point(folder);
    if (!point)
        return err_no_memory(err);
    return let_go(context, folder, err) &&
           host_unmount(context->session, image, point, err) &&
           remove_point(context, point, err);
}

const struct step_kind step_image_mount = {
    .name = "image-mount",
    .probe = probe_mounted,
    .apply = mount,
    .revert = unmount,
    .flags = STEP_HOLDS_LATER | STEP_PRIVATE,
};

const struct step_kind step_image_unmount = {
    .name = "image-unmount",
    .probe = probe_mounted,
    .apply = unmount,
    .revert = mount,
    .flags = STEP_PRIVATE,
};

/* ---- making steps ---- */

bool add_host_folder(struct plan *plan, const char *folder, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("folder '%s' of the host", folder);
    CLEANUP(free_cleanup) char *quoted = ps_quote(folder);
    CLEANUP(free_cleanup)
    char *command =
        text_printf("New-Item -ItemType Directory -Force -Path %s", quoted ? quoted : "");

    if (!target || !quoted || !command)
        return err_no_memory(err);
    return plan_add(plan, &step_host_folder, target, json_pack("{s:s}", "folder", folder),
                    json_pack("{s:b}", "exists", false), json_pack("{s:b}", "exists", true),
                    command, err) != NULL;
}

struct image_use {
    const char *image, *folder;
    bool read_only, optional; /* optional: there may be no Windows to mount */
};

static bool add_image(struct plan *plan, const struct step_kind *kind,
                      const struct image_use *use, const char *state, bool before,
                      const char *command, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("disk '%s'", use->image);
    json_t *params = json_pack("{s:s, s:s, s:b}", "image", use->image, "folder",
                               use->folder, "read_only", use->read_only);

    if (!target || !command || !params ||
        (use->optional && json_object_set_new(params, "optional", json_true()) != 0)) {
        json_decref(params);
        return err_no_memory(err);
    }
    return plan_add(plan, kind, target, params, json_pack("{s:b}", state, before),
                    json_pack("{s:b}", state, !before), command, err) != NULL;
}

/* The largest volume is the one with Windows, nearly always; the steps themselves look.
 * $guest is what the commands of later steps name. */
static bool add_open(struct plan *plan, const struct image_use *use, struct err *err)
{
    CLEANUP(free_cleanup) char *path = ps_quote(use->image);
    CLEANUP(free_cleanup) char *point = mount_point(use->folder);
    CLEANUP(free_cleanup) char *quoted = point ? ps_quote(point) : NULL;
    CLEANUP(free_cleanup) char *attach_command = NULL, *mount_command = NULL;

    if (!path || !quoted)
        return err_no_memory(err);
    attach_command = text_printf("$disk = Mount-VHD -Path %s -NoDriveLetter%s -Passthru | "
                                 "Get-Disk",
                                 path, use->read_only ? " -ReadOnly" : "");
    mount_command = text_printf(
        "$guest = %s; New-Item -ItemType Directory -Force -Path $guest | Out-Null; $disk | "
        "Get-Partition | Where-Object Type -eq Basic | Sort-Object Size -Descending | "
        "Select-Object -First 1 | Add-PartitionAccessPath -AccessPath $guest",
        quoted);
    return add_image(plan, &step_image_attach, use, "attached", false, attach_command,
                     err) &&
           add_image(plan, &step_image_mount, use, "mounted", false, mount_command, err);
}

static bool add_close(struct plan *plan, const struct image_use *use, bool mounted,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *path = ps_quote(use->image);
    CLEANUP(free_cleanup) char *detach_command = NULL;

    if (!path)
        return err_no_memory(err);
    detach_command = text_printf("Dismount-VHD -Path %s", path);
    return (!mounted ||
            add_image(plan, &step_image_unmount, use, "mounted", true,
                      "$disk | Get-Partition | Where-Object AccessPaths -contains "
                      "\"$guest\\\" | Remove-PartitionAccessPath -AccessPath $guest; "
                      "Remove-Item -Path $guest",
                      err)) &&
           add_image(plan, &step_image_detach, use, "attached", true, detach_command, err);
}

bool add_image_open(struct plan *plan, const char *image, const char *folder,
                    bool read_only, struct err *err)
{
    return add_open(
        plan,
        &(struct image_use){ .image = image, .folder = folder, .read_only = read_only },
        err);
}

bool add_image_close(struct plan *plan, const char *image, const char *folder,
                     struct err *err)
{
    return add_close(plan, &(struct image_use){ .image = image, .folder = folder }, true,
                     err);
}

bool add_image_look(struct plan *plan, const char *image, const char *folder,
                    struct err *err)
{
    return add_open(
        plan,
        &(struct image_use){
            .image = image, .folder = folder, .read_only = true, .optional = true },
        err);
}

bool add_image_look_end(struct plan *plan, const char *image, const char *folder,
                        bool mounted, struct err *err)
{
    return add_close(
        plan, &(struct image_use){ .image = image, .folder = folder, .read_only = true },
        mounted, err);
}

bool read_image_facts(struct cim_session *session, const char *image, const char *folder,
                      struct image_facts *ret, struct err *err)
{
    CLEANUP(free_cleanup) char *point = mount_point(folder);

    return point ? host_read_image_facts(session, image, point, ret, err)
                 : err_no_memory(err);
}
