/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the parent of a disk and reads through it. */

#include "chain.h"

#include "commit-journal.h"
#include "err.h"
#include "format.h"
#include "image-file.h"
#include "parent-paths.h"

enum { COPY_BYTES = 1 << 20 };

bool chain_check_depth(unsigned depth, struct err *err)
{
    return depth < CHAIN_MAX ||
           err_fail(err, ERR_UNSUPPORTED, 0, "more than %d disks in a chain", CHAIN_MAX);
}

bool chain_fail_changed(const struct image_file *file, const struct image_file *child,
                        const char *hint, struct err *err)
{
    err_fail(err, ERR_CONFLICT, 0, "'%s' was written after '%s' was made from it",
             file->path, child->path);
    return err_hint(err, "merge or remove the checkpoint with Hyper-V%s", hint);
}

static struct image_file *open_candidate(const struct image_file *child, const char *path,
                                         struct err *err)
{
    struct image_file *file;

    if (commit_journal_exists(path)) {
        err_fail(err, ERR_CONFLICT, 0, "an interrupted change of '%s' was not finished",
                 path);
        err_hint(err, "look at that disk with 'hvgpu image show': it finishes the change");
        return NULL;
    }
    file = image_file_open(path, IMAGE_LOCK_READ, err);
    if (!file)
        err_wrap(err, "opening the parent disk of '%s'", child->path);
    return file;
}

struct image_file *chain_find_parent(const struct image_file *child,
                                     const struct parent_names *names,
                                     bool (*is_parent)(const struct image_file *file,
                                                       void *user, struct err *err),
                                     void *user, struct err *err)
{
    CLEANUP(image_file_cleanup) struct image_file *found = NULL;
    struct parent_paths list = { 0 };
    struct err first = ERR_INIT;

    if (!parent_paths_find(child, names, &list, err))
        return NULL;
    for (unsigned i = 0; !found && i < list.count; i++) {
        struct err why = ERR_INIT;

        found = open_candidate(child, list.paths[i], &why);
        if (found && !is_parent(found, user, &why)) {
            image_file_close(found);
            found = NULL;
        }
        if (i == 0)
            first = why;
    }
    if (!found && list.count)
        *err = first;
    else if (!found)
        parent_paths_fail_none(child, names, err);
    else
        found->parents = child->parents;
    parent_paths_clear(&list);
    return TAKE(found);
}

bool chain_map(struct format *parent, uint64_t offset, uint64_t len, struct extent *ret,
               struct err *err)
{
    if (offset >= parent->size) { /* the child was made larger */
        *ret = (struct extent){ .len = len };
        return true;
    }
    if (len > parent->size - offset)
        len = parent->size - offset;
    if (!parent->ops->map(parent, offset, len, ret, err))
        return false;
    ret->is_own = false;
    ret->is_new = false;
    return true;
}

bool chain_copy_up(struct format *parent, uint64_t offset, uint64_t len,
                   struct image_file *file, uint64_t at, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = malloc(COPY_BYTES);

    if (!bytes)
        return err_no_memory(err);
    while (len) {
        struct extent extent;
        uint64_t piece = len < COPY_BYTES ? len : COPY_BYTES;

        if (!chain_map(parent, offset, piece, &extent, err))
            return false;
        if (extent.file &&
            (!image_file_read(extent.file, extent.file_offset, bytes, extent.len, err) ||
             !image_file_write(file, at, bytes, extent.len, err)))
            return false;
        offset += extent.len;
        at += extent.len;
        len -= extent.len;
    }
    return true;
}
