/* SPDX-License-Identifier: GPL-2.0-or-later */
/* partition set: the partition count of a GPU, the same on all hosts named. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "failover.h"
#include "fleet.h"
#include "partition.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"
#include "vm-plan.h"

/* What is known of one host, as long as the command runs. */
struct seen {
    struct hv_host *host;
    const struct hv_gpu **gpus; /* chosen */
    size_t count;
    struct hv_host *after; /* read once more when it was changed */
    struct hv_cluster *cluster;
};

static bool read_count(const struct invocation *in, uint64_t *ret, struct err *err)
{
    *ret = 0;
    if (!option_get(in, "count")) {
        err_fail(err, ERR_INVALID, 0, _("--%s is missing"), "count");
        return err_hint(err, _("'hvgpu gpu show' lists the counts that a GPU takes"));
    }
    if (!option_get_u64(in, "count", ret, err))
        return false;
    return (*ret >= 1 && *ret <= UINT16_MAX) ||
           err_fail(err, ERR_INVALID, 0, _("--count takes 1 to %d"), UINT16_MAX);
}

static bool check(const struct invocation *in, struct err *err)
{
    uint64_t count;

    return read_count(in, &count, err);
}

/* ---- looking ---- */

static bool add_chosen(struct seen *seen, const struct hv_gpu *gpu, struct err *err)
{
    const struct hv_gpu **more;

    for (size_t i = 0; i < seen->count; i++)
        if (seen->gpus[i] == gpu)
            return true;
    more = realloc(seen->gpus, (seen->count + 1) * sizeof(*more));
    if (!more)
        return err_no_memory(err);
    seen->gpus = more;
    more[seen->count++] = gpu;
    return true;
}

static bool choose(const struct invocation *in, struct seen *seen, struct err *err)
{
    bool all = option_get(in, "all") != NULL;

    for (size_t i = 0; i < in->operand_count; i++) {
        CLEANUP(free_cleanup) const struct hv_gpu **found = NULL;
        const struct hv_gpu *one;
        size_t count = 1;

        if (!all && !hv_select_gpu(seen->host, in->operands[i], &one, err)) {
            if (err->kind != ERR_INVALID || !*in->operands[i])
                return false;
            err->hint[0] = '\0';
            return err_hint(err,
                            _("name one by its number in 'gpu list' or its instance id, "
                              "or take all of them with --all"));
        }
        if (all && !hv_select_gpus(seen->host, in->operands[i], &found, &count, err))
            return false;
        for (size_t k = 0; k < count; k++)
            if (!add_chosen(seen, all ? found[k] : one, err))
                return false;
    }
    return true;
}

/* Only for a warning: who may set counts and not look at the cluster sets them all the same. */
static bool look_at_cluster(struct fleet_host *host, struct err *err)
{
    struct seen *seen = host->data;
    struct err why = ERR_INIT;

    if (hv_cluster_read(host->context.session, false, &seen->cluster, &why) ||
        (why.kind != ERR_UNREACHABLE && why.kind != ERR_CANCELLED &&
         why.kind != ERR_NO_MEMORY))
        return true;
    *err = why;
    return false;
}

static bool look(struct fleet_host *host, struct err *err)
{
    struct seen *seen = host->data;

    return hv_inventory_read(host->context.session, host->name, PARTITION_WHAT, &seen->host,
                             err) &&
           look_at_cluster(host, err) && choose(host->fleet->in, seen, err);
}

/* What the device reports with its new count.  The step has read the count itself: what cannot
 * be read now is not told, and the host has not failed. */
static bool look_again(struct fleet_host *host, struct err *err)
{
    struct seen *seen = host->data;
    struct err ignored = ERR_INIT;

    (void)err;
    if (!hv_inventory_read(host->context.session, host->name, PARTITION_WHAT, &seen->after,
                           &ignored))
        seen->after = NULL;
    return true;
}

/* ---- all hosts together ---- */

static bool keep_findings(struct fleet *fleet, const struct findings *found,
                          struct err *err)
{
    json_t *list;
    bool ok;

    /* The only host's plan is all that is shown. */
    if (fleet->count == 1 && fleet->hosts[0].plan)
        return plan_take_findings(fleet->hosts[0].plan, found, err);
    list = findings_to_json(found);
    ok = list && json_array_extend(fleet->findings, list) == 0;
    json_decref(list);
    return ok || err_no_memory(err);
}

