/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a process: its command line, its pipes, its job.
 *
 * Source: MicrosoftDocs/win32 procthread (CreateProcess, job objects, UpdateProcThreadAttribute)
 * and "Parsing C command-line arguments" of the C library's documentation.
 */

#include "child-win32.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "inside-win32.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"

enum {
    PIPE_BYTES = 64 * 1024,
    KILLED = 137,
    LINE_MOST = 32767,
    STARTS_MOST = 3,
    START_AGAIN_MS = 50, /* after the first that failed; longer after the next */
    ENDING_MS = 5000,    /* who hangs in a driver ends when that lets go of it */
};

/* ---- the command line ---- */

/* One argument so that it is read back as it is: backslashes count only in front of a quote. */
static void put_argument(struct strbuf *to, const char *text)
{
    size_t slashes = 0;

    if (*text && !strpbrk(text, " \t\n\v\"")) {
        strbuf_puts(to, text);
        return;
    }
    strbuf_putc(to, '"');
    for (; *text; text++) {
        for (size_t i = 0; *text == '"' && i <= slashes; i++)
            strbuf_putc(to, '\\');
        slashes = *text == '\\' ? slashes + 1 : 0;
        strbuf_putc(to, *text);
    }
    for (; slashes > 0; slashes--)
        strbuf_putc(to, '\\');
    strbuf_putc(to, '"');
}

wchar_t *child_line(const char *const argv[], struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf line = STRBUF_INIT;
    wchar_t *wide;

    for (size_t i = 0; argv[i]; i++) {
        if (i > 0)
            strbuf_putc(&line, ' ');
        put_argument(&line, argv[i]);
    }
    if (line.failed) {
        err_no_memory(err);
        return NULL;
    }
    wide = win32_wide(line.text ? line.text : "", err);
    if (wide && wcslen(wide) > LINE_MOST) {
        free(wide);
        err_fail(err, ERR_INVALID, 0, "the command line of '%s' is too long", argv[0]);
        return NULL;
    }
    return wide;
}

/* ---- the pipes ---- */

/* Anonymous pipes know no time limits; so it has a name, which nobody can guess, and whose
 * only other end is opened here. */
static bool make_pipe(struct child_pipe *pipe, bool is_two_way, HANDLE *ret_theirs,
                      struct err *err)
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited),
                                      .bInheritHandle = TRUE };
    DWORD ours = is_two_way ? PIPE_ACCESS_DUPLEX : PIPE_ACCESS_INBOUND;
    DWORD theirs = is_two_way ? GENERIC_READ | GENERIC_WRITE : GENERIC_WRITE;
    SECURITY_ATTRIBUTES *private = win32_private_file(err);
    CLEANUP(free_cleanup) wchar_t *name = NULL;
    char guid[37], text[80];

    if (!private)
        return false;
    os_guid(guid);
    snprintf(text, sizeof(text), "\\\\.\\pipe\\hvgpu-%s", guid);
    name = win32_wide(text, err);
    if (!name)
        return false;
    pipe->event = CreateEventW(NULL, TRUE, FALSE, NULL);
    pipe->pipe = CreateNamedPipeW(
        name, ours | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1,
        PIPE_BYTES, PIPE_BYTES, 0, private);
    if (pipe->event && win32_is_handle(pipe->pipe))
        *ret_theirs = CreateFileW(name, theirs, 0, &inherited, OPEN_EXISTING, 0, NULL);
    return (pipe->event && win32_is_handle(pipe->pipe) && win32_is_handle(*ret_theirs)) ||
           win32_fail(err, GetLastError(), "cannot make a pipe");
}

/* The child's ends: of its pipes, and of nothing. */
struct ends {
    HANDLE pipes[CHILD_PIPES]; /* those that it has */
    HANDLE nothing;
};

static void ends_cleanup(struct ends *ends)
{
    for (int i = 0; i < CHILD_PIPES; i++)
        if (win32_is_handle(ends->pipes[i]))
            CloseHandle(ends->pipes[i]);
    if (win32_is_handle(ends->nothing))
        CloseHandle(ends->nothing);
}

