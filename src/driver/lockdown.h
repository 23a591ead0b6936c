/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Windows noted about files that drivers put into its own folders: whose each is, and
 * which file of which package it was copied from.  Only INFs with PnpLockdown=1 leave such
 * notes.
 *
 * HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\PnpLockdownFiles has one key per
 * file, "%SystemRoot%/System32/x.dll" with '/' for '\', with Owners (MULTI_SZ, published
 * INFs) and Source (EXPAND_SZ, a path into the driver store).
 */
#pragma once

#include "source.h"

struct lockdown_note {
    char **owners; /* "oem12.inf" */
    size_t owner_count;
    char *package; /* NULL: Source is no path into the store */
    char *source;  /* as noted; NULL: none */
};

struct lockdown {
    struct windows_source *source; /* lent */
    bool is_listed;
    char **names;                /* of the keys */
    struct lockdown_note *notes; /* read when first needed */
    bool *is_read;
    size_t count;
};
void lockdown_clear(struct lockdown *lockdown);

/* The note about "System32\\x.dll"; *ret NULL: none.  Lent. */
bool lockdown_find(struct lockdown *lockdown, const char *path,
                   const struct lockdown_note **ret, struct err *err) MUST_CHECK;

bool lockdown_is_owner(const struct lockdown_note *note, const char *published);

typedef bool lockdown_fn(const struct lockdown_note *note, void *user, struct err *err);
/* Every note.  *ret_all false: there are too many of them to be read one by one from a
 * running host, and none was given out. */
bool lockdown_each(struct lockdown *lockdown, lockdown_fn *on_note, void *user,
                   bool *ret_all, struct err *err) MUST_CHECK;
