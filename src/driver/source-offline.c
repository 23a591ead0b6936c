/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Windows folder of a machine that is off, as files on this machine: a mounted disk,
 * or a copy of the parts that matter.
 *
 * Windows' names have no case, ours have: every part of a path is looked up in its
 * folder.  Links are never followed, so that a foreign disk cannot name our own files.
 */

#include "source.h"

#include <string.h>

#include "file-version.h"
#include "hash-files.h"
#include "os.h"
#include "hive-reader.h"
#include "text.h"
#include "win-path.h"

enum { DEPTH_MAX = 32 };

static const struct {
    const char *file, *prefix;
} hives[HIVE_WHICH_COUNT] = {
    [HIVE_OF_SYSTEM] = { "SYSTEM", "HKLM\\SYSTEM" },
    [HIVE_OF_SOFTWARE] = { "SOFTWARE", "HKLM\\SOFTWARE" },
    [HIVE_OF_DRIVERS] = { "DRIVERS", "HKLM\\DRIVERS" },
};
static const char REPOSITORY[] = "System32\\DriverStore\\FileRepository";

struct offline_source {
    struct windows_source base;
    char *windows; /* local path of the Windows folder; NULL: only hives, maybe a store */
    char *store;   /* local path of a FileRepository; NULL: that of @windows */
    struct hive_reader *hives;
};

static struct offline_source *offline_of(struct windows_source *source)
{
    return (struct offline_source *)source;
}

/* ---- files ---- */

struct lookup {
    const char *name;
    char *found; /* as the folder spells it; an exact match wins */
    bool is_exact, is_dir;
};

static bool match_name(const struct os_entry *entry, void *user, struct err *err)
{
    struct lookup *lookup = user;

    if (entry->is_special || lookup->is_exact || !text_ieq(entry->name, lookup->name))
        return true;
    free(lookup->found);
    lookup->found = text_dup(entry->name);
    lookup->is_exact = strcmp(entry->name, lookup->name) == 0;
    lookup->is_dir = entry->is_dir;
    return lookup->found ? true : err_no_memory(err);
}

/* What @lookup asks for in the folder @at.  Most names are spelt as they are asked for: only
 * the others make us list the folder. */
static bool look_up(const char *at, struct lookup *lookup, struct err *err)
{
    CLEANUP(free_cleanup) char *exact = text_printf("%s/%s", at, lookup->name);
    struct os_entry entry;

    if (!exact)
        return err_no_memory(err);
    return os_look(exact, &entry) && !entry.is_special
               ? match_name(&entry, lookup, err)
               : os_list_dir(at, match_name, lookup, err);
}

/* @path ('\' separated) below local folder @root, with the case it has there.  *ret_dir
 * may be NULL.  ERR_NOT_FOUND. */
static char *find_path(const char *root, const char *path, bool *ret_dir, struct err *err)
{
    CLEANUP(free_cleanup) char *at = text_dup(root);
    bool is_dir = true;

    while (at && *path) {
        size_t len = strcspn(path, "\\/");
        CLEANUP(free_cleanup) char *name = text_ndup(path, len);
        struct lookup lookup = { .name = name };
        char *next = NULL;

        if (!name) {
            err_no_memory(err);
            return NULL;
        }
        if (!win_name_is_plain(name)) {
            err_fail(err, ERR_INVALID, 0, "'%s' is no name of a file", name);
            return NULL;
        }
        if (is_dir && !look_up(at, &lookup, err)) {
            free(lookup.found);
            return NULL;
        }
        if (!lookup.found) {
            err_fail(err, ERR_NOT_FOUND, 0, "no '%s' in '%s'", name, at);
            return NULL;
        }
        next = text_printf("%s/%s", at, lookup.found);
        free(lookup.found);
        free(at);
        at = next;
        is_dir = lookup.is_dir;
        path += len + (path[len] != '\0');
    }
    if (!at)
        err_no_memory(err);
    else if (ret_dir)
        *ret_dir = is_dir;
    return TAKE(at);
}

/* The local path of @path below the Windows folder. */
static char *local_path(struct windows_source *self, const char *path, bool *ret_dir,
                        struct err *err)
{
    struct offline_source *offline = offline_of(self);
    size_t len = strlen(REPOSITORY);

