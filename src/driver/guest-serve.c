/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The child's half of a sandboxed guest disk: one row of a table per operation. */

#include <string.h>

#include "guest-wire.h"
#include "progress.h"
#include "text.h"
#include "win-path.h"

typedef bool serve_fn(struct guest_disk *disk, const json_t *in, struct progress *progress,
                      json_t *out, struct err *err);

static bool serve_facts(struct guest_disk *disk, const json_t *in,
                        struct progress *progress, json_t *out, struct err *err)
{
    struct guest_facts facts;

    return disk->ops->facts(disk, &facts, err) &&
           wire_put(out, "build", json_integer(facts.build), err) &&
           wire_put(out, "architecture", json_string(facts.architecture), err) &&
           wire_put(out, "system_root", json_string(facts.system_root), err) &&
           wire_put(out, "has_free_bytes", json_boolean(facts.has_free_bytes), err) &&
           wire_put(out, "free_bytes", json_integer((json_int_t)facts.free_bytes), err) &&
           wire_put(out, "is_blocked", json_boolean(facts.is_blocked), err);
}

static bool serve_stat(struct guest_disk *disk, const json_t *in, struct progress *progress,
                       json_t *out, struct err *err)
{
    struct guest_file file = { 0 };

    return disk->ops->stat(disk, wire_text(in, "path"), wire_flag(in, "hash"), &file,
                           err) &&
           wire_put(out, "exists", json_boolean(file.exists), err) &&
           wire_put(out, "is_dir", json_boolean(file.is_dir), err) &&
           wire_put(out, "is_readonly", json_boolean(file.is_readonly), err) &&
           wire_put(out, "size", json_integer((json_int_t)file.size), err) &&
           wire_put(out, "mtime", json_integer(file.mtime_usec), err) &&
           wire_put(out, "sha256", json_string(file.sha256), err);
}

static bool serve_owner(struct guest_disk *disk, const json_t *in,
                        struct progress *progress, json_t *out, struct err *err)
{
    struct guest_owner owner = { 0 };

    /* What a file says of itself is foreign text: only what JSON takes passes. */
    return disk->ops->owner(disk, wire_text(in, "path"), &owner, err) &&
           wire_put(out, "is_os_owned", json_boolean(owner.is_os_owned), err) &&
           wire_put(out, "evidence",
                    text_is_utf8(owner.evidence, strlen(owner.evidence))
                        ? json_string(owner.evidence)
                        : json_string("its company name is no text"),
                    err) &&
           wire_put(out, "has_version", json_boolean(owner.has_version), err) &&
           wire_put(out, "version", json_integer((json_int_t)owner.version), err) &&
           wire_put(out, "mtime", json_integer(owner.mtime_usec), err);
}

static bool list_file(const struct guest_entry *file, void *user, struct err *err)
{
    return json_array_append_new(user, json_pack("[s, I, s, I]", file->path,
                                                 (json_int_t)file->size, file->sha256,
                                                 (json_int_t)file->mtime_usec)) == 0 ||
           err_no_memory(err);
}

static bool serve_list_tree(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    json_t *files = json_array();

    return wire_put(out, "files", files, err) &&
           disk->ops->list_tree(disk, wire_text(in, "path"), false, progress, list_file,
                                files, err);
}

/* ---- one of several readers: its part of the files of a folder, with hashes ---- */

struct part {
    uint64_t index, count; /* which of how many */
    uint64_t total,
        seen; /* bytes of all files: by the place of its middle one is a part's */
    json_t *files;
    uint64_t bytes;
};

static bool add_size(const struct guest_entry *file, void *user, struct err *err)
{
    *(uint64_t *)user += file->size;
    return true;
}

static bool list_mine(const struct guest_entry *file, void *user, struct err *err)
{
    struct part *part = user;
    uint64_t middle = part->seen + file->size / 2;
    uint64_t of = middle / (part->total / part->count + 1);

    part->seen += file->size;
    if (of != part->index)
        return true;
    part->bytes += file->size;
    return list_file(file, part->files, err);
}

static bool hash_files(struct guest_disk *disk, const char *folder, const struct part *part,
                       struct progress *progress, struct err *err)
{
    uint64_t done = 0;
    json_t *file;
    size_t i;

    json_array_foreach(part->files, i, file)
    {
        CLEANUP(free_cleanup)
        char *path = win_path_join(folder, json_string_value(json_array_get(file, 0)));
        struct guest_file now = { 0 };

        if (!path)
            return err_no_memory(err);
        if (!disk->ops->stat(disk, path, true, &now, err))
            return false;
        if (json_array_set_new(file, 2, json_string(now.sha256)) != 0)
            return err_no_memory(err);
        done += now.size;
        if (!progress_report(progress, "verifying", PROGRESS_BYTES, done, part->bytes, err))
            return false;
    }
    return true;
}

static bool serve_list_part(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    const char *folder = wire_text(in, "path");
    struct part part = { .index = wire_number(in, "part"),
                         .count = wire_number(in, "parts"),
                         .files = json_array() };

    if (part.count == 0)
        part.count = 1;
    return wire_put(out, "files", part.files, err) &&
           disk->ops->list_tree(disk, folder, false, NULL, add_size, &part.total, err) &&
           disk->ops->list_tree(disk, folder, false, NULL, list_mine, &part, err) &&
           hash_files(disk, folder, &part, progress, err);
}

static bool serve_make_dirs(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->make_dirs(disk, wire_text(in, "path"), err);
}

static bool serve_copy_tree(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->copy_tree(disk, wire_text(in, "source"), wire_text(in, "path"),
                                wire_number(in, "total"), progress, err);
}

