/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * driver sync: guests brought up to the host's present driver, each VM a plan of its own.
 *
 * All plans are made before the first is carried out; a VM whose plan fails has been taken
 * back to what it was and does not keep the others from theirs.
 */

#include <string.h>

#include "change.h"
#include "commands.h"
#include "inventory.h"
#include "progress-bar.h"
#include "share.h"
#include "text.h"
#include "tr.h"

struct sync_vm {
    char *name;  /* as selected: a name or an id */
    char *label; /* for people */
    struct plan *plan;
    struct err err; /* of planning or of carrying out */
    bool failed;
};

struct sync_run {
    const struct invocation *in;
    struct plan_context context;
    struct sync_options options;
    struct sync_vm *vms;
    size_t count;
};

static bool add_vm(struct sync_run *run, const char *name, const char *label,
                   struct err *err)
{
    struct sync_vm *more = realloc(run->vms, (run->count + 1) * sizeof(*more));

    if (!more)
        return err_no_memory(err);
    run->vms = more;
    more[run->count] = (struct sync_vm){ .name = text_dup(name),
                                         .label = text_dup(label),
                                         .err = ERR_INIT };
    run->count++;
    return (more[run->count - 1].name && more[run->count - 1].label) || err_no_memory(err);
}

/* --all: also those without a GPU, whose guests may have the driver of one they had. */
static bool add_all(struct sync_run *run, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    bool ok;

    ok = hv_inventory_read(run->in->session, run->in->host, HV_VMS, &host, err);
    for (size_t i = 0; ok && i < host->vm_count; i++)
        ok = add_vm(run, host->vms[i].id, host->vms[i].name, err);
    return ok;
}

static bool choose(struct sync_run *run, int *ret_exit, struct err *err)
{
    const struct invocation *in = run->in;
    bool all = option_get(in, "all") != NULL;

    if (all == (in->operand_count > 0)) {
        *ret_exit = STATUS_USAGE;
        err_fail(err, ERR_INVALID, 0, _("which VMs?"));
        return err_hint(err, _("name VMs, or give --all, not both"));
    }
    if (all)
        return add_all(run, err);
    for (size_t i = 0; i < in->operand_count; i++)
        if (!add_vm(run, in->operands[i], in->operands[i], err))
            return false;
    return true;
}

/* ---- the answer ---- */

static json_t *answer_of(const struct sync_vm *vm)
{
    json_t *document = vm->plan ? plan_document(vm->plan) : NULL;
    json_t *json = json_pack("{s:s, s:s, s:O?, s:o}", "vm", vm->name, "name", vm->label,
                             "plan", json_object_get(document, "plan"), "error",
                             vm->failed ? error_to_json(&vm->err) : json_null());

    if (json && !document)
        json_object_set_new(json, "plan", json_null());
    json_decref(document);
    return json;
}

static bool answer_json(const struct sync_run *run, struct err *err)
{
    json_t *vms = json_array();

    for (size_t i = 0; i < run->count; i++)
        if (json_array_append_new(vms, answer_of(&run->vms[i])) != 0) {
            json_decref(vms);
            return err_no_memory(err);
        }
    return output_json(run->in->out,
                       json_pack("{s:s, s:s, s:o}", "schema", "hvgpu/1", "host",
                                 run->in->host, "vms", vms),
                       err);
}

static void say_failure(const struct sync_run *run, const struct sync_vm *vm)
{
    char text[2048];

    err_format(&vm->err, text, sizeof(text));
    output_note(run->in->out, _("%s: failed: %s\n"), vm->label, text);
    if (vm->err.hint[0])
        output_note(run->in->out, "  → %s\n", vm->err.hint);
}

static int exit_status(const struct sync_run *run)
{
    size_t failed = 0;

    for (size_t i = 0; i < run->count; i++)
        failed += run->vms[i].failed;
    if (failed == 0)
        return STATUS_DONE;
    return failed == run->count ? STATUS_FAILED : STATUS_SOME;
}

/* ---- planning and doing ---- */

static void plan_vm(struct sync_run *run, struct sync_vm *vm)
{
    vm->plan =
        share_plan_sync(&run->context, run->in->host, vm->name, &run->options, &vm->err);
    if (run->in->progress)
        progress_bar_clear((struct progress_bar *)run->in->progress);
    vm->failed = !vm->plan;
    if (!vm->failed && plan_has_errors(vm->plan)) {
        vm->failed = true;
        err_fail(&vm->err, ERR_CONFLICT, 0, _("the checks found what forbids it"));
    }
}

static bool do_vm(struct sync_run *run, struct sync_vm *vm, int *ret_exit, struct err *err)
{
    const struct invocation *in = run->in;
    size_t said = json_array_size(vm->plan->findings);
    bool go = false;

    if (in->json)
        go = true; /* --yes was checked */
    else if (!command_confirm(in, vm->plan, PLAN_FORWARD, _("Do this?"), &go, ret_exit,
                              err))
        return false;
    if (!go)
        return true;
    if (!command_context_use(&run->context, vm->plan, err))
        return false;
    vm->failed = !plan_run(vm->plan, &run->context, &vm->err);
    if (in->progress)
        progress_bar_clear((struct progress_bar *)in->progress);
    if (!in->json)
        plan_view_findings(in->out, vm->plan, said);
    if (!vm->failed && !in->json)
        output_text(in->out, _("%sDone.%s  Take it back with: hvgpu undo %s\n"),
                    style_on(in->out, STYLE_GOOD), style_off(in->out, STYLE_GOOD),
                    vm->plan->id);
    return true;
}

