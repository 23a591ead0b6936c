/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the INF of a package in the driver store says: its version, and what one of its
 * sections installs.  The text is parsed in a process that can do nothing else.
 */
#pragma once

#include "inf.h"
#include "source.h"

struct package_inf {
    struct inf_version version;
    /* Of the section asked for; of its members only files, copy_infs and unresolved. */
    bool has_install;
    struct inf_install install;
};

/*
 * Reads "<package>\\<its INF>" of @source.
 * @section: InfSection + InfSectionExt of a class key: no choice is made; NULL: the
 * version only.
 * ERR_PROTOCOL: no INF, or a damaged one, or the section is not in it.
 */
bool package_inf_read(struct windows_source *source, const char *package,
                      const char *section, const char *architecture,
                      struct package_inf *ret, struct err *err) MUST_CHECK;
void package_inf_clear(struct package_inf *inf);

/* The same for a text that is here already; @what names it in messages. */
bool package_inf_parse(const char *bytes, size_t len, const char *what, const char *section,
                       const char *architecture, struct package_inf *ret, struct err *err)
    MUST_CHECK;
