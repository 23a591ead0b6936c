/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts about one PCI function, whoever told them: Windows on a Hyper-V host, the text of
 * lspci, or this Linux machine.  What nobody told stays unknown, and is judged as unknown.
 */
#pragma once

#include "inventory.h"
#include "pci.h"

/* A base address register, or the range Windows gave it. */
struct device_bar {
    struct known_u64 index; /* Windows does not tell which */
    enum tristate is_64bit; /* unknown: it may need room in either gap */
    enum tristate prefetchable;
    bool is_io; /* never offered to a guest */
    struct known_u64 base_bytes, size_bytes;
};

/* Device types of Windows, which also stand for those of the Express capability.
 * Source: microsoft/win32metadata pciprop.h DevProp_PciDevice_DeviceType. */
enum {
    DEVICE_PCI_CONVENTIONAL = 0,
    DEVICE_EXPRESS_ENDPOINT = 2,
    DEVICE_EXPRESS_LEGACY = 3,
    DEVICE_EXPRESS_INTEGRATED = 4,
    DEVICE_EXPRESS_AS_PCI = 5, /* firmware kept control of PCI Express */
    DEVICE_ROOT_PORT = 8,      /* stands for any bridge or port */
};

enum { DEVICE_BARS_MAX = 8 };

struct device_facts {
    char name[160];          /* "" unknown */
    char pci_id[12];         /* "10de:2684"; "" unknown */
    char pci_address[16];    /* "0000:65:00.0"; "" unknown */
    char class_name[64];     /* of lspci; "" unknown */
    char location_path[256]; /* "" unknown */
    char instance_id[256];   /* "" not of Windows */
    bool on_windows;         /* else only the hardware was asked */
    enum gpu_place place;

    struct known_u64 device_type; /* DEVICE_* or another number of Windows */
    enum tristate is_display;
    enum tristate reserved_memory; /* firmware keeps memory of it (RMRR) */
    enum tristate acs;             /* isolated from its neighbours, all the way up */
    enum tristate disabled;
    struct known_u64 problem_code;
    enum tristate any_interrupts, message_interrupts;
    bool interrupts_of_hardware; /* told by its capabilities, not by what Windows gave it */
    enum tristate flr; /* the bit; not whether a guest's restart leaves the host alone */
    enum tristate own_acs, msi, msix, sriov;
    enum tristate on_post_path;
    enum tristate is_compute_class; /* of a driver for computing only (MCDM) */
    struct known_u64 sub_class;     /* 0 VGA, 2 3D controller */
    struct known_u64 sriov_support; /* as Windows says it: 0 can, 1-4 why not */
    bool has_bars;                  /* @bars is all there are */
    struct device_bar bars[DEVICE_BARS_MAX];
    size_t bar_count;
    unsigned rebar_index, rebar_count; /* Resizable BAR; 0: none, or not told */
    uint64_t rebar_sizes[PCI_REBAR_SIZES_MAX];
    bool iommu_told;              /* by this Linux machine */
    struct known_u64 iommu_group; /* not known: in none, or not told */
    unsigned group_strangers;     /* others in it that are not of its card, bridges apart */
};

/* Whether the sizes of all memory BARs are known. */
bool facts_have_sizes(const struct device_facts *facts);

/* A function of a Hyper-V host. */
void facts_from_function(const struct hv_function *function, struct device_facts *ret);
/* A function in the text of lspci, or of this machine. */
void facts_from_pci(const struct pci_machine *machine, const struct pci_device *device,
                    struct device_facts *ret);