    if (offline->store && text_istarts(path, REPOSITORY) &&
        (!path[len] || path[len] == '\\'))
        return find_path(offline->store, path + len + (path[len] == '\\'), ret_dir, err);
    if (offline->windows)
        return find_path(offline->windows, path, ret_dir, err);
    err_fail(err, ERR_NOT_FOUND, 0, "no files of that Windows are at hand");
    return NULL;
}

struct walk {
    const char *local, *relative, *suffix;
    struct source_file **files;
    size_t *count;
    unsigned depth, levels;
};

static bool walk_folder(const struct walk *walk, struct err *err);

static bool walk_entry(const struct os_entry *entry, void *user, struct err *err)
{
    const struct walk *walk = user;
    CLEANUP(free_cleanup)
    char *relative = *walk->relative ? win_path_join(walk->relative, entry->name)
                                     : text_dup(entry->name);

    if (!relative)
        return err_no_memory(err);
    if (entry->is_special)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%s/%s' is a link, not a file",
                        walk->local, entry->name);
    if (!win_name_is_plain(entry->name))
        return err_fail(err, ERR_PROTOCOL, 0, "'%s/%s' is no name of a Windows file",
                        walk->local, entry->name);
    if (entry->is_dir) {
        CLEANUP(free_cleanup) char *local = text_printf("%s/%s", walk->local, entry->name);
        struct walk below = *walk;

        if (!local)
            return err_no_memory(err);
        if (walk->depth == walk->levels)
            return true;
        if (walk->depth >= DEPTH_MAX)
            return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' is nested too deeply", local);
        below.local = local;
        below.relative = relative;
        below.depth++;
        return walk_folder(&below, err);
    }
    if (walk->suffix && !text_iends(entry->name, walk->suffix))
        return true;
    return source_files_add(walk->files, walk->count, TAKE(relative), entry->size,
                            entry->mtime_usec, err);
}

static bool walk_folder(const struct walk *walk, struct err *err)
{
    return os_list_dir(walk->local, walk_entry, (void *)walk, err);
}

static bool offline_list(struct windows_source *self, const char *path, const char *suffix,
                         unsigned levels, struct source_file **ret_files, size_t *ret_count,
                         struct err *err)
{
    bool is_dir = false;
    CLEANUP(free_cleanup)
    char *local = local_path(self, path, &is_dir, err);
    struct source_file *files = NULL;
    size_t count = 0;

    if (!local)
        return false;
    if (!is_dir)
        return err_fail(err, ERR_NOT_FOUND, 0, "'%s' is a file, not a folder", local);
    if (!walk_folder(&(struct walk){ .local = local,
                                     .relative = "",
                                     .suffix = suffix,
                                     .files = &files,
                                     .count = &count,
                                     .depth = 1,
                                     .levels = levels },
                     err)) {
        source_files_free(files, count);
        return false;
    }
    source_files_sort(files, count);
    *ret_files = files;
    *ret_count = count;
    return true;
}

static bool offline_read(struct windows_source *self, const char *path, size_t max,
                         char **ret, size_t *ret_len, struct err *err)
{
    bool is_dir = false;
    CLEANUP(free_cleanup)
    char *local = local_path(self, path, &is_dir, err);

    if (!local)
        return false;
    if (is_dir)
        return err_fail(err, ERR_NOT_FOUND, 0, "'%s' is a folder, not a file", local);
    *ret = os_read_file(local, max, ret_len, err);
    return *ret != NULL;
}

static char *offline_locate(struct windows_source *self, const char *path, struct err *err)
{
    return local_path(self, path, NULL, err);
}

static char *local_below(const char *folder, const char *path)
{
    char *local = text_printf("%s/%s", folder, path);

    for (char *p = local ? local + strlen(folder) : NULL; p && *p; p++)
        if (*p == '\\')
            *p = '/';
    return local;
}

/* @folder: what the paths are below on this machine; NULL: each is looked for. */
static bool hash_found(struct windows_source *self, const char *folder,
                       struct source_file *files, size_t count, struct err *err)
{
    struct hashed_file *hashed = calloc(count + 1, sizeof(*hashed));
    char **paths = calloc(count + 1, sizeof(*paths));
    bool ok = (hashed && paths) || err_no_memory(err);

