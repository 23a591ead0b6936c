/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a volume may ask of its disk beyond image.h. */
#pragma once

#include "image.h"

/* True when nothing before this session needs [@offset, @offset + @len): then it may be
 * written at once. */
struct disk_free_map {
    bool (*is_free)(void *user, uint64_t offset, uint64_t len);
    void *user;
};
/* NULL ends it; what is then still changed in memory and free is written at once. */
bool disk_set_free_map(struct disk *disk, const struct disk_free_map *map, struct err *err)
    MUST_CHECK;
/* Writes as disk_write(), by sharing blocks with the file @fd from @from on, as far as that
 * is possible: *ret_done says how far, in whole pages; the rest is to be written. */
bool disk_share(struct disk *disk, uint64_t offset, int fd, uint64_t from, size_t len,
                size_t *ret_done, struct err *err) MUST_CHECK;
/* False once a file system said that it cannot. */
bool disk_may_share(const struct disk *disk);
/* Lets a disk open for reading be changed in memory, never in its file: a trial. */
void disk_keep_in_memory(struct disk *disk);
/* From now on nothing can be committed: a file system was left half changed. */
void disk_spoil(struct disk *disk);
/* ERR_CONFLICT: in use; ERR_DENIED: no right.  Changes nothing. */
bool disk_can_write(const char *path, struct err *err) MUST_CHECK;
/* A checkpoint's disk beside it that needs it as it is: "" when there is none. */
void disk_find_child(const struct disk *disk, char *ret_name, size_t size);
/* Its file alone does not hold what the disk shows: a VHDX log is still to be replayed, in
 * the file by the first to open it for writing. */
bool disk_had_log(const struct disk *disk);
bool disk_is_writable(const struct disk *disk);
const char *disk_path(const struct disk *disk);
uint64_t disk_dirty_bytes(const struct disk *disk);
