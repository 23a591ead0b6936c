/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach, detach: give a VM a GPU partition, drivers included, and take it away. */

#include <string.h>

#include "attach-node.h"
#include "command.h"
#include "commands.h"
#include "inventory.h"
#include "placing.h"
#include "session.h"
#include "share-plan.h"
#include "text.h"
#include "tr.h"

static bool is_given(const struct invocation *in, const char *name)
{
    return option_get(in, name) != NULL;
}

static bool read_attach_options(const struct invocation *in, struct attach_options *ret,
                                struct err *err)
{
    *ret = (struct attach_options){
        .gpu = option_get(in, "gpu"),
        .stop = is_given(in, "stop"),
        .force_stop = is_given(in, "force-stop"),
        .start = is_given(in, "start"),
        .no_drivers = is_given(in, "no-drivers"),
        .replace = is_given(in, "replace"),
        .share_percent.known = is_given(in, "share"),
    };
    return option_get_u64(in, "share", &ret->share_percent.value, err) &&
           option_get_size(in, "vram", &ret->vram_bytes.known, &ret->vram_bytes.value,
                           err) &&
           option_get_size(in, "low-mmio", &ret->wish.low_mmio_bytes.known,
                           &ret->wish.low_mmio_bytes.value, err) &&
           option_get_size(in, "high-mmio", &ret->wish.high_mmio_bytes.known,
                           &ret->wish.high_mmio_bytes.value, err);
}

static bool check_attach(const struct invocation *in, struct err *err)
{
    struct attach_options options;
    bool chooses = is_given(in, "cluster");
    const char *name;

    for (size_t n = 0; (name = option_get_nth(in, "host", n)); n++)
        chooses |= text_ieq(name, "auto");
    if (is_given(in, "move") && !chooses) {
        err_fail(err, ERR_INVALID, 0, _("--move needs a node to choose"));
        return err_hint(err, _("add -H auto to a node of the cluster, or --cluster"));
    }
    return read_attach_options(in, &options, err);
}

/* From the node that has the VM to the one at hand. */
static struct plan *plan_moved(const struct invocation *in, struct plan_context *context,
                               const struct attach_options *options, struct err *err)
{
    const struct attach_node *chosen = in->data;
    const char *owner = in->connector->hosts->items[chosen->owner].name;
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    CLEANUP(hv_host_cleanup) struct hv_host *from = NULL;

    session = command_connect(in, owner, err);
    if (!session || !hv_inventory_read(session, owner, SHARE_ATTACHES, &from, err))
        return NULL;
    return share_plan_attach_moved(context, in->host, from, chosen->vm_id, options, err);
}

static bool say_unsafe(const struct invocation *in, struct plan *plan, struct err *err)
{
    const struct attach_node *chosen = in->data;

    return !chosen || !chosen->unsafe ||
           plan_find(
               plan, "attach-unsafe", "warning", in->operands[0], chosen->unsafe,
               N_("with this partition taken not every VM finds one elsewhere if a node "
                  "fails, and no other node does better"),
               N_("see who with 'hvgpu partition place'; more partitions are needed"),
               "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/gpu-partitioning.md",
               err);
}

static bool plan_attach(const struct invocation *in, struct plan_context *context,
                        struct plan **ret, struct err *err)
{
    const struct attach_node *chosen = in->data;
    struct attach_options options;

    if (!read_attach_options(in, &options, err))
        return false;
    share_context_init(context);
    *ret = chosen && chosen->owner != chosen->node
               ? plan_moved(in, context, &options, err)
               : share_plan_attach(context, in->host, in->operands[0], &options, err);
    return *ret && say_unsafe(in, *ret, err);
}

static bool plan_detach(const struct invocation *in, struct plan_context *context,
                        struct plan **ret, struct err *err)
{
    struct detach_options options = {
        .gpu = option_get(in, "gpu"),
        .stop = is_given(in, "stop"),
        .force_stop = is_given(in, "force-stop"),
        .start = is_given(in, "start"),
        .no_drivers = is_given(in, "no-drivers"),
    };

    share_context_init(context);
    *ret = share_plan_detach(context, in->host, in->operands[0], &options, err);
    return *ret != NULL;
}

static bool choose_detach(struct invocation *in, const struct host_views *views,
                          size_t *ret, struct err *err)
{
    return host_views_find_vm(views, in->connector->hosts, in->operands[0], ret, err);
}

static bool choose_attach(struct invocation *in, const struct host_views *views,
                          size_t *ret, struct err *err)
{
    struct attach_options options;
    struct attach_node *chosen = NULL;

    if (!read_attach_options(in, &options, err) ||
        !attach_node_choose(views, in->connector->hosts, in->operands[0], &options,
                            is_given(in, "move"), &chosen, err))
        return false;
    in->data = chosen;
    *ret = chosen->node;
    return true;
}

static void end_attach(struct invocation *in)
{
    attach_node_free(in->data);
    in->data = NULL;
}

static void finish(const struct invocation *in, struct plan_context *context)
{
    share_context_clear(context);
}

static const struct option_spec attach_options[] = {
    { "gpu", 'g', "GPU", N_("which GPU (default: the only one that can be shared)") },
    { "share", 0, "PERCENT", N_("quota of the GPU (GPU-P only; GPU-PV ignores quotas)") },
    { "vram", 0, "SIZE", N_("a partition with this much memory at least (GPU-P only)") },
    { "low-mmio", 0, "SIZE", N_("device memory window below 4 GB (default: computed)") },
    { "high-mmio", 0, "SIZE", N_("device memory window above 4 GB (default: computed)") },
    { "stop", 0, NULL, N_("shut the VM down first if it runs, and start it again") },
    { "force-stop", 0, NULL, N_("turn the VM off first if it runs") },
    { "start", 0, NULL, N_("start the VM afterwards") },
    { "no-drivers", 0, NULL, N_("leave the guest's disk alone") },
    { "replace", 0, NULL, N_("instead of the GPU the VM has, not beside it") },
    { "move", 0, NULL,
      N_("with -H auto: have the cluster move the VM, if it is off, to the node that fits") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_attach = {
    .name = "attach",
    .operands = "VM",
    .summary = N_("give a VM a partition of a GPU, drivers included"),
    .flags = CMD_HOST | CMD_ONE_HOST | CMD_CHANGES,
    .options = attach_options,
    .check = check_attach,
    .choose_what = PLACING_WHAT,
    .choose = choose_attach,
    .end = end_attach,
    .plan = plan_attach,
    .finish = finish,
};

static const struct option_spec detach_options[] = {
    { "gpu", 'g', "GPU", N_("which GPU (default: the only one the VM has)") },
    { "stop", 0, NULL, N_("shut the VM down first if it runs, and start it again") },
    { "force-stop", 0, NULL, N_("turn the VM off first if it runs") },
    { "start", 0, NULL, N_("start the VM afterwards") },
    { "no-drivers", 0, NULL, N_("leave the drivers in the guest") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_detach = {
    .name = "detach",
    .operands = "VM",
    .summary = N_("take a GPU partition away, drivers included"),
    .flags = CMD_HOST | CMD_ONE_HOST | CMD_CHANGES,
    .options = detach_options,
    .choose_what = HV_VMS,
    .choose = choose_detach,
    .plan = plan_detach,
    .finish = finish,
};
