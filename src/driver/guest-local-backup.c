/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of guest files on this machine, for undo.
 *
 * A copy is "<name>.json", which says what it is of, and "<name>.0", "<name>.1" ... with
 * the bytes: names from an image never become names of local files.  The JSON is written
 * last; without it there is no copy.
 */

#include <jansson.h>
#include <string.h>

#include "guest-local.h"
#include "os.h"
#include "text.h"
#include "win-path.h"

enum { INDEX_BYTES_MAX = 64 << 20, DEPTH_MAX = 32 };

struct keeping {
    struct local_disk *local;
    const char *base; /* "<backup_dir>/<name>" */
    const char *full, *relative;
    json_t *files; /* [{path, attributes, mtime_usec}]; folders have FILE_IS_DIR */
    unsigned depth;
};

static bool write_piece(const void *bytes, size_t len, void *user, struct err *err)
{
    return os_file_write(user, bytes, len, err);
}

static bool keep_bytes(struct keeping *keeping, const char *full, size_t number,
                       struct err *err)
{
    CLEANUP(free_cleanup) char *to = text_printf("%s.%zu", keeping->base, number);
    CLEANUP(os_file_cleanup) struct os_file *file = NULL;

    if (!to)
        return err_no_memory(err);
    file = os_file_create(to, err);
    return file && volume_read(keeping->local->volume, full, write_piece, file, err) &&
           os_file_sync(file, err);
}

static bool keep_one(struct keeping *keeping, const char *full, const char *relative,
                     const struct file_info *info, struct err *err)
{
    size_t number = json_array_size(keeping->files);
    json_t *file =
        json_pack("{s:s, s:I, s:I}", "path", relative, "attributes",
                  (json_int_t)info->attributes, "mtime_usec", (json_int_t)info->mtime_usec);

    if (json_array_append_new(keeping->files, file) != 0)
        return err_no_memory(err);
    return (info->attributes & FILE_IS_DIR) || keep_bytes(keeping, full, number, err);
}

static bool keep_entry(const struct file_info *info, void *user, struct err *err)
{
    struct keeping *keeping = user;
    struct keeping below = *keeping;
    CLEANUP(free_cleanup) char *full = win_path_join(keeping->full, info->name);
    CLEANUP(free_cleanup) char *relative = win_path_join(keeping->relative, info->name);

    if (!full || !relative)
        return err_no_memory(err);
    if (keeping->depth >= DEPTH_MAX)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' is nested too deeply", full);
    if (!keep_one(keeping, full, relative, info, err))
        return false;
    if (!(info->attributes & FILE_IS_DIR))
        return true;
    below.full = full;
    below.relative = relative;
    below.depth++;
    return volume_list(keeping->local->volume, full, keep_entry, &below, err);
}

bool local_backup(struct guest_disk *self, const char *path, const char *backup_name,
                  bool tree, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    CLEANUP(free_cleanup) char *base = text_printf("%s/%s", local->backup_dir, backup_name);
    CLEANUP(free_cleanup)
    char *index = text_printf("%s/%s.json", local->backup_dir, backup_name);
    CLEANUP(free_cleanup) char *text = NULL;
    struct keeping keeping = { .local = local, .base = base, .full = full, .relative = "" };
    struct file_info info = { 0 };
    bool exists, ok;

    if (!full || !base || !index)
        return err_no_memory(err);
    if (os_file_exists(index))
        return true; /* the first copy is the one from before */
    if (!local_need(local, local->is_writable, err) ||
        !local_stat(local, full, &info, &exists, err) ||
        !os_make_dirs(local->backup_dir, err))
        return false;
    if (!exists)
        return err_fail(err, ERR_NOT_FOUND, 0, "no '%s' in the guest", path);
    keeping.files = json_array();
    ok = keeping.files ? keep_one(&keeping, full, "", &info, err) : err_no_memory(err);
    if (ok && tree)
        ok = volume_list(local->volume, full, keep_entry, &keeping, err);
    text = ok ? json_dumps(keeping.files, JSON_COMPACT) : NULL;
    json_decref(keeping.files);
    if (!ok)
        return err_wrap(err, "keeping a copy of '%s'", path);
    return text ? os_write_file(index, text, strlen(text), err) : err_no_memory(err);
}

static bool restore_one(struct local_disk *local, const char *base, size_t number,
                        const json_t *file, const char *full, struct err *err)
{
    uint32_t attributes = (uint32_t)json_integer_value(json_object_get(file, "attributes"));
    int64_t mtime = json_integer_value(json_object_get(file, "mtime_usec"));
    const char *below = json_string_value(json_object_get(file, "path"));
    CLEANUP(free_cleanup)
    char *to = below && *below ? win_path_join(full, below) : text_dup(full);
    CLEANUP(free_cleanup) char *from = text_printf("%s.%zu", base, number);

    if (!to || !from)
        return err_no_memory(err);
    if (attributes & FILE_IS_DIR)
        return volume_make_dirs(local->volume, to, err);
    return local_import(local, from, to, mtime, attributes, NULL, NULL, err);
}

bool local_restore(struct guest_disk *self, const char *backup_name, const char *path,
                   bool tree, struct err *err)
{
    struct local_disk *local = local_of(self);
    CLEANUP(free_cleanup) char *full = local_path(path);
    CLEANUP(free_cleanup) char *base = text_printf("%s/%s", local->backup_dir, backup_name);
    CLEANUP(free_cleanup)
    char *index = text_printf("%s/%s.json", local->backup_dir, backup_name);
    CLEANUP(free_cleanup) char *text = NULL;
    json_t *files = NULL;
    size_t len;
    bool ok = true;

    if (!full || !base || !index)
        return err_no_memory(err);
    if (!local_need(local, true, err))
        return false;
    text = os_read_file(index, INDEX_BYTES_MAX, &len, err);
    if (!text)
        return err_wrap(err, "the copy of '%s' kept for undo", path);
    files = json_loadb(text, len, 0, NULL);
    if (!json_is_array(files) || json_array_size(files) == 0)
        ok = err_fail(err, ERR_PROTOCOL, 0, "the copy of '%s' kept for undo is damaged",
                      path);
    for (size_t i = 0; ok && i < json_array_size(files); i++)
        ok = restore_one(local, base, i, json_array_get(files, i), full, err);
    json_decref(files);
    return ok || err_wrap(err, "bringing '%s' back", path);
}
