/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manifest on a guest's disk: read, checked, changed. */

#include "manifest.h"

#include <string.h>

#include "json-confined.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"
#include "win-path.h"

/* ---- values ---- */

json_t *manifest_value_to_json(const struct hive_value *value)
{
    CLEANUP(strbuf_cleanup) struct strbuf hex = STRBUF_INIT;

    strbuf_puts(&hex, "");
    for (size_t i = 0; i < value->len; i++)
        strbuf_printf(&hex, "%02x", value->bytes[i]);
    return hex.failed ? NULL
                      : json_pack("{s:I, s:s}", "type", (json_int_t)value->type, "data",
                                  hex.text ? hex.text : "");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool manifest_value_from_json(const json_t *json, struct hive_value *ret)
{
    const char *hex = json_string_value(json_object_get(json, "data"));
    json_int_t type = json_integer_value(json_object_get(json, "type"));
    size_t len = hex ? strlen(hex) : 1;
    uint8_t *bytes;

    if (len % 2 || type < 0 || type > UINT32_MAX)
        return false;
    bytes = malloc(len / 2 + 1);
    if (!bytes)
        return false;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0) {
            free(bytes);
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = (struct hive_value){ .type = (uint32_t)type, .len = len / 2, .bytes = bytes };
    return true;
}

/* ---- checks ---- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* size_bytes and sha256 of something with a relative path. */
static bool is_file(const json_t *file)
{
    const char *path = text_of(file, "path"), *sha256 = text_of(file, "sha256");

    return path && win_path_is_relative(path) && sha256 && strlen(sha256) == 64 &&
           json_integer_value(json_object_get(file, "size_bytes")) >= 0;
}

static bool is_package(const json_t *package)
{
    const char *name = text_of(package, "name");
    const json_t *files = json_object_get(package, "files");

    if (!name || !win_name_is_plain(name) || !json_is_array(files))
        return false;
    for (size_t i = 0; i < json_array_size(files); i++)
        if (!is_file(json_array_get(files, i)))
            return false;
    return true;
}

/* Where hvgpu puts files beside a package. */
static bool is_system_file(const json_t *file)
{
    return is_file(file) && driver_may_place(text_of(file, "path"));
}

static bool is_value(const json_t *value)
{
    const char *key = text_of(value, "key");
    const json_t *old = json_object_get(value, "old");
    struct hive_value parsed = { 0 };
    bool ok = key && win_path_is_relative(key) && text_of(value, "name");

    ok = ok && manifest_value_from_json(json_object_get(value, "value"), &parsed);
    hive_value_clear(&parsed);
    if (!ok || json_is_null(old))
        return ok;
    ok = manifest_value_from_json(old, &parsed);
    hive_value_clear(&parsed);
    return ok;
}

static bool all(const json_t *object, const char *name, bool (*is_good)(const json_t *))
{
    const json_t *array = json_object_get(object, name);

    if (!json_is_array(array))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!is_good(json_array_get(array, i)))
            return false;
    return true;
}

static bool is_gpu(const json_t *gpu)
{
    return text_of(gpu, "instance_id") && all(gpu, "packages", is_package) &&
           all(gpu, "files", is_system_file) && all(gpu, "registry", is_value);
}

static bool is_folder(const json_t *folder)
{
    const char *path = json_string_value(folder);

    return path && (strcmp(path, "System32\\HostDriverStore") == 0 ||
                    strcmp(path, GUEST_STORE) == 0 || driver_may_place(path));
}

static bool check(const json_t *json, struct err *err)
{
    const char *schema = text_of(json, "schema");

    if (!schema)
        return err_fail(err, ERR_PROTOCOL, 0, "the guest's manifest is damaged: no schema");
    if (strcmp(schema, MANIFEST_SCHEMA) != 0) {
        err_fail(err, ERR_UNSUPPORTED, 0,
                 "the guest's manifest is of another hvgpu ('%.40s')", schema);
        return err_hint(err, "use the hvgpu that wrote it, or a newer one");
    }
    return (all(json, "gpus", is_gpu) && all(json, "made_folders", is_folder)) ||
           err_fail(err, ERR_PROTOCOL, 0,
                    "the guest's manifest is damaged: it lists what hvgpu never makes");
}

static bool is_damaged(struct err *err)
{
    const struct err why = *err;

    return err_fail(err, ERR_PROTOCOL, 0, "the guest's manifest is damaged: %s",
                    why.text[0]);
}

json_t *manifest_parse(const char *text, size_t len, struct err *err)
{
    json_t *json = json_parse_foreign(text, len, err);

    if (!json) {
        is_damaged(err);
        return NULL;
    }
    if (check(json, err))
        return json;
    json_decref(json);
    return NULL;
}

