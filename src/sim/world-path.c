/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Windows paths on a POSIX file system and on attached volumes: drive letters, mount
 * folders, \\?\Volume{GUID}\, and names that compare without case.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"
#include "world-inside.h"

/* English texts of winerror.h, as FormatMessage gives them. */
static const struct {
    uint32_t code;
    enum err_kind kind;
    const char *text;
} codes[] = {
    { 2, ERR_NOT_FOUND, "The system cannot find the file specified." },
    { 3, ERR_NOT_FOUND, "The system cannot find the path specified." },
    { 5, ERR_DENIED, "Access is denied." },
    { 15, ERR_NOT_FOUND, "The system cannot find the drive specified." },
    { 17, ERR_INVALID, "The system cannot move the file to a different disk drive." },
    { 19, ERR_DENIED, "The media is write protected." },
    { 32, ERR_CONFLICT,
      "The process cannot access the file because it is being used by another process." },
    { 53, ERR_UNREACHABLE, "The network path was not found." },
    { 80, ERR_CONFLICT, "The file exists." },
    { 87, ERR_INVALID, "The parameter is incorrect." },
    { 112, ERR_CONFLICT, "There is not enough space on the disk." },
    { 123, ERR_INVALID,
      "The filename, directory name, or volume label syntax is incorrect." },
    { 145, ERR_CONFLICT, "The directory is not empty." },
    { 183, ERR_CONFLICT, "Cannot create a file when that file already exists." },
    { 267, ERR_INVALID, "The directory name is invalid." },
    { 1005, ERR_UNSUPPORTED,
      "The volume does not contain a recognized file system. Please make sure that all "
      "required file system drivers are loaded and that the volume is not corrupted." },
    { 1117, ERR_SYSTEM,
      "The request could not be performed because of an I/O device error." },
    { 1392, ERR_PROTOCOL, "The file or directory is corrupted and unreadable." },
};

const char *world_code_text(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].code == code)
            return codes[i].text;
    return "The operation failed.";
}

bool world_fail(struct err *err, uint32_t code, const char *path)
{
    enum err_kind kind = ERR_SYSTEM;

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].code == code)
            kind = codes[i].kind;
    return err_fail(err, kind, code, "'%.200s': %s", path, world_code_text(code));
}

uint32_t world_code(const struct err *err)
{
    if (err->kind == ERR_SYSTEM && err->code == ENOSPC)
        return WIN_DISK_FULL;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].code == (uint64_t)err->code && err->kind == codes[i].kind)
            return codes[i].code;
    switch (err->kind) {
    case ERR_NOT_FOUND:
        return WIN_FILE_NOT_FOUND;
    case ERR_DENIED:
        return WIN_ACCESS_DENIED;
    case ERR_CONFLICT:
        return WIN_SHARING_VIOLATION;
    case ERR_INVALID:
        return 123;
    case ERR_UNSUPPORTED:
        return 1005;
    case ERR_PROTOCOL:
        return 1392;
    default:
        return 1117;
    }
}

void place_clear(struct place *place)
{
    free(place->inner);
    free(place->windows);
    *place = (struct place){ 0 };
}

static bool is_bad_part(const char *part, size_t len)
{
    if (len == 0 || len > 255 || (len == 2 && memcmp(part, "..", 2) == 0))
        return true;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)part[i] < 32 || strchr("<>\"|?*:", part[i]))
            return true;
    return false;
}

/* Appends the parts of @rest; "." is dropped. */
static bool add_parts(struct strbuf *to, const char *rest)
{
    while (*rest) {
        size_t len = strcspn(rest, "\\/");

        if (len == 0 || (len == 1 && *rest == '.')) {
            rest += len + (rest[len] != '\0');
            continue;
        }
        if (is_bad_part(rest, len))
            return false;
        strbuf_putc(to, '\\');
        strbuf_add(to, rest, len);
        rest += len + (rest[len] != '\0');
    }
    return true;
}

