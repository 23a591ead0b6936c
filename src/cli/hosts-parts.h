/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that make the list of hosts share, and nobody else needs. */
#pragma once

#include "hosts.h"

/* *@to becomes a copy of @from, or NULL where that is. */
bool copy_text(char **to, const char *from, struct err *err) MUST_CHECK;
struct host_target *list_add(struct host_list *list,
                             struct err *err); /* empty; NULL: no room */
bool list_has(const struct host_list *list, const char *name);

/* From how a host is named to where it listens; ERR_INVALID: that is no host. */
bool make_url(struct host_target *target, const char *name, struct err *err) MUST_CHECK;
/* The hosts that @text ("LAB" or "LAB:HOST") names; the lab is started with the first of them. */
bool add_simulated(struct host_list *list, const struct option_values *values,
                   const char *text, struct err *err) MUST_CHECK;
/* As the inventory has it, with what the options say of all hosts. */
bool add_known(struct host_list *list, const struct option_values *values,
               const struct host_target *known, struct err *err) MUST_CHECK;
/* The file of --inventory, else the user's own; *ret stays NULL when there is none. */
bool read_inventory(const struct option_values *values, struct inventory_file **ret,
                    struct err *err) MUST_CHECK;
