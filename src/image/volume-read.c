/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at the files of a volume. */

#include <errno.h>
#include <string.h>

#include "err.h"
#include "ntfs-internal.h"
#include "text.h"

enum {
    PIECE = 1 << 20,
    LIST_MAX = 1 << 20,
    SHOWN_ATTRIBUTES = 0x7FFF,
};

static void fill_info(ntfs_inode *inode, char *name, struct file_info *ret)
{
    bool is_dir = inode->mrec->flags & MFT_RECORD_IS_DIRECTORY;

    *ret = (struct file_info){
        .name = name,
        .attributes = le32_to_cpu(inode->flags) & SHOWN_ATTRIBUTES & ~(uint32_t)FILE_IS_DIR,
        .size = is_dir ? 0 : (uint64_t)inode->data_size,
        .mtime_usec = sle64_to_cpu(inode->last_data_change_time) / 10,
        .number = inode->mft_no,
    };
    if (is_dir)
        ret->attributes |= FILE_IS_DIR;
}

/* Names of a file other than the short ones that go with a long one. */
static uint32_t count_links(ntfs_inode *inode)
{
    ntfs_attr_search_ctx *search = ntfs_attr_get_search_ctx(inode, NULL);
    uint32_t count = 0;

    while (search && ntfs_attr_lookup(AT_FILE_NAME, AT_UNNAMED, 0, CASE_SENSITIVE, 0, NULL,
                                      0, search) == 0) {
        const ATTR_RECORD *record = search->attr;
        uint32_t length = le32_to_cpu(record->value_length);
        const FILE_NAME_ATTR *name =
            (const FILE_NAME_ATTR *)((const char *)record +
                                     le16_to_cpu(record->value_offset));

        if (!record->non_resident && length >= sizeof(*name))
            count += name->file_name_type != FILE_NAME_DOS;
    }
    if (search)
        ntfs_attr_put_search_ctx(search);
    return count;
}

/* Whether the owner in its security descriptor is TrustedInstaller, the service that installs
 * and updates Windows: S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464.
 * Source: MicrosoftDocs/win32 desktop-src/SecAuthZ (security-descriptors, sid-components);
 * MicrosoftDocs/windowsserverdocs identity/ad-ds/manage/understand-security-identifiers. */
static bool is_windows_own(struct volume *volume, ntfs_inode *inode)
{
    static const uint8_t installer[] = {
        1,    6,    0,    0,    0,    0,    0,    5,    0x50, 0,    0,
        0,    0xB5, 0x89, 0xFB, 0x38, 0x19, 0x84, 0xC2, 0xCB, 0x5C, 0x6C,
        0x23, 0x6D, 0x57, 0x00, 0x77, 0x6E, 0xC0, 0x02, 0x64, 0x87,
    };
    enum { OWNER_OFFSET = 4, DESCRIPTOR_MAX = 1 << 16 };
    struct SECURITY_CONTEXT context = { .vol = volume->ntfs,
                                        .pseccache = &volume->security_cache };
    int len = ntfs_get_ntfs_acl(&context, inode, NULL, 0);
    CLEANUP(free_cleanup) char *descriptor = NULL;
    uint32_t owner;

    if (len < OWNER_OFFSET + 4 || len > DESCRIPTOR_MAX)
        return false;
    descriptor = malloc((size_t)len);
    if (!descriptor || ntfs_get_ntfs_acl(&context, inode, descriptor, (size_t)len) != len)
        return false;
    memcpy(&owner, descriptor + OWNER_OFFSET, sizeof(owner));
    owner = le32_to_cpu(owner);
    return owner <= (uint32_t)len && (uint32_t)len - owner >= sizeof(installer) &&
           memcmp(descriptor + owner, installer, sizeof(installer)) == 0;
}

bool volume_stat(struct volume *volume, const char *path, struct file_info *ret,
                 struct err *err)
{
    CLEANUP(free_cleanup) char *folder = NULL, *name = NULL;
    ntfs_inode *inode;

    if (!ntfs_split_path(path, &folder, &name, err))
        return false;
    inode = volume_open_path(volume, path, err);
    if (!inode)
        return false;
    fill_info(inode, TAKE(name), ret);
    ret->link_count = count_links(inode);
    ret->is_windows_own = is_windows_own(volume, inode);
    ntfs_inode_close(inode);
    return true;
}

/* ---- listing ---- */

struct names {
    char **names;
    size_t count, size;
    bool failed;
};

static void names_free(struct names *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}

static int add_name(void *user, const ntfschar *name, const int len, const int type,
                    const s64 pos, const MFT_REF reference, const unsigned kind)
{
    struct names *list = user;
    char *text = NULL;

    /* The short names Windows keeps beside the long ones, and NTFS' own files. */
    if (type == FILE_NAME_DOS || MREF(reference) < FILE_first_user)
        return 0;
    text = text_from_utf16le(name, (size_t)len * 2, NULL);
    if (!text) { /* an unpaired surrogate: no program can ask for it by such a name */
        list->failed = list->failed || errno == ENOMEM;
        return list->failed ? -1 : 0;
    }
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
        free(text);
        return 0;
    }
    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 64;
        char **grown = size > LIST_MAX ? NULL : realloc(list->names, size * sizeof(*grown));

        if (!grown) {
            free(text);
            list->failed = true;
            return -1;
        }
        list->names = grown;
        list->size = size;
    }
    list->names[list->count++] = text;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int order = text_casecmp(x, y);

    return order ? order : strcmp(x, y);
}

