/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's disk worked on in a process that can do nothing else.
 *
 * The disk of a guest is foreign, hostile input.  The child opens it (guest-local.c), with
 * no rights but on the image's folder, the folder of copies for undo, and reading the
 * driver's source; the parent asks for one operation at a time, in JSON over a socket.
 * A crash in the child is an error here, and what it did not commit is gone with it.
 *
 * Each operation is one row of a table: how the child does it.  Beside it stands the
 * parent's half.
 */

#include <jansson.h>
#include <string.h>

#include "guest-disk.h"
#include "os.h"
#include "sandbox.h"
#include "strbuf.h"
#include "text.h"

enum {
    STEP_TIMEOUT_MS = 10 * 60 * 1000, /* without a sign of life; progress starts it anew */
    MEMORY_BYTES = 1 << 30,
};

struct sandboxed {
    struct guest_disk base; /* first, so that the pointers convert */
    struct sandbox *sandbox;
    char *image, *backup_dir, *source_dir, *image_dir;
    const char *read_dirs[2], *write_dirs[3];
    struct guest_disk *local; /* in the child only */
};

static struct sandboxed *sandboxed_of(struct guest_disk *self)
{
    return (struct sandboxed *)self;
}

/* ---- values as JSON ---- */

static char *to_hex(const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = malloc(len * 2 + 1);

    for (size_t i = 0; hex && i < len; i++) {
        hex[i * 2] = digits[bytes[i] >> 4];
        hex[i * 2 + 1] = digits[bytes[i] & 15];
    }
    if (hex)
        hex[len * 2] = '\0';
    return hex;
}

