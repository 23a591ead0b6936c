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

enum { FILE_VERSION_BYTES_MAX = 64 << 20 };

struct file_version {
    bool has_version;
    uint64_t version; /* four 16-bit parts, highest first */
    char company[96]; /* CompanyName of the first language; "" not said */
};

/* Foreign bytes.  False: no PE file, or no version resource that can be read. */
bool file_version_read(const void *bytes, size_t len, struct file_version *ret);
