/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local files on Windows.  What Linux does with locks Windows does with share modes, which
 * Hyper-V respects: the disk of a running VM cannot be opened by anybody who would disturb
 * it, nor can Hyper-V open one that is being changed here.
 */

#include "image-file-inside.h"

#include "inside-win32.h"
#include "os-shared.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <string.h>

#include "err.h"

enum { PIECE_MAX = 1 << 30 }; /* ReadFile() counts in 32 bits */

static HANDLE handle_of(int fd)
{
    return (HANDLE)_get_osfhandle(fd);
}

static bool fail_open(struct err *err, DWORD code, const char *what, const char *path)
{
    if (code == ERROR_SHARING_VIOLATION || code == ERROR_LOCK_VIOLATION)
        return image_file_fail_in_use(err, path);
    win32_fail(err, code, "%s '%s'", what, path);
    if (code == ERROR_WRITE_PROTECT)
        err->kind = ERR_DENIED;
    else if (code == ERROR_FILE_EXISTS || code == ERROR_ALREADY_EXISTS)
        err->kind = ERR_CONFLICT;
    return false;
}

/* Gives @file the open @handle, which is closed when that fails. */
static bool adopt(struct image_file *file, HANDLE handle, struct err *err)
{
    file->fd =
        _open_osfhandle((intptr_t)handle,
                        _O_BINARY | _O_NOINHERIT | (file->writable ? _O_RDWR : _O_RDONLY));
    if (file->fd >= 0)
        return true;
    err_errno(err, errno, "opening '%s'", file->path);
    CloseHandle(handle);
    return false;
}

struct image_file *image_file_open(const char *path, enum image_file_lock lock,
                                   struct err *err)
{
    CLEANUP(image_file_cleanup) struct image_file *file = image_file_new(path, err);
    CLEANUP(free_cleanup) wchar_t *wide = file ? win32_path(path, err) : NULL;
    BY_HANDLE_FILE_INFORMATION info;
    HANDLE handle;

    if (!wide)
        return NULL;
    file->writable = lock == IMAGE_LOCK_WRITE;
    handle = CreateFileW(wide, file->writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ,
                         file->writable ? 0 : FILE_SHARE_READ, NULL, OPEN_EXISTING,
                         FILE_ATTRIBUTE_NORMAL, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        DWORD attributes = GetFileAttributesW(wide);

        if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY)
            err_fail(err, ERR_INVALID, 0, "'%s' is no regular file", path);
        else
            fail_open(err, code, "opening", path);
        return NULL;
    }
    if (GetFileType(handle) != FILE_TYPE_DISK ||
        !GetFileInformationByHandle(handle, &info) ||
        info.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE)) {
        CloseHandle(handle);
        err_fail(err, ERR_INVALID, 0, "'%s' is no regular file", path);
        return NULL;
    }
    file->size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    file->mtime_sec = win32_usec(&info.ftLastWriteTime) / 1000000 - SECONDS_1601_TO_1970;
    return adopt(file, handle, err) ? TAKE(file) : NULL;
}

struct image_file *image_file_create(const char *path, struct err *err)
{
    CLEANUP(image_file_cleanup) struct image_file *file = image_file_new(path, err);
    CLEANUP(free_cleanup) wchar_t *wide = file ? win32_path(path, err) : NULL;
    HANDLE handle;

    if (!wide)
        return NULL;
    image_file_tell(&(struct image_file_event){ .kind = IMAGE_FILE_CREATE, .path = path });
    file->writable = true;
    /* The folder's rights are inherited: Hyper-V must be able to open the disk. */
    handle = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW,
                         FILE_ATTRIBUTE_NORMAL, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        fail_open(err, GetLastError(), "creating", path);
        return NULL;
    }
    return adopt(file, handle, err) ? TAKE(file) : NULL;
}

void image_file_close(struct image_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        _close(file->fd);
    image_file_free(file);
}

