/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which package of the driver store a published INF ("oem12.inf") came from. */
#pragma once

#include "driver-set.h"
#include "lockdown.h"

/* The store's INFs and the notes about files put beside it, read when first needed: on a
 * running host that takes seconds. */
struct store_index {
    struct windows_source *source; /* lent */
    struct lockdown lockdown;
    bool is_listed;
    struct source_file *infs; /* "<package>\\<inf>" below the FileRepository */
    size_t inf_count;
};
void store_index_init(struct store_index *index, struct windows_source *source);
void store_index_clear(struct store_index *index);

typedef bool package_fn(const char *package, void *user, struct err *err);
/* Every package of the store made from an INF of that name, whatever version. */
bool store_each_package(struct store_index *index, const char *inf, package_fn *on_package,
                        void *user, struct err *err) MUST_CHECK;

/* "Active", else the only package, of DriverInfFiles\<inf> in @hive ("DRIVERS",
 * "SYSTEM").  *ret NULL: it does not tell. */
bool store_ask_database(struct windows_source *source, const char *hive,
                        const char *published, char **ret, struct err *err) MUST_CHECK;
/* Windows keeps a copy of the package's INF under the published name: the package whose
 * INF has the same bytes.  *ret NULL: none, or more than one. */
bool store_match_inf(struct store_index *index, const char *published, char **ret,
                     struct err *err) MUST_CHECK;