bool manifest_read(struct guest_disk *guest, json_t **ret, struct err *err)
{
    json_t *json = NULL;
    bool ok = guest->ops->read_json(guest, MANIFEST_PATH, MANIFEST_BYTES_MAX, &json, err);

    *ret = NULL;
    if (!ok && err->kind == ERR_NOT_FOUND) {
        *err = ERR_INIT;
        return true;
    }
    if (!ok && err->kind != ERR_INVALID)
        return err_wrap(err, "reading the guest's manifest");
    if (!ok)
        is_damaged(err);
    if (ok && check(json, err)) {
        *ret = json;
        return true;
    }
    json_decref(json);
    return err_hint(err, "take '%s' out of the guest, then start again", MANIFEST_PATH);
}

char *manifest_text(const json_t *manifest)
{
    CLEANUP(free_cleanup)
    char *text =
        json_dumps(manifest, JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);

    return text ? text_printf("%s\n", text) : NULL;
}

/* ---- looking up ---- */

/* The element of @array whose @name is @text, without case. */
static json_t *find(const json_t *array, const char *name, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (text_ieq(text_of(json_array_get(array, i), name), text))
            return json_array_get(array, i);
    return NULL;
}

json_t *manifest_gpu(const json_t *manifest, const char *instance_id)
{
    return find(json_object_get(manifest, "gpus"), "instance_id", instance_id);
}

json_t *manifest_package(const json_t *gpu, const char *name)
{
    return find(json_object_get(gpu, "packages"), "name", name);
}

json_t *manifest_file(const json_t *gpu, const char *path)
{
    return find(json_object_get(gpu, "files"), "path", path);
}

json_t *manifest_value(const json_t *gpu, const char *key, const char *name)
{
    const json_t *values = json_object_get(gpu, "registry");

    for (size_t i = 0; i < json_array_size(values); i++) {
        json_t *value = json_array_get(values, i);

        if (text_ieq(text_of(value, "key"), key) && text_ieq(text_of(value, "name"), name))
            return value;
    }
    return NULL;
}

/* The next GPU of @manifest that is not @instance_id; *i counts. */
static json_t *next_other(const json_t *manifest, const char *instance_id, size_t *i)
{
    const json_t *gpus = json_object_get(manifest, "gpus");

    while (*i < json_array_size(gpus)) {
        json_t *gpu = json_array_get(gpus, (*i)++);

        if (!text_ieq(text_of(gpu, "instance_id"), instance_id))
            return gpu;
    }
    return NULL;
}

bool manifest_others_have_package(const json_t *manifest, const char *instance_id,
                                  const char *name)
{
    size_t i = 0;
    json_t *gpu;

    while ((gpu = next_other(manifest, instance_id, &i)))
        if (manifest_package(gpu, name))
            return true;
    return false;
}

bool manifest_others_have_file(const json_t *manifest, const char *instance_id,
                               const char *path)
{
    size_t i = 0;
    json_t *gpu;

    while ((gpu = next_other(manifest, instance_id, &i)))
        if (manifest_file(gpu, path))
            return true;
    return false;
}

bool manifest_others_have_value(const json_t *manifest, const char *instance_id,
                                const char *key, const char *name)
{
    size_t i = 0;
    json_t *gpu;

    while ((gpu = next_other(manifest, instance_id, &i)))
        if (manifest_value(gpu, key, name))
            return true;
    return false;
}

bool manifest_set_guest(json_t *manifest, const struct guest_facts *facts)
{
    const json_t *known = json_object_get(manifest, "guest");
    json_t *guest = json_is_object(known) ? json_deep_copy(known) : json_object();
    bool ok = guest != NULL;

    if (ok && facts->build != 0)
        ok = json_object_set_new(guest, "build", json_integer(facts->build)) == 0;
    if (ok && facts->machine_guid[0])
        ok = json_object_set_new(guest, "machine_guid", json_string(facts->machine_guid)) ==
             0;
    if (ok && json_is_object(manifest) && json_object_size(guest) > 0)
        ok = json_object_set(manifest, "guest", guest) == 0;
    json_decref(guest);
    return ok;
}

json_t *manifest_with(const json_t *manifest, const char *instance_id, json_t *gpu)
{
    const json_t *before = json_object_get(manifest, "gpus");
    json_t *gpus = json_array();
    json_t *folders =
        manifest ? json_deep_copy(json_object_get(manifest, "made_folders")) : json_array();

    for (size_t i = 0; i < json_array_size(before); i++) {
        json_t *old = json_array_get(before, i);
        bool is_it = text_ieq(text_of(old, "instance_id"), instance_id);

        if (!is_it)
            json_array_append_new(gpus, json_deep_copy(old));
        else if (gpu)
            json_array_append_new(gpus, TAKE(gpu)); /* in its place: no change, no write */
    }
    if (gpu)
        json_array_append_new(gpus, gpu);
    if (json_array_size(gpus) == 0) {
        json_decref(gpus);
        json_decref(folders);
        return json_null();
    }
    return json_pack("{s:s, s:s, s:O*, s:o, s:o}", "schema", MANIFEST_SCHEMA, "tool",
                     "hvgpu " HVGPU_VERSION, "guest", json_object_get(manifest, "guest"),
                     "made_folders", folders, "gpus", gpus);
}
