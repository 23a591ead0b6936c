/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Placements as steps, text and JSON. */

#include "place-view.h"

#include <string.h>

#include "finding-view.h"
#include "partition.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

/* ---- what happens to a VM ---- */

const char *placement_action(const struct placement *p, size_t vm)
{
    struct place_spot to = p->answer.spots[vm];
    const struct place_vm *now = &p->placing.vms[vm];

    if (to.node == PLACE_NOWHERE)
        return "nowhere";
    if (now->node == PLACE_NOWHERE)
        return to.node == p->placing.guests[vm].host ? "attach" : "move-and-attach";
    if (to.node != now->node)
        return "move";
    return to.gpu == now->gpu ? "stay" : "replace";
}

enum place_by placement_by(const struct placement *p, size_t vm)
{
    const char *action = placement_action(p, vm);

    if (strcmp(action, "stay") == 0 || strcmp(action, "nowhere") == 0)
        return BY_NOBODY;
    if (strncmp(action, "move", 4) != 0)
        return BY_HVGPU;
    return p->placing.guests[vm].role ? BY_CLUSTER : BY_PERSON;
}

const char *placement_pin(const struct placement *p, size_t vm)
{
    struct place_spot to = p->answer.spots[vm];
    const struct hv_gpu *gpu = placing_gpu(&p->placing, to);
    bool moved = p->placing.vms[vm].node != PLACE_NOWHERE;

    if (!gpu)
        return NULL;
    /* A role takes any of a node's like GPUs, so that it can start on another node. */
    return moved || !p->placing.guests[vm].role || placing_pins(&p->placing, to)
               ? gpu->instance_id
               : NULL;
}

bool placement_is_now(const struct placement *p, size_t vm)
{
    struct place_spot to = p->answer.spots[vm];
    const struct place_gpu *gpu;
    unsigned used;

    if (placement_by(p, vm) != BY_HVGPU)
        return false;
    gpu = &p->placing.place_gpus[to.node][to.gpu];
    used = gpu->taken_by_others + placing_used(&p->placing, to.node, to.gpu);
    /* Those before it come first. */
    for (size_t i = 0; i < vm; i++)
        used += p->answer.spots[i].node == to.node && p->answer.spots[i].gpu == to.gpu &&
                placement_by(p, i) == BY_HVGPU;
    return used < gpu->partitions;
}

static const char *vm_label(const struct placement *p, size_t vm)
{
    const struct hv_vm *its = p->placing.guests[vm].vm;

    return its->name ? its->name : its->id;
}

static void put_move(const struct placement *p, size_t vm, const char *name,
                     const char *node, struct strbuf *to)
{
    const struct hv_role *role = p->placing.guests[vm].role;
    /* A role is often called like its VM, and need not be. */
    CLEANUP(free_cleanup) char *group = role && role->group ? ps_quote(role->group) : NULL;

    if (role)
        strbuf_printf(to, "Move-ClusterVirtualMachineRole -Name %s -Node %s",
                      group ? group : name, node);
    else
        strbuf_printf(to,
                      "Move-VM -Name %s -DestinationHost %s -IncludeStorage "
                      "-DestinationStoragePath FOLDER",
                      name, node);
}

/* What a person types for it; NULL: nothing to do. */
static char *command_of(const struct placement *p, size_t vm)
{
    struct place_spot to = p->answer.spots[vm];
    const char *action = placement_action(p, vm), *pin = placement_pin(p, vm);
    CLEANUP(free_cleanup) char *name = ps_quote(vm_label(p, vm));
    CLEANUP(free_cleanup) char *gpu = pin ? ps_quote(pin) : NULL;
    CLEANUP(free_cleanup) char *node = NULL;
    struct strbuf text = STRBUF_INIT;

    if (!name || placement_by(p, vm) == BY_NOBODY)
        return NULL;
    node = ps_quote(p->hosts[to.node]->computer_name ? p->hosts[to.node]->computer_name
                                                     : p->fleet->hosts[to.node].name);
    if (!node)
        return NULL;
    if (strncmp(action, "move", 4) == 0)
        put_move(p, vm, name, node, &text);
    if (strcmp(action, "move") != 0)
        strbuf_printf(&text, "%shvgpu -H %s attach %s%s%s%s", text.len ? "; " : "",
                      p->fleet->hosts[to.node].name, name, gpu ? " --gpu " : "",
                      gpu ? gpu : "", strcmp(action, "replace") == 0 ? " --replace" : "");
    return strbuf_take(&text);
}

/* ---- JSON ---- */

static json_t *by_json(enum place_by by)
{
    switch (by) {
    case BY_HVGPU:
        return json_string("hvgpu");
    case BY_CLUSTER:
        return json_string("cluster");
    case BY_PERSON:
        return json_string("person");
    default:
        return json_null();
    }
}

