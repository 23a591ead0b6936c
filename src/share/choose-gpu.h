/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which GPU of a host a partition comes from, and whether the VM's adapter says so.
 *
 * An adapter that names its GPU (a pin) ties the VM to that card's path; on another node of a
 * cluster the same path need not exist, and then the VM does not start there.  Microsoft's
 * guide adds adapters without a pin and lets Windows take any free partition.  So a VM of a
 * cluster is pinned only where it matters which GPU it gets: when the user named one, or the
 * GPUs of the host are not alike.  Sources: MicrosoftDocs/windowsserverdocs
 * virtualization/hyper-v/partition-assign-vm-gpu.md, gpu-partitioning.md.
 */
#pragma once

#include "inventory.h"

struct attach_options;
struct err;

struct gpu_choice {
    const struct hv_gpu *gpu;
    const char *pin; /* its interface path, or NULL: any GPU */
};

/*
 * Of GPUs whose partitions are as large as wanted: the GPU the user names; else the one whose partition the VM has; else the only one that can
 * be shared.  Of several with hardware partitions it is the one with a free partition that is
 * the smallest large enough, then the one with most left, so that VMs spread.
 */
bool choose_gpu(const struct hv_host *host, const struct hv_vm *vm,
                const struct attach_options *options, struct gpu_choice *ret,
                struct err *err) MUST_CHECK;

/* The GPU whose driver the guest of an adapter has: the one it runs on or is pinned to; for one
 * that is not pinned any, where all of the host are alike.  NULL: cannot be told. */
const struct hv_gpu *gpu_of_adapter(const struct hv_host *host,
                                    const struct hv_adapter *adapter);
