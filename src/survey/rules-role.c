/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is judged about a VM that is a role of a failover cluster and is to have a GPU. */

#include "failover.h"
#include "sources.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

enum { SHARING = GPU_MODE_PV | GPU_MODE_P };
enum { ROLE_ONLINE_PENDING = 129, ROLE_OFFLINE_PENDING = 130 };

/* A cluster that may not be looked at may have the VM as a role all the same. */
static enum severity judge_unknown(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->host || !f->vm || !f->request || !f->host->is_server ||
        f->host->platform.clustered != TRI_UNKNOWN || !f->host->platform.policy_read)
        return SEVERITY_OK;
    strbuf_puts(seen, _("the host does not tell whether it belongs to a cluster"));
    return SEVERITY_WARNING;
}

static enum severity judge_offline_action(const struct survey_facts *f, struct strbuf *seen)
{
    const char *name;

    if (!f->role || !f->request ||
        (f->role->offline_action.known && f->role->offline_action.value == OFFLINE_FORCE))
        return SEVERITY_OK;
    name = f->role->offline_action.known
               ? offline_action_name(f->role->offline_action.value)
               : NULL;
    strbuf_printf(seen, _("its cluster role's offline action is '%s'"), name ? name : "?");
    return SEVERITY_INFO;
}

static enum severity judge_busy(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->role || !f->request || !f->role->state.known ||
        (f->role->state.value != ROLE_ONLINE_PENDING &&
         f->role->state.value != ROLE_OFFLINE_PENDING))
        return SEVERITY_OK;
    strbuf_printf(seen, _("the state of its cluster role is '%s'"),
                  role_state_name(f->role->state.value));
    return SEVERITY_ERROR;
}

static enum severity judge_paravirtual(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->role || !f->vm)
        return SEVERITY_OK;
    strbuf_printf(seen, _("it is the cluster's group '%.120s'"),
                  f->role->group ? f->role->group : "?");
    return f->request ? SEVERITY_ERROR : SEVERITY_WARNING;
}

static enum severity judge_pinned(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->role || !f->request || !f->is_pinned || !f->gpu || !f->gpu->interface_path)
        return SEVERITY_OK;
    strbuf_printf(seen, _("its adapter names one GPU: %.400s"), f->gpu->interface_path);
    return SEVERITY_INFO;
}

static enum severity judge_edition(const struct survey_facts *f, struct strbuf *seen)
{
    if (!f->role || !f->host || !f->host->is_server || !f->host->edition ||
        text_istarts(f->host->edition, "ServerDatacenter") ||
        (f->host->product && text_istr(f->host->product, "Azure")))
        return SEVERITY_OK;
    strbuf_printf(seen, _("the host's edition is %.60s"), f->host->edition);
    return SEVERITY_WARNING;
}

const struct rule survey_role_rules[] = {
    { "vm-cluster-edition", ABOUT_VM, GPU_MODE_P, judge_edition,
      N_("GPU partitions are supported in a cluster only with the Datacenter edition"),
      N_("expect no failover; use Windows Server 2025 Datacenter on all nodes"),
      SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "vm-cluster-paravirtual", ABOUT_VM, GPU_MODE_PV, judge_paravirtual,
      N_("a cluster cannot start a VM with a paravirtual GPU: not supported (0x32)"),
      N_("use a GPU with hardware partitions, or take the VM out of the cluster first"),
      "MicrosoftDocs/SupportArticles Hyper-V GPU partition troubleshooting",
      SAYS_BY_SEVERITY },
    { "vm-cluster-unknown", ABOUT_VM, SHARING, judge_unknown,
      N_("of a VM in a cluster the offline action must be changed, too"),
      N_("use an account that may look at the cluster (Grant-ClusterAccess), or look with "
         "Get-ClusterResource"),
      SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "vm-offline-action", ABOUT_VM, SHARING, judge_offline_action,
      N_("a VM with a GPU cannot be saved, so its node could not be drained; this will be "
         "changed to a forced shutdown, and set back when the GPU is taken away"),
      NULL, SRC_ASSIGN_VM, SAYS_BY_SEVERITY },
    { "vm-pinned", ABOUT_VM, GPU_MODE_P, judge_pinned,
      N_("it starts only on nodes that have a GPU by the same path"),
      N_("leave --gpu out where the GPUs of all nodes are alike"),
      SRC_ASSIGN_VM " (adds adapters without a path)", SAYS_BY_SEVERITY },
    { "vm-role-busy", ABOUT_VM, SHARING, judge_busy,
      N_("the cluster is starting, stopping or moving the VM"),
      N_("wait until it is done and run the command again"),
      "clusapi.h CLUSTER_RESOURCE_STATE", SAYS_BY_SEVERITY },
    { NULL },
};