static bool serve_copy_file(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    char sha256[65] = "";

    return disk->ops->copy_file(disk, wire_text(in, "source"), wire_text(in, "path"),
                                sha256, err) &&
           wire_put(out, "sha256", json_string(sha256), err);
}

static bool serve_write_file(struct guest_disk *disk, const json_t *in,
                             struct progress *progress, json_t *out, struct err *err)
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = wire_bytes(wire_text(in, "bytes"), &len);

    if (!bytes)
        return err_no_memory(err);
    return disk->ops->write_file(disk, wire_text(in, "path"), bytes, len, err);
}

static bool serve_read_json(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    json_t *json = NULL;

    return disk->ops->read_json(disk, wire_text(in, "path"), (size_t)wire_number(in, "max"),
                                &json, err) &&
           wire_put(out, "json", json, err);
}

static bool serve_set_readonly(struct guest_disk *disk, const json_t *in,
                               struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->set_readonly(disk, wire_text(in, "path"), wire_flag(in, "on"),
                                   wire_flag(in, "tree"), err);
}

static bool serve_rename(struct guest_disk *disk, const json_t *in,
                         struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->rename(disk, wire_text(in, "from"), wire_text(in, "to"), err);
}

static bool serve_remove(struct guest_disk *disk, const json_t *in,
                         struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->remove(disk, wire_text(in, "path"), wire_flag(in, "tree"), err);
}

static bool serve_backup(struct guest_disk *disk, const json_t *in,
                         struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->backup(disk, wire_text(in, "path"), wire_text(in, "name"),
                             wire_flag(in, "tree"), err);
}

static bool serve_restore(struct guest_disk *disk, const json_t *in,
                          struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->restore(disk, wire_text(in, "name"), wire_text(in, "path"),
                              wire_flag(in, "tree"), err);
}

static bool serve_reg_get(struct guest_disk *disk, const json_t *in,
                          struct progress *progress, json_t *out, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists = false, ok;

    if (!disk->ops->reg_get(disk, wire_text(in, "key"), wire_text(in, "name"), &exists,
                            &value, err))
        return false;
    ok = wire_put(out, "exists", json_boolean(exists), err) &&
         (!exists || wire_put(out, "value", wire_value(&value), err));
    hive_value_clear(&value);
    return ok;
}

static bool serve_reg_key_exists(struct guest_disk *disk, const json_t *in,
                                 struct progress *progress, json_t *out, struct err *err)
{
    bool exists = false;

    return disk->ops->reg_key_exists(disk, wire_text(in, "key"), &exists, err) &&
           wire_put(out, "exists", json_boolean(exists), err);
}

static bool serve_hive_begin(struct guest_disk *disk, const json_t *in,
                             struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->hive_begin(disk, wire_text(in, "name"), err);
}

static bool serve_reg_set(struct guest_disk *disk, const json_t *in,
                          struct progress *progress, json_t *out, struct err *err)
{
    struct hive_value value;
    bool ok;

    if (!wire_read_value(json_object_get(in, "value"), &value))
        return err_no_memory(err);
    ok = disk->ops->reg_set(disk, wire_text(in, "key"), wire_text(in, "name"), &value, err);
    hive_value_clear(&value);
    return ok;
}

static bool serve_reg_delete(struct guest_disk *disk, const json_t *in,
                             struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->reg_delete(disk, wire_text(in, "key"), wire_text(in, "name"),
                                 wire_flag(in, "key_too"), err);
}

static bool serve_hive_end(struct guest_disk *disk, const json_t *in,
                           struct progress *progress, json_t *out, struct err *err)
{
    char sha256[65] = "";

    return disk->ops->hive_end(disk, sha256, err) &&
           wire_put(out, "sha256", json_string(sha256), err);
}

static bool serve_hive_restore(struct guest_disk *disk, const json_t *in,
                               struct progress *progress, json_t *out, struct err *err)
{
    bool restored = false;

    return disk->ops->hive_restore(disk, wire_text(in, "name"), wire_text(in, "sha256"),
                                   &restored, err) &&
           wire_put(out, "restored", json_boolean(restored), err);
}

static bool serve_commit(struct guest_disk *disk, const json_t *in,
                         struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->commit(disk, err);
}

static const struct {
    const char *name;
    serve_fn *serve;
} operations[] = {
    { "facts", serve_facts },
    { "stat", serve_stat },
    { "owner", serve_owner },
    { "list_tree", serve_list_tree },
    { "list_part", serve_list_part },
    { "make_dirs", serve_make_dirs },
    { "copy_tree", serve_copy_tree },
    { "copy_file", serve_copy_file },
    { "write_file", serve_write_file },
    { "read_json", serve_read_json },
    { "set_readonly", serve_set_readonly },
    { "rename", serve_rename },
    { "remove", serve_remove },
    { "backup", serve_backup },
    { "restore", serve_restore },
    { "reg_get", serve_reg_get },
    { "reg_key_exists", serve_reg_key_exists },
    { "hive_begin", serve_hive_begin },
    { "reg_set", serve_reg_set },
    { "reg_delete", serve_reg_delete },
    { "hive_end", serve_hive_end },
    { "hive_restore", serve_hive_restore },
    { "commit", serve_commit },
};

bool guest_serve(struct guest_disk *disk, const json_t *in, struct progress *progress,
                 json_t *out, struct err *err)
{
    const char *name = wire_text(in, "op");

    for (size_t i = 0; i < ARRAY_LEN(operations); i++)
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].serve(disk, in, progress, out, err);
    return err_fail(err, ERR_PROTOCOL, 0, "no operation '%s' on a disk", name);
}
