/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest lacks of one driver package, as steps: the whole folder, or, when most of it
 * is there, the files that differ.
 *
 * A package's name carries the hash of its content (guest-drivers: FileRepository), so what
 * the manifest lists under that name is what the host has.  A file whose size and time are
 * the host's is taken as the host's; another one is read and compared with the hash in the
 * manifest.  install->every_hash trusts neither and reads everything.
 */

#include <string.h>

#include "plan-install.h"
#include "text.h"
#include "win-path.h"

enum {
    CLOCK_USEC = 2 * 1000 * 1000, /* the host's tools print whole seconds */
    ASK_ONE_BY_ONE = 8,           /* more suspects than that: read the whole folder */
    REPAIR_FILES_MAX = 64
};

/* ---- what is there ---- */

enum found { FOUND_MISSING, FOUND_SAME, FOUND_SUSPECT, FOUND_CHANGED };

struct listing {
    const struct driver_package *package;
    const json_t *files; /* of the manifest, in the package's order; NULL: compare with the
                          * package's own hashes */
    enum found *found;   /* per file of the package */
    json_t *added;       /* paths that do not belong there */
    uint64_t count, bytes;
};

static const char *hash_of(const struct listing *listing, size_t i)
{
    const json_t *file = json_array_get(listing->files, i);

    return file ? json_string_value(json_object_get(file, "sha256"))
                : listing->package->files[i].sha256;
}

static bool is_same_time(int64_t a, int64_t b)
{
    return a != 0 && b != 0 && a - b <= CLOCK_USEC && b - a <= CLOCK_USEC;
}

static bool compare_file(const struct guest_entry *file, void *user, struct err *err)
{
    struct listing *listing = user;
    const struct driver_package *package = listing->package;
    size_t i = 0;

    listing->count++;
    listing->bytes += file->size;
    while (i < package->file_count && !text_ieq(package->files[i].path, file->path))
        i++;
    if (i == package->file_count)
        return json_array_append_new(listing->added, json_string(file->path)) == 0 ||
               err_no_memory(err);
    if (package->files[i].size != file->size)
        listing->found[i] = FOUND_CHANGED;
    else if (*file->sha256)
        listing->found[i] =
            strcmp(file->sha256, hash_of(listing, i)) == 0 ? FOUND_SAME : FOUND_CHANGED;
    else
        listing->found[i] = is_same_time(package->files[i].mtime_usec, file->mtime_usec)
                                ? FOUND_SAME
                                : FOUND_SUSPECT;
    return true;
}

static bool list_folder(struct install *install, struct listing *listing,
                        const char *folder, bool with_hash, struct err *err)
{
    memset(listing->found, 0, listing->package->file_count * sizeof(*listing->found));
    json_array_clear(listing->added);
    listing->count = listing->bytes = 0;
    return install->guest->ops->list_tree(install->guest, folder, with_hash,
                                          install->set->origin->progress, compare_file,
                                          listing, err);
}

static bool ask_suspects(struct install *install, struct listing *listing,
                         const char *folder, struct err *err)
{
    size_t suspects = 0;

    for (size_t i = 0; i < listing->package->file_count; i++)
        suspects += listing->found[i] == FOUND_SUSPECT;
    if (suspects > ASK_ONE_BY_ONE)
        return list_folder(install, listing, folder, true, err);
    for (size_t i = 0; i < listing->package->file_count; i++) {
        CLEANUP(free_cleanup) char *path = NULL;
        struct guest_file now;

        if (listing->found[i] != FOUND_SUSPECT)
            continue;
        path = win_path_join(folder, listing->package->files[i].path);
        if (!path)
            return err_no_memory(err);
        if (!install->guest->ops->stat(install->guest, path, true, &now, err))
            return false;
        listing->found[i] =
            strcmp(now.sha256, hash_of(listing, i)) == 0 ? FOUND_SAME : FOUND_CHANGED;
    }
    return true;
}

static bool is_all_same(const struct listing *listing)
{
    for (size_t i = 0; i < listing->package->file_count; i++)
        if (listing->found[i] != FOUND_SAME)
            return false;
    return json_array_size(listing->added) == 0;
}

/* The manifest's record of the package (of any GPU) that lists exactly its files. */
static const json_t *recorded(const struct install *install,
                              const struct driver_package *package)
{
    const json_t *gpus = json_object_get(install->manifest, "gpus");

    for (size_t i = 0; i < json_array_size(gpus); i++) {
        const json_t *record = manifest_package(json_array_get(gpus, i), package->name);
        const json_t *files = json_object_get(record, "files");
        size_t same = 0;

        for (size_t j = 0; j < json_array_size(files); j++) {
            const json_t *file = json_array_get(files, j);
            const char *path = json_string_value(json_object_get(file, "path"));
            uint64_t size =
                (uint64_t)json_integer_value(json_object_get(file, "size_bytes"));

            same += j < package->file_count && text_ieq(package->files[j].path, path) &&
                    package->files[j].size == size;
        }
        if (record && same == package->file_count && same == json_array_size(files))
            return record;
    }
    return NULL;
}

