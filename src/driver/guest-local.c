/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's disk that is an image on this machine.
 *
 * It is opened for reading until the first change; from then on it is locked against
 * everyone and all changes are one transaction, made durable by commit.
 */

#include "guest-local.h"

#include <string.h>

#include "file-version.h"
#include "hash.h"
#include "json-confined.h"
#include "os.h"
#include "progress.h"
#include "text.h"
#include "win-path.h"

enum { DEPTH_MAX = 32 };

/* ---- the volume ---- */

static void close_volume(struct local_disk *local)
{
    volume_drop(TAKE(local->volume));
    disk_close(TAKE(local->disk));
    local->is_writable = false;
}

bool local_need(struct local_disk *local, bool writable, struct err *err)
{
    enum disk_mode mode = writable ? DISK_WRITE : DISK_READ;

    if (local->volume && (local->is_writable || !writable))
        return true;
    if (writable && !local->backup_dir)
        return err_fail(err, ERR_INVALID, 0, "'%s' was opened to be read only",
                        local->image);
    close_volume(local);
    local->disk = disk_open_chain(local->image, local->parents, mode, err);
    if (!local->disk)
        return false;
    local->volume = volume_open(local->disk, &local->partition, mode, err);
    if (!local->volume) {
        close_volume(local);
        return err_wrap(err, "disk '%s'", local->image);
    }
    local->is_writable = writable;
    return true;
}

char *local_path(const char *path)
{
    return win_path_join("\\Windows", path);
}

bool local_stat(struct local_disk *local, const char *path, struct file_info *ret,
                bool *ret_exists, struct err *err)
{
    *ret_exists = volume_stat(local->volume, path, ret, err);
    if (*ret_exists) {
        free(TAKE(ret->name));
        return true;
    }
    if (err->kind != ERR_NOT_FOUND)
        return false;
    *err = ERR_INIT;
    return true;
}

/* ---- reading ---- */

static bool local_facts(struct guest_disk *self, struct guest_facts *ret, struct err *err)
{
    struct local_disk *local = local_of(self);

    if (!local_need(local, local->is_writable, err))
        return false;
    *ret = (struct guest_facts){ .build = local->windows.build,
                                 .has_free_bytes = true,
                                 .free_bytes = volume_free_bytes(local->volume),
                                 .is_blocked = local->is_blocked };
    memcpy(ret->architecture, local->windows.architecture, sizeof(ret->architecture));
    snprintf(ret->system_root, sizeof(ret->system_root), "%s", local->windows.system_root);
    return true;
}

struct hash_progress {
    struct hash hash;
    struct progress *progress;
    uint64_t *done, total;
};

static bool hash_piece(const void *bytes, size_t len, void *user, struct err *err)
{
    struct hash_progress *hashing = user;

    hash_add(&hashing->hash, bytes, len);
    if (!hashing->done)
        return true;
    *hashing->done += len;
    return progress_report(hashing->progress, "verifying", PROGRESS_BYTES, *hashing->done,
                           hashing->total, err);
}

static bool hash_file(struct local_disk *local, const char *path,
                      struct hash_progress *hashing, char ret[65], struct err *err)
{
    hash_begin(&hashing->hash);
    if (!volume_read(local->volume, path, hash_piece, hashing, err))
        return false;
    hash_end(&hashing->hash, ret);
    return true;
}

static bool local_stat_file(struct guest_disk *self, const char *path, bool with_hash,
                            struct guest_file *ret, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    struct hash_progress hashing = { 0 };
    struct file_info info = { 0 };
    bool exists;

    *ret = (struct guest_file){ 0 };
    if (!full)
        return err_no_memory(err);
    if (!local_need(local, local->is_writable, err) ||
        !local_stat(local, full, &info, &exists, err))
        return false;
    if (!exists)
        return true;
    ret->exists = true;
    ret->is_dir = info.attributes & FILE_IS_DIR;
    ret->is_readonly = info.attributes & FILE_IS_READONLY;
    ret->size = info.size;
    ret->mtime_usec = info.mtime_usec;
    return !with_hash || ret->is_dir || hash_file(local, full, &hashing, ret->sha256, err);
}

