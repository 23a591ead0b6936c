/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Windows tree on a VM's disk: a few of its files, its hives, what a problem on
 * request needs. */
#pragma once

#include "err.h"
#include "image.h"
#include "machine.h"

/* Fills an empty NTFS volume. */
bool guest_fill(struct volume *volume, const struct sim_disk *disk, struct err *err)
    MUST_CHECK;
