/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local operating system, as Linux and other POSIX systems offer it. */

#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

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

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
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
    if (!write_all(fd, bytes, len) || fsync(fd) != 0 || rename(temporary, path) != 0) {
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
    const char *at = from;

    while (len > 0) {
        ssize_t done = write(file->fd, at, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_errno(err, errno, "cannot write '%s'", file->path);
        at += done;
        len -= (size_t)done;
    }
    return true;
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

/* ---- time and chance ---- */

int64_t os_now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return usec_since_1601(&now);
}

uint64_t os_monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void os_sleep_ms(unsigned ms)
{
    struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    while (nanosleep(&rest, &rest) != 0 && errno == EINTR && !os_was_interrupted())
        ;
}

bool os_random(void *bytes, size_t len)
{
    char *at = bytes;

    while (len) {
        ssize_t n = getrandom(at, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* ---- the terminal ---- */

bool os_is_terminal(int fd)
{
    return isatty(fd);
}

unsigned os_terminal_columns(void)
{
    struct winsize size;

    if (ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

void os_terminal_setup(void)
{
}

char *os_read_secret(const char *prompt, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    struct termios quiet, before;
    char line[512];
    size_t len = 0;
    char *secret = NULL;
    bool ended = false;

    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        err_fail(err, ERR_INVALID, 0, "a password is needed and there is no terminal");
        err_hint(err, "give --password-file FILE or set HVGPU_PASSWORD_FILE");
        return NULL;
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fd, TCSAFLUSH, &quiet);
    write_all(fd, prompt, strlen(prompt));
    while (len < sizeof(line)) {
        char c;

        if (read(fd, &c, 1) != 1)
            break;
        if (c == '\n' || c == '\r') {
            ended = true;
            break;
        }
        line[len++] = c;
    }
    tcsetattr(fd, TCSAFLUSH, &before);
    write_all(fd, "\n", 1);
    if (!ended)
        err_fail(err, ERR_INVALID, 0, "no password was typed");
    else if (!(secret = text_ndup(line, len)))
        err_no_memory(err);
    os_wipe(line, sizeof(line));
    return secret;
}

void os_wipe(void *bytes, size_t len)
{
    explicit_bzero(bytes, len);
}

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

void os_forbid_dumps(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
#ifndef IS_SANITIZED /* its search for leaks is such a look */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* ---- signals ---- */

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

void os_catch_interrupt(void)
{
    struct sigaction action = { .sa_handler = note_interrupt };

    /* The second one ends the program the ordinary way. */
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool os_was_interrupted(void)
{
    return interrupted;
}

void os_forget_interrupt(void)
{
    if (interrupted)
        os_catch_interrupt(); /* the next one is a request again, not the end */
    interrupted = 0;
}

void os_die(void)
{
    kill(getpid(), SIGKILL);
    pause();
}

/* ---- processes ---- */

int os_cpu_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count > 0 ? (int)count : 1;
}

const char *os_user_name(void)
{
    struct passwd *user = getpwuid(getuid());

    return user ? user->pw_name : "unknown";
}

/* In the child: stdin empty, output into the pipe, the usual signals. */
static void become(const char *const argv[], int out)
{
    int empty = open("/dev/null", O_RDWR);

    dup2(empty, 0);
    dup2(out, 1);
    dup2(out, 2);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

bool os_run(const char *const argv[], unsigned timeout_ms, size_t max, char **ret_output,
            int *ret_status, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf output = STRBUF_INIT;
    uint64_t until = os_monotonic_ms() + timeout_ms;
    bool in_time = true;
    int ends[2], status;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_errno(err, errno, "cannot start '%s'", argv[0]);
    child = fork();
    if (child == 0)
        become(argv, ends[1]);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return err_errno(err, errno, "cannot start '%s'", argv[0]);
    }

    for (;;) {
        uint64_t now = os_monotonic_ms();
        struct pollfd wait = { .fd = ends[0], .events = POLLIN };
        char piece[4096];
        ssize_t n;

        in_time = now < until;
        if (!in_time)
            break;
        if (poll(&wait, 1, (int)(until - now)) <= 0)
            continue;
        n = read(ends[0], piece, sizeof(piece));
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        if (n > 0 && output.len < max)
            strbuf_add(&output, piece,
                       (size_t)n < max - output.len ? (size_t)n : max - output.len);
    }
    close(ends[0]);
    if (!in_time)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;

    if (!in_time)
        return err_fail(err, ERR_SYSTEM, 0, "'%s' did not end within %u ms", argv[0],
                        timeout_ms);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        err_fail(err, ERR_NOT_FOUND, 0, "the program '%s' could not be started", argv[0]);
        return err_hint(err, "is it installed?");
    }
    if (ret_output) {
        *ret_output = strbuf_take(&output);
        if (!*ret_output)
            return err_no_memory(err);
    }
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}
