/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sharing a GPU with a VM, and taking it back: checks, plans, and the steps they consist
 * of.  Everything here works on one host, through its CIM session; disks are attached to
 * that host and worked on there.
 *
 * A plan is computed in three parts: facts are collected once, judged by a table of
 * rules (src/survey), and turned into steps by comparing what is with what should be.
 * Reading the disk of a VM that is off takes attaching it to the host, read-only; that is
 * a small journaled run of its own, taken back before the plan is shown.  The disk of a VM
 * that runs cannot be read: its drivers are planned when the VM has been stopped.
 */
#pragma once

#include "inventory.h"
#include "plan.h"
#include "wants.h"

struct attach_options {
    const char *gpu; /* selector; NULL: the only partitionable GPU */
    struct known_u64 share_percent;
    struct known_u64 vram_bytes; /* GPU-P: of a partition that large at least */
    struct share_wish wish;      /* settings */
    bool stop;                   /* shut a running VM down */
    bool force_stop;             /* turn it off */
    bool start;                  /* afterwards, also if it did not run before */
    bool no_drivers;
    bool replace;    /* instead of another GPU's adapter, not beside it */
    bool another;    /* one more of a GPU that the VM has a partition of */
    bool disk_later; /* within a run, which must not begin another to look at a disk */
};

struct detach_options {
    const char *gpu; /* NULL: the only one the VM has */
    bool stop, force_stop, start, no_drivers;
};

struct sync_options {
    bool stop, force_stop, start;
    bool verify;  /* read every file of the driver in the guest */
    bool lenient; /* a VM that cannot be looked at is no error: one of many */
};

/* Fills the parts of @context (which has session, journal, kinds and progress) that reach
 * the disk of a guest: open_guest, close_guest, commit_guest.  share_context_clear() closes
 * what is open then. */
void share_context_init(struct plan_context *context);
void share_context_clear(struct plan_context *context);

/* The plan, with its findings.  No steps and no errors among them: nothing to do.
 * @host: how the user named it; @vm: a selector. */
struct plan *share_plan_attach(struct plan_context *context, const char *host,
                               const char *vm, const struct attach_options *options,
                               struct err *err);
/* The same on another node of the cluster than @from, which has the VM: it is moved first, and has
 * to be off.  @context is that of the other node, called @host; @from was read with
 * SHARE_ATTACHES (share-plan.h). */
struct plan *share_plan_attach_moved(struct plan_context *context, const char *host,
                                     const struct hv_host *from, const char *vm,
                                     const struct attach_options *options, struct err *err);
struct plan *share_plan_detach(struct plan_context *context, const char *host,
                               const char *vm, const struct detach_options *options,
                               struct err *err);

/* Compares the drivers in the guest with those of the host; findings "drift-..." say
 * what differs and why.  A VM that runs cannot be compared: reported, or with stop planned
 * to be, and started again. */
struct plan *share_plan_sync(struct plan_context *context, const char *host, const char *vm,
                             const struct sync_options *options, struct err *err);
