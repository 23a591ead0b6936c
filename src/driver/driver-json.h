/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver set as JSON, for `driver show` and whoever else shows one. */
#pragma once

#include <jansson.h>

#include "driver.h"

/* Owned; NULL: no memory.  Schema: schema/driver-show.schema.json. */
json_t *driver_set_to_json(const struct driver_set *set);