char *world_normalize(const char *path, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf to = STRBUF_INIT;
    const char *rest = path, *whole = path;
    char *ret;

    if (strlen(path) >= PATH_TEXT_MAX) {
        world_fail(err, 123, path);
        return NULL;
    }
    if (strncmp(rest, "\\\\?\\", 4) == 0 || strncmp(rest, "\\\\.\\", 4) == 0)
        rest += 4;
    if (text_istarts(rest, "Volume{") && rest != whole) {
        size_t len = strcspn(rest, "\\/");

        strbuf_puts(&to, "\\\\?\\");
        strbuf_add(&to, rest, len);
        rest += len;
    } else if (((rest[0] | 0x20) >= 'a' && (rest[0] | 0x20) <= 'z') && rest[1] == ':' &&
               (rest[2] == '\\' || rest[2] == '/' || rest[2] == '\0')) {
        strbuf_putc(&to, (char)(rest[0] & ~0x20));
        strbuf_putc(&to, ':');
        rest += 2;
    } else {
        world_fail(err, rest[0] == '\\' && rest[1] == '\\' ? 53 : WIN_PATH_NOT_FOUND, path);
        return NULL;
    }
    if (!add_parts(&to, rest)) {
        world_fail(err, 123, path);
        return NULL;
    }
    ret = strbuf_take(&to);
    if (!ret)
        err_no_memory(err);
    return ret;
}

/* Where @path begins with @prefix ("M:\\", "C:\\mount\\"): the rest, else NULL. */
static const char *below(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);

    while (len > 0 && prefix[len - 1] == '\\')
        len--;
    for (size_t i = 0; i < len; i++) {
        char a = path[i], b = prefix[i];

        if (a >= 'A' && a <= 'Z')
            a = (char)(a | 0x20);
        if (b >= 'A' && b <= 'Z')
            b = (char)(b | 0x20);
        if (a != b)
            return NULL;
    }
    return path[len] == '\\' || path[len] == '\0' ? path + len : NULL;
}

/* The attached partition that @path lies on, if it does. */
static struct attached *on_attached(struct sim_world *w, const char *path,
                                    unsigned *ret_part, const char **ret_rest)
{
    for (struct attached *a = w->attached; a; a = a->next)
        for (unsigned i = 0; i < a->part_count; i++) {
            char name[64];
            const char *rest = NULL;

            attached_volume_name(a, i, name);
            rest = below(path, name);
            if (!rest && a->access[i])
                rest = below(path, a->access[i]);
            if (rest) {
                *ret_part = i;
                *ret_rest = rest;
                return a;
            }
        }
    return NULL;
}

/* One more part of a local path: the very name, else the one that differs in case. */
static bool find_part(const char *folder, const char *part, size_t len, char **ret_name)
{
    struct dirent *entry;
    DIR *dir = opendir(folder);

    *ret_name = NULL;
    if (!dir)
        return false;
    while (!*ret_name && (entry = readdir(dir))) {
        CLEANUP(free_cleanup) char *wanted = text_ndup(part, len);

        if (wanted && text_ieq(entry->d_name, wanted))
            *ret_name = text_dup(entry->d_name);
    }
    closedir(dir);
    return *ret_name != NULL;
}

/* Nodes of a cluster have one folder in common: C:\ClusterStorage (windowsserverdocs,
 * cluster shared volumes).  @rest behind it, or NULL. */
static const char *below_shared(const struct sim_world *w, const char *rest)
{
    return w->host->cluster ? below(rest, "\\ClusterStorage") : NULL;
}

static bool resolve_local(struct sim_world *w, const char *rest, struct place *ret,
                          struct err *err)
{
    const char *shared = below_shared(w, rest);
    CLEANUP(free_cleanup)
    char *at = shared ? text_printf("%s/ClusterStorage", w->host->cluster->dir)
                      : text_dup(w->root);
    bool exists = true, parent = true;

    if (shared)
        rest = shared;

