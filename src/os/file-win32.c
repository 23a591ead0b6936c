/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and locks. */

#include "inside-win32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "os.h"
#include "strbuf.h"
#include "text.h"

enum {
    PIECE = 1 << 30, /* of one call, whose length has 32 bits */
    REPLACE_TRIES = 20,
    REPLACE_REST_MS = 50,
};

int64_t win32_usec(const FILETIME *time)
{
    return (int64_t)(((uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime) / 10);
}

/* ---- large files ---- */

struct os_file {
    HANDLE handle;
    uint64_t size;
    char *path;
};

static bool is_link(HANDLE handle)
{
    FILE_ATTRIBUTE_TAG_INFO info;

    return GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &info,
                                        sizeof(info)) &&
           (info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
           IsReparseTagNameSurrogate(info.ReparseTag);
}

/* A link is opened as itself, so that it is seen and refused.  What is no link but kept in
 * another way (deduplicated, in a cloud) is opened anew, to be read as what it stands for. */
static HANDLE open_unless_link(const wchar_t *wide, DWORD access, DWORD disposition,
                               SECURITY_ATTRIBUTES *attributes, bool *ret_is_link)
{
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_DELETE;
    HANDLE handle = CreateFileW(wide, access, share, attributes, disposition,
                                FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    BY_HANDLE_FILE_INFORMATION info;

    if (handle == INVALID_HANDLE_VALUE)
        return handle;
    *ret_is_link = is_link(handle);
    if (*ret_is_link || !GetFileInformationByHandle(handle, &info) ||
        !(info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT))
        return handle;
    CloseHandle(handle);
    return CreateFileW(wide, access, share, attributes, disposition, 0, NULL);
}

static struct os_file *open_file(const char *path, DWORD access, DWORD disposition,
                                 SECURITY_ATTRIBUTES *attributes, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    CLEANUP(os_file_cleanup) struct os_file *file = NULL;
    BY_HANDLE_FILE_INFORMATION info;
    bool is_a_link = false;

    if (!wide)
        return NULL;
    file = calloc(1, sizeof(*file));
    if (!file || !(file->path = text_dup(path))) {
        if (file)
            file->handle = INVALID_HANDLE_VALUE;
        err_no_memory(err);
        return NULL;
    }
    file->handle = open_unless_link(wide, access, disposition, attributes, &is_a_link);
    if (file->handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError(), found = GetFileAttributesW(wide);

        if (found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_DIRECTORY))
            err_fail(err, ERR_INVALID, 0, "'%s' is not a file", path);
        else
            win32_fail(err, code, "cannot open '%s'", path);
        return NULL;
    }
    if (is_a_link) {
        err_fail(err, ERR_INVALID, 0, "'%s' is a link, not a file", path);
        return NULL;
    }
    if (GetFileType(file->handle) != FILE_TYPE_DISK ||
        !GetFileInformationByHandle(file->handle, &info) ||
        (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) {
        err_fail(err, ERR_INVALID, 0, "'%s' is not a file", path);
        return NULL;
    }
    file->size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    return TAKE(file);
}

struct os_file *os_file_open(const char *path, struct err *err)
{
    return open_file(path, GENERIC_READ, OPEN_EXISTING, NULL, err);
}

/* Not CREATE_ALWAYS, which would empty the file behind a link before it is seen. */
struct os_file *os_file_create(const char *path, struct err *err)
{
    SECURITY_ATTRIBUTES *private = win32_private_file(err);
    struct os_file *file =
        private ? open_file(path, GENERIC_WRITE, OPEN_ALWAYS, private, err) : NULL;

    if (file && !SetEndOfFile(file->handle)) {
        win32_fail(err, GetLastError(), "cannot write '%s'", path);
        os_file_close(file);
        return NULL;
    }
    if (file)
        file->size = 0;
    return file;
}

uint64_t os_file_size(const struct os_file *file)
{
    return file->size;
}

int os_file_descriptor(const struct os_file *file)
{
    (void)file;
    return -1;
}

bool os_file_read(struct os_file *file, void *to, size_t len, size_t *ret_len,
                  struct err *err)
{
    DWORD got;

    if (!ReadFile(file->handle, to, (DWORD)(len < PIECE ? len : PIECE), &got, NULL))
        return win32_fail(err, GetLastError(), "cannot read '%s'", file->path);
    *ret_len = got;
    return true;
}

static bool write_all(HANDLE file, const char *bytes, size_t len)
{
    while (len) {
        DWORD n = 0;

        if (!WriteFile(file, bytes, (DWORD)(len < PIECE ? len : PIECE), &n, NULL))
            return false;
        if (n == 0) {
            SetLastError(ERROR_DISK_FULL);
            return false;
        }
        bytes += n;
        len -= n;
    }
    return true;
}

bool os_file_write(struct os_file *file, const void *from, size_t len, struct err *err)
{
    return write_all(file->handle, from, len) ||
           win32_fail(err, GetLastError(), "cannot write '%s'", file->path);
}

bool os_file_sync(struct os_file *file, struct err *err)
{
    return FlushFileBuffers(file->handle) ||
           win32_fail(err, GetLastError(), "cannot write '%s'", file->path);
}

void os_file_close(struct os_file *file)
{
    if (!file)
        return;
    if (win32_is_handle(file->handle))
        CloseHandle(file->handle);
    free(file->path);
    free(file);
}

/* ---- files as a whole ---- */

/* Without FILE_READ_ATTRIBUTES nothing is asked of the file's rights. */
char *os_absolute_path(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    CLEANUP(win32_handle_cleanup) struct win32_handle file = { NULL };
    CLEANUP(free_cleanup) wchar_t *final = NULL;
    CLEANUP(free_cleanup) char *text = NULL;
    const wchar_t *name;
    bool is_unc;
    DWORD size;
    char *absolute;

    if (!wide)
        return NULL;
    file.h = CreateFileW(wide, FILE_READ_ATTRIBUTES,
                         FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                         OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (file.h == INVALID_HANDLE_VALUE) {
        win32_fail(err, GetLastError(), "cannot find '%s'", path);
        return NULL;
    }
    size = GetFinalPathNameByHandleW(file.h, NULL, 0, FILE_NAME_NORMALIZED);
    final = size ? calloc((size_t)size + 1, sizeof(*final)) : NULL;
    /* Some file systems (RAM disks) have no such name; then it stays as it was given. */
    if (final && !GetFinalPathNameByHandleW(file.h, final, size + 1, FILE_NAME_NORMALIZED))
        final[0] = L'\0';
    name = win32_past_prefix(final && final[0] ? final : wide, &is_unc);
    text = win32_utf8(name, err);
    if (!text)
        return NULL;
    absolute = is_unc ? text_printf("\\\\%s", text) : TAKE(text);
    if (!absolute)
        err_no_memory(err);
    return absolute;
}

char *os_read_file(const char *path, size_t max, size_t *ret_len, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    CLEANUP(win32_handle_cleanup) struct win32_handle file = { NULL };
    CLEANUP(strbuf_cleanup) struct strbuf buf = STRBUF_INIT;
    char piece[16384];
    char *text;

    if (!wide)
        return NULL;
    file.h = CreateFileW(wide, GENERIC_READ,
                         FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                         OPEN_EXISTING, 0, NULL);
    if (file.h == INVALID_HANDLE_VALUE) {
        win32_fail(err, GetLastError(), "cannot open '%s'", path);
        return NULL;
    }
    for (;;) {
        DWORD n = 0;

        if (!ReadFile(file.h, piece, sizeof(piece), &n, NULL) &&
            GetLastError() != ERROR_BROKEN_PIPE) {
            win32_fail(err, GetLastError(), "cannot read '%s'", path);
            return NULL;
        }
        if (n == 0)
            break;
        strbuf_add(&buf, piece, n);
        if (buf.len > max) {
            err_fail(err, ERR_INVALID, 0, "'%s' is larger than %zu bytes", path, max);
            return NULL;
        }
    }
    if (ret_len)
        *ret_len = buf.len;
    text = strbuf_take(&buf);
    if (!text)
        err_no_memory(err);
    return text;
}

static bool write_new(const wchar_t *wide, const char *bytes, size_t len,
                      SECURITY_ATTRIBUTES *attributes)
{
    CLEANUP(win32_handle_cleanup) struct win32_handle file = { NULL };

    file.h = CreateFileW(wide, GENERIC_WRITE, 0, attributes, CREATE_NEW, 0, NULL);
    return file.h != INVALID_HANDLE_VALUE && write_all(file.h, bytes, len) &&
           FlushFileBuffers(file.h);
}

bool win32_replace(const wchar_t *from, const wchar_t *to)
{
    for (int tries = 0;; tries++) {
        DWORD code, attributes;

        if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
            return true;
        code = GetLastError();
        attributes = GetFileAttributesW(to);
        /* What is refused for good is not asked for again. */
        if (tries == REPLACE_TRIES ||
            (code != ERROR_ACCESS_DENIED && code != ERROR_SHARING_VIOLATION) ||
            attributes == INVALID_FILE_ATTRIBUTES ||
            (attributes & (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_DIRECTORY))) {
            SetLastError(code);
            return false;
        }
        Sleep(REPLACE_REST_MS);
    }
}

bool os_write_file(const char *path, const void *bytes, size_t len, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    CLEANUP(free_cleanup) char *name = NULL;
    CLEANUP(free_cleanup) wchar_t *temporary = NULL;
    SECURITY_ATTRIBUTES *private = wide ? win32_private_file(err) : NULL;
    char guid[37];

    if (!private)
        return false;
    os_guid(guid);
    name = text_printf("%s.%.8s", path, guid);
    temporary = name ? win32_path(name, err) : NULL;
    if (!temporary)
        return name ? false : err_no_memory(err);
    if (!write_new(temporary, bytes, len, private) || !win32_replace(temporary, wide)) {
        DWORD code = GetLastError();

        DeleteFileW(temporary);
        return win32_fail(err, code, "cannot write '%s'", path);
    }
    return true;
}

/* ---- locks ---- */

struct os_lock {
    HANDLE file;
};

struct os_lock *os_lock_take(const char *path, unsigned wait_ms, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);
    SECURITY_ATTRIBUTES *private = wide ? win32_private_file(err) : NULL;
    uint64_t until = os_monotonic_ms() + wait_ms;
    struct os_lock *lock;

    if (!private)
        return NULL;
    lock = malloc(sizeof(*lock));
    if (!lock) {
        err_no_memory(err);
        return NULL;
    }
    for (;;) {
        DWORD code;

        /* No sharing: the handle is the lock, and goes with the process. */
        lock->file = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, 0, private,
                                 OPEN_ALWAYS, 0, NULL);
        if (lock->file != INVALID_HANDLE_VALUE)
            return lock;
        code = GetLastError();
        if (code != ERROR_SHARING_VIOLATION) {
            win32_fail(err, code, "cannot lock '%s'", path);
            break;
        }
        if (os_monotonic_ms() >= until) {
            err_fail(err, ERR_CONFLICT, 0, "'%s' is held by another program", path);
            break;
        }
        os_sleep_ms(20);
    }
    free(lock);
    return NULL;
}

void os_lock_drop(struct os_lock *lock)
{
    if (!lock)
        return;
    CloseHandle(lock->file);
    free(lock);
}
