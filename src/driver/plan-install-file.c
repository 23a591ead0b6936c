/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One file of a driver set that goes outside the store: what the guest has there, whose it
 * is, and what the rule says about it.
 */

#include <string.h>

#include "file-version.h"
#include "plan-install.h"
#include "text.h"
#include "win-path.h"

static const char DOC[] = INSTALL_DOC;

/* 1: the host's is newer, -1: not, 0: cannot be told. */
static bool compare_versions(struct install *install, const struct driver_file *file,
                             const struct guest_owner *guest, int *ret, struct err *err)
{
    struct windows_source *origin = install->set->origin;
    struct file_version host = { 0 };
    bool told = false;

    *ret = 0;
    if (text_iends(file->destination, ".dll") || text_iends(file->destination, ".exe")) {
        if (!origin->ops->version(origin, file->origin_path, &host, &told, err))
            return false;
        told = told && host.has_version;
        if (told != guest->has_version)
            return true;
        if (told && host.version != guest->version) {
            *ret = host.version > guest->version ? 1 : -1;
            return true;
        }
    }
    if (guest->mtime_usec != 0 && file->mtime_usec != 0)
        *ret = file->mtime_usec > guest->mtime_usec ? 1 : -1;
    return true;
}

static bool leave_alone(struct install *install, const struct driver_file *file,
                        const char *severity, const char *why, struct err *err)
{
    CLEANUP(free_cleanup)
    char *cause = text_printf("the guest keeps its own '%s': %s", file->destination, why);

    return cause ? plan_find(install->plan, "guest-file", severity, file->destination, why,
                             cause, NULL, DOC, err)
                 : err_no_memory(err);
}

/* What the rule says about a file that is there and that hvgpu did not put there.
 * @was_ours: what it put there was changed since. */
static bool may_replace(struct install *install, const struct driver_file *file,
                        bool was_ours, bool *ret_replace, struct err *err)
{
    struct guest_owner owner;
    int newer;

    *ret_replace = false;
    if (!install->guest->ops->owner(install->guest, file->destination, &owner, err))
        return false;
    if (owner.is_os_owned)
        return leave_alone(install, file, "warning", owner.evidence, err);
    if (file->rule == RULE_ABSENT)
        return leave_alone(install, file, "info", "it is to be copied only if missing",
                           err);
    if (file->rule == RULE_NEWER) {
        if (!compare_versions(install, file, &owner, &newer, err))
            return false;
        if (newer == 0 && !was_ours)
            return leave_alone(install, file, "warning",
                               "it cannot be told whether the host's file is newer", err);
        if (newer < 0)
            return leave_alone(install, file, "info",
                               "it is as new as the host's, or newer", err);
    }
    *ret_replace = true;
    return true;
}

static const json_t *any_record_of_file(const struct install *install, const char *path)
{
    const json_t *gpus = json_object_get(install->manifest, "gpus");
    const json_t *found = NULL;

    for (size_t i = 0; !found && i < json_array_size(gpus); i++)
        found = manifest_file(json_array_get(gpus, i), path);
    return found;
}

static bool record_file(struct install *install, const struct driver_file *file,
                        uint64_t size, const char *sha256, const char *source, bool existed,
                        struct err *err)
{
    return json_array_append_new(
               json_object_get(install->entry, "files"),
               json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:b}", "path", file->destination,
                         "size_bytes", (json_int_t)size, "sha256", sha256, "rule",
                         driver_rule_name(file->rule), "source", source, "reason",
                         file->reason, "existed", existed)) == 0 ||
           err_no_memory(err);
}

static bool has_text(const json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (text_ieq(json_string_value(json_array_get(array, i)), text))
            return true;
    return false;
}

/* The folders above @path that the guest lacks, topmost first, appended to @folders: from
 * "System32\\x" on, and but for those that an earlier step makes. */
static bool find_missing_folders(struct install *install, const char *path, json_t *folders,
                                 struct err *err)
{
    const char *at = strchr(path, '\\');

    while (at && (at = strchr(at + 1, '\\'))) {
        CLEANUP(free_cleanup) char *folder = text_ndup(path, (size_t)(at - path));
        struct guest_file now;

        if (!folder)
            return err_no_memory(err);
        if (has_text(install->file_folders, folder))
            continue;
        if (!install->guest->ops->stat(install->guest, folder, false, &now, err))
            return false;
        if (!now.exists &&
            (json_array_append_new(folders, json_string(folder)) != 0 ||
             json_array_append_new(install->file_folders, json_string(folder)) != 0))
            return err_no_memory(err);
    }
    return true;
}

