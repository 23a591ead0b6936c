/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of step that change a VM whatever is done with its GPU: its power and its
 * settings.  Each makes its step with the parameters its kind needs to find the VM again.
 */
#pragma once

#include "inventory.h"
#include "plan.h"

struct hv_role;

extern const struct step_kind step_vm_stop, step_vm_start, step_vm_settings,
    step_offline_action, step_cluster_owner;

/* ---- power (power-steps.c) ---- */

bool add_vm_stop(struct plan *plan, const struct hv_vm *vm, bool force, struct err *err)
    MUST_CHECK;
bool add_vm_start(struct plan *plan, const struct hv_vm *vm, struct err *err) MUST_CHECK;

/* ---- settings (settings-step.c) ---- */

/* Objects with some of: "guest_controlled_cache", "low_mmio_bytes", "high_mmio_bytes",
 * "high_mmio_base_bytes", "stop_action", "checkpoint_type" (these two as words, see
 * vm_setting_word()); "dynamic_memory", "memory_minimum_bytes", "memory_maximum_bytes", which
 * become a step of their own.  Takes them over. */
bool add_vm_settings(struct plan *plan, const struct hv_vm *vm, json_t *before,
                     json_t *after, struct err *err) MUST_CHECK;
/* @word: stop_action_name() or checkpoint_type_name(); a number without a word stays one. */
json_t *vm_setting_word(const char *(*word)(uint64_t value), uint64_t number);
/* What the VM has now, only the members that @like has. */
bool read_vm_settings(struct cim_session *session, const char *vm_id, const json_t *like,
                      json_t **ret, struct err *err) MUST_CHECK;

/* ---- its role in a failover cluster (cluster-step.c) ---- */

/* Sets the offline action to @after, a word of offline_action_name() or a number; takes it
 * over. */
bool add_offline_action(struct plan *plan, const struct hv_vm *vm,
                        const struct hv_role *role, json_t *after, struct err *err)
    MUST_CHECK;
/* The step that makes it a forced shutdown, unless it is so, or @role is NULL. */
bool add_force_shutdown(struct plan *plan, const struct hv_vm *vm,
                        const struct hv_role *role, struct err *err) MUST_CHECK;
/* The cluster moves the VM, which is off, to @node (move-step.c).  @role has its group and its
 * owner.  The run is on the node that gets it. */
bool add_cluster_move(struct plan *plan, const struct hv_vm *vm, const struct hv_role *role,
                      const char *node, struct err *err) MUST_CHECK;
/* What it is now, as in such steps. */
bool read_vm_offline_action(struct cim_session *session, const char *resource, json_t **ret,
                            struct err *err) MUST_CHECK;
