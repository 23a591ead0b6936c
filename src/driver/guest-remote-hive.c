/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of a guest whose disk is mounted on a host.
 *
 * Windows changes a hive file by loading it, so it is read through a copy, and loaded
 * itself only to be written.  The names of the keys it is loaded under follow from the
 * guest's folder: a run after a crash finds what the one before left loaded, and unloads
 * it; a loaded hive would keep the disk from being detached.
 */

#include <stdio.h>
#include <string.h>

#include "guest-remote.h"
#include "remote-registry.h"
#include "remote-shell.h"
#include "text.h"
#include "win-path.h"

static const char SYSTEM_PATH[] = "System32\\config\\SYSTEM";
static const char *const system_files[] = { "SYSTEM", "SYSTEM.LOG1", "SYSTEM.LOG2" };

enum { KEY_MAX = 64 };

/* @what: "read" a copy, "edit" the hive itself, "facts" a copy of another hive. */
static void loaded_key(const struct remote_disk *remote, const char *what,
                       char ret[KEY_MAX])
{
    snprintf(ret, KEY_MAX, "HKLM\\hvgpu-%s-%s", remote->id, what);
}

/* ---- loading ---- */

static bool unload(struct remote_disk *remote, const char *what, bool reads_only,
                   struct err *err)
{
    char key[KEY_MAX];

    loaded_key(remote, what, key);
    return remote_reg_unload(remote->session, key, reads_only, err);
}

/* Nothing that was read of the hive counts any more. */
static void forget(struct remote_disk *remote)
{
    free(TAKE(remote->control_set));
    remote_reg_forget(&remote->known);
}

static bool drop_copy(struct remote_disk *remote, struct err *err)
{
    CLEANUP(free_cleanup) char *folder = remote_backup_path(remote, "read-SYSTEM", err);

    forget(remote);
    if (!folder || !unload(remote, "read", true, err))
        return false;
    remote->read_loaded = false;
    return remote_drop_folder(remote, folder, err);
}

/* What a run that died left. */
static bool clean_up(struct remote_disk *remote, struct err *err)
{
    if (remote->is_clean)
        return true;
    if (!unload(remote, "edit", true, err) || !unload(remote, "facts", true, err) ||
        !unload(remote, "read", true, err))
        return err_wrap(err, "cleaning up after an interrupted run");
    remote->is_clean = true;
    return true;
}

bool remote_hive_close(struct remote_disk *remote, struct err *err)
{
    /* Also what a run that died had loaded: it holds the folder that the run made. */
    if (!clean_up(remote, err))
        return false;
    if (remote->edit_loaded) {
        if (!unload(remote, "edit", false, err))
            return false;
        remote->edit_loaded = false;
        forget(remote);
    }
    return !remote->read_loaded || drop_copy(remote, err);
}

/* The hive @name and its logs, copied into a folder of ours and loaded from there. */
static bool load_copy(struct remote_disk *remote, const char *name, const char *what,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *config = remote_path(remote, "System32\\config", err);
    CLEANUP(free_cleanup) char *folder_name = text_printf("read-%s", name);
    CLEANUP(free_cleanup) char *log1 = text_printf("%s.LOG1", name);
    CLEANUP(free_cleanup) char *log2 = text_printf("%s.LOG2", name);
    CLEANUP(free_cleanup) char *folder = NULL;
    CLEANUP(free_cleanup) char *file = NULL;
    struct shell_run run = { .session = remote->session, .reads_only = true };
    char key[KEY_MAX];

    if (!config)
        return false;
    folder = folder_name ? remote_backup_path(remote, folder_name, err) : NULL;
    file = folder ? win_path_join(folder, name) : NULL;
    if (!file || !log1 || !log2)
        return err_no_memory(err);
    loaded_key(remote, what, key);
    /* robocopy makes the folder. */
    return clean_up(remote, err) && remote_remove_folder(remote, folder, true, err) &&
           shell_run(&run, ROBOCOPY_OK, err,
                     "robocopy %p %p %p %p %p /COPY:DT /A-:RSH " ROBOCOPY_QUIET, config,
                     folder, name, log1, log2) &&
           remote_reg_load(remote->session, key, file, true, err);
}

