/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's disk that is mounted on a host: files, through the host's own tools.
 *
 * Every change is durable when its command ends, so each function leaves either the old
 * or the new state, or something that its step's probe tells from both.
 */

#include "guest-remote.h"

#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "progress.h"
#include "remote-shell.h"
#include "json-confined.h"
#include "text.h"
#include "win-path.h"

enum { COPY_MS = 60 * 60 * 1000, ENCODE_LINE = 48, COMMAND_ROOM = 7000 };

char *remote_path(struct remote_disk *remote, const char *path, struct err *err)
{
    char *full = win_path_join(remote->windows, path);

    if (!full)
        err_no_memory(err);
    return full;
}

char *remote_backup_path(struct remote_disk *remote, const char *name, struct err *err)
{
    char *full = win_path_join(remote->backup_dir, name);

    if (!full)
        err_no_memory(err);
    return full;
}

static struct shell_run changing(struct remote_disk *remote)
{
    return (struct shell_run){ .session = remote->session };
}

bool remote_exists(struct remote_disk *remote, const char *path, bool *ret, struct err *err)
{
    struct shell_stat there;

    if (!shell_stat(remote->session, path, &there, err))
        return false;
    *ret = there.exists;
    return true;
}

bool remote_make_folder(struct remote_disk *remote, const char *folder, bool reads_only,
                        struct err *err)
{
    struct shell_run run = changing(remote);
    bool exists;

    run.reads_only = reads_only;
    if (!shell_has_folder(remote->session, folder, &exists, err))
        return false;
    return exists || shell_run(&run, 0, err, "mkdir %p", folder) ||
           err_wrap(err, "making '%s' on the host", folder);
}

/* del and rd tell little by their exit codes: what is still there was not removed. */
static bool check_gone(struct remote_disk *remote, const char *path, struct err *err)
{
    bool exists;

    if (!remote_exists(remote, path, &exists, err))
        return false;
    return !exists || err_fail(err, ERR_REFUSED, 0, "the host does not remove '%s'", path);
}

static bool check_folder_gone(struct remote_disk *remote, const char *path, struct err *err)
{
    bool exists;

    if (!shell_has_folder(remote->session, path, &exists, err))
        return false;
    return !exists || err_fail(err, ERR_REFUSED, 0, "the host does not remove '%s'", path);
}

bool remote_drop_folder(struct remote_disk *remote, const char *folder, struct err *err)
{
    struct shell_run run = { .session = remote->session, .reads_only = true };

    return shell_run(&run, UINT32_MAX, err, "rd /s /q %p", folder) &&
           check_folder_gone(remote, folder, err);
}

bool remote_remove_folder(struct remote_disk *remote, const char *folder, bool reads_only,
                          struct err *err)
{
    CLEANUP(free_cleanup) char *all = win_path_join(folder, "*");
    struct shell_run run = changing(remote);
    bool exists;

    run.reads_only = reads_only;
    if (!all)
        return err_no_memory(err);
    if (!shell_has_folder(remote->session, folder, &exists, err))
        return false;
    if (!exists)
        return true;
    return shell_run(&run, UINT32_MAX, err, "attrib -r %p /s&rd /s /q %p", all, folder) &&
           check_folder_gone(remote, folder, err);
}

/* ---- reading ---- */

static bool remote_stat(struct guest_disk *self, const char *path, bool with_hash,
                        struct guest_file *ret, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    struct shell_stat there;

    *ret = (struct guest_file){ 0 };
    if (!full || !shell_stat(remote->session, full, &there, err))
        return false;
    ret->exists = there.exists;
    if (!there.exists)
        return true;
    ret->is_readonly = there.readonly;
    ret->is_dir = there.is_dir;
    ret->size = there.size;
    ret->mtime_usec = there.mtime_usec;
    if (!with_hash || ret->is_dir)
        return true;
    if (ret->size == 0) {
        hash_bytes("", 0, ret->sha256);
        return true;
    }
    return shell_hash(remote->session, full, ret->sha256, err);
}