static bool make_ends(struct child *child, enum child_streams streams, struct ends *ret,
                      struct err *err)
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited),
                                      .bInheritHandle = TRUE };

    ret->nothing =
        CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
    if (!win32_is_handle(ret->nothing))
        return win32_fail(err, GetLastError(), "cannot open NUL");
    return make_pipe(&child->pipes[CHILD_PIPE], streams == CHILD_TALKS,
                     &ret->pipes[CHILD_PIPE], err) &&
           (streams != CHILD_SPEAKS_APART ||
            make_pipe(&child->pipes[CHILD_ERRORS], false, &ret->pipes[CHILD_ERRORS], err));
}

/* ---- the job ---- */

static bool make_job(struct child *child, const struct child_options *options,
                     struct err *err)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = { 0 };
    JOBOBJECT_BASIC_LIMIT_INFORMATION *basic = &limits.BasicLimitInformation;
    JOBOBJECT_BASIC_UI_RESTRICTIONS windows = {
        JOB_OBJECT_UILIMIT_DESKTOP | JOB_OBJECT_UILIMIT_DISPLAYSETTINGS |
        JOB_OBJECT_UILIMIT_EXITWINDOWS | JOB_OBJECT_UILIMIT_GLOBALATOMS |
        JOB_OBJECT_UILIMIT_HANDLES | JOB_OBJECT_UILIMIT_READCLIPBOARD |
        JOB_OBJECT_UILIMIT_SYSTEMPARAMETERS | JOB_OBJECT_UILIMIT_WRITECLIPBOARD
    };

    child->job = CreateJobObjectW(NULL, NULL);
    basic->LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (options->memory_bytes) {
        basic->LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_MEMORY;
        limits.ProcessMemoryLimit = (SIZE_T)options->memory_bytes;
    }
    if (options->cpu_seconds) {
        basic->LimitFlags |= JOB_OBJECT_LIMIT_PROCESS_TIME;
        basic->PerProcessUserTimeLimit.QuadPart = options->cpu_seconds * 10000000LL;
    }
    if (options->is_confined) {
        basic->LimitFlags |=
            JOB_OBJECT_LIMIT_ACTIVE_PROCESS | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        basic->ActiveProcessLimit = 1;
    }
    return (child->job &&
            SetInformationJobObject(child->job, JobObjectExtendedLimitInformation, &limits,
                                    sizeof(limits)) &&
            (!options->is_confined ||
             SetInformationJobObject(child->job, JobObjectBasicUIRestrictions, &windows,
                                     sizeof(windows)))) ||
           win32_fail(err, GetLastError(), "cannot limit a process");
}

/* ---- starting ---- */

struct start {
    STARTUPINFOEXW info;
    HANDLE inherited[CHILD_PIPES + 1];
    DWORD count;
};

static void start_cleanup(struct start *start)
{
    if (start->info.lpAttributeList)
        DeleteProcThreadAttributeList(start->info.lpAttributeList);
    free(start->info.lpAttributeList);
}

/* Nothing is inherited but what stands in this list, since other threads open files and sockets
 * at the same time; and who is confined starts nothing, which its job says as well, for systems
 * that do not know this way (before Windows 10 1607, Wine). */
static bool set_attributes(struct start *start, bool is_confined)
{
    static DWORD starts_nothing = PROCESS_CREATION_CHILD_PROCESS_RESTRICTED;
    SIZE_T size = 0;

    InitializeProcThreadAttributeList(NULL, 2, 0, &size);
    start->info.lpAttributeList = malloc(size);
    if (!start->info.lpAttributeList ||
        !InitializeProcThreadAttributeList(start->info.lpAttributeList, 2, 0, &size) ||
        !UpdateProcThreadAttribute(start->info.lpAttributeList, 0,
                                   PROC_THREAD_ATTRIBUTE_HANDLE_LIST, start->inherited,
                                   start->count * sizeof(HANDLE), NULL, NULL))
        return false;
    if (is_confined)
        UpdateProcThreadAttribute(start->info.lpAttributeList, 0,
                                  PROC_THREAD_ATTRIBUTE_CHILD_PROCESS_POLICY,
                                  &starts_nothing, sizeof(starts_nothing), NULL, NULL);
    return true;
}

