/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything a simulated host can do, one line each. */
#include "behaviour.h"

const struct sim_behaviour *const sim_behaviours[] = {
    NULL,
};
