/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of an inventory, one file each.  Each reads whole classes and joins them here:
 * rows are matched by GUIDs and instance ids, never by texts, which the host translates.
 *
 * While an inventory is being read, VMs are sorted by id and GPUs by instance id, so that
 * every join is a binary search.
 */
#pragma once

#include "inventory.h"

struct err;

/* A host that says it has more of one thing than this is not believed. */
enum { ROW_MAX = 200 * 1000, DETAIL_GPU_MAX = 64 };

/* Room for one more item behind @count, zeroed; NULL with @err. */
void *list_grow(void *items, size_t count, size_t size, struct err *err);

/* Copies a text property; leaves *to alone when it is missing or empty. */
bool take_text(char **to, const struct cim_instance *row, const char *property,
               struct err *err) MUST_CHECK;
void take_u64(struct known_u64 *to, const struct cim_instance *row, const char *property);
/* The same for a number of MB, as bytes. */
void take_mb(struct known_u64 *to, const struct cim_instance *row, const char *property);

bool read_system(struct cim_session *session, struct hv_host *host, struct err *err)
    MUST_CHECK;
bool read_gpus(struct cim_session *session, struct hv_host *host, unsigned what,
               struct err *err) MUST_CHECK;
bool read_gpu_details(struct cim_session *session, struct hv_host *host, struct err *err)
    MUST_CHECK;
bool read_vms(struct cim_session *session, struct hv_host *host, unsigned what,
              struct err *err) MUST_CHECK;
/* After GPUs and VMs: devices that were taken from the host, and who has them. */
bool read_devices(struct cim_session *session, struct hv_host *host, struct err *err)
    MUST_CHECK;

/* By instance id, also in its PCIP form; NULL: none such.  GPUs must be sorted. */
struct hv_gpu *find_gpu(struct hv_host *host, const char *instance_id);
void sort_gpus(struct hv_host *host);

/* By "<GUID>" or "Microsoft:<GUID>[\...]"; NULL: no VM of this host (a template, a
 * checkpoint, the host).  VMs must be sorted by id. */
struct hv_vm *find_vm(struct hv_host *host, const char *id);

/* Key @key of the object a HostResource names, owned; NULL: none, or not of @class_name. */
char *host_resource_key(const struct cim_instance *row, const char *class_name,
                        const char *key);

/* True for the errors of a host that does not have the class or namespace asked for. */
bool is_missing_class(const struct err *err);

/* For facts asked one by one: losing the host, or the user's Ctrl-C, ends the inventory;
 * anything else only leaves this fact unknown. */
bool stays_unknown(const struct err *err);
