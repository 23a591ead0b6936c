/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local files on Linux. */

#include "image-file-inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "text.h"

/* QEMU's image locks (block/file-posix.c): a user holds a shared lock on byte 100 + n for
 * the right n it uses and on 200 + n for the right it denies others. */
enum {
    QEMU_USES_WRITE = 101,
    QEMU_USES_RESIZE = 103,
    QEMU_DENIES_WRITE = 201,
    QEMU_DENIES_RESIZE = 203,
};

static bool lock_range(int fd, short type, off_t start, off_t len)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
    };

    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool is_locked(int fd, off_t at)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1
    };

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static bool take_lock(const struct image_file *file, enum image_file_lock lock,
                      struct err *err)
{
    bool ok;

    if (lock == IMAGE_LOCK_WRITE)
        ok = lock_range(file->fd, F_WRLCK, 0, 0);
    else
        ok = lock_range(file->fd, F_RDLCK, 0, 1) &&
             lock_range(file->fd, F_RDLCK, QEMU_DENIES_WRITE, 1) &&
             lock_range(file->fd, F_RDLCK, QEMU_DENIES_RESIZE, 1) &&
             !is_locked(file->fd, QEMU_USES_WRITE) &&
             !is_locked(file->fd, QEMU_USES_RESIZE);
    if (ok)
        return true;
    if (errno == EINVAL || errno == ENOTSUP || errno == ENOLCK)
        return err_errno(err, errno, "locking '%s'", file->path);
    return image_file_fail_in_use(err, file->path);
}

struct image_file *image_file_open(const char *path, enum image_file_lock lock,
                                   struct err *err)
{
    CLEANUP(image_file_cleanup) struct image_file *file = image_file_new(path, err);
    struct stat st;

    if (!file)
        return NULL;
    file->writable = lock == IMAGE_LOCK_WRITE;
    /* O_NONBLOCK: a FIFO must not hang us before we see that it is none of our business. */
    file->fd = open(path, (file->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0) {
        int code = errno;

        err_errno(err, code, "opening '%s'", path);
        if (code == ENOENT)
            err->kind = ERR_NOT_FOUND;
        else if (code == EACCES || code == EPERM || code == EROFS)
            err->kind = ERR_DENIED;
        return NULL;
    }
    if (fstat(file->fd, &st) < 0) {
        err_errno(err, errno, "opening '%s'", path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        err_fail(err, ERR_INVALID, 0, "'%s' is no regular file", path);
        return NULL;
    }
    file->size = (uint64_t)st.st_size;
    file->mtime_sec = st.st_mtim.tv_sec;
    if (!take_lock(file, lock, err))
        return NULL;
    return TAKE(file);
}

struct image_file *image_file_create(const char *path, struct err *err)
{
    CLEANUP(image_file_cleanup) struct image_file *file = image_file_new(path, err);

    if (!file)
        return NULL;
    image_file_tell(&(struct image_file_event){ .kind = IMAGE_FILE_CREATE, .path = path });
    file->writable = true;
    file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        int code = errno;

        err_errno(err, code, "creating '%s'", path);
        if (code == EEXIST)
            err->kind = ERR_CONFLICT;
        return NULL;
    }
    if (!take_lock(file, IMAGE_LOCK_WRITE, err))
        return NULL;
    return TAKE(file);
}

void image_file_close(struct image_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    image_file_free(file);
}

bool image_file_read(const struct image_file *file, uint64_t offset, void *to, size_t len,
                     struct err *err)
{
    size_t done = 0;

