/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing the files of a volume.
 *
 * A failure half-way leaves the structures in memory half changed, so the volume is broken
 * then and cannot be committed.
 */

#include <errno.h>
#include <string.h>

#include "err.h"
#include "ntfs-internal.h"
#include "text.h"

enum {
    SETTABLE = FILE_IS_READONLY | FILE_IS_HIDDEN | FILE_IS_SYSTEM | FILE_IS_ARCHIVE,
    IN_PLACE_MAX = 32 << 20,   /* one file written over its old content... */
    IN_PLACE_TOTAL = 64 << 20, /* ...as long as so much waits in memory */
    RECORD_BYTES = 1024,       /* a file takes an MFT record and an index entry */
    TREE_DEPTH_MAX = 64,
};

static bool fail_broken(struct volume *volume, struct err *err, const char *what,
                        const char *path)
{
    volume->is_broken = true;
    return volume_fail(volume, err, what, path);
}

static bool check_writable(struct volume *volume, struct err *err)
{
    if (volume->mode != DISK_WRITE)
        return err_fail(err, ERR_INVALID, 0, "the volume is open for reading only");
    if (volume->is_broken)
        return err_fail(err, ERR_INVALID, 0,
                        "an earlier change of the volume failed half-way");
    return true;
}

/* ---- names and security ---- */

static bool to_unicode(struct volume *volume, const char *name, ntfschar **ret,
                       int *ret_len, struct err *err)
{
    ntfschar *wide = NULL;
    int len = ntfs_mbstoucs(name, &wide);

    if (len <= 0) {
        free(wide);
        return volume_fail(volume, err, "naming", name);
    }
    if (ntfs_forbidden_names(volume->ntfs, wide, len, TRUE)) {
        free(wide);
        return err_fail(err, ERR_INVALID, 0, "Windows forbids the name '%.200s'", name);
    }
    *ret = wide;
    *ret_len = len;
    return true;
}

/* What a file or folder made in @folder gets, as Windows inherits it.  Never 0: that would
 * let everyone do everything. */
static le32 inherited_security(struct volume *volume, ntfs_inode *folder, bool is_dir)
{
    struct SECURITY_CONTEXT context = { .vol = volume->ntfs,
                                        .pseccache = &volume->security_cache };

    if (volume->inherited_from != folder->mft_no) {
        volume->file_security = ntfs_inherited_id(&context, folder, FALSE);
        volume->folder_security = ntfs_inherited_id(&context, folder, TRUE);
        if (!volume->file_security)
            volume->file_security = folder->security_id;
        if (!volume->folder_security)
            volume->folder_security = folder->security_id;
        volume->inherited_from = folder->mft_no;
    }
    return is_dir ? volume->folder_security : volume->file_security;
}

static ntfs_inode *create(struct volume *volume, ntfs_inode *folder, const char *name,
                          le32 security, mode_t type, struct err *err)
{
    ntfschar *wide = NULL;
    ntfs_inode *inode;
    int len = 0;

    if (!security)
        security = inherited_security(volume, folder, type == S_IFDIR);
    if (!security) {
        err_fail(err, ERR_UNSUPPORTED, 0,
                 "the folder of '%.200s' has no security to inherit", name);
        return NULL;
    }
    if (!to_unicode(volume, name, &wide, &len, err))
        return NULL;
    volume_lead_allocator(volume);
    inode = ntfs_create(folder, security, wide, (u8)len, type);
    free(wide);
    if (!inode) {
        fail_broken(volume, err, "making", name);
        return NULL;
    }
    ntfs_inode_update_mbsname(folder, name, inode->mft_no);
    return inode;
}

/* Names by which the file can be reached; Windows' short name is no further one. */
static unsigned count_names(ntfs_inode *inode)
{
    ntfs_attr_search_ctx *search = ntfs_attr_get_search_ctx(inode, NULL);
    unsigned count = 0;

    if (!search)
        return UINT32_MAX;
    while (ntfs_attr_lookup(AT_FILE_NAME, NULL, 0, CASE_SENSITIVE, 0, NULL, 0, search) ==
           0) {
        const FILE_NAME_ATTR *name =
            (const FILE_NAME_ATTR *)((const uint8_t *)search->attr +
                                     le16_to_cpu(search->attr->value_offset));

        count += name->file_name_type != FILE_NAME_DOS;
    }
    ntfs_attr_put_search_ctx(search);
    return count;
}

