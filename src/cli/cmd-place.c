/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * partition place: where VMs get their partitions so that any one host can fail.
 *
 * Looks only: what it finds is printed as the commands that do it.  Windows moves VMs, hvgpu
 * does not.
 */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "failover.h"
#include "finding-view.h"
#include "fleet.h"
#include "partition.h"
#include "place.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

#define SRC_FAILOVER \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/gpu-partitioning.md"

enum {
    WHAT = HV_GPUS | HV_VMS | HV_PARTITIONS | HV_GPU_DRIVERS | HV_GPU_DETAILS | HV_CLUSTER
};
enum { NAMED_MAX = 8 }; /* VMs of one finding; the rest is a number */

/* One VM of the problem, as the hosts call it. */
struct guest {
    size_t host; /* index */
    const struct hv_vm *vm;
    bool is_wanted; /* named by the user */
};

struct placing {
    struct fleet *fleet;
    struct hv_host **hosts;      /* owned; NULL: could not be read */
    const struct hv_gpu ***gpus; /* of each host, those with hardware partitions */
    struct place_gpu **place_gpus;
    struct place_node *nodes;
    char **classes; /* vendor:device; the index is the class */
    size_t class_count;
    struct guest *guests;
    struct place_vm *vms;
    size_t vm_count, vm_room;
    struct place_problem problem;
    struct place_answer answer;
    struct findings findings;
};

static bool look(struct fleet_host *host, struct err *err)
{
    struct hv_host **to = host->data;

    return hv_inventory_read(host->context.session, host->name, WHAT, to, err);
}

/* ---- the problem ---- */

static bool class_of(struct placing *p, const char *pci_id, uint32_t *ret, struct err *err)
{
    char **more;

    for (size_t i = 0; i < p->class_count; i++)
        if (text_ieq(p->classes[i], pci_id ? pci_id : "")) {
            *ret = (uint32_t)i;
            return true;
        }
    more = realloc(p->classes, (p->class_count + 1) * sizeof(*more));
    if (!more)
        return err_no_memory(err);
    p->classes = more;
    more[p->class_count] = text_dup(pci_id ? pci_id : "");
    if (!more[p->class_count])
        return err_no_memory(err);
    *ret = (uint32_t)p->class_count++;
    return true;
}

static uint64_t partition_bytes(const struct hv_gpu *gpu)
{
    const struct hv_amount *vram = &gpu->amounts[QUOTA_VRAM];

    return vram->optimal.known ? vram->optimal.value
           : vram->max.known   ? vram->max.value
                               : 0;
}

static bool add_gpus(struct placing *p, size_t h, struct err *err)
{
    const struct hv_host *host = p->hosts[h];
    size_t count = 0;

    p->gpus[h] = calloc(host->gpu_count + 1, sizeof(const struct hv_gpu *));
    p->place_gpus[h] = calloc(host->gpu_count + 1, sizeof(**p->place_gpus));
    if (!p->gpus[h] || !p->place_gpus[h])
        return err_no_memory(err);
    for (size_t g = 0; g < host->gpu_count; g++) {
        const struct hv_gpu *gpu = &host->gpus[g];
        struct place_gpu *to = &p->place_gpus[h][count];

        if (!partition_is_hardware(gpu) || !gpu->partition_count.known ||
            gpu->partition_count.value > UINT16_MAX)
            continue;
        if (!class_of(p, gpu->pci_id, &to->class_id, err))
            return false;
        to->partition_bytes = partition_bytes(gpu);
        to->partitions = (unsigned)gpu->partition_count.value;
        p->gpus[h][count++] = gpu;
    }
    p->nodes[h] = (struct place_node){ p->place_gpus[h], count, false };
    return true;
}

static struct place_vm *add_guest(struct placing *p, size_t host, const struct hv_vm *vm,
                                  struct err *err)
{
    if (p->vm_count == p->vm_room) {
        size_t room = p->vm_room ? p->vm_room * 2 : 64;
        struct place_vm *vms = realloc(p->vms, room * sizeof(*vms));
        struct guest *guests = vms ? realloc(p->guests, room * sizeof(*guests)) : NULL;

        p->vms = vms ? vms : p->vms;
        p->guests = guests ? guests : p->guests;
        if (!guests) {
            err_no_memory(err);
            return NULL;
        }
        p->vm_room = room;
    }
    p->guests[p->vm_count] = (struct guest){ host, vm, false };
    p->vms[p->vm_count] =
        (struct place_vm){ .class_id = PLACE_ANY_CLASS, .node = PLACE_NOWHERE };
    return &p->vms[p->vm_count++];
}

