/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.exe: its line, its surroundings, its console.
 *
 * The user's own environment is kept, except for what changes what the tools print (DIRCMD,
 * COPYCMD) or which tools they are (PATH).
 *
 * Sources: MicrosoftDocs/windowsserverdocs WindowsServerDocs/administration/windows-commands/
 * cmd.md, dir.md, copy.md; sdk-api processthreadsapi CreateProcessW.
 */

#include "shell-win32.h"

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "err.h"
#include "inside-win32.h"
#include "text.h"

enum {
    LINE_MOST = 8000,          /* cmd.exe takes 8191 characters in all */
    AROUND_LINE = 64,          /* what command_line() puts around it, but for the program */
    NAME_MOST = MAX_PATH - 16, /* of the system's folder, so that "\\cmd.exe" fits behind */
};

/* ---- the line ---- */

/* "C:\Windows\System32" */
static bool system_folder(wchar_t ret[MAX_PATH], struct err *err)
{
    UINT len = GetSystemDirectoryW(ret, MAX_PATH);

    return (len > 0 && len < NAME_MOST) ||
           win32_fail(err, GetLastError(), "cannot find the system's folder");
}

/* The line stands between the outer quotes as it is: with /s cmd.exe takes just these off. */
static wchar_t *command_line(const char *line, const wchar_t *program, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_wide(line, err);
    size_t size;
    wchar_t *text;

    if (!wide)
        return NULL;
    if (wcslen(wide) > LINE_MOST) {
        err_fail(err, ERR_UNSUPPORTED, 0, "the command is longer than cmd.exe takes");
        return NULL;
    }
    size = wcslen(wide) + wcslen(program) + AROUND_LINE;
    text = calloc(size, sizeof(*text));
    if (!text)
        err_no_memory(err);
    else
        swprintf(text, size, L"\"%ls\" /d /e:on /v:off /s /c \"%ls\"", program, wide);
    return text;
}

/* ---- the environment ---- */

static bool is_variable(const wchar_t *entry, const wchar_t *name)
{
    size_t len = wcslen(name);

    return _wcsnicmp(entry, name, len) == 0 && entry[len] == L'=';
}

struct block {
    wchar_t *text; /* entries, each with its NUL, and one more NUL at the end */
    wchar_t *end;
    const wchar_t *path; /* the entry of PATH, until it is put in */
};

static void put_entry(struct block *block, const wchar_t *entry)
{
    wcscpy(block->end, entry);
    block->end += wcslen(entry) + 1;
}

/* PATH comes where it belongs: CreateProcess wants the names sorted, and so they come. */
static void put_sorted(struct block *block, const wchar_t *entry)
{
    if (block->path && *entry != L'=' && _wcsicmp(entry, block->path) > 0) {
        put_entry(block, block->path);
        block->path = NULL;
    }
    put_entry(block, entry);
}

/* This process's own, with the PATH of the system and without what changes the tools.
 * Owned. */
static wchar_t *environment(const wchar_t *folder, struct err *err)
{
    static const wchar_t *const dropped[] = { L"PATH", L"DIRCMD", L"COPYCMD", L"PROMPT" };
    wchar_t *own = GetEnvironmentStringsW();
    wchar_t windows[MAX_PATH], path[3 * MAX_PATH + 16];
    UINT len = GetSystemWindowsDirectoryW(windows, ARRAY_LEN(windows));
    struct block block = { .path = path };
    size_t size = ARRAY_LEN(path) + 2;

    for (const wchar_t *e = own; e && *e; e += wcslen(e) + 1)
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
    for (const wchar_t *e = own; *e; e += wcslen(e) + 1) {
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

/* Tools write in the code page of their console.  So they get this program's, set to UTF-8 by
 * the first of those that run at a time, and set back by the last. */
static struct {
    SRWLOCK lock;
    unsigned users;
    UINT before; /* its code page; 0: there is no console */
    bool was_made;
} console = { .lock = SRWLOCK_INIT };

/* One is made, and hidden, if there is none: once, where no more can be had. */
static void look_for_console(void)
{
    console.before = GetConsoleOutputCP();
    if (console.before != 0 || console.was_made)
        return;
    console.was_made = true;
    if (AllocConsole() && GetConsoleWindow())
        ShowWindow(GetConsoleWindow(), SW_HIDE);
    console.before = GetConsoleOutputCP();
}

/* False: there is none to share. */
static bool take_console(void)
{
    bool ok;

    AcquireSRWLockExclusive(&console.lock);
    if (console.users == 0)
        look_for_console();
    ok = console.users > 0 || console.before == CP_UTF8 ||
         (console.before != 0 && SetConsoleOutputCP(CP_UTF8));
    console.users += ok;
    ReleaseSRWLockExclusive(&console.lock);
    return ok;
}

static void leave_console(void)
{
    AcquireSRWLockExclusive(&console.lock);
    if (--console.users == 0 && console.before != CP_UTF8)
        SetConsoleOutputCP(console.before);
    ReleaseSRWLockExclusive(&console.lock);
}

/* ---- the whole ---- */

bool shell_start(struct shell *shell, const char *line, struct err *err)
{
    wchar_t folder[MAX_PATH], program[MAX_PATH];
    CLEANUP(free_cleanup) wchar_t *whole = NULL;
    CLEANUP(free_cleanup) wchar_t *block = NULL;
    struct child_options options = { .program = program,
                                     .name = "cmd.exe",
                                     .streams = CHILD_SPEAKS_APART,
                                     .folder = folder };

    if (!system_folder(folder, err))
        return false;
    swprintf(program, ARRAY_LEN(program), L"%ls\\cmd.exe", folder);
    whole = command_line(line, program, err);
    block = whole ? environment(folder, err) : NULL;
    if (!block)
        return false;
    shell->has_console = take_console();
    options.line = whole;
    options.environment = block;
    options.shares_console = shell->has_console;
    return child_start(&shell->child, &options, err);
}

void shell_cleanup(struct shell *shell)
{
    child_cleanup(&shell->child);
    if (shell->has_console)
        leave_console();
    *shell = SHELL_INIT;
}
