/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Until src/driver can work on a disk of a remote host, attach takes --no-drivers only. */

#include "guest-disk.h"

struct guest_disk *guest_disk_open_remote(struct cim_session *session, const char *windows,
                                          const char *backup_dir, struct err *err)
{
    err_fail(err, ERR_UNSUPPORTED, 0, "drivers on a remote host are not part of this build");
    return NULL;
}
