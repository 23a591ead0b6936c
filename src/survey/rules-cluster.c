/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is judged about a failover cluster: what would keep a VM with a GPU from coming up on
 * another node, or from moving there while it runs.
 */

#include "builds.h"
#include "cluster-view.h"
#include "sources.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

#define SRC_CLUSTERED_DDA \
    "MicrosoftDocs/windowsserverdocs failover-clustering use-gpu-with-clustered-vm.md"

static bool is_azure(const struct hv_host *host)
{
    return host->product && text_istr(host->product, "Azure");
}

/* ---- nodes compared ---- */

/* What differs: one text per node, from its GPUs with hardware partitions. */
typedef void describe_fn(const struct hv_gpu *gpu, struct strbuf *to);

static void put_model(const struct hv_gpu *gpu, struct strbuf *to)
{
    strbuf_printf(to, "%s (%s", gpu->name ? gpu->name : "?",
                  gpu->pci_id ? gpu->pci_id : "?");
    if (gpu->vram_bytes.known)
        strbuf_printf(to, ", %llu MB", (unsigned long long)(gpu->vram_bytes.value / MIB));
    strbuf_puts(to, ")");
}

static void put_partitions(const struct hv_gpu *gpu, struct strbuf *to)
{
    if (gpu->partition_count.known)
        strbuf_printf(to, "%llu", (unsigned long long)gpu->partition_count.value);
    else
        strbuf_puts(to, "?");
}

/* Without the model: that they differ is a finding of its own. */
static void put_driver(const struct hv_gpu *gpu, struct strbuf *to)
{
    strbuf_puts(to, gpu->driver_version ? gpu->driver_version : "?");
}

/* Each different description once, in the order of the GPUs.  Returns how many. */
static unsigned describe(const struct hv_host *host, describe_fn *put, struct strbuf *to)
{
    unsigned count = 0;

    for (size_t i = 0; i < host->gpu_count; i++) {
        CLEANUP(strbuf_cleanup) struct strbuf one = STRBUF_INIT;
        bool is_new = gpu_has_hardware_partitions(&host->gpus[i]);

        if (!is_new)
            continue;
        put(&host->gpus[i], &one);
        for (size_t k = 0; k < i && is_new; k++) {
            CLEANUP(strbuf_cleanup) struct strbuf other = STRBUF_INIT;

            if (!gpu_has_hardware_partitions(&host->gpus[k]))
                continue;
            put(&host->gpus[k], &other);
            is_new = !text_ieq(one.text, other.text);
        }
        if (is_new)
            strbuf_printf(to, "%s%s", count++ ? ", " : "", one.text ? one.text : "");
    }
    return count;
}

/* Whether nodes are described otherwise than others, or (@each_alike) one by more than one
 * thing; then each node has a line in @seen. */
static bool differs(const struct cluster_view *view, describe_fn *put, bool each_alike,
                    struct strbuf *seen)
{
    CLEANUP(strbuf_cleanup) struct strbuf first = STRBUF_INIT, lines = STRBUF_INIT;
    bool found = false;

    for (size_t h = 0; h < view->host_count; h++) {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
        unsigned count = describe(view->hosts[h], put, &text);

        if (count == 0)
            continue; /* a finding of its own */
        found |= each_alike && count > 1;
        if (!first.text)
            strbuf_puts(&first, text.text);
        else
            found |= !text_ieq(first.text, text.text);
        strbuf_printf(&lines, "%s%s: %s", lines.len ? "\n" : "",
                      view->hosts[h]->computer_name ? view->hosts[h]->computer_name
                                                    : view->hosts[h]->name,
                      text.text);
    }
    if (lines.failed || first.failed)
        seen->failed = true;
    if (found && lines.text)
        strbuf_puts(seen, lines.text);
    return found;
}

static enum severity judge_models(const struct survey_facts *f, struct strbuf *seen)
{
    return f->cluster && differs(f->cluster, put_model, true, seen) ? SEVERITY_ERROR
                                                                    : SEVERITY_OK;
}

static enum severity judge_counts(const struct survey_facts *f, struct strbuf *seen)
{
    return f->cluster && differs(f->cluster, put_partitions, true, seen) ? SEVERITY_ERROR
                                                                         : SEVERITY_OK;
}

