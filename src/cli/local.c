/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process may do to the machine it runs on. */

#include "local.h"

#include <stddef.h>

#include "err.h"
#include "job.h"
#include "os.h"
#include "text.h"

/* S-1-5-32-578, whatever its name is in that language.  Source: MicrosoftDocs/win32
 * desktop-src/SecAuthZ/well-known-sids.md. */
#define HYPER_V_ADMINISTRATORS "S-1-5-32-578"

struct local_rights local_rights(void)
{
    struct local_rights rights = { .is_elevated = os_is_elevated() };

    if (!rights.is_elevated)
        rights.is_hyper_v_administrator = os_is_member(HYPER_V_ADMINISTRATORS);
    return rights;
}

bool local_judge(const struct local_rights *rights, const char *ns, struct err *err)
{
    if (rights->is_elevated || (rights->is_hyper_v_administrator && text_ieq(ns, HV_NS)))
        return true;
    if (rights->is_hyper_v_administrator)
        err_fail(err, ERR_DENIED, 0,
                 "Hyper-V Administrators may change VMs, but not files, devices and the "
                 "registry of this machine");
    else
        err_fail(
            err, ERR_DENIED, 0,
            "changing this machine takes the rights of an administrator, and hvgpu was "
            "started without them");
    return err_hint(err, "open a prompt as administrator (Windows key, type cmd, press "
                         "Ctrl+Shift+Enter) and type the command again there");
}

bool local_check_rights(struct err *err)
{
    return local_may_change(HV_NS, err);
}

bool local_may_change(const char *ns, struct err *err)
{
    struct local_rights rights = local_rights();

    return local_judge(&rights, ns, err);
}
