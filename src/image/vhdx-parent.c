/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds and checks the parent of a differencing VHDX. */

#include "vhdx-parent.h"

#include <stdio.h>
#include <string.h>

#include "commit-journal.h"
#include "err.h"
#include "format.h"
#include "image-file.h"
#include "little-endian.h"
#include "text.h"
#include "vhdx-layout.h"

enum { LOCATOR_MAX = 256 << 10, NAME_MAX_BYTES = 1024 };

/* The value of @key, NULL when there is none or the locator is damaged.  Owned. */
static char *locator_value(const struct image_file *child, uint64_t locator, uint32_t len,
                           const char *key, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    uint16_t count;

    if (len < 20 || len > LOCATOR_MAX) {
        err_fail(err, ERR_PROTOCOL, 0, "'%s' does not say what its parent is", child->path);
        return NULL;
    }
    bytes = malloc(len);
    if (!bytes) {
        err_no_memory(err);
        return NULL;
    }
    if (!image_file_read(child, locator, bytes, len, err))
        return NULL;
    if (memcmp(bytes, vhdx_guid_locator_vhdx, 16) != 0) {
        err_fail(err, ERR_UNSUPPORTED, 0, "'%s' has a parent that is no VHDX", child->path);
        return NULL;
    }
    count = load_u16(bytes + 18);
    for (uint32_t i = 0; i < count && 20 + (i + 1) * 12 <= len; i++) {
        const uint8_t *entry = bytes + 20 + i * 12;
        uint32_t key_at = load_u32(entry), value_at = load_u32(entry + 4);
        uint16_t key_len = load_u16(entry + 8), value_len = load_u16(entry + 10);
        CLEANUP(free_cleanup) char *name = NULL;

        if (key_at > len || key_len > len - key_at || value_at > len ||
            value_len > len - value_at)
            continue;
        name = text_from_utf16le(bytes + key_at, key_len, NULL);
        if (name && text_ieq(name, key))
            return text_from_utf16le(bytes + value_at, value_len, NULL);
    }
    err_fail(err, ERR_PROTOCOL, 0, "'%s' does not say what its parent is", child->path);
    return NULL;
}

static struct image_file *open_beside(const struct image_file *child, const char *name,
                                      struct err *err)
{
    const char *base = name + strlen(name), *slash = strrchr(child->path, '/');
    CLEANUP(free_cleanup) char *path = NULL;
    struct image_file *file;

    while (base > name && base[-1] != '\\' && base[-1] != '/' && base[-1] != ':')
        base--;
    if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0 ||
        strlen(base) > NAME_MAX_BYTES) {
        err_fail(err, ERR_PROTOCOL, 0, "'%s' names no parent", child->path);
        return NULL;
    }
    path = slash ? text_printf("%.*s/%s", (int)(slash - child->path), child->path, base)
                 : text_dup(base);
    if (!path) {
        err_no_memory(err);
        return NULL;
    }
    if (commit_journal_exists(path)) {
        err_fail(err, ERR_CONFLICT, 0, "an interrupted change of '%s' was not finished",
                 path);
        err_hint(err, "look at that disk with 'hvgpu image show': it finishes the change");
        return NULL;
    }
    file = image_file_open(path, IMAGE_LOCK_READ, err);
    if (!file) {
        err_wrap(err, "opening the parent disk of '%s', '%.200s'", child->path, name);
        err_hint(err, "put the parent disk into the folder of the checkpoint's disk");
    } else if (!vhdx_is(file)) {
        err_fail(err, ERR_PROTOCOL, 0, "'%s', the parent disk of '%s', is no VHDX", path,
                 child->path);
        image_file_close(file);
        file = NULL;
    }
    return file;
}

struct image_file *vhdx_parent_file(const struct image_file *child, uint64_t locator,
                                    uint32_t locator_bytes, struct err *err)
{
    CLEANUP(free_cleanup)
    char *name = locator_value(child, locator, locator_bytes, "relative_path", err);

    if (!name) {
        *err = ERR_INIT;
        name = locator_value(child, locator, locator_bytes, "absolute_win32_path", err);
    }
    if (!name) {
        if (err->kind == ERR_NONE)
            err_fail(err, ERR_PROTOCOL, 0, "'%s' does not say what its parent is",
                     child->path);
        return NULL;
    }
    return open_beside(child, name, err);
}

bool vhdx_parent_check(const struct image_file *child, uint64_t locator,
                       uint32_t locator_bytes, const uint8_t data_write_guid[16],
                       const char *parent_path, struct err *err)
{
    const uint8_t *g = data_write_guid;
    CLEANUP(free_cleanup)
    char *linkage = locator_value(child, locator, locator_bytes, "parent_linkage", err);
    char guid[40];

    snprintf(guid, sizeof(guid),
             "{%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x}", g[3],
             g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12],
             g[13], g[14], g[15]);
    if (!linkage)
        return err->kind != ERR_NONE
                   ? false
                   : err_fail(err, ERR_PROTOCOL, 0, "'%s' does not say what its parent is",
                              child->path);
    if (text_ieq(linkage, guid))
        return true;
    err_fail(err, ERR_CONFLICT, 0, "'%s' was written after '%s' was made from it",
             parent_path, child->path);
    return err_hint(err, "merge or remove the checkpoint with Hyper-V");
}
