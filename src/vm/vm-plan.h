/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What plans for a VM have in common: findings taken over, wanted settings collected, former
 * ones restored. */
#pragma once

#include "vm-steps.h"

struct findings;

/* Those of severity info and above become findings of the plan; one that it has by that id
 * and subject already is left out. */
bool plan_take_findings(struct plan *plan, const struct findings *findings, struct err *err)
    MUST_CHECK;

/* ---- settings that a plan wants ---- */

/* What differs from what is, in the shape of add_vm_settings(). */
struct vm_changes {
    json_t *before, *after; /* owned */
};
bool vm_changes_init(struct vm_changes *changes, struct err *err) MUST_CHECK;
void vm_changes_clear(struct vm_changes *changes);
void want_setting(struct vm_changes *changes, const char *key, json_t *before,
                  json_t *after); /* takes both over */
/* Only if it is not so: */
void want_number(struct vm_changes *changes, const char *key, const struct known_u64 *now,
                 uint64_t wanted);
void want_word(struct vm_changes *changes, const char *key, const struct known_u64 *now,
               const char *(*word)(uint64_t value), uint64_t wanted);
void want_true(struct vm_changes *changes, const char *key, enum tristate now);
/* Memory that a VM with a whole device cannot have: it gets its startup memory for good. */
void want_memory_fixed(struct vm_changes *changes, const struct hv_vm *vm);
bool vm_changes_any(const struct vm_changes *changes);
/* The step, if anything changes. */
bool add_vm_changes(struct plan *plan, const struct hv_vm *vm,
                    const struct vm_changes *changes, struct err *err) MUST_CHECK;

/* ---- former settings, out of the journal ---- */

/*
 * Adds the steps that give back what runs of this user's hvgpu made of the VM's settings
 * while they added something to it, which is told by their having a done step of @marker.  A
 * value that others have changed since stays, and a finding says so; without any record a
 * finding says that nothing is restored.  @role: of the VM, whose offline action is one of
 * these values then; NULL: none.
 */
bool add_former_settings(struct plan_context *context, struct plan *plan,
                         const struct hv_vm *vm, const struct hv_role *role,
                         const struct step_kind *marker, const char *source,
                         struct err *err) MUST_CHECK;
