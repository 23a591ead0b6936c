/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The software components of a driver, and which package each was installed from; for
 * companions.c. */
#pragma once

#include "driver-set.h"
#include "store-index.h"

enum { COMPONENTS_MAX = 64 };

/* A software component of the driver's provider and version. */
struct component {
    char *published; /* "oem21.inf" */
    char *section;   /* InfSection + InfSectionExt; NULL: not recorded */
    char *package;   /* that its records name; NULL: none does */
    unsigned votes;  /* how many do, all the same one */
    char *told;      /* what each record says, for people */
};

struct components {
    struct component all[COMPONENTS_MAX];
    size_t count;
};

/* Those of @set's provider and @version.  ERR_CONFLICT: records of one name different
 * packages. */
bool components_read(struct driver_set *set, struct store_index *index, const char *version,
                     struct components *ret, struct err *err) MUST_CHECK;
void components_clear(struct components *components);
/* NULL: no component was installed from @package. */
const struct component *components_of(const struct components *components,
                                      const char *package);
