/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host has: plain data, read with a fixed number of queries however many VMs
 * there are.  Unknown stays unknown: NULL texts, `known` false.
 */
#pragma once

#include "session.h"

struct err;
struct hv_cluster; /* failover.h */

struct known_u64 {
    bool known;
    uint64_t value;
};

enum tristate { TRI_UNKNOWN, TRI_NO, TRI_YES };

enum { GPU_MODE_PV = 1, GPU_MODE_P = 2, GPU_MODE_DDA = 4 };

enum gpu_status {
    GPU_STATUS_UNKNOWN,
    GPU_PARTITIONED,
    GPU_PARAVIRTUALIZATION,
    GPU_READY_FOR_DDA,
    GPU_NOT_ASSIGNABLE
};
enum gpu_place { GPU_PLACE_UNKNOWN, GPU_ON_HOST, GPU_DISMOUNTED, GPU_ASSIGNED };

enum { QUOTA_VRAM, QUOTA_ENCODE, QUOTA_DECODE, QUOTA_COMPUTE, QUOTA_COUNT };

/*
 * How much of one resource a partitionable GPU has, and a partition of it.  GPU-P: memory in
 * bytes, encode and decode in streams of 540p at 60 frames, compute in gigaflops (MicrosoftDocs/
 * windows-driver-docs-ddi dispmprt DXGKARG_GETVIRTUALGPUPROFILE); what a partition gets is told
 * for the present partition count only.  GPU-PV: the same placeholders for every card, no sizes
 * (measured: Justsenger/HyperV-WMI-Documentation recipe gpu_partition_vram).
 */
struct hv_amount {
    struct known_u64 total, available;
    struct known_u64 min, max, optimal; /* of one partition */
};

struct hv_gpu {
    char *name;           /* "NVIDIA GeForce RTX 4070 Laptop GPU" */
    char *pci_id;         /* "10de:2860" */
    char *vendor;         /* "NVIDIA", "AMD", "Intel", or the id */
    char *instance_id;    /* "PCI\\VEN_10DE&...\\4&296b7397&0&0008" */
    char *interface_path; /* NULL: not partitionable */
    char *location_path;  /* NULL: not asked for, or not told */
    char *driver_version, *driver_date, *driver_inf, *driver_package;
    char *service;  /* "nvlddmkm" */
    unsigned modes; /* what it can do; dda: survey_judge_gpus() */
    enum gpu_status status;
    enum gpu_place place;
    enum tristate incoming_live_migration; /* of VMs with a partition; from 26100 */
    enum tristate shows_display;           /* Windows has a screen on it; HV_GPU_DRIVERS */
    struct known_u64 partition_count, vram_bytes, problem_code;
    uint64_t *valid_partition_counts;
    size_t valid_partition_count_count;
    struct hv_amount amounts[QUOTA_COUNT];
    struct { /* HV_GPU_DETAILS: as struct hv_function has them */
        struct known_u64 device_type, base_class, acs_up_hierarchy, reserved_memory;
        struct known_u64 sriov_support;
    } pci;
};

struct hv_quota { /* per resource: min, max, optimal; all may be unset */
    struct known_u64 min, max, optimal;
};

struct hv_adapter {                /* Msvm_GpuPartitionSettingData of a VM */
    char *id;                      /* InstanceID */
    char *interface_path;          /* the pin; NULL: none (or not readable up to 19045) */
    char *running_on;              /* interface path of the GPU it has while the VM runs */
    struct known_u64 partition_id; /* while the VM runs */
    struct known_u64
        current[QUOTA_COUNT]; /* what its partition has meanwhile; from 20348 */
    struct hv_quota quota[QUOTA_COUNT];
};

struct hv_disk {
    char *path;   /* as the host sees it */
    char *parent; /* NULL: none or not asked for */
};

struct hv_device { /* DDA */
    char *location_path, *instance_id;
    bool is_gone; /* the host has no such device to give */
};

/* A memory range Windows gave a started device: one per memory BAR that has an address. */
struct hv_range {
    uint64_t base, size_bytes;
};
enum { HV_RANGES_MAX = 8 };

