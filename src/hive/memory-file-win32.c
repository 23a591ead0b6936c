/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files in memory, as near as Windows comes to it: a temporary file that nobody else can
 * open, that is kept in the cache and gone with its last handle, also when the process is
 * killed.  Its name is one that only our build of hivex knows (tools/windows).
 */

#include "memory-file.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>

#include "err.h"
#include "hive.h"

static bool fail(struct err *err, const char *what)
{
    return err_fail(err, ERR_SYSTEM, (int64_t)GetLastError(), "%s: Windows error %lu", what,
                    GetLastError());
}

static HANDLE open_temporary(struct err *err)
{
    wchar_t folder[MAX_PATH + 1], path[MAX_PATH + 64];
    HANDLE handle = INVALID_HANDLE_VALUE;
    static volatile LONG count;

    if (!GetTempPathW(MAX_PATH, folder)) {
        fail(err, "finding the folder for temporary files");
        return handle;
    }
    for (int i = 0; i < 100 && handle == INVALID_HANDLE_VALUE; i++) {
        swprintf(path, MAX_PATH + 64, L"%lshvgpu-%lx-%lx.tmp", folder,
                 GetCurrentProcessId(), InterlockedIncrement(&count));
        handle = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW,
                             FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
        if (handle == INVALID_HANDLE_VALUE && GetLastError() != ERROR_FILE_EXISTS)
            break;
    }
    if (handle == INVALID_HANDLE_VALUE)
        fail(err, "making a temporary file");
    return handle;
}

int memory_file_new(const void *bytes, size_t len, char path[MEMORY_FILE_PATH],
                    struct err *err)
{
    const uint8_t *at = bytes;
    size_t left = len;
    HANDLE handle = open_temporary(err);
    int fd;

    if (handle == INVALID_HANDLE_VALUE)
        return -1;
    fd = _open_osfhandle((intptr_t)handle, _O_RDWR | _O_BINARY);
    if (fd < 0) {
        err_errno(err, errno, "making a temporary file");
        CloseHandle(handle);
        return -1;
    }
    while (left) {
        int n = _write(fd, at, left < (1 << 30) ? (unsigned)left : 1u << 30);

        if (n <= 0) {
            err_errno(err, n ? errno : EIO, "filling a temporary file");
            _close(fd);
            return -1;
        }
        at += n;
        left -= (size_t)n;
    }
    snprintf(path, MEMORY_FILE_PATH, "/proc/self/fd/%d", fd);
    return fd;
}

bool memory_file_patch(int fd, uint32_t offset, const void *bytes, size_t len,
                       struct err *err)
{
    return (_lseeki64(fd, offset, SEEK_SET) >= 0 &&
            _write(fd, bytes, (unsigned)len) == (int)len) ||
           err_errno(err, errno, "changing a temporary file");
}

bool memory_file_read(int fd, uint8_t **ret_bytes, size_t *ret_len, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    long long size = _filelengthi64(fd);
    size_t done = 0;

    if (size < 0 || _lseeki64(fd, 0, SEEK_SET) < 0)
        return err_errno(err, errno, "reading a temporary file");
    bytes = malloc(size ? (size_t)size : 1);
    if (!bytes)
        return err_no_memory(err);
    while (done < (size_t)size) {
        size_t left = (size_t)size - done;
        int n = _read(fd, bytes + done, left < (1 << 30) ? (unsigned)left : 1u << 30);

        if (n <= 0)
            return err_errno(err, n ? errno : EIO, "reading a temporary file");
        done += (size_t)n;
    }
    *ret_bytes = TAKE(bytes);
    *ret_len = (size_t)size;
    return true;
}

bool hive_prepare(void)
{
    return true; /* the conversions are linked in: nothing is loaded later */
}
