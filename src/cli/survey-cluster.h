/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of `survey --cluster` that is about clusters: hooks of its command. */
#pragma once

#include "command.h"

/* @kept: the hosts (struct hv_host) that belong to a cluster. */
bool survey_join_clusters(const struct invocation *in, void *const *kept, size_t count,
                          json_t **ret, bool *ret_found, struct err *err);
void survey_print_clusters(const struct invocation *in, const json_t *members);
void survey_forget_host(void *host);
