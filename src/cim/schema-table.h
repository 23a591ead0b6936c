/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tools/schema-to-c.py generates, for schema.c alone. */
#pragma once

#include "schema.h"

/* Sorted by name, then namespace, both in lower case. */
extern const struct cim_class cim_schema_classes[];
extern const size_t cim_schema_class_count;

/* Where to find a class by the hash of its name: 1 + its index, or 0; the next place when
 * another one is there.  The number of places is a power of two. */
extern const unsigned short cim_schema_places[];
extern const size_t cim_schema_place_count;
