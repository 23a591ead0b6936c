/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the manifest lists for one GPU, taken away again, as steps.
 *
 * Only what is still as hvgpu left it goes; a file that was there before hvgpu came stays
 * as it is now, because what it was before went with the run that replaced it.
 */

#include <string.h>

#include "step-common.h"
#include "text.h"

struct removal {
    struct plan *plan;
    struct guest_disk *guest;
    json_t *manifest;
    const char *instance_id;
    const json_t *gpu;
};

static bool add_removal(struct removal *removal, const char *what, const char *path,
                        bool tree, json_t *now, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("%s '%s'", what, path);
    CLEANUP(free_cleanup) char *quoted = ps_guest_path(path);
    CLEANUP(free_cleanup)
    char *powershell = text_printf("Remove-Item %s-Force %s", tree ? "-Recurse " : "",
                                   quoted ? quoted : "");
    json_t *params = json_pack("{s:s, s:b, s:o}", "path", path, "tree", tree, "backup",
                               step_backup_name(removal->instance_id, path));

    return plan_add(removal->plan, &step_driver_remove, target ? target : what, params, now,
                    json_null(), powershell, err) != NULL;
}

static bool remove_value(struct removal *removal, const json_t *value, json_t *before,
                         json_t *after, struct err *err)
{
    const char *key = json_string_value(json_object_get(value, "key"));
    const char *name = json_string_value(json_object_get(value, "name"));
    const json_t *wrote = json_object_get(value, "value");
    struct hive_value now = { 0 };
    bool exists, key_exists, is_ours;
    json_t *json;

    if (manifest_others_have_value(removal->manifest, removal->instance_id, key, name))
        return true;
    if (!removal->guest->ops->reg_key_exists(removal->guest, key, &key_exists, err) ||
        !removal->guest->ops->reg_get(removal->guest, key, name, &exists, &now, err))
        return false;
    json = exists ? manifest_value_to_json(&now) : json_null();
    hive_value_clear(&now);
    is_ours = json_equal(json, wrote);
    if (!is_ours) {
        json_decref(json);
        return !exists || plan_find(removal->plan, "guest-registry", "info", name,
                                    "it is not what hvgpu wrote",
                                    "somebody changed it since", NULL, NULL, err);
    }
    json_array_append_new(before, json_pack("{s:s, s:s, s:o, s:b}", "key", key, "name",
                                            name, "value", json, "key_exists", 1));
    json_array_append_new(after,
                          json_pack("{s:s, s:s, s:O, s:b}", "key", key, "name", name,
                                    "value", json_object_get(value, "old"), "key_exists",
                                    !json_is_true(json_object_get(value, "key_made"))));
    return true;
}

static bool plan_values(struct removal *removal, struct err *err)
{
    const json_t *values = json_object_get(removal->gpu, "registry");
    json_t *before = json_array(), *after = json_array();
    bool ok = (before && after) || err_no_memory(err);

    for (size_t i = 0; ok && i < json_array_size(values); i++)
        ok = remove_value(removal, json_array_get(values, i), before, after, err);
    if (ok && json_array_size(before) > 0) {
        CLEANUP(free_cleanup) char *powershell = step_registry_powershell(after);

        return plan_add(removal->plan, &step_driver_registry, "guest's SYSTEM hive",
                        json_pack("{s:o}", "backup",
                                  step_backup_name(removal->instance_id, "SYSTEM")),
                        before, after, powershell, err) != NULL;
    }
    json_decref(before);
    json_decref(after);
    return ok;
}

static bool plan_file(struct removal *removal, const json_t *file, struct err *err)
{
    const char *path = json_string_value(json_object_get(file, "path"));
    const char *sha256 = json_string_value(json_object_get(file, "sha256"));
    json_t *now = NULL;
    const char *why = NULL, *is;

    if (manifest_others_have_file(removal->manifest, removal->instance_id, path))
        return true;
    if (!step_file_state(removal->guest, path, &now, err))
        return false;
    is = json_string_value(json_object_get(now, "sha256"));
    if (json_is_null(now)) {
        json_decref(now);
        return true;
    }
    if (!is || strcmp(is, sha256) != 0)
        why = "it is not the file that hvgpu put there";
    else if (json_is_true(json_object_get(file, "existed")))
        why = "a file of that name was there before hvgpu came";
    if (!why)
        return add_removal(removal, "file", path, false, now, err);
    json_decref(now);
    return plan_find(removal->plan, "guest-file", "info", path, why, "it stays as it is",
                     NULL, NULL, err);
}

static bool plan_package(struct removal *removal, const json_t *package, struct err *err)
{
    const char *name = json_string_value(json_object_get(package, "name"));
    CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", GUEST_STORE, name);
    json_t *now = NULL;

    if (manifest_others_have_package(removal->manifest, removal->instance_id, name))
        return true;
    if (!path)
        return err_no_memory(err);
    if (!step_folder_state(removal->guest, path, &now, err))
        return false;
    if (!json_is_null(now))
        return add_removal(removal, "driver package", path, true, now, err);
    json_decref(now);
    return true;
}

static bool plan_manifest(struct removal *removal, struct err *err)
{
    json_t *after = manifest_with(removal->manifest, removal->instance_id, NULL);
    json_t *folders = json_incref(json_object_get(removal->manifest, "made_folders"));

    if (!after)
        return err_no_memory(err);
    return plan_add(removal->plan, &step_driver_manifest, "guest's driver manifest",
                    json_pack("{s:o, s:o}", "backup",
                              step_backup_name(removal->instance_id, MANIFEST_PATH),
                              "folders", folders),
                    json_incref(removal->manifest), after,
                    json_is_null(after) ? "Remove-Item -Recurse -Force "
                                          "\"$guest\\Windows\\System32\\HostDriverStore\""
                                        : NULL,
                    err) != NULL;
}

static bool plan_all(struct removal *removal, struct err *err)
{
    const json_t *files = json_object_get(removal->gpu, "files");
    const json_t *packages = json_object_get(removal->gpu, "packages");

    if (!plan_values(removal, err))
        return false;
    for (size_t i = 0; i < json_array_size(files); i++)
        if (!plan_file(removal, json_array_get(files, i), err))
            return false;
    for (size_t i = 0; i < json_array_size(packages); i++)
        if (!plan_package(removal, json_array_get(packages, i), err))
            return false;
    return plan_manifest(removal, err);
}

bool driver_plan_remove(struct plan *plan, struct guest_disk *guest,
                        const char *instance_id, struct err *err)
{
    struct removal removal = { .plan = plan, .guest = guest, .instance_id = instance_id };
    bool ok;

    if (!manifest_read(guest, &removal.manifest, err))
        return false;
    removal.gpu = manifest_gpu(removal.manifest, instance_id);
    ok = !removal.gpu || plan_all(&removal, err);
    json_decref(removal.manifest);
    return ok;
}
