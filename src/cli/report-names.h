/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes what tells who somebody is out of recorded answers: names of machines, users, domains
 * and VMs, serial numbers, what people wrote into notes, folders of their own.  The same name
 * becomes the same stand-in ("vm-1") wherever it stands, in questions as in answers, so that
 * what is left can be replayed.
 */
#pragma once

#include <jansson.h>

#include "attr.h"

struct err;
struct report_names;

struct report_names *report_names_new(struct err *err);
void report_names_free(struct report_names *names); /* NULL is fine */
DEFINE_CLEANUP(report_names_cleanup, struct report_names *, report_names_free)

/* A name that is known from elsewhere; NULL is fine.  @kind: "host", "user". */
void report_names_add(struct report_names *names, const char *name, const char *kind);
/* Learns the names in one entry of a recording (record-file.h in src/cim).  All entries come
 * before the first is cleaned. */
void report_names_learn(struct report_names *names, const json_t *entry);
/* A copy with stand-ins; NULL with @err. */
json_t *report_names_clean(struct report_names *names, const json_t *json, struct err *err);
