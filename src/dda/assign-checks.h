/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must be true before a device is given to a VM.  Host, device and VM are judged by the
 * table that `hvgpu survey` uses (src/survey), so the two cannot disagree; here is only what
 * comes from this plan: who has the devices, what it waives, and what it means afterwards.
 */
#pragma once

#include "dda-plan.h"
#include "dda.h"
#include "survey.h"

/* Pointers are lent. */
struct assign_facts {
    const struct hv_host *host;
    const struct hv_vm *vm;
    const struct hv_gpu *gpu; /* NULL: not one that is listed as such */
    const struct dda_list *list;
    const struct dda_assign_options *options;
    struct dda_set card; /* to be assigned; the one that was named first */
    struct dda_set all;  /* the card, and what the VM has already */
    struct device_facts hardware[DEVICES_MAX]; /* of @all */
    const struct device_facts *hardware_refs[DEVICES_MAX];
    struct gaps gaps;
    bool gaps_known;
    struct err gaps_error;          /* why not */
    uint64_t low_bytes, high_bytes; /* as planned */
    bool changes_vm;
};

bool run_assign_checks(struct plan *plan, const struct assign_facts *facts, struct err *err)
    MUST_CHECK;
