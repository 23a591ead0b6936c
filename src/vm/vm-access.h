/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One VM on its host: names of its objects, its power state, calls of its service. */
#pragma once

#include "session.h"

struct plan;
struct plan_context;
struct step;

struct cim_path *vm_path(const char *vm_id);          /* Msvm_ComputerSystem */
struct cim_path *vm_settings_path(const char *vm_id); /* the realized settings */

/* EnabledState as the host says it: 2 runs, 3 is off (hyperv_v2 Msvm_ComputerSystem). */
enum { VM_ENABLED = 2, VM_DISABLED = 3 };
bool read_enabled_state(struct cim_session *session, const char *vm_id, uint64_t *ret,
                        struct err *err) MUST_CHECK;
/* For step_kind.check_host: whether the host at hand has the VM of a step's "vm".  Else the undo
 * of other steps would go on, and what was done to the VM count as taken back, or be left in the
 * middle.  An undo that takes back what others changed (--force) does without the VM. */
bool vm_check_host(struct plan_context *context, const struct plan *plan,
                   const struct step *step, struct err *err) MUST_CHECK;
/* Starts (VM_ENABLED) or turns off (VM_DISABLED), and waits until it is so. */
bool request_state(struct plan_context *context, const char *vm_id, const char *name,
                   unsigned state, struct err *err) MUST_CHECK;
/* Asks the guest to shut down, and waits. */
bool shut_down(struct plan_context *context, const char *vm_id, const char *name,
               struct err *err) MUST_CHECK;

/* A method of Msvm_VirtualSystemManagementService; @in's class name does not matter. */
bool vm_service_call(struct plan_context *context, const char *method,
                     const struct cim_instance *in, const char *what, struct err *err)
    MUST_CHECK;

/* Calls @on_row for each row; like cim_query() with a plain SELECT of everything. */
struct first_row {        /* for cim_query(): keeps the first row that matches */
    const char *property; /* text property compared without case; NULL: any row */
    const char *value;
    struct cim_instance *found; /* owned */
};
bool keep_first_row(const struct cim_instance *row, void *user, struct err *err);
