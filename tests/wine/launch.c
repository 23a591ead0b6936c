/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts a program of the tests with folders of its own: Wine gives every process the
 * LOCALAPPDATA and APPDATA of the prefix's user, whatever the caller's environment says, and
 * tests that run side by side must not share them.
 *
 *     launch.exe PROGRAM ARGUMENT...     with HVGPU_TEST_STATE and HVGPU_TEST_CONFIG
 *
 * Its exit code is the program's.  Who kills this kills the program and all that it started.
 *
 * With HVGPU_TEST_CONSOLE the program has a console, which nobody sees, beside the input and
 * output it was given.  SIGINT, which Wine gives to this process alone, is Ctrl-C there: the
 * console tells every process that is attached to it, as on Windows.  For that this program
 * runs once more, as one of them:
 *
 *     launch.exe --ctrl-c PID
 *
 *     launch.exe --window PROGRAM ARGUMENT...
 *
 * runs it in the console that this program is in, with nothing redirected, and says what became
 * of that: its output mode before, while and after, and what is on the screen.  HVGPU_TEST_VT
 * switches escape sequences on before.
 *
 *     launch.exe --hold FILE     has FILE open for itself alone until its input ends
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 0x0004
#endif

enum { CANNOT = 119, LONGEST = 4096, COLUMNS = 120, ROWS = 50 };

static DWORD in_console; /* the program, if it has a console of its own */

static void hand_on(const WCHAR *from, const WCHAR *to)
{
    WCHAR value[LONGEST];
    DWORD len = GetEnvironmentVariableW(from, value, LONGEST);

    if (len > 0 && len < LONGEST)
        SetEnvironmentVariableW(to, value);
}

/* Type Ctrl-C in the console of @pid. */
static int type_ctrl_c(DWORD pid)
{
    SetConsoleCtrlHandler(NULL, TRUE); /* not for this one */
    FreeConsole();                     /* Wine: there is none, but a place for it */
    return AttachConsole(pid) && GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) ? 0 : CANNOT;
}

/* Ctrl-C is for the program: its exit code is waited for. */
static BOOL WINAPI pass_on(DWORD event)
{
    WCHAR own[MAX_PATH], line[MAX_PATH + 64];
    STARTUPINFOW start = { .cb = sizeof(start) };
    PROCESS_INFORMATION made;

    if (event != CTRL_C_EVENT || in_console == 0)
        return TRUE;
    GetModuleFileNameW(NULL, own, ARRAYSIZE(own));
    _snwprintf(line, ARRAYSIZE(line), L"\"%ls\" --ctrl-c %lu", own, in_console);
    if (!CreateProcessW(own, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &made))
        fprintf(stderr, "launch.exe: no Ctrl-C (%lu)\n", GetLastError());
    return TRUE;
}

/* What the console paints: it stops when nobody takes it away. */
static DWORD WINAPI look_away(void *paint)
{
    char bytes[4096];
    DWORD got;

    while (ReadFile(paint, bytes, sizeof(bytes), &got, NULL) && got > 0)
        ;
    return 0;
}

static BOOL make_console(STARTUPINFOEXW *start)
{
    const COORD size = { COLUMNS, ROWS };
    HANDLE input, keys, paint, output;
    HPCON console;
    SIZE_T bytes = 0;

    if (!CreatePipe(&input, &keys, NULL, 0) || !CreatePipe(&paint, &output, NULL, 0) ||
        FAILED(CreatePseudoConsole(size, input, output, 0, &console)) ||
        !CreateThread(NULL, 0, look_away, paint, 0, NULL))
        return FALSE;
    InitializeProcThreadAttributeList(NULL, 1, 0, &bytes);
    start->lpAttributeList = malloc(bytes);
    return start->lpAttributeList &&
           InitializeProcThreadAttributeList(start->lpAttributeList, 1, 0, &bytes) &&
           UpdateProcThreadAttribute(start->lpAttributeList, 0,
                                     PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, console,
                                     sizeof(console), NULL, NULL);
}

/* All that the program starts ends when this process does, however that comes. */
static BOOL bind(HANDLE process)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = { 0 };
    HANDLE job = CreateJobObjectW(NULL, NULL);

    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    return job &&
           SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
                                   sizeof(limits)) &&
           AssignProcessToJobObject(job, process);
}

static BOOL has_console(void)
{
    return GetEnvironmentVariableW(L"HVGPU_TEST_CONSOLE", NULL, 0) > 0;
}

