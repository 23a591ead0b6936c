/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Discrete Device Assignment: a card of a host goes to one VM whole, and comes back.
 *
 * A plan is computed as in src/share: facts are collected once, judged, and compared with
 * what should be.  Where a device is now decides what is left to do with it, so a plan
 * begins in any of the states in between, and a second one has nothing to do.
 */
#pragma once

#include "inventory.h"
#include "plan.h"

struct dda_assign_options {
    const char *gpu; /* selector; never NULL */
    bool only;       /* this function, not its whole card */
    struct known_u64 low_mmio_bytes, high_mmio_bytes; /* not known: computed */
    bool stop;                                        /* shut a running VM down */
    bool force_stop;                                  /* turn it off */
    bool start;             /* afterwards, also if it did not run before */
    bool take_console;      /* also the only display of the host */
    bool waive_acs;         /* do not demand isolation of it */
    bool waive_mitigations; /* do not demand that its maker says how to secure it */
};

struct dda_return_options {
    const char *vm;  /* selector; NULL: whoever has it */
    const char *gpu; /* selector; NULL: all devices of the VM */
    bool only;       /* this function, not its whole card */
    bool stop, force_stop, start;
};

struct dda_recover_options {
    const char *gpu; /* selector; NULL: everything that is in between */
    bool stop, force_stop;
};

/* The plan, with its findings; without steps and errors there is nothing to do.  @host: how
 * the user named it; @vm: a selector.  @context has session, journal and kinds. */
struct plan *dda_plan_assign(struct plan_context *context, const char *host, const char *vm,
                             const struct dda_assign_options *options, struct err *err);
struct plan *dda_plan_return(struct plan_context *context, const char *host,
                             const struct dda_return_options *options, struct err *err);
/* Everything that is neither the host's nor a VM's comes home; what cannot is a finding that
 * says why. */
struct plan *dda_plan_recover(struct plan_context *context, const char *host,
                              const struct dda_recover_options *options, struct err *err);
