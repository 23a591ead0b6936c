/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the rules, and says what their findings come to. */

#include "survey.h"

#include <stdio.h>
#include <string.h>

#include "cluster-view.h"
#include "strbuf.h"

const struct rule *const survey_rules[] = {
    survey_host_rules, survey_dda_rules,  survey_gpu_rules,     survey_vm_rules,
    survey_role_rules, survey_disk_rules, survey_cluster_rules, NULL,
};

/* Two cards of one name are told apart by their address, where there is one. */
static void name_of(const struct survey_facts *f, char *ret, size_t size)
{
    const struct device_facts *device = f->device;
    const char *name = f->gpu ? f->gpu->name ? f->gpu->name : f->gpu->instance_id : NULL;

    if (f->gpu_name) {
        snprintf(ret, size, "%s", f->gpu_name);
        return;
    }
    if (!name && device)
        name = *device->name ? device->name : device->pci_id;
    if (device && *device->pci_address)
        snprintf(ret, size, "%s, %s", name ? name : "", device->pci_address);
    else
        snprintf(ret, size, "%s", name ? name : "");
}

static const char *subject_of(const struct survey_facts *f, enum rule_about about,
                              const char *gpu)
{

    switch (about) {
    case ABOUT_HOST:
        return f->host ? f->host->name : NULL;
    case ABOUT_GPU:
        return gpu;
    case ABOUT_VM:
    case ABOUT_ROLE:
        return f->vm ? f->vm->name : NULL;
    case ABOUT_CLUSTER:
        return f->cluster ? f->cluster->cluster->name : NULL;
    case ABOUT_NODE:
        return f->node ? f->node->name : NULL;
    default:
        return f->disk && f->disk->path ? f->disk->path : f->vm ? f->vm->name : NULL;
    }
}

static bool judge_one(const struct survey_facts *facts, const struct rule *rule, bool all,
                      struct findings *to, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;
    enum severity severity = rule->judge(facts, &seen);
    char gpu[256];

    if (seen.failed)
        return err_no_memory(err);
    if (severity == SEVERITY_OK && (!all || seen.len == 0))
        return true;
    name_of(facts, gpu, sizeof(gpu));
    if (!findings_add(to, rule->id, severity, subject_of(facts, rule->about, gpu),
                      seen.text, rule->cause, rule->fix, rule->source, err))
        return false;
    to->items[to->count - 1].says = severity == SEVERITY_OK ? SAYS_BY_SEVERITY : rule->says;
    return true;
}

bool survey_judge(const struct survey_facts *facts, unsigned about, bool all,
                  struct findings *to, struct err *err)
{
    for (const struct rule *const *table = survey_rules; *table; table++)
        for (const struct rule *rule = *table; rule->id; rule++)
            if ((rule->about & about) && (rule->uses & facts->use) &&
                !judge_one(facts, rule, all, to, err))
                return false;
    return true;
}

/* What was read of a GPU without reading its functions. */
static void facts_of_gpu(const struct hv_gpu *gpu, struct device_facts *ret)
{
    const struct hv_function function = {
        .device_type = gpu->pci.device_type,
        .base_class = gpu->pci.base_class,
        .acs_up_hierarchy = gpu->pci.acs_up_hierarchy,
        .reserved_memory = gpu->pci.reserved_memory,
        .sriov_support = gpu->pci.sriov_support,
    };

    facts_from_function(&function, ret);
}

bool survey_judge_gpus(struct hv_host *host, struct err *err)
{
    for (size_t i = 0; i < host->gpu_count; i++) {
        struct hv_gpu *gpu = &host->gpus[i];
        CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;
        struct survey_facts facts = { .use = GPU_MODE_DDA };
        struct device_facts device;

        if (!host->is_server || gpu->place != GPU_ON_HOST || !gpu->pci.device_type.known ||
            !gpu->pci.acs_up_hierarchy.known)
            continue;
        facts_of_gpu(gpu, &device);
        facts.device = &device;
        if (!survey_judge(&facts, ABOUT_GPU, false, &found, err))
            return false;
        if (findings_worst(&found) < SEVERITY_ERROR)
            gpu->modes |= GPU_MODE_DDA;
        else if (gpu->status == GPU_STATUS_UNKNOWN)
            gpu->status = GPU_NOT_ASSIGNABLE;
    }
    return true;
}

/* What a client shares by paravirtualization is as it should be, unless a server would cut it. */
static bool is_why(const struct hv_host *host, const struct hv_gpu *gpu,
                   const struct findings *all, const struct finding *finding)
{
    if (gpu->interface_path && !host->is_server)
        return strcmp(finding->id, "host-client") == 0;
    /* Of a device that is not on the host no driver could offer anything. */
    if (strcmp(finding->id, "gpu-partitionable") == 0 && findings_find(all, "gpu-place"))
        return false;
    return finding->severity == SEVERITY_ERROR || strcmp(finding->id, "gpu-sriov") == 0 ||
           strcmp(finding->id, "gpu-tcc") == 0;
}

bool survey_judge_partitions(const struct hv_host *host, const struct hv_gpu *gpu,
                             unsigned use, struct findings *to, struct err *err)
{
    struct device_facts device;
    struct survey_facts facts = {
        .use = use,
        .host = host,
        .gpu = gpu,
        .device = &device,
        .has_this_gpu = true, /* no partition is asked for, so none need be free */
    };

    facts_of_gpu(gpu, &device);
    survey_count(&facts);
    return survey_judge(&facts, ABOUT_HOST | ABOUT_GPU, false, to, err);
}

bool survey_why_not_partitioned(const struct hv_host *host, const struct hv_gpu *gpu,
                                struct findings *to, struct err *err)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;

    if (gpu->interface_path && !gpu_interface_is_paravirtual(gpu->interface_path))
        return true;
    if (!survey_judge_partitions(host, gpu, GPU_MODE_P, &found, err) ||
        (!gpu->interface_path &&
         !survey_judge_partitions(host, gpu, GPU_MODE_PV, &found, err)))
        return false;
    for (size_t i = 0; i < found.count; i++) {
        const struct finding *finding = &found.items[i];

        if (!is_why(host, gpu, &found, finding) || findings_find(to, finding->id))
            continue;
        if (!findings_add(to, finding->id, finding->severity, finding->subject, NULL,
                          finding->cause, finding->fix, finding->source, err) ||
            !finding_copy_evidence(&to->items[to->count - 1], finding, err))
            return false;
    }
    return true;
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
        [VERDICT_UNKNOWN] = "unknown",
        [VERDICT_NO] = "no",
        [VERDICT_MAYBE] = "maybe",
        [VERDICT_YES] = "yes",
    };

    return names[verdict];
}

enum verdict survey_verdict(const struct findings *of_one_use)
{
    enum verdict verdict = VERDICT_YES;

    for (size_t i = 0; i < of_one_use->count; i++) {
        const struct finding *finding = &of_one_use->items[i];

        if (finding->severity == SEVERITY_ERROR)
            return VERDICT_NO;
        if (finding->says == SAYS_UNKNOWN)
            verdict = VERDICT_UNKNOWN;
        else if ((finding->severity == SEVERITY_WARNING || finding->says == SAYS_MAYBE) &&
                 verdict == VERDICT_YES)
            verdict = VERDICT_MAYBE;
    }
    return verdict;
}
