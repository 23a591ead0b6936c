/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which node, or why none, and what to do then. */

#include "attach-node.h"

#include <stdlib.h>
#include <string.h>

#include "partition.h"
#include "placing.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

struct choosing {
    const struct host_views *views;
    const struct host_list *list;
    const struct hv_vm *vm;
    const struct hv_role *role; /* NULL: it is none */
    const struct attach_options *options;
    size_t at;
    bool move;
    struct placing placing;
    struct placing_rating *ratings;
};

void attach_node_free(struct attach_node *chosen)
{
    if (!chosen)
        return;
    free(chosen->vm_id);
    free(chosen->unsafe);
    free(chosen);
}

static const char *vm_name(const struct choosing *c)
{
    return c->vm->name ? c->vm->name : c->vm->id;
}

static const char *node_name(const struct choosing *c, size_t node)
{
    const char *name = c->views->hosts[node]->computer_name;

    return name ? name : c->list->items[node].name;
}

/* Where the owner can share a GPU in another way, its own planner decides. */
static bool shares_otherwise(const struct choosing *c)
{
    const struct hv_host *host = c->views->hosts[c->at];

    for (size_t i = 0; i < host->gpu_count; i++)
        if (host->gpus[i].interface_path && !partition_is_hardware(&host->gpus[i]))
            return !c->options->vram_bytes.known;
    return false;
}

static bool is_better(const struct placing_rating *a, const struct placing_rating *b)
{
    return a->is_liked != b->is_liked ? a->is_liked : a->left > b->left;
}

/* Of those of that fit a preferred owner, then the one with most left; SIZE_MAX: none. */
static size_t best_of(const struct choosing *c, enum node_fit fit)
{
    size_t best = SIZE_MAX;

    for (size_t n = 0; n < c->views->count; n++)
        if (n != c->at && c->ratings[n].fit == fit &&
            (best == SIZE_MAX || is_better(&c->ratings[n], &c->ratings[best])))
            best = n;
    return best;
}

static bool list_nodes(const struct choosing *c, enum node_fit fit, struct strbuf *to)
{
    for (size_t n = 0; n < c->views->count; n++)
        if (n != c->at && c->ratings[n].fit == fit)
            strbuf_printf(to, "%s%s", to->len ? ", " : "", c->list->items[n].name);
    return !to->failed;
}

/* ---- what there is to say ---- */

static bool hint_move(const struct choosing *c, size_t node, bool may_stay, struct err *err)
{
    CLEANUP(free_cleanup)
    char *group = ps_quote(c->role->group ? c->role->group : vm_name(c));
    CLEANUP(free_cleanup) char *to = ps_quote(node_name(c, node));

    if (!group || !to)
        return err_no_memory(err);
    if (c->vm->state == VM_OFF)
        return err_hint(err,
                        may_stay
                            ? _("add --move, which has the cluster move it to %.60s first, "
                                "or name its own node with -H to give it one there all "
                                "the same")
                            : _("add --move, which has the cluster move it to %.60s first, "
                                "or move it: Move-ClusterVirtualMachineRole -Name %.80s "
                                "-Node %.60s"),
                        node_name(c, node), group, to);
    return err_hint(err,
                    may_stay
                        ? _("move it first: Move-ClusterVirtualMachineRole -Name %.80s "
                            "-Node %.60s; or name its own node with -H to give it one "
                            "there all the same")
                        : _("move it first: Move-ClusterVirtualMachineRole -Name %.80s "
                            "-Node %.60s"),
                    group, to);
}

/* The owner has none that fits, another node has. */
static bool say_elsewhere(const struct choosing *c, enum node_fit fit, size_t node,
                          struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf others = STRBUF_INIT;

    if (!list_nodes(c, fit, &others))
        return err_no_memory(err);
    err_fail(
        err, ERR_CONFLICT, 0,
        _("'%.80s' has VM '%.80s' and no partition left for it; there is one on %.160s"),
        c->list->items[c->at].name, vm_name(c), others.text);
    return hint_move(c, node, false, err);
}

/* The owner has one, with which it is less safe than on another. */
static bool say_safer(const struct choosing *c, size_t node, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf others = STRBUF_INIT;

    if (!list_nodes(c, NODE_SAFE, &others))
        return err_no_memory(err);
    err_fail(
        err, ERR_CONFLICT, 0,
        _("with a partition of '%.80s', which has VM '%.60s', not every VM would come up if "
          "a node fails; with one of %.120s they would"),
        c->list->items[c->at].name, vm_name(c), others.text);
    return hint_move(c, node, true, err);
}