static struct partition_host *hosts_of(const struct fleet *fleet, bool after,
                                       struct err *err)
{
    struct partition_host *hosts = calloc(fleet->count + 1, sizeof(*hosts));

    if (!hosts)
        err_no_memory(err);
    for (size_t i = 0; hosts && i < fleet->count; i++) {
        const struct seen *seen = fleet->hosts[i].data;
        const struct hv_host *host = after && seen->after ? seen->after : seen->host;

        /* What it has now is not known of one that was changed and not read again. */
        if (after && fleet->hosts[i].was_run && !seen->after)
            continue;
        if (host && (after || !fleet->hosts[i].failed))
            hosts[i] = (struct partition_host){ host, seen->gpus, seen->count, NULL };
    }
    return hosts;
}

static bool is_named(const struct fleet *fleet, const char *node)
{
    for (size_t i = 0; i < fleet->count; i++) {
        const struct seen *seen = fleet->hosts[i].data;
        const char *name = seen->host ? seen->host->computer_name : NULL;

        if (hv_same_node(name ? name : fleet->hosts[i].name, node))
            return true;
    }
    return false;
}

/* Nodes of the same clusters that were not named: each once. */
static bool find_nodes_left_out(const struct fleet *fleet, struct findings *to,
                                struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < fleet->count; i++) {
        const struct seen *seen = fleet->hosts[i].data;
        bool is_known = !seen->cluster;

        for (size_t k = 0; k < i && !is_known; k++) {
            const struct seen *other = fleet->hosts[k].data;

            is_known =
                other->cluster && text_ieq(other->cluster->name, seen->cluster->name);
        }
        for (size_t n = 0; !is_known && n < seen->cluster->node_count; n++)
            if (!is_named(fleet, seen->cluster->nodes[n].name))
                strbuf_printf(&text, "%s%s", text.len ? "\n" : "",
                              seen->cluster->nodes[n].name);
    }
    if (text.failed)
        return err_no_memory(err);
    return text.len == 0 ||
           findings_add(
               to, "partition-node-left-out", SEVERITY_WARNING, NULL, text.text,
               N_("other nodes of the cluster are left out, and VMs move to them, too"),
               N_("name them as well, or use --cluster"),
               "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/"
               "partition-assign-vm-gpu.md",
               err);
}

static bool make_plans(struct fleet *fleet, uint64_t count, struct err *err)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;
    CLEANUP(free_cleanup) struct partition_host *hosts = hosts_of(fleet, false, err);
    bool ok = hosts && partition_plan(hosts, fleet->count, count, &found, err);
    size_t steps = 0;

    for (size_t i = 0; hosts && i < fleet->count; i++) {
        fleet->hosts[i].plan = hosts[i].plan;
        steps += hosts[i].plan ? hosts[i].plan->step_count : 0;
    }
    return ok && (steps == 0 || find_nodes_left_out(fleet, &found, err)) &&
           keep_findings(fleet, &found, err);
}

/* ---- afterwards ---- */

/* The GPUs that were chosen, as they are now: the same ones of another reading. */
static bool choose_again(struct seen *seen, const struct hv_gpu ***ret, struct err *err)
{
    const struct hv_gpu **gpus = calloc(seen->count + 1, sizeof(const struct hv_gpu *));

    if (!gpus)
        return err_no_memory(err);
    for (size_t i = 0; i < seen->count; i++)
        gpus[i] = hv_find_gpu(seen->after, seen->gpus[i]->instance_id);
    *ret = gpus;
    return true;
}

static bool tell_sizes(struct fleet_host *host, const struct hv_gpu *const *gpus,
                       struct err *err)
{
    const struct seen *seen = host->data;

    for (size_t i = 0; i < seen->count; i++) {
        CLEANUP(free_cleanup) char *size = NULL, *text = NULL;
        const struct hv_gpu *gpu = gpus[i];

        if (!gpu || !gpu->partition_count.known)
            continue;
        size = partition_size_text(gpu, PARTITION_REPORTED);
        if (!size)
            return err_no_memory(err);
        if (!*size)
            continue;
        text = text_printf(_("reported: with %llu partitions each has %s"),
                           (unsigned long long)gpu->partition_count.value, size);
        if (!text)
            return err_no_memory(err);
        if (!plan_find(host->plan, "partition-size-now", "info", gpu->name, text,
                       N_("what a partition has now, as the GPU reports it"), NULL, NULL,
                       err))
            return false;
    }
    return true;
}

