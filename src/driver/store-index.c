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

static bool take_sha256(const char *path, uint64_t size, const char *sha256, void *user,
                        struct err *err)
{
    snprintf(user, SHA256_HEX, "%s", sha256);
    return true;
}

bool store_match_inf(struct store_index *index, const char *published, char **ret,
                     struct err *err)
{
    struct windows_source *source = index->source;
    CLEANUP(free_cleanup) char *copy = text_printf("INF\\%s", published);
    char wanted[SHA256_HEX], found[SHA256_HEX];
    struct source_file *own = NULL;
    size_t own_count = 0, matches = 0;
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
    ok = need_list(index, err) &&
         (own_count != 1 ||
          source->ops->hash(source, copy, false, take_sha256, wanted, err));
    for (size_t i = 0; ok && own_count == 1 && i < index->inf_count; i++) {
        CLEANUP(free_cleanup) char *path = NULL;
        CLEANUP(free_cleanup) char *package = NULL;

        if (index->infs[i].size != own[0].size)
            continue;
        package = package_of(index->infs[i].path);
        if (!package)
            continue;
        path = win_path_join(REPOSITORY, index->infs[i].path);
        ok = path ? source->ops->hash(source, path, false, take_sha256, found, err)
                  : err_no_memory(err);
        if (ok && strcmp(wanted, found) == 0 && matches++ == 0)
            *ret = TAKE(package);
    }
    source_files_free(own, own_count);
    if (!ok || matches > 1) {
        free(*ret);
        *ret = NULL;
    }
    return ok;
}
