/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must be true before a GPU is shared with a VM.  Facts are collected once; the checks
 * are pure functions over them, so a test is an initialiser.  What is not known is judged
 * as unknown, never as wrong.
 */
#pragma once

#include "share.h"
#include "share-steps.h"

/* Everything the checks look at.  Pointers are lent. */
struct attach_facts {
    const struct hv_host *host;
    const struct hv_vm *vm;
    const struct hv_gpu *gpu;
    const struct attach_options *options;
    unsigned partitionable_gpus; /* of the host */
    unsigned partitions_taken;   /* of this GPU, by VMs that run */
    bool has_this_gpu;           /* the VM has an adapter of this GPU already */
    bool has_other_gpu;
    bool changes_vm; /* something about the VM (not its disk) has to change */
    struct known_u64 require_secure, require_supported; /* policy values of a Server */
    uint64_t low_mmio_bytes, high_mmio_bytes;           /* as planned */
    const char *disk;                                   /* NULL: the VM has none */
    bool disk_seen;                                     /* then @image is filled */
    struct image_facts image;
};

enum severity { SEVERITY_OK, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR };

struct check {
    const char *id;    /* stable: in JSON and in the manual */
    const char *about; /* "host", "gpu", "vm" or "disk" */
    bool needs_disk;   /* judges what was seen on the disk */
    enum severity (*judge)(const struct attach_facts *facts, char *evidence, size_t size);
    const char *cause; /* what the evidence means */
    const char *fix;   /* one sentence, imperative */
    const char *source;
};

extern const struct check attach_checks[]; /* ends with a NULL id */

/* Adds a finding for each check that is not ok.  @disk: those that need the disk, or the
 * others. */
bool run_attach_checks(struct plan *plan, const struct attach_facts *facts, bool disk,
                       struct err *err) MUST_CHECK;

/* The finding of one check by its id, for places that come upon it on their own. */
bool find_hibernated(struct plan *plan, const char *image, struct err *err) MUST_CHECK;
