/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no plan can make so, said before any is computed. */

#include "plan-parts.h"

#include <string.h>

#include "tr.h"

bool plan_say(struct maker *m, const char *id, bool is_error, const char *subject,
              const char *evidence, const char *cause, const char *fix, struct err *err)
{
    return plan_find(m->plan, id, is_error ? "error" : "warning", subject, evidence, cause,
                     fix, SRC, err);
}

bool plan_say_mode(struct maker *m, const char *vm, const char *evidence, struct err *err)
{
    return plan_say(m, "apply-mode", true, vm, evidence,
                    N_("whether a GPU is shared as GPU-PV or GPU-P is up to the host's "
                       "Windows and driver"),
                    N_("change the host, or the mode in the file"), err);
}

static bool is_wanted_of(const struct maker *m, const struct desired_gpu *gpu)
{
    for (size_t v = 0; v < m->c->wanted->vm_count; v++)
        for (size_t u = 0; u < m->c->wanted->vms[v].use_count; u++)
            if (m->c->wanted->vms[v].uses[u].gpu == (int)(gpu - m->c->wanted->gpus))
                return true;
    return gpu->partition_count.known;
}

static bool wants_other_part(const struct difference *difference)
{
    bool pv = difference->wanted && strstr(difference->wanted, "(gpu-pv)");
    bool p = difference->wanted && strstr(difference->wanted, "(gpu-p)");
    bool is_pv = difference->found && strstr(difference->found, "(gpu-pv)");
    bool is_p = difference->found && strstr(difference->found, "(gpu-p)");

    return (pv && is_p) || (p && is_pv);
}

bool plan_say_hopeless(struct maker *m, const struct difference *difference,
                       struct err *err)
{
    const struct desired_vm *vm = difference->vm;

    switch (difference->kind) {
    case DIFF_GPU_MISSING:
        return plan_say(m, "apply-gpu-missing", is_wanted_of(m, difference->gpu),
                        difference->gpu->alias, difference->wanted,
                        N_("the host has no such GPU"),
                        N_("put it in, or take it out of the file"), err);
    case DIFF_GPU_MOVED:
        return plan_say(
            m, "apply-gpu-moved", false, difference->gpu->alias, difference->found,
            N_("the GPU is in another place now, and taken for the one that is meant"),
            N_("write down where it is: hvgpu export"), err);
    case DIFF_VM_MISSING:
        return plan_say(m, "apply-vm-missing", vm->use_count > 0, vm->name, NULL,
                        N_("the host has no such VM, and apply makes none"),
                        N_("make it, or take it out of the file"), err);
    case DIFF_VM_AMBIGUOUS:
        return plan_say(m, "apply-vm-ambiguous", true, vm->name, NULL,
                        N_("several VMs of the host are called so"),
                        N_("write the id of the one that is meant"), err);
    case DIFF_MODE:
        return !wants_other_part(difference) ||
               plan_say_mode(m, vm->name, difference->found, err);
    default:
        return true;
    }
}

bool plan_check_wishes(struct maker *m, struct err *err)
{
    const struct desired_host *wanted = m->c->wanted;

    for (size_t g = 0; g < wanted->gpu_count; g++) {
        const struct desired_gpu *gpu = &wanted->gpus[g];
        const struct hv_gpu *found = m->c->gpus[g];
        const struct known_u64 *count = gpu->partition_count.known ? &gpu->partition_count
                                        : found && (found->modes & GPU_MODE_P)
                                            ? &found->partition_count
                                            : NULL;
        size_t whole = 0, parts = 0;

        for (size_t v = 0; v < wanted->vm_count; v++)
            for (size_t u = 0; u < wanted->vms[v].use_count; u++)
                if (wanted->vms[v].uses[u].gpu == (int)g)
                    *(wanted->vms[v].uses[u].mode == GPU_MODE_DDA ? &whole : &parts) +=
                        wanted->vms[v].uses[u].count;
        if (!gpu->instance_id && !gpu->location_path)
            continue; /* any of a model */
        if (whole > 1 || (whole > 0 && parts > 0))
            if (!plan_say(
                    m, "apply-whole", true, gpu->alias, NULL,
                    N_("one VM shall have the whole of this GPU, and others want it, too"),
                    N_("give it to one of them in the file"), err))
                return false;
        if (count && count->known && parts > count->value &&
            !plan_say(
                m, "apply-partitions", false, gpu->alias, NULL,
                N_("more VMs shall have a partition of this GPU than it has partitions: not "
                   "all of them can run at once"),
                NULL, err))
            return false;
    }
    return true;
}