/*
 * One function of a card that has a GPU on it, the GPU itself included: what decides whether
 * it can be assigned whole.  Numbers are as Windows tells them.
 * Source: microsoft/win32metadata pciprop.h; MicrosoftDocs/Virtualization-Documentation
 * hyperv-tools/DiscreteDeviceAssignment/SurveyDDA.ps1.
 */
struct hv_function {
    char *name, *pci_id, *instance_id;
    char *location_path; /* "PCIROOT(0)#PCI(0100)#PCI(0001)"; NULL: not told */
    char *class_guid;    /* of its driver; NULL: none */
    enum gpu_place place;
    struct known_u64 problem_code;
    struct known_u64 device_type;      /* 2 Express endpoint, 3 legacy, 4 integrated, ... */
    struct known_u64 base_class;       /* 3 display */
    struct known_u64 sub_class;        /* of display: 0 VGA, 2 3D controller */
    struct known_u64 acs_up_hierarchy; /* 0 none, 1-4 isolated */
    struct known_u64 reserved_memory;  /* not 0: firmware keeps memory of it */
    struct known_u64 interrupt_support; /* bits: 1 line, 2 MSI, 4 MSI-X */
    struct known_u64 bar_types;         /* bytes: I/O, 32-bit, 32-bit prefetchable, 64-bit
                                         * prefetchable */
    struct known_u64 sriov_support;     /* 0 can, 1-4 why not; not known: no capability */
    struct known_u64 on_post_path;      /* 1: firmware showed its screen there */
    struct known_u64 bus, address;      /* address: device << 16 | function */
    /* Only while it is started on the host; not known of a disabled or dismounted one. */
    bool has_resources;
    unsigned line_interrupts, message_interrupts;
    struct hv_range ranges[HV_RANGES_MAX];
    size_t range_count;
};

/* What the machine below the VMs can do.  Unknown where the host does not tell. */
struct hv_platform {
    bool is_read;          /* else nothing below was asked for, but for the policy */
    enum tristate hyper_v; /* the role is there; HV_PLATFORM */
    enum tristate hypervisor_runs;
    enum tristate slat, firmware_virtualization; /* Windows says no to both once the
                                                  * hypervisor runs: then they are unknown */
    enum tristate iov;                           /* Get-VMHost IovSupport */
    char **iov_reasons; /* as the host says them, in its language */
    size_t iov_reason_count;
    struct known_u64 require_secure, require_supported; /* policy of a Server */
    bool policy_read;
    enum tristate clustered;
    char *cluster_name;
    struct known_u64 address_bits;    /* of the processor; no class of Windows tells it */
    struct known_u64 highest_address; /* end of the highest memory range of any device: the
                                       * processor addresses at least that */
};

enum vm_state { VM_UNKNOWN, VM_RUNNING, VM_OFF, VM_SAVED, VM_PAUSED, VM_CHANGING };

struct hv_vm {
    char *name;        /* ElementName; need not be unique */
    char *id;          /* GUID */
    char *settings_id; /* InstanceID of the realized Msvm_VirtualSystemSettingData */
    enum vm_state state;
    struct known_u64 enabled_state; /* as the host says it */
    struct known_u64 generation;
    char *version;
    char *guest_os;
    struct known_u64 guest_build;
    enum tristate guest_controlled_cache;
    struct known_u64 low_mmio_bytes, high_mmio_bytes, high_mmio_base_bytes;
    struct known_u64 stop_action;     /* AutomaticShutdownAction */
    struct known_u64 checkpoint_type; /* UserSnapshotType */
    struct known_u64 checkpoint_count;
    struct known_u64 memory_startup_bytes, memory_minimum_bytes, memory_maximum_bytes;
    enum tristate dynamic_memory;
    enum tristate nested; /* ExposeVirtualizationExtensions; HV_VM_PROCESSOR */
    struct hv_disk *disks;
    size_t disk_count;
    struct hv_adapter *adapters;
    size_t adapter_count;
    struct hv_device *devices;
    size_t device_count;
};

