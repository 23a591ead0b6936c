/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CIM_DataFile and Win32_Directory, asked for by name.  A query without a name would scan
 * the host's drives and is refused.  Version and Manufacturer come from the file's own
 * version resource.
 *
 * Source: MicrosoftDocs/win32 desktop-src/CIMWin32Prov (cim-datafile.md,
 * win32-directory.md): values of Name are lower case.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "maker.h"
#include "text.h"
#include "windows-os.h"

enum { FILE_MAX = 512 << 20, RSRC_MAX = 1 << 20, COMPANY_UNITS = 128 };

/* ---- the version resource ---- */

static uint32_t word32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

/* The bytes of the .rsrc section of a PE file; false: none. */
static bool find_resources(const uint8_t *bytes, size_t len, struct cursor *ret)
{
    struct cursor file = { bytes, len }, at;
    uint32_t pe_offset, raw_size, raw_at;
    uint16_t sections, optional_size;

    at = file;
    if (len < 64 || memcmp(bytes, "MZ", 2) != 0 || !cursor_skip(&at, 60) ||
        !cursor_u32le(&at, &pe_offset))
        return false;
    at = file;
    if (!cursor_skip(&at, pe_offset) || at.left < 24 || memcmp(at.at, "PE\0\0", 4) != 0 ||
        !cursor_skip(&at, 6) || !cursor_u16le(&at, &sections) || !cursor_skip(&at, 12) ||
        !cursor_u16le(&at, &optional_size) || !cursor_skip(&at, 2 + (size_t)optional_size))
        return false;
    for (unsigned i = 0; i < sections && at.left >= 40; i++) {
        struct cursor header;

        if (!cursor_sub(&at, 40, &header))
            return false;
        if (memcmp(header.at, ".rsrc", 6) != 0)
            continue;
        if (!cursor_skip(&header, 16) || !cursor_u32le(&header, &raw_size) ||
            !cursor_u32le(&header, &raw_at) || raw_size > RSRC_MAX)
            return false;
        at = file;
        return cursor_skip(&at, raw_at) && cursor_sub(&at, raw_size, ret);
    }
    return false;
}

/* VS_FIXEDFILEINFO begins with its signature, on a 4-byte boundary. */
static bool find_version(const struct cursor *rsrc, char ret[48])
{
    for (size_t i = 0; i + 16 <= rsrc->left; i += 4)
        if (word32(rsrc->at + i) == 0xfeef04bd) {
            uint32_t high = word32(rsrc->at + i + 8), low = word32(rsrc->at + i + 12);

            snprintf(ret, 48, "%u.%u.%u.%u", high >> 16, high & 0xffff, low >> 16,
                     low & 0xffff);
            return true;
        }
    return false;
}

/* The String node "CompanyName": its text stands behind the key, on the next 4-byte
 * boundary. */
static char *find_company(const struct cursor *rsrc)
{
    size_t key_len = 0;
    CLEANUP(free_cleanup) uint8_t *key = text_to_utf16le("CompanyName", &key_len);
    size_t end;

    for (size_t i = 0; key && i + key_len + 4 < rsrc->left; i += 2) {
        if (memcmp(rsrc->at + i, key, key_len) != 0)
            continue;
        i = (i + key_len + 2 + 3) / 4 * 4;
        for (end = i; end + 1 < rsrc->left && end - i < 2 * COMPANY_UNITS; end += 2)
            if (rsrc->at[end] == 0 && rsrc->at[end + 1] == 0)
                return text_from_utf16le(rsrc->at + i, end - i, NULL);
        return NULL;
    }
    return NULL;
}

/* ---- rows ---- */

/* By its name: to look into each file would read whole disk images. */
static bool is_program(const char *path)
{
    static const char *const ends[] = { ".exe", ".dll", ".sys", ".cpl", ".drv", ".ocx" };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (text_iends(path, ends[i]))
            return true;
    return false;
}

static void put_version(struct maker *m, struct sim_world *w, const char *path)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(free_cleanup) char *company = NULL;
    struct cursor rsrc;
    struct err unreadable = ERR_INIT;
    char version[48];
    size_t len;

    if (!world_read_all(w, path, FILE_MAX, &bytes, &len, &unreadable) ||
        !find_resources(bytes, len, &rsrc) || !find_version(&rsrc, version))
        return;
    company = find_company(&rsrc);
    make_text(m, "Version", version);
    make_text(m, "Manufacturer", company);
}

