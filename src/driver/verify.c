/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading everything back: what the manifest says is there, and is what the host has. */

#include <string.h>

#include "step-common.h"
#include "text.h"

static bool verify_package(struct guest_disk *guest, const struct driver_package *package,
                           const json_t *gpu, struct progress *progress, struct err *err)
{
    CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", GUEST_STORE, package->name);
    const json_t *record = manifest_package(gpu, package->name);
    const json_t *files = json_object_get(record, "files");

    if (!path)
        return err_no_memory(err);
    if (!record || json_array_size(files) != package->file_count)
        return err_fail(err, ERR_CONFLICT, 0,
                        "the guest's manifest lists other files for package '%s'",
                        package->name);
    return step_verify_tree(guest, path, files, true, progress, err);
}

/* A file that the guest kept of its own is not in the manifest, and not ours to judge. */
static bool judge_file(const json_t *record, const struct guest_file *now, struct err *err)
{
    const char *path = json_string_value(json_object_get(record, "path"));
    const char *sha256 = json_string_value(json_object_get(record, "sha256"));

    if (!now->exists)
        return err_fail(err, ERR_CONFLICT, 0, "'%s' is missing", path);
    if (strcmp(now->sha256, sha256) != 0)
        return err_fail(err, ERR_CONFLICT, 0, "'%s' differs from the host's file", path);
    return true;
}

static bool verify_files(struct guest_disk *guest, const json_t *files, struct err *err)
{
    size_t count = json_array_size(files);
    const char **paths = calloc(count + 1, sizeof(*paths));
    struct guest_file *now = calloc(count + 1, sizeof(*now));
    bool ok = (paths && now) || err_no_memory(err);

    for (size_t i = 0; ok && i < count; i++)
        paths[i] = json_string_value(json_object_get(json_array_get(files, i), "path"));
    ok = ok && guest_stat_files(guest, paths, count, now, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = judge_file(json_array_get(files, i), &now[i], err);
    free(paths);
    free(now);
    return ok;
}

static bool verify_value(struct guest_disk *guest,
                         const struct driver_registry_value *value, struct err *err)
{
    struct hive_value now = { 0 };
    bool exists, same;

    if (!guest->ops->reg_get(guest, value->key, value->name, &exists, &now, err))
        return false;
    same = exists && hive_value_equal(&now, &value->value);
    hive_value_clear(&now);
    if (same)
        return true;
    return err_fail(err, ERR_CONFLICT, 0, "registry value '%s\\%s' is %s", value->key,
                    value->name, exists ? "another" : "missing");
}

static bool verify_recorded_value(struct guest_disk *guest, const json_t *record,
                                  struct err *err)
{
    struct driver_registry_value value = {
        .key = (char *)(uintptr_t)json_string_value(json_object_get(record, "key")),
        .name = (char *)(uintptr_t)json_string_value(json_object_get(record, "name")),
    };
    bool ok = manifest_value_from_json(json_object_get(record, "value"), &value.value)
                  ? verify_value(guest, &value, err)
                  : err_no_memory(err);

    hive_value_clear(&value.value);
    return ok;
}

static bool verify_all(struct guest_disk *guest, const struct driver_set *set,
                       const json_t *gpu, struct progress *progress, struct err *err)
{
    const json_t *files = json_object_get(gpu, "files");
    const json_t *values = json_object_get(gpu, "registry");

    for (size_t i = 0; i < set->package_count; i++)
        if (!verify_package(guest, &set->packages[i], gpu, progress, err))
            return false;
    if (!verify_files(guest, files, err))
        return false;
    for (size_t i = 0; i < json_array_size(values); i++)
        if (!verify_recorded_value(guest, json_array_get(values, i), err))
            return false;
    return true;
}

bool driver_verify(struct guest_disk *guest, const struct driver_set *set,
                   struct progress *progress, struct err *err)
{
    json_t *manifest = NULL;
    const json_t *gpu;
    bool ok;

    if (!manifest_read(guest, &manifest, err))
        return false;
    gpu = manifest_gpu(manifest, set->instance_id);
    ok = gpu ? verify_all(guest, set, gpu, progress, err)
             : err_fail(err, ERR_NOT_FOUND, 0, "the guest has no driver of '%s' by hvgpu",
                        set->gpu_name ? set->gpu_name : set->instance_id);
    json_decref(manifest);
    return ok || err_wrap(err, "verifying the guest's driver");
}

static bool verify_entry(struct guest_disk *guest, const json_t *gpu,
                         struct progress *progress, struct err *err)
{
    const json_t *packages = json_object_get(gpu, "packages");
    const json_t *files = json_object_get(gpu, "files");
    const json_t *values = json_object_get(gpu, "registry");

    for (size_t i = 0; i < json_array_size(packages); i++) {
        const json_t *package = json_array_get(packages, i);
        CLEANUP(free_cleanup)
        char *path = text_printf("%s\\%s", GUEST_STORE,
                                 json_string_value(json_object_get(package, "name")));

        if (!path)
            return err_no_memory(err);
        if (!step_verify_tree(guest, path, json_object_get(package, "files"), true,
                              progress, err))
            return false;
    }
    if (!verify_files(guest, files, err))
        return false;
    for (size_t i = 0; i < json_array_size(values); i++)
        if (!verify_recorded_value(guest, json_array_get(values, i), err))
            return false;
    return true;
}

bool driver_verify_recorded(struct guest_disk *guest, const char *instance_id,
                            struct progress *progress, struct err *err)
{
    json_t *manifest = NULL;
    const json_t *gpu;
    bool ok;

    if (!manifest_read(guest, &manifest, err))
        return false;
    gpu = manifest_gpu(manifest, instance_id);
    ok = gpu ? verify_entry(guest, gpu, progress, err)
             : err_fail(err, ERR_NOT_FOUND, 0, "the guest has no driver of '%s' by hvgpu",
                        instance_id);
    json_decref(manifest);
    return ok || err_wrap(err, "verifying the guest's driver");
}
