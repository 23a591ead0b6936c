/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host's inventory in the words and keys of the contract. */
#pragma once

#include <jansson.h>

#include "inventory.h"

/* All return an owned value, NULL when out of memory.  Unknown is null. */
json_t *os_to_json(const struct hv_host *host);
/* All GPUs, with the VMs that have a part of each; or only @only (NULL: all). */
json_t *gpus_to_json(const struct hv_host *host, const struct hv_gpu *only);
json_t *vm_to_json(const struct hv_host *host, const struct hv_vm *vm);
/* Adds "clustered" and "cluster": the role of @vm in the host's failover cluster. */
bool vm_add_cluster_json(json_t *to, const struct hv_host *host, const struct hv_vm *vm);
json_t *known_to_json(struct known_u64 number);
/* Text from a host; NULL or broken gives null. */
json_t *text_to_json(const char *text);