static void put_names(struct maker *m, const char *path)
{
    CLEANUP(free_cleanup) char *lower = text_dup(path);
    CLEANUP(free_cleanup) char *folder = NULL;
    CLEANUP(free_cleanup) char *stem = NULL;
    char *name, *dot;
    char drive[3] = "";

    if (!lower)
        return;
    text_lower(lower);
    memcpy(drive, lower, 2);
    name = strrchr(lower, '\\') + 1;
    dot = strrchr(name, '.');
    folder = text_ndup(lower + 2, (size_t)(name - lower - 2));
    stem = text_ndup(name, dot ? (size_t)(dot - name) : strlen(name));
    make_text(m, "Name", lower);
    make_text(m, "Caption", lower);
    make_text(m, "Description", lower);
    make_text(m, "Drive", drive);
    make_text(m, "Path", folder);
    make_text(m, "FileName", stem);
    make_text(m, "Extension", dot ? dot + 1 : "");
}

static struct cim_instance *make_row(struct sim_host *host, struct sim_world *w,
                                     const char *path, const struct file_info *info,
                                     struct err *err)
{
    bool dir = info->attributes & FILE_IS_DIR;
    const char *class_name = dir ? "Win32_Directory" : "CIM_DataFile";
    struct maker m;

    make_begin(&m, host, CIMV2, class_name, err);
    put_names(&m, path);
    make_text(&m, "CreationClassName", dir ? class_name : "CIM_LogicalFile");
    make_text(&m, "CSCreationClassName", "Win32_ComputerSystem");
    make_text(&m, "CSName", host->name);
    make_text(&m, "FSCreationClassName", "Win32_FileSystem");
    make_text(&m, "FSName", "NTFS");
    make_text(&m, "Status", "OK");
    make_number(&m, "Archive", (info->attributes & FILE_IS_ARCHIVE) != 0);
    make_number(&m, "Hidden", (info->attributes & FILE_IS_HIDDEN) != 0);
    make_number(&m, "System", (info->attributes & FILE_IS_SYSTEM) != 0);
    make_number(&m, "Compressed", (info->attributes & FILE_IS_COMPRESSED) != 0);
    make_number(&m, "Encrypted", (info->attributes & FILE_IS_ENCRYPTED) != 0);
    make_number(&m, "Readable", 1);
    make_number(&m, "Writeable", !(info->attributes & FILE_IS_READONLY));
    make_time(&m, "LastModified", info->mtime_usec);
    if (!dir) {
        make_number(&m, "FileSize", info->size);
        if (is_program(path))
            put_version(&m, w, path);
    }
    if (m.failed) {
        cim_instance_free(TAKE(m.instance));
        return NULL;
    }
    return TAKE(m.instance);
}

static bool list_one(struct sim_host *host, const struct cim_instance *where, bool dirs,
                     bool (*on_row)(struct cim_instance *row, void *user), void *user,
                     struct sim_fault *fault)
{
    const char *name = where ? cim_get_text(where, "Name") : NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    struct sim_world *world;
    struct file_info info;
    struct err err = ERR_INIT;

    if (!name)
        return sim_unknown(fault, "files that are not asked for by Name");
    if (!windows_world(host, &world, fault))
        return false;
    /* A name that is none, or of nothing, gives no rows. */
    if (strlen(name) < 4 || name[1] != ':' || name[2] != '\\' ||
        !world_stat(world, name, &info, &err))
        return true;
    free(info.name);
    if (((info.attributes & FILE_IS_DIR) != 0) != dirs)
        return true;
    row = make_row(host, world, name, &info, &err);
    if (!row)
        return sim_fault_err(fault, &err);
    on_row(row, user);
    return true;
}

static bool list_files(struct sim_host *host, const struct cim_instance *where,
                       bool (*on_row)(struct cim_instance *row, void *user), void *user,
                       struct sim_fault *fault)
{
    return list_one(host, where, false, on_row, user, fault);
}

static bool list_folders(struct sim_host *host, const struct cim_instance *where,
                         bool (*on_row)(struct cim_instance *row, void *user), void *user,
                         struct sim_fault *fault)
{
    return list_one(host, where, true, on_row, user, fault);
}

static const struct sim_dynamic_class classes[] = {
    { CIMV2, "CIM_DataFile", list_files,
      "MicrosoftDocs/win32 desktop-src/CIMWin32Prov/cim-datafile.md" },
    { CIMV2, "Win32_Directory", list_folders,
      "MicrosoftDocs/win32 desktop-src/CIMWin32Prov/win32-directory.md" },
    { 0 },
};

const struct sim_behaviour windows_files = { .name = "files", .dynamic_classes = classes };