static bool local_owner(struct guest_disk *self, const char *path, struct guest_owner *ret,
                        struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct file_version version = { 0 };
    struct file_info info = { 0 };
    size_t len;
    bool exists;

    *ret = (struct guest_owner){ 0 };
    if (!full)
        return err_no_memory(err);
    if (!local_need(local, local->is_writable, err) ||
        !local_stat(local, full, &info, &exists, err))
        return false;
    if (!exists)
        return true;
    ret->mtime_usec = info.mtime_usec;
    if (info.link_count > 1) { /* WinSxS holds the other link */
        ret->is_os_owned = true;
        snprintf(ret->evidence, sizeof(ret->evidence), "it has %u links, one is in WinSxS",
                 info.link_count);
        return true;
    }
    if (info.is_windows_own) {
        ret->is_os_owned = true;
        snprintf(ret->evidence, sizeof(ret->evidence), "its owner is TrustedInstaller");
        return true;
    }
    if (info.size > FILE_VERSION_BYTES_MAX ||
        (info.attributes & (FILE_IS_REPARSE | FILE_IS_ENCRYPTED))) {
        ret->is_os_owned = true;
        snprintf(ret->evidence, sizeof(ret->evidence), "it cannot be told whose it is");
        return true;
    }
    if (!volume_read_all(local->volume, full, FILE_VERSION_BYTES_MAX, &bytes, &len, err))
        return false;
    if (!file_version_read(bytes, len, &version))
        return true;
    ret->has_version = version.has_version;
    ret->version = version.version;
    if (text_istarts(version.company, "Microsoft")) {
        ret->is_os_owned = true;
        snprintf(ret->evidence, sizeof(ret->evidence), "it is of %.60s", version.company);
    }
    return true;
}

struct tree_walk {
    struct local_disk *local;
    const char *full, *relative; /* of the folder being walked */
    bool with_hash;
    struct hash_progress *hashing;
    guest_file_fn *on_file;
    void *user;
    unsigned depth;
};

static bool walk_tree(struct tree_walk *walk, struct err *err);

static bool walk_one(const struct file_info *info, void *user, struct err *err)
{
    struct tree_walk *walk = user;
    CLEANUP(free_cleanup) char *full = win_path_join(walk->full, info->name);
    CLEANUP(free_cleanup)
    char *relative =
        *walk->relative ? win_path_join(walk->relative, info->name) : text_dup(info->name);
    char sha256[65] = "";

    if (!full || !relative)
        return err_no_memory(err);
    if (info->attributes & FILE_IS_DIR) {
        struct tree_walk below = *walk;

        if (walk->depth >= DEPTH_MAX)
            return err_fail(err, ERR_PROTOCOL, 0, "'%s' is nested too deeply", full);
        below.full = full;
        below.relative = relative;
        below.depth++;
        return walk_tree(&below, err);
    }
    if (walk->with_hash && !hash_file(walk->local, full, walk->hashing, sha256, err))
        return err_wrap(err, "reading '%s'", full);
    return walk->on_file(&(struct guest_entry){ .path = relative,
                                                .size = info->size,
                                                .mtime_usec = info->mtime_usec,
                                                .sha256 = sha256 },
                         walk->user, err);
}

static bool walk_tree(struct tree_walk *walk, struct err *err)
{
    return volume_list(walk->local->volume, walk->full, walk_one, walk, err);
}

static bool add_size(const struct guest_entry *file, void *user, struct err *err)
{
    *(uint64_t *)user += file->size;
    return true;
}