static bool find_control_set(struct remote_disk *remote, const char *loaded,
                             struct err *err)
{
    CLEANUP(free_cleanup) char *select = text_printf("%s\\Select", loaded);
    struct hive_value value = { 0 };
    uint64_t current = 0;
    bool exists = false;

    if (!select)
        return err_no_memory(err);
    if (!remote_reg_get(remote->session, select, "Current", &exists, &value, err))
        return false;
    if (!exists || !hive_value_u64(&value, &current) || current == 0 || current > 999) {
        hive_value_clear(&value);
        return err_fail(err, ERR_PROTOCOL, 0,
                        "the guest's SYSTEM hive does not tell its control set");
    }
    hive_value_clear(&value);
    free(remote->control_set);
    remote->control_set = text_printf("%s\\ControlSet%03u", loaded, (unsigned)current);
    return remote->control_set ? true : err_no_memory(err);
}

static bool need_hive(struct remote_disk *remote, struct err *err)
{
    char key[KEY_MAX];

    if (remote->edit_loaded || remote->read_loaded)
        return true;
    if (!load_copy(remote, "SYSTEM", "read", err))
        return err_wrap(err, "reading the guest's registry");
    remote->read_loaded = true;
    loaded_key(remote, "read", key);
    return find_control_set(remote, key, err);
}

static char *full_key(struct remote_disk *remote, const char *key, struct err *err)
{
    char *full = text_printf("%s\\%s", remote->control_set, key);

    if (!full)
        err_no_memory(err);
    return full;
}

/* ---- reading ---- */

bool remote_reg_read(struct guest_disk *self, const char *key, const char *name,
                     bool *ret_exists, struct hive_value *ret, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = NULL;

    if (!need_hive(remote, err))
        return false;
    full = full_key(remote, key, err);
    return full && remote_reg_get_exact(remote->session, &remote->known, full, name,
                                        ret_exists, ret, err);
}

bool remote_reg_has_key(struct guest_disk *self, const char *key, bool *ret,
                        struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = NULL;
    char **names;
    size_t count;

    if (!need_hive(remote, err))
        return false;
    full = full_key(remote, key, err);
    if (!full || !remote_reg_list_known(remote->session, &remote->known, full, true, &names,
                                        &count, ret, err))
        return false;
    hive_texts_free(names, count);
    return true;
}

static bool get_text(struct remote_disk *remote, struct remote_reg_known *known,
                     const char *key, const char *name, char **ret, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists;

    *ret = NULL;
    if (!remote_reg_get_known(remote->session, known, key, name, &exists, &value, err))
        return false;
    if (exists)
        *ret = hive_value_text(&value);
    hive_value_clear(&value);
    return true;
}

/* What the SOFTWARE hive tells. */
static bool read_software(struct remote_disk *remote, struct guest_facts *ret,
                          struct err *err)
{
    char loaded[KEY_MAX];
    CLEANUP(free_cleanup) char *key = NULL;
    CLEANUP(free_cleanup) char *identity = NULL;
    CLEANUP(free_cleanup) char *text = NULL;
    CLEANUP(free_cleanup) char *root = NULL;
    CLEANUP(free_cleanup) char *guid = NULL;
    CLEANUP(free_cleanup) char *folder = remote_backup_path(remote, "read-SOFTWARE", err);
    struct remote_reg_known known = { 0 };
    uint64_t build = 0;
    bool ok;