static bool count_line(const char *line, void *user, struct err *err)
{
    *(unsigned *)user += line[strspn(line, " \t")] != '\0';
    return true;
}

static bool remote_owner(struct guest_disk *self, const char *path, struct guest_owner *ret,
                         struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    struct shell_stat there;
    unsigned links = 0;
    struct shell_run run = { .session = remote->session,
                             .reads_only = true,
                             .on_line = count_line,
                             .user = &links };

    *ret = (struct guest_owner){ .is_os_owned = true };
    if (!full)
        return false;
    snprintf(ret->evidence, sizeof(ret->evidence), "it cannot be told whose it is");
    if (!shell_run(&run, 0, err, "fsutil hardlink list %p", full)) {
        if (err->kind != ERR_REFUSED)
            return false;
        *err = ERR_INIT;
        return true;
    }
    if (links > 1) {
        snprintf(ret->evidence, sizeof(ret->evidence), "it has %u links, one is in WinSxS",
                 links);
        return true;
    }
    if (!shell_stat(remote->session, full, &there, err))
        return false;
    if (!there.exists)
        return true;
    if (text_istarts(there.company, "Microsoft")) {
        snprintf(ret->evidence, sizeof(ret->evidence), "it is of %.60s", there.company);
        return true;
    }
    *ret = (struct guest_owner){ .has_version = there.has_version,
                                 .version = there.version,
                                 .mtime_usec = there.mtime_usec };
    return true;
}

static bool remote_list_tree(struct guest_disk *self, const char *path, bool with_hash,
                             struct progress *progress, guest_file_fn *on_file, void *user,
                             struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    struct source_file *files = NULL;
    size_t count = 0;
    bool found, ok;

    if (!full || !shell_list(remote->session, full, "*", 0, &found, &files, &count, err))
        return false;
    ok = !with_hash || count == 0 ||
         shell_hash_files(remote->session, full, files, count, progress, "verifying", err);
    for (size_t i = 0; ok && i < count; i++)
        ok = on_file(&(struct guest_entry){ .path = files[i].path,
                                            .size = files[i].size,
                                            .mtime_usec = files[i].mtime_usec,
                                            .sha256 = files[i].sha256 },
                     user, err);
    source_files_free(files, count);
    return ok;
}

static bool remote_read_json(struct guest_disk *self, const char *path, size_t max,
                             json_t **ret, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    CLEANUP(free_cleanup) char *text = NULL;
    size_t len = 0;

    *ret = NULL;
    if (full && shell_read_text(remote->session, full, max, &text, &len, err))
        *ret = json_parse_confined(text, len, path, err);
    return *ret != NULL;
}

/* ---- writing ---- */

static bool remote_make_dirs(struct guest_disk *self, const char *path, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);

    return full && remote_make_folder(remote, full, false, err);
}

struct copying {
    struct progress *progress;
    uint64_t done, total;
};

static bool copy_line(const char *line, void *user, struct err *err)
{
    struct copying *copying = user;
    struct shell_file file;

    if (!shell_parse_file(line, &file))
        return true;
    copying->done += file.size;
    return progress_report(copying->progress, win_path_base(file.path), PROGRESS_BYTES,
                           copying->done, copying->total, err);
}

static bool remote_copy_tree(struct guest_disk *self, const char *source, const char *path,
                             uint64_t total_bytes, struct progress *progress,
                             struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    struct copying copying = { .progress = progress, .total = total_bytes };
    struct shell_run run = { .session = remote->session,
                             .timeout_ms = COPY_MS,
                             .on_line = copy_line,
                             .user = &copying };

    return full &&
           (shell_run(&run, ROBOCOPY_OK, err,
                      "robocopy %p %p /E /COPY:DAT /A-:R " ROBOCOPY_QUIET, source, full) ||
            err_wrap(err, "copying '%s' on the host", source));
}

static bool copy_over(struct remote_disk *remote, const char *from, const char *to,
                      struct err *err)
{
    struct shell_run run = changing(remote);

