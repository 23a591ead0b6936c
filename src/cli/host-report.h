/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody sends when hvgpu does not do what it should: `host check --report FILE`.  A
 * zip file with the versions, what the checks found, and what the host answered when it was
 * asked for all that hvgpu wants to know of it, without names (report-names.h).  With
 * `-H replay:FILE` every command that looks gives the answers of that host.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "attr.h"

struct cim_session;
struct err;
struct host_target;

/* Asks the host behind *session for everything, and takes it over; NULL: it cannot be asked,
 * and the report has the checks only.  @checks: what host check found, lent.  @path must not
 * exist yet. */
bool report_write(const char *path, struct cim_session **session,
                  const struct host_target *target, const json_t *checks, struct err *err)
    MUST_CHECK;

/* A session that answers from a report, or from a recording by itself. */
struct cim_session *report_replay(const char *path, struct err *err);