/* No node at all that may have it. */
static bool say_nowhere(const struct choosing *c, struct err *err)
{
    uint64_t largest = 0;
    size_t nodes = 0, full = 0;
    char wanted[24], most[24];

    for (size_t n = 0; n < c->views->count; n++) {
        nodes += c->ratings[n].fit != NODE_MAY_NOT;
        full += c->ratings[n].fit == NODE_FULL;
        if (c->ratings[n].fit != NODE_MAY_NOT && c->ratings[n].largest > largest)
            largest = c->ratings[n].largest;
    }
    if (!c->role)
        err_fail(
            err, ERR_CONFLICT, 0,
            _("'%.80s' has no partition left for VM '%.80s', which is no role of a cluster "
              "and so gets none elsewhere"),
            c->list->items[c->at].name, vm_name(c));
    else if (full > 0)
        err_fail(
            err, ERR_CONFLICT, 0,
            _("of the %zu nodes that may have VM '%.80s' none has a partition left for it"),
            nodes, vm_name(c));
    else
        err_fail(
            err, ERR_CONFLICT, 0,
            _("none of the %zu nodes that may have VM '%.80s' has a partition of at least "
              "%s: the largest have %s"),
            nodes, vm_name(c), size_text(wanted, c->options->vram_bytes.value),
            largest > 0 ? size_text(most, largest) : _("an unknown size"));
    if (full == 0 && c->role)
        return err_hint(err, _("fewer partitions are larger: 'hvgpu partition set'"));
    return err_hint(
        err, c->role ? "detach it from another VM, or set more partitions"
                     : _("detach it from another VM, set more partitions, or make it "
                         "a role with Add-ClusterVirtualMachineRole"));
}

/* ---- choosing ---- */

static bool rate(struct choosing *c, bool *ret_rated, struct err *err)
{
    struct placing_wish wish = { .vram_bytes = c->options->vram_bytes.known
                                                   ? c->options->vram_bytes.value
                                                   : 0,
                                 .class_id = PLACE_ANY_CLASS };
    bool any = false;

    *ret_rated = false;
    c->ratings = calloc(c->views->count + 1, sizeof(*c->ratings));
    if (!c->ratings)
        return err_no_memory(err);
    if (!placing_make(&c->placing, (const struct hv_host *const *)c->views->hosts,
                      c->views->count, false, err))
        return false;
    for (size_t n = 0; n < c->views->count; n++)
        any |= c->placing.nodes[n].gpu_count > 0;
    if (!any)
        return true; /* the plan says what there is */
    if (c->options->gpu) {
        struct err ignored = ERR_INIT;

        if (!placing_find_class(&c->placing, c->options->gpu, &wish.class_id, &ignored))
            return true;
    }
    *ret_rated = true;
    return placing_rate_nodes(&c->placing, c->at, c->vm, &wish, c->ratings, err);
}

/* May leave it to the plan of the owner, which knows what it has. */
static bool choose(struct choosing *c, size_t *ret, bool *ret_unsafe, struct err *err)
{
    enum node_fit own = c->ratings[c->at].fit;
    size_t safe = best_of(c, NODE_SAFE), unsafe = best_of(c, NODE_UNSAFE);
    size_t other = safe != SIZE_MAX ? safe : unsafe;

    *ret = c->at;
    *ret_unsafe = own == NODE_UNSAFE;
    if (own == NODE_SAFE || (own == NODE_UNSAFE && safe == SIZE_MAX))
        return true;
    if (other == SIZE_MAX) /* its own plan says which sizes a host has */
        return (!c->role && own == NODE_TOO_SMALL) || say_nowhere(c, err);
    if (c->move && c->vm->state == VM_OFF) {
        *ret = other;
        *ret_unsafe = safe == SIZE_MAX;
        return true;
    }
    if (own == NODE_UNSAFE)
        return say_safer(c, other, err);
    return say_elsewhere(c, safe != SIZE_MAX ? NODE_SAFE : NODE_UNSAFE, other, err);
}

static bool finish(const struct choosing *c, size_t node, bool is_unsafe,
                   struct attach_node **ret, struct err *err)
{
    struct attach_node *chosen = calloc(1, sizeof(*chosen));

    if (!chosen)
        return err_no_memory(err);
    *chosen =
        (struct attach_node){ .owner = c->at,
                              .node = node,
                              .vm_id = text_dup(c->vm->id),
                              .unsafe =
                                  is_unsafe ? text_dup(c->list->items[node].name) : NULL };
    if (!chosen->vm_id || (is_unsafe && !chosen->unsafe)) {
        attach_node_free(chosen);
        return err_no_memory(err);
    }
    *ret = chosen;
    return true;
}

bool attach_node_choose(const struct host_views *views, const struct host_list *list,
                        const char *vm, const struct attach_options *options, bool move,
                        struct attach_node **ret, struct err *err)
{
    struct choosing c = { .views = views, .list = list, .options = options, .move = move };
    bool ok, is_rated = false, is_unsafe = false;
    size_t node;

    if (!host_views_find_vm(views, list, vm, &c.at, err) ||
        !hv_select_vm(views->hosts[c.at], vm, &c.vm, err))
        return false;
    c.role = hv_find_role(views->hosts[c.at]->cluster, c.vm->id);
    node = c.at;
    /* What it has it need not find. */
    ok = c.vm->adapter_count > 0 || shares_otherwise(&c) || rate(&c, &is_rated, err);
    if (ok && is_rated)
        ok = choose(&c, &node, &is_unsafe, err);
    ok = ok && finish(&c, node, is_unsafe, ret, err);
    placing_clear(&c.placing);
    free(c.ratings);
    return ok;
}
