/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a simulated host is below CIM: its drives, its registry, its attached disk
 * images, its processes.  C: is a folder; the registry is real hives on it
 * (C:\Windows\System32\config); VM disks are real VHDX files on it; an attached image
 * shows its volumes through drive letters, mount folders or \\?\Volume{GUID}\.
 *
 * Each operation is whole: what it wrote into an attached image is committed before it
 * returns, as a host's file system would flush for a power cut.
 *
 * Errors carry Win32 codes in err->code (2 not found, 5 denied, 32 sharing, 80 exists,
 * 112 disk full, 145 not empty ...), which the callers turn into their own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "hive.h"
#include "image.h"

struct sim_host;
struct sim_world;
struct strbuf;

/* Made from the host's description on first use; NULL with @err. */
struct sim_world *sim_host_world(struct sim_host *host, struct err *err);
void sim_world_free(struct sim_world *world);
/* Nothing of it is only in memory, and nothing more was asked than the host's registry. */
bool world_is_idle(const struct sim_world *world);

/* ---- files; Windows paths ("C:\\x", "\\\\?\\Volume{..}\\x", mount folders), any case ---- */

enum {
    WIN_FILE_NOT_FOUND = 2,
    WIN_PATH_NOT_FOUND = 3,
    WIN_ACCESS_DENIED = 5,
    WIN_SHARING_VIOLATION = 32,
    WIN_FILE_EXISTS = 80,
    WIN_DISK_FULL = 112,
    WIN_DIR_NOT_EMPTY = 145,
    WIN_ALREADY_EXISTS = 183
};

/* The Win32 code of a failure of these functions: err->code, or by kind. */
uint32_t world_code(const struct err *err);
/* "The system cannot find the file specified.": what FormatMessage says of a code. */
const char *world_code_text(uint32_t code);

bool world_stat(struct sim_world *w, const char *path, struct file_info *ret,
                struct err *err) MUST_CHECK;
bool world_list(struct sim_world *w, const char *path,
                bool (*on_file)(const struct file_info *, void *user, struct err *err),
                void *user, struct err *err) MUST_CHECK;
/* A folder without entries. */
bool world_is_empty(struct sim_world *w, const char *path, bool *ret, struct err *err)
    MUST_CHECK;
bool world_read_all(struct sim_world *w, const char *path, size_t max, uint8_t **ret,
                    size_t *ret_len, struct err *err) MUST_CHECK;
bool world_write_all(struct sim_world *w, const char *path, const void *bytes, size_t len,
                     int64_t mtime_usec, uint32_t attributes, struct err *err) MUST_CHECK;
bool world_copy(struct sim_world *w, const char *from, const char *to, struct err *err)
    MUST_CHECK; /* one file; keeps time and attributes */
bool world_make_dir(struct sim_world *w, const char *path, struct err *err) MUST_CHECK;
bool world_remove(struct sim_world *w, const char *path, bool tree, bool even_readonly,
                  struct err *err) MUST_CHECK;
bool world_rename(struct sim_world *w, const char *from, const char *to, struct err *err)
    MUST_CHECK;
bool world_set_attributes(struct sim_world *w, const char *path, uint32_t attributes,
                          struct err *err) MUST_CHECK;
/* Several operations on one volume in one commit (robocopy): begin, work, end. */
bool world_batch_begin(struct sim_world *w, struct err *err) MUST_CHECK;
bool world_batch_end(struct sim_world *w, struct err *err) MUST_CHECK;

/* ---- registry; keys as "HKLM\\SYSTEM\\CurrentControlSet\\..." ---- */

/* Of a registry call: the key lies where nothing is simulated (HKCU, HKLM\\HARDWARE...);
 * callers refuse with sim_unknown(). */
#define WIN_UNKNOWN UINT32_MAX

/* Win32 code: 0, 2 (no key or value), 5.  Links CurrentControlSet as Windows does. */
uint32_t world_reg_get(struct sim_world *w, const char *key, const char *name,
                       struct hive_value *ret);
uint32_t world_reg_set(struct sim_world *w, const char *key, const char *name,
                       const struct hive_value *value);
uint32_t world_reg_create(struct sim_world *w, const char *key);
uint32_t world_reg_delete_value(struct sim_world *w, const char *key, const char *name);
uint32_t world_reg_delete_key(struct sim_world *w, const char *key, bool tree);
uint32_t world_reg_list(struct sim_world *w, const char *key, bool values,
                        char ***ret_names, size_t *ret_count);
/* reg load / unload: the file stays in use while loaded.  @key: "HKLM\\NAME".  1009, 1017:
 * no hive; 32: in use; 87: the mount point. */
uint32_t world_reg_load(struct sim_world *w, const char *key, const char *file);
uint32_t world_reg_unload(struct sim_world *w, const char *key);
/* reg save: a whole hive ("HKLM\\SYSTEM") as a new file. */
uint32_t world_reg_save(struct sim_world *w, const char *key, const char *file,
                        bool overwrite);

/* ---- images ---- */

/* Attaches; the VM that uses it must be off (32 otherwise).  Creates the MSFT_* and
 * Msvm_MountedStorageImage objects in the host's store. */
bool world_attach(struct sim_world *w, const char *path, bool read_only, bool assign_letter,
                  struct err *err) MUST_CHECK;
bool world_detach(struct sim_world *w, const char *path, struct err *err) MUST_CHECK;
/* For the VM that wants to start: the host holds its disk (Win32 32). */
bool world_is_attached(struct sim_world *w, const char *path);

/* Appends what sim_dump() shows of files, registry and VM disks. */
bool world_dump(struct sim_world *w, struct strbuf *to, struct err *err) MUST_CHECK;