static void set_streams(struct start *start, enum child_streams streams,
                        const struct ends *ends)
{
    STARTUPINFOW *info = &start->info.StartupInfo;
    HANDLE pipe = ends->pipes[CHILD_PIPE], errors = ends->pipes[CHILD_ERRORS];

    info->cb = sizeof(start->info);
    info->dwFlags = STARTF_USESTDHANDLES;
    info->hStdInput = streams == CHILD_TALKS ? pipe : ends->nothing;
    info->hStdOutput = streams == CHILD_TALKS ? ends->nothing : pipe;
    info->hStdError = streams == CHILD_SPEAKS_APART ? errors : info->hStdOutput;
    start->inherited[start->count++] = ends->nothing;
    start->inherited[start->count++] = pipe;
    if (errors)
        start->inherited[start->count++] = errors;
}

/* Who runs within a job already (started by the Task Scheduler, over SSH or WinRM, in a build)
 * has this child in there, too, and a job within a job may not have limits on windows: "cannot
 * have UI limits set", sdk-api jobapi2 AssignProcessToJobObject.  Then it goes without these;
 * all other limits hold. */
static bool assign(struct child *child, const struct child_options *options)
{
    JOBOBJECT_BASIC_UI_RESTRICTIONS none = { 0 };

    if (AssignProcessToJobObject(child->job, child->process))
        return true;
    return options->is_confined && GetLastError() == ERROR_ACCESS_DENIED &&
           SetInformationJobObject(child->job, JobObjectBasicUIRestrictions, &none,
                                   sizeof(none)) &&
           AssignProcessToJobObject(child->job, child->process);
}

/* Our Ctrl-C is not the child's.  Who is confined has no console at all, whose host would be a
 * second process. */
static DWORD console_flags(const struct child_options *options)
{
    if (options->is_confined)
        return DETACHED_PROCESS;
    return CREATE_NEW_PROCESS_GROUP | (options->shares_console ? 0 : CREATE_NO_WINDOW);
}

/* What passes by itself: the system is short of something for a moment, or the process ended
 * before its first instruction (Wine's answer when that happens to it, about once in 4000). */
static bool passes(DWORD code)
{
    return code == ERROR_NO_SYSTEM_RESOURCES || code == ERROR_INTERNAL_ERROR;
}

/* Suspended, so that nothing of it has run until it is in its job: a start that failed has changed
 * nothing, and is safe to repeat.  ERROR_SUCCESS, or why not. */
static DWORD create(const struct child_options *options, struct start *start,
                    PROCESS_INFORMATION *ret)
{
    DWORD flags = CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT |
                  EXTENDED_STARTUPINFO_PRESENT | console_flags(options);

    for (DWORD n = 1;; n++) {
        DWORD code;

        if (CreateProcessW(options->program, options->line, NULL, NULL, TRUE, flags,
                           (void *)(uintptr_t)options->environment, options->folder,
                           &start->info.StartupInfo, ret))
            return ERROR_SUCCESS;
        code = GetLastError();
        if (n == STARTS_MOST || !passes(code))
            return code;
        Sleep(n * START_AGAIN_MS);
    }
}

static bool start_suspended(struct child *child, const struct child_options *options,
                            struct start *start, struct err *err)
{
    PROCESS_INFORMATION made;
    DWORD code = create(options, start, &made);
    bool ok;

    if (code != ERROR_SUCCESS) {
        win32_fail(err, code, "the program '%s' could not be started", options->name);
        return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND
                   ? err_hint(err, "is it installed?")
                   : false;
    }
    child->process = made.hProcess;
    ok = assign(child, options) && ResumeThread(made.hThread) != (DWORD)-1;
    if (!ok)
        win32_fail(err, GetLastError(), "cannot start '%s'", options->name);
    CloseHandle(made.hThread);
    return ok;
}

bool child_start(struct child *child, const struct child_options *options, struct err *err)
{
    CLEANUP(ends_cleanup) struct ends ends = { .nothing = NULL };
    CLEANUP(start_cleanup) struct start start = { .count = 0 };

    if (!make_ends(child, options->streams, &ends, err) || !make_job(child, options, err))
        return false;
    set_streams(&start, options->streams, &ends);
    if (!set_attributes(&start, options->is_confined))
        return win32_fail(err, GetLastError(), "cannot start '%s'", options->name);
    return start_suspended(child, options, &start, err);
}