/* The name of @inode in @folder as stored: libntfs-3g removes by exact case.  Owned. */
static ntfschar *stored_name(struct volume *volume, ntfs_inode *inode, uint64_t folder,
                             const char *asked, u8 *ret_len)
{
    ntfs_attr_search_ctx *search = ntfs_attr_get_search_ctx(inode, NULL);
    ntfschar *wide = NULL, *found = NULL;
    int len = ntfs_mbstoucs(asked, &wide);

    while (search && len > 0 && !found &&
           ntfs_attr_lookup(AT_FILE_NAME, NULL, 0, CASE_SENSITIVE, 0, NULL, 0, search) ==
               0) {
        const uint8_t *at =
            (const uint8_t *)search->attr + le16_to_cpu(search->attr->value_offset);
        FILE_NAME_ATTR name; /* the library checked that the attribute holds it */
        ntfschar own[256] = { 0 };

        memcpy(&name, at, sizeof(name));
        memcpy(own, at + offsetof(FILE_NAME_ATTR, file_name),
               name.file_name_length * sizeof(*own));
        if (MREF_LE(name.parent_directory) != folder ||
            !ntfs_names_are_equal(wide, (size_t)len, own, name.file_name_length,
                                  IGNORE_CASE, volume->ntfs->upcase,
                                  volume->ntfs->upcase_len))
            continue;
        found = malloc(sizeof(own));
        if (found) {
            memcpy(found, own, sizeof(own));
            *ret_len = name.file_name_length;
        }
    }
    if (search)
        ntfs_attr_put_search_ctx(search);
    free(wide);
    return found;
}

/* ---- content ---- */

static void set_facts(ntfs_inode *inode, int64_t mtime_usec, uint32_t attributes)
{
    uint32_t flags = le32_to_cpu(inode->flags) & ~(uint32_t)SETTABLE;

    inode->flags = cpu_to_le32(flags | (attributes & SETTABLE));
    inode->last_data_change_time = cpu_to_sle64(mtime_usec * 10);
    NInoFileNameSetDirty(inode);
    NInoSetDirty(inode);
}

static bool check_replaceable(ntfs_inode *inode, const char *path, struct err *err)
{
    uint32_t flags = le32_to_cpu(inode->flags), tag;

    if (inode->mft_no < FILE_first_user)
        return err_fail(err, ERR_INVALID, 0, "'%.200s' is a file of NTFS itself", path);
    if (inode->mrec->flags & MFT_RECORD_IS_DIRECTORY)
        return err_fail(err, ERR_CONFLICT, 0, "'%.200s' is a folder", path);
    tag = ntfs_reparse_tag(inode);
    if (tag)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%.200s' is %s", path,
                        ntfs_reparse_name(tag));
    if (flags & (FILE_IS_ENCRYPTED | FILE_IS_COMPRESSED))
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%.200s' is %s", path,
                        flags & FILE_IS_ENCRYPTED ? "encrypted (EFS)" : "compressed");
    return true;
}

static bool check_room(struct volume *volume, uint64_t size, struct err *err)
{
    uint64_t cluster = volume->ntfs->cluster_size;
    uint64_t needed = (size + cluster - 1) / cluster * cluster + cluster + RECORD_BYTES;

    if (size <= INT64_MAX / 2 && needed <= volume_free_bytes(volume))
        return true;
    err_fail(err, ERR_CONFLICT, ENOSPC, "the volume is full: %llu bytes free, %llu needed",
             (unsigned long long)volume_free_bytes(volume), (unsigned long long)size);
    return err_hint(err, "make room in the guest, or make its disk larger");
}

/* Writes @source over an old file, keeping the file itself: its security, its record. */
static bool write_in_place(struct volume *volume, ntfs_inode *inode, const char *path,
                           const struct volume_source *source, int64_t mtime_usec,
                           uint32_t attributes, struct err *err)
{
    bool ok = volume_write_content(volume, inode, path, source, err);

    if (ok)
        set_facts(inode, mtime_usec, attributes);
    if (ntfs_inode_close(inode) < 0 && ok)
        ok = volume_fail(volume, err, "writing", path);
    volume->is_broken = volume->is_broken || !ok;
    return ok;
}

/* Takes @name out of @folder; closes both inodes, whatever happens. */
static bool unlink_inode(struct volume *volume, ntfs_inode *folder, ntfs_inode *inode,
                         const char *name, const char *path, struct err *err)
{
    u8 len = 0;
    ntfschar *stored = stored_name(volume, inode, folder->mft_no, name, &len);
    bool ok;

    volume->inherited_from = 0; /* a folder's record may be used again */
    if (!stored) {
        ntfs_inode_close(inode);
        ntfs_inode_close(folder);
        errno = EIO;
        return fail_broken(volume, err, "removing", path);
    }
    ok = ntfs_delete(volume->ntfs, NULL, inode, folder, stored, len) == 0;
    free(stored);
    if (ok)
        return true;
    if (errno == ENOTEMPTY)
        return volume_fail(volume, err, "removing", path);
    return fail_broken(volume, err, "removing", path);
}

