/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host for tests: one NVIDIA GPU, one AMD GPU, two VM disks, in a folder of its own. */
#pragma once

#include "host.h"
#include "machine.h"
#include "world-inside.h"

struct test_host {
    struct sim_host host;
    struct sim_machine machine;
    struct sim_device devices[2];
    struct sim_disk disks[2];
};

/* Initializes @t in place: the host points into it. */
void test_host_init(struct test_host *t);
/* The same, and its world. */
struct sim_world *test_host_world(struct test_host *t, struct err *err);
void test_host_clear(struct test_host *t);
/* The simulator ends and starts again: only what is on disk is left. */
void test_host_restart(struct test_host *t);
bool test_has_tools(void);
