/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sandbox on Windows: this program started anew.  What Wine does not enforce is skipped
 * there: limits of memory and of processes, levels of integrity. */

#include "inside-win32.h"

#include <stdio.h>
#include <stdlib.h>

#include "err.h"
#include "os.h"
#include "progress.h"
#include "sandbox.h"
#include "sandbox-frames.h"
#include "strbuf.h"
#include "test.h"
#include "text.h"

static bool is_wine(void)
{
    return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

/* ---- the job ---- */

struct told {
    char *text, *bytes;
    size_t len;
    bool is_open;
};

static void pack(const void *user, struct strbuf *to)
{
    const struct told *told = user;

    sandbox_pack_text(to, told->text);
    sandbox_pack(to, told->bytes, told->len);
    sandbox_pack_text(to, NULL);
}

static void *unpack(struct sandbox_packed *from)
{
    struct told *told = calloc(1, sizeof(*told));
    char *none;

    return sandbox_unpack_text(from, &told->text) &&
                   sandbox_unpack(from, &told->bytes, &told->len) &&
                   sandbox_unpack_text(from, &none) && !none &&
                   !sandbox_unpack_text(from, &none)
               ? told
               : NULL;
}

static bool open_told(void *user, struct err *err)
{
    struct told *told = user;

    if (told->text && strcmp(told->text, "missing") == 0) {
        err_fail(err, ERR_NOT_FOUND, 2, "no such disk");
        return err_hint(err, "look elsewhere");
    }
    told->is_open = true;
    return true;
}

static bool can_start_others(void)
{
    STARTUPINFOW info = { .cb = sizeof(info) };
    PROCESS_INFORMATION made;
    wchar_t line[] = L"C:\\windows\\system32\\where.exe";

    if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &info, &made))
        return false;
    TerminateProcess(made.hProcess, 1);
    return true;
}

/* How many privileges are left. */
static unsigned privileges(void)
{
    HANDLE token;
    char room[4096];
    DWORD len;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token) ||
        !GetTokenInformation(token, TokenPrivileges, room, sizeof(room), &len))
        return 1000;
    return ((TOKEN_PRIVILEGES *)(void *)room)->PrivilegeCount;
}

/* As a reader that was taken over: answers, and never reads again. */
static void be_deaf(void)
{
    const uint32_t answer[] = { FRAME_ANSWER, 0 };
    DWORD n;

    if (WriteFile(GetStdHandle(STD_INPUT_HANDLE), answer, sizeof(answer), &n, NULL))
        for (;;)
            Sleep(10);
}

static bool serve(void *user, const void *request, size_t len, struct progress *progress,
                  struct strbuf *answer, struct err *err)
{
    struct told *told = user;
    const char *what = request;
    volatile char *nothing = NULL;

    if (strcmp(what, "echo") == 0)
        strbuf_printf(answer, "%s %s %zu %s", told->is_open ? "open" : "closed", told->text,
                      told->len,
                      told->bytes && told->bytes[told->len - 1] == 'z' ? "z" : "-");
    else if (strncmp(what, "twice", 5) == 0)
        for (int i = 0; i < 2; i++)
            strbuf_add(answer, request, len);
    else if (strcmp(what, "fail") == 0)
        return err_fail(err, ERR_PROTOCOL, 7, "the disk is damaged");
    else if (strcmp(what, "crash") == 0)
        *nothing = 1;
    else if (strcmp(what, "exit") == 0)
        _exit(0);
    else if (strcmp(what, "hang") == 0)
        for (;;)
            Sleep(10);
    else if (strcmp(what, "deaf") == 0)
        be_deaf();
    else if (strcmp(what, "process") == 0)
        strbuf_puts(answer, can_start_others() ? "started" : "not");
    else if (strcmp(what, "privileges") == 0)
        strbuf_printf(answer, "%u", privileges());
    else if (strcmp(what, "memory") == 0) {
        void *volatile much = malloc(1u << 30);

        strbuf_puts(answer, much ? "had" : "none");
        free(much);
    } else if (strncmp(what, "write ", 6) == 0)
        return os_write_file(what + 6, "new", 3, err);
    else if (strcmp(what, "count") == 0)
        for (unsigned i = 0; i < 5; i++)
            if (!progress_report(progress, "counting", PROGRESS_ITEMS, i, 5, err))
                return false;
    return true;
}

