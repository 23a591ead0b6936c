/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver adapters: every display adapter that the hives of a Windows know, and whether a
 * guest could use its driver. */

#include "command.h"
#include "commands.h"
#include "driver.h"
#include "host-json.h"
#include "json-view.h"
#include "tr.h"

enum { LABEL_COLUMNS = 16 };

static const struct option_spec options[] = {
    { "system", 0, "HIVE",
      N_("the SYSTEM hive; its .LOG1 and .LOG2 are used from beside it") },
    { "drivers", 0, "HIVE", N_("the DRIVERS hive, which names the packages") },
    { "store", 0, "DIR",
      N_("the FileRepository folder; without it packages are not looked at") },
    { NULL, 0, NULL, NULL },
};

static json_t *candidates_to_json(const struct driver_set *set)
{
    json_t *array = json_array();

    for (size_t i = 0; i < set->candidate_count; i++)
        json_array_append_new(array, json_pack("{s:s, s:o}", "source",
                                               set->candidates[i].source, "package",
                                               text_to_json(set->candidates[i].package)));
    return array;
}

static json_t *user_mode_to_json(const struct driver_set *set)
{
    json_t *array = json_array();

    for (size_t i = 0; i < set->user_mode_driver_count; i++)
        json_array_append_new(array, text_to_json(set->user_mode_drivers[i]));
    return array;
}

static json_t *adapter_to_json(const struct driver_adapter *adapter)
{
    const struct driver_set *set = adapter->set;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "class_key", text_to_json(set->class_key), "instance_id",
        text_to_json(set->instance_id), "name", text_to_json(set->gpu_name), "provider",
        text_to_json(set->provider), "inf", text_to_json(set->inf), "inf_section",
        text_to_json(set->inf_section), "matching_device_id",
        text_to_json(set->matching_device_id), "driver_version",
        text_to_json(set->driver_version), "package", text_to_json(adapter->package),
        "packages_considered", candidates_to_json(set), "service",
        text_to_json(set->service), "user_mode_drivers", user_mode_to_json(set), "usable",
        adapter->usable == USABLE_UNKNOWN ? json_null()
                                          : json_boolean(adapter->usable == USABLE_YES),
        "reason", text_to_json(adapter->reason));
}

static const char UNFINISHED[] =
    N_("Windows had not finished writing a hive: what is listed may be older than what it "
       "knew");
static const char UNFINISHED_FIX[] = N_(
    "copy the hive's .LOG1 and .LOG2 beside it; nothing is ever written with such a hive");

/* A hive that was copied from a running Windows, without its logs: the common case. */
static json_t *findings_of(const struct windows_source *source)
{
    json_t *findings = json_array();

    if (windows_source_is_unfinished(source))
        json_array_append_new(
            findings,
            json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s, s:s}", "id", "hive-unfinished",
                      "severity", "warning", "subject", "registry hives", "evidence",
                      "sequence numbers differ, no transaction log beside the hive",
                      "cause", UNFINISHED, "fix", UNFINISHED_FIX, "source",
                      "msuhanov/regf, Windows registry file format specification"));
    return findings;
}

static json_t *to_json(const struct windows_source *source,
                       const struct driver_adapter *adapters, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, adapter_to_json(&adapters[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return json_pack("{s:s, s:b, s:o, s:o}", "schema", "hvgpu/1", "replayed",
                     windows_source_was_dirty(source), "adapters", array, "findings",
                     findings_of(source));
}

static void print_adapter(struct output *out, const json_t *adapter)
{
    static const struct {
        const char *key, *label;
    } fields[] = {
        { "class_key", N_("class key") },
        { "instance_id", N_("instance id") },
        { "provider", N_("provider") },
        { "driver_version", N_("version") },
        { "inf", N_("INF") },
        { "inf_section", N_("section") },
        { "service", N_("service") },
        { "package", N_("package") },
    };
    const json_t *usable = json_object_get(adapter, "usable");
    const char *reason = view_text(adapter, "reason");

    output_heading(out, view_text(adapter, "name") ? view_text(adapter, "name") : "?");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        view_field(out, LABEL_COLUMNS, _(fields[i].label), adapter, fields[i].key);
    output_field(out, LABEL_COLUMNS, _("for a guest"),
                 json_is_true(usable)    ? _("usable")
                 : json_is_false(usable) ? _("not usable")
                                         : _("not known"));
    if (reason)
        output_field(out, LABEL_COLUMNS, _("because"), reason);
}

static void print(struct output *out, const json_t *document)
{
    const json_t *adapter, *finding;
    size_t i;

    if (json_is_true(json_object_get(document, "replayed")))
        output_note(out,
                    _("Windows had not finished writing: read with what the logs add.\n"));
    json_array_foreach(json_object_get(document, "findings"), i, finding)
    {
        output_note(out, "hvgpu: %s: %s\n  → %s\n", _("warning"),
                    _(view_text(finding, "cause")), _(view_text(finding, "fix")));
    }
    json_array_foreach(json_object_get(document, "adapters"), i, adapter)
    {
        if (i > 0)
            output_text(out, "\n");
        print_adapter(out, adapter);
    }
    if (i == 0)
        output_text(out, _("That Windows knows no display adapter.\n"));
}

static bool check(const struct invocation *in, struct err *err)
{
    const char *system = option_get(in, "system");

    if (system && *system)
        return true;
    err_fail(err, ERR_INVALID, 0, _("--system is missing"));
    return err_hint(err, _("give the SYSTEM hive, from Windows\\System32\\config"));
}

static bool run(const struct invocation *in, int *ret_exit, struct err *err)
{
    CLEANUP(windows_source_cleanup) struct windows_source *source = NULL;
    const char *system = option_get(in, "system");
    struct driver_adapter *adapters = NULL;
    size_t count = 0;
    json_t *document;

    *ret_exit = STATUS_FAILED;
    source = windows_source_of_hives(system, option_get(in, "drivers"),
                                     option_get(in, "store"), err);
    if (!source || !driver_list_adapters(source, &adapters, &count, err))
        return false;
    document = to_json(source, adapters, count);
    driver_adapters_free(adapters, count);
    if (!document)
        return err_no_memory(err);
    *ret_exit = STATUS_DONE;
    if (in->json)
        return output_json(in->out, document, err);
    print(in->out, document);
    json_decref(document);
    return true;
}

const struct command cmd_driver_adapters = {
    .name = "driver adapters",
    .summary = N_("the display adapters of a Windows that is off, from its hives"),
    .options = options,
    .check = check,
    .run = run,
};