static bool local_list_tree(struct guest_disk *self, const char *path, bool with_hash,
                            struct progress *progress, guest_file_fn *on_file, void *user,
                            struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    uint64_t done = 0;
    struct hash_progress hashing = { .progress = progress, .done = &done };
    struct tree_walk walk = { .local = local,
                              .full = full,
                              .relative = "",
                              .hashing = &hashing,
                              .on_file = add_size,
                              .user = &hashing.total };
    struct file_info info = { 0 };
    bool exists;

    if (!full)
        return err_no_memory(err);
    if (!local_need(local, local->is_writable, err) ||
        !local_stat(local, full, &info, &exists, err))
        return false;
    if (!exists)
        return true;
    if (with_hash && !walk_tree(&walk, err))
        return false;
    walk.with_hash = with_hash;
    walk.on_file = on_file;
    walk.user = user;
    return walk_tree(&walk, err);
}

static bool local_read_json(struct guest_disk *self, const char *path, size_t max,
                            json_t **ret, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len;

    if (!full)
        return err_no_memory(err);
    if (!local_need(local, local->is_writable, err) ||
        !volume_read_all(local->volume, full, max, &bytes, &len, err))
        return false;
    *ret = json_parse_foreign((char *)bytes, len, err);
    return *ret != NULL;
}

/* ---- writing ---- */

static bool local_make_dirs(struct guest_disk *self, const char *path, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);

    if (!full)
        return err_no_memory(err);
    return local_need(local, true, err) && volume_make_dirs(local->volume, full, err);
}

/* A file read piece by piece: where it has no descriptor, as on Windows. */
struct read_import {
    struct os_file *file;
    bool (*on_bytes)(size_t len, void *user, struct err *err);
    void *user;
};

static bool next_piece(void *to, size_t len, size_t *ret_len, void *user, struct err *err)
{
    struct read_import *r = user;

    return os_file_read(r->file, to, len, ret_len, err) &&
           (!r->on_bytes || r->on_bytes(*ret_len, r->user, err));
}

bool local_import(struct local_disk *local, const char *from, const char *path,
                  int64_t mtime_usec, uint32_t attributes,
                  bool (*on_bytes)(size_t len, void *user, struct err *err), void *user,
                  struct err *err)
{
    CLEANUP(os_file_cleanup) struct os_file *file = os_file_open(from, err);
    struct read_import reading = { .file = file, .on_bytes = on_bytes, .user = user };

    if (!file)
        return false;
    if (os_file_descriptor(file) < 0)
        return volume_write(local->volume, path, os_file_size(file), next_piece, &reading,
                            mtime_usec, attributes, err);
    return volume_import(local->volume, path, os_file_descriptor(file), os_file_size(file),
                         on_bytes, user, mtime_usec, attributes, err);
}

struct copy {
    struct local_disk *local;
    const char *from, *to; /* folders */
    const char *what;
    struct progress *progress;
    uint64_t *done, total;
    unsigned depth;
};

static bool copied(size_t len, void *user, struct err *err)
{
    struct copy *copy = user;

    *copy->done += len;
    return progress_report(copy->progress, copy->what, PROGRESS_BYTES, *copy->done,
                           copy->total, err);
}

static bool copy_folder(struct copy *copy, struct err *err);

static bool copy_entry(const struct os_entry *entry, void *user, struct err *err)
{
    struct copy *copy = user;
    CLEANUP(free_cleanup) char *from = text_printf("%s/%s", copy->from, entry->name);
    CLEANUP(free_cleanup) char *to = win_path_join(copy->to, entry->name);
    struct copy below = *copy;

    if (!from || !to)
        return err_no_memory(err);
    if (entry->is_special)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' is a link, not a file", from);
    if (entry->is_dir) {
        if (copy->depth >= DEPTH_MAX)
            return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' is nested too deeply", from);
        below.from = from;
        below.to = to;
        below.depth++;
        return copy_folder(&below, err);
    }
    below.what = entry->name;
    return local_import(copy->local, from, to, entry->mtime_usec, FILE_IS_ARCHIVE, copied,
                        &below, err);
}

