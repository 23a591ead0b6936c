/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folders, files and locks, on POSIX systems. */

#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "descriptor-posix.h"
#include "err.h"
#include "os-shared.h"
#include "strbuf.h"
#include "text.h"

/* ---- folders ---- */

static char *user_dir(const char *variable, const char *below_home, struct err *err)
{
    const char *base = getenv(variable);
    const char *home;
    char *path;

    /* The XDG specification: a relative path is invalid and is ignored. */
    if (base && base[0] == '/') {
        path = text_printf("%s/hvgpu", base);
    } else {
        home = getenv("HOME");
        if (!home || home[0] != '/') {
            struct passwd *user = getpwuid(getuid());

            home = user ? user->pw_dir : NULL;
        }
        if (!home) {
            err_fail(err, ERR_SYSTEM, 0, "this user has no home folder");
            err_hint(err, "set %s to a folder for hvgpu to use", variable);
            return NULL;
        }
        path = text_printf("%s/%s/hvgpu", home, below_home);
    }
    if (!path)
        err_no_memory(err);
    return path;
}

char *os_state_dir(struct err *err)
{
    CLEANUP(free_cleanup) char *path = user_dir("XDG_STATE_HOME", ".local/state", err);

    if (!path || !os_make_dirs(path, err))
        return NULL;
    return TAKE(path);
}

char *os_config_dir(struct err *err)
{
    return user_dir("XDG_CONFIG_HOME", ".config", err);
}

char *os_data_file(const char *name)
{
    const char *const roots[] = { getenv("HVGPU_DATA_DIR"), HVGPU_DATA_DIR };

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        char *path;

        if (!roots[i] || !*roots[i])
            continue;
        path = text_printf("%s/%s", roots[i], name);
        if (path && os_file_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

bool os_make_dirs(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) char *copy = text_dup(path);

    if (!copy)
        return err_no_memory(err);
    for (char *at = copy + 1; at[-1]; at++) {
        char c = *at;

        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            return err_errno(err, errno, "cannot make folder '%s'", copy);
        *at = c;
        if (!c)
            break;
    }
    return true;
}

/* ---- files ---- */

bool os_file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static void fd_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

char *os_read_file(const char *path, size_t max, size_t *ret_len, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT;
    char piece[16384];
    char *text;

    if (fd < 0) {
        err_errno(err, errno, "cannot open '%s'", path);
        if (err->code == ENOENT)
            err->kind = ERR_NOT_FOUND;
        else if (err->code == EACCES)
            err->kind = ERR_DENIED;
        return NULL;
    }
    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(err, errno, "cannot read '%s'", path);
            return NULL;
        }
        if (n == 0)
            break;
        strbuf_add(&buf, piece, (size_t)n);
        if (buf.len > max) {
            err_fail(err, ERR_INVALID, 0, "'%s' is larger than %zu bytes", path, max);
            return NULL;
        }
    }
    if (ret_len)
        *ret_len = buf.len;
    text = strbuf_take(&buf);
    if (!text)
        err_no_memory(err);
    return text;
}

bool descriptor_write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool sync_folder_of(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free_cleanup)
    char *dir =
        slash ? text_ndup(path, slash == path ? 1 : (size_t)(slash - path)) : text_dup(".");
    CLEANUP(fd_cleanup) int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0 || fsync(fd) != 0)
        return err_errno(err, errno, "cannot flush the folder of '%s'", path);
    return true;
}

bool os_write_file(const char *path, const void *bytes, size_t len, struct err *err)
{
    CLEANUP(free_cleanup) char *temporary = text_printf("%s.XXXXXX", path);
    CLEANUP(fd_cleanup) int fd = -1;

    if (!temporary)
        return err_no_memory(err);
    fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return err_errno(err, errno, "cannot write '%s'", path);
    if (!descriptor_write_all(fd, bytes, len) || fsync(fd) != 0 ||
        rename(temporary, path) != 0) {
        int code = errno;

        unlink(temporary);
        return err_errno(err, code, "cannot write '%s'", path);
    }
    return sync_folder_of(path, err);
}

bool os_remove_file(const char *path, struct err *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return err_errno(err, errno, "cannot remove '%s'", path);
    return true;
}

static bool remove_entry(const struct os_entry *entry, void *user, struct err *err)
{
    CLEANUP(free_cleanup)
    char *path = text_printf("%s/%s", (const char *)user, entry->name);

    if (!path)
        return err_no_memory(err);
    return entry->is_dir ? os_remove_tree(path, err) : os_remove_file(path, err);
}

