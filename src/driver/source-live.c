/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Windows of a running host: its registry through StdRegProv, its files through its
 * own tools over WinRS.  Nothing is changed on it.
 *
 * The hive DRIVERS is not loaded on a running Windows, so it does not tell there.
 */

#include <string.h>

#include "file-version.h"
#include "remote-registry.h"
#include "remote-shell.h"
#include "text.h"
#include "win-path.h"

struct live_source {
    struct windows_source base;
    struct cim_session *session; /* lent */
    struct remote_reg_known known;
    char *read_path, *read_text; /* the text that was read last */
    size_t read_len;
};

static struct cim_session *session_of(struct windows_source *source)
{
    return ((struct live_source *)source)->session;
}

static bool live_get(struct windows_source *self, const char *key, const char *name,
                     bool *ret_exists, struct hive_value *ret, struct err *err)
{
    struct live_source *live = (struct live_source *)self;

    return remote_reg_get_known(live->session, &live->known, key, name, ret_exists, ret,
                                err);
}

static bool live_reg_list(struct windows_source *self, const char *key, bool values,
                          char ***ret_names, size_t *ret_count, struct err *err)
{
    struct live_source *live = (struct live_source *)self;

    return remote_reg_list_known(live->session, &live->known, key, values, ret_names,
                                 ret_count, NULL, err);
}

static char *live_locate(struct windows_source *self, const char *path, struct err *err)
{
    char *all = win_path_join(self->system_root, path);

    if (!all)
        err_no_memory(err);
    return all;
}

static bool live_list(struct windows_source *self, const char *path, const char *suffix,
                      unsigned levels, struct source_file **ret_files, size_t *ret_count,
                      struct err *err)
{
    CLEANUP(free_cleanup) char *folder = live_locate(self, path, err);
    CLEANUP(free_cleanup) char *pattern = text_printf("*%s", suffix ? suffix : "");
    bool found;

    if (!folder)
        return false;
    if (!pattern)
        return err_no_memory(err);
    if (!shell_list(session_of(self), folder, pattern, levels, &found, ret_files, ret_count,
                    err))
        return false;
    return found || err_fail(err, ERR_NOT_FOUND, 0, "no folder '%s' on the host", folder);
}

static void forget_text(struct live_source *live)
{
    free(TAKE(live->read_path));
    free(TAKE(live->read_text));
}

static bool need_text(struct live_source *live, const char *file, size_t max,
                      struct err *err)
{
    if (text_ieq(live->read_path, file) && live->read_len <= max)
        return true;
    forget_text(live);
    if (!shell_read_text(live->session, file, max, &live->read_text, &live->read_len, err))
        return false;
    live->read_path = text_dup(file);
    return live->read_path || err_no_memory(err);
}

/* Text files only, which is all that is read: an INF first for what it is, then for what it
 * installs. */
static bool live_read(struct windows_source *self, const char *path, size_t max, char **ret,
                      size_t *ret_len, struct err *err)
{
    CLEANUP(free_cleanup) char *file = live_locate(self, path, err);

    struct live_source *live = (struct live_source *)self;

    if (!file || !need_text(live, file, max, err))
        return false;
    *ret_len = live->read_len;
    *ret = malloc(live->read_len + 1);
    if (!*ret)
        return err_no_memory(err);
    memcpy(*ret, live->read_text, live->read_len);
    (*ret)[live->read_len] = '\0';
    return true;
}

static bool live_hash_tree(struct windows_source *self, const char *path, hash_fn *on_hash,
                           void *user, struct err *err)
{
    CLEANUP(free_cleanup) char *full = live_locate(self, path, err);
    struct source_file *files = NULL;
    size_t count = 0;
    bool found = false, ok;

    if (!full || !shell_list(session_of(self), full, "*", 0, &found, &files, &count, err))
        return false;
    ok = found || err_fail(err, ERR_NOT_FOUND, 0, "no '%s' on the host", full);
    ok = ok && shell_hash_files(session_of(self), full, files, count, self->progress,
                                "reading the host's driver", err);
    for (size_t i = 0; ok && i < count; i++)
        ok = on_hash(files[i].path, files[i].size, files[i].sha256, user, err);
    source_files_free(files, count);
    return ok;
}

static bool live_hash_files(struct windows_source *self, struct source_file *files,
                            size_t count, struct err *err)
{
    return shell_hash_files(session_of(self), self->system_root, files, count,
                            self->progress, "reading the host's driver", err);
}

static bool live_version(struct windows_source *self, const char *path,
                         struct file_version *ret, bool *ret_told, struct err *err)
{
    CLEANUP(free_cleanup) char *full = live_locate(self, path, err);

    struct shell_stat there;

    if (!full || !shell_stat(session_of(self), full, &there, err))
        return false;
    *ret_told = there.exists;
    *ret =
        (struct file_version){ .has_version = there.has_version, .version = there.version };
    memcpy(ret->company, there.company, sizeof(ret->company));
    return true;
}

static void live_free(struct windows_source *self)
{
    struct live_source *live = (struct live_source *)self;

    remote_reg_forget(&live->known);
    forget_text(live);
    free(self->system_root);
    free(self);
}

static const struct windows_source_ops live_ops = {
    .name = "live",
    .reg_get = live_get,
    .reg_list = live_reg_list,
    .list = live_list,
    .locate = live_locate,
    .read = live_read,
    .hash_tree = live_hash_tree,
    .hash_files = live_hash_files,
    .version = live_version,
    .release = live_free,
};

DEFINE_CLEANUP(live_cleanup, struct windows_source *, windows_source_free)

struct windows_source *windows_source_live(struct cim_session *session, struct err *err)
{
    CLEANUP(live_cleanup) struct windows_source *source = NULL;
    struct live_source *live = calloc(1, sizeof(*live));

    if (!live) {
        err_no_memory(err);
        return NULL;
    }
    live->session = session;
    source = &live->base;
    source->ops = &live_ops;
    source->is_remote = true;
    if (!source_text(source, "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
                     "SystemRoot", &source->system_root, err)) {
        err_wrap(err, "reading the host's registry");
        return NULL;
    }
    if (!source->system_root || !win_path_is_absolute(source->system_root)) {
        err_fail(err, ERR_PROTOCOL, 0, "the host does not tell where its Windows is");
        return NULL;
    }
    return TAKE(source);
}
