/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hivex's configure script would find with mingw-w64; and names for open files. */
#pragma once

#define HAVE_BSWAP_32 1
#define ICONV_CONST
#define PACKAGE_NAME "hivex"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * hivex opens names only.  On Linux an open file has one, /proc/self/fd/N; Windows knows
 * nothing like it, so it is made up here: with it a hive never needs a name that another
 * process could open, and no name has to fit into the machine's code page.
 */
static inline int hivex_open_descriptor(const char *name, int flags, ...)
{
    static const char prefix[] = "/proc/self/fd/";
    int fd;

    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0) {
        errno = ENOENT;
        return -1;
    }
    fd = _dup(atoi(name + sizeof(prefix) - 1));
    if (fd >= 0 &&
        ((flags & O_TRUNC && _chsize_s(fd, 0) != 0) || _lseeki64(fd, 0, SEEK_SET) < 0)) {
        _close(fd);
        return -1;
    }
    return fd;
}
#define open hivex_open_descriptor
