/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal and the signals, on POSIX systems. */

#include "os.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "err.h"
#include "text.h"

bool os_is_terminal(int fd)
{
    return isatty(fd);
}

bool os_takes_escapes(int fd)
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

static void terminal_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* A terminal that does not take it will not give an answer either. */
static void show(int fd, const char *text)
{
    (void)!write(fd, text, strlen(text));
}

char *os_read_secret(const char *prompt, struct err *err)
{
    CLEANUP(terminal_close) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
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
    show(fd, prompt);
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
    show(fd, "\n");
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

void os_forbid_dumps(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
#if !HAS_ADDRESS_SANITIZER /* its search for leaks is such a look */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* No window of a terminal goes with one program here. */
bool os_has_own_window(void)
{
    return false;
}

void os_wait_for_key(void)
{
}

/* ---- signals ---- */

static volatile sig_atomic_t interrupted, interrupts;

static void note_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    interrupts = interrupts + 1;
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

unsigned os_interrupt_count(void)
{
    return (unsigned)interrupts;
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
