/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab as stable text: equal texts mean equal hosts. */
#pragma once

struct err;
struct sim_lab;

char *sim_dump_lab(struct sim_lab *lab, struct err *err); /* owned; NULL with @err */
