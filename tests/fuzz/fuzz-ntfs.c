/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NTFS volumes: mounted, listed, read, and written in memory. */

#include "err.h"
#include "fuzz-image.h"
#include "disk-internal.h"
#include "image.h"
#include "text.h"

enum { IMAGE_BYTES = 2 << 20, READ_MAX = 1 << 20, FILES_MAX = 40 };

struct walk {
    struct volume *volume;
    const char *folder;
    unsigned left;
};

static bool visit(const struct file_info *info, void *user, struct err *err)
{
    struct walk *walk = user;
    char *path = text_printf("%s/%s", walk->folder, info->name);
    struct err why = ERR_INIT;
    uint8_t *bytes = NULL;
    size_t len = 0;

    MUST(path && info->name);
    if (!walk->left || strlen(path) > 200) {
        free(path);
        return err_fail(err, ERR_CANCELLED, 0, "enough");
    }
    walk->left--;
    if (info->attributes & FILE_IS_DIR) {
        struct walk below = { walk->volume, path, walk->left };

        if (!volume_list(walk->volume, path, visit, &below, &why))
            MUST(why.kind != ERR_NONE);
        walk->left = below.left;
    } else if (volume_read_all(walk->volume, path, READ_MAX, &bytes, &len, &why)) {
        free(bytes);
    }
    free(path);
    return true;
}

static void use(struct disk *disk, enum disk_mode mode)
{
    struct partition partition = { .index = 1, .size_bytes = IMAGE_BYTES };
    struct volume *volume;
    struct err err = ERR_INIT;
    struct walk walk = { .folder = "", .left = FILES_MAX };

    volume = volume_open(disk, &partition, mode, &err);
    if (!volume) {
        MUST(err.kind != ERR_NONE && err.depth > 0);
        return;
    }
    walk.volume = volume;
    if (!volume_list(volume, "", visit, &walk, &err))
        MUST(err.kind != ERR_NONE);
    if (mode == DISK_WRITE) {
        static const uint8_t bytes[20000] = "fuzz";

        if (!volume_make_dirs(volume, "new/folder", &err) ||
            !volume_write_all(volume, "new/folder/file", bytes, sizeof(bytes), 0, 0,
                              &err) ||
            !volume_remove(volume, "new", true, &err))
            MUST(err.kind != ERR_NONE);
    }
    volume_drop(volume);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    int fd = fuzz_file(fuzz_unpack(data, size, IMAGE_BYTES), IMAGE_BYTES, path);

    for (unsigned i = 0; i < 2; i++) {
        enum disk_mode mode = i ? DISK_WRITE : DISK_READ;
        struct err err = ERR_INIT;
        struct disk *disk = disk_open(path, mode, &err);

        if (disk)
            use(disk, mode);
        disk_close(disk);
    }
    close(fd);
    return 0;
}
