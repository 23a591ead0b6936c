/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach, detach: give a VM a GPU partition, drivers included, and take it away. */

#include <string.h>

#include "host-views.h"
#include "command.h"
#include "commands.h"
#include "share.h"
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

    return read_attach_options(in, &options, err);
}

static bool plan_attach(const struct invocation *in, struct plan_context *context,
                        struct plan **ret, struct err *err)
{
    struct attach_options options;

    if (!read_attach_options(in, &options, err))
        return false;
    share_context_init(context);
    *ret = share_plan_attach(context, in->host, in->operands[0], &options, err);
    return *ret != NULL;
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

static bool choose_detach(const struct invocation *in, const struct host_views *views,
                          size_t *ret, struct err *err)
{
    return host_views_find_vm(views, in->connector->hosts, in->operands[0], ret, err);
}

/* A partition is of the host that has the VM.  Where that one has none left and another node
 * has, the VM has to move first, which is the cluster's business and not ours. */
static bool choose_attach(const struct invocation *in, const struct host_views *views,
                          size_t *ret, struct err *err)
{
    struct attach_options options;

    return read_attach_options(in, &options, err) &&
           host_views_find_vm(views, in->connector->hosts, in->operands[0], ret, err) &&
           share_check_room((const struct hv_host *const *)views->hosts, views->count, *ret,
                            in->operands[0], &options, err);
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
    { NULL, 0, NULL, NULL },
};

const struct command cmd_attach = {
    .name = "attach",
    .operands = "VM",
    .summary = N_("give a VM a partition of a GPU, drivers included"),
    .flags = CMD_HOST | CMD_ONE_HOST | CMD_CHANGES,
    .options = attach_options,
    .check = check_attach,
    .choose_what = HV_GPUS | HV_VMS | HV_PARTITIONS | HV_CLUSTER,
    .choose = choose_attach,
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
