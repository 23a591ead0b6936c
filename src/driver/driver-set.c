/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver set as data: built, hashed, freed. */

#include "driver-set.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "win-path.h"

static const char STORE[] = "System32\\DriverStore\\FileRepository";

const char *driver_rule_name(enum driver_rule rule)
{
    static const char *const names[] = {
        [RULE_EXACT] = "exact",
        [RULE_NEWER] = "newer",
        [RULE_ABSENT] = "absent",
        [RULE_ALWAYS] = "always",
    };

    return names[rule];
}

char *driver_store_path(const char *package)
{
    return win_path_join(STORE, package);
}

bool driver_may_place(const char *path)
{
    static const char *const places[] = { "System32\\", "SysWOW64\\" };
    static const char *const reserved[] = { "CatRoot", "CatRoot2",    "config",
                                            "drivers", "DriverStore", "HostDriverStore",
                                            "lxss" };

    if (!win_path_is_relative(path))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const char *rest = path + strlen(places[i]);

        if (!text_istarts(path, places[i]))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(reserved); k++)
            if (text_istarts(rest, reserved[k]) && rest[strlen(reserved[k])] == '\\')
                return false;
        return true;
    }
    return false;
}

bool driver_is_shared_loader(const char *destination)
{
    const char *name = win_path_base(destination);

    return text_ieq(name, "OpenCL.dll") || text_ieq(name, "vulkan-1.dll");
}

/* One more zeroed element at the end of @array; NULL: no memory. */
static void *grow(void *array, size_t count, size_t size)
{
    char *more = realloc(array, (count + 1) * size);

    if (more)
        memset(more + count * size, 0, size);
    return more;
}

bool driver_set_add_candidate(struct driver_set *set, const char *source,
                              const char *package, struct err *err)
{
    struct driver_candidate *all =
        grow(set->candidates, set->candidate_count, sizeof(*all));
    struct driver_candidate *one;

    if (!all)
        return err_no_memory(err);
    set->candidates = all;
    one = &all[set->candidate_count++];
    one->source = text_dup(source);
    one->package = text_dup(package);
    return one->source && (one->package || !package) ? true : err_no_memory(err);
}

bool driver_set_add_file(struct driver_set *set, const char *path, const char *destination,
                         enum driver_rule rule, uint64_t size, int64_t mtime_usec,
                         const char *reason, struct err *err)
{
    struct driver_file *all;
    struct driver_file *one;

    for (size_t i = 0; i < set->file_count; i++) {
        one = &set->files[i];
        if (!text_ieq(one->destination, destination))
            continue;
        if (text_ieq(one->origin_path, path))
            return true; /* said twice */
        return err_fail(err, ERR_CONFLICT, 0,
                        "'%s' would come from '%s' (%s) and '%s' (%s)", destination,
                        win_path_base(one->origin_path), one->reason, win_path_base(path),
                        reason);
    }
    all = grow(set->files, set->file_count, sizeof(*all));
    if (!all)
        return err_no_memory(err);
    set->files = all;
    one = &all[set->file_count++];
    one->origin_path = text_dup(path);
    one->destination = text_dup(destination);
    one->reason = text_dup(reason);
    one->rule = rule;
    one->size = size;
    one->mtime_usec = mtime_usec;
    set->total_bytes += size;
    if (!one->origin_path || !one->destination || !one->reason)
        return err_no_memory(err);
    one->source = set->origin->ops->locate(set->origin, path, err);
    return one->source != NULL;
}

bool driver_set_replace_file(struct driver_set *set, size_t index, const char *path,
                             enum driver_rule rule, uint64_t size, int64_t mtime_usec,
                             const char *reason, struct err *err)
{
    struct driver_file *one = &set->files[index];
    CLEANUP(free_cleanup) char *origin = text_dup(path);
    CLEANUP(free_cleanup) char *why = text_dup(reason);
    CLEANUP(free_cleanup) char *source = NULL;

    if (!origin || !why)
        return err_no_memory(err);
    source = set->origin->ops->locate(set->origin, path, err);
    if (!source)
        return false;
    free(one->origin_path);
    free(one->reason);
    free(one->source);
    one->origin_path = TAKE(origin);
    one->reason = TAKE(why);
    one->source = TAKE(source);
    one->rule = rule;
    set->total_bytes += size - one->size;
    one->size = size;
    one->mtime_usec = mtime_usec;
    one->sha256[0] = '\0';
    return true;
}

