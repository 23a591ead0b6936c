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

enum {
    DETAILED_HOSTS = 4, /* more are a table with a line each */
    FLEET_FINDINGS = 20 /* shown below that table, errors first */
};

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

static bool is_error(const json_t *finding)
{
    return strcmp(view_text(finding, "severity"), "error") == 0;
}

static void print_finding(struct output *out, const char *host, const json_t *finding)
{
    enum style style = is_error(finding) ? STYLE_BAD : STYLE_WARN;
    CLEANUP(free_cleanup)
    char *line = text_printf("%s%s%s: %s", host ? host : "", host ? ": " : "",
                             view_text(finding, "subject"), view_text(finding, "cause"));
    CLEANUP(free_cleanup) char *clean = line ? clean_text(line, 0) : NULL;

    output_text(out, "%s%s%s %s\n", style_on(out, style),
                is_error(finding) ? _("error:") : _("warning:"), style_off(out, style),
                clean ? clean : "");
    output_text(out, "  → %s\n", view_text(finding, "fix"));
}

static void print_findings(struct output *out, const json_t *findings)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(findings, i,
                       finding) if (strcmp(view_text(finding, "severity"), "info") != 0)
        print_finding(out, NULL, finding);
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
    print_findings(out, json_object_get(host, "findings"));
    return true;
}

/* ---- many hosts: a line each, then sums, then what is wrong ---- */

static void add_to(json_t *memory, const char *key, long long more)
{
    json_object_set_new(
        memory, key, json_integer(json_integer_value(json_object_get(memory, key)) + more));
}

/* Keeps the first of them; how many there were is counted. */
static void remember_finding(json_t *memory, const char *host, json_t *finding)
{
    const char *list = is_error(finding) ? "error_list" : "warning_list";
    json_t *kept = json_object_get(memory, list);

    add_to(memory, is_error(finding) ? "errors" : "warnings", 1);
    if (!kept) {
        kept = json_array();
        json_object_set_new(memory, list, kept);
    }
    if (json_array_size(kept) < FLEET_FINDINGS)
        json_array_append_new(kept,
                              json_pack("{s:s, s:O}", "host", host, "finding", finding));
}

static void remember_host(json_t *memory, const json_t *host)
{
    const json_t *findings = json_object_get(host, "findings");
    json_t *finding;
    size_t i;

    add_to(memory, "gpus", (long long)json_array_size(json_object_get(host, "gpus")));
    add_to(memory, "total", count_of(host, "total"));
    add_to(memory, "running", count_of(host, "running"));
    add_to(memory, "with_gpu", count_of(host, "with_gpu"));
    json_array_foreach(findings, i,
                       finding) if (strcmp(view_text(finding, "severity"), "info") != 0)
        remember_finding(memory, view_text(host, "host"), finding);
}

static long long memory_of(const json_t *memory, const char *key)
{
    return json_integer_value(json_object_get(memory, key));
}

static void print_sums(const struct invocation *in)
{
    const json_t *memory = in->blocks->memory, *kept;
    long long left = memory_of(memory, "errors") + memory_of(memory, "warnings");
    size_t i, shown = 0;

    output_text(in->out,
                _("hosts: %zu, failed: %lld; GPUs: %lld; VMs: %lld, running: %lld, with a "
                  "GPU: %lld\n"),
                in->blocks->host_count, memory_of(memory, "failed"),
                memory_of(memory, "gpus"), memory_of(memory, "total"),
                memory_of(memory, "running"), memory_of(memory, "with_gpu"));
    for (int list = 0; list < 2; list++)
        json_array_foreach(json_object_get(memory, list ? "warning_list" : "error_list"), i,
                           kept)
        {
            if (shown >= FLEET_FINDINGS)
                break;
            print_finding(in->out, view_text(kept, "host"),
                          json_object_get(kept, "finding"));
            shown++;
            left--;
        }
    if (left > 0)
        output_text(in->out,
                    _("and %lld more; all are in 'status --json', those of one host in "
                      "'status -H HOST'\n"),
                    left);
}

static bool print_fleet(const struct invocation *in, const json_t *hosts, struct err *err)
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
            add_to(in->blocks->memory, "failed", 1);
            table_styled(table, STYLE_BAD, _("failed"));
            for (int c = 0; c < 5; c++)
                table_cell(table, NULL);
            continue;
        }
        remember_host(in->blocks->memory, host);
        put_system(&system, host);
        table_cell(table, system.text);
        table_printf(table, "%zu", json_array_size(json_object_get(host, "gpus")));
        table_printf(table, "%lld", count_of(host, "total"));
        table_printf(table, "%lld", count_of(host, "running"));
        table_printf(table, "%lld", count_of(host, "with_gpu"));
        snprintf(shown, sizeof(shown), "%zu", errors);
        table_styled(table, errors ? STYLE_BAD : STYLE_PLAIN, shown);
    }
    if (!table_continue(table, &in->blocks->layout, in->out, err))
        return false;
    if (in->blocks->is_last)
        print_sums(in);
    return true;
}

static bool print(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *hosts = json_object_get(document, "hosts"), *host;
    size_t i;

    if (in->blocks->host_count > DETAILED_HOSTS)
        return print_fleet(in, hosts, err);
    json_array_foreach(hosts, i, host)
    {
        if (!json_is_null(json_object_get(host, "error")))
            continue;
        if (in->blocks->layout.rows++ > 0) /* counts hosts here */
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
    .in_blocks = true,
};