    for (size_t i = 0; ok && i < count; i++) {
        paths[i] = folder ? local_below(folder, files[i].path)
                          : local_path(self, files[i].path, NULL, err);
        hashed[i] = (struct hashed_file){ .path = paths[i], .size = files[i].size };
        ok = paths[i] || (folder && err_no_memory(err));
    }
    ok = ok && hash_local_files(hashed, count, self->progress, err);
    for (size_t i = 0; ok && i < count; i++) {
        ok = hashed[i].size == files[i].size ||
             err_fail(err, ERR_CONFLICT, 0, "'%s' changed while it was read", paths[i]);
        memcpy(files[i].sha256, hashed[i].sha256, sizeof(files[i].sha256));
    }
    for (size_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
    free(hashed);
    return ok;
}

static bool offline_hash_tree(struct windows_source *self, const char *path,
                              hash_fn *on_hash, void *user, struct err *err)
{
    CLEANUP(free_cleanup) char *local = local_path(self, path, NULL, err);
    struct source_file *files = NULL;
    size_t count = 0;
    bool ok;

    if (!local)
        return false;
    ok = offline_list(self, path, NULL, 0, &files, &count, err) &&
         hash_found(self, local, files, count, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = on_hash(files[i].path, files[i].size, files[i].sha256, user, err);
    source_files_free(files, count);
    return ok;
}

static bool offline_hash_files(struct windows_source *self, struct source_file *files,
                               size_t count, struct err *err)
{
    return hash_found(self, NULL, files, count, err);
}

static bool offline_version(struct windows_source *self, const char *path,
                            struct file_version *ret, bool *ret_told, struct err *err)
{
    CLEANUP(free_cleanup) char *bytes = NULL;
    size_t len;

    return offline_read(self, path, FILE_VERSION_BYTES_MAX, &bytes, &len, err) &&
           file_version_read_confined(bytes, len, path, ret, ret_told, err);
}

/* ---- registry ---- */

/* Splits "HKLM\\SYSTEM\\CurrentControlSet\\x" into its hive and the path in it. */
static bool route(struct offline_source *offline, const char *key, enum hive_which *ret,
                  char **ret_path, struct err *err)
{
    static const char current[] = "CurrentControlSet";

    for (int i = 0; i < HIVE_WHICH_COUNT; i++) {
        size_t len = strlen(hives[i].prefix);
        const char *rest = key + len;

        if (!text_istarts(key, hives[i].prefix) || (*rest && *rest != '\\'))
            continue;
        *ret = (enum hive_which)i;
        rest += *rest == '\\';
        len = strlen(current);
        if (i == HIVE_OF_SYSTEM && text_istarts(rest, current) &&
            (!rest[len] || rest[len] == '\\'))
            *ret_path =
                text_printf("%s%s", hive_reader_control_set(offline->hives), rest + len);
        else
            *ret_path = text_dup(rest);
        return *ret_path ? true : err_no_memory(err);
    }
    return err_fail(err, ERR_INVALID, 0, "'%s' is in no hive of an offline Windows", key);
}

static bool offline_get(struct windows_source *self, const char *key, const char *name,
                        bool *ret_exists, struct hive_value *ret, struct err *err)
{
    struct offline_source *offline = offline_of(self);
    CLEANUP(free_cleanup) char *path = NULL;
    enum hive_which which = HIVE_OF_SYSTEM;

    *ret_exists = false;
    return route(offline, key, &which, &path, err) &&
           (!hive_reader_has(offline->hives, which) ||
            hive_reader_get(offline->hives, which, path, name, ret_exists, ret, err));
}

static bool offline_reg_list(struct windows_source *self, const char *key, bool values,
                             char ***ret_names, size_t *ret_count, struct err *err)
{
    struct offline_source *offline = offline_of(self);
    CLEANUP(free_cleanup) char *path = NULL;
    enum hive_which which = HIVE_OF_SYSTEM;

    return route(offline, key, &which, &path, err) &&
           (!hive_reader_has(offline->hives, which) ||
            hive_reader_list(offline->hives, which, path, values, ret_names, ret_count,
                             err));
}

static void offline_free(struct windows_source *self)
{
    struct offline_source *offline = offline_of(self);

    hive_reader_stop(offline->hives);
    free(offline->windows);
    free(offline->store);
    free(self->system_root);
    free(offline);
}

static const struct windows_source_ops offline_ops = {
    .name = "offline",
    .reg_get = offline_get,
    .reg_list = offline_reg_list,
    .list = offline_list,
    .locate = offline_locate,
    .read = offline_read,
    .hash_tree = offline_hash_tree,
    .hash_files = offline_hash_files,
    .version = offline_version,
    .release = offline_free,
};

/* @root itself, or its Windows folder: whichever has System32\config. */
static char *find_windows(const char *root, struct err *err)
{
    static const char *const places[] = { "System32\\config", "Windows\\System32\\config" };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        CLEANUP(free_cleanup) char *config = find_path(root, places[i], NULL, err);

        if (config) { /* two folders up */
            *strrchr(config, '/') = '\0';
            *strrchr(config, '/') = '\0';
            *err = ERR_INIT;
            return TAKE(config);
        }
        if (err->kind != ERR_NOT_FOUND || !os_file_exists(root))
            return NULL;
    }
    err_fail(err, ERR_NOT_FOUND, 0, "'%s' holds no Windows: no System32/config in it",
             root);
    err_hint(err, "give the Windows folder itself, or the drive it is on");
    return NULL;
}

/* The hives of a Windows folder; only SYSTEM must be there. */
static bool find_hives(const char *windows, char *ret[HIVE_WHICH_COUNT], struct err *err)
{
    for (int i = 0; i < HIVE_WHICH_COUNT; i++) {
        CLEANUP(free_cleanup)
        char *path = text_printf("System32\\config\\%s", hives[i].file);

        if (!path)
            return err_no_memory(err);
        ret[i] = find_path(windows, path, NULL, err);
        if (ret[i])
            continue;
        if (err->kind != ERR_NOT_FOUND)
            return false;
        if (i == HIVE_OF_SYSTEM)
            return err_fail(err, ERR_NOT_FOUND, 0, "no SYSTEM hive in '%s/System32/config'",
                            windows);
        *err = ERR_INIT;
    }
    return true;
}

DEFINE_CLEANUP(offline_cleanup, struct windows_source *, windows_source_free)

static struct windows_source *new_source(void)
{
    struct offline_source *offline = calloc(1, sizeof(*offline));

