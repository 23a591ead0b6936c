/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk of a guest that is off, as the driver steps see it, wherever it is: an image
 * on this machine (through src/image, one transaction), or one on a remote host (attached
 * and mounted there; worked on with that host's own tools).
 *
 * Paths are below the guest's Windows folder.  Sources are absolute paths on the machine
 * where the disk is: the local file system, or the remote host.  Registry keys are below
 * the current control set of the guest's SYSTEM hive.
 *
 * The functions are small and whole; what belongs together, and how it is taken back, is
 * the business of the steps.
 */
#pragma once

#include <jansson.h>

#include "driver.h"

struct guest_disk;
struct progress;

struct guest_file {
    bool exists;
    bool is_dir;
    bool is_readonly;
    uint64_t size;
    int64_t mtime_usec; /* 0: not known */
    char sha256[65];    /* only when asked for; "" otherwise */
};

/* Who a file of the guest belongs to, and how new it is; only looked at when hvgpu did
 * not put it there. */
struct guest_owner {
    bool is_os_owned;  /* Windows' own, or cannot be told: never to be touched */
    char evidence[96]; /* "linked 2 times", "of Microsoft Corporation" */
    bool has_version;  /* of the file's version resource */
    uint64_t version;  /* four 16-bit parts, highest first */
    int64_t mtime_usec;
};

struct guest_facts {
    uint32_t build;        /* 0: not known */
    char architecture[16]; /* "amd64", "arm64", "x86"; "" not known */
    char system_root[64];  /* "C:\\Windows", as the guest itself calls it; "" not known */
    /* Of this installation of Windows, made when it was set up: SOFTWARE
     * \Microsoft\Cryptography MachineGuid (denisbrodbeck/machineid id_windows.go); "" not
     * known. */
    char machine_guid[40];
    bool has_free_bytes;
    uint64_t free_bytes;
    bool is_blocked; /* an image with a reason not to write it: image_inspect_confined() */
};

struct guest_entry {
    const char *path; /* relative to the folder listed; lent */
    uint64_t size;
    int64_t
        mtime_usec; /* on the clock of who lists: see struct source_file; 0: not known */
    const char *sha256; /* "" unless asked for; lent */
};

typedef bool guest_file_fn(const struct guest_entry *file, void *user, struct err *err);

struct guest_disk_ops {
    const char *name;    /* "local", "remote" */
    bool is_transaction; /* nothing of a change is there before commit, all of it after */
    bool (*facts)(struct guest_disk *self, struct guest_facts *ret, struct err *err);
    /* A missing file is .exists false, not an error. */
    bool (*stat)(struct guest_disk *self, const char *path, bool with_hash,
                 struct guest_file *ret, struct err *err);
    /* Many files at once, with hashes, where that is cheaper than one by one; of those that
     * are there only size and hash are told.  NULL: it is not.  See guest_stat_files(). */
    bool (*stat_files)(struct guest_disk *self, const char *const *paths, size_t count,
                       struct guest_file *ret, struct err *err);
    bool (*owner)(struct guest_disk *self, const char *path, struct guest_owner *ret,
                  struct err *err);
    /* All files below a folder.  A missing folder has no files. */
    bool (*list_tree)(struct guest_disk *self, const char *path, bool with_hash,
                      struct progress *progress, guest_file_fn *on_file, void *user,
                      struct err *err);
    bool (*make_dirs)(struct guest_disk *self, const char *path, struct err *err);
    /* @path must not exist; its parent must.  Keeps times, drops read-only. */
    bool (*copy_tree)(struct guest_disk *self, const char *source, const char *path,
                      uint64_t total_bytes, struct progress *progress, struct err *err);
    /* @path must not exist.  Keeps its time, is read-only; @ret_sha256: of what arrived, read
     * back. */
    bool (*copy_file)(struct guest_disk *self, const char *source, const char *path,
                      char ret_sha256[65], struct err *err);
    bool (*write_file)(struct guest_disk *self, const char *path, const void *bytes,
                       size_t len, struct err *err); /* small texts; replaces */
    /* A file that holds JSON, parsed where nothing else can be done.  ERR_NOT_FOUND: there
     * is none; ERR_INVALID: it holds something else.  Owned. */
    bool (*read_json)(struct guest_disk *self, const char *path, size_t max, json_t **ret,
                      struct err *err);
    bool (*set_readonly)(struct guest_disk *self, const char *path, bool on, bool tree,
                         struct err *err); /* files only, never folders */
    bool (*rename)(struct guest_disk *self, const char *from, const char *to,
                   struct err *err); /* within one folder; @to must not exist */
    /* Missing is fine.  Read-only files too.  A folder without @tree must be empty:
     * ERR_CONFLICT otherwise. */
    bool (*remove)(struct guest_disk *self, const char *path, bool tree, struct err *err);
    /* Keeps a copy of a file, or with @tree of a folder, where undo finds it, and brings
     * it back as it was: bytes, time, attributes. */
    bool (*backup)(struct guest_disk *self, const char *path, const char *backup_name,
                   bool tree, struct err *err);
    bool (*restore)(struct guest_disk *self, const char *backup_name, const char *path,
                    bool tree, struct err *err); /* @path must not exist */

    /* The registry.  Reading never changes the hive file. */
    bool (*reg_get)(struct guest_disk *self, const char *key, const char *name,
                    bool *ret_exists, struct hive_value *ret, struct err *err);
    bool (*reg_key_exists)(struct guest_disk *self, const char *key, bool *ret,
                           struct err *err);
    /* Writing: hive_begin keeps a copy of the hive (and its logs) under @backup_name if
     * there is none yet; between it and hive_end values are set; hive_end writes them and
     * says what the hive file is now.  Without hive_end they are dropped (local) or may
     * be half written (remote); the next hive_begin finds that and cleans up. */
    bool (*hive_begin)(struct guest_disk *self, const char *backup_name, struct err *err);
    bool (*reg_set)(struct guest_disk *self, const char *key, const char *name,
                    const struct hive_value *value, struct err *err);
    bool (*reg_delete)(struct guest_disk *self, const char *key, const char *name,
                       bool empty_key_too, struct err *err); /* missing is fine */
    bool (*hive_end)(struct guest_disk *self, char ret_sha256[65], struct err *err);
    /* The copy back in place, if the hive still is what hive_end left (@sha256);
     * *ret_restored says so. */
    bool (*hive_restore)(struct guest_disk *self, const char *backup_name,
                         const char *sha256, bool *ret_restored, struct err *err);

    bool (*commit)(struct guest_disk *self, struct err *err); /* everything durable */
    void (*close)(struct guest_disk *self);                   /* drops what is not */
};

struct guest_disk {
    const struct guest_disk_ops *ops;
};

/* Opens the Windows volume of @image for reading; the first change opens it for writing
 * (exclusively), and everything until commit is one transaction.  @parents: a folder that
 * its parents may lie in or below, besides its own; NULL: none.  @backup_dir: a folder on
 * this machine, made when needed; NULL: only to be read. */
struct guest_disk *guest_disk_open_local(const char *image, const char *parents,
                                         const char *backup_dir, struct err *err);
/* The same in a process that can do nothing else: what is used outside of tests, since a
 * guest's disk is hostile input.  @source_dir: the folder that copies may be read from;
 * NULL: none. */
struct guest_disk *guest_disk_open_sandboxed(const char *image, const char *parents,
                                             const char *backup_dir, const char *source_dir,
                                             struct err *err);
/* @windows: the guest's Windows folder as mounted on the host
 * ("C:\\ProgramData\\hvgpu\\mount\\ID\\Windows"); @backup_dir: a folder on the host, for
 * copies and for work; made when needed, removed by who gave it. */
struct guest_disk *guest_disk_open_remote(struct cim_session *session, const char *windows,
                                          const char *backup_dir, struct err *err);
/* What a run that died may have left on the host of such a disk: hives loaded from it or for
 * it.  Before the disk is taken from there; nothing left is fine. */
bool guest_disk_clean_remote(struct cim_session *session, const char *windows,
                             const char *backup_dir, struct err *err) MUST_CHECK;
/* What is at each of @paths: exists, is_dir, size and sha256.  @ret: room for @count. */
bool guest_stat_files(struct guest_disk *disk, const char *const *paths, size_t count,
                      struct guest_file *ret, struct err *err) MUST_CHECK;
void guest_disk_close(struct guest_disk *disk); /* NULL is fine */
DEFINE_CLEANUP(guest_disk_cleanup, struct guest_disk *, guest_disk_close)