bool driver_set_add_value(struct driver_set *set, const char *key, const char *name,
                          struct hive_value *value, const char *reason, struct err *err)
{
    struct driver_registry_value *all = grow(set->values, set->value_count, sizeof(*all));
    struct driver_registry_value *one;

    if (!all) {
        hive_value_clear(value);
        return err_no_memory(err);
    }
    set->values = all;
    one = &all[set->value_count++];
    one->key = text_dup(key);
    one->name = text_dup(name);
    one->reason = text_dup(reason);
    one->value = *value;
    *value = (struct hive_value){ 0 };
    return one->key && one->name && one->reason ? true : err_no_memory(err);
}

bool driver_set_leave_out(struct driver_set *set, struct err *err, const char *fmt, ...)
{
    char **all = grow(set->left_out, set->left_out_count, sizeof(*all));
    char text[ERR_TEXT];
    va_list args;

    if (!all)
        return err_no_memory(err);
    set->left_out = all;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    all[set->left_out_count] = text_dup(text);
    return all[set->left_out_count++] ? true : err_no_memory(err);
}

const struct driver_package *driver_set_package(const struct driver_set *set,
                                                const char *name)
{
    for (size_t i = 0; i < set->package_count; i++)
        if (text_ieq(set->packages[i].name, name))
            return &set->packages[i];
    return NULL;
}

static bool has_inf(const struct driver_package *package)
{
    CLEANUP(free_cleanup) char *inf = win_package_inf(package->name);

    for (size_t i = 0; inf && i < package->file_count; i++)
        if (text_ieq(package->files[i].path, inf))
            return true;
    return false;
}

bool driver_set_add_package(struct driver_set *set, const char *name, const char *reason,
                            struct err *err)
{
    CLEANUP(free_cleanup) char *path = driver_store_path(name);
    struct driver_package *all;
    struct driver_package *one;

    if (driver_set_package(set, name))
        return true;
    all = path ? grow(set->packages, set->package_count, sizeof(*all)) : NULL;
    if (!all)
        return err_no_memory(err);
    set->packages = all;
    one = &all[set->package_count];
    if (!set->origin->ops->list(set->origin, path, NULL, 0, &one->files, &one->file_count,
                                err))
        return err_wrap(err, "driver package '%s'", name);
    set->package_count++;
    one->name = text_dup(name);
    one->reason = text_dup(reason);
    if (!one->name || !one->reason)
        return err_no_memory(err);
    one->source = set->origin->ops->locate(set->origin, path, err);
    if (!one->source)
        return false;
    for (size_t i = 0; i < one->file_count; i++)
        one->bytes += one->files[i].size;
    set->total_bytes += one->bytes;
    if (!has_inf(one))
        return err_fail(err, ERR_NOT_FOUND, 0,
                        "driver package '%s' is not complete: its INF is not in it", name);
    return true;
}

static void clear_package(struct driver_package *package)
{
    free(package->name);
    free(package->source);
    free(package->reason);
    source_files_free(package->files, package->file_count);
}

void driver_set_drop_package(struct driver_set *set, const char *name)
{
    struct driver_package *last =
        set->package_count ? &set->packages[set->package_count - 1] : NULL;

    if (!last || !text_ieq(last->name, name))
        return;
    set->total_bytes -= last->bytes;
    clear_package(last);
    set->package_count--;
}

/* ---- hashes ---- */

static bool take_hash(const char *path, uint64_t size, const char *sha256, void *user,
                      struct err *err)
{
    struct driver_package *package = user;
    size_t low = 0, high = package->file_count;