    if (!folder || !load_copy(remote, "SOFTWARE", "facts", err))
        return false;
    loaded_key(remote, "facts", loaded);
    key = text_printf("%s\\Microsoft\\Windows NT\\CurrentVersion", loaded);
    identity = text_printf("%s\\Microsoft\\Cryptography", loaded);
    ok = (key && identity) || err_no_memory(err);
    ok = ok && get_text(remote, &known, key, "CurrentBuildNumber", &text, err) &&
         get_text(remote, &known, key, "SystemRoot", &root, err) &&
         get_text(remote, &known, identity, "MachineGuid", &guid, err);
    remote_reg_forget(&known);
    if (ok && root && win_path_is_absolute(root))
        snprintf(ret->system_root, sizeof(ret->system_root), "%s", root);
    if (ok && guid)
        snprintf(ret->machine_guid, sizeof(ret->machine_guid), "%s", guid);
    if (ok && text && text_to_u64(text, 10, &build) && build <= UINT32_MAX)
        ret->build = (uint32_t)build;
    return unload(remote, "facts", true, err) && remote_drop_folder(remote, folder, err) &&
           ok;
}

struct finding_volume {
    const char *windows;
    char *volume;
    uint64_t free_bytes;
    bool found;
};

static bool partition_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct finding_volume *find = user;
    bool is_it = false;

    for (size_t i = 0; i < cim_get_count(row, "AccessPaths"); i++) {
        const char *path = cim_get_text_at(row, "AccessPaths", i);

        is_it |= path && strlen(path) > 3 && text_istarts(find->windows, path);
    }
    for (size_t i = 0; is_it && i < cim_get_count(row, "AccessPaths"); i++) {
        const char *path = cim_get_text_at(row, "AccessPaths", i);

        if (path && text_istarts(path, "\\\\?\\Volume{")) {
            free(find->volume);
            find->volume = text_dup(path);
        }
    }
    return true;
}

static bool volume_row(const struct cim_instance *row, void *user, struct err *err)
{
    struct finding_volume *find = user;

    if (text_ieq(cim_get_text(row, "Path"), find->volume))
        find->found |= cim_get_u64(row, "SizeRemaining", &find->free_bytes);
    return true;
}

/* What is free on the volume that is mounted above the guest's Windows folder. */
static bool read_free_bytes(struct remote_disk *remote, struct guest_facts *ret,
                            struct err *err)
{
    static const char ns[] = "root/microsoft/windows/storage";
    struct finding_volume find = { .windows = remote->windows };
    bool ok = cim_query(remote->session, ns, "SELECT * FROM MSFT_Partition", partition_row,
                        &find, err);

    if (ok && find.volume)
        ok = cim_query(remote->session, ns, "SELECT * FROM MSFT_Volume", volume_row, &find,
                       err);
    free(find.volume);
    ret->has_free_bytes = ok && find.found;
    ret->free_bytes = find.free_bytes;
    return ok;
}

bool remote_facts(struct guest_disk *self, struct guest_facts *ret, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *text = NULL;
    struct hive_value value = { 0 };
    bool exists;

    *ret = (struct guest_facts){ 0 };
    if (!read_software(remote, ret, err) || !read_free_bytes(remote, ret, err) ||
        !remote_reg_read(self, "Control\\Session Manager\\Environment",
                         "PROCESSOR_ARCHITECTURE", &exists, &value, err))
        return false;
    text = exists ? hive_value_text(&value) : NULL;
    hive_value_clear(&value);
    snprintf(ret->architecture, sizeof(ret->architecture), "%s", text ? text : "");
    text_lower(ret->architecture);
    return true;
}

/* ---- writing ---- */

bool remote_hive_begin(struct guest_disk *self, const char *backup_name, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *config = remote_path(remote, "System32\\config", err);
    CLEANUP(free_cleanup) char *file = remote_path(remote, SYSTEM_PATH, err);
    CLEANUP(free_cleanup) char *copy = remote_backup_path(remote, backup_name, err);
    CLEANUP(free_cleanup) char *half = copy ? text_printf("%s.partial", copy) : NULL;
    struct shell_run run = { .session = remote->session };
    char key[KEY_MAX];
    bool kept;

    if (!config || !file || !copy)
        return false;
    if (!half)
        return err_no_memory(err);
    if (!remote_hive_close(remote, err) || !remote_exists(remote, copy, &kept, err))
        return false;
    if (!kept && (!remote_remove_folder(remote, half, false, err) ||
                  !remote_make_folder(remote, half, false, err) ||
                  !shell_run(&run, ROBOCOPY_OK, err,
                             "robocopy %p %p %p %p %p /COPY:DAT " ROBOCOPY_QUIET, config,
                             half, system_files[0], system_files[1], system_files[2]) ||
                  !shell_run(&run, 0, err, "ren %p %p", half, win_path_base(copy))))
        return err_wrap(err, "keeping a copy of the guest's SYSTEM hive");
    loaded_key(remote, "edit", key);
    if (!remote_reg_load(remote->session, key, file, false, err))
        return false;
    remote->edit_loaded = true;
    return find_control_set(remote, key, err);
}

