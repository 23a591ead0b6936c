/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A survey: every card looked at, what it is fit for, and every reason once.
 *
 * What counts as an error when nothing particular was asked: a GPU is fit when any of the
 * uses asked about is not ruled out.  What rules the others out is then only worth knowing
 * (info).  A GPU that is fit for nothing is a warning while another one is fit, and an
 * error when none is.
 */
#pragma once

#include "survey.h"

enum { CARD_FUNCTIONS_MAX = 8, SURVEY_USES = 3 };

struct fitness {
    unsigned use; /* GPU_MODE_* */
    enum verdict verdict;
    struct findings findings; /* of this use, with the severities that matter to it */
};

/* A GPU and the other functions of its card. */
struct survey_card {
    const struct hv_gpu *gpu;                          /* lent; NULL: not of a host */
    struct device_facts functions[CARD_FUNCTIONS_MAX]; /* the GPU first */
    size_t function_count;
    enum verdict dda[CARD_FUNCTIONS_MAX]; /* each function by itself */
    struct findings dda_findings[CARD_FUNCTIONS_MAX];
    enum gpu_status status; /* as Windows Admin Center shows it; GPUs of a host only */
    struct fitness fit[SURVEY_USES];
    size_t fit_count;
    bool has_gaps; /* for DDA of the whole card */
    struct gaps gaps;
    char *gaps_error; /* why there are none */
    char *arithmetic;
};

struct survey_report {
    struct survey_card *cards;
    size_t card_count;
    struct findings findings; /* of all, each once */
};

struct survey_question {
    unsigned uses;            /* GPU_MODE_*; 0: all that the source can tell about */
    const struct hv_gpu *gpu; /* only this one; NULL: all */
    const struct hv_vm *vm;   /* also fit for this VM; NULL: none */
    const struct survey_request *request;
    struct known_u64 address_bits; /* of the host's processor, if the user knows */
    bool all_devices;              /* of a machine: not only cards with a GPU */
    bool strict; /* what rules a use out is an error, whatever else fits */
};

/* Of a Hyper-V host read with HV_SURVEY. */
bool survey_host(const struct hv_host *host, const struct survey_question *question,
                 struct survey_report **ret, struct err *err) MUST_CHECK;
/* Of lspci's text or this machine: DDA only.  @wanted: index of one function, or -1. */
bool survey_machine(const struct pci_machine *machine,
                    const struct survey_question *question, long wanted,
                    struct survey_report **ret, struct err *err) MUST_CHECK;
void survey_report_free(struct survey_report *report); /* NULL is fine */
DEFINE_CLEANUP(survey_report_cleanup, struct survey_report *, survey_report_free)