    if (offset > file->size || len > file->size - offset)
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' is cut off", file->path);
    while (done < len) {
        ssize_t n =
            pread(file->fd, (uint8_t *)to + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "reading '%s'", file->path);
        if (n == 0 && file->overlay_count == 0)
            return err_fail(err, ERR_PROTOCOL, 0, "'%s' is cut off", file->path);
        if (n == 0) { /* only an overlay makes `size` larger than the file */
            memset((uint8_t *)to + done, 0, len - done);
            break;
        }
        done += (size_t)n;
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
        ssize_t n = pwrite(file->fd, (const uint8_t *)from + done, len - done,
                           (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err_errno(err, n ? errno : EIO, "writing '%s'", file->path);
            if (errno == ENOSPC || errno == EDQUOT)
                err_hint(err, "make room on the file system that holds the image");
            return false;
        }
        done += (size_t)n;
    }
    if (offset + len > file->size)
        file->size = offset + len;
    return true;
}

bool image_file_share(struct image_file *file, uint64_t offset, int other, uint64_t from,
                      size_t len, bool *ret_shared, struct err *err)
{
    struct file_clone_range range = {
        .src_fd = other, .src_offset = from, .src_length = len, .dest_offset = offset
    };

    *ret_shared = ioctl(file->fd, FICLONERANGE, &range) == 0;
    if (!*ret_shared && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
        return err_errno(err, errno, "writing '%s'", file->path);
    if (!*ret_shared)
        return true; /* another file system, or one that cannot: copying does it */
    image_file_tell(&(struct image_file_event){
        .kind = IMAGE_FILE_WRITE, .path = file->path, .offset = offset, .len = len });
    if (offset + len > file->size)
        file->size = offset + len;
    return true;
}

bool image_file_resize(struct image_file *file, uint64_t size, struct err *err)
{
    image_file_tell(&(struct image_file_event){
        .kind = IMAGE_FILE_RESIZE, .path = file->path, .offset = size });
    if (ftruncate(file->fd, (off_t)size) < 0)
        return err_errno(err, errno, "resizing '%s'", file->path);
    file->size = size;
    return true;
}

bool image_file_sync(struct image_file *file, struct err *err)
{
    image_file_tell(
        &(struct image_file_event){ .kind = IMAGE_FILE_SYNC, .path = file->path });
    if (fdatasync(file->fd) < 0)
        return err_errno(err, errno, "writing '%s' to the disk", file->path);
    return true;
}

void image_file_start_writeback(struct image_file *file, uint64_t offset, size_t len)
{
    /* Only a hint: what fails here is seen by image_file_sync(). */
    (void)sync_file_range(file->fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

bool image_file_sync_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free_cleanup)
    char *folder =
        slash ? text_ndup(path, slash == path ? 1 : (size_t)(slash - path)) : text_dup(".");
    int fd;
    bool ok;

    if (!folder)
        return err_no_memory(err);
    image_file_tell(
        &(struct image_file_event){ .kind = IMAGE_FILE_SYNC_FOLDER, .path = path });
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "opening '%s'", folder);
    ok = fsync(fd) == 0 || errno == EINVAL; /* some network file systems cannot */
    if (!ok)
        err_errno(err, errno, "writing '%s' to the disk", folder);
    close(fd);
    return ok;
}

bool image_file_remove(const char *path, struct err *err)
{
    image_file_tell(&(struct image_file_event){ .kind = IMAGE_FILE_REMOVE, .path = path });
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(err, errno, "removing '%s'", path);
    return image_file_sync_folder(path, err);
}

bool image_file_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

bool image_file_is(const struct image_file *file, const char *path)
{
    struct stat a, b;

    return fstat(file->fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

const void *image_source_map(int fd, uint64_t offset, size_t len, bool will_be_read)
{
    /* Page faults in the middle of a write make the kernel begin its page anew. */
    int populate = will_be_read ? MAP_POPULATE : 0;
    void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE | populate, fd, (off_t)offset);

    return bytes == MAP_FAILED ? NULL : bytes;
}

void image_source_unmap(const void *bytes, size_t len)
{
    munmap((void *)(uintptr_t)bytes, len);
}

bool image_source_read(int fd, uint64_t offset, void *to, size_t len, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (uint8_t *)to + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "reading the file to copy");
        if (n == 0)
            return err_fail(err, ERR_SYSTEM, 0, "the file changed while it was copied");
        done += (size_t)n;
    }
    return true;
}
