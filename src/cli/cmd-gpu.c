/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gpu list, gpu show: the GPUs of hosts, what each can do, and who has them. */

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "commands.h"
#include "finding-view.h"
#include "host-json.h"
#include "json-view.h"
#include "strbuf.h"
#include "survey.h"
#include "text.h"
#include "tr.h"

enum {
    GPU_WHAT =
        HV_GPUS | HV_VMS | HV_DEVICES | HV_GPU_DRIVERS | HV_PARTITIONS | HV_GPU_DETAILS
};

/* Why a GPU has no hardware partitions, as one of the findings that a survey would show. */
static bool add_reasons(const struct hv_host *host, const struct hv_gpu *only, json_t *gpus,
                        struct err *err)
{
    size_t at = 0;

    for (size_t i = 0; i < host->gpu_count; i++) {
        CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;

        if (only && only != &host->gpus[i])
            continue;
        if (!survey_why_not_partitioned(host, &host->gpus[i], &found, err))
            return false;
        if (json_object_set_new(json_array_get(gpus, at++), "not_partitioned",
                                findings_to_json(&found)) != 0)
            return err_no_memory(err);
    }
    return true;
}

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    const struct hv_gpu *only = NULL;

    if (!hv_inventory_read(in->session, in->host, GPU_WHAT, &host, err) ||
        !survey_judge_gpus(host, err))
        return false;
    if (in->operand_count > 0 && !hv_select_gpu(host, in->operands[0], &only, err))
        return false;
    *ret =
        json_pack("{s:o, s:o}", "os", os_to_json(host), "gpus", gpus_to_json(host, only));
    return *ret ? add_reasons(host, only, json_object_get(*ret, "gpus"), err)
                : err_no_memory(err);
}

/* "gpu-pv, dda" */
static char *list_words(const json_t *words)
{
    struct strbuf text = STRBUF_INIT;
    const json_t *word;
    size_t i;

    json_array_foreach(words, i, word)
        strbuf_printf(&text, "%s%s", i ? ", " : "", json_string_value(word));
    return strbuf_take(&text);
}

static char *list_users(const json_t *gpu)
{
    struct strbuf text = STRBUF_INIT;
    const json_t *user;
    size_t i;

    json_array_foreach(json_object_get(gpu, "assigned_to"), i, user)
    {
        const char *name = json_string_value(json_object_get(user, "vm"));

        strbuf_printf(&text, "%s%s", i ? ", " : "", name ? name : "?");
    }
    return strbuf_take(&text);
}

static enum style problem_style(const json_t *gpu)
{
    return json_integer_value(json_object_get(gpu, "problem_code")) ? STYLE_BAD
                                                                    : STYLE_PLAIN;
}

static void list_gpu(struct table *table, const char *host, size_t number,
                     const json_t *gpu)
{
    CLEANUP(free_cleanup) char *modes = list_words(json_object_get(gpu, "modes"));
    CLEANUP(free_cleanup) char *users = list_users(gpu);
    const json_t *vram = json_object_get(gpu, "vram_bytes");
    const char *status = view_text(gpu, "assigned_status");
    long long problem = json_integer_value(json_object_get(gpu, "problem_code"));
    char size[24], shown[64];

    if (host)
        table_cell(table, host);
    table_printf(table, "%zu", number);
    table_cell(table, view_text(gpu, "name"));
    table_cell(table, view_text(gpu, "pci_id"));
    table_cell(table, json_is_integer(vram)
                          ? size_text(size, (uint64_t)json_integer_value(vram))
                          : NULL);
    table_cell(table, modes && *modes ? modes : NULL);
    if (problem) {
        snprintf(shown, sizeof(shown), _("problem %lld"), problem);
        table_styled(table, problem_style(gpu), shown);
    } else {
        table_cell(table, status);
    }
    table_cell(table, users && *users ? users : NULL);
}

/* The row of a host that gave nothing; why, was said already. */
static void list_failed(struct table *table, const char *host)
{
    table_cell(table, host);
    table_cell(table, NULL);
    table_styled(table, STYLE_BAD, _("failed"));
    for (int c = 0; c < 5; c++)
        table_cell(table, NULL);
}

