/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cluster of three nodes for tests, opened as a lab, without a server. */
#pragma once

#include <stdbool.h>

#include "cluster.h"
#include "err.h"
#include "hv.h"
#include "test.h"

struct three {
    char dir[TEST_FOLDER]; /* of the lab's file and state */
    struct sim_lab *lab;
    struct sim_cluster *cluster;
    struct sim_host *nodes[3];
    struct sim_fault fault; /* of the last call that was refused */
};

/* VMs A1, A2 of node A have a partition and run, A3 is off without one; B1 of B runs with
 * one, B2 of B runs without and is no group.  Two GPUs per node, cut in two; C has none of
 * its own VMs.  @extra: further keys of node C, or "". */
bool three_open(struct three *t, const char *extra);
/* Ends the program that simulates and starts it again. */
bool three_reopen(struct three *t);
void three_close(struct three *t);

/* How many rows @wql gives on @node; *ret (may be NULL) is the first row's property @name as
 * text, owned. */
size_t three_ask(struct three *t, unsigned node, const char *wql, const char *name,
                 char **ret);
/* The property of the group or resource as text, on the first node; owned. */
char *three_text(struct three *t, const char *class_name, const char *name,
                 const char *property);
/* The number of a group or resource after a refresh. */
long three_number(struct three *t, const char *class_name, const char *name,
                  const char *property);
/* The node that has the VM's Msvm_ComputerSystem; NULL: none, or more than one. */
struct sim_host *three_node_of(struct three *t, const char *vm);
struct sim_object *three_vm(struct three *t, const char *vm);

/* Calls a method of root/MSCluster by way of @node; @in (may be NULL) is freed.  0: done; else
 * the fault's code, whose text is in t->fault. */
uint32_t three_call(struct three *t, unsigned node, const char *class_name,
                    const char *name, const char *method, struct cim_instance *in,
                    struct cim_instance **ret_out);
