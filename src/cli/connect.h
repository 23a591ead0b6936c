/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions to the hosts of a command line, with the wrappers that options and testers ask
 * for: trace (-v) and fault injection (HVGPU_FAULT, see docs/testing.md).
 */
#pragma once

#include "hosts.h"

struct cim_session;

struct connector {
    const struct option_values *values;
    struct host_list *hosts; /* lent; command_connect() may add to it */
    bool verbose;
    uint64_t timeout_ms; /* 0: the default */
};

/* The session without wrappers, for looking at the connection itself.  It opens without a
 * password, too; @ret_no_password then says why there is none (else ERR_NONE). */
struct cim_session *connector_open_plain(const struct connector *connector,
                                         const struct host_target *target,
                                         struct err *ret_no_password, struct err *err);
/* One thread per target at a time. */
struct cim_session *connector_open(const struct connector *connector,
                                   const struct host_target *target, struct err *err);
