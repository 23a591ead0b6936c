/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a lab says of one host below CIM: its PCI devices, their drivers, its VMs' disks.
 * Plain data, filled by lab.c, constant afterwards; from it come the drive C:, the
 * registry, the VM disks and the Win32_* objects.  A lab's machines
 * are owned by the lab's description.  NULL means "not said", and a sensible value is
 * taken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "err.h"

struct sim_host;
struct sim_object;

enum sim_driver {                  /* whose driver package a device has */
                  SIM_DRIVER_NONE, /* the system's own basic one */
                  SIM_DRIVER_NVIDIA,
                  SIM_DRIVER_INTEL,
                  SIM_DRIVER_AMD,
};

enum { SIM_RANGE_MAX = 6 };

/* A range of addresses a started device has: one per BAR. */
struct sim_range {
    uint64_t start, size_bytes;
    bool prefetchable, wide; /* wide: a 64-bit BAR */
    bool io;                 /* ports, not memory */
};

enum sim_interrupts {                         /* what a started device got */
                      SIM_INTERRUPTS_AS_ABLE, /* messages if it can, else a line */
                      SIM_INTERRUPTS_MESSAGE,
                      SIM_INTERRUPTS_LINE,
                      SIM_INTERRUPTS_NONE,
};

/* A device setup class, as the system defines it (MicrosoftDocs/windows-driver-docs
 * install/system-defined-device-setup-classes-available-to-vendors). */
struct sim_device_class {
    const char *word; /* in lab files: "audio" */
    const char *name; /* "MEDIA" */
    const char *guid; /* "{4d36e96c-...}" */
    const char *service;
};

/* The PCI facts that Win32_PnPEntity.GetDeviceProperties tells (fmtid 3ab22e31-...);
 * -1: the device does not have the property. */
struct sim_pci {
    int device_type;        /* 2 Express endpoint, 4 integrated, ... */
    int base_class;         /* 3 display */
    int sub_class, prog_if; /* 0, 0 VGA; 2, 0 3D controller */
    int interrupt_support;  /* bits: 1 line, 2 MSI, 4 MSI-X */
    int acs_up_hierarchy;   /* 0 none ... 3 supported, 4 enhanced */
    int reserved_memory;    /* 1: firmware claims memory of it, no DDA */
    int sriov_support;      /* 0 ok, 1-4 why not */
    int link_speed, link_width;
    int acs_support;        /* of its own: 0 present, 1 not needed, 2 missing */
    int interrupt_messages; /* how many it can have */
};
#define SIM_PCI_EXPRESS_ENDPOINT               \
    ((struct sim_pci){ .device_type = 2,       \
                       .base_class = 3,        \
                       .sub_class = 0,         \
                       .prog_if = 0,           \
                       .interrupt_support = 7, \
                       .acs_up_hierarchy = 3,  \
                       .reserved_memory = 0,   \
                       .sriov_support = -1,    \
                       .link_speed = 4,        \
                       .link_width = 16,       \
                       .acs_support = -1,      \
                       .interrupt_messages = -1 })

struct sim_device {
    const struct sim_device_class *class; /* NULL: Display */
    char *name;                           /* "NVIDIA GeForce RTX 4070 Laptop GPU" */
    char *
        instance_id; /* "PCI\\VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1\\4&296b7397&0&0008" */
    char *location_path; /* "PCIROOT(0)#PCI(0100)#PCI(0000)" */
    char *acpi_path;     /* "ACPI(_SB_)#ACPI(PCI0)#ACPI(PEG1)#ACPI(PEGP)"; may be NULL */
    unsigned bus;        /* its number, if @has_bus */
    bool has_bus;
    uint32_t problem; /* ConfigManagerErrorCode at the lab's beginning; 0: works */
    enum sim_driver driver;
    char *driver_version; /* "32.0.15.6094" */
    char *driver_date;    /* "2024-08-14" */
    unsigned class_index; /* NNNN of its class key; unique on the host */
    uint64_t vram_bytes;
    struct sim_pci pci;
    enum sim_interrupts interrupts;
    bool legacy_vga;      /* also has the memory 0xA0000 to 0xBFFFF */
    bool shows_console;   /* a monitor hangs on it */
    bool disable_reboots; /* is only disabled after the host's next start */
    uint32_t
        problem_after_return; /* enabled again after a VM had it; until a restart; 0: none */
    bool has_mitigations;     /* its vendor says how to assign it safely */
    bool is_dismounted;       /* at the lab's beginning */
    size_t range_count;
    struct sim_range ranges[SIM_RANGE_MAX];
};

