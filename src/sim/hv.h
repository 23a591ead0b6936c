/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Hyper-V half of a simulated host: the classes of root\virtualization\v2.
 *
 * Shared by hv-*.c only.  Sources named in short:
 *   HyperV_v2        MicrosoftDocs/win32 desktop-src/HyperV_v2/<class or method>
 *   go-wsman         r4sd/go-wsman hyperv/ (responses recorded from a host, and tests
 *                    against it)
 *   HyperV-WMI       Justsenger/HyperV-WMI-Documentation (recipes measured on hosts)
 *   os-win           openstack/os-win
 *   libvirt          libvirt/libvirt src/hyperv/
 */
#pragma once

#include "host.h"
#include "lab.h"
#include "maker.h"

#define HV_NS "root/virtualization/v2"

enum { /* return values and job ErrorCodes (HyperV_v2) */
       HV_FAILED = 32768,
       HV_NOT_SUPPORTED = 32770,
       HV_INVALID_PARAMETER = 32773,
       HV_IN_USE = 32774,
       HV_INVALID_STATE = 32775,
       HV_WRONG_TYPE = 32776,
       HV_NOT_AVAILABLE = 32777,
};

enum { /* EnabledState (HyperV_v2 msvm-computersystem) */
       HV_RUNNING = 2,
       HV_OFF = 3,
       HV_SHUTTING_DOWN = 4,
       HV_SAVED = 6,
       HV_PAUSED = 9,
       HV_STARTING = 10,
       HV_SAVING = 32773,
       HV_STOPPING = 32774,
       HV_PAUSING = 32776,
       HV_RESUMING = 32777,
};

enum { HV_GPU_TYPE = 32770, HV_PCIE_TYPE = 32769 };
#define HV_GPU_SUBTYPE "Microsoft:Hyper-V:GPU Partition"
#define HV_PCIE_SUBTYPE "Microsoft:Hyper-V:Virtual Pci Express Port"
#define HV_REALIZED "Microsoft:Hyper-V:System:Realized"

/* All objects of a new host (hv-host.c, hv-vm.c). */
bool hv_make_host(struct sim_host *host, struct err *err) MUST_CHECK;
bool hv_make_vm(struct sim_host *host, const struct lab_vm *vm, struct err *err) MUST_CHECK;
/* GPU @n of the lab becomes partitionable, if it is of that kind. */
bool hv_add_gpu(struct sim_host *host, size_t n, struct err *err) MUST_CHECK;

/* How much a setting has of a device that comes in pieces: one.  As the cmdlet serializes it
 * (HyperV-WMI, recipe gpu_partition). */
void hv_make_one_of(struct maker *m);
/* The partition adapter's setting data as the cmdlet serializes it; @gpu may be NULL;
 * @guid NULL: a new one. */
struct sim_object *hv_make_adapter(struct sim_host *host, struct sim_object *settings,
                                   struct sim_object *gpu, const char *guid,
                                   struct err *err);

/* Moves all that is the VM's from one host's store to another's (hv-transplant.c): its
 * system, settings, resources and what ties them together, not what exists only while it
 * runs, which the caller has removed.  Pins keep naming what they named. */
bool hv_transplant(struct sim_host *from, struct sim_host *to, const char *vm_id,
                   struct err *err) MUST_CHECK;
/* All objects of a VM that is not running go (hv-destroy.c). */
void hv_forget_vm(struct sim_host *host, struct sim_object *system);

/* ---- finding (hv-find.c); NULL: there is none ---- */

struct sim_object *hv_find_by_text(struct sim_host *host, const char *class_name,
                                   const char *property, const char *value);
struct sim_object *hv_vm_by_id(struct sim_host *host, const char *id);
struct sim_object *hv_settings_of(struct sim_host *host, const char *vm_id);
/* The VM's GUID in an InstanceID "Microsoft:GUID\..."; false if there is none. */
bool hv_vm_id_of(const char *instance_id, char ret[37]);
/* Resource setting data of one VM, in adding order; @after NULL: the first. */
struct sim_object *hv_next_resource(struct sim_host *host, struct sim_object *after,
                                    const char *class_name, const char *vm_id);
uint64_t hv_number(struct sim_object *object, const char *name);  /* null: 0 */
const char *hv_text(struct sim_object *object, const char *name); /* null: "" */
bool hv_is_host(struct sim_host *host, struct sim_object *system);
struct sim_object *hv_gpu_by_path(struct sim_host *host, const char *text);

/* ---- devices that are assigned whole (hv-express.c) ---- */

/* Whether the device may stop now; false: no source says what a host does, *why says it. */
bool hv_may_stop_device(struct sim_host *host, const struct sim_device *device,
                        const char **why);
/* After the device was started or stopped: what depends on it comes or goes. */
bool hv_device_changed(struct sim_host *host, const struct sim_device *device, bool started,
                       struct err *err) MUST_CHECK;
/* Makes Msvm_PciExpress what Plug and Play says now. */
bool hv_follow_devices(struct sim_host *host, struct err *err) MUST_CHECK;
/* The host's Msvm_PciExpress that a HostResource names; NULL: none. */
struct sim_object *hv_express_by_path(struct sim_host *host, const char *text);
struct sim_object *hv_express_of(struct sim_host *host, const struct sim_device *device);
/* The setting data of an assigned device; @express NULL: of one that is gone. */
struct sim_object *hv_make_express_setting(struct sim_host *host,
                                           struct sim_object *settings,
                                           struct sim_object *express, const char *guid,
                                           struct err *err);