struct hv_host {
    char *name;    /* as the user named it: "sim:laptop", "hv-003", or a lab's host */
    char *product; /* "Microsoft Windows 11 Pro" */
    char *edition; /* "Professional"; NULL: not told */
    struct known_u64 build;
    bool is_server;
    char *computer_name;
    struct hv_gpu *gpus;
    size_t gpu_count;
    struct hv_function *functions; /* HV_FUNCTIONS; by location path */
    size_t function_count;
    struct hv_platform platform; /* HV_PLATFORM */
    struct hv_cluster *cluster;  /* HV_CLUSTER; NULL: none, or it is not told */
    struct hv_vm *vms;
    size_t vm_count;
    char **checkpoint_ids; /* GUIDs of settings that are checkpoints; with VMs */
    size_t checkpoint_id_count;
};

/*
 * What to ask for, and what it costs in queries, whatever the number of VMs.  The system
 * itself costs one more.
 */
enum {
    HV_GPUS = 1 << 0,           /* 2: Msvm_PartitionableGpu, Win32_PnPEntity */
    HV_VMS = 1 << 1,            /* 3: Msvm_ComputerSystem, Msvm_VirtualSystemSettingData,
                              *    Msvm_GpuPartitionSettingData */
    HV_VM_MEMORY = 1 << 2,      /* 1: Msvm_MemorySettingData */
    HV_VM_DISKS = 1 << 3,       /* 1: Msvm_StorageAllocationSettingData */
    HV_VM_GUEST = 1 << 4,       /* 1: Msvm_KvpExchangeComponent: running guests' system */
    HV_GPU_DETAILS = 1 << 5,    /* up to 5 calls per GPU: location path, VRAM, package, and
                              * whether its PCI facts allow DDA */
    HV_DEVICES = 1 << 6,        /* 2: Msvm_PciExpress, Msvm_PciExpressSettingData */
    HV_GPU_DRIVERS = 1 << 7,    /* 1: Win32_VideoController */
    HV_PARTITIONS = 1 << 8,     /* 1: Msvm_GpuPartition: what running VMs have */
    HV_FUNCTIONS = 1 << 9,      /* 3: Win32_PnPEntity, Win32_PnPAllocatedResource,
                              * Win32_DeviceMemoryAddress; and a call per function of a card
                              * with a GPU.  Needs HV_GPUS. */
    HV_PLATFORM = 1 << 10,      /* 4: Win32_ComputerSystem, Win32_Processor,
                              * Msvm_VirtualEthernetSwitchManagementCapabilities,
                              * MSCluster_Cluster; and 2 calls for the policy of a Server */
    HV_ALL_FUNCTIONS = 1 << 11, /* with HV_FUNCTIONS: of every device on PCI */
    HV_VM_PROCESSOR = 1 << 12,  /* 1: Msvm_ProcessorSettingData */
    HV_CLUSTER = 1 << 13, /* 3 on a node of a failover cluster, 1 on another Server, none on
                              * a client: platform.clustered, host->cluster */
    HV_OWNERS = 1 << 14,  /* with HV_CLUSTER: 2 per role that the host owns */
    HV_ALL = (1 << 9) - 1, /* what planning a partition needs */
    HV_SURVEY = HV_ALL | HV_FUNCTIONS | HV_PLATFORM | HV_VM_PROCESSOR,

    /* `hvgpu status`: 8 queries. */
    HV_STATUS = HV_GPUS | HV_VMS | HV_DEVICES,
};

/* GPUs come in the order of their instance ids, which does not depend on @what; VMs by
 * name.  ERR_UNSUPPORTED with a hint when the machine has no Hyper-V; ERR_DENIED when the
 * account sees not even the host itself (Hyper-V filters rows instead of refusing). */
bool hv_inventory_read(struct cim_session *session, const char *name, unsigned what,
                       struct hv_host **ret, struct err *err) MUST_CHECK;
/* The two policy values of a Windows Server into host->platform; HV_PLATFORM does it too.
 * Source: MicrosoftDocs/SupportArticles Hyper-V GPU; value 0 relaxes, not there is not 0. */