static bool write_file(struct volume *volume, const char *path,
                       const struct volume_source *source, int64_t mtime_usec,
                       uint32_t attributes, struct err *err)
{
    CLEANUP(free_cleanup) char *folder_path = NULL, *name = NULL;
    struct err why = ERR_INIT;
    ntfs_inode *folder, *inode;
    le32 security = const_cpu_to_le32(0);
    uint64_t number = 0;
    bool ok;

    if (!check_writable(volume, err) || !ntfs_split_path(path, &folder_path, &name, err))
        return false;
    if (!*name)
        return err_fail(err, ERR_INVALID, 0, "no name of a file");
    if (!check_room(volume, source->size, err))
        return err_wrap(err, "writing '%.200s' to the image", path);
    folder = volume_open_folder(volume, folder_path, err);
    if (!folder)
        return false;
    if (volume_find(volume, folder, name, &number, &why)) {
        inode = ntfs_inode_open(volume->ntfs, number);
        ok = inode ? check_replaceable(inode, path, err)
                   : volume_fail(volume, err, "opening", path);
        if (!ok) {
            if (inode)
                ntfs_inode_close(inode);
            ntfs_inode_close(folder);
            return false;
        }
        if (count_names(inode) == 1 && source->size <= IN_PLACE_MAX &&
            disk_dirty_bytes(volume->part.disk) + source->size <= IN_PLACE_TOTAL) {
            ntfs_inode_close(folder);
            return write_in_place(volume, inode, path, source, mtime_usec, attributes, err);
        }
        security = inode->security_id;
        if (!unlink_inode(volume, folder, inode, name, path, err))
            return false;
        folder = volume_open_folder(volume, folder_path, err);
        if (!folder)
            return false;
    } else if (why.kind != ERR_NONE) {
        ntfs_inode_close(folder);
        *err = why;
        return false;
    }
    inode = create(volume, folder, name, security, S_IFREG, err);
    if (!inode) {
        ntfs_inode_close(folder);
        return false;
    }
    ok = volume_write_content(volume, inode, path, source, err);
    set_facts(inode, mtime_usec, attributes);
    if (ntfs_inode_close_in_dir(inode, folder) < 0 && ok)
        ok = volume_fail(volume, err, "writing", path);
    if (ntfs_inode_close(folder) < 0 && ok)
        ok = volume_fail(volume, err, "writing", path);
    volume->is_broken = volume->is_broken || !ok;
    return ok;
}

bool volume_write(struct volume *volume, const char *path, uint64_t size,
                  bool (*next)(void *to, size_t len, size_t *ret_len, void *user,
                               struct err *err),
                  void *user, int64_t mtime_usec, uint32_t attributes, struct err *err)
{
    const struct volume_source source = {
        .next = next, .user = user, .size = size, .fd = -1
    };

    return write_file(volume, path, &source, mtime_usec, attributes, err);
}

bool volume_import(struct volume *volume, const char *path, int fd, uint64_t size,
                   bool (*on_bytes)(size_t len, void *user, struct err *err), void *user,
                   int64_t mtime_usec, uint32_t attributes, struct err *err)
{
    const struct volume_source source = {
        .fd = fd, .size = size, .on_bytes = on_bytes, .user = user
    };

    return write_file(volume, path, &source, mtime_usec, attributes, err);
}

struct memory_source {
    const uint8_t *at;
    size_t left;
};

static bool next_from_memory(void *to, size_t len, size_t *ret_len, void *user,
                             struct err *err)
{
    struct memory_source *source = user;
    size_t n = len < source->left ? len : source->left;

    memcpy(to, source->at, n);
    source->at += n;
    source->left -= n;
    *ret_len = n;
    return true;
}

bool volume_write_all(struct volume *volume, const char *path, const void *bytes,
                      size_t len, int64_t mtime_usec, uint32_t attributes, struct err *err)
{
    struct memory_source source = { .at = bytes, .left = len };

    return volume_write(volume, path, len, next_from_memory, &source, mtime_usec,
                        attributes, err);
}

/* ---- folders, names, attributes ---- */

