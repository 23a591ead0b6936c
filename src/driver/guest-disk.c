/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for every guest disk. */

#include "guest-disk.h"

void guest_disk_close(struct guest_disk *disk)
{
    if (disk)
        disk->ops->close(disk);
}
