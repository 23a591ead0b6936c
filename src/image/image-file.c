/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local files: what is the same on every system. */

#include "image-file-inside.h"

#include <string.h>

#include "err.h"
#include "text.h"

void (*image_file_watch)(const struct image_file_event *event);

void image_file_tell(const struct image_file_event *event)
{
    if (image_file_watch)
        image_file_watch(event);
}

bool image_file_fail_in_use(struct err *err, const char *path)
{
    err_fail(err, ERR_CONFLICT, 0, "'%s' is in use by another program", path);
    return err_hint(err, "shut the VM down and close every program that has the disk open");
}

struct image_file *image_file_new(const char *path, struct err *err)
{
    struct image_file *file = calloc(1, sizeof(*file));

    if (file)
        file->path = text_dup(path);
    if (!file || !file->path) {
        free(file);
        err_no_memory(err);
        return NULL;
    }
    file->fd = -1;
    return file;
}

void image_file_free(struct image_file *file)
{
    for (size_t i = 0; i < file->overlay_count; i++)
        free(file->overlays[i].bytes);
    free(file->overlays);
    free(file->path);
    free(file);
}

void image_file_lay_over(const struct image_file *file, uint64_t offset, uint8_t *to,
                         size_t len)
{
    for (size_t i = 0; i < file->overlay_count; i++) {
        const struct image_overlay *over = &file->overlays[i];
        uint64_t from = over->offset > offset ? over->offset : offset;
        uint64_t end = over->offset + over->len;

        if (end > offset + len)
            end = offset + len;
        if (from >= end)
            continue;
        if (over->bytes)
            memcpy(to + (from - offset), over->bytes + (from - over->offset), end - from);
        else
            memset(to + (from - offset), 0, end - from);
    }
}
