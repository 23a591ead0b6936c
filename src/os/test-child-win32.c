/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting processes, and what comes through their pipes.  CreateProcess is a fake at the import,
 * which fails when it is told to. */

#include "child-win32.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "test.h"
#include "text.h"

static unsigned calls, failures;
static DWORD failure;

static BOOL WINAPI fake_create(const wchar_t *program, wchar_t *line,
                               SECURITY_ATTRIBUTES *process, SECURITY_ATTRIBUTES *thread,
                               BOOL inherits, DWORD flags, void *environment,
                               const wchar_t *folder, STARTUPINFOW *info,
                               PROCESS_INFORMATION *ret)
{
    static BOOL(WINAPI * real)(const wchar_t *, wchar_t *, SECURITY_ATTRIBUTES *,
                               SECURITY_ATTRIBUTES *, BOOL, DWORD, void *, const wchar_t *,
                               STARTUPINFOW *, PROCESS_INFORMATION *);
    FARPROC found = GetProcAddress(GetModuleHandleW(L"kernel32"), "CreateProcessW");

    memcpy(&real, &found, sizeof(real));
    CHECK(flags & CREATE_SUSPENDED); /* or trying again might do something twice */
    if (++calls <= failures) {
        SetLastError(failure);
        return FALSE;
    }
    return real(program, line, process, thread, inherits, flags, environment, folder, info,
                ret);
}

extern void *__imp_CreateProcessW;
void *__imp_CreateProcessW = (void *)fake_create;

/* This program, which be_child() makes another of. */
static bool start(struct child *child, const char *role, enum child_streams streams,
                  struct err *err)
{
    wchar_t program[MAX_PATH];
    const char *const argv[] = { "child", role, NULL };
    wchar_t *line = child_line(argv, err);
    struct child_options options = {
        .program = program, .line = line, .name = "child", .streams = streams
    };
    bool ok;

    CHECK(GetModuleFileNameW(NULL, program, MAX_PATH) < MAX_PATH);
    ok = child_start(child, &options, err);
    free(line);
    return ok;
}

static void say(DWORD where, const char *text)
{
    DWORD written;

    WriteFile(GetStdHandle(where), text, (DWORD)strlen(text), &written, NULL);
}

__attribute__((constructor)) static void be_child(void)
{
    const wchar_t *line = GetCommandLineW();

    if (wcsstr(line, L" --speak")) {
        say(STD_OUTPUT_HANDLE, "out");
        say(STD_ERROR_HANDLE, "bad");
        ExitProcess(7);
    } else if (wcsstr(line, L" --nothing")) {
        say(STD_OUTPUT_HANDLE, "");
        Sleep(200); /* so that the empty piece is read by itself */
        say(STD_OUTPUT_HANDLE, "something");
        ExitProcess(0);
    } else if (wcsstr(line, L" --sleep")) {
        Sleep(60000);
        ExitProcess(0);
    }
}

/* All that comes until its end. */
static char *all_of(struct child *child, enum child_pipe_name from)
{
    static char text[64];
    size_t len = 0, n = 0;
    uint64_t until = os_monotonic_ms() + 20000;

    while (len < sizeof(text) - 1 &&
           child_read(child, from, text + len, sizeof(text) - 1 - len, until, &n) ==
               CHILD_DONE)
        len += n;
    text[len] = '\0';
    return text;
}

TEST(output_and_errors_come_together_or_apart)
{
    struct child child = CHILD_INIT;
    struct err err = ERR_INIT;

    CHECK_OK(start(&child, "--speak", CHILD_SPEAKS_APART, &err));
    CHECK_STR_EQ(all_of(&child, CHILD_PIPE), "out");
    CHECK_STR_EQ(all_of(&child, CHILD_ERRORS), "bad");
    CHECK(child_wait(&child, os_monotonic_ms() + 20000));
    CHECK_EQ(child_status(&child), 7);
    child_cleanup(&child);
    CHECK_OK(start(&child, "--speak", CHILD_SPEAKS, &err));
    CHECK_STR_EQ(all_of(&child, CHILD_PIPE), "outbad");
    child_cleanup(&child);
}

TEST(what_is_not_there_yet_is_late_and_not_lost)
{
    struct child child = CHILD_INIT;
    struct err err = ERR_INIT;
    char text[16];
    size_t n;

    CHECK_OK(start(&child, "--sleep", CHILD_SPEAKS_APART, &err));
    for (int i = 0; i < CHILD_PIPES; i++)
        CHECK_EQ(child_read(&child, i, text, sizeof(text), os_monotonic_ms(), &n),
                 CHILD_LATE);
    CHECK(!child_wait(&child, os_monotonic_ms()));
    child_cleanup(&child);
    CHECK(!child.process && !child.pipes[CHILD_ERRORS].pipe);
}

TEST(a_piece_of_no_bytes_is_not_the_end)
{
    struct child child = CHILD_INIT;
    struct err err = ERR_INIT;

    CHECK_OK(start(&child, "--nothing", CHILD_SPEAKS, &err));
    CHECK_STR_EQ(all_of(&child, CHILD_PIPE), "something");
    child_cleanup(&child);
}

TEST(a_start_that_fails_for_a_moment_is_tried_again)
{
    static const struct {
        const char *name;
        DWORD code;
        unsigned failures, calls;
        bool ok;
    } cases[] = {
        { "once", ERROR_INTERNAL_ERROR, 1, 2, true },
        { "twice", ERROR_NO_SYSTEM_RESOURCES, 2, 3, true },
        { "for long", ERROR_INTERNAL_ERROR, 100, 3, false },
        { "for good", ERROR_ACCESS_DENIED, 1, 1, false },
        { "no memory", ERROR_COMMITMENT_LIMIT, 1, 1, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct child child = CHILD_INIT;
        struct err err = ERR_INIT;

        test_case(cases[i].name);
        calls = 0;
        failures = cases[i].failures;
        failure = cases[i].code;
        CHECK_EQ(start(&child, "--speak", CHILD_SPEAKS, &err), cases[i].ok);
        CHECK_EQ(calls, cases[i].calls);
        if (cases[i].ok)
            CHECK_STR_EQ(all_of(&child, CHILD_PIPE), "outbad");
        else
            CHECK_EQ(err.code, cases[i].code);
        child_cleanup(&child);
    }
    failures = 0;
}
