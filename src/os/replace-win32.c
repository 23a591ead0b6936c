/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a file anew without losing what is known about the old one: ReplaceFile() keeps
 * the access list, attributes, streams and creation time of what it replaces.
 *
 * Source: MicrosoftDocs/sdk-api winbase ReplaceFileW.
 */

#include "os.h"

#include <string.h>
#include <windows.h>

#include "err.h"
#include "text.h"

static wchar_t *wide(const char *text)
{
    int len = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *made = len > 0 ? calloc((size_t)len, sizeof(*made)) : NULL;

    if (made)
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, made, len);
    return made;
}

static bool write_new(const wchar_t *path, const char *bytes, size_t len)
{
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    DWORD n = 0;
    bool ok = file != INVALID_HANDLE_VALUE;

    while (ok && len > 0) {
        ok = WriteFile(file, bytes, len > 1 << 30 ? 1 << 30 : (DWORD)len, &n, NULL) && n;
        bytes += n;
        len -= n;
    }
    ok = ok && FlushFileBuffers(file);
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
    return ok;
}

bool os_write_file_like(const char *path, const char *like, const void *bytes, size_t len,
                        struct err *err)
{
    CLEANUP(free_cleanup)
    char *name = text_printf("%s.%lu.tmp", path, (unsigned long)GetCurrentProcessId());
    CLEANUP(free_cleanup) wchar_t *temporary = name ? wide(name) : NULL;
    CLEANUP(free_cleanup) wchar_t *target = wide(path);
    CLEANUP(free_cleanup) wchar_t *model = wide(like);
    DWORD code;
    bool ok;

    if (!temporary || !target || !model)
        return err_no_memory(err);
    ok = write_new(temporary, bytes, len);
    if (ok && GetFileAttributesW(target) == INVALID_FILE_ATTRIBUTES)
        /* A new file: a copy of the model has its rights, and is then replaced. */
        ok = CopyFileW(model, target, TRUE);
    ok = ok && ReplaceFileW(target, temporary, NULL, REPLACEFILE_WRITE_THROUGH, NULL, NULL);
    code = GetLastError();
    if (ok)
        return true;
    DeleteFileW(temporary);
    return err_fail(err, ERR_SYSTEM, (int64_t)code, "cannot write '%s': Windows error %lu",
                    path, (unsigned long)code);
}
