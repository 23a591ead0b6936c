/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the steps keep between each other for as long as one context lives. */
#pragma once

#include "plan.h"

bool share_may_turn_off(const struct plan_context *context);