enum sim_disk_content {
    SIM_DISK_WINDOWS, /* EFI or MBR, NTFS, a Windows tree with hives */
    SIM_DISK_DATA,    /* one NTFS volume */
    SIM_DISK_EMPTY,   /* nothing, not even a partition table */
};

enum sim_disk_problem {                               /* bits */
                        SIM_DISK_BITLOCKER = 1 << 0,  /* the Windows volume is encrypted */
                        SIM_DISK_HIBERNATED = 1 << 1, /* hiberfil.sys holds a session */
                        SIM_DISK_UNCLEAN = 1 << 2,    /* $LogFile not closed */
                        SIM_DISK_CHKDSK = 1 << 3,     /* the volume's dirty bit */
                        SIM_DISK_FULL = 1 << 4,       /* 1 MiB free */
                        SIM_DISK_DIRTY_HIVE = 1 << 5, /* SYSTEM not written to its end */
};

struct sim_disk {
    char *path;  /* "C:\\VMs\\win11\\win11.vhdx"; the file is made on first use */
    char *vm_id; /* GUID of the VM that has it; may be NULL */
    enum sim_disk_content content;
    uint64_t size_bytes; /* 0: 64 GiB */
    unsigned generation; /* 1: MBR, 2: GPT with EFI, MSR and recovery; 0: 2 */
    unsigned build, ubr; /* of the guest; 0: 22631.3880 */
    char *edition;       /* EditionID; NULL: "Professional" */
    char *architecture;  /* "amd64", "arm64", "x86"; NULL: "amd64" */
    unsigned problems;   /* enum sim_disk_problem */
};

/* A value of the registry besides those that the system itself has. */
struct sim_registry_value {
    char *key; /* "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV" */
    char *name;
    char *text; /* REG_SZ; NULL: a REG_DWORD */
    uint32_t number;
};

struct sim_machine {
    char *manufacturer, *model; /* Win32_ComputerSystem */
    uint64_t memory_bytes;
    unsigned logical_processors;
    size_t device_count;
    struct sim_device *devices; /* GPUs first, in PCI order */
    size_t disk_count;
    struct sim_disk *disks;
    size_t registry_count;
    struct sim_registry_value *registry;
    bool full_size; /* driver packages of realistic size */
};

/* "Display" and others; NULL: there is no such word. */
const struct sim_device_class *sim_device_class_by_word(const char *word);
const struct sim_device_class *sim_device_class(const struct sim_device *device);

/* Adds what Windows itself shows of the machine to a new host's store: Win32_
 * OperatingSystem, ComputerSystem, PnPEntity, VideoController, PnPSignedDriver,
 * DeviceMemoryAddress.  Called once, when a lab is made. */
bool sim_machine_add_objects(struct sim_host *host, struct err *err) MUST_CHECK;

/* By its instance id, also in the dismounted form `PCIP\...`; NULL: none. */
const struct sim_device *sim_machine_device(const struct sim_machine *machine,
                                            const char *instance_id);

/* ---- a device's state, as Plug and Play shows it (machine-device.c) ---- */

enum { /* ConfigManagerErrorCode (MicrosoftDocs/windows-driver-docs install/cm-prob-*) */
       SIM_PROBLEM_NEED_RESTART = 14,
       SIM_PROBLEM_DISABLED = 22,
       SIM_PROBLEM_PHANTOM = 45,
};

/* The Win32_PnPEntity with this DeviceID; NULL: none. */
struct sim_object *sim_pnp_entity(struct sim_host *host, const char *instance_id);
/* The node of a dismounted device, whether present or not; NULL: it never was. */
struct sim_object *sim_pnp_dismounted(struct sim_host *host,
                                      const struct sim_device *device);
bool sim_pnp_is_present(struct sim_object *entity); /* NULL: false */

/* All devices of a new host, in the state the lab says. */
bool sim_devices_begin(struct sim_host *host, struct err *err) MUST_CHECK;

/* Each changes the objects of one device, and nothing else. */
bool sim_device_start(struct sim_host *host, const struct sim_device *device,
                      struct err *err) MUST_CHECK;
bool sim_device_stop(struct sim_host *host, const struct sim_device *device,
                     uint32_t problem, struct err *err) MUST_CHECK;
/* `PCI\` becomes a phantom, `PCIP\` is present; and back, which leaves it disabled. */
bool sim_device_dismount(struct sim_host *host, const struct sim_device *device,
                         struct err *err) MUST_CHECK;
bool sim_device_mount(struct sim_host *host, const struct sim_device *device,
                      struct err *err) MUST_CHECK;
/* "PCIP\\VEN_...", upper case, as Msvm_PciExpress shows it.  Owned; NULL: no memory. */
char *sim_device_dismounted_id(const struct sim_device *device);
