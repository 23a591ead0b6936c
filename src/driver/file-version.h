/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The version resource of a PE file (.dll, .exe, .sys): file version and company.
 *
 * Sources: Microsoft PE format (MicrosoftDocs/win32 desktop-src/Debug/pe-format.md),
 * VS_VERSIONINFO and its children (desktop-src/menurc).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"

struct err;

enum { FILE_VERSION_BYTES_MAX = 64 << 20 };

struct file_version {
    bool has_version;
    uint64_t version; /* four 16-bit parts, highest first */
    char company[96]; /* CompanyName of the first language; "" not said */
};

/* Foreign bytes.  False: no PE file, or no version resource that can be read. */
bool file_version_read(const void *bytes, size_t len, struct file_version *ret);
/* The same in a process that can do nothing else.  *ret_told: what file_version_read()
 * says; a crash or a hang there is an error here.  @name: for messages. */
bool file_version_read_confined(const void *bytes, size_t len, const char *name,
                                struct file_version *ret, bool *ret_told, struct err *err)
    MUST_CHECK;
