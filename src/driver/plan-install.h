/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Planning what a guest lacks of a driver set, shared by its parts, for nobody else:
 * plan-install.c (the whole), plan-package.c (the folders in HostDriverStore),
 * plan-install-file.c (files outside), plan-drift.c (why the guest is not as it should be).
 */
#pragma once

#include "step-common.h"

#define INSTALL_DOC "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"

/* What was found to differ, by name; each becomes one finding. */
struct drift {
    json_t *missing, *changed, *added; /* in the guest */
    json_t *host;                      /* the host's file is another one now */
    json_t *values;
};

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
    bool every_hash;      /* trust no size and no time */
    bool says_why;        /* findings for what drifted */
    struct drift drift;
    uint64_t new_bytes;
};

/* Takes the states and params over. */
bool install_add_step(struct install *install, const struct step_kind *kind,
                      const char *target, json_t *params, json_t *before, json_t *after,
                      const char *powershell, struct err *err) MUST_CHECK;
/* Something that is there and should not be.  Takes over @now. */
bool install_add_removal(struct install *install, const char *what, const char *path,
                         bool tree, json_t *now, struct err *err) MUST_CHECK;
/* A file to be put at @path, below the guest's Windows folder.  Takes over @now
 * (step_file_state()). */
bool install_add_file(struct install *install, const char *path, const char *source,
                      uint64_t size, const char *sha256, json_t *now, struct err *err)
    MUST_CHECK;

/* plan-package.c: HostDriverStore and FileRepository, as far as they are missing; then a
 * package. */
bool install_find_folders(struct install *install, struct err *err) MUST_CHECK;
bool install_plan_package(struct install *install, const struct driver_package *package,
                          struct err *err) MUST_CHECK;

/* plan-install-file.c: the files outside the store. */
bool install_plan_files(struct install *install, struct err *err) MUST_CHECK;
/* plan-install-registry.c: all values, in one step. */
bool install_plan_registry(struct install *install, struct err *err) MUST_CHECK;

/* ---- plan-drift.c ---- */

bool drift_open(struct drift *drift, struct err *err) MUST_CHECK;
void drift_close(struct drift *drift);
/* Notes one name in one of the lists of install->drift. */
bool drift_note(json_t *list, const char *name, struct err *err) MUST_CHECK;
/* The findings, when install->says_why and the guest has a record of this GPU.
 * @facts: of the guest; @steps: whether anything is to be done. */
bool drift_say(struct install *install, const struct guest_facts *facts, bool steps,
               struct err *err) MUST_CHECK;
