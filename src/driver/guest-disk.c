/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for every guest disk. */

#include "guest-disk.h"

bool guest_stat_files(struct guest_disk *disk, const char *const *paths, size_t count,
                      struct guest_file *ret, struct err *err)
{
    if (disk->ops->stat_files)
        return disk->ops->stat_files(disk, paths, count, ret, err);
    for (size_t i = 0; i < count; i++)
        if (!disk->ops->stat(disk, paths[i], true, &ret[i], err))
            return false;
    return true;
}

void guest_disk_close(struct guest_disk *disk)
{
    if (disk)
        disk->ops->close(disk);
}
