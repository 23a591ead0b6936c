/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that change something: plan, show, ask, run, say how it ended. */
#pragma once

#include "command.h"

/* Every kind there is, NULL-terminated: a run is loaded from the journal only when all its
 * kinds are known (kinds.c). */
extern const struct step_kind *const all_step_kinds[];

struct host_target;

/* Whoever cannot change the machine it runs on is told before anything is looked at, and so
 * is whoever wants to change a report.  Asked for each host of a command. */
bool change_may_begin(const struct invocation *in, const struct host_target *target,
                      struct err *err) MUST_CHECK;

/* @in has its session, if the command needs one. */
bool change_run(const struct invocation *in, int *ret_exit, struct err *err) MUST_CHECK;

/* `hvgpu undo @id`, with the options of @in (cmd-history.c). */
bool history_undo(const struct invocation *in, const char *id, int *ret_exit,
                  struct err *err) MUST_CHECK;
