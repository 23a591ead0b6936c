/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host that answers from a recording, such as `hvgpu host check --report` writes of a real one:
 * what was asked then is answered as then, over WS-Management; nothing else is known of it, and
 * nothing can be changed.
 *
 * There is no Hyper-V in it: what a host says to a request stands in the recording.
 */
#pragma once

#include "dispatch.h"

/* A lab of one such host.  @file: a report (zip) or a recording (JSON lines); @dir: its folder, of
 * which nothing is used.  NULL with @err. */
struct sim_lab *replay_lab_open(const char *file, const char *dir, struct err *err);

/* The operations, for a host that has host->replay; under its lock.  @wql NULL: a query of
 * another kind, which recordings do not hold. */
bool replay_query(struct operation *op, const char *ns, const char *wql,
                  query_row_fn *on_row, void *user);
bool replay_get(struct operation *op, const struct cim_path *path);
/* Fills *ret_out. */
bool replay_invoke(struct operation *op, const struct cim_path *path, const char *method,
                   const struct cim_instance *in, struct cim_instance **ret_out);
bool replay_put(struct operation *op);
struct sim_command;
uint32_t replay_command(const struct sim_command *command);
