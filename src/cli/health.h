/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong on a host, as far as its inventory tells: findings of the contract.  Not a
 * diagnosis; that takes looking at one VM.
 */
#pragma once

#include <jansson.h>

#include "inventory.h"

/* An array of findings, worst first; empty: nothing found.  NULL: no memory. */
json_t *host_findings(const struct hv_host *host);
