/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs of a failover cluster move, and a file says where they were: what it wants of such a VM
 * holds on whichever node has it now.
 */
#pragma once

#include "desired.h"

/* Adds @vm, whose wish is @from's, to @to, its GPUs meant by their model.  @to has room for it. */
bool desired_move_vm(const struct desired_host *from, const struct desired_vm *vm,
                     struct desired_host *to, struct err *err) MUST_CHECK;

/**
 * desired_localize - what @desired wants of @found, as the cluster's VMs are spread now
 * @wanted: of @desired, what it says of this host
 * @found: read with HV_CLUSTER
 * @ret: owned; to be cleared with desired_host_clear()
 *
 * A VM that another node has is marked so (->elsewhere).  A VM of the cluster that this node
 * has, and that the file names under another node or under the cluster, is added; its GPUs are
 * then meant by their model.  What the file wants of the cluster's GPUs is added for models that
 * the node has.  Nodes are known by the name that the file gives them; under an address none is.
 */
bool desired_localize(const struct desired *desired, const struct desired_host *wanted,
                      const struct hv_host *found, struct desired_host *ret,
                      struct err *err) MUST_CHECK;
