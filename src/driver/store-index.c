/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a published INF to its package: by the driver databases, or by equal bytes. */

#include "store-index.h"

#include <stdio.h>
#include <string.h>

#include "text.h"
#include "win-path.h"

static const char REPOSITORY[] = "System32\\DriverStore\\FileRepository";

static bool need_list(struct store_index *index, struct err *err)
{
    if (index->is_listed)
        return true;
    if (!index->source->ops->list(index->source, REPOSITORY, ".inf", 2, &index->infs,
                                  &index->inf_count, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        *err = ERR_INIT; /* no store: it has no packages */
    }
    index->is_listed = true;
    return true;
}

void store_index_init(struct store_index *index, struct windows_source *source)
{
    *index = (struct store_index){ .source = source, .lockdown = { .source = source } };
}

void store_index_clear(struct store_index *index)
{
    lockdown_clear(&index->lockdown);
    source_files_free(index->infs, index->inf_count);
    *index = (struct store_index){ 0 };
}

/* The package whose INF @path ("<package>\\<inf>") is; NULL: it is some other INF. */
static char *package_of(const char *path)
{
    CLEANUP(free_cleanup) char *package = win_path_parent(path);
    CLEANUP(free_cleanup) char *inf = package ? win_package_inf(package) : NULL;

    return text_ieq(inf, win_path_base(path)) ? TAKE(package) : NULL;
}

bool store_each_package(struct store_index *index, const char *inf, package_fn *on_package,
                        void *user, struct err *err)
{
    if (!need_list(index, err))
        return false;
    for (size_t i = 0; i < index->inf_count; i++) {
        CLEANUP(free_cleanup) char *package = NULL;

        if (!text_ieq(win_path_base(index->infs[i].path), inf))
            continue;
        package = package_of(index->infs[i].path);
        if (package && !on_package(package, user, err))
            return false;
    }
    return true;
}

bool store_ask_database(struct windows_source *source, const char *hive,
                        const char *published, char **ret, struct err *err)
{
    CLEANUP(free_cleanup)
    char *key =
        text_printf("HKLM\\%s\\DriverDatabase\\DriverInfFiles\\%s", hive, published);
    CLEANUP(free_cleanup) char *package = NULL;
    char **all = NULL;
    size_t count = 0;

    *ret = NULL;
    if (!key)
        return err_no_memory(err);
    if (!source_text(source, key, "Active", &package, err))
        return false;
    if (!package) {
        if (!source_texts(source, key, "", &all, &count, err))
            return false;
        package = count == 1 ? text_dup(all[0]) : NULL;
    }
    hive_texts_free(all, count);
    if (package && win_name_is_plain(package))
        *ret = TAKE(package);
    return true;
}

/* The INFs of packages that may be @own, a file below the Windows folder, with that first:
 * all of its size. */
static bool find_candidates(const struct store_index *index, const char *copy,
                            const struct source_file *own, struct source_file **ret,
                            size_t *ret_count, struct err *err)
{
    if (!source_files_add(ret, ret_count, text_dup(copy), own->size, own->mtime_usec, err))
        return false;
    for (size_t i = 0; i < index->inf_count; i++) {
        const struct source_file *inf = &index->infs[i];
        CLEANUP(free_cleanup) char *package = NULL;

        if (inf->size != own->size)
            continue;
        package = package_of(inf->path);
        if (package &&
            !source_files_add(ret, ret_count, win_path_join(REPOSITORY, inf->path),
                              inf->size, inf->mtime_usec, err))
            return false;
    }
    return true;
}

/* The package of the one candidate that has the bytes of the first; *ret NULL: none, or
 * more than one. */
static bool match_candidates(const struct source_file *files, size_t count, char **ret,
                             struct err *err)
{
    const char *match = NULL;
    size_t matches = 0;

    for (size_t i = 1; i < count; i++)
        if (strcmp(files[i].sha256, files[0].sha256) == 0 && matches++ == 0)
            match = win_path_below(files[i].path, REPOSITORY);
    if (matches != 1)
        return true;
    *ret = package_of(match);
    return *ret || err_no_memory(err);
}

bool store_match_inf(struct store_index *index, const char *published, char **ret,
                     struct err *err)
{
    struct windows_source *source = index->source;
    CLEANUP(free_cleanup) char *copy = text_printf("INF\\%s", published);
    struct source_file *own = NULL, *files = NULL;
    size_t own_count = 0, count = 0;
    bool ok = true;

    *ret = NULL;
    if (!copy)
        return err_no_memory(err);
    if (!source->ops->list(source, "INF", published, 1, &own, &own_count, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        *err = ERR_INIT; /* no copies: this way does not tell */
        return true;
    }
    ok = need_list(index, err);
    if (ok && own_count == 1)
        ok = find_candidates(index, copy, &own[0], &files, &count, err) &&
             (count == 1 || source->ops->hash_files(source, files, count, err)) &&
             match_candidates(files, count, ret, err);
    source_files_free(own, own_count);
    source_files_free(files, count);
    return ok;
}
