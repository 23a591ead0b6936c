/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checkpoints made from a disk.  Their disks lie beside it and remember what it is: of a
 * VHDX its DataWriteGuid, of a VHD its unique id and the time of its last change.  Writing
 * the disk would leave them without a parent.
 */

#include <stdio.h>
#include <string.h>

#include "chain.h"
#include "err.h"
#include "format.h"
#include "image-file.h"
#include "os.h"
#include "text.h"
#include "vhd-parent.h"
#include "vhdx-layout.h"
#include "vhdx-metadata.h"
#include "vhdx-parent.h"

enum { LOOK_MAX = 1000 };

struct search {
    const char *folder;
    const struct image_file *parent;
    const uint8_t *data_write_guid;      /* of a VHDX, otherwise NULL */
    const struct vhd_header *vhd_header; /* of a VHD, otherwise NULL */
    char *name;                          /* to be filled */
    size_t size;
    unsigned looked_at;
};

/* Only what says so is a child: files of no such format, damaged or locked are none. */
static bool is_vhdx_child(const struct image_file *file, const struct search *search)
{
    struct vhdx_header header;
    struct vhdx_regions regions;
    struct vhdx_metadata metadata = { 0 };
    struct vhdx_locator locator = { 0 };
    struct err unused = ERR_INIT;
    bool found;

    if (!vhdx_is(file) || !vhdx_header_read(file, &header, &unused) ||
        !vhdx_regions_read(file, &header, &regions, &unused) ||
        !vhdx_metadata_read(file, &regions, &metadata, &unused) || !(metadata.flags & 2) ||
        !vhdx_locator_read(file, metadata.locator_offset, metadata.locator_bytes, &locator,
                           &unused))
        return false;
    found = vhdx_locator_fits(&locator, search->data_write_guid);
    vhdx_locator_clear(&locator);
    return found;
}

static bool is_vhd_child(const struct image_file *file, const struct search *search)
{
    struct vhd_header header;
    struct err unused = ERR_INIT;

    return vhd_is(file) && vhd_header_read(file, &header, &unused) &&
           header.type == VHD_TYPE_DIFFERENCING &&
           vhd_parent_is_it(&header, search->vhd_header) &&
           vhd_parent_is_unchanged(&header, search->vhd_header, search->parent);
}

static bool is_child(const char *path, const struct search *search)
{
    struct err unused = ERR_INIT;
    CLEANUP(image_file_cleanup)
    struct image_file *file = image_file_open(path, IMAGE_LOCK_READ, &unused);

    return file &&
           (search->vhd_header ? is_vhd_child(file, search) : is_vhdx_child(file, search));
}

static bool look_at(const struct os_entry *entry, void *user, struct err *err)
{
    struct search *search = user;
    CLEANUP(free_cleanup) char *path = NULL;

    if (search->name[0] || entry->is_dir || entry->is_special ||
        !text_iends(entry->name, search->vhd_header ? "vhd" : "vhdx") ||
        ++search->looked_at > LOOK_MAX)
        return true;
    path = text_printf("%s/%s", search->folder, entry->name);
    if (!path)
        return err_no_memory(err);
    if (!image_file_is(search->parent, path) && is_child(path, search))
        snprintf(search->name, search->size, "%s", entry->name);
    return true;
}

bool chain_find_child(const struct image_file *parent, const uint8_t data_write_guid[16],
                      char *ret_name, size_t size)
{
    const char *slash = strrchr(parent->path, '/');
    CLEANUP(free_cleanup)
    char *folder =
        slash ? text_ndup(parent->path, (size_t)(slash - parent->path) + 1) : text_dup(".");
    struct search search = {
        .folder = folder, .parent = parent, .name = ret_name, .size = size
    };
    struct vhd_header header;
    struct err unused = ERR_INIT;

    ret_name[0] = '\0';
    if (vhdx_is(parent))
        search.data_write_guid = data_write_guid;
    else if (vhd_is(parent) && vhd_header_read(parent, &header, &unused))
        search.vhd_header = &header;
    else
        return false;
    return folder && os_list_dir(folder, look_at, &search, &unused) && ret_name[0];
}
