/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is to say about a placement: findings. */

#include "place-view.h"

#include <string.h>

#include "strbuf.h"
#include "text.h"
#include "tr.h"

#define SRC_FAILOVER \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/gpu-partitioning.md"
#define SRC_ROLES "MicrosoftDocs/windowsserverdocs failover-clustering"

enum { NAMED_MAX = 8 }; /* VMs of one finding; the rest is a number */

/* Names with commas between them, and how many more there are. */
struct names {
    struct strbuf text;
    size_t count;
};

static void put_name(struct names *names, const char *name)
{
    if (names->count++ < NAMED_MAX)
        strbuf_printf(&names->text, "%s%s", names->text.len ? ", " : "", name);
}

static const char *end_names(struct names *names)
{
    if (names->count > NAMED_MAX)
        strbuf_printf(&names->text, _(", and %zu more"), names->count - NAMED_MAX);
    return names->text.text;
}

static void put_vm(struct names *names, const struct placement *p, size_t vm)
{
    const struct hv_vm *its = p->placing.guests[vm].vm;

    put_name(names, its->name ? its->name : its->id);
}

/* The VMs of a kind, if there are any. */
static bool find_vms(struct placement *p,
                     bool (*is_so)(const struct placement *p, size_t vm), const char *id,
                     enum severity severity, const char *cause, const char *fix,
                     const char *source, struct err *err)
{
    struct names names = { STRBUF_INIT, 0 };
    bool ok = true;

    for (size_t i = 0; i < p->placing.vm_count; i++)
        if (is_so(p, i))
            put_vm(&names, p, i);
    if (names.count > 0) {
        const char *seen = end_names(&names);

        ok = names.text.failed ? err_no_memory(err)
                               : findings_add(&p->findings, id, severity, NULL, seen, cause,
                                              fix, source, err);
    }
    strbuf_free(&names.text);
    return ok;
}

static bool is_nowhere(const struct placement *p, size_t vm)
{
    return p->answer.spots[vm].node == PLACE_NOWHERE;
}

static bool is_no_role(const struct placement *p, size_t vm)
{
    return p->placing.vms[vm].stays_down && !is_nowhere(p, vm);
}

static bool is_vague(const struct placement *p, size_t vm)
{
    return p->placing.guests[vm].is_vague;
}

static bool is_pinned(const struct placement *p, size_t vm)
{
    return p->placing.vms[vm].node == PLACE_NOWHERE && p->placing.guests[vm].role &&
           placing_pins(&p->placing, p->answer.spots[vm]);
}

static bool find_nowhere(struct placement *p, struct err *err)
{
    for (size_t i = 0; i < p->placing.vm_count; i++) {
        const struct hv_vm *vm = p->placing.guests[i].vm;

        if (is_nowhere(p, i) &&
            !findings_add(
                &p->findings, "place-nowhere", SEVERITY_ERROR, vm->name ? vm->name : vm->id,
                NULL,
                N_("no host that it may run on has a partition free that is large enough "
                   "and of the model it wants"),
                N_("ask for less, set another partition count, or name more hosts"),
                SRC_FAILOVER, err))
            return false;
    }
    return true;
}

/* One finding per host that may fail. */
static bool find_losses(struct placement *p, struct err *err)
{
    for (size_t i = 0, next; i < p->answer.loss_count; i = next) {
        struct names names = { STRBUF_INIT, 0 };
        size_t node = p->answer.losses[i].node;
        const char *seen;
        bool ok;

        for (next = i; next < p->answer.loss_count && p->answer.losses[next].node == node;
             next++)
            put_vm(&names, p, p->answer.losses[next].vm);
        seen = end_names(&names);
        ok = names.text.failed
                 ? err_no_memory(err)
                 : findings_add(
                       &p->findings, "place-lost", SEVERITY_ERROR,
                       p->fleet->hosts[node].name, seen,
                       N_("if this host fails, these VMs find no partition elsewhere"),
                       p->answer.verdict == PLACE_IMPOSSIBLE
                           ? N_("no placement avoids it: more partitions are needed, or "
                                "fewer VMs that must not move (--move)")
                           : N_("cut GPUs into more partitions, or name more hosts"),
                       SRC_FAILOVER, err);
        strbuf_free(&names.text);
        if (!ok)
            return false;
    }
    return true;
}

