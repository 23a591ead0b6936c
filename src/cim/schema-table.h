/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tools/schema-to-c.py generates, for schema.c alone. */
#pragma once

#include "schema.h"

/* Sorted by name, then namespace, both in lower case. */
extern const struct cim_class cim_schema_classes[];
extern const size_t cim_schema_class_count;
