/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts a program of the tests with folders of its own: Wine gives every process the
 * LOCALAPPDATA and APPDATA of the prefix's user, whatever the caller's environment says, and
 * tests that run side by side must not share them.
 *
 *     launch.exe PROGRAM ARGUMENT...     with HVGPU_TEST_STATE and HVGPU_TEST_CONFIG
 *
 * Its exit code is the program's.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

enum { CANNOT = 119, LONGEST = 4096 };

static void hand_on(const WCHAR *from, const WCHAR *to)
{
    WCHAR value[LONGEST];
    DWORD len = GetEnvironmentVariableW(from, value, LONGEST);

    if (len > 0 && len < LONGEST)
        SetEnvironmentVariableW(to, value);
}

static BOOL WINAPI stay(DWORD event)
{
    return TRUE; /* Ctrl-C is for the program: its exit code is waited for */
}

int wmain(void);

int wmain(void)
{
    STARTUPINFOW start = { .cb = sizeof(start) };
    PROCESS_INFORMATION process;
    const WCHAR *at = GetCommandLineW();
    BOOL quoted = FALSE;
    WCHAR *line;
    DWORD code;

    for (; *at && (quoted || *at != L' '); at++)
        if (*at == L'"')
            quoted = !quoted;
    at += wcsspn(at, L" ");
    hand_on(L"HVGPU_TEST_STATE", L"LOCALAPPDATA");
    hand_on(L"HVGPU_TEST_CONFIG", L"APPDATA");
    line = _wcsdup(at);
    GetStartupInfoW(&start);
    if (!line ||
        !CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) {
        fprintf(stderr, "launch.exe: cannot start %ls (%lu)\n", at, GetLastError());
        return CANNOT;
    }
    SetConsoleCtrlHandler(stay, TRUE);
    WaitForSingleObject(process.hProcess, INFINITE);
    return GetExitCodeProcess(process.hProcess, &code) ? (int)code : CANNOT;
}
