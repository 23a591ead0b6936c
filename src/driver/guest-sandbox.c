/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's disk worked on in a process that can do nothing else.
 *
 * The disk of a guest is foreign, hostile input.  The child opens it (guest-local.c), with
 * no rights but on the image's folder, the folder of copies for undo, and reading the
 * driver's source; the parent asks for one operation at a time, in JSON over a socket.
 * A crash in the child is an error here, and what it did not commit is gone with it.
 *
 * How the child does each operation is in guest-serve.c; here is what asks for it.
 */

#include <string.h>

#include "guest-sandbox.h"
#include "guest-wire.h"
#include "hive.h"
#include "os.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"

enum {
    STEP_TIMEOUT_MS = 10 * 60 * 1000, /* without a sign of life; progress starts it anew */
    MEMORY_BYTES = 1 << 30,
};

static struct sandboxed *sandboxed_of(struct guest_disk *self)
{
    return (struct sandboxed *)self;
}

/* ---- the child ---- */

static bool child_open(void *user, struct err *err)
{
    struct sandboxed *disk = user;

    json_object_seed(0); /* reads a device, which is not allowed later */
    if (!hive_prepare())
        return err_fail(err, ERR_SYSTEM, 0, "this system has no conversion to UTF-16");
    disk->local = NULL; /* opened by the first request, when the door is closed */
    return true;
}

static void child_close(void *user)
{
    struct sandboxed *disk = user;

    guest_disk_close(disk->local);
}

static bool child_serve(void *user, const void *request, size_t len,
                        struct progress *progress, struct strbuf *answer, struct err *err)
{
    struct sandboxed *disk = user;
    json_t *in = json_loadb(request, len, 0, NULL);
    json_t *out = json_object();
    bool ok;

    if (!disk->local)
        disk->local =
            guest_disk_open_local(disk->image, disk->parents, disk->backup_dir, err);
    ok = disk->local && guest_serve(disk->local, in, progress, out, err);
    if (ok) {
        CLEANUP(free_cleanup) char *text = json_dumps(out, JSON_COMPACT);

        ok = text || err_no_memory(err);
        if (ok)
            strbuf_puts(answer, text);
    }
    json_decref(in);
    json_decref(out);
    return ok;
}

static void pack(const void *user, struct strbuf *to)
{
    const struct sandboxed *disk = user;

    sandbox_pack_text(to, disk->image);
    sandbox_pack_text(to, disk->parents);
    sandbox_pack_text(to, disk->backup_dir);
}

static void *unpack(struct sandbox_packed *from)
{
    struct sandboxed *disk = calloc(1, sizeof(*disk));

    return disk && sandbox_unpack_text(from, &disk->image) &&
                   sandbox_unpack_text(from, &disk->parents) &&
                   sandbox_unpack_text(from, &disk->backup_dir)
               ? disk
               : NULL;
}

static const struct sandbox_job guest_job = { .name = "guest",
                                              .open = child_open,
                                              .serve = child_serve,
                                              .close = child_close,
                                              .pack = pack,
                                              .unpack = unpack };
SANDBOX_JOB(guest_job)

/* ---- the parent ---- */

static bool only_reads(const char *op)
{
    static const char *const reading[] = { "facts",     "stat",          "owner",
                                           "list_tree", "list_part",     "read_json",
                                           "reg_get",   "reg_key_exists" };

    for (size_t i = 0; i < ARRAY_LEN(reading); i++)
        if (strcmp(reading[i], op) == 0)
            return true;
    return false;
}

bool sandboxed_ask(struct guest_disk *self, const char *op, json_t *in,
                   struct progress *progress, json_t **ret_out, struct err *err)
{
    CLEANUP(free_cleanup) char *text = NULL;
    CLEANUP(free_cleanup) char *answer = NULL;
    size_t len = 0;
    json_t *out;
    bool ok = in && json_object_set_new(in, "op", json_string(op)) == 0;

    text = ok ? json_dumps(in, JSON_COMPACT) : NULL;
    json_decref(in);
    if (!text)
        return err_no_memory(err);
    if (!only_reads(op))
        sandboxed_of(self)->is_changed = true;
    if (!sandbox_call(sandboxed_of(self)->sandbox, text, strlen(text), STEP_TIMEOUT_MS,
                      progress, &answer, &len, err))
        return false;
    out = json_loadb(answer, len, 0, NULL);
    if (!json_is_object(out)) {
        json_decref(out);
        return err_fail(err, ERR_PROTOCOL, 0, "the reader of '%s' answered nonsense",
                        sandboxed_of(self)->image);
    }
    if (ret_out)
        *ret_out = out;
    else
        json_decref(out);
    return true;
}

