/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * partition place: where VMs get their partitions so that any one host can fail.
 *
 * What hvgpu does of it, attaching partitions to VMs where they are, is a plan for each host like
 * any other.  What the failover cluster or a person does, moving VMs, is said beside it.  Nothing
 * is planned when the answer is not a safe one.
 */

#include <string.h>

#include "commands.h"
#include "host-views.h"
#include "place-view.h"
#include "project.h"
#include "share-plan.h"
#include "text.h"
#include "tr.h"

static struct placement *placement_of(const struct fleet_host *host)
{
    return host->fleet->user;
}

static size_t number_of(const struct fleet_host *host)
{
    return (size_t)(host - host->fleet->hosts);
}

static bool look(struct fleet_host *host, struct err *err)
{
    return hv_inventory_read(host->context.session, host->name, PLACING_WHAT,
                             &placement_of(host)->hosts[number_of(host)], err);
}

/* ---- what the user names ---- */

static bool no_vm(const struct placement *p, const char *name, struct err *err)
{
    size_t silent = 0, first = 0;

    for (size_t h = p->fleet->count; h-- > 0;)
        if (!p->hosts[h]) {
            silent++;
            first = h;
        }
    err_fail(err, ERR_NOT_FOUND, 0, "no host named has a VM '%.60s'", name);
    return host_views_hint_no_vm(silent, p->fleet->hosts[first].name,
                                 &p->fleet->hosts[first].err, err);
}

/* The only host that has it. */
static bool find_vm(const struct placement *p, const char *name, size_t *ret_host,
                    const struct hv_vm **ret, struct err *err)
{
    struct err why = ERR_INIT;
    size_t found = 0;

    for (size_t h = 0; h < p->fleet->count; h++) {
        const struct hv_vm *vm;

        if (!p->hosts[h])
            continue;
        if (hv_select_vm(p->hosts[h], name, &vm, &why)) {
            *ret = vm;
            *ret_host = h;
            found++;
        } else if (why.kind != ERR_NOT_FOUND) {
            *err = why;
            return err_wrap(err, "%.80s", p->fleet->hosts[h].name);
        }
    }
    if (found == 1)
        return true;
    if (found > 1) {
        err_fail(err, ERR_INVALID, 0, "%zu hosts have a VM '%.60s'", found, name);
        return err_hint(err, "give the VM's id instead");
    }
    return no_vm(p, name, err);
}

static bool add_wanted(struct placement *p, struct err *err)
{
    const struct invocation *in = p->fleet->in;
    struct placing_wish wish = { .class_id = PLACE_ANY_CLASS,
                                 .apart = option_get(in, "apart") != NULL };
    bool given;

    if (!option_get_size(in, "vram", &given, &wish.vram_bytes, err) ||
        (option_get(in, "gpu") &&
         !placing_find_class(&p->placing, option_get(in, "gpu"), &wish.class_id, err)))
        return false;
    for (size_t i = 0; i < in->operand_count; i++) {
        const struct hv_vm *vm = NULL;
        size_t host = 0;

        if (!find_vm(p, in->operands[i], &host, &vm, err) ||
            !placing_want(&p->placing, host, vm, &wish, err))
            return false;
    }
    return true;
}

static bool solve(struct placement *p, struct err *err)
{
    struct place_problem problem;

    for (size_t h = 0; h < p->fleet->count; h++)
        p->is_known |= p->hosts[h] != NULL;
    if (!p->is_known)
        return true;
    if (!placing_make(&p->placing, (const struct hv_host *const *)p->hosts, p->fleet->count,
                      option_get(p->fleet->in, "move") != NULL, err) ||
        !add_wanted(p, err))
        return false;
    problem = placing_problem(&p->placing);
    return place_solve(&problem, &p->answer, err) &&
           placing_check_pins(&p->placing, &p->answer, err);
}

/* ---- what hvgpu does ---- */

static bool is_ours(const struct placement *p, size_t vm, size_t host)
{
    return p->answer.spots[vm].node == host && placement_is_now(p, vm);
}

static bool has_work(const struct fleet_host *host)
{
    const struct placement *p = placement_of(host);

    for (size_t i = 0; i < p->placing.vm_count; i++)
        if (is_ours(p, i, number_of(host)))
            return true;
    return false;
}

static struct plan *plan_vm(struct fleet_host *host, struct hv_host *found, size_t vm,
                            struct err *err)
{
    const struct placement *p = placement_of(host);
    const struct invocation *in = host->fleet->in;
    bool is_new = p->placing.vms[vm].node == PLACE_NOWHERE;
    struct attach_options options = {
        .gpu = placement_pin(p, vm),
        .vram_bytes.known = is_new && p->placing.vms[vm].vram_bytes > 0,
        .vram_bytes.value = p->placing.vms[vm].vram_bytes,
        .stop = option_get(in, "stop") != NULL,
        .force_stop = option_get(in, "force-stop") != NULL,
        .start = option_get(in, "start") != NULL,
        .no_drivers = option_get(in, "no-drivers") != NULL,
        .replace = !is_new,
    };

    return share_attach_from(&host->context, found, host->name,
                             p->placing.guests[vm].vm->id, &options, err);
}

static bool append(struct fleet_host *host, struct hv_host *found, size_t vm, size_t part,
                   struct err *err)
{
    CLEANUP(plan_cleanup) struct plan *more = plan_vm(host, found, vm, err);

    if (!more)
        return err_wrap(err, "VM '%.80s'", placement_of(host)->placing.guests[vm].vm->name);
    plan_part(more, (json_int_t)part);
    return project_plan(found, more, err) && plan_append(host->plan, more, err);
}

