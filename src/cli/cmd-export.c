/* SPDX-License-Identifier: GPL-2.0-or-later */
/* export: what hosts have, as a file that says it shall stay so. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "found.h"
#include "host-json.h"
#include "os.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    const struct found_options options = { .drivers = option_get(in, "no-drivers")
                                                          ? DRIVERS_NONE
                                                          : DRIVERS_HOST };
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    struct desired_host found;

    if (!hv_inventory_read(in->session, in->host, DESIRED_WHAT, &host, err) ||
        !survey_judge_gpus(host, err) ||
        !desired_from_host(host, in->host, &options, &found, err))
        return false;
    if (in->json) {
        *ret = json_pack("{s:o, s:o}", "os", os_to_json(host), "state",
                         desired_host_to_json(&found));
    } else {
        desired_write_host(&found, &text);
        *ret = text.failed
                   ? NULL
                   : json_pack("{s:o, s:s}", "os", os_to_json(host), "yaml", text.text);
    }
    desired_host_clear(&found);
    return *ret || err_no_memory(err);
}

static const char *name_of(const json_t *host)
{
    const char *name = json_string_value(json_object_get(host, "host"));

    return name ? name : "";
}

static int compare_hosts(const void *a, const void *b)
{
    return text_casecmp(name_of(*(const json_t *const *)a),
                        name_of(*(const json_t *const *)b));
}

/* Sorted, so that the order of -H does not change the file. */
static bool put_hosts(const json_t *hosts, struct strbuf *to, struct err *err)
{
    size_t count = json_array_size(hosts);
    CLEANUP(free_cleanup) const json_t **sorted = calloc(count + 1, sizeof(*sorted));

    if (!sorted)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(hosts, i);
    qsort(sorted, count, sizeof(*sorted), compare_hosts);
    desired_write_head(to);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_object_get(sorted[i], "yaml"));

        if (text)
            strbuf_puts(to, text);
    }
    return !to->failed || err_no_memory(err);
}

static size_t count_missing(const json_t *hosts)
{
    size_t count = 0, i;
    const json_t *host;

    json_array_foreach(hosts, i, host) count += !json_object_get(host, "yaml");
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

    if (!put_hosts(json_object_get(document, "hosts"), &text, err))
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
};