static bool copy_folder(struct copy *copy, struct err *err)
{
    return volume_make_dirs(copy->local->volume, copy->to, err) &&
           os_list_dir(copy->from, copy_entry, copy, err);
}

static bool local_copy_tree(struct guest_disk *self, const char *source, const char *path,
                            uint64_t total_bytes, struct progress *progress,
                            struct err *err)
{
    CLEANUP(free_cleanup) char *full = local_path(path);
    uint64_t done = 0;
    struct copy copy = { .local = local_of(self),
                         .from = source,
                         .to = full,
                         .progress = progress,
                         .done = &done,
                         .total = total_bytes };

    if (!full)
        return err_no_memory(err);
    return local_need(copy.local, true, err) && copy_folder(&copy, err);
}

static bool local_write_file(struct guest_disk *self, const char *path, const void *bytes,
                             size_t len, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);

    if (!full)
        return err_no_memory(err);
    return local_need(local, true, err) &&
           volume_write_all(local->volume, full, bytes, len, os_now_usec(), FILE_IS_ARCHIVE,
                            err);
}

struct set_readonly {
    struct local_disk *local;
    const char *folder;
    bool on;
};

static bool set_one(struct local_disk *local, const char *full, bool on, struct err *err)
{
    struct file_info info = { 0 };
    uint32_t attributes;
    bool exists;

    if (!local_stat(local, full, &info, &exists, err))
        return false;
    if (!exists || (info.attributes & FILE_IS_DIR))
        return true;
    attributes = on ? info.attributes | FILE_IS_READONLY
                    : info.attributes & ~(uint32_t)FILE_IS_READONLY;
    return attributes == info.attributes ||
           volume_set_attributes(local->volume, full, attributes, err);
}

static bool set_in_tree(const struct guest_entry *file, void *user, struct err *err)
{
    struct set_readonly *set = user;
    CLEANUP(free_cleanup) char *full = win_path_join(set->folder, file->path);

    return full ? set_one(set->local, full, set->on, err) : err_no_memory(err);
}

static bool local_set_readonly(struct guest_disk *self, const char *path, bool on,
                               bool tree, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    struct set_readonly set = { .local = local, .folder = full, .on = on };

    if (!full)
        return err_no_memory(err);
    if (!local_need(local, true, err))
        return false;
    return tree ? local_list_tree(self, path, false, NULL, set_in_tree, &set, err)
                : set_one(local, full, on, err);
}

static bool local_copy_file(struct guest_disk *self, const char *source, const char *path,
                            char ret_sha256[65], struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    struct guest_file copy;
    struct os_entry entry;

    if (!full)
        return err_no_memory(err);
    if (!os_look(source, &entry) || entry.is_dir || entry.is_special)
        return err_fail(err, ERR_NOT_FOUND, 0, "no file '%s'", source);
    if (!local_need(local, true, err) ||
        !local_import(local, source, full, entry.mtime_usec, FILE_IS_ARCHIVE, NULL, NULL,
                      err) ||
        !local_stat_file(self, path, true, &copy, err) || !set_one(local, full, true, err))
        return false;
    memcpy(ret_sha256, copy.sha256, sizeof(copy.sha256));
    return true;
}

static bool local_rename(struct guest_disk *self, const char *from, const char *to,
                         struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full_from = local_path(from);
    CLEANUP(free_cleanup) char *full_to = local_path(to);

    if (!full_from || !full_to)
        return err_no_memory(err);
    return local_need(local, true, err) &&
           volume_rename(local->volume, full_from, full_to, err);
}

static bool count_any(const struct file_info *info, void *user, struct err *err)
{
    (*(unsigned *)user)++;
    return true;
}

