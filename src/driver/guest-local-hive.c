/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SYSTEM hive in an image: read into memory, edited there, written back whole within
 * the image's transaction.
 */

#include <string.h>

#include "guest-local.h"
#include "hash.h"
#include "os.h"
#include "replayed-hive.h"
#include "text.h"

#define CONFIG "\\Windows\\System32\\config\\"
static const char SYSTEM[] = CONFIG "SYSTEM";
static const char *const logs[] = { CONFIG "SYSTEM.LOG1", CONFIG "SYSTEM.LOG2" };
/* Below the guest's Windows folder, as backups want it. */
static const char SYSTEM_PATH[] = "System32\\config\\SYSTEM";
static const char *const log_paths[] = { "System32\\config\\SYSTEM.LOG1",
                                         "System32\\config\\SYSTEM.LOG2" };

void local_hive_drop(struct local_disk *local)
{
    hive_close(TAKE(local->hive));
    free(TAKE(local->control_set));
    local->is_editing = false;
}

static bool read_log(struct local_disk *local, const char *path, uint8_t **ret,
                     size_t *ret_len, struct err *err)
{
    if (volume_read_all(local->volume, path, HIVE_LOG_MAX, ret, ret_len, err))
        return true;
    if (err->kind != ERR_NOT_FOUND)
        return false;
    *err = ERR_INIT;
    return true;
}

/* Opened for editing at once: only hive_end() writes anything. */
static bool need_hive(struct local_disk *local, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(free_cleanup) uint8_t *log1 = NULL;
    CLEANUP(free_cleanup) uint8_t *log2 = NULL;
    size_t len = 0, log1_len = 0, log2_len = 0;

    if (local->hive)
        return true;
    if (!local_need(local, local->is_writable, err))
        return false;
    if (!volume_read_all(local->volume, SYSTEM, HIVE_FILE_MAX, &bytes, &len, err) ||
        !read_log(local, logs[0], &log1, &log1_len, err) ||
        !read_log(local, logs[1], &log2, &log2_len, err))
        return err_wrap(err, "the guest's registry");
    local->hive = hive_open_replayed(bytes, len, log1, log1_len, log2, log2_len, true,
                                     &local->is_replayed, err);
    if (!local->hive)
        return err_wrap(err, "the guest's SYSTEM hive");
    local->control_set = hive_current_control_set(local->hive, err);
    if (!local->control_set) {
        local_hive_drop(local);
        return err_wrap(err, "the guest's SYSTEM hive");
    }
    return true;
}

static char *key_path(struct local_disk *local, const char *key, struct err *err)
{
    char *path = text_printf("%s\\%s", local->control_set, key);

    if (!path)
        err_no_memory(err);
    return path;
}

bool local_reg_get(struct guest_disk *self, const char *key, const char *name,
                   bool *ret_exists, struct hive_value *ret, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *path = NULL;

    *ret_exists = false;
    if (!need_hive(local, err))
        return false;
    path = key_path(local, key, err);
    if (!path)
        return false;
    *ret_exists = hive_get(local->hive, path, name, ret, err);
    if (*ret_exists)
        return true;
    if (err->kind != ERR_NOT_FOUND)
        return false;
    *err = ERR_INIT;
    return true;
}

bool local_reg_key_exists(struct guest_disk *self, const char *key, bool *ret,
                          struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *path = NULL;

    if (!need_hive(local, err))
        return false;
    path = key_path(local, key, err);
    if (!path)
        return false;
    *ret = hive_has_key(local->hive, path);
    return true;
}

/* The backup of a log, if there is a log. */
static bool backup_log(struct guest_disk *self, size_t i, const char *backup_name,
                       struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *name = text_printf("%s.LOG%zu", backup_name, i + 1);
    struct file_info info = { 0 };
    bool exists;

    if (!name)
        return err_no_memory(err);
    return local_stat(local, logs[i], &info, &exists, err) &&
           (!exists || local_backup(self, log_paths[i], name, false, err));
}

