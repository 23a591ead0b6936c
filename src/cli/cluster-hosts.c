/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one node of a failover cluster to all of them.
 *
 * A node that was named keeps the way to it that was given; the others are reached the same
 * way, or as the inventory says.  Which node a given name reaches is told by the computer
 * itself: it may be an address, or the cluster's own name, which is whichever node owns it.
 */

#include "cluster-hosts.h"

#include <stdlib.h>
#include <string.h>

#include "failover.h"
#include "session.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

struct seed {
    struct host_target target;  /* owned */
    struct hv_cluster *cluster; /* owned; NULL: none */
    char *computer;             /* owned: which node it is; NULL: none of them by name */
};

static void seed_clear(struct seed *seed)
{
    host_target_clear(&seed->target);
    hv_cluster_free(seed->cluster);
    free(seed->computer);
}

/* Nothing is known when it does not answer; whatever is done next says why. */
static bool look_at(const struct connector *connector, struct seed *seed, struct err *err)
{
    CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct err why = ERR_INIT;

    session = connector_open(connector, &seed->target, &why);
    if (session && hv_cluster_read(session, false, &seed->cluster, &why) && seed->cluster &&
        hv_inventory_read(session, seed->target.name, 0, &host, &why))
        seed->computer = text_dup(host->computer_name);
    if (why.kind != ERR_CANCELLED && why.kind != ERR_NO_MEMORY)
        return true;
    *err = why;
    return false;
}

static bool is_down(const struct hv_node *node)
{
    return node->state.known &&
           (node->state.value == NODE_DOWN || node->state.value == NODE_JOINING);
}

static bool add_nodes(const struct connector *connector, struct host_list *list,
                      const struct seed *seed, struct err *err)
{
    for (size_t i = 0; i < seed->cluster->node_count; i++) {
        const struct hv_node *node = &seed->cluster->nodes[i];
        struct host_target *target;

        if (!host_list_add_node(list, connector->values, &seed->target, node->name,
                                seed->cluster->domain, &target, err))
            return false;
        if (!is_down(node) || target->unavailable)
            continue;
        target->unavailable =
            text_printf(_("the cluster '%.60s' says that its node '%.60s' is %s"),
                        seed->cluster->name ? seed->cluster->name : "?", node->name,
                        node_state_name(node->state.value));
        if (!target->unavailable)
            return err_no_memory(err);
    }
    return true;
}

/* The way that was given, for the node it leads to; the cluster's own name is left out. */
static bool keep_seed(struct host_list *list, const struct seed *seed, struct err *err)
{
    CLEANUP(free_cleanup) char *computer = host_target_computer(&seed->target);

    if (!computer)
        return err_no_memory(err);
    if (seed->cluster && hv_same_node(computer, seed->cluster->name) &&
        !hv_find_node(seed->cluster, computer))
        return true;
    return host_list_append(list, &seed->target, seed->cluster ? seed->computer : NULL,
                            err);
}

/* Whether an earlier one had it among its nodes. */
static bool is_known(const struct seed *seeds, size_t count, const struct seed *seed)
{
    CLEANUP(free_cleanup) char *computer = host_target_computer(&seed->target);

    for (size_t i = 0; i < count; i++)
        if (computer && hv_find_node(seeds[i].cluster, computer))
            return true;
    return false;
}

static bool take_seeds(struct host_list *list, struct seed **ret, size_t *ret_count,
                       struct err *err)
{
    struct seed *seeds = calloc(list->count ? list->count : 1, sizeof(*seeds));

    if (!seeds)
        return err_no_memory(err);
    for (size_t i = 0; i < list->count; i++) {
        seeds[i].target = list->items[i];
        list->items[i] = (struct host_target){ 0 };
    }
    *ret = seeds;
    *ret_count = list->count;
    list->count = 0;
    return true;
}

bool cluster_hosts_expand(const struct connector *connector, struct host_list *list,
                          struct err *err)
{
    struct seed *seeds = NULL;
    size_t count = 0;
    bool any = false, ok;

