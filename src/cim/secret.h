/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which values must not reach a trace or a recording. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cim.h"

/* True when the value of @p should not be shown: its name says so, it carries an instance
 * with such a name in it, or another value of @i names a secret, as StdRegProv's
 * sValueName="DefaultPassword" does for sValue. */
bool cim_is_secret(const struct cim_instance *i, const struct cim_property *p);
