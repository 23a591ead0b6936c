/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a file anew without losing what is known about the old one: ReplaceFile() keeps
 * the access list, attributes, streams and creation time of what it replaces.  A file like
 * another one is a copy of that, which takes its attributes and streams along, with its
 * access list and a content of its own.
 *
 * Source: MicrosoftDocs/sdk-api winbase ReplaceFileW, CopyFileW; aclapi.
 */

#include "inside-win32.h"

#include <aclapi.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "text.h"

struct paths {
    wchar_t *target, *model, *temporary;
};

static void paths_cleanup(struct paths *paths)
{
    free(paths->target);
    free(paths->model);
    free(paths->temporary);
}

static bool find_paths(struct paths *ret, const char *path, const char *like,
                       struct err *err)
{
    CLEANUP(free_cleanup) char *name = NULL;
    char guid[37];

    os_guid(guid);
    name = text_printf("%s.%.8s", path, guid);
    if (!name)
        return err_no_memory(err);
    ret->target = win32_path(path, err);
    ret->model = ret->target ? win32_path(like, err) : NULL;
    ret->temporary = ret->model ? win32_path(name, err) : NULL;
    return ret->temporary;
}

static bool put_content(const wchar_t *path, DWORD disposition, const char *bytes,
                        size_t len, SECURITY_ATTRIBUTES *attributes)
{
    CLEANUP(win32_handle_cleanup) struct win32_handle file = { NULL };

    file.h = CreateFileW(path, GENERIC_WRITE, 0, attributes, disposition, 0, NULL);
    if (file.h == INVALID_HANDLE_VALUE)
        return false;
    while (len > 0) {
        DWORD n = 0;

        if (!WriteFile(file.h, bytes, len < 1 << 30 ? (DWORD)len : 1 << 30, &n, NULL) ||
            n == 0)
            return false;
        bytes += n;
        len -= n;
    }
    return FlushFileBuffers(file.h);
}

/* Windows error. */
static DWORD copy_rights(const wchar_t *from, const wchar_t *to)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    SECURITY_DESCRIPTOR_CONTROL control = 0;
    SECURITY_INFORMATION what = DACL_SECURITY_INFORMATION;
    ACL *list = NULL;
    DWORD revision, code;

    code = GetNamedSecurityInfoW((wchar_t *)(uintptr_t)from, SE_FILE_OBJECT,
                                 DACL_SECURITY_INFORMATION, NULL, NULL, &list, NULL,
                                 &descriptor);
    if (code != ERROR_SUCCESS)
        return code;
    if (GetSecurityDescriptorControl(descriptor, &control, &revision))
        what |= control & SE_DACL_PROTECTED ? PROTECTED_DACL_SECURITY_INFORMATION
                                            : UNPROTECTED_DACL_SECURITY_INFORMATION;
    code = SetNamedSecurityInfoW((wchar_t *)(uintptr_t)to, SE_FILE_OBJECT, what, NULL, NULL,
                                 list, NULL);
    LocalFree(descriptor);
    return code;
}

static bool replace_itself(const struct paths *paths, const void *bytes, size_t len,
                           SECURITY_ATTRIBUTES *private)
{
    DWORD code;

    if (!put_content(paths->temporary, CREATE_NEW, bytes, len, private))
        return false;
    if (ReplaceFileW(paths->target, paths->temporary, NULL, REPLACEFILE_WRITE_THROUGH, NULL,
                     NULL))
        return true;
    code = GetLastError();
    /* The old one may be gone and the new one not yet there: then it takes the name. */
    if (GetFileAttributesW(paths->target) == INVALID_FILE_ATTRIBUTES &&
        win32_replace(paths->temporary, paths->target))
        return true;
    SetLastError(code);
    return false;
}

static bool write_like(const struct paths *paths, const void *bytes, size_t len)
{
    DWORD attributes = GetFileAttributesW(paths->model), code;

    if (!CopyFileW(paths->model, paths->temporary, TRUE) ||
        !SetFileAttributesW(paths->temporary, FILE_ATTRIBUTE_NORMAL) ||
        !put_content(paths->temporary, TRUNCATE_EXISTING, bytes, len, NULL) ||
        !SetFileAttributesW(paths->temporary, attributes))
        return false;
    /* The rights come last: they may forbid what must be done before.  Where they and the
     * write protection are one (Samba, Wine), setting the one resets the other. */
    code = copy_rights(paths->model, paths->temporary);
    if (code != ERROR_SUCCESS) {
        SetLastError(code);
        return false;
    }
    if (GetFileAttributesW(paths->temporary) != attributes &&
        !SetFileAttributesW(paths->temporary, attributes))
        return false;
    return win32_replace(paths->temporary, paths->target);
}

bool os_write_file_like(const char *path, const char *like, const void *bytes, size_t len,
                        struct err *err)
{
    CLEANUP(paths_cleanup) struct paths paths = { 0 };
    SECURITY_ATTRIBUTES *private = win32_private_file(err);
    DWORD attributes, code;
    bool ok;

    if (!private || !find_paths(&paths, path, like, err))
        return false;
    if (GetFileAttributesW(paths.model) == INVALID_FILE_ATTRIBUTES)
        return win32_fail(err, GetLastError(), "cannot open '%s'", like);
    /* A file that is write-protected is so for a reason. */
    attributes = GetFileAttributesW(paths.target);
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_READONLY))
        return err_fail(err, ERR_DENIED, ERROR_ACCESS_DENIED, "'%s' is write-protected",
                        path);
    ok = _wcsicmp(paths.target, paths.model) == 0
             ? replace_itself(&paths, bytes, len, private)
             : write_like(&paths, bytes, len);
    if (ok)
        return true;
    code = GetLastError();
    SetFileAttributesW(paths.temporary, FILE_ATTRIBUTE_NORMAL);
    DeleteFileW(paths.temporary);
    return win32_fail(err, code, "cannot write '%s'", path);
}