/* "HV-01: no partitionable GPU" with the reasons, each once. */
static void explain_host(struct output *out, const json_t *host)
{
    CLEANUP(strbuf_cleanup) struct strbuf said = STRBUF_INIT;
    const json_t *gpu, *finding;
    size_t g, f;

    json_array_foreach(
        json_object_get(host, "gpus"), g,
        gpu) if (json_is_string(json_object_get(gpu, "interface_path"))) return;
    if (json_array_size(json_object_get(host, "gpus")) == 0)
        return;
    output_text(out, _("%s: no partitionable GPU\n"), view_text(host, "host"));
    json_array_foreach(json_object_get(host, "gpus"), g, gpu)
    {
        json_array_foreach(json_object_get(gpu, "not_partitioned"), f, finding)
        {
            CLEANUP(free_cleanup)
            char *mark = text_printf("\n%s\n", view_text(finding, "id"));

            if (!mark || (said.text && strstr(said.text, mark)))
                continue;
            strbuf_puts(&said, mark);
            finding_view(out, finding, true);
        }
    }
}

static bool print_list(const struct invocation *in, const json_t *document, struct err *err)
{
    static const struct column columns[] = {
        { N_("HOST"), COL_SHRINK | COL_KEEP_END },
        { N_("#"), COL_RIGHT },
        { N_("GPU"), COL_SHRINK },
        { N_("ID"), 0 },
        { N_("VRAM"), COL_RIGHT },
        { N_("MODES"), COL_SHRINK },
        { N_("STATUS"), COL_SHRINK },
        { N_("USED BY"), COL_SHRINK },
        { NULL, 0 },
    };
    const json_t *hosts = json_object_get(document, "hosts"), *host, *gpu;
    bool many = in->blocks->host_count > 1;
    CLEANUP(table_cleanup)
    struct table *table = table_new(many ? columns : columns + 1, err);
    size_t h, g;

    if (!table)
        return false;
    json_array_foreach(hosts, h, host)
    {
        if (many && json_is_object(json_object_get(host, "error")))
            list_failed(table, view_text(host, "host"));
        json_array_foreach(json_object_get(host, "gpus"), g, gpu)
            list_gpu(table, many ? view_text(host, "host") : NULL, g + 1, gpu);
    }
    if (table_row_count(table) > 0) {
        if (!table_continue(table, &in->blocks->layout, in->out, err))
            return false;
        json_array_foreach(hosts, h, host) explain_host(in->out, host);
        return true;
    }
    if (in->blocks->is_last && in->blocks->layout.rows == 0)
        output_note(in->out, "%s\n", _("No GPUs."));
    return true;
}

enum { LABEL_COLUMNS = 18 };

static void show_partitions(struct output *out, const json_t *gpu)
{
    const json_t *valid = json_object_get(gpu, "valid_partition_counts"), *count;
    CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
    size_t i;

    if (!json_is_array(valid))
        return;
    view_put(&text, json_object_get(gpu, "partition_count"));
    if (json_array_size(valid) > 0)
        strbuf_puts(&text, _(" (possible: "));
    json_array_foreach(valid, i, count)
        strbuf_printf(&text, "%s%lld", i ? ", " : "", (long long)json_integer_value(count));
    if (json_array_size(valid) > 0)
        strbuf_puts(&text, ")");
    output_field(out, LABEL_COLUMNS, _("partitions"), text.text);
}

/* "4 GB VRAM, 32 encode, 64 decode, 1125 compute"; NULL: nothing is told. */
static char *amounts_text(const json_t *amounts)
{
    static const struct {
        const char *key, *unit;
    } parts[] = {
        { "vram_bytes", "VRAM" },
        { "encode", "encode" },
        { "decode", "decode" },
        { "compute", "compute" },
    };
    struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const json_t *value = json_object_get(amounts, parts[i].key);

        if (!json_is_integer(value))
            continue;
        strbuf_puts(&text, text.len ? ", " : "");
        view_put_as(&text, parts[i].key, value);
        strbuf_printf(&text, " %s", parts[i].unit);
    }
    if (text.len == 0) {
        strbuf_free(&text);
        return NULL;
    }
    return strbuf_take(&text);
}

