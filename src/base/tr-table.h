/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translations linked into the program, for systems without gettext; from po/ by
 * tools/po-to-c.py. */
#pragma once

#include <stddef.h>

struct tr_entry {
    const char *source, *text;
};

struct tr_language {
    const char *name; /* as in po/LINGUAS: "zh_CN" */
    const struct tr_entry *entries;
    size_t count; /* sorted by the bytes of the source */
};

/* Ends with a name of NULL. */
extern const struct tr_language tr_languages[];

/* The language that @locale asks for ("zh_CN.UTF-8", "zh-Hans-CN", "zh"), or NULL. */
const struct tr_language *tr_language_find(const char *locale);
/* @source in @language, or itself. */
const char *tr_language_text(const struct tr_language *language, const char *source);
