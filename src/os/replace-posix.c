/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a file anew without losing what is known about the old one. */

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "descriptor-posix.h"
#include "err.h"
#include "text.h"

enum { NAMES_MAX = 64 * 1024 }; /* XATTR_LIST_MAX; a value is at most as large */

struct descriptor {
    int fd;
};

static void descriptor_close(struct descriptor *d)
{
    if (d->fd >= 0)
        close(d->fd);
}

/* Access lists and what users note on files.  The security module gives a new file its
 * label by itself, and only the system may set others. */
static bool copy_extended(int from, int to)
{
    CLEANUP(free_cleanup) char *names = malloc(NAMES_MAX);
    CLEANUP(free_cleanup) char *value = malloc(NAMES_MAX);
    ssize_t len = names && value ? flistxattr(from, names, NAMES_MAX) : -1;

    if (!names || !value)
        return false;
    if (len < 0)
        return errno == ENOTSUP;
    for (const char *name = names; name < names + len; name += strlen(name) + 1) {
        ssize_t size;

        if (strncmp(name, "user.", 5) != 0 && strncmp(name, "system.posix_acl_", 17) != 0)
            continue;
        size = fgetxattr(from, name, value, NAMES_MAX);
        if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) != 0)
            return false;
    }
    return true;
}

static bool copy_attributes(int from, int to)
{
    struct stat old, made;

    if (fstat(from, &old) != 0 || fstat(to, &made) != 0)
        return false;
    if ((old.st_uid != made.st_uid || old.st_gid != made.st_gid) &&
        fchown(to, old.st_uid, old.st_gid) != 0)
        return false;
    /* After the owner, whose change may clear bits; before the list that refines it. */
    return fchmod(to, old.st_mode & 07777) == 0 && copy_extended(from, to);
}

static bool sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free_cleanup)
    char *folder =
        slash ? text_ndup(path, slash == path ? 1 : (size_t)(slash - path)) : text_dup(".");
    CLEANUP(descriptor_close)
    struct descriptor d = { folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                   : -1 };

    return d.fd >= 0 && fsync(d.fd) == 0;
}

bool os_write_file_like(const char *path, const char *like, const void *bytes, size_t len,
                        struct err *err)
{
    CLEANUP(free_cleanup) char *temporary = text_printf("%s.XXXXXX", path);
    CLEANUP(descriptor_close)
    struct descriptor old = { open(like, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    CLEANUP(descriptor_close) struct descriptor made = { -1 };
    int code;

    if (!temporary)
        return err_no_memory(err);
    if (old.fd < 0)
        return err_errno(err, errno, "cannot open '%s'", like);
    /* Renaming asks nobody, but a file that is write-protected is so for a reason. */
    if (access(path, F_OK) == 0 && access(path, W_OK) != 0) {
        err_errno(err, errno, "'%s' is write-protected", path);
        err->kind = ERR_DENIED;
        return false;
    }
    made.fd = mkostemp(temporary, O_CLOEXEC);
    if (made.fd < 0)
        return err_errno(err, errno, "cannot write beside '%s'", path);
    if (!copy_attributes(old.fd, made.fd)) {
        code = errno;
        unlink(temporary);
        err_errno(err, code, "cannot keep the owner and rights of '%s'", like);
        return err_hint(err, "run this as the owner of the file");
    }
    if (!descriptor_write_all(made.fd, bytes, len) || fsync(made.fd) != 0 ||
        rename(temporary, path) != 0) {
        code = errno;
        unlink(temporary);
        return err_errno(err, code, "cannot write '%s'", path);
    }
    return sync_folder(path) ||
           err_errno(err, errno, "cannot flush the folder of '%s'", path);
}
