/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest needs besides the package: the files of the CopyToVm values, and the
 * registry values of some vendors.
 *
 * Sources: MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md (the four
 * subkeys, their destinations and rules); NVIDIA 470.05, 446.14 and 416.34 nv_dispi.inf
 * (what real values look like); Justsenger/ExHyperV src/Services/Vm/VmGpuService.cs and
 * jamesstringer90/Easy-GPU-PV issue 304 (NVIDIA's service values).
 */

#include "driver-set.h"

#include <string.h>

#include "text.h"
#include "win-path.h"

static const struct {
    const char *key, *folder;
    enum driver_rule rule;
} copy_to_vm[] = {
    { "CopyToVmOverwrite", "System32", RULE_ALWAYS },
    { "CopyToVmWhenNewer", "System32", RULE_NEWER },
    { "CopyToVmOverwriteWow64", "SysWOW64", RULE_ALWAYS },
    { "CopyToVmWhenNewerWow64", "SysWOW64", RULE_NEWER },
};

/* Where the value's first string points, below the host's Windows folder.  Relative to
 * the package by the rule; NVIDIA 416.34 gives an absolute path into Windows itself. */
static char *copy_source(const struct driver_set *set, const char *text, const char *where,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *folder = driver_store_path(set->packages[0].name);
    const char *below = win_path_below(text, set->origin->system_root);
    char *path;

    if (win_path_is_relative(text)) {
        path = folder ? win_path_join(folder, text) : NULL;
    } else if (below && win_path_is_relative(below)) {
        path = text_dup(below);
    } else {
        err_fail(err, ERR_PROTOCOL, 0,
                 "%s copies from '%s', which is neither in the package nor in the host's "
                 "Windows folder",
                 where, text);
        return NULL;
    }
    if (!path)
        err_no_memory(err);
    return path;
}

/* Size and time of one file below the Windows folder; *ret_found false: not there. */
static bool find_file(const struct driver_set *set, const char *path, bool *ret_found,
                      uint64_t *ret_size, int64_t *ret_mtime, struct err *err)
{
    CLEANUP(free_cleanup) char *parent = win_path_parent(path);
    CLEANUP(free_cleanup) char *main_folder = driver_store_path(set->packages[0].name);
    const struct driver_package *package = &set->packages[0];
    const char *in_package;
    struct source_file *files = NULL;
    size_t count = 0;

    *ret_found = false;
    if (!parent || !main_folder)
        return err_no_memory(err);
    in_package = win_path_below(path, main_folder);
    if (!in_package) {
        if (!set->origin->ops->list(set->origin, parent, win_path_base(path), 1, &files,
                                    &count, err)) {
            if (err->kind != ERR_NOT_FOUND)
                return false;
            *err = ERR_INIT;
        }
        in_package = win_path_base(path);
    } else {
        files = package->files;
        count = package->file_count;
    }
    for (size_t i = 0; i < count && !*ret_found; i++) {
        if (!text_ieq(files[i].path, in_package))
            continue;
        *ret_found = true;
        *ret_size = files[i].size;
        *ret_mtime = files[i].mtime_usec;
    }
    if (files != package->files)
        source_files_free(files, count);
    return true;
}

static bool add_copy(struct driver_set *set, size_t rule, const char *name, char **texts,
                     size_t count, struct err *err)
{
    CLEANUP(free_cleanup) char *where = text_printf("%s\\%s", copy_to_vm[rule].key, name);
    CLEANUP(free_cleanup) char *path = NULL;
    CLEANUP(free_cleanup) char *destination = NULL;
    const char *to = count > 1 && *texts[1] ? texts[1] : NULL;
    uint64_t size = 0;
    int64_t mtime = 0;
    bool found;

    if (!where)
        return err_no_memory(err);
    if (count < 1 || count > 2 || !*texts[0])
        return driver_set_leave_out(set, err, "%s: not one or two file names", where);
    path = copy_source(set, texts[0], where, err);
    if (!path)
        return false;
    if (!to)
        to = win_path_base(path);
    if (!win_name_is_plain(to))
        return err_fail(err, ERR_PROTOCOL, 0,
                        "%s copies to '%s', which is no plain file name", where, to);
    if (!find_file(set, path, &found, &size, &mtime, err))
        return err_wrap(err, "%s", where);
    if (!found)
        return driver_set_leave_out(set, err, "%s: the host has no '%s'", where, texts[0]);
    destination = win_path_join(copy_to_vm[rule].folder, to);
    if (!destination)
        return err_no_memory(err);
    return driver_set_add_file(set, path, destination, copy_to_vm[rule].rule, size, mtime,
                               where, err);
}

bool driver_needs_copy_to_vm(struct driver_set *set, const char *class_key_path,
                             struct err *err)
{
    bool ok = true;

    for (size_t rule = 0; ok && rule < ARRAY_LEN(copy_to_vm); rule++) {
        CLEANUP(free_cleanup)
        char *key = text_printf("%s\\%s", class_key_path, copy_to_vm[rule].key);
        char **names;
        size_t count;

        if (!key)
            return err_no_memory(err);
        if (!source_list_reg(set->origin, key, true, &names, &count, err))
            return false;
        for (size_t i = 0; ok && i < count; i++) {
            char **texts = NULL;
            size_t texts_count = 0;

            ok = source_texts(set->origin, key, names[i], &texts, &texts_count, err) &&
                 add_copy(set, rule, names[i], texts, texts_count, err);
            hive_texts_free(texts, texts_count);
        }
        hive_texts_free(names, count);
    }
    return ok;
}

static bool add_number(struct driver_set *set, const char *key, const char *name,
                       uint64_t number, const char *reason, struct err *err)
{
    struct hive_value value = { 0 };

    return hive_value_set_u64(&value, HIVE_DWORD, number)
               ? driver_set_add_value(set, key, name, &value, reason, err)
               : err_no_memory(err);
}

static bool add_text(struct driver_set *set, const char *key, const char *name,
                     uint32_t type, const char *text, const char *reason, struct err *err)
{
    struct hive_value value = { 0 };

    return hive_value_set_text(&value, type, text)
               ? driver_set_add_value(set, key, name, &value, reason, err)
               : err_no_memory(err);
}

/* CUDA and others look the service key up to find their files; no device of the guest
 * binds the service, so it never starts. */
static bool nvidia_service(struct driver_set *set, struct err *err)
{
    static const char why[] = "NVIDIA's programs find their driver through it";
    CLEANUP(free_cleanup)
    char *host_key =
        text_printf("HKLM\\SYSTEM\\CurrentControlSet\\Services\\%s", set->service);
    CLEANUP(free_cleanup) char *key = text_printf("Services\\%s", set->service);
    CLEANUP(free_cleanup) char *image = NULL;
    CLEANUP(free_cleanup) char *in_guest = NULL;

    if (!host_key || !key)
        return err_no_memory(err);
    if (!source_text(set->origin, host_key, "ImagePath", &image, err))
        return false;
    in_guest = image ? win_path_in_guest_store(image) : NULL;
    if (!in_guest)
        return err_fail(err, ERR_UNSUPPORTED, 0,
                        "service '%s' does not run from the driver store ('%s')",
                        set->service, image ? image : "no ImagePath");
    return add_number(set, key, "Type", 1, why, err) &&
           add_number(set, key, "Start", 3, why, err) &&
           add_number(set, key, "ErrorControl", 0, why, err) &&
           add_text(set, key, "Group", HIVE_SZ, "Video", why, err) &&
           add_text(set, key, "ImagePath", HIVE_EXPAND_SZ, in_guest, why, err);
}

bool driver_needs_registry(struct driver_set *set, const char *class_key_path,
                           struct err *err)
{
    if (text_istarts(set->instance_id, "PCI\\VEN_10DE&") &&
        text_ieq(set->service, "nvlddmkm"))
        return nvidia_service(set, err);
    if (text_istarts(set->instance_id, "PCI\\VEN_8086&"))
        return driver_needs_intel(set, class_key_path, err);
    return true; /* AMD: none known */
}