/* More VMs than partitions: not all of them can run, whatever fails. */
static bool find_crowded(struct placement *p, struct err *err)
{
    const struct placing *placing = &p->placing;

    for (size_t h = 0; h < placing->host_count; h++) {
        CLEANUP(free_cleanup) char *seen = NULL;
        unsigned used = 0, partitions = 0;

        for (size_t g = 0; g < placing->nodes[h].gpu_count; g++) {
            used += placing_used(placing, h, g);
            partitions += placing->place_gpus[h][g].partitions;
        }
        if (used <= partitions)
            continue;
        seen = text_printf(_("%u VMs, %u partitions"), used, partitions);
        if (!seen)
            return err_no_memory(err);
        if (!findings_add(
                &p->findings, "place-crowded", SEVERITY_WARNING, p->fleet->hosts[h].name,
                seen,
                N_("more VMs have an adapter than the host has partitions: not all "
                   "of them can run at a time"),
                N_("detach it from some, or set more partitions"), SRC_FAILOVER, err))
            return false;
    }
    return true;
}

static bool find_hosts(struct placement *p, struct err *err)
{
    struct names missing = { STRBUF_INIT, 0 }, dark = { STRBUF_INIT, 0 };
    bool ok = true;

    for (size_t h = 0; h < p->fleet->count; h++)
        if (!p->hosts[h])
            put_name(&missing, p->fleet->hosts[h].name);
        else if (p->hosts[h]->is_server && !p->hosts[h]->cluster &&
                 p->hosts[h]->platform.clustered == TRI_UNKNOWN)
            put_name(&dark, p->fleet->hosts[h].name);
    if (missing.count > 0)
        ok = findings_add(
            &p->findings, "place-host-missing", SEVERITY_WARNING, NULL, end_names(&missing),
            N_("hosts that did not answer are left out: neither their GPUs nor their VMs are "
               "counted"),
            N_("run it again when they answer"), SRC_FAILOVER, err);
    if (ok && dark.count > 0)
        ok = findings_add(
            &p->findings, "place-cluster-unknown", SEVERITY_WARNING, NULL, end_names(&dark),
            N_("whether these belong to a cluster could not be read, so who may own a VM is "
               "not known"),
            N_("use an account that may look at the cluster"), SRC_ROLES, err);
    if (missing.text.failed || dark.text.failed)
        ok = err_no_memory(err);
    strbuf_free(&missing.text);
    strbuf_free(&dark.text);
    return ok;
}

static bool find_safe(struct placement *p, struct err *err)
{
    bool all = true;

    for (size_t h = 0; h < p->fleet->count; h++)
        all &= p->hosts[h] != NULL;
    return findings_add(
        &p->findings, "place-safe", SEVERITY_OK, NULL, NULL,
        all ? N_("any one host can fail: each VM finds a partition on another")
            : N_("any one of the hosts that answered can fail: each VM of it finds a "
                 "partition on another"),
        NULL, SRC_FAILOVER, err);
}

bool placement_judge(struct placement *p, struct err *err)
{
    if (!find_hosts(p, err))
        return false;
    if (!p->is_known || p->placing.vm_count == 0)
        return true;
    if (!find_vms(
            p, is_no_role, "place-no-role", SEVERITY_WARNING,
            N_("these VMs are on a node of a cluster and no roles of it: if their host "
               "fails, nothing starts them elsewhere"),
            N_("make them roles with Add-ClusterVirtualMachineRole"), SRC_ROLES, err) ||
        !find_vms(
            p, is_vague, "place-unpinned", SEVERITY_WARNING,
            N_("their adapters name no GPU and those of the host are not alike: which "
               "one they get is seen when they start"),
            N_("name it: 'hvgpu attach VM --gpu GPU --replace'"), SRC_FAILOVER, err) ||
        !find_vms(p, is_pinned, "place-pinned", SEVERITY_INFO,
                  N_("the GPUs of their host are not alike, so the adapter names one; they "
                     "start only where a card has its path"),
                  NULL, SRC_FAILOVER, err) ||
        !find_crowded(p, err))
        return false;
    if (p->answer.verdict == PLACE_SAFE)
        return find_safe(p, err);
    if (p->answer.verdict == PLACE_UNDECIDED &&
        !findings_add(
            &p->findings, "place-undecided", SEVERITY_WARNING, NULL, NULL,
            N_("no placement was found with which any one host can fail, and it is "
               "not proven that there is none"),
            N_("leave more partitions free"), SRC_FAILOVER, err))
        return false;
    return find_nowhere(p, err) && find_losses(p, err);
}
