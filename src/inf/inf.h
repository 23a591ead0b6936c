/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Windows INF files: the text, and what one of them installs for a device.
 *
 * Reading follows the general syntax rules: UTF-16LE with BOM, UTF-8 or a single-byte
 * code page; sections of one name merge; names compare without case; ';' starts a comment
 * outside quotes, '\' at the end continues a line, "" inside quotes is one quote;
 * %name% comes from [Strings], %% is a percent sign, %10% and the like are dirids.
 * Input is hostile: bounded in size, lines, fields and nesting.
 *
 * Source: MicrosoftDocs/windows-driver-docs install/general-syntax-rules-for-inf-files,
 * inf-version-section, inf-manufacturer-section, inf-models-section,
 * inf-ddinstall-section, inf-copyfiles-directive, inf-destinationdirs-section,
 * inf-sourcedisksfiles-section, inf-addreg-directive, inf-addservice-directive,
 * using-dirids; behaviour compared on the vendors' own files.
 */
#pragma once

#include "err.h"

/* ---- the text ---- */

struct inf;

/* One line of a section.  Fields are unquoted and trimmed; tokens are not replaced yet. */
struct inf_line {
    const char *key; /* left of '='; NULL when there is none */
    size_t field_count;
    const char *const *fields;
    unsigned number; /* in the file, from 1 */
};

enum { INF_SIZE_MAX = 32 << 20 };

/* ERR_PROTOCOL: not an INF (no [Version] with a known Signature), or past a limit. */
struct inf *inf_parse(const void *bytes, size_t len, struct err *err);
void inf_free(struct inf *inf); /* NULL is fine */
DEFINE_CLEANUP(inf_cleanup, struct inf *, inf_free)

bool inf_has_section(const struct inf *inf, const char *section);
size_t inf_line_count(const struct inf *inf, const char *section); /* 0: no such section */
/* Lent; NULL past the end. */
const struct inf_line *inf_line(const struct inf *inf, const char *section, size_t index);
/* @text with its %name% tokens replaced; dirids (%13%) and unknown names stay.  Owned. */
char *inf_expand(const struct inf *inf, const char *text, struct err *err);

/* ---- what it is ---- */

struct inf_version { /* all owned; NULL: not said */
    char *class_name, *class_guid, *provider, *driver_date, *driver_version, *catalog,
        *extension_id;
    bool pnp_lockdown;
    size_t model_count; /* lines of all models sections that [Manufacturer] names */
};
bool inf_read_version(const struct inf *inf, struct inf_version *ret, struct err *err)
    MUST_CHECK;
void inf_version_clear(struct inf_version *version);

/* ---- what it installs ---- */

enum inf_rule { INF_EXACT, INF_NEWER, INF_ABSENT, INF_ALWAYS };
const char *inf_rule_name(enum inf_rule rule); /* "exact", "newer", "absent", "always" */

enum { /* dirids that matter; 16384 + CSIDL for folders of the shell */
       INF_DIR_SOURCE = 1,
       INF_DIR_WINDOWS = 10,
       INF_DIR_SYSTEM32 = 11,
       INF_DIR_DRIVERS = 12,
       INF_DIR_STORE = 13, /* the package itself */
       INF_DIR_INF = 17,
       INF_DIR_SYSTEM_DRIVE = 24,
       INF_DIR_PROGRAM_FILES = 16422,
       INF_DIR_SYSWOW64 = 16425,
       INF_DIR_PROGRAM_FILES_X86 = 16426,
       INF_DIR_COMMON_FILES = 16427,
};

/* One CopyFiles line, in file order, duplicates included. */
struct inf_file {
    char *source; /* below the package: "NvCamera\\x.dll" */
    int dirid;
    char *subdir;       /* below the dirid; "" = none */
    char *name;         /* there */
    uint32_t flags;     /* COPYFLG_* */
    enum inf_rule rule; /* what the flags say about a file that is there already */
    bool is_listed;     /* in SourceDisksFiles: must hold, is broken in modified INFs */
};

/* One value of a CopyToVm* subkey: what Windows' own copier would bring to a guest. */
struct inf_copy_to_vm {
    char *label;  /* the value's name, free text */
    char *source; /* below the package, or an absolute path with a dirid */
    char *name;   /* in the guest's System32, or SysWOW64 when @wow64 */
    bool wow64;
    enum inf_rule rule; /* INF_ALWAYS or INF_NEWER */
};

/* AddReg lines under HKR of the DDInstall section (the device's software key) or of a
 * service section, merged: an append adds to the value before it. */
struct inf_value {
    char *subkey; /* "" = the key itself */
    char *name;
    uint32_t type; /* Windows' registry type */
    size_t text_count;
    char **texts; /* tokens replaced, dirids as they stand; numbers as written */
};

struct inf_service {
    char *name;
    bool is_function_driver; /* SPSVCINST_ASSOCSERVICE */
    uint32_t type, start, error_control;
    char *group, *binary; /* NULL: not said */
    struct inf_value *values;
    size_t value_count;
};

struct inf_install {
    char *description;
    char *hardware_id; /* the one that matched, as the INF spells it */
    char *section;     /* "Section001" as the models line says */
    char *actual;      /* "Section001.ntamd64" where such a section exists */
    char *models;      /* the models section chosen */
    struct inf_file *files;
    size_t file_count;
    struct inf_copy_to_vm *copies;
    size_t copy_count;
    struct inf_value *values;
    size_t value_count;
    struct inf_service *services;
    size_t service_count;
    char **copy_infs; /* CopyINF: companions it wants installed too */
    size_t copy_inf_count;
    char **unresolved; /* Needs sections that are in other INFs, lists that are missing */
    size_t unresolved_count;
};

/**
 * inf_find_install - what is installed for a device
 * @hardware_id:  "PCI\VEN_10DE&DEV_1E07", or longer: its more general forms are tried
 *                too, most specific first, as Windows does; an instance id does as well
 * @architecture: "amd64", "arm64", "x86"
 * @build:        Windows build; 0: the newest this INF knows
 *
 * ERR_UNSUPPORTED: no models section fits this Windows; ERR_NOT_FOUND: the device is not
 * in the one that fits.
 */
bool inf_find_install(const struct inf *inf, const char *hardware_id,
                      const char *architecture, unsigned build, struct inf_install *ret,
                      struct err *err) MUST_CHECK;
/* The same for a section that is known already (InfSection + InfSectionExt of the class
 * key): no choice is made. */
bool inf_read_install(const struct inf *inf, const char *section, const char *architecture,
                      struct inf_install *ret, struct err *err) MUST_CHECK;
void inf_install_clear(struct inf_install *install);

/* Where a file ends up, for people: "%SystemRoot%\\System32\\nvcuda.dll",
 * "<package>\\NvCamera\\x.dll".  Owned; NULL: no memory. */
char *inf_file_destination(const struct inf_file *file);