bool os_remove_tree(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? true : err_errno(err, errno, "cannot remove '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return os_remove_file(path, err);
    if (!os_list_dir(path, remove_entry, (void *)path, err))
        return false;
    if (rmdir(path) != 0 && errno != ENOENT)
        return err_errno(err, errno, "cannot remove folder '%s'", path);
    return true;
}

/* ---- large files ---- */

struct os_file {
    int fd;
    uint64_t size;
    char *path;
};

static struct os_file *file_of(int fd, const char *path, struct err *err)
{
    CLEANUP(os_file_cleanup) struct os_file *file = NULL;
    struct stat st;

    if (fd < 0) {
        int code = errno;

        if (code == ELOOP)
            err_fail(err, ERR_INVALID, code, "'%s' is a link, not a file", path);
        else
            err_errno(err, code, "cannot open '%s'", path);
        if (code == ENOENT)
            err->kind = ERR_NOT_FOUND;
        return NULL;
    }
    file = calloc(1, sizeof(*file));
    if (!file) {
        close(fd);
        err_no_memory(err);
        return NULL;
    }
    file->fd = fd;
    file->path = text_dup(path);
    if (!file->path) {
        err_no_memory(err);
        return NULL;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_fail(err, ERR_INVALID, 0, "'%s' is not a file", path);
        return NULL;
    }
    file->size = (uint64_t)st.st_size;
    return TAKE(file);
}

struct os_file *os_file_open(const char *path, struct err *err)
{
    return file_of(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), path, err);
}

struct os_file *os_file_create(const char *path, struct err *err)
{
    return file_of(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
                   path, err);
}

uint64_t os_file_size(const struct os_file *file)
{
    return file->size;
}

int os_file_descriptor(const struct os_file *file)
{
    return file->fd;
}

bool os_file_read(struct os_file *file, void *to, size_t len, size_t *ret_len,
                  struct err *err)
{
    ssize_t got;

    do
        got = read(file->fd, to, len);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(err, errno, "cannot read '%s'", file->path);
    *ret_len = (size_t)got;
    return true;
}

bool os_file_write(struct os_file *file, const void *from, size_t len, struct err *err)
{
    return descriptor_write_all(file->fd, from, len) ||
           err_errno(err, errno, "cannot write '%s'", file->path);
}

bool os_file_sync(struct os_file *file, struct err *err)
{
    return fdatasync(file->fd) == 0 ||
           err_errno(err, errno, "cannot write '%s'", file->path);
}

void os_file_close(struct os_file *file)
{
    if (!file)
        return;
    close(file->fd);
    free(file->path);
    free(file);
}

char *os_absolute_path(const char *path, struct err *err)
{
    char *absolute = realpath(path, NULL);

    if (!absolute) {
        int code = errno;

        err_errno(err, code, "cannot find '%s'", path);
        if (code == ENOENT)
            err->kind = ERR_NOT_FOUND;
    }
    return absolute;
}

bool os_is_private_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & 077) == 0;
}

void os_private_command(const char *path, char *ret, size_t size)
{
    snprintf(ret, size, "chmod 600 '%s'", path);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int64_t usec_since_1601(const struct timespec *t)
{
    return ((int64_t)t->tv_sec + SECONDS_1601_TO_1970) * 1000000 + t->tv_nsec / 1000;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool os_look(const char *path, struct os_entry *ret)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return false;
    *ret = (struct os_entry){ .name = last_name(path), .is_dir = S_ISDIR(st.st_mode) };
    ret->is_special = !ret->is_dir && !S_ISREG(st.st_mode);
    ret->size = ret->is_dir ? 0 : (uint64_t)st.st_size;
    ret->mtime_usec = usec_since_1601(&st.st_mtim);
    return true;
}

bool os_list_dir(const char *path,
                 bool (*on_entry)(const struct os_entry *entry, void *user,
                                  struct err *err),
                 void *user, struct err *err)
{
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, by_name);
    bool ok = true;

    if (count < 0) {
        err_errno(err, errno, "cannot list '%s'", path);
        if (err->code == ENOENT)
            err->kind = ERR_NOT_FOUND;
        return false;
    }
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        CLEANUP(free_cleanup) char *full = text_printf("%s/%s", path, name);
        struct os_entry entry;

        if (ok && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && full &&
            os_look(full, &entry))
            ok = on_entry(&entry, user, err);
        free(names[i]);
    }
    free(names);
    return ok;
}

/* ---- locks ---- */

struct os_lock {
    int fd;
};

struct os_lock *os_lock_take(const char *path, unsigned wait_ms, struct err *err)
{
    uint64_t until = os_monotonic_ms() + wait_ms;
    CLEANUP(fd_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct os_lock *lock;

    if (fd < 0) {
        err_errno(err, errno, "cannot open the lock '%s'", path);
        return NULL;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            err_errno(err, errno, "cannot lock '%s'", path);
            return NULL;
        }
        if (os_monotonic_ms() >= until) {
            err_fail(err, ERR_CONFLICT, 0, "'%s' is held by another program", path);
            return NULL;
        }
        os_sleep_ms(20);
    }
    lock = malloc(sizeof(*lock));
    if (!lock) {
        err_no_memory(err);
        return NULL;
    }
    lock->fd = fd;
    fd = -1;
    return lock;
}

void os_lock_drop(struct os_lock *lock)
{
    if (!lock)
        return;
    close(lock->fd);
    free(lock);
}