static json_t *vm_json(const struct placement *p, size_t i)
{
    struct place_spot to = p->answer.spots[i];
    const struct placing_guest *guest = &p->placing.guests[i];
    CLEANUP(free_cleanup) char *command = command_of(p, i);
    const struct hv_gpu *gpu = placing_gpu(&p->placing, to);
    enum place_by by = placement_by(p, i);

    return json_pack(
        "{s:s?, s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:s?}", "vm", guest->vm->name, "vm_id",
        guest->vm->id, "host", p->fleet->hosts[guest->host].name, "action",
        placement_action(p, i), "to", gpu ? p->fleet->hosts[to.node].name : NULL, "gpu",
        gpu ? json_pack("{s:s?, s:s, s:s?}", "name", gpu->name, "instance_id",
                        gpu->instance_id, "location_path", gpu->location_path)
            : json_null(),
        "by", by_json(by), "possible_now",
        by == BY_NOBODY ? json_null()
                        : json_boolean(by != BY_HVGPU || placement_is_now(p, i)),
        "command", command);
}

json_t *placement_to_json(const struct placement *p)
{
    static const char *const words[] = { [PLACE_SAFE] = "safe",
                                         [PLACE_IMPOSSIBLE] = "impossible",
                                         [PLACE_UNDECIDED] = "undecided" };
    json_t *vms = json_array(), *made;

    for (size_t i = 0; p->is_known && i < p->placing.vm_count; i++)
        if (json_array_append_new(vms, vm_json(p, i)) != 0) {
            json_decref(vms);
            return NULL;
        }
    made = json_pack("{s:s?, s:o}", "verdict",
                     p->is_known ? words[p->answer.verdict] : NULL, "vms", vms);
    return made;
}

/* ---- text ---- */

static bool show_table(const struct placement *p, struct err *err)
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
    for (size_t i = 0; i < p->placing.vm_count; i++) {
        const struct placing_guest *guest = &p->placing.guests[i];
        const char *action = placement_action(p, i);
        struct place_spot to = p->answer.spots[i];
        const struct hv_gpu *gpu = placing_gpu(&p->placing, to);
        char size[24];

        if (strcmp(action, "stay") == 0 && !guest->is_wanted &&
            p->fleet->in->operand_count > 0)
            continue;
        table_cell(table, guest->vm->name);
        table_cell(table, p->fleet->hosts[guest->host].name);
        table_cell(table, action);
        table_cell(table, gpu ? p->fleet->hosts[to.node].name : NULL);
        table_cell(table, gpu ? gpu->name : NULL);
        table_cell(table, gpu ? gpu->location_path : NULL);
        table_cell(table, gpu && placing_partition_bytes(gpu) > 0
                              ? size_text(size, placing_partition_bytes(gpu))
                              : NULL);
    }
    if (table_row_count(table) == 0) {
        output_note(p->fleet->in->out, "%s\n",
                    _("No VM has a partition, and none is named."));
        return true;
    }
    return table_print(table, p->fleet->in->out, err);
}

static void show_commands(const struct placement *p, enum place_by by, const char *title)
{
    struct output *out = p->fleet->in->out;
    bool any = false;

    for (size_t i = 0; i < p->placing.vm_count; i++) {
        CLEANUP(free_cleanup)
        char *command = placement_by(p, i) == by ? command_of(p, i) : NULL;
        CLEANUP(free_cleanup) char *clean = command ? clean_text(command, 0) : NULL;

        if (!clean)
            continue;
        if (!any)
            output_text(out, "%s\n", title);
        any = true;
        output_text(out, "  %s\n", clean);
    }
}

static size_t count_later(const struct placement *p)
{
    size_t count = 0;

    for (size_t i = 0; i < p->placing.vm_count; i++)
        count += placement_by(p, i) == BY_HVGPU && !placement_is_now(p, i);
    return count;
}

bool placement_show(const struct placement *p, bool planned, struct err *err)
{
    struct output *out = p->fleet->in->out;
    size_t later;

    if (p->is_known && !show_table(p, err))
        return false;
    for (size_t i = 0; i < p->findings.count; i++) {
        json_t *finding = finding_to_json(&p->findings.items[i]);

        finding_view(out, finding, true);
        json_decref(finding);
    }
    if (!p->is_known)
        return true;
    if (!planned)
        show_commands(p, BY_HVGPU, _("To do it all the same:"));
    show_commands(p, BY_CLUSTER, _("The cluster moves these, hvgpu does not:"));
    show_commands(p, BY_PERSON, _("A person moves these:"));
    if (planned)
        output_text(out, "\n");
    later = planned ? count_later(p) : 0;
    if (later > 0)
        output_text(out, _("Once that is done, run it again: %zu VMs get theirs then.\n"),
                    later);
    return true;
}

void placement_powershell(const struct placement *p)
{
    struct output *out = p->fleet->in->out;

    for (size_t i = 0; p->is_known && i < p->placing.vm_count; i++) {
        enum place_by by = placement_by(p, i);
        CLEANUP(free_cleanup)
        char *command = by == BY_CLUSTER || by == BY_PERSON ? command_of(p, i) : NULL;
        CLEANUP(free_cleanup) char *clean = command ? clean_text(command, 0) : NULL;

        if (clean)
            output_text(out, "%s\n", clean);
    }
}
