/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each of several hosts has, and the one among them that a command about a VM is for. */
#pragma once

#include "command.h"
#include "connect.h"
#include "inventory.h"

/* What is known of each host of a list: what was read, or why nothing was. */
struct host_views {
    struct hv_host **hosts; /* NULL where @why says something */
    struct err *why;
    size_t count;
};
/* Asks up to --jobs of them at a time; a host that does not answer is no error. */
bool host_views_read(const struct invocation *in, const struct host_list *list,
                     unsigned what, struct host_views *ret, struct err *err) MUST_CHECK;
void host_views_clear(struct host_views *views);

/* What to do when no host that answered has a VM; of the @silent others the first is @name, and
 * @why says why it did not answer.  Always false. */
bool host_views_hint_no_vm(size_t silent, const char *name, const struct err *why,
                           struct err *err);
/* The only host that has the VM: its index. */
bool host_views_find_vm(const struct host_views *views, const struct host_list *list,
                        const char *vm, size_t *ret, struct err *err) MUST_CHECK;
