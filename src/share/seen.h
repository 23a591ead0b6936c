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
 */
#pragma once

#include "inventory.h"
#include "plan.h"

struct seen {
    char *name;    /* of the note */
    json_t *files; /* of the disks now; NULL: one of them is not known */
    json_t
        *gpus; /* what Windows tells of the VM's GPUs now; NULL: not all of it is known */
};

/* What is now, to be compared with what was, or kept. */
bool seen_now(struct plan_context *context, const char *host_name,
              const struct hv_host *host, const struct hv_vm *vm, const char *const *gpus,
              size_t gpu_count, struct seen *ret, struct err *err) MUST_CHECK;
void seen_clear(struct seen *seen);
/* @same: all of it is as it was when seen_keep() was called. */
bool seen_compare(struct plan_context *context, const struct seen *seen, bool *ret_same,
                  struct err *err) MUST_CHECK;
/* Asks the host what the driver of each of @gpus consists of. */
bool seen_keep(struct plan_context *context, const struct seen *seen,
               const char *const *gpus, size_t gpu_count, struct err *err) MUST_CHECK;