bool hv_read_policy(struct cim_session *session, struct hv_host *host, struct err *err)
    MUST_CHECK;
/* The same for a survey: a machine without Hyper-V is no error but a fact, and what can be
 * read without it is read. */
bool hv_inventory_read_any(struct cim_session *session, const char *name, unsigned what,
                           struct hv_host **ret, struct err *err) MUST_CHECK;
/* Fills disks[].parent of one VM: a call per disk. */
bool hv_read_disk_parents(struct cim_session *session, struct hv_vm *vm, struct err *err)
    MUST_CHECK;
void hv_host_free(struct hv_host *host); /* NULL is fine */
DEFINE_CLEANUP(hv_host_cleanup, struct hv_host *, hv_host_free)

const char *
gpu_status_name(enum gpu_status status); /* "paravirtualization"; NULL unknown */
const char *gpu_place_name(enum gpu_place place);
const char *vm_state_name(enum vm_state state);  /* "running", "off", ... */
const char *stop_action_name(uint64_t action);   /* "save"; NULL unknown */
const char *checkpoint_type_name(uint64_t type); /* "production"; NULL unknown */

/* Selectors (select.c): never a guess.  ERR_NOT_FOUND, or ERR_INVALID listing the
 * candidates.  A VM: exact id, else exact name without case (two VMs of one name are
 * ambiguous).  A GPU: number of `gpu list`, vendor:device, instance id, interface path,
 * location path, or any unique part of the name. */
bool hv_select_vm(const struct hv_host *host, const char *selector,
                  const struct hv_vm **ret, struct err *err) MUST_CHECK;
bool hv_select_gpu(const struct hv_host *host, const char *selector,
                   const struct hv_gpu **ret, struct err *err) MUST_CHECK;
/* All GPUs that fit, at least one: *ret is an array that the caller frees. */
bool hv_select_gpus(const struct hv_host *host, const char *selector,
                    const struct hv_gpu ***ret, size_t *ret_count, struct err *err)
    MUST_CHECK;

/* The function with this instance id, also in its other form (PCI\\, PCIP\\); NULL: none. */
const struct hv_function *hv_find_function(const struct hv_host *host,
                                           const char *instance_id);
/* Whether two location paths are functions of one card: all but the last two digits alike.
 * Source: measured form "PCIROOT(0)#PCI(0100)#PCI(0001)", ddff per hop. */
bool hv_same_card(const char *location_path, const char *other);

/* The GPU with this instance id, also in its other form (PCI\, PCIP\); NULL: none. */
const struct hv_gpu *hv_find_gpu(const struct hv_host *host, const char *instance_id);
/* The GPU an adapter is on: by where it runs, else by its pin.  NULL: not known. */
const struct hv_gpu *hv_adapter_gpu(const struct hv_host *host,
                                    const struct hv_adapter *adapter);
/* One driver serves both, and a partition of one is as good as of the other. */
bool hv_gpus_alike(const struct hv_gpu *a, const struct hv_gpu *b);
/* Whether every GPU of the host that can be shared is like @gpu. */
bool hv_all_alike(const struct hv_host *host, const struct hv_gpu *gpu);
/* The property of a CIM class for a resource: "VRAM", "Encode", "Decode", "Compute". */
extern const char *const hv_quota_names[QUOTA_COUNT];

/* What plans that change a card are locked by: its location path up to the function, or the
 * instance id where there is none.  Owned; NULL: no memory. */
char *hv_device_lock_name(const struct hv_host *host, const char *location_path,
                          const char *instance_id);

/* `\\?\PCI#VEN_..#inst#{guid}\GPUPARAV` -> `PCI\VEN_..\inst`; also for `\??\` and a
 * lost prefix.  Owned; NULL: not such a path or no memory. */
char *gpu_instance_from_interface(const char *interface_path);
bool gpu_interface_is_paravirtual(const char *interface_path);
/* "10de:2860" from an instance id or interface path.  Owned, or NULL. */
char *gpu_pci_id(const char *id);
