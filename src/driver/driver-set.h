/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building a driver set, piece by piece; for resolve.c and needs.c. */
#pragma once

#include "driver.h"
#include "source.h"

/* Each copies its texts.  driver_set_add_value takes over *value. */
bool driver_set_add_candidate(struct driver_set *set, const char *source,
                              const char *package, struct err *err) MUST_CHECK;
/* @path: below the origin's Windows folder.  The same destination from two places is an
 * ERR_CONFLICT. */
bool driver_set_add_file(struct driver_set *set, const char *path, const char *destination,
                         enum driver_rule rule, uint64_t size, int64_t mtime_usec,
                         const char *reason, struct err *err) MUST_CHECK;
/* Another source for the file at @index. */
bool driver_set_replace_file(struct driver_set *set, size_t index, const char *path,
                             enum driver_rule rule, uint64_t size, int64_t mtime_usec,
                             const char *reason, struct err *err) MUST_CHECK;
bool driver_set_add_value(struct driver_set *set, const char *key, const char *name,
                          struct hive_value *value, const char *reason, struct err *err)
    MUST_CHECK;
bool driver_set_leave_out(struct driver_set *set, struct err *err, const char *fmt, ...)
    MUST_CHECK PRINTF_LIKE(3, 4);
/* Lists the folder of @name in the store and adds it whole; nothing when it is there
 * already.  ERR_NOT_FOUND: no such folder, or its INF is not in it. */
bool driver_set_add_package(struct driver_set *set, const char *name, const char *reason,
                            struct err *err) MUST_CHECK;
/* Takes the last package out again. */
void driver_set_drop_package(struct driver_set *set, const char *name);
/* Lent; NULL: not in the set. */
const struct driver_package *driver_set_package(const struct driver_set *set,
                                                const char *name);

/* "System32\\DriverStore\\FileRepository\\<name>"; NULL: no memory. */
char *driver_store_path(const char *package);

/* Whether @path (below the Windows folder) is a place for files of a driver beside its
 * package: in System32 or SysWOW64, in sub-folders too, but not where Windows keeps its
 * drivers, stores, catalogs and hives. */
bool driver_may_place(const char *path);
/* The two loaders that every vendor brings, each in some version: the newer serves all. */
bool driver_is_shared_loader(const char *destination);

/* needs.c: what goes outside the package.  @class_key_path: "HKLM\\...\\0001". */
bool driver_needs_copy_to_vm(struct driver_set *set, const char *class_key_path,
                             struct err *err) MUST_CHECK;
bool driver_needs_registry(struct driver_set *set, const char *class_key_path,
                           struct err *err) MUST_CHECK;
/* needs-intel.c */
bool driver_needs_intel(struct driver_set *set, const char *class_key_path, struct err *err)
    MUST_CHECK;

/* needs-inf.c: what @inf (with its install section) puts outside the store.  @published:
 * the name it was installed under. */
struct package_inf;
struct store_index;
bool driver_needs_inf(struct driver_set *set, struct store_index *index,
                      const char *package, const struct package_inf *inf,
                      const char *published, struct err *err) MUST_CHECK;

/* companions.c: the packages that belong to the first one.  @key: the class key; @head and
 * @inf: of the first package (@inf without an install section when none is known). */
struct inf_version;
bool driver_add_companions(struct driver_set *set, struct store_index *index,
                           const char *key, const struct inf_version *head,
                           const struct package_inf *inf, struct err *err) MUST_CHECK;
/* The texts of a registry value; none of a value of a type that a running host does not give
 * out.  hive_texts_free(). */
bool driver_store_texts(struct driver_set *set, const char *key, const char *name,
                        char ***ret, size_t *ret_count, struct err *err) MUST_CHECK;
/* "27.21.14.7005" and "27.21.014.7005" are one version; NULL equals none. */
bool driver_versions_equal(const char *a, const char *b);

/* resolve.c, in two halves: the class key and the package's name (@set has an instance
 * id), then what is in the package.  What was found before an error stays in @set. */
bool driver_find_package(struct driver_set *set, struct store_index *index,
                         const char **ret_package, struct err *err) MUST_CHECK;
bool driver_read_package(struct driver_set *set, struct store_index *index,
                         const char *package, struct err *err) MUST_CHECK;
/* The texts of a class key, without judging them. */
bool driver_read_class_key(struct driver_set *set, const char *key, struct err *err)
    MUST_CHECK;