static BOOL launch(const WCHAR *command, PROCESS_INFORMATION *process)
{
    STARTUPINFOEXW start = { .StartupInfo = { .cb = sizeof(start) } };
    WCHAR *line = _wcsdup(command);
    DWORD flags = CREATE_SUSPENDED;

    if (has_console()) {
        if (!make_console(&start))
            return FALSE;
        flags |= EXTENDED_STARTUPINFO_PRESENT;
    } else {
        start.StartupInfo.cb = sizeof(start.StartupInfo);
    }
    start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    start.StartupInfo.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.StartupInfo.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.StartupInfo.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    SetConsoleCtrlHandler(pass_on, TRUE);
    return line &&
           CreateProcessW(NULL, line, NULL, NULL, TRUE, flags, NULL, NULL,
                          &start.StartupInfo, process) &&
           bind(process->hProcess);
}

static int hold(const WCHAR *path)
{
    HANDLE file =
        CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);

    if (file == INVALID_HANDLE_VALUE)
        return CANNOT;
    puts("held");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    CloseHandle(file);
    return 0;
}

static unsigned count_escapes(HANDLE screen)
{
    static WCHAR cells[COLUMNS * ROWS];
    const COORD origin = { 0, 0 };
    unsigned escapes = 0;
    DWORD got = 0;

    if (!ReadConsoleOutputCharacterW(screen, cells, COLUMNS * ROWS, origin, &got))
        return 0;
    for (DWORD i = 0; i < got; i++)
        escapes += cells[i] == 0x1b;
    return escapes;
}

static int in_window(const WCHAR *command)
{
    SECURITY_ATTRIBUTES inherited = { sizeof(inherited), NULL, TRUE };
    STARTUPINFOW start = { .cb = sizeof(start), .dwFlags = STARTF_USESTDHANDLES };
    HANDLE screen =
        CreateFileW(L"CONOUT$", GENERIC_READ | GENERIC_WRITE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
    DWORD before, meanwhile = 0, after, mode, code;
    PROCESS_INFORMATION process;
    WCHAR *line = _wcsdup(command);

    if (GetEnvironmentVariableW(L"HVGPU_TEST_VT", NULL, 0) > 0 &&
        GetConsoleMode(screen, &mode))
        SetConsoleMode(screen, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    start.hStdInput =
        CreateFileW(L"CONIN$", GENERIC_READ | GENERIC_WRITE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
    start.hStdOutput = start.hStdError = screen;
    if (!line || !GetConsoleMode(screen, &before) ||
        !CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
        return CANNOT;
    while (WaitForSingleObject(process.hProcess, 1) == WAIT_TIMEOUT)
        if (GetConsoleMode(screen, &mode))
            meanwhile |= mode;
    if (!GetExitCodeProcess(process.hProcess, &code) || !GetConsoleMode(screen, &after))
        return CANNOT;
    printf("before %lu while %lu after %lu escapes %u\n", before, meanwhile, after,
           count_escapes(screen));
    return (int)code;
}

int wmain(void);

int wmain(void)
{
    PROCESS_INFORMATION process = { 0 };
    const WCHAR *at = GetCommandLineW();
    BOOL quoted = FALSE;
    DWORD code;

    for (; *at && (quoted || *at != L' '); at++)
        if (*at == L'"')
            quoted = !quoted;
    at += wcsspn(at, L" ");
    if (wcsncmp(at, L"--ctrl-c ", 9) == 0)
        return type_ctrl_c(wcstoul(at + 9, NULL, 10));
    if (wcsncmp(at, L"--hold ", 7) == 0)
        return hold(at + 7);
    if (wcsncmp(at, L"--window ", 9) == 0)
        return in_window(at + 9);
    hand_on(L"HVGPU_TEST_STATE", L"LOCALAPPDATA");
    hand_on(L"HVGPU_TEST_CONFIG", L"APPDATA");
    if (!launch(at, &process)) {
        fprintf(stderr, "launch.exe: cannot start %ls (%lu)\n", at, GetLastError());
        if (process.hProcess)
            TerminateProcess(process.hProcess, CANNOT);
        return CANNOT;
    }
    if (has_console())
        in_console = process.dwProcessId;
    ResumeThread(process.hThread);
    WaitForSingleObject(process.hProcess, INFINITE);
    return GetExitCodeProcess(process.hProcess, &code) ? (int)code : CANNOT;
}
