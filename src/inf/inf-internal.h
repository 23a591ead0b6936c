/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */
#pragma once

#include "inf.h"

/* The value of `key = value` in a section, first one wins; NULL: none.  Lent. */
const char *inf_key(const struct inf *inf, const char *section, const char *key);

/* Splits a models decoration ("NTamd64.10.0...16299"). */
struct inf_target {
    char arch[8]; /* "" = any */
    unsigned major, minor, build;
};
bool inf_target_parse(const char *decoration, struct inf_target *ret);

/* The models line for a device: its section's name and the line, lent by @inf. */
bool inf_find_model(const struct inf *inf, const char *hardware_id,
                    const char *architecture, unsigned build, char **ret_models,
                    const struct inf_line **ret_line, size_t *ret_id_field, struct err *err)
    MUST_CHECK;
