/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths inside a volume: what may be a name, and what lies at it. */

#include <errno.h>
#include <string.h>

#include "err.h"
#include "little-endian.h"
#include "ntfs-internal.h"
#include "text.h"

enum { NAME_UNITS_MAX = 255, PATH_DEPTH_MAX = 128 };

static bool is_device_name(const char *name)
{
    static const char *const names[] = { "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$" };
    size_t len = strcspn(name, ".");

    while (len && name[len - 1] == ' ')
        len--;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && text_istarts(name, names[i]))
            return true;
    return len == 4 && (text_istarts(name, "COM") || text_istarts(name, "LPT")) &&
           name[3] >= '0' && name[3] <= '9';
}

/* Names Windows could not open or would take for something else. */
static bool check_name(const char *name, struct err *err)
{
    size_t len = strlen(name), units = 0;
    CLEANUP(free_cleanup) uint8_t *wide = NULL;
    const char *why = NULL;

    if (len > NAME_UNITS_MAX * 4)
        return err_fail(err, ERR_INVALID, 0, "a name of %zu bytes is too long", len);
    wide = text_to_utf16le(name, &units);
    if (!wide)
        why = "it is no UTF-8";
    else if (len == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        why = "it names nothing";
    else if (units / 2 > NAME_UNITS_MAX)
        why = "it is too long";
    else if (strpbrk(name, "<>:\"|?*"))
        why = "it holds a character Windows forbids";
    else if (name[len - 1] == '.' || name[len - 1] == ' ')
        why = "it ends in a dot or a blank";
    else if (is_device_name(name))
        why = "Windows takes it for a device";
    for (size_t i = 0; !why && i < len; i++)
        if ((unsigned char)name[i] < 0x20)
            why = "it holds a control character";
    if (!why)
        return true;
    if (!wide)
        name = "?";
    return err_fail(err, ERR_INVALID, 0, "'%.200s' is no name of a file: %s", name, why);
}

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

bool ntfs_split_path(const char *path, char **ret_folder, char **ret_name, struct err *err)
{
    const char *at = path, *last = path;
    unsigned depth = 0;

    if (is_separator(*at))
        last = ++at;
    while (*at) {
        size_t len = strcspn(at, "/\\");
        CLEANUP(free_cleanup) char *name = text_ndup(at, len);

        if (!name)
            return err_no_memory(err);
        if (!check_name(name, err))
            return false;
        if (++depth > PATH_DEPTH_MAX)
            return err_fail(err, ERR_INVALID, 0, "the path has too many folders");
        last = at;
        at += len;
        if (!*at)
            break;
        if (!*++at)
            return err_fail(err, ERR_INVALID, 0, "'%.200s' ends in a separator", path);
    }
    *ret_folder = text_ndup(path, last == path ? 0 : (size_t)(last - path - 1));
    *ret_name = text_dup(last);
    if (*ret_folder && *ret_name)
        return true;
    free(*ret_folder);
    free(*ret_name);
    return err_no_memory(err);
}

bool volume_find(struct volume *volume, ntfs_inode *folder, const char *name,
                 uint64_t *ret_number, struct err *err)
{
    u64 reference;

    errno = 0;
    reference = ntfs_inode_lookup_by_mbsname(folder, name);
    if (reference == (u64)-1) {
        if (errno != ENOENT && errno != 0)
            volume_fail(volume, err, "looking for", name);
        return false;
    }
    *ret_number = MREF(reference);
    return true;
}

uint32_t ntfs_reparse_tag(ntfs_inode *inode)
{
    s64 len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;

    if (!(le32_to_cpu(inode->flags) & FILE_IS_REPARSE))
        return 0;
    bytes = ntfs_attr_readall(inode, AT_REPARSE_POINT, NULL, 0, &len);
    return bytes && len >= 4 ? load_u32(bytes) : UINT32_MAX;
}

const char *ntfs_reparse_name(uint32_t tag)
{
    static const struct {
        uint32_t tag;
        const char *name;
    } known[] = {
        { 0x80000017, "compressed by Windows (WOF, 'compact /exe')" },
        { 0x80000013, "deduplicated" },
        { 0xA000000C, "a symbolic link" },
        { 0xA0000003, "a junction" },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].tag == tag)
            return known[i].name;
    return (tag & 0xFFFF0FFF) == 0x9000001A ? "a cloud file" : "a reparse point";
}

ntfs_inode *volume_open_path(struct volume *volume, const char *path, struct err *err)
{
    const char *at = path;
    ntfs_inode *inode = ntfs_inode_open(volume->ntfs, FILE_root);

    if (!inode) {
        volume_fail(volume, err, "opening", "/");
        return NULL;
    }
    if (is_separator(*at))
        at++;
    while (*at) {
        size_t len = strcspn(at, "/\\");
        CLEANUP(free_cleanup) char *name = text_ndup(at, len);
        uint64_t number = 0;
        struct err why = ERR_INIT;
        bool found, is_dir = inode->mrec->flags & MFT_RECORD_IS_DIRECTORY;
        uint32_t tag = is_dir ? ntfs_reparse_tag(inode) : 0;

        found = name && !tag && is_dir && volume_find(volume, inode, name, &number, &why);
        ntfs_inode_close(inode);
        if (tag) {
            err_fail(err, ERR_UNSUPPORTED, 0, "a folder of '%.200s' is %s", path,
                     ntfs_reparse_name(tag));
            return NULL;
        }
        if (!found) {
            if (!name)
                err_no_memory(err);
            else if (why.kind != ERR_NONE)
                *err = why;
            else
                err_fail(err, ERR_NOT_FOUND, 0, "no file '%.200s' in the image", path);
            return NULL;
        }
        inode = ntfs_inode_open(volume->ntfs, number);
        if (!inode) {
            volume_fail(volume, err, "opening", path);
            return NULL;
        }
        at += len;
        if (*at)
            at++;
    }
    return inode;
}

ntfs_inode *volume_open_folder(struct volume *volume, const char *path, struct err *err)
{
    ntfs_inode *inode = volume_open_path(volume, path, err);
    uint32_t tag = 0;

    if (!inode)
        return NULL;
    if (inode->mrec->flags & MFT_RECORD_IS_DIRECTORY && !(tag = ntfs_reparse_tag(inode)))
        return inode;
    ntfs_inode_close(inode);
    if (tag)
        err_fail(err, ERR_UNSUPPORTED, 0, "'%.200s' is %s", path, ntfs_reparse_name(tag));
    else
        err_fail(err, ERR_INVALID, 0, "'%.200s' is no folder", path);
    return NULL;
}
