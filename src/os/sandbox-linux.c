/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sandbox with fork, seccomp, Landlock and resource limits. */

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "os.h"
#include "progress.h"
#include "strbuf.h"
#include "text.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

enum frame_type { FRAME_READY, FRAME_REQUEST, FRAME_ANSWER, FRAME_ERROR, FRAME_PROGRESS };

enum {
    FRAME_MAX = 256 << 20, /* a SYSTEM hive is 20 MiB, a listing of 100 000 files 20 */
    WHAT_MAX = 256,
    STOP_WAIT_MS = 2000,
    DEFAULT_CPU_SECONDS = 600,
};
#define DEFAULT_MEMORY_BYTES (512ull << 20)

struct frame_header {
    uint32_t type, len;
};

void (*sandbox_before_serve)(const char *what);
void (*sandbox_before_answer)(struct strbuf *answer);
unsigned sandbox_timeout_cap_ms;

struct progress_frame {
    uint32_t unit;
    uint64_t done, total;
    char what[WHAT_MAX];
};

struct sandbox {
    pid_t child;
    int fd; /* -1: the child is gone */
    char *what;
};

/* ---- frames ---- */

static bool send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_frame(int fd, enum frame_type type, const void *bytes, size_t len)
{
    struct frame_header header = { .type = type, .len = (uint32_t)len };

    if (len > FRAME_MAX)
        return false;
    return send_all(fd, &header, sizeof(header)) && send_all(fd, bytes, len);
}

/* @until 0: wait for ever (the child does; the parent never). */
static bool receive_all(int fd, void *bytes, size_t len, uint64_t until)
{
    char *at = bytes;

    while (len) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        uint64_t now = until ? os_monotonic_ms() : 0;
        ssize_t n;

        if (until && now >= until) {
            errno = ETIMEDOUT;
            return false;
        }
        if (until && poll(&wait, 1, (int)(until - now)) <= 0)
            continue;
        n = read(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EPIPE;
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* ---- the child ---- */

/* What computing on open files needs (measured), and nothing that reaches further. */
static const int allowed_calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(lseek),
    SCMP_SYS(dup),
    SCMP_SYS(fcntl),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(fadvise64),
    SCMP_SYS(futex),
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mprotect),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_yield),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(memfd_create),
    SCMP_SYS(getuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(poll),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getdents64),
    SCMP_SYS(copy_file_range),
};

/* Opening by name, for those who were given folders. */
static const int naming_calls[] = {
    SCMP_SYS(open),   SCMP_SYS(openat),   SCMP_SYS(stat),   SCMP_SYS(lstat),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(access), SCMP_SYS(mkdir),
    SCMP_SYS(rmdir),  SCMP_SYS(rename),   SCMP_SYS(fchmod), SCMP_SYS(readlink),
};

/* What the sanitizers' runtime adds. */
static const int sanitizer_calls[] = {
    SCMP_SYS(sigaltstack),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(readlink),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(prctl),
    SCMP_SYS(kill),
    SCMP_SYS(open),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(clone),
    SCMP_SYS(wait4),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(getppid),
    SCMP_SYS(pipe2),
    SCMP_SYS(prlimit64),
};

static bool allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
            return false;
    return true;
}

static bool limit_calls(const struct sandbox_options *options, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool names = options->read_dirs || options->write_dirs;
    /* FICLONE and FICLONERANGE share blocks between two open files. */
    const unsigned long clone_range = 0x4020940D, clone_file = 0x40049409;
    bool ok;

    ok = filter && allow(filter, allowed_calls, ARRAY_LEN(allowed_calls)) &&
         (!names || allow(filter, naming_calls, ARRAY_LEN(naming_calls))) &&
         (!HAS_SANITIZER || allow(filter, sanitizer_calls, ARRAY_LEN(sanitizer_calls))) &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                          SCMP_A1(SCMP_CMP_EQ, clone_range)) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                          SCMP_A1(SCMP_CMP_EQ, clone_file)) == 0 &&
         seccomp_load(filter) == 0;
    if (filter)
        seccomp_release(filter);
    return ok || err_fail(err, ERR_SYSTEM, 0, "the kernel refused the seccomp filter");
}

