/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was seen on a VM's disks when nothing was left to do: remembered, so that the next
 * sync of the VM need not attach them.
 *
 * It holds as long as the files of the disks have the same size and time; the GPUs of the VM
 * have the same driver by what Windows tells of them (version, date, published INF); and the
 * packages of these drivers, and what comes from outside of them, are listed with the same
 * names, sizes and times.  Whatever writes to a disk changes its file's time when it closes it
 * (MicrosoftDocs/win32 desktop-src/SysInfo/file-times.md), and a VM that is off has closed it.
 * Nothing in the guest can set that time.
 *
 * It is noted after a look that found nothing to do, with the sizes and times from before the
 * look; and by a plan that put everything right, read back what it wrote and gave the disks
 * back, with those the disks it wrote have then.  What the drivers consist of is in both what
 * the plan was made from: a driver that came since is seen.
 *
 * With it what was warned of and is still so: a file that the guest keeps of its own is said
 * again by every sync, whether it looks or not.
 */
#pragma once

#include "driver.h"
#include "inventory.h"
#include "plan.h"

struct seen {
    char *name;    /* of the note */
    json_t *files; /* of the disks now; NULL: one of them is not known */
    json_t
        *gpus; /* what Windows tells of the VM's GPUs now; NULL: not all of it is known */
    json_t *folders, *outside; /* what the drivers that were looked at consist of */
};

/* What is now, to be compared with what was, or kept.  @ret is cleared with seen_clear(), also
 * on failure. */
bool seen_now(struct plan_context *context, const char *host_name,
              const struct hv_host *host, const struct hv_vm *vm, const char *const *gpus,
              size_t gpu_count, struct seen *ret, struct err *err) MUST_CHECK;
void seen_clear(struct seen *seen);
/* @same: all of it is as it was when it was kept; then *ret_said are the findings that were
 * kept with it, owned, or NULL: none. */
bool seen_compare(struct plan_context *context, const struct seen *seen, bool *ret_same,
                  json_t **ret_said, struct err *err) MUST_CHECK;
/* The driver of one of the GPUs, which the guest is compared with; the same one again is
 * nothing new. */
bool seen_driver(struct plan_context *context, struct seen *seen,
                 const struct driver_set *set, struct err *err) MUST_CHECK;
/* Something was seen that is to be seen again: nothing can be kept of this look. */
void seen_spoil(struct seen *seen);

/* Nothing was left to do; @findings: what was found. */
bool seen_keep(struct plan_context *context, const struct seen *seen,
               const json_t *findings, struct err *err) MUST_CHECK;
/* Nothing is left to do when @plan is done.  Its last step gives the last of the disks back, and
 * keeps it then. */
bool seen_keep_later(struct plan *plan, const struct seen *seen, struct err *err)
    MUST_CHECK;
/* For the kind of that step: it is done, or taken back.  A note that fails is none. */
void seen_step_done(struct plan_context *context, const struct step *step);
void seen_step_undone(struct plan_context *context, const struct step *step);