static void copy_text(char *to, size_t size, const json_t *out, const char *key)
{
    snprintf(to, size, "%s", wire_text(out, key));
}

static bool sandboxed_facts(struct guest_disk *self, struct guest_facts *ret,
                            struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "facts", json_object(), NULL, &out, err))
        return false;
    *ret = (struct guest_facts){ .build = (uint32_t)wire_number(out, "build"),
                                 .has_free_bytes = wire_flag(out, "has_free_bytes"),
                                 .free_bytes = wire_number(out, "free_bytes"),
                                 .is_blocked = wire_flag(out, "is_blocked") };
    copy_text(ret->architecture, sizeof(ret->architecture), out, "architecture");
    copy_text(ret->system_root, sizeof(ret->system_root), out, "system_root");
    json_decref(out);
    return true;
}

static bool sandboxed_stat(struct guest_disk *self, const char *path, bool with_hash,
                           struct guest_file *ret, struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "stat",
                       json_pack("{s:s, s:b}", "path", path, "hash", with_hash), NULL, &out,
                       err))
        return false;
    *ret = (struct guest_file){ .exists = wire_flag(out, "exists"),
                                .is_dir = wire_flag(out, "is_dir"),
                                .is_readonly = wire_flag(out, "is_readonly"),
                                .size = wire_number(out, "size"),
                                .mtime_usec = (int64_t)wire_number(out, "mtime") };
    copy_text(ret->sha256, sizeof(ret->sha256), out, "sha256");
    json_decref(out);
    return true;
}

static bool sandboxed_owner(struct guest_disk *self, const char *path,
                            struct guest_owner *ret, struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "owner", json_pack("{s:s}", "path", path), NULL, &out, err))
        return false;
    *ret = (struct guest_owner){ .is_os_owned = wire_flag(out, "is_os_owned"),
                                 .has_version = wire_flag(out, "has_version"),
                                 .version = wire_number(out, "version"),
                                 .mtime_usec = (int64_t)wire_number(out, "mtime") };
    copy_text(ret->evidence, sizeof(ret->evidence), out, "evidence");
    json_decref(out);
    return true;
}

bool sandboxed_take_files(struct guest_disk *self, const json_t *files,
                          guest_file_fn *on_file, void *user, struct err *err)
{
    const json_t *file;
    size_t i;

    json_array_foreach(files, i, file)
    {
        const struct guest_entry one = {
            .path = json_string_value(json_array_get(file, 0)),
            .size = (uint64_t)json_integer_value(json_array_get(file, 1)),
            .sha256 = json_string_value(json_array_get(file, 2)),
            .mtime_usec = json_integer_value(json_array_get(file, 3)),
        };

        if (!one.path || !one.sha256)
            return err_fail(err, ERR_PROTOCOL, 0, "the reader of '%s' answered nonsense",
                            sandboxed_of(self)->image);
        if (!on_file(&one, user, err))
            return false;
    }
    return true;
}

static bool sandboxed_list_tree(struct guest_disk *self, const char *path, bool with_hash,
                                struct progress *progress, guest_file_fn *on_file,
                                void *user, struct err *err)
{
    json_t *out;
    bool ok;

    if (with_hash)
        return sandboxed_hash_tree(sandboxed_of(self), path, progress, on_file, user, err);
    if (!sandboxed_ask(self, "list_tree", json_pack("{s:s}", "path", path), progress, &out,
                       err))
        return false;
    ok = sandboxed_take_files(self, json_object_get(out, "files"), on_file, user, err);
    json_decref(out);
    return ok;
}

static bool sandboxed_make_dirs(struct guest_disk *self, const char *path, struct err *err)
{
    return sandboxed_ask(self, "make_dirs", json_pack("{s:s}", "path", path), NULL, NULL,
                         err);
}

static bool sandboxed_copy_tree(struct guest_disk *self, const char *source,
                                const char *path, uint64_t total_bytes,
                                struct progress *progress, struct err *err)
{
    return sandboxed_ask(self, "copy_tree",
                         json_pack("{s:s, s:s, s:I}", "source", source, "path", path,
                                   "total", (json_int_t)total_bytes),
                         progress, NULL, err);
}

static bool sandboxed_copy_file(struct guest_disk *self, const char *source,
                                const char *path, char ret_sha256[65], struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "copy_file",
                       json_pack("{s:s, s:s}", "source", source, "path", path), NULL, &out,
                       err))
        return false;
    copy_text(ret_sha256, 65, out, "sha256");
    json_decref(out);
    return true;
}

