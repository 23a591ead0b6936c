/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver set as JSON. */

#include "driver-json.h"

#include "manifest.h"

/* Text from a host that is not UTF-8 is not shown. */
static json_t *text_or_null(const char *text)
{
    json_t *json = text ? json_string(text) : NULL;

    return json ? json : json_null();
}

static json_t *candidates_to_json(const struct driver_set *set)
{
    json_t *array = json_array();

    for (size_t i = 0; i < set->candidate_count; i++)
        json_array_append_new(array,
                              json_pack("{s:o, s:o}", "source",
                                        text_or_null(set->candidates[i].source), "package",
                                        text_or_null(set->candidates[i].package)));
    return array;
}

static json_t *package_to_json(const struct driver_package *package)
{
    json_t *files = json_array();

    for (size_t i = 0; i < package->file_count; i++)
        json_array_append_new(
            files, json_pack("{s:o, s:I}", "path", text_or_null(package->files[i].path),
                             "size_bytes", (json_int_t)package->files[i].size));
    return json_pack("{s:o, s:o, s:o, s:I, s:o}", "name", text_or_null(package->name),
                     "source", text_or_null(package->source), "reason",
                     text_or_null(package->reason), "size_bytes",
                     (json_int_t)package->bytes, "files", files);
}

static json_t *packages_to_json(const struct driver_set *set)
{
    json_t *array = json_array();

    for (size_t i = 0; i < set->package_count; i++)
        json_array_append_new(array, package_to_json(&set->packages[i]));
    return array;
}

static json_t *files_to_json(const struct driver_set *set)
{
    json_t *array = json_array();

    for (size_t i = 0; i < set->file_count; i++) {
        const struct driver_file *file = &set->files[i];

        json_array_append_new(array, json_pack("{s:o, s:o, s:s, s:I, s:o}", "source",
                                               text_or_null(file->source), "destination",
                                               text_or_null(file->destination), "rule",
                                               driver_rule_name(file->rule), "size_bytes",
                                               (json_int_t)file->size, "reason",
                                               text_or_null(file->reason)));
    }
    return array;
}

static json_t *value_to_json(const struct hive_value *value)
{
    CLEANUP(free_cleanup) char *text = hive_value_text(value);
    uint64_t number;

    if (text)
        return text_or_null(text);
    if (hive_value_u64(value, &number))
        return json_integer((json_int_t)number);
    return json_null();
}

static json_t *values_to_json(const struct driver_set *set)
{
    json_t *array = json_array();

    for (size_t i = 0; i < set->value_count; i++) {
        const struct driver_registry_value *value = &set->values[i];

        json_array_append_new(array, json_pack("{s:o, s:o, s:I, s:o, s:o}", "key",
                                               text_or_null(value->key), "name",
                                               text_or_null(value->name), "type",
                                               (json_int_t)value->value.type, "value",
                                               value_to_json(&value->value), "reason",
                                               text_or_null(value->reason)));
    }
    return array;
}

json_t *driver_set_to_json(const struct driver_set *set)
{
    json_t *left_out = json_array();

    for (size_t i = 0; i < set->left_out_count; i++)
        json_array_append_new(left_out, text_or_null(set->left_out[i]));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:n}",
        "gpu", text_or_null(set->gpu_name), "instance_id", text_or_null(set->instance_id),
        "provider", text_or_null(set->provider), "driver_version",
        text_or_null(set->driver_version), "driver_date", text_or_null(set->driver_date),
        "inf", text_or_null(set->inf), "inf_section", text_or_null(set->inf_section),
        "service", text_or_null(set->service), "architecture",
        text_or_null(set->architecture), "packages_considered", candidates_to_json(set),
        "packages", packages_to_json(set), "files", files_to_json(set), "registry",
        values_to_json(set), "left_out", left_out, "total_bytes",
        (json_int_t)set->total_bytes, "error");
}
