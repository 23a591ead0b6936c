/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that look at hosts: many at once, one result each.
 *
 * A host that fails is one entry with its error; the others go on.  In JSON mode each
 * host's part is written as soon as those before it were, so that a thousand hosts need
 * the memory of the few in flight; for text the parts are kept for the tables.
 */
#pragma once

#include "command.h"
#include "connect.h"

/* Runs in->command->collect on every host of @hosts and shows the result.  False: nothing
 * could be shown at all (@err); errors of hosts are in *ret_exit. */
bool collect_run(const struct invocation *in, const struct connector *connector,
                 const struct host_list *hosts, unsigned jobs, int *ret_exit,
                 struct err *err) MUST_CHECK;