static bool after_all(struct fleet *fleet, struct err *err)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;
    CLEANUP(free_cleanup) struct partition_host *hosts = hosts_of(fleet, true, err);
    bool ok = hosts != NULL;

    for (size_t i = 0; ok && i < fleet->count; i++) {
        struct seen *seen = fleet->hosts[i].data;

        if (!seen->after)
            continue;
        ok = choose_again(seen, &hosts[i].gpus, err);
        if (!ok)
            break;
        /* hosts_of() lent the array of before; this one is ours. */
        ok = tell_sizes(&fleet->hosts[i], hosts[i].gpus, err);
    }
    ok = ok && partition_compare(hosts, fleet->count, &found, err) &&
         keep_findings(fleet, &found, err);
    for (size_t i = 0; hosts && i < fleet->count; i++) {
        const struct seen *seen = fleet->hosts[i].data;

        if (hosts[i].gpus != seen->gpus)
            free(hosts[i].gpus);
    }
    return ok;
}

static void free_seen(struct seen *seen, size_t count)
{
    for (size_t i = 0; seen && i < count; i++) {
        hv_host_free(seen[i].host);
        hv_host_free(seen[i].after);
        hv_cluster_free(seen[i].cluster);
        free(seen[i].gpus);
    }
    free(seen);
}

/* Pieces of evidence stand in a plan with "; " between them. */
static void tell_once(struct output *out, json_t *told, const char *evidence)
{
    CLEANUP(free_cleanup) char *text = clean_text(evidence, 0);

    if (!text || json_object_get(told, text))
        return;
    json_object_set_new(told, text, json_true());
    for (const char *at = text; *at;) {
        const char *end = strstr(at, "; ");
        size_t len = end ? (size_t)(end - at) : strlen(at);

        output_text(out, "      %.*s\n", (int)len, at);
        at += len + (end ? 2 : 0);
    }
}

/* The sizes before anything is set, once for all GPUs that report the same. */
static void explain(const struct fleet *fleet)
{
    json_t *told = json_object();

    for (size_t i = 0; told && i < fleet->count; i++) {
        const json_t *findings =
            fleet->hosts[i].plan ? fleet->hosts[i].plan->findings : NULL;
        const json_t *finding, *line;
        size_t f, l;

        json_array_foreach(findings, f, finding)
        {
            const char *id = json_string_value(json_object_get(finding, "id"));

            if (!id || strcmp(id, "partition-size") != 0)
                continue;
            json_array_foreach(json_object_get(finding, "evidence"), l, line)
                tell_once(fleet->in->out, told, json_string_value(line));
        }
    }
    json_decref(told);
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct fleet fleet;
    struct seen *seen;
    uint64_t count;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!read_count(in, &count, err) || !fleet_open(in, &fleet, err))
        return false;
    fleet.after_host = look_again;
    fleet.after_all = after_all;
    fleet.explain = explain;
    fleet.explained = "partition-size";
    seen = calloc(fleet.count + 1, sizeof(*seen));
    ok = seen || err_no_memory(err);
    for (size_t i = 0; ok && i < fleet.count; i++)
        fleet.hosts[i].data = &seen[i];
    ok = ok && fleet_each(&fleet, "hosts", look, err) && make_plans(&fleet, count, err) &&
         fleet_carry_out(&fleet, ret_exit, err);
    free_seen(seen, fleet.count);
    fleet_close(&fleet);
    return ok;
}

static const struct option_spec options[] = {
    { "count", 0, "N", N_("how many partitions; one of the GPU's valid counts") },
    { "all", 0, NULL, N_("every GPU of a host that fits, not just one") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_partition_set = {
    .name = "partition set",
    .operands = "GPU...",
    .summary = N_("set how many partitions a GPU has (GPU-P), the same on all hosts"),
    .flags = CMD_HOST | CMD_FLEET | CMD_CHANGES,
    .options = options,
    .check = check,
    .run = run,
};
