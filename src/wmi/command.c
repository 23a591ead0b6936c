/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands on the machine itself, as a session runs them on a remote one: by cmd.exe, without
 * a window, its output in UTF-8, and nothing left running behind.
 *
 * What WinRS gives a command (MS-WSMV 3.1.4.1.31) is given here as well: code page 65001, no
 * AutoRun of the user (WINRS_NOPROFILE), an empty input, a folder that exists and is not
 * anybody's.  The user's own environment is kept, except for what changes what the tools print
 * (DIRCMD, COPYCMD) or which tools they are (PATH).
 *
 * Sources: MicrosoftDocs/windowsserverdocs WindowsServerDocs/administration/windows-commands/
 * cmd.md, dir.md, copy.md; sdk-api processthreadsapi CreateProcessW, jobapi2.
 */

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "bstr.h"
#include "console-text.h"
#include "err.h"
#include "os.h"
#include "text.h"
#include "wmi-error.h"
#include "wmi-session.h"

enum {
    LINE_MOST = 8000,     /* cmd.exe takes 8191 characters in all */
    WAIT_LONGEST_MS = 20, /* between two looks at the pipes */
    PIPE_BYTES = 64 << 10,
    PIECES_MOST = 64, /* read from one pipe without looking at anything else */
    GRACE_MS = 2000,  /* for output of what still runs when cmd.exe has ended */
};

struct running {
    HANDLE job, process;
    HANDLE out[2]; /* our ends of stdout and stderr */
};

static void close_handle(HANDLE *handle)
{
    if (*handle && *handle != INVALID_HANDLE_VALUE)
        CloseHandle(*handle);
    *handle = NULL;
}

static void close_running(struct running *r)
{
    close_handle(&r->out[0]);
    close_handle(&r->out[1]);
    close_handle(&r->process);
    close_handle(&r->job); /* ends what is left in it */
}

static bool last_error(const char *what, struct err *err)
{
    DWORD code = GetLastError();

    SetErrorInfo(0, NULL); /* nothing of WMI's */
    wmi_fail(HRESULT_FROM_WIN32(code), err);
    if (err->kind == ERR_REFUSED)
        err->kind = ERR_SYSTEM;
    return err_wrap(err, "%s", what);
}

/* ---- the command line and its surroundings ---- */

/* "C:\Windows\System32" */
static bool system_folder(WCHAR ret[MAX_PATH], struct err *err)
{
    UINT len = GetSystemDirectoryW(ret, MAX_PATH);

    return (len > 0 && len < MAX_PATH - 16) || last_error("finding the system folder", err);
}

/* The line stands between the outer quotes as it is: with /s cmd.exe takes just these off. */
static WCHAR *command_line(const char *line, const WCHAR *program, struct err *err)
{
    CLEANUP(bstr_cleanup) BSTR wide = bstr_from(line, err);
    size_t size;
    WCHAR *text;

    if (!wide)
        return NULL;
    if (wcslen(wide) > LINE_MOST) {
        err_fail(err, ERR_UNSUPPORTED, 0, "the command is longer than cmd.exe takes");
        return NULL;
    }
    size = wcslen(wide) + wcslen(program) + 64;
    text = calloc(size, sizeof(*text));
    if (!text)
        err_no_memory(err);
    else
        swprintf(text, size, L"\"%ls\" /d /e:on /v:off /s /c \"%ls\"", program, wide);
    return text;
}

static bool is_variable(const WCHAR *entry, const WCHAR *name)
{
    size_t len = wcslen(name);

    return _wcsnicmp(entry, name, len) == 0 && entry[len] == L'=';
}

struct block {
    WCHAR *text; /* entries, each with its NUL, and one more NUL at the end */
    WCHAR *end;
    const WCHAR *path; /* the entry of PATH, until it is put in */
};

static void put_entry(struct block *block, const WCHAR *entry)
{
    wcscpy(block->end, entry);
    block->end += wcslen(entry) + 1;
}

/* PATH comes where it belongs: CreateProcess wants the names sorted, and so they come. */
static void put_sorted(struct block *block, const WCHAR *entry)
{
    if (block->path && *entry != L'=' && _wcsicmp(entry, block->path) > 0) {
        put_entry(block, block->path);
        block->path = NULL;
    }
    put_entry(block, entry);
}

/* This process's own, with the PATH of the system and without what changes the tools.
 * Owned. */
