/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session's interface on systems that have no WMI. */

#include "wmi.h"

#include "err.h"

bool wmi_is_here(void)
{
    return false;
}

struct cim_session *wmi_open(const struct wmi_options *options, struct err *err)
{
    err_fail(err, ERR_UNSUPPORTED, 0, "this machine runs no Windows");
    return NULL;
}
