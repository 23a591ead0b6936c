/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which driver files and registry values a Windows guest needs for a GPU of its host,
 * and where they come from.  Nothing here writes: see guest-disk.h and steps.h.
 *
 * Sources: MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md; the
 * registry of real hosts (mkorman90/regipy test hives); vendors' INF files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "hive.h"

struct cim_session;
struct progress;

/*
 * A Windows installation to read from: a running host over CIM, or the Windows folder
 * of a machine that is off.  Registry keys as "HKLM\\SYSTEM\\CurrentControlSet\\..."
 * in both; files as paths below the Windows folder ("System32\\DriverStore\\...").
 */
struct windows_source;

struct source_file {
    char *path; /* relative to the folder listed, '\' separated */
    uint64_t size;
    int64_t mtime_usec; /* since 1601; offline UTC, live as the host's tools print it */
    char sha256[65];    /* "" until driver_set_hash() */
};

struct windows_source *windows_source_live(struct cim_session *session, struct err *err);
/* @root holds Windows' own folders (System32 ...) or is a drive with a Windows folder;
 * names match without case. */
struct windows_source *windows_source_offline(const char *root, struct err *err);
/* Hive files alone, to be looked at; @drivers and @store (a FileRepository folder) may be
 * NULL.  Logs beside a dirty hive are replayed in memory; without any it is read as it
 * stands, see windows_source_is_unfinished(). */
struct windows_source *windows_source_of_hives(const char *system, const char *drivers,
                                               const char *store, struct err *err);
bool windows_source_was_dirty(const struct windows_source *source);
/* A hive was not written to its end, and what it lacks is not known. */
bool windows_source_is_unfinished(const struct windows_source *source);
void windows_source_free(struct windows_source *source);
/* Long reading (hashing a package) reports to @progress from now on; lent. */
void windows_source_watch(struct windows_source *source, struct progress *progress);
DEFINE_CLEANUP(windows_source_cleanup, struct windows_source *, windows_source_free)

/* ---- what a guest needs ---- */

enum driver_rule { RULE_EXACT, RULE_NEWER, RULE_ABSENT, RULE_ALWAYS };
const char *driver_rule_name(enum driver_rule rule); /* "exact", "newer", ... */

struct driver_file {   /* outside the package: System32 and SysWOW64 */
    char *source;      /* absolute path, on the host or (offline) on this machine */
    char *origin_path; /* the same below the origin's Windows folder */
    char *destination; /* in the guest, below its Windows folder: "System32\\nvcuda.dll" */
    enum driver_rule rule;
    uint64_t size;
    int64_t mtime_usec;
    char sha256[65]; /* "" until driver_set_hash() */
    char *reason;    /* "CopyToVmWhenNewer\\CudaDriverFiles" */
};

enum driver_value_place {
    VALUE_AT_KEY,     /* the key as it stands */
    VALUE_AT_GPU_KEY, /* the same, as long as it is no other driver's in the guest; texts
                            * are paths, on the guest's Windows drive there */
    VALUE_AT_HYPERV_VIDEO, /* the display key of Hyper-V Video, whatever its number; as above */
};
#define DRIVER_HYPERV_VIDEO_KEY \
    "Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}\\<Hyper-V Video>"

struct driver_registry_value { /* below the guest's current control set */
    char *key;                 /* "Services\\nvlddmkm" */
    enum driver_value_place place;
    char *name;
    struct hive_value value;
    char *reason;
};

struct driver_package {
    char *name;   /* "nv_dispi.inf_amd64_0123456789abcdef" */
    char *source; /* absolute path of the folder, on the host or (offline) here */
    char *reason; /* "main package", "OpenGLDriverName" */
    struct source_file *files;
    size_t file_count;
    uint64_t bytes;
};

struct driver_candidate { /* how a package was found; for the two-sources rule */
    char *source;         /* "service image path", "DRIVERS hive", ... */
    char *package;        /* NULL: this source does not tell */
};

struct driver_set {
    char *gpu_name, *instance_id;
    char *class_key; /* "{4d36e968-...}\\0001" */
    char *provider, *inf, *inf_section, *matching_device_id, *service;
    char *driver_version, *driver_date; /* "2024-08-14" */
    char *architecture;                 /* "amd64" */
    char **user_mode_drivers;
    size_t user_mode_driver_count;
    struct driver_candidate *candidates;
    size_t candidate_count;
    struct driver_package *packages;
    size_t package_count;
    struct driver_file *files;
    size_t file_count;
    struct driver_registry_value *values;
    size_t value_count;
    char **left_out; /* for people: what the host names and the guest does not get, why */
    size_t left_out_count;
    uint64_t total_bytes;
    struct windows_source *origin; /* lent: where it was resolved; must outlive the set */
};

/* @gpu: an interface path or instance id; for offline sources also vendor:device or a part
 * of its name that no other has.
 * Refuses (with everything it found in the message): no such device, not a display
 * adapter, inbox driver, not store-resident, sources that disagree or stand alone,
 * package folder missing, INF version differs from the registered one, disabled. */
bool driver_resolve(struct windows_source *source, const char *gpu, struct driver_set **ret,
                    struct err *err) MUST_CHECK;
/* Reads every file of @set that is not hashed yet, at its origin.  Long: see
 * windows_source_watch(). */
bool driver_set_hash(struct driver_set *set, struct err *err) MUST_CHECK;
/* The same of the files outside the packages; of one of them. */
bool driver_set_hash_files(struct driver_set *set, struct err *err) MUST_CHECK;
bool driver_set_hash_file(struct driver_set *set, struct driver_file *file, struct err *err)
    MUST_CHECK;
/* One number for a folder as it was listed: names, sizes, times. */
bool driver_listing_fingerprint(const struct source_file *files, size_t count,
                                char sha256[65], struct err *err) MUST_CHECK;
void driver_set_free(struct driver_set *set);
DEFINE_CLEANUP(driver_set_cleanup, struct driver_set *, driver_set_free)

/* ---- every display adapter of a Windows ---- */

enum driver_usable { USABLE_NO, USABLE_YES, USABLE_UNKNOWN };

struct driver_adapter {
    struct driver_set *set; /* as far as it was found; candidates: packages considered */
    const char *package;    /* lent from it; NULL: not known */
    enum driver_usable usable;
    char *reason; /* why not, or what is not known; NULL when usable */
};

/* One for each numbered key of the display class, by number. */
bool driver_list_adapters(struct windows_source *source, struct driver_adapter **ret,
                          size_t *ret_count, struct err *err) MUST_CHECK;
void driver_adapters_free(struct driver_adapter *adapters, size_t count);