static const struct sandbox_job job = {
    .name = "test", .open = open_told, .serve = serve, .pack = pack, .unpack = unpack
};
SANDBOX_JOB(job)

__attribute__((constructor)) static void begin_as_child(void)
{
    test_at_start(sandbox_main);
}

static struct told told = { .text = (char *)(uintptr_t) "\xE6\xB5\x8B" };

static const struct sandbox_options options = {
    .what = "reading 'test'", .job = &job, .user = &told, .memory_bytes = 64 << 20
};

static struct sandbox *start(void)
{
    struct err err = ERR_INIT;
    struct sandbox *sandbox = sandbox_start(&options, &err);

    CHECK_STR_EQ(err.text[0], "");
    return sandbox;
}

static bool ask(struct sandbox *sandbox, const char *what, char **answer, struct err *err)
{
    size_t len = 0;

    return sandbox &&
           sandbox_call(sandbox, what, strlen(what), 20000, NULL, answer, &len, err);
}

/* ---- tests ---- */

/* As under the Task Scheduler.  This process stays in the job; what stands
 * first here runs last. */
TEST(within_a_job_the_child_is_confined_as_well)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = NULL;
    CLEANUP(free_cleanup) char *answer = NULL;
    HANDLE around = CreateJobObjectW(NULL, NULL);
    struct err err = ERR_INIT;

    CHECK(AssignProcessToJobObject(around, GetCurrentProcess()));
    sandbox = start();
    CHECK_OK(ask(sandbox, "echo", &answer, &err));
    CHECK(answer && strncmp(answer, "open ", 5) == 0);
    free(TAKE(answer));
    CHECK_OK(ask(sandbox, "privileges", &answer, &err));
    CHECK(answer && atoi(answer) <= 1);
    CloseHandle(around);
}

TEST(the_child_is_told_what_the_parent_knows)
{
    CLEANUP(free_cleanup) char *answer = NULL;
    CLEANUP(free_cleanup) char *much = malloc(3000001);
    struct err err = ERR_INIT;
    struct sandbox *sandbox = start();

    CHECK_OK(ask(sandbox, "echo", &answer, &err));
    CHECK_STR_EQ(answer, "open \xE6\xB5\x8B 0 -");
    sandbox_stop(sandbox);
    free(TAKE(answer));

    memset(much, 'y', 3000001);
    much[3000000] = 'z';
    told.bytes = much;
    told.len = 3000001;
    sandbox = start();
    told.bytes = NULL;
    told.len = 0;
    CHECK_OK(ask(sandbox, "echo", &answer, &err));
    CHECK_STR_EQ(answer, "open \xE6\xB5\x8B 3000001 z");
    sandbox_stop(sandbox);
}

TEST(answers_and_errors_come_through)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(strbuf_cleanup) struct strbuf large = STRBUF_INIT;
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err err = ERR_INIT;
    size_t len = 0;

    CHECK(!ask(sandbox, "fail", &answer, &err));
    CHECK_EQ(err.kind, ERR_PROTOCOL);
    CHECK_EQ(err.code, 7);
    CHECK_STR_EQ(err.text[0], "the disk is damaged");
    strbuf_puts(&large, "twice");
    for (unsigned i = 0; i < 500000; i++)
        strbuf_puts(&large, "0123456789");
    CHECK_OK(
        sandbox_call(sandbox, large.text, large.len, 20000, NULL, &answer, &len, &err));
    CHECK_EQ(len, 2 * large.len);
    CHECK(memcmp(answer + large.len, large.text, large.len) == 0);
}

TEST(a_child_that_cannot_open_says_why)
{
    struct told missing = { .text = (char *)(uintptr_t) "missing" };
    struct sandbox_options bad = options;
    struct err err = ERR_INIT;

    bad.user = &missing;
    CHECK(!sandbox_start(&bad, &err));
    CHECK_EQ(err.kind, ERR_NOT_FOUND);
    CHECK_STR_EQ(err.hint, "look elsewhere");
}

