/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the planners of this folder have in common. */
#pragma once

#include "assignable.h"
#include "dda.h"
#include "plan.h"

enum { DEVICES_MAX = 64 };

/* The host and its devices, read once. */
struct dda_view {
    struct hv_host *host;
    struct dda_list list;
};
/* What the way home needs to know of a host. */
enum { DDA_RETURNS = HV_DEVICES | HV_GPU_DETAILS | HV_FUNCTIONS };
bool dda_view_read(struct plan_context *context, const char *host, unsigned what,
                   struct dda_view *ret, struct err *err) MUST_CHECK;
void dda_view_clear(struct dda_view *view);

/* The planners behind dda.h, which ask the host nothing more. */
struct plan *dda_assign_from(struct plan_context *context, const struct dda_view *view,
                             const char *host, const char *vm,
                             const struct dda_assign_options *options, struct err *err);
struct plan *dda_return_from(struct plan_context *context, const struct dda_view *view,
                             const char *host, const struct dda_return_options *options,
                             struct err *err);
struct plan *dda_recover_from(struct plan_context *context, const struct dda_view *view,
                              const char *host, const struct dda_recover_options *options,
                              struct err *err);

/* A set of devices, lent from a view. */
struct dda_set {
    const struct dda_device *items[DEVICES_MAX];
    size_t count;
};
bool dda_set_add(struct dda_set *set, const struct dda_device *device, struct err *err)
    MUST_CHECK; /* once */
bool dda_set_has(const struct dda_set *set, const struct dda_device *device);
/* @device, and unless @only the other functions of its card that are somewhere; the device
 * itself first. */
bool dda_set_add_card(struct dda_set *set, const struct dda_list *list,
                      const struct dda_device *device, bool only, struct err *err)
    MUST_CHECK;

const char *dda_name(const struct dda_device *device); /* for people */
bool dda_is_away(const struct dda_device *device);     /* gone, or a phantom */

/* The GPU a selector means, as a device: by everything `gpu list` takes, or by the instance
 * id or location path of any device of the list. */
bool dda_select(const struct dda_view *view, const char *selector,
                const struct dda_device **ret, struct err *err) MUST_CHECK;

/* The plan of a title, with the locks of everything it may touch. */
bool dda_lock_vm(struct plan *plan, const struct hv_vm *vm, struct err *err) MUST_CHECK;
/* The whole card: its functions go together. */
char *dda_lock_name(const struct dda_view *view, const struct dda_device *device);
bool dda_lock_device(struct plan *plan, const struct dda_view *view,
                     const struct dda_device *device, struct err *err) MUST_CHECK;

/* A finding unless @vm is off or may be stopped; *ret_stop: it has to be.  @severity: what it
 * is when it may not. */
bool dda_check_power(struct plan *plan, const struct hv_vm *vm, bool may_stop,
                     const char *severity, bool *ret_can, bool *ret_stop, struct err *err)
    MUST_CHECK;

#define DDA_SRC_PLAN                                               \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/plan/" \
    "Plan-for-Deploying-Devices-using-Discrete-Device-Assignment.md"
#define DDA_SRC_DEPLOY                                               \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/deploy/" \
    "Deploying-graphics-devices-using-dda.md"