    while (at && *rest == '\\') {
        size_t len = strcspn(rest + 1, "\\");
        char *next = text_printf("%s/%.*s", at, (int)len, rest + 1);
        struct stat st;

        if (!next)
            break;
        parent = exists;
        if (exists && lstat(next, &st) != 0) {
            char *name;

            exists = find_part(at, rest + 1, len, &name);
            if (exists) {
                free(next);
                next = text_printf("%s/%s", at, name);
                free(name);
            }
        }
        free(at);
        at = next;
        rest += 1 + len;
    }
    if (!at || *rest)
        return err_no_memory(err);
    ret->exists = exists;
    ret->parent_exists = parent;
    if (exists) {
        struct stat st;

        ret->is_dir = lstat(at, &st) == 0 && S_ISDIR(st.st_mode);
    }
    ret->inner = TAKE(at);
    return true;
}

static bool resolve_attached(struct sim_world *w, const char *rest, struct place *ret,
                             struct err *err)
{
    CLEANUP(free_cleanup) char *parent = NULL;
    struct file_info info = { 0 };
    struct volume *volume;
    struct err missing = ERR_INIT;
    char *slash;

    ret->inner = text_dup(*rest ? rest : "\\");
    parent = text_dup(ret->inner);
    if (!ret->inner || !parent)
        return err_no_memory(err);
    if (!attached_volume(w, ret->attached, ret->part, &volume, err))
        return false;
    if (!*rest || strcmp(rest, "\\") == 0) {
        ret->exists = ret->is_dir = ret->parent_exists = true;
        return true;
    }
    if (volume_stat(volume, ret->inner, &info, &missing)) {
        ret->exists = ret->parent_exists = true;
        ret->is_dir = info.attributes & FILE_IS_DIR;
        free(info.name);
        return true;
    }
    if (missing.kind != ERR_NOT_FOUND) {
        *err = missing;
        return false;
    }
    slash = strrchr(parent, '\\');
    if (slash == parent) {
        ret->parent_exists = true;
        return true;
    }
    *slash = '\0';
    if (volume_stat(volume, parent, &info, &missing)) {
        ret->parent_exists = info.attributes & FILE_IS_DIR;
        free(info.name);
    }
    return true;
}

static const struct sim_disk *machine_disk(const struct sim_machine *machine,
                                           const char *path)
{
    for (size_t i = 0; i < machine->disk_count; i++)
        if (text_ieq(machine->disks[i].path, path))
            return &machine->disks[i];
    return NULL;
}

/* The file of a VM disk that the lab names but nobody has used: made now. */
static bool make_disk_file(struct sim_world *w, const struct place *place, struct err *err)
{
    const struct sim_disk *disk = NULL;
    struct stat st;

    if (!w->host->machine || !text_iends(place->windows, ".vhdx") || place->is_dir ||
        stat(place->inner, &st) != 0 || st.st_size != 0)
        return true;
    disk = machine_disk(w->host->machine, place->windows);
    for (size_t i = 0;
         !disk && below_shared(w, place->windows + 2) && i < w->host->cluster->node_count;
         i++)
        disk = machine_disk(w->host->cluster->nodes[i]->machine, place->windows);
    return !disk || disk_make(disk, place->inner, err);
}

bool world_resolve(struct sim_world *w, const char *path, struct place *ret,
                   struct err *err)
{
    CLEANUP(place_clear) struct place place = { 0 };
    const char *rest = NULL;

    place.windows = world_normalize(path, err);
    if (!place.windows)
        return false;
    place.attached = on_attached(w, place.windows, &place.part, &rest);
    if (place.attached) {
        if (!resolve_attached(w, rest, &place, err))
            return false;
    } else if (place.windows[0] == 'C') {
        if (!w->files_made && !host_make_files(w, err))
            return false;
        if (!resolve_local(w, place.windows + 2, &place, err))
            return false;
        if (place.exists && !make_disk_file(w, &place, err))
            return false;
    } else {
        return world_fail(err, WIN_PATH_NOT_FOUND, path);
    }
    *ret = place;
    place = (struct place){ 0 };
    return true;
}