static enum severity judge_drivers(const struct survey_facts *f, struct strbuf *seen)
{
    return f->cluster && differs(f->cluster, put_driver, false, seen) ? SEVERITY_WARNING
                                                                      : SEVERITY_OK;
}

static unsigned count_gpus(const struct hv_host *host)
{
    unsigned count = 0;

    for (size_t i = 0; i < host->gpu_count; i++)
        count += gpu_has_hardware_partitions(&host->gpus[i]);
    return count;
}

static enum severity judge_number(const struct survey_facts *f, struct strbuf *seen)
{
    CLEANUP(strbuf_cleanup) struct strbuf lines = STRBUF_INIT;
    unsigned first = 0;
    bool found = false;

    for (size_t h = 0; f->cluster && h < f->cluster->host_count; h++) {
        const struct hv_host *host = f->cluster->hosts[h];
        unsigned count = count_gpus(host);

        if (count == 0)
            continue;
        found |= first > 0 && count != first;
        first = first ? first : count;
        strbuf_printf(&lines, "%s%s: %u", lines.len ? "\n" : "",
                      host->computer_name ? host->computer_name : host->name, count);
    }
    if (!found)
        return SEVERITY_OK;
    strbuf_puts(seen, lines.text ? lines.text : "");
    return SEVERITY_WARNING;
}

/* ---- one node ---- */

static enum severity judge_state(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->node)
        return SEVERITY_OK;
    if (f->node->state.known && f->node->state.value != NODE_UP) {
        const char *name = node_state_name(f->node->state.value);

        strbuf_printf(seen, _("the cluster says that it is %s"), name ? name : "?");
        return SEVERITY_WARNING;
    }
    if (f->host)
        return SEVERITY_OK;
    strbuf_puts(seen, _("it was not read"));
    return SEVERITY_WARNING;
}

static enum severity judge_build(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->node || !f->host || !f->host->build.known ||
        f->host->build.value >= BUILD_SERVER_2025)
        return SEVERITY_OK;
    strbuf_printf(seen, _("the host is build %llu"),
                  (unsigned long long)f->host->build.value);
    /* Azure Local restarts such VMs on another node, and moves none alive. */
    return is_azure(f->host) ? SEVERITY_WARNING : SEVERITY_ERROR;
}

static enum severity judge_edition(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->node || !f->host || !f->host->edition || is_azure(f->host) ||
        text_istarts(f->host->edition, "ServerDatacenter"))
        return SEVERITY_OK;
    strbuf_printf(seen, _("the host's edition is %.60s"), f->host->edition);
    return SEVERITY_ERROR;
}

static enum severity judge_no_gpu(const struct survey_facts *f, struct strbuf *seen)
{
    bool others = false;

    if (!f->node || !f->host || count_gpus(f->host) > 0)
        return SEVERITY_OK;
    for (size_t h = 0; h < f->cluster->host_count; h++)
        others |= count_gpus(f->cluster->hosts[h]) > 0;
    if (!others)
        return SEVERITY_OK;
    strbuf_puts(seen, _("it has no GPU with hardware partitions, other nodes have"));
    for (size_t i = 0; i < f->host->gpu_count; i++) {
        const char *status = gpu_status_name(f->host->gpus[i].status);

        strbuf_printf(seen, "\n%s: %s", f->host->gpus[i].name ? f->host->gpus[i].name : "?",
                      status ? status : "?");
    }
    return SEVERITY_ERROR;
}

static enum severity judge_no_moving(const struct survey_facts *f, struct strbuf *seen)
{
    unsigned found = 0;

    for (size_t i = 0; f->node && f->host && i < f->host->gpu_count; i++)
        if (gpu_has_hardware_partitions(&f->host->gpus[i]) &&
            f->host->gpus[i].incoming_live_migration == TRI_NO)
            strbuf_printf(seen, _("%s%s takes no VM that moves while it runs"),
                          found++ ? "\n" : "",
                          f->host->gpus[i].name ? f->host->gpus[i].name : "?");
    return found ? SEVERITY_WARNING : SEVERITY_OK;
}

