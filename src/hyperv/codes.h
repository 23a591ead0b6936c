/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table behind hv_code_name(), with what each code means for an error. */
#pragma once

#include <stdint.h>

#include "err.h"

struct hv_code {
    uint32_t code;
    enum err_kind kind;
    const char *name;
    const char *hint; /* NULL: nothing general to say */
};

const struct hv_code *hv_code_find(uint32_t code); /* NULL: not a known one */
