/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules about host, GPU, VM and disk: one set of facts that passes all of them for each
 * use, and one change of it per case.  The cases stand in test-rules-host.c, -gpu.c and -vm.c,
 * what holds for all of them in test-rules.c.  (The rules of SurveyDDA.ps1 are in test-dda.c,
 * those of whole clusters in test-cluster.c.)
 */
#pragma once

#include <string.h>

#include "failover.h"
#include "os.h"
#include "strbuf.h"
#include "survey.h"
#include "test.h"
#include "text.h"

/* Interface paths of a GPU that is shared, and of one that has hardware partitions. */
#define PATH_PV                                                                             \
    "\\\\?\\PCI#VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1#4&296b7397&0&0008#{064092b3-625e-" \
    "43bf-9eb5-dc845897dd59}\\GPUPARAV"
#define PATH_P                                                                            \
    "\\\\?\\PCI#VEN_10DE&DEV_25B6&SUBSYS_14A910DE&REV_A1#4&1&0&0008#{064092b3-625e-43bf-" \
    "9eb5-dc845897dd59}"

/* Everything as it should be; each case changes what it is about. */
struct bench {
    struct hv_host host;
    struct hv_vm vm;
    struct hv_gpu gpu;
    struct device_facts device, audio;
    const struct device_facts *devices[2];
    struct survey_request request;
    struct survey_disk disk;
    struct gaps gaps;
    struct hv_role role;
    struct survey_facts facts;
    char *reason;
};

static inline struct known_u64 num(uint64_t value)
{
    return (struct known_u64){ true, value };
}

/* Facts that are fit for @use (GPU_MODE_*). */
void set_up(struct bench *b, unsigned use);
/* All findings of all rules. */
void judge(const struct bench *b, struct findings *ret);

struct rule_case {
    unsigned use;
    void (*change)(struct bench *b); /* NULL: nothing */
    const char *id;                  /* the rule that is to find it; NULL ends a list */
    enum severity severity;
};
extern const struct rule_case host_cases[], gpu_cases[], vm_cases[];

#define CHANGE(name) static void name(struct bench *b)