static bool local_remove(struct guest_disk *self, const char *path, bool tree,
                         struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    struct file_info info = { 0 };
    unsigned inside = 0;
    bool exists;

    if (!full)
        return err_no_memory(err);
    if (!local_need(local, true, err) || !local_stat(local, full, &info, &exists, err))
        return false;
    if (!exists)
        return true;
    if (!tree && (info.attributes & FILE_IS_DIR)) {
        if (!volume_list(local->volume, full, count_any, &inside, err))
            return false;
        if (inside > 0)
            return err_fail(err, ERR_CONFLICT, 0, "folder '%s' is not empty", full);
    }
    return volume_remove(local->volume, full, tree, err);
}

static bool local_commit(struct guest_disk *self, struct err *err)
{
    struct local_disk *local = local_of(self);

    local_hive_drop(local);
    if (!local->is_writable)
        return true;
    if (!volume_close(TAKE(local->volume), err) || !disk_commit(local->disk, err)) {
        close_volume(local);
        return err_wrap(err, "writing disk '%s'", local->image);
    }
    close_volume(local);
    return true;
}

static void local_close(struct guest_disk *self)
{
    struct local_disk *local = local_of(self);

    local_hive_drop(local);
    close_volume(local);
    free(local->image);
    free(local->parents);
    free(local->backup_dir);
    free(local);
}

static const struct guest_disk_ops local_ops = {
    .name = "local",
    .is_transaction = true,
    .facts = local_facts,
    .stat = local_stat_file,
    .owner = local_owner,
    .list_tree = local_list_tree,
    .make_dirs = local_make_dirs,
    .copy_tree = local_copy_tree,
    .copy_file = local_copy_file,
    .write_file = local_write_file,
    .read_json = local_read_json,
    .set_readonly = local_set_readonly,
    .rename = local_rename,
    .remove = local_remove,
    .backup = local_backup,
    .restore = local_restore,
    .reg_get = local_reg_get,
    .reg_key_exists = local_reg_key_exists,
    .hive_begin = local_hive_begin,
    .reg_set = local_reg_set,
    .reg_delete = local_reg_delete,
    .hive_end = local_hive_end,
    .hive_restore = local_hive_restore,
    .commit = local_commit,
    .close = local_close,
};

static bool find_windows(struct local_disk *local, struct err *err)
{
    struct image_facts *facts = calloc(1, sizeof(*facts));
    bool ok;

    if (!facts)
        return err_no_memory(err);
    ok = image_inspect(local->image, local->parents, facts, err);
    if (ok && !facts->has_windows) {
        const char *why = facts->blocker_count ? facts->blockers[0].message : NULL;

        ok = err_fail(err, ERR_CONFLICT, 0, "no Windows can be read on disk '%s'%s%s",
                      local->image, why ? ": " : "", why ? why : "");
        err_hint(err, "see 'hvgpu image show' for what is on it");
    }
    for (unsigned i = 0; ok && i < facts->partition_count; i++)
        if (facts->partitions[i].index == facts->windows.partition)
            local->partition = facts->partitions[i];
    if (ok)
        local->windows = facts->windows;
    local->is_blocked = ok && facts->blocker_count > 0;
    free(facts);
    return ok;
}

struct guest_disk *guest_disk_open_local(const char *image, const char *parents,
                                         const char *backup_dir, struct err *err)
{
    CLEANUP(guest_disk_cleanup) struct guest_disk *disk = NULL;
    struct local_disk *local = calloc(1, sizeof(*local));

    if (!local) {
        err_no_memory(err);
        return NULL;
    }
    local->base.ops = &local_ops;
    disk = &local->base;
    local->image = text_dup(image);
    local->parents = text_dup(parents);
    local->backup_dir = text_dup(backup_dir);
    if (!local->image || (parents && !local->parents) ||
        (backup_dir && !local->backup_dir)) {
        err_no_memory(err);
        return NULL;
    }
    if (!find_windows(local, err) || !local_need(local, false, err))
        return NULL;
    return TAKE(disk);
}
