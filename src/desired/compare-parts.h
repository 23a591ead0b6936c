/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of a comparison tell each other. */
#pragma once

#include "compare.h"

/* Which GPU each wanted one is; differences of GPUs. */
bool compare_gpus(struct comparison *c, struct err *err) MUST_CHECK;

/* ---- one VM ---- */

enum { THINGS_MAX = 256 };

/* Something the VM has: an adapter of a GPU, or a whole one. */
struct thing {
    const struct hv_gpu *gpu; /* NULL: not on the host */
    char *pin;                /* instance id of an adapter's GPU; owned */
    bool is_whole, is_wanted;
    unsigned mode;
};

struct vm_compare {
    struct comparison *c;
    const struct desired_vm *vm;
    const struct hv_vm *found;
    struct thing things[THINGS_MAX];
    size_t count;
};

/* As attach would make them, so that what diff says apply does. */
bool compare_settings(struct vm_compare *v, const struct hv_gpu *gpu, struct err *err)
    MUST_CHECK;
/* Another GPU-P quota than the wanted share makes.  A GPU that tells no totals has none. */
bool compare_share(struct vm_compare *v, const struct hv_gpu *gpu,
                   const struct desired_use *use, const struct hv_adapter *adapter,
                   struct err *err) MUST_CHECK;
/* A VM with a whole GPU: only what the file says. */
bool compare_gaps(struct vm_compare *v, struct err *err) MUST_CHECK;
