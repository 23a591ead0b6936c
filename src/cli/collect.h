/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that look at hosts: many at once, one result each.
 *
 * A host that fails is one entry with its error; the others go on.  What a host gave is
 * written as soon as it may be: JSON when all hosts listed before it were, text in blocks of
 * hosts that have answered.  So a thousand hosts need the memory of those in flight and
 * of what waits behind a slow one, which is bounded.
 */
#pragma once

#include "command.h"
#include "connect.h"

/* Runs in->command->collect on every host of @hosts and shows the result.  False: nothing
 * could be shown at all (@err); errors of hosts are in *ret_exit. */
bool collect_run(const struct invocation *in, const struct connector *connector,
                 const struct host_list *hosts, unsigned jobs, int *ret_exit,
                 struct err *err) MUST_CHECK;
