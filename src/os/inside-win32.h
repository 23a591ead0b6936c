/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files for Windows in this folder share: names in UTF-16, errors in the system's
 * words, and who may read what is made here. */
#pragma once

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

struct err;

/* NULL with @err: no memory, or a text that is not Unicode.  Owned by the caller. */
wchar_t *win32_wide(const char *text, struct err *err);
char *win32_utf8(const wchar_t *wide, struct err *err);

/* The absolute form of a path, with the prefix that switches the limit of 260 letters off
 * (\\?\C:\..., \\?\UNC\server\share\...), and a name without that prefix, for people. */
wchar_t *win32_path(const char *path, struct err *err);
const wchar_t *win32_past_prefix(const wchar_t *path, bool *ret_is_unc);

/* The file of this program, however long its name; owned.  NULL: no memory. */
wchar_t *win32_program_name(void);

/* The arguments of a command line, the program's name first; owned, as each of them is, and NULL
 * stands behind the last.  NULL: no memory, or no Unicode. */
char **win32_split_line(const wchar_t *line, int *ret_count);

/* A variable of the environment; NULL: not set, or empty, or no memory. */
char *win32_variable(const wchar_t *name);

/* The error of the last call, with what it means for the kind. */
bool win32_fail(struct err *err, DWORD code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* For making files and folders that only this user (and the system) can open; NULL with
 * @err.  Made once, lent for ever. */
SECURITY_ATTRIBUTES *win32_private_file(struct err *err);
SECURITY_ATTRIBUTES *win32_private_folder(struct err *err);

/* @from takes the name @to, replacing it.  Waits a moment for whoever has @to open: virus
 * scanners and indexers look at every new file. */
bool win32_replace(const wchar_t *from, const wchar_t *to);

int64_t win32_usec(const FILETIME *time);

struct win32_handle {
    HANDLE h;
};
static inline bool win32_is_handle(HANDLE h)
{
    return h && h != INVALID_HANDLE_VALUE;
}
static inline void win32_handle_cleanup(struct win32_handle *handle)
{
    if (win32_is_handle(handle->h))
        CloseHandle(handle->h);
}