/* Settings that name @express; NULL @after: the first. */
struct sim_object *hv_next_assignment(struct sim_host *host, struct sim_object *after,
                                      struct sim_object *express);
/* What forbids adding it to the VM and taking it away: a code of hv-settings.h. */
uint32_t hv_check_assign(struct sim_host *host, const char *vm_id,
                         const struct cim_instance *wanted, struct sim_object **ret_express,
                         const char **why);
uint32_t hv_check_unassign(struct sim_host *host, const char *vm_id, const char **why);
/* What forbids starting the VM because of its devices: an ErrorCode. */
uint32_t hv_check_devices(struct sim_host *host, struct sim_object *system);
/* The second Msvm_PciExpress, which exists while the VM runs. */
bool hv_make_guest_device(struct sim_host *host, struct sim_object *system,
                          struct sim_object *setting, struct err *err) MUST_CHECK;

/* The lab's device that a setting names; NULL: it is gone. */
const struct sim_device *hv_device_of_setting(struct sim_host *host,
                                              struct sim_object *setting);

struct strbuf;
/* Whether the memory of @devices fits into the gaps of these sizes, packed as well as can be
 * (hv-mmio.c).  If it does not, the guest shows problem code 12; the host says nothing. */
bool hv_fits_gaps(const struct sim_device *const *devices, size_t count, uint64_t low_mb,
                  uint64_t base_mb, uint64_t high_mb);
/* A line for each running VM whose devices do not fit; for dumps. */
void hv_dump_guests(struct sim_host *host, struct strbuf *to);

/* ---- states (hv-state.c) ---- */

/* The host starts anew: its VMs stop and start as they are told to, and what waited for
 * this is done.  @while_off (may be NULL) is done in between. */
bool hv_reboot(struct sim_host *host,
               bool (*while_off)(struct sim_host *host, void *user, struct err *err),
               void *user, struct err *err) MUST_CHECK;
unsigned hv_state(struct sim_object *system);
/* At once, without a job.  Starting: an ErrorCode, 0 is success; on failure it is off. */
uint32_t hv_start_now(struct sim_host *host, struct sim_object *system);
/* Another vmwp.exe runs the VM. */
bool hv_new_process(struct sim_host *host, struct sim_object *system, struct err *err)
    MUST_CHECK;
bool hv_settle(struct sim_host *host, struct sim_object *system, unsigned state,
               struct err *err) MUST_CHECK;
/* What the lab says of the VM; NULL: it came later. */
const struct lab_vm *hv_lab_vm(struct sim_host *host, struct sim_object *system);
/* Has a GPU partition or an assigned device. */
bool hv_has_device(struct sim_host *host, const char *vm_id);
/* Ends what a killed simulator left between two states. */
bool hv_after_load(struct sim_host *host, struct err *err) MUST_CHECK;

/* ---- what exists only while a VM runs (hv-devices.c) ---- */

bool hv_make_devices(struct sim_host *host, struct sim_object *system, struct err *err)
    MUST_CHECK;
void hv_remove_devices(struct sim_host *host, struct sim_object *system);
/* After @setting of an integration component changed: the device comes or goes with it. */
bool hv_switch_component(struct sim_host *host, struct sim_object *setting, struct err *err)
    MUST_CHECK;
/* One running VM's partition for @adapter; ERR_CONFLICT: none is free. */
bool hv_make_partition(struct sim_host *host, struct sim_object *system,
                       struct sim_object *adapter, struct err *err) MUST_CHECK;
void hv_remove_partition(struct sim_host *host, struct sim_object *adapter);
/* For the device that a running VM has of @setting. */
void hv_begin_device(struct maker *m, struct sim_host *host, const char *class_name,
                     struct sim_object *system, struct sim_object *setting,
                     struct err *err);
bool hv_link_device(struct sim_host *host, struct sim_object *system,
                    struct sim_object *device, struct sim_object *setting, struct err *err)
    MUST_CHECK;
/* Partitions of @gpu that VMs hold now. */
unsigned hv_partitions_in_use(struct sim_host *host, struct sim_object *gpu);
/* The GPU an adapter gets: its pin, else the first with a free partition; NULL: none. */
struct sim_object *hv_gpu_for(struct sim_host *host, struct sim_object *adapter);
bool hv_is_paravirtual(struct sim_object *gpu);

extern const struct sim_behaviour sim_state_behaviour;    /* hv-state.c */
extern const struct sim_behaviour sim_settings_behaviour; /* hv-settings.c */
extern const struct sim_behaviour sim_summary_behaviour;  /* hv-summary.c */
extern const struct sim_behaviour sim_dda_behaviour;      /* hv-dda.c */
extern const struct sim_behaviour sim_destroy_behaviour;  /* hv-destroy.c */
extern const struct sim_behaviour sim_snapshot_behaviour; /* hv-snapshot.c */
extern const struct sim_behaviour sim_job_behaviour;
