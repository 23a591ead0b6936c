/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zip files of stored entries, in memory: what a report is.  Any program reads what is
 * written here; what is read may come from anybody.
 *
 * Source: PKWARE APPNOTE.TXT 6.3 (4.3.7 local file header, 4.3.12 central directory header,
 * 4.3.16 end of central directory record).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attr.h"

struct err;

struct zip_entry {
    const char *name; /* ASCII, '/' between folders */
    const char *bytes;
    size_t len;
};

/* Owned; NULL with @err.  The same entries give the same bytes: times are not kept. */
char *zip_write(const struct zip_entry *entries, size_t count, size_t *ret_len,
                struct err *err);

/* The entry @name of the file @bytes; *ret is lent from it.  ERR_NOT_FOUND; ERR_PROTOCOL: no
 * zip file, or a damaged one; ERR_UNSUPPORTED: compressed. */
bool zip_find(const char *bytes, size_t len, const char *name, const char **ret,
              size_t *ret_len, struct err *err) MUST_CHECK;

/* What a file of at most @max bytes holds, or, if it is a zip file, its entry @name; with a NUL
 * behind.  Owned; NULL with @err. */
char *zip_read_either(const char *path, const char *name, size_t max, struct err *err);
