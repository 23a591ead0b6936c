/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which objects a host shows: its own, and those it shares with the nodes of its cluster. */
#include "host.h"

#include "cluster.h"
#include "text.h"

struct sim_store *sim_host_store(const struct sim_host *host, const char *ns)
{
    return host->cluster && text_istarts(ns, "root") && text_ieq(ns + 5, "MSCluster")
               ? host->cluster->store
               : host->store;
}

void sim_host_changed(struct sim_host *host, const char *ns)
{
    if (host->cluster && sim_host_store(host, ns) == host->cluster->store)
        host->cluster->dirty = true;
    else
        host->dirty = true;
}

bool sim_host_is_dirty(const struct sim_host *host)
{
    bool dirty = host->dirty;

    for (size_t i = 0; host->cluster && i < host->cluster->node_count; i++)
        dirty = dirty || host->cluster->nodes[i]->dirty;
    return dirty || (host->cluster && host->cluster->dirty);
}