    return shell_run(&run, 0, err, "copy /b /y %p %p", from, to) ||
           err_wrap(err, "copying '%s' on the host", from);
}

static bool remote_copy_file(struct guest_disk *self, const char *source, const char *path,
                             char ret_sha256[65], struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);

    return full && shell_copy_file(remote->session, source, full, ret_sha256, err);
}

static void encode(struct strbuf *to, const uint8_t *bytes, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t n = (uint32_t)bytes[i] << 16 |
                     (i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (i + 2 < len ? bytes[i + 2] : 0);

        strbuf_putc(to, digits[n >> 18]);
        strbuf_putc(to, digits[n >> 12 & 63]);
        strbuf_putc(to, i + 1 < len ? digits[n >> 6 & 63] : '=');
        strbuf_putc(to, i + 2 < len ? digits[n & 63] : '=');
    }
}

/* Sends @bytes as lines of base64 into the file "send.txt" of the backup folder.  No tool
 * of Windows takes bytes from a command line; certutil undoes this text form. */
static bool send_encoded(struct remote_disk *remote, const uint8_t *bytes, size_t len,
                         struct err *err)
{
    struct shell_run run = changing(remote);
    bool first = true;

    for (size_t at = 0; at < len || first; first = false) {
        CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;

        strbuf_puts(&line, "cd /d %p");
        if (first)
            strbuf_puts(&line, "&>send.txt echo -----BEGIN CERTIFICATE-----");
        while (at < len && line.len < COMMAND_ROOM) {
            size_t part = len - at < ENCODE_LINE ? len - at : ENCODE_LINE;

            strbuf_puts(&line, "&>>send.txt echo ");
            encode(&line, bytes + at, part);
            at += part;
        }
        if (at == len)
            strbuf_puts(&line, "&>>send.txt echo -----END CERTIFICATE-----");
        if (line.failed)
            return err_no_memory(err);
        /* Base64 has no percent sign: the text is its own format. */
        if (!shell_run(&run, 0, err, line.text, remote->backup_dir))
            return err_wrap(err, "sending a file to the host");
    }
    return true;
}

static bool remote_write_file(struct guest_disk *self, const char *path, const void *bytes,
                              size_t len, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    CLEANUP(free_cleanup) char *text = remote_backup_path(remote, "send.txt", err);
    CLEANUP(free_cleanup) char *made = remote_backup_path(remote, "send.bin", err);
    struct shell_run run = changing(remote);
    char want[65], got[65];

    if (!full || !text || !made)
        return false;
    hash_bytes(bytes, len, want);
    if (!remote_make_folder(remote, remote->backup_dir, false, err) ||
        !send_encoded(remote, bytes, len, err) ||
        !shell_run(&run, 0, err, "certutil -f -decode %p %p", text, made) ||
        !copy_over(remote, made, full, err) ||
        !shell_run(&run, UINT32_MAX, err, "del /f /q %p %p", text, made) ||
        !shell_hash(remote->session, full, got, err))
        return false;
    return strcmp(want, got) == 0 ||
           err_fail(err, ERR_PROTOCOL, 0, "'%s' did not arrive as it was sent", path);
}

static bool remote_set_readonly(struct guest_disk *self, const char *path, bool on,
                                bool tree, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    CLEANUP(free_cleanup) char *all = full ? win_path_join(full, "*") : NULL;
    struct shell_run run = changing(remote);

    if (!full)
        return false;
    if (!all)
        return err_no_memory(err);
    if (tree)
        return shell_run(&run, 0, err, on ? "attrib +r %p /s" : "attrib -r %p /s", all);
    return shell_run(&run, 0, err, on ? "attrib +r %p" : "attrib -r %p", full);
}

static bool remote_rename(struct guest_disk *self, const char *from, const char *to,
                          struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, from, err);
    struct shell_run run = changing(remote);

    return full && (shell_run(&run, 0, err, "ren %p %p", full, win_path_base(to)) ||
                    err_wrap(err, "renaming '%s'", from));
}

