/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the local guest disk share: guest-local.c, guest-local-backup.c,
 * guest-local-hive.c. */
#pragma once

#include "guest-disk.h"
#include "image.h"

struct local_disk {
    struct guest_disk base;
    char *image, *parents;
    char *backup_dir; /* NULL: only to be read */
    struct partition partition;
    struct image_windows windows;
    bool is_blocked; /* something forbids writing the image */
    struct disk *disk;
    struct volume *volume;
    bool is_writable;
    struct hive *hive; /* the guest's SYSTEM */
    char *control_set;
    bool is_editing;  /* between hive_begin and hive_end */
    bool is_replayed; /* the file's logs were needed: they are cut when it is written */
};

static inline struct local_disk *local_of(struct guest_disk *self)
{
    return (struct local_disk *)self;
}

/* Opens the volume, for writing when asked.  What was read before stays valid. */
bool local_need(struct local_disk *local, bool writable, struct err *err) MUST_CHECK;
/* "\\Windows\\<path>" on the volume.  NULL: no memory. */
char *local_path(const char *path);
/* A volume's ERR_NOT_FOUND is false without @err; other failures are errors (*ret_ok). */
bool local_stat(struct local_disk *local, const char *path, struct file_info *ret,
                bool *ret_exists, struct err *err) MUST_CHECK;
/* Copies a local file to @path ('\' from the volume's root), whole. */
bool local_import(struct local_disk *local, const char *from, const char *path,
                  int64_t mtime_usec, uint32_t attributes,
                  bool (*on_bytes)(size_t len, void *user, struct err *err), void *user,
                  struct err *err) MUST_CHECK;

bool local_backup(struct guest_disk *self, const char *path, const char *backup_name,
                  bool tree, struct err *err) MUST_CHECK;
bool local_restore(struct guest_disk *self, const char *backup_name, const char *path,
                   bool tree, struct err *err) MUST_CHECK;

bool local_reg_get(struct guest_disk *self, const char *key, const char *name,
                   bool *ret_exists, struct hive_value *ret, struct err *err) MUST_CHECK;
bool local_reg_key_exists(struct guest_disk *self, const char *key, bool *ret,
                          struct err *err) MUST_CHECK;
bool local_hive_begin(struct guest_disk *self, const char *backup_name, struct err *err)
    MUST_CHECK;
bool local_reg_set(struct guest_disk *self, const char *key, const char *name,
                   const struct hive_value *value, struct err *err) MUST_CHECK;
bool local_reg_delete(struct guest_disk *self, const char *key, const char *name,
                      bool empty_key_too, struct err *err) MUST_CHECK;
bool local_hive_end(struct guest_disk *self, char ret_sha256[65], struct err *err)
    MUST_CHECK;
bool local_hive_restore(struct guest_disk *self, const char *backup_name,
                        const char *sha256, bool *ret_restored, struct err *err) MUST_CHECK;
void local_hive_drop(struct local_disk *local);