static OVERLAPPED at_offset(uint64_t offset)
{
    return (OVERLAPPED){ .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
}

/* *ret_len 0: the end of the file. */
static bool read_piece(int fd, uint64_t offset, void *to, size_t len, size_t *ret_len)
{
    OVERLAPPED at = at_offset(offset);
    DWORD n = 0;

    *ret_len = 0;
    if (!ReadFile(handle_of(fd), to, len < PIECE_MAX ? (DWORD)len : PIECE_MAX, &n, &at))
        return GetLastError() == ERROR_HANDLE_EOF;
    *ret_len = n;
    return true;
}

bool image_file_read(const struct image_file *file, uint64_t offset, void *to, size_t len,
                     struct err *err)
{
    size_t done = 0, n;

    if (offset > file->size || len > file->size - offset)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' is cut off", file->path);
    for (; done < len; done += n) {
        if (!read_piece(file->fd, offset + done, (uint8_t *)to + done, len - done, &n))
            return win32_fail(err, GetLastError(), "reading '%s'", file->path);
        if (n == 0 && file->overlay_count == 0)
            return err_fail(err, ERR_PROTOCOL, 0, "'%s' is cut off", file->path);
        if (n == 0) { /* only an overlay makes `size` larger than the file */
            memset((uint8_t *)to + done, 0, len - done);
            break;
        }
    }
    image_file_lay_over(file, offset, to, len);
    return true;
}

bool image_file_write(struct image_file *file, uint64_t offset, const void *from,
                      size_t len, struct err *err)
{
    size_t done = 0;

    image_file_tell(&(struct image_file_event){ .kind = IMAGE_FILE_WRITE,
                                                .path = file->path,
                                                .offset = offset,
                                                .bytes = from,
                                                .len = len });
    while (done < len) {
        OVERLAPPED at = at_offset(offset + done);
        DWORD n = 0, piece = len - done < PIECE_MAX ? (DWORD)(len - done) : PIECE_MAX;

        if (!WriteFile(handle_of(file->fd), (const uint8_t *)from + done, piece, &n, &at) ||
            n == 0) {
            DWORD code = GetLastError();

            win32_fail(err, code, "writing '%s'", file->path);
            if (code == ERROR_DISK_FULL || code == ERROR_HANDLE_DISK_FULL)
                err_hint(err, "make room on the file system that holds the image");
            return false;
        }
        done += n;
    }
    if (offset + len > file->size)
        file->size = offset + len;
    return true;
}

bool image_file_share(struct image_file *file, uint64_t offset, int other, uint64_t from,
                      size_t len, bool *ret_shared, struct err *err)
{
    /* ReFS can, but only between whole clusters of one volume, and hosts' disks are rarely
     * on it: copying does it. */
    *ret_shared = false;
    return true;
}

bool image_file_resize(struct image_file *file, uint64_t size, struct err *err)
{
    FILE_END_OF_FILE_INFO info = { .EndOfFile.QuadPart = (LONGLONG)size };

    image_file_tell(&(struct image_file_event){
        .kind = IMAGE_FILE_RESIZE, .path = file->path, .offset = size });
    if (!SetFileInformationByHandle(handle_of(file->fd), FileEndOfFileInfo, &info,
                                    sizeof(info)))
        return win32_fail(err, GetLastError(), "resizing '%s'", file->path);
    file->size = size;
    return true;
}

bool image_file_sync(struct image_file *file, struct err *err)
{
    image_file_tell(
        &(struct image_file_event){ .kind = IMAGE_FILE_SYNC, .path = file->path });
    return FlushFileBuffers(handle_of(file->fd)) ||
           win32_fail(err, GetLastError(), "writing '%s' to the disk", file->path);
}

void image_file_start_writeback(struct image_file *file, uint64_t offset, size_t len)
{
    /* Windows' cache starts by itself. */
}

bool image_file_sync_folder(const char *path, struct err *err)
{
    /* NTFS and ReFS log changes of folders; there is nothing to ask for. */
    image_file_tell(
        &(struct image_file_event){ .kind = IMAGE_FILE_SYNC_FOLDER, .path = path });
    return true;
}

bool image_file_remove(const char *path, struct err *err)
{
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, err);

    if (!wide)
        return false;
    image_file_tell(&(struct image_file_event){ .kind = IMAGE_FILE_REMOVE, .path = path });
    if (!DeleteFileW(wide) && GetLastError() != ERROR_FILE_NOT_FOUND)
        return win32_fail(err, GetLastError(), "removing '%s'", path);
    return image_file_sync_folder(path, err);
}

bool image_file_exists(const char *path)
{
    struct err err = { 0 };
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, &err);

    return wide && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
}

bool image_file_is(const struct image_file *file, const char *path)
{
    struct err err = { 0 };
    CLEANUP(free_cleanup) wchar_t *wide = win32_path(path, &err);
    BY_HANDLE_FILE_INFORMATION a, b;
    HANDLE other;
    bool same;

    if (!wide || !GetFileInformationByHandle(handle_of(file->fd), &a))
        return false;
    /* No access is asked for: an open file does not refuse that. */
    other = CreateFileW(wide, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                        NULL, OPEN_EXISTING, 0, NULL);
    if (other == INVALID_HANDLE_VALUE)
        return false;
    same = GetFileInformationByHandle(other, &b) &&
           a.dwVolumeSerialNumber == b.dwVolumeSerialNumber &&
           a.nFileIndexHigh == b.nFileIndexHigh && a.nFileIndexLow == b.nFileIndexLow;
    CloseHandle(other);
    return same;
}

const void *image_source_map(int fd, uint64_t offset, size_t len, bool will_be_read)
{
    return NULL; /* a file that is cut while it is mapped would end the process */
}

void image_source_unmap(const void *bytes, size_t len)
{
}

bool image_source_read(int fd, uint64_t offset, void *to, size_t len, struct err *err)
{
    size_t done = 0, n;

    for (; done < len; done += n) {
        if (!read_piece(fd, offset + done, (uint8_t *)to + done, len - done, &n))
            return win32_fail(err, GetLastError(), "reading the file to copy");
        if (n == 0)
            return err_fail(err, ERR_SYSTEM, 0, "the file changed while it was copied");
    }
    return true;
}
