/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hashes of paths, for store.c.  Equal paths have equal hashes, whatever the case, the
 * order of the keys, the host and the namespace; an object has the hash of its path.
 */
#pragma once

#include <stdint.h>

#include "cim.h"
#include "schema.h"

uint64_t store_hash_path(const struct cim_path *path);
uint64_t store_hash_instance(const struct cim_instance *instance,
                             const struct cim_class *class);