static bool sandboxed_write_file(struct guest_disk *self, const char *path,
                                 const void *bytes, size_t len, struct err *err)
{
    CLEANUP(free_cleanup) char *hex = wire_hex(bytes, len);

    return sandboxed_ask(self, "write_file",
                         hex ? json_pack("{s:s, s:s}", "path", path, "bytes", hex) : NULL,
                         NULL, NULL, err);
}

static bool sandboxed_read_json(struct guest_disk *self, const char *path, size_t max,
                                json_t **ret, struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "read_json",
                       json_pack("{s:s, s:I}", "path", path, "max", (json_int_t)max), NULL,
                       &out, err))
        return false;
    *ret = json_incref(json_object_get(out, "json"));
    json_decref(out);
    return *ret || err_fail(err, ERR_PROTOCOL, 0, "the reader of '%s' answered nonsense",
                            sandboxed_of(self)->image);
}

static bool sandboxed_set_readonly(struct guest_disk *self, const char *path, bool on,
                                   bool tree, struct err *err)
{
    return sandboxed_ask(self, "set_readonly",
                         json_pack("{s:s, s:b, s:b}", "path", path, "on", on, "tree", tree),
                         NULL, NULL, err);
}

static bool sandboxed_rename(struct guest_disk *self, const char *from, const char *to,
                             struct err *err)
{
    return sandboxed_ask(self, "rename", json_pack("{s:s, s:s}", "from", from, "to", to),
                         NULL, NULL, err);
}

static bool sandboxed_remove(struct guest_disk *self, const char *path, bool tree,
                             struct err *err)
{
    return sandboxed_ask(self, "remove",
                         json_pack("{s:s, s:b}", "path", path, "tree", tree), NULL, NULL,
                         err);
}

static bool sandboxed_backup(struct guest_disk *self, const char *path,
                             const char *backup_name, bool tree, struct err *err)
{
    return sandboxed_ask(
        self, "backup",
        json_pack("{s:s, s:s, s:b}", "path", path, "name", backup_name, "tree", tree), NULL,
        NULL, err);
}

static bool sandboxed_restore(struct guest_disk *self, const char *backup_name,
                              const char *path, bool tree, struct err *err)
{
    return sandboxed_ask(
        self, "restore",
        json_pack("{s:s, s:s, s:b}", "name", backup_name, "path", path, "tree", tree), NULL,
        NULL, err);
}

static bool sandboxed_reg_get(struct guest_disk *self, const char *key, const char *name,
                              bool *ret_exists, struct hive_value *ret, struct err *err)
{
    bool ok = true;
    json_t *out;

    if (!sandboxed_ask(self, "reg_get", json_pack("{s:s, s:s}", "key", key, "name", name),
                       NULL, &out, err))
        return false;
    *ret_exists = wire_flag(out, "exists");
    if (*ret_exists)
        ok = wire_read_value(json_object_get(out, "value"), ret) ||
             err_fail(err, ERR_PROTOCOL, 0, "the reader of '%s' answered nonsense",
                      sandboxed_of(self)->image);
    json_decref(out);
    return ok;
}

static bool sandboxed_reg_key_exists(struct guest_disk *self, const char *key, bool *ret,
                                     struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "reg_key_exists", json_pack("{s:s}", "key", key), NULL, &out,
                       err))
        return false;
    *ret = wire_flag(out, "exists");
    json_decref(out);
    return true;
}

static bool sandboxed_hive_begin(struct guest_disk *self, const char *backup_name,
                                 struct err *err)
{
    return sandboxed_ask(self, "hive_begin", json_pack("{s:s}", "name", backup_name), NULL,
                         NULL, err);
}

static bool sandboxed_reg_set(struct guest_disk *self, const char *key, const char *name,
                              const struct hive_value *value, struct err *err)
{
    return sandboxed_ask(
        self, "reg_set",
        json_pack("{s:s, s:s, s:o}", "key", key, "name", name, "value", wire_value(value)),
        NULL, NULL, err);
}

static bool sandboxed_reg_delete(struct guest_disk *self, const char *key, const char *name,
                                 bool empty_key_too, struct err *err)
{
    return sandboxed_ask(
        self, "reg_delete",
        json_pack("{s:s, s:s, s:b}", "key", key, "name", name, "key_too", empty_key_too),
        NULL, NULL, err);
}

static bool sandboxed_hive_end(struct guest_disk *self, char ret_sha256[65],
                               struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "hive_end", json_object(), NULL, &out, err))
        return false;
    copy_text(ret_sha256, 65, out, "sha256");
    json_decref(out);
    return true;
}

static bool sandboxed_hive_restore(struct guest_disk *self, const char *backup_name,
                                   const char *sha256, bool *ret_restored, struct err *err)
{
    json_t *out;

    if (!sandboxed_ask(self, "hive_restore",
                       json_pack("{s:s, s:s}", "name", backup_name, "sha256", sha256), NULL,
                       &out, err))
        return false;
    *ret_restored = wire_flag(out, "restored");
    json_decref(out);
    return true;
}

