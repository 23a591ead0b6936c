/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file that `diff` and `apply` are given: which hosts it is about, and each one's part. */
#pragma once

#include "command.h"
#include "desired.h"

/* For command.hosts and command.end: reads the first operand into in->data; its hosts, or
 * those of them that -H names. */
bool desired_file_hosts(struct invocation *in, struct host_list *list, struct err *err)
    MUST_CHECK;
void desired_file_end(struct invocation *in);

/* What the file wants of the host that is shown as @name; lent.  NULL with @err. */
const struct desired_host *desired_file_part(const struct invocation *in, const char *name,
                                             struct err *err);
/* The same for @found as the VMs of its cluster are spread now; to be cleared with
 * desired_host_clear(). */
bool desired_file_local(const struct invocation *in, const struct desired_host *wanted,
                        const struct hv_host *found, struct desired_host *ret,
                        struct err *err) MUST_CHECK;