bool local_hive_begin(struct guest_disk *self, const char *backup_name, struct err *err)
{
    struct local_disk *local = local_of(self);

    local_hive_drop(local); /* edits of a begin without end */
    if (!local_need(local, true, err) || !need_hive(local, err))
        return false;
    if (!backup_log(self, 0, backup_name, err) || !backup_log(self, 1, backup_name, err) ||
        !local_backup(self, SYSTEM_PATH, backup_name, false, err))
        return err_wrap(err, "keeping a copy of the guest's SYSTEM hive");
    local->is_editing = true;
    return true;
}

bool local_reg_set(struct guest_disk *self, const char *key, const char *name,
                   const struct hive_value *value, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *path = NULL;

    if (!local->is_editing)
        return err_fail(err, ERR_INVALID, 0, "the hive is not being edited");
    path = key_path(local, key, err);
    return path && hive_set(local->hive, path, name, value, err);
}

bool local_reg_delete(struct guest_disk *self, const char *key, const char *name,
                      bool empty_key_too, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *path = NULL;
    size_t values, keys;
    char **names;

    if (!local->is_editing)
        return err_fail(err, ERR_INVALID, 0, "the hive is not being edited");
    path = key_path(local, key, err);
    if (!path)
        return false;
    if (!hive_has_key(local->hive, path))
        return true;
    if (!hive_delete_value(local->hive, path, name, err))
        return false;
    if (!empty_key_too)
        return true;
    if (!hive_list_values(local->hive, path, &names, &values, err))
        return false;
    hive_texts_free(names, values);
    if (!hive_list_keys(local->hive, path, &names, &keys, err))
        return false;
    hive_texts_free(names, keys);
    return values + keys > 0 || hive_delete_key(local->hive, path, err);
}

/* Same attributes as before; the logs of a replayed hive would be older than it now. */
static bool write_hive(struct local_disk *local, const uint8_t *bytes, size_t len,
                       struct err *err)
{
    struct file_info info = { 0 };
    bool exists;

    if (!local_stat(local, SYSTEM, &info, &exists, err) ||
        !volume_write_all(local->volume, SYSTEM, bytes, len, os_now_usec(), info.attributes,
                          err))
        return false;
    for (size_t i = 0; local->is_replayed && i < ARRAY_LEN(logs); i++) {
        if (!local_stat(local, logs[i], &info, &exists, err) ||
            (exists && !volume_write_all(local->volume, logs[i], "", 0, info.mtime_usec,
                                         info.attributes, err)))
            return false;
    }
    return true;
}

bool local_hive_end(struct guest_disk *self, char ret_sha256[65], struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    size_t len;

    if (!local->is_editing)
        return err_fail(err, ERR_INVALID, 0, "the hive is not being edited");
    local->is_editing = false;
    if (!hive_bytes(local->hive, &bytes, &len, err) || !write_hive(local, bytes, len, err))
        return err_wrap(err, "writing the guest's SYSTEM hive");
    hash_bytes(bytes, len, ret_sha256);
    local_hive_drop(local); /* read again from the disk: what is there counts */
    return true;
}

static bool restore_log(struct guest_disk *self, size_t i, const char *backup_name,
                        struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *name = text_printf("%s.LOG%zu", backup_name, i + 1);
    struct file_info info = { 0 };
    bool exists;

    if (!name)
        return err_no_memory(err);
    if (!local_stat(local, logs[i], &info, &exists, err))
        return false;
    if (!exists)
        return true;
    return self->ops->remove(self, log_paths[i], false, err) &&
           local_restore(self, name, log_paths[i], false, err);
}

bool local_hive_restore(struct guest_disk *self, const char *backup_name,
                        const char *sha256, bool *ret_restored, struct err *err)
{
    struct guest_file now;

    local_hive_drop(local_of(self));
    *ret_restored = false;
    if (!self->ops->stat(self, SYSTEM_PATH, true, &now, err))
        return false;
    if (!now.exists || strcmp(now.sha256, sha256) != 0)
        return true; /* changed since: only values can be taken back */
    if (!self->ops->remove(self, SYSTEM_PATH, false, err) ||
        !local_restore(self, backup_name, SYSTEM_PATH, false, err) ||
        !restore_log(self, 0, backup_name, err) || !restore_log(self, 1, backup_name, err))
        return err_wrap(err, "bringing the guest's SYSTEM hive back");
    *ret_restored = true;
    return true;
}