static bool is_empty(struct remote_disk *remote, const char *full, bool *ret,
                     struct err *err)
{
    unsigned entries = 0;
    struct shell_run run = { .session = remote->session,
                             .reads_only = true,
                             .on_line = count_line,
                             .user = &entries };

    /* /b: names only, nothing that follows the host's language; an error when empty. */
    if (!shell_run(&run, UINT32_MAX, err, "dir /b /a %p", full))
        return false;
    *ret = entries == 0;
    return true;
}

static bool remote_remove(struct guest_disk *self, const char *path, bool tree,
                          struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    struct shell_run run = changing(remote);
    struct guest_file file;
    bool empty;

    if (!full || !remote_stat(self, path, false, &file, err))
        return false;
    if (!file.exists)
        return true;
    if (!file.is_dir)
        return shell_run(&run, UINT32_MAX, err, "del /f /q /a %p", full) &&
               check_gone(remote, full, err);
    if (tree)
        return remote_remove_folder(remote, full, false, err);
    if (!is_empty(remote, full, &empty, err))
        return false;
    if (!empty)
        return err_fail(err, ERR_CONFLICT, 0, "folder '%s' is not empty", full);
    return shell_run(&run, UINT32_MAX, err, "rd %p", full) &&
           check_folder_gone(remote, full, err);
}

/* ---- copies for undo ---- */

static bool remote_backup(struct guest_disk *self, const char *path,
                          const char *backup_name, bool tree, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    CLEANUP(free_cleanup) char *parent = full ? win_path_parent(full) : NULL;
    CLEANUP(free_cleanup) char *to = remote_backup_path(remote, backup_name, err);
    CLEANUP(free_cleanup) char *half = to ? text_printf("%s.partial", to) : NULL;
    struct shell_run run = changing(remote);
    bool kept;

    if (!full || !to)
        return false;
    if (!parent || !half)
        return err_no_memory(err);
    if (!remote_exists(remote, to, &kept, err))
        return false;
    if (kept)
        return true; /* the first copy is the one from before */
    run.timeout_ms = COPY_MS;
    if (!remote_remove_folder(remote, half, false, err) ||
        !remote_make_folder(remote, half, false, err))
        return false;
    if (tree ? !shell_run(&run, ROBOCOPY_OK, err,
                          "robocopy %p %p /E /COPY:DAT " ROBOCOPY_QUIET, full, half)
             : !shell_run(&run, ROBOCOPY_OK, err,
                          "robocopy %p %p %p /COPY:DAT " ROBOCOPY_QUIET, parent, half,
                          win_path_base(full)))
        return err_wrap(err, "keeping a copy of '%s'", path);
    return shell_run(&run, 0, err, "ren %p %p", half, backup_name);
}

/* A file comes back under the name it had; @path may be another one beside it. */
static bool restore_file(struct remote_disk *remote, const char *from, const char *full,
                         struct err *err)
{
    struct source_file *files = NULL;
    size_t count = 0;
    CLEANUP(free_cleanup) char *kept = NULL;
    CLEANUP(free_cleanup) char *set = NULL;
    struct shell_stat was;
    struct shell_run run = changing(remote);
    bool found;

    if (!shell_list(remote->session, from, "*", 1, &found, &files, &count, err))
        return false;
    if (count == 1)
        kept = win_path_join(from, files[0].path);
    source_files_free(files, count);
    if (!kept)
        return err_fail(err, ERR_PROTOCOL, 0, "the copy in '%s' is damaged", from);
    if (!shell_stat(remote->session, kept, &was, err) ||
        !copy_over(remote, kept, full, err))
        return false;
    set = text_printf("attrib %cr %cs %ch %ca %%p", was.readonly ? '+' : '-',
                      was.system ? '+' : '-', was.hidden ? '+' : '-',
                      was.archive ? '+' : '-');
    return set ? shell_run(&run, 0, err, set, full) : err_no_memory(err);
}