/* Makes the one folder @path; its parent exists. */
static bool make_dir(struct volume *volume, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *parent_path = NULL, *name = NULL;
    struct err why = ERR_INIT;
    ntfs_inode *parent, *inode;
    uint64_t number = 0;
    bool ok = true;

    if (!ntfs_split_path(path, &parent_path, &name, err))
        return false;
    parent = volume_open_folder(volume, parent_path, err);
    if (!parent)
        return false;
    if (volume_find(volume, parent, name, &number, &why)) {
        ntfs_inode_close(parent);
        inode = volume_open_folder(volume, path, err);
        if (inode)
            ntfs_inode_close(inode);
        return inode != NULL;
    }
    if (why.kind != ERR_NONE) {
        ntfs_inode_close(parent);
        *err = why;
        return false;
    }
    if (!check_room(volume, 0, err)) {
        ntfs_inode_close(parent);
        return err_wrap(err, "making the folder '%.200s' in the image", path);
    }
    inode = create(volume, parent, name, const_cpu_to_le32(0), S_IFDIR, err);
    if (!inode) {
        ok = false;
    } else if (ntfs_inode_close_in_dir(inode, parent) < 0) {
        ok = fail_broken(volume, err, "making", path);
    }
    if (ntfs_inode_close(parent) < 0 && ok)
        ok = fail_broken(volume, err, "making", path);
    return ok;
}

bool volume_make_dirs(struct volume *volume, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = NULL, *name = NULL, *part = text_dup(path);

    if (!part)
        return err_no_memory(err);
    if (!check_writable(volume, err) || !ntfs_split_path(path, &folder, &name, err))
        return false;
    for (size_t i = 1; part[0] && part[i - 1]; i++) {
        char c = part[i];

        if (c && c != '/' && c != '\\')
            continue;
        part[i] = '\0';
        if (!make_dir(volume, part, err))
            return false;
        part[i] = c;
        if (!c)
            break;
    }
    return true;
}

bool volume_set_attributes(struct volume *volume, const char *path, uint32_t attributes,
                           struct err *err)
{
    CLEANUP(free_cleanup) char *folder = NULL, *name = NULL;
    ntfs_inode *inode;

    if (!check_writable(volume, err) || !ntfs_split_path(path, &folder, &name, err))
        return false;
    inode = volume_open_path(volume, path, err);
    if (!inode)
        return false;
    if (inode->mft_no < FILE_first_user) {
        ntfs_inode_close(inode);
        return err_fail(err, ERR_INVALID, 0, "'%.200s' belongs to NTFS itself", path);
    }
    set_facts(inode, sle64_to_cpu(inode->last_data_change_time) / 10, attributes);
    if (ntfs_inode_close(inode) < 0)
        return fail_broken(volume, err, "changing", path);
    return true;
}

/* Gives the file the second name @to. */
static bool link_path(struct volume *volume, const char *from, const char *to_folder,
                      const char *to_name, struct err *err)
{
    ntfs_inode *inode = volume_open_path(volume, from, err), *folder;
    struct err why = ERR_INIT;
    ntfschar *wide = NULL;
    uint64_t number = 0;
    int len = 0;
    bool ok;

    if (!inode)
        return false;
    if (inode->mft_no < FILE_first_user) {
        ntfs_inode_close(inode);
        return err_fail(err, ERR_INVALID, 0, "'%.200s' belongs to NTFS itself", from);
    }
    folder = volume_open_folder(volume, to_folder, err);
    if (!folder) {
        ntfs_inode_close(inode);
        return false;
    }
    ok = !volume_find(volume, folder, to_name, &number, &why);
    if (!ok)
        err_fail(err, ERR_CONFLICT, EEXIST, "'%.200s' exists in the image", to_name);
    else if (why.kind != ERR_NONE) {
        *err = why;
        ok = false;
    }
    ok = ok && to_unicode(volume, to_name, &wide, &len, err);
    if (ok) {
        volume_lead_allocator(volume);
        ok = ntfs_link(inode, folder, wide, (u8)len) == 0 ||
             fail_broken(volume, err, "renaming", from);
        ntfs_inode_update_mbsname(folder, to_name, inode->mft_no);
    }
    free(wide);
    if (ntfs_inode_close_in_dir(inode, folder) < 0 && ok)
        ok = fail_broken(volume, err, "renaming", from);
    if (ntfs_inode_close(folder) < 0 && ok)
        ok = fail_broken(volume, err, "renaming", from);
    return ok;
}

