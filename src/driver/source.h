/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a Windows installation to read from can do; two implementations, a machine that
 * is off (source-offline.c) and a running host (source-live.c).  Callers use the
 * functions below the table, never the table.
 *
 * Registry keys as "HKLM\\SYSTEM\\CurrentControlSet\\..."; files as paths below the
 * Windows folder.
 */
#pragma once

#include "driver.h"
#include "hash.h"

struct file_version;
struct progress;

/* @path is relative to the folder asked for ("" for a single file) and lent. */
typedef bool hash_fn(const char *path, uint64_t size, const char *sha256, void *user,
                     struct err *err);

struct windows_source_ops {
    const char *name; /* "offline", "live" */
    /* A missing key, value or hive is *ret_exists false, not an error. */
    bool (*reg_get)(struct windows_source *self, const char *key, const char *name,
                    bool *ret_exists, struct hive_value *ret, struct err *err);
    /* Subkeys, or value names; none when the key is missing. */
    bool (*reg_list)(struct windows_source *self, const char *key, bool values,
                     char ***ret_names, size_t *ret_count, struct err *err);
    /* The files below @path whose name ends in @suffix (NULL: all), sorted by path;
     * sub-folders down to @levels (1: only the folder itself; 0: all).
     * ERR_NOT_FOUND: no such folder. */
    bool (*list)(struct windows_source *self, const char *path, const char *suffix,
                 unsigned levels, struct source_file **ret_files, size_t *ret_count,
                 struct err *err);
    /* The absolute path there of @path, as a copier on that machine needs it.  Owned.
     * Offline: ERR_NOT_FOUND when there is none. */
    char *(*locate)(struct windows_source *self, const char *path, struct err *err);
    /* At most @max bytes from the start; ERR_NOT_FOUND, ERR_INVALID when larger. */
    bool (*read)(struct windows_source *self, const char *path, size_t max, char **ret,
                 size_t *ret_len, struct err *err);
    /* All files below a folder. */
    bool (*hash_tree)(struct windows_source *self, const char *path, hash_fn *on_hash,
                      void *user, struct err *err);
    /* Files below the Windows folder that were listed before: their path and size.  Fills
     * their sha256; ERR_CONFLICT, as far as it is seen: one has another size by now. */
    bool (*hash_files)(struct windows_source *self, struct source_file *files, size_t count,
                       struct err *err);
    /* The version resource of a file; *ret_told false: it has none, or cannot be read. */
    bool (*version)(struct windows_source *self, const char *path, struct file_version *ret,
                    bool *ret_told, struct err *err);
    void (*release)(struct windows_source *self);
};

struct windows_source {
    const struct windows_source_ops *ops;
    char *system_root;         /* as its own registry says: "C:\\Windows"; owned by the
                        * implementation */
    bool lacks_drivers;        /* no DRIVERS hive at hand */
    bool lacks_store;          /* no files at hand: packages cannot be looked at */
    bool is_remote;            /* every question goes over the network */
    bool was_dirty;            /* a hive was made whole from its transaction logs */
    bool is_unfinished;        /* a hive is dirty, and read as it stands */
    struct progress *progress; /* lent; see windows_source_watch() */
};

bool source_get(struct windows_source *source, const char *key, const char *name,
                bool *ret_exists, struct hive_value *ret, struct err *err) MUST_CHECK;
/* *ret NULL: missing, or no text.  Owned. */
bool source_text(struct windows_source *source, const char *key, const char *name,
                 char **ret, struct err *err) MUST_CHECK;
/* 0 of them when missing; SZ counts as one.  hive_texts_free(). */
bool source_texts(struct windows_source *source, const char *key, const char *name,
                  char ***ret, size_t *ret_count, struct err *err) MUST_CHECK;
/* @missing when there is no such number. */
bool source_u64(struct windows_source *source, const char *key, const char *name,
                uint64_t missing, uint64_t *ret, struct err *err) MUST_CHECK;
bool source_list_reg(struct windows_source *source, const char *key, bool values,
                     char ***ret, size_t *ret_count, struct err *err) MUST_CHECK;
void source_files_free(struct source_file *files, size_t count);
/* Appends; takes @path over.  False: no memory, and @path is freed. */
bool source_files_add(struct source_file **files, size_t *count, char *path, uint64_t size,
                      int64_t mtime_usec, struct err *err) MUST_CHECK;
void source_files_sort(struct source_file *files, size_t count);
