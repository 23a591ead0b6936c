/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a lab file says, as plain data: hosts with their machines (machine.h), GPUs and
 * VMs.  Read once, never changed; what a host has become since is in its store and
 * folder.
 *
 * docs/man/hvgpu-lab.5 describes the file.  A file is hostile input: its size, counts
 * and texts are bounded, and errors name the file and the line.
 *
 * Everything is owned by the description.  Texts are never NULL unless it says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "machine.h"
#include "winrm-config.h"

struct err;
struct sim_host;
struct sim_lab;

enum {
    LAB_FILE_MAX = 1 << 20,
    LAB_HOST_MAX = 1000,
    LAB_NODE_MAX = 64, /* of a cluster (windowsserverdocs, failover clustering) */
    LAB_GPU_MAX = 32,
    LAB_DEVICE_MAX = 64, /* other PCI devices */
    LAB_VM_MAX = 500,
    LAB_DISK_MAX = 16,
    LAB_ADAPTER_MAX = 16,
    LAB_SNAPSHOT_MAX = 16,
    LAB_REGISTRY_MAX = 64,
    LAB_REASON_MAX = 8,
    LAB_INTERFACE_MAX = 256,
    LAB_TEXT_MAX = 1024, /* bytes of a text, after its {numbers} were filled in */
    LAB_COUNT_MAX = 16,
    LAB_FAULT_MAX = 64,
};

enum lab_gpu_mode {
    LAB_GPU_PV,   /* Msvm_PartitionableGpu whose name ends in \GPUPARAV */
    LAB_GPU_P,    /* ... without: SR-IOV partitions */
    LAB_GPU_NONE, /* not partitionable */
};

/* GPU n of a host is device n of its machine. */
struct lab_gpu {
    enum lab_gpu_mode mode;
    char interface_path
        [LAB_INTERFACE_MAX]; /* "\\?\PCI#VEN_...#{0640...}\GPUPARAV"; "" none */
    uint16_t valid_counts[LAB_COUNT_MAX];
    size_t valid_count_count;
    uint16_t partition_count;
    /* Totals of a GPU-P card in its driver's units (VRAM: sim_device); 0: not said. */
    uint64_t encode, decode, compute;
    bool live_migration; /* its driver can migrate partitions alive */
};

/* Values of Msvm_ComputerSystem.EnabledState. */
enum lab_vm_state {
    LAB_VM_RUNNING = 2,
    LAB_VM_OFF = 3,
    LAB_VM_SAVED = 6,
    LAB_VM_PAUSED = 9,
};

struct lab_adapter {
    int gpu;    /* index of the host's GPU; -1: any, no pin */
    bool stale; /* pinned to a GPU that is gone: hidden from CIM, the start fails */
};

struct lab_assigned {
    int device; /* index in the machine's devices; -1: one that is gone */
};

struct lab_snapshot {
    const char *name;
    char id[37]; /* upper-case GUID */
};

struct lab_vm {
    const char *name;
    char id[37]; /* upper-case GUID */
    unsigned generation;
    enum lab_vm_state state;
    const char *version; /* configuration version: "11.0" */
    uint64_t memory_mb, memory_min_mb, memory_max_mb;
    bool dynamic_memory;
    unsigned processors;
    const char *guest_os;     /* KVP's OSName; "": the guest reports nothing */
    unsigned guest_build;     /* 0: not Windows */
    uint16_t checkpoint_type; /* UserSnapshotType: 2 to 5 */
    uint16_t stop_action;     /* AutomaticShutdownAction: 2 to 4 */
    uint64_t low_mmio_mb, high_mmio_mb, high_mmio_base_mb;
    bool guest_controlled_cache;
    bool shutdown_service;        /* the guest answers InitiateShutdown */
    bool guest_locked;            /* ... but not without Force */
    bool clustered;               /* a group of the cluster that its host is a node of */
    uint32_t offline_action;      /* ... whose private property is this: 0 to 3 */
    const char **possible_owners; /* ... which only these nodes may own; none: all */
    size_t possible_owner_count;
    const char **preferred_owners; /* ... and which should rather be on these */
    size_t preferred_owner_count;
    size_t first_disk, disk_count; /* in the machine's disks */
    struct lab_adapter *adapters;
    size_t adapter_count;
    struct lab_assigned *assigned; /* whole devices */
    size_t assigned_count;
    struct lab_snapshot *snapshots;
    size_t snapshot_count;
};

struct lab_description;

struct lab_host {
    const char *name;    /* computer name, upper case */
    const char *product; /* "Microsoft Windows 11 Pro" */
    const char *edition; /* "Professional" */
    unsigned build, ubr;
    const char *locale;  /* "en-US" */
    const char *domain;  /* NULL: workgroup */
    const char *cluster; /* name of the failover cluster it is a node of; NULL: none */
    const struct lab_description *description; /* that it is part of */
    bool hyperv;                               /* false: no root\virtualization\v2 */
    struct winrm_config winrm;
    unsigned job_ms;
    unsigned device_ms;       /* how late the pool sees a dismounted device */
    unsigned address_bits;    /* physical address width of the processor */
    const char **iov_reasons; /* why SR-IOV is not supported; none: it is */
    size_t iov_reason_count;
    struct sim_machine machine;
    struct lab_gpu *gpus;
    size_t gpu_count;
    struct lab_vm *vms;
    size_t vm_count;
};

struct lab_block;

struct lab_description {
    struct lab_host *hosts;
    size_t host_count;
    const char **faults; /* as after --fault: fault-rule.h */
    size_t fault_count;
    struct lab_block *blocks; /* the memory of all of it */
};

/* @text: the YAML; @file: its name in errors; @number: N of "fleet:N", 0: not given. */
struct lab_description *lab_parse(const char *text, size_t len, const char *file,
                                  unsigned number, struct err *err);
void lab_description_free(struct lab_description *lab); /* NULL is fine */
DEFINE_CLEANUP(lab_description_cleanup, struct lab_description *, lab_description_free)

/* A GUID, upper case, that depends on @seed only: the same lab has the same ids. */
void lab_guid(char ret[37], const char *seed);

/* Makes the name of the GPU's partitioning interface out of its instance id. */
bool lab_name_interface(struct lab_gpu *gpu, const char *instance_id, struct err *err)
    MUST_CHECK;
bool lab_is_instance_id(const char *text);   /* "PCI\\VEN_...\\...": printable, no blanks */
bool lab_is_location_path(const char *text); /* "PCIROOT(0)#PCI(0100)#PCI(0000)" */

/* Below C:\ClusterStorage, which all nodes of a cluster share. */
bool lab_is_shared_path(const char *path);

/* ---- moved devices (lab-move.c) ---- */

/* Moves the one device that @device means (a part of its name or instance id, or its
 * location path) to @place, which takes a restart of its host. */
bool lab_move_device(struct sim_lab *lab, const char *device, const char *place,
                     struct err *err) MUST_CHECK;
bool lab_apply_moves(struct sim_host *host, struct lab_host *facts, struct err *err)
    MUST_CHECK;

/* ---- driver updates (lab-update.c) ---- */

/* Notes a new driver version for the one device @gpu means, and lets the host's files and
 * hives be made anew by whoever opens the lab next. */
bool lab_update_driver(struct sim_lab *lab, const char *gpu, const char *version,
                       struct err *err) MUST_CHECK;
/* Applies what was noted to the host's description. */
bool lab_apply_updates(struct sim_host *host, struct sim_machine *machine, struct err *err)
    MUST_CHECK;
/* The same in objects that were kept from before the update. */
bool lab_update_objects(struct sim_host *host, struct err *err) MUST_CHECK;
