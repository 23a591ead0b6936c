/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Driver packages of a simulated host: which files a vendor's package has, what its INF
 * says, which registry values installing it leaves behind.  One table per vendor is the
 * source of all three, so they agree as they do on a real host.
 *
 * Names, renames, flags and values follow real INFs (NVIDIA 470.05 nv_dispi.inf, Intel
 * iigd_dch.inf, AMD u0nnnnnn.inf as described in Justsenger/ExHyperV
 * doc/drivermapping.md); the texts and the files' contents are our own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "machine.h"
#include "make-file.h"

struct strbuf;

struct package_file {
    const char *name; /* within the package; subfolders with '\\' */
    unsigned kib;     /* size in a package of realistic size */
    enum make_kind kind;
};

enum package_place { PLACE_SYSTEM32, PLACE_SYSWOW64, PLACE_LXSS };

/* A file that the INF puts outside the store. */
struct package_copy {
    const char *source; /* within the package, without subfolder */
    const char *dest;   /* its name there */
    enum package_place place;
    unsigned flags;    /* CopyFiles: 0x20 not over a newer file, 0x4000 in use */
    const char *label; /* value name of the CopyToVm key; NULL: none */
    bool overwrite;    /* CopyToVmOverwrite instead of CopyToVmWhenNewer */
};

/* A value of the class key; "%13%" stands for the folder of the
 * files, "%c0%", "%c1%" for those of the companions; a MULTI_SZ's
 * strings are parted by '|'. */
struct package_value {
    const char *name;
    uint32_t type; /* enum hive_type */
    const char *text;
};

struct package_model {
    const char *inf;      /* "nv_dispi.inf" */
    const char *provider; /* "NVIDIA" */
    const char *company;  /* of the files */
    const char *catalog;  /* "NV_DISP.CAT" */
    const char *class_name, *class_guid;
    const char *section;
    const char *service; /* NULL: none */
    const char *service_file;
    const char *subdir; /* where the files lie in the package: "B404325"; or NULL */
    bool utf16;         /* how the INF is written */
    const struct package_file *files;  /* ends with a NULL name */
    const struct package_copy *copies; /* ends with a NULL source; or NULL */
    const struct package_value *values;
    const struct package_model *const *companions; /* NULL-terminated; or NULL */
    /* Names of the many small files of a realistic package: a number in between. */
    const char *filler, *filler_end;
    unsigned full_count;
};

const struct package_model *package_model_of(enum sim_driver driver); /* NULL: none */

struct package {
    const struct package_model *model;
    char folder[128];           /* "nv_dispi.inf_amd64_5c1d64ba1fa3ba0e" */
    char published[16];         /* "oem12.inf" */
    char version[32];           /* "32.0.15.6094" */
    char date[16];              /* "2024-08-14" */
    bool active;                /* else an old one that stayed in the store */
    unsigned class_index;       /* of a companion's own class key */
    const struct package *main; /* the package this is a companion of; NULL: none */
};

enum { PACKAGE_MAX = 64 };
/* All packages in the machine's store, active and old ones; depends on @machine only.
 * Order: published names. */
size_t package_list(const struct sim_machine *machine, struct package ret[PACKAGE_MAX]);
/* The active package of @device, or NULL. */
const struct package *package_of(const struct package *packages, size_t count,
                                 const struct sim_device *device);

/* File @i of the package, INF and catalog not counted; false: no more. */
bool package_file_at(const struct package *package, bool full_size, size_t i,
                     char ret_name[160], struct make_file *ret);
/* The INF's text, UTF-8 with CR LF. */
void package_inf(const struct package *package, const struct sim_machine *machine,
                 struct strbuf *to);
/* The INF's bytes as they lie on disk.  Owned; NULL: no memory. */
uint8_t *package_inf_bytes(const struct package *package, const struct sim_machine *machine,
                           size_t *ret_len);
int64_t package_time(const struct package *package); /* since 1601 */
