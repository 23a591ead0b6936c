/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What public sources say of GPU models and of Windows builds: tables made from
 * gpu-models.json and wddm.json.  A model without a row is not known, never unfit.
 */
#pragma once

#include "inventory.h"

enum model_status {
    MODEL_UNKNOWN,
    MODEL_LISTED, /* by Microsoft or the vendor */
    MODEL_WORKS,  /* as people report */
    MODEL_PARTLY,
    MODEL_FAILS,
    MODEL_NOT_SUPPORTED,
};
enum model_issue {
    ISSUE_NONE,
    ISSUE_CODE_43,        /* in the guest */
    ISSUE_HOST_CRASH,     /* when the VM starts */
    ISSUE_NOT_ASSIGNABLE, /* Windows refuses */
    ISSUE_NESTED_CRASH,   /* together with nested virtualization */
    ISSUE_NO_DRIVER,      /* of WDDM 2 */
    ISSUE_INCOMPLETE_ID,  /* the guest shows an incomplete hardware id; compute fails */
};

struct model_bar {
    unsigned index;
    uint64_t size_bytes;
    bool is_64bit, prefetchable;
};

struct gpu_model {
    const char *pci_id, *name;
    unsigned vram_gib; /* 0: not known */
    enum model_status dda, gpu_p, gpu_pv;
    enum model_issue dda_issue, gpu_pv_issue;
    enum tristate flr_bit;        /* Device Capabilities bit 28, in a dump */
    enum tristate flr_reported;   /* a VM's restart leaves the host alone, people say */
    enum tristate display_output; /* a picture with DDA, people say */
    bool bars_measured;           /* else derived from the family or the memory */
    unsigned bar_count;           /* 0: not known */
    struct model_bar bars[4];     /* memory only; sizes depend on Resizable BAR */
    const char *source;
};

struct windows_release {
    unsigned build;
    const char *wddm; /* "3.1"; NULL: not known */
    const char *names;
    bool documented; /* else assumed from a neighbour */
    const char *source;
};

extern const struct gpu_model gpu_models[]; /* by id */
extern const size_t gpu_model_count;
extern const struct windows_release windows_releases[]; /* by build */
extern const size_t windows_release_count;

/* "10de:2684"; NULL: no such row. */
const struct gpu_model *gpu_model_find(const char *pci_id);
/* The row that counts for a build: the highest not above it; NULL: older than all. */
const struct windows_release *windows_release_of(uint64_t build);
/* WDDM version of a driver from its own version ("31.0.15.6094" -> 31); 0: not told.
 * Source: MicrosoftDocs/windows-driver-docs display/wddm-2-1-features.md, Driver Versioning:
 * the first part is the driver model of the most capable device. */
unsigned driver_wddm(const char *driver_version);
/* The same as the table writes it: "3.1" -> 31. */
unsigned release_wddm(const struct windows_release *release);
