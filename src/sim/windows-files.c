/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Win32_Directory and CIM_DataFile: files of the host, and of images mounted on it, asked
 * for by name.
 *
 * On a real host a query without Name, Path or Drive walks every disk; what it would cost
 * and in which order it answers no source says, so it is refused here.
 *
 * Sources: MicrosoftDocs/win32 desktop-src/CIMWin32Prov cim-datafile.md,
 * win32-directory.md.
 */
#include <string.h>

#include "text.h"
#include "windows-os.h"

#define DOCS "MicrosoftDocs/win32 desktop-src/CIMWin32Prov/"

/* "c:\dir\name.ext" in its parts, lower case as the provider gives them. */
static bool set_names(struct cim_instance *row, const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *name = text_dup(path);
    CLEANUP(free_cleanup) char *folder = NULL, *file = NULL;
    char drive[3] = "";
    const char *slash, *dot;

    if (!name)
        return err_no_memory(err);
    text_lower(name);
    slash = strrchr(name, '\\');
    if (!slash || strlen(name) < 3 || name[1] != ':')
        return cim_set_text(row, "Name", name, err);
    drive[0] = name[0];
    drive[1] = ':';
    dot = strrchr(slash, '.');
    folder = text_ndup(name + 2, (size_t)(slash - name) - 1);
    file = dot ? text_ndup(slash + 1, (size_t)(dot - slash) - 1) : text_dup(slash + 1);
    if (!folder || !file)
        return err_no_memory(err);
    return cim_set_text(row, "Name", name, err) &&
           cim_set_text(row, "Caption", name, err) &&
           cim_set_text(row, "Description", name, err) &&
           cim_set_text(row, "Drive", drive, err) &&
           cim_set_text(row, "Path", folder, err) &&
           cim_set_text(row, "FileName", file, err) &&
           cim_set_text(row, "Extension", dot ? dot + 1 : "", err);
}

static bool set_facts(struct cim_instance *row, struct sim_host *host,
                      const struct file_info *info, bool is_folder, struct err *err)
{
    struct cim_datetime modified = { .usec = info->mtime_usec };

    return cim_set_text(row, "CreationClassName",
                        is_folder ? "Win32_Directory" : "CIM_LogicalFile", err) &&
           cim_set_text(row, "CSCreationClassName", "Win32_ComputerSystem", err) &&
           cim_set_text(row, "CSName", host->name, err) &&
           cim_set_text(row, "FSCreationClassName", "Win32_FileSystem", err) &&
           cim_set_text(row, "FSName", "NTFS", err) &&
           cim_set_text(row, "Status", "OK", err) &&
           cim_set_datetime(row, "LastModified", &modified, err) &&
           cim_set_bool(row, "Readable", true, err) &&
           cim_set_bool(row, "Writeable", !(info->attributes & FILE_IS_READONLY), err) &&
           cim_set_bool(row, "Hidden", info->attributes & FILE_IS_HIDDEN, err) &&
           cim_set_bool(row, "System", info->attributes & FILE_IS_SYSTEM, err) &&
           cim_set_bool(row, "Archive", info->attributes & FILE_IS_ARCHIVE, err) &&
           cim_set_bool(row, "Compressed", info->attributes & FILE_IS_COMPRESSED, err) &&
           cim_set_bool(row, "Encrypted", info->attributes & FILE_IS_ENCRYPTED, err) &&
           (is_folder || cim_set_uint(row, "FileSize", CIM_UINT64, info->size, err));
}

static bool list(struct sim_host *host, const struct cim_instance *where, bool folders,
                 bool (*on_row)(struct cim_instance *row, void *user), void *user,
                 struct sim_fault *fault)
{
    const char *name = cim_get_text(where, "Name");
    CLEANUP(cim_instance_cleanup) struct cim_instance *row = NULL;
    struct file_info info = { 0 };
    struct err err = ERR_INIT;
    struct sim_world *world;
    bool ok;

    if (!name)
        return sim_unknown(fault, "listing files of a whole disk (no Name in the query)");
    if (!windows_world(host, &world, fault))
        return false;
    if (!world_stat(world, name, &info, &err))
        return err.code == WIN_FILE_NOT_FOUND || err.code == WIN_PATH_NOT_FOUND ||
               err.kind == ERR_NOT_FOUND || err.kind == ERR_INVALID ||
               sim_fault_err(fault, &err);
    free(info.name);
    if (!(info.attributes & FILE_IS_DIR) != !folders)
        return true;
    row = cim_instance_new(CIMV2, folders ? "Win32_Directory" : "CIM_DataFile");
    ok = row ? set_names(row, name, &err) && set_facts(row, host, &info, folders, &err)
             : err_no_memory(&err);
    if (!ok)
        return sim_fault_err(fault, &err);
    on_row(row, user);
    return true;
}

static bool list_folders(struct sim_host *host, const struct cim_instance *where,
                         bool (*on_row)(struct cim_instance *row, void *user), void *user,
                         struct sim_fault *fault)
{
    return list(host, where, true, on_row, user, fault);
}

static bool list_files(struct sim_host *host, const struct cim_instance *where,
                       bool (*on_row)(struct cim_instance *row, void *user), void *user,
                       struct sim_fault *fault)
{
    return list(host, where, false, on_row, user, fault);
}

static const struct sim_dynamic_class classes[] = {
    { CIMV2, "Win32_Directory", list_folders, DOCS "win32-directory.md" },
    { CIMV2, "CIM_DataFile", list_files, DOCS "cim-datafile.md" },
    { 0 },
};

const struct sim_behaviour windows_files = {
    .name = "files",
    .dynamic_classes = classes,
};