/* The folder first: copying makes none. */
static char *copy_command(const char *source, const char *path)
{
    CLEANUP(free_cleanup) char *folder = win_path_parent(path);
    CLEANUP(free_cleanup) char *from = ps_quote(source);
    CLEANUP(free_cleanup) char *to = ps_guest_path(path);
    CLEANUP(free_cleanup) char *above = folder ? ps_guest_path(folder) : NULL;

    if (!from || !to || !above)
        return NULL;
    if (text_ieq(folder, "System32") || text_ieq(folder, "SysWOW64"))
        return text_printf("Copy-Item -Force %s %s", from, to);
    return text_printf("New-Item -ItemType Directory -Force %s | Out-Null; "
                       "Copy-Item -Force %s %s",
                       above, from, to);
}

bool install_add_file(struct install *install, const char *path, const char *source,
                      uint64_t size, const char *sha256, json_t *now, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("file '%s'", path);
    CLEANUP(free_cleanup) char *partial = text_printf("%s.hvgpu-new", path);
    CLEANUP(free_cleanup)
    char *powershell = copy_command(source, path);
    json_t *params =
        json_pack("{s:s, s:s, s:s, s:o}", "path", path, "source", source, "sha256", sha256,
                  "backup", step_backup_name(install->set->instance_id, path));
    json_t *after =
        json_pack("{s:{s:I, s:s, s:b}, s:b}", "file", "size_bytes", (json_int_t)size,
                  "sha256", sha256, "readonly", 1, "partial", 0);
    json_t *before, *folders = json_array();
    struct guest_file half = { 0 };

    if (!target || !partial || !folders ||
        !find_missing_folders(install, path, folders, err) ||
        !install->guest->ops->stat(install->guest, partial, false, &half, err)) {
        json_decref(now);
        json_decref(params);
        json_decref(after);
        json_decref(folders);
        return target && partial && folders ? false : err_no_memory(err);
    }
    before = json_pack("{s:o, s:b}", "file", now, "partial", half.exists);
    if (json_array_size(folders) > 0) {
        json_object_set(params, "made_folders", folders);
        json_object_set_new(before, "made_folders", json_integer(0));
        json_object_set_new(after, "made_folders",
                            json_integer((json_int_t)json_array_size(folders)));
    }
    json_decref(folders);
    install->new_bytes += size;
    return install_add_step(install, &step_driver_file, target, params, before, after,
                            powershell, err);
}

/* ---- two GPUs in one guest, one name, two files ---- */

enum meeting { NO_OTHER, NEWER_WINS, CONFLICT };

static const char *name_of(const json_t *gpu)
{
    const char *name = json_string_value(json_object_get(gpu, "name"));

    return name ? name : json_string_value(json_object_get(gpu, "instance_id"));
}

static bool find_conflict(struct install *install, const struct driver_file *file,
                          const json_t *gpu, const char *source, struct err *err)
{
    const struct driver_set *set = install->set;
    CLEANUP(free_cleanup)
    char *evidence = text_printf("'%s' needs '%s', '%s' needs '%s'",
                                 set->gpu_name ? set->gpu_name : set->instance_id,
                                 file->source, name_of(gpu), source);
    CLEANUP(free_cleanup)
    char *cause = text_printf("two GPUs in one guest need different files as '%s': %s",
                              file->destination, evidence ? evidence : "");

    return evidence && cause
               ? plan_find(install->plan, "driver-conflict", "error", file->destination,
                           evidence, cause, "give the VM one of the two GPUs", NULL, err)
               : err_no_memory(err);
}

static const struct driver_file *file_at(const struct driver_set *set, const char *path)
{
    for (size_t i = 0; i < set->file_count; i++)
        if (text_ieq(set->files[i].destination, path))
            return &set->files[i];
    return NULL;
}

/* Of the loaders that all vendors bring, and of what both vendors want only newer, the newer
 * serves both. */
static enum meeting meeting_of(const struct driver_file *file, bool other_wants_newer)
{
    return driver_is_shared_loader(file->destination) ||
                   (file->rule == RULE_NEWER && other_wants_newer)
               ? NEWER_WINS
               : CONFLICT;
}

/* Whether the other GPU's driver wants another file is asked of the host, as its record may
 * be of a driver before, or of a newer file that was not its own. */
static bool meet_other(struct install *install, struct driver_file *file, const json_t *gpu,
                       enum meeting *ret, struct err *err)
{
    CLEANUP(driver_set_cleanup) struct driver_set *other = NULL;
    const char *id = json_string_value(json_object_get(gpu, "instance_id"));
    const json_t *record = manifest_file(gpu, file->destination);
    const char *source = json_string_value(json_object_get(record, "source"));
    const char *rule = json_string_value(json_object_get(record, "rule"));
    bool wants_newer = rule && strcmp(rule, driver_rule_name(RULE_NEWER)) == 0;
    const struct driver_file *its = NULL;
    struct err why = ERR_INIT;