/* Named after the first of its VMs. */
static bool begin_plan(struct fleet_host *host, struct err *err)
{
    const struct placement *p = placement_of(host);
    CLEANUP(free_cleanup) char *title = NULL;
    size_t first = SIZE_MAX, count = 0;

    for (size_t i = 0; i < p->placing.vm_count; i++)
        if (is_ours(p, i, number_of(host)) && count++ == 0)
            first = i;
    title = count > 1 ? text_printf("place '%s' and %zu more VMs",
                                    p->placing.guests[first].vm->name, count - 1)
                      : text_printf("place '%s'", p->placing.guests[first].vm->name);
    if (!title)
        return err_no_memory(err);
    host->plan = plan_new(host->name, title, err);
    return host->plan != NULL;
}

static bool make_plan(struct fleet_host *host, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *found = NULL;
    const struct placement *p = placement_of(host);
    size_t part = 0;

    host->context.on_step = NULL; /* looking is no change */
    if (!begin_plan(host, err) ||
        !hv_inventory_read(host->context.session, host->name, SHARE_ATTACHES, &found, err))
        return false;
    for (size_t i = 0; i < p->placing.vm_count; i++)
        if (is_ours(p, i, number_of(host)) && !append(host, found, i, ++part, err))
            return false;
    return true;
}

/* ---- the command ---- */

static bool keep_members(struct placement *p, struct err *err)
{
    struct fleet *fleet = p->fleet;

    fleet->members = placement_to_json(p);
    for (size_t i = 0; fleet->members && i < p->findings.count; i++)
        if (json_array_append_new(fleet->findings,
                                  finding_to_json(&p->findings.items[i])) != 0)
            return err_no_memory(err);
    return fleet->members || err_no_memory(err);
}

static bool only_show(struct placement *p, int *ret_exit, struct err *err)
{
    const struct invocation *in = p->fleet->in;
    const char *dry = option_get(in, "dry-run");

    *ret_exit = fleet_status(p->fleet);
    if (*ret_exit == STATUS_DONE && findings_worst(&p->findings) == SEVERITY_ERROR)
        *ret_exit = STATUS_FOUND;
    if (in->json)
        return fleet_show_json(p->fleet, err);
    if (dry && *dry) {
        placement_powershell(p);
        return true;
    }
    return (*ret_exit == STATUS_FAILED) || placement_show(p, false, err);
}

static bool carry_out(struct placement *p, int *ret_exit, struct err *err)
{
    const struct invocation *in = p->fleet->in;
    const char *dry = option_get(in, "dry-run");

    p->fleet->wants = has_work;
    p->fleet->only_looks = false;
    p->fleet->prepare = share_context_init;
    p->fleet->clear = share_context_clear;
    if (!fleet_each(p->fleet, "hosts", make_plan, err))
        return false;
    if (dry && *dry && !in->json)
        placement_powershell(p);
    else if (!in->json && (dry || !in->quiet) && !placement_show(p, true, err))
        return false;
    return fleet_carry_out(p->fleet, ret_exit, err);
}

static bool place(struct placement *p, int *ret_exit, struct err *err)
{
    const struct invocation *in = p->fleet->in;
    bool any = false;

    p->hosts = calloc(p->fleet->count + 1, sizeof(*p->hosts));
    if (!p->hosts)
        return err_no_memory(err);
    p->fleet->user = p;
    p->fleet->only_looks = true;
    if (!fleet_each(p->fleet, "hosts", look, err))
        return false;
    fleet_say_failures(p->fleet);
    if (!solve(p, err) || !placement_judge(p, err) || (in->json && !keep_members(p, err)))
        return false;
    for (size_t h = 0; h < p->fleet->count; h++)
        any |= p->is_known && !p->fleet->hosts[h].failed && has_work(&p->fleet->hosts[h]);
    if (!any || findings_worst(&p->findings) == SEVERITY_ERROR)
        return only_show(p, ret_exit, err);
    return carry_out(p, ret_exit, err);
}

static void clear(struct placement *p)
{
    placing_clear(&p->placing);
    for (size_t h = 0; p->hosts && h < p->fleet->count; h++)
        hv_host_free(p->hosts[h]);
    free(p->hosts);
    place_answer_clear(&p->answer);
    findings_clear(&p->findings);
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct placement p = { .findings = FINDINGS_INIT };
    struct fleet fleet;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!fleet_open(in, &fleet, err))
        return false;
    p.fleet = &fleet;
    ok = place(&p, ret_exit, err);
    clear(&p);
    fleet_close(&fleet);
    return ok;
}

static bool check(const struct invocation *in, struct err *err)
{
    uint64_t bytes;
    bool given;

    return option_get_size(in, "vram", &given, &bytes, err);
}

static const struct option_spec options[] = {
    { "vram", 0, "SIZE", N_("memory that a partition of the VMs named has to have") },
    { "gpu", 'g', "GPU", N_("model that the VMs named want") },
    { "apart", 0, NULL, N_("the VMs named on different hosts") },
    { "move", 0, NULL, N_("VMs that have a partition may be moved") },
    { "stop", 0, NULL,
      N_("shut VMs down that run and have to be off, and start them again") },
    { "force-stop", 0, NULL, N_("turn VMs off that have to be") },
    { "start", 0, NULL, N_("start VMs that were changed") },
    { "no-drivers", 0, NULL, N_("leave the guests' disks alone") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_partition_place = {
    .name = "partition place",
    .operands = "[VM...]",
    .summary = N_("where VMs get their partitions so that any one host can fail"),
    .flags = CMD_HOST | CMD_FLEET | CMD_CHANGES,
    .options = options,
    .check = check,
    .run = run,
};
