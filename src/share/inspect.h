/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at the disk of a VM that is off, before anything is planned for it. */
#pragma once

#include "share-steps.h"

/*
 * Attaches a disk read-only and mounts it, calls @look with context->guest open, and takes
 * all of it back, also when @look fails.  It is a journaled run of its own, so that a crash
 * in it leaves nothing behind that `hvgpu undo` does not take away; a run that was taken
 * back is forgotten.  Disks are tried in turn until one has Windows on it.
 *
 * *ret_disk: which one (index), or the last when none has; @ret_facts: what was seen.
 */
bool inspect_disks(struct plan_context *context, const char *host, const struct hv_vm *vm,
                   bool (*look)(struct plan_context *context, void *user, struct err *err),
                   void *user, size_t *ret_disk, struct image_facts *ret_facts,
                   struct err *err) MUST_CHECK;
