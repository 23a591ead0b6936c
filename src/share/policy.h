/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two policy values by which a Windows Server restricts devices given to VMs. */
#pragma once

#include "inventory.h"

/* Not asked for on clients, where they have no effect; not known: not set.
 * Source: MicrosoftDocs/SupportArticles Hyper-V GPU; value 0 relaxes. */
bool read_assignment_policy(struct cim_session *session, const struct hv_host *host,
                            struct known_u64 *ret_secure, struct known_u64 *ret_supported,
                            struct err *err) MUST_CHECK;
