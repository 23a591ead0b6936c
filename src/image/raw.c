/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A raw image: the file is the disk. */

#include <string.h>

#include "err.h"
#include "format.h"
#include "image-file.h"

static void raw_close(struct format *format)
{
    free(format);
}

static bool raw_map(struct format *format, uint64_t offset, uint64_t len,
                    struct extent *ret, struct err *err)
{
    *ret = (struct extent){
        .file = format->file, .file_offset = offset, .len = len, .is_own = true
    };
    return true;
}

static const struct format_ops raw_ops = { .close = raw_close, .map = raw_map };

struct format *raw_open(struct image_file *file, struct err *err)
{
    struct format *format;

    if (file->size < 512) {
        err_fail(err, ERR_PROTOCOL, 0, "'%s' is too short for a disk image", file->path);
        return NULL;
    }
    format = calloc(1, sizeof(*format));
    if (!format) {
        err_no_memory(err);
        return NULL;
    }
    format->ops = &raw_ops;
    format->file = file;
    format->size = file->size / 512 * 512;
    format->sector_bytes = 512;
    snprintf(format->name, sizeof(format->name), "raw");
    return format;
}

struct format *format_open(struct image_file *file, struct err *err)
{
    static const struct {
        const char *magic, *name;
    } others[] = { { "QFI\xFB", "QCOW" }, { "KDMV", "VMDK" }, { "<<< ", "VDI" } };
    char magic[4] = "";

    if (vhdx_is(file))
        return vhdx_open(file, 0, err);
    if (vhd_is(file))
        return vhd_open(file, 0, err);
    if (file->size >= sizeof(magic) && !image_file_read(file, 0, magic, sizeof(magic), err))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (memcmp(magic, others[i].magic, 4) == 0) {
            err_fail(err, ERR_UNSUPPORTED, 0, "'%s' is a %s image", file->path,
                     others[i].name);
            err_hint(err, "convert it: qemu-img convert -O vhdx IMAGE NEW.vhdx");
            return NULL;
        }
    return raw_open(file, err);
}

void format_close(struct format *format)
{
    if (format)
        format->ops->close(format);
}
