/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host's world: made on first use, kept as long as the host. */
#include "world.h"

#include <stdlib.h>

#include "os.h"
#include "text.h"
#include "world-inside.h"

struct sim_world *sim_host_world(struct sim_host *host, struct err *err)
{
    struct sim_world *w;

    if (host->world)
        return host->world;
    w = calloc(1, sizeof(*w));
    if (!w) {
        err_no_memory(err);
        return NULL;
    }
    w->host = host;
    w->root = text_printf("%s/C", host->dir);
    if (!w->root) {
        err_no_memory(err);
        goto fail;
    }
    if (!os_make_dirs(w->root, err))
        goto fail;
    host->world = w;
    if (!world_state_load(w, err))
        goto fail;
    return w;
fail:
    host->world = NULL;
    sim_world_free(w);
    err_wrap(err, "the files of simulated host '%s'", host->name);
    return NULL;
}

bool world_is_idle(const struct sim_world *w)
{
    for (size_t i = 0; i < w->hive_count; i++)
        if (!w->hives[i].own)
            return false;
    return !w->attached && w->process_count == 0 && w->batch == 0 && !w->files_made;
}

void sim_world_free(struct sim_world *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->hive_count; i++) {
        free(w->hives[i].mount);
        free(w->hives[i].file);
        hive_close(w->hives[i].hive);
    }
    attached_free_all(w);
    free(w->root);
    free(w);
}
