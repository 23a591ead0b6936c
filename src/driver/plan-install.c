/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest lacks of a driver set, as steps.  Reads, compares, writes nothing.
 *
 * Packages are plan-package.c's.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plan-install.h"
#include "strbuf.h"
#include "text.h"
#include "win-path.h"

enum { BUILD_FIRST = 17134, BUILD_NAMES = 19041 };
static const char DOC[] = INSTALL_DOC;

bool install_add_step(struct install *install, const struct step_kind *kind,
                      const char *target, json_t *params, json_t *before, json_t *after,
                      const char *powershell, struct err *err)
{
    return plan_add(install->plan, kind, target, params, before, after, powershell, err) !=
           NULL;
}

bool install_add_removal(struct install *install, const char *what, const char *path,
                         bool tree, json_t *now, struct err *err)
{
    CLEANUP(free_cleanup)
    char *target = text_printf("%s '%s'", what, tree ? win_path_base(path) : path);
    CLEANUP(free_cleanup)
    char *quoted = ps_guest_path(path);
    CLEANUP(free_cleanup)
    char *powershell =
        quoted ? text_printf("Remove-Item %s-Force %s", tree ? "-Recurse " : "", quoted)
               : NULL;

    if (!target || !powershell) {
        json_decref(now);
        return err_no_memory(err);
    }
    return install_add_step(install, &step_driver_remove, target,
                            json_pack("{s:s, s:b, s:o}", "path", path, "tree", tree,
                                      "backup",
                                      step_backup_name(install->set->instance_id, path)),
                            now, json_null(), powershell, err);
}

/* ---- the guest as a whole ---- */

static bool check_guest(struct install *install, const struct guest_facts *facts,
                        struct err *err)
{
    struct plan *plan = install->plan;
    char text[160];

    if (facts->build == 0 || !facts->architecture[0]) {
        if (!plan_find(plan, "guest-windows", "warning", "guest",
                       "its Windows build or architecture cannot be read", NULL, NULL, NULL,
                       err))
            return false;
    }
    snprintf(text, sizeof(text), "the guest's Windows is build %" PRIu32, facts->build);
    if (facts->build != 0 && facts->build < BUILD_FIRST)
        return plan_find(
            plan, "guest-build", "error", "guest", text,
            "GPU paravirtualization needs build 17134 (Windows 10 1803) in the "
            "guest",
            "install a newer Windows in the guest", DOC, err);
    if (facts->build != 0 && facts->build < BUILD_NAMES &&
        !plan_find(plan, "guest-build", "warning", "guest", text,
                   "before build 19041 the guest shows a generic name for the GPU", NULL,
                   DOC, err))
        return false;
    if (facts->architecture[0] &&
        !text_ieq(facts->architecture, install->set->architecture)) {
        snprintf(text, sizeof(text), "the guest is %s, the host's driver is %s",
                 facts->architecture, install->set->architecture);
        return plan_find(plan, "guest-architecture", "error", "guest", text,
                         "the guest loads the host's user-mode driver: both must be of one "
                         "architecture",
                         "use a guest of the host's architecture", DOC, err);
    }
    return true;
}

static bool check_space(struct install *install, const struct guest_facts *facts,
                        struct err *err)
{
    uint64_t need = install->new_bytes + install->new_bytes / 10;
    char text[160];

    if (install->new_bytes == 0 || (facts->has_free_bytes && facts->free_bytes >= need))
        return true;
    if (!facts->has_free_bytes)
        return plan_find(install->plan, "guest-space", "warning", "guest",
                         "it is not known how much space is free on its disk", NULL, NULL,
                         NULL, err);
    snprintf(text, sizeof(text), "%" PRIu64 " bytes are needed, %" PRIu64 " are free", need,
             facts->free_bytes);
    return plan_find(install->plan, "guest-space", "error", "guest", text,
                     "the guest's disk is too full for the driver",
                     "free space in the guest, or enlarge its disk", NULL, err);
}

