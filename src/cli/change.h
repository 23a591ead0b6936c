/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that change something: plan, show, ask, run, say how it ended. */
#pragma once

#include "command.h"

/* @in has its session, if the command needs one. */
bool change_run(const struct invocation *in, int *ret_exit, struct err *err) MUST_CHECK;
