/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One device of a host: where it is now, and moving it, one move at a time.  Every move is
 * harmless when it has been made already, and returns when the host shows it.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/CIMWin32Prov enable-win32-pnpentity,
 * disable-win32-pnpentity; hyperv_v2 Msvm_AssignableDeviceService; openstack/os-win
 * os_win/utils/compute/vmutils.py; Justsenger/ExHyperV; MicrosoftDocs/windowsserverdocs
 * deploy/Deploying-graphics-devices-using-dda.md.
 */
#pragma once

#include "inventory.h"

struct plan_context;

/* Which device.  All lent. */
struct dda_target {
    const char *instance_id;   /* "PCI\VEN_...", its name on the host */
    const char *location_path; /* never NULL: the same wherever the device is */
    const char *name;          /* for people */
};

/* NODE_RESTART: what was asked for takes effect only when the host has been restarted. */
enum dda_node { NODE_AWAY, NODE_ENABLED, NODE_DISABLED, NODE_RESTART };

/* The node on the host.  A phantom, or none at all, is NODE_AWAY. */
bool dda_read_node(struct cim_session *session, const struct dda_target *target,
                   enum dda_node *ret, struct known_u64 *ret_problem, struct err *err)
    MUST_CHECK;
/* ERR_CONFLICT when only a restart of the host would do it, and for a node that is away. */
bool dda_switch_node(struct plan_context *context, const struct dda_target *target,
                     bool enable, struct err *err) MUST_CHECK;

/* Whether it was taken from the host; GPU_PLACE_UNKNOWN: it is nowhere.  Never
 * GPU_ASSIGNED: see dda_has_entry(). */
bool dda_read_place(struct cim_session *session, const struct dda_target *target,
                    enum gpu_place *ret, struct err *err) MUST_CHECK;
/* @acs, @mitigations: what the host shall demand of the device; a host refuses what lacks
 * it. */
bool dda_dismount(struct plan_context *context, const struct dda_target *target, bool acs,
                  bool mitigations, struct err *err) MUST_CHECK;
bool dda_mount(struct plan_context *context, const struct dda_target *target,
               struct err *err) MUST_CHECK;

/* Whether the VM's settings name the device. */
bool dda_has_entry(struct cim_session *session, const char *vm_id,
                   const struct dda_target *target, bool *ret, struct err *err) MUST_CHECK;
/* @resource (may be NULL): how an entry named a device that the host does not list now. */
bool dda_add_entry(struct plan_context *context, const char *vm_id,
                   const struct dda_target *target, const char *resource, struct err *err)
    MUST_CHECK;
/* All entries of it the VM has, also when the device itself is gone. */
bool dda_remove_entry(struct plan_context *context, const char *vm_id,
                      const struct dda_target *target, struct err *err) MUST_CHECK;
/* Whether the VM, which must run, has it in use: a Msvm_PciExpress of its own. */
bool dda_is_in_use(struct cim_session *session, const char *vm_id,
                   const struct dda_target *target, bool *ret, struct err *err) MUST_CHECK;
