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
#include "fleet.h"
#include "text.h"
#include "tr.h"

struct seed {
    struct host_target target;  /* owned */
    struct hv_cluster *cluster; /* owned; NULL: none, or another seed has it */
    char *computer;             /* owned: which node it is; NULL: none of them by name */
    bool is_name;               /* it is the name of a cluster that another seed has */
};

static void seed_clear(struct seed *seed)
{
    host_target_clear(&seed->target);
    hv_cluster_free(seed->cluster);
    free(seed->computer);
}

static bool look_at(struct fleet_host *host, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *its = NULL;
    struct cim_session *session = host->context.session;
    struct seed *seed = host->data;

    if (!hv_cluster_read(session, false, &seed->cluster, err))
        return false;
    if (!seed->cluster)
        return true;
    if (!hv_inventory_read(session, host->name, 0, &its, err))
        return false;
    seed->computer = text_dup(its->computer_name);
    return seed->computer || !its->computer_name || err_no_memory(err);
}

static bool is_down(const struct hv_node *node)
{
    return node->state.known &&
           (node->state.value == NODE_DOWN || node->state.value == NODE_JOINING);
}

static bool add_nodes(const struct invocation *in, struct host_list *list,
                      const struct seed *seed, struct err *err)
{
    for (size_t i = 0; i < seed->cluster->node_count; i++) {
        const struct hv_node *node = &seed->cluster->nodes[i];
        struct host_target *target;

        if (!host_list_add_node(list, in->values, &seed->target, node->name,
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
    if (seed->is_name)
        return true;
    if (seed->cluster && hv_same_node(computer, seed->cluster->name) &&
        !hv_find_node(seed->cluster, computer))
        return true;
    return host_list_append(list, &seed->target, seed->cluster ? seed->computer : NULL,
                            err);
}

/* "node1.lab.example" is no node1 of another domain. */
static bool may_be_in(const struct hv_cluster *cluster, const char *computer)
{
    const char *dot = strchr(computer, '.');

    return !dot || !cluster->domain || text_ieq(dot + 1, cluster->domain);
}

/* Whether it belongs to the cluster of another one, which then tells all there is. */
static bool is_known(const struct seed *seeds, size_t count, struct seed *seed)
{
    CLEANUP(free_cleanup) char *computer = host_target_computer(&seed->target);

    for (size_t i = 0; computer && i < count; i++) {
        const struct hv_cluster *cluster = seeds[i].cluster;

        if (!cluster || !may_be_in(cluster, computer))
            continue;
        if (hv_find_node(cluster, computer))
            return true;
        if (hv_same_node(cluster->name, computer))
            return seed->is_name = true;
    }
    return false;
}

/* Nothing is known of one that does not answer; whatever is done next says why. */
static bool ask(const struct invocation *in, const struct host_list *list,
                struct seed *const *seeds, bool *ret_silent, struct err *err)
{
    struct fleet fleet;
    bool ok;

    *ret_silent = true;

    if (!fleet_open_to_look(in, list, &fleet, err))
        return false;
    for (size_t i = 0; i < list->count; i++)
        fleet.hosts[i].data = seeds[i];
    ok = fleet_each(&fleet, "hosts", look_at, err);
    for (size_t i = 0; ok && i < list->count; i++) {
        *ret_silent = *ret_silent && fleet.hosts[i].failed;
        if (fleet.hosts[i].err.kind == ERR_NO_MEMORY)
            ok = err_no_memory(err);
    }
    fleet_close(&fleet);
    return ok;
}

/*
 * One, then two more, then four ...: those named for the same cluster are found in the answer of
 * the first of them, and many clusters need few rounds.  Where none answers there is nothing to
 * wait for: all that are left at once.
 */
static bool ask_seeds(const struct invocation *in, struct seed *seeds, size_t count,
                      struct err *err)
{
    CLEANUP(free_cleanup)
    struct host_target *targets = calloc(count ? count : 1, sizeof(*targets));
    CLEANUP(free_cleanup) struct seed **asked = calloc(count ? count : 1, sizeof(*asked));
    bool silent = false;
    size_t next = 0;

    if (!targets || !asked)
        return err_no_memory(err);
    for (size_t most = 1; next < count; most = silent ? count : 2 * most) {
        struct host_list some = { .items = targets };

        for (; next < count && some.count < most; next++) {
            if (!seeds[next].target.cluster || is_known(seeds, count, &seeds[next]))
                continue;
            asked[some.count] = &seeds[next];
            targets[some.count++] = seeds[next].target; /* lent */
        }
        if (some.count > 0 && !ask(in, &some, asked, &silent, err))
            return false;
    }
    return true;
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

bool cluster_hosts_expand(const struct invocation *in, struct host_list *list,
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
    ok = ok && ask_seeds(in, seeds, count, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = keep_seed(list, &seeds[i], err);
    for (size_t i = 0; ok && i < count; i++)
        if (seeds[i].cluster)
            ok = add_nodes(in, list, &seeds[i], err);
    for (size_t i = 0; i < count; i++)
        seed_clear(&seeds[i]);
    free(seeds);
    return ok;
}
