/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of step by which a device goes from its host to a VM and back:
 *
 *     host ── device-disable ──> disabled ── device-dismount ──> dismounted ── device-add ──> VM
 *     host <── device-enable ─── disabled <─── device-mount ──── dismounted <─ device-remove ─ VM
 *
 * Each is the opposite of the one below it, and taking one back is doing that.
 */
#pragma once

#include "assignable.h"
#include "plan.h"

extern const struct step_kind step_device_disable, step_device_enable, step_device_dismount,
    step_device_mount, step_device_add, step_device_remove, step_device_verify,
    step_device_used, step_device_works;

/* @device must have a location path, except for add_device_remove(). */
bool add_device_disable(struct plan *plan, const struct dda_device *device, struct err *err)
    MUST_CHECK;
/* Also of one that an earlier step mounts: it is disabled then, or enabled already. */
bool add_device_enable(struct plan *plan, const struct dda_device *device, struct err *err)
    MUST_CHECK;
/* @acs, @mitigations: see dda_dismount(). */
bool add_device_dismount(struct plan *plan, const struct dda_device *device, bool acs,
                         bool mitigations, struct err *err) MUST_CHECK;
bool add_device_mount(struct plan *plan, const struct dda_device *device, struct err *err)
    MUST_CHECK;
bool add_device_add(struct plan *plan, const struct hv_vm *vm,
                    const struct dda_device *device, struct err *err) MUST_CHECK;
bool add_device_remove(struct plan *plan, const struct hv_vm *vm,
                       const struct dda_device *device, const struct dda_entry *entry,
                       struct err *err) MUST_CHECK;

/* ---- reading back ---- */

/* The VM has the devices, and they are off the host; @settings (may be NULL) as wanted. */
bool add_device_verify(struct plan *plan, const struct hv_vm *vm,
                       const struct dda_device *const *devices, size_t count,
                       const json_t *settings, struct err *err) MUST_CHECK;
/* Only tells: whether the VM that runs uses it. */
bool add_device_used(struct plan *plan, const struct hv_vm *vm,
                     const struct dda_device *device, struct err *err) MUST_CHECK;
/* Only tells: whether it works on the host again. */
bool add_device_works(struct plan *plan, const struct dda_device *device, struct err *err)
    MUST_CHECK;
