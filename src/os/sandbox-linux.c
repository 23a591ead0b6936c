/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sandbox with fork, seccomp, Landlock and resource limits. */

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "sandbox-frames.h"
#include "text.h"

enum { STOP_WAIT_MS = 2000, DEFAULT_CPU_SECONDS = 600 };
#define DEFAULT_MEMORY_BYTES (512ull << 20)

/* One end of the socket. */
struct end {
    struct sandbox_pipe base; /* first, so that the pointers convert */
    int fd;                   /* -1: the other side is gone */
};

struct sandbox {
    struct end end;
    pid_t child;
    char *what;
};

/* ---- the socket ---- */

/* False with errno ETIMEDOUT. */
static bool wait_for(int fd, short events, uint64_t until)
{
    struct pollfd wait = { .fd = fd, .events = events };

    for (;;) {
        uint64_t now = os_monotonic_ms();

        if (now >= until) {
            errno = ETIMEDOUT;
            return false;
        }
        if (poll(&wait, 1, until - now < INT_MAX ? (int)(until - now) : INT_MAX) > 0)
            return true;
    }
}

static bool send_all(struct sandbox_pipe *pipe, const void *bytes, size_t len,
                     uint64_t until)
{
    const char *at = bytes;
    int fd = ((struct end *)pipe)->fd;

    while (len) {
        ssize_t n;

        if (until && !wait_for(fd, POLLOUT, until))
            return false;
        /* The child, which waits for ever, may call nothing else. */
        n = until ? send(fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(fd, at, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool receive_all(struct sandbox_pipe *pipe, void *bytes, size_t len, uint64_t until)
{
    char *at = bytes;
    int fd = ((struct end *)pipe)->fd;

    while (len) {
        ssize_t n;

        if (until && !wait_for(fd, POLLIN, until))
            return false;
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
         (!HAS_ADDRESS_SANITIZER ||
          allow(filter, sanitizer_calls, ARRAY_LEN(sanitizer_calls))) &&
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
    if (!HAS_ADDRESS_SANITIZER)    /* its shadow memory is terabytes of address space */
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
    struct end end = { { send_all, receive_all, NULL, NULL }, close_inherited(fd) };
    struct err err = ERR_INIT;

    /* Nothing of the parent's: not its Ctrl-C, not its life time. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

    if (!options->job->open(options->user, &err) || !close_door(options, &err)) {
        frame_send(&end.base, 0, FRAME_ERROR, &err, sizeof(err));
        _exit(1);
    }
    if (frame_send(&end.base, 0, FRAME_READY, "", 0))
        frame_serve(options, &end.base);
    if (options->job->close)
        options->job->close(options->user);
    _exit(0);
}

/* ---- the parent ---- */

/* Ends the child at once, whatever it does; what it did not commit is dropped with it.
 * Returns how it ended. */
static int end_child(struct sandbox *sandbox)
{
    int status = 0;

    close(sandbox->end.fd);
    sandbox->end.fd = -1;
    kill(sandbox->child, SIGKILL);
    while (waitpid(sandbox->child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void stop_child(struct sandbox_pipe *pipe)
{
    end_child((struct sandbox *)pipe);
}

/* The child ended or misbehaved: find out how, in words. */
static bool child_is_gone(struct sandbox_pipe *pipe, const char *how, struct err *err)
{
    struct sandbox *sandbox = (struct sandbox *)pipe;
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

struct sandbox *sandbox_start(const struct sandbox_options *options, struct err *err)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    int ends[2];

    if (!sandbox || !(sandbox->what = text_dup(options->what))) {
        if (sandbox)
            sandbox->end.fd = -1;
        err_no_memory(err);
        return NULL;
    }
    sandbox->end = (struct end){ { send_all, receive_all, stop_child, child_is_gone }, -1 };
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
    sandbox->end.fd = ends[0];
    if (sandbox->child < 0) {
        err_errno(err, errno, "cannot start the reader of foreign data");
        return NULL;
    }
    if (!frame_await(&sandbox->end.base, FRAME_READY, START_MS, NULL, NULL, NULL, err))
        return NULL;
    return TAKE(sandbox);
}

bool sandbox_call(struct sandbox *sandbox, const void *request, size_t len,
                  unsigned timeout_ms, struct progress *progress, char **ret_answer,
                  size_t *ret_len, struct err *err)
{
    if (sandbox->end.fd < 0)
        return err_fail(err, ERR_SYSTEM, 0, "%s: its reader has ended", sandbox->what);
    return frame_call(&sandbox->end.base, request, len, timeout_ms, progress, ret_answer,
                      ret_len, err);
}

void sandbox_stop(struct sandbox *sandbox)
{
    uint64_t until = os_monotonic_ms() + STOP_WAIT_MS;

    if (!sandbox)
        return;
    if (sandbox->end.fd >= 0) {
        close(sandbox->end.fd); /* the child reads its end and closes */
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

/* The child is this process, forked: it has all jobs. */
void sandbox_register(const struct sandbox_job *job)
{
    (void)job;
}

void sandbox_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
}
