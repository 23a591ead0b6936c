/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver show: the packages and files a guest needs for a GPU, and why each. */

#include <string.h>

#include "command.h"
#include "commands.h"
#include "driver-json.h"
#include "driver.h"
#include "host-json.h"
#include "inventory.h"
#include "json-view.h"
#include "strbuf.h"
#include "tr.h"

enum { LABEL_COLUMNS = 16 };

/* A GPU whose driver cannot be found is part of the answer when all were asked for. */
static json_t *failed_to_json(const struct hv_gpu *gpu, const struct err *why)
{
    return json_pack(
        "{s:o, s:o, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:[], s:[], s:[], s:[], s:[], s:n, "
        "s:o}",
        "gpu", text_to_json(gpu->name), "instance_id", text_to_json(gpu->instance_id),
        "provider", "driver_version", "driver_date", "inf", "inf_section", "service",
        "architecture", "packages_considered", "packages", "files", "registry", "left_out",
        "total_bytes", "error", error_to_json(why));
}

static bool collect_gpu(struct windows_source *source, const struct hv_gpu *gpu,
                        bool is_only, json_t *to, struct err *err)
{
    CLEANUP(driver_set_cleanup) struct driver_set *set = NULL;
    struct err why = ERR_INIT;

    if (driver_resolve(source, gpu->instance_id, &set, &why))
        return json_array_append_new(to, driver_set_to_json(set)) == 0 ||
               err_no_memory(err);
    if (is_only || why.kind == ERR_UNREACHABLE || why.kind == ERR_DENIED ||
        why.kind == ERR_CANCELLED || why.kind == ERR_NO_MEMORY) {
        *err = why;
        return false;
    }
    return json_array_append_new(to, failed_to_json(gpu, &why)) == 0 || err_no_memory(err);
}

static bool collect(const struct invocation *in, json_t **ret, struct err *err)
{
    CLEANUP(hv_host_cleanup) struct hv_host *host = NULL;
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    const struct hv_gpu *only = NULL;
    json_t *drivers;
    bool ok = true;

    if (!hv_inventory_read(in->session, in->host, HV_GPUS, &host, err))
        return false;
    if (in->operand_count > 0 && !hv_select_gpu(host, in->operands[0], &only, err))
        return false;
    source = windows_source_live(in->session, err);
    drivers = json_array();
    if (!source || !drivers) {
        json_decref(drivers);
        return source ? err_no_memory(err) : false;
    }
    for (size_t i = 0; ok && i < host->gpu_count; i++) {
        const struct hv_gpu *gpu = &host->gpus[i];

        if ((only && gpu != only) || !gpu->instance_id)
            continue;
        ok = collect_gpu(source, gpu, only != NULL, drivers, err);
    }
    if (!ok) {
        json_decref(drivers);
        return false;
    }
    *ret = json_pack("{s:o, s:o}", "os", os_to_json(host), "drivers", drivers);
    return *ret || err_no_memory(err);
}

/* ---- for people ---- */

static bool print_packages(struct output *out, const json_t *packages, struct err *err)
{
    static const struct column columns[] = { { N_("PACKAGE"), 0 },
                                             { N_("FILES"), COL_RIGHT },
                                             { N_("SIZE"), COL_RIGHT },
                                             { N_("WHY"), COL_SHRINK },
                                             { NULL, 0 } };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    const json_t *package;
    char size[24];
    size_t i;

    if (!table)
        return false;
    json_array_foreach(packages, i, package)
    {
        table_cell(table, view_text(package, "name"));
        table_printf(table, "%zu", json_array_size(json_object_get(package, "files")));
        table_cell(table, size_text(size, (uint64_t)json_integer_value(
                                              json_object_get(package, "size_bytes"))));
        table_cell(table, view_text(package, "reason"));
    }
    return table_row_count(table) == 0 || table_print(table, out, err);
}

static bool print_files(struct output *out, const json_t *files, struct err *err)
{
    static const struct column columns[] = { { N_("FILE IN THE GUEST"), 0 },
                                             { N_("RULE"), 0 },
                                             { N_("SIZE"), COL_RIGHT },
                                             { N_("WHY"), COL_SHRINK },
                                             { NULL, 0 } };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    const json_t *file;
    char size[24];
    size_t i;

    if (!table)
        return false;
    json_array_foreach(files, i, file)
    {
        table_cell(table, view_text(file, "destination"));
        table_cell(table, view_text(file, "rule"));
        table_cell(table, size_text(size, (uint64_t)json_integer_value(
                                              json_object_get(file, "size_bytes"))));
        table_cell(table, view_text(file, "reason"));
    }
    if (table_row_count(table) == 0)
        return true;
    output_text(out, "\n");
    return table_print(table, out, err);
}

static bool print_registry(struct output *out, const json_t *values, struct err *err)
{
    static const struct column columns[] = { { N_("REGISTRY KEY IN THE GUEST"), 0 },
                                             { N_("NAME"), 0 },
                                             { N_("VALUE"), COL_SHRINK },
                                             { NULL, 0 } };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    const json_t *value;
    size_t i;

    if (!table)
        return false;
    json_array_foreach(values, i, value)
    {
        CLEANUP(strbuf_cleanup) struct strbuf text = STRBUF_INIT;

        view_put(&text, json_object_get(value, "value"));
        table_cell(table, view_text(value, "key"));
        table_cell(table, view_text(value, "name"));
        table_cell(table, text.text);
    }
    if (table_row_count(table) == 0)
        return true;
    output_text(out, "\n");
    return table_print(table, out, err);
}

static bool print_driver(struct output *out, const json_t *driver, struct err *err)
{
    static const struct {
        const char *key, *label;
    } fields[] = {
        { "instance_id", N_("instance id") },
        { "provider", N_("provider") },
        { "driver_version", N_("version") },
        { "driver_date", N_("date") },
        { "inf", N_("INF") },
        { "service", N_("service") },
        { "total_bytes", N_("to copy") },
    };
    const json_t *error = json_object_get(driver, "error"), *text;
    size_t i;

    output_heading(out, view_text(driver, "gpu") ? view_text(driver, "gpu") : "?");
    if (json_is_object(error)) {
        output_text(out, _("cannot be shared with its driver: %s\n"),
                    view_text(error, "message") ? view_text(error, "message") : "");
        return true;
    }
    for (i = 0; i < ARRAY_LEN(fields); i++)
        view_field(out, LABEL_COLUMNS, _(fields[i].label), driver, fields[i].key);
    output_text(out, "\n");
    if (!print_packages(out, json_object_get(driver, "packages"), err) ||
        !print_files(out, json_object_get(driver, "files"), err) ||
        !print_registry(out, json_object_get(driver, "registry"), err))
        return false;
    json_array_foreach(json_object_get(driver, "left_out"), i, text)
        output_note(out, _("left out: %s\n"), json_string_value(text));
    return true;
}

static bool print(const struct invocation *in, const json_t *document, struct err *err)
{
    const json_t *host, *driver;
    size_t h, d, shown = 0;

    json_array_foreach(json_object_get(document, "hosts"), h, host)
        json_array_foreach(json_object_get(host, "drivers"), d, driver)
    {
        if (shown++ > 0)
            output_text(in->out, "\n");
        if (!print_driver(in->out, driver, err))
            return false;
    }
    return true;
}

const struct command cmd_driver_show = {
    .name = "driver show",
    .operands = "[GPU]",
    .summary = N_("what a guest needs for a GPU, and why"),
    .flags = CMD_HOST,
    .collect = collect,
    .print = print,
    .list = "drivers",
};