static bool remote_restore(struct guest_disk *self, const char *backup_name,
                           const char *path, bool tree, struct err *err)
{
    struct remote_disk *remote = remote_of(self);
    CLEANUP(free_cleanup) char *full = remote_path(remote, path, err);
    CLEANUP(free_cleanup) char *from = remote_backup_path(remote, backup_name, err);
    struct shell_run run = changing(remote);
    bool ok;

    if (!full || !from)
        return false;
    run.timeout_ms = COPY_MS;
    ok = tree ? shell_run(&run, ROBOCOPY_OK, err,
                          "robocopy %p %p /E /COPY:DAT " ROBOCOPY_QUIET, from, full)
              : restore_file(remote, from, full, err);
    return ok || err_wrap(err, "bringing '%s' back", path);
}

static bool remote_commit(struct guest_disk *self, struct err *err)
{
    return remote_hive_close(remote_of(self), err);
}

static void remote_close(struct guest_disk *self)
{
    struct remote_disk *remote = remote_of(self);
    struct err ignored = ERR_INIT;

    /* What cannot be unloaded now, the next run that opens this guest unloads. */
    if (!remote_hive_close(remote, &ignored))
        remote->read_loaded = remote->edit_loaded = false;
    free(remote->windows);
    free(remote->backup_dir);
    free(remote->control_set);
    remote_reg_forget(&remote->known);
    free(remote);
}

static const struct guest_disk_ops remote_ops = {
    .name = "remote",
    .facts = remote_facts,
    .stat = remote_stat,
    .stat_files = remote_stat_files,
    .owner = remote_owner,
    .list_tree = remote_list_tree,
    .make_dirs = remote_make_dirs,
    .copy_tree = remote_copy_tree,
    .copy_file = remote_copy_file,
    .write_file = remote_write_file,
    .read_json = remote_read_json,
    .set_readonly = remote_set_readonly,
    .rename = remote_rename,
    .remove = remote_remove,
    .backup = remote_backup,
    .restore = remote_restore,
    .reg_get = remote_reg_read,
    .reg_key_exists = remote_reg_has_key,
    .hive_begin = remote_hive_begin,
    .reg_set = remote_reg_write,
    .reg_delete = remote_reg_remove,
    .hive_end = remote_hive_end,
    .hive_restore = remote_hive_restore,
    .commit = remote_commit,
    .close = remote_close,
};

struct guest_disk *guest_disk_open_remote(struct cim_session *session, const char *windows,
                                          const char *backup_dir, struct err *err)
{
    CLEANUP(guest_disk_cleanup) struct guest_disk *disk = NULL;
    struct remote_disk *remote = calloc(1, sizeof(*remote));
    CLEANUP(free_cleanup) char *low = text_dup(windows);
    char sha256[SHA256_HEX];

    if (!remote || !low) {
        free(remote);
        err_no_memory(err);
        return NULL;
    }
    disk = &remote->base;
    disk->ops = &remote_ops;
    remote->session = session;
    remote->windows = text_dup(windows);
    remote->backup_dir = text_dup(backup_dir);
    if (!remote->windows || !remote->backup_dir) {
        err_no_memory(err);
        return NULL;
    }
    if (!win_path_is_absolute(windows) || !win_path_is_absolute(backup_dir)) {
        err_fail(err, ERR_INVALID, 0, "'%s' is no folder on the host", windows);
        return NULL;
    }
    text_lower(low);
    hash_bytes(low, strlen(low), sha256);
    snprintf(remote->id, sizeof(remote->id), "%.8s", sha256);
    return TAKE(disk);
}

bool guest_disk_clean_remote(struct cim_session *session, const char *windows,
                             const char *backup_dir, struct err *err)
{
    CLEANUP(guest_disk_cleanup)
    struct guest_disk *disk = guest_disk_open_remote(session, windows, backup_dir, err);

    return disk && remote_hive_close(remote_of(disk), err);
}