/* VMs that have a partition want one like it again: of that model, and as large as they were
 * promised, or as they have. */
static bool add_placed(struct placing *p, size_t h, struct err *err)
{
    const struct hv_host *host = p->hosts[h];
    bool move = option_get(p->fleet->in, "move") != NULL;

    for (size_t v = 0; v < host->vm_count; v++) {
        /* One of several partitions does not go anywhere without the others. */
        bool may_move = move && host->vms[v].adapter_count == 1;

        for (size_t a = 0; a < host->vms[v].adapter_count; a++) {
            const struct hv_adapter *adapter = &host->vms[v].adapters[a];
            const struct hv_gpu *gpu = hv_adapter_gpu(host, adapter);
            struct known_u64 least = adapter->quota[QUOTA_VRAM].min;
            struct place_vm *vm;
            size_t g = 0;

            while (g < p->nodes[h].gpu_count && p->gpus[h][g] != gpu)
                g++;
            if (g == p->nodes[h].gpu_count)
                continue;
            vm = add_guest(p, h, &host->vms[v], err);
            if (!vm)
                return false;
            vm->class_id = p->place_gpus[h][g].class_id;
            vm->vram_bytes =
                least.known && least.value > 0 ? least.value : partition_bytes(gpu);
            vm->node = h;
            vm->gpu = g;
            vm->may_move = may_move;
        }
    }
    return true;
}

/* ---- what the user names ---- */

/* The only host that has it. */
static bool find_vm(const struct placing *p, const char *name, size_t *ret_host,
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
    return err_fail(err, ERR_NOT_FOUND, 0, "no host named has a VM '%.60s'", name);
}

/* The model that --gpu says, whichever hosts have it. */
static bool find_class(struct placing *p, const char *selector, uint32_t *ret,
                       struct err *err)
{
    bool found = false;

    for (size_t h = 0; h < p->fleet->count; h++) {
        CLEANUP(free_cleanup) const struct hv_gpu **gpus = NULL;
        struct err why = ERR_INIT;
        size_t count = 0;

        if (!p->hosts[h] || !hv_select_gpus(p->hosts[h], selector, &gpus, &count, &why))
            continue;
        for (size_t g = 0; g < count; g++) {
            uint32_t class_id;

            if (!partition_is_hardware(gpus[g]))
                continue;
            if (!class_of(p, gpus[g]->pci_id, &class_id, err))
                return false;
            if (found && class_id != *ret) {
                err_fail(err, ERR_INVALID, 0, "'%.60s' fits GPUs of several models: %s, %s",
                         selector, p->classes[*ret], p->classes[class_id]);
                return err_hint(err, "say which by vendor:device, like --gpu %s",
                                p->classes[*ret]);
            }
            *ret = class_id;
            found = true;
        }
    }
    if (found)
        return true;
    err_fail(err, ERR_NOT_FOUND, 0, "no GPU with hardware partitions fits '%.60s'",
             selector);
    return err_hint(err, "'hvgpu gpu list' shows what there is");
}

static bool add_wanted(struct placing *p, struct err *err)
{
    const struct invocation *in = p->fleet->in;
    uint32_t class_id = PLACE_ANY_CLASS;
    uint64_t vram = 0;
    bool given;

    if (!option_get_size(in, "vram", &given, &vram, err) ||
        (option_get(in, "gpu") && !find_class(p, option_get(in, "gpu"), &class_id, err)))
        return false;
    for (size_t i = 0; i < in->operand_count; i++) {
        const struct hv_vm *vm = NULL;
        struct place_vm *wish;
        bool has_one = false;
        size_t host = 0;

        if (!find_vm(p, in->operands[i], &host, &vm, err))
            return false;
        for (size_t k = 0; k < p->vm_count; k++)
            if (p->guests[k].vm == vm) {
                p->guests[k].is_wanted = has_one = true;
                p->vms[k].group = option_get(in, "apart") != NULL;
            }
        if (has_one)
            continue;
        wish = add_guest(p, host, vm, err);
        if (!wish)
            return false;
        p->guests[p->vm_count - 1].is_wanted = true;
        wish->vram_bytes = vram;
        wish->class_id = class_id;
        wish->near = host + 1;
        wish->group = option_get(in, "apart") != NULL;
    }
    return true;
}

