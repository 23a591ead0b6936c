/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what may be the parent of a differencing disk. */

#include "parent-paths.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "image-file.h"
#include "text.h"

enum { DEPTH_MAX = 16 };

bool parent_names_are_empty(const struct parent_names *names)
{
    for (size_t i = 0; i < ARRAY_LEN(names->names); i++)
        if (names->names[i])
            return false;
    return true;
}

void parent_names_clear(struct parent_names *names)
{
    for (size_t i = 0; i < ARRAY_LEN(names->names); i++)
        free(names->names[i]);
    *names = (struct parent_names){ 0 };
}

static bool add_path(const struct image_file *child, const char *folder, const char *below,
                     struct parent_paths *list)
{
    char *path = text_printf("%s%s%s", folder, *folder ? "/" : "", below);

    if (!path)
        return false;
    for (unsigned i = 0; i < list->count; i++)
        if (strcmp(list->paths[i], path) == 0) {
            free(path);
            return true;
        }
    if (list->count == PARENT_PATHS_MAX || !image_file_exists(path) ||
        image_file_is(child, path))
        free(path);
    else
        list->paths[list->count++] = path;
    return true;
}

/* A name in an image never becomes more than folders and a file below @folder: what is
 * before a "..", a drive or a server is cut off, and so is one folder after the other. */
static bool add_name(const struct image_file *child, const char *folder, const char *name,
                     struct parent_paths *list)
{
    CLEANUP(free_cleanup) char *path = calloc(1, strlen(name) + 1);
    const char *at = name;
    unsigned depth = 0;
    char *end = path;

    if (!path)
        return false;
    while (*at) {
        size_t len = strcspn(at, "\\/:");

        if (len == 2 && memcmp(at, "..", 2) == 0)
            end = path;
        else if (len && !(len == 1 && *at == '.')) {
            if (end > path)
                *end++ = '/';
            memcpy(end, at, len);
            end += len;
        }
        *end = '\0';
        at += len;
        if (*at == ':')
            end = path;
        at += *at != '\0';
        if (!*at && at[-1] != '\0' && strchr("\\/:", at[-1]))
            return true; /* it ends in a separator: no file */
    }
    *end = '\0';
    for (at = path; *at && depth < DEPTH_MAX; depth++) {
        const char *slash = strchr(at, '/');

        if (!add_path(child, folder, at, list))
            return false;
        if (!slash)
            break;
        at = slash + 1;
    }
    return true;
}

bool parent_paths_find(const struct image_file *child, const struct parent_names *names,
                       struct parent_paths *ret, struct err *err)
{
    const char *slash = strrchr(child->path, '/');
    CLEANUP(free_cleanup)
    char *own =
        slash ? text_ndup(child->path, (size_t)(slash - child->path)) : text_dup("");
    const char *const folders[] = { slash == child->path ? "/" : own, child->parents };
    struct parent_paths list = { 0 };
    bool ok = own != NULL;

    for (size_t f = 0; f < ARRAY_LEN(folders); f++)
        for (size_t i = 0; ok && folders[f] && i < ARRAY_LEN(names->names); i++)
            ok = !names->names[i] || add_name(child, folders[f], names->names[i], &list);
    if (!ok) {
        parent_paths_clear(&list);
        return err_no_memory(err);
    }
    *ret = list;
    return true;
}

void parent_paths_clear(struct parent_paths *paths)
{
    for (unsigned i = 0; i < paths->count; i++)
        free(paths->paths[i]);
    paths->count = 0;
}

bool parent_paths_fail_none(const struct image_file *child,
                            const struct parent_names *names, struct err *err)
{
    const char *slash = strrchr(child->path, '/');
    int len = slash ? (int)(slash - child->path) : 1;
    const char *relative = names->names[0], *name = relative;
    CLEANUP(free_cleanup) char *folder = NULL;

    for (size_t i = 0; !name; i++)
        name = names->names[i];
    err_fail(err, ERR_NOT_FOUND, 0,
             "the parent disk of '%s' is not there; the image calls "
             "it '%.150s'",
             child->path, name);
    if (relative && strstr(relative, ".."))
        folder = text_printf("%.*s/%s", len, slash ? child->path : ".", relative);
    for (char *p = folder; p && *p; p++)
        if (*p == '\\')
            *p = '/';
    if (folder)
        *strrchr(folder, '/') = '\0';
    return err_hint(err,
                    "put the parent disk into the folder of the checkpoint's disk, or say "
                    "which folder it is in: --parents '%.150s'",
                    folder ? folder : "FOLDER");
}
