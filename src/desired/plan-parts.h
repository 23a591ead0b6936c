/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that make a host's plan tell each other. */
#pragma once

#include "dda-plan.h"
#include "plan-host.h"

#define SRC "hvgpu.yaml(5)"

struct vm_work {
    const struct desired_vm *wanted;
    struct hv_vm *vm; /* of the projected host; NULL: there is none */
    bool settings;    /* it has the right GPUs and other settings */
    bool driver;      /* its guest has another driver */
    bool gave_up;     /* a partition it keeps, while its GPU is cut */
    bool held_off;    /* the plan stopped it and starts it at its end */
    bool later;       /* part of what it needs can only be planned when its GPU is there */
    bool changed;     /* by a plan of this host */
};

struct maker {
    struct plan_context *context;
    struct comparison *c;
    struct hv_host *host; /* as the plans so far leave it */
    const char *host_name;
    const struct apply_options *options;
    struct plan *plan;
    struct dda_view view; /* lends @host; list read when needed */
    bool view_read;
    struct vm_work *work; /* by index of the file's VMs */
    bool *moving;      /* by index of the host's GPUs: a plan of this host moves it whole */
    bool *cut;         /* or cuts it anew */
    bool counts_later; /* of a GPU that comes back */
};

/* ---- what no plan can put right (plan-checks.c) ---- */

/* A finding of severity "error" or "warning". */
bool plan_say(struct maker *m, const char *id, bool is_error, const char *subject,
              const char *evidence, const char *cause, const char *fix, struct err *err)
    MUST_CHECK;
/* GPU-PV is wanted where the host has GPU-P, or the other way round. */
bool plan_say_mode(struct maker *m, const char *vm, const char *evidence, struct err *err)
    MUST_CHECK;
/* What is not there, or not clear. */
bool plan_say_hopeless(struct maker *m, const struct difference *difference,
                       struct err *err) MUST_CHECK;
/* More wishes for a GPU than it can fulfil. */
bool plan_check_wishes(struct maker *m, struct err *err) MUST_CHECK;

/* ---- what can only be planned when a GPU is there (plan-rest.c) ---- */

/* Leaves what @work needs of @gpu for the end of the plan. */
bool plan_later(struct maker *m, struct vm_work *work, const struct hv_gpu *gpu,
                const char *cause, struct err *err) MUST_CHECK;
/* The steps that plan it then. */
bool plan_rest(struct maker *m, struct err *err) MUST_CHECK;
