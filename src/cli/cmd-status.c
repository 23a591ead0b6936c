/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status: one screen: hosts, GPUs, who uses them, what is wrong.  Eight queries a host. */

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "commands.h"
#include "health.h"
#include "host-json.h"
#include "json-view.h"
#include "text.h"
#include "tr.h"

enum { DETAILED_HOSTS = 4 /* more are a table with a line each */ };

static json_t *vm_counts(const struct hv_host *host)
{
    size_t running = 0, with_gpu = 0;

    for (size_t i = 0; i < host->vm_count; i++) {
        running += host->vms[i].state == VM_RUNNING;
        with_gpu += host->vms[i].adapter_count > 0 || host->vms[i].device_count > 0;
    }
    return json_pack("{s:I, s:I, s:I}", "total", (json_int_t)host->vm_count, "running",
                     (json_int_t)running, "with_gpu", (json_int_t)with_gpu);
}

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;

    if (!hv_inventory_read(in->session, in->host, HV_STATUS, &host, err))
        return false;
    *ret = json_pack("{s:o, s:o, s:o, s:o}", "os", os_to_json(host), "gpus",
                     gpus_to_json(host, NULL), "vm_counts", vm_counts(host), "findings",
                     host_findings(host));
    return *ret || err_no_memory(err);
}

static long long count_of(const json_t *host, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(host, "vm_counts"), key));
}

static size_t count_findings(const json_t *host, const char *severity)
{
    const json_t *finding;
    size_t i, n = 0;

    json_array_foreach(json_object_get(host, "findings"), i, finding) n +=
        strcmp(view_text(finding, "severity"), severity) == 0;
    return n;
}

/* "Microsoft Windows 11 Pro (22631)"; the vendor goes without saying. */
static void put_system(struct strbuf *to, const json_t *host)
{
    const json_t *os = json_object_get(host, "os");
    const char *product = view_text(os, "product");

    if (product && text_istarts(product, "Microsoft "))
        product += strlen("Microsoft ");
    strbuf_puts(to, product ? product : "?");
    if (json_is_integer(json_object_get(os, "build")))
        strbuf_printf(to, " (%lld)",
                      (long long)json_integer_value(json_object_get(os, "build")));
}

static void print_findings(struct output *out, const char *host, const json_t *findings)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        const char *severity = view_text(finding, "severity");
        bool is_error = strcmp(severity, "error") == 0;
        enum style style = is_error ? STYLE_BAD : STYLE_WARN;
        CLEANUP(free_cleanup) char *line = NULL;
        CLEANUP(free_cleanup) char *clean = NULL;

        if (strcmp(severity, "info") == 0)
            continue;
        line = text_printf("%s%s%s: %s", host ? host : "", host ? ": " : "",
                           view_text(finding, "subject"), view_text(finding, "cause"));
        clean = line ? clean_text(line, 0) : NULL;
        output_text(out, "%s%s%s %s\n", style_on(out, style),
                    is_error ? _("error:") : _("warning:"), style_off(out, style),
                    clean ? clean : "");
        output_text(out, "  → %s\n", view_text(finding, "fix"));
    }
}

static char *users_of(const json_t *gpu)
{
    struct strbuf text = STRBUF_INIT;
    const json_t *user;
    size_t i;

    json_array_foreach(json_object_get(gpu, "assigned_to"), i, user)
    {
        const char *name = view_text(user, "vm");

        strbuf_printf(&text, "%s%s", i ? ", " : "", name ? name : "?");
    }
    return strbuf_take(&text);
}

static bool print_host(struct output *out, const json_t *host, struct err *err)
{
    static const struct column columns[] = { { N_("#"), COL_RIGHT },
                                             { N_("GPU"), COL_SHRINK },
                                             { N_("STATUS"), COL_SHRINK },
                                             { N_("USED BY"), COL_SHRINK },
                                             { NULL, 0 } };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    CLEANUP(strbuf_cleanup) struct strbuf title = STRBUF_INIT;
    const json_t *gpu;
    size_t i;

    if (!table)
        return false;
    strbuf_printf(&title, "%s  ", view_text(host, "host"));
    put_system(&title, host);
    output_heading(out, title.text ? title.text : "");
    output_text(out, _("VMs: %lld, running: %lld, with a GPU: %lld\n"),
                count_of(host, "total"), count_of(host, "running"),
                count_of(host, "with_gpu"));

    json_array_foreach(json_object_get(host, "gpus"), i, gpu)
    {
        CLEANUP(free_cleanup) char *users = users_of(gpu);
        bool broken = json_integer_value(json_object_get(gpu, "problem_code")) != 0;
        const char *status = view_text(gpu, "assigned_status");

        table_printf(table, "%zu", i + 1);
        table_cell(table, view_text(gpu, "name") ? view_text(gpu, "name")
                                                 : view_text(gpu, "instance_id"));
        table_styled(table, broken ? STYLE_BAD : STYLE_PLAIN, status);
        table_cell(table, users && *users ? users : NULL);
    }
    if (table_row_count(table) > 0 && !table_print(table, out, err))
        return false;
    print_findings(out, NULL, json_object_get(host, "findings"));
    return true;
}

static bool print_fleet(struct output *out, const json_t *hosts, struct err *err)
{
    static const struct column columns[] = {
        { N_("HOST"), COL_SHRINK | COL_KEEP_END },
        { N_("SYSTEM"), COL_SHRINK },
        { N_("GPUS"), COL_RIGHT },
        { N_("VMS"), COL_RIGHT },
        { N_("RUNNING"), COL_RIGHT },
        { N_("WITH GPU"), COL_RIGHT },
        { N_("ERRORS"), COL_RIGHT },
        { NULL, 0 },
    };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    const json_t *host;
    size_t i;

    if (!table)
        return false;
    json_array_foreach(hosts, i, host)
    {
        CLEANUP(strbuf_cleanup) struct strbuf system = STRBUF_INIT;
        size_t errors = count_findings(host, "error");
        char shown[24];

        table_cell(table, view_text(host, "host"));
        if (!json_is_null(json_object_get(host, "error"))) {
            table_styled(table, STYLE_BAD, _("failed"));
            for (int c = 0; c < 5; c++)
                table_cell(table, NULL);
            continue;
        }
        put_system(&system, host);
        table_cell(table, system.text);
        table_printf(table, "%zu", json_array_size(json_object_get(host, "gpus")));
        table_printf(table, "%lld", count_of(host, "total"));
        table_printf(table, "%lld", count_of(host, "running"));
        table_printf(table, "%lld", count_of(host, "with_gpu"));
        snprintf(shown, sizeof(shown), "%zu", errors);
        table_styled(table, errors ? STYLE_BAD : STYLE_PLAIN, shown);
    }
    if (!table_print(table, out, err))
        return false;
    json_array_foreach(hosts, i, host)
        print_findings(out, view_text(host, "host"), json_object_get(host, "findings"));
    return true;
}

static bool print(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *hosts = json_object_get(document, "hosts"), *host;
    size_t i, shown = 0;

    if (json_array_size(hosts) > DETAILED_HOSTS)
        return print_fleet(in->out, hosts, err);
    json_array_foreach(hosts, i, host)
    {
        if (!json_is_null(json_object_get(host, "error")))
            continue;
        if (shown++ > 0)
            output_text(in->out, "\n");
        if (!print_host(in->out, host, err))
            return false;
    }
    return true;
}

const struct command cmd_status = {
    .name = "status",
    .summary = N_("hosts, GPUs, who uses them, what is wrong"),
    .flags = CMD_HOST,
    .list = "gpus",
    .collect = collect,
    .print = print,
};
