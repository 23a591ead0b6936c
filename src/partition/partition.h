/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The partition count of GPUs that have hardware partitions (GPU-P): which counts all of them
 * take, whether they are alike, a plan per host.
 *
 * GPUs of one vendor and device, with the same memory and the same valid counts, are one set.
 * A cluster moves VMs between the GPUs of a set only when they are cut alike, so counts are set
 * for a whole set or with a warning, and never for GPUs of two sets at once.
 *
 * Sources: MicrosoftDocs/windowsserverdocs virtualization/hyper-v partition-assign-vm-gpu.md,
 * gpu-partitioning.md; hyperv_v2 Msvm_PartitionableGpu (PartitionCount is read-write, there is
 * no method); Justsenger/HyperV-WMI-Documentation recipe gpu_partition (the Put, measured).
 */
#pragma once

#include "finding.h"
#include "inventory.h"
#include "plan.h"

enum {
    /* What to read of a host before anything here is asked. */
    PARTITION_WHAT = HV_GPUS | HV_VMS | HV_GPU_DRIVERS | HV_PARTITIONS | HV_GPU_DETAILS,
};

extern const struct step_kind step_partition_count;

/* One host of a wish.  The first three are the caller's, who keeps them. */
struct partition_host {
    const struct hv_host *host; /* NULL: could not be read, and is left out */
    const struct hv_gpu **gpus; /* those whose count is to be set */
    size_t gpu_count;
    struct plan *plan; /* made here; owned by the caller; NULL where host is */
};

/*
 * A plan for each host that gives all its ->gpus @count partitions; what is so already has no
 * step.  *@set gets the findings about all of them together: not alike, one left out, counts
 * that will differ; a plan has those about its own host.  A finding of severity "error" in
 * either means that nothing may be run.
 */
bool partition_plan(struct partition_host *hosts, size_t host_count, uint64_t count,
                    struct findings *set, struct err *err) MUST_CHECK;

/* Adds a warning for each set whose GPUs do not all have the same count now; only sets that
 * have one of ->gpus. */
bool partition_compare(const struct partition_host *hosts, size_t host_count,
                       struct findings *set, struct err *err) MUST_CHECK;

/* A VM that has, or may take, a partition of a GPU. */
struct partition_user {
    const struct hv_vm *vm;
    const struct hv_adapter *adapter;
    bool may_only; /* it names no GPU, and the host has several it could get */
};
/* Calls @on_user for each; false from it stops. */
bool partition_users(const struct hv_host *host, const struct hv_gpu *gpu,
                     bool (*on_user)(const struct partition_user *user, void *to,
                                     struct err *err),
                     void *to, struct err *err) MUST_CHECK;

/* Whether Hyper-V lists it with hardware partitions (not paravirtual). */
bool partition_is_hardware(const struct hv_gpu *gpu);
/* "4.0 GB VRAM, 32 encode, 64 decode, 1125 compute": what the device reports for a partition
 * now (optimal, else maximum); "" when it reports nothing.  @total: of the whole GPU. */
enum partition_size { PARTITION_REPORTED, PARTITION_TOTAL };
char *partition_size_text(const struct hv_gpu *gpu, enum partition_size which);
/* The total divided by @count, which is arithmetic and no promise: memory that the driver keeps
 * for itself is not in it.  NULL: no memory. */
char *partition_computed_text(const struct hv_gpu *gpu, uint64_t count);
