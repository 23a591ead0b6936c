/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at the disk of a VM that is off, before anything is planned for it. */
#pragma once

#include "share-steps.h"

/* Called with the guest open as context->guest. */
typedef bool look_fn(struct plan_context *context, void *user, struct err *err);

/*
 * Attaches a disk read-only and mounts it, calls @look with context->guest open, and takes
 * all of it back, also when @look fails.  It is a journaled run of its own, so that a crash
 * in it leaves nothing behind that `hvgpu undo` or the next look does not take away; a run
 * that was taken back is forgotten.  Disks are tried in turn until one has Windows on it.
 *
 * *ret_disk: which one (index), or the last when none has; @ret_facts: what was seen.
 */
bool inspect_disks(struct plan_context *context, const char *host, const struct hv_vm *vm,
                   look_fn *look, void *user, size_t *ret_disk,
                   struct image_facts *ret_facts, struct err *err) MUST_CHECK;

/* What became of looking at one disk, after it was given back.  @why: NULL, or why there is
 * no Windows on it that can be read; other failures end the whole. */
typedef bool looked_fn(size_t disk, const struct image_facts *facts, const struct err *why,
                       void *user, struct err *err);

/* The same for every disk of the VM; @look for those with a Windows that is not
 * hibernated. */
bool inspect_every_disk(struct plan_context *context, const char *host,
                        const struct hv_vm *vm, look_fn *look, looked_fn *looked,
                        void *user, struct err *err) MUST_CHECK;
