/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is it fit?  Facts about a host, a device, a VM and a request are judged by one table of
 * rules (rules-*.c); what comes out are findings.  Pure: nothing here asks a host, so a test
 * is an initialiser.  `hvgpu survey`, `attach` and `dda assign` all use this table, so that
 * they cannot disagree.
 *
 * A rule judges for one use at a time (GPU-PV, GPU-P or DDA): the same fact may stop one and
 * mean nothing for another.  A rule whose facts are missing is silent, unless not knowing is
 * itself worth saying ("...-unknown" rules).
 */
#pragma once

#include "facts.h"
#include "finding.h"
#include "gaps.h"

struct cluster_view;
struct hv_node;
struct hv_role;

/* What somebody is about to do; a survey has none (NULL). */
struct survey_request {
    bool changes_vm;       /* settings, adapters or devices of the VM will change */
    bool stop, force_stop; /* a running VM will be stopped first */
    bool replace;          /* instead of another GPU's adapter, not beside it */
    bool no_drivers;
    bool take_console; /* the host's only display may be taken */
    bool allow_unsafe; /* ACS and mitigation requirements may be waived */
    struct known_u64 share_percent;
    /* Given by the user; the computed ones are @gaps. */
    struct known_u64 low_mmio_bytes, high_mmio_bytes;
};

/* What was seen of the VM's disk. */
struct survey_disk {
    const char *path; /* NULL: the VM has none */
    bool seen;        /* then the rest is filled */
    bool windows_found, encrypted, hibernated;
};

/* Everything the rules look at.  Pointers are lent; NULL: nothing is known about it, and
 * what is about it is not judged. */
struct survey_facts {
    unsigned use; /* one of GPU_MODE_PV, GPU_MODE_P, GPU_MODE_DDA */
    const struct hv_host *host;
    const struct hv_gpu *gpu;
    const char *gpu_name; /* how findings call it; NULL: as it is called */
    const struct hv_vm *vm;
    const struct hv_role *role; /* of @vm in the host's cluster */
    bool is_pinned;             /* its adapter names, or will name, the GPU */
    const struct survey_request *request;
    const struct survey_disk *disk;
    const struct cluster_view *cluster; /* of rules about a cluster */
    const struct hv_node *node;         /* one of its nodes; @host: what was read of it */

    const struct device_facts *device;         /* the GPU's own function */
    const struct device_facts *const *devices; /* all of its card, the GPU first */
    size_t device_count;
    const struct gaps *gaps; /* computed for it; NULL with @gaps_error: impossible */
    const char *gaps_error;

    unsigned partitionable_gpus; /* of the host */
    unsigned display_gpus;       /* GPUs that show the host's screen */
    unsigned partitions_taken;   /* of this GPU, by VMs that run */
    bool has_this_gpu;           /* the VM has it already */
    bool has_other_gpu;
};

enum rule_about {
    ABOUT_HOST = 1,
    ABOUT_GPU = 2,
    ABOUT_VM = 4,
    ABOUT_DISK = 8,
    /* Of a failover cluster (cluster-view.h): itself, a node, a VM with a GPU. */
    ABOUT_CLUSTER = 16,
    ABOUT_NODE = 32,
    ABOUT_ROLE = 64,
};

struct strbuf;
struct rule {
    /* Stable: in JSON and in the manual.  One id may have a rule per use. */
    const char *id;
    enum rule_about about;
    unsigned uses; /* GPU_MODE_* it matters for */
    /* Writes what it saw, one line per piece, in the user's language. */
    enum severity (*judge)(const struct survey_facts *facts, struct strbuf *evidence);
    const char *cause, *fix, *source; /* cause and fix: N_() */
    enum rule_says says;
};

/* By what they are about: host, GPU, VM, disk.  In the order they are judged in; for DDA that
 * is SurveyDDA.ps1's.  Each ends with a NULL id, the list with NULL. */
extern const struct rule *const survey_rules[];
extern const struct rule survey_host_rules[], survey_gpu_rules[], survey_dda_rules[],
    survey_vm_rules[], survey_role_rules[], survey_disk_rules[], survey_cluster_rules[];

/* Adds a finding for each rule about one of @about (ABOUT_*) that matters for facts->use and
 * is not ok.  @all: also those that are ok and saw something. */
bool survey_judge(const struct survey_facts *facts, unsigned about, bool all,
                  struct findings *to, struct err *err) MUST_CHECK;

/* Fills in what is counted over all of facts->host: partitionable_gpus, display_gpus,
 * partitions_taken of facts->gpu. */
void survey_count(struct survey_facts *facts);
/* Whether @vm has a partition adapter pinned to @interface_path (NULL: to none). */
bool survey_vm_has_gpu(const struct hv_vm *vm, const char *interface_path);

/* For hosts read with HV_GPU_DETAILS: adds GPU_MODE_DDA to GPUs that could be assigned by
 * what these few facts say, and calls the others not assignable. */
bool survey_judge_gpus(struct hv_host *host, struct err *err) MUST_CHECK;

/* @gpu and its host for sharing it by @use (GPU_MODE_P, GPU_MODE_PV) at all, without a VM; of a
 * host read with HV_GPU_DETAILS. */
bool survey_judge_partitions(const struct hv_host *host, const struct hv_gpu *gpu,
                             unsigned use, struct findings *to, struct err *err) MUST_CHECK;
/* Why Hyper-V does not list @gpu as partitionable, or a server lists it as paravirtual only:
 * driver, SR-IOV, edition.  Nothing for a GPU that is as it should be.  Of a host read with
 * HV_GPU_DETAILS and HV_GPU_DRIVERS. */
bool survey_why_not_partitioned(const struct hv_host *host, const struct hv_gpu *gpu,
                                struct findings *to, struct err *err) MUST_CHECK;

/* What it comes to. */
enum verdict { VERDICT_UNKNOWN, VERDICT_NO, VERDICT_MAYBE, VERDICT_YES };
const char *verdict_name(enum verdict verdict); /* "unknown", "no", "maybe", "yes" */
/* Of the findings of one use: an error says no, a missing fact unknown, a warning maybe. */
enum verdict survey_verdict(const struct findings *of_one_use);

/* The word for what SurveyDDA.ps1 prints of this device, first match as there:
 * "RESERVED_MEMORY", "TRAFFIC_REDIRECT", "LEGACY_OTHER", "BIOS_KEPT_PCIE",
 * "OLD_PCI_OR_PORT", "DISABLED_MAYBE", "LINE_ONLY"; "ENDPOINT", "EMBEDDED" or "LEGACY_GPU"
 * where it prints a location path.  NULL: a fact is missing that it would need. */
const char *survey_dda_class(const struct device_facts *device);
