/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apply: makes hosts what a file wants, a plan for each. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "desired-file.h"
#include "drift.h"
#include "fleet.h"
#include "plan-host.h"
#include "share.h"
#include "text.h"
#include "tr.h"

static bool is_given(const struct invocation *in, const char *name)
{
    return option_get(in, name) != NULL;
}

/* One of many: the others go on without it.  The only one shows all that was found. */
static bool fail_if_forbidden(struct fleet_host *host, struct err *err)
{
    const char *fix = NULL, *subject = NULL, *cause;
    const json_t *finding;
    size_t i;

    cause = plan_first_error(host->plan, &fix);
    if (!cause || host->fleet->count == 1)
        return true;
    json_array_foreach(host->plan->findings, i, finding)
    {
        const char *its = json_string_value(json_object_get(finding, "cause"));

        if (its && strcmp(its, cause) == 0)
            subject = json_string_value(json_object_get(finding, "subject"));
        if (subject)
            break;
    }
    err_fail(err, ERR_CONFLICT, 0, "%s%s%s", subject ? subject : "", subject ? ": " : "",
             _(cause));
    if (fix)
        err_hint(err, "%s", _(fix));
    plan_free(host->plan);
    host->plan = NULL;
    return err_wrap(err, "nothing was changed");
}

/* By the file's name; where it lay says nothing later. */
static char *title_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *back = strrchr(path, '\\');

    if (back && (!slash || back > slash))
        slash = back;
    return text_printf("apply '%s'", slash ? slash + 1 : path);
}

static bool make_plan(struct fleet_host *host, struct err *err)
{
    const struct invocation *in = host->fleet->in;
    const struct desired_host *part = desired_file_part(in, host->name, err);
    const struct apply_options options = { .stop = is_given(in, "stop"),
                                           .force_stop = is_given(in, "force-stop"),
                                           .start = is_given(in, "start"),
                                           .no_drivers = is_given(in, "no-drivers") };
    CLEANUP(hv_host_cleanup) struct hv_host *found = NULL;
    CLEANUP(free_cleanup) char *title = title_of(in->operands[0]);
    struct comparison c = { 0 };
    struct desired_host wanted;
    bool ok;

    if (!part)
        return false;
    if (!title)
        return err_no_memory(err);
    host->context.on_step = NULL; /* looking is no change */
    if (!desired_host_read(host->context.session, host->name, part, &found, err) ||
        !desired_file_local(in, part, found, &wanted, err))
        return false;
    ok = desired_compare(&wanted, found, &c, err) &&
         (options.no_drivers ||
          desired_compare_drivers(&host->context, host->name, &c, err));
    if (ok) {
        host->plan =
            desired_plan(&host->context, &c, found, host->name, title, &options, err);
        ok = host->plan && fail_if_forbidden(host, err);
    }
    comparison_clear(&c);
    desired_host_clear(&wanted);
    return ok;
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct fleet fleet;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!fleet_open(in, &fleet, err))
        return false;
    fleet.prepare = share_context_init;
    fleet.clear = share_context_clear;
    ok = fleet_each(&fleet, "hosts", make_plan, err) &&
         fleet_carry_out(&fleet, ret_exit, err);
    fleet_close(&fleet);
    return ok;
}

static const struct option_spec options[] = {
    { "stop", 0, NULL,
      N_("shut VMs down that run and have to be off, and start them again") },
    { "force-stop", 0, NULL, N_("turn VMs off that have to be") },
    { "start", 0, NULL, N_("start VMs that were changed") },
    { "no-drivers", 0, NULL, N_("leave the guests' disks alone") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_apply = {
    .name = "apply",
    .operands = "FILE",
    .summary = N_("make hosts what a file wants"),
    .flags = CMD_HOST | CMD_FLEET | CMD_CHANGES,
    .options = options,
    .hosts = desired_file_hosts,
    .end = desired_file_end,
    .run = run,
};