static bool landlock_allow(int rules, const char *const *dirs, uint64_t access)
{
    for (; dirs && *dirs; dirs++) {
        struct landlock_path_beneath_attr beneath = { .allowed_access = access };
        bool ok;

        beneath.parent_fd = open(*dirs, O_PATH | O_CLOEXEC);
        if (beneath.parent_fd < 0)
            return false;
        ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath,
                     0) == 0;
        close(beneath.parent_fd);
        if (!ok)
            return false;
    }
    return true;
}

/* File names: only below the two folders.  A kernel without Landlock (before 5.13, or
 * switched off) leaves seccomp and the limits. */
static bool limit_names(const struct sandbox_options *options, struct err *err)
{
    const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    const uint64_t writing = reading | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR;
    struct landlock_ruleset_attr handled = {
        .handled_access_fs = writing | LANDLOCK_ACCESS_FS_EXECUTE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM
    };
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    bool ok;

    if (rules < 0)
        return true;
    ok = landlock_allow(rules, options->read_dirs, reading) &&
         landlock_allow(rules, options->write_dirs, writing) &&
         syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return ok || err_errno(err, errno, "cannot confine the reader to its folders");
}

/* Address space in use now, in bytes; the limit is set on top of it. */
static uint64_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file) {
        if (fscanf(file, "%lu", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit_resources(const struct sandbox_options *options)
{
    uint64_t memory = address_space() + (options->memory_bytes ? options->memory_bytes
                                                               : DEFAULT_MEMORY_BYTES);
    unsigned seconds = options->cpu_seconds ? options->cpu_seconds : DEFAULT_CPU_SECONDS;
    const struct rlimit cpu = { seconds, seconds + 1 };
    const struct rlimit space = { memory, memory };
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &none); /* a core file would hold what the parent knew */
    if (!HAS_SANITIZER)            /* its shadow memory is terabytes of address space */
        setrlimit(RLIMIT_AS, &space);
}

static bool close_door(const struct sandbox_options *options, struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_errno(err, errno, "cannot give up privileges");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    limit_resources(options);
    return limit_names(options, err) && limit_calls(options, err);
}

struct child_progress {
    struct progress base; /* first, so that the pointers convert */
    int fd;
};

static bool send_progress(struct progress *self, const char *what, enum progress_unit unit,
                          uint64_t done, uint64_t total)
{
    struct child_progress *child = (struct child_progress *)self;
    struct progress_frame frame = { .unit = unit, .done = done, .total = total };

    snprintf(frame.what, sizeof(frame.what), "%s", what);
    return send_frame(child->fd, FRAME_PROGRESS, &frame, sizeof(frame));
}

static void serve_requests(const struct sandbox_options *options, int fd)
{
    struct child_progress progress = { .base.report = send_progress, .fd = fd };
    struct frame_header header;

    while (receive_all(fd, &header, sizeof(header), 0) && header.len <= FRAME_MAX) {
        CLEANUP(strbuf_cleanup) struct strbuf answer = STRBUF_INIT;
        CLEANUP(free_cleanup) char *request = malloc(header.len + 1);
        struct err err = ERR_INIT;
        bool ok;

        if (!request || !receive_all(fd, request, header.len, 0))
            return;
        request[header.len] = '\0';
        if (sandbox_before_serve)
            sandbox_before_serve(options->what);
        ok = options->serve(options->user, request, header.len, &progress.base, &answer,
                            &err);
        if (ok && sandbox_before_answer)
            sandbox_before_answer(&answer);
        if (ok && (answer.failed || answer.len > FRAME_MAX))
            ok = err_no_memory(&err);
        ok = ok ? send_frame(fd, FRAME_ANSWER, answer.text ? answer.text : "", answer.len)
                : send_frame(fd, FRAME_ERROR, &err, sizeof(err));
        if (!ok)
            return;
    }
}

/* What the parent has open is none of the child's business, and a lock on it would outlive
 * the parent here.  Returns the descriptor to go on with. */
static int close_inherited(int fd)
{
    int kept = STDERR_FILENO + 1;

    if (fd != kept && dup2(fd, kept) < 0)
        return fd;
    fcntl(kept, F_SETFD, FD_CLOEXEC);
    if (close_range((unsigned)kept + 1, ~0u, 0) != 0) /* before Linux 5.9 */
        for (int i = kept + 1; i < (int)sysconf(_SC_OPEN_MAX); i++)
            close(i);
    return kept;
}

static void be_child(const struct sandbox_options *options, int fd)
{
    struct err err = ERR_INIT;

    fd = close_inherited(fd);

    /* Nothing of the parent's: not its Ctrl-C, not its life time. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

    if (!options->open(options->user, &err) || !close_door(options, &err)) {
        send_frame(fd, FRAME_ERROR, &err, sizeof(err));
        _exit(1);
    }
    if (send_frame(fd, FRAME_READY, "", 0))
        serve_requests(options, fd);
    if (options->close)
        options->close(options->user);
    _exit(0);
}

/* ---- the parent ---- */

/* Ends the child at once, whatever it does; what it did not commit is dropped with it.
 * Returns how it ended. */
static int end_child(struct sandbox *sandbox)
{
    int status = 0;

    close(sandbox->fd);
    sandbox->fd = -1;
    kill(sandbox->child, SIGKILL);
    while (waitpid(sandbox->child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* The child ended or misbehaved: find out how, in words. */
static bool child_is_gone(struct sandbox *sandbox, const char *how, struct err *err)
{
    int status = end_child(sandbox);

    if (how)
        err_fail(err, ERR_SYSTEM, 0, "%s: %s", sandbox->what, how);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        err_fail(err, ERR_PROTOCOL, SIGSYS,
                 "%s: its reader tried what it may not do and was stopped", sandbox->what);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        err_fail(err, ERR_PROTOCOL, SIGXCPU, "%s: its reader took too much time",
                 sandbox->what);
    else
        err_fail(err, ERR_PROTOCOL, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                 "%s: its reader crashed", sandbox->what);
    return err_hint(err, "the data is damaged or made to do harm; nothing was changed");
}

/* An error from the child is foreign: every field is bounded before it is believed. */
static bool take_error(const char *bytes, size_t len, struct err *err)
{
    struct err sent;

    if (len != sizeof(sent))
        return false;
    memcpy(&sent, bytes, sizeof(sent));
    if (sent.kind == ERR_NONE || (unsigned)sent.kind >= ERR_KIND_COUNT || sent.depth == 0 ||
        sent.depth > ERR_DEPTH)
        return false;
    for (unsigned i = 0; i < ERR_DEPTH; i++)
        sent.text[i][ERR_TEXT - 1] = '\0';
    sent.hint[ERR_TEXT - 1] = '\0';
    *err = sent;
    return true;
}

static bool take_progress(struct progress *progress, const char *bytes, size_t len,
                          struct err *err)
{
    struct progress_frame frame;

    if (len != sizeof(frame))
        return err_fail(err, ERR_PROTOCOL, 0, "a report of progress is malformed");
    memcpy(&frame, bytes, sizeof(frame));
    frame.what[WHAT_MAX - 1] = '\0';
    if (frame.unit > PROGRESS_ITEMS || !text_is_utf8(frame.what, strlen(frame.what)))
        return true;
    return progress_report(progress, frame.what, (enum progress_unit)frame.unit, frame.done,
                           frame.total, err);
}

/* Reads frames until the answer.  *ret_bytes is owned by the caller. */
static bool await(struct sandbox *sandbox, enum frame_type wanted, unsigned timeout_ms,
                  struct progress *progress, char **ret_bytes, size_t *ret_len,
                  struct err *err)
{
    for (;;) {
        /* Every frame starts the clock anew: work that reports is not stuck. */
        uint64_t until = os_monotonic_ms() + timeout_ms;
        CLEANUP(free_cleanup) char *bytes = NULL;
        struct frame_header header;

        if (!receive_all(sandbox->fd, &header, sizeof(header), until))
            return child_is_gone(
                sandbox, errno == ETIMEDOUT ? "its reader did not answer in time" : NULL,
                err);
        if (header.len > FRAME_MAX)
            return child_is_gone(sandbox, "its reader answered nonsense", err);
        bytes = malloc((size_t)header.len + 1);
        if (!bytes)
            return err_no_memory(err);
        if (!receive_all(sandbox->fd, bytes, header.len, until))
            return child_is_gone(sandbox, NULL, err);
        bytes[header.len] = '\0';

        if (header.type == FRAME_PROGRESS) {
            if (take_progress(progress, bytes, header.len, err))
                continue;
            end_child(sandbox);
            return false;
        }
        if (header.type == FRAME_ERROR && take_error(bytes, header.len, err))
            return false;
        if (header.type != wanted)
            return child_is_gone(sandbox, "its reader answered nonsense", err);
        if (ret_bytes)
            *ret_bytes = TAKE(bytes);
        if (ret_len)
            *ret_len = header.len;
        return true;
    }
}

struct sandbox *sandbox_start(const struct sandbox_options *options, struct err *err)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    int ends[2];

    if (!sandbox || !(sandbox->what = text_dup(options->what))) {
        if (sandbox)
            sandbox->fd = -1;
        err_no_memory(err);
        return NULL;
    }
    sandbox->fd = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        err_errno(err, errno, "cannot start the reader of foreign data");
        return NULL;
    }
    fflush(NULL); /* what is buffered must not be written twice */
    sandbox->child = fork();
    if (sandbox->child == 0) {
        close(ends[0]);
        be_child(options, ends[1]);
    }
    close(ends[1]);
    sandbox->fd = ends[0];
    if (sandbox->child < 0) {
        err_errno(err, errno, "cannot start the reader of foreign data");
        return NULL;
    }
    if (!await(sandbox, FRAME_READY, 60000, NULL, NULL, NULL, err))
        return NULL;
    return TAKE(sandbox);
}

bool sandbox_call(struct sandbox *sandbox, const void *request, size_t len,
                  unsigned timeout_ms, struct progress *progress, char **ret_answer,
                  size_t *ret_len, struct err *err)
{
    if (sandbox->fd < 0)
        return err_fail(err, ERR_SYSTEM, 0, "%s: its reader has ended", sandbox->what);
    if (!send_frame(sandbox->fd, FRAME_REQUEST, request, len))
        return child_is_gone(sandbox, NULL, err);
    if (sandbox_timeout_cap_ms && sandbox_timeout_cap_ms < timeout_ms)
        timeout_ms = sandbox_timeout_cap_ms;
    return await(sandbox, FRAME_ANSWER, timeout_ms, progress, ret_answer, ret_len, err);
}

void sandbox_stop(struct sandbox *sandbox)
{
    uint64_t until = os_monotonic_ms() + STOP_WAIT_MS;

    if (!sandbox)
        return;
    if (sandbox->fd >= 0) {
        close(sandbox->fd); /* the child reads its end and closes */
        while (sandbox->child > 0 && waitpid(sandbox->child, NULL, WNOHANG) == 0) {
            if (os_monotonic_ms() >= until) {
                kill(sandbox->child, SIGKILL);
                while (waitpid(sandbox->child, NULL, 0) < 0 && errno == EINTR)
                    ;
                break;
            }
            os_sleep_ms(1);
        }
    }
    free(sandbox->what);
    free(sandbox);
}

bool sandbox_run(const struct sandbox_options *options, unsigned timeout_ms,
                 struct progress *progress, char **ret_answer, size_t *ret_len,
                 struct err *err)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = sandbox_start(options, err);

    return sandbox &&
           sandbox_call(sandbox, "", 0, timeout_ms, progress, ret_answer, ret_len, err);
}
