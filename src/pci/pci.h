/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI devices as configuration space or lspci shows them, and the memory-mapped I/O space
 * a VM needs for them.  Pure functions; what the input does not tell stays unknown.
 *
 * Sources: PCI Express Base Specification as pciutils' lib/header.h, ls-caps.c and
 * ls-ecaps.c read it; real dumps of pciutils' tests.
 */
#pragma once

#include "err.h"

enum pci_answer { PCI_UNKNOWN, PCI_NO, PCI_YES };

enum { PCI_BAR_MAX = 6, PCI_REBAR_SIZES_MAX = 64 };

struct pci_bar {
    unsigned index; /* 0-5; a 64-bit one takes two */
    bool is_io;
    bool is_64bit;
    bool prefetchable;
    bool has_base, has_size; /* a dump of configuration space holds no sizes */
    uint64_t base, size_bytes;
};

enum pci_express_type { /* of the PCI Express capability */
                        PCI_EXPRESS_ENDPOINT = 0,
                        PCI_EXPRESS_LEGACY_ENDPOINT = 1,
                        PCI_EXPRESS_ROOT_PORT = 4,
                        PCI_EXPRESS_UPSTREAM = 5,
                        PCI_EXPRESS_DOWNSTREAM = 6,
                        PCI_EXPRESS_TO_PCI = 7,
                        PCI_EXPRESS_FROM_PCI = 8,
                        PCI_EXPRESS_INTEGRATED_ENDPOINT = 9,
                        PCI_EXPRESS_EVENT_COLLECTOR = 10,
                        PCI_EXPRESS_NONE = -1, /* no such capability: conventional PCI */
                        PCI_EXPRESS_UNKNOWN = -2,
};

struct pci_device {
    unsigned domain, bus, device, function;
    bool has_ids, has_class;
    uint16_t vendor_id, device_id;
    uint16_t class_code; /* 0x0300 = VGA */
    char name[160];      /* "NVIDIA Corporation AD102GL [RTX 6000 Ada ...]" */
    char class_name[64];
    bool is_bridge;
    bool has_secondary; /* bridges: the bus behind them */
    unsigned secondary_bus;
    int express;         /* enum pci_express_type */
    enum pci_answer flr; /* function level reset, Device Capabilities bit 28 */
    enum pci_answer acs; /* Access Control Services of this function */
    enum pci_answer msi, msix, sriov, line_interrupt;
    bool has_bars; /* the input told about BARs at all */
    struct pci_bar bars[PCI_BAR_MAX];
    unsigned bar_count;
    unsigned rebar_index; /* the Resizable BAR with the largest sizes */
    unsigned rebar_count; /* 0: none, or not told */
    uint64_t rebar_sizes[PCI_REBAR_SIZES_MAX];
    bool iommu_group_told; /* by this Linux; else nobody knows */
    bool has_iommu_group;
    unsigned iommu_group;
};

struct pci_machine {
    struct pci_device *devices;
    size_t count;
};

/**
 * pci_read_lspci - devices from the text of `lspci -v`, `-vv`, `-vvv`, `-x` … `-xxxx`
 *
 * Any mix; lines that mean nothing are passed over.  ERR_PROTOCOL: no device in it.
 */
bool pci_read_lspci(const char *text, size_t len, struct pci_machine *ret, struct err *err)
    MUST_CHECK;
void pci_machine_clear(struct pci_machine *machine);

#define PCI_SYSFS "/sys/bus/pci/devices"
/* The devices of this Linux machine, from the folder where its kernel shows them.  Without
 * root capabilities stay unknown.  ERR_NOT_FOUND: not Linux, or no PCI. */
bool pci_read_sysfs(const char *folder, struct pci_machine *ret, struct err *err)
    MUST_CHECK;
/* Names of devices that have none, from the text of pciutils' pci.ids. */
void pci_take_names(struct pci_machine *machine, const char *ids);

/* Fills what configuration space tells: 64, 256 or 4096 bytes of it. */
void pci_read_config(struct pci_device *device, const uint8_t *config, size_t len);

bool pci_is_display(const struct pci_device *device);
/* Functions of one card: same bus and device. */
bool pci_same_card(const struct pci_device *a, const struct pci_device *b);
/* "0000:04:00.0" */
void pci_address(const struct pci_device *device, char ret[16]);
/* The bridge above, or NULL. */
const struct pci_device *pci_parent(const struct pci_machine *machine,
                                    const struct pci_device *device);
/* Access Control Services on every bridge above, and on the function itself where the
 * card has several: what isolates it.  Unknown when a bridge is not in the input. */
enum pci_answer pci_acs_up(const struct pci_machine *machine,
                           const struct pci_device *device);
/* "PCIROOT(0)#PCI(0700)#PCI(0000)"; false when the way up is not in the input. */
bool pci_location_path(const struct pci_machine *machine, const struct pci_device *device,
                       char *ret, size_t size);
