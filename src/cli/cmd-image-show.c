/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image show: what is on a disk image, and what forbids writing it. */

#include "command.h"
#include "commands.h"
#include "host-json.h"
#include "image.h"
#include "json-view.h"
#include "tr.h"

enum { LABEL_COLUMNS = 16 };

static json_t *text_or_null(const char *text)
{
    return text_to_json(*text ? text : NULL);
}

static json_t *partitions_to_json(const struct image_facts *facts)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < facts->partition_count; i++) {
        const struct partition *part = &facts->partitions[i];

        json_array_append_new(
            array, json_pack("{s:i, s:o, s:o, s:I, s:I, s:o}", "index", (int)part->index,
                             "type", text_or_null(part->type), "id", text_or_null(part->id),
                             "offset_bytes", (json_int_t)part->offset_bytes, "size_bytes",
                             (json_int_t)part->size_bytes, "file_system",
                             text_or_null(part->file_system)));
    }
    return array;
}

static json_t *windows_to_json(const struct image_facts *facts)
{
    const struct image_windows *windows = &facts->windows;

    if (!facts->has_windows)
        return json_null();
    return json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:I}", "partition", (int)windows->partition,
        "build", windows->build ? json_integer(windows->build) : json_null(), "revision",
        windows->ubr ? json_integer(windows->ubr) : json_null(), "edition",
        text_or_null(windows->edition), "architecture", text_or_null(windows->architecture),
        "system_root", text_or_null(windows->system_root), "free_bytes",
        (json_int_t)facts->free_bytes);
}

static json_t *blockers_to_json(const struct image_facts *facts)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < facts->blocker_count; i++)
        json_array_append_new(
            array, json_pack("{s:o, s:o}", "id", text_or_null(facts->blockers[i].id),
                             "message", text_or_null(facts->blockers[i].message)));
    return array;
}

static json_t *to_json(const struct image_facts *facts)
{
    return json_pack("{s:s, s:{s:o, s:I, s:b, s:o, s:o, s:o, s:o}}", "schema", "hvgpu/1",
                     "image", "format", text_or_null(facts->format), "virtual_bytes",
                     (json_int_t)facts->virtual_bytes, "unreplayed_log",
                     (int)facts->has_log, "table", text_or_null(facts->table), "partitions",
                     partitions_to_json(facts), "windows", windows_to_json(facts),
                     "blockers", blockers_to_json(facts));
}

/* ---- for people ---- */

static bool print_partitions(struct output *out, const json_t *partitions, struct err *err)
{
    static const struct column columns[] = {
        { N_("#"), COL_RIGHT },   { N_("OFFSET"), COL_RIGHT }, { N_("SIZE"), COL_RIGHT },
        { N_("FILE SYSTEM"), 0 }, { N_("TYPE"), COL_SHRINK },  { NULL, 0 }
    };
    CLEANUP(table_cleanup) struct table *table = table_new(columns, err);
    const json_t *part;
    char size[24];
    size_t i;

    if (!table)
        return false;
    json_array_foreach(partitions, i, part)
    {
        table_printf(table, "%lld", json_integer_value(json_object_get(part, "index")));
        table_cell(table, size_text(size, (uint64_t)json_integer_value(
                                              json_object_get(part, "offset_bytes"))));
        table_cell(table, size_text(size, (uint64_t)json_integer_value(
                                              json_object_get(part, "size_bytes"))));
        table_cell(table, view_text(part, "file_system"));
        table_cell(table, view_text(part, "type"));
    }
    if (table_row_count(table) == 0)
        return true;
    output_text(out, "\n");
    return table_print(table, out, err);
}

static bool print_image(struct output *out, const json_t *image, struct err *err)
{
    const json_t *windows = json_object_get(image, "windows"), *blocker;
    size_t i;

    view_field(out, LABEL_COLUMNS, _("format"), image, "format");
    view_field(out, LABEL_COLUMNS, _("size"), image, "virtual_bytes");
    if (json_is_true(json_object_get(image, "unreplayed_log")))
        output_field(
            out, LABEL_COLUMNS, _("log"),
            _("not replayed; shown as it makes the disk, written by its next change"));
    if (json_is_object(windows)) {
        view_field(out, LABEL_COLUMNS, _("Windows build"), windows, "build");
        view_field(out, LABEL_COLUMNS, _("edition"), windows, "edition");
        view_field(out, LABEL_COLUMNS, _("architecture"), windows, "architecture");
        view_field(out, LABEL_COLUMNS, _("free"), windows, "free_bytes");
    } else {
        output_field(out, LABEL_COLUMNS, _("Windows"), _("none found"));
    }
    if (!print_partitions(out, json_object_get(image, "partitions"), err))
        return false;
    json_array_foreach(json_object_get(image, "blockers"), i, blocker)
        output_text(out, "%s%s%s%s: %s\n", i == 0 ? "\n" : "", style_on(out, STYLE_BAD),
                    _("cannot be written"), style_off(out, STYLE_BAD),
                    view_text(blocker, "message") ? view_text(blocker, "message") : "");
    return true;
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    struct image_facts *facts = calloc(1, sizeof(*facts));
    json_t *document;
    bool ok;

    *ret_exit = STATUS_FAILED;
    if (!facts)
        return err_no_memory(err);
    ok = image_inspect_confined(in->operands[0], option_get(in, "parents"), facts, err);
    document = ok ? to_json(facts) : NULL;
    free(facts);
    if (!ok)
        return err_wrap(err, "'%.200s'", in->operands[0]);
    if (!document)
        return err_no_memory(err);
    *ret_exit = STATUS_DONE;
    if (in->json)
        return output_json(in->out, document, err);
    ok = print_image(in->out, json_object_get(document, "image"), err);
    json_decref(document);
    return ok;
}

static const struct option_spec options[] = {
    { "parents", 0, "DIR", N_("folder with the parents of a checkpoint's disk") },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_image_show = {
    .name = "image show",
    .operands = "DISK",
    .summary = N_("what is on a disk image, and what forbids writing"),
    .options = options,
    .run = run,
};
