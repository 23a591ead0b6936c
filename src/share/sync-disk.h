/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sync on one disk: what the guest on it has against what it should have, as steps. */
#pragma once

#include "inventory.h"
#include "plan.h"
#include "seen.h"

/* What one guest should have. */
struct sync_wish {
    const struct hv_host *host;
    const char *const *gpus; /* interface paths, each once */
    size_t gpu_count;
    bool first;  /* the first Windows of the VM gets the driver of every GPU; another one
                  * only keeps what its record lists */
    bool verify; /* read every file, trust no size and time */
    struct seen
        *seen; /* learns of the drivers that the guest was compared with; may be NULL */
};

/* What has to be done.  Steps of one GPU change the record, so those of a second are found
 * out when the first are done: by drivers-plan, with the disk open. */
struct sync_steps {
    struct plan *now;
    char **later; /* interface paths or instance ids */
    bool *later_removes;
    size_t later_count;
};

/* Looks at context->guest; findings "drift-..." go to @plan.  @ret is filled from nothing
 * and cleared with sync_steps_clear(), also on failure. */
bool sync_look(struct plan_context *context, struct plan *plan,
               const struct sync_wish *wish, struct sync_steps *ret, struct err *err)
    MUST_CHECK;
void sync_steps_clear(struct sync_steps *steps);
/* Adds them, for a disk that is open in @folder; @steps->now is empty afterwards. */
bool sync_add_steps(struct plan *plan, const char *image, const char *folder,
                    struct sync_steps *steps, struct err *err) MUST_CHECK;

/* For a VM that is stopped by the plan: steps that look at each of @images in turn, when they
 * are reached, and do there what has to be done.  @folder: of the plan on the host. */
bool sync_add_looks(struct plan *plan, const struct sync_wish *wish,
                    const char *const *images, size_t count, const char *folder,
                    struct err *err) MUST_CHECK;

/* The folder of the @n-th disk (from 1) that a plan opens; owned. */
char *sync_folder(const char *folder, size_t n);