    if (!offline)
        return NULL;
    offline->base.ops = &offline_ops;
    return &offline->base;
}

static bool open_hives(struct windows_source *source,
                       const char *const paths[HIVE_WHICH_COUNT], bool takes_unfinished,
                       struct err *err)
{
    offline_of(source)->hives = hive_reader_start(paths, takes_unfinished, err);
    if (!offline_of(source)->hives ||
        !source_text(source, "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
                     "SystemRoot", &source->system_root, err))
        return false;
    /* Without a SOFTWARE hive only the paths that name another drive are affected. */
    if (!source->system_root)
        source->system_root = text_dup("C:\\Windows");
    return source->system_root || err_no_memory(err);
}

struct windows_source *windows_source_offline(const char *root, struct err *err)
{
    CLEANUP(offline_cleanup) struct windows_source *source = new_source();
    char *paths[HIVE_WHICH_COUNT] = { 0 };
    bool ok;

    if (!source) {
        err_no_memory(err);
        return NULL;
    }
    offline_of(source)->windows = find_windows(root, err);
    ok = offline_of(source)->windows &&
         find_hives(offline_of(source)->windows, paths, err) &&
         (open_hives(source, (const char *const *)paths, false, err) ||
          err_wrap(err, "Windows in '%s'", root));
    for (int i = 0; i < HIVE_WHICH_COUNT; i++)
        free(paths[i]);
    return ok ? TAKE(source) : NULL;
}

struct windows_source *windows_source_of_hives(const char *system, const char *drivers,
                                               const char *store, struct err *err)
{
    CLEANUP(offline_cleanup) struct windows_source *source = new_source();
    const char *const paths[HIVE_WHICH_COUNT] = {
        [HIVE_OF_SYSTEM] = system, [HIVE_OF_DRIVERS] = drivers
    };

    if (!source) {
        err_no_memory(err);
        return NULL;
    }
    source->lacks_store = !store;
    source->lacks_drivers = !drivers;
    if (store) {
        offline_of(source)->store = text_dup(store);
        if (!offline_of(source)->store) {
            err_no_memory(err);
            return NULL;
        }
    }
    if (!open_hives(source, paths, true, err))
        return NULL;
    for (int i = 0; i < HIVE_WHICH_COUNT; i++) {
        const struct hive_reader *reader = offline_of(source)->hives;

        source->was_dirty |= hive_reader_was_dirty(reader, (enum hive_which)i);
        source->is_unfinished |= hive_reader_is_unfinished(reader, (enum hive_which)i);
    }
    return TAKE(source);
}
