/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This process and others, time and chance, on POSIX systems. */

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "os-shared.h"
#include "strbuf.h"

/* ---- arguments ---- */

void os_arguments(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
}

const char *os_env(const char *name)
{
    return getenv(name);
}

/* ---- time and chance ---- */

int64_t os_now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec + SECONDS_1601_TO_1970) * 1000000 + now.tv_nsec / 1000;
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

/* ---- language ---- */

bool os_language(char ret[OS_LANGUAGE])
{
    return false;
}