static int nibble(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static uint8_t *from_hex(const char *hex, size_t *ret_len)
{
    size_t len = hex ? strlen(hex) / 2 : 0;
    uint8_t *bytes = hex && strlen(hex) % 2 == 0 ? malloc(len + 1) : NULL;

    for (size_t i = 0; bytes && i < len; i++) {
        int high = nibble(hex[i * 2]), low = nibble(hex[i * 2 + 1]);

        if (high < 0 || low < 0) {
            free(bytes);
            return NULL;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_len = len;
    return bytes;
}

static json_t *value_to_json(const struct hive_value *value)
{
    CLEANUP(free_cleanup) char *hex = to_hex(value->bytes, value->len);

    return hex ? json_pack("{s:I, s:s}", "type", (json_int_t)value->type, "bytes", hex)
               : NULL;
}

static bool value_from_json(const json_t *json, struct hive_value *ret)
{
    struct hive_value value = { 0 };

    value.type = (uint32_t)json_integer_value(json_object_get(json, "type"));
    value.bytes = from_hex(json_string_value(json_object_get(json, "bytes")), &value.len);
    if (!value.bytes)
        return false;
    *ret = value;
    return true;
}

static const char *text_of(const json_t *in, const char *key)
{
    const char *text = json_string_value(json_object_get(in, key));

    return text ? text : "";
}

static bool flag_of(const json_t *in, const char *key)
{
    return json_is_true(json_object_get(in, key));
}

static uint64_t number_of(const json_t *in, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(in, key));
}

static bool put(json_t *out, const char *key, json_t *value, struct err *err)
{
    return json_object_set_new(out, key, value) == 0 || err_no_memory(err);
}

/* ---- the child's half ---- */

typedef bool serve_fn(struct guest_disk *disk, const json_t *in, struct progress *progress,
                      json_t *out, struct err *err);

static bool serve_facts(struct guest_disk *disk, const json_t *in,
                        struct progress *progress, json_t *out, struct err *err)
{
    struct guest_facts facts;

    return disk->ops->facts(disk, &facts, err) &&
           put(out, "build", json_integer(facts.build), err) &&
           put(out, "architecture", json_string(facts.architecture), err) &&
           put(out, "free_bytes", json_integer((json_int_t)facts.free_bytes), err);
}

static bool serve_stat(struct guest_disk *disk, const json_t *in, struct progress *progress,
                       json_t *out, struct err *err)
{
    struct guest_file file = { 0 };

    return disk->ops->stat(disk, text_of(in, "path"), flag_of(in, "hash"), &file, err) &&
           put(out, "exists", json_boolean(file.exists), err) &&
           put(out, "is_dir", json_boolean(file.is_dir), err) &&
           put(out, "is_readonly", json_boolean(file.is_readonly), err) &&
           put(out, "size", json_integer((json_int_t)file.size), err) &&
           put(out, "mtime", json_integer(file.mtime_usec), err) &&
           put(out, "sha256", json_string(file.sha256), err);
}

static bool serve_owner(struct guest_disk *disk, const json_t *in,
                        struct progress *progress, json_t *out, struct err *err)
{
    struct guest_owner owner = { 0 };

    /* What a file says of itself is foreign text: only what JSON takes passes. */
    return disk->ops->owner(disk, text_of(in, "path"), &owner, err) &&
           put(out, "is_os_owned", json_boolean(owner.is_os_owned), err) &&
           put(out, "evidence",
               text_is_utf8(owner.evidence, strlen(owner.evidence))
                   ? json_string(owner.evidence)
                   : json_string("its company name is no text"),
               err) &&
           put(out, "has_version", json_boolean(owner.has_version), err) &&
           put(out, "version", json_integer((json_int_t)owner.version), err) &&
           put(out, "mtime", json_integer(owner.mtime_usec), err);
}

static bool list_file(const char *path, uint64_t size, const char *sha256, void *user,
                      struct err *err)
{
    return json_array_append_new(
               user, json_pack("[s, I, s]", path, (json_int_t)size, sha256)) == 0 ||
           err_no_memory(err);
}

static bool serve_list_tree(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    json_t *files = json_array();

    return put(out, "files", files, err) &&
           disk->ops->list_tree(disk, text_of(in, "path"), flag_of(in, "hash"), progress,
                                list_file, files, err);
}

static bool serve_make_dirs(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->make_dirs(disk, text_of(in, "path"), err);
}

static bool serve_copy_tree(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->copy_tree(disk, text_of(in, "source"), text_of(in, "path"),
                                number_of(in, "total"), progress, err);
}

static bool serve_copy_file(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->copy_file(disk, text_of(in, "source"), text_of(in, "path"), err);
}

static bool serve_write_file(struct guest_disk *disk, const json_t *in,
                             struct progress *progress, json_t *out, struct err *err)
{
    size_t len = 0;
    CLEANUP(free_cleanup) uint8_t *bytes = from_hex(text_of(in, "bytes"), &len);

    if (!bytes)
        return err_no_memory(err);
    return disk->ops->write_file(disk, text_of(in, "path"), bytes, len, err);
}

static bool serve_read_file(struct guest_disk *disk, const json_t *in,
                            struct progress *progress, json_t *out, struct err *err)
{
    CLEANUP(free_cleanup) char *bytes = NULL;
    CLEANUP(free_cleanup) char *hex = NULL;
    size_t len = 0;

    if (!disk->ops->read_file(disk, text_of(in, "path"), (size_t)number_of(in, "max"),
                              &bytes, &len, err))
        return false;
    hex = to_hex((const uint8_t *)bytes, len);
    return put(out, "bytes", hex ? json_string(hex) : NULL, err);
}

static bool serve_set_readonly(struct guest_disk *disk, const json_t *in,
                               struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->set_readonly(disk, text_of(in, "path"), flag_of(in, "on"),
                                   flag_of(in, "tree"), err);
}

static bool serve_rename(struct guest_disk *disk, const json_t *in,
                         struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->rename(disk, text_of(in, "from"), text_of(in, "to"), err);
}

static bool serve_remove(struct guest_disk *disk, const json_t *in,
                         struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->remove(disk, text_of(in, "path"), flag_of(in, "tree"), err);
}

static bool serve_backup(struct guest_disk *disk, const json_t *in,
                         struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->backup(disk, text_of(in, "path"), text_of(in, "name"),
                             flag_of(in, "tree"), err);
}

static bool serve_restore(struct guest_disk *disk, const json_t *in,
                          struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->restore(disk, text_of(in, "name"), text_of(in, "path"),
                              flag_of(in, "tree"), err);
}

static bool serve_reg_get(struct guest_disk *disk, const json_t *in,
                          struct progress *progress, json_t *out, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists = false, ok;

    if (!disk->ops->reg_get(disk, text_of(in, "key"), text_of(in, "name"), &exists, &value,
                            err))
        return false;
    ok = put(out, "exists", json_boolean(exists), err) &&
         (!exists || put(out, "value", value_to_json(&value), err));
    hive_value_clear(&value);
    return ok;
}

static bool serve_reg_key_exists(struct guest_disk *disk, const json_t *in,
                                 struct progress *progress, json_t *out, struct err *err)
{
    bool exists = false;

    return disk->ops->reg_key_exists(disk, text_of(in, "key"), &exists, err) &&
           put(out, "exists", json_boolean(exists), err);
}

static bool serve_hive_begin(struct guest_disk *disk, const json_t *in,
                             struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->hive_begin(disk, text_of(in, "name"), err);
}

static bool serve_reg_set(struct guest_disk *disk, const json_t *in,
                          struct progress *progress, json_t *out, struct err *err)
{
    struct hive_value value;
    bool ok;

    if (!value_from_json(json_object_get(in, "value"), &value))
        return err_no_memory(err);
    ok = disk->ops->reg_set(disk, text_of(in, "key"), text_of(in, "name"), &value, err);
    hive_value_clear(&value);
    return ok;
}

static bool serve_reg_delete(struct guest_disk *disk, const json_t *in,
                             struct progress *progress, json_t *out, struct err *err)
{
    return disk->ops->reg_delete(disk, text_of(in, "key"), text_of(in, "name"),
                                 flag_of(in, "key_too"), err);
}

static bool serve_hive_end(struct guest_disk *disk, const json_t *in,
                           struct progress *progress, json_t *out, struct err *err)
{
    char sha256[65] = "";

    return disk->ops->hive_end(disk, sha256, err) &&
           put(out, "sha256", json_string(sha256), err);
}

static bool serve_hive_restore(struct guest_disk *disk, const json_t *in,
                               struct progress *progress, json_t *out, struct err *err)
{
    bool restored = false;

    return disk->ops->hive_restore(disk, text_of(in, "name"), text_of(in, "sha256"),
                                   &restored, err) &&
           put(out, "restored", json_boolean(restored), err);
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
    { "make_dirs", serve_make_dirs },
    { "copy_tree", serve_copy_tree },
    { "copy_file", serve_copy_file },
    { "write_file", serve_write_file },
    { "read_file", serve_read_file },
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

static bool child_open(void *user, struct err *err)
{
    struct sandboxed *disk = user;

    (void)err;
    json_object_seed(0); /* reads a device, which is not allowed later */
    disk->local = NULL;  /* opened by the first request, when the door is closed */
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
    const char *name = text_of(in, "op");
    bool ok = false;

    if (!disk->local)
        disk->local = guest_disk_open_local(disk->image, disk->backup_dir, err);
    if (disk->local) {
        err_fail(err, ERR_PROTOCOL, 0, "no operation '%s' on a disk", name);
        for (size_t i = 0; i < ARRAY_LEN(operations) && !ok; i++) {
            if (strcmp(operations[i].name, name) != 0)
                continue;
            *err = ERR_INIT;
            ok = operations[i].serve(disk->local, in, progress, out, err);
            break;
        }
    }
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

/* ---- the parent's half ---- */

/* Sends @in (taken over) as operation @op.  *ret_out: owned; NULL when not wanted. */
static bool ask(struct guest_disk *self, const char *op, json_t *in,
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
    snprintf(to, size, "%s", text_of(out, key));
}

static bool sandboxed_facts(struct guest_disk *self, struct guest_facts *ret,
                            struct err *err)
{
    json_t *out;

    if (!ask(self, "facts", json_object(), NULL, &out, err))
        return false;
    *ret = (struct guest_facts){ .build = (uint32_t)number_of(out, "build"),
                                 .free_bytes = number_of(out, "free_bytes") };
    copy_text(ret->architecture, sizeof(ret->architecture), out, "architecture");
    json_decref(out);
    return true;
}

static bool sandboxed_stat(struct guest_disk *self, const char *path, bool with_hash,
                           struct guest_file *ret, struct err *err)
{
    json_t *out;

    if (!ask(self, "stat", json_pack("{s:s, s:b}", "path", path, "hash", with_hash), NULL,
             &out, err))
        return false;
    *ret = (struct guest_file){ .exists = flag_of(out, "exists"),
                                .is_dir = flag_of(out, "is_dir"),
                                .is_readonly = flag_of(out, "is_readonly"),
                                .size = number_of(out, "size"),
                                .mtime_usec = (int64_t)number_of(out, "mtime") };
    copy_text(ret->sha256, sizeof(ret->sha256), out, "sha256");
    json_decref(out);
    return true;
}

static bool sandboxed_owner(struct guest_disk *self, const char *path,
                            struct guest_owner *ret, struct err *err)
{
    json_t *out;

    if (!ask(self, "owner", json_pack("{s:s}", "path", path), NULL, &out, err))
        return false;
    *ret = (struct guest_owner){ .is_os_owned = flag_of(out, "is_os_owned"),
                                 .has_version = flag_of(out, "has_version"),
                                 .version = number_of(out, "version"),
                                 .mtime_usec = (int64_t)number_of(out, "mtime") };
    copy_text(ret->evidence, sizeof(ret->evidence), out, "evidence");
    json_decref(out);
    return true;
}

static bool sandboxed_list_tree(struct guest_disk *self, const char *path, bool with_hash,
                                struct progress *progress, guest_file_fn *on_file,
                                void *user, struct err *err)
{
    json_t *out, *file;
    bool ok = true;
    size_t i;

    if (!ask(self, "list_tree", json_pack("{s:s, s:b}", "path", path, "hash", with_hash),
             progress, &out, err))
        return false;
    json_array_foreach(json_object_get(out, "files"), i, file)
    {
        const char *name = json_string_value(json_array_get(file, 0));
        const char *sha256 = json_string_value(json_array_get(file, 2));

        ok = (name && sha256) ||
             err_fail(err, ERR_PROTOCOL, 0, "the reader of '%s' answered nonsense",
                      sandboxed_of(self)->image);
        ok = ok && on_file(name, (uint64_t)json_integer_value(json_array_get(file, 1)),
                           sha256, user, err);
        if (!ok)
            break;
    }
    json_decref(out);
    return ok;
}

static bool sandboxed_make_dirs(struct guest_disk *self, const char *path, struct err *err)
{
    return ask(self, "make_dirs", json_pack("{s:s}", "path", path), NULL, NULL, err);
}

static bool sandboxed_copy_tree(struct guest_disk *self, const char *source,
                                const char *path, uint64_t total_bytes,
                                struct progress *progress, struct err *err)
{
    return ask(self, "copy_tree",
               json_pack("{s:s, s:s, s:I}", "source", source, "path", path, "total",
                         (json_int_t)total_bytes),
               progress, NULL, err);
}

static bool sandboxed_copy_file(struct guest_disk *self, const char *source,
                                const char *path, struct err *err)
{
    return ask(self, "copy_file", json_pack("{s:s, s:s}", "source", source, "path", path),
               NULL, NULL, err);
}

static bool sandboxed_write_file(struct guest_disk *self, const char *path,
                                 const void *bytes, size_t len, struct err *err)
{
    CLEANUP(free_cleanup) char *hex = to_hex(bytes, len);

    return ask(self, "write_file",
               hex ? json_pack("{s:s, s:s}", "path", path, "bytes", hex) : NULL, NULL, NULL,
               err);
}

static bool sandboxed_read_file(struct guest_disk *self, const char *path, size_t max,
                                char **ret, size_t *ret_len, struct err *err)
{
    uint8_t *bytes;
    json_t *out;

    if (!ask(self, "read_file",
             json_pack("{s:s, s:I}", "path", path, "max", (json_int_t)max), NULL, &out,
             err))
        return false;
    bytes = from_hex(text_of(out, "bytes"), ret_len);
    json_decref(out);
    if (!bytes)
        return err_no_memory(err);
    bytes[*ret_len] = '\0';
    *ret = (char *)bytes;
    return true;
}

static bool sandboxed_set_readonly(struct guest_disk *self, const char *path, bool on,
                                   bool tree, struct err *err)
{
    return ask(self, "set_readonly",
               json_pack("{s:s, s:b, s:b}", "path", path, "on", on, "tree", tree), NULL,
               NULL, err);
}

static bool sandboxed_rename(struct guest_disk *self, const char *from, const char *to,
                             struct err *err)
{
    return ask(self, "rename", json_pack("{s:s, s:s}", "from", from, "to", to), NULL, NULL,
               err);
}

static bool sandboxed_remove(struct guest_disk *self, const char *path, bool tree,
                             struct err *err)
{
    return ask(self, "remove", json_pack("{s:s, s:b}", "path", path, "tree", tree), NULL,
               NULL, err);
}

static bool sandboxed_backup(struct guest_disk *self, const char *path,
                             const char *backup_name, bool tree, struct err *err)
{
    return ask(
        self, "backup",
        json_pack("{s:s, s:s, s:b}", "path", path, "name", backup_name, "tree", tree), NULL,
        NULL, err);
}

static bool sandboxed_restore(struct guest_disk *self, const char *backup_name,
                              const char *path, bool tree, struct err *err)
{
    return ask(
        self, "restore",
        json_pack("{s:s, s:s, s:b}", "name", backup_name, "path", path, "tree", tree), NULL,
        NULL, err);
}

static bool sandboxed_reg_get(struct guest_disk *self, const char *key, const char *name,
                              bool *ret_exists, struct hive_value *ret, struct err *err)
{
    bool ok = true;
    json_t *out;

    if (!ask(self, "reg_get", json_pack("{s:s, s:s}", "key", key, "name", name), NULL, &out,
             err))
        return false;
    *ret_exists = flag_of(out, "exists");
    if (*ret_exists)
        ok = value_from_json(json_object_get(out, "value"), ret) ||
             err_fail(err, ERR_PROTOCOL, 0, "the reader of '%s' answered nonsense",
                      sandboxed_of(self)->image);
    json_decref(out);
    return ok;
}

static bool sandboxed_reg_key_exists(struct guest_disk *self, const char *key, bool *ret,
                                     struct err *err)
{
    json_t *out;

    if (!ask(self, "reg_key_exists", json_pack("{s:s}", "key", key), NULL, &out, err))
        return false;
    *ret = flag_of(out, "exists");
    json_decref(out);
    return true;
}

static bool sandboxed_hive_begin(struct guest_disk *self, const char *backup_name,
                                 struct err *err)
{
    return ask(self, "hive_begin", json_pack("{s:s}", "name", backup_name), NULL, NULL,
               err);
}

static bool sandboxed_reg_set(struct guest_disk *self, const char *key, const char *name,
                              const struct hive_value *value, struct err *err)
{
    return ask(self, "reg_set",
               json_pack("{s:s, s:s, s:o}", "key", key, "name", name, "value",
                         value_to_json(value)),
               NULL, NULL, err);
}

static bool sandboxed_reg_delete(struct guest_disk *self, const char *key, const char *name,
                                 bool empty_key_too, struct err *err)
{
    return ask(
        self, "reg_delete",
        json_pack("{s:s, s:s, s:b}", "key", key, "name", name, "key_too", empty_key_too),
        NULL, NULL, err);
}

static bool sandboxed_hive_end(struct guest_disk *self, char ret_sha256[65],
                               struct err *err)
{
    json_t *out;

    if (!ask(self, "hive_end", json_object(), NULL, &out, err))
        return false;
    copy_text(ret_sha256, 65, out, "sha256");
    json_decref(out);
    return true;
}

static bool sandboxed_hive_restore(struct guest_disk *self, const char *backup_name,
                                   const char *sha256, bool *ret_restored, struct err *err)
{
    json_t *out;

    if (!ask(self, "hive_restore",
             json_pack("{s:s, s:s}", "name", backup_name, "sha256", sha256), NULL, &out,
             err))
        return false;
    *ret_restored = flag_of(out, "restored");
    json_decref(out);
    return true;
}

static bool sandboxed_commit(struct guest_disk *self, struct err *err)
{
    return ask(self, "commit", json_object(), NULL, NULL, err);
}

static void sandboxed_close(struct guest_disk *self)
{
    struct sandboxed *disk = sandboxed_of(self);

    sandbox_stop(disk->sandbox);
    free(disk->image);
    free(disk->backup_dir);
    free(disk->source_dir);
    free(disk->image_dir);
    free(disk);
}

static const struct guest_disk_ops sandboxed_ops = {
    .name = "local",
    .facts = sandboxed_facts,
    .stat = sandboxed_stat,
    .owner = sandboxed_owner,
    .list_tree = sandboxed_list_tree,
    .make_dirs = sandboxed_make_dirs,
    .copy_tree = sandboxed_copy_tree,
    .copy_file = sandboxed_copy_file,
    .write_file = sandboxed_write_file,
    .read_file = sandboxed_read_file,
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

static struct guest_disk *make(const char *image, const char *backup_dir,
                               const char *source_dir, struct err *err)
{
    struct sandboxed *disk = calloc(1, sizeof(*disk));
    size_t writes = 0;

    if (!disk) {
        err_no_memory(err);
        return NULL;
    }
    disk->base.ops = &sandboxed_ops;
    disk->image = text_dup(image);
    disk->image_dir = folder_of(image);
    disk->backup_dir = text_dup(backup_dir);
    disk->source_dir = text_dup(source_dir);
    if (!disk->image || !disk->image_dir || (backup_dir && !disk->backup_dir) ||
        (source_dir && !disk->source_dir)) {
        guest_disk_close(&disk->base);
        err_no_memory(err);
        return NULL;
    }
    /* For undo the source may be gone; then nothing is read from it either. */
    if (disk->source_dir && os_file_exists(disk->source_dir))
        disk->read_dirs[0] = disk->source_dir;
    disk->write_dirs[writes++] = disk->image_dir;
    disk->write_dirs[writes] = disk->backup_dir;
    return &disk->base;
}

struct guest_disk *guest_disk_open_sandboxed(const char *image, const char *backup_dir,
                                             const char *source_dir, struct err *err)
{
    CLEANUP(free_cleanup) char *what = text_printf("reading '%s'", image);
    CLEANUP(guest_disk_cleanup) struct guest_disk *base = NULL;
    struct sandbox_options options = {
        .what = what,
        .open = child_open,
        .serve = child_serve,
        .close = child_close,
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
    if (backup_dir && !os_make_dirs(backup_dir, err))
        return NULL;
    base = make(image, backup_dir, source_dir, err);
    if (!base)
        return NULL;
    disk = sandboxed_of(base);
    options.user = disk;
    options.read_dirs = disk->read_dirs;
    options.write_dirs = disk->write_dirs;
    disk->sandbox = sandbox_start(&options, err);
    return disk->sandbox ? TAKE(base) : NULL;
}