static WCHAR *environment(const WCHAR *folder, struct err *err)
{
    static const WCHAR *const dropped[] = { L"PATH", L"DIRCMD", L"COPYCMD", L"PROMPT" };
    WCHAR *own = GetEnvironmentStringsW();
    WCHAR windows[MAX_PATH], path[3 * MAX_PATH + 16];
    UINT len = GetSystemWindowsDirectoryW(windows, ARRAY_LEN(windows));
    struct block block = { .path = path };
    size_t size = ARRAY_LEN(path) + 2;

    for (const WCHAR *e = own; e && *e; e += wcslen(e) + 1)
        size += wcslen(e) + 1;
    block.text =
        own && len && len < ARRAY_LEN(windows) ? calloc(size, sizeof(*block.text)) : NULL;
    if (!block.text) {
        if (own)
            FreeEnvironmentStringsW(own);
        err_no_memory(err);
        return NULL;
    }
    swprintf(path, ARRAY_LEN(path), L"PATH=%ls;%ls;%ls\\Wbem", folder, windows, folder);
    block.end = block.text;
    for (const WCHAR *e = own; *e; e += wcslen(e) + 1) {
        bool keep = true;

        for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
            keep = keep && !is_variable(e, dropped[i]);
        if (keep)
            put_sorted(&block, e);
    }
    if (block.path)
        put_entry(&block, block.path);
    FreeEnvironmentStringsW(own);
    return block.text;
}

/* ---- the console ---- */

/* Tools write in the code page of their console.  So they get this program's, set to UTF-8;
 * one is made, and hidden, if it has none.  False: there is none to share. */
static bool share_console(UINT *ret_before)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    BOOL is_first = FALSE;

    *ret_before = GetConsoleOutputCP();
    if (*ret_before == 0 && InitOnceBeginInitialize(&once, 0, &is_first, NULL) &&
        is_first) {
        if (AllocConsole() && GetConsoleWindow())
            ShowWindow(GetConsoleWindow(), SW_HIDE);
        InitOnceComplete(&once, 0, NULL);
        *ret_before = GetConsoleOutputCP();
    }
    return *ret_before != 0 && (*ret_before == CP_UTF8 || SetConsoleOutputCP(CP_UTF8));
}

/* ---- starting ---- */

static bool make_pipes(struct running *r, HANDLE theirs[3], struct err *err)
{
    SECURITY_ATTRIBUTES inherited = { sizeof(inherited), NULL, TRUE };

    theirs[0] = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                            &inherited, OPEN_EXISTING, 0, NULL);
    if (theirs[0] == INVALID_HANDLE_VALUE)
        return last_error("opening NUL", err);
    for (int i = 0; i < 2; i++)
        if (!CreatePipe(&r->out[i], &theirs[i + 1], &inherited, PIPE_BYTES) ||
            !SetHandleInformation(r->out[i], HANDLE_FLAG_INHERIT, 0))
            return last_error("making a pipe", err);
    return true;
}

/* Everything that the command starts is in the job, and ends with it. */
static bool make_job(struct running *r, struct err *err)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = { 0 };

    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    r->job = CreateJobObjectW(NULL, NULL);
    return (r->job && SetInformationJobObject(r->job, JobObjectExtendedLimitInformation,
                                              &limits, sizeof(limits))) ||
           last_error("making a job object", err);
}

static bool create(struct running *r, const WCHAR *program, WCHAR *line,
                   const WCHAR *folder, WCHAR *block, HANDLE theirs[3], DWORD console,
                   struct err *err)
{
    STARTUPINFOEXW start = { .StartupInfo = { .cb = sizeof(start) } };
    PROCESS_INFORMATION made = { 0 };
    SIZE_T size = 0;
    bool ok;

    start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    start.StartupInfo.hStdInput = theirs[0];
    start.StartupInfo.hStdOutput = theirs[1];
    start.StartupInfo.hStdError = theirs[2];
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    start.lpAttributeList = calloc(1, size ? size : 1);
    if (!start.lpAttributeList)
        return err_no_memory(err);
    /* Only these three: other threads open files and sockets at the same time. */
    ok = InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size) &&
         UpdateProcThreadAttribute(start.lpAttributeList, 0,
                                   PROC_THREAD_ATTRIBUTE_HANDLE_LIST, theirs,
                                   3 * sizeof(theirs[0]), NULL, NULL) &&
         CreateProcessW(program, line, NULL, NULL, TRUE,
                        CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT |
                            CREATE_NEW_PROCESS_GROUP | EXTENDED_STARTUPINFO_PRESENT |
                            console,
                        block, folder, &start.StartupInfo, &made);
    if (!ok)
        last_error("starting cmd.exe", err);
    DeleteProcThreadAttributeList(start.lpAttributeList);
    free(start.lpAttributeList);
    if (!ok)
        return false;
    r->process = made.hProcess;
    ok = AssignProcessToJobObject(r->job, made.hProcess) &&
         ResumeThread(made.hThread) != (DWORD)-1;
    if (!ok) {
        last_error("starting cmd.exe", err);
        TerminateProcess(made.hProcess, 1);
    }
    CloseHandle(made.hThread);
    return ok;
}

