/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the devices of a host are that a VM can have whole (DDA), the states in between
 * included.
 *
 * A device on the host is a node `PCI\VEN_...` of Windows.  Dismounted it is a node
 * `PCIP\VEN_...` with the same rest, listed as Msvm_PciExpress; the old node stays as a
 * phantom, and so does the `PCIP\` node after the device was mounted again.  The entry a VM
 * has (Msvm_PciExpressSettingData) names the Msvm_PciExpress, whose DeviceID ends in the
 * device's instance id: so an entry still says which device it meant when that is gone.
 *
 * Sources: hyperv_v2 Msvm_PciExpress, Msvm_PciExpressSettingData;
 * Justsenger/HyperV-WMI-Documentation recipe dda_dismount_doc; Justsenger/ExHyperV;
 * openstack/os-win os_win/utils/compute/vmutils.py;
 * MicrosoftDocs/windows-driver-docs install/cm-prob-*.md.
 */
#pragma once

#include "inventory.h"

enum dda_state {
    DDA_ON_HOST,    /* the host uses it, or could */
    DDA_DISABLED,   /* on the host, disabled: half way to a VM or back */
    DDA_DISMOUNTED, /* taken from the host, and no VM has it */
    DDA_ASSIGNED,   /* taken from the host, and a VM has it */
    DDA_ORPHANED,   /* taken from the host for a VM that is gone */
    DDA_GONE,       /* a VM has it, and the host has no such device: moved, or taken out */
    DDA_PHANTOM,    /* only Windows' memory of it is left */
};
const char *dda_state_name(enum dda_state state); /* "host", "disabled", ... */
/* Of the contract's three places; GPU_PLACE_UNKNOWN for one that is nowhere. */
enum gpu_place dda_place(enum dda_state state);

enum dda_class { DDA_CLASS_OTHER, DDA_CLASS_GPU, DDA_CLASS_AUDIO, DDA_CLASS_USB };
const char *dda_class_name(enum dda_class class); /* "gpu", "audio", "usb", "other" */

/* What a VM has of a device: Msvm_PciExpressSettingData. */
struct dda_entry {
    char *id;               /* InstanceID: "Microsoft:<VM>\<GUID>" */
    char *vm_id;            /* the GUID in it */
    const struct hv_vm *vm; /* lent from the host; NULL: there is no such VM any more */
    char *resource;         /* HostResource[0] as the host says it; NULL: from a pool */
    char *instance_id;      /* of the device, out of that; NULL: not told */
};

/* The part of an instance id that is the same in all states is compared: what follows the
 * bus.  Texts are owned; NULL: not told. */
struct dda_device {
    char *name;
    char *pci_id;        /* "10de:20f1" */
    char *instance_id;   /* "PCI\...": its name on the host, whether it is there or not */
    char *dismounted_id; /* "PCIP\..."; NULL: it never was */
    char *location_path;
    char *service; /* of its driver on the host */
    char *user_id; /* GUID of the system that uses it now, as Msvm_PciExpress says */
    enum dda_class class;
    enum dda_state state;
    struct known_u64 problem_code; /* of the node that is present */
    bool on_host;                  /* its node PCI\ is present */
    bool is_dismounted;            /* its node PCIP\ is present */
    bool is_listed;                /* Hyper-V lists it, which may come and go late */
    struct dda_entry *entries;     /* usually none or one */
    size_t entry_count;
    /* DDA_GONE, DDA_PHANTOM: index of the one device of the same make that nothing else
     * accounts for, which is where it may have moved to; unknown: none, or several. */
    struct known_u64 moved_to;
};

struct dda_list {
    struct dda_device *devices; /* by location path */
    size_t count;
    unsigned
        pool_entries; /* of VMs: a device of a pool, whichever is free when they start */
};

/*
 * Three queries, whatever the number of devices.  @host must have VMs; with HV_FUNCTIONS its
 * location paths are taken over, and the other functions of cards with a GPU listed; without,
 * only GPUs and what was dismounted.
 */
bool hv_read_assignable(struct cim_session *session, const struct hv_host *host,
                        struct dda_list *ret, struct err *err) MUST_CHECK;
void dda_list_clear(struct dda_list *list);

/* By instance id, in either form; NULL: none. */
const struct dda_device *dda_find(const struct dda_list *list, const char *instance_id);
/* By location path; the one that is there before those that only were. */
const struct dda_device *dda_find_at(const struct dda_list *list,
                                     const char *location_path);
/* The entry of @device that @vm_id has; NULL: none. */
const struct dda_entry *dda_entry_of(const struct dda_device *device, const char *vm_id);

/* "PCI\VEN_..." and "PCIP\VEN_..." of any of the two; owned, NULL: no memory or no such. */
char *dda_host_id(const char *instance_id);
char *dda_dismounted_id(const char *instance_id);
/* The same make in another place: vendor, device, subsystem and revision alike, which is the
 * instance id up to what Windows adds. */
bool dda_same_make(const char *instance_id, const char *other);