static bool make_problem(struct placing *p, struct err *err)
{
    size_t count = p->fleet->count;

    p->gpus = calloc(count + 1, sizeof(*p->gpus));
    p->place_gpus = calloc(count + 1, sizeof(*p->place_gpus));
    p->nodes = calloc(count + 1, sizeof(*p->nodes));
    if (!p->gpus || !p->place_gpus || !p->nodes)
        return err_no_memory(err);
    for (size_t h = 0; h < count; h++) {
        p->nodes[h].is_down = true;
        if (p->hosts[h] && (!add_gpus(p, h, err) || !add_placed(p, h, err)))
            return false;
    }
    if (!add_wanted(p, err))
        return false;
    p->problem = (struct place_problem){
        .nodes = p->nodes, .node_count = count, .vms = p->vms, .vm_count = p->vm_count
    };
    return true;
}

/* ---- the answer ---- */

static const char *action_of(const struct placing *p, size_t i)
{
    struct place_spot to = p->answer.spots[i];
    const struct place_vm *vm = &p->vms[i];

    if (to.node == PLACE_NOWHERE)
        return "nowhere";
    if (vm->node == PLACE_NOWHERE)
        return to.node == p->guests[i].host ? "attach" : "move-and-attach";
    if (to.node != vm->node)
        return "move";
    return to.gpu == vm->gpu ? "stay" : "replace";
}

/* What a person types for it; NULL: nothing to do. */
static char *command_of(const struct placing *p, size_t i)
{
    const char *action = action_of(p, i);
    struct place_spot to = p->answer.spots[i];
    const struct hv_vm *vm = p->guests[i].vm;
    const struct hv_role *role = hv_find_role(p->hosts[p->guests[i].host]->cluster, vm->id);
    CLEANUP(free_cleanup) char *name = ps_quote(vm->name ? vm->name : vm->id);
    /* A role is often called like its VM, and need not be. */
    CLEANUP(free_cleanup)
    char *group = role && role->group ? ps_quote(role->group) : text_dup(name);
    CLEANUP(free_cleanup) char *gpu = NULL, *node = NULL;
    struct strbuf text = STRBUF_INIT;

    if (!name || !group || strcmp(action, "stay") == 0 || strcmp(action, "nowhere") == 0)
        return NULL;
    gpu = ps_quote(p->gpus[to.node][to.gpu]->instance_id);
    node = ps_quote(p->hosts[to.node]->computer_name ? p->hosts[to.node]->computer_name
                                                     : p->fleet->hosts[to.node].name);
    if (!gpu || !node)
        return NULL;
    if (strncmp(action, "move", 4) == 0)
        strbuf_printf(&text, "Move-ClusterVirtualMachineRole -Name %s -Node %s%s", group,
                      node, strcmp(action, "move") == 0 ? "" : "; ");
    if (strcmp(action, "move") != 0)
        strbuf_printf(&text, "hvgpu -H %s attach %s --gpu %s%s",
                      p->fleet->hosts[to.node].name, name, gpu,
                      strcmp(action, "replace") == 0 ? " --replace" : "");
    return strbuf_take(&text);
}

static bool find_nowhere(struct placing *p, struct err *err)
{
    for (size_t i = 0; i < p->vm_count; i++) {
        const struct hv_vm *vm = p->guests[i].vm;

        if (p->answer.spots[i].node == PLACE_NOWHERE && p->nodes[p->guests[i].host].gpus &&
            !findings_add(
                &p->findings, "place-nowhere", SEVERITY_ERROR, vm->name ? vm->name : vm->id,
                NULL,
                N_("no host has a partition free that is large enough and of the "
                   "model it wants"),
                N_("ask for less, set another partition count, or name more hosts"),
                SRC_FAILOVER, err))
            return false;
    }
    return true;
}

/* One finding per host that may fail. */
static bool find_losses(struct placing *p, struct err *err)
{
    for (size_t i = 0, next; i < p->answer.loss_count; i = next) {
        CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;
        size_t node = p->answer.losses[i].node;

        for (next = i; next < p->answer.loss_count && p->answer.losses[next].node == node;
             next++) {
            const struct hv_vm *vm = p->guests[p->answer.losses[next].vm].vm;

            if (next - i < NAMED_MAX)
                strbuf_printf(&seen, "%s%s", seen.len ? ", " : "",
                              vm->name ? vm->name : vm->id);
        }
        if (next - i > NAMED_MAX)
            strbuf_printf(&seen, _(", and %zu more"), next - i - NAMED_MAX);
        if (seen.failed)
            return err_no_memory(err);
        if (!findings_add(&p->findings, "place-lost", SEVERITY_ERROR,
                          p->fleet->hosts[node].name, seen.text,
                          N_("if this host fails, these VMs find no partition elsewhere"),
                          p->answer.verdict == PLACE_IMPOSSIBLE
                              ? N_("no placement avoids it: more partitions are needed, or "
                                   "fewer VMs that must not move (--move)")
                              : N_("cut GPUs into more partitions, or name more hosts"),
                          SRC_FAILOVER, err))
            return false;
    }
    return true;
}

