/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dda assign, return, recover: a whole card into a VM, back, and out of what is in between. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "dda.h"
#include "text.h"
#include "tr.h"

static bool is_given(const struct invocation *in, const char *name)
{
    return option_get(in, name) != NULL;
}

/* "acs", "mitigations", or both with a comma between. */
static bool read_unsafe(const struct invocation *in, struct dda_assign_options *ret,
                        struct err *err)
{
    const char *text = option_get(in, "allow-unsafe");

    while (text) {
        size_t len = strcspn(text, ",");

        if (len == 3 && strncmp(text, "acs", len) == 0) {
            ret->waive_acs = true;
        } else if (len == 11 && strncmp(text, "mitigations", len) == 0) {
            ret->waive_mitigations = true;
        } else {
            err_fail(err, ERR_INVALID, 0, _("--allow-unsafe: '%.40s' is nothing to allow"),
                     text);
            return err_hint(err, _("say what the device may lack: acs, mitigations, or "
                                   "acs,mitigations"));
        }
        text = text[len] ? text + len + 1 : NULL;
    }
    return true;
}

static bool read_assign_options(const struct invocation *in, struct dda_assign_options *ret,
                                struct err *err)
{
    *ret = (struct dda_assign_options){
        .gpu = option_get(in, "gpu"),
        .only = is_given(in, "only"),
        .stop = is_given(in, "stop"),
        .force_stop = is_given(in, "force-stop"),
        .start = is_given(in, "start"),
        .take_console = is_given(in, "take-console"),
    };
    if (!ret->gpu) {
        err_fail(err, ERR_INVALID, 0, _("--%s is missing"), "gpu");
        return err_hint(err,
                        _("a whole device is never chosen by guessing; 'hvgpu dda list' "
                          "shows them"));
    }
    return option_get_size(in, "low-mmio", &ret->low_mmio_bytes.known,
                           &ret->low_mmio_bytes.value, err) &&
           option_get_size(in, "high-mmio", &ret->high_mmio_bytes.known,
                           &ret->high_mmio_bytes.value, err) &&
           read_unsafe(in, ret, err);
}

static bool check_assign(const struct invocation *in, struct err *err)
{
    struct dda_assign_options options;

    return read_assign_options(in, &options, err);
}

static bool plan_assign(const struct invocation *in, struct plan_context *context,
                        struct plan **ret, struct err *err)
{
    struct dda_assign_options options;

    if (!read_assign_options(in, &options, err))
        return false;
    *ret = dda_plan_assign(context, in->host, in->operands[0], &options, err);
    return *ret != NULL;
}

static bool plan_return(const struct invocation *in, struct plan_context *context,
                        struct plan **ret, struct err *err)
{
    struct dda_return_options options = {
        .vm = in->operand_count > 0 ? in->operands[0] : NULL,
        .gpu = option_get(in, "gpu"),
        .only = is_given(in, "only"),
        .stop = is_given(in, "stop"),
        .force_stop = is_given(in, "force-stop"),
        .start = is_given(in, "start"),
    };

    *ret = dda_plan_return(context, in->host, &options, err);
    return *ret != NULL;
}

static bool plan_recover(const struct invocation *in, struct plan_context *context,
                         struct plan **ret, struct err *err)
{
    struct dda_recover_options options = {
        .gpu = option_get(in, "gpu"),
        .stop = is_given(in, "stop"),
        .force_stop = is_given(in, "force-stop"),
    };

    *ret = dda_plan_recover(context, in->host, &options, err);
    return *ret != NULL;
}

static const struct option_spec assign_options[] = {
    { "gpu", 'g', "GPU", N_("which GPU; the other functions of its card go with it") },
    { "only", 0, NULL, N_("this function alone, not the whole card") },
    { "low-mmio", 0, "SIZE", N_("device memory window below 4 GB (default: computed)") },
    { "high-mmio", 0, "SIZE", N_("device memory window above 4 GB (default: computed)") },
    { "stop", 0, NULL, N_("shut the VM down first if it runs, and start it again") },
    { "force-stop", 0, NULL, N_("turn the VM off first if it runs") },
    { "start", 0, NULL, N_("start the VM afterwards") },
    { "take-console", 0, NULL, N_("also the only display of the host") },
    { "allow-unsafe", 0, "WHAT",
      N_("do not demand: acs, mitigations, or acs,mitigations") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_dda_assign = {
    .name = "dda assign",
    .operands = "VM",
    .summary = N_("give a VM a whole GPU"),
    .flags = CMD_HOST | CMD_ONE_HOST | CMD_CHANGES,
    .options = assign_options,
    .check = check_assign,
    .plan = plan_assign,
};

static const struct option_spec return_options[] = {
    { "gpu", 'g', "GPU", N_("which GPU (default: all devices of the VM)") },
    { "only", 0, NULL, N_("this function alone, not the whole card") },
    { "stop", 0, NULL, N_("shut the VM down first if it runs, and start it again") },
    { "force-stop", 0, NULL, N_("turn the VM off first if it runs") },
    { "start", 0, NULL, N_("start the VM afterwards") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_dda_return = {
    .name = "dda return",
    .operands = "[VM]",
    .summary = N_("give whole GPUs back to the host"),
    .flags = CMD_HOST | CMD_ONE_HOST | CMD_CHANGES,
    .options = return_options,
    .plan = plan_return,
};

static const struct option_spec recover_options[] = {
    { "gpu", 'g', "GPU", N_("only this one and its card") },
    { "stop", 0, NULL, N_("shut VMs down that have to be off, and start them again") },
    { "force-stop", 0, NULL, N_("turn VMs off that have to be") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_dda_recover = {
    .name = "dda recover",
    .summary = N_("bring home devices that are neither the host's nor a VM's"),
    .flags = CMD_HOST | CMD_ONE_HOST | CMD_CHANGES,
    .options = recover_options,
    .plan = plan_recover,
};
