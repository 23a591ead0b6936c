/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checkpoints made from a disk.  Their disks lie beside it and remember its DataWriteGuid:
 * writing the disk would leave them without a parent.
 */

#include <stdio.h>
#include <string.h>

#include "disk-internal.h"
#include "err.h"
#include "format.h"
#include "image-file.h"
#include "os.h"
#include "text.h"
#include "vhdx-layout.h"
#include "vhdx-metadata.h"
#include "vhdx-parent.h"

enum { LOOK_MAX = 1000 };

struct search {
    const char *folder;
    const struct image_file *parent;
    const uint8_t *data_write_guid;
    char *name; /* to be filled */
    size_t size;
    unsigned looked_at;
};

/* Only what says so is a child: files that are no VHDX, damaged or locked are none. */
static bool is_child(const char *path, const uint8_t data_write_guid[16])
{
    struct err unused = ERR_INIT;
    CLEANUP(image_file_cleanup)
    struct image_file *file = image_file_open(path, IMAGE_LOCK_READ, &unused);
    struct vhdx_header header;
    struct vhdx_regions regions;
    struct vhdx_metadata metadata = { 0 };
    struct vhdx_locator locator = { 0 };
    bool found;

    if (!file || !vhdx_is(file) || !vhdx_header_read(file, &header, &unused) ||
        !vhdx_regions_read(file, &header, &regions, &unused) ||
        !vhdx_metadata_read(file, &regions, &metadata, &unused) || !(metadata.flags & 2) ||
        !vhdx_locator_read(file, metadata.locator_offset, metadata.locator_bytes, &locator,
                           &unused))
        return false;
    found = vhdx_locator_fits(&locator, data_write_guid);
    vhdx_locator_clear(&locator);
    return found;
}

static bool look_at(const struct os_entry *entry, void *user, struct err *err)
{
    struct search *search = user;
    CLEANUP(free_cleanup) char *path = NULL;

    if (search->name[0] || entry->is_dir || entry->is_special ||
        (!text_iends(entry->name, "vhdx")) || ++search->looked_at > LOOK_MAX)
        return true;
    path = text_printf("%s/%s", search->folder, entry->name);
    if (!path)
        return err_no_memory(err);
    if (!image_file_is(search->parent, path) && is_child(path, search->data_write_guid))
        snprintf(search->name, search->size, "%s", entry->name);
    return true;
}

bool vhdx_find_child(const struct image_file *parent, const uint8_t data_write_guid[16],
                     char *ret_name, size_t size)
{
    const char *slash = strrchr(parent->path, '/');
    CLEANUP(free_cleanup)
    char *folder =
        slash ? text_ndup(parent->path, (size_t)(slash - parent->path) + 1) : text_dup(".");
    struct search search = { .folder = folder,
                             .parent = parent,
                             .data_write_guid = data_write_guid,
                             .name = ret_name,
                             .size = size };
    struct err unused = ERR_INIT;

    ret_name[0] = '\0';
    return folder && os_list_dir(folder, look_at, &search, &unused) && ret_name[0];
}