static bool start(struct running *r, const char *text, DWORD console, struct err *err)
{
    HANDLE theirs[3] = { NULL };
    WCHAR folder[MAX_PATH], program[MAX_PATH];
    CLEANUP(free_cleanup) WCHAR *line = NULL;
    CLEANUP(free_cleanup) WCHAR *block = NULL;
    bool ok;

    if (!system_folder(folder, err))
        return false;
    swprintf(program, ARRAY_LEN(program), L"%ls\\cmd.exe", folder);
    line = command_line(text, program, err);
    block = line ? environment(folder, err) : NULL;
    ok = block && make_job(r, err) && make_pipes(r, theirs, err) &&
         create(r, program, line, folder, block, theirs, console, err);
    for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
        close_handle(&theirs[i]);
    return ok;
}

/* ---- running ---- */

struct receiver {
    const struct shell_command *command;
    struct console_text text[2];
};

static bool give(const char *text, size_t len, bool is_stderr, void *user, struct err *err)
{
    const struct shell_command *command = user;

    return !command->on_output ||
           command->on_output(text, len, is_stderr, command->user, err);
}

/* What is in the pipe now, or much of it: who never stops writing is stopped, too.  *ret_some:
 * there was something. */
static bool receive(struct running *r, int i, struct receiver *to, bool *ret_some,
                    struct err *err)
{
    char bytes[8192];
    DWORD there = 0, got = 0;

    for (int n = 0; n < PIECES_MOST; n++) {
        if (!PeekNamedPipe(r->out[i], NULL, 0, NULL, &there, NULL) || there == 0)
            return true;
        if (!ReadFile(r->out[i], bytes, there < sizeof(bytes) ? there : sizeof(bytes), &got,
                      NULL) ||
            got == 0)
            return true;
        *ret_some = true;
        if (!console_text_add(&to->text[i], bytes, got, err))
            return false;
    }
    return true;
}

/* True while somebody may still write into one of the pipes. */
static bool is_open(const struct running *r)
{
    DWORD there;

    return PeekNamedPipe(r->out[0], NULL, 0, NULL, &there, NULL) ||
           PeekNamedPipe(r->out[1], NULL, 0, NULL, &there, NULL);
}

static bool receive_all(const struct wmi_session *ws, struct running *r,
                        struct receiver *to, struct err *err)
{
    unsigned limit = to->command->timeout_ms ? to->command->timeout_ms : ws->timeout_ms;
    uint64_t begin = os_monotonic_ms(), ended = 0;
    unsigned wait_ms = 1;

    for (;;) {
        bool some = false;
        bool is_done = WaitForSingleObject(r->process, 0) == WAIT_OBJECT_0;
        uint64_t now;

        if (!receive(r, 0, to, &some, err) || !receive(r, 1, to, &some, err))
            return false;
        now = os_monotonic_ms();
        if (is_done && !ended)
            ended = now;
        /* What it left behind may still hold the pipes; it is not waited for for long. */
        if (is_done && !some && (!is_open(r) || now - ended >= GRACE_MS))
            return true;
        if (!wmi_go_on(ws, err))
            return false;
        if (now - begin >= limit) {
            err_fail(err, ERR_UNREACHABLE, 0, "the command was not done after %u s",
                     limit / 1000);
            return false;
        }
        wait_ms = some ? 1 : wait_ms * 2 < WAIT_LONGEST_MS ? wait_ms * 2 : WAIT_LONGEST_MS;
        if (some)
            continue;
        if (is_done)
            os_sleep_ms(wait_ms);
        else
            WaitForSingleObject(r->process, wait_ms);
    }
}

static bool run_in(const struct wmi_session *ws, const struct shell_command *command,
                   DWORD console, uint32_t *ret_exit_code, struct err *err)
{
    struct running r = { 0 };
    struct receiver to = { .command = command };
    DWORD code = 0;
    bool ok;

    for (int i = 0; i < 2; i++)
        console_text_init(&to.text[i], i == 1, give, (void *)(uintptr_t)command);
    ok = start(&r, command->line, console, err) && receive_all(ws, &r, &to, err) &&
         console_text_end(&to.text[0], err) && console_text_end(&to.text[1], err);
    if (ok && !GetExitCodeProcess(r.process, &code))
        ok = last_error("asking for the exit code", err);
    close_running(&r);
    for (int i = 0; i < 2; i++)
        console_text_free(&to.text[i]);
    if (ok)
        *ret_exit_code = code;
    return ok;
}

bool wmi_run(struct cim_session *self, const struct shell_command *command,
             uint32_t *ret_exit_code, struct err *err)
{
    const struct wmi_session *ws = (const struct wmi_session *)self;
    UINT before;
    bool is_shared, ok;

    if (ws->may_change && !command->reads_only && !ws->may_change(NULL, err))
        return false;
    is_shared = share_console(&before);
    ok = run_in(ws, command, is_shared ? 0 : CREATE_NO_WINDOW, ret_exit_code, err);
    if (is_shared && before != CP_UTF8)
        SetConsoleOutputCP(before);
    return ok;
}