    for (size_t i = 0; i < list->count; i++)
        any |= list->items[i].cluster;
    if (!any)
        return true;
    ok = take_seeds(list, &seeds, &count, err);
    /* All that were named come first as they were named, so that their way is kept. */
    for (size_t i = 0; ok && i < count; i++)
        if (seeds[i].target.cluster && !is_known(seeds, i, &seeds[i]))
            ok = look_at(connector, &seeds[i], err);
    for (size_t i = 0; ok && i < count; i++)
        ok = keep_seed(list, &seeds[i], err);
    for (size_t i = 0; ok && i < count; i++)
        if (seeds[i].cluster)
            ok = add_nodes(connector, list, &seeds[i], err);
    for (size_t i = 0; i < count; i++)
        seed_clear(&seeds[i]);
    free(seeds);
    return ok;
}

/* ---- which of them ---- */

void host_views_clear(struct host_views *views)
{
    for (size_t i = 0; i < views->count; i++)
        hv_host_free(views->hosts[i]);
    free(views->hosts);
    free(views->why);
    *views = (struct host_views){ 0 };
}

bool host_views_read(const struct connector *connector, const struct host_list *list,
                     unsigned what, struct host_views *ret, struct err *err)
{
    struct host_views views = { .hosts = calloc(list->count, sizeof(*views.hosts)),
                                .why = calloc(list->count, sizeof(*views.why)) };

    if (!views.hosts || !views.why) {
        host_views_clear(&views);
        return err_no_memory(err);
    }
    views.count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        CLEANUP(cim_session_cleanup) struct cim_session *session = NULL;
        struct err *why = &views.why[i];

        session = connector_open(connector, &list->items[i], why);
        if (!session ||
            !hv_inventory_read(session, list->items[i].name, what, &views.hosts[i], why)) {
            if (why->kind == ERR_CANCELLED || why->kind == ERR_NO_MEMORY) {
                *err = *why;
                host_views_clear(&views);
                return false;
            }
        }
    }
    *ret = views;
    return true;
}

/* None has it: hosts that did not answer may. */
static bool not_found(const struct host_views *views, const struct host_list *list,
                      const char *vm, struct err *err)
{
    size_t silent = 0, first = 0;
    char why[ERR_TEXT];

    for (size_t i = views->count; i-- > 0;)
        if (!views->hosts[i]) {
            silent++;
            first = i;
        }
    err_fail(err, ERR_NOT_FOUND, 0, _("none of %zu hosts has a VM '%.80s'"),
             views->count - silent, vm);
    if (silent == 0)
        return err_hint(err, _("'hvgpu vm list' shows the VMs of all of them"));
    err_format(&views->why[first], why, sizeof(why));
    return err_hint(err, _("%zu hosts did not answer; %.80s: %.160s"), silent,
                    list->items[first].name, why);
}

bool host_views_find_vm(const struct host_views *views, const struct host_list *list,
                        const char *vm, size_t *ret, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf names = STRBUF_INIT;
    size_t found = 0;

    for (size_t i = 0; i < views->count; i++) {
        const struct hv_vm *ignored;
        struct err why = ERR_INIT;

        if (!views->hosts[i])
            continue;
        if (!hv_select_vm(views->hosts[i], vm, &ignored, &why)) {
            if (why.kind == ERR_NOT_FOUND)
                continue;
            *err = why;
            return err_wrap(err, "%s", list->items[i].name);
        }
        strbuf_printf(&names, "%s%s", found ? ", " : "", list->items[i].name);
        *ret = i;
        found++;
    }
    if (names.failed)
        return err_no_memory(err);
    if (found == 1)
        return true;
    if (found == 0)
        return not_found(views, list, vm, err);
    err_fail(err, ERR_INVALID, 0, _("%zu hosts have a VM '%.80s'"), found, vm);
    return err_hint(err, _("name one of them with -H: %.200s"), names.text);
}