static bool list_names(struct volume *volume, const char *path, struct names *list,
                       struct err *err)
{
    ntfs_inode *folder = volume_open_folder(volume, path, err);
    s64 pos = 0;
    bool ok;

    if (!folder)
        return false;
    /* While it ignores case the library lists names in lower case. */
    NVolSetCaseSensitive(volume->ntfs);
    ok = ntfs_readdir(folder, &pos, list, add_name) == 0;
    NVolClearCaseSensitive(volume->ntfs);
    if (list->failed)
        ok = err_no_memory(err);
    else if (!ok)
        volume_fail(volume, err, "listing", path);
    ntfs_inode_close(folder);
    if (ok && list->count)
        qsort(list->names, list->count, sizeof(*list->names), by_name);
    return ok;
}

bool volume_list(struct volume *volume, const char *path,
                 bool (*on_file)(const struct file_info *info, void *user, struct err *err),
                 void *user, struct err *err)
{
    CLEANUP(free_cleanup) char *parent = NULL, *last = NULL;
    struct names list = { 0 };
    bool is_root = strspn(path, "/\\") == strlen(path);
    bool ok =
        ntfs_split_path(path, &parent, &last, err) && list_names(volume, path, &list, err);

    for (size_t i = 0; ok && i < list.count; i++) {
        CLEANUP(free_cleanup)
        char *full = text_printf("%s/%s", is_root ? "" : path, list.names[i]);
        struct file_info info = { 0 };
        ntfs_inode *inode;

        if (!full) {
            ok = err_no_memory(err);
            break;
        }
        inode = volume_open_path(volume, full, err);
        if (!inode) {
            ok = false;
            break;
        }
        fill_info(inode, list.names[i], &info);
        ntfs_inode_close(inode);
        ok = on_file(&info, user, err);
    }
    names_free(&list);
    return ok;
}

/* ---- reading ---- */

static bool check_readable(ntfs_inode *inode, const char *path, struct err *err)
{
    uint32_t tag;

    if (inode->mrec->flags & MFT_RECORD_IS_DIRECTORY)
        return err_fail(err, ERR_INVALID, 0, "'%.200s' is a folder", path);
    if (le32_to_cpu(inode->flags) & FILE_IS_ENCRYPTED)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%.200s' is encrypted (EFS)", path);
    /* Of these files the ordinary content is all zeros: reading it would be a lie. */
    tag = ntfs_reparse_tag(inode);
    if (tag)
        return err_fail(err, ERR_UNSUPPORTED, 0, "'%.200s' is %s", path,
                        ntfs_reparse_name(tag));
    return true;
}

static bool read_inode(struct volume *volume, ntfs_inode *inode, const char *path,
                       bool (*on_bytes)(const void *bytes, size_t len, void *user,
                                        struct err *err),
                       void *user, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(PIECE);
    ntfs_attr *data;
    bool ok = true;

    if (!bytes)
        return err_no_memory(err);
    data = ntfs_attr_open(inode, AT_DATA, AT_UNNAMED, 0);
    if (!data)
        return volume_fail(volume, err, "reading", path);
    for (s64 at = 0; ok && at < data->data_size;) {
        s64 want = data->data_size - at < PIECE ? data->data_size - at : PIECE;
        s64 n = ntfs_attr_pread(data, at, want, bytes);

        if (n != want) {
            if (n >= 0)
                errno = EIO;
            ok = volume_fail(volume, err, "reading", path);
            break;
        }
        ok = on_bytes(bytes, (size_t)n, user, err);
        at += n;
    }
    ntfs_attr_close(data);
    return ok;
}

bool volume_read(struct volume *volume, const char *path,
                 bool (*on_bytes)(const void *bytes, size_t len, void *user,
                                  struct err *err),
                 void *user, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = NULL, *name = NULL;
    ntfs_inode *inode;
    bool ok;

    if (!ntfs_split_path(path, &folder, &name, err))
        return false;
    inode = volume_open_path(volume, path, err);
    if (!inode)
        return false;
    ok = check_readable(inode, path, err) &&
         read_inode(volume, inode, path, on_bytes, user, err);
    ntfs_inode_close(inode);
    return ok;
}

struct all_bytes {
    uint8_t *bytes;
    size_t len, size;
};

static bool add_bytes(const void *bytes, size_t len, void *user, struct err *err)
{
    struct all_bytes *all = user;

    if (len > all->size - all->len)
        return err_fail(err, ERR_PROTOCOL, 0, "the file is longer than it says");
    memcpy(all->bytes + all->len, bytes, len);
    all->len += len;
    return true;
}

bool volume_read_all(struct volume *volume, const char *path, size_t max,
                     uint8_t **ret_bytes, size_t *ret_len, struct err *err)
{
    struct file_info info = { 0 };
    struct all_bytes all = { 0 };

    if (!volume_stat(volume, path, &info, err))
        return false;
    free(info.name);
    if (info.size > max)
        return err_fail(err, ERR_INVALID, 0, "'%.200s' has %llu bytes, more than %zu", path,
                        (unsigned long long)info.size, max);
    all.size = (size_t)info.size;
    all.bytes = malloc(all.size + 1);
    if (!all.bytes)
        return err_no_memory(err);
    if (!volume_read(volume, path, add_bytes, &all, err)) {
        free(all.bytes);
        return false;
    }
    all.bytes[all.len] = 0; /* a text file is a string */
    *ret_bytes = all.bytes;
    *ret_len = all.len;
    return true;
}