TEST(a_crash_an_end_and_a_hang_are_errors)
{
    static const char *const ends[] = { "crash", "exit", "hang" };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
        CLEANUP(free_cleanup) char *answer = NULL;
        struct err err = ERR_INIT;
        size_t len;

        test_case(ends[i]);
        CHECK(!sandbox_call(sandbox, ends[i], strlen(ends[i]), i == 2 ? 300 : 20000, NULL,
                            &answer, &len, &err));
        CHECK_EQ(err.kind, i == 2 ? ERR_SYSTEM : ERR_PROTOCOL);
        CHECK(err.hint[0]);
        CHECK(!ask(sandbox, "echo", &answer, &err));
        CHECK_EQ(err.kind, ERR_SYSTEM);
    }
}

TEST(a_child_that_never_reads_its_request_is_an_error)
{
    enum { MUCH = 8 << 20, MS = 300 }; /* more than the pipe holds */
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *request = calloc(1, MUCH);
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err err = ERR_INIT;
    uint64_t began;
    size_t len;

    CHECK_OK(ask(sandbox, "deaf", &answer, &err));
    began = os_monotonic_ms();
    CHECK(!sandbox_call(sandbox, request, MUCH, MS, NULL, &answer, &len, &err));
    CHECK(os_monotonic_ms() - began >= MS);
    CHECK_EQ(err.kind, ERR_SYSTEM);
    CHECK_STR_EQ(err.text[0], "reading 'test': its reader took no request in time");
    CHECK(!ask(sandbox, "echo", &answer, &err));
    CHECK_EQ(err.kind, ERR_SYSTEM);
}

static bool stop_at_two(struct progress *self, const char *what, enum progress_unit unit,
                        uint64_t done, uint64_t total)
{
    (void)self;
    CHECK_STR_EQ(what, "counting");
    CHECK_EQ(total, 5);
    return done < 2;
}

TEST(progress_is_seen_and_can_cancel)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *answer = NULL;
    struct progress progress = { .report = stop_at_two };
    struct err err = ERR_INIT;
    size_t len;

    CHECK(!sandbox_call(sandbox, "count", 5, 20000, &progress, &answer, &len, &err));
    CHECK_EQ(err.kind, ERR_CANCELLED);
}

TEST(what_a_reader_can_still_do_is_tried_out)
{
    struct sandbox_walls walls = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(sandbox_walls(&walls, &err));
    CHECK(walls.reads); /* the wall that is missing on Windows, sandbox.h */
    if (is_wine()) {
        CHECK(walls.writes && walls.takes_memory); /* so it is seen when they are missing */
        return;
    }
    CHECK(!walls.writes && !walls.starts && !walls.takes_memory);
}

TEST(privileges_are_given_up)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = start();
    CLEANUP(free_cleanup) char *answer = NULL;
    struct err err = ERR_INIT;

    CHECK(privileges() > 1);
    CHECK_OK(ask(sandbox, "privileges", &answer, &err));
    CHECK(answer && atoi(answer) <= 1);
}

TEST(memory_processes_and_files_are_out_of_reach)
{
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = NULL;
    CLEANUP(free_cleanup) char *answer = NULL;
    CLEANUP(free_cleanup)
    char *write = text_printf("write %s/hvgpu-new", test_temporary_dir());
    struct err err = ERR_INIT;

    if (is_wine())
        SKIP("Wine has neither limits in jobs nor levels of integrity");
    sandbox = start();
    CHECK_OK(ask(sandbox, "memory", &answer, &err));
    CHECK_STR_EQ(answer, "none");
    free(TAKE(answer));
    CHECK_OK(ask(sandbox, "process", &answer, &err));
    CHECK_STR_EQ(answer, "not");
    free(TAKE(answer));
    CHECK(!ask(sandbox, write, &answer, &err));
    CHECK_EQ(err.kind, ERR_DENIED);
}