/* ---- the whole folder ---- */

static json_t *files_of(const struct driver_package *package)
{
    json_t *files = json_array();

    for (size_t i = 0; i < package->file_count; i++)
        json_array_append_new(files,
                              json_pack("{s:s, s:I, s:s}", "path", package->files[i].path,
                                        "size_bytes", (json_int_t)package->files[i].size,
                                        "sha256", package->files[i].sha256));
    return files;
}

bool install_find_folders(struct install *install, struct err *err)
{
    static const char *const folders[] = { "System32\\HostDriverStore", GUEST_STORE };

    install->folders = json_array();
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct guest_file folder;

        if (!install->guest->ops->stat(install->guest, folders[i], false, &folder, err))
            return false;
        if (!folder.exists)
            json_array_append_new(install->folders, json_string(folders[i]));
    }
    return true;
}

static char *copy_command(const struct driver_package *package, const char *folder,
                          bool replaces)
{
    CLEANUP(free_cleanup) char *from = ps_quote(package->source);
    CLEANUP(free_cleanup) char *to = ps_guest_path(folder);
    CLEANUP(free_cleanup) char *store = ps_guest_path(GUEST_STORE);

    if (!from || !to || !store)
        return NULL;
    return text_printf("%s%s%sNew-Item -ItemType Directory -Force %s | Out-Null; "
                       "Copy-Item -Recurse %s %s",
                       replaces ? "Remove-Item -Recurse -Force " : "", replaces ? to : "",
                       replaces ? "; " : "", store, from, to);
}

static bool plan_whole(struct install *install, const struct driver_package *package,
                       const char *folder, const json_t *now, struct err *err)
{
    CLEANUP(free_cleanup) char *target = text_printf("driver package '%s'", package->name);
    CLEANUP(free_cleanup) char *partial = text_printf("%s.partial", folder);
    CLEANUP(free_cleanup)
    char *powershell = copy_command(package, folder, !json_is_null(now));
    struct guest_file half = { 0 };
    json_t *made, *params, *before, *after;

    if (!target || !partial || !powershell)
        return err_no_memory(err);
    if (!install->guest->ops->stat(install->guest, partial, false, &half, err))
        return false;
    made = install->makes_folders ? json_array() : json_incref(install->folders);
    after =
        json_pack("{s:{s:I, s:I}, s:b, s:I}", "folder", "files",
                  (json_int_t)package->file_count, "size_bytes", (json_int_t)package->bytes,
                  "partial", 0, "made_folders", (json_int_t)json_array_size(made));
    params = json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "package", package->name, "source",
                       package->source, "bytes", (json_int_t)package->bytes, "files",
                       files_of(package), "made_folders", made, "backup",
                       step_backup_name(install->set->instance_id, folder));
    before = json_pack("{s:O, s:b, s:i}", "folder", now, "partial", half.exists,
                       "made_folders", 0);
    install->makes_folders = true;
    install->new_bytes += package->bytes;
    return install_add_step(install, &step_driver_package, target, params, before, after,
                            powershell, err);
}

/* ---- single files ---- */

/* Steps for files want the folder above them to be there. */
static bool has_parent(struct install *install, const char *path, bool *ret,
                       struct err *err)
{
    CLEANUP(free_cleanup) char *parent = win_path_parent(path);
    struct guest_file folder;

    if (!parent)
        return err_no_memory(err);
    if (!install->guest->ops->stat(install->guest, parent, false, &folder, err))
        return false;
    *ret = folder.exists && folder.is_dir;
    return true;
}

static bool repair_file(struct install *install, const struct listing *listing, size_t i,
                        const char *path, struct err *err)
{
    const struct driver_package *package = listing->package;
    CLEANUP(free_cleanup) char *store = driver_store_path(package->name);
    CLEANUP(free_cleanup)
    char *origin = store ? win_path_join(store, package->files[i].path) : NULL;
    CLEANUP(free_cleanup) char *source = NULL;
    json_t *now = NULL;

    if (!origin)
        return err_no_memory(err);
    source = install->set->origin->ops->locate(install->set->origin, origin, err);
    return source && step_file_state(install->guest, path, &now, err) &&
           install_add_file(install, path, source, package->files[i].size,
                            hash_of(listing, i), now, err);
}

static bool remove_added(struct install *install, const char *path, struct err *err)
{
    json_t *now = NULL;

    return step_file_state(install->guest, path, &now, err) &&
           install_add_removal(install, "file", path, false, now, err);
}

