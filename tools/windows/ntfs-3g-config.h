/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libntfs-3g's configure script would find with mingw-w64, beside what its headers
 * need, and what the library itself expects of POSIX. */
#pragma once

#include "ntfs-3g-headers.h"

#define HAVE_LIMITS_H 1
#define HAVE_LOCALE_H 1
#define HAVE_WCHAR_H 1
#define HAVE_MBSINIT 1
#define HAVE_CTYPE_H 1
#define HAVE_FCNTL_H 1
#define HAVE_UNISTD_H 1
#define HAVE_INTTYPES_H 1
#define NO_NTFS_DEVICE_DEFAULT_IO_OPS 1 /* hvgpu brings its own device */

/* The rest only has to compile: hvgpu maps no users and makes no special files, and the
 * library asks none of this unless told to. */
#define S_ISUID 04000
#define S_ISGID 02000
#define S_ISVTX 01000
#define S_IRWXG 00070
#define S_IRGRP 00040
#define S_IWGRP 00020
#define S_IXGRP 00010
#define S_IRWXO 00007
#define S_IROTH 00004
#define S_IWOTH 00002
#define S_IXOTH 00001

struct passwd {
    char *pw_name;
    uid_t pw_uid;
    gid_t pw_gid;
};
struct group {
    gid_t gr_gid;
    char **gr_mem;
};
#define getpwnam(name) ((struct passwd *)0)
#define getpwuid(id) ((struct passwd *)0)
#define getgrnam(name) ((struct group *)0)
#define getgrgid(id) ((struct group *)0)

#define getuid() ((uid_t)0)
#define getgid() ((gid_t)0)
#define major(device) 0u
#define minor(device) 0u
#define makedev(major, minor) ((dev_t)0)
#define HAVE_DAEMON 1 /* not asked for; its own version forks */
#define HAVE_FFS 1
#define ffs(bits) __builtin_ffs(bits)

/* For the GUIDs of object ids. */
#include <stdlib.h>
static inline long hvgpu_random(void)
{
    unsigned number = 0;

    rand_s(&number);
    return (long)(number & 0x7fffffff);
}
#define srandom(seed) ((void)(seed))
#define random() hvgpu_random()
