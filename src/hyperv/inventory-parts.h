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

/* The rows of a Hyper-V class with these columns only (NULL ends the list; NULL instead of it:
 * all), of which those that the host's build does not have are left out.  For the classes of which a host has one
 * large row per VM; see inventory.c. */
bool query_columns(struct cim_session *session, const struct hv_host *host,
                   const char *class_name, const char *const *columns, cim_row_fn *on_row,
                   void *user, struct err *err) MUST_CHECK;

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

/* Functions of cards with a GPU, or with HV_ALL_FUNCTIONS of everything on PCI; after GPUs,
 * their details, and devices. */
bool read_functions(struct cim_session *session, struct hv_host *host, unsigned what,
                    struct err *err) MUST_CHECK;
/* Into host->cluster and host->platform; before read_platform(), which then need not ask. */
bool read_cluster(struct cim_session *session, struct hv_host *host, struct err *err)
    MUST_CHECK;
/* Of the roles in host->cluster that the host owns, who else may; after read_cluster(). */
bool read_owners(struct cim_session *session, struct hv_host *host, struct err *err)
    MUST_CHECK;
bool read_platform(struct cim_session *session, struct hv_host *host, struct err *err)
    MUST_CHECK;

/* Property keys of devices.  Source: devpkey.h and pciprop.h of microsoft/win32metadata. */
#define DEVICE_FMTID "{a45c254e-df1c-4efd-8020-67d146a850e0}"
#define PCI_FMTID "{3ab22e31-8264-4b4e-9af5-a8d2d8e33e62}"

/* Win32_PnPEntity.GetDeviceProperties: calls @on_property for each answer.  A host that
 * refuses gives none. */
bool ask_device_properties(struct cim_session *session, const char *instance_id,
                           const char *const *keys, size_t count,
                           bool (*on_property)(const struct cim_instance *property,
                                               void *user, struct err *err),
                           void *user, struct err *err) MUST_CHECK;
/* Hosts name a property by its key's name or by "{fmtid} pid". */
bool is_device_property(const struct cim_instance *property, const char *name,
                        const char *guid);
/* One value of HKEY_LOCAL_MACHINE; *ret_out stays NULL when there is none such. */
bool read_registry_value(struct cim_session *session, const char *method, const char *key,
                         const char *name, struct cim_instance **ret_out, struct err *err)
    MUST_CHECK;
/* The id without its bus: `PCI\\...` and `PCIP\\...` are the same device. */
const char *without_bus(const char *id);

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
