/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planning what a guest lacks of a driver set: shared by its parts, for nobody else. */
#pragma once

#include "step-common.h"

#define INSTALL_DOC "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"

struct install {
    struct plan *plan;
    struct guest_disk *guest;
    struct driver_set *set;
    json_t *manifest;     /* NULL: none yet */
    const json_t *old;    /* the entry of this GPU; NULL: none */
    json_t *entry;        /* the new one */
    json_t *folders;      /* that are missing: made by the first package step */
    bool makes_folders;   /* that step is planned */
    json_t *file_folders; /* below System32 and SysWOW64, made by the steps of files */
    char guest_root[64];  /* "C:\\Windows" in the guest; "": not known */
    uint64_t new_bytes;
    unsigned backups; /* to name them */
};

/* Takes the states and params over. */
bool install_add_step(struct install *install, const struct step_kind *kind,
                      const char *target, json_t *params, json_t *before, json_t *after,
                      const char *powershell, struct err *err) MUST_CHECK;
json_t *install_backup_name(struct install *install);

/* plan-install-file.c: one file outside the store. */
bool install_plan_file(struct install *install, const struct driver_file *wanted,
                       struct err *err) MUST_CHECK;
/* plan-install-registry.c: all values, in one step. */
bool install_plan_registry(struct install *install, struct err *err) MUST_CHECK;