static bool has_finding(const struct plan *plan, const char *wanted)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(plan->findings, i, finding)
    {
        const char *id = json_string_value(json_object_get(finding, "id"));

        if (id && strcmp(id, wanted) == 0)
            return true;
    }
    return false;
}

/* Without a look at the disk nothing is said about it. */
static bool was_looked_at(const struct plan *plan)
{
    return !has_finding(plan, "vm-power");
}

/* One of many with nothing to do: a line, with what is worth knowing about it. */
static void say_idle(const struct sync_run *run, const struct sync_vm *vm)
{
    const json_t *findings = vm->plan->findings, *finding;
    const char *cause = NULL, *severity;
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        severity = json_string_value(json_object_get(finding, "severity"));
        if (!cause || (severity && strcmp(severity, "warning") == 0))
            cause = json_string_value(json_object_get(finding, "cause"));
        if (severity && strcmp(severity, "warning") == 0)
            break;
    }
    /* What stays out of a guest was said when the driver came. */
    if (!cause || has_finding(vm->plan, "driver-left-out"))
        cause = _("nothing drifted");
    output_text(run->in->out, "%s: %s\n", vm->label, cause);
}

static bool work_on(struct sync_run *run, struct sync_vm *vm, int *ret_exit,
                    struct err *err)
{
    const struct invocation *in = run->in;

    if (!vm->failed && vm->plan->step_count > 0) {
        if (!do_vm(run, vm, ret_exit, err))
            return false;
        if (*ret_exit == STATUS_USAGE)
            return true;
    } else if (vm->plan && !in->json && !vm->failed && run->count > 1) {
        say_idle(run, vm);
    } else if (vm->plan && !in->json) {
        plan_view(in->out, vm->plan, PLAN_FORWARD);
        if (!vm->failed && was_looked_at(vm->plan))
            output_text(in->out, "%s\n", _("Nothing to do: it is so already."));
    }
    if (vm->failed && !in->json)
        say_failure(run, vm);
    return true;
}

static bool is_work_left(const struct sync_run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (!run->vms[i].failed && run->vms[i].plan->step_count > 0)
            return true;
    return false;
}

static bool carry_out(struct sync_run *run, int *ret_exit, struct err *err)
{
    const struct invocation *in = run->in;
    bool dry = option_get(in, "dry-run") != NULL;

    for (size_t i = 0; i < run->count; i++)
        plan_vm(run, &run->vms[i]);
    if (run->count == 0 && !in->json)
        output_text(in->out, _("This host has no VM.\n"));
    if (in->json && !dry && is_work_left(run) && !option_get(in, "yes")) {
        *ret_exit = STATUS_USAGE;
        err_fail(err, ERR_INVALID, 0, "nothing was changed: this needs a confirmation");
        return err_hint(err, "add --yes, or --dry-run to see the plan only");
    }
    *ret_exit = STATUS_DONE;
    for (size_t i = 0; i < run->count && !(in->json && dry); i++)
        if (!work_on(run, &run->vms[i], ret_exit, err))
            return false;
    if (*ret_exit == STATUS_DONE)
        *ret_exit = exit_status(run);
    return !in->json || answer_json(run, err);
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct sync_run work = { .in = in };
    bool ok;

    work.options = (struct sync_options){ .stop = option_get(in, "stop"),
                                          .force_stop = option_get(in, "force-stop"),
                                          .start = option_get(in, "start"),
                                          .verify = option_get(in, "verify"),
                                          .lenient = option_get(in, "all") };
    *ret_exit = STATUS_FAILED;
    if (!command_context_open(in, in->session, &work.context, err))
        return false;
    share_context_init(&work.context);
    ok = choose(&work, ret_exit, err) && carry_out(&work, ret_exit, err);
    share_context_clear(&work.context);
    command_context_close(&work.context);
    for (size_t i = 0; i < work.count; i++) {
        free(work.vms[i].name);
        free(work.vms[i].label);
        plan_free(work.vms[i].plan);
    }
    free(work.vms);
    return ok;
}

static const struct option_spec options[] = {
    { "all", 0, NULL, N_("all VMs of the host") },
    { "stop", 0, NULL, N_("shut a VM down first if it runs, and start it again") },
    { "force-stop", 0, NULL, N_("turn a VM off first if it runs") },
    { "start", 0, NULL, N_("start VMs that were changed") },
    { "verify", 0, NULL, N_("read every file of the driver in the guest") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_driver_sync = {
    .name = "driver sync",
    .operands = "[VM...]",
    .summary = N_("bring guests up to the host's present driver"),
    .flags = CMD_HOST | CMD_ONE_HOST | CMD_CHANGES,
    .options = options,
    .run = run,
};
