/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps that put a driver set onto a guest's disk, as plan steps.  They work through
 * context->guest, which the engine has opened when one of them runs.
 */
#pragma once

#include "driver.h"
#include "guest-disk.h"
#include "plan.h"

extern const struct step_kind step_driver_package; /* a whole folder into HostDriverStore */
extern const struct step_kind step_driver_file;    /* one file into System32 / SysWOW64 */
extern const struct step_kind step_driver_registry; /* values, in one hive write */
extern const struct step_kind step_driver_remove;   /* a package or file taken away */
extern const struct step_kind step_driver_manifest; /* last: what is there now */
extern const struct step_kind step_disk_commit;     /* local images: all of it durable */
extern const struct step_kind step_driver_verify;   /* what was put there, read back */
/* All of these; NULL-terminated. */
extern const struct step_kind *const driver_kinds[];

/* Compares @set with what the guest has (its manifest and files) and adds the steps that
 * are missing; none when the guest is up to date.  Findings for what is left alone
 * (OS-owned files) and for what forbids it (no space, other architecture, old build).
 * Reads the package at set->origin when it has to be copied.
 * @guest must be open for reading; nothing is written. */
bool driver_plan_install(struct plan *plan, struct guest_disk *guest,
                         struct driver_set *set, struct err *err) MUST_CHECK;
/* The same for a guest that should have the driver already, with a finding "drift-..." for
 * each reason why it has not what the host has.  @every_hash: reads all of the driver in the
 * guest, instead of trusting what has the size and time of the host's file. */
bool driver_plan_update(struct plan *plan, struct guest_disk *guest, struct driver_set *set,
                        bool every_hash, struct err *err) MUST_CHECK;
/* One such finding: @why and @evidence in a sentence about @gpu. */
bool driver_say_drift(struct plan *plan, const char *id, const char *gpu, const char *why,
                      const char *evidence, struct err *err) MUST_CHECK;
/* Adds the steps that remove what the manifest lists for @instance_id and no other GPU
 * of it needs; what was there before comes back where it is known, else stays as it is,
 * with a finding.  No manifest: nothing. */
bool driver_plan_remove(struct plan *plan, struct guest_disk *guest,
                        const char *instance_id, struct err *err) MUST_CHECK;
/* Reads everything back: every file's hash, every value.  ERR_CONFLICT names what differs;
 * ERR_NOT_FOUND: the manifest does not know the GPU. */
bool driver_verify(struct guest_disk *guest, const struct driver_set *set,
                   struct progress *progress, struct err *err) MUST_CHECK;

/* The same by the manifest alone, which holds the hashes the host had: no host needed. */
bool driver_verify_recorded(struct guest_disk *guest, const char *instance_id,
                            struct progress *progress, struct err *err) MUST_CHECK;
/* Adds the step that does this, if there are any. */
bool driver_plan_verify(struct plan *plan, const char *instance_id, struct err *err)
    MUST_CHECK;

/* ---- a disk that is an image on this machine ---- */

/* Adds the step that makes the steps before it durable, if there are any. */
bool driver_plan_commit(struct plan *plan, const char *image, const char *parents,
                        struct err *err) MUST_CHECK;
/* The image that @plan works on; lent.  NULL: the plan is not of this sort. */
const char *driver_local_image(const struct plan *plan);
/* For plan_context: open_guest, close_guest and commit_guest for such a plan. */
bool driver_open_local(struct plan_context *context, const struct plan *plan,
                       struct err *err);
void driver_close_guest(struct plan_context *context);
bool driver_commit_guest(struct plan_context *context, struct err *err);