    *ret = NO_OTHER;
    if (driver_resolve(install->set->origin, id, &other, &why)) {
        struct driver_file one;

        its = file_at(other, file->destination);
        if (!its)
            return true;
        one = *its;
        if (!driver_set_hash_file(other, &one, err))
            return false;
        if (strcmp(one.sha256, file->sha256) == 0)
            return true;
        source = one.source;
        wants_newer = one.rule == RULE_NEWER;
    } else if (why.kind == ERR_NOT_FOUND) {
        return true; /* that GPU is gone: its record binds nobody */
    } else if (why.kind == ERR_NO_MEMORY || why.kind == ERR_SYSTEM ||
               why.kind == ERR_CANCELLED || why.kind == ERR_UNREACHABLE) {
        *err = why;
        return false;
    } else if (strcmp(json_string_value(json_object_get(record, "sha256")), file->sha256) ==
               0) {
        return true; /* its driver cannot be told: what was put there for it counts */
    }
    *ret = meeting_of(file, wants_newer);
    return *ret != CONFLICT ||
           find_conflict(install, file, gpu, source ? source : "another file", err);
}

static bool meet_others(struct install *install, struct driver_file *file,
                        enum meeting *ret, struct err *err)
{
    const json_t *gpus = json_object_get(install->manifest, "gpus");
    enum meeting worst = NO_OTHER;

    for (size_t i = 0; worst != CONFLICT && i < json_array_size(gpus); i++) {
        const json_t *gpu = json_array_get(gpus, i);
        const char *id = json_string_value(json_object_get(gpu, "instance_id"));
        enum meeting one;

        if (!manifest_file(gpu, file->destination) ||
            text_ieq(id, install->set->instance_id))
            continue;
        if (!meet_other(install, file, gpu, &one, err))
            return false;
        worst = one > worst ? one : worst;
    }
    *ret = worst;
    return true;
}

/* Who changed it: somebody in the guest, or the host. */
static bool note_file(struct install *install, const struct driver_file *file,
                      const struct guest_file *now, const char *recorded_hash,
                      struct err *err)
{
    const struct drift *drift = &install->drift;

    if (now->exists && strcmp(now->sha256, file->sha256) == 0)
        return true;
    if (recorded_hash && strcmp(recorded_hash, file->sha256) != 0 &&
        !drift_note(drift->host, file->destination, err))
        return false;
    if (!now->exists)
        return drift_note(drift->missing, file->destination, err);
    return !recorded_hash || strcmp(recorded_hash, now->sha256) == 0 ||
           drift_note(drift->changed, file->destination, err);
}

/* ---- the file ---- */

static bool plan_file(struct install *install, const struct driver_file *wanted,
                      const struct guest_file *there, struct err *err)
{
    const json_t *record = any_record_of_file(install, wanted->destination);
    const char *recorded_hash = json_string_value(json_object_get(record, "sha256"));
    bool existed = record && json_is_true(json_object_get(record, "existed"));
    struct driver_file file = *wanted;
    struct guest_file now = *there;
    enum meeting meeting;
    json_t *state = NULL;
    bool replace = true, is_ours;

    if (!meet_others(install, &file, &meeting, err))
        return false;
    if (meeting == CONFLICT)
        return true; /* said */
    if (now.is_dir)
        return leave_alone(install, &file, "warning", "it is a folder", err);
    if (!note_file(install, &file, &now, recorded_hash, err))
        return false;
    if (now.exists && strcmp(now.sha256, file.sha256) == 0)
        return record_file(install, &file, file.size, file.sha256, file.source,
                           record ? existed : true, err);
    if (meeting == NEWER_WINS)
        file.rule = RULE_NEWER;
    is_ours = now.exists && recorded_hash && strcmp(recorded_hash, now.sha256) == 0;
    if (now.exists && (!is_ours || meeting == NEWER_WINS)) {
        if (!may_replace(install, &file, record != NULL, &replace, err))
            return false;
        if (!replace) /* the other GPU's serves this one too */
            return !is_ours ||
                   record_file(install, &file, now.size, now.sha256,
                               json_string_value(json_object_get(record, "source")),
                               existed, err);
        existed = record ? existed : true;
    }
    if (!now.exists)
        state = json_null();
    else if (!step_file_state(install->guest, file.destination, &state, err))
        return false;
    return install_add_file(install, file.destination, file.source, file.size, file.sha256,
                            state, err) &&
           record_file(install, &file, file.size, file.sha256, file.source, existed, err);
}

/* All that is there, and all that should be, is read at once: on a host each question costs. */
bool install_plan_files(struct install *install, struct err *err)
{
    const struct driver_set *set = install->set;
    const char **paths = calloc(set->file_count + 1, sizeof(*paths));
    struct guest_file *there = calloc(set->file_count + 1, sizeof(*there));
    bool ok = (paths && there) || err_no_memory(err);

    for (size_t i = 0; ok && i < set->file_count; i++)
        paths[i] = set->files[i].destination;
    ok = ok && guest_stat_files(install->guest, paths, set->file_count, there, err) &&
         driver_set_hash_files(install->set, err);
    for (size_t i = 0; ok && i < set->file_count; i++)
        ok = plan_file(install, &set->files[i], &there[i], err);
    free(paths);
    free(there);
    return ok;
}
