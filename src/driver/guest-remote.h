/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the remote guest disk share: guest-remote.c (files), -many.c,
 * -hive.c. */
#pragma once

#include "guest-disk.h"
#include "remote-registry.h"

struct remote_disk {
    struct guest_disk base;
    struct cim_session *session; /* lent */
    char *windows;               /* "C:\\...\\Windows" on the host */
    char *backup_dir;            /* on the host */
    char id[9];                  /* of this guest, the same in every run */
    bool read_loaded;            /* a copy of the SYSTEM hive is loaded for reading */
    bool edit_loaded;            /* the SYSTEM hive itself is loaded */
    bool is_clean;               /* nothing of an earlier run is loaded any more */
    char *control_set;
    struct remote_reg_known known; /* of the hive that is loaded, until it is written */
};

static inline struct remote_disk *remote_of(struct guest_disk *self)
{
    return (struct remote_disk *)self;
}

/* "<windows>\\<path>", "<backup_dir>\\<name>"; NULL: no memory, and @err says so. */
char *remote_path(struct remote_disk *remote, const char *path, struct err *err);
char *remote_backup_path(struct remote_disk *remote, const char *name, struct err *err);
/* The folder is there afterwards, those above it too. */
bool remote_make_folder(struct remote_disk *remote, const char *folder, bool reads_only,
                        struct err *err) MUST_CHECK;
bool remote_remove_folder(struct remote_disk *remote, const char *folder, bool reads_only,
                          struct err *err) MUST_CHECK;
/* A copy of ours, only to be read, in which nothing is read-only. */
bool remote_drop_folder(struct remote_disk *remote, const char *folder, struct err *err)
    MUST_CHECK;
bool remote_exists(struct remote_disk *remote, const char *path, bool *ret, struct err *err)
    MUST_CHECK;

bool remote_stat_files(struct guest_disk *self, const char *const *paths, size_t count,
                       struct guest_file *ret, struct err *err) MUST_CHECK;
bool remote_facts(struct guest_disk *self, struct guest_facts *ret, struct err *err)
    MUST_CHECK;
bool remote_reg_read(struct guest_disk *self, const char *key, const char *name,
                     bool *ret_exists, struct hive_value *ret, struct err *err) MUST_CHECK;
bool remote_reg_has_key(struct guest_disk *self, const char *key, bool *ret,
                        struct err *err) MUST_CHECK;
bool remote_hive_begin(struct guest_disk *self, const char *backup_name, struct err *err)
    MUST_CHECK;
bool remote_reg_write(struct guest_disk *self, const char *key, const char *name,
                      const struct hive_value *value, struct err *err) MUST_CHECK;
bool remote_reg_remove(struct guest_disk *self, const char *key, const char *name,
                       bool empty_key_too, struct err *err) MUST_CHECK;
bool remote_hive_end(struct guest_disk *self, char ret_sha256[65], struct err *err)
    MUST_CHECK;
bool remote_hive_restore(struct guest_disk *self, const char *backup_name,
                         const char *sha256, bool *ret_restored, struct err *err)
    MUST_CHECK;
/* Unloads whatever is loaded. */
bool remote_hive_close(struct remote_disk *remote, struct err *err) MUST_CHECK;
