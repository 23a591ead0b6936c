/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a step's parameters, which come from a journal that anything may have damaged. */
#pragma once

#include "plan.h"

/* Lent.  ERR_PROTOCOL when the step has no such text. */
bool param_text(const struct step *step, const char *name, const char **ret,
                struct err *err) MUST_CHECK;
/* NULL when it is missing or null. */
const char *param_optional(const struct step *step, const char *name);
bool param_true(const struct step *step, const char *name);