/* *ret_done false: not worth it, or not possible; nothing was planned. */
static bool repair(struct install *install, const struct listing *listing,
                   const char *folder, bool *ret_done, struct err *err)
{
    const struct driver_package *package = listing->package;
    size_t files = json_array_size(listing->added);
    uint64_t bytes = 0;
    bool ok = true;

    *ret_done = false;
    for (size_t i = 0; i < package->file_count; i++) {
        CLEANUP(free_cleanup) char *path = win_path_join(folder, package->files[i].path);
        bool parent = false;

        if (!path)
            return err_no_memory(err);
        if (listing->found[i] == FOUND_SAME)
            continue;
        bytes += package->files[i].size;
        files++;
        if (!has_parent(install, path, &parent, err))
            return false;
        if (!parent)
            return true;
    }
    if (files > REPAIR_FILES_MAX || bytes > package->bytes / 2)
        return true;
    *ret_done = true;
    for (size_t i = 0; ok && i < package->file_count; i++) {
        CLEANUP(free_cleanup) char *path = win_path_join(folder, package->files[i].path);

        if (listing->found[i] != FOUND_SAME)
            ok = path ? repair_file(install, listing, i, path, err) : err_no_memory(err);
    }
    for (size_t i = 0; ok && i < json_array_size(listing->added); i++) {
        CLEANUP(free_cleanup)
        char *path =
            win_path_join(folder, json_string_value(json_array_get(listing->added, i)));

        ok = path ? remove_added(install, path, err) : err_no_memory(err);
    }
    return ok;
}

/* ---- one package ---- */

static bool note_differences(struct install *install, const struct listing *listing,
                             struct err *err)
{
    const struct driver_package *package = listing->package;
    json_t *names;

    for (size_t i = 0; i < package->file_count; i++) {
        if (listing->found[i] == FOUND_SAME)
            continue;
        names = listing->found[i] == FOUND_MISSING ? install->drift.missing
                                                   : install->drift.changed;
        if (!drift_note(names, package->files[i].path, err))
            return false;
    }
    for (size_t i = 0; i < json_array_size(listing->added); i++)
        if (!drift_note(install->drift.added,
                        json_string_value(json_array_get(listing->added, i)), err))
            return false;
    return true;
}

static bool add_entry(struct install *install, json_t *package, struct err *err)
{
    return json_array_append_new(json_object_get(install->entry, "packages"), package) ==
               0 ||
           err_no_memory(err);
}

/* The manifest knows the package with these files: each is compared with that. */
static bool plan_recorded(struct install *install, struct listing *listing,
                          const json_t *record, const char *folder, bool *ret_done,
                          struct err *err)
{
    if (!ask_suspects(install, listing, folder, err))
        return false;
    *ret_done = true;
    if (!is_all_same(listing) && (!note_differences(install, listing, err) ||
                                  !repair(install, listing, folder, ret_done, err)))
        return false;
    return !*ret_done || add_entry(install, json_deep_copy(record), err);
}

static bool plan_anew(struct install *install, struct listing *listing, const char *folder,
                      const json_t *now, struct err *err)
{
    const struct driver_package *package = listing->package;
    bool same = false;

    if (!driver_set_hash(install->set, err))
        return false;
    listing->files = NULL;
    if (!json_is_null(now)) {
        if (!list_folder(install, listing, folder, true, err))
            return false;
        same = is_all_same(listing);
    }
    return add_entry(install,
                     json_pack("{s:s, s:I, s:o}", "name", package->name, "size_bytes",
                               (json_int_t)package->bytes, "files", files_of(package)),
                     err) &&
           (same || plan_whole(install, package, folder, now, err));
}

/* What is in the folder, and as much as the state of a step says of it; *ret null: no folder.
 * A package that is recorded is compared with its record, in the same listing. */
static bool look_at_folder(struct install *install, struct listing *listing,
                           const char *folder, json_t **ret, struct err *err)
{
    struct guest_file there;

    if (!listing->files)
        return step_folder_state(install->guest, folder, ret, err);
    if (!install->guest->ops->stat(install->guest, folder, false, &there, err) ||
        (there.exists && !list_folder(install, listing, folder, install->every_hash, err)))
        return false;
    *ret = there.exists ? json_pack("{s:I, s:I}", "files", (json_int_t)listing->count,
                                    "size_bytes", (json_int_t)listing->bytes)
                        : json_null();
    return *ret || err_no_memory(err);
}

static bool plan_listed(struct install *install, struct listing *listing,
                        const json_t *record, const char *folder, const json_t *now,
                        struct err *err)
{
    bool done = false;

    if (record && json_is_null(now) &&
        !drift_note(install->drift.missing, listing->package->name, err))
        return false;
    if (record && !json_is_null(now) &&
        !plan_recorded(install, listing, record, folder, &done, err))
        return false;
    return done || plan_anew(install, listing, folder, now, err);
}

bool install_plan_package(struct install *install, const struct driver_package *package,
                          struct err *err)
{
    CLEANUP(free_cleanup) char *folder = text_printf("%s\\%s", GUEST_STORE, package->name);
    const json_t *record = recorded(install, package);
    struct listing listing = { .package = package,
                               .files = json_object_get(record, "files"),
                               .added = json_array() };
    json_t *now = NULL;
    bool ok;

    listing.found = calloc(package->file_count + 1, sizeof(*listing.found));
    ok = (folder && listing.found && listing.added) || err_no_memory(err);
    ok = ok && look_at_folder(install, &listing, folder, &now, err) &&
         plan_listed(install, &listing, record, folder, now, err);
    json_decref(now);
    json_decref(listing.added);
    free(listing.found);
    return ok;
}
