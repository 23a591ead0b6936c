/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the world-*.c files share.  Nobody else includes this. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host.h"
#include "machine.h"
#include "world.h"

enum {
    DRIVE_LETTERS = 26,
    PATH_TEXT_MAX = 4096, /* bytes of a Windows path */
    LOADED_HIVE_MAX = 16,
    FIRST_IMAGE_NUMBER = 1, /* disk 0 is the host's own */
};

/* An image attached to the host. */
struct attached {
    struct attached *next;
    char *path; /* as the client gave it */
    bool read_only;
    unsigned number;    /* MSFT_Disk.Number */
    int64_t since_usec; /* MSFT_* objects appear a little later (quirk 17) */
    struct disk *disk;  /* locked for as long as it is attached */
    unsigned part_count;
    struct partition *parts;
    char **access;         /* per partition: "M:\\" or "C:\\mount\\x\\"; NULL: none */
    struct volume *volume; /* the one in use; reopened after each commit */
    unsigned volume_part;
    bool changed; /* the volume has what is not committed */
};

struct loaded_hive {
    char *mount; /* "HKLM\\SYSTEM" */
    char *file;  /* Windows path */
    struct hive *hive;
    bool own; /* SYSTEM, SOFTWARE: the host's own, never unloaded */
};

struct sim_world {
    struct sim_host *host;
    char *root; /* local folder of C: */
    bool registry_made, files_made;
    bool loading;   /* world_state_load() is at work: nothing is saved */
    unsigned batch; /* depth of world_batch_begin() */
    struct attached *attached;
    struct process *processes; /* started by Win32_Process.Create: windows-processes.c */
    unsigned process_count;    /* ever started */
    size_t hive_count;
    struct loaded_hive hives[LOADED_HIVE_MAX];
};

/* A Windows path, resolved. */
struct place {
    struct attached *attached; /* NULL: on C: */
    unsigned part;             /* index into attached->parts */
    char *inner;   /* local path, or the path within the volume ("\\Windows\\x") */
    char *windows; /* the path, normalized: "C:\\Windows\\x" */
    bool exists, is_dir;
    bool parent_exists;
};
void place_clear(struct place *place); /* for CLEANUP() too */

/* False, with a Win32 code and its English text behind @path. */
bool world_fail(struct err *err, uint32_t code, const char *path);
const char *
world_code_text(uint32_t code); /* "The system cannot find the file specified." */

/* world-path.c.  Missing files are no error: place->exists. */
bool world_resolve(struct sim_world *w, const char *path, struct place *ret,
                   struct err *err) MUST_CHECK;
/* "C:\\A\\b": separators, prefix and trailing ones made plain; NULL: not absolute. */
char *world_normalize(const char *path, struct err *err);

/* world-attach.c */
bool attached_volume(struct sim_world *w, struct attached *a, unsigned part,
                     struct volume **ret, struct err *err) MUST_CHECK;
/* After a change: into the image, unless a batch is open. */
bool attached_changed(struct sim_world *w, struct attached *a, struct err *err) MUST_CHECK;
bool attached_restore(struct sim_world *w, const char *path, bool read_only,
                      unsigned number, int64_t since_usec, struct err *err) MUST_CHECK;
struct attached *attached_find(struct sim_world *w, const char *path);
/* Also by another node of the cluster, if the path is on the shared storage; *ret NULL: by
 * none. */
bool attached_by_any(struct sim_world *w, const char *path, struct attached **ret,
                     struct err *err) MUST_CHECK;
void attached_free_all(struct sim_world *w);
/* "\\\\?\\Volume{...}\\" of a partition. */
void attached_volume_name(const struct attached *a, unsigned part, char ret[64]);
bool attached_set_access(struct sim_world *w, struct attached *a, unsigned part,
                         const char *access, struct err *err) MUST_CHECK;
bool attached_free_letter(struct sim_world *w, char *ret);

/* world-state.c: what must survive the simulator's end, besides C: itself. */
bool world_state_save(struct sim_world *w, struct err *err) MUST_CHECK;
bool world_state_load(struct sim_world *w, struct err *err) MUST_CHECK;

/* make-host.c */
bool host_make_registry(struct sim_world *w, struct err *err) MUST_CHECK;
bool host_make_files(struct sim_world *w, struct err *err) MUST_CHECK;
/* make-host-registry.c: the three hives' contents. */
bool host_fill_system(struct sim_world *w, struct hive *hive, struct err *err) MUST_CHECK;
bool host_fill_software(struct sim_world *w, struct hive *hive, struct err *err) MUST_CHECK;
bool host_fill_drivers(struct sim_world *w, struct hive *hive, struct err *err) MUST_CHECK;

/* make-disk.c: writes the image of @disk to @local. */
bool disk_make(const struct sim_disk *disk, const char *local, struct err *err) MUST_CHECK;

/* Local helpers of world-files.c. */
uint32_t local_attributes(const char *local, mode_t mode);