static void close_pipe(struct child_pipe *pipe)
{
    if (win32_is_handle(pipe->pipe))
        CloseHandle(pipe->pipe);
    pipe->pipe = NULL;
}

void child_cleanup(struct child *child)
{
    if (child->process && WaitForSingleObject(child->process, 0) == WAIT_TIMEOUT) {
        TerminateProcess(child->process, KILLED);
        WaitForSingleObject(child->process, ENDING_MS);
    }
    for (int i = 0; i < CHILD_PIPES; i++) {
        close_pipe(&child->pipes[i]);
        if (child->pipes[i].event)
            CloseHandle(child->pipes[i].event);
    }
    if (child->process)
        CloseHandle(child->process);
    if (child->job)
        CloseHandle(child->job); /* with it goes what the child has started */
    *child = CHILD_INIT;
}

/* ---- talking ---- */

static DWORD left_until(uint64_t until)
{
    uint64_t now = os_monotonic_ms();

    if (until == 0)
        return INFINITE;
    return until <= now ? 0 : until - now < INFINITE ? (DWORD)(until - now) : INFINITE - 1;
}

/* What began on the pipe is ended: so much of it was done. */
static enum child_talk finish(struct child_pipe *pipe, bool began, OVERLAPPED *state,
                              uint64_t until, size_t *ret_len)
{
    DWORD n = 0;

    if (!began && GetLastError() != ERROR_IO_PENDING)
        return CHILD_GONE;
    if (WaitForSingleObject(pipe->event, left_until(until)) != WAIT_OBJECT_0) {
        CancelIoEx(pipe->pipe, state);
        /* It may have come in the meantime; then it is not lost. */
        if (!GetOverlappedResult(pipe->pipe, state, &n, TRUE) || n == 0)
            return CHILD_LATE;
    } else if (!GetOverlappedResult(pipe->pipe, state, &n, TRUE)) {
        return CHILD_GONE;
    }
    *ret_len = n;
    return CHILD_DONE;
}

/* Who writes nothing (a program that flushes an empty buffer does) has said nothing. */
enum child_talk child_read(struct child *child, enum child_pipe_name from, void *to,
                           size_t len, uint64_t until, size_t *ret_len)
{
    struct child_pipe *pipe = &child->pipes[from];
    DWORD most = len < PIPE_BYTES ? (DWORD)len : PIPE_BYTES;

    for (;;) {
        OVERLAPPED state = { .hEvent = pipe->event };
        bool began = ReadFile(pipe->pipe, to, most, NULL, &state);
        enum child_talk how = finish(pipe, began, &state, until, ret_len);

        if (how != CHILD_DONE || *ret_len > 0)
            return how;
        if (left_until(until) == 0)
            return CHILD_LATE;
    }
}

bool child_write(struct child *child, const void *from, size_t len, uint64_t until)
{
    struct child_pipe *pipe = &child->pipes[CHILD_PIPE];
    const char *at = from;

    while (len) {
        OVERLAPPED state = { .hEvent = pipe->event };
        bool began = WriteFile(pipe->pipe, at, len < PIPE_BYTES ? (DWORD)len : PIPE_BYTES,
                               NULL, &state);
        size_t n = 0;
        enum child_talk how = finish(pipe, began, &state, until, &n);

        if (how != CHILD_DONE || n == 0) {
            errno = how == CHILD_LATE ? ETIMEDOUT : EPIPE;
            return false;
        }
        at += n;
        len -= n;
    }
    return true;
}

void child_hang_up(struct child *child)
{
    close_pipe(&child->pipes[CHILD_PIPE]);
}

bool child_wait(struct child *child, uint64_t until)
{
    return WaitForSingleObject(child->process, left_until(until)) == WAIT_OBJECT_0;
}

DWORD child_status(struct child *child)
{
    DWORD status = 0;

    GetExitCodeProcess(child->process, &status);
    return status;
}
