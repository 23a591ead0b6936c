/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what may be the parent of a differencing VHDX. */

#include "vhdx-parent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "guid-text.h"
#include "image-file.h"
#include "little-endian.h"
#include "text.h"
#include "vhdx-layout.h"

enum { LOCATOR_MAX = 256 << 10, NAME_MAX_BYTES = 4096, DEPTH_MAX = 16 };

static const char *const keys[] = { "relative_path", "absolute_win32_path", "volume_path" };

/* ---- the locator ---- */

static bool fail_silent(const struct image_file *child, struct err *err)
{
    return err_fail(err, ERR_PROTOCOL, 0, "'%s' does not say what its parent is",
                    child->path);
}

/* Takes the text at [@at, @at + @len) when @key is one of those that count. */
static bool take_value(struct vhdx_locator *locator, const char *key, const uint8_t *at,
                       size_t len)
{
    char **to = text_ieq(key, "parent_linkage") ? &locator->linkage : NULL;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (text_ieq(key, keys[i]))
            to = &locator->names[i];
    if (!to || *to)
        return true;
    errno = 0;
    *to = text_from_utf16le(at, len, NULL);
    if (!*to)
        return errno != ENOMEM;
    if (strlen(*to) > NAME_MAX_BYTES) {
        free(*to);
        *to = NULL;
    }
    return true;
}

static bool decode(const uint8_t *bytes, uint32_t len, struct vhdx_locator *ret)
{
    uint16_t count = load_u16(bytes + 18);

    for (uint32_t i = 0; i < count && 20 + (i + 1) * 12 <= len; i++) {
        const uint8_t *entry = bytes + 20 + i * 12;
        uint32_t key_at = load_u32(entry), value_at = load_u32(entry + 4);
        uint16_t key_len = load_u16(entry + 8), value_len = load_u16(entry + 10);
        CLEANUP(free_cleanup) char *key = NULL;

        if (key_at > len || key_len > len - key_at || value_at > len ||
            value_len > len - value_at)
            continue;
        key = text_from_utf16le(bytes + key_at, key_len, NULL);
        if (key && !take_value(ret, key, bytes + value_at, value_len))
            return false;
    }
    return true;
}

bool vhdx_locator_read(const struct image_file *child, uint64_t at, uint32_t len,
                       struct vhdx_locator *ret, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct vhdx_locator locator = { 0 };

    if (len < 20 || len > LOCATOR_MAX)
        return fail_silent(child, err);
    bytes = malloc(len);
    if (!bytes)
        return err_no_memory(err);
    if (!image_file_read(child, at, bytes, len, err))
        return false;
    if (memcmp(bytes, vhdx_guid_locator_vhdx, 16) != 0)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%s' has a parent that is no VHDX",
                        child->path);
    if (!decode(bytes, len, &locator)) {
        vhdx_locator_clear(&locator);
        return err_no_memory(err);
    }
    if (!locator.linkage || (!locator.names[0] && !locator.names[1] && !locator.names[2])) {
        vhdx_locator_clear(&locator);
        return fail_silent(child, err);
    }
    *ret = locator;
    return true;
}

void vhdx_locator_clear(struct vhdx_locator *locator)
{
    for (size_t i = 0; i < ARRAY_LEN(locator->names); i++)
        free(locator->names[i]);
    free(locator->linkage);
    *locator = (struct vhdx_locator){ 0 };
}

bool vhdx_locator_fits(const struct vhdx_locator *locator,
                       const uint8_t data_write_guid[16])
{
    char guid[37], braced[40];

    guid_to_text(data_write_guid, guid);
    snprintf(braced, sizeof(braced), "{%s}", guid);
    return text_ieq(locator->linkage, braced);
}

/* ---- the paths ---- */

static bool add_path(const struct image_file *child, const char *folder, const char *below,
                     struct vhdx_parent_paths *list)
{
    char *path = text_printf("%s%s%s", folder, *folder ? "/" : "", below);

    if (!path)
        return false;
    for (unsigned i = 0; i < list->count; i++)
        if (strcmp(list->paths[i], path) == 0) {
            free(path);
            return true;
        }
    if (list->count == VHDX_PARENT_PATHS_MAX || !image_file_exists(path) ||
        image_file_is(child, path))
        free(path);
    else
        list->paths[list->count++] = path;
    return true;
}

/* A name in an image never becomes more than folders and a file below @folder: what is
 * before a "..", a drive or a server is cut off, and so is one folder after the other. */
static bool add_name(const struct image_file *child, const char *folder, const char *name,
                     struct vhdx_parent_paths *list)
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

bool vhdx_parent_paths(const struct image_file *child, const struct vhdx_locator *locator,
                       struct vhdx_parent_paths *ret, struct err *err)
{
    const char *slash = strrchr(child->path, '/');
    CLEANUP(free_cleanup)
    char *own =
        slash ? text_ndup(child->path, (size_t)(slash - child->path)) : text_dup("");
    const char *const folders[] = { slash == child->path ? "/" : own, child->parents };
    struct vhdx_parent_paths list = { 0 };
    bool ok = own != NULL;

    for (size_t f = 0; f < ARRAY_LEN(folders); f++)
        for (size_t i = 0; ok && folders[f] && i < ARRAY_LEN(locator->names); i++)
            ok =
                !locator->names[i] || add_name(child, folders[f], locator->names[i], &list);
    if (!ok) {
        vhdx_parent_paths_clear(&list);
        return err_no_memory(err);
    }
    *ret = list;
    return true;
}

void vhdx_parent_paths_clear(struct vhdx_parent_paths *paths)
{
    for (unsigned i = 0; i < paths->count; i++)
        free(paths->paths[i]);
    paths->count = 0;
}

bool vhdx_fail_no_parent(const struct image_file *child, const struct vhdx_locator *locator,
                         struct err *err)
{
    const char *slash = strrchr(child->path, '/');
    int len = slash ? (int)(slash - child->path) : 1;
    const char *relative = locator->names[0], *name = relative;
    CLEANUP(free_cleanup) char *folder = NULL;

    for (size_t i = 0; !name; i++)
        name = locator->names[i];
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
