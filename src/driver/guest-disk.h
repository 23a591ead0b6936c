/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk of a guest that is off, as the driver steps see it, wherever it is: an image
 * on this machine (through src/image, one transaction), or one on a remote host (attached
 * and mounted there; worked on with that host's own tools).
 *
 * Paths are below the guest's Windows folder.  Sources are absolute paths on the machine
 * where the disk is: the local file system, or the remote host.
 */
#pragma once

#include "driver.h"

struct guest_disk;
struct progress;

struct guest_file {
    bool exists;
    bool is_dir;
    bool is_readonly;
    uint64_t size;
    int64_t mtime_usec;
    bool is_os_owned; /* never to be touched */
    char sha256[65];  /* only when asked for; "" otherwise */
};

struct guest_disk_ops {
    const char *name; /* "local", "remote" */
    bool (*stat)(struct guest_disk *self, const char *path, bool with_hash,
                 struct guest_file *ret, struct err *err);
    /* All files below a folder with their hashes, for verifying; paths relative to it. */
    bool (*hash_tree)(struct guest_disk *self, const char *path, struct progress *progress,
                      bool (*on_file)(const char *path, uint64_t size, const char *sha256,
                                      void *user, struct err *err),
                      void *user, struct err *err);
    bool (*copy_tree)(struct guest_disk *self, const char *source, const char *path,
                      uint64_t total_bytes, struct progress *progress, struct err *err);
    bool (*copy_file)(struct guest_disk *self, const char *source, const char *path,
                      struct err *err); /* replaces; keeps time */
    bool (*write_file)(struct guest_disk *self, const char *path, const void *bytes,
                       size_t len, struct err *err); /* small texts: the manifest */
    bool (*read_file)(struct guest_disk *self, const char *path, size_t max, char **ret,
                      size_t *ret_len, struct err *err);
    bool (*set_readonly)(struct guest_disk *self, const char *path, bool on, bool tree,
                         struct err *err);
    bool (*rename)(struct guest_disk *self, const char *from, const char *to,
                   struct err *err);
    bool (*remove)(struct guest_disk *self, const char *path, bool tree, struct err *err);
    /* Keeps a copy where undo finds it, and brings it back as it was. */
    bool (*backup)(struct guest_disk *self, const char *path, const char *backup_name,
                   struct err *err);
    bool (*restore)(struct guest_disk *self, const char *backup_name, const char *path,
                    struct err *err);
    /* Below the current control set of the guest's SYSTEM hive. */
    bool (*reg_get)(struct guest_disk *self, const char *key, const char *name,
                    bool *ret_exists, struct hive_value *ret, struct err *err);
    bool (*reg_key_exists)(struct guest_disk *self, const char *key, bool *ret,
                           struct err *err);
    bool (*reg_set)(struct guest_disk *self, const char *key, const char *name,
                    const struct hive_value *value, struct err *err);
    bool (*reg_delete)(struct guest_disk *self, const char *key, const char *name,
                       bool empty_key_too, struct err *err);
    bool (*free_bytes)(struct guest_disk *self, uint64_t *ret, struct err *err);
    bool (*commit)(struct guest_disk *self, struct err *err); /* everything durable */
    void (*close)(struct guest_disk *self);                   /* drops what is not */
};

struct guest_disk {
    const struct guest_disk_ops *ops;
};

struct guest_disk *guest_disk_open_local(const char *image, const char *backup_dir,
                                         struct err *err);
/* @windows: the guest's Windows folder as mounted on the host
 * ("C:\\ProgramData\\hvgpu\\mount\\ID\\Windows"); @backup_dir: a folder on the host. */
struct guest_disk *guest_disk_open_remote(struct cim_session *session, const char *windows,
                                          const char *backup_dir, struct err *err);
void guest_disk_close(struct guest_disk *disk); /* NULL is fine */