/* ---- what an earlier driver left, and the manifest ---- */

static bool plan_stale_packages(struct install *install, struct err *err)
{
    const json_t *packages = json_object_get(install->old, "packages");

    for (size_t i = 0; i < json_array_size(packages); i++) {
        const char *name =
            json_string_value(json_object_get(json_array_get(packages, i), "name"));
        CLEANUP(free_cleanup) char *path = text_printf("%s\\%s", GUEST_STORE, name);
        json_t *now = NULL;

        if (driver_set_package(install->set, name) ||
            manifest_others_have_package(install->manifest, install->set->instance_id,
                                         name))
            continue;
        if (!path)
            return err_no_memory(err);
        if (!step_folder_state(install->guest, path, &now, err))
            return false;
        if (json_is_null(now)) {
            json_decref(now);
            continue;
        }
        if (!install_add_removal(install, "old driver package", path, true, now, err))
            return false;
    }
    return true;
}

static bool is_in_set(const struct driver_set *set, const char *path)
{
    for (size_t i = 0; i < set->file_count; i++)
        if (text_ieq(set->files[i].destination, path))
            return true;
    return false;
}

/* Files outside the store that the driver before had and this one has not: gone when they
 * are still hvgpu's own, else only no longer in the record. */
static bool plan_stale_files(struct install *install, struct err *err)
{
    const json_t *files = json_object_get(install->old, "files");

    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        const char *path = json_string_value(json_object_get(file, "path"));
        const char *sha256 = json_string_value(json_object_get(file, "sha256"));
        struct guest_file now;
        json_t *state = NULL;

        if (is_in_set(install->set, path) ||
            manifest_others_have_file(install->manifest, install->set->instance_id, path))
            continue;
        if (!install->guest->ops->stat(install->guest, path, true, &now, err))
            return false;
        if (!now.exists || strcmp(now.sha256, sha256) != 0 ||
            json_is_true(json_object_get(file, "existed")))
            continue;
        if (!step_file_state(install->guest, path, &state, err) ||
            !install_add_removal(install, "old driver file", path, false, state, err))
            return false;
    }
    return true;
}

static bool copy_members(json_t *to, const json_t *from, const char *const *names,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_object_set_new(to, names[i],
                                json_deep_copy(json_object_get(from, names[i]))) != 0)
            return false;
    return true;
}

/* What is in one place for two GPUs is one thing: the others' records follow. */
static bool update_others(struct install *install, const json_t *manifest, struct err *err)
{
    static const char *const of_file[] = { "size_bytes", "sha256", "source" };
    static const char *const of_value[] = { "value" };
    const json_t *files = json_object_get(install->entry, "files");
    const json_t *values = json_object_get(install->entry, "registry");
    const json_t *gpus = json_object_get(manifest, "gpus");
    bool ok = true;

    for (size_t i = 0; i < json_array_size(gpus); i++) {
        const json_t *gpu = json_array_get(gpus, i);

        for (size_t k = 0; ok && k < json_array_size(files); k++) {
            const json_t *file = json_array_get(files, k);
            const char *path = json_string_value(json_object_get(file, "path"));
            json_t *its = manifest_file(gpu, path);

            ok =
                !its || its == file || copy_members(its, file, of_file, ARRAY_LEN(of_file));
        }
        for (size_t k = 0; ok && k < json_array_size(values); k++) {
            const json_t *value = json_array_get(values, k);
            const char *key = json_string_value(json_object_get(value, "key"));
            const char *name = json_string_value(json_object_get(value, "name"));
            json_t *its = manifest_value(gpu, key, name);

            ok = !its || its == value ||
                 copy_members(its, value, of_value, ARRAY_LEN(of_value));
        }
    }
    return ok || err_no_memory(err);
}