static bool find_missing(struct placing *p, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf seen = STRBUF_INIT;
    size_t count = 0;

    for (size_t h = 0; h < p->fleet->count; h++)
        if (!p->hosts[h] && count++ < NAMED_MAX)
            strbuf_printf(&seen, "%s%s", seen.len ? ", " : "", p->fleet->hosts[h].name);
    if (count > NAMED_MAX)
        strbuf_printf(&seen, _(", and %zu more"), count - NAMED_MAX);
    if (seen.failed)
        return err_no_memory(err);
    return count == 0 ||
           findings_add(&p->findings, "place-host-missing", SEVERITY_WARNING, NULL,
                        seen.text,
                        N_("hosts that did not answer are left out: neither their GPUs nor "
                           "their VMs are counted"),
                        N_("run it again when they answer"), SRC_FAILOVER, err);
}

static bool find_all(struct placing *p, struct err *err)
{
    if (!find_missing(p, err))
        return false;
    if (p->vm_count == 0)
        return true;
    if (p->answer.verdict == PLACE_SAFE)
        return findings_add(
            &p->findings, "place-safe", SEVERITY_OK, NULL, NULL,
            N_("any one host can fail: each VM finds a partition on another"), NULL,
            SRC_FAILOVER, err);
    if (p->answer.verdict == PLACE_UNDECIDED &&
        !findings_add(
            &p->findings, "place-undecided", SEVERITY_WARNING, NULL, NULL,
            N_("no placement was found with which any one host can fail, and it is "
               "not proven that there is none"),
            N_("leave more partitions free"), SRC_FAILOVER, err))
        return false;
    return find_nowhere(p, err) && find_losses(p, err);
}

/* ---- showing ---- */

static json_t *vm_json(const struct placing *p, size_t i)
{
    struct place_spot to = p->answer.spots[i];
    const struct guest *guest = &p->guests[i];
    CLEANUP(free_cleanup) char *command = command_of(p, i);
    const struct hv_gpu *gpu =
        to.node == PLACE_NOWHERE || !p->gpus[to.node] ? NULL : p->gpus[to.node][to.gpu];

    return json_pack("{s:s?, s:s, s:s, s:s, s:s?, s:o, s:s?}", "vm", guest->vm->name,
                     "vm_id", guest->vm->id, "host", p->fleet->hosts[guest->host].name,
                     "action", action_of(p, i), "to",
                     gpu ? p->fleet->hosts[to.node].name : NULL, "gpu",
                     gpu ? json_pack("{s:s?, s:s, s:s?}", "name", gpu->name, "instance_id",
                                     gpu->instance_id, "location_path", gpu->location_path)
                         : json_null(),
                     "command", command);
}

static bool show_json(const struct placing *p, struct err *err)
{
    static const char *const words[] = { [PLACE_SAFE] = "safe",
                                         [PLACE_IMPOSSIBLE] = "impossible",
                                         [PLACE_UNDECIDED] = "undecided" };
    json_t *hosts = json_array(), *vms = json_array();

    for (size_t h = 0; h < p->fleet->count; h++) {
        const struct fleet_host *host = &p->fleet->hosts[h];

        json_array_append_new(
            hosts, json_pack("{s:s, s:o}", "host", host->name, "error",
                             host->failed ? error_to_json(&host->err) : json_null()));
    }
    for (size_t i = 0; i < p->vm_count; i++)
        if (json_array_append_new(vms, vm_json(p, i)) != 0) {
            json_decref(hosts);
            json_decref(vms);
            return err_no_memory(err);
        }
    return output_json(p->fleet->in->out,
                       json_pack("{s:s, s:o, s:s, s:o, s:o}", "schema", "hvgpu/1", "hosts",
                                 hosts, "verdict", words[p->answer.verdict], "vms", vms,
                                 "findings", findings_to_json(&p->findings)),
                       err);
}

