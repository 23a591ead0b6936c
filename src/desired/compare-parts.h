/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of a comparison tell each other. */
#pragma once

#include "compare.h"

/* Which GPU each wanted one is; differences of GPUs. */
bool compare_gpus(struct comparison *c, struct err *err) MUST_CHECK;
