/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of a VHD's parent, and its marks. */

#include "vhd-parent.h"

#include <errno.h>
#include <string.h>

#include "err.h"
#include "image-file.h"
#include "text.h"

enum {
    NAMES_BYTES_MAX = 2 * PARENT_NAME_MAX_BYTES,
    YEAR_2000 = 946684800, /* in seconds since 1970 */
    ROUNDING = 2,          /* FAT and copying tools keep times to two seconds */
};

/* Up to the first zero: the space behind a name is filled with them. */
static bool take_name(const uint8_t *bytes, size_t len, char **to)
{
    size_t end = 0;
    char *name;

    while (end + 1 < len && (bytes[end] || bytes[end + 1]))
        end += 2;
    if (end == 0 || *to)
        return true;
    errno = 0;
    name = text_from_utf16le(bytes, end, NULL);
    if (!name)
        return errno != ENOMEM;
    if (strlen(name) > PARENT_NAME_MAX_BYTES)
        free(name);
    else
        *to = name;
    return true;
}

/* What lies outside the file or is too long is no name; another may be one. */
static bool read_locator(const struct image_file *child, const struct vhd_locator *locator,
                         char **to, struct err *err)
{
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;

    if (locator->len == 0 || locator->len > NAMES_BYTES_MAX ||
        locator->offset > child->size || locator->len > child->size - locator->offset)
        return true;
    bytes = malloc(locator->len);
    if (!bytes)
        return err_no_memory(err);
    return image_file_read(child, locator->offset, bytes, locator->len, err) &&
           (take_name(bytes, locator->len, to) || err_no_memory(err));
}

static bool read_names(const struct image_file *child, const struct vhd_header *header,
                       struct parent_names *names, struct err *err)
{
    static const char *const codes[] = { "W2ru", "W2ku" };
    uint8_t turned[VHD_PARENT_NAME];

    for (size_t c = 0; c < ARRAY_LEN(codes); c++)
        for (unsigned i = 0; i < VHD_LOCATORS; i++)
            if (memcmp(header->locators[i].code, codes[c], 4) == 0 &&
                !read_locator(child, &header->locators[i], &names->names[c], err))
                return false;
    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = header->parent_name[i ^ 1];
    return take_name(turned, sizeof(turned), &names->names[2]) || err_no_memory(err);
}

bool vhd_parent_names(const struct image_file *child, const struct vhd_header *header,
                      struct parent_names *ret, struct err *err)
{
    struct parent_names names = { 0 };

    if (!read_names(child, header, &names, err)) {
        parent_names_clear(&names);
        return false;
    }
    if (parent_names_are_empty(&names))
        return err_fail(err, ERR_PROTOCOL, 0, "'%s' does not say what its parent is",
                        child->path);
    *ret = names;
    return true;
}

bool vhd_parent_is_it(const struct vhd_header *child, const struct vhd_header *parent)
{
    return memcmp(child->parent_id, parent->unique_id, sizeof(child->parent_id)) == 0;
}

bool vhd_parent_is_unchanged(const struct vhd_header *child,
                             const struct vhd_header *parent, const struct image_file *file)
{
    int64_t late = file->mtime_sec - YEAR_2000 - child->parent_time;

    return child->parent_time == 0 || child->parent_time == parent->created ||
           (late >= -ROUNDING && late <= ROUNDING);
}
