/* SPDX-License-Identifier: GPL-2.0-or-later */
/* export: what hosts have, as a file that says it shall stay so. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "failover.h"
#include "found.h"
#include "gather.h"
#include "host-json.h"
#include "os.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

static void forget(void *kept)
{
    struct gather_host *host = kept;

    desired_host_clear(&host->host);
    free(host->cluster);
    free(host);
}

/* For print(), which has all hosts together. */
static bool keep(const struct invocation *in, const struct hv_host *host,
                 struct desired_host *found, struct err *err)
{
    struct gather_host *kept = calloc(1, sizeof(*kept));

    if (!kept) {
        desired_host_clear(found);
        return err_no_memory(err);
    }
    kept->host = *found;
    if (host->cluster && option_get(in, "cluster")) {
        kept->cluster = text_dup(host->cluster->name ? host->cluster->name : "?");
        if (!kept->cluster) {
            forget(kept);
            return err_no_memory(err);
        }
    }
    return command_keep(in, kept, err);
}

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    const struct found_options options = { .drivers = option_get(in, "no-drivers")
                                                          ? DRIVERS_NONE
                                                          : DRIVERS_HOST };
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    struct desired_host found;

    if (!hv_inventory_read(in->session, in->host, DESIRED_WHAT, &host, err) ||
        !survey_judge_gpus(host, err) ||
        !desired_from_host(host, in->host, &options, &found, err))
        return false;
    if (in->json) {
        *ret = json_pack("{s:o, s:o}", "os", os_to_json(host), "state",
                         desired_host_to_json(&found));
        desired_host_clear(&found);
        return *ret || err_no_memory(err);
    }
    *ret = json_pack("{s:o, s:b}", "os", os_to_json(host), "is_read", 1);
    if (*ret)
        return keep(in, host, &found, err);
    desired_host_clear(&found);
    return err_no_memory(err);
}

static int compare_hosts(const void *a, const void *b)
{
    return text_casecmp((*(struct gather_host *const *)a)->host.name,
                        (*(struct gather_host *const *)b)->host.name);
}

/* Sorted, so that the order of -H does not change the file. */
static bool put_file(const struct invocation *in, struct strbuf *to, struct err *err)
{
    size_t count;
    void *const *kept = command_kept(in, &count);
    CLEANUP(free_cleanup)
    struct gather_host **sorted = calloc(count + 1, sizeof(*sorted));
    CLEANUP(desired_cleanup) struct desired *file = NULL;

    if (!sorted)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++)
        sorted[i] = kept[i];
    qsort(sorted, count, sizeof(*sorted), compare_hosts);
    file = desired_gather(sorted, count, err);
    if (!file)
        return false;
    desired_write(file, to);
    return !to->failed || err_no_memory(err);
}

static size_t count_missing(const json_t *hosts)
{
    size_t count = 0, i;
    const json_t *host;

    json_array_foreach(hosts, i, host) count += !json_object_get(host, "is_read");
    return count;
}

/* What the file says of hosts that do not answer today is not for us to lose. */
static bool must_keep(const struct invocation *in, const char *path, const json_t *hosts)
{
    size_t missing = count_missing(hosts);
    struct err err = ERR_INIT;

    if (missing == 0 || option_get(in, "partial") || !os_file_exists(path))
        return false;
    err_fail(&err, ERR_CONFLICT, 0,
             _("'%.200s' stays as it was: hosts that could not be read: %zu; they would be "
               "missing in it"),
             path, missing);
    err_hint(&err, _("write elsewhere, name only hosts that answer, or give --partial to "
                     "leave the others out"));
    output_host_error(in->out, NULL, &err);
    return true;
}

static bool print(const struct invocation *in, const json_t *document, struct err *err)
{
    const char *path = option_get(in, "output");
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

    if (!put_file(in, &text, err))
        return false;
    if (path)
        return must_keep(in, path, json_object_get(document, "hosts")) ||
               os_write_file(path, text.text, text.len, err);
    output_text(in->out, "%s", text.text);
    return true;
}

static bool check(const struct invocation *in, struct err *err)
{
    const char *path = option_get(in, "output");

    if (!path && option_get(in, "partial"))
        return err_fail(err, ERR_INVALID, 0, _("--partial is for --output"));
    if (!path || (*path && !in->json))
        return true;
    if (*path)
        return err_fail(err, ERR_INVALID, 0, _("--output is for the YAML, not for --json"));
    return err_fail(err, ERR_INVALID, 0, _("--%s needs the name of a file"), "output");
}

static const struct option_spec options[] = {
    { "output", 'o', "FILE", N_("write there instead of on standard output") },
    { "partial", 0, NULL, N_("replace the file also when some hosts could not be read") },
    { "no-drivers", 0, NULL, N_("do not ask for the host's drivers in the guests") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_export = {
    .name = "export",
    .summary = N_("write what hosts have as a file for diff and apply"),
    .flags = CMD_HOST,
    .options = options,
    .check = check,
    .list = "state",
    .collect = collect,
    .print = print,
    .forget = forget,
};
