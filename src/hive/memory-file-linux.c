/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files in memory, by Linux' memfd; and text conversions, by glibc. */

#include "memory-file.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor-posix.h"
#include "err.h"
#include "hive.h"

int memory_file_new(const void *bytes, size_t len, char path[MEMORY_FILE_PATH],
                    struct err *err)
{
    int fd = memfd_create("hive", MFD_CLOEXEC);

    if (fd < 0) {
        err_errno(err, errno, "making a file in memory");
        return -1;
    }
    if (!descriptor_write_all(fd, bytes, len)) {
        err_errno(err, errno, "filling a file in memory");
        close(fd);
        return -1;
    }
    snprintf(path, MEMORY_FILE_PATH, "/proc/self/fd/%d", fd);
    return fd;
}

bool memory_file_patch(int fd, uint32_t offset, const void *bytes, size_t len,
                       struct err *err)
{
    return pwrite(fd, bytes, len, offset) == (ssize_t)len ||
           err_errno(err, errno, "changing a file in memory");
}

bool memory_file_read(int fd, uint8_t **ret_bytes, size_t *ret_len, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    struct stat st;
    size_t len, done = 0;

    if (fstat(fd, &st) < 0)
        return err_errno(err, errno, "reading a file in memory");
    len = (size_t)st.st_size;
    bytes = malloc(len ? len : 1);
    if (!bytes)
        return err_no_memory(err);
    while (done < len) {
        ssize_t n = pread(fd, bytes + done, len - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_errno(err, n ? errno : EIO, "reading a file in memory");
        done += (size_t)n;
    }
    *ret_bytes = TAKE(bytes);
    *ret_len = len;
    return true;
}

bool hive_prepare(void)
{
    /* hivex opens these by itself; glibc then finds their modules in memory. */
    static const char *const pairs[][2] = {
        { "UTF-8", "UTF-16LE" },
        { "UTF-16LE", "UTF-8" },
        { "UTF-8", "LATIN1" },
        { "LATIN1", "UTF-8" },
    };
    static iconv_t kept[ARRAY_LEN(pairs)];
    static bool done;
    char in[2] = "a", out[8];

    for (size_t i = 0; !done && i < ARRAY_LEN(pairs); i++) {
        char *from = in, *to = out;
        size_t from_left = sizeof(in), to_left = sizeof(out);

        kept[i] = iconv_open(pairs[i][0], pairs[i][1]);
        if (kept[i] == (iconv_t)-1)
            return false;
        iconv(kept[i], &from, &from_left, &to, &to_left);
    }
    done = true;
    return true;
}