/* ---- one VM ---- */

static enum severity judge_action(const struct survey_facts *f, struct strbuf *seen)
{
    const struct hv_role *role = f->cluster ? f->role : NULL;
    const char *name;

    if (!role || !role->offline_action.known || role->offline_action.value == OFFLINE_FORCE)
        return SEVERITY_OK;
    name = offline_action_name(role->offline_action.value);
    strbuf_printf(seen, _("its cluster role's offline action is '%s'"), name ? name : "?");
    return SEVERITY_ERROR;
}

static enum severity judge_devices(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->cluster || !f->role || !f->vm || f->vm->device_count == 0)
        return SEVERITY_OK;
    strbuf_printf(seen, _("%zu devices are assigned to it whole"), f->vm->device_count);
    return SEVERITY_WARNING;
}

static enum severity judge_paravirtual(const struct survey_facts *f, struct strbuf *seen)
{
    for (size_t i = 0; f->cluster && f->role && f->vm && i < f->vm->adapter_count; i++) {
        const struct hv_gpu *gpu = hv_adapter_gpu(f->host, &f->vm->adapters[i]);

        if (!gpu || gpu_has_hardware_partitions(gpu))
            continue;
        strbuf_printf(seen, _("it has a paravirtual partition of %s"),
                      gpu->name ? gpu->name : "?");
        return SEVERITY_ERROR;
    }
    return SEVERITY_OK;
}

static bool has_path(const struct hv_host *host, const char *path)
{
    for (size_t i = 0; i < host->gpu_count; i++)
        if (text_ieq(host->gpus[i].interface_path, path))
            return true;
    return false;
}

static enum severity judge_pin(const struct survey_facts *f, struct strbuf *seen)
{
    unsigned found = 0;

    for (size_t i = 0; f->cluster && f->role && f->vm && i < f->vm->adapter_count; i++) {
        const char *pin = f->vm->adapters[i].interface_path;

        /* A node without any such GPU is a finding of its own. */
        for (size_t h = 0; pin && h < f->cluster->host_count; h++)
            if (count_gpus(f->cluster->hosts[h]) > 0 &&
                !has_path(f->cluster->hosts[h], pin))
                strbuf_printf(seen, _("%s%s has no GPU by the path that its adapter names"),
                              found++ ? "\n" : "",
                              f->cluster->hosts[h]->computer_name
                                  ? f->cluster->hosts[h]->computer_name
                                  : f->cluster->hosts[h]->name);
    }
    return found ? SEVERITY_ERROR : SEVERITY_OK;
}

static enum severity judge_capacity(const struct survey_facts *f, struct strbuf *seen)
{
    for (size_t i = 0; f->cluster && f->vm && i < f->cluster->stranded_count; i++) {
        const struct cluster_stranded *one = &f->cluster->stranded[i];

        if (one->vm != f->vm)
            continue;
        strbuf_printf(seen, _("if %s fails, no other node has a free partition for it"),
                      one->host->computer_name ? one->host->computer_name
                                               : one->host->name);
        return SEVERITY_ERROR;
    }
    return SEVERITY_OK;
}

static enum severity judge_no_role(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->cluster || !f->vm || f->role)
        return SEVERITY_OK;
    strbuf_printf(seen, _("it is on %s and no role of the cluster"),
                  f->host->computer_name ? f->host->computer_name : f->host->name);
    return SEVERITY_INFO;
}

