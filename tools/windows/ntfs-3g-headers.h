/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libntfs-3g's headers expect of POSIX and of its configure script; installed with
 * them, and the first thing their users include. */
#pragma once

#define HAVE_ERRNO_H 1
#define HAVE_STDARG_H 1
#define HAVE_STDINT_H 1
#define HAVE_STDIO_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STRING_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_TIME_H 1
#define HAVE_STRUCT_TIMESPEC 1
#define HAVE_CLOCK_GETTIME 1

#define _CRT_RAND_S 1 /* before stdlib.h */
#include <sys/types.h>
#include <time.h>

#define __timespec_defined 1 /* its own definition is for systems without one */

typedef unsigned uid_t;
typedef unsigned gid_t;

#define S_IFLNK 0120000
#define S_IFSOCK 0140000
#define S_ISLNK(mode) (((mode)&S_IFMT) == S_IFLNK)

/* What Linux calls asking a device for its size, in bytes and of a sector; hvgpu's own
 * device answers. */
#define BLKGETSIZE64 0x80081272
#define BLKSSZGET 0x1268