static bool plan_manifest(struct install *install, const struct guest_facts *facts,
                          struct err *err)
{
    json_t *before = install->manifest ? json_incref(install->manifest) : json_null();
    json_t *after = manifest_with(install->manifest, install->set->instance_id,
                                  json_incref(install->entry));

    if (!after || !update_others(install, after, err) ||
        !manifest_set_guest(after, facts)) {
        json_decref(before);
        json_decref(after);
        return after ? false : err_no_memory(err);
    }
    json_array_extend(json_object_get(after, "made_folders"), install->folders);
    json_array_extend(json_object_get(after, "made_folders"), install->file_folders);
    if (json_equal(before, after)) {
        json_decref(before);
        json_decref(after);
        return true;
    }
    return install_add_step(
        install, &step_driver_manifest, "guest's driver manifest",
        json_pack("{s:o}", "backup",
                  step_backup_name(install->set->instance_id, MANIFEST_PATH)),
        before, after, NULL, err);
}

static json_t *new_entry(const struct driver_set *set)
{
    return json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:[], s:[], s:[]}", "instance_id",
                     set->instance_id, "name", set->gpu_name, "provider", set->provider,
                     "driver_version", set->driver_version, "driver_date", set->driver_date,
                     "inf", set->inf, "packages", "files", "registry");
}

static bool say_left_out(struct install *install, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf all = STRBUF_INIT;
    const struct driver_set *set = install->set;

    for (size_t i = 0; i < set->left_out_count; i++)
        strbuf_printf(&all, "%s%s", i ? "; " : "", set->left_out[i]);
    if (set->left_out_count == 0)
        return true;
    return all.text ? plan_find(install->plan, "driver-left-out", "info", set->gpu_name,
                                all.text,
                                "not all of the driver is for a guest: "
                                "'driver show' lists what stays out",
                                NULL, NULL, err)
                    : err_no_memory(err);
}

static bool plan_all(struct install *install, struct err *err)
{
    size_t before = install->plan->step_count;
    struct guest_facts facts;

    if (!install->guest->ops->facts(install->guest, &facts, err) ||
        !check_guest(install, &facts, err) || !install_find_folders(install, err))
        return false;
    snprintf(install->guest_root, sizeof(install->guest_root), "%s", facts.system_root);
    for (size_t i = 0; i < install->set->package_count; i++)
        if (!install_plan_package(install, &install->set->packages[i], err))
            return false;
    return install_plan_files(install, err) && install_plan_registry(install, err) &&
           plan_stale_packages(install, err) && plan_stale_files(install, err) &&
           check_space(install, &facts, err) && plan_manifest(install, &facts, err) &&
           drift_say(install, &facts, install->plan->step_count > before, err) &&
           say_left_out(install, err);
}

static bool plan_set(struct install *install, struct err *err)
{
    bool ok;

    if (!manifest_read(install->guest, &install->manifest, err))
        return false;
    install->old = manifest_gpu(install->manifest, install->set->instance_id);
    install->entry = new_entry(install->set);
    install->file_folders = json_array();
    ok = ((install->entry && install->file_folders) || err_no_memory(err)) &&
         drift_open(&install->drift, err) && plan_all(install, err);
    drift_close(&install->drift);
    json_decref(install->entry);
    json_decref(install->folders);
    json_decref(install->file_folders);
    json_decref(install->manifest);
    return ok;
}

bool driver_plan_install(struct plan *plan, struct guest_disk *guest,
                         struct driver_set *set, struct err *err)
{
    return plan_set(&(struct install){ .plan = plan, .guest = guest, .set = set }, err);
}

bool driver_plan_update(struct plan *plan, struct guest_disk *guest, struct driver_set *set,
                        bool every_hash, struct err *err)
{
    return plan_set(&(struct install){ .plan = plan,
                                       .guest = guest,
                                       .set = set,
                                       .every_hash = every_hash,
                                       .says_why = true },
                    err);
}