const struct rule survey_cluster_rules[] = {
    { "cluster-build", ABOUT_NODE, GPU_MODE_P, judge_build,
      N_("in a cluster VMs with a GPU partition come up on, and move to, nodes of Windows "
         "Server 2025 (build 26100) or newer"),
      N_("update the node"), SRC_PARTITION, SAYS_BY_SEVERITY },
    { "cluster-capacity", ABOUT_ROLE, GPU_MODE_P, judge_capacity,
      N_("it would not come up again: VMs with a GPU restart only where a partition is free"),
      N_("set more partitions per GPU, or detach the GPU from VMs that can do without"),
      SRC_PARTITION, SAYS_BY_SEVERITY },
    { "cluster-dda", ABOUT_ROLE, GPU_MODE_P, judge_devices,
      N_("a VM with an assigned device cannot move while it runs, and comes up elsewhere only "
         "out of a pool of the same name on each node"),
      N_("use a GPU partition, or a pool on each node"), SRC_CLUSTERED_DDA,
      SAYS_BY_SEVERITY },
    { "cluster-driver", ABOUT_CLUSTER, GPU_MODE_P, judge_drivers,
      N_("the guest has the driver of the node it was prepared on; on a node with another one "
         "the GPU may not work"),
      N_("install the same driver on every node, then run 'hvgpu driver sync'"),
      SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "cluster-edition", ABOUT_NODE, GPU_MODE_P, judge_edition,
      N_("GPU partitions are supported in a cluster only with the Datacenter edition"),
      N_("use Windows Server 2025 Datacenter on all nodes"), SRC_ASSIGN_VM,
      SAYS_BY_SEVERITY },
    { "cluster-gpu-model", ABOUT_CLUSTER, GPU_MODE_P, judge_models,
      N_("every GPU of every node must be of the same make, model and size"),
      N_("move the odd cards out, or switch their SR-IOV off"), SRC_PARTITION,
      SAYS_BY_SEVERITY },
    { "cluster-gpu-number", ABOUT_CLUSTER, GPU_MODE_P, judge_number,
      N_("a node with fewer GPUs takes fewer of the VMs of another"),
      N_("give every node the same number of GPUs"), SRC_PARTITION, SAYS_BY_SEVERITY },
    { "cluster-live-migration", ABOUT_NODE, GPU_MODE_P, judge_no_moving,
      N_("VMs are restarted there instead of moved: the driver or the processor's IOMMU cannot "
         "track what a GPU writes"),
      N_("install a driver of WDDM 3.2 that supports live migration; the processor needs "
         "IOMMU DMA bit tracking"),
      "MicrosoftDocs/windows-driver-docs display/live-migration-on-gpup-devices.md",
      SAYS_BY_SEVERITY },
    { "cluster-no-gpu", ABOUT_NODE, GPU_MODE_P, judge_no_gpu,
      N_("VMs with a GPU do not come up on this node"),
      N_("install the same GPU and driver there, with SR-IOV on in the firmware"),
      SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "cluster-no-role", ABOUT_ROLE, GPU_MODE_P, judge_no_role,
      N_("the VM stays where it is when its node fails"),
      N_("make it highly available with Add-ClusterVirtualMachineRole, if it should not"),
      SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "cluster-node", ABOUT_NODE, GPU_MODE_P, judge_state,
      N_("no VM can go there now, and what it has was not compared"),
      N_("bring the node up and look again"), "clusapi.h CLUSTER_NODE_STATE",
      SAYS_BY_SEVERITY },
    { "cluster-offline-action", ABOUT_ROLE, GPU_MODE_P, judge_action,
      N_("a VM with a GPU cannot be saved, so its node cannot be drained"),
      N_("'hvgpu attach' sets it to a forced shutdown; or: Set-ClusterParameter OfflineAction "
         "3"),
      SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "cluster-paravirtual", ABOUT_ROLE, GPU_MODE_P, judge_paravirtual,
      N_("a cluster cannot start a VM with a paravirtual GPU: not supported (0x32)"),
      N_("use a GPU with hardware partitions, or take the VM out of the cluster first"),
      "MicrosoftDocs/SupportArticles Hyper-V GPU partition troubleshooting",
      SAYS_BY_SEVERITY },
    { "cluster-partition-count", ABOUT_CLUSTER, GPU_MODE_P, judge_counts,
      N_("the partition count of every GPU of every node must be the same"),
      N_("set it with 'hvgpu --cluster partition set'"), SRC_PARTITION, SAYS_BY_SEVERITY },
    { "cluster-pinned", ABOUT_ROLE, GPU_MODE_P, judge_pin,
      N_("it does not start on a node that has no GPU by that path"),
      N_("detach the GPU and attach it again without --gpu"),
      SRC_ASSIGN_VM " (adds adapters without a path)", SAYS_BY_SEVERITY },
    { NULL },
};
