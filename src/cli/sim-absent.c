/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for src/sim where it is not built (Windows): `sim:LAB` is then refused. */

#include "sim.h"

bool sim_is_built(void)
{
    return false;
}

struct sim *sim_open(const struct sim_options *options, struct err *err)
{
    (void)options;
    err_fail(err, ERR_UNSUPPORTED, 0, "this build of hvgpu has no simulator");
    err_hint(err,
             "run hvgpu-sim on Linux and name its address with -H http://NAME:PORT/wsman");
    return NULL;
}

void sim_close(struct sim *sim)
{
    (void)sim;
}

size_t sim_host_count(const struct sim *sim)
{
    (void)sim;
    return 0;
}

const char *sim_host_name(const struct sim *sim, size_t i)
{
    (void)sim;
    (void)i;
    return "";
}

const char *sim_host_url(const struct sim *sim, size_t i)
{
    return sim_host_name(sim, i);
}

const char *sim_user(const struct sim *sim)
{
    return sim_host_name(sim, 0);
}

const char *sim_password(const struct sim *sim)
{
    return sim_host_name(sim, 0);
}
