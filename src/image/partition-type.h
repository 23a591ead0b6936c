/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a partition's first sectors say. */
#pragma once

#include "image.h"

#define PARTITION_BASIC_DATA "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
#define PARTITION_EFI "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

/* Part of a dynamic disk (LDM) or of Storage Spaces: a volume may be spread over several. */
bool partition_is_not_basic(const struct partition *p);
/* Fills p->file_system. */
bool partition_detect(struct disk *disk, struct partition *p, struct err *err) MUST_CHECK;
