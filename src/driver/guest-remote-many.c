/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many files of a guest whose disk is mounted on a host, at once: a listing for each folder
 * and a few commands for all hashes, instead of several questions for each file.
 */

#include <string.h>

#include "guest-remote.h"
#include "remote-shell.h"
#include "text.h"
#include "win-path.h"

struct asking {
    struct remote_disk *remote;
    const char *const *paths;
    size_t count;
    struct guest_file *ret;
    char **folders;            /* of each path, until it was listed */
    const char **names;        /* room for those of one folder */
    struct source_file *found; /* what is there */
    size_t found_count;
    size_t *which; /* whose each of these is */
};

static bool keep_found(struct asking *asking, size_t which, const char *folder,
                       const struct source_file *listed, size_t listed_count,
                       struct err *err)
{
    const char *name = win_path_base(asking->paths[which]);

    for (size_t i = 0; i < listed_count; i++) {
        if (!text_ieq(listed[i].path, name))
            continue;
        asking->ret[which].exists = true;
        asking->ret[which].size = listed[i].size;
        asking->which[asking->found_count] = which;
        return source_files_add(&asking->found, &asking->found_count,
                                win_path_join(folder, listed[i].path), listed[i].size,
                                listed[i].mtime_usec, err);
    }
    return true;
}

/* All files that are asked for in the folder of number @at. */
static bool list_folder(struct asking *asking, size_t at, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = TAKE(asking->folders[at]);
    CLEANUP(free_cleanup) char *full = remote_path(asking->remote, folder, err);
    struct source_file *listed = NULL;
    size_t names = 0, listed_count = 0;
    bool ok;

    asking->names[names++] = win_path_base(asking->paths[at]);
    for (size_t i = at + 1; i < asking->count; i++)
        if (text_ieq(asking->folders[i], folder))
            asking->names[names++] = win_path_base(asking->paths[i]);
    ok = full &&
         shell_list_named(asking->remote->session, full, asking->names, names, &listed,
                          &listed_count, err) &&
         keep_found(asking, at, full, listed, listed_count, err);
    for (size_t i = at + 1; ok && i < asking->count; i++) {
        if (!text_ieq(asking->folders[i], folder))
            continue;
        free(TAKE(asking->folders[i]));
        ok = keep_found(asking, i, full, listed, listed_count, err);
    }
    source_files_free(listed, listed_count);
    return ok;
}

/* What no listing of files has may be a folder. */
static bool find_folders(struct asking *asking, struct err *err)
{
    for (size_t i = 0; i < asking->count; i++) {
        CLEANUP(free_cleanup) char *full = NULL;

        if (asking->ret[i].exists)
            continue;
        full = remote_path(asking->remote, asking->paths[i], err);
        if (!full ||
            !shell_has_folder(asking->remote->session, full, &asking->ret[i].is_dir, err))
            return false;
        asking->ret[i].exists = asking->ret[i].is_dir;
    }
    return true;
}

static bool ask_all(struct asking *asking, struct err *err)
{
    for (size_t i = 0; i < asking->count; i++) {
        asking->ret[i] = (struct guest_file){ 0 };
        asking->folders[i] = win_path_parent(asking->paths[i]);
        if (!asking->folders[i])
            return err_no_memory(err);
    }
    for (size_t i = 0; i < asking->count; i++)
        if (asking->folders[i] && !list_folder(asking, i, err))
            return false;
    if (!shell_hash_files(asking->remote->session, NULL, asking->found, asking->found_count,
                          NULL, NULL, err))
        return false;
    for (size_t i = 0; i < asking->found_count; i++)
        memcpy(asking->ret[asking->which[i]].sha256, asking->found[i].sha256,
               sizeof(asking->found[i].sha256));
    return find_folders(asking, err);
}

bool remote_stat_files(struct guest_disk *self, const char *const *paths, size_t count,
                       struct guest_file *ret, struct err *err)
{
    struct asking asking = { .remote = remote_of(self),
                             .paths = paths,
                             .count = count,
                             .ret = ret,
                             .folders = calloc(count + 1, sizeof(*asking.folders)),
                             .names = calloc(count + 1, sizeof(*asking.names)),
                             .which = calloc(count + 1, sizeof(*asking.which)) };
    bool ok = asking.folders && asking.names && asking.which ? ask_all(&asking, err)
                                                             : err_no_memory(err);

    for (size_t i = 0; asking.folders && i < count; i++)
        free(asking.folders[i]);
    free(asking.folders);
    free(asking.names);
    free(asking.which);
    source_files_free(asking.found, asking.found_count);
    return ok;
}
