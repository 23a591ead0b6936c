/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this machine is called, and what this process may do to it. */

#include <errno.h>
#include <unistd.h>

#include "err.h"
#include "os.h"
#include "text.h"

char *os_machine_name(struct err *err)
{
    char name[256];
    char *copy;

    if (gethostname(name, sizeof(name)) != 0) {
        err_errno(err, errno, "cannot tell the name of this machine");
        return NULL;
    }
    name[sizeof(name) - 1] = '\0';
    copy = text_dup(name);
    if (!copy)
        err_no_memory(err);
    return copy;
}

bool os_is_elevated(void)
{
    return geteuid() == 0;
}

bool os_is_member(const char *sid)
{
    (void)sid; /* no such groups here */
    return false;
}

char *os_security_packages(struct err *err)
{
    err_fail(err, ERR_UNSUPPORTED, 0, "this machine runs no Windows");
    return NULL;
}