    while (low < high) { /* sorted by path */
        size_t middle = low + (high - low) / 2;
        struct source_file *file = &package->files[middle];
        int order = strcmp(path, file->path);

        if (order == 0) {
            if (file->size != size)
                break;
            snprintf(file->sha256, sizeof(file->sha256), "%s", sha256);
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return err_fail(err, ERR_CONFLICT, 0, "'%s' of package '%s' changed while it was read",
                    path, package->name);
}

static bool hash_package(struct driver_set *set, struct driver_package *package,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *path = driver_store_path(package->name);

    if (!path)
        return err_no_memory(err);
    if (!set->origin->ops->hash_tree(set->origin, path, take_hash, package, err))
        return err_wrap(err, "reading driver package '%s'", package->name);
    for (size_t i = 0; i < package->file_count; i++)
        if (!package->files[i].sha256[0])
            return err_fail(err, ERR_CONFLICT, 0, "'%s' of package '%s' cannot be read",
                            package->files[i].path, package->name);
    return true;
}

/* Files that come out of a package have its hash already. */
static const char *known_hash(const struct driver_set *set, const struct driver_file *file)
{
    for (size_t i = 0; i < set->package_count; i++) {
        const struct driver_package *package = &set->packages[i];
        CLEANUP(free_cleanup) char *folder = driver_store_path(package->name);
        const char *below = folder ? win_path_below(file->origin_path, folder) : NULL;

        for (size_t j = 0; below && j < package->file_count; j++)
            if (text_ieq(package->files[j].path, below))
                return package->files[j].sha256;
    }
    return NULL;
}

static bool needs_reading(const struct driver_set *set, struct driver_file *file)
{
    const char *known = file->sha256[0] ? NULL : known_hash(set, file);

    if (known && *known)
        snprintf(file->sha256, sizeof(file->sha256), "%s", known);
    return !file->sha256[0];
}

static bool hash_all(struct driver_set *set, struct driver_file *files, size_t count,
                     struct err *err)
{
    struct source_file *asked = NULL;
    size_t asked_count = 0, at = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++)
        if (needs_reading(set, &files[i]))
            ok = source_files_add(&asked, &asked_count, text_dup(files[i].origin_path),
                                  files[i].size, files[i].mtime_usec, err);
    ok = ok && (asked_count == 0 ||
                set->origin->ops->hash_files(set->origin, asked, asked_count, err));
    for (size_t i = 0; ok && i < count; i++)
        if (!files[i].sha256[0])
            memcpy(files[i].sha256, asked[at++].sha256, sizeof(files[i].sha256));
    source_files_free(asked, asked_count);
    return ok;
}

bool driver_set_hash_file(struct driver_set *set, struct driver_file *file, struct err *err)
{
    return hash_all(set, file, 1, err) || err_wrap(err, "reading '%s'", file->source);
}

bool driver_set_hash_files(struct driver_set *set, struct err *err)
{
    return hash_all(set, set->files, set->file_count, err);
}

bool driver_set_hash(struct driver_set *set, struct err *err)
{
    for (size_t i = 0; i < set->package_count; i++) {
        struct driver_package *package = &set->packages[i];
        bool known = true;

        for (size_t j = 0; known && j < package->file_count; j++)
            known = package->files[j].sha256[0] != '\0';
        if (!known && !hash_package(set, package, err))
            return false;
    }
    return driver_set_hash_files(set, err);
}

void driver_set_free(struct driver_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->candidate_count; i++) {
        free(set->candidates[i].source);
        free(set->candidates[i].package);
    }
    for (size_t i = 0; i < set->package_count; i++)
        clear_package(&set->packages[i]);
    for (size_t i = 0; i < set->file_count; i++) {
        free(set->files[i].source);
        free(set->files[i].origin_path);
        free(set->files[i].destination);
        free(set->files[i].reason);
    }
    for (size_t i = 0; i < set->value_count; i++) {
        free(set->values[i].key);
        free(set->values[i].name);
        free(set->values[i].reason);
        hive_value_clear(&set->values[i].value);
    }
    hive_texts_free(set->user_mode_drivers, set->user_mode_driver_count);
    hive_texts_free(set->left_out, set->left_out_count);
    free(set->candidates);
    free(set->packages);
    free(set->files);
    free(set->values);
    free(set->gpu_name);
    free(set->instance_id);
    free(set->class_key);
    free(set->provider);
    free(set->inf);
    free(set->inf_section);
    free(set->matching_device_id);
    free(set->service);
    free(set->driver_version);
    free(set->driver_date);
    free(set->architecture);
    free(set);
}
