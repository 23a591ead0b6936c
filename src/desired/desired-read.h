/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of a file of desired state tell each other. */
#pragma once

#include "desired.h"
#include "yaml-map.h"

enum {
    GPUS_MAX = 256, /* of a host */
    USES_MAX = 64,  /* GPUs of a VM */
};

/* For yaml_named(): an element of a host's GPUs, and of its VMs; @user is the host. */
bool desired_read_gpu(struct yaml_reader *r, yaml_node_t *key, const char *name,
                      yaml_node_t *node, void *element, void *user) MUST_CHECK;
bool desired_read_vm(struct yaml_reader *r, yaml_node_t *key, const char *name,
                     yaml_node_t *node, void *element, void *user) MUST_CHECK;
