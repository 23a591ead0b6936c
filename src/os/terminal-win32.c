/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console: what it can show, what is typed without being seen, Ctrl-C.
 *
 * Source: MicrosoftDocs/Console-Docs (console modes, SetConsoleCtrlHandler, HandlerRoutine).
 */

#include "inside-win32.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>

#include "err.h"
#include "os.h"
#include "text.h"

#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 0x0004
#endif

enum {
    SECRET_MOST = 512,
    BUFFER = 16384,
    CLOSING_MS = 10000, /* the system waits 5 s for a program whose window is closed */
};

/* ---- the terminal ---- */

static HANDLE standard_handle(int fd)
{
    static const DWORD names[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };

    return fd >= 0 && fd < 3 ? GetStdHandle(names[fd]) : INVALID_HANDLE_VALUE;
}

bool os_is_terminal(int fd)
{
    DWORD mode;

    return GetConsoleMode(standard_handle(fd), &mode);
}

bool os_takes_escapes(int fd)
{
    DWORD mode;

    return GetConsoleMode(standard_handle(fd), &mode) &&
           (mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

unsigned os_terminal_columns(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    for (int fd = 1; fd <= 2; fd++)
        if (GetConsoleScreenBufferInfo(standard_handle(fd), &info) &&
            info.srWindow.Right > info.srWindow.Left)
            return (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
    return 80;
}

/* The console outlives this program: what was changed is put back for the next. */
static struct {
    UINT input, output;
    DWORD modes[3];
    bool has_mode[3];
} before;

static void put_back(void)
{
    fflush(NULL);
    /* The other way round: both are one console mostly, whose mode the first one saw first. */
    for (int fd = 2; fd >= 1; fd--)
        if (before.has_mode[fd])
            SetConsoleMode(standard_handle(fd), before.modes[fd]);
    if (before.output)
        SetConsoleOutputCP(before.output);
    if (before.input)
        SetConsoleCP(before.input);
}

void os_terminal_setup(void)
{
    for (int fd = 0; fd <= 2; fd++)
        _setmode(fd, _O_BINARY); /* no CR added to what scripts read */
    /* In one piece: a letter of several bytes must not reach the console in two, and the C
     * library writes to what has no buffer byte by byte.  It knows no buffer of one line. */
    setvbuf(stdout, NULL, _IOFBF, BUFFER);
    setvbuf(stderr, NULL, _IOFBF, BUFFER);
    before.output = GetConsoleOutputCP();
    before.input = GetConsoleCP();
    if (before.output)
        SetConsoleOutputCP(CP_UTF8);
    if (before.input)
        SetConsoleCP(CP_UTF8);
    for (int fd = 1; fd <= 2; fd++) {
        HANDLE handle = standard_handle(fd);

        before.has_mode[fd] = GetConsoleMode(handle, &before.modes[fd]);
        if (before.has_mode[fd]) /* refused by consoles before Windows 10 1511 */
            SetConsoleMode(handle, before.modes[fd] | ENABLE_PROCESSED_OUTPUT |
                                       ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    }
    atexit(put_back);
}

static HANDLE open_console(const wchar_t *name)
{
    return CreateFileW(name, GENERIC_READ | GENERIC_WRITE,
                       FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
}

static void show(HANDLE console, const char *text)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_wide(text, &ignored);
    DWORD written;

    if (wide)
        WriteConsoleW(console, wide, (DWORD)wcslen(wide), &written, NULL);
}

/* True: a line with its end came. */
static bool read_line(HANDLE input, wchar_t line[SECRET_MOST])
{
    DWORD n = 0;

    if (!ReadConsoleW(input, line, SECRET_MOST - 1, &n, NULL) || n == 0 ||
        n > SECRET_MOST - 1)
        return false;
    line[n] = L'\0';
    if (line[n - 1] != L'\n' && line[n - 1] != L'\r')
        return false;
    line[wcscspn(line, L"\r\n")] = L'\0';
    return true;
}

char *os_read_secret(const char *prompt, struct err *err)
{
    CLEANUP(win32_handle_cleanup) struct win32_handle input = { open_console(L"CONIN$") };
    CLEANUP(win32_handle_cleanup) struct win32_handle output = { open_console(L"CONOUT$") };
    wchar_t line[SECRET_MOST] = { 0 };
    char *secret = NULL;
    DWORD mode;

    if (!win32_is_handle(input.h) || !GetConsoleMode(input.h, &mode)) {
        err_fail(err, ERR_INVALID, 0, "a password is needed and there is no terminal");
        err_hint(err, "give --password-file FILE or set HVGPU_PASSWORD_FILE");
        return NULL;
    }
    show(output.h, prompt);
    SetConsoleMode(input.h, ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT);
    FlushConsoleInputBuffer(input.h); /* what was typed before was seen */
    if (read_line(input.h, line))
        secret = win32_utf8(line, err);
    else
        err_fail(err, ERR_INVALID, 0, "no password was typed");
    SetConsoleMode(input.h, mode);
    show(output.h, "\r\n");
    os_wipe(line, sizeof(line));
    return secret;
}

void os_wipe(void *bytes, size_t len)
{
    SecureZeroMemory(bytes, len);
}

/* ---- started by a double click ---- */

/* The window was opened for this program and goes with it; nobody else writes to it. */
bool os_has_own_window(void)
{
    DWORD ids[2];

    return os_is_terminal(0) && os_is_terminal(1) && GetConsoleProcessList(ids, 2) == 1;
}

void os_wait_for_key(void)
{
    CLEANUP(win32_handle_cleanup) struct win32_handle input = { open_console(L"CONIN$") };
    INPUT_RECORD event;
    DWORD n;

    if (!win32_is_handle(input.h))
        return;
    FlushConsoleInputBuffer(input.h);
    while (!os_was_interrupted() && ReadConsoleInputW(input.h, &event, 1, &n) && n == 1)
        if (event.EventType == KEY_EVENT && event.Event.KeyEvent.bKeyDown &&
            (event.Event.KeyEvent.uChar.UnicodeChar ||
             event.Event.KeyEvent.wVirtualKeyCode == VK_RETURN))
            return;
}

/* ---- Ctrl-C ---- */

static volatile LONG interrupted, interrupts;
static HANDLE interrupt_event; /* wakes whoever sleeps, once */

/* Runs in a thread of its own.  Returning FALSE goes on to the system's handler, which ends
 * the program: so does the second Ctrl-C.  When the window is closed, the user logs off or
 * the machine is shut down, returning ends it at once; until then it has some seconds. */
static BOOL WINAPI note_interrupt(DWORD event)
{
    bool is_first = InterlockedExchange(&interrupted, 1) == 0;

    InterlockedIncrement(&interrupts);

    if (interrupt_event)
        SetEvent(interrupt_event);
    if (event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT)
        return is_first;
    Sleep(CLOSING_MS);
    return TRUE;
}

void os_catch_interrupt(void)
{
    if (!interrupt_event)
        interrupt_event = CreateEventW(NULL, FALSE, FALSE, NULL);
    SetConsoleCtrlHandler(NULL, FALSE); /* who started us may have switched it off */
    SetConsoleCtrlHandler(note_interrupt, TRUE);
}

bool os_was_interrupted(void)
{
    return interrupted != 0;
}

unsigned os_interrupt_count(void)
{
    return (unsigned)interrupts;
}

void os_forget_interrupt(void)
{
    InterlockedExchange(&interrupted, 0);
    if (interrupt_event)
        ResetEvent(interrupt_event);
}

void os_sleep_ms(unsigned ms)
{
    if (interrupt_event)
        WaitForSingleObject(interrupt_event, ms);
    else
        Sleep(ms);
}