static bool show_table(const struct placing *p, struct err *err)
{
    static const struct column columns[] = {
        { N_("VM"), COL_SHRINK },  { N_("NOW ON"), COL_SHRINK | COL_KEEP_END },
        { N_("STEP"), 0 },         { N_("HOST"), COL_SHRINK | COL_KEEP_END },
        { N_("GPU"), COL_SHRINK }, { N_("AT"), COL_SHRINK },
        { N_("VRAM"), COL_RIGHT }, { NULL, 0 },
    };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);

    if (!table)
        return false;
    for (size_t i = 0; i < p->vm_count; i++) {
        const char *action = action_of(p, i);
        struct place_spot to = p->answer.spots[i];
        const struct hv_gpu *gpu;
        char size[24];

        if (strcmp(action, "stay") == 0 && !p->guests[i].is_wanted &&
            p->fleet->in->operand_count > 0)
            continue;
        gpu =
            to.node == PLACE_NOWHERE || !p->gpus[to.node] ? NULL : p->gpus[to.node][to.gpu];
        table_cell(table, p->guests[i].vm->name);
        table_cell(table, p->fleet->hosts[p->guests[i].host].name);
        table_cell(table, action);
        table_cell(table, gpu ? p->fleet->hosts[to.node].name : NULL);
        table_cell(table, gpu ? gpu->name : NULL);
        table_cell(table, gpu ? gpu->location_path : NULL);
        table_cell(table, gpu && partition_bytes(gpu) > 0
                              ? size_text(size, partition_bytes(gpu))
                              : NULL);
    }
    if (table_row_count(table) == 0) {
        output_note(p->fleet->in->out, "%s\n",
                    _("No VM has a partition, and none is named."));
        return true;
    }
    return table_print(table, p->fleet->in->out, err);
}

static bool show_text(const struct placing *p, struct err *err)
{
    struct output *out = p->fleet->in->out;
    bool any = false;

    if (!show_table(p, err))
        return false;
    for (size_t i = 0; i < p->findings.count; i++) {
        json_t *finding = finding_to_json(&p->findings.items[i]);

        finding_view(out, finding, true);
        json_decref(finding);
    }
    for (size_t i = 0; i < p->vm_count; i++) {
        CLEANUP(free_cleanup) char *command = command_of(p, i);
        CLEANUP(free_cleanup) char *clean = command ? clean_text(command, 0) : NULL;

        if (!clean)
            continue;
        if (!any)
            output_text(out, "%s\n", _("To do it:"));
        any = true;
        output_text(out, "  %s\n", clean);
    }
    return true;
}

/* ---- the command ---- */

static void clear(struct placing *p)
{
    for (size_t h = 0; h < p->fleet->count; h++) {
        if (p->hosts)
            hv_host_free(p->hosts[h]);
        if (p->gpus)
            free(p->gpus[h]);
        if (p->place_gpus)
            free(p->place_gpus[h]);
    }
    for (size_t i = 0; i < p->class_count; i++)
        free(p->classes[i]);
    free(p->classes);
    free(p->hosts);
    free(p->gpus);
    free(p->place_gpus);
    free(p->nodes);
    free(p->guests);
    free(p->vms);
    place_answer_clear(&p->answer);
    findings_clear(&p->findings);
}

static bool place(struct placing *p, int *ret_exit, struct err *err)
{
    const struct invocation *in = p->fleet->in;

    p->hosts = calloc(p->fleet->count + 1, sizeof(*p->hosts));
    if (!p->hosts)
        return err_no_memory(err);
    for (size_t h = 0; h < p->fleet->count; h++)
        p->fleet->hosts[h].data = &p->hosts[h];
    if (!fleet_each(p->fleet, "hosts", look, err))
        return false;
    fleet_say_failures(p->fleet);
    *ret_exit = fleet_status(p->fleet);
    if (*ret_exit == STATUS_FAILED && !in->json)
        return true;
    *ret_exit = STATUS_FAILED;
    if (!make_problem(p, err) || !place_solve(&p->problem, &p->answer, err) ||
        !find_all(p, err) || !(in->json ? show_json(p, err) : show_text(p, err)))
        return false;
    *ret_exit = fleet_status(p->fleet);
    if (*ret_exit == STATUS_DONE && findings_worst(&p->findings) == SEVERITY_ERROR)
        *ret_exit = STATUS_FOUND;
    return true;
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct placing p = { .findings = FINDINGS_INIT };
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
    { NULL, 0, NULL, NULL },
};

const struct command cmd_partition_place = {
    .name = "partition place",
    .operands = "[VM...]",
    .summary = N_("where VMs get their partitions so that any one host can fail"),
    .flags = CMD_HOST | CMD_FLEET,
    .options = options,
    .check = check,
    .run = run,
};