bool remote_reg_write(struct guest_disk *self, const char *key, const char *name,
                      const struct hive_value *value, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = NULL;

    if (!remote->edit_loaded)
        return err_fail(err, ERR_INVALID, 0, "the hive is not being edited");
    remote_reg_forget(&remote->known);
    full = full_key(remote, key, err);
    return full && remote_reg_set(remote->session, full, name, value, err);
}

bool remote_reg_remove(struct guest_disk *self, const char *key, const char *name,
                       bool empty_key_too, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = NULL;
    char **names;
    size_t values, keys;
    bool exists;

    if (!remote->edit_loaded)
        return err_fail(err, ERR_INVALID, 0, "the hive is not being edited");
    remote_reg_forget(&remote->known);
    full = full_key(remote, key, err);
    if (!full)
        return false;
    if (!remote_reg_list(remote->session, full, false, &names, &keys, &exists, err))
        return false;
    hive_texts_free(names, keys);
    if (!exists)
        return true;
    if (!remote_reg_delete_value(remote->session, full, name, err))
        return false;
    if (!empty_key_too || keys > 0)
        return true;
    if (!remote_reg_list(remote->session, full, true, &names, &values, NULL, err))
        return false;
    hive_texts_free(names, values);
    return values > 0 || remote_reg_delete_key(remote->session, full, err);
}

bool remote_hive_end(struct guest_disk *self, char ret_sha256[65], struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *file = remote_path(remote, SYSTEM_PATH, err);

    return file && remote_hive_close(remote, err) &&
           shell_hash(remote->session, file, ret_sha256, err);
}

/* Logs that loading the hive made, where there were none before. */
static bool drop_new_log(struct remote_disk *remote, const char *copy, const char *log,
                         struct err *err)
{
    CLEANUP(free_cleanup) char *kept = win_path_join(copy, log);
    CLEANUP(free_cleanup) char *relative = text_printf("System32\\config\\%s", log);
    bool was_there;

    if (!kept || !relative)
        return err_no_memory(err);
    return remote_exists(remote, kept, &was_there, err) &&
           (was_there || remote->base.ops->remove(&remote->base, relative, false, err));
}

bool remote_hive_restore(struct guest_disk *self, const char *backup_name,
                         const char *sha256, bool *ret_restored, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *config = remote_path(remote, "System32\\config", err);
    CLEANUP(free_cleanup) char *file = remote_path(remote, SYSTEM_PATH, err);
    CLEANUP(free_cleanup) char *copy = remote_backup_path(remote, backup_name, err);
    struct shell_run run = { .session = remote->session };
    char now[65];

    *ret_restored = false;
    if (!config || !file || !copy)
        return false;
    if (!remote_hive_close(remote, err) || !shell_hash(remote->session, file, now, err))
        return false;
    if (strcmp(now, sha256) != 0)
        return true;
    if (!shell_run(&run, ROBOCOPY_OK, err,
                   "robocopy %p %p %p %p %p /COPY:DAT /IS /IT " ROBOCOPY_QUIET, copy,
                   config, system_files[0], system_files[1], system_files[2]) ||
        !drop_new_log(remote, copy, system_files[1], err) ||
        !drop_new_log(remote, copy, system_files[2], err))
        return err_wrap(err, "bringing the guest's SYSTEM hive back");
    *ret_restored = true;
    return true;
}
