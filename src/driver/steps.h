/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps that put a driver set onto a guest's disk, as plan steps.  They work through
 * context->guest, which the caller opened (local) or an earlier step did (remote).
 */
#pragma once

#include "driver.h"
#include "guest-disk.h"
#include "plan.h"

extern const struct step_kind step_driver_package; /* a whole folder into HostDriverStore */
extern const struct step_kind step_driver_file;    /* one file into System32 / SysWOW64 */
extern const struct step_kind step_driver_registry; /* the values, in one hive write */
extern const struct step_kind step_driver_manifest; /* last: what was put there */
extern const struct step_kind step_driver_remove;   /* detach: one thing of a manifest */
extern const struct step_kind step_disk_commit;     /* local images: all of it durable */

/* Compares @set with what the guest has (its manifest and files) and adds the steps that
 * are missing; none when the guest is up to date.  Findings for what is left alone
 * (OS-owned files) and for what forbids it (no space, other architecture, old build).
 * @guest must be open for reading; nothing is written. */
bool driver_plan_install(struct plan *plan, struct guest_disk *guest,
                         const struct driver_set *set, struct err *err) MUST_CHECK;
/* Adds the steps that remove what the manifest of @instance_id lists and no other
 * manifest needs.  No manifest: nothing. */
bool driver_plan_remove(struct plan *plan, struct guest_disk *guest,
                        const char *instance_id, struct err *err) MUST_CHECK;
/* Reads everything back: every file's hash, every value.  ERR_CONFLICT names what differs. */
bool driver_verify(struct guest_disk *guest, const struct driver_set *set,
                   struct progress *progress, struct err *err) MUST_CHECK;
