/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process may do to the machine it runs on (`--host local`).  Windows says so by
 * the token: elevated, or a member of Hyper-V Administrators, whom UAC does not take that
 * group from.  hvgpu never elevates itself: the user opens an elevated prompt.
 */
#pragma once

#include <stdbool.h>

#include "attr.h"

struct err;

/* May change at least something here; else ERR_DENIED with how to get there. */
bool local_check_rights(struct err *err) MUST_CHECK;

/* May change what is in the namespace @ns; NULL: files, the registry, devices, anything a
 * command can reach.  For struct wmi_options. */
bool local_may_change(const char *ns, struct err *err) MUST_CHECK;

/* The same, decided from what was found out.  Pure. */
struct local_rights {
    bool is_elevated, is_hyper_v_administrator;
};
struct local_rights local_rights(void);
bool local_judge(const struct local_rights *rights, const char *ns, struct err *err)
    MUST_CHECK;
