/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a process: its command line, its pipe, its job.
 *
 * Source: MicrosoftDocs/win32 procthread (CreateProcess, job objects, UpdateProcThreadAttribute)
 * and "Parsing C command-line arguments" of the C library's documentation.
 */

#include "child-win32.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"

enum { PIPE_BYTES = 64 * 1024, KILLED = 137, LINE_MOST = 32767, INHERITED = 3 };

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

static wchar_t *command_line(const char *const argv[], struct err *err)
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

/* ---- the pipe ---- */

/* Anonymous pipes know no time limits; so it has a name, which nobody can guess, and whose
 * only other end is opened here. */
static bool make_pipe(struct child *child, bool is_two_way, HANDLE *ret_theirs,
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
    child->event = CreateEventW(NULL, TRUE, FALSE, NULL);
    child->pipe = CreateNamedPipeW(
        name, ours | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1,
        PIPE_BYTES, PIPE_BYTES, 0, private);
    if (child->event && win32_is_handle(child->pipe))
        *ret_theirs = CreateFileW(name, theirs, 0, &inherited, OPEN_EXISTING, 0, NULL);
    return (child->event && win32_is_handle(child->pipe) && win32_is_handle(*ret_theirs)) ||
           win32_fail(err, GetLastError(), "cannot make a pipe");
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
    HANDLE inherited[INHERITED];
    DWORD count;
};

/* Nothing is inherited but what stands in this list; and who is confined starts nothing, which
 * its job says as well, for systems that do not know this way (before Windows 10 1607, Wine). */
static bool set_attributes(struct start *start, HANDLE pipe, HANDLE nothing,
                           bool is_confined)
{
    static DWORD starts_nothing = PROCESS_CREATION_CHILD_PROCESS_RESTRICTED;
    SIZE_T size = 0;

    start->inherited[start->count++] = pipe;
    start->inherited[start->count++] = nothing;
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

static void start_cleanup(struct start *start)
{
    if (start->info.lpAttributeList)
        DeleteProcThreadAttributeList(start->info.lpAttributeList);
    free(start->info.lpAttributeList);
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

/* Suspended until it is in its job. */
static bool create(struct child *child, const struct child_options *options, wchar_t *line,
                   HANDLE theirs, struct err *err)
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited),
                                      .bInheritHandle = TRUE };
    CLEANUP(start_cleanup)
    struct start start = { .info.StartupInfo = { .cb = sizeof(start.info),
                                                 .dwFlags = STARTF_USESTDHANDLES } };
    CLEANUP(win32_handle_cleanup)
    struct win32_handle nothing = { CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                                                FILE_SHARE_READ | FILE_SHARE_WRITE,
                                                &inherited, OPEN_EXISTING, 0, NULL) };
    STARTUPINFOW *info = &start.info.StartupInfo;
    PROCESS_INFORMATION made;
    bool ok;

    if (!win32_is_handle(nothing.h) ||
        !set_attributes(&start, theirs, nothing.h, options->is_confined))
        return win32_fail(err, GetLastError(), "cannot start '%s'", options->argv[0]);
    info->hStdInput = options->is_two_way ? theirs : nothing.h;
    info->hStdOutput = info->hStdError = options->is_two_way ? nothing.h : theirs;
    /* Without our console: its Ctrl-C is ours, not the child's.  Who is confined has none at all,
     * whose host would be a second process. */
    if (!CreateProcessW(options->program, line, NULL, NULL, TRUE,
                        CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT |
                            (options->is_confined ? DETACHED_PROCESS : CREATE_NO_WINDOW),
                        NULL, NULL, info, &made)) {
        DWORD code = GetLastError();

        win32_fail(err, code, "the program '%s' could not be started", options->argv[0]);
        return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND
                   ? err_hint(err, "is it installed?")
                   : false;
    }
    child->process = made.hProcess;
    ok = assign(child, options) && ResumeThread(made.hThread) != (DWORD)-1;
    if (!ok)
        win32_fail(err, GetLastError(), "cannot start '%s'", options->argv[0]);
    CloseHandle(made.hThread);
    return ok;
}

bool child_start(struct child *child, const struct child_options *options, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *line = command_line(options->argv, err);
    CLEANUP(win32_handle_cleanup) struct win32_handle theirs = { NULL };

    return line && make_pipe(child, options->is_two_way, &theirs.h, err) &&
           make_job(child, options, err) && create(child, options, line, theirs.h, err);
}

void child_cleanup(struct child *child)
{
    if (child->process && WaitForSingleObject(child->process, 0) == WAIT_TIMEOUT) {
        TerminateProcess(child->process, KILLED);
        WaitForSingleObject(child->process, INFINITE);
    }
    if (win32_is_handle(child->pipe))
        CloseHandle(child->pipe);
    if (child->event)
        CloseHandle(child->event);
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
static enum child_talk finish(struct child *child, bool began, OVERLAPPED *state,
                              uint64_t until, size_t *ret_len)
{
    DWORD n = 0;

    if (!began && GetLastError() != ERROR_IO_PENDING)
        return CHILD_GONE;
    if (WaitForSingleObject(child->event, left_until(until)) != WAIT_OBJECT_0) {
        CancelIoEx(child->pipe, state);
        /* It may have come in the meantime; then it is not lost. */
        if (!GetOverlappedResult(child->pipe, state, &n, TRUE) || n == 0)
            return CHILD_LATE;
    } else if (!GetOverlappedResult(child->pipe, state, &n, TRUE)) {
        return CHILD_GONE;
    }
    *ret_len = n;
    return n > 0 ? CHILD_DONE : CHILD_GONE;
}

enum child_talk child_read(struct child *child, void *to, size_t len, uint64_t until,
                           size_t *ret_len)
{
    OVERLAPPED state = { .hEvent = child->event };
    bool began =
        ReadFile(child->pipe, to, len < PIPE_BYTES ? (DWORD)len : PIPE_BYTES, NULL, &state);

    return finish(child, began, &state, until, ret_len);
}

bool child_write(struct child *child, const void *from, size_t len, uint64_t until)
{
    const char *at = from;

    while (len) {
        OVERLAPPED state = { .hEvent = child->event };
        bool began = WriteFile(child->pipe, at, len < PIPE_BYTES ? (DWORD)len : PIPE_BYTES,
                               NULL, &state);
        size_t n = 0;
        enum child_talk how = finish(child, began, &state, until, &n);

        if (how != CHILD_DONE) {
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
    if (win32_is_handle(child->pipe))
        CloseHandle(child->pipe);
    child->pipe = NULL;
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
