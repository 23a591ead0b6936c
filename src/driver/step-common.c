/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of steps share: states, comparing a folder with what it should be. */

#include "step-common.h"

#include <string.h>

#include "hash.h"
#include "text.h"
#include "win-path.h"

const struct step_kind *const driver_kinds[] = {
    &step_driver_package,  &step_driver_file, &step_driver_registry, &step_driver_remove,
    &step_driver_manifest, &step_disk_commit, &step_driver_verify,   NULL,
};

const char *step_text(const struct step *step, const char *name)
{
    return json_string_value(json_object_get(step->params, name));
}

bool step_is_damaged(const struct step *step, struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0, "the journal's record of %s is damaged",
                    step->target);
}

json_t *step_backup_name(const char *instance_id, const char *path)
{
    CLEANUP(free_cleanup) char *what = text_printf("%s\n%s", instance_id, path);
    char sha256[SHA256_HEX];

    if (!what)
        return NULL;
    text_lower(what);
    hash_bytes(what, strlen(what), sha256);
    return json_sprintf("guest-%.12s", sha256);
}

bool step_file_state(struct guest_disk *guest, const char *path, json_t **ret,
                     struct err *err)
{
    struct guest_file file;

    if (!guest->ops->stat(guest, path, true, &file, err))
        return false;
    *ret = file.exists ? json_pack("{s:I, s:s, s:b}", "size_bytes", (json_int_t)file.size,
                                   "sha256", file.sha256, "readonly", file.is_readonly)
                       : json_null();
    return *ret ? true : err_no_memory(err);
}

struct totals {
    uint64_t files, bytes;
};

static bool add_up(const struct guest_entry *file, void *user, struct err *err)
{
    struct totals *totals = user;

    totals->files++;
    totals->bytes += file->size;
    return true;
}

bool step_folder_state(struct guest_disk *guest, const char *path, json_t **ret,
                       struct err *err)
{
    struct totals totals = { 0 };
    struct guest_file folder;

    if (!guest->ops->stat(guest, path, false, &folder, err))
        return false;
    if (folder.exists &&
        !guest->ops->list_tree(guest, path, false, NULL, add_up, &totals, err))
        return false;
    *ret = folder.exists ? json_pack("{s:I, s:I}", "files", (json_int_t)totals.files,
                                     "size_bytes", (json_int_t)totals.bytes)
                         : json_null();
    return *ret ? true : err_no_memory(err);
}

struct expected {
    const char *folder;
    bool with_hash;
    json_t *by_path; /* lower-case path -> {size_bytes, sha256}; found ones are removed */
};

static bool check_file(const struct guest_entry *found, void *user, struct err *err)
{
    struct expected *expected = user;
    CLEANUP(free_cleanup) char *key = text_dup(found->path);
    const json_t *file;
    const char *want;

    if (!key)
        return err_no_memory(err);
    text_lower(key);
    file = json_object_get(expected->by_path, key);
    want = json_string_value(json_object_get(file, "sha256"));
    if (!want)
        return err_fail(err, ERR_CONFLICT, 0, "'%s\\%s' does not belong there",
                        expected->folder, found->path);
    if (json_integer_value(json_object_get(file, "size_bytes")) !=
            (json_int_t)found->size ||
        (expected->with_hash && strcmp(want, found->sha256) != 0))
        return err_fail(err, ERR_CONFLICT, 0, "'%s\\%s' differs from the host's file",
                        expected->folder, found->path);
    json_object_del(expected->by_path, key);
    return true;
}

static bool index_files(const json_t *files, json_t *by_path)
{
    for (size_t i = 0; i < json_array_size(files); i++) {
        json_t *file = json_array_get(files, i);
        const char *path = json_string_value(json_object_get(file, "path"));
        CLEANUP(free_cleanup) char *key = text_dup(path);

        if (!key)
            return false;
        text_lower(key);
        if (json_object_set(by_path, key, file) != 0)
            return false;
    }
    return true;
}

bool step_verify_tree(struct guest_disk *guest, const char *path, const json_t *files,
                      bool with_hash, struct progress *progress, struct err *err)
{
    struct expected expected = { .folder = path,
                                 .with_hash = with_hash,
                                 .by_path = json_object() };
    bool ok = index_files(files, expected.by_path) || err_no_memory(err);

    ok = ok && guest->ops->list_tree(guest, path, with_hash, progress, check_file,
                                     &expected, err);
    if (ok && json_object_size(expected.by_path) > 0)
        ok = err_fail(err, ERR_CONFLICT, 0, "'%s\\%s' is missing", path,
                      json_object_iter_key(json_object_iter(expected.by_path)));
    json_decref(expected.by_path);
    return ok;
}

bool step_count_folders(struct guest_disk *guest, const json_t *folders, json_int_t *ret,
                        struct err *err)
{
    *ret = 0;
    for (size_t i = 0; i < json_array_size(folders); i++) {
        const char *path = json_string_value(json_array_get(folders, i));
        struct guest_file folder = { 0 };

        if (path && !guest->ops->stat(guest, path, false, &folder, err))
            return false;
        *ret += folder.exists;
    }
    return true;
}

bool step_remove_folders(struct guest_disk *guest, const json_t *folders, struct err *err)
{
    for (size_t i = json_array_size(folders); i-- > 0;) {
        const char *path = json_string_value(json_array_get(folders, i));

        if (path && !guest->ops->remove(guest, path, false, err)) {
            if (err->kind != ERR_CONFLICT)
                return false;
            *err = ERR_INIT; /* someone else's files are in it by now */
        }
    }
    return true;
}
