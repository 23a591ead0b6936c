/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All hosts looked at, so that a command for one of them finds out which. */

#include "host-views.h"

#include <stdlib.h>

#include "fleet.h"
#include "strbuf.h"
#include "tr.h"

void host_views_clear(struct host_views *views)
{
    for (size_t i = 0; views->hosts && i < views->count; i++)
        hv_host_free(views->hosts[i]);
    free(views->hosts);
    free(views->why);
    *views = (struct host_views){ 0 };
}

struct look {
    unsigned what;
    struct hv_host **to;
};

static bool look_at(struct fleet_host *host, struct err *err)
{
    const struct look *look = host->data;

    return hv_inventory_read(host->context.session, host->name, look->what, look->to, err);
}

bool host_views_read(const struct invocation *in, const struct host_list *list,
                     unsigned what, struct host_views *ret, struct err *err)
{
    struct host_views views = { .hosts = calloc(list->count, sizeof(*views.hosts)),
                                .why = calloc(list->count, sizeof(*views.why)),
                                .count = list->count };
    CLEANUP(free_cleanup) struct look *looks = calloc(list->count, sizeof(*looks));
    struct fleet fleet = { 0 };
    bool ok = (views.hosts && views.why && looks) || err_no_memory(err);

    ok = ok && fleet_open_to_look(in, list, &fleet, err);
    for (size_t i = 0; ok && i < list->count; i++) {
        looks[i] = (struct look){ what, &views.hosts[i] };
        fleet.hosts[i].data = &looks[i];
    }
    ok = ok && fleet_each(&fleet, "hosts", look_at, err);
    for (size_t i = 0; ok && i < list->count; i++) {
        views.why[i] = fleet.hosts[i].err;
        if (views.why[i].kind == ERR_NO_MEMORY)
            ok = err_no_memory(err);
    }
    fleet_close(&fleet);
    if (ok)
        *ret = views;
    else
        host_views_clear(&views);
    return ok;
}

bool host_views_hint_no_vm(size_t silent, const char *name, const struct err *why,
                           struct err *err)
{
    char text[ERR_TEXT];

    if (silent == 0)
        return err_hint(err, _("'hvgpu vm list' shows the VMs of all of them"));
    err_format(why, text, sizeof(text));
    return err_hint(err, _("%zu hosts did not answer; %.80s: %.160s"), silent, name, text);
}

/* None has it: hosts that did not answer may. */
static bool not_found(const struct host_views *views, const struct host_list *list,
                      const char *vm, struct err *err)
{
    size_t silent = 0, first = 0;

    for (size_t i = views->count; i-- > 0;)
        if (!views->hosts[i]) {
            silent++;
            first = i;
        }
    err_fail(err, ERR_NOT_FOUND, 0, _("none of %zu hosts has a VM '%.80s'"),
             views->count - silent, vm);
    return host_views_hint_no_vm(silent, list->items[first].name, &views->why[first], err);
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