static bool sandboxed_commit(struct guest_disk *self, struct err *err)
{
    if (!sandboxed_ask(self, "commit", json_object(), NULL, NULL, err))
        return false;
    sandboxed_of(self)->is_changed = false;
    return true;
}

static void sandboxed_close(struct guest_disk *self)
{
    struct sandboxed *disk = sandboxed_of(self);

    sandbox_stop(disk->sandbox);
    free(disk->image);
    free(disk->parents);
    free(disk->backup_dir);
    free(disk->source_dir);
    free(disk->image_dir);
    free(disk);
}

static const struct guest_disk_ops sandboxed_ops = {
    .name = "local",
    .is_transaction = true,
    .facts = sandboxed_facts,
    .stat = sandboxed_stat,
    .owner = sandboxed_owner,
    .list_tree = sandboxed_list_tree,
    .make_dirs = sandboxed_make_dirs,
    .copy_tree = sandboxed_copy_tree,
    .copy_file = sandboxed_copy_file,
    .write_file = sandboxed_write_file,
    .read_json = sandboxed_read_json,
    .set_readonly = sandboxed_set_readonly,
    .rename = sandboxed_rename,
    .remove = sandboxed_remove,
    .backup = sandboxed_backup,
    .restore = sandboxed_restore,
    .reg_get = sandboxed_reg_get,
    .reg_key_exists = sandboxed_reg_key_exists,
    .hive_begin = sandboxed_hive_begin,
    .reg_set = sandboxed_reg_set,
    .reg_delete = sandboxed_reg_delete,
    .hive_end = sandboxed_hive_end,
    .hive_restore = sandboxed_hive_restore,
    .commit = sandboxed_commit,
    .close = sandboxed_close,
};

/* The folder a file is in: "." for a bare name. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return text_dup(".");
    return text_ndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static struct guest_disk *make(const char *image, const char *parents,
                               const char *backup_dir, const char *source_dir,
                               struct err *err)
{
    struct sandboxed *disk = calloc(1, sizeof(*disk));
    size_t reads = 0, writes = 0;

    if (!disk) {
        err_no_memory(err);
        return NULL;
    }
    disk->base.ops = &sandboxed_ops;
    disk->image = text_dup(image);
    disk->image_dir = folder_of(image);
    disk->parents = text_dup(parents);
    disk->backup_dir = text_dup(backup_dir);
    disk->source_dir = text_dup(source_dir);
    if (!disk->image || !disk->image_dir || (parents && !disk->parents) ||
        (backup_dir && !disk->backup_dir) || (source_dir && !disk->source_dir)) {
        guest_disk_close(&disk->base);
        err_no_memory(err);
        return NULL;
    }
    /* For undo the source may be gone; then nothing is read from it either. */
    if (disk->source_dir && os_file_exists(disk->source_dir))
        disk->read_dirs[reads++] = disk->source_dir;
    disk->read_dirs[reads] = disk->parents;
    disk->write_dirs[writes++] = disk->image_dir;
    disk->write_dirs[writes] = disk->backup_dir;
    return &disk->base;
}

struct guest_disk *guest_disk_open_sandboxed(const char *image, const char *parents,
                                             const char *backup_dir, const char *source_dir,
                                             struct err *err)
{
    CLEANUP(free_cleanup) char *what = text_printf("reading '%s'", image);
    CLEANUP(guest_disk_cleanup) struct guest_disk *base = NULL;
    struct sandbox_options options = {
        .what = what,
        .job = &guest_job,
        .memory_bytes = MEMORY_BYTES,
    };
    struct sandboxed *disk;

    if (!what) {
        err_no_memory(err);
        return NULL;
    }
    /* What the child may name has to exist when it is confined to it. */
    if (!os_file_exists(image)) {
        err_fail(err, ERR_NOT_FOUND, 0, "there is no disk image '%s'", image);
        return NULL;
    }
    if (parents && !os_file_exists(parents)) {
        err_fail(err, ERR_NOT_FOUND, 0, "there is no folder '%s' with the disk's parents",
                 parents);
        return NULL;
    }
    if (backup_dir && !os_make_dirs(backup_dir, err))
        return NULL;
    base = make(image, parents, backup_dir, source_dir, err);
    if (!base)
        return NULL;
    disk = sandboxed_of(base);
    options.user = disk;
    options.read_dirs = disk->read_dirs;
    options.write_dirs = disk->write_dirs;
    disk->sandbox = sandbox_start(&options, err);
    return disk->sandbox ? TAKE(base) : NULL;
}