static void show_amounts(struct output *out, const json_t *gpu)
{
    CLEANUP(free_cleanup) char *one = amounts_text(json_object_get(gpu, "partition"));
    CLEANUP(free_cleanup) char *whole = amounts_text(json_object_get(gpu, "whole"));

    if (one)
        output_field(out, LABEL_COLUMNS, _("each partition"), one);
    if (whole)
        output_field(out, LABEL_COLUMNS, _("whole GPU"), whole);
}

static void show_users(struct output *out, const json_t *gpu)
{
    const json_t *user, *partition;
    size_t i;

    json_array_foreach(json_object_get(gpu, "assigned_to"), i, user)
    {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;
        const char *name = view_text(user, "vm");

        partition = json_object_get(user, "partition_id");
        strbuf_printf(&text, "%s  %s", name ? name : "?", view_text(user, "vm_id"));
        if (json_is_integer(partition))
            strbuf_printf(&text, _("  partition %lld"),
                          (long long)json_integer_value(partition));
        {
            CLEANUP(free_cleanup)
            char *has = amounts_text(json_object_get(user, "partition"));

            if (has)
                strbuf_printf(&text, "  %s", has);
        }
        output_field(out, LABEL_COLUMNS, i ? "" : _("used by"), text.text);
    }
}

static void show_gpu(struct output *out, const json_t *gpu)
{
    const json_t *driver = json_object_get(gpu, "driver");
    CLEANUP(free_cleanup) char *modes = list_words(json_object_get(gpu, "modes"));
    const char *name = view_text(gpu, "name");
    long long problem = json_integer_value(json_object_get(gpu, "problem_code"));
    const json_t *finding;
    size_t i;

    output_heading(out, name ? name : view_text(gpu, "instance_id"));
    view_field(out, LABEL_COLUMNS, _("vendor"), gpu, "vendor");
    view_field(out, LABEL_COLUMNS, _("id"), gpu, "pci_id");
    view_field(out, LABEL_COLUMNS, _("instance id"), gpu, "instance_id");
    view_field(out, LABEL_COLUMNS, _("interface path"), gpu, "interface_path");
    view_field(out, LABEL_COLUMNS, _("location path"), gpu, "location_path");
    output_field(out, LABEL_COLUMNS, _("modes"), modes && *modes ? modes : NULL);
    view_field(out, LABEL_COLUMNS, _("status"), gpu, "assigned_status");
    view_field(out, LABEL_COLUMNS, _("place"), gpu, "place");
    show_partitions(out, gpu);
    show_amounts(out, gpu);
    view_field(out, LABEL_COLUMNS, _("VRAM"), gpu, "vram_bytes");
    view_field(out, LABEL_COLUMNS, _("driver"), driver, "version");
    view_field(out, LABEL_COLUMNS, _("driver date"), driver, "date");
    view_field(out, LABEL_COLUMNS, _("driver INF"), driver, "inf");
    view_field(out, LABEL_COLUMNS, _("driver package"), driver, "package");
    if (problem)
        view_field(out, LABEL_COLUMNS, _("problem code"), gpu, "problem_code");
    show_users(out, gpu);
    json_array_foreach(json_object_get(gpu, "not_partitioned"), i, finding)
        finding_view(out, finding, true);
}

static bool print_show(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *hosts = json_object_get(document, "hosts"), *host, *gpu;
    size_t h, g;

    (void)err;
    json_array_foreach(hosts, h, host)
    {
        json_array_foreach(json_object_get(host, "gpus"), g, gpu)
        {
            if (in->blocks->host_count > 1)
                output_text(in->out, "%s%s:\n", in->blocks->shown + h ? "\n" : "",
                            view_text(host, "host"));
            show_gpu(in->out, gpu);
        }
    }
    return true;
}

const struct command cmd_gpu_list = {
    .name = "gpu list",
    .summary = N_("list the GPUs of hosts and what each can do"),
    .flags = CMD_HOST,
    .list = "gpus",
    .collect = collect,
    .print = print_list,
    .in_blocks = true,
};

const struct command cmd_gpu_show = {
    .name = "gpu show",
    .operands = "GPU",
    .summary = N_("show everything about one GPU"),
    .flags = CMD_HOST,
    .list = "gpus",
    .collect = collect,
    .print = print_show,
    .in_blocks = true,
};
