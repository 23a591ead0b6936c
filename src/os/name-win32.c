/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and words: between UTF-8 here and UTF-16 there. */

#include "inside-win32.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "text.h"

wchar_t *win32_wide(const char *text, struct err *err)
{
    wchar_t *wide = (wchar_t *)(void *)text_to_utf16le(text, NULL);

    if (!wide && errno == EILSEQ)
        err_fail(err, ERR_INVALID, 0, "a name is not UTF-8");
    else if (!wide)
        err_no_memory(err);
    return wide;
}

char *win32_utf8(const wchar_t *wide, struct err *err)
{
    char *text = text_from_utf16le(wide, wcslen(wide) * sizeof(*wide), NULL);

    if (!text && errno == EILSEQ)
        err_fail(err, ERR_UNSUPPORTED, 0, "a name is not Unicode: it has half a letter");
    else if (!text)
        err_no_memory(err);
    return text;
}

/* ---- paths ---- */

static wchar_t *full_path(const wchar_t *wide)
{
    DWORD size = GetFullPathNameW(wide, 0, NULL, NULL), len;
    wchar_t *full = size ? calloc(size, sizeof(*full)) : NULL;

    len = full ? GetFullPathNameW(wide, size, full, NULL) : 0;
    if (len > 0 && len < size)
        return full;
    free(full);
    return NULL;
}

wchar_t *win32_path(const char *path, struct err *err)
{
    static const wchar_t long_name[] = L"\\\\?\\", long_share[] = L"\\\\?\\UNC\\";
    CLEANUP(free_cleanup) wchar_t *wide = win32_wide(path, err);
    CLEANUP(free_cleanup) wchar_t *full = NULL;
    const wchar_t *rest, *prefix;
    wchar_t *made;

    if (!wide)
        return NULL;
    full = full_path(wide);
    if (!full) {
        err_fail(err, ERR_INVALID, 0, "'%s' is no name of a file", path);
        return NULL;
    }
    rest = full;
    prefix = long_name;
    if (wcsncmp(full, L"\\\\?\\", 4) == 0 || wcsncmp(full, L"\\\\.\\", 4) == 0) {
        prefix = L""; /* the caller knows what he wants */
    } else if (wcsncmp(full, L"\\\\", 2) == 0) {
        prefix = long_share;
        rest = full + 2;
    }
    made = calloc(wcslen(prefix) + wcslen(rest) + 1, sizeof(*made));
    if (!made) {
        err_no_memory(err);
        return NULL;
    }
    wcscpy(made, prefix);
    wcscat(made, rest);
    return made;
}

const wchar_t *win32_past_prefix(const wchar_t *path, bool *ret_is_unc)
{
    *ret_is_unc = wcsncmp(path, L"\\\\?\\UNC\\", 8) == 0;
    if (*ret_is_unc)
        return path + 8;
    return wcsncmp(path, L"\\\\?\\", 4) == 0 ? path + 4 : path;
}

/* ---- the environment ---- */

char *win32_variable(const wchar_t *name)
{
    DWORD size = GetEnvironmentVariableW(name, NULL, 0), len;
    CLEANUP(free_cleanup) wchar_t *wide = size > 1 ? calloc(size, sizeof(*wide)) : NULL;
    struct err ignored = ERR_INIT;

    len = wide ? GetEnvironmentVariableW(name, wide, size) : 0;
    return len > 0 && len < size ? win32_utf8(wide, &ignored) : NULL;
}

/* Values stay for good: callers keep them, as those of getenv(). */
struct variable {
    struct variable *next;
    char *name, *value;
};

static SRWLOCK variables_lock = SRWLOCK_INIT;
static struct variable *variables;

static const char *remember(const char *name)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) wchar_t *wide = win32_wide(name, &ignored);
    char *value = wide ? win32_variable(wide) : NULL;
    struct variable *made;

    if (!value)
        return NULL;
    made = calloc(1, sizeof(*made));
    if (made)
        made->name = text_dup(name);
    if (!made || !made->name) {
        free(made);
        free(value);
        return NULL;
    }
    made->value = value;
    made->next = variables;
    variables = made;
    return value;
}

const char *os_env(const char *name)
{
    const char *value = NULL;

    AcquireSRWLockExclusive(&variables_lock);
    for (const struct variable *at = variables; at && !value; at = at->next)
        if (strcmp(at->name, name) == 0)
            value = at->value;
    if (!value)
        value = remember(name);
    ReleaseSRWLockExclusive(&variables_lock);
    return value;
}

/* ---- errors ---- */

static enum err_kind kind_of(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_INVALID_DRIVE:
        return ERR_NOT_FOUND;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
    case 740: /* ERROR_ELEVATION_REQUIRED, missing in mingw-w64 10 */
    case ERROR_WRITE_PROTECT:
        return ERR_DENIED;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
        return ERR_CONFLICT;
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_FILENAME_EXCED_RANGE:
        return ERR_INVALID;
    default:
        return ERR_SYSTEM;
    }
}

bool win32_fail(struct err *err, DWORD code, const char *fmt, ...)
{
    CLEANUP(free_cleanup) char *reason = NULL;
    struct err ignored = ERR_INIT;
    wchar_t wide[256] = L"";
    char what[256];
    va_list args;
    DWORD len;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    len = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                             FORMAT_MESSAGE_MAX_WIDTH_MASK,
                         NULL, code, 0, wide, ARRAY_LEN(wide) - 1, NULL);
    while (len &&
           (wide[len - 1] <= L' ' || wide[len - 1] == L'.' || wide[len - 1] == 0x3002))
        wide[--len] = L'\0';
    reason = len ? win32_utf8(wide, &ignored) : NULL;
    if (reason)
        err_fail(err, kind_of(code), (int64_t)code, "%s: %s", what, reason);
    else
        err_fail(err, kind_of(code), (int64_t)code, "%s: Windows error %lu", what,
                 (unsigned long)code);
    if (code == ERROR_SHARING_VIOLATION || code == ERROR_LOCK_VIOLATION)
        err_hint(err, "close the program that has it open (a virus scanner may, for a "
                      "moment), and try again");
    return false;
}
