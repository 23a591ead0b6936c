/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a file wants against what a host has.  Pure: nothing here asks a host, and the work
 * grows with the number of VMs, not with its square.
 */
#pragma once

#include "desired.h"

/* Why something differs; the words are stable (JSON, manual). */
enum difference_kind {
    DIFF_GPU_MISSING,     /* the host has no such GPU */
    DIFF_GPU_MOVED,       /* it is in another place now; a note */
    DIFF_GPU_FOUND,       /* it was written down as missing, and is there; a note */
    DIFF_PARTITION_COUNT, /* of a GPU */
    DIFF_VM_MISSING,
    DIFF_VM_AMBIGUOUS, /* several are called so */
    DIFF_ADAPTER_MISSING,
    DIFF_ADAPTER_EXTRA,
    DIFF_ADAPTER_MOVED, /* it names the place where the GPU was */
    DIFF_WRONG_GPU,     /* one that it has instead of one that it should have */
    DIFF_MODE,          /* the right GPU, whole instead of in part or the other way round */
    DIFF_SHARE,
    DIFF_MMIO,
    DIFF_SETTING,
    DIFF_DRIVER,         /* the guest's is not the host's */
    DIFF_DRIVER_UNKNOWN, /* its disk cannot be looked at; a note */
    DIFF_VM_ELSEWHERE,   /* another node of the cluster has it now; a note */
    DIFF_UNLISTED,       /* a VM with a GPU that the file does not name; a note */
    DIFF_KIND_COUNT
};
const char *difference_name(enum difference_kind kind); /* "adapter-missing" */

struct difference {
    enum difference_kind kind;
    const struct desired_gpu *gpu;  /* the one that is wanted; NULL: none */
    const struct desired_vm *vm;    /* NULL: about a GPU */
    const struct hv_vm *found_vm;   /* NULL: there is none */
    const struct hv_gpu *found_gpu; /* that the VM has; NULL: none, or not on the host */
    const char *setting;            /* DIFF_MMIO, DIFF_SETTING: which; lent */
    char *wanted, *found;           /* for people and scripts; NULL: nothing */
    char *why;                      /* more about it; NULL: nothing to add */
    char run[24]; /* the run of hvgpu that made it as wanted; so others, or
                                     * somebody by hand, changed it since.  "": not known */
};
bool difference_is_note(const struct difference *difference); /* not counted */

struct vm_name {
    const char *name; /* or id */
    const struct hv_vm *vm;
    bool is_id;
};

struct comparison {
    const struct desired_host *wanted;
    const struct hv_host *found;
    struct difference *items; /* GPUs first, then VMs, in the order of the file */
    size_t count;
    const struct hv_gpu *
        *gpus;           /* by index of the wanted host's GPUs: which it is; NULL: none,
                                 * or any of its model */
    struct vm_name *vms; /* of the host, sorted */
    size_t vm_name_count;
    size_t name_compares; /* that finding them took */
    bool *listed;         /* by index of the host's VMs: the file names it */
};

/* @found: read with DESIRED_WHAT, and judged by survey_judge_gpus().  Both are lent for as
 * long as *ret is used. */
bool desired_compare(const struct desired_host *wanted, const struct hv_host *found,
                     struct comparison *ret, struct err *err) MUST_CHECK;
void comparison_clear(struct comparison *comparison);

/* Adds one; takes the texts over, also on failure. */
struct difference *comparison_add(struct comparison *to, enum difference_kind kind,
                                  char *wanted, char *found, struct err *err);

/* The VM that @vm means; NULL: none (*ret_count 0) or several. */
const struct hv_vm *desired_find_vm(struct comparison *comparison,
                                    const struct desired_vm *vm, size_t *ret_count);
/* Only "vendor:device" was said: any GPU of the model. */
bool desired_is_model(const struct desired_gpu *gpu);
/* What says how many partitions @gpu has: what names it decides, before its model.  NULL: not
 * said. */
const struct desired_gpu *desired_count_wish(const struct comparison *comparison,
                                             const struct hv_gpu *gpu);
/* Whether @gpu is one that @use means. */
bool desired_gpu_matches(const struct comparison *comparison, const struct desired_use *use,
                         const struct hv_gpu *gpu);
/* What @vm has of what @use wants, in whichever mode. */
const struct hv_adapter *desired_find_adapter(const struct comparison *comparison,
                                              const struct desired_use *use,
                                              const struct hv_vm *vm);
/* How many of them. */
size_t desired_count_devices(const struct comparison *comparison,
                             const struct desired_use *use, const struct hv_vm *vm);
size_t desired_count_adapters(const struct comparison *comparison,
                              const struct desired_use *use, const struct hv_vm *vm);
const struct hv_device *desired_find_device(const struct comparison *comparison,
                                            const struct desired_use *use,
                                            const struct hv_vm *vm);

/* A setting's value for people, by its key: "33280 MB", "true", "disabled".  Owned, or NULL. */
char *desired_setting_text(const char *key, const json_t *value);

struct share_wish;
/* What the file says about the settings of a VM with a partition. */
void desired_wish(const struct desired_vm *vm, struct share_wish *ret);