static bool unlink_path(struct volume *volume, const char *path, const char *folder_path,
                        const char *name, struct err *err)
{
    ntfs_inode *folder = volume_open_folder(volume, folder_path, err), *inode;
    struct err why = ERR_INIT;
    uint64_t number = 0;

    if (!folder)
        return false;
    if (!volume_find(volume, folder, name, &number, &why)) {
        ntfs_inode_close(folder);
        if (why.kind != ERR_NONE) {
            *err = why;
            return false;
        }
        return err_fail(err, ERR_NOT_FOUND, 0, "no file '%.200s' in the image", path);
    }
    inode = number < FILE_first_user ? NULL : ntfs_inode_open(volume->ntfs, number);
    if (!inode) {
        ntfs_inode_close(folder);
        if (number < FILE_first_user)
            return err_fail(err, ERR_INVALID, 0, "'%.200s' belongs to NTFS itself", path);
        return volume_fail(volume, err, "removing", path);
    }
    return unlink_inode(volume, folder, inode, name, path, err);
}

/* A folder cannot become a part of itself. */
static bool is_inside(const char *path, const char *folder)
{
    size_t len;

    path += *path == '/' || *path == '\\';
    folder += *folder == '/' || *folder == '\\';
    len = strlen(folder);
    for (size_t i = 0; i < len; i++) {
        char a = path[i] == '\\' ? '/' : path[i], b = folder[i] == '\\' ? '/' : folder[i];

        if (a >= 'A' && a <= 'Z')
            a += 32;
        if (b >= 'A' && b <= 'Z')
            b += 32;
        if (a != b)
            return false;
    }
    return path[len] == '/' || path[len] == '\\';
}

bool volume_rename(struct volume *volume, const char *from, const char *to, struct err *err)
{
    CLEANUP(free_cleanup)
    char *from_folder = NULL, *from_name = NULL, *to_folder = NULL, *to_name = NULL;

    if (!check_writable(volume, err) ||
        !ntfs_split_path(from, &from_folder, &from_name, err) ||
        !ntfs_split_path(to, &to_folder, &to_name, err))
        return false;
    if (!*from_name || !*to_name || is_inside(to, from))
        return err_fail(err, ERR_INVALID, 0, "'%.100s' cannot become '%.100s'", from, to);
    if (!link_path(volume, from, to_folder, to_name, err))
        return false;
    if (!unlink_path(volume, from, from_folder, from_name, err)) {
        volume->is_broken = true; /* it has two names now */
        return false;
    }
    return true;
}

struct children {
    char **names;
    bool *are_folders;
    size_t count;
};

static bool add_child(const struct file_info *info, void *user, struct err *err)
{
    struct children *list = user;
    char **names = realloc(list->names, (list->count + 1) * sizeof(*names));
    bool *kinds;

    if (!names)
        return err_no_memory(err);
    list->names = names;
    kinds = realloc(list->are_folders, (list->count + 1) * sizeof(*kinds));
    if (!kinds)
        return err_no_memory(err);
    list->are_folders = kinds;
    list->names[list->count] = text_dup(info->name);
    if (!list->names[list->count])
        return err_no_memory(err);
    /* A link to a folder is removed as itself, never what it leads to. */
    list->are_folders[list->count++] =
        (info->attributes & FILE_IS_DIR) && !(info->attributes & FILE_IS_REPARSE);
    return true;
}

static bool remove_below(struct volume *volume, const char *path, unsigned depth,
                         struct err *err)
{
    struct children list = { 0 };
    bool ok =
        depth < TREE_DEPTH_MAX ||
        err_fail(err, ERR_UNSUPPORTED, 0, "the folders of '%.200s' nest too deep", path);

    ok = ok && volume_list(volume, path, add_child, &list, err);
    for (size_t i = 0; ok && i < list.count; i++) {
        CLEANUP(free_cleanup) char *full = text_printf("%s/%s", path, list.names[i]);

        if (!full)
            ok = err_no_memory(err);
        ok = ok && (!list.are_folders[i] || remove_below(volume, full, depth + 1, err)) &&
             unlink_path(volume, full, path, list.names[i], err);
    }
    for (size_t i = 0; i < list.count; i++)
        free(list.names[i]);
    free(list.names);
    free(list.are_folders);
    return ok;
}

bool volume_remove(struct volume *volume, const char *path, bool tree, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = NULL, *name = NULL;
    struct file_info info = { 0 };

    if (!check_writable(volume, err) || !ntfs_split_path(path, &folder, &name, err))
        return false;
    if (!*name)
        return err_fail(err, ERR_INVALID, 0, "the root of a volume cannot be removed");
    if (!volume_stat(volume, path, &info, err))
        return false;
    free(info.name);
    if (tree && (info.attributes & FILE_IS_DIR) && !(info.attributes & FILE_IS_REPARSE) &&
        !remove_below(volume, path, 0, err))
        return false;
    return unlink_path(volume, path, folder, name, err);
}
