/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The requests of a recording, as record.c writes and replay.c finds them.  A recording is
 * one JSON object per line:
 *
 *     {"request": {"op": "query", ...}, "answer": {...}}
 *     {"request": {...}, "error": {"kind", "code", "texts", "hint"}}
 *
 * query:  request ns, wql;            answer rows: [instance]
 * get:    request path;               answer instance
 * put:    request path, changes;      answer {}
 * invoke: request path, method, in;   answer out: instance
 * run:    request line;               answer exit_code, output: [{stream, text | hex}]
 *
 * Instances are those of cim-json.h.
 */
#pragma once

#include <jansson.h>

#include "session.h"

json_t *record_query(const char *ns, const char *wql, struct err *err);
json_t *record_get(const struct cim_path *path, struct err *err);
json_t *record_put(const struct cim_path *path, const struct cim_instance *changes,
                   struct err *err);
json_t *record_invoke(const struct cim_path *path, const char *method,
                      const struct cim_instance *in, struct err *err);
json_t *record_run(const struct shell_command *command, struct err *err);
